//! What the launcher's side and a desktop's agent tell each other.
//!
//! The launcher's session child writes one [`Spec`] as JSON to the agent's standard input. The
//! agent listens on `agent.sock` (SOCK_SEQPACKET, 0600) in the desktop's run directory; whoever
//! connects gets the current [`Status`] at once and each later one, one JSON datagram each of at
//! most [`MAX_STATUS`] bytes, and may send a [`Command`].

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::{DesktopId, EndCause, Geometry, Stage};

/// Most bytes of a [`Spec`].
pub const MAX_SPEC: usize = 64 * 1024;
/// Most bytes of a [`Status`] or [`Command`].
pub const MAX_STATUS: usize = 32 * 1024;
/// Most bytes of the end of the log in [`Status::Ended`].
pub const MAX_LOG_TAIL: usize = 8 * 1024;

/// Raised with each new [`Command`]; a desktop's record says which its agent knows. From 1 on an
/// agent leaves undone what it does not know; before, it hung up.
pub const LEVEL: u32 = 1;

/// The files of a desktop's run directory.
pub const VNC_SOCKET: &str = "vnc.sock";
pub const AGENT_SOCKET: &str = "agent.sock";
pub const LOG: &str = "log";

/// Everything that an agent has to know to run one desktop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    pub desktop: DesktopId,
    /// 0700 and the owner's; all sockets, the cookie and the log are in it.
    pub run_dir: PathBuf,
    /// The X display's number, free on this host.
    pub display: u16,
    pub x_server: PathBuf,
    pub geometry: Geometry,
    /// Bits per pixel: 16 or 24.
    pub depth: u8,
    pub dpi: u16,
    /// More arguments of the X server, checked by the configuration.
    pub x_args: Vec<String>,
    pub session: Session,
    /// The whole environment of the session (the agent adds `DISPLAY` and `XAUTHORITY`).
    pub env: Vec<(String, String)>,
    /// Seconds until the X server must be up.
    pub screen_timeout: u16,
    /// Seconds until the session counts as ready even when nothing has been drawn.
    pub session_timeout: u16,
}

/// What runs on the screen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Session {
    /// This program with these arguments, inside a D-Bus session of its own. Its end is the
    /// desktop's end.
    Command(Vec<String>),
    /// The person's `~/.vnc/xstartup`, which may leave its session in the background: the
    /// desktop ends when nothing that it started is left.
    XStartup,
}

/// Where the desktop is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    Starting {
        stage: Stage,
    },
    Ready,
    /// The answer to [`Command::TellIdle`]: so long nobody has typed or moved a pointer, by the X
    /// server's own clock. It changes nothing of where the desktop is.
    Idle {
        millis: u64,
    },
    Stopping,
    /// The last one. `log` is the end of the log, made printable.
    Ended {
        cause: EndCause,
        log: String,
    },
}

/// What can be asked of an agent, by its owner or root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Ask the session to end, then end it.
    Stop,
    /// Ask every window to close, as a person would by its button, so that programs can save; what
    /// is left after so many seconds is ended as with [`Command::Stop`].
    Close { seconds: u16 },
    /// Say [`Status::Idle`], to whoever asks alone.
    TellIdle,
    /// Show this inside the desktop. With `keep`, there is a button to say that it is in use;
    /// whatever it does, to press it is input.
    Show { text: String, keep: bool },
}
