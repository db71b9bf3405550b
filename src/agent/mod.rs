//! Runs as a desktop's owner: starts the X server and the session, says how they are, cleans up.

pub mod protocol;
