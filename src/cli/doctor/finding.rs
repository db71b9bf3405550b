//! What one check found, as a line for people and as an object for programs.

use std::fmt;

use serde::Serialize;

use crate::runtime::printable;

/// The answer of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What was looked at.
    pub(super) check: &'static str,
    pub(super) state: State,
    /// What is there.
    pub(super) found: String,
    /// The command, or the act, that makes it fine.
    pub(super) mend: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Fine,
    /// Works, but somebody should know.
    Note,
    /// A start would fail, or no desktop would come up.
    Wrong,
}

impl Finding {
    pub(super) fn fine(check: &'static str, found: impl Into<String>) -> Self {
        Self {
            check,
            state: State::Fine,
            found: found.into(),
            mend: None,
        }
    }

    pub(super) fn note(
        check: &'static str,
        found: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self {
            state: State::Note,
            mend: Some(mend.into()),
            ..Self::fine(check, found)
        }
    }

    pub(super) fn wrong(
        check: &'static str,
        found: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self {
            state: State::Wrong,
            mend: Some(mend.into()),
            ..Self::fine(check, found)
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Fine => "fine",
            Self::Note => "note",
            Self::Wrong => "wrong",
        })
    }
}

/// One line, or more where what was found has more.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const INDENT: &str = "\n                        ";
        // The other side's words are among them.
        let found = printable(self.found.trim_end()).replace('\n', INDENT);
        write!(f, "{:<5}  {:<15}  {found}", self.state, self.check)?;
        match &self.mend {
            None => Ok(()),
            Some(mend) => write!(f, " → {}", printable(mend)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_the_state_the_check_what_is_there_and_what_mends_it() {
        let fine = Finding::fine("X server", "Xtigervnc 1.12.0");
        assert_eq!(fine.to_string(), "fine   X server         Xtigervnc 1.12.0");
        let wrong = Finding::wrong("D-Bus", "none", "apt-get install dbus");
        assert_eq!(
            wrong.to_string(),
            "wrong  D-Bus            none → apt-get install dbus"
        );
        let other = Finding::note("proxy", "\u{1b}]0;x\u{7}\u{9b}2J\ra\nb", "\u{1b}c");
        assert_eq!(
            other.to_string(),
            "note   proxy            ?]0;x??2J?a\n                        b → ?c"
        );
        let json = serde_json::to_value(&wrong).unwrap();
        assert_eq!(json["state"], "wrong");
        assert_eq!(json["mend"], "apt-get install dbus");
    }
}
