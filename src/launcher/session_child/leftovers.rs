//! What a desktop leaves behind: processes that outlive their session, and its log.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use deskway_osuser::{Account, Received, Signals};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::OFlags;
use rustix::process::{Signal, WaitOptions};

use crate::agent::protocol::MAX_LOG_TAIL;
use crate::cgroup::Group;

/// How long leftovers may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(3);
/// When even SIGKILL does not help (a process that hangs in the kernel), they are left.
const GIVE_UP: Duration = Duration::from_secs(30);
/// Between two rounds of killing: something may have been forked during the last.
const ROUND: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};
/// How long reading the log may take.
const LOG_TIMEOUT: Duration = Duration::from_secs(2);

/// Ends every process below this one, and removes their group.
pub(super) fn end_all(signals: &Signals, group: Option<&Group>) {
    thaw(group);
    end_descendants(signals);
    if let Some(group) = group {
        // What could not be ended keeps it: the launcher cannot do more either.
        drop(group.kill_all());
        drop(group.remove());
    }
}

/// Lets go on what is to end: of a signal it does not hear otherwise.
pub(super) fn thaw(group: Option<&Group>) {
    if let Some(group) = group {
        // Without a freezer nothing stands still.
        drop(group.thaw());
    }
}

fn end_descendants(signals: &Signals) {
    let began = Instant::now();
    send_all(Signal::TERM);
    while reap_all() && began.elapsed() < GIVE_UP {
        if began.elapsed() >= GRACE {
            send_all(Signal::KILL);
        }
        let mut polled = [PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN)];
        let waited = rustix::event::poll(&mut polled, Some(&ROUND));
        if waited.is_err_and(|error| error != rustix::io::Errno::INTR) {
            return;
        }
        while signals.next().is_some() {}
    }
}

fn send_all(signal: Signal) {
    for process in deskway_osuser::descendants().unwrap_or_default() {
        // It may have ended meanwhile.
        if let Ok(handle) = deskway_osuser::open_process(process) {
            drop(deskway_osuser::signal(handle.as_fd(), signal));
        }
    }
}

/// Whether there are children left.
fn reap_all() -> bool {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

/// The end of the desktop's log, read as its owner (when that is somebody else), for the owner
/// could have put a link to any file in its place.
pub(super) fn log_tail(owner: Option<&Account>, path: &Path) -> String {
    read_as(owner, path).unwrap_or_default()
}

fn read_as(owner: Option<&Account>, path: &Path) -> io::Result<String> {
    let (words, outlet) = deskway_osuser::pair()?;
    let child = deskway_osuser::run_in_child(&[outlet.as_fd()], || {
        let become_owner = owner.map_or(Ok(()), deskway_osuser::become_user);
        let tail = become_owner.and_then(|()| read(path));
        let sent = tail.and_then(|tail| deskway_osuser::send(outlet.as_fd(), &tail));
        i32::from(sent.is_err())
    })?;
    drop(outlet);
    let timeout = Timespec::try_from(LOG_TIMEOUT).map_err(io::Error::other)?;
    let mut polled = [PollFd::from_borrowed_fd(words.as_fd(), PollFlags::IN)];
    rustix::event::poll(&mut polled, Some(&timeout))?;
    let mut buffer = vec![0; MAX_LOG_TAIL];
    let received = deskway_osuser::receive(words.as_fd(), &mut buffer);
    child.kill(Signal::KILL)?;
    // A file system that hangs may keep it: then it is left, as nothing more is done here.
    let mut polled = [PollFd::from_borrowed_fd(child.handle(), PollFlags::IN)];
    rustix::event::poll(&mut polled, Some(&timeout))?;
    child.reap();
    match received? {
        Received::Message(length, _) => buffer.truncate(length),
        Received::TooLong | Received::End => buffer.clear(),
    }
    Ok(printable(&buffer))
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut file = File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let most = u64::try_from(MAX_LOG_TAIL).map_err(io::Error::other)?;
    file.seek(SeekFrom::Start(found.len().saturating_sub(most)))?;
    let mut tail = Vec::new();
    file.take(most).read_to_end(&mut tail)?;
    Ok(tail)
}

fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .filter(|c| !c.is_control() || *c == '\n' || *c == '\t')
        .collect()
}
