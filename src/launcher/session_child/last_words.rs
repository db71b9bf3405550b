//! Why an agent could not begin: the launcher has no connection to it then.

use std::fs::File;
use std::io::{Read, Seek};

use crate::runtime::printable;

/// Most bytes that are read of what an agent said, and letters of them that are told.
const MAX_READ: u64 = 4096;
const MAX_TOLD: usize = 400;

/// What an agent has said to a file in memory, which is its owner's to fill; `None`: nothing.
pub(super) fn read(mut said: File) -> Option<String> {
    let mut bytes = Vec::new();
    said.rewind().ok()?;
    said.take(MAX_READ).read_to_end(&mut bytes).ok()?;
    let text = printable(&String::from_utf8_lossy(&bytes)).replace('\n', " ");
    let text = text.trim().trim_start_matches("deskway: ");
    let told: String = text.chars().take(MAX_TOLD).collect();
    (!told.is_empty()).then_some(told)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn told(said: &[u8]) -> Option<String> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(said).unwrap();
        read(file)
    }

    #[test]
    fn the_reason_is_told_without_what_a_terminal_would_obey_and_not_at_length() {
        assert_eq!(told(b""), None);
        let reason = told(b"deskway: no\x1b[31m room\n").unwrap();
        assert_eq!(reason, "no?[31m room");
        assert_eq!(
            told("x".repeat(100_000).as_bytes()).unwrap().len(),
            MAX_TOLD
        );
    }
}
