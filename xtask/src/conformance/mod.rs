//! How we keep to RFC 6455, by the Autobahn|Testsuite, which is somebody else's.
//!
//! Twice: an echo of messages on the bridge's own frame code (`examples/websocket_echo.rs`), and
//! the whole bridge in front of a TCP echo. What the bridge carries is a stream of bytes, so that
//! there the suite cuts what comes back where its own messages ended.

mod echo;
mod suite;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use self::suite::{Mode, Outcome, Suite};
use crate::run;

/// What a server that echoes messages must pass: 12 and 13 are about compression, which we do not
/// offer.
const MESSAGES: &[&str] = &[
    "1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*",
];

/// What a stream of bytes can show. 6 is about text. The cases that are left out send empty
/// messages and wait for empty ones, of which a stream of bytes knows nothing.
const STREAM: &[&str] = &[
    "1.*", "2.*", "3.*", "4.*", "5.*", "7.*", "9.*", "10.*", "-1.1.1", "-1.2.1", "-9.7.1", "-9.8.1",
];

/// What takes long: large messages, and speed.
const LONG: &str = "9.*";

/// All of it, on release builds. Prints the counts of `docs/benchmarks.md`.
pub(crate) fn everything() -> Result<()> {
    let suite = Suite::find()?;
    build(&["--release"])?;
    let folder = run::target().join("release");
    let done = run_both(&suite, &folder, |_| true)?;
    judge(&done)
}

/// Half a minute of it, on the builds of the tests. Without Python 2.7 there is nothing to run
/// the suite with: that is said, and no error; `tests/it/bridge` has the rules one by one.
pub(crate) fn subset() -> Result<()> {
    let suite = match Suite::find() {
        Ok(suite) => suite,
        Err(error) => {
            run::note(&format!(
                "conformance: LEFT OUT, nothing was tested: {error:#}"
            ));
            return Ok(());
        }
    };
    build(&[])?;
    let folder = run::target().join("debug");
    let done = run_both(&suite, &folder, |cases| {
        cases.trim_start_matches('-') != LONG
    })?;
    judge(&done)
}

fn build(flags: &[&str]) -> Result<()> {
    // With an example, what both are made of is built as for the tests, and so only once.
    let mut arguments = vec!["build", "--locked", "--package", "deskway"];
    arguments.extend(["--bin", "deskway", "--example", "websocket_echo"]);
    arguments.extend(flags);
    run::run(&mut run::cargo(&arguments))
}

fn run_both(
    suite: &Suite,
    folder: &Path,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<(&'static str, Outcome)>> {
    let choose = |cases: &[&'static str]| -> Vec<&'static str> {
        cases.iter().copied().filter(|it| wanted(it)).collect()
    };
    let port = echo::free_port()?;
    let server = echo::Server::start(&mut messages_echo(folder, port), port)?;
    let messages = suite.run(port, Mode::Messages, &choose(MESSAGES))?;
    drop(server);

    let target = echo::start_tcp()?;
    let port = echo::free_port()?;
    let server = echo::Server::start(&mut bridge(folder, port, target), port)?;
    let stream = suite.run(port, Mode::Stream, &choose(STREAM))?;
    drop(server);
    Ok(vec![
        ("messages, on the bridge's frame code", messages),
        ("a stream of bytes, through `deskway websockify`", stream),
    ])
}

fn messages_echo(folder: &Path, port: u16) -> Command {
    let program: PathBuf = folder.join("examples/websocket_echo");
    let mut command = Command::new(program);
    command.arg(port.to_string());
    command
}

fn bridge(folder: &Path, port: u16, target: u16) -> Command {
    let mut command = Command::new(folder.join("deskway"));
    command.arg("websockify");
    command.args([port, target].map(|port| format!("127.0.0.1:{port}")));
    command
}

/// Says how it went; fails when a case did.
fn judge(done: &[(&str, Outcome)]) -> Result<()> {
    run::say(
        "| echo of | cases | OK | non-strict | informational | failed |\n|---|---|---|---|---|---|",
    );
    let mut failed = Vec::new();
    for (what, outcome) in done {
        let [ok, non_strict, informational] =
            ["OK", "NON-STRICT", "INFORMATIONAL"].map(|verdict| outcome.count(verdict));
        let wrong = outcome.failed();
        run::say(&format!(
            "| {what} | {} | {ok} | {non_strict} | {informational} | {} |",
            outcome.cases.len(),
            wrong.len()
        ));
        failed.extend(wrong);
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}
