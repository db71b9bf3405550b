//! Which hierarchies of control groups are mounted, as `/proc/self/mountinfo` says (proc(5)).

use std::path::PathBuf;

/// The controllers of version 1 that are used here, each with its mount.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct V1 {
    pub(super) memory: Option<PathBuf>,
    pub(super) cpu: Option<PathBuf>,
    pub(super) cpuacct: Option<PathBuf>,
    pub(super) pids: Option<PathBuf>,
    pub(super) freezer: Option<PathBuf>,
    /// A hierarchy of version 2 beside them: no controllers, but it freezes, kills and tells
    /// pressure.
    pub(super) unified: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    V1(V1),
    /// Version 2 alone.
    V2(PathBuf),
    Nothing,
}

impl Found {
    pub(super) fn in_text(mountinfo: &str) -> Self {
        let mut v1 = V1::default();
        for (place, kind, options) in mountinfo.lines().filter_map(mount) {
            let place = || Some(PathBuf::from(place));
            match kind {
                "cgroup2" => v1.unified = v1.unified.or_else(place),
                "cgroup" => {
                    for option in options.split(',') {
                        let known = match option {
                            "memory" => &mut v1.memory,
                            "cpu" => &mut v1.cpu,
                            "cpuacct" => &mut v1.cpuacct,
                            "pids" => &mut v1.pids,
                            "freezer" => &mut v1.freezer,
                            _ => continue,
                        };
                        *known = known.take().or_else(place);
                    }
                }
                _ => {}
            }
        }
        let has_v1 = [&v1.memory, &v1.cpu, &v1.pids, &v1.freezer]
            .iter()
            .any(|controller| controller.is_some());
        match v1.unified.take() {
            unified if has_v1 => Self::V1(V1 { unified, ..v1 }),
            Some(root) => Self::V2(root),
            None => Self::Nothing,
        }
    }
}

/// Whether every hierarchy is mounted from its own root on.
pub(super) fn are_whole(mountinfo: &str) -> bool {
    let is_part = |line: &str| {
        let kind = mount(line).map(|(_, kind, _)| kind);
        let root = line.split(' ').nth(3);
        matches!(kind, Some("cgroup" | "cgroup2")) && root != Some("/")
    };
    !mountinfo.lines().any(is_part)
}

/// Where, what kind, and the file system's own options.
fn mount(line: &str) -> Option<(&str, &str, &str)> {
    let (before, after) = line.split_once(" - ")?;
    let place = before.split(' ').nth(4)?;
    let mut after = after.split(' ');
    let kind = after.next()?;
    let options = after.nth(1)?;
    Some((place, kind, options))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_2_alone() {
        let text = "24 23 0:22 / /sys rw - sysfs sysfs rw\n\
                    25 24 0:23 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
        assert_eq!(Found::in_text(text), Found::V2("/sys/fs/cgroup".into()));
    }

    #[test]
    fn version_1_with_an_empty_version_2_beside_it() {
        let text = "32 31 0:29 / /c/cpu rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n\
                    35 31 0:32 / /c/memory rw - cgroup cgroup rw,memory\n\
                    40 31 0:37 / /c/systemd rw - cgroup cgroup rw,name=systemd\n\
                    41 31 0:38 / /c/unified rw - cgroup2 cgroup2 rw\n";
        let Found::V1(found) = Found::in_text(text) else {
            panic!("not found");
        };
        assert_eq!(found.cpu, Some("/c/cpu".into()));
        assert_eq!(found.cpuacct, Some("/c/cpu".into()));
        assert_eq!(found.memory, Some("/c/memory".into()));
        assert_eq!(found.unified, Some("/c/unified".into()));
        assert_eq!(found.pids, None);
    }

    #[test]
    fn a_container_that_sees_a_part_is_told_from_the_whole() {
        let whole = "24 23 0:22 /x /sys rw - sysfs sysfs rw\n\
                     25 24 0:23 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        assert!(are_whole(whole));
        assert!(!are_whole(&whole.replace("0:23 /", "0:23 /docker/x")));
    }

    #[test]
    fn nothing_is_mounted() {
        let text = "24 23 0:22 / /sys rw - sysfs sysfs rw\nnonsense\n";
        assert_eq!(Found::in_text(text), Found::Nothing);
    }
}
