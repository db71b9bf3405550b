//! Control groups of version 1: a directory for each controller.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::mounts::V1;
use super::{Controls, Holds, Memory, Pressure, WEIGHT, files, pressure, systemd};
use crate::config::Limits;

/// The period of the processor quota in microseconds.
const PERIOD: u64 = 100_000;
/// What everybody's share is.
const SHARES: u64 = 1024;
/// Larger ones mean that there is no limit.
const NO_LIMIT: u64 = 1 << 60;

/// Hierarchies that may be written.
#[derive(Clone, Debug)]
pub(super) struct Mounts(V1);

/// One group: where it is in each hierarchy.
#[derive(Clone, Debug)]
pub(super) struct Files(V1);

impl Mounts {
    /// Those of `mounts` that may be written, if there is any.
    pub(super) fn writable(mounts: V1) -> Option<Self> {
        let check = |mount: Option<PathBuf>| mount.filter(|path| files::may_write(path).is_ok());
        // systemd has that hierarchy for itself.
        let own = !systemd::is_running();
        let found = V1 {
            memory: check(mounts.memory),
            cpu: check(mounts.cpu),
            cpuacct: check(mounts.cpuacct),
            pids: check(mounts.pids),
            freezer: check(mounts.freezer),
            unified: check(mounts.unified).filter(|_| own),
        };
        (found != V1::default()).then_some(Self(found))
    }

    pub(super) fn holds(&self) -> Holds {
        Holds {
            memory: self.0.memory.is_some(),
            cpu: self.0.cpu.is_some(),
            processes: self.0.pids.is_some(),
            freezing: self.0.unified.is_some() || self.0.freezer.is_some(),
        }
    }

    /// Gives all groups in `parent` together their share of the processors.
    pub(super) fn prepare(&self, parent: &Path) {
        if let Some(cpu) = &self.0.cpu {
            let shares = WEIGHT * SHARES / 100;
            // Without it they get less where others are busy.
            drop(files::write(
                &cpu.join(parent),
                "cpu.shares",
                &shares.to_string(),
            ));
        }
    }

    pub(super) fn group(&self, path: &Path) -> Files {
        let at = |mount: &Option<PathBuf>| mount.as_ref().map(|mount| mount.join(path));
        Files(V1 {
            memory: at(&self.0.memory),
            cpu: at(&self.0.cpu),
            cpuacct: at(&self.0.cpuacct),
            pids: at(&self.0.pids),
            freezer: at(&self.0.freezer),
            unified: at(&self.0.unified),
        })
    }
}

fn set(at: Option<&PathBuf>, file: &str, value: Option<u64>) -> io::Result<()> {
    match (at, value) {
        (Some(directory), Some(value)) => files::write(directory, file, &value.to_string()),
        _ => Ok(()),
    }
}

fn has(directory: Option<&PathBuf>) -> io::Result<&Path> {
    let directory = directory.map(PathBuf::as_path);
    directory.ok_or_else(|| io::ErrorKind::Unsupported.into())
}

impl Controls for Files {
    fn limit(&self, limits: &Limits) -> io::Result<()> {
        let V1 {
            memory, cpu, pids, ..
        } = &self.0;
        let (memory, cpu, pids) = (memory.as_ref(), cpu.as_ref(), pids.as_ref());
        let max = limits.memory_max;
        set(memory, "memory.limit_in_bytes", max)?;
        // A kernel without accounting of swap has no such file.
        let both = max.map(|max| max.saturating_mul(2));
        drop(set(memory, "memory.memsw.limit_in_bytes", both));
        // No more than a hint in this version.
        set(memory, "memory.soft_limit_in_bytes", limits.memory_high)?;
        let shares = limits
            .cpu_weight
            .map(|weight| u64::from(weight) * SHARES / 100);
        set(cpu, "cpu.shares", shares.map(|shares| shares.max(2)))?;
        let quota = limits
            .cpu_quota
            .map(|quota| u64::from(quota) * PERIOD / 100);
        set(cpu, "cpu.cfs_period_us", quota.map(|_| PERIOD))?;
        set(cpu, "cpu.cfs_quota_us", quota)?;
        set(pids, "pids.max", limits.processes.map(u64::from))
    }

    fn enter(&self, _: &Limits) -> io::Result<()> {
        let mut all = self.directories().into_iter();
        all.try_for_each(|directory| files::write(directory, "cgroup.procs", "0"))
    }

    fn set_frozen(&self, frozen: bool) -> io::Result<()> {
        if let Some(unified) = &self.0.unified {
            return files::write(unified, "cgroup.freeze", if frozen { "1" } else { "0" });
        }
        let state = if frozen { "FROZEN" } else { "THAWED" };
        files::write(has(self.0.freezer.as_ref())?, "freezer.state", state)
    }

    fn is_frozen(&self) -> io::Result<bool> {
        if let Some(unified) = &self.0.unified {
            return Ok(files::value(unified, "cgroup.events", "frozen")? == 1);
        }
        let state = files::read(has(self.0.freezer.as_ref())?, "freezer.state")?;
        Ok(state.trim() == "FROZEN")
    }

    fn is_to_stand_still(&self) -> io::Result<bool> {
        if let Some(unified) = &self.0.unified {
            return Ok(files::number(unified, "cgroup.freeze")? == 1);
        }
        Ok(files::number(has(self.0.freezer.as_ref())?, "freezer.self_freezing")? == 1)
    }

    fn reclaim(&self) -> io::Result<()> {
        files::write(has(self.0.memory.as_ref())?, "memory.force_empty", "0")
    }

    fn cpu_time(&self) -> io::Result<Duration> {
        files::number(has(self.0.cpuacct.as_ref())?, "cpuacct.usage").map(Duration::from_nanos)
    }

    fn throttled(&self) -> io::Result<u64> {
        files::value(has(self.0.cpu.as_ref())?, "cpu.stat", "nr_throttled")
    }

    fn quota(&self) -> io::Result<Option<u32>> {
        let cpu = has(self.0.cpu.as_ref())?;
        match files::read(cpu, "cpu.cfs_quota_us")?.trim() {
            "-1" => Ok(None),
            quota => files::share(quota, files::read(cpu, "cpu.cfs_period_us")?.trim()).map(Some),
        }
    }

    fn held_up(&self) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn memory_high(&self) -> io::Result<Option<u64>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn memory(&self) -> io::Result<Memory> {
        let directory = has(self.0.memory.as_ref())?;
        let used = files::number(directory, "memory.usage_in_bytes")?;
        let stat = files::read(directory, "memory.stat")?;
        let droppable = files::value_in(&stat, "total_inactive_file")?;
        let max = files::value_in(&stat, "hierarchical_memory_limit")?;
        Ok(Memory {
            used: used.saturating_sub(droppable),
            max: (max < NO_LIMIT).then_some(max),
        })
    }

    fn process_ids(&self) -> io::Result<Vec<i32>> {
        let directories = self.directories();
        files::process_ids(directories.first().ok_or(io::ErrorKind::Unsupported)?)
    }

    fn processes(&self) -> io::Result<u32> {
        let found = files::number(has(self.0.pids.as_ref())?, "pids.current")?;
        u32::try_from(found).map_err(io::Error::other)
    }

    fn refused_processes(&self) -> io::Result<u64> {
        files::value(has(self.0.pids.as_ref())?, "pids.events", "max")
    }

    fn most_processes(&self) -> io::Result<Option<u64>> {
        files::number_or_max(has(self.0.pids.as_ref())?, "pids.max")
    }

    fn oom_kills(&self) -> io::Result<u64> {
        files::value(
            has(self.0.memory.as_ref())?,
            "memory.oom_control",
            "oom_kill",
        )
    }

    fn pressure(&self) -> Pressure {
        self.0
            .unified
            .as_deref()
            .map(pressure::of)
            .unwrap_or_default()
    }

    fn kill_at_once(&self) -> io::Result<bool> {
        match &self.0.unified {
            Some(unified) if unified.join("cgroup.kill").exists() => {
                files::write(unified, "cgroup.kill", "1").map(|()| true)
            }
            _ => Ok(false),
        }
    }

    fn is_there(&self) -> bool {
        self.directories().iter().any(|path| path.is_dir())
    }

    fn directories(&self) -> Vec<&Path> {
        let V1 {
            memory,
            cpu,
            cpuacct,
            pids,
            freezer,
            unified,
        } = &self.0;
        let all = [memory, cpu, cpuacct, pids, freezer, unified];
        let mut all: Vec<&Path> = all.into_iter().flatten().map(PathBuf::as_path).collect();
        // `cpu` and `cpuacct` are often one hierarchy.
        all.dedup();
        all
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A group in directories of a test's own, with empty files as the kernel would have them.
    fn group(at: &Path, files: &[(&str, &[&str])]) -> Files {
        let place = |name: &str| {
            let (_, names) = files.iter().find(|(known, _)| *known == name)?;
            let directory = at.join(name);
            fs::create_dir(&directory).unwrap();
            for file in *names {
                fs::write(directory.join(file), "").unwrap();
            }
            Some(directory)
        };
        Files(V1 {
            memory: place("memory"),
            cpu: place("cpu"),
            cpuacct: None,
            pids: place("pids"),
            freezer: place("freezer"),
            unified: place("unified"),
        })
    }

    #[test]
    fn limits_are_written_in_the_units_of_each_file() {
        let directory = tempfile::tempdir().unwrap();
        let memory = ["memory.limit_in_bytes", "memory.soft_limit_in_bytes"];
        let cpu = ["cpu.shares", "cpu.cfs_period_us", "cpu.cfs_quota_us"];
        let files: [(&str, &[&str]); 3] =
            [("memory", &memory), ("cpu", &cpu), ("pids", &["pids.max"])];
        let limits = Limits {
            memory_high: Some(3 << 30),
            memory_max: Some(4 << 30),
            cpu_weight: Some(200),
            cpu_quota: Some(150),
            processes: Some(500),
            ..Limits::default()
        };
        let group = group(directory.path(), &files);
        group.limit(&limits).unwrap();
        assert_eq!(group.quota().unwrap(), Some(150));
        fs::write(directory.path().join("cpu/cpu.cfs_quota_us"), "-1\n").unwrap();
        assert_eq!(group.quota().unwrap(), None);
        group.limit(&limits).unwrap();
        let read = |file| fs::read_to_string(directory.path().join(file)).unwrap();
        assert_eq!(read("memory/memory.limit_in_bytes"), "4294967296");
        assert_eq!(read("memory/memory.soft_limit_in_bytes"), "3221225472");
        assert_eq!(read("cpu/cpu.shares"), "2048");
        assert_eq!(read("cpu/cpu.cfs_quota_us"), "150000");
        assert_eq!(read("cpu/cpu.cfs_period_us"), "100000");
        assert_eq!(read("pids/pids.max"), "500");
    }

    #[test]
    fn a_freeze_that_is_not_done_is_known_as_one_that_is_wished() {
        let directory = tempfile::tempdir().unwrap();
        let files: [(&str, &[&str]); 1] = [("freezer", &["freezer.state"])];
        let group = group(directory.path(), &files);
        let write = |file: &str, text: &str| {
            fs::write(directory.path().join("freezer").join(file), text).unwrap();
        };
        write("freezer.state", "FREEZING\n");
        write("freezer.self_freezing", "1\n");
        assert!(!group.is_frozen().unwrap());
        assert!(group.is_to_stand_still().unwrap());
        write("freezer.self_freezing", "0\n");
        assert!(!group.is_to_stand_still().unwrap());
    }

    #[test]
    fn without_a_version_2_beside_it_the_freezer_freezes() {
        let directory = tempfile::tempdir().unwrap();
        let files: [(&str, &[&str]); 1] = [("freezer", &["freezer.state"])];
        let group = group(directory.path(), &files);
        group.set_frozen(true).unwrap();
        assert!(group.is_frozen().unwrap());
        // Cut by the kernel, which takes each write for itself.
        fs::write(directory.path().join("freezer/freezer.state"), "").unwrap();
        group.set_frozen(false).unwrap();
        assert!(!group.is_frozen().unwrap());
        assert!(!group.kill_at_once().unwrap());
        assert!(group.cpu_time().is_err());
    }
}
