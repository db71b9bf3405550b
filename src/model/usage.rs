//! What a desktop takes of the machine, and who is signed in: what an admin sees.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{DesktopInfo, Geometry, ProfileId, UserName};

/// What a desktop takes, as its cgroup says it; `None` where there is no cgroup that could.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Bytes, without what the kernel could drop at once.
    pub memory: Option<u64>,
    /// Bytes that it may have at most.
    pub memory_max: Option<u64>,
    /// Thousandths of one core, over the last sample.
    pub cpu: Option<u32>,
    pub processes: Option<u32>,
}

/// One desktop as admins see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesktopReport {
    pub info: DesktopInfo,
    pub usage: Usage,
}

/// One sign-in as admins see it. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInReport {
    pub account: UserName,
    pub full_name: String,
    pub is_admin: bool,
    pub peer: IpAddr,
    pub since: u64,
    pub until: u64,
}

/// What can be done to a desktop from outside it. Its owner may all but `Freeze` and `Message`;
/// admins may all of it to everybody's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Act {
    /// Already running is fine.
    Start {
        profile: Option<ProfileId>,
        geometry: Option<Geometry>,
    },
    /// Answered when it is gone.
    Stop,
    Freeze,
    Thaw,
    /// It is in use, whatever it looks like: the time that it has been idle begins anew.
    Keep,
    /// Shown in the page and inside the desktop.
    Message(String),
}

/// Most characters of [`Act::Message`].
pub const MAX_MESSAGE: usize = 500;

/// How many desktops are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Census {
    pub starting: u32,
    pub ready: u32,
    pub frozen: u32,
    pub stopping: u32,
}

/// A number of bytes in words, such as `4 GB` or `1.5 GB`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10)];
    let Some((unit, size)) = UNITS.into_iter().find(|(_, size)| bytes >= *size) else {
        return format!("{bytes} bytes");
    };
    let (whole, tenths) = (bytes / size, bytes % size * 10 / size);
    if tenths == 0 || whole >= 10 {
        format!("{whole} {unit}")
    } else {
        format!("{whole}.{tenths} {unit}")
    }
}

/// A number of seconds in words, such as `2 hours` or `90 minutes`.
pub fn span(seconds: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("day", 86_400), ("hour", 3600), ("minute", 60)];
    let fits = |size: u64| seconds >= size && seconds.is_multiple_of(size);
    let found = UNITS.into_iter().find(|(_, size)| fits(*size));
    let (unit, size) = found.unwrap_or(("second", 1));
    let count = seconds / size;
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_said_as_people_say_them() {
        assert_eq!(bytes(4 << 30), "4 GB");
        assert_eq!(bytes(3 << 29), "1.5 GB");
        assert_eq!(bytes(700), "700 bytes");
        assert_eq!(span(7200), "2 hours");
        assert_eq!(span(60), "1 minute");
        assert_eq!(span(5400), "90 minutes");
        assert_eq!(span(45), "45 seconds");
    }
}
