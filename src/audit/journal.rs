//! The launcher's end of the audit log: entries wait here until the recorder says that they are
//! written, whatever becomes of it meanwhile. Nothing in it blocks.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use deskway_osuser::{Child, Received};
use rustix::event::{PollFd, PollFlags, Timespec};

use super::entry::{Entry, Outcome, What};
use super::recorder::{self, FromRecorder, MAX_MESSAGE, ToRecorder};
use super::shares::Shares;
use crate::config::Audit;
use crate::runtime::{Clock, random_bytes};

/// Most entries that wait to be written; beyond it they are lost, and how many is recorded.
const MAX_WAITING: usize = 10_000;
/// After a recorder has died, so long until the next; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A recorder that lived so long was well.
const STABLE: Duration = Duration::from_secs(1);

/// Names an entry: they count up.
pub type Number = u64;

/// Where entries go. Without a state directory ([`Journal::default`]) they go nowhere.
#[derive(Debug, Default)]
pub struct Journal {
    state: Option<PathBuf>,
    policy: Option<Audit>,
    source: [u8; 8],
    recorder: Option<Recorder>,
    dead: Vec<Child>,
    next_fork: Option<Instant>,
    pause: Duration,
    last: Number,
    written: Number,
    /// Not known to be written, in order.
    waiting: VecDeque<(Number, Entry)>,
    /// So many could not wait.
    lost: u64,
    stuck: bool,
    shares: Shares,
}

#[derive(Debug)]
struct Recorder {
    socket: OwnedFd,
    child: Child,
    since: Instant,
    /// Up to which entry it was sent.
    sent: Number,
    knows_policy: bool,
    /// It does not read as fast as it is sent to.
    is_full: bool,
}

impl Journal {
    /// With a recorder that writes below `state`. To be called in a process with one thread.
    ///
    /// # Errors
    /// When the kernel gives no randomness.
    pub fn new(state: &Path, policy: &Audit) -> io::Result<Self> {
        let mut journal = Self {
            state: Some(state.to_path_buf()),
            policy: Some(policy.clone()),
            source: random_bytes()?,
            pause: FIRST_PAUSE,
            ..Self::default()
        };
        journal.fork(Instant::now());
        Ok(journal)
    }

    /// Takes an entry. `None`: it is not waited for, since it cannot be kept.
    pub fn record(&mut self, entry: Entry) -> Option<Number> {
        self.state.as_ref()?;
        self.tell_lost();
        if self.waiting.len() >= MAX_WAITING {
            self.lost += 1;
            return None;
        }
        self.push(entry);
        self.send();
        Some(self.last)
    }

    /// As [`Journal::record`], for what somebody can make happen as often as they like: beyond its
    /// share of a minute it is only counted.
    pub fn record_bounded(&mut self, entry: Entry, now: Instant) -> Option<Number> {
        let is_kept = self.shares.admit(&entry, now);
        is_kept.then(|| self.record(entry)).flatten()
    }

    /// The same of what programs do all the time: once an hour for each person and desktop.
    pub fn record_hourly(&mut self, entry: Entry, now: Instant) -> Option<Number> {
        let is_kept = self.shares.admit_hourly(&entry, now);
        is_kept.then(|| self.record(entry)).flatten()
    }

    /// Whether an entry is written, or there is no use in waiting for it.
    pub fn is_settled(&self, number: Number) -> bool {
        self.written >= number
    }

    /// What to poll, and for what, before [`Journal::advance`].
    pub fn socket(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        let recorder = self.recorder.as_ref()?;
        let flags = if recorder.is_full {
            PollFlags::IN | PollFlags::OUT
        } else {
            PollFlags::IN
        };
        Some((recorder.socket.as_fd(), flags))
    }

    pub fn next_deadline(&self) -> Option<Instant> {
        self.next_fork
    }

    /// Takes another policy.
    pub fn configure(&mut self, policy: &Audit) {
        self.policy = Some(policy.clone());
        if let Some(recorder) = &mut self.recorder {
            recorder.knows_policy = false;
        }
        self.send();
    }

    /// Hears the recorder, sends what waits, and forks another when it has died.
    pub fn advance(&mut self, now: Instant) {
        self.dead.retain(|child| !child.reap());
        self.hear(now);
        if self.next_fork.is_some_and(|at| at <= now) {
            self.fork(now);
        }
        for (source, count) in self.shares.over(now) {
            let words = format!("{count} more of {source} within a minute");
            let at = Clock::System.unix_millis();
            self.record(Entry::by_deskway(at, What::Lost).with(&words));
        }
        self.tell_lost();
        self.send();
    }

    /// Waits until all is written, at most so long; for the launcher's last moments.
    pub fn finish(&mut self, limit: Duration) {
        let until = Instant::now() + limit;
        loop {
            let now = Instant::now();
            self.advance(now);
            if self.waiting.is_empty() || now >= until || self.stuck {
                return;
            }
            let next = self.next_fork.unwrap_or(until).min(until);
            let left = next.saturating_duration_since(now) + Duration::from_millis(1);
            let mut polled: Vec<PollFd<'_>> = self
                .socket()
                .map(|(socket, flags)| PollFd::from_borrowed_fd(socket, flags))
                .into_iter()
                .collect();
            let timeout = Timespec::try_from(left).ok();
            if let Err(error) = rustix::event::poll(&mut polled, timeout.as_ref())
                && error != rustix::io::Errno::INTR
            {
                return;
            }
        }
    }

    fn push(&mut self, entry: Entry) {
        self.last += 1;
        self.waiting.push_back((self.last, entry));
    }

    fn tell_lost(&mut self) {
        // Not before there is room for more than this one.
        if self.lost > 0 && self.waiting.len() < MAX_WAITING / 2 {
            let words = format!("{} entries could not be kept", self.lost);
            self.lost = 0;
            let at = Clock::System.unix_millis();
            let entry = Entry::by_deskway(at, What::Lost);
            self.push(entry.went(Outcome::Failed, &words));
        }
    }

    fn fork(&mut self, now: Instant) {
        let (Some(state), Some(policy)) = (&self.state, &self.policy) else {
            return;
        };
        let source = self.source;
        let forked = deskway_osuser::pair().and_then(|(ours, theirs)| {
            let child = deskway_osuser::run_in_child(&[theirs.as_fd()], || {
                let title = rustix::thread::set_name(c"deskway-audit");
                tracing::trace!(?title, "recorder");
                match theirs.try_clone() {
                    Ok(theirs) => recorder::run(theirs, state, source, policy.clone()),
                    Err(_) => 71,
                }
            })?;
            Ok((ours, child))
        });
        match forked {
            Ok((socket, child)) => {
                self.next_fork = None;
                self.recorder = Some(Recorder {
                    socket,
                    child,
                    since: now,
                    sent: self.written,
                    knows_policy: true,
                    is_full: false,
                });
                self.send();
            }
            Err(error) => {
                tracing::error!(%error, "the audit log's writer cannot be started");
                self.fork_later(now);
            }
        }
    }

    fn fork_later(&mut self, now: Instant) {
        self.next_fork = Some(now + self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    fn hear(&mut self, now: Instant) {
        let mut buffer = vec![0; MAX_MESSAGE];
        while let Some(recorder) = &self.recorder {
            match deskway_osuser::receive(recorder.socket.as_fd(), &mut buffer) {
                Ok(Received::Message(length, _)) => {
                    match buffer.get(..length).map(postcard::from_bytes) {
                        Some(Ok(FromRecorder::Written(number))) => self.is_written(number),
                        Some(Ok(FromRecorder::Stuck(reason))) if !self.stuck => {
                            self.stuck = true;
                            tracing::error!(%reason, "the audit log cannot be written; desktops go on");
                        }
                        _ => {}
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Ok(Received::TooLong | Received::End) | Err(_) => self.has_died(now),
            }
        }
    }

    fn is_written(&mut self, number: Number) {
        if std::mem::take(&mut self.stuck) {
            tracing::info!("the audit log is written again");
        }
        self.written = self.written.max(number.min(self.last));
        let written = self.written;
        while self
            .waiting
            .pop_front_if(|(number, _)| *number <= written)
            .is_some()
        {}
    }

    fn has_died(&mut self, now: Instant) {
        let Some(recorder) = self.recorder.take() else {
            return;
        };
        if now.saturating_duration_since(recorder.since) >= STABLE {
            self.pause = FIRST_PAUSE;
        }
        tracing::warn!("the audit log's writer has died; starting another");
        self.dead.push(recorder.child);
        self.fork_later(now);
    }

    /// Sends what the recorder has not been sent yet, as far as it reads.
    fn send(&mut self) {
        let Some(recorder) = &mut self.recorder else {
            return;
        };
        recorder.is_full = false;
        let policy = self.policy.as_ref().filter(|_| !recorder.knows_policy);
        let policy = policy.map(|policy| ToRecorder::Policy {
            keep: policy.keep,
            max_size: policy.max_size,
            syslog: policy.syslog,
        });
        if let Some(policy) = policy {
            if !recorder.tell(&policy) {
                return;
            }
            recorder.knows_policy = true;
        }
        let sent = recorder.sent;
        let from = self.waiting.partition_point(|(number, _)| *number <= sent);
        for (number, entry) in self.waiting.range(from..) {
            if !recorder.tell(&ToRecorder::Entry(*number, entry.clone())) {
                return;
            }
            recorder.sent = *number;
        }
    }
}

impl Recorder {
    /// `false`: not now. One that has died is noticed when it is heard.
    fn tell(&mut self, word: &ToRecorder) -> bool {
        let sent = postcard::to_allocvec(word)
            .map_err(io::Error::other)
            .and_then(|bytes| deskway_osuser::send(self.socket.as_fd(), &bytes));
        match sent {
            Ok(()) => true,
            Err(error) => {
                self.is_full = error.kind() == io::ErrorKind::WouldBlock;
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_many_could_not_wait_is_an_entry_once_there_is_room() {
        // One whose recorder is away.
        let mut journal = Journal {
            state: Some(PathBuf::from("/nonexistent")),
            ..Journal::default()
        };
        let entry = |at: usize| Entry::new(at as u64, "alice", "::1", What::SignIn);
        let numbers: Vec<_> = (0..MAX_WAITING + 3)
            .map(|at| journal.record(entry(at)))
            .collect();
        let lost = numbers.iter().filter(|number| number.is_none()).count();
        assert_eq!(lost, 3, "they are not waited for");
        let told = |journal: &Journal| {
            let of_lost = journal.waiting.iter().map(|(_, entry)| entry);
            let mut of_lost = of_lost.filter(|entry| entry.what == What::Lost);
            of_lost.next().map(|entry| entry.reason.clone())
        };
        journal.advance(Instant::now());
        assert_eq!(told(&journal), None, "there is no room yet");
        journal.is_written(MAX_WAITING as u64 / 2 + 1);
        journal.advance(Instant::now());
        let words = "3 entries could not be kept".to_owned();
        assert_eq!(told(&journal), Some(words));
        journal.is_written(journal.last);
        journal.advance(Instant::now());
        assert_eq!(told(&journal), None, "said once");
    }
}
