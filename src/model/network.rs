//! Where somebody is, as far as addresses tell people apart.

use std::net::{IpAddr, Ipv6Addr};

/// What stands for all addresses that one person has: in IPv6 that is a whole /64.
pub fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = u128::from(address) & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from(network))
        }
    }
}
