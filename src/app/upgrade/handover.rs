//! What one program hands the next when it starts it: what to do, and which descriptors are what.
//!
//! JSON in an environment variable. Both sides may be of different versions: what is added gets a
//! default, what changes its meaning another protocol number.

use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use deskway_osuser::ProcessId;
use serde::{Deserialize, Serialize};

use super::Ground;
use crate::app::entrances::{Entrance, Speaks};
use crate::app::socket_files::SocketFiles;
use crate::listen::systemd;

/// The variable that a program that is started for an upgrade finds.
pub(super) const VARIABLE: &str = "DESKWAY_HANDOVER";
const PROTOCOL: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
pub(in crate::app) struct Handover {
    protocol: u32,
    pub(in crate::app) step: Step,
    /// A launcher's end of the line to the supervisor, where that has one for it.
    #[serde(default)]
    pub(in crate::app) launcher_line: Option<RawFd>,
    /// A memory file: what the check found sound, which it writes and every later step uses.
    pub(in crate::app) sound: RawFd,
    /// Where everything is, which stays however the configuration has changed.
    pub(in crate::app) run: PathBuf,
    pub(in crate::app) state: PathBuf,
    pub(in crate::app) base_path: String,
}

/// What the program that is started is to do.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::app) enum Step {
    /// Check the configuration, put it into `sound`, write the version to this descriptor and end.
    Check { report: RawFd },
    /// Be the front, and take people in only when told to.
    Serve {
        entrances: Vec<Door>,
        front_socket: RawFd,
        line: RawFd,
    },
    /// Be the launcher.
    Launcher,
    /// Be the supervisor from now on.
    GoOn(GoOn),
}

/// All that the supervisor has.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::app) struct GoOn {
    pub(in crate::app) from: String,
    pub(in crate::app) lock: RawFd,
    pub(in crate::app) upgrades: RawFd,
    pub(in crate::app) entrances: Vec<Door>,
    /// To be removed at the end.
    #[serde(default)]
    pub(in crate::app) socket_files: SocketFiles,
    pub(in crate::app) front_socket: RawFd,
    pub(in crate::app) launcher: Runs,
    pub(in crate::app) serve: Runs,
    pub(in crate::app) leaving: Option<Process>,
    /// Who waits to be told how it went.
    pub(in crate::app) asker: Option<RawFd>,
}

/// An [`Entrance`].
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::app) struct Door {
    socket: RawFd,
    speaks: Speaks,
    proxy_protocol: bool,
}

/// A role that runs.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::app) struct Runs {
    pub(in crate::app) process: Process,
    pub(in crate::app) line: RawFd,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(in crate::app) struct Process {
    pid: i32,
    start: u64,
}

impl Handover {
    pub(super) fn new(ground: &Ground, sound: BorrowedFd<'_>, step: Step) -> Self {
        Self {
            protocol: PROTOCOL,
            step,
            launcher_line: None,
            sound: sound.as_raw_fd(),
            run: ground.run.clone(),
            state: ground.state.clone(),
            base_path: ground.base_path.clone(),
        }
    }

    /// What the program before left to this one, if it was started for an upgrade.
    ///
    /// # Errors
    /// When it is not understood.
    pub(in crate::app) fn take() -> Result<Option<Self>> {
        let Some(text) = deskway_osuser::take_variable(VARIABLE)? else {
            return Ok(None);
        };
        let text = text.to_string_lossy();
        let handover: Self = serde_json::from_str(&text)
            .with_context(|| format!("{VARIABLE} is not what this version understands"))?;
        if handover.protocol != PROTOCOL {
            bail!(
                "this version takes over by protocol {PROTOCOL}, the running one hands over by {}: restart it instead",
                handover.protocol
            );
        }
        Ok(Some(handover))
    }

    pub(super) fn text(&self) -> Result<String> {
        Ok(serde_json::to_string(self)?)
    }
}

impl Door {
    pub(super) fn of(entrance: &Entrance) -> Self {
        Self {
            socket: std::os::fd::AsFd::as_fd(entrance).as_raw_fd(),
            speaks: entrance.speaks,
            proxy_protocol: entrance.proxy_protocol,
        }
    }
}

/// The sockets that people come in by, as the program before had them.
pub(in crate::app) fn entrances(doors: &[Door]) -> Result<Vec<Entrance>> {
    let entrance = |door: &Door| {
        let socket = adopt(door.socket)?;
        Ok(Entrance {
            socket: systemd::listener(socket).context("a listening socket was not handed over")?,
            speaks: door.speaks,
            proxy_protocol: door.proxy_protocol,
        })
    };
    doors.iter().map(entrance).collect()
}

/// A descriptor that was handed over.
pub(in crate::app) fn adopt(number: RawFd) -> Result<OwnedFd> {
    deskway_osuser::adopt(number)
        .with_context(|| format!("descriptor {number} was not handed over"))
}

impl From<ProcessId> for Process {
    fn from(id: ProcessId) -> Self {
        Self {
            pid: id.pid,
            start: id.start,
        }
    }
}

impl From<Process> for ProcessId {
    fn from(process: Process) -> Self {
        Self {
            pid: process.pid,
            start: process.start,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_later_version_adds_is_passed_over_and_its_own_protocol_is_refused() {
        let later = r#"{"protocol": 1, "step": "launcher", "sound": 7, "run": "/r", "state": "/s",
            "base_path": "/desk", "more": [1]}"#;
        let handover: Handover = serde_json::from_str(later).unwrap();
        assert!(matches!(handover.step, Step::Launcher));
        assert_eq!(handover.base_path, "/desk");
    }
}
