//! Whole stages in one process: fakes at their ends, port 0, no sleeps.

#[cfg(test)]
mod bridge;
mod front;
#[cfg(test)]
mod support;
