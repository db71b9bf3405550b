//! `exec:/path/to/program`: the admin's own program. It reads the token on its standard input and
//! writes `host:port` or `unix_socket:/path`; when it fails or writes nothing, the token stands
//! for nothing.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use deskway_osuser::with_original_descriptor_limit;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, copy, sink};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;
use tracing::warn;

use super::{LookupError, PluginError, target_text};
use crate::websockify::Target;

pub(super) const NAME: &str = "exec";
/// Most bytes that the program may write.
const MAX_OUTPUT: u64 = 64 << 10;
/// How much of its complaints is passed on to the log.
const MAX_COMPLAINT: usize = 1 << 10;
/// How many programs run at once; more visitors wait.
const AT_ONCE: usize = 32;

/// A program to ask.
pub(super) struct Program {
    path: PathBuf,
    /// What `--token-source` says: the program's only argument.
    argument: Option<String>,
    places: Semaphore,
}

/// Ends a program, and what it started, that nobody waits for any more.
struct Running {
    child: Child,
    group: Option<Pid>,
}

impl Program {
    pub(super) fn new(path: &str, argument: Option<&str>) -> Result<Self, PluginError> {
        check(Path::new(path)).map_err(|fault| PluginError::Source {
            plugin: NAME,
            fault: format!("{path} {fault}"),
        })?;
        Ok(Self {
            path: PathBuf::from(path),
            argument: argument.map(str::to_owned),
            places: Semaphore::new(AT_ONCE),
        })
    }

    pub(super) async fn lookup(&self, token: &str) -> Result<Option<Target>, LookupError> {
        let _place = self.places.acquire().await;
        let answer = self.run(token).await.map_err(|error| LookupError::Failed {
            plugin: NAME,
            fault: format!("{}: {error}", self.path.display()),
        })?;
        if answer.trim_ascii().is_empty() {
            return Ok(None);
        }
        target_text::from_bytes(&answer)
            .map(Some)
            .map_err(|fault| LookupError::Target {
                plugin: NAME,
                fault,
            })
    }

    /// What the program wrote; nothing when it exits with another status than 0.
    async fn run(&self, token: &str) -> io::Result<Vec<u8>> {
        let mut running = self.start()?;
        let (stdin, stdout, stderr) = (
            running.child.stdin.take(),
            running.child.stdout.take(),
            running.child.stderr.take(),
        );
        let tell = async {
            if let Some(mut stdin) = stdin {
                // A program that does not want the token has closed its end.
                match stdin.write_all(format!("{token}\n").as_bytes()).await {
                    Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
                    _ => Ok(()),
                }
            } else {
                Ok(())
            }
        };
        let ((), answer, complaint) = tokio::try_join!(tell, whole(stdout), head(stderr))?;
        let status = running.end().await;
        self.pass_on(&complaint, token);
        let status = status?;
        match status.code() {
            Some(0) => Ok(answer),
            Some(_) => Ok(Vec::new()),
            None => Err(io::Error::other(format!("ended by {status}"))),
        }
    }

    fn start(&self) -> io::Result<Running> {
        let mut command = Command::new(&self.path);
        command
            .args(&self.argument)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        with_original_descriptor_limit(command.as_std_mut());
        let child = command.spawn()?;
        let group = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        Ok(Running { child, group })
    }

    fn pass_on(&self, complaint: &[u8], token: &str) {
        let path = self.path.display();
        match presentable(complaint, token) {
            None => warn!("{path} says much; it is not shown, since the token may be in it"),
            Some(text) if text.is_empty() => {}
            Some(text) => warn!("{path} says: {text:?}"),
        }
    }
}

impl Running {
    /// Waits for its end. How it ended is lost (ECHILD) where this process ignores SIGCHLD: then
    /// its answer must not count.
    async fn end(&mut self) -> io::Result<ExitStatus> {
        let ended = self.child.wait().await;
        // Whether well or not: from now on the number may be another's.
        self.group = None;
        ended
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(group) = self.group
            && let Err(error) = kill_process_group(group, Signal::KILL)
        {
            warn!("cannot end a program that looked a token up: {error}");
        }
    }
}

/// The beginning of the complaint, without the token. `None`: it ends within what may be the token.
fn presentable(complaint: &[u8], token: &str) -> Option<String> {
    let shown = complaint.get(..MAX_COMPLAINT).unwrap_or(complaint);
    let begins = |at| {
        shown
            .get(at..)
            .is_some_and(|end| token.as_bytes().starts_with(end))
    };
    let first = shown.len().saturating_sub(token.len());
    if complaint.len() > shown.len() && (first..shown.len()).any(begins) {
        return None;
    }
    let text = String::from_utf8_lossy(shown).replace(token, "…");
    Some(text.trim().to_owned())
}

/// What is wrong with the program's file.
fn check(path: &Path) -> Result<(), String> {
    if !path.is_absolute() {
        return Err("is not an absolute path, as in exec:/path/to/program".to_owned());
    }
    let metadata = path
        .metadata()
        .map_err(|error| format!("cannot be used: {error}"))?;
    if !metadata.is_file() || metadata.permissions().mode() & 0o111 == 0 {
        return Err("is not an executable file".to_owned());
    }
    Ok(())
}

async fn whole(stream: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        stream.take(MAX_OUTPUT + 1).read_to_end(&mut bytes).await?;
    }
    if bytes.len() as u64 > MAX_OUTPUT {
        let fault = format!("it writes more than {MAX_OUTPUT} bytes");
        return Err(io::Error::other(fault));
    }
    Ok(bytes)
}

/// The beginning, and one byte more if there is more; the rest is read too, so that the program is
/// not held up, and dropped.
async fn head(stream: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        (&mut stream)
            .take(MAX_COMPLAINT as u64 + 1)
            .read_to_end(&mut bytes)
            .await?;
        copy(&mut stream, &mut sink()).await?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
