//! How many connections there may be, in all and from one place.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts connections. Clones count together.
#[derive(Clone, Debug)]
pub struct Limits {
    counts: Arc<Mutex<Counts>>,
}

/// What counts for one connection, or for one request that a proxy has brought or that is not the
/// only one of its connection; dropping it frees the place.
#[derive(Debug)]
pub(super) struct Place {
    limits: Limits,
    /// It is one of all connections.
    is_connection: bool,
    /// The address that it counts for.
    from: Option<IpAddr>,
}

/// Which limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    #[error("there are as many connections as there may be")]
    Everybody {
        /// The first that is refused since there was room.
        first: bool,
    },
    #[error("there are as many connections from there as there may be")]
    ThisAddress,
}

impl Full {
    /// Whether it is worth a line where not every line is.
    pub(super) fn is_news(self) -> bool {
        !matches!(self, Self::Everybody { first: false })
    }
}

#[derive(Debug)]
struct Counts {
    max: usize,
    max_per_address: usize,
    total: usize,
    /// Somebody was refused, and there has been no room worth the name since.
    refusing: bool,
    by_address: HashMap<IpAddr, usize>,
}

impl Limits {
    /// At most `max` connections, and `max_per_address` of them from one IPv4 address or one
    /// IPv6 network of 64 bits (a person's usual share). This machine's own address is that of
    /// everybody on it: for it `max` alone counts. So it does for the connections of a trusted
    /// proxy, of which each request takes a place of the address that it comes from.
    pub fn new(max: usize, max_per_address: usize) -> Self {
        let counts = Counts {
            max,
            max_per_address,
            total: 0,
            refusing: false,
            by_address: HashMap::new(),
        };
        Self {
            counts: Arc::new(Mutex::new(counts)),
        }
    }

    /// Other limits from now on; who is in stays in.
    pub fn set(&self, max: usize, max_per_address: usize) {
        let mut counts = self.lock();
        counts.max = max;
        counts.max_per_address = max_per_address;
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.lock().total
    }

    /// A place for a connection from `address`.
    pub(super) fn enter(&self, address: IpAddr) -> Result<Place, Full> {
        let mut place = self.enter_from_proxy()?;
        place.count_for(address)?;
        Ok(place)
    }

    /// A place for a connection that counts for no address, or for none yet.
    pub(super) fn enter_from_proxy(&self) -> Result<Place, Full> {
        let mut counts = self.lock();
        if counts.total >= counts.max {
            let first = !std::mem::replace(&mut counts.refusing, true);
            return Err(Full::Everybody { first });
        }
        counts.total += 1;
        Ok(self.place(true))
    }

    /// A place for a request from `address` on a connection that has one already.
    pub(super) fn enter_request(&self, address: IpAddr) -> Result<Place, Full> {
        let mut place = self.place(false);
        place.count_for(address)?;
        Ok(place)
    }

    fn place(&self, is_connection: bool) -> Place {
        Place {
            limits: self.clone(),
            is_connection,
            from: None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Counts for `address` from now on; for a place that counts for none yet.
    pub(super) fn count_for(&mut self, address: IpAddr) -> Result<(), Full> {
        let from = network(address);
        let mut counts = self.limits.lock();
        let max_per_address = counts.max_per_address;
        let here = counts.by_address.get(&from).copied().unwrap_or_default();
        if here >= max_per_address && !address.to_canonical().is_loopback() {
            return Err(Full::ThisAddress);
        }
        counts.by_address.insert(from, here + 1);
        self.from = Some(from);
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.limits.lock();
        if self.is_connection {
            counts.total -= 1;
            if counts.total <= counts.max / 4 * 3 {
                counts.refusing = false;
            }
        }
        let Some(from) = self.from else { return };
        if let Some(here) = counts.by_address.get_mut(&from) {
            *here -= 1;
            if *here == 0 {
                counts.by_address.remove(&from);
            }
        }
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let limits = Limits::new(10, 1);
        let _one = limits.enter("2001:db8::1".parse().unwrap()).unwrap();
        let neighbour = limits.enter("2001:db8::ffff".parse().unwrap());
        assert_eq!(neighbour.unwrap_err(), Full::ThisAddress);
        assert!(limits.enter("2001:db8:0:1::1".parse().unwrap()).is_ok());
    }

    #[test]
    fn this_machine_s_own_address_is_limited_in_all_alone() {
        let limits = Limits::new(3, 1);
        let mut places = Vec::new();
        for here in ["127.0.0.1", "127.0.0.1", "::1"] {
            places.push(limits.enter(here.parse().unwrap()).unwrap());
        }
        let more = limits.enter("::1".parse().unwrap());
        assert_eq!(more.unwrap_err(), Full::Everybody { first: true });
        drop(places);
        let counts = limits.lock();
        assert!(counts.total == 0 && counts.by_address.is_empty());
    }

    #[test]
    fn a_proxy_s_connections_count_in_all_and_its_requests_for_those_who_ask() {
        let limits = Limits::new(2, 1);
        let alice: IpAddr = "192.0.2.1".parse().unwrap();
        let mut proxy = limits.enter_from_proxy().unwrap();
        let first = limits.enter_request(alice).unwrap();
        let second = limits.enter_request(alice);
        assert_eq!(second.unwrap_err(), Full::ThisAddress);
        assert_eq!(proxy.count_for(alice), Err(Full::ThisAddress));
        drop(first);
        proxy.count_for(alice).unwrap();
        assert_eq!(limits.enter(alice).unwrap_err(), Full::ThisAddress);
        let other = limits.enter_from_proxy().unwrap();
        let more = limits.enter_from_proxy();
        assert_eq!(more.unwrap_err(), Full::Everybody { first: true });
        drop((proxy, other));
        let counts = limits.lock();
        assert!(counts.total == 0 && counts.by_address.is_empty());
    }

    #[test]
    fn of_those_that_are_too_many_the_first_is_news_until_there_is_room() {
        let limits = Limits::new(8, 8);
        let here: IpAddr = "127.0.0.1".parse().unwrap();
        let is_news = || limits.enter(here).unwrap_err().is_news();
        let mut places: Vec<_> = (0..8).map(|_| limits.enter(here).unwrap()).collect();
        assert!(is_news() && !is_news());
        places.pop();
        places.push(limits.enter(here).unwrap());
        assert!(!is_news(), "one place that is taken at once is no room");
        places.truncate(6);
        places.extend((0..2).map(|_| limits.enter(here).unwrap()));
        assert!(is_news() && !is_news());
    }

    #[test]
    fn one_address_leaves_room_for_others_and_a_place_is_given_back() {
        let limits = Limits::new(3, 2);
        let alice: IpAddr = "192.0.2.1".parse().unwrap();
        let bob: IpAddr = "192.0.2.2".parse().unwrap();
        let first = limits.enter(alice).unwrap();
        let _second = limits.enter(alice).unwrap();
        assert_eq!(limits.enter(alice).unwrap_err(), Full::ThisAddress);
        let _bob = limits.enter(bob).unwrap();
        let full = limits.enter(bob).unwrap_err();
        assert_eq!(full, Full::Everybody { first: true });
        drop(first);
        assert!(limits.enter(alice).is_ok());
    }
}
