//! What is kept on disk, in SQLite.

pub mod accounts;
