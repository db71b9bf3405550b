//! Is this the person's password? Asked in a child per try, because PAM modules are foreign code.
//!
//! What is refused is told after a whole number of seconds, so that neither the words nor the
//! time tell an unknown name from a wrong password.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use deskway_osuser::{Account, Pam, PamError, PamSetting};
use serde::{Deserialize, Serialize};

use super::access;
use super::pam_service::PamChoice;
use super::protocol::Refusal;
use super::throttle::Try;
use crate::config::{Access, Admin};
use crate::model::{Secret, UserName};
use crate::store::accounts::{self, LocalVerdict};

/// How long PAM may take for one try.
pub(crate) const PAM_TIMEOUT: Duration = Duration::from_secs(30);
/// Most tries that are looked at at once.
pub(crate) const MAX_TRIES: usize = 8;
/// Most refusals that wait to be told.
const MAX_REFUSALS: usize = 256;
/// Refusals are told after a multiple of this.
const QUANTUM: Duration = Duration::from_secs(1);

/// What a child is to find out.
pub(crate) struct Question {
    pub(crate) name: UserName,
    pub(crate) password: Secret<String>,
    pub(crate) peer: IpAddr,
    /// Where local accounts are; `None`: they do not count.
    pub(crate) local: Option<PathBuf>,
    /// `None`: PAM is not asked.
    pub(crate) pam: Option<PamChoice>,
    pub(crate) access: Access,
    /// Those that have looks of their own.
    pub(crate) groups: Vec<String>,
    pub(crate) admin: Admin,
    pub(crate) is_root: bool,
}

/// What it found out.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Verdict {
    Right(Person),
    Wrong {
        /// Whether somebody has that name, for the audit log: what nobody has may be a password
        /// that was typed into the wrong field.
        is_known: bool,
    },
    NotAllowed(String),
    /// Something on this machine does not work: words for the log.
    Broken(String),
}

/// Somebody whose password was right, and the OS account that their desktops run as.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Person {
    pub(crate) account: UserName,
    pub(crate) full_name: String,
    pub(crate) os_name: String,
    pub(crate) uid: u32,
    pub(crate) group: Option<String>,
    /// Whether the account database could be asked for it.
    pub(crate) group_is_known: bool,
    /// Not where that is not known.
    pub(crate) is_admin: bool,
}

/// Runs in the child. A local account of that name comes first: its password alone counts.
pub(crate) fn judge(question: &Question) -> Verdict {
    let local = question
        .local
        .as_ref()
        .map(|directory| accounts::verify(directory, &question.name, &question.password));
    match local {
        None | Some(Ok(LocalVerdict::Unknown)) => match &question.pam {
            Some(choice) => ask_pam(question, choice).unwrap_or_else(|verdict| verdict),
            None => Verdict::Wrong { is_known: false },
        },
        Some(Ok(LocalVerdict::Wrong)) => Verdict::Wrong { is_known: true },
        Some(Ok(LocalVerdict::Right { os_user, full_name })) => {
            let os_name = os_user.unwrap_or_else(|| question.name.clone());
            local_person(question, os_name.as_str(), &full_name).unwrap_or_else(|verdict| verdict)
        }
        Some(Err(error)) => Verdict::Broken(format!("local accounts: {error}")),
    }
}

fn ask_pam(question: &Question, choice: &PamChoice) -> Result<Verdict, Verdict> {
    let setting = PamSetting {
        service: &choice.service,
        directory: choice.directory.as_deref(),
        terminal: "deskway",
        remote_host: Some(&question.peer.to_string()),
    };
    let refused = |error| match error {
        PamError::WrongPassword | PamError::ZeroByte(_) => Verdict::Wrong {
            is_known: matches!(Account::by_name(question.name.as_str()), Ok(Some(_))),
        },
        PamError::NotAllowed(reason) => Verdict::NotAllowed(reason),
        PamError::Broken(reason) => Verdict::Broken(reason),
    };
    let password = Some(question.password.expose().as_str());
    let mut pam = Pam::start(&setting, question.name.as_str(), password).map_err(refused)?;
    let authenticated = pam.authenticate();
    let name = pam.user();
    drop(pam);
    authenticated.map_err(refused)?;
    let name = name.unwrap_or_else(|| question.name.to_string());
    let account = allowed(&name, &question.access)?;
    // The database's spelling: some let `ALICE` in as `alice`.
    let name: UserName = account
        .name
        .parse()
        .map_err(|_| Verdict::NotAllowed("its name cannot be used here".to_owned()))?;
    let group = group_of(question, &account);
    Ok(Verdict::Right(Person {
        full_name: or_name(&account.full_name, &name),
        group_is_known: group.is_ok(),
        group: group.unwrap_or_default(),
        is_admin: access::is_admin(&name, Some(&account), &question.admin).unwrap_or(false),
        account: name,
        os_name: account.name,
        uid: account.uid,
    }))
}

fn local_person(question: &Question, os_name: &str, full_name: &str) -> Result<Verdict, Verdict> {
    let account = if question.is_root {
        allowed(os_name, &question.access)?
    } else {
        own_account().map_err(|error| Verdict::Broken(error.to_string()))?
    };
    let group = group_of(question, &account);
    Ok(Verdict::Right(Person {
        account: question.name.clone(),
        full_name: or_name(full_name, &question.name),
        group_is_known: group.is_ok(),
        group: group.unwrap_or_default(),
        is_admin: access::is_admin(
            &question.name,
            question.is_root.then_some(&account),
            &question.admin,
        )
        .unwrap_or(false),
        os_name: account.name,
        uid: account.uid,
    }))
}

fn group_of(question: &Question, account: &Account) -> io::Result<Option<String>> {
    let first = access::first_group(account, &question.groups)?;
    Ok(first.and_then(|at| question.groups.get(at).cloned()))
}

/// The account of this process, for when it is no root.
pub(crate) fn own_account() -> io::Result<Account> {
    Account::by_uid(deskway_osuser::own_uid())?
        .ok_or_else(|| io::Error::other("this process's account has no name"))
}

fn allowed(os_name: &str, access: &Access) -> Result<Account, Verdict> {
    let broken = |error: io::Error| Verdict::Broken(error.to_string());
    let account = Account::by_name(os_name).map_err(broken)?.ok_or_else(|| {
        Verdict::NotAllowed(format!("this machine has no account `{os_name}` for it"))
    })?;
    match access::refuse(&account, access).map_err(broken)? {
        None => Ok(account),
        Some(reason) => Err(Verdict::NotAllowed(reason)),
    }
}

fn or_name(full_name: &str, name: &UserName) -> String {
    let clean: String = full_name.chars().filter(|c| !c.is_control()).collect();
    if clean.is_empty() {
        name.to_string()
    } else {
        clean
    }
}

/// Refusals that wait for their time; `R` is whom to tell.
#[derive(Debug)]
pub(crate) struct Refusals<R> {
    waiting: Vec<Refused<R>>,
}

#[derive(Debug)]
pub(crate) struct Refused<R> {
    pub(crate) due: Instant,
    pub(crate) whom: R,
    pub(crate) refusal: Refusal,
    /// Counted as wrong when it is told.
    pub(crate) tried: Option<Try>,
}

impl<R> Refusals<R> {
    pub(crate) fn new() -> Self {
        Self {
            waiting: Vec::new(),
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= MAX_REFUSALS
    }

    /// To be told a whole number of seconds after the try `began`.
    pub(crate) fn add(
        &mut self,
        whom: R,
        refusal: Refusal,
        tried: Option<Try>,
        began: Instant,
        now: Instant,
    ) {
        let quanta = now.saturating_duration_since(began).as_secs() / QUANTUM.as_secs() + 1;
        self.waiting.push(Refused {
            due: began + QUANTUM * u32::try_from(quanta).unwrap_or(u32::MAX),
            whom,
            refusal,
            tried,
        });
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.waiting.iter().map(|refused| refused.due).min()
    }

    /// Those whose time has come.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<Refused<R>> {
        self.waiting
            .extract_if(.., |refused| refused.due <= now)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_and_slow_refusals_are_told_at_whole_seconds() {
        let began = Instant::now();
        let millis = Duration::from_millis;
        for (taken, told) in [(0, 1000), (999, 1000), (1000, 2000), (2500, 3000)] {
            let mut refusals = Refusals::new();
            let wrong = Refusal::WrongPassword;
            refusals.add((), wrong, None, began, began + millis(taken));
            assert!(refusals.due(began + millis(told - 1)).is_empty());
            assert_eq!(refusals.due(began + millis(told)).len(), 1, "{taken}");
        }
    }
}
