//! `deskway user add|passwd|remove|list`: local accounts.

use std::path::Path;

use deskway_osuser as osuser;
use serde::Serialize;

use super::{Error, PasswordFrom, StatePlace, User, ask, audit, out};
use crate::audit::What;
use crate::config::Config;
use crate::launcher::client;
use crate::model::{Secret, UserName};
use crate::runtime::Clock;
use crate::store::accounts::{self, Account, NewAccount};

/// # Errors
/// When the accounts cannot be read or written, or the request makes no sense.
pub fn run(args: &User) -> Result<(), Error> {
    match args {
        User::Add {
            name,
            os_user,
            full_name,
            password,
            place,
        } => {
            let config = place.load()?;
            check_os_account(name, os_user.as_ref(), &config)?;
            let state = &config.paths.state;
            if accounts::list(state)?
                .iter()
                .any(|account| account.name == *name)
            {
                return Err(accounts::Error::Exists(name.clone()).into());
            }
            let account = NewAccount {
                name,
                os_user: os_user.as_ref(),
                full_name: full_name.as_deref(),
                password: &password.ask()?,
            };
            accounts::add(state, &account, &Clock::System)?;
            let details = match os_user {
                Some(os_user) => format!("{name}, whose desktops run as {os_user}"),
                None => name.to_string(),
            };
            audit::record(state, What::AccountAdd, &details)?;
            out::print(&format!("`{name}` can sign in\n"))
        }
        User::Passwd {
            name,
            password,
            place,
        } => {
            let config = place.load()?;
            let state = config.paths.state;
            if accounts::list(&state)?
                .iter()
                .all(|account| account.name != *name)
            {
                return Err(accounts::Error::NoSuchAccount(name.clone()).into());
            }
            accounts::set_password(&state, name, &password.ask()?, &Clock::System)?;
            let recorded = audit::record(&state, What::AccountPassword, name.as_str());
            sign_out(&config.paths.run, name)?;
            recorded?;
            out::print(&format!("`{name}` has a new password\n"))
        }
        User::Remove { name, place } => {
            let config = place.load()?;
            let removed = accounts::remove(&config.paths.state, name);
            // Also when it was removed before, and could not be signed out then.
            let recorded = match removed {
                Ok(()) => audit::record(&config.paths.state, What::AccountRemove, name.as_str()),
                Err(_) => Ok(()),
            };
            sign_out(&config.paths.run, name)?;
            removed?;
            recorded?;
            out::print(&format!("`{name}` cannot sign in any more\n"))
        }
        User::List { json, place } => {
            let accounts = accounts::list(&place.load()?.paths.state)?;
            out::print(&if *json {
                as_json(&accounts)?
            } else {
                as_table(&accounts)
            })
        }
    }
}

/// Whoever signed in with what the account was is not to stay.
fn sign_out(run: &Path, name: &UserName) -> Result<(), Error> {
    client::sign_out(run, name).map_err(|source| Error::StillSignedIn {
        name: name.clone(),
        source,
    })
}

impl PasswordFrom {
    fn ask(&self) -> Result<Secret<String>, Error> {
        if self.password_stdin {
            ask::from_stdin()
        } else {
            ask::at_terminal()
        }
    }
}

/// As root, desktops run as an OS account, which has to be there and be a person's.
fn check_os_account(
    name: &UserName,
    os_user: Option<&UserName>,
    config: &Config,
) -> Result<(), Error> {
    if !osuser::is_root() {
        return match os_user {
            None => Ok(()),
            Some(_) => Err(Error::OsUserNeedsRoot),
        };
    }
    let os_name = os_user.unwrap_or(name);
    let looked_up = osuser::Account::by_name(os_name.as_str());
    let account = looked_up.map_err(|source| Error::OsAccounts {
        name: os_name.clone(),
        source,
    })?;
    let min = config.access.min_uid;
    match account {
        None => Err(Error::NoOsAccount {
            name: os_name.clone(),
        }),
        Some(account) if account.uid < min => Err(Error::SystemAccount {
            name: os_name.clone(),
            uid: account.uid,
            min,
        }),
        Some(_) => Ok(()),
    }
}

/// An account as `user list --json` prints it.
#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    os_user: Option<&'a str>,
    full_name: &'a str,
    /// Seconds since 1970.
    created: u64,
}

fn as_json(accounts: &[Account]) -> Result<String, Error> {
    let rows: Vec<_> = accounts
        .iter()
        .map(|account| Row {
            name: account.name.as_str(),
            os_user: account.os_user.as_ref().map(UserName::as_str),
            full_name: &account.full_name,
            created: account.created,
        })
        .collect();
    out::json(&rows)
}

fn as_table(accounts: &[Account]) -> String {
    if accounts.is_empty() {
        return "there are no local accounts: `deskway user add NAME` makes one\n".to_owned();
    }
    let row = |account: &Account| {
        let os_user = account.os_user.as_ref().unwrap_or(&account.name);
        vec![
            account.name.to_string(),
            os_user.to_string(),
            account.full_name.clone(),
        ]
    };
    out::table(&["NAME", "OS USER", "FULL NAME"], accounts.iter().map(row))
}

impl StatePlace {
    pub(super) fn load(&self) -> Result<Config, Error> {
        let overrides = crate::config::Overrides {
            state_dir: self.state_dir.clone(),
            run_dir: self.run_dir.clone(),
            ..crate::config::Overrides::default()
        };
        Ok(crate::config::load(self.config.as_deref(), &overrides)?.0)
    }
}
