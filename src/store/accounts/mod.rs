//! Local accounts: names and passwords that Deskway keeps itself, in `accounts.db` of the state
//! directory, which root alone (or the ordinary user who runs Deskway) can read.
//!
//! All functions block and may be called where there is no async runtime: by the command line
//! and by a child of the launcher. None may be called inside one.

mod database;
mod password;

use std::io;
use std::path::{Path, PathBuf};

pub use database::refuse_newer;
pub use password::{BadPassword, MAX_PASSWORD, MIN_PASSWORD};

use crate::model::{Secret, UserName};
use crate::runtime::Clock;
use crate::store::database::DatabaseError;
use database::Database;

/// The database's name in the state directory.
pub const FILE: &str = "accounts.db";

/// One local account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The name to sign in with.
    pub name: UserName,
    /// The OS account that the desktops run as; `None`: the one called `name`.
    pub os_user: Option<UserName>,
    /// As the pages show it; the name where nothing was given.
    pub full_name: String,
    /// Seconds since 1970.
    pub created: u64,
}

/// A new account.
#[derive(Debug)]
pub struct NewAccount<'a> {
    pub name: &'a UserName,
    pub os_user: Option<&'a UserName>,
    pub full_name: Option<&'a str>,
    pub password: &'a Secret<String>,
}

/// What is said of a name and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalVerdict {
    Right {
        os_user: Option<UserName>,
        full_name: String,
    },
    /// The account is there, the password is another.
    Wrong,
    /// There is no such account. Takes as long to say as [`LocalVerdict::Wrong`].
    Unknown,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "there is a local account `{0}` already: set its password with `deskway user passwd {0}`"
    )]
    Exists(UserName),
    #[error("there is no local account `{0}`: `deskway user list` shows those that there are")]
    NoSuchAccount(UserName),
    #[error(transparent)]
    Password(#[from] BadPassword),
    #[error("a full name has at most {MAX_FULL_NAME} characters, on one line")]
    FullName,
    #[error("cannot open {path}: {source}")]
    Unopened { path: PathBuf, source: io::Error },
    #[error("the local accounts: {0}")]
    Database(#[from] DatabaseError),
}

/// Most characters of a full name.
const MAX_FULL_NAME: usize = 200;

/// Adds an account. Makes the state directory and the database when they are missing.
///
/// # Errors
/// When there is one of that name, the password or the full name does not fit, or the database
/// cannot be written.
pub fn add(state_dir: &Path, account: &NewAccount<'_>, clock: &Clock) -> Result<(), Error> {
    let full_name = account.full_name.unwrap_or_default().trim();
    if full_name.chars().count() > MAX_FULL_NAME || full_name.contains(char::is_control) {
        return Err(Error::FullName);
    }
    let hash = password::hash(account.password)?;
    let full_name = if full_name.is_empty() {
        account.name.as_str()
    } else {
        full_name
    };
    Database::create(state_dir)?.run(async |database| {
        let added = database
            .add(
                account.name,
                account.os_user,
                full_name,
                &hash,
                clock.unix(),
            )
            .await?;
        if added {
            Ok(())
        } else {
            Err(Error::Exists(account.name.clone()))
        }
    })
}

/// Gives an account another password.
///
/// # Errors
/// When there is no such account, the password does not fit, or the database cannot be written.
pub fn set_password(
    state_dir: &Path,
    name: &UserName,
    password: &Secret<String>,
    clock: &Clock,
) -> Result<(), Error> {
    let hash = password::hash(password)?;
    let changed = match Database::open(state_dir)? {
        None => false,
        Some(database) => {
            database.run(async |database| database.set_password(name, &hash, clock.unix()).await)?
        }
    };
    if changed {
        Ok(())
    } else {
        Err(Error::NoSuchAccount(name.clone()))
    }
}

/// Removes an account. Its desktops and files stay.
///
/// # Errors
/// When there is no such account or the database cannot be written.
pub fn remove(state_dir: &Path, name: &UserName) -> Result<(), Error> {
    let removed = match Database::open(state_dir)? {
        None => false,
        Some(database) => database.run(async |database| database.remove(name).await)?,
    };
    if removed {
        Ok(())
    } else {
        Err(Error::NoSuchAccount(name.clone()))
    }
}

/// All accounts by name.
///
/// # Errors
/// When the database is there and cannot be read.
pub fn list(state_dir: &Path) -> Result<Vec<Account>, Error> {
    match Database::open(state_dir)? {
        None => Ok(Vec::new()),
        Some(database) => database.run(async |database| database.list().await),
    }
}

/// Whether there is any account.
///
/// # Errors
/// When the database is there and cannot be read.
pub fn any(state_dir: &Path) -> Result<bool, Error> {
    Ok(!list(state_dir)?.is_empty())
}

/// Is this the account's password? Takes the same time for a name that there is not.
///
/// # Errors
/// When the database is there and cannot be read.
pub fn verify(
    state_dir: &Path,
    name: &UserName,
    password: &Secret<String>,
) -> Result<LocalVerdict, Error> {
    let found = match Database::open(state_dir)? {
        None => None,
        Some(database) => database.run(async |database| database.find(name).await)?,
    };
    let Some((account, hash)) = found else {
        password::verify_nothing(password);
        return Ok(LocalVerdict::Unknown);
    };
    if password::verify(password, &hash) {
        Ok(LocalVerdict::Right {
            os_user: account.os_user,
            full_name: account.full_name,
        })
    } else {
        Ok(LocalVerdict::Wrong)
    }
}

#[cfg(test)]
mod tests;
