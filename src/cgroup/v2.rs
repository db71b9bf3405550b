//! Control groups of version 2: one directory.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::systemd::Scope;
use super::{Controls, Holds, Memory, Pressure, WEIGHT, files, pressure};
use crate::config::Limits;

/// The period of the processor quota in microseconds.
const PERIOD: u64 = 100_000;
/// What the groups need, as `cgroup.subtree_control` takes it.
const CONTROLLERS: [&str; 3] = ["memory", "cpu", "pids"];

/// Which controllers there are for groups below `root`. A container's root that has processes in it
/// hands on none but those that it does already.
pub(super) fn holds(root: &Path) -> Holds {
    let found = files::read(root, "cgroup.controllers").unwrap_or_default();
    let on = files::read(root, "cgroup.subtree_control").unwrap_or_default();
    let is_in = |list: &str, name: &str| list.split_whitespace().any(|word| word == name);
    let is_whole = !root.join("cgroup.type").exists();
    let may = is_whole || files::process_ids(root).is_ok_and(|ids| ids.is_empty());
    let has = |name| is_in(if may { &found } else { &on }, name);
    Holds {
        memory: has("memory"),
        cpu: has("cpu"),
        processes: has("pids"),
        freezing: true,
    }
}

/// Hands the controllers on from `root` to the groups in `root`/`parent`, and gives them all together
/// their share of the processors.
///
/// # Errors
/// When one of the directories is gone or cannot be written.
pub(super) fn prepare(root: &Path, parent: &Path) -> io::Result<()> {
    let mut at = root.to_owned();
    hand_on(&at)?;
    for part in parent {
        at.push(part);
        hand_on(&at)?;
    }
    if let Some(first) = parent.iter().next() {
        // Without it they get less where others are busy.
        drop(files::write(
            &root.join(first),
            "cpu.weight",
            &WEIGHT.to_string(),
        ));
    }
    Ok(())
}

fn hand_on(directory: &Path) -> io::Result<()> {
    let found = files::read(directory, "cgroup.controllers")?;
    let on = files::read(directory, "cgroup.subtree_control")?;
    let is_in = |list: &str, name: &str| list.split_whitespace().any(|word| word == name);
    for name in CONTROLLERS {
        if is_in(&found, name) && !is_in(&on, name) {
            match files::write(directory, "cgroup.subtree_control", &format!("+{name}")) {
                // A container's root with processes in it: `holds` has told.
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {}
                handed => handed?,
            }
        }
    }
    Ok(())
}

/// One group.
#[derive(Clone, Debug)]
pub(super) struct Files {
    directory: PathBuf,
    /// Of systemd's, which makes it and removes it.
    scope: Option<Scope>,
}

impl Files {
    pub(super) fn new(directory: PathBuf) -> Self {
        let scope = None;
        Self { directory, scope }
    }

    pub(super) fn of_scope(directory: PathBuf, scope: Scope) -> Self {
        let scope = Some(scope);
        Self { directory, scope }
    }

    /// A controller that the kernel has not is no error: [`holds`] has told.
    fn set(&self, file: &str, value: Option<String>) -> io::Result<()> {
        match value {
            Some(value) if self.directory.join(file).exists() => {
                files::write(&self.directory, file, &value)
            }
            _ => Ok(()),
        }
    }
}

impl Controls for Files {
    fn limit(&self, limits: &Limits) -> io::Result<()> {
        let text = |number: Option<u64>| number.map(|number| number.to_string());
        self.set("memory.high", text(limits.memory_high))?;
        self.set("memory.max", text(limits.memory_max))?;
        // As much once more on disk, where what is frozen can go.
        self.set("memory.swap.max", text(limits.memory_max))?;
        self.set("cpu.weight", text(limits.cpu_weight.map(u64::from)))?;
        let quota = limits
            .cpu_quota
            .map(|quota| u64::from(quota) * PERIOD / 100);
        self.set("cpu.max", quota.map(|quota| format!("{quota} {PERIOD}")))?;
        self.set("pids.max", text(limits.processes.map(u64::from)))
    }

    fn enter(&self, limits: &Limits) -> io::Result<()> {
        match &self.scope {
            Some(scope) => scope.enter(limits),
            None => files::write(&self.directory, "cgroup.procs", "0"),
        }
    }

    fn set_frozen(&self, frozen: bool) -> io::Result<()> {
        files::write(
            &self.directory,
            "cgroup.freeze",
            if frozen { "1" } else { "0" },
        )
    }

    fn is_frozen(&self) -> io::Result<bool> {
        Ok(files::value(&self.directory, "cgroup.events", "frozen")? == 1)
    }

    fn is_to_stand_still(&self) -> io::Result<bool> {
        Ok(files::number(&self.directory, "cgroup.freeze")? == 1)
    }

    fn reclaim(&self) -> io::Result<()> {
        let used = files::number(&self.directory, "memory.current")?;
        let path = self.directory.join("memory.reclaim");
        match std::fs::OpenOptions::new().write(true).open(path) {
            // Having got less than asked for is EAGAIN.
            Ok(mut file) => match io::Write::write_all(&mut file, used.to_string().as_bytes()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
                reclaimed => reclaimed,
            },
            Err(error) => Err(error),
        }
    }

    fn cpu_time(&self) -> io::Result<Duration> {
        files::value(&self.directory, "cpu.stat", "usage_usec").map(Duration::from_micros)
    }

    fn throttled(&self) -> io::Result<u64> {
        files::value(&self.directory, "cpu.stat", "nr_throttled")
    }

    fn quota(&self) -> io::Result<Option<u32>> {
        let text = files::read(&self.directory, "cpu.max")?;
        match text.trim().split_once(' ') {
            Some(("max", _)) => Ok(None),
            Some((quota, period)) => files::share(quota, period).map(Some),
            None => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    fn held_up(&self) -> io::Result<u64> {
        files::value(&self.directory, "memory.events", "high")
    }

    fn memory_high(&self) -> io::Result<Option<u64>> {
        files::number_or_max(&self.directory, "memory.high")
    }

    fn memory(&self) -> io::Result<Memory> {
        let used = files::number(&self.directory, "memory.current")?;
        let droppable = files::value(&self.directory, "memory.stat", "inactive_file")?;
        Ok(Memory {
            used: used.saturating_sub(droppable),
            max: files::number_or_max(&self.directory, "memory.max")?,
        })
    }

    fn process_ids(&self) -> io::Result<Vec<i32>> {
        files::process_ids(&self.directory)
    }

    fn processes(&self) -> io::Result<u32> {
        let found = files::number(&self.directory, "pids.current")?;
        u32::try_from(found).map_err(io::Error::other)
    }

    fn refused_processes(&self) -> io::Result<u64> {
        files::value(&self.directory, "pids.events", "max")
    }

    fn most_processes(&self) -> io::Result<Option<u64>> {
        files::number_or_max(&self.directory, "pids.max")
    }

    fn oom_kills(&self) -> io::Result<u64> {
        files::value(&self.directory, "memory.events", "oom_kill")
    }

    fn pressure(&self) -> Pressure {
        pressure::of(&self.directory)
    }

    fn kill_at_once(&self) -> io::Result<bool> {
        if self.directory.join("cgroup.kill").exists() {
            files::write(&self.directory, "cgroup.kill", "1").map(|()| true)
        } else {
            Ok(false)
        }
    }

    fn is_there(&self) -> bool {
        self.directory.is_dir()
    }

    fn directories(&self) -> Vec<&Path> {
        let own = self.scope.is_none();
        own.then_some(self.directory.as_path())
            .into_iter()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn limits_are_written_where_the_kernel_has_the_file() {
        let directory = tempfile::tempdir().unwrap();
        for file in ["memory.max", "cpu.max", "cpu.weight", "memory.swap.max"] {
            fs::write(directory.path().join(file), "").unwrap();
        }
        let limits = Limits {
            memory_high: Some(3 << 30),
            memory_max: Some(4 << 30),
            cpu_quota: Some(150),
            processes: Some(500),
            ..Limits::default()
        };
        Files::new(directory.path().to_owned())
            .limit(&limits)
            .unwrap();
        let read = |file| fs::read_to_string(directory.path().join(file));
        assert_eq!(read("memory.max").unwrap(), "4294967296");
        assert_eq!(read("memory.swap.max").unwrap(), "4294967296");
        assert_eq!(read("cpu.max").unwrap(), "150000 100000");
        assert_eq!(read("cpu.weight").unwrap(), "");
        assert!(read("memory.high").is_err() && read("pids.max").is_err());
    }

    #[test]
    fn a_root_that_is_none_and_has_processes_hands_nothing_new_on() {
        let directory = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| fs::write(directory.path().join(file), text).unwrap();
        write("cgroup.controllers", "cpu memory pids\n");
        write("cgroup.subtree_control", "pids\n");
        write("cgroup.procs", "7\n");
        assert!(
            holds(directory.path()).memory,
            "the machine's own root may have some"
        );
        write("cgroup.type", "domain\n");
        let found = holds(directory.path());
        assert!(!found.memory && !found.cpu && found.processes);
        write("cgroup.procs", "");
        assert!(holds(directory.path()).memory);
    }

    #[test]
    fn what_is_counted_is_read() {
        let directory = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("memory.current", "5000\n"),
            ("memory.stat", "anon 1\ninactive_file 2000\n"),
            ("memory.max", "max\n"),
            ("cpu.stat", "usage_usec 1500\nnr_throttled 3\n"),
            ("cpu.max", "150000 100000\n"),
            ("memory.high", "600\n"),
            ("memory.events", "low 0\nhigh 9\noom 2\noom_kill 1\n"),
            ("pids.events", "max 4\n"),
            ("pids.max", "max\n"),
            ("cgroup.events", "populated 1\nfrozen 0\n"),
            ("cgroup.freeze", "1\n"),
        ] {
            fs::write(directory.path().join(file), text).unwrap();
        }
        let group = Files::new(directory.path().to_owned());
        let (used, max) = (3000, None);
        assert_eq!(group.memory().unwrap(), Memory { used, max });
        assert_eq!(group.cpu_time().unwrap(), Duration::from_micros(1500));
        assert_eq!(group.throttled().unwrap(), 3);
        assert_eq!(group.quota().unwrap(), Some(150));
        assert_eq!(group.held_up().unwrap(), 9);
        assert_eq!(group.memory_high().unwrap(), Some(600));
        assert_eq!(group.oom_kills().unwrap(), 1);
        assert_eq!(group.refused_processes().unwrap(), 4);
        assert_eq!(group.most_processes().unwrap(), None);
        assert!(!group.is_frozen().unwrap(), "one still waits for its disk");
        assert!(group.is_to_stand_still().unwrap());
    }
}
