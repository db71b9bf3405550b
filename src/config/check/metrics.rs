//! `[metrics]`: who may read what is counted.

use std::net::IpAddr;

use ipnet::IpNet;

use super::place::{Fault, Field, absolute};
use crate::config::problems::Problems;
use crate::config::{Metrics, raw};

const MAX_ALLOWED: usize = 100;

pub(super) fn metrics(raw: raw::Metrics, metrics: &mut Metrics, problems: &mut Problems<'_>) {
    let field = |key| Field::new("metrics", key);
    if let Some(allow) = raw.allow {
        let allow = allow.into_inner();
        metrics.allow = field("allow").list(allow, MAX_ALLOWED, problems, network);
    }
    field("token_file").set(raw.token_file, &mut metrics.token_file, problems, |path| {
        absolute(path).map(Some)
    });
}

/// An address is the network of it alone.
fn network(text: &str) -> Result<IpNet, Fault> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    address
        .or_else(|_| text.parse::<IpNet>())
        .map_err(|_| Fault::Wants)
}
