//! Facts that survive a restart, in SQLite, and the key of `deskway doctor` in a file. Rows are
//! types of their own and leave as values.

pub mod accounts;
pub mod database;
mod doctor_key;
mod sessions;

pub use doctor_key::{DOCTOR_KEY_FILE, DoctorKey};
pub use sessions::{SessionRow, Sessions, StoreError};
