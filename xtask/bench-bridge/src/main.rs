//! Ours, Debian's Websockify, NGINX in front of it, and HAProxy: one client, one target, all on
//! loopback, interleaved in one run. `cargo xtask bench bridge` builds it and starts it.

mod client;
mod figure;
mod frames;
mod link;
mod options;
mod pattern;
mod relay;
mod table;
mod target;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use bench_bridge::process;

use crate::figure::Extent;
use crate::options::Options;
use crate::relay::{Kind, Relays};
use crate::table::Table;
use crate::target::Target;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match Options::read(&arguments).and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    process::raise_descriptor_limit()?;
    let extent = if options.quick {
        Extent::QUICK
    } else {
        Extent::FULL
    };
    let target = Target::start()?;
    let relays = Relays::new(&options.ours, target.port())?;
    let mut table = Table::new();
    for round in 1..=options.rounds.unwrap_or(extent.rounds) {
        for &figure in &options.figures {
            for kind in turned(figure.kinds(), round) {
                if round > figure.rounds() {
                    continue;
                }
                let done = figure.measure(&relays, kind, &target, &extent);
                match done.with_context(|| format!("{} of {}", figure.name(), kind.name())) {
                    Ok(values) => {
                        for (row, value) in values {
                            note(&format!(
                                "round {round}: {} {}: {}",
                                kind.name(),
                                row.title(),
                                row.shown(value)
                            ));
                            table.add(row, kind, round, value);
                        }
                    }
                    // Without ours, or one of the others, the rest is still worth knowing.
                    Err(error) => note(&format!("round {round}: left out: {error:#}")),
                }
            }
        }
    }
    say(&table.to_string());
    Ok(())
}

/// Another one goes first in each round.
fn turned(kinds: &[Kind], round: usize) -> Vec<Kind> {
    let mut kinds = kinds.to_vec();
    let first = round % kinds.len().max(1);
    kinds.rotate_left(first);
    kinds
}

/// To standard output: the result.
fn say(text: &str) {
    // A closed pipe is the reader's choice; there is nobody left to tell.
    _ = writeln!(std::io::stdout(), "{text}");
}

/// To standard error: how it goes.
fn note(text: &str) {
    _ = writeln!(std::io::stderr(), "{text}");
}
