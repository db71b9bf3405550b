//! `deskway serve`: the front as a process. It gives up what it does not need, step by step,
//! before it reads the first byte from the network.

use std::fs::DirBuilder;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use deskway_osuser::own_uid;
use rustix::process::{DumpableBehavior, Resource, Rlimit};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use super::entrances::{self, Entrance, Speaks};
use super::front::{Front, FrontParts, Reread};
use super::settings::Settings;
use super::socket_files::SocketFiles;
use super::words::{Orders, Word};
use super::{certificates, place, sandbox};
use crate::certificates::Pair;
use crate::cli;
use crate::config::{Config, Logos};
use crate::listen::{self, Certificates};
use crate::metrics::{OwnProcess, Token};
use crate::route::Assets;
use crate::runtime::Clock;
use crate::store::DoctorKey;
use crate::templates::Templates;

/// How long the stop waits for what is under way.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// How long a front that is to close waits for the launcher, which may be a new one.
const LAUNCHER_BACK: Duration = Duration::from_secs(2);
/// Threads that move bytes.
const WORKERS: usize = 2;
/// Threads for what blocks: nothing here does for long.
const BLOCKING_THREADS: usize = 2;
const STACK: usize = 1024 * 1024;

/// What the process that starts the front hands it.
pub struct Inherited {
    /// Bound and listening.
    pub entrances: Vec<Entrance>,
    /// `RUN/front.sock`: SOCK_SEQPACKET, bound and listening, in a directory of root's.
    pub front_socket: OwnedFd,
    /// Whose connections to it are the launcher's: 0, or our own uid where nothing is root.
    pub launcher_uid: u32,
    /// Read while `templates_dir` could be.
    pub templates: Templates,
    /// Reads a new configuration's text over the same defaults and flags.
    pub reread: Reread,
    /// Printed to standard output, once, when people can sign in.
    pub announcement: Option<String>,
    /// The line to who looks after this process, if anybody does.
    pub supervisor: Option<OwnedFd>,
    /// Whether to take people in only when the supervisor says so.
    pub waits: bool,
}

/// The line that tells people where Deskway is.
pub(super) fn announcement(url: &str) -> String {
    format!("Deskway is at {url}")
}

/// The front beside a launcher that somebody else starts. As root it becomes the user `deskway`.
pub(super) fn alone(start: &cli::Start) -> Result<()> {
    let settings = Settings::load(start)?.for_front();
    let service = place::service_account()?;
    place::prepare(&settings.config, service.as_ref())?;
    certificates::check(&settings.config)?;
    let entrances = entrances::open(&settings.config)?;
    let _removed = SocketFiles::of(&settings.config)?.remove_at_end()?;
    let url = entrances::url(&settings.config, &entrances)?;
    let inherited = Inherited {
        entrances,
        front_socket: place::front_socket(&settings.config.paths.run)?,
        launcher_uid: own_uid(),
        templates: settings.templates()?,
        reread: {
            let settings = settings.clone();
            Box::new(move |text| settings.reread(text))
        },
        announcement: url.as_deref().map(announcement),
        supervisor: None,
        waits: false,
    };
    serve(settings.config.clone(), inherited, || {
        place::become_service(service.as_ref())
    })
}

/// Serves until SIGTERM or SIGINT.
///
/// `drop_privileges` makes the process the user `deskway` (nothing to do where it is no root);
/// `STATE/front` must be that user's by then, or be makeable by them.
///
/// # Errors
/// When a certificate, the state directory or the sandbox cannot be had. Must be called while
/// the process has one thread.
pub fn serve(
    config: Config,
    inherited: Inherited,
    drop_privileges: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let config = config.for_front();
    // While the run directory can be written.
    let clock = Clock::anchored(&config.paths.run);
    let configured = certificates::read(&config);
    let (logos, errors) = Logos::read(&config);
    for error in errors {
        warn!("{error}; it is left out");
    }
    let metrics_token = metrics_token(&config);
    raise_limits();
    drop_privileges().context("cannot become the user of the front")?;
    let process = OwnProcess::open();
    let process =
        process.inspect_err(|error| warn!("the metrics lack this process's own: {error}"));
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .context("cannot forbid others to look into this process")?;

    let state = state_dir(&config.paths.state)?;
    let is_secure = |it: &Entrance| it.speaks == Speaks::Https;
    let own = (configured.is_empty() && inherited.entrances.iter().any(is_secure))
        .then(|| own_certificate(&config, &inherited.entrances, &state))
        .transpose()?;
    let certificates = Certificates::new(own.as_ref());
    certificates.set(configured);
    let doctor_key = if inherited.waits {
        DoctorKey::keep(&state)
    } else {
        DoctorKey::make(&state)
    };
    let doctor_key = doctor_key.with_context(|| {
        format!(
            "cannot write the key of `deskway doctor` in {}",
            state.display()
        )
    })?;
    sandbox::enter(&state)?;

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_stack_size(STACK)
        .thread_name("front")
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let parts = FrontParts {
        config,
        entrances: inherited.entrances,
        front_socket: inherited.front_socket,
        launcher_uid: inherited.launcher_uid,
        certificates,
        assets: Assets::embedded(),
        templates: inherited.templates,
        logos,
        sessions: state.join("front.db"),
        clock,
        doctor_key,
        metrics_token,
        process: process.ok(),
        reread: inherited.reread,
    };
    let told = Told {
        announcement: inherited.announcement,
        supervisor: inherited.supervisor,
        waits: inherited.waits,
    };
    runtime.block_on(run(parts, told))
}

/// The part of [`Inherited`] that the running front needs.
struct Told {
    announcement: Option<String>,
    supervisor: Option<OwnedFd>,
    waits: bool,
}

async fn run(parts: FrontParts, told: Told) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // The launcher reads the configuration again and sends it; the signal itself says nothing.
    let _hangup = signal(SignalKind::hangup())?;
    let mut supervisor = Orders::new(told.supervisor).context("the line to the supervisor")?;
    let mut front = Front::prepare(parts).await?;
    supervisor.say(Word::Prepared).await;
    if !told.waits {
        front.open()?;
    }
    let mut is_ready = false;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            () = front.until_ready(), if !is_ready => {
                is_ready = true;
                if let Some(text) = &told.announcement {
                    // Whoever started this may have closed its end: then nobody wants to know.
                    _ = writeln!(std::io::stdout(), "{text}");
                }
                supervisor.say(Word::Ready).await;
            }
            order = supervisor.next() => match order {
                Word::Open => {
                    front.open()?;
                    supervisor.say(Word::Opened).await;
                }
                Word::Close => {
                    // What is under way may need it; without it nothing is lost but that.
                    _ = tokio::time::timeout(LAUNCHER_BACK, front.until_ready()).await;
                    front.close();
                    supervisor.say(Word::Closed).await;
                }
                Word::AreYouThere => {
                    front.take_a_turn().await;
                    supervisor.say(Word::Here).await;
                }
                Word::Finish => break,
                Word::Prepared
                | Word::Ready
                | Word::Opened
                | Word::Closed
                | Word::Here => {}
            }
        }
    }
    info!("stopping; desktops go on");
    front.stop(STOP_GRACE).await;
    Ok(())
}

/// As many descriptors as there may be, and no core files: memory holds handles.
fn raise_limits() {
    let files = rustix::process::getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: files.maximum,
        maximum: files.maximum,
    };
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    for (resource, limit) in [(Resource::Nofile, all), (Resource::Core, none)] {
        if let Err(error) = rustix::process::setrlimit(resource, limit) {
            warn!(?resource, %error, "a limit of the process cannot be set");
        }
    }
}

/// One that cannot be read lets nobody in.
fn metrics_token(config: &Config) -> Option<Token> {
    let path = config.metrics.token_file.as_deref()?;
    let told = |error: &_| warn!("the token of the metrics in {}: {error}", path.display());
    Token::read(path).inspect_err(told).ok()
}

/// `STATE/front`, which only the front's user can enter.
fn state_dir(state: &Path) -> Result<PathBuf> {
    let dir = state.join("front");
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&dir)
        .with_context(|| format!("cannot make {}", dir.display()))?;
    Ok(dir)
}

fn own_certificate(config: &Config, entrances: &[Entrance], state: &Path) -> Result<Pair> {
    let machine = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let mut names = vec!["localhost".to_owned(), machine];
    names.extend(config.server.hosts.iter().cloned());
    for entrance in entrances {
        if let Some(address) = entrance.address()?
            && !address.ip().is_unspecified()
        {
            names.push(address.ip().to_string());
        }
    }
    names.sort();
    names.dedup();
    let own = listen::self_signed(&state.join("self-signed.pem"), &names)?;
    warn!(
        "no certificate is there: using our own, with the SHA-256 fingerprint {}",
        own.fingerprint
    );
    Ok(own)
}
