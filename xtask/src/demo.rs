//! `cargo xtask demo`: two people's desktops in the browser.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::accounts::{self, Person};
use crate::announce::Facts;
use crate::machine;
use crate::run;
use crate::web;

/// The flags of the demo.
pub(crate) struct Options {
    port: u16,
    json: bool,
}

impl Options {
    pub(crate) fn read(flags: &[&str]) -> Result<Self> {
        let mut options = Self {
            port: 6080,
            json: false,
        };
        let mut flags = flags.iter();
        while let Some(flag) = flags.next() {
            match *flag {
                "--json" => options.json = true,
                "--port" => {
                    let port = flags.next().context("--port needs a number")?;
                    options.port = port
                        .parse()
                        .with_context(|| format!("`{port}` is no port"))?;
                }
                other => bail!("unknown flag `{other}`: demo takes --port N, --json or --clean"),
            }
        }
        Ok(options)
    }
}

/// Sets everything up, then becomes `deskway up`: so that this process's number is the one to
/// signal, and its end is the end of all of it.
pub(crate) fn run(options: &Options) -> Result<()> {
    machine::ensure(machine::TO_RUN)?;
    web::build()?;
    let mut build = run::cargo(&["build", "--release", "--locked", "--package", "deskway"]);
    run::run(build.stdout(std::io::stderr()))?;
    let deskway = run::target().join("release/deskway");
    let dirs = Dirs::of_this_user()?;
    let people = people(&deskway, &dirs)?;

    let url = format!("http://127.0.0.1:{}", options.port);
    Facts {
        url,
        json: options.json,
        people,
    }
    .announce_when_ready()?;
    let mut up = Command::new(deskway);
    up.args(["up", "--stop-desktops-on-exit", "--log-filter", "warn"]);
    up.args(["--listen", &format!("127.0.0.1:{}", options.port)]);
    up.arg("--run-dir")
        .arg(&dirs.run)
        .arg("--state-dir")
        .arg(&dirs.state);
    up.arg("--config").arg(empty_configuration(&dirs)?);
    // Standard output is for the announcement alone.
    up.stdout(std::io::stderr());
    Err(up.exec()).context("cannot start deskway")
}

/// The machine's own configuration is for the machine's own Deskway.
fn empty_configuration(dirs: &Dirs) -> Result<PathBuf> {
    fs::create_dir_all(&dirs.state)?;
    let path = dirs.state.join("demo.toml");
    fs::write(&path, "").with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// Takes the accounts and files of the demo away.
pub(crate) fn clean() -> Result<()> {
    let dirs = Dirs::of_this_user()?;
    stop_left_desktops(&dirs);
    if machine::is_root() {
        accounts::remove_os_accounts()?;
    }
    for dir in [dirs.run, dirs.state] {
        if dir.exists() {
            run::note(&format!("Removing {}", dir.display()));
            fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
        }
    }
    Ok(())
}

/// A demo that was killed may have left desktops: a launcher takes them up again and ends them.
fn stop_left_desktops(dirs: &Dirs) {
    let deskway = run::target().join("release/deskway");
    let left = fs::read_dir(dirs.run.join("d")).is_ok_and(|mut records| records.next().is_some());
    if !left || !deskway.exists() {
        return;
    }
    run::note("Ending the desktops that a demo has left");
    let mut up = Command::new(deskway);
    up.args([
        "up",
        "--stop-desktops-on-exit",
        "--listen",
        "127.0.0.1:0",
        "--log-filter",
        "warn",
    ]);
    up.arg("--run-dir")
        .arg(&dirs.run)
        .arg("--state-dir")
        .arg(&dirs.state);
    up.stdout(Stdio::piped());
    let Ok(mut up) = up.spawn() else { return };
    // Its first line says that it has taken them up.
    if let Some(output) = up.stdout.take() {
        _ = BufReader::new(output).read_line(&mut String::new());
    }
    let pid = up.id().to_string();
    if run::finish(Command::new("kill").args(["-TERM", &pid])).is_ok() {
        _ = up.wait();
    }
}

/// Where the demo keeps its things, apart from an installed Deskway.
struct Dirs {
    run: PathBuf,
    state: PathBuf,
}

impl Dirs {
    fn of_this_user() -> Result<Self> {
        if machine::is_root() {
            return Ok(Self {
                run: "/run/deskway-demo".into(),
                state: "/var/lib/deskway-demo".into(),
            });
        }
        // Not below /tmp, which a desktop has one of its own of.
        let home = std::env::var_os("HOME").context("HOME is not set")?;
        let state = PathBuf::from(home).join(".local/state/deskway-demo");
        Ok(Self {
            run: state.join("run"),
            state,
        })
    }
}

fn people(deskway: &PathBuf, dirs: &Dirs) -> Result<Vec<Person>> {
    if machine::is_root() {
        return accounts::make_os_accounts();
    }
    run::note("Not root: both desktops run as you, each with a home of its own");
    let people = accounts::made_up()?;
    for person in &people {
        let mut known = Command::new(deskway);
        known.args(["user", "passwd", &person.name, "--password-stdin"]);
        known
            .arg("--state-dir")
            .arg(&dirs.state)
            .stdout(Stdio::null());
        known.stderr(Stdio::null());
        if run::feed(&mut known, &person.password).is_err() {
            let mut new = Command::new(deskway);
            new.args(["user", "add", &person.name, "--password-stdin"]);
            new.arg("--state-dir")
                .arg(&dirs.state)
                .stdout(std::io::stderr());
            run::feed(&mut new, &person.password)?;
        }
    }
    Ok(people)
}
