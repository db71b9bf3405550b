//! `cargo xtask bench scale`: many desktops behind one gateway. What measures is a program of its
//! own, `xtask/bench-scale`.

use std::process::Command;

use anyhow::{Result, bail};

use super::{build_in_release, release_build};
use crate::machine;
use crate::run;
use crate::web;

/// The arguments go to the program: `--quick`, and `--ours PATH` to measure a program that is there
/// already.
pub(crate) fn scale(arguments: &[&str]) -> Result<()> {
    if !machine::is_root() {
        bail!("it makes an account and starts desktops as it: run this as root");
    }
    machine::ensure(machine::TO_RUN)?;
    machine::ensure(machine::TO_TEST)?;
    let bench = build_in_release("bench-scale")?;
    let mut bench = Command::new(bench);
    bench.args(arguments);
    if !arguments.contains(&"--ours") {
        web::build()?;
        bench.arg("--ours").arg(release_build()?);
    }
    run::run(&mut bench)
}
