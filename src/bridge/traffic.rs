//! How much a connection has moved, and how far away its browser is.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The RFB bytes of a connection so far, for whoever watches it. WebSocket's own bytes do not
/// count.
#[derive(Default)]
pub struct Traffic {
    to_browser: AtomicU64,
    from_browser: AtomicU64,
    on_round_trip: Option<Box<dyn Fn(Duration) + Send + Sync>>,
}

impl Traffic {
    /// Nothing yet. `heard` is told how long each answer to a ping took.
    pub fn with_round_trips(heard: impl Fn(Duration) + Send + Sync + 'static) -> Self {
        Self {
            on_round_trip: Some(Box::new(heard)),
            ..Self::default()
        }
    }

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

    pub(super) fn round_trip(&self, took: Duration) {
        if let Some(heard) = &self.on_round_trip {
            heard(took);
        }
    }
}

impl fmt::Debug for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traffic")
            .field("to_browser", &self.to_browser)
            .field("from_browser", &self.from_browser)
            .finish_non_exhaustive()
    }
}
