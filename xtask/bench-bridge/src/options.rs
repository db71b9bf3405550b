//! What the command line asks for.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use crate::figure::Figure;

#[derive(Debug)]
pub(crate) struct Options {
    /// The program that is run as `PROGRAM websockify SOURCE TARGET`.
    pub(crate) ours: PathBuf,
    /// Shorter and smaller, and one round: for tuning.
    pub(crate) quick: bool,
    pub(crate) rounds: Option<usize>,
    pub(crate) figures: Vec<Figure>,
}

impl Options {
    /// `--ours PATH [--quick] [--rounds N] [--only FIGURE]…`
    pub(crate) fn read(arguments: &[String]) -> Result<Self> {
        let (mut ours, mut quick, mut rounds, mut figures) = (None, false, None, Vec::new());
        let mut arguments = arguments.iter();
        while let Some(flag) = arguments.next() {
            let mut value = || {
                let value = arguments.next();
                value.with_context(|| format!("{flag} needs a value"))
            };
            match flag.as_str() {
                "--ours" => ours = Some(PathBuf::from(value()?)),
                "--quick" => quick = true,
                "--rounds" => rounds = Some(value()?.parse().context("--rounds wants a number")?),
                "--only" => figures.push(Figure::named(value()?)?),
                other => bail!("unknown flag `{other}`"),
            }
        }
        if figures.is_empty() {
            figures = Figure::ALL.to_vec();
        }
        Ok(Self {
            ours: ours.context("--ours PATH is missing")?,
            quick,
            rounds,
            figures,
        })
    }
}
