//! OS accounts, PAM, credentials, processes and exec: the only unsafe code of Deskway.
//!
//! Knows nothing of desktops. What rustix offers safely is taken from there; the rest is a few
//! calls of libc and libpam, each with the reason why it is sound.

#![expect(
    unsafe_code,
    reason = "PAM, the account database and fork have no safe interface; this crate is theirs"
)]

mod account;
mod binds;
mod conversation;
mod exec;
mod fork;
mod identity;
mod inherited;
mod limits;
mod local_time;
mod namespace;
mod pam;
mod process;
mod seqpacket;
mod signals;

pub use account::{Account, NOBODY, accounts, group_id, is_member, uid_min};
pub use binds::{Bind, Binds, SpawnError, spawn, spawn_with_binds};
pub use exec::{Program, exec, exec_in_place};
pub use fork::{Child, detach, run_in_child};
pub use identity::{become_user, become_with_groups, drop_to, is_root, own_uid, take_groups};
pub use inherited::{adopt, close_inherited, take_variable};
pub use limits::{raise_descriptor_limit, with_original_descriptor_limit};
pub use local_time::{LocalDay, local_day};
pub use namespace::{PrivateTmp, enter_private_tmp};
pub use pam::{Pam, PamError, PamSetting};
pub use process::{
    ProcessId, descendants, end_with_parent, open_process, parent, set_subreaper, signal,
    start_time,
};
pub use seqpacket::{
    Peer, Received, accept, connect, connect_in, listen, pair, peer, receive,
    receive_with_descriptor, send, send_with_descriptor,
};
pub use signals::{Signals, default_sigchld, reset_signals};
