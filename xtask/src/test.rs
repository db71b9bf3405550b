//! `cargo xtask test`: everything that must pass, in one go, on a machine that has nothing yet.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::api;
use crate::conformance;
use crate::lane::Lane;
use crate::machine;
use crate::run;
use crate::web;

/// What a stage does.
type Work = fn() -> Result<()>;

/// How long a program of tests may take, one with a few tests and one with many. What takes longer
/// hangs.
const FEW: Duration = Duration::from_mins(10);
const MANY: Duration = Duration::from_mins(25);
/// The same of the machine: its parts have limits of their own.
const IMAGE: Duration = Duration::from_mins(15);
const MACHINE: Duration = Duration::from_mins(40);

/// Everything, as CI runs it.
pub(crate) fn everything() -> Result<()> {
    if !machine::is_root() {
        bail!(
            "the tests make accounts and start desktops as them: run this as root, in a container \
             or a virtual machine if you prefer"
        );
    }
    stage("packages", || {
        let packages = [machine::TO_RUN, machine::TO_TEST, machine::TO_EMULATE];
        machine::ensure(&packages.concat())
    })?;
    let image = Lane::start("image of the machine", &["machine", "--make"], IMAGE)?;
    let built = check_and_build();
    let image = image.end();
    built?;
    // One that fails hides none of the others.
    let mut failed = Vec::new();
    let mut note = |name: &str, outcome: Result<()>| {
        failed.extend(outcome.err().map(|error| format!("{name}: {error:#}")));
    };
    note("tests", stage("tests", tests));
    // These wait more than they compute, and so does most of what the machine does.
    let machine = image.and_then(|()| Lane::start("machine", &["machine"], MACHINE));
    let waits: [(&str, Work); 4] = [
        ("conformance", conformance::subset),
        ("API", api::schemathesis),
        ("the original of websockify", original_of_websockify),
        ("browser, what waits", || e2e(&["--project", "waits"])),
    ];
    for (name, work) in waits {
        note(name, stage(name, work));
    }
    note("machine", machine.and_then(Lane::end));
    let rest = || e2e(&["--project", "works"]);
    note("browser", stage("browser, the rest", rest));
    if !failed.is_empty() {
        bail!("failed: {}", failed.join("; "));
    }
    Ok(())
}

/// What must be well before anything can be tested.
fn check_and_build() -> Result<()> {
    stage("pages", pages)?;
    stage("format and lints", format_and_lints)?;
    stage("documents", documents)?;
    stage("build", build)
}

/// What is quick: format, lints, the repository's own rules.
pub(crate) fn check() -> Result<()> {
    machine::ensure(machine::TO_RUN)?;
    format_and_lints()?;
    run::run(&mut run::cargo(&["test", "--locked", "--test", "tidy"]))
}

/// The browser tests, with Playwright's own arguments.
pub(crate) fn e2e_alone(arguments: &[&str]) -> Result<()> {
    machine::ensure(machine::TO_RUN)?;
    machine::ensure(machine::TO_TEST)?;
    web::build()?;
    e2e(arguments)
}

fn pages() -> Result<()> {
    let folder = run::root().join("web");
    web::install(&folder)?;
    web::script(&folder, "check")?;
    web::script(&folder, "test")?;
    web::build()
}

fn format_and_lints() -> Result<()> {
    run::run(&mut run::cargo(&["fmt", "--all", "--check"]))?;
    let lints = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ];
    run::run(&mut run::cargo(&lints))?;
    // It runs elsewhere, and so is none of the targets that are tested here.
    let machine = ["--package", "deskway", "--test", "machine"];
    let mut clippy = run::cargo(&["clippy", "--locked"]);
    run::run(clippy.args(machine).args(["--", "-D", "warnings"]))
}

/// Everything that the stages after it run.
fn build() -> Result<()> {
    let tests = ["test", "--no-run", "--workspace", "--locked"];
    run::run(&mut run::cargo(&tests))?;
    let machine = ["--package", "deskway", "--test", "machine"];
    let mut build = run::cargo(&["test", "--no-run", "--locked"]);
    run::run(build.args(machine))
}

fn tests() -> Result<()> {
    let tests = ["test", "--workspace", "--locked", "--no-fail-fast"];
    run::run_within(&mut run::cargo(&tests), MANY)
}

fn documents() -> Result<()> {
    let mut doc = run::cargo(&[
        "doc",
        "--workspace",
        "--no-deps",
        "--document-private-items",
        "--locked",
    ]);
    run::run(doc.env("RUSTDOCFLAGS", "-D warnings"))
}

/// Real accounts, real desktops, a real browser, against the binary that the tests built.
fn e2e(arguments: &[&str]) -> Result<()> {
    // With a test, what it is made of is built as for the tests, and so only once.
    let program = ["--package", "deskway", "--bin", "deskway", "--test", "cli"];
    run::run(run::cargo(&["build", "--locked"]).args(program))?;
    let folder = run::root().join("tests/e2e");
    web::install(&folder)?;
    let mut playwright = Command::new("node");
    playwright
        .arg("node_modules/@playwright/test/cli.js")
        .arg("test")
        .args(arguments);
    playwright.env("PATH", web::path_with_node()?);
    playwright.env("DESKWAY", run::target().join("debug/deskway"));
    run::note("$ playwright test (in tests/e2e)");
    run::finish_within(playwright.current_dir(folder), MANY)
}

/// The cases of `tests/compat` against the program that they are taken from: whether what is said
/// of it is still true. It has races of its own, which are not ours to mend, so it gets a second
/// chance.
fn original_of_websockify() -> Result<()> {
    let run_it = || {
        let mut original = run::cargo(&["test", "--locked", "--test", "compat"]);
        run::run_within(original.env("UNDER_TEST", "theirs"), FEW)
    };
    run_it().or_else(|error| {
        run::note(&format!("{error:#}; once more"));
        run_it()
    })
}

/// Says what begins and how long it took.
fn stage(name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    run::note(&format!("== {name}"));
    let since = Instant::now();
    let outcome = work();
    let how = if outcome.is_ok() { "done" } else { "FAILED" };
    run::note(&format!(
        "== {name}: {how} in {} s",
        since.elapsed().as_secs()
    ));
    outcome
}
