//! Whoever is signed in has to stay somebody who may: their OS accounts are looked at again.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Server;
use super::errands::Errand;
use crate::config::Access;
use crate::launcher::access;
use crate::launcher::jobs::Outcome;
use crate::launcher::logins::Login;
use crate::launcher::owner::Owner;
use crate::launcher::place::Place;
use crate::model::UserName;

/// How long the account database may take for all of them.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A person and the OS account that they signed in as.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Standing {
    account: UserName,
    os_name: String,
    uid: u32,
}

impl Standing {
    fn of(login: &Login) -> Self {
        Self {
            account: login.account.clone(),
            os_name: login.os_name.clone(),
            uid: login.uid,
        }
    }

    /// A database that cannot be asked ends nobody's sign-in.
    fn is_lost(&self, place: &Place, access: &Access) -> bool {
        match Owner::find(&self.account, &self.os_name, self.uid, place) {
            Ok(Some(owner)) => matches!(access::refuse(&owner.os, access), Ok(Some(_))),
            Ok(None) => true,
            Err(_) => false,
        }
    }
}

impl Server {
    /// Begins a look at everybody's account. As an ordinary user all are the user's own.
    pub(super) fn recheck(&mut self) {
        let standings: BTreeSet<Standing> = self.logins.all().map(Standing::of).collect();
        if !self.is_root || standings.is_empty() {
            return;
        }
        let standings: Vec<Standing> = standings.into_iter().collect();
        let (asked, place) = (standings.clone(), self.place.clone());
        let access = self.config.access.clone();
        self.begin(TIMEOUT, Errand::Recheck(standings), |outlet| {
            let asked = asked.iter().enumerate();
            let lost = asked.filter(|(_, standing)| standing.is_lost(&place, &access));
            outlet.say(&lost.map(|(index, _)| index).collect::<Vec<usize>>())
        });
    }

    pub(super) fn rechecked(&mut self, standings: &[Standing], outcome: Outcome) {
        let Some((lost, _)) = outcome.word::<Vec<usize>>() else {
            tracing::warn!("the accounts of those who are signed in could not be looked at");
            return;
        };
        for lost in lost.into_iter().filter_map(|index| standings.get(index)) {
            tracing::info!(user = %lost.account, "signed out: the account may not sign in now");
            for handle_hash in self.logins.of(|login| Standing::of(login) == *lost) {
                self.end_login(handle_hash);
            }
        }
    }
}
