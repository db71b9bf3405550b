//! The reverse proxies whose word counts.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use crate::config::TrustedProxy;

/// The list of them, which can be replaced while connections are open. Clones are the same list.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Arc<RwLock<Arc<[TrustedProxy]>>>);

impl TrustedProxies {
    pub fn new(proxies: Vec<TrustedProxy>) -> Self {
        Self(Arc::new(RwLock::new(proxies.into())))
    }

    /// Others from now on, for the next request of open connections too.
    pub fn set(&self, proxies: Vec<TrustedProxy>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = proxies.into();
    }

    /// Whether the one at `peer` (`None`: at a unix socket) is among them.
    pub(super) fn has(&self, peer: Option<IpAddr>) -> bool {
        let proxies = self.0.read().unwrap_or_else(PoisonError::into_inner);
        proxies.iter().any(|proxy| proxy.is(peer))
    }
}
