//! What runs on this machine, as `/proc` tells it.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

/// How long anything that a test waits for may take.
pub const PATIENCE: Duration = Duration::from_mins(2);
/// Between two looks at what gives no event.
const LOOK: Duration = Duration::from_millis(10);

/// All living processes of a user: number and command line.
pub fn of_user(uid: u32) -> Vec<(i32, String)> {
    all()
        .filter(|pid| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let field = |name: &str| {
                let line = status.lines().find(|line| line.starts_with(name));
                line.and_then(|line| line.split_whitespace().nth(1).map(str::to_owned))
            };
            field("Uid:") == Some(uid.to_string()) && field("State:").as_deref() != Some("Z")
        })
        .map(|pid| (pid, command_line(pid)))
        .collect()
}

/// Those of a user's desktops: the agents and all below them. The launcher's children that are
/// the user for a moment, to connect somewhere, are left out.
pub fn of_desktops(uid: u32) -> Vec<(i32, String)> {
    let all = of_user(uid);
    let is_below = |pid: i32| {
        let line = std::iter::successors(Some(pid), |pid| deskway_osuser::parent(*pid).ok());
        line.take_while(|pid| *pid > 1)
            .any(|pid| command_line(pid).starts_with("deskway agent"))
    };
    all.into_iter()
        .filter(|(pid, command)| !command.is_empty() && is_below(*pid))
        .collect()
}

/// The one process of a user whose command line has `part` in it.
pub fn one(uid: u32, part: &str) -> i32 {
    let found: Vec<(i32, String)> = of_user(uid)
        .into_iter()
        .filter(|(_, command)| command.contains(part))
        .collect();
    let [(pid, _)] = found.as_slice() else {
        panic!("not one {part}: {found:?} of {:?}", of_user(uid));
    };
    *pid
}

/// The processes that have a string in their command line or environment, but for recorders, which
/// live as long as their launchers and a moment longer.
pub fn mentioning(text: &str) -> BTreeSet<i32> {
    let own = i32::try_from(std::process::id()).unwrap();
    all()
        .filter(|pid| *pid != own && !is_recorder(*pid))
        .filter(|pid| {
            ["cmdline", "environ"].iter().any(|file| {
                let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
                String::from_utf8_lossy(&bytes).contains(text)
            })
        })
        .collect()
}

pub fn parent(pid: i32) -> i32 {
    deskway_osuser::parent(pid).unwrap()
}

/// Whether a launcher has children, ended ones that nobody has waited for too, besides its recorder.
pub fn has_children(parent: i32) -> bool {
    all().any(|pid| deskway_osuser::parent(pid).is_ok_and(|of| of == parent) && !is_recorder(pid))
}

fn is_recorder(pid: i32) -> bool {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    name == "deskway-audit\n"
}

pub fn command_line(pid: i32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

pub fn kill(pid: i32) {
    signal(pid, rustix::process::Signal::KILL);
}

pub fn signal(pid: i32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// Waits for what gives no event to wait for.
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, look).unwrap_or_else(|| panic!("{what} did not happen"))
}

/// As [`until`], but `None` when it did not happen in that time.
pub fn within<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() > deadline {
            return None;
        }
        let pause = rustix::event::Timespec::try_from(LOOK).unwrap();
        rustix::event::poll(&mut [], Some(&pause)).unwrap();
    }
}

fn all() -> impl Iterator<Item = i32> {
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
}
