//! TigerVNC's `vncserver.users`: which display is whose.
//!
//! With Deskway nothing has to be said of them: everybody who can sign in has a desktop. What is
//! carried over is how desktops look (`vncserver-config-defaults` beside the file), and with
//! `--attach` the screens that run, each beside its owner's own desktop.

use std::path::Path;
use std::sync::Arc;

use super::found::{Attached, Found, Place};
use super::{Error, text_file};

/// TigerVNC's settings for all displays, in the same directory.
const DEFAULTS: &str = "vncserver-config-defaults";
/// What overrides them.
const MANDATORY: &str = "vncserver-config-mandatory";
/// Display :0 is at this port.
const FIRST_PORT: u16 = 5900;
const MAX_DISPLAY: u16 = 99;

pub(super) fn read(path: &Path, attach: bool) -> Result<Found, Error> {
    let text = text_file::read(path).map_err(|error| Error::unreadable(path, error))?;
    let mut found = Found::default();
    let (mut names, mut units) = (Vec::new(), Vec::new());
    for (place, line) in entries(path, &text) {
        let Some((display, name)) = display_of(line) else {
            found.lost(&place, "this line is no `:DISPLAY=NAME`");
            continue;
        };
        names.push(name.to_owned());
        units.push(format!("vncserver@:{display}"));
        if attach {
            found.attached.push(Attached {
                place,
                desktop: Some(format!("{name}/display{display}")),
                target: format!("127.0.0.1:{}", FIRST_PORT + display),
                ca_file: None,
                password: None,
            });
        }
    }
    names.sort();
    names.dedup();
    let names = names.join(", ");
    found.remind(format!(
        "{names}: each signs in with the password of this machine's account, and then has a desktop"
    ));
    if attach {
        found.remind(
            "where such a screen asks for a password, write it into a file of mode 0600 and name \
             that as `password_file`: what vncpasswd wrote cannot be carried over",
        );
    } else {
        let units = units.join(" ");
        found.remind(format!(
            "end the screens that are not needed any more: systemctl disable --now {units}; or \
             import with --attach, to have them beside the new desktops"
        ));
    }
    for name in [DEFAULTS, MANDATORY] {
        let beside = path.with_file_name(name);
        if let Ok(text) = text_file::read(&beside) {
            defaults(&beside, &text, &mut found);
        }
    }
    Ok(found)
}

fn defaults(path: &Path, text: &str, found: &mut Found) {
    for (place, line) in entries(path, text) {
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        match key.trim() {
            "geometry" => found.geometry = Some((place, value.trim().to_owned())),
            "session" => found.profile = Some((place, value.trim().to_owned())),
            // Deskway's have no port at all.
            "localhost" | "securitytypes" | "SecurityTypes" | "rfbport" => {}
            key => found.lost(
                &place,
                format!("`{key}` is not carried over: `x_args` takes options of the X server"),
            ),
        }
    }
}

fn entries<'a>(path: &Path, text: &'a str) -> impl Iterator<Item = (Place, &'a str)> {
    let file: Arc<Path> = path.into();
    let lines = (1..).zip(text.lines().map(str::trim));
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(move |(line, text)| {
            let file = Arc::clone(&file);
            (Place { file, line }, text)
        })
}

fn display_of(line: &str) -> Option<(u16, &str)> {
    let (display, name) = line.strip_prefix(':')?.split_once('=')?;
    let display: u16 = display.trim().parse().ok()?;
    let name = name.trim();
    (display <= MAX_DISPLAY && !name.is_empty()).then_some((display, name))
}

/// Whether a text is of this kind.
pub(super) fn is_one(text: &str) -> bool {
    let first = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#'));
    first.is_some_and(|line| display_of(line).is_some())
}
