//! What happens when something breaks: each fault of `docs/faults.md`, brought about on a real
//! machine with real accounts, processes and X servers. The tests need root, and fail without it.
//!
//! A test's name begins with the number of its fault. What is written above one of them, or in
//! `elsewhere`, in the lines `F1:`, `Happens:`, `Seen:`, `Lost:`, `Kept:` and `Tests:`, is that
//! fault's row in `docs/faults.md`, which `table` makes.

#![expect(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that goes wrong may panic and say why, and nothing is outside of its binary"
)]

#[path = "../root/account.rs"]
#[expect(dead_code, reason = "the tests of `root` use the rest")]
mod account;
mod crashes;
mod crowds;
mod elsewhere;
#[path = "../root/front.rs"]
#[expect(dead_code, reason = "the tests of `root` use the rest")]
mod front;
#[path = "../root/gateway.rs"]
#[expect(dead_code, reason = "the tests of `root` use the rest")]
mod gateway;
mod people;
#[path = "../root/process.rs"]
#[expect(dead_code, reason = "the tests of `root` use the rest")]
mod process;
mod scarce;
mod scene;
#[path = "../root/site.rs"]
#[expect(dead_code, reason = "the tests of `root` use the rest")]
mod site;
mod surroundings;
mod table;
mod viewer;
