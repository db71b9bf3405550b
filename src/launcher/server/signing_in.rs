//! Signing in: the throttle first, then a child that asks, then a handle or a late no.

use std::net::IpAddr;
use std::time::Instant;

use super::Server;
use super::connections::Asker;
use super::errands::Errand;
use super::requests::Reply;
use crate::config::Admin;
use crate::launcher::access;
use crate::launcher::jobs::Outcome;
use crate::launcher::logins::Login;
use crate::launcher::protocol::{Answer, Refusal};
use crate::launcher::sign_in::{self, MAX_TRIES, PAM_TIMEOUT, Person, Question, Verdict};
use crate::launcher::throttle::Try;
use crate::model::{Secret, UserName, network};

/// A try to sign in that a child looks at.
#[derive(Debug)]
pub(super) struct SigningIn {
    asker: Asker,
    peer: IpAddr,
    tried: Try,
    began: Instant,
    /// Who was one when the child was sent.
    admin: Admin,
    /// Which groups it was to tell.
    groups: Vec<String>,
    name: UserName,
}

impl Server {
    pub(super) fn sign_in(
        &mut self,
        asker: Asker,
        name: &str,
        password: Secret<String>,
        peer: IpAddr,
    ) -> Reply {
        let looked_at = |errand: &Errand| matches!(errand, Errand::SignIn(_));
        if self.jobs.count(looked_at) >= MAX_TRIES || self.refusals.is_full() {
            self.measure_refusal(&Refusal::Busy);
            return Err(Refusal::Busy);
        }
        let began = self.clock.monotonic();
        let tries = self.config.sign_in.tries_per_minute;
        let key: String = name.chars().take(64).flat_map(char::to_lowercase).collect();
        let tried = self
            .throttle
            .admit(&key, peer, tries, began)
            .map_err(|seconds| {
                if self.may_log(&format!("slowed down {}", network(peer))) {
                    tracing::warn!(%peer, seconds, "sign-ins are slowed down");
                }
                Refusal::SlowDown { seconds }
            })
            .inspect_err(|refusal| self.measure_refusal(refusal))?;
        let Ok(name) = name.parse::<UserName>() else {
            // Nobody can have such a name, and that takes as long to say.
            let wrong = Refusal::WrongPassword;
            self.refusals.add(asker, wrong, Some(tried), began, began);
            return Ok(None);
        };
        let settings = &self.config.sign_in;
        let question = Question {
            name,
            password,
            peer,
            local: settings.local.then(|| self.place.state().to_owned()),
            pam: self.pam.clone().filter(|_| settings.pam),
            access: self.config.access.clone(),
            groups: self.group_names(),
            admin: self.config.admin.clone(),
            is_root: self.is_root,
        };
        let errand = Errand::SignIn(SigningIn {
            asker,
            peer,
            tried,
            began,
            admin: self.config.admin.clone(),
            groups: question.groups.clone(),
            name: question.name.clone(),
        });
        self.begin(PAM_TIMEOUT, errand, |outlet| {
            outlet.say(&sign_in::judge(&question))
        });
        Ok(None)
    }

    pub(super) fn signed_in(&mut self, try_: SigningIn, outcome: Outcome) {
        let SigningIn {
            asker,
            peer,
            tried,
            began,
            admin,
            groups,
            name,
        } = try_;
        let mut known = false;
        let timed_out = matches!(outcome, Outcome::TimedOut);
        let changed_meanwhile = self.last_forget.is_some_and(|at| at >= began);
        let refusal = match outcome.word::<Verdict>() {
            // The child may have asked before the account was changed.
            Some((Verdict::Right(_), _)) if changed_meanwhile => {
                self.throttle.right(&tried);
                return self.connections.answer(asker, Refusal::Busy.into());
            }
            Some((Verdict::Right(person), _)) => {
                self.throttle.right(&tried);
                let answer = self.let_in(person, peer, &admin, &groups);
                return self.connections.answer(asker, answer);
            }
            Some((Verdict::Wrong { is_known }, _)) => {
                known = is_known;
                Refusal::WrongPassword
            }
            Some((Verdict::NotAllowed(reason), _)) => {
                known = true;
                Refusal::NotAllowed { reason }
            }
            Some((Verdict::Broken(reason), _)) => {
                tracing::error!(%peer, %reason, "sign-in does not work");
                Refusal::Failed("signing in does not work at the moment".to_owned())
            }
            None => {
                tracing::error!(%peer, timed_out, "a sign-in ended without an answer");
                Refusal::Failed("signing in does not work at the moment".to_owned())
            }
        };
        if known {
            self.name_deed(asker, &name);
        }
        let user = known.then_some(name);
        if self.may_log(&format!("sign-in from {}", network(peer))) {
            tracing::info!(user = user.map(display), %peer, %refusal, "sign-in refused");
        }
        let now = self.clock.monotonic();
        self.refusals.add(asker, refusal, Some(tried), began, now);
    }

    fn let_in(
        &mut self,
        person: Person,
        peer: IpAddr,
        asked_of: &Admin,
        groups: &[String],
    ) -> Answer {
        tracing::info!(user = %person.account, %peer, "signed in");
        let since = self.clock.steady();
        // Under rules that are new, the next recheck knows more.
        let is_admin = if *asked_of == self.config.admin {
            person.is_admin
        } else {
            access::is_admin_by_name(&person.account, &self.config.admin)
        };
        let login = Login {
            account: person.account,
            full_name: person.full_name,
            os_name: person.os_name,
            uid: person.uid,
            group_is_known: person.group_is_known && *groups == self.group_names(),
            group: person.group,
            is_admin,
            peer,
            since,
            until: since,
        };
        match self.logins.mint(login, self.config.sign_in.lifetime) {
            Ok((handle, account, ended)) => {
                for (handle_hash, login) in ended {
                    let why = "there were too many, or the name is another account's now";
                    self.login_ended(handle_hash, &login, Some(why));
                }
                Answer::SignedIn { handle, account }
            }
            Err(error) => super::requests::failed("the sign-in cannot be kept", &error).into(),
        }
    }

    pub(super) fn tell_refusals(&mut self, now: Instant) {
        let tries = self.config.sign_in.tries_per_minute;
        for refused in self.refusals.due(now) {
            if let Some(tried) = &refused.tried {
                // A right password of an account that may not sign in is no guess.
                match refused.refusal {
                    Refusal::NotAllowed { .. } => self.throttle.right(tried),
                    _ => self.throttle.wrong(tried, tries, now),
                }
            }
            self.measure_refusal(&refused.refusal);
            self.connections
                .answer(refused.whom, refused.refusal.into());
        }
    }
}
