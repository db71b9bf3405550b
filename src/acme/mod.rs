//! Certificates ordered from an authority (RFC 8555): what is kept of them, when the next order is
//! due, and the order itself, which a child of the launcher carries out.

mod client;
mod files;
mod order;
mod record;

pub use files::{FOLDER, authorities, files, load, prepare};
pub use order::{Failure, Show, Work, run};
pub use record::{MIN_BETWEEN, Record};
