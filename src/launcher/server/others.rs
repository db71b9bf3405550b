//! Requests beside the desktops of this machine: attached VNC servers, and the first account.

use std::net::IpAddr;

use super::Server;
use super::connections::Asker;
use super::errands::Errand;
use super::requests::{Reply, failed};
use crate::config::{Attach, AttachTarget};
use crate::launcher::attach;
use crate::launcher::jobs::Outcome;
use crate::launcher::protocol::{Answer, Refusal};
use crate::launcher::set_up;
use crate::model::{DesktopId, Secret, UserName, network};

/// What tries to set the machine up are counted as: no name can be this.
const SET_UP: &str = "(set-up)";

impl Server {
    pub(super) fn open_attached(&mut self, asker: Asker, attach: &Attach) -> Reply {
        if self.is_busy_for(&attach.desktop.owner) {
            return Err(Refusal::Busy);
        }
        let password = attach.password_file.as_ref().map(|path| {
            attach::read_password(path).map_err(|error| {
                let path = path.display();
                tracing::error!(%path, %error, "a VNC password file cannot be used");
                Refusal::Failed("the VNC server's password file cannot be used".to_owned())
            })
        });
        let password = password.transpose()?;
        let become_user = self
            .is_root
            .then(attach::service_user)
            .transpose()
            .map_err(|error| failed("the account database cannot be asked", &error))?;
        let target = attach.target.clone();
        let errand = match target {
            AttachTarget::WebSocket { .. } => {
                let on_the_way = |errand: &Errand| matches!(errand, Errand::Relay(..));
                let on_the_way = self.jobs.count(on_the_way);
                if !self.relays.has_room(&attach.desktop.owner, on_the_way) {
                    return Err(Refusal::Busy);
                }
                Errand::Relay(asker, attach.desktop.clone())
            }
            AttachTarget::Tcp { .. } | AttachTarget::Unix(_) => {
                Errand::Attached(asker, attach.desktop.clone())
            }
        };
        self.begin(attach::TIMEOUT, errand, |outlet| {
            attach::open(&target, password, become_user, outlet)
        });
        Ok(None)
    }

    pub(super) fn attached_opened(&mut self, asker: Asker, desktop: &DesktopId, outcome: Outcome) {
        let timed_out = matches!(outcome, Outcome::TimedOut);
        let (relay, outcome) = outcome.take_child();
        if let Some(relay) = relay {
            self.relays.add(desktop.owner.clone(), relay);
        }
        let reason = match outcome.word() {
            Some((attach::Word::Connected(greeting), Some(stream))) => {
                let answer = Answer::Stream { greeting };
                return self.connections.hand_over(asker, answer, stream);
            }
            Some((attach::Word::Failed(reason), _)) => reason,
            _ if timed_out => "the VNC server did not answer in time".to_owned(),
            _ => "connecting to the VNC server failed".to_owned(),
        };
        tracing::warn!(user = %desktop.owner, %desktop, %reason, "attached VNC server");
        self.connections
            .answer(asker, Refusal::Failed(reason).into());
    }

    pub(super) fn set_up(
        &mut self,
        asker: Asker,
        token: &Secret<String>,
        name: &UserName,
        password: &Secret<String>,
        peer: IpAddr,
    ) -> Reply {
        let busy = |errand: &Errand| matches!(errand, Errand::SetUp(_));
        if self.jobs.count(busy) > 0 || self.refusals.is_full() {
            return Err(Refusal::Busy);
        }
        let began = self.clock.monotonic();
        let tries = self.config.sign_in.tries_per_minute;
        let tried = self
            .throttle
            .admit(SET_UP, peer, tries, began)
            .map_err(|seconds| Refusal::SlowDown { seconds })?;
        if !set_up::check(&self.place, token, self.clock.unix()) {
            let refusal = Refusal::NotAllowed {
                reason: "the set-up link is not good any more; start Deskway again for a new one"
                    .to_owned(),
            };
            if self.may_log(&format!("set-up from {}", network(peer))) {
                tracing::warn!(%peer, "a wrong set-up token");
            }
            self.refusals.add(asker, refusal, Some(tried), began, began);
            return Ok(None);
        }
        self.throttle.right(&tried);
        tracing::info!(user = %name, %peer, "the first account is being made");
        let state = self.place.state().to_owned();
        self.begin(set_up::TIMEOUT, Errand::SetUp(asker), |outlet| {
            outlet.say(&set_up::make(&state, name, password))
        });
        Ok(None)
    }

    pub(super) fn set_up_done(&mut self, asker: Asker, outcome: Outcome) {
        let answer = match outcome.word() {
            Some((set_up::Word::Done, _)) => match set_up::withdraw(&self.place) {
                Ok(()) => Answer::Done,
                Err(error) => failed("the set-up token cannot be removed", &error).into(),
            },
            Some((set_up::Word::Failed(reason), _)) => Refusal::Failed(reason).into(),
            None => Refusal::Failed("the account could not be made".to_owned()).into(),
        };
        self.connections.answer(asker, answer);
    }
}
