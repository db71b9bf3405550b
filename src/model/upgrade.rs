//! What `deskway upgrade` is told by the `deskway up` that it asks.

use serde::{Deserialize, Serialize};

/// Below the run directory: who connects here asks `up` to upgrade itself, and is told how that
/// went.
pub const UPGRADE_SOCKET: &str = "up.sock";
/// Longest message, in bytes.
pub const MAX_OUTCOME: usize = 16 * 1024;

/// How it went. JSON, in one message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpgradeOutcome {
    /// The new program serves, as the same process.
    Done { from: String, to: String, pid: u32 },
    /// The old one goes on.
    Kept { version: String, reason: String },
}
