//! `deskway up`: everything, from one command.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd as _, OwnedFd, RawFd};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use deskway_osuser::{Account, Child, ProcessId, Signals, end_with_parent, own_uid, run_in_child};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, WaitOptions};

use super::entrances::{self, Entrance};
use super::serve::{Inherited, announcement, serve};
use super::settings::Settings;
use super::socket_files::SocketFiles;
use super::supervisor::{self, End, LAUNCHER, Role, SERVE, SIGNALS, Supervisor};
use super::upgrade::{self, GoOn, Ground, Handover, Program, Step};
use super::words::Line;
use super::{certificates, launcher, place};
use crate::cli;
use crate::launcher::Options;
use crate::model::UpgradeOutcome;
use crate::runtime::fill;

/// Between two tries of what has to succeed.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Runs the front and the launcher until somebody stops them, or takes the part in an upgrade that
/// it was started for.
pub(super) fn run(flags: &cli::Up) -> Result<()> {
    let Some(handover) = Handover::take()? else {
        return start(flags);
    };
    let Handover {
        run,
        state,
        base_path,
        sound,
        step,
        launcher_line,
        ..
    } = handover;
    let sound = upgrade::adopt(sound)?;
    let settings = || {
        let settings = Settings::load_packed(&flags.start, &upgrade::sound(&sound)?)?;
        anyhow::Ok(settings.at(&run, &state, &base_path))
    };
    match step {
        Step::Check { report } => check(&Settings::load(&flags.start)?, report, sound),
        Step::Serve {
            entrances,
            front_socket,
            line,
        } => {
            supervisor::set_title(SERVE)?;
            let settings = settings()?;
            drop(sound);
            let to_supervisor = ToSupervisor {
                announcement: None,
                line: upgrade::adopt(line)?,
                waits: true,
            };
            front(
                settings,
                place::service_account()?.as_ref(),
                &upgrade::entrances(&entrances)?,
                &upgrade::adopt(front_socket)?,
                to_supervisor,
            )
        }
        Step::Launcher => {
            supervisor::set_title(LAUNCHER)?;
            with_parent()?;
            let settings = settings()?;
            drop(sound);
            let line = launcher_line.map(upgrade::adopt).transpose()?;
            launcher::run(&settings, launcher_options(flags), line)
        }
        Step::GoOn(had) => {
            let signals = patiently(None, || Ok(Signals::take(&SIGNALS)?))?;
            let settings = patiently(Some(&signals), settings)?;
            drop(sound);
            go_on(flags, &settings, had, signals)
        }
    }
}

/// From nothing.
fn start(flags: &cli::Up) -> Result<()> {
    let program = Program::own().context("cannot learn how this program was started")?;
    let settings = Settings::load(&flags.start)?;
    let service = place::service_account()?;
    place::prepare(&settings.config, service.as_ref())?;
    let run = &settings.config.paths.run;
    let lock = place::lock(run)?;
    certificates::check(&settings.config)?;
    let entrances = entrances::open(&settings.config)?;
    let socket_files = SocketFiles::of(&settings.config)?;
    let url = entrances::url(&settings.config, &entrances)?;
    let leaving_socket = run.join(place::LEAVING_SOCKET);
    // Of an upgrade that was killed, if it is there.
    _ = std::fs::remove_file(&leaving_socket);
    let ground = Ground {
        program,
        lock,
        upgrades: place::upgrade_socket(run)?,
        entrances,
        socket_files,
        front_socket: place::front_socket(run)?.into(),
        leaving_socket,
        run: run.clone(),
        state: settings.config.paths.state.clone(),
        base_path: settings.config.server.base_path.clone(),
    };
    print_set_up_link(&settings, url.as_deref())?;
    let signals = Signals::take(&SIGNALS)?;
    let mut supervisor = Supervisor::new(ground.upgrades.as_fd(), signals, &ground.run);
    for role in roles(flags, &settings, service.as_ref(), &ground, url.as_deref()) {
        supervisor.start(role)?;
    }
    supervise(&mut supervisor, &ground)
}

/// As the same process that another version was a moment ago. Descriptors that the front of this
/// very version has taken over too are there.
fn go_on(flags: &cli::Up, settings: &Settings, had: GoOn, signals: Signals) -> Result<()> {
    let (service, program) = patiently(Some(&signals), || {
        let program = Program::own().context("cannot learn how this program was started")?;
        Ok((place::service_account()?, program))
    })?;
    let run = &settings.config.paths.run;
    let ground = Ground {
        program,
        lock: upgrade::adopt(had.lock)?.into(),
        upgrades: upgrade::adopt(had.upgrades)?,
        entrances: upgrade::entrances(&had.entrances)?,
        socket_files: had.socket_files,
        front_socket: upgrade::adopt(had.front_socket)?.into(),
        leaving_socket: run.join(place::LEAVING_SOCKET),
        run: run.clone(),
        state: settings.config.paths.state.clone(),
        base_path: settings.config.server.base_path.clone(),
    };
    let asker = had.asker.and_then(|asker| upgrade::adopt(asker).ok());
    let mut supervisor = Supervisor::new(ground.upgrades.as_fd(), signals, &ground.run);
    for role in roles(flags, settings, service.as_ref(), &ground, None) {
        let runs = if role.name == LAUNCHER {
            &had.launcher
        } else {
            &had.serve
        };
        let line = upgrade::adopt(runs.line).map(Line::from);
        supervisor.adopt(role, runs.process.into(), line.unwrap_or_default());
    }
    let leaving = had.leaving.map(ProcessId::from);
    let leaving = leaving.and_then(|id| Child::adopt(id).ok());
    supervisor.finishes(leaving, &ground.leaving_socket);
    let to = env!("CARGO_PKG_VERSION").to_owned();
    tracing::info!("upgraded from Deskway {} to {to}", had.from);
    let done = UpgradeOutcome::Done {
        from: had.from,
        to,
        pid: std::process::id(),
    };
    upgrade::tell(asker.as_ref(), &done);
    drop(asker);
    supervise(&mut supervisor, &ground)
}

/// Does what has to be done after the point of no return: people are served, so that what fails is
/// tried again and again, until somebody stops Deskway.
fn patiently<T>(signals: Option<&Signals>, mut work: impl FnMut() -> Result<T>) -> Result<T> {
    let mut later = Vec::new();
    loop {
        match work() {
            Ok(done) => {
                upgrade::again(&later);
                return Ok(done);
            }
            Err(error) => tracing::error!("cannot take over yet, trying again: {error:#}"),
        }
        let mut polled: Vec<_> = signals
            .map(|signals| PollFd::new(signals, PollFlags::IN))
            .into_iter()
            .collect();
        // Interrupted or not, it is tried again.
        _ = poll(&mut polled, Timespec::try_from(TRY_AGAIN).ok().as_ref());
        while let Some(signal) = signals.and_then(Signals::next) {
            match signal {
                Signal::TERM | Signal::INT => bail!("stopped before it had taken over"),
                Signal::CHILD => {}
                _ if later.contains(&signal) => {}
                _ => later.push(signal),
            }
        }
    }
}

fn supervise<'a>(supervisor: &mut Supervisor<'a>, ground: &'a Ground) -> Result<()> {
    let ended = supervisor
        .run(|supervisor, asker| upgrade::upgrade(supervisor, ground, asker.as_ref()))
        .context("cannot look after the processes");
    ground.socket_files.remove();
    match ended? {
        End::Asked => Ok(()),
        End::Failed { role } => bail!("{role} could not start; the reason stands above"),
    }
}

/// Whether this program could be started with these flags and the configuration as it is now.
fn check(settings: &Settings, report: RawFd, sound: OwnedFd) -> Result<()> {
    certificates::check(&settings.config)?;
    fill(sound, &settings.packed()?).context("cannot hand the configuration on")?;
    let mut report = File::from(upgrade::adopt(report)?);
    report.write_all(env!("CARGO_PKG_VERSION").as_bytes())?;
    Ok(())
}

fn roles<'a>(
    flags: &'a cli::Up,
    settings: &'a Settings,
    service: Option<&'a Account>,
    ground: &'a Ground,
    url: Option<&'a str>,
) -> [Role<'a>; 2] {
    let launcher = Role {
        name: LAUNCHER,
        keep: Vec::new(),
        keep_now: None,
        work: Box::new(|restarts, line| {
            let options = launcher_options(flags);
            let run = || launcher::run(&settings.now(restarts), options, Some(line));
            status(LAUNCHER, with_parent().and_then(|()| run()))
        }),
    };
    let front = Role {
        name: SERVE,
        keep: ground.entrances.iter().map(Entrance::as_fd).collect(),
        keep_now: Some(&ground.front_socket),
        work: Box::new(move |restarts, line| {
            let to_supervisor = ToSupervisor {
                announcement: url.filter(|_| restarts == 0).map(announcement),
                line,
                waits: false,
            };
            let settings = settings.now(restarts);
            let (entrances, socket) = (&ground.entrances, ground.front_socket.borrow());
            status(
                SERVE,
                front(settings, service, entrances, &socket, to_supervisor),
            )
        }),
    };
    [launcher, front]
}

fn launcher_options(flags: &cli::Up) -> Options {
    Options {
        end_desktops_on_exit: flags.stop_desktops_on_exit,
        ..Options::default()
    }
}

/// What the front has to do with its supervisor.
struct ToSupervisor {
    announcement: Option<String>,
    line: OwnedFd,
    waits: bool,
}

/// The front's process: the sockets are the parent's, so that a restart refuses nobody.
fn front(
    settings: Settings,
    service: Option<&Account>,
    entrances: &[Entrance],
    front_socket: &OwnedFd,
    to_supervisor: ToSupervisor,
) -> Result<()> {
    let settings = settings.for_front();
    let inherited = Inherited {
        entrances: entrances
            .iter()
            .map(Entrance::try_clone)
            .collect::<Result<_, _>>()?,
        front_socket: front_socket.try_clone()?,
        launcher_uid: own_uid(),
        templates: settings.templates()?,
        reread: Box::new({
            let settings = settings.clone();
            move |text| settings.reread(text)
        }),
        announcement: to_supervisor.announcement,
        supervisor: Some(to_supervisor.line),
        waits: to_supervisor.waits,
    };
    let drop = || {
        place::become_service(service)?;
        // Becoming another user forgets it, so that this comes after.
        with_parent()
    };
    serve(settings.config.clone(), inherited, drop)
}

/// Ends this process when `up` does.
fn with_parent() -> Result<()> {
    end_with_parent(Signal::TERM)?;
    Ok(())
}

fn status(role: &str, done: Result<()>) -> i32 {
    match done {
        Ok(()) => 0,
        Err(error) => {
            tracing::error!("{role}: {error:#}");
            1
        }
    }
}

/// In a child: reading the accounts takes threads, and this process must have one only.
fn print_set_up_link(settings: &Settings, url: Option<&str>) -> Result<()> {
    // Behind unix sockets alone only the proxy knows the address.
    let below_proxy = format!("https://YOUR-PROXY{}/", settings.config.server.base_path);
    let url = url.unwrap_or(&below_proxy);
    let child = run_in_child(&[], || match launcher::set_up_link(settings, url) {
        Ok(None) => 0,
        Ok(Some(text)) => i32::from(writeln!(std::io::stdout(), "{text}").is_err()),
        Err(error) => status("set-up", Err(error)),
    })?;
    wait_for(&child)
}

fn wait_for(child: &Child) -> Result<()> {
    let pid = rustix::process::Pid::from_raw(child.id().pid);
    let ended = rustix::process::waitpid(pid, WaitOptions::empty())?;
    match ended.and_then(|(_, status)| status.exit_status()) {
        Some(0) => Ok(()),
        _ => bail!("cannot learn whether anybody can sign in"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_to_succeed_is_tried_again() {
        let mut tries = 0;
        let done = patiently(None, || {
            tries += 1;
            if tries < 2 {
                bail!("not yet");
            }
            Ok(tries)
        });
        assert_eq!(done.unwrap(), 2);
    }
}
