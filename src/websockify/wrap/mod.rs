//! Wrapped programs: they mean to listen on our port, and listen on another one of this machine's
//! own (127.0.0.1, ::1) instead, without knowing.
//!
//! A process of its own, the keeper, starts the program and answers its calls of bind(2). It stays
//! as long as anything that the program started, even if we end before: nobody else could answer.

mod event;
mod keeper;
mod moved;
mod orders;
mod preload;

use std::ffi::OsString;
use std::io;
use std::io::Read as _;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use deskway_osuser::{Child, run_in_child};
use rustix::process::{Pid, WaitOptions, waitpid};
use tracing::{debug, info, warn};

use super::target::Target;
use event::Event;
use keeper::Keeper;
use orders::{Orders, ignored_signals};

/// Until the keeper has started the program or says why not.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// What to do when the program ends, or goes into the background.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum WrapMode {
    /// End too.
    #[default]
    Exit,
    Ignore,
    /// Start it again, at most three times within ten seconds.
    Respawn,
}

/// Why a program is not wrapped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WrapError {
    #[error("there is no command to wrap behind --")]
    NoCommand,
    #[error("cannot start {command}: {error}")]
    Start { command: String, error: io::Error },
    #[error(
        "the port of {command} cannot be moved on this machine ({error}); start it by itself on another port, and name that: websockify {port} localhost:OTHER_PORT"
    )]
    NotMoved {
        command: String,
        port: u16,
        error: io::Error,
    },
    #[error("no port is free for the wrapped command: {0}")]
    NoPort(io::Error),
    #[error("the wrapped command cannot be kept: {0}")]
    Keeper(io::Error),
}

/// A wrapped program. Dropping it ends nothing: the program lives on, and is not started again.
#[derive(Debug)]
pub(crate) struct Wrapped {
    command: String,
    port: u16,
    mode: WrapMode,
    keeper: UnixStream,
    process: Option<Child>,
}

impl Wrapped {
    /// Starts `command`; where it means to listen on `listen_port` it gets another port. To be
    /// called while the process has a single thread, and after it has gone into the background.
    pub(crate) fn start(
        command: &[OsString],
        listen_port: u16,
        mode: WrapMode,
    ) -> Result<Self, WrapError> {
        if command.is_empty() {
            return Err(WrapError::NoCommand);
        }
        let orders = Orders {
            command: command.to_vec(),
            old_port: listen_port,
            new_port: free_port().map_err(WrapError::NoPort)?,
            ignored: ignored_signals(),
            library: preload::library(),
            mode,
        };
        let (here, there) = UnixStream::pair().map_err(WrapError::Keeper)?;
        let child = run_in_child(&[there.as_fd()], || match Keeper::alone(&orders, &there) {
            Ok(mut keeper) => keeper.run(),
            Err(_) => 1,
        });
        let process = child.map_err(WrapError::Keeper)?;
        drop(there);
        let wrapped = Self::over(here, &orders)?;
        Ok(Self {
            process: Some(process),
            ..wrapped
        })
    }

    /// Where the program listens, once it does.
    pub(crate) fn target(&self) -> Target {
        Target::Tcp {
            host: "localhost".to_owned(),
            port: self.port,
        }
    }

    /// The command, for messages.
    pub(crate) fn command(&self) -> &str {
        &self.command
    }

    /// Resolves when we are to end because the program has: with its exit status, or 128 and the
    /// number of the signal that ended it. Never with another mode than [`WrapMode::Exit`]. Logs
    /// what happens to the program, so that it is to be polled in every mode.
    ///
    /// # Errors
    /// When there is no reactor, or too many descriptors.
    pub(crate) async fn ended(&self) -> io::Result<u8> {
        self.keeper.set_nonblocking(true)?;
        let keeper = tokio::net::UnixStream::from_std(self.keeper.try_clone()?)?;
        loop {
            keeper.readable().await?;
            let mut message = [0; event::LEN];
            let event = match keeper.try_read(&mut message) {
                Ok(0) => None,
                Ok(event::LEN) => Some(Event::read(message)?),
                Ok(_) => return Err(io::ErrorKind::InvalidData.into()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            };
            match &event {
                Some(event) => self.log(event),
                None => self.bury(),
            }
            match event {
                Some(Event::Ended(status)) if self.mode == WrapMode::Exit => return Ok(status),
                None if self.mode == WrapMode::Exit => {
                    warn!("the keeper of '{}' was killed", self.command);
                    return Ok(1);
                }
                // Nothing will come any more.
                None => std::future::pending().await,
                Some(_) => {}
            }
        }
    }

    fn over(keeper: UnixStream, orders: &Orders) -> Result<Self, WrapError> {
        let command = display(&orders.command);
        let wrapped = Self {
            command,
            port: orders.new_port,
            mode: orders.mode,
            keeper,
            process: None,
        };
        match wrapped.first_event().map_err(WrapError::Keeper)? {
            Event::NotMoved(error) => Err(WrapError::NotMoved {
                command: wrapped.command,
                port: orders.old_port,
                error,
            }),
            Event::NotStarted(error) => Err(WrapError::Start {
                command: wrapped.command,
                error,
            }),
            event => {
                wrapped.log(&event);
                Ok(wrapped)
            }
        }
    }

    fn first_event(&self) -> io::Result<Event> {
        let mut message = [0; event::LEN];
        self.keeper.set_nonblocking(false)?;
        self.keeper.set_read_timeout(Some(START_TIMEOUT))?;
        (&self.keeper).read_exact(&mut message)?;
        Event::read(message)
    }

    /// The keeper closes its end of the socket by ending: there is nothing to wait for here.
    fn bury(&self) {
        if let Some(pid) = self.process.as_ref().map(|process| process.id().pid) {
            _ = waitpid(Pid::from_raw(pid), WaitOptions::empty());
        }
    }

    fn log(&self, event: &Event) {
        let command = &self.command;
        match event {
            Event::Started => info!("Starting '{command}'"),
            Event::Preloaded(error) => {
                info!("'{command}' runs with rebind.so, since its calls cannot be seen: {error}");
            }
            Event::Moved => debug!("'{command}' listens on port {} instead", self.port),
            Event::NotMoved(error) => warn!("the port of '{command}' was not moved: {error}"),
            Event::NotStarted(error) => warn!("cannot start '{command}': {error}"),
            Event::TooFast => warn!("'{command}' ends too soon: it is started again in a while"),
            Event::Ended(status) => {
                debug!("'{command}' has ended, or is in the background: status {status}");
            }
        }
    }
}

/// One that nobody listens on at this moment. Somebody could take it before the program does.
fn free_port() -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

fn display(command: &[OsString]) -> String {
    let words = command.iter().map(|word| word.to_string_lossy());
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
