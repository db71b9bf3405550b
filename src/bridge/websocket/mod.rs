//! WebSocket (RFC 6455) without I/O: the server's side of the upgrade, frames, close; and what a
//! client needs of it.
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
    FrameParser, Head, MAX_CLIENT_HEAD, MAX_CONTROL, MAX_SERVER_HEAD, Opcode, Parsed, Violation,
    client_head, server_head,
};
pub use mask::Mask;
pub use upgrade::{PROTOCOL, UpgradeError, accept, answer_to};
