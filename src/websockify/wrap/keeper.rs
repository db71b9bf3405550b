//! The keeper of a wrapped program: starts it, answers its calls of bind(2), says how it is.

use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

use deskway_osuser::{Binds, Signals, SpawnError, set_subreaper, spawn, spawn_with_binds};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, WaitStatus, pidfd_open, wait, waitpid,
};

use super::WrapMode;
use super::event::Event;
use super::moved::{Answer, answer};
use super::orders::Orders;
use super::preload::preload;

/// So often within `RESPAWN_WINDOW` is a program started.
const RESPAWN_STARTS: usize = 3;
const RESPAWN_WINDOW: Duration = Duration::from_secs(10);
/// Programs of earlier starts that live on in the background. Any more are not started.
const MAX_GENERATIONS: usize = 64;

/// Whose end is waited for.
#[derive(Debug)]
pub(super) enum Reap {
    /// All that end below this process, which has nothing else below it.
    All(Signals),
    /// The program's alone.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "for keepers that are no process")
    )]
    Own,
}

/// The keeper's state.
#[derive(Debug)]
pub(super) struct Keeper<'a> {
    orders: &'a Orders,
    /// To those who wrap. `None`: they have ended.
    link: Option<&'a UnixStream>,
    reap: Reap,
    /// The program, and when that has ended.
    program: Option<(Pid, OwnedFd)>,
    /// The calls of each start of which something is left.
    generations: Vec<Binds>,
    /// The last ones, the oldest first.
    starts: Vec<Instant>,
}

/// What woke the keeper.
struct Woken {
    link: bool,
    /// Positions in `generations`, and whether there is nobody left.
    generations: Vec<(usize, bool)>,
}

impl<'a> Keeper<'a> {
    /// For a process that does nothing else. The terminal's signals do not end it, nor does
    /// SIGTERM: it ends with the last of those that it keeps.
    ///
    /// # Errors
    /// When there are too many descriptors.
    pub(super) fn alone(orders: &'a Orders, link: &'a UnixStream) -> io::Result<Self> {
        let signals = [
            Signal::HUP,
            Signal::INT,
            Signal::QUIT,
            Signal::TERM,
            Signal::CHILD,
        ];
        let signals = Signals::take(&signals)?;
        // Only their ancestor may look into programs where ptrace is restricted (Yama): it stays
        // one, also of those that go into the background.
        set_subreaper()?;
        link.set_nonblocking(true)?;
        Ok(Self::new(orders, link, Reap::All(signals)))
    }

    pub(super) fn new(orders: &'a Orders, link: &'a UnixStream, reap: Reap) -> Self {
        Self {
            orders,
            link: Some(link),
            reap,
            program: None,
            generations: Vec::new(),
            starts: Vec::new(),
        }
    }

    /// Returns, with an exit status, when there is nothing left to keep.
    pub(super) fn run(&mut self) -> i32 {
        self.start();
        loop {
            let next_start = self.next_start();
            if self.program.is_none() && self.generations.is_empty() && next_start.is_none() {
                return 0;
            }
            match self.wait(next_start) {
                Ok(woken) => self.handle(&woken),
                Err(_) => return 1,
            }
            if self.program.is_none() && self.next_start().is_some_and(|at| at <= Instant::now()) {
                self.start();
            }
        }
    }

    /// When the program is to be started again, if ever.
    fn next_start(&self) -> Option<Instant> {
        let again = self.orders.mode == WrapMode::Respawn
            && self.program.is_none()
            && self.link.is_some()
            && self.generations.len() < MAX_GENERATIONS;
        again.then(|| {
            let oldest = self.starts.len().checked_sub(RESPAWN_STARTS);
            let oldest = oldest.and_then(|oldest| self.starts.get(oldest));
            oldest.map_or_else(Instant::now, |oldest| *oldest + RESPAWN_WINDOW)
        })
    }

    fn start(&mut self) {
        if self.starts.len() == RESPAWN_STARTS {
            self.starts.remove(0);
        }
        self.starts.push(Instant::now());
        match spawn_with_binds(&mut self.command(), &self.orders.ignored) {
            Ok((program, binds)) => {
                self.generations.push(binds);
                self.started(program.id(), &Event::Started);
            }
            Err(SpawnError::Start(error)) => self.tell(&Event::NotStarted(error)),
            Err(SpawnError::Watch(error)) => self.start_preloaded(error),
        }
    }

    fn start_preloaded(&mut self, why: io::Error) {
        let Some(library) = &self.orders.library else {
            self.tell(&Event::NotMoved(why));
            return;
        };
        let mut command = self.command();
        preload(&mut command, library, self.orders);
        match spawn(&mut command, &self.orders.ignored) {
            Ok(program) => self.started(program.id(), &Event::Preloaded(why)),
            Err(error) => self.tell(&Event::NotStarted(error)),
        }
    }

    fn command(&self) -> Command {
        let mut words = self.orders.command.iter();
        let mut command = Command::new(words.next().cloned().unwrap_or_default());
        command.args(words);
        command
    }

    fn started(&mut self, program: u32, event: &Event) {
        let program = i32::try_from(program).ok().and_then(Pid::from_raw);
        let opened = program.ok_or(Errno::SRCH).and_then(|program| {
            // Not reaped yet, so that the number cannot mean another process.
            Ok((program, pidfd_open(program, PidfdFlags::empty())?))
        });
        match opened {
            Ok(opened) => {
                self.program = Some(opened);
                self.tell(event);
            }
            Err(error) => self.tell(&Event::NotStarted(error.into())),
        }
    }

    fn wait(&self, until: Option<Instant>) -> io::Result<Woken> {
        let mut waiting: Vec<PollFd<'_>> = Vec::new();
        let generations = self.generations.iter().map(|it| it.as_fd());
        waiting.extend(generations.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        if let Some(link) = self.link {
            // They never write: it is the end that comes.
            waiting.push(PollFd::new(link, PollFlags::IN));
        }
        if let Some((_, ended)) = &self.program {
            waiting.push(PollFd::new(ended, PollFlags::IN));
        }
        if let Reap::All(signals) = &self.reap {
            waiting.push(PollFd::new(signals, PollFlags::IN));
        }
        let timeout = until.map(|until| until.saturating_duration_since(Instant::now()));
        let timeout = timeout.map(Timespec::try_from).transpose();
        match poll(&mut waiting, timeout.map_err(io::Error::other)?.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let woken: Vec<PollFlags> = waiting.iter().map(PollFd::revents).collect();
        let (generations, others) = woken.split_at(self.generations.len());
        let generations = (0..).zip(generations);
        Ok(Woken {
            link: self.link.is_some() && others.first().is_some_and(|it| !it.is_empty()),
            generations: generations
                .filter(|(_, flags)| !flags.is_empty())
                .map(|(number, flags)| (number, !flags.contains(PollFlags::IN)))
                .collect(),
        })
    }

    fn handle(&mut self, woken: &Woken) {
        if woken.link {
            self.link = None;
        }
        for (number, _) in woken.generations.iter().filter(|(_, nobody)| !nobody) {
            let call = self.generations.get(*number).map(Binds::next);
            if let Some(Ok(Some(bind))) = call {
                let orders = self.orders;
                match answer(bind, orders.old_port, orders.new_port) {
                    Answer::Left => {}
                    Answer::Moved => self.tell(&Event::Moved),
                    Answer::Failed(error) => self.tell(&Event::NotMoved(error)),
                }
            }
        }
        for (number, _) in woken.generations.iter().rev().filter(|(_, nobody)| *nobody) {
            self.generations.remove(*number);
        }
        self.reap();
    }

    fn reap(&mut self) {
        let program = self.program.as_ref().map(|(pid, _)| *pid);
        let whose = match &self.reap {
            Reap::All(signals) => {
                while signals.next().is_some() {}
                None
            }
            Reap::Own => match program {
                Some(program) => Some(program),
                None => return,
            },
        };
        let next = || match whose {
            Some(_) => waitpid(whose, WaitOptions::NOHANG),
            None => wait(WaitOptions::NOHANG),
        };
        while let Ok(Some((ended, status))) = next() {
            if Some(ended) == program {
                self.program = None;
                self.tell(&Event::Ended(exit_status(status)));
                self.warn_if_too_fast();
            }
        }
    }

    fn warn_if_too_fast(&mut self) {
        let waits = self.next_start().is_some_and(|at| at > Instant::now());
        if waits {
            self.tell(&Event::TooFast);
        }
    }

    fn tell(&self, event: &Event) {
        if let Some(link) = self.link {
            // Written as a whole or, to somebody who does not read or has ended, not at all.
            let mut link = link;
            drop(link.write(&event.message()));
        }
    }
}

fn exit_status(status: WaitStatus) -> u8 {
    let signal = status.terminating_signal().map(|signal| 128 + signal);
    let code = status.exit_status().or(signal).unwrap_or(1);
    u8::try_from(code).unwrap_or(u8::MAX)
}
