//! The promises of the launcher, kept on a real machine: real accounts, PAM, processes and X
//! servers. The tests play the front. They need root, and fail without it.

#![expect(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that goes wrong may panic and say why, and nothing is outside of its binary"
)]

mod account;
mod activation;
mod admins;
mod attached;
mod attached_web_socket;
mod entrances;
mod evil_front;
mod front;
mod gateway;
mod idle;
mod isolation;
mod kills;
mod life;
mod limits;
mod looks;
mod measured;
mod ordinary;
mod process;
mod records;
mod restart;
mod schemathesis;
#[path = "../../src/runtime/script.rs"]
mod script;
mod signing_in;
mod site;
mod upgrade;
mod visitors;
mod watchdog;
