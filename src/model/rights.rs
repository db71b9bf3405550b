//! What a viewer may do to a desktop.

use serde::{Deserialize, Serialize};

/// The rights of one viewer, enforced by the bridge and not by the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rights {
    /// Sees the desktop and uses its keyboard, pointer, clipboard and size.
    Control,
    /// Sees the desktop; everything that would change it is dropped.
    View,
}
