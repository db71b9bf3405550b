//! `deskway doctor --url` through a real nginx at a real Deskway: a good nginx.conf, and each way
//! to break it, with the directive that mends it. Needs nginx, and fails without it.

#![expect(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that goes wrong may panic, and nothing is outside of its binary"
)]

mod certificates;
mod deskway;
mod https;
mod nginx;
mod plain;

use deskway::{Deskway, Report};
use nginx::{GOOD, Nginx};
