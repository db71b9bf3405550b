//! What a user of Python's websockify relies on, asked of a real process over its command line
//! and its sockets: `UNDER_TEST=theirs` starts the original (Debian's, or the program that
//! `THEIRS` names), anything else starts ours. `docs/compat.md` lists where the original falls
//! short.

#[cfg(test)]
mod cases;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod ledger;
#[cfg(test)]
#[path = "../../src/runtime/script.rs"]
mod script;
