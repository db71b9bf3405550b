//! What admins see of everybody: their desktops and sign-ins; and ending sign-ins. Whether somebody
//! is an admin is found out here, whatever the front says.

use super::Server;
use super::requests::Reply;
use crate::launcher::access;
use crate::launcher::logins::Login;
use crate::launcher::protocol::{Answer, Handle, MAX_PAGE, Refusal};
use crate::model::{
    DesktopId, DesktopInfo, DesktopReport, DesktopState, SignInReport, Usage, UserName,
};

impl Server {
    /// Whose handle it is, when that is an admin.
    ///
    /// # Errors
    /// [`Refusal::UnknownHandle`]; [`Refusal::Denied`] for others; [`Refusal::Busy`] as long as
    /// nobody knows whether a group still makes this person one.
    pub(super) fn admin(&mut self, handle: &Handle) -> Result<UserName, Refusal> {
        let (login, _) = self.owner(handle)?;
        self.is_admin(&login)?;
        Ok(login.account)
    }

    /// The same of a sign-in.
    pub(super) fn is_admin(&self, login: &Login) -> Result<(), Refusal> {
        let surely = access::is_admin_by_name(&login.account, &self.config.admin)
            || self.admins_are_known && self.rechecking.knows(login, self.clock.monotonic());
        if !login.is_admin {
            let reason = "this is for admins alone".to_owned();
            Err(Refusal::Denied(reason))
        } else if surely {
            Ok(())
        } else {
            Err(Refusal::Busy)
        }
    }

    /// The next page of all desktops: running, remembered and attached ones.
    pub(super) fn overview(&self, after: Option<&DesktopId>) -> Answer {
        let mut infos = self.desktops.infos(None, None);
        infos.extend(self.attached_infos());
        infos.retain(|info| after.is_none_or(|after| info.id > *after));
        infos.sort_by(|one, other| one.id.cmp(&other.id));
        let more = infos.len() > MAX_PAGE;
        infos.truncate(MAX_PAGE);
        let desktops = infos.into_iter().map(|info| self.report(info)).collect();
        Answer::Overview { desktops, more }
    }

    /// The next page of all sign-ins, each person's together.
    pub(super) fn people(&self, skip: u32) -> Answer {
        let mut sign_ins: Vec<SignInReport> = self
            .logins
            .all()
            .map(|login| SignInReport {
                account: login.account.clone(),
                full_name: login.full_name.clone(),
                is_admin: login.is_admin,
                peer: login.peer,
                since: login.since,
                until: login.until,
            })
            .collect();
        sign_ins.sort_by(|one, other| {
            (&one.account, one.since, one.peer).cmp(&(&other.account, other.since, other.peer))
        });
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let more = sign_ins.len().saturating_sub(skip) > MAX_PAGE;
        let sign_ins = sign_ins.into_iter().skip(skip).take(MAX_PAGE).collect();
        Answer::People { sign_ins, more }
    }

    pub(super) fn overview_for(&mut self, handle: &Handle, after: Option<&DesktopId>) -> Reply {
        self.admin(handle)?;
        Ok(Some(self.overview(after)))
    }

    pub(super) fn people_for(&mut self, handle: &Handle, skip: u32) -> Reply {
        self.admin(handle)?;
        Ok(Some(self.people(skip)))
    }

    pub(super) fn end_sign_ins(&mut self, handle: &Handle, account: &UserName) -> Reply {
        let admin = self.admin(handle)?;
        tracing::info!(user = %account, %admin, "an admin ends the account's sign-ins");
        self.forget_account(account);
        Ok(Some(Answer::Done))
    }

    fn report(&self, mut info: DesktopInfo) -> DesktopReport {
        // A log may show what is its owner's business.
        if let DesktopState::Failed { log, .. } = &mut info.state {
            log.clear();
        }
        let running = self.desktops.find(&info.id);
        DesktopReport {
            usage: running.map_or_else(Usage::default, |(_, running)| running.meter.usage),
            info,
        }
    }
}
