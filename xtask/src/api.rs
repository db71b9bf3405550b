//! Schemathesis, which asks the API what its own document says can be asked: installing it below
//! `target/`, running it. What it is pointed at, `tests/root/schemathesis.rs` sets up.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::run;

/// What is installed, all of it with its hash.
const REQUIREMENTS: &str = "tests/api/requirements.txt";

pub(crate) fn schemathesis() -> Result<()> {
    let requirements = run::root().join(REQUIREMENTS);
    let folder = run::target().join("schemathesis");
    let packages = folder.join("packages");
    let installed = folder.join("installed.txt");
    let wanted = fs::read(&requirements).with_context(|| format!("cannot read {REQUIREMENTS}"))?;
    if fs::read(&installed).ok().as_ref() != Some(&wanted) {
        install(&requirements, &packages)?;
        fs::write(&installed, wanted)?;
    }
    let mut test = run::cargo(&["test", "--locked", "--test", "root", "schemathesis"]);
    test.args(["--", "--ignored", "--nocapture"]);
    run::run(test.env("SCHEMATHESIS", packages))
}

fn install(requirements: &Path, packages: &Path) -> Result<()> {
    if packages.exists() {
        fs::remove_dir_all(packages)?;
    }
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--require-hashes"]);
    pip.arg("--only-binary=:all:").arg("--target").arg(packages);
    pip.arg("--requirement").arg(requirements);
    run::run(pip.stdout(std::io::stderr())).context("Schemathesis cannot be installed")
}
