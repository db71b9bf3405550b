//! `cargo xtask bench bridge`: the bridge beside Websockify, NGINX in front of it, and HAProxy.
//! What measures is a program of its own, `xtask/bench-bridge`, built for speed.

use std::process::Command;

use anyhow::Result;

use super::{build_in_release, release_build};
use crate::machine;
use crate::run;

/// The arguments go to the program: `--quick`, `--only FIGURE`, `--rounds N`, and `--ours PATH`
/// to measure a program that is there already.
pub(crate) fn bridge(arguments: &[&str]) -> Result<()> {
    machine::ensure(machine::TO_BENCH)?;
    let bench = build_in_release("bench-bridge")?;
    let mut bench = Command::new(bench);
    bench.args(arguments);
    if !arguments.contains(&"--ours") {
        bench.arg("--ours").arg(release_build()?);
    }
    run::run(&mut bench)
}
