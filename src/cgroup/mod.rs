//! What the kernel lets a desktop take, and how it says what a desktop takes: one control group
//! (cgroup) for each, by version 1 or 2 of the interface, made here or by systemd.
//!
//! Sources: the kernel's `Documentation/admin-guide/cgroup-v2.rst` and `cgroup-v1/`.
//! Everything blocks no longer than the kernel takes for a file of its own, except where a function
//! says otherwise.

mod files;
mod mounts;
mod pressure;
mod systemd;
mod v1;
mod v2;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use sha2::{Digest as _, Sha256};

use crate::config::Limits;

pub use pressure::Pressure;

use mounts::Found;
use systemd::Scope;

/// The processor weight of all desktops together, where one process that is in no group has 100.
const WEIGHT: u64 = 1000;
/// Under this name in every hierarchy are the groups of all Deskways of the machine.
const PARENT: &str = "deskway";

/// Where one Deskway makes groups; found once, at the start.
#[derive(Clone, Debug)]
pub struct Cgroups {
    way: Way,
    /// Of this Deskway alone: others on the machine have other run directories.
    instance: String,
    /// Whether its paths begin where the kernel's do: no container is around it.
    sees_all: bool,
}

#[derive(Clone, Debug)]
enum Way {
    V1(v1::Mounts),
    V2 {
        root: PathBuf,
    },
    /// Version 2, which systemd writes.
    Systemd {
        root: PathBuf,
    },
    None {
        why: String,
    },
}

/// Which interface there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    V1,
    V2,
    /// Version 2, by way of systemd.
    Systemd,
    /// None that may be written: no group is made.
    None,
}

/// Which limits hold, and whether a desktop can be frozen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holds {
    pub memory: bool,
    pub cpu: bool,
    pub processes: bool,
    pub freezing: bool,
}

/// The memory of a group in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Without what the kernel could drop at once.
    pub used: u64,
    pub max: Option<u64>,
}

/// The group of one desktop.
#[derive(Debug)]
pub struct Group {
    controls: Box<dyn Controls>,
    /// What it was made with, where it was made here.
    limits: Limits,
}

/// What both versions of the interface can do.
trait Controls: fmt::Debug + Send + Sync {
    fn limit(&self, limits: &Limits) -> io::Result<()>;
    /// Takes in the process that calls.
    fn enter(&self, limits: &Limits) -> io::Result<()>;
    fn set_frozen(&self, frozen: bool) -> io::Result<()>;
    fn is_frozen(&self) -> io::Result<bool>;
    fn is_to_stand_still(&self) -> io::Result<bool>;
    fn reclaim(&self) -> io::Result<()>;
    fn cpu_time(&self) -> io::Result<Duration>;
    fn throttled(&self) -> io::Result<u64>;
    fn quota(&self) -> io::Result<Option<u32>>;
    fn held_up(&self) -> io::Result<u64>;
    fn memory_high(&self) -> io::Result<Option<u64>>;
    fn memory(&self) -> io::Result<Memory>;
    fn process_ids(&self) -> io::Result<Vec<i32>>;
    fn processes(&self) -> io::Result<u32>;
    fn refused_processes(&self) -> io::Result<u64>;
    fn most_processes(&self) -> io::Result<Option<u64>>;
    fn oom_kills(&self) -> io::Result<u64>;
    fn pressure(&self) -> Pressure;
    /// Kills all at once where the kernel can; else nothing is done and the answer is `false`.
    fn kill_at_once(&self) -> io::Result<bool>;
    fn is_there(&self) -> bool;
    /// The directories, to be made and removed; none where somebody else does that.
    fn directories(&self) -> Vec<&Path>;
}

impl Cgroups {
    /// Looks what this machine has, for the Deskway with that run directory.
    pub fn find(run: &Path) -> Self {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let way = match Found::in_text(&mounts) {
            Found::V1(mounts) => match v1::Mounts::writable(mounts) {
                Some(mounts) => Way::V1(mounts),
                None => Way::none("the version 1 hierarchies cannot be written"),
            },
            Found::V2(root) => match files::may_write(&root) {
                Ok(()) if systemd::is_running() && systemd::has_bus() => Way::Systemd { root },
                Ok(()) if systemd::is_running() => Way::none("systemd has no system bus"),
                Ok(()) => Way::V2 { root },
                Err(error) => Way::none(&format!("{} cannot be written: {error}", root.display())),
            },
            Found::Nothing => Way::none("no cgroup file system is mounted"),
        };
        Self {
            way,
            instance: instance(run),
            sees_all: mounts::are_whole(&mounts) && is_first_namespace(),
        }
    }

    pub fn kind(&self) -> Kind {
        match &self.way {
            Way::V1(_) => Kind::V1,
            Way::V2 { .. } => Kind::V2,
            Way::Systemd { .. } => Kind::Systemd,
            Way::None { .. } => Kind::None,
        }
    }

    /// Why no group can be made, in words.
    pub fn why_none(&self) -> Option<&str> {
        match &self.way {
            Way::None { why } => Some(why),
            Way::V1(_) | Way::V2 { .. } | Way::Systemd { .. } => None,
        }
    }

    /// Which limits a group would hold to.
    pub fn holds(&self) -> Holds {
        match &self.way {
            Way::V1(mounts) => mounts.holds(),
            Way::V2 { root } | Way::Systemd { root } => v2::holds(root),
            Way::None { .. } => Holds::default(),
        }
    }

    /// Makes the group of a desktop, `name` being a part of a path that nobody else uses. `None`
    /// where there are no groups.
    ///
    /// # Errors
    /// When a limit cannot be set though the kernel has its controller; nothing is left then.
    pub fn create(&self, name: &str, limits: &Limits) -> io::Result<Option<Group>> {
        let Some(mut group) = self.at(name) else {
            return Ok(None);
        };
        group.limits = limits.clone();
        let made = group.make().and_then(|()| {
            match &self.way {
                Way::V1(mounts) => mounts.prepare(Path::new(PARENT)),
                Way::V2 { root } => v2::prepare(root, &self.parent())?,
                // It is told of the limits when a process comes.
                Way::Systemd { .. } | Way::None { .. } => return Ok(()),
            }
            group.controls.limit(limits)
        });
        if let Err(error) = made {
            // What is wrong is said; a directory that stays takes nothing.
            drop(group.remove());
            return Err(error);
        }
        Ok(Some(group))
    }

    /// The group of that name, when there is one.
    pub fn open(&self, name: &str) -> Option<Group> {
        self.at(name).filter(|group| group.controls.is_there())
    }

    /// How scarce things are for all desktops of this Deskway together.
    pub fn pressure(&self) -> Pressure {
        self.all().map(|group| group.pressure()).unwrap_or_default()
    }

    /// Bytes that all desktops of this Deskway take together.
    pub fn memory(&self) -> Option<u64> {
        self.all()?.memory().ok().map(|memory| memory.used)
    }

    /// The name of a group of this Deskway, as of its path in the kernel's log. A person to whom
    /// groups were delegated can make some there whose paths look much the same.
    pub fn name_in<'a>(&self, path: &'a str) -> Option<&'a str> {
        let (above, name) = path.rsplit_once('/')?;
        let (parent, name) = match &self.way {
            Way::V1(_) | Way::V2 { .. } => (self.parent(), name),
            Way::Systemd { .. } => {
                let scope = name.strip_prefix("deskway-")?;
                (self.slices(Path::new("")), scope.strip_suffix(".scope")?)
            }
            Way::None { .. } => return None,
        };
        let outside = above.strip_suffix(parent.to_str()?)?.strip_suffix('/')?;
        let is_someones = |part: &str| {
            part == "user" || part.starts_with("user.slice") || part.starts_with("user@")
        };
        let is_ours = if self.sees_all {
            outside.is_empty()
        } else {
            !outside.split('/').any(is_someones)
        };
        is_ours.then_some(name)
    }

    /// Of the slice of systemd's that has this Deskway's scopes.
    fn slice(&self) -> String {
        format!("{PARENT}-{}.slice", self.instance)
    }

    fn parent(&self) -> PathBuf {
        Path::new(PARENT).join(&self.instance)
    }

    fn at(&self, name: &str) -> Option<Group> {
        match &self.way {
            Way::V1(mounts) => Some(Group::new(mounts.group(&self.parent().join(name)))),
            Way::V2 { root } => Some(Group::new(v2::Files::new(
                root.join(self.parent()).join(name),
            ))),
            Way::Systemd { root } => {
                let scope = Scope {
                    name: format!("{PARENT}-{name}.scope"),
                    slice: self.slice(),
                };
                Some(Group::new(v2::Files::of_scope(
                    self.slices(root).join(&scope.name),
                    scope,
                )))
            }
            Way::None { .. } => None,
        }
    }

    /// What has all groups in it.
    fn all(&self) -> Option<Group> {
        match &self.way {
            Way::V1(mounts) => Some(Group::new(mounts.group(&self.parent()))),
            Way::V2 { root } => Some(Group::new(v2::Files::new(root.join(self.parent())))),
            Way::Systemd { root } => Some(Group::new(v2::Files::new(self.slices(root)))),
            Way::None { .. } => None,
        }
    }

    fn slices(&self, root: &Path) -> PathBuf {
        root.join(format!("{PARENT}.slice")).join(self.slice())
    }
}

impl Way {
    fn none(why: &str) -> Self {
        let why = why.to_owned();
        Self::None { why }
    }
}

impl Group {
    fn new(controls: impl Controls + 'static) -> Self {
        Self {
            controls: Box::new(controls),
            limits: Limits::default(),
        }
    }

    /// Takes in the process that calls, and whatever it starts from now on.
    ///
    /// # Errors
    /// When the group is gone, or full, or systemd does not do it.
    pub fn enter(&self) -> io::Result<()> {
        self.controls.enter(&self.limits)
    }

    /// Has all processes stand still, those too that come later. They do so in a moment:
    /// [`Group::is_frozen`].
    ///
    /// # Errors
    /// When the group is gone or has no freezer.
    pub fn freeze(&self) -> io::Result<()> {
        self.controls.set_frozen(true)
    }

    /// Lets them go on.
    ///
    /// # Errors
    /// As [`Group::freeze`].
    pub fn thaw(&self) -> io::Result<()> {
        self.controls.set_frozen(false)
    }

    /// Whether all of them stand still now.
    ///
    /// # Errors
    /// As [`Group::freeze`].
    pub fn is_frozen(&self) -> io::Result<bool> {
        self.controls.is_frozen()
    }

    /// Whether they were asked to by [`Group::freeze`], though one may not have come to it yet: who
    /// waits for a disk or a server cannot.
    ///
    /// # Errors
    /// As [`Group::freeze`].
    pub fn is_to_stand_still(&self) -> io::Result<bool> {
        self.controls.is_to_stand_still()
    }

    /// Has the kernel write out and drop as much of the memory as it can. May take seconds: for a
    /// child of the launcher.
    ///
    /// # Errors
    /// When the kernel cannot. Having got less than all is none.
    pub fn reclaim(&self) -> io::Result<()> {
        self.controls.reclaim()
    }

    /// Processor time that all processes have had so far.
    ///
    /// # Errors
    /// When the kernel does not count it here.
    pub fn cpu_time(&self) -> io::Result<Duration> {
        self.controls.cpu_time()
    }

    /// In how many periods of the processor quota there was none left.
    ///
    /// # Errors
    /// When the kernel does not count it here.
    pub fn throttled(&self) -> io::Result<u64> {
        self.controls.throttled()
    }

    /// The processor quota in hundredths of one core; `None`: there is none.
    ///
    /// # Errors
    /// When the kernel has none here.
    pub fn quota(&self) -> io::Result<Option<u32>> {
        self.controls.quota()
    }

    /// How often the memory was above [`Group::memory_high`] and whoever wanted more was held up.
    ///
    /// # Errors
    /// When the kernel does not count it here, as in version 1, where nobody is.
    pub fn held_up(&self) -> io::Result<u64> {
        self.controls.held_up()
    }

    /// Bytes from which on the kernel takes memory back; `None`: there is no such limit.
    ///
    /// # Errors
    /// As [`Group::held_up`].
    pub fn memory_high(&self) -> io::Result<Option<u64>> {
        self.controls.memory_high()
    }

    /// # Errors
    /// When the kernel does not count it here.
    pub fn memory(&self) -> io::Result<Memory> {
        self.controls.memory()
    }

    /// How many processes and threads there are.
    ///
    /// # Errors
    /// When the kernel does not count them here.
    pub fn processes(&self) -> io::Result<u32> {
        self.controls.processes()
    }

    /// How often a process was not started because there were as many as there may be.
    ///
    /// # Errors
    /// When the kernel does not count it here.
    pub fn refused_processes(&self) -> io::Result<u64> {
        self.controls.refused_processes()
    }

    /// How many processes and threads there may be.
    ///
    /// # Errors
    /// When the kernel does not count them here.
    pub fn most_processes(&self) -> io::Result<Option<u32>> {
        let most = self.controls.most_processes()?;
        most.map(|most| u32::try_from(most).map_err(io::Error::other))
            .transpose()
    }

    /// How many processes the kernel has ended for lack of memory.
    ///
    /// # Errors
    /// When the kernel does not count them here.
    pub fn oom_kills(&self) -> io::Result<u64> {
        self.controls.oom_kills()
    }

    /// How scarce things are for its processes.
    pub fn pressure(&self) -> Pressure {
        self.controls.pressure()
    }

    /// Kills all processes; they may be frozen.
    ///
    /// # Errors
    /// When the group is gone.
    pub fn kill_all(&self) -> io::Result<()> {
        let killed = self.controls.kill_at_once()?;
        if !killed {
            for pid in self.controls.process_ids()? {
                if let Some(pid) = Pid::from_raw(pid) {
                    // It may have ended meanwhile.
                    _ = rustix::process::kill_process(pid, Signal::KILL);
                }
            }
        }
        // Version 1: a frozen process does not hear that it was killed.
        self.thaw_if_frozen()
    }

    /// Removes the group, whose processes have ended, and what is above it when it was the last.
    ///
    /// # Errors
    /// When there still is a process in it.
    pub fn remove(&self) -> io::Result<()> {
        let directories = self.controls.directories();
        let removed = directories.iter().map(|path| files::remove(path));
        let removed: io::Result<()> = removed.collect();
        for directory in directories {
            for above in directory.ancestors().skip(1).take(2) {
                // Others may have theirs in it.
                drop(std::fs::remove_dir(above));
            }
        }
        removed
    }

    fn thaw_if_frozen(&self) -> io::Result<()> {
        match self.thaw() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            thawed => thawed,
        }
    }

    fn make(&self) -> io::Result<()> {
        let mut directories = self.controls.directories().into_iter();
        directories.try_for_each(files::make)
    }
}

/// Whether this process is in the first namespace of control groups, whose number is always this
/// (the kernel's `include/linux/proc_ns.h`).
fn is_first_namespace() -> bool {
    let namespace = std::fs::read_link("/proc/self/ns/cgroup");
    namespace.is_ok_and(|it| it == Path::new("cgroup:[4026531835]"))
}

/// Eight hex digits that tell the Deskways of one machine apart.
fn instance(run: &Path) -> String {
    let digest = Sha256::digest(run.as_os_str().as_encoded_bytes());
    let [one, two, three, four, ..]: [u8; 32] = digest.into();
    format!("{:08x}", u32::from_be_bytes([one, two, three, four]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cgroups(systemd: bool, sees_all: bool) -> Cgroups {
        let root = PathBuf::from("/sys/fs/cgroup");
        Cgroups {
            way: if systemd {
                Way::Systemd { root }
            } else {
                Way::V2 { root }
            },
            instance: "0a1b2c3d".to_owned(),
            sees_all,
        }
    }

    #[test]
    fn the_name_of_a_group_is_known_again_in_the_kernels_log() {
        let name = Some("00112233aabbccdd");
        let path = "/deskway/0a1b2c3d/00112233aabbccdd";
        assert_eq!(cgroups(false, true).name_in(path), name);
        let inside = format!("/docker/x{path}");
        assert_eq!(cgroups(false, false).name_in(&inside), name);
        assert_eq!(cgroups(false, true).name_in(&inside), None);
        let path = "/deskway.slice/deskway-0a1b2c3d.slice/deskway-00112233aabbccdd.scope";
        assert_eq!(cgroups(true, true).name_in(path), name);
        assert_eq!(
            cgroups(true, false).name_in(&format!("/machine/x{path}")),
            name
        );
        assert_eq!(cgroups(false, false).name_in(path), None);
    }

    #[test]
    fn groups_that_anybody_else_made_are_none_of_its_own() {
        let own = [
            "/deskway/0a1b2c3d/00112233aabbccdd",
            "/deskway.slice/deskway-0a1b2c3d.slice/deskway-00112233aabbccdd.scope",
        ];
        for (path, systemd) in own.iter().zip([false, true]) {
            for above in [
                "/user.slice/user-1000.slice/user@1000.service",
                "/docker/x/user.slice",
                "/user/alice/0",
            ] {
                for sees_all in [false, true] {
                    let path = format!("{above}{path}");
                    assert_eq!(cgroups(systemd, sees_all).name_in(&path), None, "{path}");
                }
            }
        }
        for path in [
            "",
            "/",
            "/user.slice/00112233aabbccdd",
            "/deskway/00112233aabbccdd",
            "/deskway/0a1b2c3e/00112233aabbccdd",
            "/xdeskway/0a1b2c3d/00112233aabbccdd",
            "/deskway/0a1b2c3d/y/00112233aabbccdd",
        ] {
            assert_eq!(cgroups(false, true).name_in(path), None, "{path}");
            assert_eq!(cgroups(false, false).name_in(path), None, "{path}");
        }
    }

    #[test]
    fn two_run_directories_have_two_places() {
        assert_ne!(
            instance(Path::new("/run/deskway")),
            instance(Path::new("/run/b"))
        );
    }
}
