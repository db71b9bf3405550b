//! The launcher's one loop: it waits for all that can happen and takes each a step on. Nothing in
//! it blocks; what could is done in a child.

mod acts;
mod certificates;
mod connection;
mod connections;
mod daily_hours;
mod errands;
mod fitting;
mod idling;
mod index;
mod measuring;
mod others;
mod overview;
mod policy;
mod rechecks;
mod reclaiming;
mod recording;
mod reloading;
mod requests;
mod restarting;
mod sampling;
mod signing_in;
mod sockets;
mod straining;
mod waiting;

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use deskway_osuser::Signals;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::SendFlags;
use rustix::process::{DumpableBehavior, Signal};

use certificates::Ordering;
use connections::{Connections, Who};
use errands::Errand;
use measuring::Telling;
use rechecks::Rechecking;
use reclaiming::Unreclaimed;
use reloading::pam;
use sampling::Sampling;
use sockets::{connect, listen, lock, remove};
use waiting::Waiting;

use super::certificates::Watched;
use super::desktops::{Registry, Source};
use super::hours::Hours;
use super::jobs::Jobs;
use super::logins::Logins;
use super::pam_service::PamChoice;
use super::place::{Place, RunId};
use super::protocol::Measure;
use super::relays::Relays;
use super::restarts::Restarts;
use super::sign_in::Refusals;
use super::throttle::Throttle;
use super::viewing::Viewing;
use super::{ASKED, Error, HERE, Options};
use crate::audit::{Flood, Journal, What};
use crate::cgroup::Cgroups;
use crate::config::Config;
use crate::model::UserName;
use crate::runtime::Clock;

/// Between two tries to reach a front that is not there.
const DIAL: Duration = Duration::from_millis(200);
/// How often sign-ins that have run out and idle connections are looked for.
const EXPIRE: Duration = Duration::from_secs(5);
/// When the launcher ends and takes the desktops with it: so long they have, and so long once
/// more after they are killed.
const END_DESKTOPS: Duration = Duration::from_secs(10);

/// When another launcher takes its place: so long what it has been asked may take.
const LAST_ANSWERS: Duration = Duration::from_secs(4);

/// Runs until SIGTERM or SIGINT, or SIGUSR1, which leaves desktops alone in any case and answers
/// what was asked before. SIGHUP calls `reload`, which reads the configuration again and
/// returns it with its text for the front.
pub(super) fn run(
    config: Config,
    options: Options,
    supervisor: Option<OwnedFd>,
    reload: &mut dyn FnMut() -> Result<(Config, String), String>,
) -> Result<(), Error> {
    let mut server = Server::new(config, options)?;
    server.supervisor = supervisor;
    server.begin_record();
    server.adopt()?;
    while !server.is_over() {
        let ready = server.wait()?;
        server.advance(ready, reload);
    }
    server.keep_hours();
    server.end_record();
    remove(&server.place.launcher_socket()).map_err(Error::Files)
}

struct Server {
    config: Config,
    options: Options,
    place: Place,
    clock: Clock,
    is_root: bool,
    pam: Option<PamChoice>,
    signals: Signals,
    listener: OwnedFd,
    /// Who asks whether this loop goes round.
    supervisor: Option<OwnedFd>,
    /// Held while this launcher runs.
    _lock: File,
    connections: Connections,
    jobs: Jobs<Errand>,
    relays: Relays,
    logins: Logins,
    throttle: Throttle,
    /// When an account's sign-ins were last ended because it had changed.
    last_forget: Option<Instant>,
    refusals: Refusals<connections::Asker>,
    /// What anybody can cause is logged so often alone.
    log_flood: Flood,
    desktops: Registry,
    cgroups: Cgroups,
    sampling: Sampling,
    viewing: Viewing,
    restarts: Restarts,
    hours: Hours,
    waiting: Vec<Waiting>,
    /// Dead desktops whose files are to be removed, and from when on.
    unswept: VecDeque<(Instant, RunId)>,
    unreclaimed: Unreclaimed,
    /// Whose desktops changed in this turn.
    changed: BTreeSet<UserName>,
    certificates: Watched,
    ordering: Ordering,
    next_dial: Instant,
    next_expiry: Instant,
    next_recheck: Instant,
    telling: Telling,
    ending: Ending,
    /// When the launcher began, seconds since 1970.
    since: u64,
    /// Whether all sign-ins were looked at by the rules of the configuration that is in use.
    admins_are_known: bool,
    rechecking: Rechecking,
}

/// Whether the launcher is to end.
enum Ending {
    No,
    /// Once the desktops have ended, or at this time are killed.
    Desktops {
        kill_at: Instant,
    },
    Killed {
        until: Instant,
    },
    /// Once all that was asked is answered, or at this time.
    Answers {
        until: Instant,
    },
    Now,
}

/// What `poll` found.
enum Ready {
    Signal,
    Listener,
    Supervisor,
    Connection(u64),
    Job(u64),
    Child,
    /// The kernel's log.
    Kernel,
    Desktop(RunId, Source),
    /// The audit log's writer.
    Journal,
}

/// The same before it is found: of thousands of desktops few are.
enum Awaited<'a> {
    This(Ready),
    Desktop(&'a RunId, Source),
}

impl From<Awaited<'_>> for Ready {
    fn from(awaited: Awaited<'_>) -> Self {
        match awaited {
            Awaited::This(ready) => ready,
            Awaited::Desktop(id, source) => Self::Desktop(id.clone(), source),
        }
    }
}

impl Server {
    fn new(config: Config, options: Options) -> Result<Self, Error> {
        // Nobody but root may look into this process, and it leaves no core behind.
        rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
            .map_err(|error| Error::Begin(error.into()))?;
        // Each desktop takes three descriptors.
        deskway_osuser::raise_descriptor_limit().map_err(Error::Begin)?;
        let place = Place::new(&config.paths);
        place.prepare().map_err(Error::Files)?;
        let lock = lock(&place)?;
        // Before there is anything that its writer should not have.
        let journal = Journal::new(place.state(), &config.audit).map_err(Error::Begin)?;
        let listener = listen(&place).map_err(Error::Files)?;
        let clock = Clock::anchored(place.run());
        let is_root = deskway_osuser::is_root();
        let wanted = [Signal::TERM, Signal::INT, Signal::HUP, Signal::USR1];
        let now = clock.monotonic();
        Ok(Self {
            pam: pam(&config, &place, is_root).map_err(Error::Files)?,
            signals: Signals::take(&wanted).map_err(Error::Begin)?,
            logins: Logins::load(place.logins(), clock.steady()).map_err(Error::Files)?,
            listener,
            supervisor: None,
            _lock: lock,
            connections: Connections::with(journal),
            jobs: Jobs::new(),
            relays: Relays::default(),
            throttle: Throttle::default(),
            last_forget: None,
            refusals: Refusals::new(),
            log_flood: Flood::default(),
            desktops: Registry::default(),
            cgroups: Cgroups::find(&config.paths.run),
            sampling: Sampling::new(is_root, now),
            viewing: Viewing::default(),
            restarts: Restarts::default(),
            hours: Hours::load(place.hours(), now),
            waiting: Vec::new(),
            unswept: VecDeque::new(),
            unreclaimed: Unreclaimed::default(),
            changed: BTreeSet::new(),
            certificates: Watched::new(&config, clock.unix(), now),
            ordering: Ordering::new(&config, &clock),
            next_dial: now,
            next_expiry: now,
            next_recheck: now,
            telling: Telling::new(now),
            ending: Ending::No,
            since: clock.unix(),
            admins_are_known: false,
            rechecking: Rechecking::default(),
            config,
            options,
            place,
            clock,
            is_root,
        })
    }

    /// Takes over the desktops that an earlier launcher started.
    fn adopt(&mut self) -> Result<(), Error> {
        self.admins_anew();
        let (adopted, dead) = self
            .desktops
            .adopt(&self.place, &self.cgroups)
            .map_err(Error::Files)?;
        for id in adopted {
            tracing::info!(%id, "a desktop that was running already");
            self.reach_agent(&id);
        }
        for id in dead {
            self.sweep(&id);
        }
        Ok(())
    }

    /// Waits until something has happened or a deadline has passed.
    fn wait(&self) -> Result<Vec<Ready>, Error> {
        let mut polled: Vec<(Awaited<'_>, BorrowedFd<'_>, PollFlags)> = vec![
            (
                Awaited::This(Ready::Signal),
                self.signals.as_fd(),
                PollFlags::IN,
            ),
            (
                Awaited::This(Ready::Listener),
                self.listener.as_fd(),
                PollFlags::IN,
            ),
        ];
        let supervisor = self.supervisor.iter();
        polled.extend(
            supervisor.map(|it| (Awaited::This(Ready::Supervisor), it.as_fd(), PollFlags::IN)),
        );
        let connections = self.connections.sockets();
        polled.extend(
            connections
                .map(|(id, socket, flags)| (Awaited::This(Ready::Connection(id)), socket, flags)),
        );
        let jobs = self.jobs.sockets();
        polled.extend(
            jobs.map(|(id, socket)| (Awaited::This(Ready::Job(id)), socket, PollFlags::IN)),
        );
        let children = self.jobs.ending().chain(self.relays.running());
        polled.extend(children.map(|child| (Awaited::This(Ready::Child), child, PollFlags::IN)));
        let kernel = self.sampling.socket().into_iter();
        polled.extend(kernel.map(|log| (Awaited::This(Ready::Kernel), log, PollFlags::IN)));
        let journal = self.connections.journal.socket();
        polled
            .extend(journal.map(|(socket, flags)| (Awaited::This(Ready::Journal), socket, flags)));
        let desktops = self.desktops.sockets();
        polled.extend(
            desktops
                .map(|(id, source, socket)| (Awaited::Desktop(id, source), socket, PollFlags::IN)),
        );
        let mut sockets: Vec<PollFd<'_>> = polled
            .iter()
            .map(|(_, socket, flags)| PollFd::from_borrowed_fd(*socket, *flags))
            .collect();
        let timeout = self.timeout();
        match rustix::event::poll(&mut sockets, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(Error::Poll(error.into())),
        }
        let happened: Vec<bool> = sockets
            .iter()
            .map(|socket| !socket.revents().is_empty())
            .collect();
        drop(sockets);
        let ready = polled.into_iter().zip(happened).filter(|(_, it)| *it);
        Ok(ready.map(|((awaited, ..), _)| awaited.into()).collect())
    }

    /// Until the next deadline; never longer than the next look for sign-ins that ran out.
    fn timeout(&self) -> Option<Timespec> {
        let ending = match self.ending {
            Ending::Desktops { kill_at } => Some(kill_at),
            Ending::Killed { until } | Ending::Answers { until } => Some(until),
            Ending::No | Ending::Now => None,
        };
        let dial = (!self.connections.has_front()).then_some(self.next_dial);
        let deadlines = [
            dial,
            Some(self.next_expiry),
            Some(self.next_recheck),
            self.next_telling(),
            self.certificates.next_look(),
            self.ordering.next(),
            self.jobs.next_deadline(),
            self.refusals.next_deadline(),
            self.desktops.next_deadline(),
            self.next_try(),
            self.next_reclaim(),
            self.next_sample(),
            self.next_idle(self.clock.monotonic()),
            self.restarts.next(),
            self.next_hours(self.clock.monotonic()),
            self.waiting.iter().map(Waiting::until).min(),
            self.connections.next_release(),
            self.connections.journal.next_deadline(),
            ending,
        ];
        let next = deadlines.into_iter().flatten().min()?;
        let left = next.saturating_duration_since(self.clock.monotonic());
        Timespec::try_from(left).ok()
    }

    fn advance(
        &mut self,
        ready: Vec<Ready>,
        reload: &mut dyn FnMut() -> Result<(Config, String), String>,
    ) {
        self.count_hours(self.clock.monotonic());
        for ready in ready {
            match ready {
                Ready::Signal => self.signalled(reload),
                Ready::Listener => self.accept(),
                Ready::Supervisor => self.answer_supervisor(),
                Ready::Connection(number) => {
                    self.connections.write_all();
                    let now = self.clock.monotonic();
                    if let Some((asker, envelope)) = self.connections.receive(number, now) {
                        self.ask(asker, envelope.request);
                    }
                }
                Ready::Job(number) if self.jobs.is(number, |it| matches!(it, Errand::Order)) => {
                    self.order_goes_on(number);
                }
                Ready::Job(number) if self.jobs.is(number, |it| matches!(it, Errand::Recheck)) => {
                    self.recheck_goes_on(number);
                }
                Ready::Job(number) => {
                    if let Some((errand, outcome)) = self.jobs.finish(number) {
                        self.errand_done(errand, outcome);
                    }
                }
                Ready::Child => {
                    self.jobs.reap();
                    self.relays.reap();
                }
                Ready::Kernel => self.kernel_has_logged(self.clock.monotonic()),
                Ready::Desktop(id, source) => self.news(&id, source),
                // Heard at each turn's end.
                Ready::Journal => {}
            }
        }
        let now = self.clock.monotonic();
        for (errand, outcome) in self.jobs.time_out(now) {
            self.errand_done(errand, outcome);
        }
        self.desktops.kill_late(now);
        self.try_again(now);
        self.reclaim_waiting(now);
        self.sample(now);
        self.look_after_hours(now);
        self.look_after_idle(now);
        self.start_again(now);
        self.tell_refusals(now);
        self.advance_waiting(now);
        self.advance_ending(now);
        if now >= self.next_expiry {
            self.next_expiry = now + EXPIRE;
            self.expire_logins();
            self.log_floods(now);
            self.connections.close_idle(now);
        }
        if now >= self.next_recheck {
            self.next_recheck = now + self.config.sign_in.recheck;
            self.desktops.look_for_owners(&self.place);
            self.recheck();
        }
        if !self.connections.has_front() && now >= self.next_dial {
            self.next_dial = now + DIAL;
            self.dial();
        }
        self.look_after_certificates(now);
        if !self.changed.is_empty() {
            self.telling.hurry(now);
            self.desktops.keep(&self.place);
        }
        self.tell_changes();
        self.tell_totals(now);
        self.connections.journal.advance(now);
        self.connections.release(now);
    }

    fn signalled(&mut self, reload: &mut dyn FnMut() -> Result<(Config, String), String>) {
        while let Some(signal) = self.signals.next() {
            if signal == Signal::HUP {
                self.reload(reload);
            } else if signal == Signal::USR1 {
                if matches!(self.ending, Ending::No) {
                    self.record_own(What::Upgrade, "another launcher takes over");
                    let until = self.clock.monotonic() + LAST_ANSWERS;
                    self.ending = Ending::Answers { until };
                    self.connections.end();
                }
            } else if self.options.end_desktops_on_exit && matches!(self.ending, Ending::No) {
                let now = self.clock.monotonic();
                for id in self.desktops.ids() {
                    self.desktops.stop(&id, self.clock.unix(), now);
                }
                let kill_at = now + END_DESKTOPS;
                self.ending = Ending::Desktops { kill_at };
            } else {
                self.ending = Ending::Now;
            }
        }
    }

    /// Says that this loop goes round.
    fn answer_supervisor(&mut self) {
        let mut asked = [0; 16];
        let read = self.supervisor.as_ref().map(|line| {
            let read = rustix::io::read(line, &mut asked)?;
            if asked.iter().take(read).any(|letter| *letter == ASKED) {
                rustix::net::send(line, &[HERE], SendFlags::NOSIGNAL)?;
            }
            Ok(read)
        });
        let goes_on = |error| matches!(error, Errno::AGAIN | Errno::INTR);
        match read {
            Some(Ok(0)) => self.supervisor = None,
            Some(Err(error)) if !goes_on(error) => self.supervisor = None,
            _ => {}
        }
    }

    fn accept(&mut self) {
        let now = self.clock.monotonic();
        for socket in connections::accept(self.listener.as_fd()) {
            if let Ok(peer) = deskway_osuser::peer(socket.as_fd()) {
                self.connections.add(socket, Who::User(peer.uid), now);
            }
        }
    }

    /// Connects to the front, when it is there and really is the front; before, to the one that
    /// it replaces, which has requests under way still.
    fn dial(&mut self) {
        let now = self.clock.monotonic();
        if !self.connections.has_leaving_front()
            && let Some(socket) = connect(&self.place.leaving_front_socket())
        {
            self.connections.add_leaving_front(socket, now);
        }
        if let Some(socket) = connect(&self.place.front_socket()) {
            tracing::info!("connected to the front");
            self.connections.add(socket, Who::Front, now);
            self.tell_new_front();
            self.telling.begin_anew(now);
        }
    }

    fn news(&mut self, id: &RunId, source: Source) {
        // Why something ended is said before it is heard that it has.
        self.read_kernel_log();
        let unix = self.clock.unix();
        if source == Source::Process {
            if let Some(ended) = self.desktops.over(id, &self.place, unix) {
                self.record_end(&ended);
                self.jobs
                    .cancel(|errand| matches!(errand, Errand::Agent(run) if run == id));
                self.changed.insert(ended.desktop.owner.clone());
                self.ended(&ended);
                let cause = ended.cause.to_owned();
                self.measure(Measure::Ended { cause });
                if ended.files_left {
                    self.sweep(id);
                }
            }
        } else if let Some(running) = self.desktops.get_mut(id)
            && running.read(source, unix)
        {
            self.changed.insert(running.desktop.owner.clone());
            for measure in running.take_measures() {
                self.measure(measure);
            }
        }
    }

    fn advance_ending(&mut self, now: Instant) {
        let done = self.desktops.is_empty();
        match self.ending {
            Ending::Desktops { .. } | Ending::Killed { .. } if done => self.ending = Ending::Now,
            Ending::Desktops { kill_at } if now >= kill_at => {
                self.desktops.kill_late(now + END_DESKTOPS);
                let until = now + END_DESKTOPS;
                self.ending = Ending::Killed { until };
            }
            Ending::Killed { until } if now >= until => {
                tracing::error!("desktops that cannot be ended are left");
                self.ending = Ending::Now;
            }
            Ending::Answers { until } => {
                let none_asked = self.connections.are_done()
                    && self.refusals.next_deadline().is_none()
                    && self.jobs.count(|_| true) == 0;
                if none_asked || now >= until {
                    self.ending = Ending::Now;
                }
            }
            Ending::No | Ending::Now | Ending::Desktops { .. } | Ending::Killed { .. } => {}
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.ending, Ending::Now)
    }
}
