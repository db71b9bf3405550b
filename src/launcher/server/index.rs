//! The public index: whose desktops there are, for guests to choose from before they sign in.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Server;
use super::connections::Asker;
use super::errands::Errand;
use super::requests::{Reply, failed};
use crate::launcher::jobs::Outcome;
use crate::launcher::people::{People, Question};
use crate::launcher::protocol::{Answer, Index, MAX_INDEX, Refusal};
use crate::model::{DesktopId, DesktopName, DesktopState};

/// How long the account database may take to list everybody.
const TIMEOUT: Duration = Duration::from_secs(4);

impl Server {
    pub(super) fn index(&mut self, asker: Asker) -> Reply {
        if !self.config.portal.public_index {
            let reason = "this server shows no public index".to_owned();
            return Err(Refusal::BadRequest(reason));
        }
        if self.jobs.count(|errand| matches!(errand, Errand::Index(_))) > 0 {
            return Err(Refusal::Busy);
        }
        let settings = &self.config.sign_in;
        let question = Question {
            local: settings.local.then(|| self.place.state().to_owned()),
            machine: settings.pam && self.pam.is_some(),
            access: self.config.access.clone(),
            is_root: self.is_root,
        };
        self.begin(TIMEOUT, Errand::Index(asker), |outlet| {
            outlet.say(&question.answer())
        });
        Ok(None)
    }

    pub(super) fn index_made(&mut self, asker: Asker, outcome: Outcome) {
        let answer = match outcome.word::<Result<People, String>>() {
            Some((Ok(people), _)) => Answer::Index(self.with_desktops(people)),
            Some((Err(reason), _)) => {
                let error = std::io::Error::other(reason);
                failed("the accounts cannot be listed", &error).into()
            }
            None => Refusal::Failed("the accounts cannot be listed in time".to_owned()).into(),
        };
        self.connections.answer(asker, answer);
    }

    /// The main desktop of each of the people, the attached desktops, and those that run.
    fn with_desktops(&self, people: People) -> Index {
        let mains = people.names.into_iter();
        let mains = mains.map(|name| DesktopId::new(name, DesktopName::main()));
        let attached = self.config.attach.iter();
        let running = self.desktops.infos(None, None).into_iter().filter(|info| {
            matches!(
                info.state,
                DesktopState::Starting { .. }
                    | DesktopState::Ready { .. }
                    | DesktopState::Frozen { .. }
            )
        });
        let mut all: BTreeSet<DesktopId> = mains
            .chain(attached.map(|attach| attach.desktop.clone()))
            .chain(running.map(|info| info.id))
            .collect();
        let more = people.more || all.len() > MAX_INDEX;
        if let Some(first_too_many) = all.iter().nth(MAX_INDEX).cloned() {
            all.split_off(&first_too_many);
        }
        Index {
            desktops: all.into_iter().collect(),
            more,
        }
    }
}
