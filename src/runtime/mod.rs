//! What every role needs of its process: the time, tasks with an owner, randomness, the log.

mod clock;
mod log;
mod random;
mod tasks;

pub use clock::Clock;
pub use log::start_log;
pub use random::random_bytes;
pub use tasks::Tasks;
