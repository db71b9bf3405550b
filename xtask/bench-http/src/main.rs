//! Deskway's web server beside NGINX that serves the same bytes: one generator of load, both on
//! loopback, interleaved in one run. `cargo xtask bench http` builds it and starts it.

mod certificate;
mod handshakes;
mod load;
mod nginx;
mod ours;
mod page;
mod reloads;
mod table;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::nginx::Nginx;
use crate::ours::Ours;
use crate::page::Page;
use crate::table::Table;

const ROUNDS: usize = 5;
/// Of starting a server on free ports.
const TRIES: usize = 5;
/// How long each figure of each round is measured.
const SPAN: Duration = Duration::from_secs(4);
const QUICK_SPAN: Duration = Duration::from_secs(1);
/// What the goal asks for.
const RELOADS: usize = 2000;
const QUICK_RELOADS: usize = 100;

struct Options {
    ours: PathBuf,
    quick: bool,
    rounds: usize,
}

/// Where a server answers.
#[derive(Clone, Copy)]
struct Ports {
    http: u16,
    https: u16,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match Options::read(&arguments).and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

impl Options {
    /// `--ours PATH [--quick] [--rounds N]`
    fn read(arguments: &[String]) -> Result<Self> {
        let (mut ours, mut quick, mut rounds) = (None, false, None);
        let mut arguments = arguments.iter();
        while let Some(flag) = arguments.next() {
            let mut value = || {
                let value = arguments.next();
                value.with_context(|| format!("{flag} needs a value"))
            };
            match flag.as_str() {
                "--ours" => ours = Some(PathBuf::from(value()?)),
                "--quick" => quick = true,
                "--rounds" => rounds = Some(value()?.parse().context("--rounds wants a number")?),
                other => bail!("unknown flag `{other}`"),
            }
        }
        Ok(Self {
            ours: ours.context("--ours PATH is needed")?,
            quick,
            rounds: rounds.unwrap_or(if quick { 1 } else { ROUNDS }),
        })
    }
}

fn run(options: &Options) -> Result<()> {
    let folder = Folder::new()?;
    let trust = certificate::make(&folder.0)?;
    let ours = Ours::start(&options.ours, &folder.0)?;
    let sign_in = Page::fetch(ours.ports.http, "/sign-in")?;
    let script = Page::fetch(ours.ports.http, &sign_in.script()?)?;
    let nginx = Nginx::start(&folder.0, &[&sign_in, &script])?;
    let span = if options.quick { QUICK_SPAN } else { SPAN };
    let mut table = Table::default();
    for round in 1..=options.rounds {
        let mut servers = [("Deskway", ours.ports), ("NGINX", nginx.ports)];
        // Another one goes first in each round.
        servers.rotate_left(round % 2);
        for (page, what) in [(&sign_in, "sign-in page"), (&script, "script")] {
            let size = page.body.len();
            for (scheme, tls) in [("http", false), ("https", true)] {
                for (server, ports) in servers {
                    let port = if tls { ports.https } else { ports.http };
                    let per_second = load::pages(scheme, port, &page.path, span)?;
                    let figure = format!("{what} ({size} bytes) over {scheme}, requests/s");
                    note(&format!(
                        "round {round}: {server}: {figure}: {per_second:.0}"
                    ));
                    table.add(&figure, server, per_second);
                }
            }
        }
        for (server, ports) in servers {
            let per_second = handshakes::per_second(ports.https, &trust, span)?;
            let figure = "full TLS 1.3 handshakes/s (ECDSA P-256)";
            note(&format!(
                "round {round}: {server}: {figure}: {per_second:.0}"
            ));
            table.add(figure, server, per_second);
        }
    }
    let count = if options.quick {
        QUICK_RELOADS
    } else {
        RELOADS
    };
    let reloaded = reloads::under_load(&ours, count)?;
    say(&format!("{table}\n{reloaded}"));
    judge(&table.missed(), reloaded.failed)
}

/// An error when a goal is missed: a figure of NGINX's is not come near to, or somebody was not
/// served while the configuration was read again.
fn judge(missed: &[String], failed: u64) -> Result<()> {
    if failed > 0 {
        bail!("{failed} requests failed while the configuration was read again");
    }
    if !missed.is_empty() {
        bail!("goals missed: {}", missed.join("; "));
    }
    Ok(())
}

/// A folder for configuration, away with its contents when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self> {
        let path = Path::new("/var/tmp").join(format!("bench-http-{}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// What `start` starts on free ports: such a port may be somebody else's a moment later.
fn retried<T>(start: impl Fn() -> Result<T>) -> Result<T> {
    let mut tries = 1;
    loop {
        match start() {
            Err(error) if tries < TRIES => note(&format!("once more: {error:#}")),
            done => return done,
        }
        tries += 1;
    }
}

/// A port of 127.0.0.1 that nobody has at the moment.
fn free_port() -> Result<u16> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    Ok(listener.local_addr()?.port())
}

/// To standard output: the result.
fn say(text: &str) {
    // A closed pipe is the reader's choice; there is nobody left to tell.
    _ = writeln!(std::io::stdout(), "{text}");
}

/// To standard error: how it goes.
fn note(text: &str) {
    _ = writeln!(std::io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_goal_or_a_failed_request_is_an_error() {
        assert!(judge(&[], 0).is_ok());
        assert!(judge(&[], 1).is_err());
        let error = judge(&["pages".to_owned()], 0).unwrap_err();
        assert!(error.to_string().contains("pages"), "{error}");
    }
}
