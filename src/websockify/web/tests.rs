//! Paths of all kinds, against a directory with everything in it.
