//! Names: of people, of desktops, of profiles. Each is checked once, where it comes in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A name that is not one, and what would be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {what}: {rule}")]
pub struct BadName {
    text: String,
    what: &'static str,
    rule: &'static str,
}

/// One checked name: its type, what it is called, its longest length, the rule in words, and
/// what may come first and after.
macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $max:literal, $rule:literal, $first:expr, $rest:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = BadName;

            fn from_str(text: &str) -> Result<Self, BadName> {
                let first: fn(char) -> bool = $first;
                let rest: fn(char) -> bool = $rest;
                let fits = text.len() <= $max
                    && text.chars().next().is_some_and(first)
                    && text.chars().skip(1).all(rest);
                if fits {
                    Ok(Self(text.to_owned()))
                } else {
                    let text = text.chars().take(80).flat_map(char::escape_default).collect();
                    Err(BadName { text, what: $what, rule: $rule })
                }
            }
        }

        impl TryFrom<String> for $type {
            type Error = BadName;

            fn try_from(text: String) -> Result<Self, BadName> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// The name with which a person signs in: an OS account's or a local account's.
    UserName,
    "user name",
    64,
    "letters, digits, `.`, `_`, `-` and `@`, the first one a letter, digit or `_`, 64 at most",
    |c| c.is_ascii_alphanumeric() || c == '_',
    |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '@')
);

name!(
    /// The name of one of a person's desktops; [`DesktopName::main`] is the one they have first.
    DesktopName,
    "desktop name",
    32,
    "small letters, digits, `_` and `-`, the first one a letter or digit, 32 at most",
    |c| c.is_ascii_lowercase() || c.is_ascii_digit(),
    |c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-')
);

name!(
    /// The name of a kind of session: `xfce`, `xstartup`, or one from the configuration.
    ProfileId,
    "profile name",
    64,
    "letters, digits, `.`, `_` and `-`, the first one a letter or digit, 64 at most",
    |c| c.is_ascii_alphanumeric(),
    |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
);

impl DesktopName {
    /// The desktop that `/d/alice/` means.
    pub fn main() -> Self {
        Self("main".to_owned())
    }

    pub fn is_main(&self) -> bool {
        self.0 == "main"
    }
}

/// One desktop of one person. Printed and read as `alice` (her main one) or `alice/work`.
///
/// An id says which desktop is meant; it never grants anything.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DesktopId {
    pub owner: UserName,
    pub name: DesktopName,
}

impl DesktopId {
    pub fn new(owner: UserName, name: DesktopName) -> Self {
        Self { owner, name }
    }
}

impl FromStr for DesktopId {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        match text.split_once('/') {
            None => Ok(Self::new(text.parse()?, DesktopName::main())),
            Some((owner, name)) => Ok(Self::new(owner.parse()?, name.parse()?)),
        }
    }
}

impl TryFrom<String> for DesktopId {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl From<DesktopId> for String {
    fn from(id: DesktopId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for DesktopId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_main() {
            write!(f, "{}", self.owner)
        } else {
            write!(f, "{}/{}", self.owner, self.name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_desktop_id_reads_what_it_prints() {
        for text in ["alice", "alice/work", "a.b@example.org/x-1"] {
            assert_eq!(text.parse::<DesktopId>().unwrap().to_string(), text);
        }
        assert_eq!(
            "alice/main".parse::<DesktopId>().unwrap().to_string(),
            "alice"
        );
    }

    #[test]
    fn hostile_names_are_refused_and_escaped() {
        for text in [
            "",
            "../x",
            ".",
            "-x",
            "a b",
            "a\n",
            "a/../b",
            "a/b/c",
            "ä",
            "<b>",
            "a\u{1b}[0m",
        ] {
            let error = text.parse::<DesktopId>().unwrap_err().to_string();
            assert!(
                !error.contains('\n') && !error.contains('\u{1b}'),
                "{error}"
            );
        }
        assert!("x".repeat(65).parse::<UserName>().is_err());
    }
}
