//! The composition roots: each role is put together here, and nothing imports this module.

use std::process::ExitCode;

use anyhow::Result;

mod agent;
mod certificates;
pub mod entrances;
pub mod front;
mod launcher;
mod notify;
mod place;
mod pulse;
pub mod sandbox;
pub mod serve;
mod settings;
mod socket_files;
mod supervisor;
mod up;
mod upgrade;
mod websockify;
mod words;

use crate::cli::{self, Command};

/// Runs what the command line asks for.
///
/// # Errors
/// When it cannot be done; `main` prints the reason.
pub fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Up(flags) => up::run(&flags)?,
        Command::Upgrade(place) => cli::upgrade::run(&place)?,
        Command::Serve(start) => serve::alone(&start)?,
        Command::Launcher(start) => launcher::alone(&start)?,
        Command::Agent => agent::run()?,
        Command::Notice => agent::notice()?,
        Command::Websockify(flags) => return Ok(websockify::run(&flags)),
        Command::Desktop(args) => cli::desktop::run(&args)?,
        Command::People(args) => cli::people::run(&args)?,
        Command::User(args) => cli::user::run(&args)?,
        Command::Audit(args) => cli::audit::run(&args)?,
        Command::Logs(args) => cli::logs::run(&args)?,
        Command::Backup(args) => cli::backup::backup(&args)?,
        Command::Restore(args) => cli::backup::restore(&args)?,
        Command::CheckConfig(args) => cli::check_config::run(&args)?,
        Command::Import(args) => cli::import::run(&args)?,
        Command::ProxyConfig(args) => cli::proxy_config::run(&args)?,
        Command::Render(args) => cli::render::run(&args)?,
        Command::Doctor(args) => {
            if !cli::doctor::run(&args)? {
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
