//! `deskway desktop list|start|stop|freeze|thaw|message`: asks the launcher on this machine.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Desktop, Error, RunPlace, out};
use crate::config::{self, Config, Overrides};
use crate::launcher::client::{Client, ClientError};
use crate::launcher::protocol::Refusal;
use crate::model::{Act, DesktopId, DesktopReport, DesktopState, ProfileId, Stage, Usage, bytes};
use crate::runtime::{Clock, printable};

/// # Errors
/// When the launcher cannot be asked or refuses, or a desktop does not come up.
pub fn run(args: &Desktop) -> Result<(), Error> {
    match args {
        Desktop::List { all, json, place } => {
            let (mut desktops, with_usage) = listed(&mut Client::connect(&place.run_dir()?)?)?;
            desktops.retain(|desktop| *all || is_running(&desktop.info.state));
            out::print(&if *json {
                as_json(&desktops)?
            } else {
                as_table(&desktops, with_usage.then(|| Clock::System.unix()))
            })
        }
        Desktop::Start {
            desktop,
            profile,
            json,
            place,
        } => {
            let mut launcher = Client::connect(&place.run_dir()?)?;
            match launcher.start(desktop, profile.clone())? {
                DesktopState::Ready { .. } => done(&mut launcher, desktop, "ready", *json),
                state => Err(Error::NotReady {
                    desktop: desktop.clone(),
                    state: printable(&told(&state)),
                    log: log_of(&state),
                }),
            }
        }
        Desktop::Stop {
            desktop,
            all: _,
            json,
            place,
        } => stop(&place.run_dir()?, desktop.as_ref(), *json),
        Desktop::Freeze {
            desktop,
            json,
            place,
        } => act(place, desktop, Act::Freeze, "frozen", *json),
        Desktop::Thaw {
            desktop,
            json,
            place,
        } => act(place, desktop, Act::Thaw, "ready", *json),
        Desktop::Message {
            desktop,
            text,
            json,
            place,
        } => act(place, desktop, Act::Message(text.clone()), "told", *json),
    }
}

fn stop(run: &Path, desktop: Option<&DesktopId>, json: bool) -> Result<(), Error> {
    let mut launcher = Client::connect(run)?;
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
    for desktop in &desktops {
        launcher.stop(desktop)?;
        if !json {
            out::print(&format!("`{desktop}` is stopped\n"))?;
        }
    }
    if json {
        let (mut stopped, _) = listed(&mut launcher)?;
        stopped.retain(|report| desktops.contains(&report.info.id));
        out::print(&as_json(&stopped)?)?;
    }
    Ok(())
}

fn act(
    place: &RunPlace,
    desktop: &DesktopId,
    act: Act,
    outcome: &str,
    json: bool,
) -> Result<(), Error> {
    let mut launcher = Client::connect(&place.run_dir()?)?;
    launcher.act(desktop, act)?;
    done(&mut launcher, desktop, outcome, json)
}

/// Says what has become of a desktop.
fn done(
    launcher: &mut Client,
    desktop: &DesktopId,
    outcome: &str,
    json: bool,
) -> Result<(), Error> {
    if !json {
        return out::print(&format!("`{desktop}` is {outcome}\n"));
    }
    let (all, _) = listed(launcher)?;
    let found = all.iter().find(|report| report.info.id == *desktop);
    out::print(&out::json(&found.map(Row::new))?)
}

/// The desktops that the asker may see, and whether what they take is told too.
fn listed(launcher: &mut Client) -> Result<(Vec<DesktopReport>, bool), Error> {
    match launcher.overview() {
        Ok(desktops) => Ok((desktops, true)),
        Err(ClientError::Refused(Refusal::Denied(_))) => {
            let own = launcher.list(None)?.into_iter();
            let report = |info| DesktopReport {
                info,
                usage: Usage::default(),
            };
            Ok((own.map(report).collect(), false))
        }
        Err(error) => Err(error.into()),
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
        | DesktopState::Closing
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
    /// `absent`, `starting`, `ready`, `frozen`, `stopping`, `gone` or `failed`.
    state: &'static str,
    /// `screen` or `session`, while it is starting.
    stage: Option<&'static str>,
    /// When the state began, in seconds since 1970, where that is known.
    since: Option<u64>,
    /// Why it ended, in plain words.
    cause: Option<String>,
    /// Its last sign of life, in seconds since 1970.
    active: Option<u64>,
    /// Bytes; this and what follows for root alone, and where a cgroup says so.
    memory: Option<u64>,
    memory_max: Option<u64>,
    /// Thousandths of one core.
    cpu: Option<u32>,
    processes: Option<u32>,
}

impl<'a> Row<'a> {
    fn new(report: &'a DesktopReport) -> Self {
        let DesktopReport {
            info: desktop,
            usage,
        } = report;
        let (state, stage, since, cause) = match &desktop.state {
            DesktopState::Absent => ("absent", None, None, None),
            DesktopState::Starting { stage, since } => {
                ("starting", Some(stage_name(*stage)), Some(*since), None)
            }
            DesktopState::Ready { since } => ("ready", None, Some(*since), None),
            DesktopState::Frozen { since, .. } => ("frozen", None, Some(*since), None),
            DesktopState::Closing | DesktopState::Stopping => ("stopping", None, None, None),
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
            active: desktop.active,
            memory: usage.memory,
            memory_max: usage.memory_max,
            cpu: usage.cpu,
            processes: usage.processes,
        }
    }
}

fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::Screen => "screen",
        Stage::Session => "session",
    }
}

fn as_json(desktops: &[DesktopReport]) -> Result<String, Error> {
    let rows: Vec<_> = desktops.iter().map(Row::new).collect();
    out::json(&rows)
}

/// With `now`, in seconds since 1970, also what they take.
fn as_table(desktops: &[DesktopReport], now: Option<u64>) -> String {
    if desktops.is_empty() {
        return "no desktop is running\n".to_owned();
    }
    let row = |DesktopReport { info, usage }: &DesktopReport| {
        let profile = info.profile.as_ref();
        let mut row = vec![
            info.id.to_string(),
            profile.map_or("(attached)", ProfileId::as_str).to_owned(),
        ];
        if let Some(now) = now {
            let idle = info.active.map(|active| idle(now.saturating_sub(active)));
            let cpu = usage.cpu.map(|cpu| format!("{} %", cpu.div_ceil(10)));
            let memory = usage.memory.map(bytes);
            row.extend([idle, cpu, memory].map(Option::unwrap_or_default));
        }
        row.push(told(&info.state));
        row
    };
    let header: &[&str] = match now {
        Some(_) => &["DESKTOP", "SESSION", "IDLE", "CPU", "MEMORY", "STATE"],
        None => &["DESKTOP", "SESSION", "STATE"],
    };
    out::table(header, desktops.iter().map(row))
}

/// Seconds in whole minutes, or hours.
fn idle(seconds: u64) -> String {
    match seconds / 60 {
        0 => "no".to_owned(),
        minutes @ 1..=119 => format!("{minutes} min"),
        minutes => format!("{} h", minutes / 60),
    }
}

/// A state in plain words.
fn told(state: &DesktopState) -> String {
    match state {
        DesktopState::Absent => "not running".to_owned(),
        DesktopState::Starting { stage, .. } => format!("starting the {}", stage_name(*stage)),
        DesktopState::Ready { .. } => "ready".to_owned(),
        DesktopState::Frozen { .. } => "frozen".to_owned(),
        DesktopState::Closing | DesktopState::Stopping => "stopping".to_owned(),
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
    use crate::model::{DesktopInfo, EndCause, Exit};

    fn desktops() -> Vec<DesktopReport> {
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
        let report = |(id, profile, state): (&str, Option<&str>, _)| DesktopReport {
            info: DesktopInfo {
                id: id.parse().unwrap(),
                profile: profile.map(|id| id.parse().unwrap()),
                state,
                active: None,
                notices: Vec::new(),
            },
            usage: Usage::default(),
        };
        states.map(report).to_vec()
    }

    #[test]
    fn the_table_names_desktops_as_other_commands_take_them() {
        let table = as_table(&desktops(), None);
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines[1], "alice         xfce        ready");
        assert_eq!(lines[2], "alice/office  (attached)  not running");
        assert!(lines[3].ends_with("failed: The session ended after 2 s with exit status 1."));
        assert_eq!(as_table(&[], None), "no desktop is running\n");
    }

    #[test]
    fn root_also_sees_what_desktops_take() {
        let mut desktops = desktops();
        desktops[0].info.active = Some(1000);
        desktops[0].usage = Usage {
            memory: Some(3 << 29),
            cpu: Some(125),
            ..Usage::default()
        };
        let table = as_table(&desktops, Some(1000 + 4 * 60));
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(
            lines[1],
            "alice         xfce        4 min  13 %  1.5 GB  ready"
        );
        assert_eq!(
            lines[2],
            "alice/office  (attached)                       not running"
        );
        let json: serde_json::Value = serde_json::from_str(&as_json(&desktops).unwrap()).unwrap();
        assert_eq!(
            (&json[0]["cpu"], &json[1]["cpu"]),
            (&125.into(), &().into())
        );
        assert_eq!(idle(3 * 3600 + 5), "3 h");
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
        assert_eq!(log_of(&desktops()[2].info.state), "\nbad[2Jness");
        assert_eq!(log_of(&desktops()[0].info.state), "");
    }
}
