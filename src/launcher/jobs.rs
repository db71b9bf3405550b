//! Short errands in forked children: whatever can block or be attacked happens there. Each says
//! one thing over a socket and ends; who says nothing in time is killed with all that it began.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use deskway_osuser::{Child, Received};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, Signal};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Most errands of one [`Purse`] at once, and of [`Purse::Disk`].
const MAX_JOBS: usize = 128;
const MAX_DISKS: usize = 4;
/// Most bytes of what a child says.
const MAX_WORD: usize = 64 * 1024;

/// What an errand is charged to, so that those who ask cannot take the launcher's own places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purse {
    Asked,
    Own,
    /// What may hang where no signal reaches it, for as long as a server is away.
    Disk,
}

impl Purse {
    fn most(self) -> usize {
        match self {
            Self::Asked | Self::Own => MAX_JOBS,
            Self::Disk => MAX_DISKS,
        }
    }
}

/// The errands that are under way; `T` is what to do with each one's outcome.
#[derive(Debug)]
pub(crate) struct Jobs<T> {
    running: Vec<Job<T>>,
    /// Have said their word, or were killed, and only have to be reaped.
    ending: Vec<Ending>,
    next: u64,
}

#[derive(Debug)]
struct Job<T> {
    number: u64,
    purse: Purse,
    child: Child,
    words: OwnedFd,
    deadline: Instant,
    afterwards: Afterwards,
    then: T,
}

#[derive(Debug)]
struct Ending {
    number: u64,
    purse: Purse,
    child: Child,
}

/// What becomes of a child that has said its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Afterwards {
    /// It has nothing more to do, and is killed.
    Ends,
    /// When a descriptor came with the word, the child goes on: [`Outcome::Stays`].
    MayStay,
}

/// How an errand ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    Said(Vec<u8>, Option<OwnedFd>),
    /// The child goes on, and it is for whoever gets this to reap it.
    Stays(Vec<u8>, OwnedFd, Child),
    /// The child ended without a word.
    Died,
    TimedOut,
    /// There was no child.
    NotStarted,
}

impl Outcome {
    /// What the child said, if that is what it is.
    pub(crate) fn word<W: DeserializeOwned>(self) -> Option<(W, Option<OwnedFd>)> {
        match self {
            Self::Said(bytes, descriptor) => Some((postcard::from_bytes(&bytes).ok()?, descriptor)),
            Self::Stays(..) | Self::Died | Self::TimedOut | Self::NotStarted => None,
        }
    }

    /// The child that goes on, if there is one, and the outcome without it.
    pub(crate) fn take_child(self) -> (Option<Child>, Self) {
        match self {
            Self::Stays(bytes, descriptor, child) => {
                (Some(child), Self::Said(bytes, Some(descriptor)))
            }
            other => (None, other),
        }
    }
}

/// The child's end of the socket.
#[derive(Debug)]
pub(crate) struct Outlet(OwnedFd);

impl Outlet {
    /// A word of the child; its only one, unless it is listened to for more. Nobody is left to be
    /// told when that fails.
    pub(crate) fn say<W: Serialize>(&self, word: &W) -> i32 {
        i32::from(Self::send(self.0.as_fd(), word).is_err())
    }

    /// What the launcher says, within `limit`; for an errand that says more than one word.
    pub(crate) fn hear<W: DeserializeOwned>(&self, limit: Duration) -> Option<W> {
        let mut socket = [PollFd::new(&self.0, PollFlags::IN)];
        let limit = Timespec::try_from(limit).ok()?;
        rustix::event::poll(&mut socket, Some(&limit)).ok()?;
        let mut buffer = vec![0; MAX_WORD];
        match deskway_osuser::receive(self.0.as_fd(), &mut buffer).ok()? {
            Received::Message(length, _) => postcard::from_bytes(buffer.get(..length)?).ok(),
            Received::TooLong | Received::End => None,
        }
    }

    fn send<W: Serialize>(socket: BorrowedFd<'_>, word: &W) -> io::Result<()> {
        let bytes = postcard::to_allocvec(word).map_err(io::Error::other)?;
        deskway_osuser::send(socket, &bytes)
    }

    /// The child's only word, with a descriptor.
    pub(crate) fn pass<W: Serialize>(&self, word: &W, descriptor: BorrowedFd<'_>) -> i32 {
        let said = postcard::to_allocvec(word)
            .map_err(io::Error::other)
            .and_then(|bytes| {
                deskway_osuser::send_with_descriptor(self.0.as_fd(), &bytes, descriptor)
            });
        i32::from(said.is_err())
    }
}

impl<T> Jobs<T> {
    pub(crate) fn new() -> Self {
        Self {
            running: Vec::new(),
            ending: Vec::new(),
            next: 0,
        }
    }

    /// Runs `work` in a child for at most `limit`, which is until its word where it may stay. The
    /// answer is its number.
    ///
    /// # Errors
    /// When there are too many errands, processes or descriptors; `then` comes back.
    pub(crate) fn start(
        &mut self,
        purse: Purse,
        limit: Duration,
        afterwards: Afterwards,
        then: T,
        work: impl FnOnce(&Outlet) -> i32,
    ) -> Result<u64, (T, io::Error)> {
        let (child, words) = match self.fork(purse, work) {
            Ok(forked) => forked,
            Err(error) => return Err((then, error)),
        };
        self.next += 1;
        self.running.push(Job {
            number: self.next,
            purse,
            child,
            words,
            deadline: Instant::now() + limit,
            afterwards,
            then,
        });
        Ok(self.next)
    }

    fn fork(
        &self,
        purse: Purse,
        work: impl FnOnce(&Outlet) -> i32,
    ) -> io::Result<(Child, OwnedFd)> {
        if !self.has_room(purse) {
            return Err(io::Error::other("too many errands at once"));
        }
        let (words, outlet) = deskway_osuser::pair()?;
        let outlet = Outlet(outlet);
        let launcher = rustix::process::getpid();
        let child = deskway_osuser::run_in_child(&[outlet.0.as_fd()], || {
            // A group of its own, so that what a PAM module starts can be ended with it; and it
            // goes when the launcher goes.
            let alone = rustix::process::setpgid(None, None)
                .map_err(io::Error::from)
                .and_then(|()| deskway_osuser::end_with_parent(Signal::KILL));
            let orphaned = rustix::process::getppid() != Some(launcher);
            if alone.is_err() || orphaned {
                return 71;
            }
            work(&outlet)
        })?;
        Ok((child, words))
    }

    /// Whether one more errand of that purse may be started. One that was killed counts until it
    /// has really ended.
    pub(crate) fn has_room(&self, purse: Purse) -> bool {
        let running = self.running.iter().filter(|job| job.purse == purse).count();
        let ending = self.ending.iter().filter(|it| it.purse == purse).count();
        running + ending < purse.most()
    }

    /// Whether the child of that number has not ended yet.
    pub(crate) fn is_there(&self, number: u64) -> bool {
        self.position(number).is_some() || self.ending.iter().any(|it| it.number == number)
    }

    /// How many errands `counts` picks.
    pub(crate) fn count(&self, counts: impl Fn(&T) -> bool) -> usize {
        self.running.iter().filter(|job| counts(&job.then)).count()
    }

    /// What to poll for being readable, with the number to give to [`Jobs::finish`].
    pub(crate) fn sockets(&self) -> impl Iterator<Item = (u64, BorrowedFd<'_>)> {
        self.running
            .iter()
            .map(|job| (job.number, job.words.as_fd()))
    }

    /// What to poll for being readable before [`Jobs::reap`].
    pub(crate) fn ending(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.ending.iter().map(|it| it.child.handle())
    }

    /// Takes ended children off the process table.
    pub(crate) fn reap(&mut self) {
        self.ending.retain(|it| !it.child.reap());
    }

    /// The outcome of an errand whose socket is readable.
    pub(crate) fn finish(&mut self, number: u64) -> Option<(T, Outcome)> {
        let outcome = self.hear(number)?;
        let index = self.position(number)?;
        let stays = self.running.get(index)?.afterwards == Afterwards::MayStay;
        match outcome {
            Outcome::Said(bytes, Some(descriptor)) if stays => {
                let job = self.running.swap_remove(index);
                Some((job.then, Outcome::Stays(bytes, descriptor, job.child)))
            }
            outcome => Some((self.end(index), outcome)),
        }
    }

    /// What an errand says that may say more after it.
    pub(crate) fn hear(&self, number: u64) -> Option<Outcome> {
        let job = self.running.get(self.position(number)?)?;
        let mut buffer = vec![0; MAX_WORD];
        match deskway_osuser::receive_with_descriptor(job.words.as_fd(), &mut buffer) {
            Ok(Received::Message(length, descriptor)) => {
                buffer.truncate(length);
                Some(Outcome::Said(buffer, descriptor))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Ok(Received::TooLong | Received::End) | Err(_) => Some(Outcome::Died),
        }
    }

    /// Answers such an errand. One that has ended meanwhile is noticed next.
    pub(crate) fn tell<W: Serialize>(&self, number: u64, word: &W) {
        if let Some(job) = self.running.iter().find(|job| job.number == number) {
            let told = Outlet::send(job.words.as_fd(), word);
            tracing::trace!(?told, "errand answered");
        }
    }

    /// Ends an errand that has said its last word.
    pub(crate) fn over(&mut self, number: u64) -> Option<T> {
        let index = self.position(number)?;
        Some(self.end(index))
    }

    /// Whether the errand of that number is one that `counts` picks.
    pub(crate) fn is(&self, number: u64, counts: impl Fn(&T) -> bool) -> bool {
        let mut running = self.running.iter();
        running.any(|job| job.number == number && counts(&job.then))
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.running.iter().map(|job| job.deadline).min()
    }

    /// Kills the errands whose time is over.
    pub(crate) fn time_out(&mut self, now: Instant) -> Vec<(T, Outcome)> {
        let mut over = Vec::new();
        while let Some(index) = self.running.iter().position(|job| job.deadline <= now) {
            over.push((self.end(index), Outcome::TimedOut));
        }
        over
    }

    /// Kills the errands that have lost their purpose; nothing follows from them.
    pub(crate) fn cancel(&mut self, lost: impl Fn(&T) -> bool) {
        while let Some(index) = self.running.iter().position(|job| lost(&job.then)) {
            self.end(index);
        }
    }

    fn position(&self, number: u64) -> Option<usize> {
        self.running.iter().position(|job| job.number == number)
    }

    /// Not reaped yet, so that the group's number is still its own.
    fn end(&mut self, index: usize) -> T {
        let job = self.running.swap_remove(index);
        if let Some(pid) = Pid::from_raw(job.child.id().pid) {
            // It may be gone, or not yet have made its group.
            let group = rustix::process::kill_process_group(pid, Signal::KILL);
            let itself = job.child.kill(Signal::KILL);
            tracing::trace!(?group, ?itself, "errand over");
        }
        self.ending.push(Ending {
            number: job.number,
            purse: job.purse,
            child: job.child,
        });
        job.then
    }
}
