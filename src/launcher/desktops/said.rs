//! What an agent says, made fit to be kept and shown.

use crate::agent::protocol::Status;
use crate::launcher::protocol::MAX_LOG_TAIL;
use crate::model::EndCause;

/// Most characters of a text of an agent's.
const MAX_WORDS: usize = 400;

/// An agent is its owner's process: what it says is bounded here again, and of a cause one line that
/// a terminal shows and does not obey.
pub(super) fn clean(status: Status) -> Status {
    match status {
        Status::Ended { cause, log } => {
            let kept = log.len().saturating_sub(MAX_LOG_TAIL);
            let kept = log.ceil_char_boundary(kept);
            let log = log.get(kept..).unwrap_or_default().to_owned();
            let cause = clean_cause(cause);
            Status::Ended { cause, log }
        }
        other @ (Status::Starting { .. }
        | Status::Ready
        | Status::Idle { .. }
        | Status::Stopping) => other,
    }
}

fn clean_cause(cause: EndCause) -> EndCause {
    let plain = |text: &str| {
        let plain = |c: char| if c.is_control() { '?' } else { c };
        text.chars().take(MAX_WORDS).map(plain).collect()
    };
    match cause {
        EndCause::OutOfMemory { program, limit } => EndCause::OutOfMemory {
            program: plain(&program),
            limit,
        },
        EndCause::SessionMissing { command, error } => EndCause::SessionMissing {
            command: plain(&command),
            error: plain(&error),
        },
        EndCause::ScreenFailed { error } => EndCause::ScreenFailed {
            error: plain(&error),
        },
        EndCause::AccountFailed { error } => EndCause::AccountFailed {
            error: plain(&error),
        },
        EndCause::Stopped
        | EndCause::Unused { .. }
        | EndCause::HoursUsedUp
        | EndCause::LoggedOut
        | EndCause::SessionDied { .. }
        | EndCause::ScreenDied { .. }
        | EndCause::AgentDied => cause,
    }
}
