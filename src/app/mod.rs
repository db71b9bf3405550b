//! The composition roots: each role is put together here, and nothing imports this module.

use std::process::ExitCode;

use anyhow::{Result, bail};

mod agent;
pub mod front;
pub mod sandbox;
pub mod serve;

use crate::cli::{self, Command};

/// Runs what the command line asks for.
///
/// # Errors
/// When it cannot be done; `main` prints the reason.
pub fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Up(_) => bail!("the role `up` is not built in yet"),
        Command::Serve(_) => bail!("the role `serve` is not built in yet"),
        Command::Launcher(_) => bail!("the role `launcher` is not built in yet"),
        Command::Agent => agent::run()?,
        Command::Desktop(args) => cli::desktop::run(&args)?,
        Command::User(args) => cli::user::run(&args)?,
        Command::CheckConfig(args) => cli::check_config::run(&args)?,
        Command::Doctor(args) => {
            if !cli::doctor::run(&args)? {
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
