//! The kernel and the clock: what the sandbox, private directories and desktops need of them.

use super::finding::Finding;
use crate::cgroup::{Cgroups, Holds, Kind};

/// 2025-01-01: no clock that is right shows less.
const SANE_CLOCK: u64 = 1_735_689_600;
/// A file may be a little newer than the clock, after it was set.
const CLOCK_SLACK: u64 = 24 * 60 * 60;
/// What an idle XFCE desktop takes.
const DESKTOP_MIB: u64 = 180;

/// `now`, and when this program was written to disk: seconds since 1970.
pub(super) fn clock(now: u64, installed: u64) -> Finding {
    const CHECK: &str = "clock";
    const SET: &str = "set it: timedatectl set-ntp true";
    if now < SANE_CLOCK {
        Finding::wrong(CHECK, "it shows a time before 2025", SET)
    } else if now + CLOCK_SLACK < installed {
        Finding::wrong(
            CHECK,
            "it shows a time before this program was installed",
            SET,
        )
    } else {
        Finding::fine(CHECK, "plausible")
    }
}

/// What the kernel lets an ordinary user do with namespaces: the values of files below
/// `/proc/sys`, where they are.
pub(super) struct Namespaces {
    /// `user/max_user_namespaces`
    pub(super) max: Option<u64>,
    /// `kernel/unprivileged_userns_clone`, of Debian's kernels
    pub(super) clone: Option<u64>,
    /// `kernel/apparmor_restrict_unprivileged_userns`, of Ubuntu's kernels
    pub(super) apparmor: Option<u64>,
}

/// Root needs none. `wanted`: the configuration asks for a private `/tmp`.
pub(super) fn private_tmp(namespaces: &Namespaces, root: bool, wanted: bool) -> Finding {
    const CHECK: &str = "private /tmp";
    if !wanted {
        return Finding::fine(CHECK, "not asked for");
    }
    if root {
        return Finding::fine(CHECK, "by root");
    }
    let without = "desktops share /tmp: this kernel gives ordinary users no namespaces";
    if namespaces.max == Some(0) {
        Finding::note(
            CHECK,
            without,
            "as root: sysctl user.max_user_namespaces=10000",
        )
    } else if namespaces.clone == Some(0) {
        Finding::note(
            CHECK,
            without,
            "as root: sysctl kernel.unprivileged_userns_clone=1",
        )
    } else if namespaces.apparmor == Some(1) {
        let mend = "as root: sysctl kernel.apparmor_restrict_unprivileged_userns=0";
        Finding::note(CHECK, without, mend)
    } else {
        Finding::fine(CHECK, "by user namespaces")
    }
}

/// By what desktops are held to their limits, and which of them hold.
pub(super) fn limits(cgroups: &Cgroups, root: bool) -> Finding {
    by_cgroups(cgroups.kind(), cgroups.why_none(), cgroups.holds(), root)
}

fn by_cgroups(kind: Kind, why_none: Option<&str>, holds: Holds, root: bool) -> Finding {
    const CHECK: &str = "limits";
    let what = match kind {
        Kind::Systemd => "control groups (version 2) by systemd",
        Kind::V2 => "control groups (version 2)",
        Kind::V1 => "control groups (version 1, for which memory_high is a hint)",
        Kind::None => {
            let mut found = "no control groups that may be written".to_owned();
            if let Some(why) = why_none {
                found = format!("{found}: {why}");
            }
            found.push_str("; still held to: memory_max by each program for itself");
            if root {
                found.push_str(", processes by all that an account runs");
            }
            found.push_str(", desktops, hours_per_day, disk_warning; nothing can be frozen");
            let mend = if root {
                "in a container: let it have a cgroup file system that it may write"
            } else {
                "start Deskway as root"
            };
            return Finding::note(CHECK, found, mend);
        }
    };
    let controllers = [
        (holds.memory, "memory"),
        (holds.cpu, "cpu"),
        (holds.processes, "pids"),
        (holds.freezing, "freezer"),
    ];
    let missing: Vec<&str> = controllers
        .iter()
        .filter(|(there, _)| !there)
        .map(|(_, name)| *name)
        .collect();
    if missing.is_empty() {
        Finding::fine(CHECK, what)
    } else {
        let missing = missing.join(", ");
        let found = format!("{what}, without {missing}: those limits do not hold");
        let mend = "switch these controllers on; in a container, move what is in its root cgroup";
        Finding::note(CHECK, found, mend)
    }
}

/// What closes the web server in. `landlock`: whether the kernel takes a ruleset; `seccomp`: the
/// text of `/proc/sys/kernel/seccomp/actions_avail`.
pub(super) fn sandbox(landlock: bool, seccomp: Option<&str>) -> Finding {
    const CHECK: &str = "sandbox";
    let filters = seccomp.is_some_and(|actions| actions.split_whitespace().any(|it| it == "errno"));
    match (filters, landlock) {
        (true, true) => Finding::fine(CHECK, "seccomp and Landlock"),
        (true, false) => Finding::note(
            CHECK,
            "seccomp alone: this kernel has no Landlock",
            "a kernel from 5.13 on with `landlock` in its `lsm=` closes the web server in better",
        ),
        (false, _) => Finding::wrong(
            CHECK,
            "this kernel has no seccomp filters, without which the web server does not start",
            "use a kernel with CONFIG_SECCOMP_FILTER",
        ),
    }
}

/// Whether the kernel takes a Landlock ruleset. Makes one and closes it; nothing is restricted.
pub(super) fn has_landlock() -> bool {
    use landlock::{
        ABI, Access as _, AccessFs, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    };

    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))
        .and_then(Ruleset::create)
        .is_ok()
}

/// `meminfo`: the text of `/proc/meminfo`.
pub(super) fn memory(meminfo: &str) -> Finding {
    const CHECK: &str = "memory";
    let available = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    let Some(available) = available.map(|kib| kib / 1024) else {
        return Finding::note(CHECK, "unknown", "/proc/meminfo says nothing of it");
    };
    let desktops = available / DESKTOP_MIB;
    let found = format!("{available} MiB available, about {desktops} desktops");
    if desktops < 2 {
        Finding::note(
            CHECK,
            found,
            format!("an XFCE desktop takes about {DESKTOP_MIB} MiB"),
        )
    } else {
        Finding::fine(CHECK, found)
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;

    #[test]
    fn a_clock_that_cannot_be_right_is_wrong() {
        assert_eq!(clock(0, 0).state, State::Wrong);
        assert_eq!(
            clock(SANE_CLOCK, SANE_CLOCK + 2 * CLOCK_SLACK).state,
            State::Wrong
        );
        assert_eq!(
            clock(SANE_CLOCK, SANE_CLOCK + CLOCK_SLACK).state,
            State::Fine
        );
    }

    #[test]
    fn an_ordinary_user_without_namespaces_is_told_which_setting_is_at_fault() {
        let fine = || Namespaces {
            max: Some(1000),
            clone: None,
            apparmor: None,
        };
        let mend = |namespaces| private_tmp(&namespaces, false, true).mend;
        assert_eq!(mend(fine()), None);
        let named =
            |setting: &str, namespaces| assert!(mend(namespaces).unwrap().contains(setting));
        named(
            "max_user_namespaces",
            Namespaces {
                max: Some(0),
                ..fine()
            },
        );
        named(
            "userns_clone",
            Namespaces {
                clone: Some(0),
                ..fine()
            },
        );
        named(
            "apparmor",
            Namespaces {
                apparmor: Some(1),
                ..fine()
            },
        );
        let none = Namespaces {
            max: Some(0),
            ..fine()
        };
        assert_eq!(private_tmp(&none, true, true).state, State::Fine);
        assert_eq!(private_tmp(&none, false, false).state, State::Fine);
    }

    #[test]
    fn a_kernel_without_seccomp_is_wrong_and_one_without_landlock_a_note() {
        let actions = Some("kill_process kill_thread trap errno trace log allow\n");
        assert_eq!(sandbox(true, actions).state, State::Fine);
        assert_eq!(sandbox(false, actions).state, State::Note);
        assert_eq!(sandbox(true, None).state, State::Wrong);
        assert_eq!(sandbox(true, Some("")).state, State::Wrong);
    }

    #[test]
    fn without_control_groups_it_says_what_still_holds() {
        let all = Holds {
            memory: true,
            cpu: true,
            processes: true,
            freezing: true,
        };
        for kind in [Kind::V1, Kind::V2, Kind::Systemd] {
            assert_eq!(by_cgroups(kind, None, all, true).state, State::Fine);
        }
        let some = Holds {
            memory: false,
            ..all
        };
        let found = by_cgroups(Kind::V2, None, some, true);
        assert_eq!(found.state, State::Note);
        assert!(found.found.contains("without memory"), "{found}");
        let none = Holds::default();
        let root = by_cgroups(Kind::None, Some("read-only"), none, true).found;
        assert!(
            root.contains("read-only") && root.contains("processes"),
            "{root}"
        );
        let user = by_cgroups(Kind::None, None, none, false);
        assert!(!user.found.contains("processes"), "{user}");
        assert_eq!(user.mend.unwrap(), "start Deskway as root");
    }

    #[test]
    fn little_memory_is_a_note() {
        let text = |kib| format!("MemTotal: 9999999 kB\nMemAvailable:   {kib} kB\n");
        assert_eq!(memory(&text(300 * 1024)).state, State::Note);
        assert!(
            memory(&text(1800 * 1024))
                .found
                .contains("about 10 desktops")
        );
        assert_eq!(memory("").state, State::Note);
    }
}
