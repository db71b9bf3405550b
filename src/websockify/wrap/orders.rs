//! What the keeper of a wrapped program is told to do.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use rustix::process::Signal;

use super::WrapMode;

/// What to keep, and how.
#[derive(Clone, Debug)]
pub(super) struct Orders {
    pub(super) command: Vec<OsString>,
    pub(super) old_port: u16,
    pub(super) new_port: u16,
    /// Signals that the program is to ignore, as with nohup(1).
    pub(super) ignored: Vec<Signal>,
    /// What replaces bind(3) in a program whose calls cannot be seen; `None`: it is not installed.
    pub(super) library: Option<PathBuf>,
    pub(super) mode: WrapMode,
}

/// Of the terminal's signals, those that this process ignores.
pub(super) fn ignored_signals() -> Vec<Signal> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let mask = mask.unwrap_or_default();
    let mut signals = vec![Signal::HUP, Signal::INT, Signal::QUIT];
    signals.retain(|signal| mask >> (signal.as_raw() - 1) & 1 == 1);
    signals
}
