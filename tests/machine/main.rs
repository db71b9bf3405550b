//! What needs a machine that systemd runs, with cgroups of version 2: `cargo xtask machine` makes a
//! small one and runs this in it, one test at a time. Outside of it every test fails, and so `cargo
//! test` leaves this out.

#![expect(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that goes wrong may panic and say why, and nothing is outside of its binary"
)]

mod browser;
mod limits;
mod logind;
mod patience;
#[path = "../root/process.rs"]
#[expect(dead_code, reason = "the tests that need root use more of it")]
mod process;
mod service;
mod units;
