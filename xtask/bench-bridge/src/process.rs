//! What processes use: read from `/proc`, for a relay and everything below it.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};

/// These processes and all below them.
pub fn tree(roots: &[u32]) -> Result<Vec<u32>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        if let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok())
            && let Some(parent) = parent(pid)
        {
            parents.push((pid, parent));
        }
    }
    let mut found = roots.to_vec();
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        let children = parents.iter().filter(|(_, parent)| *parent == pid);
        found.extend(children.map(|(child, _)| *child));
        next += 1;
    }
    Ok(found)
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Behind the name, which may hold anything: state, then the parent.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(1)?.parse().ok()
}

/// The processor time that processes use from one moment on.
pub struct Meter {
    pids: Vec<u32>,
    before: Duration,
}

impl Meter {
    /// From now on.
    pub fn start(pids: Vec<u32>) -> Result<Self> {
        let before = cpu(&pids)?;
        Ok(Self { pids, before })
    }

    /// Seconds until now.
    pub fn seconds(&self) -> Result<f64> {
        Ok(cpu(&self.pids)?.saturating_sub(self.before).as_secs_f64())
    }
}

/// The time on a processor of all threads of these processes, to the nanosecond. Whoever ended
/// is not counted: measure between two moments at which the same ones live.
fn cpu(pids: &[u32]) -> Result<Duration> {
    let mut sum = 0;
    for pid in pids {
        let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
            continue;
        };
        for task in tasks.flatten() {
            let Ok(text) = fs::read_to_string(task.path().join("schedstat")) else {
                continue;
            };
            let first = text.split_whitespace().next();
            sum += first.and_then(|it| it.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    if sum == 0 {
        bail!("the kernel tells nothing in /proc/PID/task/*/schedstat");
    }
    Ok(Duration::from_nanos(sum))
}

/// The memory of these processes in bytes, what they share divided among the sharers (PSS).
pub fn memory(pids: &[u32]) -> Result<u64> {
    rolled_up(pids, "Pss:")
}

/// The memory in bytes that these processes have written to and share with nobody. What is shared
/// with processes that come and go does not show in it, so that differences can be taken.
pub fn own_memory(pids: &[u32]) -> Result<u64> {
    rolled_up(pids, "Private_Dirty:")
}

/// The sum of a line of `smaps_rollup` (proc(5)), in bytes.
fn rolled_up(pids: &[u32], name: &str) -> Result<u64> {
    let mut sum = 0;
    for pid in pids {
        let Ok(text) = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) else {
            continue;
        };
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next());
        let number = number.with_context(|| format!("no {name} in smaps_rollup"))?;
        sum += number.parse::<u64>()? * 1024;
    }
    Ok(sum)
}

/// Waits until these processes and their children use next to nothing.
pub fn wait_until_still(roots: &[u32], within: Duration) -> Result<()> {
    /// Of one processor. Those who wake up for nothing now and then are still.
    const REST: u32 = 20;
    let deadline = Instant::now() + within;
    let span = Duration::from_millis(200);
    while Instant::now() < deadline {
        let before = (tree(roots)?, Instant::now());
        let used = cpu(&before.0)?;
        pause(span);
        let now = tree(roots)?;
        if now == before.0 && cpu(&now)?.saturating_sub(used) < before.1.elapsed() / REST {
            return Ok(());
        }
    }
    bail!("still busy after {} s", within.as_secs())
}

/// Whether somebody listens on that port of 127.0.0.1 (looked up, not tried).
pub fn is_listening(port: u16) -> bool {
    let wanted = format!("0100007F:{port:04X}");
    let any = format!("00000000:{port:04X}");
    let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    table.lines().any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let local = fields.next();
        let listens = fields.nth(1) == Some("0A");
        listens && (local == Some(&wanted) || local == Some(&any))
    })
}

/// Ends exactly these processes, at once.
pub fn kill(pids: &[u32]) {
    for pid in pids.iter().filter_map(|&pid| i32::try_from(pid).ok()) {
        if let Some(pid) = Pid::from_raw(pid) {
            // One that has ended by itself is as good.
            _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// As many descriptors as this process may have; what it starts inherits them.
pub fn raise_descriptor_limit() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, most).context("cannot raise the limit of descriptors")
}

/// Lets time pass. A benchmark measures what happens meanwhile; there is no event to wait for.
pub fn pause(span: Duration) {
    let end = Instant::now() + span;
    while let Some(left) = end.checked_duration_since(Instant::now())
        && !left.is_zero()
    {
        std::thread::park_timeout(left);
    }
}
