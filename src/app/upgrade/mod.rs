//! An upgrade in place: this process becomes the program that is on disk now, while people are
//! served.
//!
//! The new program is tried before anything is given up: it checks the configuration, then its
//! front and its launcher are started as children of the old supervisor. Only when people can sign
//! in at the new front does the old one stop taking people in; the supervisor then becomes the new
//! program (execve), with the same number, children, sockets and lock. Whatever goes wrong before
//! leaves the old program serving.

mod handover;
mod program;
mod trust;

use std::cell::RefCell;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use deskway_osuser::Child;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, getpid, kill_process};

pub(super) use handover::{GoOn, Handover, Step, adopt, entrances};
pub(super) use program::Program;

use super::entrances::Entrance;
use super::place::{self, Lock};
use super::socket_files::SocketFiles;
use super::supervisor::{LAUNCHER, PATIENCE, SERVE, State, Supervisor};
use super::words::{Line, Word};
use crate::model::UpgradeOutcome;
use crate::runtime::unseal;
use crate::templates;

/// How long the new program may take to check what it would be started with, its front to
/// prepare, and its launcher to be there.
const CHECK_WITHIN: Duration = Duration::from_secs(15);
const PREPARE_WITHIN: Duration = Duration::from_mins(1);
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How long a front may take to close its doors or to open them.
const TURN_WITHIN: Duration = Duration::from_secs(5);
/// Most bytes of a configuration and its templates, as the check hands them on.
const MAX_SOUND: usize = templates::MAX_BYTES + 128 * 1024;

/// What the supervisor holds for its roles, and what an upgrade hands on.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) program: Program,
    pub(super) lock: Lock,
    /// `RUN/up.sock`.
    pub(super) upgrades: OwnedFd,
    pub(super) entrances: Vec<Entrance>,
    pub(super) socket_files: SocketFiles,
    /// `RUN/front.sock`: another one when a new front has stayed beside this supervisor.
    pub(super) front_socket: RefCell<OwnedFd>,
    pub(super) leaving_socket: PathBuf,
    pub(super) run: PathBuf,
    pub(super) state: PathBuf,
    pub(super) base_path: String,
}

/// Does it. Returns only when this program goes on.
pub(super) fn upgrade<'a>(
    supervisor: &mut Supervisor<'a>,
    ground: &'a Ground,
    asker: Option<&OwnedFd>,
) {
    tracing::info!("upgrading: trying {}", ground.program.path().display());
    let mut signals = Vec::new();
    let done = try_it(supervisor, ground, asker, &mut signals);
    again(&signals);
    if let Err(error) = done {
        tracing::error!("not upgraded, this version goes on: {error:#}");
        let version = env!("CARGO_PKG_VERSION");
        tell(asker, &UpgradeOutcome::kept(version, &format!("{error:#}")));
    }
}

/// What the check found sound.
///
/// # Errors
/// When it is not there.
pub(super) fn sound(file: &OwnedFd) -> Result<Vec<u8>> {
    unseal(file.try_clone()?, MAX_SOUND).context("the checked configuration was not handed over")
}

/// Tells who asked, if somebody waits for that.
pub(super) fn tell(asker: Option<&OwnedFd>, outcome: &UpgradeOutcome) {
    if let Some(asker) = asker {
        // Who has gone does not want to know.
        _ = deskway_osuser::send(asker.as_fd(), &outcome.to_message());
    }
}

/// A role of the new program, not the supervisor's yet: ended when the upgrade is given up.
struct Trial {
    child: Option<Child>,
    line: Line,
}

/// The new `front.sock`. The old one is moved aside, and back when the upgrade is given up.
struct Stage<'a> {
    ground: &'a Ground,
    /// What the check found sound.
    sound: BorrowedFd<'a>,
    front_socket: OwnedFd,
    stays: bool,
}

fn try_it<'a>(
    supervisor: &mut Supervisor<'a>,
    ground: &'a Ground,
    asker: Option<&OwnedFd>,
    signals: &mut Vec<Signal>,
) -> Result<()> {
    if supervisor.is_finishing() {
        bail!("the upgrade before is not finished: try again in a moment");
    }
    if deskway_osuser::is_root() {
        trust::only_roots(ground.program.path())?;
    }
    let (version, sound) = ground.program.check(ground)?;
    let mut stage = Stage::set(ground, sound.as_fd())?;
    let mut front = Trial::front(&stage)?;
    front.expect(Word::Prepared, PREPARE_WITHIN, None, supervisor, signals)?;

    let retired = retire_launcher(supervisor, signals);
    let tried = retired.and_then(|()| {
        let launcher = Trial::launcher(&stage)?;
        let beside = launcher.child.as_ref();
        front.expect(Word::Ready, READY_WITHIN, beside, supervisor, signals)?;
        Ok(launcher)
    });
    let launcher = match tried {
        Ok(launcher) => launcher,
        Err(error) => {
            // At no time two launchers.
            drop(front);
            drop(stage);
            bring_back(supervisor, LAUNCHER);
            return Err(error);
        }
    };

    close_old_front(supervisor, signals);
    front.line.say(Word::Open);
    if let Err(error) = front.expect(Word::Opened, TURN_WITHIN, None, supervisor, signals) {
        drop(launcher);
        drop(front);
        drop(stage);
        // It has closed its doors already.
        bring_back(supervisor, SERVE);
        bring_back(supervisor, LAUNCHER);
        return Err(error);
    }
    stage.stays = true;
    let left = say_to_old_front(supervisor, Word::Finish);
    let handover = Handover::new(
        ground,
        stage.sound,
        Step::GoOn(GoOn {
            from: env!("CARGO_PKG_VERSION").to_owned(),
            lock: ground.lock.as_fd().as_raw_fd(),
            upgrades: ground.upgrades.as_raw_fd(),
            entrances: ground.entrances.iter().map(handover::Door::of).collect(),
            socket_files: ground.socket_files.clone(),
            front_socket: stage.front_socket.as_raw_fd(),
            launcher: launcher.runs()?,
            serve: front.runs()?,
            leaving: left,
            asker: asker.map(OwnedFd::as_raw_fd),
        }),
    );
    let mut keep: Vec<BorrowedFd<'_>> = vec![
        ground.lock.as_fd(),
        ground.upgrades.as_fd(),
        stage.front_socket.as_fd(),
        stage.sound,
    ];
    keep.extend(ground.entrances.iter().map(Entrance::as_fd));
    keep.extend(
        [&launcher.line, &front.line]
            .into_iter()
            .filter_map(Line::descriptor),
    );
    keep.extend(asker.map(OwnedFd::as_fd));
    tracing::info!("upgrading: Deskway {version} serves, and this process becomes it");
    again(signals);
    signals.clear();
    let error = ground.program.become_it(&handover, &keep);
    // The file has been taken away in this very moment. Its roles serve; they are looked after, and
    // started again as this version should they end.
    std::mem::swap(
        &mut *ground.front_socket.borrow_mut(),
        &mut stage.front_socket,
    );
    keep_new_roles(supervisor, ground, launcher, front);
    Err(error).with_context(|| {
        format!("Deskway {version} serves, but the supervisor cannot become it; try again")
    })
}

/// Signals that came during the upgrade are sent again, to be heeded after it.
pub(super) fn again(signals: &[Signal]) {
    for signal in signals {
        // To this process, which is there.
        _ = kill_process(getpid(), *signal);
    }
}

impl Stage<'_> {
    fn set<'s>(ground: &'s Ground, sound: BorrowedFd<'s>) -> Result<Stage<'s>> {
        let aside = &ground.leaving_socket;
        let path = ground.run.join(place::FRONT_SOCKET);
        std::fs::rename(&path, aside)
            .with_context(|| format!("cannot move {} aside", path.display()))?;
        match place::front_socket(&ground.run) {
            Ok(front_socket) => Ok(Stage {
                ground,
                sound,
                front_socket,
                stays: false,
            }),
            Err(error) => {
                std::fs::rename(aside, &path)
                    .with_context(|| format!("cannot put {} back", path.display()))?;
                Err(error)
            }
        }
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        if !self.stays {
            let path = self.ground.run.join(place::FRONT_SOCKET);
            if let Err(error) = std::fs::rename(&self.ground.leaving_socket, &path) {
                tracing::error!(%error, "cannot put {} back", path.display());
            }
        }
    }
}

impl Trial {
    fn front(stage: &Stage<'_>) -> Result<Self> {
        let ground = stage.ground;
        let (line, theirs) = Line::pair()?;
        let step = Step::Serve {
            entrances: ground.entrances.iter().map(handover::Door::of).collect(),
            front_socket: stage.front_socket.as_raw_fd(),
            line: theirs.as_raw_fd(),
        };
        let mut keep = vec![theirs.as_fd(), stage.front_socket.as_fd(), stage.sound];
        keep.extend(ground.entrances.iter().map(Entrance::as_fd));
        let handover = Handover::new(ground, stage.sound, step);
        let child = ground.program.start(SERVE, &handover, &keep)?;
        Ok(Self {
            child: Some(child),
            line,
        })
    }

    fn launcher(stage: &Stage<'_>) -> Result<Self> {
        let (line, theirs) = Line::pair()?;
        let mut handover = Handover::new(stage.ground, stage.sound, Step::Launcher);
        handover.launcher_line = Some(theirs.as_raw_fd());
        let program = &stage.ground.program;
        let child = program.start(LAUNCHER, &handover, &[theirs.as_fd(), stage.sound])?;
        Ok(Self {
            child: Some(child),
            line,
        })
    }

    /// Waits until the role says `wanted`, and the launcher `beside` it has not ended.
    fn expect(
        &mut self,
        wanted: Word,
        within: Duration,
        beside: Option<&Child>,
        supervisor: &Supervisor<'_>,
        signals: &mut Vec<Signal>,
    ) -> Result<()> {
        let deadline = Instant::now() + within;
        let Some(child) = &self.child else {
            bail!("the new front is not there");
        };
        let line = &mut self.line;
        if !hear(wanted, line, child, beside, deadline, supervisor, signals)? {
            bail!("the new front or launcher ended; the reason stands in the log");
        }
        Ok(())
    }

    fn runs(&self) -> Result<handover::Runs> {
        let (Some(child), Some(line)) = (&self.child, self.line.descriptor()) else {
            bail!("a new role has hung up");
        };
        Ok(handover::Runs {
            process: child.id().into(),
            line: line.as_raw_fd(),
        })
    }
}

impl Trial {
    /// The supervisor's from now on.
    fn into_state(mut self) -> State {
        let line = std::mem::take(&mut self.line);
        let since = Instant::now();
        match self.child.take() {
            Some(child) => State::Up { child, line, since },
            None => State::Down { until: since },
        }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if let Some(child) = &self.child {
            end_child(child);
        }
    }
}

/// Waits until a role says `wanted`; `false`: it has ended before, or the one `beside` it.
fn hear(
    wanted: Word,
    line: &mut Line,
    child: &Child,
    beside: Option<&Child>,
    deadline: Instant,
    supervisor: &Supervisor<'_>,
    signals: &mut Vec<Signal>,
) -> Result<bool> {
    loop {
        while let Some(word) = line.heard() {
            if word == wanted {
                return Ok(true);
            }
        }
        if child.reap() || beside.is_some_and(Child::reap) {
            return Ok(false);
        }
        let both = [Some(child), beside].into_iter().flatten();
        let mut awaited: Vec<PollFd<'_>> = both
            .map(|it| PollFd::from_borrowed_fd(it.handle(), PollFlags::IN))
            .collect();
        awaited.extend(line.to_poll());
        wait(awaited, deadline, supervisor, signals)?;
    }
}

/// Waits for one of these, and takes signals meanwhile: one that stops Deskway ends the upgrade.
fn wait<'p>(
    mut awaited: Vec<PollFd<'p>>,
    deadline: Instant,
    supervisor: &'p Supervisor<'_>,
    signals: &mut Vec<Signal>,
) -> Result<()> {
    awaited.push(PollFd::new(&supervisor.signals, PollFlags::IN));
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        bail!("the new program takes too long");
    }
    match poll(&mut awaited, Timespec::try_from(left).ok().as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error).context("cannot wait for the new program"),
    }
    while let Some(signal) = supervisor.signals.next() {
        match signal {
            Signal::HUP if !signals.contains(&signal) => signals.push(signal),
            Signal::TERM | Signal::INT => {
                signals.push(signal);
                bail!("Deskway is being stopped");
            }
            // Another upgrade, while one is under way; the end of a child, which is looked for.
            _ => {}
        }
    }
    Ok(())
}

/// Ends the old launcher once it has answered what it was asked; desktops are not below it, and go
/// on, also where SIGTERM would end them.
fn retire_launcher(supervisor: &mut Supervisor<'_>, signals: &mut Vec<Signal>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let Some(State::Up { child, .. }) = state_of(supervisor, LAUNCHER) else {
        return Ok(());
    };
    // It may have ended just now.
    _ = child.kill(Signal::USR1);
    while !child.reap() {
        let awaited = vec![PollFd::from_borrowed_fd(child.handle(), PollFlags::IN)];
        wait(awaited, deadline, supervisor, signals)?;
    }
    Ok(())
}

fn close_old_front(supervisor: &mut Supervisor<'_>, signals: &mut Vec<Signal>) {
    let deadline = Instant::now() + TURN_WITHIN;
    let Some(index) = supervisor
        .running
        .iter()
        .position(|it| it.role.name == SERVE)
    else {
        return;
    };
    // Taken out for a moment, since signals are taken meanwhile.
    let down = State::Down { until: deadline };
    let mut state = std::mem::replace(&mut supervisor.running[index].state, down);
    if let State::Up { child, line, .. } = &mut state {
        line.say(Word::Close);
        if let Err(error) = hear(
            Word::Closed,
            line,
            child,
            None,
            deadline,
            supervisor,
            signals,
        ) {
            tracing::warn!("the old front does not close its doors: {error:#}");
            if Instant::now() >= deadline {
                // It would take people in beside the new one. It may have ended just now.
                _ = child.kill(Signal::KILL);
            }
        }
    }
    supervisor.running[index].state = state;
}

fn say_to_old_front(supervisor: &Supervisor<'_>, word: Word) -> Option<handover::Process> {
    let State::Up { child, line, .. } = state_of(supervisor, SERVE)? else {
        return None;
    };
    line.say(word);
    Some(child.id().into())
}

fn state_of<'s>(supervisor: &'s Supervisor<'_>, role: &str) -> Option<&'s State> {
    let found = supervisor.running.iter().find(|it| it.role.name == role);
    found.map(|it| &it.state)
}

/// Has a role of this program started again at once.
fn bring_back(supervisor: &mut Supervisor<'_>, role: &str) {
    if let Some(it) = supervisor.role(role) {
        if let State::Up { child, .. } = &it.state {
            end_child(child);
        }
        let until = Instant::now();
        it.replace(State::Down { until });
    }
}

/// Ends a child and waits for it.
fn end_child(child: &Child) {
    // It may have ended by itself.
    _ = child.kill(Signal::TERM);
    let deadline = Instant::now() + PATIENCE;
    while !child.reap() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            _ = child.kill(Signal::KILL);
        }
        let mut awaited = [PollFd::from_borrowed_fd(child.handle(), PollFlags::IN)];
        let left = left.max(Duration::from_secs(1));
        // Interrupted or not, it is looked at again.
        _ = poll(&mut awaited, Timespec::try_from(left).ok().as_ref());
    }
}

fn keep_new_roles<'a>(
    supervisor: &mut Supervisor<'a>,
    ground: &'a Ground,
    launcher: Trial,
    front: Trial,
) {
    for (name, trial) in [(LAUNCHER, launcher), (SERVE, front)] {
        let new = trial.into_state();
        if let Some(it) = supervisor.role(name) {
            let old = it.replace(new);
            if name == SERVE
                && let State::Up { child, .. } = old
            {
                supervisor.finishes(Some(child), &ground.leaving_socket);
            }
        }
    }
}
