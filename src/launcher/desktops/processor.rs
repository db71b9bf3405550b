//! How much of the processor a desktop has had where no control group counts it: the sum over the
//! processes below its session child, from `/proc` (`proc(5)`).

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// What the kernel counts in is always this for programs (`sysconf(_SC_CLK_TCK)`).
const TICKS_PER_SECOND: u64 = 100;

/// Most processes that are looked at: a machine that has more would hold up the launcher.
const MAX_PROCESSES: usize = 20_000;
/// For so long what was seen is good enough for the next desktop: two looks at one are further apart.
const FRESH: Duration = Duration::from_secs(1);

struct Process {
    parent: i32,
    ticks: u64,
}

/// What `/proc` said of all processes of the machine, looked at for all desktops together.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    at: Option<Instant>,
    /// The ticks of each with all that are below it, when that can be told.
    ticks: Option<HashMap<i32, u64>>,
}

impl Processes {
    /// How much `root` and all below it have had, and when that was so: a moment ago at most. `None`
    /// when `/proc` cannot be read, or there are too many processes. Those that have ended are
    /// counted where they were waited for.
    pub(super) fn time_below(&mut self, root: i32, now: Instant) -> Option<(Duration, Instant)> {
        let seen = self
            .at
            .filter(|at| now.saturating_duration_since(*at) < FRESH);
        let at = seen.unwrap_or_else(|| {
            self.ticks = read(MAX_PROCESSES).map(|all| with_those_below(&all));
            now
        });
        self.at = Some(at);
        let ticks = self.ticks.as_ref()?.get(&root).copied().unwrap_or(0);
        Some((Duration::from_millis(ticks * (1000 / TICKS_PER_SECOND)), at))
    }
}

/// `None` when there are more than `most`, too.
fn read(most: usize) -> Option<HashMap<i32, Process>> {
    let mut all = HashMap::new();
    for entry in std::fs::read_dir("/proc").ok()? {
        let Some(pid) = entry.ok()?.file_name().to_str()?.parse::<i32>().ok() else {
            continue;
        };
        if all.len() >= most {
            return None;
        }
        let stat = std::fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
        if let Some(process) = parse(&String::from_utf8_lossy(&stat)) {
            all.insert(pid, process);
        }
    }
    Some(all)
}

/// Each process is added to its parent once all below it were added to it. The list was not made at
/// one moment: those that are below each other in a ring, which can be then, are never added.
fn with_those_below(all: &HashMap<i32, Process>) -> HashMap<i32, u64> {
    let mut ticks: HashMap<i32, u64> = all.iter().map(|(pid, it)| (*pid, it.ticks)).collect();
    let mut children: HashMap<i32, usize> = HashMap::new();
    for process in all.values() {
        *children.entry(process.parent).or_default() += 1;
    }
    let has_none = |pid: &&i32| !children.contains_key(*pid);
    let mut whole: Vec<i32> = all.keys().filter(has_none).copied().collect();
    while let Some(pid) = whole.pop() {
        let Some(parent) = all.get(&pid).map(|process| process.parent) else {
            continue;
        };
        let below = ticks.get(&pid).copied().unwrap_or(0);
        if let Some(sum) = ticks.get_mut(&parent) {
            *sum = sum.saturating_add(below);
        }
        if let Some(left) = children.get_mut(&parent) {
            *left -= 1;
            if *left == 0 {
                whole.push(parent);
            }
        }
    }
    ticks
}

/// `pid (name) state parent … utime stime cutime cstime …`; the name may hold anything.
fn parse(stat: &str) -> Option<Process> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Process {
        parent: fields.get(1)?.parse().ok()?,
        ticks: number(11)? + number(12)? + number(13)? + number(14)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_from_the_end_of_the_name_on() {
        let stat = "7 (a) 9 (b) S 5 7 7 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 99";
        let process = parse(stat).unwrap();
        assert_eq!((process.parent, process.ticks), (5, 100));
    }

    #[test]
    fn what_is_below_counts_whatever_the_lines_of_parents_look_like() {
        let long = 2..=10_000;
        let mut parents: Vec<(i32, i32)> = long.map(|pid| (pid, pid - 1)).collect();
        parents.extend([(1, 0), (20_000, 5_000), (20_001, 7)]);
        // A ring, and one below it.
        parents.extend([(30_000, 30_001), (30_001, 30_000), (30_002, 30_001)]);
        let process = |(pid, parent)| (pid, Process { parent, ticks: 1 });
        let ticks = with_those_below(&parents.into_iter().map(process).collect());
        assert_eq!(ticks.get(&10_000), Some(&1));
        assert_eq!(ticks.get(&5_000), Some(&5_002));
        assert_eq!(ticks.get(&7), Some(&(10_000 - 6 + 2)));
        assert_eq!(ticks.get(&1), Some(&10_002));
        assert_eq!(ticks.get(&30_000), Some(&1));
    }

    #[test]
    fn this_very_process_has_had_some() {
        let own = i32::try_from(std::process::id()).unwrap();
        let now = Instant::now();
        let mut processes = Processes::default();
        assert!(processes.time_below(own, now).is_some());
        // It is not looked again at once.
        let soon = processes.time_below(i32::MAX, now + FRESH / 2);
        assert_eq!(soon, Some((Duration::ZERO, now)));
        let later = processes.time_below(i32::MAX, now + FRESH);
        assert_eq!(later, Some((Duration::ZERO, now + FRESH)));
        assert!(read(1).is_none());
    }
}
