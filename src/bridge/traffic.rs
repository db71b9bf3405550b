//! How much a connection has moved.

use std::sync::atomic::{AtomicU64, Ordering};

/// The RFB bytes of a connection so far, for whoever watches it. WebSocket's own bytes do not
/// count.
#[derive(Debug, Default)]
pub struct Traffic {
    to_browser: AtomicU64,
    from_browser: AtomicU64,
}

impl Traffic {
    /// Bytes that came from the desktop.
    pub fn to_browser(&self) -> u64 {
        self.to_browser.load(Ordering::Relaxed)
    }

    /// Bytes that went to the desktop.
    pub fn from_browser(&self) -> u64 {
        self.from_browser.load(Ordering::Relaxed)
    }

    pub(crate) fn add_to_browser(&self, bytes: usize) {
        self.to_browser.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn add_from_browser(&self, bytes: usize) {
        self.from_browser.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}
