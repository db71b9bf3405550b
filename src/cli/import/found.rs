//! What was found in another program's configuration, and what was not carried over.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::render;
use crate::config::{self, Overrides};
use crate::model::Secret;

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: Arc<Path>,
    pub(super) line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// A sentence for the admin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) place: Option<Place>,
    pub(super) text: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A file may hold anything, and this goes to a terminal and into a comment.
        let text = self
            .text
            .chars()
            .map(|c| if c.is_control() { '?' } else { c });
        let text: String = text.collect();
        match &self.place {
            Some(place) => {
                let place = place.to_string().replace(char::is_control, "?");
                write!(f, "{place}: {text}")
            }
            None => f.write_str(&text),
        }
    }
}

/// An address to listen on.
#[derive(Clone, Debug)]
pub(super) struct Listen {
    pub(super) place: Place,
    pub(super) address: String,
    /// As in `[[listen]]`.
    pub(super) protocol: &'static str,
    pub(super) proxy_protocol: bool,
}

/// A desktop that runs elsewhere.
#[derive(Clone, Debug)]
pub(super) struct Attached {
    pub(super) place: Place,
    /// `OWNER` or `OWNER/NAME`; `None`: nobody is named, and it becomes a comment.
    pub(super) desktop: Option<String>,
    pub(super) target: String,
    pub(super) ca_file: Option<String>,
    pub(super) password: Option<Secret<String>>,
}

/// What becomes of a configuration.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) listeners: Vec<Listen>,
    pub(super) hosts: Vec<(Place, String)>,
    pub(super) trusted_proxies: Vec<(Place, String)>,
    /// Certificates' files and their keys', the one for whoever names no host first.
    pub(super) tls: Vec<(Place, String, String)>,
    pub(super) geometry: Option<(Place, String)>,
    pub(super) profile: Option<(Place, String)>,
    pub(super) public_index: Option<Place>,
    pub(super) attached: Vec<Attached>,
    pub(super) not_carried: Vec<Note>,
    pub(super) to_do: Vec<Note>,
}

impl Found {
    pub(super) fn lost(&mut self, place: &Place, text: impl Into<String>) {
        self.not_carried.push(Note {
            place: Some(place.clone()),
            text: text.into(),
        });
    }

    pub(super) fn remind(&mut self, text: impl Into<String>) {
        self.to_do.push(Note {
            place: None,
            text: text.into(),
        });
    }

    /// Takes out what Deskway would not take, and says so: each piece is held to the rules of
    /// `deskway.toml`, by the one who knows them.
    pub(super) fn settle(&mut self) {
        let mut lost = Vec::new();
        let mut sound = |place: &Place, what: &str, text: &str| match config::from_text(
            text,
            "",
            &Overrides::default(),
        ) {
            Ok(_) => true,
            Err(error) => {
                let reason = error.to_string();
                let reason = reason.lines().next().unwrap_or_default();
                lost.push((
                    place.clone(),
                    format!("{what} is left out: {}", without_place(reason)),
                ));
                false
            }
        };
        self.hosts.retain(|(place, name)| {
            let text = format!("[server]\nhosts = [{}]\n", render::string(name));
            sound(place, "this name", &text)
        });
        self.trusted_proxies.retain(|(place, address)| {
            let text = format!(
                "[server]\ntrusted_proxies = [{}]\n",
                render::string(address)
            );
            sound(place, "this proxy", &text)
        });
        let kept = serving(&self.listeners, &self.trusted_proxies, &mut sound);
        let mut index = 0..;
        self.listeners
            .retain(|_| index.next().is_some_and(|index| kept.contains(&index)));
        for (setting, key) in [
            (&mut self.geometry, "geometry"),
            (&mut self.profile, "default_profile"),
        ] {
            setting.take_if(|(place, value)| {
                let text = format!("[desktops]\n{key} = {}\n", render::string(value));
                !sound(place, "this setting", &text)
            });
        }
        let mut before = Vec::new();
        self.tls.retain(|(place, cert, key)| {
            before.push((cert.clone(), key.clone()));
            let fits = sound(place, "this certificate", &render::certificates(&before));
            if !fits {
                before.pop();
            }
            fits
        });
        self.attached.retain(|it| {
            sound(
                &it.place,
                "this desktop",
                &render::attached(it, Path::new("/")),
            )
        });
        for (place, text) in lost {
            self.lost(&place, text);
        }
        self.leave_out_doubles();
        self.not_carried.sort_by_key(|note| {
            let place = note.place.as_ref();
            place.map(|place| (Arc::clone(&place.file), place.line))
        });
    }

    /// What the file may name once only.
    fn leave_out_doubles(&mut self) {
        let mut seen = BTreeSet::new();
        let mut lost = Vec::new();
        self.attached.retain(|it| {
            let Some(desktop) = &it.desktop else {
                return true;
            };
            // As it is read: `alice/main` is `alice`.
            let id = desktop.strip_suffix("/main").unwrap_or(desktop);
            let new = seen.insert(id.to_owned());
            if !new {
                let text = format!("`{desktop}` stands there already: this one is left out");
                lost.push((it.place.clone(), text));
            }
            new
        });
        for (place, text) in lost {
            self.lost(&place, text);
        }
        for list in [&mut self.hosts, &mut self.trusted_proxies] {
            let mut seen = BTreeSet::new();
            list.retain(|(_, value)| seen.insert(value.to_lowercase()));
        }
    }
}

/// Which addresses are sound: each with those before it, and those that serve before those that
/// lead to them. One that is named twice counts once.
fn serving(
    listeners: &[Listen],
    proxies: &[(Place, String)],
    sound: &mut impl FnMut(&Place, &str, &str) -> bool,
) -> BTreeSet<usize> {
    let proxies = proxies.iter();
    let proxies: Vec<_> = proxies.map(|(_, it)| render::string(it)).collect();
    let mut text = format!("[server]\ntrusted_proxies = [{}]\n", proxies.join(", "));
    let mut addresses = BTreeSet::new();
    let mut kept = BTreeSet::new();
    for redirects in [false, true] {
        for (index, it) in listeners.iter().enumerate() {
            if (it.protocol == "redirect") != redirects || !addresses.insert(&it.address) {
                continue;
            }
            let with_it = format!("{text}{}", render::listener(it));
            if sound(&it.place, "this address", &with_it) {
                kept.insert(index);
                text = with_it;
            }
        }
    }
    kept
}

/// A problem's text without the line of the snippet that it was found in.
fn without_place(problem: &str) -> &str {
    problem
        .split_once(": ")
        .filter(|(place, _)| {
            place
                .trim_start_matches(':')
                .starts_with(|c: char| c.is_ascii_digit())
        })
        .map_or(problem, |(_, text)| text)
}
