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
    /// `idle`, `out_of_memory`, `memory`, `processor`, `too_many_processes`, `disk`, `hours`,
    /// `started_again` or `message`.
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
        NoticeKind::MemoryShort { .. } => "memory",
        NoticeKind::ProcessorShort { .. } => "processor",
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
        NoticeKind::MemoryShort { limit } => format!(
            "Your desktop has come to its {} of memory and is slowed down: close what you do not \
             need.",
            bytes(*limit)
        ),
        NoticeKind::ProcessorShort { quota } => format!(
            "Your desktop uses all of its {} and is slowed down.",
            processors(*quota)
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

/// Hundredths of one core in words, such as `2 processors` or `1.5 processors`.
fn processors(hundredths: u32) -> String {
    let plural = if hundredths == 100 { "" } else { "s" };
    let (whole, rest) = (hundredths / 100, hundredths % 100);
    let rest = format!("{rest:02}");
    match rest.trim_end_matches('0') {
        "" => format!("{whole} processor{plural}"),
        rest => format!("{whole}.{rest} processors"),
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
    fn what_a_limit_does_is_said_with_its_figure() {
        for (quota, words) in [
            (100, "all of its 1 processor and"),
            (200, "its 2 processors and"),
            (150, "its 1.5 processors and"),
            (5, "its 0.05 processors and"),
            (1000, "its 10 processors and"),
        ] {
            let told = message(&NoticeKind::ProcessorShort { quota });
            assert!(told.contains(words), "{told}");
        }
        let told = message(&NoticeKind::MemoryShort { limit: 3 << 30 });
        assert!(told.contains("its 3 GB of memory and is slowed"), "{told}");
        let program = "firefox".to_owned();
        let limit = 4 << 30;
        let told = message(&NoticeKind::OutOfMemory { program, limit });
        assert_eq!(
            told,
            "Your desktop reached its 4 GB of memory; the kernel ended `firefox`."
        );
    }

    #[test]
    fn who_crashed_learns_why() {
        let cause = EndCause::AgentDied;
        let words = message(&NoticeKind::StartedAgain { cause });
        assert!(words.starts_with("The desktop was killed from outside. It was started again"));
    }
}
