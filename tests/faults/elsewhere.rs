//! Faults whose tests all stand elsewhere.
