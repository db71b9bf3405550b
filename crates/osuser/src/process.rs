//! Other processes: which is which, who belongs to whom, and signals that cannot hit a stranger.

use std::collections::HashMap;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::process::{Pid, PidfdFlags, Signal};

/// A process and when it began, so that a number that was given out again is not mistaken for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessId {
    pub pid: i32,
    /// Clock ticks since boot (field 22 of `/proc/PID/stat`, proc(5)).
    pub start: u64,
}

/// When a process began: clock ticks since boot.
///
/// # Errors
/// When it is not there.
pub fn start_time(pid: i32) -> io::Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    fields(&stat)
        .and_then(|fields| fields.start.parse().ok())
        .ok_or_else(|| io::Error::other(format!("/proc/{pid}/stat is not understood")))
}

/// The number of a process's parent.
///
/// # Errors
/// When the process is not there.
pub fn parent(pid: i32) -> io::Result<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    fields(&stat)
        .and_then(|fields| fields.parent.parse().ok())
        .ok_or_else(|| io::Error::other(format!("/proc/{pid}/stat is not understood")))
}

/// A descriptor of a running process that is really the one that is meant.
///
/// # Errors
/// When it has ended, even if its number is in use again.
pub fn open_process(id: ProcessId) -> io::Result<OwnedFd> {
    let pid = Pid::from_raw(id.pid).ok_or(io::ErrorKind::InvalidInput)?;
    let handle = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
    if start_time(id.pid)? == id.start {
        Ok(handle)
    } else {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// # Errors
/// When the process is not there any more.
pub fn signal(process: BorrowedFd<'_>, signal: Signal) -> io::Result<()> {
    Ok(rustix::process::pidfd_send_signal(process, signal)?)
}

/// From now on the orphans of all processes below this one become its children.
///
/// # Errors
/// Never on a kernel of this century.
pub fn set_subreaper() -> io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(
        rustix::process::getpid(),
    ))?)
}

/// This process gets `signal` when its parent ends. Forgotten when it becomes another account.
///
/// # Errors
/// Never on a kernel of this century.
pub fn end_with_parent(signal: Signal) -> io::Result<()> {
    Ok(rustix::process::set_parent_process_death_signal(Some(
        signal,
    ))?)
}

/// All processes below this one, zombies not counted.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn descendants() -> io::Result<Vec<ProcessId>> {
    let mut children: HashMap<i32, Vec<(ProcessId, bool)>> = HashMap::new();
    for entry in std::fs::read_dir("/proc")? {
        let Some(pid) = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // Processes come and go while this reads.
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
            continue;
        };
        let Some(fields) = fields(&stat) else {
            continue;
        };
        if let (Ok(parent), Ok(start)) = (fields.parent.parse(), fields.start.parse()) {
            let alive = !matches!(fields.state, "Z" | "X");
            let child = (ProcessId { pid, start }, alive);
            children.entry(parent).or_default().push(child);
        }
    }
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let mut found = Vec::new();
    let mut parents = vec![own];
    while let Some(parent) = parents.pop() {
        for (child, alive) in children.remove(&parent).unwrap_or_default() {
            parents.push(child.pid);
            if alive {
                found.push(child);
            }
        }
    }
    Ok(found)
}

struct Fields<'a> {
    state: &'a str,
    parent: &'a str,
    start: &'a str,
}

/// The name in parentheses may hold spaces and parentheses itself: what counts is after the last.
fn fields(stat: &str) -> Option<Fields<'_>> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut rest = rest.split_whitespace();
    Some(Fields {
        state: rest.next()?,
        parent: rest.next()?,
        start: rest.nth(17)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_with_parentheses_confuses_nobody() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0";
        let fields = fields(stat).unwrap();
        assert_eq!(
            (fields.state, fields.parent, fields.start),
            ("S", "1", "4711")
        );
    }

    #[test]
    fn a_number_that_began_at_another_time_is_another_process() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let start = start_time(pid).unwrap();
        assert!(open_process(ProcessId { pid, start }).is_ok());
        let start = start + 1;
        assert!(open_process(ProcessId { pid, start }).is_err());
    }
}
