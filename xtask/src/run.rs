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
        bail!(
            "`{name}` did not end within {} minutes",
            limit.as_secs() / 60
        );
    };
    let status = status?;
    if !status.success() {
        bail!("`{name}` ended with {status}");
    }
    Ok(())
}

/// Ends a process and all below it, the highest first, so that none can begin others.
fn end_all_of(pid: u32) {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    _ = finish(Command::new("kill").args(["-KILL", &pid.to_string()]));
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

/// `cargo` with these arguments.
pub(crate) fn cargo<S: AsRef<OsStr>>(arguments: &[S]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
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
