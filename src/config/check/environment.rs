//! `env` in `[desktops]`: what may be put into every session's environment.

use std::collections::BTreeMap;

use toml::Spanned;

use super::place::{Fault, Field};
use crate::config::problems::Problems;

/// Most variables, and most bytes of one.
const MAX_VARIABLES: usize = 100;
const MAX_VALUE: usize = 4096;

/// Variables that each desktop gets for itself, and who sets them.
const OWN: &[(&str, &str)] = &[
    (
        "DBUS_SESSION_BUS_ADDRESS",
        "each desktop has a bus of its own",
    ),
    ("DISPLAY", "each desktop has a display of its own"),
    ("HOME", "it is the account's home"),
    ("LOGNAME", "it is the account's name"),
    ("SHELL", "it is the account's shell"),
    ("USER", "it is the account's name"),
    ("WAYLAND_DISPLAY", "the sessions are X sessions"),
    ("XAUTHORITY", "each desktop has a cookie of its own"),
    ("XDG_RUNTIME_DIR", "each desktop has a directory of its own"),
];

pub(super) fn check(
    raw: BTreeMap<Spanned<String>, Spanned<String>>,
    problems: &mut Problems<'_>,
) -> BTreeMap<String, String> {
    let field = Field::new("desktops", "env");
    if let Some((surplus, _)) = raw.iter().nth(MAX_VARIABLES) {
        let because = Fault::Because(format!("write at most {MAX_VARIABLES}"));
        field.refuse(
            &surplus.span(),
            &format!("has {} names", raw.len()),
            because,
            problems,
        );
    }
    let mut env = BTreeMap::new();
    for (name, value) in raw.into_iter().take(MAX_VARIABLES) {
        match refusal(name.get_ref(), value.get_ref()) {
            None => _ = env.insert(name.into_inner(), value.into_inner()),
            Some(reason) => {
                let holds = format!("holds {:?}", super::shown(name.get_ref()));
                field.refuse(&name.span(), &holds, Fault::Because(reason), problems);
            }
        }
    }
    env
}

/// Why the variable is not taken.
fn refusal(name: &str, value: &str) -> Option<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(word)
    {
        return Some("write a name of letters, digits and `_`, the first one no digit".to_owned());
    }
    if let Some((_, why)) = OWN.iter().find(|(own, _)| *own == name) {
        return Some(format!("leave it out, Deskway sets it: {why}"));
    }
    if name.starts_with("LD_") {
        return Some(
            "leave it out: it would put foreign code into every program of every person".to_owned(),
        );
    }
    if value.contains('\0') || value.len() > MAX_VALUE {
        return Some(format!(
            "write a value of at most {MAX_VALUE} bytes without NUL"
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_one_desktop_alone_are_refused_with_the_reason() {
        for name in [
            "DISPLAY",
            "XAUTHORITY",
            "HOME",
            "LD_PRELOAD",
            "",
            "A B",
            "1A",
            "A=B",
        ] {
            assert!(refusal(name, "x").is_some(), "{name}");
        }
        assert!(refusal("HOME", "x").unwrap().contains("the account's home"));
        assert_eq!(refusal("LANG", "de_DE.UTF-8"), None);
        assert_eq!(refusal("_x1", ""), None);
        assert!(refusal("LANG", "a\0b").is_some());
    }
}
