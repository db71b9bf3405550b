//! `deskway desktop list|start|stop`: asks the launcher on this machine.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Desktop, Error, RunPlace, out};
use crate::config::{self, Config, Overrides};
use crate::launcher::client::Client;
use crate::model::{DesktopInfo, DesktopState, ProfileId, Stage};

/// # Errors
/// When the launcher cannot be asked or refuses, or a desktop does not come up.
pub fn run(args: &Desktop) -> Result<(), Error> {
    match args {
        Desktop::List { all, json, place } => {
            let mut desktops = Client::connect(&place.run_dir()?)?.list(None)?;
            desktops.retain(|desktop| *all || is_running(&desktop.state));
            out::print(&if *json {
                as_json(&desktops)?
            } else {
                as_table(&desktops)
            })
        }
        Desktop::Start {
            desktop,
            profile,
            place,
        } => {
            let mut launcher = Client::connect(&place.run_dir()?)?;
            match launcher.start(desktop, profile.clone())? {
                DesktopState::Ready { .. } => out::print(&format!("`{desktop}` is ready\n")),
                state => Err(Error::NotReady {
                    desktop: desktop.clone(),
                    state: told(&state),
                    log: log_of(&state),
                }),
            }
        }
        Desktop::Stop {
            desktop,
            all: _,
            place,
        } => {
            let mut launcher = Client::connect(&place.run_dir()?)?;
            let desktops = match desktop {
                Some(desktop) => vec![desktop.clone()],
                None => launcher
                    .list(None)?
                    .into_iter()
                    // An attached server has no profile and is not Deskway's to stop.
                    .filter(|desktop| desktop.profile.is_some() && is_running(&desktop.state))
                    .map(|desktop| desktop.id)
                    .collect(),
            };
            for desktop in desktops {
                launcher.stop(&desktop)?;
                out::print(&format!("`{desktop}` is stopped\n"))?;
            }
            Ok(())
        }
    }
}

impl RunPlace {
    /// Where the launcher is: as the flags say; else one's own when it runs, else the machine's.
    pub(super) fn run_dir(&self) -> Result<PathBuf, Error> {
        let overrides = Overrides {
            run_dir: self.run_dir.clone(),
            ..Overrides::default()
        };
        let (config, _) = config::load(self.config.as_deref(), &overrides)?;
        let own = config.paths.run;
        if self.run_dir.is_some() || self.config.is_some() {
            return Ok(own);
        }
        let machines = Config::default_for(0).paths.run;
        Ok(nearest(own, machines, |run| Client::connect(run).is_ok()))
    }
}

fn nearest(own: PathBuf, machines: PathBuf, runs: impl Fn(&Path) -> bool) -> PathBuf {
    if !runs(&own) && runs(&machines) {
        machines
    } else {
        own
    }
}

fn is_running(state: &DesktopState) -> bool {
    match state {
        DesktopState::Starting { .. }
        | DesktopState::Ready { .. }
        | DesktopState::Frozen { .. }
        | DesktopState::Stopping => true,
        DesktopState::Absent | DesktopState::Gone { .. } | DesktopState::Failed { .. } => false,
    }
}

/// A desktop as `desktop list --json` prints it.
#[derive(Serialize)]
struct Row<'a> {
    /// As other commands take it: `alice` or `alice/work`.
    id: String,
    owner: &'a str,
    name: &'a str,
    /// `null` for an attached VNC server.
    profile: Option<&'a str>,
    /// `absent`, `starting`, `ready`, `stopping`, `gone` or `failed`.
    state: &'static str,
    /// `screen` or `session`, while it is starting.
    stage: Option<&'static str>,
    /// When the state began, in seconds since 1970, where that is known.
    since: Option<u64>,
    /// Why it ended, in plain words.
    cause: Option<String>,
}

impl<'a> Row<'a> {
    fn new(desktop: &'a DesktopInfo) -> Self {
        let (state, stage, since, cause) = match &desktop.state {
            DesktopState::Absent => ("absent", None, None, None),
            DesktopState::Starting { stage, since } => {
                ("starting", Some(stage_name(*stage)), Some(*since), None)
            }
            DesktopState::Ready { since } => ("ready", None, Some(*since), None),
            DesktopState::Frozen { since, .. } => ("frozen", None, Some(*since), None),
            DesktopState::Stopping => ("stopping", None, None, None),
            DesktopState::Gone { cause, at } => ("gone", None, Some(*at), Some(cause.to_string())),
            DesktopState::Failed { cause, at, .. } => {
                ("failed", None, Some(*at), Some(cause.to_string()))
            }
        };
        Self {
            id: desktop.id.to_string(),
            owner: desktop.id.owner.as_str(),
            name: desktop.id.name.as_str(),
            profile: desktop.profile.as_ref().map(ProfileId::as_str),
            state,
            stage,
            since,
            cause,
        }
    }
}

fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::Screen => "screen",
        Stage::Session => "session",
    }
}

fn as_json(desktops: &[DesktopInfo]) -> Result<String, Error> {
    let rows: Vec<_> = desktops.iter().map(Row::new).collect();
    out::json(&rows)
}

fn as_table(desktops: &[DesktopInfo]) -> String {
    if desktops.is_empty() {
        return "no desktop is running\n".to_owned();
    }
    let row = |desktop: &DesktopInfo| {
        let profile = desktop
            .profile
            .as_ref()
            .map_or("(attached)", ProfileId::as_str);
        vec![
            desktop.id.to_string(),
            profile.to_owned(),
            told(&desktop.state),
        ]
    };
    out::table(&["DESKTOP", "SESSION", "STATE"], desktops.iter().map(row))
}

/// A state in plain words.
fn told(state: &DesktopState) -> String {
    match state {
        DesktopState::Absent => "not running".to_owned(),
        DesktopState::Starting { stage, .. } => format!("starting the {}", stage_name(*stage)),
        DesktopState::Ready { .. } => "ready".to_owned(),
        DesktopState::Frozen { .. } => "frozen".to_owned(),
        DesktopState::Stopping => "stopping".to_owned(),
        DesktopState::Gone { cause, .. } => format!("gone: {cause}"),
        DesktopState::Failed { cause, .. } => format!("failed: {cause}"),
    }
}

/// The end of a failed desktop's log, for its owner's terminal: without control characters,
/// which could do things there.
fn log_of(state: &DesktopState) -> String {
    let DesktopState::Failed { log, .. } = state else {
        return String::new();
    };
    let plain = |c: &char| *c == '\n' || !c.is_control();
    let text: String = log.trim_end().chars().filter(plain).collect();
    if text.is_empty() {
        text
    } else {
        format!("\n{text}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EndCause, Exit};

    fn desktops() -> Vec<DesktopInfo> {
        let failed = DesktopState::Failed {
            cause: EndCause::SessionDied {
                how: Exit::Code(1),
                after: 2,
            },
            log: "bad\u{1b}[2Jness\n".to_owned(),
            at: 7,
        };
        let states = [
            ("alice", Some("xfce"), DesktopState::Ready { since: 5 }),
            ("alice/office", None, DesktopState::Absent),
            ("bob", Some("xfce"), failed),
        ];
        let info = |(id, profile, state): (&str, Option<&str>, _)| DesktopInfo {
            id: id.parse().unwrap(),
            profile: profile.map(|id| id.parse().unwrap()),
            state,
            active: None,
            notices: Vec::new(),
        };
        states.map(info).to_vec()
    }

    #[test]
    fn the_table_names_desktops_as_other_commands_take_them() {
        let table = as_table(&desktops());
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines[1], "alice         xfce        ready");
        assert_eq!(lines[2], "alice/office  (attached)  not running");
        assert!(lines[3].ends_with("failed: The session ended after 2 s with exit status 1."));
        assert_eq!(as_table(&[]), "no desktop is running\n");
    }

    #[test]
    fn the_json_says_state_time_and_cause() {
        let json: serde_json::Value = serde_json::from_str(&as_json(&desktops()).unwrap()).unwrap();
        assert_eq!(json[0]["state"], "ready");
        assert_eq!(json[0]["since"], 5);
        assert_eq!(json[0]["name"], "main");
        assert_eq!(json[1]["profile"], serde_json::Value::Null);
        assert!(json[2]["cause"].as_str().unwrap().contains("exit status 1"));
    }

    #[test]
    fn a_person_reaches_the_machines_launcher_unless_they_run_their_own() {
        let (own, machines) = (
            Path::new("/run/user/1000/deskway"),
            Path::new("/run/deskway"),
        );
        let reached =
            |running: &[&Path]| nearest(own.into(), machines.into(), |run| running.contains(&run));
        assert_eq!(reached(&[own, machines]), own);
        assert_eq!(reached(&[machines]), machines);
        assert_eq!(reached(&[]), own);
    }

    #[test]
    fn a_log_cannot_play_with_the_terminal() {
        assert_eq!(log_of(&desktops()[2].state), "\nbad[2Jness");
        assert_eq!(log_of(&desktops()[0].state), "");
    }
}
