//! `cargo xtask machine`: a small QEMU machine in which systemd is the first process and cgroups
//! are version 2, and in it `tests/machine` against the real program. The machines on which
//! Deskway is developed often have neither.
//!
//! It is emulated, without KVM, so that it runs inside of virtual machines and containers too.

mod boot;
mod image;
mod report;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::machine;
use crate::run;
use image::Image;

/// Makes what the machine boots, where it is not there yet.
pub(crate) fn make() -> Result<()> {
    ready().map(|_| ())
}

/// Makes the machine where it is not there yet, and runs those tests in it whose names have one of
/// the `words` in them; without any, all.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let image = ready()?;
    let tests = build()?;
    let names = names(&tests, words)?;
    if names.is_empty() {
        bail!("no test in tests/machine is called so");
    }
    let initrd = image.with(&payload(&image.folder, &tests, &names)?)?;
    boot::boot(&image.kernel(), &initrd, &names)
}

fn ready() -> Result<Image> {
    if !machine::is_root() {
        bail!("the root filesystem of the machine is made by mmdebstrap as root: run this as root");
    }
    machine::ensure(machine::TO_EMULATE)?;
    Image::ready(&run::target().join("machine"))
}

/// Builds the tests of the machine, and with them the program; where the tests are.
fn build() -> Result<PathBuf> {
    let mut compile = run::cargo(&[
        "test",
        "--no-run",
        "--locked",
        "--package",
        "deskway",
        "--test",
        "machine",
        "--message-format=json-render-diagnostics",
    ]);
    compile.current_dir(run::root());
    let output = compile.stderr(std::process::Stdio::inherit()).output()?;
    if !output.status.success() {
        bail!("tests/machine cannot be built");
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let tests = |message: &&str| message.contains("\"kind\":[\"test\"]");
    let executable = messages.lines().filter(tests).find_map(|message| {
        let (_, rest) = message.split_once("\"executable\":\"")?;
        rest.split_once('"').map(|(path, _)| PathBuf::from(path))
    });
    executable.context("cargo does not say where the tests of the machine are")
}

/// What the tests are called.
fn names(tests: &Path, words: &[&str]) -> Result<Vec<String>> {
    let list = run::output(Command::new(tests).args(["--list", "--format", "terse"]))
        .context("tests/machine does not list its tests")?;
    let names = list.lines().filter_map(|line| line.strip_suffix(": test"));
    let wanted = |name: &&str| words.is_empty() || words.iter().any(|word| name.contains(word));
    Ok(names.filter(wanted).map(str::to_owned).collect())
}

/// What changes from run to run, as it lies in the machine: the program, the units, the tests.
fn payload(folder: &Path, tests: &Path, names: &[String]) -> Result<PathBuf> {
    let payload = folder.join("payload");
    if payload.exists() {
        fs::remove_dir_all(&payload)?;
    }
    let systemd = payload.join("etc/systemd/system");
    let wants = systemd.join("multi-user.target.wants");
    let share = payload.join("usr/share/deskway-tests");
    let programs = payload.join("usr/bin");
    for folder in [&wants, &share, &programs] {
        fs::create_dir_all(folder)?;
    }
    strip(
        &run::target().join("debug/deskway"),
        &programs.join("deskway"),
    )?;
    strip(tests, &share.join("tests"))?;
    let source = run::root().join("tests/machine");
    fs::copy(source.join("run.sh"), share.join("run.sh"))?;
    fs::copy(source.join("tests.service"), systemd.join("tests.service"))?;
    std::os::unix::fs::symlink("../tests.service", wants.join("tests.service"))?;
    for unit in fs::read_dir(run::root().join("packaging/systemd"))? {
        let unit = unit?;
        fs::copy(unit.path(), systemd.join(unit.file_name()))?;
    }
    fs::write(share.join("names"), names.join("\n") + "\n")?;
    Ok(payload)
}

/// Debug information stays here: it would fill the machine's memory.
fn strip(from: &Path, to: &Path) -> Result<()> {
    let arguments: [&OsStr; 3] = ["-o".as_ref(), to.as_ref(), from.as_ref()];
    run::finish(Command::new("strip").args(arguments))
}
