//! The process around one desktop: root's (or the ordinary user's), one per desktop, a session of
//! its own that outlives the launcher.
//!
//! It opens the PAM session, starts the agent as the owner, and waits. When the agent has ended
//! it ends whatever is left below it, closes the PAM session and removes the desktop's files.
//! SIGTERM tells it to kill the agent. It listens to nobody else.

mod environment;
mod last_words;
mod leftovers;
mod record;
mod rlimits;

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use deskway_osuser::{Account, Child, Pam, PamSetting, PrivateTmp, Program, Signals};
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{MemfdFlags, Mode, SeekFrom};
use rustix::process::{DumpableBehavior, Signal};
use serde::{Deserialize, Serialize};

pub(crate) use record::{Record, remove_files};

use super::pam_service::PamChoice;
use super::place::{Place, RunId, own_directory};
use crate::agent::protocol::{LOG, Spec};
use crate::cgroup::{Cgroups, Group};
use crate::config::Limits;
use crate::model::EndCause;
use crate::store::accounts;

/// Everything about one desktop that the launcher has decided.
pub(crate) struct Order {
    pub(crate) id: RunId,
    pub(crate) by: StartedBy,
    pub(crate) record: Record,
    /// Its environment is what the configuration adds.
    pub(crate) spec: Spec,
    pub(crate) owner: Account,
    /// `None`: no PAM session, as an ordinary user.
    pub(crate) pam: Option<PamChoice>,
    /// Whether all of `/tmp` is private, or the sockets in it alone.
    pub(crate) private_tmp: bool,
    /// The agent's program and arguments.
    pub(crate) agent: Vec<String>,
    pub(crate) place: Place,
    pub(crate) limits: Limits,
    pub(crate) cgroups: Cgroups,
}

/// Whose wish a start is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StartedBy {
    /// Of somebody who has just been let in.
    Somebody,
    /// Nobody's: the desktop crashed. Whether its owner may still have one is found out first.
    Deskway,
}

/// What the launcher is told, when it still listens.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// The desktop cannot be run for this account.
    Refused(EndCause),
    /// The end of the desktop's log, as the agent left it.
    Log(String),
}

/// Runs the desktop until nothing of it is left. In a forked child of the launcher.
pub(crate) fn run(order: &Order, reports: &OwnedFd) -> i32 {
    let ended = prepare(order).and_then(|signals| live(order, reports, &signals));
    if let Err(error) = &ended {
        report(
            reports,
            &Report::Refused(EndCause::AccountFailed {
                error: error.to_string(),
            }),
        );
    }
    let owner = deskway_osuser::is_root().then_some(&order.owner);
    let log = leftovers::log_tail(owner, &order.place.run_dir(&order.id).join(LOG));
    report(reports, &Report::Log(log));
    let removed = remove_files(&order.place, &order.id);
    i32::from(ended.is_err() || removed.is_err())
}

/// A session of its own, that nothing of its owner's outlives.
fn prepare(order: &Order) -> io::Result<Signals> {
    rustix::process::setsid()?;
    deskway_osuser::set_subreaper()?;
    silence()?;
    rustix::process::chdir("/")?;
    let signals = Signals::take(&[Signal::CHILD, Signal::TERM, Signal::HUP, Signal::INT])?;
    order.record.write(&order.place, &order.id)?;
    Ok(signals)
}

/// The log may be a pipe to a process that this one outlives.
fn silence() -> io::Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}

fn live(order: &Order, reports: &OwnedFd, signals: &Signals) -> io::Result<()> {
    if !deskway_osuser::is_root() {
        // Only then may it write the maps of its user namespace.
        rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable)?;
    }
    rustix::process::umask(Mode::from_raw_mode(0o022));
    if order.by == StartedBy::Deskway {
        check_local_account(order)?;
    }
    let mut session = open_session(order)?;
    let from_pam = session.as_ref().map(Pam::environment).unwrap_or_default();
    let group = (order.cgroups)
        .create(&order.id.to_string(), &order.limits)
        .map_err(|error| io::Error::other(format!("its limits cannot be set: {error}")));
    let (group, lived) = match group {
        Ok(group) => {
            let lived = start_agent(order, reports, from_pam, group.as_ref());
            let lived = lived.map(|(agent, words)| {
                wait(&agent, signals, group.as_ref());
                words
            });
            (group, lived)
        }
        Err(error) => (None, Err(error)),
    };
    leftovers::end_all(signals, group.as_ref());
    if let Some(session) = &mut session {
        // Nobody is left who could be told; the session is over either way.
        drop(session.close_session());
    }
    if let Some(error) = last_words::read(lived?) {
        report(reports, &Report::Refused(EndCause::ScreenFailed { error }));
    }
    Ok(())
}

/// Who is no account of the machine's has one of Deskway's.
fn check_local_account(order: &Order) -> io::Result<()> {
    let owner = &order.record.desktop.owner;
    if owner.as_str() == order.record.os_name {
        return Ok(());
    }
    let known = accounts::list(order.place.state()).map_err(io::Error::other)?;
    if known.iter().any(|account| account.name == *owner) {
        Ok(())
    } else {
        Err(io::Error::other("the account is not there any more"))
    }
}

fn open_session(order: &Order) -> io::Result<Option<Pam>> {
    let Some(choice) = &order.pam else {
        own_directory(&order.owner.home, 0o700)?;
        return Ok(None);
    };
    let setting = PamSetting {
        service: &choice.service,
        directory: choice.directory.as_deref(),
        terminal: &format!("deskway-{}", order.id),
        remote_host: None,
    };
    let mut pam = Pam::start(&setting, &order.owner.name, None).map_err(io::Error::other)?;
    if order.by == StartedBy::Deskway {
        pam.check_account().map_err(io::Error::other)?;
    }
    if deskway_osuser::is_root() {
        deskway_osuser::take_groups(&order.owner)?;
    }
    // Else logind takes it for one on a terminal.
    for (name, value) in environment::SESSION {
        pam.set_variable(name, value).map_err(io::Error::other)?;
    }
    pam.open_session().map_err(io::Error::other)?;
    Ok(Some(pam))
}

/// The agent, and the file that it says in why it could not begin.
fn start_agent(
    order: &Order,
    reports: &OwnedFd,
    from_pam: Vec<(String, String)>,
    group: Option<&Group>,
) -> io::Result<(Child, File)> {
    let run_dir = order.place.run_dir(&order.id);
    let env = environment::whole(&order.owner, &run_dir, from_pam, &order.spec.env);
    let spec = Spec {
        env: env.clone(),
        ..order.spec.clone()
    };
    let spec = in_memory(&serde_json::to_vec(&spec)?)?;
    let words = in_memory(&[])?;
    let keep = [spec.as_fd(), words.as_fd(), reports.as_fd()];
    let agent = deskway_osuser::run_in_child(&keep, || {
        let failed = become_agent(order, &run_dir, env, &spec, &words, group);
        report(
            reports,
            &Report::Refused(EndCause::AccountFailed {
                error: failed.to_string(),
            }),
        );
        71
    })?;
    Ok((agent, words.into()))
}

/// In the child that becomes the agent; returns when it could not.
fn become_agent(
    order: &Order,
    run_dir: &std::path::Path,
    env: Vec<(String, String)>,
    spec: &OwnedFd,
    words: &OwnedFd,
    group: Option<&Group>,
) -> io::Error {
    let ready = || -> io::Result<Program> {
        if let Some(group) = group {
            group.enter()?;
        }
        rlimits::set(&order.limits, order.cgroups.holds())?;
        make_private_tmp(order)?;
        if deskway_osuser::is_root() {
            deskway_osuser::become_with_groups(&order.owner)?;
        }
        own_directory(&run_dir.join("xdg"), 0o700)?;
        deskway_osuser::end_with_parent(Signal::TERM)?;
        let mut agent = order.agent.iter();
        let path = agent.next().map(PathBuf::from);
        let mut argv = vec!["deskway".into()];
        argv.extend(agent.map(Into::into));
        Ok(Program {
            path: path.ok_or(io::ErrorKind::InvalidInput)?,
            argv,
            env: env
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            directory: directory(&order.owner),
            stdin: spec.try_clone()?,
            output: words.try_clone()?,
        })
    };
    match ready() {
        Ok(program) => deskway_osuser::exec(program),
        Err(error) => error,
    }
}

/// Where sessions begin: in the home, or in `/` when it cannot be entered.
fn directory(owner: &Account) -> PathBuf {
    if std::fs::read_dir(&owner.home).is_ok() {
        owner.home.clone()
    } else {
        PathBuf::from("/")
    }
}

fn make_private_tmp(order: &Order) -> io::Result<()> {
    let directory = order.place.private_tmp(&order.id);
    own_directory(&directory, 0o700)?;
    let private = if order.private_tmp {
        PrivateTmp::Whole {
            directory,
            keep: vec![order.place.run_dir(&order.id), order.owner.home.clone()],
        }
    } else {
        PrivateTmp::Sockets { directory }
    };
    match deskway_osuser::enter_private_tmp(&private) {
        // Not every machine lets an ordinary user have namespaces.
        Err(_) if !deskway_osuser::is_root() => Ok(()),
        entered => entered,
    }
}

fn in_memory(bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(rustix::fs::memfd_create("spec", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    rustix::fs::seek(&file, SeekFrom::Start(0))?;
    Ok(file.into())
}

/// Waits for the agent's end.
fn wait(agent: &Child, signals: &Signals, group: Option<&Group>) {
    loop {
        while let Some(signal) = signals.next() {
            if signal == Signal::TERM {
                leftovers::thaw(group);
            }
            if signal == Signal::TERM && agent.kill(Signal::KILL).is_err() {
                return;
            }
        }
        // Orphans of the desktop are only reaped here, which does not take the agent: it is
        // reaped by its own number.
        if agent.reap() {
            return;
        }
        let mut polled = [
            PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(agent.handle(), PollFlags::IN),
        ];
        match rustix::event::poll(&mut polled, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
    }
}

/// The launcher may have gone, and started again without this socket.
fn report(reports: &OwnedFd, report: &Report) {
    if let Ok(bytes) = postcard::to_allocvec(report) {
        drop(deskway_osuser::send(reports.as_fd(), &bytes));
    }
}
