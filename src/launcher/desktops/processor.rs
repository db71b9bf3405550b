//! How much of the processor a desktop has had where no control group counts it: the sum over the
//! processes below its session child, from `/proc` (`proc(5)`).

use std::collections::HashMap;
use std::time::Duration;

/// What the kernel counts in is always this for programs (`sysconf(_SC_CLK_TCK)`).
const TICKS_PER_SECOND: u64 = 100;

struct Process {
    parent: i32,
    ticks: u64,
}

/// `None` when `/proc` cannot be read. Processes that have ended are counted where they were waited
/// for.
pub(super) fn time_below(root: i32) -> Option<Duration> {
    let mut all = HashMap::new();
    for entry in std::fs::read_dir("/proc").ok()? {
        let Some(pid) = entry.ok()?.file_name().to_str()?.parse::<i32>().ok() else {
            continue;
        };
        let stat = std::fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
        if let Some(process) = parse(&String::from_utf8_lossy(&stat)) {
            all.insert(pid, process);
        }
    }
    let ticks = all
        .keys()
        .filter(|pid| is_below(**pid, root, &all))
        .filter_map(|pid| all.get(pid))
        .map(|process| process.ticks)
        .sum::<u64>();
    Some(Duration::from_millis(ticks * (1000 / TICKS_PER_SECOND)))
}

/// The longest line of parents there can be: the list was not made at one moment.
const MAX_DEPTH: usize = 1000;

fn is_below(pid: i32, root: i32, all: &HashMap<i32, Process>) -> bool {
    let parents = std::iter::successors(Some(pid), |pid| Some(all.get(pid)?.parent));
    parents.take(MAX_DEPTH).any(|pid| pid == root)
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
    fn this_very_process_has_had_some() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(time_below(own).is_some());
        assert_eq!(time_below(i32::MAX), Some(Duration::ZERO));
    }
}
