//! What is said when the program cannot do what it is asked to.

use std::fmt;

/// Why the program that was called as `program` ends: one line.
pub(crate) fn complaint(program: &str, why: impl fmt::Display) -> String {
    format!("{program}: error: {why}")
}

/// [`complaint`] about the command line, with where to look how it is written.
pub(crate) fn wrong_usage(program: &str, why: impl fmt::Display) -> String {
    let complaint = complaint(program, why);
    format!("{complaint}\nTry {program} --help.")
}
