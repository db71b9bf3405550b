//! `cargo xtask bench start`: from click to desktop, beside the same thing done by hand.

use std::process::Command;

use anyhow::Result;

use super::release_build;
use crate::machine;
use crate::run;
use crate::web;

/// From click to desktop, and memory. Prints the table of `docs/benchmarks.md`.
pub(crate) fn start() -> Result<()> {
    for packages in [machine::TO_RUN, machine::TO_TEST, machine::TO_BENCH] {
        machine::ensure(packages)?;
    }
    web::build()?;
    let deskway = release_build()?;
    let folder = run::root().join("tests/e2e");
    web::install(&folder)?;
    let mut bench = Command::new("node");
    bench.arg("bench/start.mjs").current_dir(folder);
    bench.env("PATH", web::path_with_node()?);
    bench.env("DESKWAY", deskway);
    run::finish(&mut bench)
}
