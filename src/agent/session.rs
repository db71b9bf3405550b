//! The session: the person's programs on the screen, started as a login would start them.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::Duration;

use rustix::process::Pid;

use crate::model::{EndCause, Exit};

use super::child;
use super::log::Log;
use super::protocol::{Session, Spec};

/// A session that ends sooner than this without having drawn anything has failed, whatever its
/// exit status says.
const TOO_SHORT: Duration = Duration::from_secs(3);
/// The shell that reads `/etc/profile` and `~/.profile`.
const SHELL: &str = "/bin/sh";
/// What that shell does: programs that the bus starts on demand get the login's environment too,
/// then the shell becomes the session.
const LOGIN: &str = r#"[ -z "$DBUS_SESSION_BUS_ADDRESS" ] ||
dbus-update-activation-environment --all 2>/dev/null
exec "$@""#;
/// Exit statuses by which a shell says that the program is not there or cannot be run (POSIX,
/// `exec`).
const NOT_RUN: [i32; 2] = [126, 127];

/// The spec's environment and what only the agent knows.
pub(super) fn environment(spec: &Spec, cookie: &Path) -> Vec<(String, String)> {
    let mut env = spec.env.clone();
    env.push(("DISPLAY".into(), format!(":{}", spec.display)));
    env.push(("XAUTHORITY".into(), cookie.display().to_string()));
    env
}

/// Starts the session as a login shell.
///
/// # Errors
/// [`EndCause::SessionMissing`], when it is clear beforehand that it cannot be run.
pub(super) fn start(
    session: &Session,
    env: &[(String, String)],
    log: &Log,
) -> Result<Pid, EndCause> {
    let words = words(session, env);
    if words.first().is_none_or(|name| name.contains('/'))
        && let Some(cause) = missing(session, env)
    {
        return Err(cause);
    }
    let started = child::command(SHELL, env, log).and_then(|mut command| {
        // The dash makes it a login shell, as login(1) does it.
        command.arg0("-sh").args(["-c", LOGIN, "sh"]).args(&words);
        child::start(&mut command)
    });
    started.map_err(|error| EndCause::SessionMissing {
        command: SHELL.into(),
        error: error.to_string(),
    })
}

/// Why the session's end is the desktop's: `exit` after `lasted`, `drawn` says whether anybody
/// has seen anything of it.
pub(super) fn judge(
    session: &Session,
    env: &[(String, String)],
    exit: Exit,
    lasted: Duration,
    drawn: bool,
) -> EndCause {
    if let Exit::Code(code) = exit
        && NOT_RUN.contains(&code)
        && let Some(cause) = missing(session, env)
    {
        return cause;
    }
    let too_short = lasted < TOO_SHORT && !drawn;
    if exit == Exit::Code(0) && !too_short {
        return EndCause::LoggedOut;
    }
    EndCause::SessionDied {
        how: exit,
        after: lasted.as_secs(),
    }
}

/// The program and its arguments.
fn words(session: &Session, env: &[(String, String)]) -> Vec<String> {
    match session {
        Session::Command(words) => words.clone(),
        Session::XStartup => {
            let home = child::value(env, "HOME").unwrap_or_default();
            vec![format!("{home}/.vnc/xstartup")]
        }
    }
}

/// [`EndCause::SessionMissing`] when the session's program cannot be found or run.
fn missing(session: &Session, env: &[(String, String)]) -> Option<EndCause> {
    let words = words(session, env);
    let command = words.first().map_or("", String::as_str);
    let error = child::find(command, env).err()?;
    let command = match session {
        Session::Command(_) => command.to_owned(),
        Session::XStartup => "~/.vnc/xstartup".to_owned(),
    };
    Some(EndCause::SessionMissing { command, error })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(command: &str, exit: Exit, seconds: u64, drawn: bool) -> EndCause {
        let session = Session::Command(vec![command.into()]);
        judge(&session, &[], exit, Duration::from_secs(seconds), drawn)
    }

    #[test]
    fn an_end_without_error_is_a_logout_unless_nobody_saw_anything() {
        let ok = Exit::Code(0);
        assert_eq!(judged("sh", ok, 60, true), EndCause::LoggedOut);
        assert_eq!(judged("sh", ok, 1, true), EndCause::LoggedOut);
        let died = EndCause::SessionDied { how: ok, after: 1 };
        assert_eq!(judged("sh", ok, 1, false), died);
    }

    #[test]
    fn a_shells_127_is_a_missing_session_only_when_it_is_missing() {
        let how = Exit::Code(127);
        assert!(matches!(
            judged("no-such-session", how, 0, false),
            EndCause::SessionMissing { command, .. } if command == "no-such-session"
        ));
        let died = EndCause::SessionDied { how, after: 0 };
        assert_eq!(judged("sh", how, 0, false), died);
    }
}
