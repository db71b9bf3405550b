//! Whether browsers take the page for secure, and with which certificate.

use std::net::{IpAddr, Ipv4Addr};

use rustls_pki_types::ServerName;
use url::Host;

use super::walk::Landing;
use super::{Finding, Way, certificate, door};
use crate::runtime::Clock;

const SECURE: &str = "secure context";

/// Whether browsers take the page for secure, and the certificate.
pub(super) fn findings(way: &Way, landing: &Landing) -> Vec<Finding> {
    let Some(tls) = &landing.facts.tls else {
        let local = match way.site.host() {
            Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
            Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            None => false,
        };
        return vec![if local {
            Finding::fine(
                SECURE,
                "plain http, which browsers trust on this machine alone",
            )
        } else {
            Finding::wrong(
                SECURE,
                "plain http: passwords can be read on the way, and browsers give pages no clipboard",
                "serve https, in Deskway (tls_cert, tls_key) or in the proxy, and send http there",
            )
        }];
    };
    let mut findings = vec![Finding::fine(SECURE, "https")];
    let anybody = ServerName::IpAddress(Ipv4Addr::UNSPECIFIED.into());
    let name = door::server_name(&way.site).unwrap_or(anybody);
    findings.extend(certificate::findings(
        tls,
        &name,
        &certificate::roots(),
        Clock::System.unix(),
        way.proxy,
    ));
    findings
}
