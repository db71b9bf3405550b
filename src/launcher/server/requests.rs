//! What each request is allowed to do, and does.

use super::Server;
use super::connections::{Asker, Who};
use super::waiting::{Awaited, GONE_TIMEOUT, Waiting};
use crate::config::{Attach, Limits};
use crate::launcher::access;
use crate::launcher::desktops::{self, Request as Start, Running};
use crate::launcher::lifecycle::Lifecycle;
use crate::launcher::logins::{HandleHash, Login};
use crate::launcher::owner::Owner;
use crate::launcher::place::RunId;
use crate::launcher::profiles;
use crate::launcher::protocol::{Answer, FromLauncher, Handle, Refusal, Request};
use crate::launcher::session_child::StartedBy;
use crate::launcher::sign_in::own_account;
use crate::model::{
    DesktopId, DesktopInfo, DesktopName, DesktopState, Geometry, ProfileId, UserName,
};
use deskway_osuser::Account;

/// An answer, or `None` when it comes later.
pub(super) type Reply = Result<Option<Answer>, Refusal>;

impl Server {
    /// Answers a request, now or later.
    pub(super) fn ask(&mut self, asker: Asker, request: Request) {
        if let Some(deed) = self.deed(asker, &request) {
            self.connections.on_record(asker, deed);
        }
        let reply = match asker.who {
            Who::Front => self.ask_as_front(asker, request),
            Who::User(uid) => self.ask_as_user(asker, uid, request),
        };
        match reply {
            Ok(Some(answer)) => self.connections.answer(asker, answer),
            Ok(None) => {}
            Err(refusal) => self.connections.answer(asker, refusal.into()),
        }
    }

    fn ask_as_front(&mut self, asker: Asker, request: Request) -> Reply {
        match request {
            Request::SignIn {
                name,
                password,
                peer,
            } => self.sign_in(asker, &name, password, peer),
            Request::SignOut { handle } => {
                let (hash, _) = self.login(&handle)?;
                self.end_login(hash, None);
                Ok(Some(Answer::Done))
            }
            Request::Check { handle } => {
                let (login, _) = self.owner(&handle)?;
                Ok(Some(Answer::Account(login.account())))
            }
            Request::Desktops { handle } => {
                let (login, _) = self.owner(&handle)?;
                self.connections.watch(asker, &login.account);
                let desktops = self.desktops_of(&login.account, login.uid);
                Ok(Some(Answer::Desktops(desktops)))
            }
            Request::Profiles { handle } => {
                let (_, owner) = self.owner(&handle)?;
                self.offer_profiles(asker, &owner)
            }
            Request::Start {
                handle,
                desktop,
                profile,
                geometry,
            } => {
                let (_, owner) = self.owner(&handle)?;
                self.start(owner, desktop, profile.as_ref(), geometry)
            }
            Request::Stop { handle, desktop } => {
                let (login, _) = self.owner(&handle)?;
                let desktop = desktops::of(&login.account, desktop);
                self.stop(asker, &desktop, Some(login.uid))
            }
            Request::Open {
                handle,
                desktop,
                glance,
            } => self.open_own(asker, &handle, &desktop, glance),
            Request::Act {
                handle,
                desktop,
                act,
            } => self.act(asker, &handle, &desktop, act),
            Request::Watched { desktop, viewers } => {
                Ok(Some(self.watched(asker, &desktop, viewers)))
            }
            Request::Overview { handle, after } => self.overview_for(&handle, after.as_ref()),
            Request::People { handle, skip } => self.people_for(&handle, skip),
            Request::EndSignIns { handle, account } => self.end_sign_ins(&handle, &account),
            Request::Index => self.index(asker),
            Request::Shows { number } => {
                self.front_shows(asker, number);
                Ok(Some(Answer::Done))
            }
            Request::SetUp {
                token,
                name,
                password,
                peer,
            } => self.set_up(asker, &token, &name, &password, peer),
            Request::ListAs { .. }
            | Request::StartAs { .. }
            | Request::StopAs { .. }
            | Request::ActAs { .. }
            | Request::OverviewAs { .. }
            | Request::PeopleAs { .. }
            | Request::LogAs { .. }
            | Request::ForgetAs { .. } => Err(Refusal::BadRequest(
                "only this machine's users may ask that".to_owned(),
            )),
        }
    }

    fn ask_as_user(&mut self, asker: Asker, uid: u32, request: Request) -> Reply {
        match request {
            Request::ListAs { owner } => {
                let owner = self.nameable(uid, owner)?;
                let desktops = self.desktops.infos(owner.as_ref(), own_only(uid));
                Ok(Some(Answer::Desktops(desktops)))
            }
            Request::StartAs { desktop, profile } => {
                self.nameable(uid, Some(desktop.owner.clone()))?;
                let owner = self.os_owner(&desktop.owner)?;
                self.start(owner, desktop.name, profile.as_ref(), None)
            }
            Request::StopAs { desktop } => {
                self.nameable(uid, Some(desktop.owner.clone()))?;
                self.stop(asker, &desktop, own_only(uid))
            }
            Request::LogAs { desktop } => {
                self.nameable(uid, Some(desktop.owner.clone()))?;
                self.open_log(asker, &desktop, own_only(uid))
            }
            Request::ForgetAs { owner } => {
                if !may_name_anybody(uid) {
                    let reason = "sign-ins are root's alone to end".to_owned();
                    return Err(Refusal::Denied(reason));
                }
                tracing::info!(user = %owner, "root ends the account's sign-ins");
                self.forget_account(&owner);
                Ok(Some(Answer::Done))
            }
            Request::ActAs { desktop, act } => self.act_as(asker, uid, &desktop, act),
            Request::OverviewAs { after } => {
                root_alone(uid)?;
                Ok(Some(self.overview(after.as_ref())))
            }
            Request::PeopleAs { skip } => {
                root_alone(uid)?;
                Ok(Some(self.people(skip)))
            }
            Request::SignIn { .. }
            | Request::Act { .. }
            | Request::Watched { .. }
            | Request::Overview { .. }
            | Request::People { .. }
            | Request::EndSignIns { .. }
            | Request::SignOut { .. }
            | Request::Check { .. }
            | Request::Desktops { .. }
            | Request::Profiles { .. }
            | Request::Start { .. }
            | Request::Stop { .. }
            | Request::Open { .. }
            | Request::Index
            | Request::SetUp { .. }
            | Request::Shows { .. } => Err(Refusal::BadRequest(
                "only the web server may ask that".to_owned(),
            )),
        }
    }

    fn login(&self, handle: &Handle) -> Result<(HandleHash, Login), Refusal> {
        self.logins
            .find(handle, self.clock.steady())
            .map(|(hash, login)| (hash, login.clone()))
            .ok_or(Refusal::UnknownHandle)
    }

    /// Whose handle it is, as the account database has it now. The sign-in ends when the account
    /// is gone or has become another.
    ///
    /// A look-up that the loop does itself: whoever has a slow directory service has its cache
    /// too, and every root daemon of the machine waits for it the same way. So are those of what
    /// users of this machine ask, and of groups where [`Server::limits_of`] knows of no sign-in.
    pub(super) fn owner(&mut self, handle: &Handle) -> Result<(Login, Owner), Refusal> {
        let (hash, login) = self.login(handle)?;
        match Owner::find(&login.account, &login.os_name, login.uid, &self.place) {
            Ok(Some(owner)) => Ok((login, owner)),
            Ok(None) => {
                self.end_login(hash, Some("the account is gone or another"));
                Err(Refusal::UnknownHandle)
            }
            Err(error) => Err(failed("the account database cannot be asked", &error)),
        }
    }

    /// Ends a sign-in; `why` where the person has not asked for it.
    pub(super) fn end_login(&mut self, handle_hash: HandleHash, why: Option<&str>) {
        if let Some(login) = self.logins.forget(&handle_hash) {
            self.login_ended(handle_hash, &login, why);
        }
    }

    /// A sign-in is no more.
    pub(super) fn login_ended(
        &mut self,
        handle_hash: HandleHash,
        login: &Login,
        why: Option<&str>,
    ) {
        if let Some(why) = why {
            self.record_sign_out(login, why);
        }
        self.connections
            .tell_fronts(&FromLauncher::SignedOut { handle_hash });
    }

    /// Ends every sign-in of an account, and the tries that may have seen it as it was.
    pub(super) fn forget_account(&mut self, account: &UserName) {
        self.last_forget = Some(self.clock.monotonic());
        for handle_hash in self.logins.of(|login| login.account == *account) {
            self.end_login(handle_hash, Some("the account was changed"));
        }
    }

    pub(super) fn expire_logins(&mut self) {
        for handle_hash in self.logins.over(self.clock.steady()) {
            self.end_login(handle_hash, Some("its time was over"));
        }
    }

    /// Root, and the user of an unprivileged launcher, may name anybody; others themselves.
    pub(super) fn nameable(
        &self,
        uid: u32,
        owner: Option<UserName>,
    ) -> Result<Option<UserName>, Refusal> {
        if may_name_anybody(uid) {
            return Ok(owner);
        }
        let own = if self.is_root {
            Account::by_uid(uid)
                .map_err(|error| failed("the account database cannot be asked", &error))?
                .and_then(|account| account.name.parse::<UserName>().ok())
        } else {
            None
        };
        match (own, owner) {
            (Some(own), None) => Ok(Some(own)),
            (Some(own), Some(owner)) if own == owner => Ok(Some(own)),
            _ => Err(Refusal::Denied(
                "a desktop is its owner's and root's alone".to_owned(),
            )),
        }
    }

    /// The owner of a desktop that root or its owner names on this machine.
    pub(super) fn os_owner(&self, name: &UserName) -> Result<Owner, Refusal> {
        let broken = |error| failed("the account database cannot be asked", &error);
        let account = if self.is_root {
            let account = Account::by_name(name.as_str()).map_err(broken)?;
            let account = account.ok_or(Refusal::NoSuchDesktop)?;
            let refused = access::refuse(&account, &self.config.access).map_err(broken)?;
            if let Some(reason) = refused {
                return Err(Refusal::NotAllowed { reason });
            }
            account
        } else {
            own_account().map_err(broken)?
        };
        Owner::find(name, &account.name, account.uid, &self.place)
            .map_err(broken)?
            .ok_or(Refusal::NoSuchDesktop)
    }

    /// Every attached server, as a desktop.
    pub(super) fn attached_infos(&self) -> impl Iterator<Item = DesktopInfo> {
        self.config.attach.iter().map(|attach| DesktopInfo {
            id: attach.desktop.clone(),
            profile: None,
            state: DesktopState::Ready { since: self.since },
            active: None,
            notices: Vec::new(),
        })
    }

    /// Running, remembered and attached ones.
    fn desktops_of(&self, account: &UserName, uid: u32) -> Vec<DesktopInfo> {
        let mut infos = self.desktops.infos(Some(account), Some(uid));
        let attached = self.attached_infos();
        infos.extend(attached.filter(|info| info.id.owner == *account));
        infos
    }

    pub(super) fn attached(&self, desktop: &DesktopId) -> Option<&Attach> {
        let mut attached = self.config.attach.iter();
        attached.find(|attach| attach.desktop == *desktop)
    }

    /// Tells the fronts whose desktops changed in this turn.
    pub(super) fn tell_changes(&mut self) {
        for account in std::mem::take(&mut self.changed) {
            if let Some(uid) = self.logins.uid(&account) {
                let desktops = self.desktops_of(&account, uid);
                self.connections.tell_watchers(&account, desktops);
            } else {
                self.connections.unwatch(&account);
            }
        }
    }

    /// Those of the first group that has the owner, or everybody's: as known of a sign-in of
    /// theirs, else looked up.
    ///
    /// # Errors
    /// [`Refusal::Failed`] when the account database cannot be asked: a desktop keeps for good
    /// what it is started with.
    fn limits_of(&self, owner: &Owner) -> Result<Limits, Refusal> {
        let groups = &self.config.groups;
        let known = (self.logins).with_known_group(&owner.name, owner.os.uid);
        let group = match known {
            Some(login) => groups
                .iter()
                .find(|it| Some(&it.name) == login.group.as_ref()),
            None => access::first_group(&owner.os, &self.group_names())
                .map_err(|error| {
                    failed("which groups the account is in cannot be asked now", &error)
                })?
                .and_then(|at| groups.get(at)),
        };
        let limits = group.map_or(&self.config.limits, |group| &group.limits);
        Ok(limits.clone())
    }

    pub(super) fn start(
        &mut self,
        owner: Owner,
        name: DesktopName,
        profile: Option<&ProfileId>,
        geometry: Option<Geometry>,
    ) -> Reply {
        self.start_for(owner, name, profile, geometry, StartedBy::Somebody)
    }

    pub(super) fn start_for(
        &mut self,
        owner: Owner,
        name: DesktopName,
        profile: Option<&ProfileId>,
        geometry: Option<Geometry>,
        by: StartedBy,
    ) -> Reply {
        let desktop = desktops::of(&owner.name, name);
        self.restarts.cancel(&desktop);
        if self.attached(&desktop).is_some() {
            let reason = "an attached VNC server cannot be started here";
            return Err(Refusal::BadRequest(reason.to_owned()));
        }
        if let Some((run, running)) = self.run_of(&desktop, Some(owner.os.uid))? {
            // On its way out: the next try finds it gone.
            if running.life().screen_is_up() == Some(false) {
                return Err(Refusal::Busy);
            }
            let run = run.clone();
            self.used(&run)?;
            return Ok(Some(Answer::Done));
        }
        let mut limits = self.limits_of(&owner)?;
        let max = limits
            .desktops
            .unwrap_or(self.config.desktops.max_per_person);
        limits.desktops = Some(max);
        if self.desktops.count(&owner.name) >= usize::try_from(max).unwrap_or(usize::MAX) {
            return Err(Refusal::TooManyDesktops { max });
        }
        self.has_hours_left(&owner.name, &limits)?;
        let profiles = profiles::all(&self.config.desktops, true);
        let profile = match profile.or(self.config.desktops.default_profile.as_ref()) {
            Some(id) => {
                let found = profiles.iter().find(|known| known.id == *id);
                found.ok_or_else(|| Refusal::NoSuchProfile(id.clone()))?
            }
            None => profiles::default(&self.config.desktops, &profiles).ok_or_else(|| {
                let reason = "this machine has no session to start: install one, such as xfce4";
                Refusal::Failed(reason.to_owned())
            })?,
        };
        let user = owner.name.clone();
        let request = Start {
            desktop: desktop.clone(),
            owner,
            profile: profile.clone(),
            geometry,
            config: &self.config.desktops,
            limits,
            cgroups: &self.cgroups,
            pam: self.pam.clone(),
            agent: self.options.agent.clone(),
            place: &self.place,
            unix: self.clock.unix(),
            by,
        };
        let id = self.desktops.start(request).map_err(|error| {
            tracing::error!(%user, %desktop, %error, "desktop not started");
            Refusal::Failed(error.to_string())
        })?;
        tracing::info!(%user, %desktop, %id, "desktop starting");
        self.changed.insert(user);
        self.connect_agent(&id);
        Ok(Some(Answer::Done))
    }

    /// The desktop's run, if it has one. One that runs as another account than `uid` is none of
    /// the asker's, whatever its name; `None`: whoever it runs as.
    pub(super) fn run_of(
        &self,
        desktop: &DesktopId,
        uid: Option<u32>,
    ) -> Result<Option<(&RunId, &Running)>, Refusal> {
        match (self.desktops.find(desktop), uid) {
            (Some((_, running)), Some(uid)) if running.is_orphan || running.owner.os.uid != uid => {
                Err(Refusal::NoSuchDesktop)
            }
            (found, _) => Ok(found),
        }
    }

    pub(super) fn stop(&mut self, asker: Asker, desktop: &DesktopId, uid: Option<u32>) -> Reply {
        if self.attached(desktop).is_some() {
            let reason = "an attached VNC server cannot be stopped here";
            return Err(Refusal::BadRequest(reason.to_owned()));
        }
        let Some((run, _)) = self.run_of(desktop, uid)? else {
            if self.restarts.cancel(desktop) {
                return Ok(Some(Answer::Done));
            }
            return Err(Refusal::NotRunning);
        };
        let run = run.clone();
        self.desktops
            .stop(&run, self.clock.unix(), self.clock.monotonic());
        self.changed.insert(desktop.owner.clone());
        self.await_state(Waiting {
            asker,
            account: desktop.owner.clone(),
            run,
            state: Awaited::Gone {
                until: self.clock.monotonic() + GONE_TIMEOUT,
            },
        })
    }

    fn open_own(
        &mut self,
        asker: Asker,
        handle: &Handle,
        desktop: &DesktopId,
        glance: bool,
    ) -> Reply {
        let (login, _) = self.owner(handle)?;
        if desktop.owner != login.account {
            return Err(Refusal::NoSuchDesktop);
        }
        self.open(asker, desktop, login.uid, glance)
    }

    fn open(&mut self, asker: Asker, desktop: &DesktopId, uid: u32, glance: bool) -> Reply {
        if let Some(attach) = self.attached(desktop) {
            let attach = attach.clone();
            return self.open_attached(asker, &attach);
        }
        let Some((run, running)) = self.run_of(desktop, Some(uid))? else {
            return Err(Refusal::NotRunning);
        };
        if glance && matches!(running.life(), Lifecycle::Frozen { .. }) {
            return Err(Refusal::NotRunning);
        }
        let run = run.clone();
        let screen = running.screen_is_up();
        if !glance {
            self.used(&run)?;
        }
        match screen {
            Some(false) => Err(Refusal::NotRunning),
            Some(true) if !self.is_busy_for(&desktop.owner) => {
                self.open_screen(asker, &run);
                Ok(None)
            }
            Some(true) | None => {
                let until = self.clock.monotonic() + self.config.desktops.screen_timeout;
                self.await_state(Waiting {
                    asker,
                    account: desktop.owner.clone(),
                    run,
                    state: Awaited::Screen { until },
                })
            }
        }
    }
}

/// Root, and the user of an unprivileged launcher.
pub(super) fn may_name_anybody(uid: u32) -> bool {
    uid == 0 || uid == deskway_osuser::own_uid()
}

fn root_alone(uid: u32) -> Result<(), Refusal> {
    if may_name_anybody(uid) {
        Ok(())
    } else {
        let reason = "what everybody does is root's alone to see".to_owned();
        Err(Refusal::Denied(reason))
    }
}

/// Which account's desktops a user of this machine may name: `None` is everybody's.
pub(super) fn own_only(uid: u32) -> Option<u32> {
    (!may_name_anybody(uid)).then_some(uid)
}

/// Logs what went wrong on this machine, and says it in words.
pub(super) fn failed(what: &str, error: &dyn std::error::Error) -> Refusal {
    tracing::error!(%error, "{what}");
    Refusal::Failed(what.to_owned())
}
