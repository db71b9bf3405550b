//! What goes into the audit log: which requests, in which words, and what nobody asked for.
//!
//! No entry holds a password, a handle, a token or what somebody wrote in a message.

use std::time::{Duration, Instant};

use deskway_osuser::Account;

use super::Server;
use super::connections::{Asker, Who};
use super::policy;
use super::requests::may_name_anybody;
use crate::audit::{Entry, Journal, Number, Outcome, What};
use crate::config::{Config, changed_keys};
use crate::launcher::desktops::{self, Ended};
use crate::launcher::lifecycle::Lifecycle;
use crate::launcher::logins::Login;
use crate::launcher::protocol::{Answer, Handle, Refusal, Request};
use crate::model::{Act, DesktopId, DesktopState, UserName};

/// How long the launcher's last entries may take.
const LAST_ENTRIES: Duration = Duration::from_secs(2);
/// Who tried to sign in with a name that nobody has: it may be a password in the wrong field.
const NOBODY: &str = "(unknown name)";
/// What is said of a look that is to be a short one.
const GLANCE: &str = "a picture for the portal";

/// What is to be on record of a request that is not answered yet.
#[derive(Debug)]
pub(super) struct Deed {
    pub(super) entry: Entry,
    kept: Kept,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    Always,
    /// It asks for what is so already: nothing is done.
    IfRefused,
    /// Programs do it all the time.
    Hourly,
}

impl From<Entry> for Deed {
    fn from(entry: Entry) -> Self {
        let kept = Kept::Always;
        Self { entry, kept }
    }
}

impl Deed {
    /// The request is answered so. The entry to wait for, if there is one.
    pub(super) fn conclude(
        self,
        answer: &Answer,
        journal: &mut Journal,
        now: Instant,
    ) -> Option<Number> {
        let entry = concluded(self.entry, answer);
        match self.kept {
            Kept::IfRefused if entry.outcome == Outcome::Ok => None,
            Kept::Always | Kept::IfRefused => journal.record_bounded(entry, now),
            Kept::Hourly => journal.record_hourly(entry, now),
        }
    }
}

/// The entry of a request that is answered so.
fn concluded(deed: Entry, answer: &Answer) -> Entry {
    match answer {
        Answer::Refused(refusal) => {
            let outcome = match refusal {
                Refusal::Failed(_) | Refusal::Unanswered => Outcome::Failed,
                Refusal::WrongPassword
                | Refusal::SlowDown { .. }
                | Refusal::NotAllowed { .. }
                | Refusal::UnknownHandle
                | Refusal::Denied(_)
                | Refusal::NoSuchDesktop
                | Refusal::NoSuchProfile(_)
                | Refusal::NotRunning
                | Refusal::TooManyDesktops { .. }
                | Refusal::Busy
                | Refusal::BadRequest(_) => Outcome::Refused,
            };
            deed.went(outcome, &refusal.to_string())
        }
        Answer::SignedIn { account, .. } => {
            let name = account.name.to_string();
            let deed = if account.is_admin {
                deed.with("as an admin")
            } else {
                deed
            };
            Entry { who: name, ..deed }
        }
        _ => deed,
    }
}

impl Server {
    /// What is to be on record of a request; `None`: it only looks, or nobody knows whose it is.
    pub(super) fn deed(&self, asker: Asker, request: &Request) -> Option<Deed> {
        let entry = match asker.who {
            Who::Front => self.deed_of_person(request),
            Who::User(uid) => self.deed_of_user(uid, request),
        }?;
        let kept = match request {
            Request::Open { glance: true, .. } => Kept::Hourly,
            _ if self.is_so_already(&entry) => Kept::IfRefused,
            _ => Kept::Always,
        };
        Some(Deed { entry, kept })
    }

    /// Whether the desktop is as it is asked to be, and goes on as it did.
    fn is_so_already(&self, entry: &Entry) -> bool {
        let desktop = entry.desktop.as_ref().and_then(|it| it.parse().ok());
        let found = desktop.and_then(|desktop: DesktopId| self.desktops.find(&desktop));
        let Some((_, running)) = found else {
            return false;
        };
        let is_frozen = matches!(running.life(), Lifecycle::Frozen { .. });
        match entry.what {
            What::Start | What::Thaw => !is_frozen,
            What::Keep => !is_frozen && !running.idle.is_warned(),
            What::Freeze => is_frozen,
            _ => false,
        }
    }

    fn deed_of_person(&self, request: &Request) -> Option<Entry> {
        let at = self.clock.unix_millis();
        let by = |handle: &Handle, what| {
            let (_, login) = self.logins.find(handle, self.clock.steady())?;
            let (who, origin) = (login.account.as_str(), login.peer.to_string());
            Some((Entry::new(at, who, &origin, what), login.account.clone()))
        };
        match request {
            Request::SignIn { peer, .. } => {
                Some(Entry::new(at, NOBODY, &peer.to_string(), What::SignIn))
            }
            Request::SetUp { name, peer, .. } => Some(Entry::new(
                at,
                name.as_str(),
                &peer.to_string(),
                What::SetUp,
            )),
            Request::SignOut { handle } => Some(by(handle, What::SignOut)?.0),
            Request::Start {
                handle,
                desktop,
                profile,
                ..
            } => {
                let (entry, owner) = by(handle, What::Start)?;
                let entry = entry.on(desktops::of(&owner, desktop.clone()));
                Some(match profile {
                    Some(profile) => entry.with(&format!("session {profile}")),
                    None => entry,
                })
            }
            Request::Stop { handle, desktop } => {
                let (entry, owner) = by(handle, What::Stop)?;
                Some(entry.on(desktops::of(&owner, desktop.clone())))
            }
            Request::Open {
                handle,
                desktop,
                glance,
            } => {
                let entry = by(handle, What::Watch)?.0.on(desktop);
                Some(if *glance { entry.with(GLANCE) } else { entry })
            }
            Request::Act {
                handle,
                desktop,
                act,
            } => Some(by(handle, what(act))?.0.on(desktop)),
            Request::EndSignIns { handle, account } => {
                let (entry, _) = by(handle, What::EndSignIns)?;
                Some(entry.with(&format!("of {account}")))
            }
            Request::Check { .. }
            | Request::Desktops { .. }
            | Request::Profiles { .. }
            | Request::Watched { .. }
            | Request::Overview { .. }
            | Request::People { .. }
            | Request::Index
            | Request::Shows { .. }
            | Request::ListAs { .. }
            | Request::StartAs { .. }
            | Request::StopAs { .. }
            | Request::ActAs { .. }
            | Request::OverviewAs { .. }
            | Request::PeopleAs { .. }
            | Request::LogAs { .. }
            | Request::ForgetAs { .. } => None,
        }
    }

    fn deed_of_user(&self, uid: u32, request: &Request) -> Option<Entry> {
        let by = |what| {
            // As when the request itself is looked at.
            let account = Account::by_uid(uid).ok().flatten();
            let name = account.map_or_else(|| format!("uid {uid}"), |account| account.name);
            Entry::here(self.clock.unix_millis(), &name, uid, what)
        };
        match request {
            Request::StartAs { desktop, .. } => Some(by(What::Start).on(desktop)),
            Request::StopAs { desktop } => Some(by(What::Stop).on(desktop)),
            Request::ActAs { desktop, act } => Some(by(what(act)).on(desktop)),
            // Whoever reads their own does so as they read their files.
            Request::LogAs { desktop } if may_name_anybody(uid) => Some(by(What::Log).on(desktop)),
            Request::ForgetAs { owner } => Some(by(What::EndSignIns).with(&format!("of {owner}"))),
            _ => None,
        }
    }

    /// Whose sign-in it is, now that it is known that there is such an account.
    pub(super) fn name_deed(&mut self, asker: Asker, name: &UserName) {
        if let Some(deed) = self.connections.deed(asker) {
            deed.who = name.to_string();
        }
    }

    /// A sign-in ended that nobody asked to end.
    pub(super) fn record_sign_out(&mut self, login: &Login, why: &str) {
        let (who, origin) = (login.account.as_str(), login.peer.to_string());
        let entry = Entry::new(self.clock.unix_millis(), who, &origin, What::SignOut).with(why);
        // Signing in too often ends older ones.
        let now = self.clock.monotonic();
        self.connections.journal.record_bounded(entry, now);
    }

    /// Somebody who is signed in has become an admin, or is none any more.
    pub(super) fn record_admin(&mut self, account: &UserName, is_admin: bool) {
        let now = if is_admin {
            "an admin now"
        } else {
            "no admin any more"
        };
        self.record_own(What::Admin, &format!("{account} is {now}"));
    }

    /// A desktop has come to its end.
    pub(super) fn record_end(&mut self, ended: &Ended) {
        let entry = Entry::by_deskway(self.clock.unix_millis(), What::Ended).on(&ended.desktop);
        let entry = match &ended.state {
            DesktopState::Failed { cause, .. } => entry.went(Outcome::Failed, &cause.to_string()),
            DesktopState::Gone { cause, .. } => entry.with(&cause.to_string()),
            DesktopState::Absent
            | DesktopState::Starting { .. }
            | DesktopState::Ready { .. }
            | DesktopState::Frozen { .. }
            | DesktopState::Closing
            | DesktopState::Stopping => entry,
        };
        self.connections.journal.record(entry);
    }

    /// A desktop is looked at by fewer than before. The front says so, and it gains nothing by it.
    pub(super) fn record_watch_end(&mut self, desktop: &DesktopId, viewers: u32) {
        let now = self.clock.monotonic();
        let entry = Entry::by_deskway(self.clock.unix_millis(), What::WatchEnd)
            .on(desktop)
            .with(&format!("{viewers} still look at it"));
        self.connections.journal.record_bounded(entry, now);
    }

    /// Whether `event`, which anybody can cause, is to be logged once more in this minute.
    pub(super) fn may_log(&mut self, event: &str) -> bool {
        let now = self.clock.monotonic();
        self.log_flood.admits(event, now)
    }

    /// Says what was not logged.
    pub(super) fn log_floods(&mut self, now: Instant) {
        for (event, count) in self.log_flood.over(now) {
            tracing::warn!(%event, count, "more of these within a minute");
        }
    }

    /// Something of Deskway's own.
    pub(super) fn record_own(&mut self, what: What, details: &str) {
        let entry = Entry::by_deskway(self.clock.unix_millis(), what).with(details);
        self.connections.journal.record(entry);
    }

    pub(super) fn begin_record(&mut self) {
        let version = concat!("Deskway ", env!("CARGO_PKG_VERSION"));
        self.record_own(What::LauncherStart, version);
        let changed = policy::changed(&self.place, &self.config);
        if !changed.is_empty() {
            let words = format!("while no launcher ran: {}", changed.join(", "));
            self.record_own(What::Config, &words);
        }
        policy::keep(&self.place, &self.config);
    }

    /// The configuration was read again: which keys are others now, never what stands there.
    pub(super) fn record_reload(&mut self, read: Result<&Config, &str>) {
        let entry = Entry::by_deskway(self.clock.unix_millis(), What::Config);
        let entry = match read {
            Ok(config) => {
                self.connections.journal.configure(&config.audit);
                entry.with(&changed_keys(&self.config, config).join(", "))
            }
            // What is wrong may quote the file.
            Err(_) => entry.went(Outcome::Failed, "the file is wrong; the log says where"),
        };
        self.connections.journal.record(entry);
    }

    /// The last entry, and time for those before it.
    pub(super) fn end_record(&mut self) {
        self.record_own(What::LauncherStop, "");
        self.connections.journal.finish(LAST_ENTRIES);
        self.connections.release(self.clock.monotonic());
    }
}

fn what(act: &Act) -> What {
    match act {
        Act::Start { .. } => What::Start,
        Act::Stop => What::Stop,
        Act::Freeze => What::Freeze,
        Act::Thaw => What::Thaw,
        Act::Keep => What::Keep,
        Act::Message(_) => What::Message,
    }
}
