//! Why a viewer's connection ends: the code for the page and a sentence for people.

use std::borrow::Cow;
use std::fmt;

use super::websocket::MAX_REASON;

/// Why a connection ends, as the browser is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseCause {
    /// The desktop was stopped by its owner or an admin.
    Stopped,
    /// The desktop was ended by the rules of its machine; `why` is a sentence, `word` is for the
    /// metrics.
    RanOut { word: &'static str, why: String },
    /// The desktop died; the sentence or clause says of what.
    Crashed(String),
    /// The person logged out inside the desktop.
    LoggedOut,
    /// The person's sign-in is over.
    SignedOut,
    /// The person may not have the desktop now; the clause says why.
    Denied(String),
    /// The same viewer connected again.
    Replaced,
    /// The desktop has as many viewers as it may.
    TooManyViewers,
    /// Deskway is stopping and will be back.
    Restarting,
    /// What carries the connection is stopping, and nobody knows whether it will be back.
    Stopping,
    /// The desktop runs and does not answer: it is held up, or overloaded.
    Unanswered,
    /// The desktop does not answer as a desktop does, or ended and nobody knows why.
    Unreachable,
    /// As [`CloseCause::Unreachable`], and the clause says why.
    UnreachableFor(String),
    /// A target that nobody explains ended its connection.
    TargetClosed,
    /// A target that nobody explains cannot be connected to.
    TargetRefused,
    /// A look that was to be a short one has taken as long as it may, or moved as much.
    LookedEnough,
    /// The browser broke a rule of WebSocket or of RFB; the clause says which.
    Protocol(String),
    /// The browser sent text.
    NotBinary,
    /// The browser gave a reason that is not UTF-8.
    NotUtf8,
    /// The browser sent a message that is too long.
    TooBig,
    /// The browser closed the connection.
    Left,
    /// The browser's connection is gone without a word; nobody is there to be told.
    Vanished,
}

impl CloseCause {
    /// The close code (RFC 6455 §7.4). 1006 is never sent.
    pub fn code(&self) -> u16 {
        match self {
            Self::Left | Self::LookedEnough | Self::TargetClosed => 1000,
            Self::Stopping => 1001,
            Self::Protocol(_) => 1002,
            Self::NotBinary => 1003,
            Self::Vanished => 1006,
            Self::NotUtf8 => 1007,
            Self::TooBig => 1009,
            Self::Unreachable | Self::UnreachableFor(_) | Self::TargetRefused => 1011,
            Self::Restarting => 1012,
            Self::Stopped | Self::RanOut { .. } => 4001,
            Self::Crashed(_) => 4002,
            Self::LoggedOut => 4003,
            Self::SignedOut => 4401,
            Self::Denied(_) => 4403,
            Self::Unanswered => 4408,
            Self::Replaced => 4409,
            Self::TooManyViewers => 4429,
        }
    }

    /// The cause as one word, for the metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::RanOut { word, .. } => word,
            Self::Crashed(_) => "crashed",
            Self::LoggedOut => "logged_out",
            Self::SignedOut => "signed_out",
            Self::Denied(_) => "denied",
            Self::Unanswered => "unanswered",
            Self::Replaced => "replaced",
            Self::TooManyViewers => "too_many_viewers",
            Self::Restarting | Self::Stopping => "restarting",
            Self::Unreachable | Self::UnreachableFor(_) | Self::TargetRefused => "unreachable",
            Self::TargetClosed => "target_closed",
            Self::Protocol(_) | Self::NotBinary | Self::NotUtf8 => "protocol",
            Self::TooBig => "too_big",
            Self::Left | Self::LookedEnough => "left",
            Self::Vanished => "vanished",
        }
    }

    /// A sentence for people, 123 bytes at most: what a close frame has room for.
    pub fn reason(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Stopped => "The desktop was stopped.",
            Self::Crashed(cause) => return sentence("The desktop crashed", cause),
            Self::LoggedOut => "You logged out of the desktop.",
            Self::SignedOut => "You were signed out.",
            Self::Replaced => "The desktop was opened again in this window.",
            Self::TooManyViewers => "The desktop has as many viewers as it may have.",
            Self::Restarting => "The server is restarting.",
            Self::Stopping => "The server is stopping.",
            Self::Unanswered => "Your desktop does not answer.",
            Self::Unreachable => "The desktop cannot be reached.",
            Self::RanOut { why, .. } | Self::Denied(why) | Self::UnreachableFor(why) => {
                return capital(why);
            }
            Self::TargetClosed => "The target closed its connection.",
            Self::TargetRefused => "The target cannot be connected to.",
            Self::LookedEnough => "That was long enough for a picture.",
            Self::Protocol(rule) => return sentence("The browser sent what it must not", rule),
            Self::NotBinary => "The browser sent text where only binary messages are taken.",
            Self::NotUtf8 => "The browser gave a reason that is not UTF-8.",
            Self::TooBig => "The browser sent a message that is too long.",
            Self::Left => "The browser left.",
            Self::Vanished => "The browser's connection was lost.",
        })
    }
}

impl fmt::Display for CloseCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason())
    }
}

/// `what: why.`, the last part cut where the close frame ends.
fn sentence(what: &str, why: &str) -> Cow<'static, str> {
    let why = why.trim().trim_end_matches('.');
    if why.is_empty() {
        return Cow::Owned(format!("{what}."));
    }
    cut(format!("{what}: {why}."))
}

/// A clause as a sentence.
fn capital(clause: &str) -> Cow<'static, str> {
    let mut letters = clause.trim().trim_end_matches('.').chars();
    let first = letters.next().map(char::to_uppercase);
    cut(first
        .into_iter()
        .flatten()
        .chain(letters)
        .chain(['.'])
        .collect())
}

fn cut(whole: String) -> Cow<'static, str> {
    if whole.len() <= MAX_REASON {
        return Cow::Owned(whole);
    }
    let mut cut = String::with_capacity(MAX_REASON);
    for c in whole.chars() {
        if cut.len() + c.len_utf8() + '…'.len_utf8() > MAX_REASON {
            break;
        }
        cut.push(c);
    }
    cut.push('…');
    Cow::Owned(cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_fits_a_close_frame() {
        let long = "Der Bildschirm ist abgestürzt, weil ".repeat(50);
        for cause in [
            CloseCause::Stopped,
            CloseCause::Crashed(long.clone()),
            CloseCause::Crashed("ü".repeat(200)),
            CloseCause::Crashed(format!("a{}", "ü".repeat(200))),
            CloseCause::Protocol(long.clone()),
            CloseCause::UnreachableFor(long),
            CloseCause::Replaced,
            CloseCause::TooManyViewers,
            CloseCause::NotBinary,
        ] {
            let reason = cause.reason();
            assert!(reason.len() <= 123, "{reason}");
            assert!(reason.ends_with(['.', '…']), "{reason}");
        }
    }

    #[test]
    fn a_crash_says_its_cause() {
        let reason = |cause: &str| CloseCause::Crashed(cause.to_owned()).reason().into_owned();
        assert_eq!(reason(""), "The desktop crashed.");
        assert_eq!(
            reason("The desktop's screen ended with signal 9."),
            "The desktop crashed: The desktop's screen ended with signal 9."
        );
    }
}
