//! Makes docs/faults.md.
