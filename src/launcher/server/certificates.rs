//! Certificates: what the front is told of them, and orders of new ones.

use std::time::{Duration, Instant};

use super::connections::Asker;
use super::errands::Errand;
use super::{Ending, Server};
use crate::acme::{self, Record, Work};
use crate::config::{Config, ListenAt};
use crate::launcher::attach::service_user;
use crate::launcher::jobs::Outcome;
use crate::launcher::order::{self, Word};
use crate::launcher::protocol::FromLauncher;
use crate::model::{Challenge, ChallengeKind};
use crate::runtime::{Clock, random_bytes};

/// How often it is looked whether an order is due.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Orders, one at a time.
#[derive(Debug)]
pub(super) struct Ordering {
    record: Record,
    /// The same for a launcher's whole life, so that what is due stays so.
    chance: u64,
    next_look: Instant,
    is_wanted: bool,
    /// What the front is to answer, under a number that it says back.
    challenges: Vec<Challenge>,
    number: u64,
    /// The child that waits for that.
    waiting: Option<u64>,
}

impl Ordering {
    pub(super) fn new(config: &Config, clock: &Clock) -> Self {
        Self {
            record: acme::load(&config.paths.state),
            chance: random_bytes().map_or(0, u64::from_ne_bytes),
            next_look: clock.monotonic(),
            is_wanted: config.tls.acme.is_some(),
            challenges: Vec::new(),
            number: 0,
            waiting: None,
        }
    }

    /// When to look again.
    pub(super) fn next(&self) -> Option<Instant> {
        self.is_wanted.then_some(self.next_look)
    }
}

impl Server {
    /// What is due now.
    pub(super) fn look_after_certificates(&mut self, now: Instant) {
        if self.certificates.look(self.clock.unix(), now) {
            self.tell_certificates();
        }
        if self.ordering.is_wanted && now >= self.ordering.next_look {
            self.ordering.next_look = now + LOOK_EVERY;
            // An order outlasts no launcher.
            if matches!(self.ending, Ending::No) {
                self.order_when_due();
            }
        }
    }

    /// After the configuration was read again.
    pub(super) fn configure_certificates(&mut self) {
        self.certificates.configure(&self.config, self.clock.unix());
        self.ordering.is_wanted = self.config.tls.acme.is_some();
        self.ordering.record.hurry();
        self.ordering.next_look = self.clock.monotonic();
        self.tell_certificates();
    }

    /// Tells a front that has just come, where there is something to tell.
    pub(super) fn tell_new_front(&mut self) {
        if self.certificates.next_look().is_some() {
            self.tell_certificates();
        }
        if !self.ordering.challenges.is_empty() {
            self.tell_challenges();
        }
    }

    /// Hands every front all that it is to show.
    fn tell_certificates(&mut self) {
        match self.certificates.bundle().seal() {
            Ok(sealed) => self
                .connections
                .tell_fronts_with(&FromLauncher::Certificates, Some(&sealed)),
            Err(error) => tracing::error!("{error}"),
        }
    }

    fn tell_challenges(&mut self) {
        self.connections.tell_fronts(&FromLauncher::Challenges {
            number: self.ordering.number,
            challenges: self.ordering.challenges.clone(),
        });
    }

    /// The front answers the challenges of that number; one that leaves takes nobody in who asks.
    pub(super) fn front_shows(&mut self, asker: Asker, number: u64) {
        if number == self.ordering.number
            && self.connections.stays(asker)
            && let Some(child) = self.ordering.waiting.take()
        {
            self.jobs.tell(child, &order::Answer::Shown);
        }
    }

    fn order_when_due(&mut self) {
        let Some(wanted) = self.config.tls.acme.clone() else {
            return;
        };
        let (now, chance) = (self.clock.unix(), self.ordering.chance);
        let current = self.certificates.ordered();
        let is_due = self.ordering.record.due(&wanted, current, chance) <= now;
        let under_way = self.jobs.count(|errand| matches!(errand, Errand::Order)) > 0;
        // Without a front nobody answers challenges.
        if !is_due || under_way || !self.connections.has_front() {
            return;
        }
        let become_user = self.is_root.then(service_user).transpose();
        let prepared = become_user.and_then(|become_user| {
            acme::prepare(self.place.state(), become_user)?;
            Ok(become_user)
        });
        self.ordering.record.begin(&wanted, now, chance);
        let become_user = match prepared {
            Ok(become_user) => become_user,
            Err(error) => {
                tracing::error!(%error, "the folder for ordered certificates cannot be made");
                return;
            }
        };
        tracing::info!(domains = %wanted.domains.join(", "), "ordering a certificate");
        let work = Work {
            acme: wanted,
            folder: self.place.state().join(acme::FOLDER),
            authorities: None,
            record: self.ordering.record.clone(),
            kinds: kinds(&self.config),
        };
        self.begin(order::TIMEOUT, Errand::Order, |outlet| {
            order::run(work, become_user, outlet)
        });
    }

    /// What the child that orders says.
    pub(super) fn order_goes_on(&mut self, child: u64) {
        let Some(outcome) = self.jobs.hear(child) else {
            return;
        };
        if let Outcome::Said(bytes, _) = &outcome
            && let Ok(Word::Challenges(challenges)) = postcard::from_bytes(bytes)
        {
            self.ordering.number += 1;
            self.ordering.challenges = challenges;
            self.ordering.waiting = Some(child);
            self.tell_challenges();
        } else if let Some(errand) = self.jobs.over(child) {
            self.errand_done(errand, outcome);
        }
    }

    /// The child has ended.
    pub(super) fn order_done(&mut self, outcome: Outcome) {
        let timed_out = matches!(outcome, Outcome::TimedOut);
        let record = &mut self.ordering.record;
        let failure = match outcome.word() {
            Some((Word::Ordered, _)) => None,
            Some((Word::Failed(failure), _)) => Some((failure.message, failure.retry_after)),
            _ if timed_out => Some(("the order took too long".to_owned(), None)),
            _ => Some((
                "the child that orders ended without a word".to_owned(),
                None,
            )),
        };
        match failure {
            None => {
                record.succeeded();
                tracing::info!(domains = %record.ordered.domains.join(", "), "the certificate is there");
            }
            Some((message, retry_after)) => {
                record.failed(&message, retry_after);
                let minutes = record
                    .retry_at
                    .saturating_sub(self.clock.unix())
                    .div_ceil(60);
                tracing::error!(
                    "no certificate could be ordered, next try in {minutes} minutes: {}",
                    record.message
                );
            }
        }
        self.ordering.waiting = None;
        if !self.ordering.challenges.is_empty() {
            self.ordering.number += 1;
            self.ordering.challenges.clear();
            self.tell_challenges();
        }
    }
}

/// How to prove that a name leads here: on the port that is listened on, else the other.
fn kinds(config: &Config) -> [ChallengeKind; 2] {
    let listens = |port: u16| {
        config
            .server
            .listen
            .iter()
            .any(|listener| match listener.at {
                ListenAt::Address(address) => address.port() == port,
                ListenAt::Unix(_) | ListenAt::Systemd(_) => false,
            })
    };
    if listens(443) && !listens(80) {
        [ChallengeKind::TlsAlpn01, ChallengeKind::Http01]
    } else {
        [ChallengeKind::Http01, ChallengeKind::TlsAlpn01]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Listener;

    #[test]
    fn what_is_listened_on_decides_how_names_are_proved() {
        let first = |ports: &[u16]| {
            let mut config = Config::default_for(0);
            let listener = |port: &u16| {
                let address = (std::net::Ipv4Addr::UNSPECIFIED, *port).into();
                Listener::at(ListenAt::Address(address))
            };
            config.server.listen = ports.iter().map(listener).collect();
            kinds(&config)[0]
        };
        assert_eq!(first(&[443]), ChallengeKind::TlsAlpn01);
        for ports in [&[80, 443][..], &[80], &[8080]] {
            assert_eq!(first(ports), ChallengeKind::Http01, "{ports:?}");
        }
    }
}
