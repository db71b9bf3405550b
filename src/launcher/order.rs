//! The child that orders a certificate: it talks to the authority as the service user, and to the
//! launcher in a closed set of words.

use std::time::Duration;

use deskway_osuser::end_with_parent;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use super::jobs::Outlet;
use crate::acme::{self, Failure, Show};
use crate::model::Challenge;

/// How long an order may take in all, two ways of validation included.
pub(crate) const TIMEOUT: Duration = Duration::from_mins(5);
/// How long the front may take to answer challenges.
const SHOW_TIMEOUT: Duration = Duration::from_secs(20);

/// What the child says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Word {
    /// These are to be answered; the child waits for [`Answer::Shown`].
    Challenges(Vec<Challenge>),
    /// The files are written.
    Ordered,
    Failed(Failure),
}

/// What the child is told.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Shown,
}

struct Launcher<'a>(&'a Outlet);

impl Show for Launcher<'_> {
    fn show(&self, challenges: &[Challenge]) -> Result<(), String> {
        let word = Word::Challenges(challenges.to_vec());
        if self.0.say(&word) != 0 {
            return Err("the launcher cannot be told of the challenges".to_owned());
        }
        let shown: Option<Answer> = self.0.hear(SHOW_TIMEOUT);
        shown
            .map(|Answer::Shown| ())
            .ok_or_else(|| "the web server does not answer the challenges".to_owned())
    }
}

/// Runs in the child.
pub(crate) fn run(mut work: acme::Work, become_user: Option<(u32, u32)>, outlet: &Outlet) -> i32 {
    let failed = |message| Failure {
        message,
        retry_after: None,
    };
    // Still as whoever may read it.
    let authorities = acme::authorities(&work.acme);
    let became = become_user
        .map_or(Ok(()), |(uid, gid)| deskway_osuser::drop_to(uid, gid))
        // Becoming another user forgets it.
        .and_then(|()| end_with_parent(Signal::KILL));
    let ordered = became
        .map_err(|error| error.to_string())
        .and(authorities)
        .map_err(failed)
        .and_then(|authorities| {
            work.authorities = authorities;
            acme::run(&work, &Launcher(outlet))
        });
    match ordered {
        Ok(()) => outlet.say(&Word::Ordered),
        Err(failure) => outlet.say(&Word::Failed(failure)),
    }
}
