//! Whoever is signed in has to stay somebody who may: their OS accounts are looked at again, and
//! so are their groups.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Server;
use super::errands::Errand;
use crate::config::{Access, Admin};
use crate::launcher::access;
use crate::launcher::jobs::Outcome;
use crate::launcher::logins::Login;
use crate::launcher::owner::Owner;
use crate::launcher::place::Place;
use crate::launcher::protocol::FromLauncher;
use crate::model::UserName;

/// How long the account database may take for all of them.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Most looks at once: a slow database is not asked more and more; and when one more is tried.
const MAX_UNDER_WAY: usize = 2;
const AGAIN: Duration = Duration::from_secs(1);

/// A person and the OS account that they signed in as.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Standing {
    account: UserName,
    os_name: String,
    uid: u32,
}

/// What was asked about whom: the words of the child are in the same order.
#[derive(Clone, Debug)]
pub(super) struct Recheck {
    standings: Vec<Standing>,
    groups: Vec<String>,
    admin: Admin,
}

/// How it stands with one of them; a few bytes, since there may be thousands.
#[derive(Debug, Serialize, Deserialize)]
enum Now {
    /// The account may not sign in any more.
    Lost,
    /// The database cannot be asked: nothing changes.
    Unknown,
    Fine {
        /// This one of the groups that were asked about, first, or none.
        group: Option<u8>,
        is_admin: bool,
    },
}

impl Standing {
    fn of(login: &Login) -> Self {
        Self {
            account: login.account.clone(),
            os_name: login.os_name.clone(),
            uid: login.uid,
        }
    }

    fn now(&self, place: &Place, access: &Access, asked: &Recheck) -> Now {
        let is_root = deskway_osuser::is_root();
        match Owner::find(&self.account, &self.os_name, self.uid, place) {
            Ok(None) => Now::Lost,
            Err(_) => Now::Unknown,
            // As an ordinary user all are the user's own, whose account has no rules to obey.
            Ok(Some(owner))
                if is_root && matches!(access::refuse(&owner.os, access), Ok(Some(_))) =>
            {
                Now::Lost
            }
            Ok(Some(owner)) => {
                let first = access::first_group(&owner.os, &asked.groups);
                let os = is_root.then_some(&owner.os);
                Now::Fine {
                    group: first.and_then(|at| u8::try_from(at).ok()),
                    is_admin: access::is_admin(&self.account, os, &asked.admin),
                }
            }
        }
    }
}

impl Server {
    /// Begins a look at everybody's account.
    pub(super) fn recheck(&mut self) {
        let under_way = |errand: &Errand| matches!(errand, Errand::Recheck(_));
        if self.jobs.count(under_way) >= MAX_UNDER_WAY {
            self.next_recheck = self.clock.monotonic() + AGAIN;
            return;
        }
        let standings: BTreeSet<Standing> = self.logins.all().map(Standing::of).collect();
        let groups = self.group_names();
        let in_any = self.logins.all().any(|login| login.group.is_some());
        let something_to_find = self.is_root || !groups.is_empty() || in_any;
        if !something_to_find || standings.is_empty() {
            self.admins_are_known = true;
            return;
        }
        let recheck = Recheck {
            standings: standings.into_iter().collect(),
            groups,
            admin: self.config.admin.clone(),
        };
        let (asked, place) = (recheck.clone(), self.place.clone());
        let access = self.config.access.clone();
        self.begin(TIMEOUT, Errand::Recheck(recheck), |outlet| {
            let standings = asked.standings.iter();
            let now = standings.map(|standing| standing.now(&place, &access, &asked));
            outlet.say(&now.collect::<Vec<Now>>())
        });
    }

    pub(super) fn rechecked(&mut self, recheck: &Recheck, outcome: Outcome) {
        let Some((now, _)) = outcome.word::<Vec<Now>>() else {
            tracing::warn!("the accounts of those who are signed in could not be looked at");
            return;
        };
        let same_rules = recheck.admin == self.config.admin;
        for (standing, now) in recheck.standings.iter().zip(now) {
            let theirs = |login: &Login| Standing::of(login) == *standing;
            match now {
                // Whoever was an admin by other rules is none on a guess.
                Now::Unknown if same_rules && !self.admins_are_known => {
                    self.note_admin(standing, false);
                }
                Now::Unknown => {}
                Now::Lost => {
                    let user = &standing.account;
                    tracing::info!(%user, "signed out: the account may not sign in now");
                    for handle_hash in self.logins.of(theirs) {
                        self.end_login(handle_hash, Some("the account may not sign in now"));
                    }
                }
                Now::Fine { group, is_admin } => {
                    if same_rules {
                        self.note_admin(standing, is_admin);
                    }
                    let group = group.and_then(|at| recheck.groups.get(usize::from(at)));
                    if self.logins.regroup(theirs, group) {
                        self.connections.tell_fronts(&FromLauncher::Group {
                            account: standing.account.clone(),
                            group: group.cloned(),
                        });
                    }
                }
            }
        }
        self.admins_are_known |= same_rules;
    }

    /// The rules may be others now: whoever is an admin by them whatever their groups are is one
    /// at once, and all who can be none. Who may be one by a group is asked about.
    pub(super) fn admins_anew(&mut self) {
        let by_groups = self.is_root && !self.config.admin.groups.is_empty();
        let standings: BTreeSet<Standing> = self.logins.all().map(Standing::of).collect();
        for standing in &standings {
            let by_name = access::is_admin_by_name(&standing.account, &self.config.admin);
            if by_name || !by_groups {
                self.note_admin(standing, by_name);
            }
        }
        self.admins_are_known = !by_groups;
    }

    fn note_admin(&mut self, standing: &Standing, is_admin: bool) {
        let is_admin = is_admin || access::is_admin_by_name(&standing.account, &self.config.admin);
        let theirs = |login: &Login| Standing::of(login) == *standing;
        if self.logins.set_admin(theirs, is_admin) {
            tracing::info!(user = %standing.account, is_admin, "whether this is an admin changed");
            self.record_admin(&standing.account, is_admin);
            self.connections.tell_fronts(&FromLauncher::Admin {
                account: standing.account.clone(),
                is_admin,
            });
        }
    }

    /// The groups that have looks of their own, in their order.
    pub(super) fn group_names(&self) -> Vec<String> {
        let groups = self.config.groups.iter();
        groups.map(|group| group.name.clone()).collect()
    }
}
