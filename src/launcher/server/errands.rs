//! What is done in children for somebody who asked, and what follows from each outcome.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use super::Server;
use super::connections::Asker;
use super::requests::Reply;
use super::signing_in::SigningIn;
use crate::agent::protocol::{AGENT_SOCKET, VNC_SOCKET};
use crate::launcher::jobs::{Afterwards, Outcome, Outlet, Purse};
use crate::launcher::owner::Owner;
use crate::launcher::place::RunId;
use crate::launcher::profiles;
use crate::launcher::protocol::{Answer, Greeting, Refusal};
use crate::launcher::session_child;
use crate::launcher::user_child::{self, CONNECT_TIMEOUT, Word};
use crate::model::{DesktopId, UserName};

/// Beyond the time for the screen, how long an agent may take to listen.
const AGENT_TIMEOUT: Duration = Duration::from_secs(5);
/// How much longer the agent of a new desktop may take: before it there is PAM's session, which may
/// mount a home or wait for systemd to start a manager for the person.
const SESSION_TIMEOUT: Duration = Duration::from_secs(30);
/// Between two tries to reach the agent of a desktop that runs, or to remove a dead one's files.
const AGAIN: Duration = Duration::from_secs(1);
/// Most dead desktops whose files are removed at once: the other places are for agents.
const MAX_SWEEPS: usize = 16;
/// Most errands that one account's requests have under way.
const MAX_OF_ACCOUNT: usize = 4;
/// How long a look into a home may take.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long removing a dead desktop's files may take.
const SWEEP_TIMEOUT: Duration = Duration::from_mins(5);

/// The log's name in a desktop's run directory.
const LOG: &str = "log";

/// What a child was sent for.
#[derive(Debug)]
pub(super) enum Errand {
    SignIn(SigningIn),
    /// A connection to the desktop's screen, for whoever asked.
    Screen(Asker, RunId, UserName),
    /// A desktop's log, for whoever asked.
    Log(Asker, DesktopId),
    /// A connection to the desktop's agent, for the launcher.
    Agent(RunId),
    /// Whether a person has an `~/.vnc/xstartup`.
    XStartup(Asker, UserName),
    /// A connection to a VNC server that runs already.
    Attached(Asker, DesktopId),
    /// A connection to a VNC server behind a WebSocket: the child stays as the relay.
    Relay(Asker, DesktopId),
    /// The machine's first account.
    SetUp(Asker),
    /// A dead desktop's files.
    Sweep(RunId),
    /// How much is free where a desktop's home is.
    Disk(RunId),
    /// A frozen desktop's memory.
    Reclaim(RunId),
    /// Whether those who are signed in still may be.
    Recheck,
    /// Who may sign in, for the public index.
    Index(Asker),
    /// A certificate.
    Order,
}

impl Errand {
    fn purse(&self) -> Purse {
        match self {
            Self::Agent(_) | Self::Sweep(_) | Self::Reclaim(_) | Self::Recheck | Self::Order => {
                Purse::Own
            }
            Self::Disk(_) => Purse::Disk,
            Self::SignIn(_)
            | Self::Screen(..)
            | Self::XStartup(..)
            | Self::Log(..)
            | Self::Attached(..)
            | Self::Relay(..)
            | Self::SetUp(_)
            | Self::Index(_) => Purse::Asked,
        }
    }
}

impl Server {
    /// Whether an account has as many errands under way as it may.
    pub(super) fn is_busy_for(&self, account: &UserName) -> bool {
        let own = |errand: &Errand| match errand {
            Errand::Screen(.., owner) | Errand::XStartup(_, owner) => owner == account,
            Errand::Attached(_, desktop) | Errand::Relay(_, desktop) | Errand::Log(_, desktop) => {
                desktop.owner == *account
            }
            Errand::SignIn(_)
            | Errand::Agent(_)
            | Errand::SetUp(_)
            | Errand::Index(_)
            | Errand::Sweep(_)
            | Errand::Disk(_)
            | Errand::Reclaim(_)
            | Errand::Recheck
            | Errand::Order => false,
        };
        self.jobs.count(own) >= MAX_OF_ACCOUNT
    }

    /// Starts an errand and says its number; one that cannot be started ends at once.
    pub(super) fn begin(
        &mut self,
        limit: Duration,
        errand: Errand,
        work: impl FnOnce(&Outlet) -> i32,
    ) -> Option<u64> {
        let afterwards = match errand {
            Errand::Relay(..) => Afterwards::MayStay,
            _ => Afterwards::Ends,
        };
        let started = (self.jobs).start(errand.purse(), limit, afterwards, errand, work);
        match started {
            Ok(number) => Some(number),
            Err((errand, error)) => {
                tracing::error!(%error, "a child cannot be started");
                self.errand_done(errand, Outcome::NotStarted);
                None
            }
        }
    }

    pub(super) fn errand_done(&mut self, errand: Errand, outcome: Outcome) {
        match errand {
            Errand::SignIn(try_) => self.signed_in(try_, outcome),
            Errand::Screen(asker, run, _) => self.screen_opened(asker, &run, outcome),
            Errand::Log(asker, desktop) => match connected(outcome) {
                Ok(log) => self.connections.hand_over(asker, Answer::Log, log),
                Err(reason) => {
                    let user = &desktop.owner;
                    tracing::warn!(%user, %desktop, %reason, "a log cannot be opened");
                    let words = "the desktop's log cannot be opened".to_owned();
                    self.connections
                        .answer(asker, Refusal::Failed(words).into());
                }
            },
            Errand::Agent(run) => self.agent_connected(&run, outcome),
            Errand::XStartup(asker, _) => {
                let has = matches!(outcome.word(), Some((Word::Yes, _)));
                let answer = self.profiles(has);
                self.connections.answer(asker, answer);
            }
            Errand::Attached(asker, desktop) | Errand::Relay(asker, desktop) => {
                self.attached_opened(asker, &desktop, outcome);
            }
            Errand::SetUp(asker) => self.set_up_done(asker, outcome),
            Errand::Recheck => self.recheck_broke_off(&outcome),
            Errand::Index(asker) => self.index_made(asker, outcome),
            Errand::Order => self.order_done(outcome),
            Errand::Reclaim(run) if matches!(outcome, Outcome::NotStarted) => {
                self.reclaim_later(run);
            }
            Errand::Reclaim(_) => {}
            Errand::Disk(run) => self.disk_looked_at(&run, outcome),
            Errand::Sweep(id) if matches!(outcome, Outcome::NotStarted) => {
                self.sweep_later(id, self.clock.monotonic() + AGAIN);
            }
            Errand::Sweep(id) => {
                if !matches!(outcome.word(), Some((Word::Yes, _))) {
                    tracing::error!(%id, "a dead desktop's files cannot all be removed");
                }
            }
        }
    }

    /// Connects to the desktop's screen as its owner, for whoever asked.
    pub(super) fn open_screen(&mut self, asker: Asker, run: &RunId) {
        let Some(running) = self.desktops.get(run) else {
            return self.connections.answer(asker, Refusal::NotRunning.into());
        };
        let owner = running.owner.os.clone();
        let socket = self.place.run_dir(run).join(VNC_SOCKET);
        let errand = Errand::Screen(asker, run.clone(), running.desktop.owner.clone());
        self.begin(CONNECT_TIMEOUT, errand, |outlet| {
            user_child::open_screen(&owner, &socket, outlet)
        });
    }

    /// Opens a running desktop's log as its owner; of another, what is known of it is the answer.
    pub(super) fn open_log(
        &mut self,
        asker: Asker,
        desktop: &DesktopId,
        uid: Option<u32>,
    ) -> Reply {
        if self.is_busy_for(&desktop.owner) {
            return Err(Refusal::Busy);
        }
        let Some((run, running)) = self.run_of(desktop, uid)? else {
            let desktops = self.desktops.infos(Some(&desktop.owner), uid);
            return Ok(Some(Answer::Desktops(desktops)));
        };
        let (owner, log) = (running.owner.os.clone(), self.place.run_dir(run).join(LOG));
        let errand = Errand::Log(asker, desktop.clone());
        self.begin(LOOK_TIMEOUT, errand, |outlet| {
            user_child::open_log(&owner, &log, outlet)
        });
        Ok(None)
    }

    fn screen_opened(&mut self, asker: Asker, run: &RunId, outcome: Outcome) {
        let Some(running) = self.desktops.get(run) else {
            return self.connections.answer(asker, Refusal::NotRunning.into());
        };
        let is_late = matches!(outcome, Outcome::TimedOut);
        let stream = connected(outcome).and_then(|stream| {
            user_child::check_listener(stream.as_fd(), &running.owner.os)
                .map(|_| stream)
                .map_err(|error| error.to_string())
        });
        match stream {
            Ok(stream) => {
                let greeting = Greeting::Fresh;
                let answer = Answer::Stream { greeting };
                self.connections.hand_over(asker, answer, stream);
            }
            Err(reason) => {
                let desktop = &running.desktop;
                tracing::warn!(user = %desktop.owner, %desktop, %reason, "screen cannot be opened");
                let refusal = if running.life().screen_is_up() == Some(false) {
                    // It went meanwhile; how will be known.
                    Refusal::NotRunning
                } else if is_late {
                    Refusal::Unanswered
                } else {
                    Refusal::Failed("the desktop's screen cannot be reached".to_owned())
                };
                self.connections.answer(asker, refusal.into());
            }
        }
    }

    /// Connects to the agent of a desktop that runs already, which should listen; with a child for
    /// each of thousands, the last one would wait for long.
    pub(super) fn reach_agent(&mut self, run: &RunId) {
        let now = self.clock.monotonic();
        let run_dir = self.place.run_dir(run);
        let Some(running) = self.desktops.get_mut(run) else {
            return;
        };
        let uid = running.owner.os.uid;
        let agent = deskway_osuser::connect_in(&run_dir, AGENT_SOCKET, uid);
        if let Err(error) = agent.and_then(|agent| running.connect(agent, now)) {
            tracing::debug!(%run, %error, "the agent cannot be reached yet");
            // Nobody becomes an account that is not there to look for its agent.
            running.connect_at = (!running.is_orphan).then_some(now);
        }
    }

    /// Connects to the desktop's agent as its owner, as soon as it listens and there is a place.
    pub(super) fn connect_agent(&mut self, run: &RunId) {
        let now = self.clock.monotonic();
        let has_room = self.jobs.has_room(Purse::Own);
        let Some(running) = self.desktops.get_mut(run) else {
            return;
        };
        running.connect_at = (!has_room).then_some(now);
        if !has_room {
            return;
        }
        let owner = running.owner.os.clone();
        let run_dir = self.place.run_dir(run);
        let session = if running.was_reached() {
            Duration::ZERO
        } else {
            SESSION_TIMEOUT
        };
        let limit = session + self.config.desktops.screen_timeout + AGENT_TIMEOUT;
        self.begin(limit, Errand::Agent(run.clone()), |outlet| {
            user_child::open_agent(&owner, &run_dir, &run_dir.join(AGENT_SOCKET), outlet)
        });
    }

    fn agent_connected(&mut self, run: &RunId, outcome: Outcome) {
        let (unix, now) = (self.clock.unix(), self.clock.monotonic());
        let Some(running) = self.desktops.get_mut(run) else {
            return;
        };
        // Such a child tells nothing of the agent.
        let unasked = matches!(outcome, Outcome::NotStarted | Outcome::Died);
        let connected = connected(outcome).and_then(|agent| {
            running
                .connect(agent, now)
                .map_err(|error| error.to_string())
        });
        if let Err(reason) = connected {
            let desktop = &running.desktop;
            tracing::error!(user = %desktop.owner, %desktop, %reason, "the agent does not answer");
            if unasked || running.was_reached() {
                running.connect_at = Some(now + AGAIN);
            } else {
                running.give_up("its agent does not answer".to_owned(), unix, now);
                self.changed.insert(running.desktop.owner.clone());
            }
        }
    }

    /// Starts what had no place, or failed, when it is to be tried again.
    pub(super) fn try_again(&mut self, now: Instant) {
        while self.jobs.has_room(Purse::Own)
            && let Some(run) = self.desktops.unconnected(now)
        {
            self.connect_agent(&run);
        }
        while self.may_sweep()
            && let Some((_, id)) = self.unswept.pop_front_if(|(at, _)| *at <= now)
        {
            self.sweep(&id);
        }
    }

    /// When there is something for [`Server::try_again`]; a place that gets free wakes the loop.
    pub(super) fn next_try(&self) -> Option<Instant> {
        let agents = self.desktops.next_connect();
        let sweeps = self.unswept.front().map(|(at, _)| *at);
        let agents = agents.filter(|_| self.jobs.has_room(Purse::Own));
        let sweeps = sweeps.filter(|_| self.may_sweep());
        agents.into_iter().chain(sweeps).min()
    }

    fn may_sweep(&self) -> bool {
        let sweeps = |errand: &Errand| matches!(errand, Errand::Sweep(_));
        self.jobs.has_room(Purse::Own) && self.jobs.count(sweeps) < MAX_SWEEPS
    }

    fn sweep_later(&mut self, id: RunId, at: Instant) {
        self.unswept.push_back((at, id));
    }

    /// The answer, or `None` when a child looks into the person's home first.
    pub(super) fn offer_profiles(&mut self, asker: Asker, owner: &Owner) -> Reply {
        if !self.config.desktops.xstartup {
            return Ok(Some(self.profiles(false)));
        }
        if self.is_busy_for(&owner.name) {
            return Err(Refusal::Busy);
        }
        let errand = Errand::XStartup(asker, owner.name.clone());
        let owner = owner.os.clone();
        self.begin(LOOK_TIMEOUT, errand, |outlet| {
            user_child::has_xstartup(&owner, outlet)
        });
        Ok(None)
    }

    fn profiles(&self, xstartup: bool) -> Answer {
        let desktops = &self.config.desktops;
        let profiles = profiles::all(desktops, xstartup);
        Answer::Profiles(profiles::infos(desktops, &profiles))
    }

    /// Removes what a desktop left whose session child did not end as it should.
    pub(super) fn sweep(&mut self, id: &RunId) {
        if !self.may_sweep() {
            return self.sweep_later(id.clone(), self.clock.monotonic());
        }
        let place = self.place.clone();
        let group = self.cgroups.open(&id.to_string());
        self.begin(SWEEP_TIMEOUT, Errand::Sweep(id.clone()), |outlet| {
            if let Some(group) = group {
                // Who looked after them is no more, and the files are to go in any case.
                drop(group.kill_all());
                drop(group.remove());
            }
            let removed = session_child::remove_files(&place, id);
            outlet.say(if removed.is_ok() {
                &Word::Yes
            } else {
                &Word::No
            })
        });
    }
}

/// The descriptor that a child passed on, or why there is none.
pub(super) fn connected(outcome: Outcome) -> Result<OwnedFd, String> {
    if matches!(outcome, Outcome::TimedOut) {
        return Err("it did not answer in time".to_owned());
    }
    match outcome.word() {
        Some((Word::Connected, Some(descriptor))) => Ok(descriptor),
        Some((Word::Failed(reason), _)) => Err(reason),
        Some((Word::Connected | Word::Yes | Word::No, _)) | None => {
            Err("its child ended without a word".to_owned())
        }
    }
}
