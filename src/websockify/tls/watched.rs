//! What was made of files, and is made anew when they change.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock, TryLockError};

use tracing::{info, warn};

use super::TlsError;
use crate::certificates::{Stamp, stamps};

/// A value read from files. Each look at it costs a stat(2) for each file.
pub(super) struct Watched<T> {
    files: Vec<PathBuf>,
    load: Box<dyn Fn() -> Result<Option<T>, TlsError> + Send + Sync>,
    current: RwLock<Option<Arc<T>>>,
    seen: Mutex<Vec<Option<Stamp>>>,
}

impl<T> Watched<T> {
    /// Reads the files now. `load` may find that there is nothing to read yet.
    ///
    /// # Errors
    /// Those of `load`.
    pub(super) fn new(
        files: Vec<PathBuf>,
        load: impl Fn() -> Result<Option<T>, TlsError> + Send + Sync + 'static,
    ) -> Result<Self, TlsError> {
        let seen = stamps(&files);
        let current = load()?.map(Arc::new);
        Ok(Self {
            files,
            load: Box::new(load),
            current: RwLock::new(current),
            seen: Mutex::new(seen),
        })
    }

    /// The value, read anew if a file has changed. When the new files are bad the old value stays
    /// and the log says so, once for each change.
    pub(super) fn current(&self) -> Option<Arc<T>> {
        self.refresh();
        let current = self.current.read();
        current.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn refresh(&self) {
        let now = stamps(&self.files);
        let mut seen = match self.seen.try_lock() {
            Ok(seen) => seen,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Somebody reads them at this moment.
            Err(TryLockError::WouldBlock) => return,
        };
        if *seen == now {
            return;
        }
        // Noted before the files are read: a change in between is seen next time.
        *seen = now;
        let named = || {
            let names = self.files.iter().map(|file| file.display().to_string());
            names.collect::<Vec<_>>().join(" and ")
        };
        match (self.load)() {
            Ok(Some(value)) => {
                info!("{} changed and is used from now on", named());
                let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
                *current = Some(Arc::new(value));
            }
            Ok(None) => {}
            Err(error) => warn!("{} changed, the old one stays in use: {error}", named()),
        }
    }
}

impl<T> fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watched").field(&self.files).finish()
    }
}
