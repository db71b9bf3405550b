//! The process that is root and does not believe the one that talks to the network.

pub mod protocol;
