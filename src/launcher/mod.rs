//! The process that is root and does not believe the one that talks to the network.
//!
//! It answers a closed set of [`protocol`] requests, one loop in one thread ([`server`]), and
//! forks a child for everything that can block or be attacked: PAM ([`sign_in`]), acting as a
//! desktop's owner ([`user_child`]), and living beside a desktop ([`session_child`]).

mod access;
mod attach;
mod certificates;
pub mod client;
mod desktops;
mod exec_line;
mod hours;
mod idle;
mod jobs;
mod kernel_log;
pub mod lifecycle;
mod logins;
mod order;
mod owner;
mod pam_service;
mod people;
mod place;
mod profiles;
pub mod protocol;
mod relays;
mod restarts;
mod server;
mod session_child;
pub mod set_up;
mod sign_in;
mod throttle;
mod user_child;
mod viewing;

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use crate::config::{Config, Paths};

/// What the supervisor says over its line to ask whether somebody is there, and the answer.
pub const ASKED: u8 = b'A';
pub const HERE: u8 = b'h';

/// How a launcher is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The agent's program and its arguments.
    pub agent: Vec<String>,
    /// Whether SIGTERM and SIGINT end all desktops too, instead of leaving them running.
    pub end_desktops_on_exit: bool,
}

impl Default for Options {
    /// This program's own agent, and desktops that outlive the launcher.
    fn default() -> Self {
        Self {
            agent: vec!["/proc/self/exe".to_owned(), "agent".to_owned()],
            end_desktops_on_exit: false,
        }
    }
}

/// Why a launcher cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the launcher's files cannot be made or read: {0}")]
    Files(#[source] io::Error),
    #[error("another launcher runs already (it holds {})", .0.display())]
    AlreadyRunning(PathBuf),
    #[error("the launcher cannot begin: {0}")]
    Begin(#[source] io::Error),
    #[error("the launcher cannot wait for events: {0}")]
    Poll(#[source] io::Error),
}

/// Makes the directories that launcher and front need, each with its owner and mode: RUN must be
/// there before the front binds its socket in it.
///
/// # Errors
/// [`Error::Files`] when one cannot be made or belongs to somebody else.
pub fn prepare(paths: &Paths) -> Result<(), Error> {
    place::Place::new(paths).prepare().map_err(Error::Files)
}

/// Runs a launcher until SIGTERM or SIGINT. To be called in a process with a single thread.
///
/// `supervisor` is a stream over which it is asked now and then whether it still takes turns.
///
/// SIGHUP calls `reload`: a sound configuration is applied and its text told to the front; a
/// wrong one is logged with its reason, and the old one stays. The directories stay in any case.
///
/// # Errors
/// See [`Error`].
pub fn run(
    config: Config,
    options: Options,
    supervisor: Option<OwnedFd>,
    mut reload: impl FnMut() -> Result<(Config, String), String>,
) -> Result<(), Error> {
    server::run(config, options, supervisor, &mut reload)
}
