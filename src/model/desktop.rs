//! What is known of a desktop at one moment, as every process tells it to the next.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{DesktopId, ProfileId};

/// A desktop as its owner's portal shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesktopInfo {
    pub id: DesktopId,
    /// The session it runs; `None` for an attached VNC server.
    pub profile: Option<ProfileId>,
    pub state: DesktopState,
    /// The last sign of life (input, a busy processor, a visit), seconds since 1970; as of this
    /// message, for a new one is not told by itself.
    pub active: Option<u64>,
    /// What its owner should know, the newest last; at most [`MAX_NOTICES`].
    pub notices: Vec<Notice>,
}

/// Most notices of a desktop that are kept; beyond it the oldest is dropped.
pub const MAX_NOTICES: usize = 4;

/// Something that its owner should know of a running desktop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Counts up from 1 in one desktop's life, so that a page shows each but once.
    pub number: u32,
    /// Seconds since 1970.
    pub at: u64,
    pub what: NoticeKind,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoticeKind {
    /// Nobody uses it: it will be frozen, or ended, at `when` (seconds since 1970).
    Idle { next: IdleStep, when: u64 },
    /// The kernel ended a program because the desktop had reached its memory limit (bytes).
    OutOfMemory { program: String, limit: u64 },
    /// It has come to the memory (bytes) from which on the kernel slows it down.
    MemoryShort { limit: u64 },
    /// It wants more of the processors than it may have: so many hundredths of one core.
    ProcessorShort { quota: u32 },
    /// It has as many processes as it may.
    TooManyProcesses { limit: u32 },
    /// There is little room left (bytes) where its home is.
    DiskAlmostFull { left: u64 },
    /// The hours of the day are used up at `when` (seconds since 1970), and it ends then.
    HoursRunOut { when: u64 },
    /// It crashed and was started again; `cause` is what happened.
    StartedAgain { cause: EndCause },
    /// An admin says this.
    Message { from: String, text: String },
}

/// What becomes of a desktop that nobody uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IdleStep {
    Freeze,
    Stop,
}

/// Where a desktop is in its life. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DesktopState {
    /// Nothing runs and nothing is remembered.
    Absent,
    /// On its way; `stage` is what is being done now.
    Starting { stage: Stage, since: u64 },
    /// The session is drawn and can be used.
    Ready { since: u64 },
    /// All its processes stand still since `at`; it goes on where it was with the next visit.
    Frozen { since: u64, at: u64 },
    /// Its windows were asked to close, so that programs save or ask. It can be opened until it
    /// ends.
    Closing,
    /// Asked to end; its processes are going.
    Stopping,
    /// Ended as somebody wished: `cause` says how.
    Gone { cause: EndCause, at: u64 },
    /// Ended by itself or never came up. `log` is the end of its log, for its owner alone.
    Failed {
        cause: EndCause,
        log: String,
        at: u64,
    },
}

/// What a starting desktop is doing, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stage {
    /// The X server is being started; nothing can be seen yet.
    Screen,
    /// The screen is up (a viewer can connect); the session is being started.
    Session,
}

/// Why a desktop is no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndCause {
    /// Its owner or an admin stopped it.
    Stopped,
    /// Nobody used it for that many seconds.
    Unused { seconds: u64 },
    /// Its owner's hours of the day were used up.
    HoursUsedUp,
    /// The kernel ended what it cannot do without, because it had reached its memory limit.
    OutOfMemory { program: String, limit: u64 },
    /// The session ended by itself without an error: the person logged out inside it.
    LoggedOut,
    /// The session's command could not be run.
    SessionMissing { command: String, error: String },
    /// The session ended with an error, `after` so many seconds.
    SessionDied { how: Exit, after: u64 },
    /// The X server ended.
    ScreenDied { how: Exit },
    /// The X server could not be run or did not come up in time.
    ScreenFailed { error: String },
    /// The agent, which looks after the desktop, was killed.
    AgentDied,
    /// The account could not be prepared: PAM refused the session, the home is missing, ….
    AccountFailed { error: String },
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    Code(i32),
    Signal(i32),
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit status {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// The cause in plain words, as the page says it.
impl fmt::Display for EndCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("The desktop was stopped."),
            Self::LoggedOut => f.write_str("You logged out of the desktop."),
            Self::Unused { seconds } => write!(
                f,
                "The desktop was ended because nobody had used it for {}.",
                super::usage::span(*seconds)
            ),
            Self::HoursUsedUp => {
                f.write_str("The desktop was ended because the hours for today are used up.")
            }
            Self::OutOfMemory { program, limit } => write!(
                f,
                "The desktop reached its {} of memory; the kernel ended `{program}`, without \
                 which it cannot run.",
                super::usage::bytes(*limit)
            ),
            Self::SessionMissing { command, error } => {
                write!(
                    f,
                    "The session's command `{command}` could not be run: {error}."
                )
            }
            Self::SessionDied { how, after } => {
                write!(f, "The session ended after {after} s with {how}.")
            }
            Self::ScreenDied { how } => write!(f, "The desktop's screen ended with {how}."),
            Self::ScreenFailed { error } => {
                write!(f, "The desktop's screen could not be started: {error}.")
            }
            Self::AgentDied => f.write_str("The desktop was killed from outside."),
            Self::AccountFailed { error } => {
                write!(
                    f,
                    "The desktop could not be started for this account: {error}."
                )
            }
        }
    }
}

/// A session that can be chosen for a new desktop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileInfo {
    pub id: ProfileId,
    /// What people call it, such as `Xfce Session`.
    pub name: String,
    /// Whether a new desktop runs this one when nothing is chosen.
    pub default: bool,
}
