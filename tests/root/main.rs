//! The promises of the launcher, kept on a real machine: real accounts, PAM, processes and X
//! servers. The tests play the front. They need root, and fail without it.

#![expect(unreachable_pub, reason = "nothing is outside of a test binary")]

mod account;
mod attached;
mod evil_front;
mod front;
mod isolation;
mod life;
mod process;
mod restart;
mod signing_in;
mod site;
