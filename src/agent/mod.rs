//! Runs as a desktop's owner: starts the X server and the session, says how they are, cleans up.
//!
//! One thread and one poll loop ([`run_loop`]) take the [`desktop`] from its start to its end; the
//! rest of the folder is what it consists of. [`protocol`] is what others see of it.

mod bus;
mod child;
mod control;
mod cookie;
mod desktop;
mod drawn;
mod end;
mod inside;
mod log;
pub mod notice;
mod patient;
mod processes;
pub mod protocol;
mod run_dir;
mod run_loop;
mod session;
mod signals;
mod wait;
mod windows;
mod x_server;

use std::io::{self, Read};
use std::path::PathBuf;

use protocol::{MAX_SPEC, Spec};

/// Why an agent could not take up its work. All else that goes wrong is told on `agent.sock`
/// as [`protocol::Status::Ended`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read the desktop's specification: {0}")]
    ReadSpec(#[source] io::Error),
    #[error("the desktop's specification is longer than {MAX_SPEC} bytes")]
    LongSpec,
    #[error("the desktop's specification on standard input is wrong: {0}")]
    WrongSpec(#[source] serde_json::Error),
    #[error("the run directory `{}` cannot be used: {problem}", path.display())]
    RunDir { path: PathBuf, problem: String },
    #[error("the one who started this agent is gone")]
    Orphaned,
    #[error("cannot {what}: {source}")]
    System {
        what: &'static str,
        source: io::Error,
    },
}

/// Turns a failed system call into an [`Error`] that says what was tried.
fn cannot<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> Error {
    move |source| Error::System {
        what,
        source: source.into(),
    }
}

/// Reads one [`Spec`] as JSON until the end of `input`.
///
/// # Errors
/// [`Error::ReadSpec`], [`Error::LongSpec`] beyond [`MAX_SPEC`] bytes, [`Error::WrongSpec`].
pub fn read_spec(input: impl Read) -> Result<Spec, Error> {
    let mut json = Vec::new();
    let limit = u64::try_from(MAX_SPEC).map_or(u64::MAX, |max| max + 1);
    input
        .take(limit)
        .read_to_end(&mut json)
        .map_err(Error::ReadSpec)?;
    if json.len() > MAX_SPEC {
        return Err(Error::LongSpec);
    }
    serde_json::from_slice(&json).map_err(Error::WrongSpec)
}

/// Runs the desktop until its end, which the last [`protocol::Status`] describes. Returns when
/// every process of it that the owner may end is gone.
///
/// # Errors
/// Only before the desktop begins: see [`Error`].
pub fn run(spec: Spec) -> Result<(), Error> {
    run_loop::run(spec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_that_is_too_long_is_refused_unread() {
        let endless = io::repeat(b' ');
        assert!(matches!(read_spec(endless), Err(Error::LongSpec)));
    }

    #[test]
    fn a_wrong_spec_is_named_with_its_place() {
        let error = read_spec(&b"{\n \"desktop\": \"../x\"}"[..]).unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
    }
}
