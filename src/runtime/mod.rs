//! What every role needs of its process: the time, tasks with an owner, threads, streams,
//! randomness, the log, syslog, words for people.

mod clock;
pub mod confine;
mod log;
mod one_request;
mod random;
#[cfg(test)]
mod script;
mod sealed;
mod stream;
mod syslog;
mod tasks;
mod words;
mod workers;

pub use clock::{Anchor, Clock};
pub use log::start_log;
pub use one_request::exchange;
pub use random::random_bytes;
#[cfg(test)]
pub(crate) use script::write_script;
pub use sealed::{fill, seal, sealable, unseal};
pub use stream::{Io, Stream};
pub use syslog::{Facility, Format as SyslogFormat, Syslog, SyslogError, SyslogServer};
pub use tasks::Tasks;
pub use words::{printable, words};
pub use workers::{Workers, processors, workers};
