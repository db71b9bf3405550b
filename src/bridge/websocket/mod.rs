//! WebSocket (RFC 6455), the server's side, without I/O: the upgrade, frames, close.
//!
//! Own code because the common crates let through what must not pass (unmasked frames, endless
//! fragments, a POST that upgrades) and hold a buffer for each idle connection.

mod close;
mod frame;
mod mask;
mod upgrade;

pub(super) use close::MAX_REASON;
pub use close::{CloseFrame, check_close};
pub use frame::{
    FrameParser, Head, MAX_CONTROL, MAX_SERVER_HEAD, Opcode, Parsed, Violation, server_head,
};
pub use mask::Mask;
pub use upgrade::{PROTOCOL, UpgradeError, accept};
