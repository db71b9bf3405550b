//! `cargo xtask test`: everything that must pass, in one go, on a machine that has nothing yet.

use std::process::Command;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::api;
use crate::conformance;
use crate::guest;
use crate::machine;
use crate::run;
use crate::web;

/// What a stage does.
type Work = fn() -> Result<()>;

/// Everything, as CI runs it.
pub(crate) fn everything() -> Result<()> {
    if !machine::is_root() {
        bail!(
            "the tests make accounts and start desktops as them: run this as root, in a container \
             or a virtual machine if you prefer"
        );
    }
    stage("packages", || {
        machine::ensure(machine::TO_RUN)?;
        machine::ensure(machine::TO_TEST)
    })?;
    stage("pages", pages)?;
    stage("format and lints", format_and_lints)?;
    stage("documents", documents)?;
    // One that fails hides none of the others.
    let stages: [(&str, Work); 6] = [
        ("tests", tests),
        ("conformance", conformance::subset),
        ("API", api::schemathesis),
        ("the original of websockify", original_of_websockify),
        ("machine", || guest::run(&[])),
        ("browser", || e2e(&[])),
    ];
    let failed: Vec<_> = stages
        .into_iter()
        .filter_map(|(name, work)| Some((name, stage(name, work).err()?)))
        .map(|(name, error)| format!("{name}: {error:#}"))
        .collect();
    if !failed.is_empty() {
        bail!("failed: {}", failed.join("; "));
    }
    Ok(())
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

fn tests() -> Result<()> {
    let tests = ["test", "--workspace", "--locked", "--no-fail-fast"];
    run::run(&mut run::cargo(&tests))
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
    run::run(&mut run::cargo(&[
        "build",
        "--locked",
        "--package",
        "deskway",
    ]))?;
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
    run::finish(playwright.current_dir(folder))
}

/// The cases of `tests/compat` against the program that they are taken from: whether what is said
/// of it is still true. It has races of its own, which are not ours to mend, so it gets a second
/// chance.
fn original_of_websockify() -> Result<()> {
    let run_it = || {
        let mut original = run::cargo(&["test", "--locked", "--test", "compat"]);
        run::run(original.env("UNDER_TEST", "theirs"))
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
