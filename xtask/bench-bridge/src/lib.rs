//! What the benchmarks share: what processes use, as `/proc` tells it.

pub mod process;
