//! What desktops may take, how long they live unused, and who looks after them.

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

/// What one desktop may take of the machine. `None` is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes: beyond it the desktop is slowed and its memory reclaimed.
    pub memory_high: Option<u64>,
    /// Bytes: beyond it the kernel ends one of its programs.
    pub memory_max: Option<u64>,
    /// Its share of a busy processor, 1 to 10000; 100 is everybody's.
    pub cpu_weight: Option<u16>,
    /// Hundredths of one core, so that 150 is a core and a half.
    pub cpu_quota: Option<u32>,
    pub processes: Option<u32>,
    /// The person is warned when less than so many bytes are free where the home is.
    pub disk_warning: Option<u64>,
    /// How many desktops a person may have running; `None`: `desktops.max_per_person`.
    pub desktops: Option<u32>,
    /// How long a person's desktops may run in a day, all together; frozen ones do not count.
    pub hours_per_day: Option<Duration>,
}

/// What becomes of desktops that nobody uses. `None`: never.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idle {
    /// Without input and without a busy processor for so long, the person is told what comes next.
    pub warn_after: Option<Duration>,
    /// With nobody watching either: all processes stand still until the next visit.
    pub freeze_after: Option<Duration>,
    /// The session is asked to end, then ended.
    pub stop_after: Option<Duration>,
    /// Hundredths of one core: whoever takes more is at work. Default 5.
    pub busy_cpu: u32,
    /// How long programs have to save before they are ended. Default 1 min.
    pub grace: Duration,
}

/// What becomes of a desktop that crashed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    #[default]
    Never,
    /// It is started again, later each time it happens again soon.
    OnCrash,
}

/// Who may see and stop everybody's desktops, besides root on the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admin {
    /// People by the names with which they sign in.
    pub users: Vec<String>,
    /// Groups of the machine.
    pub groups: Vec<String>,
}

/// The audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Default a year.
    pub keep: Duration,
    /// Bytes that the entries may take; what was refused goes first, then the oldest. Default 256 MiB.
    pub max_size: u64,
    /// Whether each entry also goes to syslog.
    pub syslog: bool,
}

/// Who may read `/metrics`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// Addresses of those who may without a token. Default loopback.
    pub allow: Vec<IpNet>,
    /// A file whose first line is the token of those who come from elsewhere.
    pub token_file: Option<PathBuf>,
}
