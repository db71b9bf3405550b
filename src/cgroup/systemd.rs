//! Groups that systemd makes where it is the machine's first process: it alone may write there
//! then. Each desktop is a transient scope (org.freedesktop.systemd1(5), `StartTransientUnit`).

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use deskway_osuser::Received;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::Signal;
use zbus::Variant;

use super::files;
use crate::config::Limits;

/// How long systemd may take to answer, and then to take a process in.
const TIMEOUT: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(2);
/// What the child says of a success: an empty message could not be told from the child's end.
const DONE: &str = "done";
/// Most bytes of the reason why it does not.
const MAX_REASON: usize = 1024;

/// A scope that is to be made.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    pub(super) name: String,
    pub(super) slice: String,
}

/// Whether it is the first process.
pub(super) fn is_running() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// Whether it can be spoken to.
pub(super) fn has_bus() -> bool {
    Path::new("/run/dbus/system_bus_socket").exists()
}

impl Scope {
    /// Has systemd make it with the process that calls in it. Returns when that is so.
    ///
    /// # Errors
    /// When systemd refuses or does not answer.
    pub(super) fn enter(&self, limits: &Limits) -> io::Result<()> {
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        let pid = u32::try_from(pid).map_err(io::Error::other)?;
        let deadline = Instant::now() + TIMEOUT;
        ask_in_child(|| ask(self, limits, pid))?;
        // The answer says that it will be so.
        let own = format!("/{}", self.name);
        let is_in = |text: &str| text.lines().any(|line| line.ends_with(&own));
        while !is_in(&files::read(Path::new("/proc/self"), "cgroup")?) {
            if Instant::now() > deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
            files::pause(LOOK);
        }
        Ok(())
    }

    fn properties<'a>(&'a self, limits: &Limits, pid: u32) -> Vec<(&'static str, Variant<'a>)> {
        let mut properties = vec![
            ("Description", Variant::from("A desktop of Deskway")),
            ("Slice", Variant::from(self.slice.as_str())),
            ("PIDs", Variant::from(vec![pid])),
            // What is in it is frozen, and killed for lack of memory, without systemd's doing.
            ("Delegate", Variant::from(true)),
            ("CollectMode", Variant::from("inactive-or-failed")),
            ("MemoryAccounting", Variant::from(true)),
            ("CPUAccounting", Variant::from(true)),
            ("TasksAccounting", Variant::from(true)),
        ];
        let numbers = [
            ("MemoryHigh", limits.memory_high),
            ("MemoryMax", limits.memory_max),
            // As much once more on disk, where what is frozen can go.
            ("MemorySwapMax", limits.memory_max),
            ("CPUWeight", limits.cpu_weight.map(u64::from)),
            // Microseconds of each second.
            (
                "CPUQuotaPerSecUSec",
                limits.cpu_quota.map(|quota| u64::from(quota) * 10_000),
            ),
            // Else systemd has a limit of its own.
            (
                "TasksMax",
                Some(limits.processes.map_or(u64::MAX, u64::from)),
            ),
        ];
        let numbers = numbers.into_iter();
        let written = numbers.filter_map(|(name, value)| Some((name, Variant::from(value?))));
        properties.extend(written);
        properties
    }
}

/// Speaking takes threads, which the process that calls must not have.
fn ask_in_child(ask: impl FnOnce() -> Result<(), String>) -> io::Result<()> {
    let (words, outlet) = deskway_osuser::pair()?;
    let child = deskway_osuser::run_in_child(&[outlet.as_fd()], || {
        let mut reason = ask().err().unwrap_or_else(|| DONE.to_owned());
        reason.truncate(reason.floor_char_boundary(MAX_REASON));
        i32::from(deskway_osuser::send(outlet.as_fd(), reason.as_bytes()).is_err())
    })?;
    drop(outlet);
    let timeout = Timespec::try_from(TIMEOUT).map_err(io::Error::other)?;
    let mut polled = [PollFd::from_borrowed_fd(words.as_fd(), PollFlags::IN)];
    rustix::event::poll(&mut polled, Some(&timeout))?;
    let mut reason = vec![0; MAX_REASON];
    let received = deskway_osuser::receive(words.as_fd(), &mut reason);
    // It has nothing more to do, or took too long.
    child.kill(Signal::KILL)?;
    let mut polled = [PollFd::from_borrowed_fd(child.handle(), PollFlags::IN)];
    rustix::event::poll(&mut polled, Some(&timeout))?;
    child.reap();
    match received? {
        Received::Message(length, _) => {
            reason.truncate(length);
            if reason == DONE.as_bytes() {
                return Ok(());
            }
            let reason = String::from_utf8_lossy(&reason).into_owned();
            Err(io::Error::other(format!("systemd: {reason}")))
        }
        Received::TooLong | Received::End => Err(io::Error::other("systemd does not answer")),
    }
}

fn ask(scope: &Scope, limits: &Limits, pid: u32) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let asked = async {
        let bus = zbus::Connection::system().await?;
        let none: Vec<(&str, Vec<(&str, Variant<'_>)>)> = Vec::new();
        let body = (
            scope.name.as_str(),
            "fail",
            scope.properties(limits, pid),
            none,
        );
        bus.call_method(
            Some("org.freedesktop.systemd1"),
            "/org/freedesktop/systemd1",
            Some("org.freedesktop.systemd1.Manager"),
            "StartTransientUnit",
            &body,
        )
        .await
    };
    let answered = runtime.block_on(async { tokio::time::timeout(TIMEOUT, asked).await });
    match answered {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer in time".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_become_properties_in_systemds_units() {
        let scope = Scope {
            name: "deskway-1.scope".to_owned(),
            slice: "deskway-a.slice".to_owned(),
        };
        let limits = Limits {
            memory_max: Some(4 << 30),
            cpu_quota: Some(150),
            ..Limits::default()
        };
        let properties = scope.properties(&limits, 7);
        let value = |name: &str| {
            let found = properties.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.try_clone().unwrap())
        };
        assert_eq!(value("MemoryMax"), Some(Variant::from(4_u64 << 30)));
        assert_eq!(
            value("CPUQuotaPerSecUSec"),
            Some(Variant::from(1_500_000_u64))
        );
        assert_eq!(value("TasksMax"), Some(Variant::from(u64::MAX)));
        assert_eq!(value("MemoryHigh"), None);
        assert_eq!(value("PIDs"), Some(Variant::from(vec![7_u32])));
    }
}
