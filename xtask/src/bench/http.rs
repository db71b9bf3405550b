//! `cargo xtask bench http`: the web server beside NGINX. What measures is a program of its own,
//! `xtask/bench-http`.

use std::process::Command;

use anyhow::Result;

use super::{build_in_release, release_build};
use crate::machine;
use crate::run;
use crate::web;

/// The arguments go to the program: `--quick`, `--rounds N`, and `--ours PATH` to measure a program
/// that is there already.
pub(crate) fn http(arguments: &[&str]) -> Result<()> {
    machine::ensure(machine::TO_BENCH)?;
    let bench = build_in_release("bench-http")?;
    let mut bench = Command::new(bench);
    bench.args(arguments);
    if !arguments.contains(&"--ours") {
        web::build()?;
        bench.arg("--ours").arg(release_build()?);
    }
    run::run(&mut bench)
}
