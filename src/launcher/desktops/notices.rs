//! What the owner of a running desktop should know, the newest last.

use crate::model::{MAX_NOTICES, Notice, NoticeKind};

/// Most programs that were ended for lack of memory and are told of beside each other.
const MAX_PROGRAMS: usize = 2;

/// The notices of one desktop.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    told: u32,
    list: Vec<Notice>,
}

impl Notices {
    pub(crate) fn list(&self) -> &[Notice] {
        &self.list
    }

    /// The last one that `picks` picks.
    pub(crate) fn last(&self, picks: impl Fn(&NoticeKind) -> bool) -> Option<&Notice> {
        self.list.iter().rfind(|notice| picks(&notice.what))
    }

    /// Adds one in the place of an older one of its kind; messages of admins stand beside each
    /// other, and so do the last programs that the kernel ended. The oldest goes when there are too
    /// many.
    pub(crate) fn add(&mut self, what: NoticeKind, unix: u64) {
        match &what {
            NoticeKind::Message { .. } => {}
            NoticeKind::OutOfMemory { .. } => {
                self.withdraw(|older| *older == what);
                let told = self.list.iter();
                let told = told.filter(|older| is_out_of_memory(&older.what)).count();
                let oldest = self
                    .list
                    .iter()
                    .position(|older| is_out_of_memory(&older.what));
                if let Some(oldest) = oldest.filter(|_| told >= MAX_PROGRAMS) {
                    self.list.remove(oldest);
                }
            }
            _ => {
                let kind = std::mem::discriminant(&what);
                self.withdraw(|older| std::mem::discriminant(older) == kind);
            }
        }
        if self.list.len() >= MAX_NOTICES {
            self.list.remove(0);
        }
        self.told += 1;
        self.list.push(Notice {
            number: self.told,
            at: unix,
            what,
        });
    }

    /// Takes back what is not so any more; whether there was any.
    pub(crate) fn withdraw(&mut self, is_over: impl Fn(&NoticeKind) -> bool) -> bool {
        let before = self.list.len();
        self.list.retain(|notice| !is_over(&notice.what));
        self.list.len() != before
    }
}

fn is_out_of_memory(what: &NoticeKind) -> bool {
    matches!(what, NoticeKind::OutOfMemory { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::IdleStep;

    fn message(text: &str) -> NoticeKind {
        NoticeKind::Message {
            from: "root".to_owned(),
            text: text.to_owned(),
        }
    }

    fn numbers(notices: &Notices) -> Vec<u32> {
        notices.list().iter().map(|notice| notice.number).collect()
    }

    #[test]
    fn one_of_each_kind_stands_and_the_oldest_goes() {
        let mut notices = Notices::default();
        let idle = |when| NoticeKind::Idle {
            next: IdleStep::Stop,
            when,
        };
        notices.add(idle(5), 1);
        notices.add(message("one"), 2);
        notices.add(idle(9), 3);
        assert_eq!(numbers(&notices), [2, 3]);
        for text in ["two", "three", "four"] {
            notices.add(message(text), 4);
        }
        assert_eq!(numbers(&notices), [3, 4, 5, 6]);
        assert!(notices.withdraw(|what| matches!(what, NoticeKind::Idle { .. })));
        assert!(!notices.withdraw(|what| matches!(what, NoticeKind::Idle { .. })));
        assert_eq!(numbers(&notices), [4, 5, 6]);
    }

    #[test]
    fn the_last_two_programs_that_were_ended_are_told_of() {
        let mut notices = Notices::default();
        for (at, program) in (1..).zip(["tail", "firefox", "firefox", "gimp"]) {
            let (program, limit) = (program.to_owned(), 5);
            notices.add(NoticeKind::OutOfMemory { program, limit }, at);
            if at == 3 {
                assert_eq!(numbers(&notices), [1, 3]);
            }
        }
        assert_eq!(numbers(&notices), [3, 4]);
    }
}
