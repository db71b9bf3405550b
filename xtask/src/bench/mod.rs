//! `cargo xtask bench`: Deskway and what it replaces, side by side in one run.
//! The figures go into `docs/benchmarks.md`.

mod bridge;
mod http;
mod scale;
mod start;

use std::path::PathBuf;

use anyhow::Result;

use crate::run;

pub(crate) use bridge::bridge;
pub(crate) use http::http;
pub(crate) use scale::scale;
pub(crate) use start::start;

/// Builds Deskway as it is delivered, and says where it is.
fn release_build() -> Result<PathBuf> {
    build_in_release("deskway")
}

fn build_in_release(package: &str) -> Result<PathBuf> {
    let arguments = ["build", "--release", "--locked", "--package", package];
    run::run(&mut run::cargo(&arguments))?;
    Ok(run::target().join("release").join(package))
}
