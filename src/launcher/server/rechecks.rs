//! Whoever is signed in has to stay somebody who may: their OS accounts are looked at again, and
//! so are their groups. One child after the other asks about a share of them, and says of each how
//! it stands as soon as it knows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::time::{Duration, Instant};

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

/// Most that one child is asked about, and how long it may take.
const SHARE: usize = 64;
const TIMEOUT: Duration = Duration::from_secs(30);
/// When one more is tried while one is under way.
const AGAIN: Duration = Duration::from_secs(1);
/// So long after it could last be asked whether a group makes somebody an admin, that is not acted
/// on any more.
const STALE: Duration = Duration::from_mins(10);

/// A person and the OS account that they signed in as.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Standing {
    account: UserName,
    os_name: String,
    uid: u32,
}

/// How far the looks at everybody have come.
#[derive(Debug, Default)]
pub(super) struct Rechecking {
    /// Of whom the child that is under way has still to tell, in its order.
    asked: VecDeque<Standing>,
    /// Whether it has told of anybody.
    has_told: bool,
    /// Whom the next ones are asked about.
    left: VecDeque<Standing>,
    /// When it was last known how it stands with each.
    known: BTreeMap<Standing, Instant>,
}

/// How it stands with one of them.
#[derive(Debug, Serialize, Deserialize)]
enum Now {
    /// The account may not sign in any more.
    Lost,
    /// The database cannot be asked: nothing changes.
    Unknown,
    Fine {
        /// This one of the configured groups, first, or none.
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

    fn is_of(&self, login: &Login) -> bool {
        self.uid == login.uid && self.account == login.account && self.os_name == login.os_name
    }

    /// # Errors
    /// When the account database cannot be asked.
    fn now(
        &self,
        place: &Place,
        access: &Access,
        groups: &[String],
        admin: &Admin,
    ) -> io::Result<Now> {
        let is_root = deskway_osuser::is_root();
        let Some(owner) = Owner::find(&self.account, &self.os_name, self.uid, place)? else {
            return Ok(Now::Lost);
        };
        // As an ordinary user all are the user's own, whose account has no rules to obey.
        if is_root && access::refuse(&owner.os, access)?.is_some() {
            return Ok(Now::Lost);
        }
        let first = access::first_group(&owner.os, groups)?;
        let os = is_root.then_some(&owner.os);
        Ok(Now::Fine {
            group: first.and_then(|at| u8::try_from(at).ok()),
            is_admin: access::is_admin(&self.account, os, admin)?,
        })
    }
}

impl Rechecking {
    fn is_under_way(&self) -> bool {
        !self.asked.is_empty() || !self.left.is_empty()
    }

    /// Begins with the first of `all`.
    fn begin(&mut self, all: VecDeque<Standing>, now: Instant) {
        let asked: BTreeSet<&Standing> = all.iter().collect();
        self.known.retain(|standing, _| asked.contains(standing));
        for standing in &all {
            self.known.entry(standing.clone()).or_insert(now);
        }
        self.left = all;
    }

    /// Whom the next child is to be asked about.
    fn next_share(&mut self) -> Vec<Standing> {
        let share = self.left.len().min(SHARE);
        self.asked = self.left.drain(..share).collect();
        self.has_told = false;
        self.asked.iter().cloned().collect()
    }

    /// Of whom the child tells now.
    fn told(&mut self) -> Option<Standing> {
        self.has_told = true;
        self.asked.pop_front()
    }

    /// The child tells of nobody more, and says who it could not even begin with, if that is why.
    /// The others have their turn again; whom it hangs at then is the first.
    fn broke_off(&mut self) -> Option<Standing> {
        let hangs = if self.has_told {
            None
        } else {
            self.asked.pop_front()
        };
        while let Some(standing) = self.asked.pop_back() {
            self.left.push_front(standing);
        }
        hangs
    }

    fn stop(&mut self) {
        self.asked.clear();
        self.left.clear();
    }

    /// Whether it could be asked lately how it stands with somebody who is signed in.
    pub(super) fn knows(&self, login: &Login, now: Instant) -> bool {
        let known = self.known.get(&Standing::of(login));
        known.is_none_or(|at| now.saturating_duration_since(*at) < STALE)
    }
}

impl Server {
    /// Begins a look at everybody's account, admins first; a second later while one is under way.
    pub(super) fn recheck(&mut self) {
        if self.rechecking.is_under_way() {
            self.next_recheck = self.clock.monotonic() + AGAIN;
            return;
        }
        let has_groups = !self.config.groups.is_empty();
        let in_any = self.logins.all().any(|login| login.group.is_some());
        let something_to_find = self.is_root || has_groups || in_any;
        let all: BTreeSet<(bool, Standing)> = self
            .logins
            .all()
            .map(|login| (!login.is_admin, Standing::of(login)))
            .collect();
        if !something_to_find || all.is_empty() {
            self.admins_are_known = true;
            return;
        }
        let all = all.into_iter().map(|(_, standing)| standing).collect();
        self.rechecking.begin(all, self.clock.monotonic());
        self.ask_about_share();
    }

    /// By other rules: what was asked by the old ones counts no more.
    pub(super) fn recheck_anew(&mut self) {
        self.jobs.cancel(|errand| matches!(errand, Errand::Recheck));
        self.rechecking.stop();
        self.next_recheck = self.clock.monotonic();
    }

    fn ask_about_share(&mut self) {
        let share = self.rechecking.next_share();
        if share.is_empty() {
            self.admins_are_known = true;
            return;
        }
        let place = self.place.clone();
        let access = self.config.access.clone();
        let (groups, admin) = (self.group_names(), self.config.admin.clone());
        self.begin(TIMEOUT, Errand::Recheck, |outlet| {
            let told = share.iter().all(|standing| {
                let now = standing.now(&place, &access, &groups, &admin);
                outlet.say(&now.unwrap_or(Now::Unknown)) == 0
            });
            i32::from(!told)
        });
    }

    /// The child has something to say.
    pub(super) fn recheck_goes_on(&mut self, child: u64) {
        for _ in 0..SHARE {
            let Some(outcome) = self.jobs.hear(child) else {
                return;
            };
            let now = match &outcome {
                Outcome::Said(bytes, _) => postcard::from_bytes(bytes).ok(),
                _ => None,
            };
            let Some((now, standing)) = now.zip(self.rechecking.told()) else {
                self.jobs.over(child);
                return self.recheck_broke_off(&outcome);
            };
            self.stands(&standing, &now);
            if self.rechecking.asked.is_empty() {
                self.jobs.over(child);
                return self.ask_about_share();
            }
        }
    }

    /// A child has not told of all, or there was none.
    pub(super) fn recheck_broke_off(&mut self, outcome: &Outcome) {
        if matches!(outcome, Outcome::NotStarted) {
            return self.rechecking.stop();
        }
        if let Some(standing) = self.rechecking.broke_off() {
            let user = &standing.account;
            tracing::warn!(%user, "the account of somebody who is signed in cannot be looked at");
            self.stands(&standing, &Now::Unknown);
        }
        self.ask_about_share();
    }

    fn stands(&mut self, standing: &Standing, now: &Now) {
        let theirs = |login: &Login| standing.is_of(login);
        match now {
            // Whoever was an admin by other rules is none on a guess.
            Now::Unknown if !self.admins_are_known => self.note_admin(standing, false),
            Now::Unknown => {}
            Now::Lost => {
                let user = &standing.account;
                tracing::info!(%user, "signed out: the account may not sign in now");
                for handle_hash in self.logins.of(theirs) {
                    self.end_login(handle_hash, Some("the account may not sign in now"));
                }
            }
            Now::Fine { group, is_admin } => {
                let known = self.clock.monotonic();
                self.rechecking.known.insert(standing.clone(), known);
                self.note_admin(standing, *is_admin);
                let group = group.and_then(|at| self.config.groups.get(usize::from(at)));
                let group = group.map(|group| group.name.clone());
                if self.logins.regroup(theirs, group.as_ref()) {
                    self.connections.tell_fronts(&FromLauncher::Group {
                        account: standing.account.clone(),
                        group,
                    });
                }
            }
        }
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
        let theirs = |login: &Login| standing.is_of(login);
        if self.logins.set_admin(theirs, is_admin) {
            tracing::info!(user = %standing.account, is_admin, "whether this is an admin changed");
            self.record_admin(&standing.account, is_admin);
            self.connections.tell_fronts(&FromLauncher::Admin {
                account: standing.account.clone(),
                is_admin,
            });
        }
    }

    /// The groups that have looks and limits of their own, in their order.
    pub(super) fn group_names(&self) -> Vec<String> {
        let groups = self.config.groups.iter();
        groups.map(|group| group.name.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn login(number: usize) -> Login {
        Login {
            account: format!("user{number:03}").parse().unwrap(),
            full_name: String::new(),
            os_name: format!("user{number:03}"),
            uid: 1000,
            group: None,
            group_is_known: false,
            is_admin: false,
            peer: IpAddr::from([192, 0, 2, 1]),
            since: 0,
            until: 1,
        }
    }

    fn begun(count: usize, now: Instant) -> Rechecking {
        let mut rechecking = Rechecking::default();
        let all = (0..count).map(|number| Standing::of(&login(number)));
        rechecking.begin(all.collect(), now);
        rechecking
    }

    #[test]
    fn one_that_hangs_costs_the_others_their_turn_in_no_round() {
        let hangs = Standing::of(&login(70));
        let mut rechecking = begun(150, Instant::now());
        let (mut told, mut skipped) = (Vec::new(), Vec::new());
        for children in 0.. {
            assert!(children < 6, "it comes to an end");
            let share = rechecking.next_share();
            if share.is_empty() {
                break;
            }
            assert!(share.len() <= SHARE);
            for standing in &share {
                if *standing == hangs {
                    skipped.extend(rechecking.broke_off());
                    break;
                }
                assert_eq!(rechecking.told().as_ref(), Some(standing));
                told.push(standing.clone());
            }
        }
        assert_eq!(skipped, [hangs]);
        assert_eq!(told.len(), 149);
        assert!(!rechecking.is_under_way());
    }

    #[test]
    fn who_could_not_be_asked_about_for_long_is_not_known() {
        let now = Instant::now();
        let mut rechecking = begun(1, now);
        assert!(rechecking.knows(&login(0), now + STALE / 2));
        assert!(!rechecking.knows(&login(0), now + STALE));
        // The next round changes nothing by itself.
        rechecking.begin([Standing::of(&login(0))].into(), now + STALE);
        assert!(!rechecking.knows(&login(0), now + STALE));
        // Whoever has just signed in was asked about then.
        assert!(rechecking.knows(&login(1), now + STALE));
    }
}
