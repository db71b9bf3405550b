//! Who may sign in: asked in a child, since listing the accounts of a directory service can take
//! long.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use deskway_osuser::Account;
use serde::{Deserialize, Serialize};

use super::access;
use super::protocol::MAX_INDEX;
use crate::config::Access;
use crate::model::UserName;
use crate::store::accounts;

/// Most accounts of the machine that are looked at.
const MAX_LOOKED_AT: usize = 20_000;

/// What a child is to find out.
pub(crate) struct Question {
    /// Where local accounts are; `None`: they do not count.
    pub(crate) local: Option<PathBuf>,
    /// Whether the machine's own accounts count.
    pub(crate) machine: bool,
    pub(crate) access: Access,
    pub(crate) is_root: bool,
}

/// Those who may sign in: at most one more than an index has room for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct People {
    pub(crate) names: BTreeSet<UserName>,
    /// There are more.
    pub(crate) more: bool,
}

impl Question {
    /// Runs in the child.
    ///
    /// # Errors
    /// When the local accounts or the machine's cannot be asked, in words for the log.
    pub(crate) fn answer(&self) -> Result<People, String> {
        let mut people = People {
            names: BTreeSet::new(),
            more: false,
        };
        if let Some(directory) = &self.local {
            let local = accounts::list(directory).map_err(|error| error.to_string())?;
            for account in local {
                let os_user = account.os_user.as_ref().unwrap_or(&account.name);
                if self
                    .may_run_as(os_user)
                    .map_err(|error| error.to_string())?
                {
                    people.add(account.name);
                }
            }
        }
        if self.machine {
            let machine = deskway_osuser::accounts(MAX_LOOKED_AT);
            people.more |= machine.len() == MAX_LOOKED_AT;
            for account in machine {
                if people.more {
                    break;
                }
                // A name that cannot be used here is nobody's who can sign in.
                let Ok(name) = account.name.parse::<UserName>() else {
                    continue;
                };
                let refused = access::refuse(&account, &self.access);
                if refused.map_err(|error| error.to_string())?.is_none() {
                    people.add(name);
                }
            }
        }
        Ok(people)
    }

    /// Without root all desktops are the user's own.
    fn may_run_as(&self, os_user: &UserName) -> io::Result<bool> {
        if !self.is_root {
            return Ok(true);
        }
        match Account::by_name(os_user.as_str())? {
            Some(account) => Ok(access::refuse(&account, &self.access)?.is_none()),
            None => Ok(false),
        }
    }
}

impl People {
    fn add(&mut self, name: UserName) {
        if self.names.len() > MAX_INDEX {
            self.more = true;
        } else {
            self.names.insert(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_who_may_is_named_and_no_system_account() {
        let question = Question {
            local: None,
            machine: true,
            access: Access {
                min_uid: 1,
                groups: vec!["no-such-group".to_owned()],
            },
            is_root: true,
        };
        let people = question.answer().unwrap();
        assert!(people.names.is_empty() && !people.more);
    }

    #[test]
    fn there_is_an_end_to_the_list() {
        let mut people = People {
            names: BTreeSet::new(),
            more: false,
        };
        for number in 0..MAX_INDEX + 10 {
            people.add(format!("u{number}").parse().unwrap());
        }
        assert_eq!(people.names.len(), MAX_INDEX + 1);
        assert!(people.more);
    }
}
