//! What is done to a desktop from outside it: who may, and what comes of it.

use super::Server;
use super::connections::Asker;
use super::requests::{Reply, failed, may_name_anybody, own_only};
use crate::launcher::owner::Owner;
use crate::launcher::place::RunId;
use crate::launcher::protocol::{Answer, Handle, Refusal};
use crate::model::{Act, DesktopId, MAX_MESSAGE, NoticeKind, UserName};

/// Who a message comes from that root sends on the command line.
const ROOT: &str = "The administrator";

/// Somebody who does something to a desktop, and may.
struct Actor {
    asker: Asker,
    /// The account that the desktop has to run as, so that it is theirs; `None`: any.
    uid: Option<u32>,
    /// As its owner reads it.
    name: String,
}

impl Server {
    /// For somebody who is signed in: to their own desktops, and as an admin to everybody's.
    pub(super) fn act(
        &mut self,
        asker: Asker,
        handle: &Handle,
        desktop: &DesktopId,
        act: Act,
    ) -> Reply {
        let (login, owner) = self.owner(handle)?;
        let is_own = desktop.owner == login.account;
        match self.is_admin(&login) {
            Ok(()) => {}
            Err(Refusal::Denied(_)) if is_own => owner_may(&act)?,
            Err(Refusal::Denied(_)) => return Err(Refusal::NoSuchDesktop),
            Err(_) if is_own && owner_may(&act).is_ok() => {}
            Err(refusal) => return Err(refusal),
        }
        let actor = Actor {
            asker,
            uid: is_own.then_some(login.uid),
            name: login.full_name,
        };
        let owner = is_own.then_some(owner);
        self.carry_out(&actor, desktop, act, owner)
    }

    /// For a user of this machine: root is an admin.
    pub(super) fn act_as(
        &mut self,
        asker: Asker,
        uid: u32,
        desktop: &DesktopId,
        act: Act,
    ) -> Reply {
        self.nameable(uid, Some(desktop.owner.clone()))?;
        if !may_name_anybody(uid) {
            owner_may(&act)?;
        }
        let actor = Actor {
            asker,
            uid: own_only(uid),
            name: ROOT.to_owned(),
        };
        self.carry_out(&actor, desktop, act, None)
    }

    fn carry_out(
        &mut self,
        actor: &Actor,
        desktop: &DesktopId,
        act: Act,
        owner: Option<Owner>,
    ) -> Reply {
        if self.attached(desktop).is_some() {
            let reason = "that cannot be done to an attached VNC server";
            return Err(Refusal::BadRequest(reason.to_owned()));
        }
        match act {
            Act::Start { profile, geometry } => {
                let owner = match owner {
                    Some(owner) => owner,
                    None => self.owner_of(&desktop.owner)?,
                };
                if actor.uid.is_some_and(|uid| uid != owner.os.uid) {
                    return Err(Refusal::NoSuchDesktop);
                }
                self.start(owner, desktop.name.clone(), profile.as_ref(), geometry)
            }
            Act::Stop => self.stop(actor.asker, desktop, actor.uid),
            Act::Freeze => {
                let run = self.run_that_runs(actor, desktop)?;
                self.freeze(&run)?;
                Ok(Some(Answer::Done))
            }
            Act::Thaw => {
                let run = self.run_that_runs(actor, desktop)?;
                self.thaw(&run)?;
                Ok(Some(Answer::Done))
            }
            Act::Keep => {
                let run = self.run_that_runs(actor, desktop)?;
                self.used(&run)?;
                Ok(Some(Answer::Done))
            }
            Act::Message(text) => {
                let text = readable(&text)?;
                let run = self.run_that_runs(actor, desktop)?;
                let from = actor.name.clone();
                if let Some(running) = self.desktops.get(&run) {
                    running.show(&format!("{from}:\n{text}"), false);
                }
                self.notify(&run, NoticeKind::Message { from, text });
                Ok(Some(Answer::Done))
            }
        }
    }

    /// A front says how many look at a desktop now.
    pub(super) fn watched(&mut self, asker: Asker, desktop: &DesktopId, viewers: u32) -> Answer {
        let before = self.viewing.of(desktop);
        self.viewing.set(asker.connection, desktop.clone(), viewers);
        let now = self.viewing.of(desktop);
        if now < before {
            self.left(desktop);
            self.record_watch_end(desktop, now);
        }
        Answer::Done
    }

    fn run_that_runs(&self, actor: &Actor, desktop: &DesktopId) -> Result<RunId, Refusal> {
        match self.run_of(desktop, actor.uid)? {
            Some((run, running)) if running.life().screen_is_up() != Some(false) => Ok(run.clone()),
            _ => Err(Refusal::NotRunning),
        }
    }

    /// The owner of a desktop that somebody else names: a person who is signed in, else an account
    /// of this machine.
    fn owner_of(&self, name: &UserName) -> Result<Owner, Refusal> {
        let Some(login) = self.logins.all().find(|login| login.account == *name) else {
            return self.os_owner(name);
        };
        Owner::find(name, &login.os_name, login.uid, &self.place)
            .map_err(|error| failed("the account database cannot be asked", &error))?
            .ok_or(Refusal::NoSuchDesktop)
    }
}

/// What owners may not do to their own desktops.
fn owner_may(act: &Act) -> Result<(), Refusal> {
    match act {
        Act::Freeze | Act::Message(_) => Err(Refusal::Denied(
            "only admins freeze desktops and send messages to them".to_owned(),
        )),
        Act::Start { .. } | Act::Stop | Act::Thaw | Act::Keep => Ok(()),
    }
}

/// A message as it can be shown.
fn readable(text: &str) -> Result<String, Refusal> {
    let text: String = text
        .chars()
        .filter(|c| !c.is_control() || *c == '\n')
        .collect();
    let text = text.trim();
    if text.is_empty() {
        return Err(Refusal::BadRequest("the message is empty".to_owned()));
    }
    if text.chars().count() > MAX_MESSAGE {
        let reason = format!("a message has at most {MAX_MESSAGE} characters");
        return Err(Refusal::BadRequest(reason));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_may_neither_freeze_nor_send_messages() {
        for act in [Act::Freeze, Act::Message("hello".to_owned())] {
            assert!(matches!(owner_may(&act), Err(Refusal::Denied(_))));
        }
        for act in [Act::Stop, Act::Thaw, Act::Keep] {
            assert!(owner_may(&act).is_ok());
        }
    }

    #[test]
    fn a_message_is_text_of_some_length() {
        assert_eq!(readable(" at\u{1b} noon\n").unwrap(), "at noon");
        assert!(readable("\u{7}\n").is_err());
        assert!(readable(&"ä".repeat(MAX_MESSAGE)).is_ok());
        assert!(readable(&"ä".repeat(MAX_MESSAGE + 1)).is_err());
    }
}
