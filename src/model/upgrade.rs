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

impl UpgradeOutcome {
    /// The old one goes on, and why: other programs' words may be in it, so that control characters
    /// become spaces (new lines stay) and what is too long for a message is cut.
    pub fn kept(version: &str, reason: &str) -> Self {
        let is_odd = |c: char| c.is_control() && c != '\n';
        let mut reason = reason.replace(is_odd, " ");
        loop {
            let length = reason.len();
            let outcome = Self::Kept {
                version: version.to_owned(),
                reason,
            };
            if length == 0 || outcome.to_message().len() <= MAX_OUTCOME {
                return outcome;
            }
            let Self::Kept { reason: long, .. } = outcome else {
                return outcome;
            };
            reason = long;
            reason.truncate(reason.floor_char_boundary(length.min(MAX_OUTCOME) * 7 / 8));
        }
    }

    /// For who asked.
    pub fn to_message(&self) -> Vec<u8> {
        // Texts and numbers always can be written.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_fits_whatever_is_in_it() {
        let reasons = ["\u{1}", "\"", "\\", "\n", "\u{85}", "ü", "\u{10ffff}", "x"];
        for reason in reasons.map(|piece| piece.repeat(20_000)) {
            let outcome = UpgradeOutcome::kept("1.2.3", &reason);
            let message = outcome.to_message();
            assert!(message.len() <= MAX_OUTCOME, "{}", message.len());
            assert!(message.len() > MAX_OUTCOME / 2, "{}", message.len());
            let told: UpgradeOutcome = serde_json::from_slice(&message).unwrap();
            assert_eq!(told, outcome);
            let UpgradeOutcome::Kept { reason, .. } = told else {
                panic!("{told:?}");
            };
            assert!(!reason.contains(|c: char| c.is_control() && c != '\n'));
        }
        let short = UpgradeOutcome::kept("", "a\u{1b}[2Jb\nc\0");
        let reason = "a [2Jb\nc ".to_owned();
        assert_eq!(
            short,
            UpgradeOutcome::Kept {
                version: String::new(),
                reason
            }
        );
    }
}
