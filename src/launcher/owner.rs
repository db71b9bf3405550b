//! Whose desktop it is: a person of Deskway and the OS account that it runs as.

use std::io;

use deskway_osuser::{Account, NOBODY};

use super::place::Place;
use super::sign_in::own_account;
use crate::model::UserName;

/// The owner of a desktop.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    pub(crate) name: UserName,
    /// Its home is one of Deskway's own where all desktops run as one account.
    pub(crate) os: Account,
}

impl Owner {
    /// Of a desktop whose account is not there any more, or cannot be found now. Its number is all
    /// that is left of it.
    pub(crate) fn lost(name: &UserName, os_name: &str, uid: u32) -> Self {
        let os = Account {
            name: os_name.to_owned(),
            uid,
            gid: NOBODY,
            full_name: String::new(),
            home: "/".into(),
            shell: "/usr/sbin/nologin".into(),
        };
        let name = name.clone();
        Self { name, os }
    }

    /// `None`: that account is not there any more, or its name has gone to another one.
    ///
    /// # Errors
    /// When the account database cannot be asked.
    pub(crate) fn find(
        name: &UserName,
        os_name: &str,
        uid: u32,
        place: &Place,
    ) -> io::Result<Option<Self>> {
        let os = if deskway_osuser::is_root() {
            Account::by_name(os_name)?
        } else {
            Some(Account {
                home: place.home(name),
                ..own_account()?
            })
        };
        let name = name.clone();
        Ok(os.filter(|os| os.uid == uid).map(|os| Self { name, os }))
    }
}
