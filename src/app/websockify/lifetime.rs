//! How long the process goes on, and how it ends.

use std::future::pending;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;
use tracing::info;

use crate::bridge::CloseCause;
use crate::runtime::Tasks;
use crate::websockify::sessions::Sessions;
use crate::websockify::wrap::Wrapped;

/// How long the end waits for sessions that were told of it, and for files on their way.
const GRACE: Duration = Duration::from_secs(5);

/// What the process may end by.
#[derive(Debug)]
pub(super) struct Lifetime {
    pub(super) timeout: Option<Duration>,
    pub(super) idle_timeout: Option<Duration>,
    /// There is one session.
    pub(super) once: bool,
    /// There is one connection, and nothing listens: the stop begins when it is over.
    pub(super) single: bool,
    pub(super) wrapped: Option<Wrapped>,
    pub(super) sessions: Sessions,
    pub(super) tasks: Tasks,
}

/// Why it ends.
enum End {
    Told,
    Timeout(Duration),
    Idle(Duration),
    Once,
    Single,
    /// With the program's exit status.
    Wrapped(u8),
    Broken,
}

impl Lifetime {
    /// Returns when all is over, with what the process is to end with. Blocks this thread.
    pub(super) fn run(self) -> Result<ExitCode> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the runtime")?;
        runtime.block_on(self.until_over())
    }

    async fn until_over(self) -> Result<ExitCode> {
        let mut told = Told::new()?;
        let mut status = ExitCode::SUCCESS;
        match self.end(&mut told).await? {
            End::Told => info!("told to stop"),
            End::Wrapped(ended) => {
                info!("the wrapped program has ended with status {ended}");
                status = ended.into();
            }
            End::Timeout(timeout) => {
                info!("listener exit due to --timeout {}", timeout.as_secs());
                let open = self.sessions.count();
                if open > 0 {
                    info!("open sessions go on: {open}");
                }
                tokio::select! {
                    () = self.tasks.stop(Duration::MAX) => return Ok(status),
                    () = told.wait() => {}
                }
            }
            End::Idle(timeout) => {
                info!("listener exit due to --idle-timeout {}", timeout.as_secs());
            }
            End::Once => info!("exiting due to --run-once"),
            End::Single => return Ok(status),
            End::Broken => bail!("no connections can be taken"),
        }
        self.sessions.end(CloseCause::Stopping);
        self.tasks.stop(GRACE).await;
        Ok(status)
    }

    async fn end(&self, told: &mut Told) -> Result<End> {
        let over = async {
            match self.timeout {
                Some(timeout) => {
                    sleep(timeout).await;
                    timeout
                }
                None => pending().await,
            }
        };
        let idle = async {
            match self.idle_timeout {
                Some(timeout) => {
                    self.sessions.idle_for(timeout).await;
                    timeout
                }
                None => pending().await,
            }
        };
        let wrapped = async {
            match &self.wrapped {
                Some(wrapped) => wrapped.ended().await,
                None => pending().await,
            }
        };
        Ok(tokio::select! {
            () = told.wait() => End::Told,
            timeout = over => End::Timeout(timeout),
            timeout = idle => End::Idle(timeout),
            () = self.sessions.first_is_over(), if self.once => End::Once,
            status = wrapped => End::Wrapped(status.context("cannot watch the wrapped program")?),
            () = self.tasks.stopping() => if self.single { End::Single } else { End::Broken },
        })
    }
}

/// SIGTERM and SIGINT.
struct Told {
    terminate: Signal,
    interrupt: Signal,
}

impl Told {
    fn new() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
