//! Collects everything that is wrong with one file.

use std::ops::Range;

use super::Problem;

/// Most problems that are said at once.
pub(super) const MAX_PROBLEMS: usize = 20;

/// What has been found so far in the file whose text it holds.
pub(super) struct Problems<'a> {
    text: &'a str,
    /// With the offset in the text, by which they are put in order at the end.
    found: Vec<(usize, Problem)>,
}

impl<'a> Problems<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            found: Vec::new(),
        }
    }

    /// Notes what is wrong at `place`. `key` is its path, such as `profile.1.id` (the second
    /// profile).
    pub(super) fn add(&mut self, place: &Range<usize>, key: Option<String>, message: String) {
        if self.found.len() >= MAX_PROBLEMS {
            return;
        }
        let before = self.text.get(..place.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let problem = Problem {
            line: before.matches('\n').count() + 1,
            column: before
                .get(line_start..)
                .map_or(0, |line| line.chars().count())
                + 1,
            key,
            message,
        };
        self.found.push((place.start, problem));
    }

    /// Whether `key` has been complained about, so that nothing more need be said about it.
    pub(super) fn has(&self, key: &str) -> bool {
        self.found
            .iter()
            .any(|(_, problem)| problem.key.as_deref() == Some(key))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// All of them in the file's order.
    pub(super) fn into_sorted(mut self) -> Vec<Problem> {
        self.found.sort_by_key(|(offset, _)| *offset);
        self.found.into_iter().map(|(_, problem)| problem).collect()
    }
}
