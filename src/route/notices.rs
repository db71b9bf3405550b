//! Notices of a running desktop, as JSON and in plain words.

use serde::Serialize;
use utoipa::ToSchema;

use super::error::sentence;
use crate::model::{self, EndCause, IdleStep, NoticeKind, bytes};

/// One notice; the page says `when` in the person's own time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Notice {
    /// Counts up in one desktop's life.
    number: u32,
    /// Seconds since 1970.
    at: u64,
    /// `idle`, `out_of_memory`, `too_many_processes`, `disk`, `hours`, `started_again` or
    /// `message`.
    #[schema(example = "idle")]
    kind: &'static str,
    /// In plain words.
    message: String,
    /// What becomes of one that nobody uses: `freeze` or `stop`.
    next: Option<&'static str>,
    /// When something happens, seconds since 1970.
    when: Option<u64>,
    /// Who sent a message.
    from: Option<String>,
}

impl Notice {
    pub(super) fn of(notice: &model::Notice) -> Self {
        let what = &notice.what;
        let (next, when) = match what {
            NoticeKind::Idle { next, when } => (Some(step(*next)), Some(*when)),
            NoticeKind::HoursRunOut { when } => (None, Some(*when)),
            _ => (None, None),
        };
        let from = match what {
            NoticeKind::Message { from, .. } => Some(from.clone()),
            _ => None,
        };
        Self {
            number: notice.number,
            at: notice.at,
            kind: kind(what),
            message: message(what),
            next,
            when,
            from,
        }
    }
}

fn step(next: IdleStep) -> &'static str {
    match next {
        IdleStep::Freeze => "freeze",
        IdleStep::Stop => "stop",
    }
}

fn kind(what: &NoticeKind) -> &'static str {
    match what {
        NoticeKind::Idle { .. } => "idle",
        NoticeKind::OutOfMemory { .. } => "out_of_memory",
        NoticeKind::TooManyProcesses { .. } => "too_many_processes",
        NoticeKind::DiskAlmostFull { .. } => "disk",
        NoticeKind::HoursRunOut { .. } => "hours",
        NoticeKind::StartedAgain { .. } => "started_again",
        NoticeKind::Message { .. } => "message",
    }
}

fn message(what: &NoticeKind) -> String {
    match what {
        NoticeKind::Idle {
            next: IdleStep::Freeze,
            ..
        } => {
            "Nobody uses this desktop. It will be put to sleep, and goes on where it was when you \
              open it."
                .to_owned()
        }
        NoticeKind::Idle {
            next: IdleStep::Stop,
            ..
        } => "Nobody uses this desktop. Its programs will be asked to close, and it will be ended."
            .to_owned(),
        NoticeKind::OutOfMemory { program, limit } => format!(
            "Your desktop reached its {} of memory; the kernel ended `{program}`.",
            bytes(*limit)
        ),
        NoticeKind::TooManyProcesses { limit } => format!(
            "Your desktop has {limit} processes, which is all that it may have: new programs do \
             not start."
        ),
        NoticeKind::DiskAlmostFull { left } => {
            format!("There are only {} left where your files are.", bytes(*left))
        }
        NoticeKind::HoursRunOut { .. } => {
            "Your hours for today are almost used up: save your work. Programs will be asked to \
             close, and the desktop will be ended."
                .to_owned()
        }
        NoticeKind::StartedAgain { cause } => again(cause),
        NoticeKind::Message { text, .. } => text.clone(),
    }
}

fn again(cause: &EndCause) -> String {
    let cause = sentence(&cause.to_string());
    format!("{cause} It was started again; what had not been saved is lost.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_says_what_comes_and_when() {
        let notice = model::Notice {
            number: 3,
            at: 7,
            what: NoticeKind::Idle {
                next: IdleStep::Stop,
                when: 9,
            },
        };
        let json = serde_json::to_value(Notice::of(&notice)).unwrap();
        assert_eq!(json["number"], 3);
        assert_eq!(json["kind"], "idle");
        assert_eq!(json["next"], "stop");
        assert_eq!(json["when"], 9);
        assert_eq!(json["from"], serde_json::Value::Null);
    }

    #[test]
    fn a_message_says_who_it_is_from() {
        let what = NoticeKind::Message {
            from: "Root".to_owned(),
            text: "Hello".to_owned(),
        };
        let notice = Notice::of(&model::Notice {
            number: 1,
            at: 7,
            what,
        });
        assert_eq!(notice.from.as_deref(), Some("Root"));
        assert_eq!(notice.message, "Hello");
    }

    #[test]
    fn who_crashed_learns_why() {
        let cause = EndCause::AgentDied;
        let words = message(&NoticeKind::StartedAgain { cause });
        assert!(words.starts_with("The desktop was killed from outside. It was started again"));
    }
}
