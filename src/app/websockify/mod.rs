//! `deskway websockify`, and the binary called as `websockify`: check, bind, go into the
//! background, serve.

mod announce;
mod descriptors;
mod lifetime;
mod sockets;

use std::fmt;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use self::descriptors::Shares;
use self::lifetime::Lifetime;
use self::sockets::Sockets;
use crate::listen::{Limits, Listen, Plain, TrustedProxies};
use crate::runtime::{Tasks, processors, workers};
use crate::websockify::complaint::{complaint, wrong_usage};
use crate::websockify::daemon::daemonize;
use crate::websockify::log;
use crate::websockify::prepared::Prepared;
use crate::websockify::server::Server;
use crate::websockify::sessions::Sessions;
use crate::websockify::settings::Settings;
use crate::websockify::wrap::Wrapped;
use crate::websockify::{Flags, WRONG_USAGE};

/// Runs until its time is over or it is told to stop; says why when it cannot.
pub(super) fn run(flags: &Flags) -> ExitCode {
    deskway_osuser::default_sigchld();
    let own = std::env::args_os().next().unwrap_or_default();
    let program = Flags::program(&own);
    let settings = match Settings::check(flags) {
        Ok(settings) => settings,
        Err(error) => return say(&wrong_usage(program, error), WRONG_USAGE.into()),
    };
    // First of all: what is standard error may be the connection, under inetd.
    let taken = match Sockets::taken(&settings) {
        Ok(taken) => taken,
        Err(error) => {
            return say(
                &complaint(program, format_args!("{error:#}")),
                ExitCode::FAILURE,
            );
        }
    };
    if let Err(error) = log::start(&settings.log) {
        return say(&complaint(program, error), WRONG_USAGE.into());
    }
    let prepared = match Prepared::check(&settings) {
        Ok(prepared) => prepared,
        Err(error) => {
            error!("{}", complaint(program, error));
            return WRONG_USAGE.into();
        }
    };
    let served =
        Sockets::open(taken, &settings).and_then(|sockets| serve(settings, prepared, sockets));
    served.unwrap_or_else(|error| {
        error!("{}", complaint(program, format_args!("{error:#}")));
        ExitCode::FAILURE
    })
}

/// Before there is a log.
fn say(words: &dyn fmt::Display, status: ExitCode) -> ExitCode {
    // When standard error is closed there is nobody to tell.
    _ = writeln!(io::stderr(), "{words}");
    status
}

/// From open sockets to the end.
fn serve(settings: Settings, mut prepared: Prepared, sockets: Sockets) -> Result<ExitCode> {
    announce::settings(&settings, &sockets);
    if let Err(error) = deskway_osuser::raise_descriptor_limit() {
        warn!("the limit of open files stays as it is: {error}");
    }
    if settings.daemon {
        let web = settings.web.as_ref().map(|web| web.dir.as_path());
        let dir = web.unwrap_or_else(|| Path::new("/"));
        daemonize(dir).context("cannot go into the background")?;
    }
    let wrapped = settings
        .wrapped
        .as_ref()
        .map(|wrapping| Wrapped::start(&wrapping.command, wrapping.port, wrapping.mode));
    let wrapped = wrapped.transpose()?;
    announce::route(&settings, &sockets, wrapped.as_ref());

    let (tasks, sessions) = (Tasks::new(), Sessions::new(settings.run_once));
    let single = matches!(sockets, Sockets::Connection(_));
    let shares = Shares::of_limit(if single { 1 } else { processors() });
    let plain = if settings.ssl_only {
        Plain::Refuse
    } else {
        Plain::Serve
    };
    let (timeout, idle_timeout) = (settings.timeout, settings.idle_timeout);
    let once = settings.run_once;
    let trusted = settings.trusted_proxies.clone();
    let tls = prepared.tls.take();
    let target = wrapped.as_ref().map(Wrapped::target);
    let server = Server::new(settings, prepared, target, sessions.clone(), tasks.clone());
    let listen = Listen {
        tls,
        plain,
        proxy_protocol: false,
        trusted: TrustedProxies::new(trusted),
        limits: Limits::new(shares.connections, shares.connections),
        tasks: tasks.clone(),
        refused: Server::tell_refusal,
        service: Arc::new(server.context("there is no target")?).service(),
    };

    let lifetime = Lifetime {
        timeout,
        idle_timeout,
        once,
        single,
        wrapped,
        sessions,
        tasks: tasks.clone(),
    };
    let threads = shares.threads;
    let sockets = sockets
        .shares(threads)
        .context("cannot share the sockets")?;
    let sockets = Arc::new(Mutex::new(sockets));
    let over = CancellationToken::new();
    let until = over.clone();
    let workers = workers(threads, move |_| {
        let (listen, tasks, until) = (listen.clone(), tasks.clone(), until.clone());
        let share = sockets.lock().unwrap_or_else(PoisonError::into_inner).pop();
        async move {
            match share.map(|share| share.accept(&listen)) {
                Some(Ok(())) if single => {
                    tasks.finished().await;
                    tasks.begin_stop();
                }
                Some(Ok(())) | None => {}
                Some(Err(error)) => {
                    error!("a thread cannot take connections: {error}");
                    tasks.begin_stop();
                }
            }
            until.cancelled().await;
        }
    })
    .context("cannot start the threads that move bytes")?;
    let ended = lifetime.run();
    over.cancel();
    workers.join()?;
    ended
}
