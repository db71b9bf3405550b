//! What is wrong with token files, told once and not to everybody who comes.

use tracing::warn;

/// Most complaints about one reading that are told of one by one.
const MAX_TOLD: usize = 100;

/// What one reading found wrong, in the order in which it was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Complaints {
    lines: Vec<String>,
    /// Those beyond the first [`MAX_TOLD`].
    more: usize,
}

impl Complaints {
    pub(super) fn add(&mut self, line: impl FnOnce() -> String) {
        if self.lines.len() < MAX_TOLD {
            self.lines.push(line());
        } else {
            self.more += 1;
        }
    }

    /// Writes to the log what the reading before, `last`, did not have; this reading is the last
    /// one then.
    pub(super) fn tell(self, last: &mut Self) {
        for line in self.lines.iter().filter(|line| !last.lines.contains(line)) {
            warn!("{line}");
        }
        if self.more > 0 && self.more != last.more {
            warn!("{} more lines or files are left out", self.more);
        }
        *last = self;
    }
}
