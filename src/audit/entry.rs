//! One entry, made so that whatever others say fits into it: control characters are escaped,
//! lengths bounded.

use serde::{Deserialize, Serialize};

/// Most characters of each of an entry's texts.
const MAX_TEXT: usize = 400;
/// What stands for an address where somebody of this machine did it, or Deskway itself.
const HERE: &str = "this machine";
/// Who did what nobody asked for.
const DESKWAY: &str = "(deskway)";

/// One thing that was done, or tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Milliseconds since 1970.
    pub at: u64,
    /// The name with which the person signs in, or an account of this machine's.
    pub who: String,
    /// The OS account's number, where it was done on this machine's command line.
    pub uid: Option<u32>,
    /// An address, or `this machine`.
    pub origin: String,
    pub what: What,
    /// `alice` or `alice/work`.
    pub desktop: Option<String>,
    pub outcome: Outcome,
    /// Why it was refused or failed.
    pub reason: String,
    /// Whatever else is worth knowing, in words.
    pub details: String,
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Ok,
    Refused,
    Failed,
}

macro_rules! words {
    ($($(#[$doc:meta])* $variant:ident = $word:literal,)+) => {
        /// What was done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum What {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)+
        }

        impl What {
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// As it stands in the database and on the command line.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

words! {
    SignIn = "sign_in",
    /// Asked for, or ended for another reason.
    SignOut = "sign_out",
    /// The first account was made with the set-up link.
    SetUp = "set_up",
    /// All sign-ins of an account were ended by somebody else.
    EndSignIns = "end_sign_ins",
    Start = "start",
    Stop = "stop",
    Freeze = "freeze",
    Thaw = "thaw",
    /// Somebody said that the desktop is in use.
    Keep = "keep",
    Message = "message",
    /// A desktop came to its end, by itself or because somebody wished it.
    Ended = "ended",
    /// Somebody looks at a desktop.
    Watch = "watch",
    WatchEnd = "watch_end",
    /// A desktop was shared with somebody else.
    Share = "share",
    /// A file was carried.
    File = "file",
    AccountAdd = "account_add",
    AccountPassword = "account_password",
    AccountRemove = "account_remove",
    /// Somebody became an admin, or is none any more.
    Admin = "admin",
    /// Root read a desktop's log.
    Log = "log",
    /// The configuration was read again, or has changed while no launcher ran.
    Config = "config",
    LauncherStart = "launcher_start",
    LauncherStop = "launcher_stop",
    /// Another launcher takes the place of this one.
    Upgrade = "upgrade",
    /// Entries could not be kept.
    Lost = "lost",
    Backup = "backup",
}

impl std::str::FromStr for What {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|what| what.word() == text);
        found.copied().ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|what| what.word()).collect();
            format!("write one of {}", known.join(", "))
        })
    }
}

impl Outcome {
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    pub(super) fn of(word: &str) -> Self {
        match word {
            "ok" => Self::Ok,
            "refused" => Self::Refused,
            _ => Self::Failed,
        }
    }
}

impl Entry {
    /// Something that went well. `at` is in milliseconds since 1970.
    pub fn new(at: u64, who: &str, origin: &str, what: What) -> Self {
        Self {
            at,
            who: plain(who),
            uid: None,
            origin: plain(origin),
            what,
            desktop: None,
            outcome: Outcome::Ok,
            reason: String::new(),
            details: String::new(),
        }
    }

    /// Done by Deskway itself.
    pub fn by_deskway(at: u64, what: What) -> Self {
        Self::new(at, DESKWAY, HERE, what)
    }

    /// Done by an account of this machine.
    pub fn here(at: u64, who: &str, uid: u32, what: What) -> Self {
        Self {
            uid: Some(uid),
            ..Self::new(at, who, HERE, what)
        }
    }

    /// Whether nobody asked for it.
    pub(super) fn is_by_deskway(&self) -> bool {
        self.who == DESKWAY
    }

    #[must_use]
    pub fn on(mut self, desktop: impl std::fmt::Display) -> Self {
        self.desktop = Some(plain(&desktop.to_string()));
        self
    }

    #[must_use]
    pub fn with(mut self, details: &str) -> Self {
        self.details = plain(details);
        self
    }

    #[must_use]
    pub fn went(mut self, outcome: Outcome, reason: &str) -> Self {
        self.outcome = outcome;
        self.reason = plain(reason);
        self
    }

    /// One line of words, for syslog.
    pub fn line(&self) -> String {
        let mut line = format!(
            "{} {} by {}",
            self.what.word(),
            self.outcome.word(),
            self.who
        );
        let parts = [
            self.uid.map(|uid| format!(" (uid {uid})")),
            Some(format!(" from {}", self.origin)),
            self.desktop.as_ref().map(|it| format!(" desktop {it}")),
            (!self.reason.is_empty()).then(|| format!(": {}", self.reason)),
            (!self.details.is_empty()).then(|| format!("; {}", self.details)),
        ];
        line.extend(parts.into_iter().flatten());
        line
    }
}

/// `text` within its bound, on one line, with nothing that a terminal obeys or that turns the
/// direction of what is read.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars();
    for c in chars.by_ref().take(MAX_TEXT) {
        if c.is_control() || is_invisible(c) {
            plain.extend(c.escape_unicode());
        } else {
            plain.push(c);
        }
    }
    if chars.next().is_some() {
        plain.push('…');
    }
    plain
}

/// Line separators and marks of direction, which change what is seen.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_stays_one_bounded_line() {
        let evil = "x\nroot signed in\r\u{1b}[2J\u{202e}\u{2028}";
        let entry = Entry::new(1, evil, "::1", What::SignIn)
            .went(Outcome::Refused, evil)
            .with(&"ä".repeat(100_000));
        assert_eq!(
            entry.who,
            "x\\u{a}root signed in\\u{d}\\u{1b}[2J\\u{202e}\\u{2028}"
        );
        assert!(!entry.line().contains(char::is_control));
        assert_eq!(entry.details.chars().count(), MAX_TEXT + 1);
    }

    #[test]
    fn every_word_is_read_as_it_is_written() {
        for what in What::ALL {
            assert_eq!(what.word().parse(), Ok(*what));
        }
        assert!("signin".parse::<What>().unwrap_err().contains("sign_in"));
    }
}
