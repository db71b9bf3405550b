//! `deskway up`: everything, from one command.

use std::io::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};

use anyhow::{Context as _, Result, bail};
use deskway_osuser::{Account, Child, end_with_parent, own_uid, run_in_child};
use rustix::process::{Signal, WaitOptions};

use super::entrances::{self, Entrance};
use super::serve::{Inherited, announcement, serve};
use super::settings::Settings;
use super::socket_files::SocketFiles;
use super::supervisor::{End, Role, supervise};
use super::{launcher, place};
use crate::cli;
use crate::launcher::Options;

/// Runs the front and the launcher until somebody stops them.
pub(super) fn run(flags: &cli::Up) -> Result<()> {
    let settings = Settings::load(&flags.start)?;
    let service = place::service_account()?;
    place::prepare(&settings.config, service.as_ref())?;
    let _lock = place::lock(&settings.config.paths.run)?;
    let entrances = entrances::open(&settings.config)?;
    let socket_files = SocketFiles::of(&settings.config)?;
    let front_socket = place::front_socket(&settings.config.paths.run)?;
    let url = entrances::url(&settings.config, &entrances)?;
    print_set_up_link(&settings, url.as_deref())?;

    let launcher = Role {
        name: "launcher",
        keep: Vec::new(),
        work: Box::new(|restarts| {
            let options = Options {
                end_desktops_on_exit: flags.stop_desktops_on_exit,
                ..Options::default()
            };
            status(
                "launcher",
                with_parent().and_then(|()| launcher::run(&settings.now(restarts), options)),
            )
        }),
    };
    let mut keep = vec![front_socket.as_fd()];
    keep.extend(entrances.iter().map(Entrance::as_fd));
    let front = Role {
        name: "serve",
        keep,
        work: Box::new(|restarts| {
            let announcement = url.as_deref().filter(|_| restarts == 0).map(announcement);
            status(
                "serve",
                front(
                    &settings.now(restarts),
                    service.as_ref(),
                    &entrances,
                    &front_socket,
                    announcement,
                ),
            )
        }),
    };
    let end = supervise(vec![launcher, front]).context("cannot look after the processes");
    socket_files.remove();
    match end? {
        End::Asked => Ok(()),
        End::Failed { role } => bail!("{role} could not start; the reason stands above"),
    }
}

/// The front's process: the sockets are the parent's, so that a restart refuses nobody.
fn front(
    settings: &Settings,
    service: Option<&Account>,
    entrances: &[Entrance],
    front_socket: &OwnedFd,
    announcement: Option<String>,
) -> Result<()> {
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
        announcement,
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
