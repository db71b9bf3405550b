//! Why a command was not carried out, in words for the administrator.

use std::io;
use std::path::PathBuf;

use super::{backup, import};
use crate::audit::AuditError;
use crate::config;
use crate::launcher::client::ClientError;
use crate::model::{DesktopId, UserName};
use crate::store::accounts;
use crate::templates::{Proxy, TemplateError};

/// Why a command was not carried out. Printed as it is after `deskway: `.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Config(#[from] config::Error),
    #[error(transparent)]
    Import(#[from] import::Error),
    /// A line for each file that the configuration names and that cannot be used.
    #[error("{}", .0.join("\n"))]
    WrongFiles(Vec<String>),
    #[error(transparent)]
    Accounts(#[from] accounts::Error),
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error("it is done, but it is not on record: {0}")]
    NotOnRecord(AuditError),
    #[error(transparent)]
    Backup(#[from] backup::BackupError),
    #[error("`{0}` does not run, and nothing is known of how it ended")]
    NoLog(DesktopId),
    #[error("the log cannot be read: {0}")]
    Log(io::Error),
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error("no template is called `{name}`: {hint}")]
    NoTemplate { name: String, hint: String },
    #[error("`{template}` is not given `{variable}`: its variables are {known}")]
    NoVariable {
        template: String,
        variable: String,
        known: String,
    },
    #[error(
        "{proxy} cannot reach Deskway as it is set up: write `[[listen]]` with `address = \"127.0.0.1:6080\"` and `protocol = \"http\"` into deskway.toml, or give --upstream"
    )]
    NoWay { proxy: Proxy },
    #[error("{proxy} cannot connect to a unix socket: give an address with --upstream")]
    NoUnixSocket { proxy: Proxy },
    #[error(
        "{path} holds letters that mean something in a proxy's configuration: name the file otherwise, or link to it"
    )]
    UnfitPath { path: PathBuf },
    #[error("cannot write the answer: {0}")]
    Output(io::Error),
    #[error("there is no terminal to ask for the password ({0}): give it with --password-stdin")]
    NoTerminal(io::Error),
    #[error("no password was given")]
    NoPassword,
    #[error("the two passwords are not the same")]
    PasswordsDiffer,
    #[error("the password is no UTF-8 text")]
    PasswordNotText,
    #[error(
        "there is no OS account `{name}` for the desktops to run as: make one with `adduser {name}`, or name another with --os-user"
    )]
    NoOsAccount { name: UserName },
    #[error(
        "the OS account `{name}` belongs to the system (uid {uid} is below {min}): name a person's with --os-user"
    )]
    SystemAccount { name: UserName, uid: u32, min: u32 },
    #[error("cannot look up the OS account `{name}`: {source}")]
    OsAccounts { name: UserName, source: io::Error },
    #[error("all desktops run as you: --os-user is for root")]
    OsUserNeedsRoot,
    #[error("no Deskway that could be upgraded runs with {}: {error}", run.display())]
    NothingToUpgrade { run: PathBuf, error: io::Error },
    #[error("not upgraded, Deskway {version} goes on: {reason}")]
    NotUpgraded { version: String, reason: String },
    #[error("it is not known how the upgrade went: {why}; look into Deskway's log")]
    UpgradeUnknown { why: &'static str },
    #[error(transparent)]
    Launcher(#[from] ClientError),
    #[error(
        "`{name}` cannot be signed out where it is signed in: {source}; give the command again"
    )]
    StillSignedIn { name: UserName, source: ClientError },
    /// `log` begins with a newline where it is not empty.
    #[error("`{desktop}` is not ready but {state}{log}")]
    NotReady {
        desktop: DesktopId,
        state: String,
        log: String,
    },
}
