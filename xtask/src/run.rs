//! Running other programs, and saying what is being done.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// The repository's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or_else(|| Path::new("."))
}

/// Where cargo builds: `CARGO_TARGET_DIR`, or `target` in the repository.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// One line of what the person asked for, to standard output.
pub(crate) fn say(text: &str) {
    // A closed pipe is the reader's choice; there is nobody left to tell.
    _ = writeln!(std::io::stdout(), "{text}");
}

/// One line about what is being done, to standard error.
pub(crate) fn note(text: &str) {
    _ = writeln!(std::io::stderr(), "{text}");
}

/// Says what is run, runs it in the repository's root, and fails when it does.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    note(&format!("$ {}", shown(command)));
    finish(command.current_dir(root()).stdin(Stdio::null()))
}

/// As [`run`], but what takes longer than `limit` is ended, with all that it began, and has failed.
pub(crate) fn run_within(command: &mut Command, limit: Duration) -> Result<()> {
    note(&format!("$ {}", shown(command)));
    finish_within(command.current_dir(root()).stdin(Stdio::null()), limit)
}

/// As [`run_within`], without saying so.
pub(crate) fn finish_within(command: &mut Command, limit: Duration) -> Result<()> {
    let name = shown(command);
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot run {name}"))?;
    let pid = child.id();
    let (sender, ended) = mpsc::channel();
    // Nobody hears of it when the limit has passed before.
    thread::spawn(move || _ = sender.send(child.wait()));
    let Ok(status) = ended.recv_timeout(limit) else {
        end_all_of(pid);
        bail!("`{name}` did not end within {} s", limit.as_secs());
    };
    let status = status?;
    if !status.success() {
        bail!("`{name}` ended with {status}");
    }
    Ok(())
}

/// Ends a process and all below it. It is stopped before its children are looked for, so that it
/// begins no others.
fn end_all_of(pid: u32) {
    let signal = |name: &str| output(Command::new("kill").arg(name).arg(pid.to_string()));
    signal("-STOP");
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    signal("-KILL");
    for child in children.unwrap_or_default().split_whitespace() {
        if let Ok(child) = child.parse() {
            end_all_of(child);
        }
    }
}

/// Runs it without saying so.
pub(crate) fn finish(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot run {}", shown(command)))?;
    if !status.success() {
        bail!("`{}` ended with {status}", shown(command));
    }
    Ok(())
}

/// Its standard output, when it ends well.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs it with `text` as its standard input.
pub(crate) fn feed(command: &mut Command, text: &str) -> Result<()> {
    let mut child = command.stdin(Stdio::piped()).spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(text.as_bytes())?;
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("`{}` ended with {status}", shown(command));
    }
    Ok(())
}

/// `cargo` with these arguments, as from a shell: what `cargo xtask` was given to know of its own
/// package would make dependencies whose builds look at it be built anew, there and back.
pub(crate) fn cargo<S: AsRef<OsStr>>(arguments: &[S]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command.args(arguments);
    command
}

fn shown(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn what_takes_too_long_is_ended_with_all_below_it() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 1000 & sh -c 'sleep 1000 & wait'"]);
        command.stdout(writer);
        let error = finish_within(&mut command, Duration::from_millis(300)).unwrap_err();
        assert!(error.to_string().contains("did not end within"), "{error}");
        drop(command);
        // It is at its end when the last who could write is gone.
        assert_eq!(reader.read_to_end(&mut Vec::new()).unwrap(), 0);
    }

    #[test]
    fn what_ends_in_time_has_failed_by_its_own_word_alone() {
        let run = |program| finish_within(&mut Command::new(program), Duration::from_mins(1));
        assert!(run("true").is_ok());
        let error = run("false").unwrap_err();
        assert!(error.to_string().contains("exit status: 1"), "{error}");
    }
}
