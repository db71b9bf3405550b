//! Schemathesis, which asks the API what its own document says can be asked: installing it below
//! `target/`, running it. What it is pointed at, `tests/root/schemathesis.rs` sets up.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::run;

/// What is installed, all of it with its hash.
const REQUIREMENTS: &str = "tests/api/requirements.txt";
/// How long it may take: it is told to try for less than a minute.
const LIMIT: Duration = Duration::from_mins(10);
/// Debian's, for which that list is made; others may stand before it in `PATH`.
const PYTHON: &str = "/usr/bin/python3";

pub(crate) fn schemathesis() -> Result<()> {
    let requirements = run::root().join(REQUIREMENTS);
    let folder = run::target().join("schemathesis");
    let packages = folder.join("packages");
    let installed = folder.join("installed.txt");
    let list =
        fs::read_to_string(&requirements).with_context(|| format!("cannot read {REQUIREMENTS}"))?;
    let python = run::output(Command::new(PYTHON).arg("--version"));
    let wanted = list + &python.with_context(|| format!("cannot run {PYTHON}"))?;
    if fs::read_to_string(&installed).ok().as_ref() != Some(&wanted) {
        install(&requirements, &packages)?;
        fs::write(&installed, wanted)?;
    }
    let mut test = run::cargo(&["test", "--locked", "--test", "root", "schemathesis"]);
    test.args(["--", "--ignored", "--nocapture"]);
    run::run_within(test.env("SCHEMATHESIS", packages), LIMIT)
}

fn install(requirements: &Path, packages: &Path) -> Result<()> {
    if packages.exists() {
        fs::remove_dir_all(packages)?;
    }
    let mut pip = Command::new(PYTHON);
    pip.args(["-m", "pip", "install", "--quiet", "--require-hashes"]);
    pip.arg("--only-binary=:all:").arg("--target").arg(packages);
    pip.arg("--requirement").arg(requirements);
    run::run(pip.stdout(std::io::stderr())).context("Schemathesis cannot be installed")
}
