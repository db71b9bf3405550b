//! Text for people: errors with what is behind them, and others' words on a terminal.

use std::error::Error;

/// An error with what is behind it, each thing said once.
pub fn words(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(behind) = source {
        let more = behind.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = behind.source();
    }
    text
}

/// `text` with nothing in it that a terminal would obey: what others say goes to one. Lines stay.
pub fn printable(text: &str) -> String {
    let plain = |c: char| if c.is_control() && c != '\n' { '?' } else { c };
    text.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read x: {source}")]
    struct Says {
        source: io::Error,
    }

    #[derive(Debug, thiserror::Error)]
    #[error("cannot begin")]
    struct Silent {
        source: Says,
    }

    #[test]
    fn each_cause_is_said_once() {
        let source = io::Error::other("it is gone");
        let error = Silent {
            source: Says { source },
        };
        assert_eq!(words(&error), "cannot begin: cannot read x: it is gone");
    }

    #[test]
    fn terminals_get_nothing_to_obey() {
        let said = printable("a\u{1b}[31m\r\u{9b}2J\tb\nc");
        assert_eq!(said, "a?[31m??2J?b\nc");
    }
}
