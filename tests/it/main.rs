//! Whole stages in one process: fakes at their ends, port 0, no sleeps.

#[cfg(test)]
mod bridge;
#[cfg(test)]
mod front;
#[cfg(test)]
mod support;
