//! What runs below the agent, read from `/proc`. The agent is its children's subreaper: what
//! they leave behind stays below it.

use std::collections::HashSet;
use std::fs;
use std::io::Read;

use rustix::process::{Pid, Signal, WaitOptions, kill_process};

use crate::model::Exit;

/// Most bytes of a process's environment that are looked at.
const MAX_ENVIRON: u64 = 128 * 1024;

/// Most children reaped in one turn of the loop.
const MAX_TURN: usize = 256;

/// One process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: Pid,
    parent: i32,
    /// The program's name, cut at 15 bytes by the kernel.
    name: String,
    /// Ended, and only waiting to be reaped.
    zombie: bool,
}

/// Reaps the children that have ended; true when there may be more of them.
pub(super) fn reap() -> (Vec<(Pid, Exit)>, bool) {
    let mut ended = Vec::new();
    while ended.len() < MAX_TURN {
        let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) else {
            return (ended, false);
        };
        let exit = match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Exit::Code(code),
            (None, signal) => Exit::Signal(signal.unwrap_or_default()),
        };
        ended.push((pid, exit));
    }
    (ended, true)
}

/// Every living process below the agent, except `but` and what is below those.
pub(super) fn below(but: &[Pid]) -> Vec<Process> {
    descendants(&all(), rustix::process::getpid(), but)
}

/// Sends `signal`; one that is gone or is not ours is left as it is.
pub(super) fn signal(processes: &[Process], signal: Signal) {
    for process in processes {
        let _gone = kill_process(process.pid, signal);
    }
}

impl Process {
    /// Whether it serves the session without being it: a message bus, or something that a bus
    /// started on demand. Such may outlive the session, and nobody would see them.
    pub(super) fn serves(&self) -> bool {
        if matches!(
            self.name.as_str(),
            "dbus-daemon" | "dbus-launch" | "ssh-agent" | "gpg-agent"
        ) {
            return true;
        }
        let mut environ = Vec::new();
        let path = format!("/proc/{}/environ", self.pid.as_raw_nonzero());
        let read = fs::File::open(path).and_then(|file| {
            let mut file = file.take(MAX_ENVIRON);
            file.read_to_end(&mut environ)
        });
        read.is_ok()
            && environ
                .split(|&byte| byte == 0)
                .any(|variable| variable.starts_with(b"DBUS_STARTER_ADDRESS="))
    }
}

fn all() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| {
            let pid: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
            parse(&String::from_utf8_lossy(&stat))
        })
        .collect()
}

/// `pid (name) state parent …` (`proc(5)`). The name may hold anything, so its end is the last
/// `)`.
fn parse(stat: &str) -> Option<Process> {
    let (pid, rest) = stat.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?;
    Some(Process {
        pid: Pid::from_raw(pid.parse().ok()?)?,
        parent: fields.next()?.parse().ok()?,
        name: name.to_owned(),
        zombie: matches!(state, "Z" | "X"),
    })
}

fn descendants(all: &[Process], root: Pid, but: &[Pid]) -> Vec<Process> {
    let mut inside: HashSet<i32> = HashSet::from([root.as_raw_nonzero().get()]);
    // A child may be listed before its parent: go on until nothing is added.
    loop {
        let known = inside.len();
        for process in all {
            if inside.contains(&process.parent) && !but.contains(&process.pid) {
                inside.insert(process.pid.as_raw_nonzero().get());
            }
        }
        if inside.len() == known {
            break;
        }
    }
    all.iter()
        .filter(|process| {
            inside.contains(&process.pid.as_raw_nonzero().get())
                && process.pid != root
                && !process.zombie
        })
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pid(raw: i32) -> Pid {
        Pid::from_raw(raw).unwrap()
    }

    #[test]
    fn a_name_with_brackets_does_not_confuse_the_parser() {
        let process = parse("7 (a) R 1 (b) S 5 7 7 0 -1").unwrap();
        assert_eq!((process.pid, process.parent), (pid(7), 5));
        assert_eq!(process.name, "a) R 1 (b");
    }

    #[test]
    fn the_dead_the_excepted_and_strangers_are_left_out() {
        let stats = [
            "9 (grandchild) S 5 9", // listed before its parent
            "2 (agent) S 1 2",
            "3 (Xtigervnc) S 2 3",
            "4 (xkbcomp) S 3 4",
            "5 (session) S 2 5",
            "6 (dead) Z 2 6",
            "7 (stranger) S 1 7",
        ];
        let all: Vec<_> = stats.iter().filter_map(|stat| parse(stat)).collect();
        let found: Vec<_> = descendants(&all, pid(2), &[pid(3)])
            .iter()
            .map(|process| process.name.clone())
            .collect();
        assert_eq!(found, ["grandchild", "session"]);
    }
}
