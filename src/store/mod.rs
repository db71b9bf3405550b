//! Facts that survive a restart, in SQLite. Rows are types of their own and leave as values.

pub mod accounts;
mod sessions;

pub use sessions::{SessionRow, Sessions, StoreError};
