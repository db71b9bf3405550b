//! `deskway launcher`: the root side as a process.

use std::os::fd::OwnedFd;

use anyhow::{Context as _, Result};
use deskway_osuser::is_root;

use super::place;
use super::settings::Settings;
use crate::cli;
use crate::launcher::{self, Options, set_up};
use crate::runtime::Clock;

/// The launcher beside a front that somebody else starts.
pub(super) fn alone(start: &cli::Start) -> Result<()> {
    let settings = Settings::load(start)?;
    let service = place::service_account()?;
    place::prepare(&settings.config, service.as_ref())?;
    run(&settings, Options::default(), None)
}

/// Runs the launcher in this process, which has one thread.
pub(super) fn run(
    settings: &Settings,
    options: Options,
    supervisor: Option<OwnedFd>,
) -> Result<()> {
    let reload = || settings.reload();
    launcher::run(settings.config.clone(), options, supervisor, reload).context("the launcher")
}

/// The link with which the first person makes an account, when there is nobody who could sign in.
pub(super) fn set_up_link(settings: &Settings, url: &str) -> Result<Option<String>> {
    let token = set_up::offer(&settings.config, &Clock::System)?;
    Ok(token.map(|token| {
        let whose = if is_root() {
            "this machine's first account"
        } else {
            "the first account"
        };
        // After the `#`, so that it is in no log and no request line.
        let link = format!("{url}set-up#{}", token.expose());
        format!("Nobody can sign in yet. Make {whose} within the hour:\n{link}")
    }))
}
