//! `[desktops]` and `[[profile]]`: what desktops are made of.

use std::collections::BTreeSet;
use std::time::Duration;

use toml::Spanned;

use super::place::{Fault, Field, absolute, flag, number};
use super::{environment, x_args};
use crate::config::problems::Problems;
use crate::config::{Desktops, Profile, Restart, raw, value};
use crate::model::ProfileId;

/// Most entries of `x_args`; each becomes an argument of a process.
const MAX_X_ARGS: usize = 64;
/// The profile that stands for a person's own `~/.vnc/xstartup`.
const XSTARTUP: &str = "xstartup";

pub(super) fn desktops(raw: raw::Desktops, desktops: &mut Desktops, problems: &mut Problems<'_>) {
    let field = |key| Field::new("desktops", key);
    field("x_server").set(raw.x_server, &mut desktops.x_server, problems, |path| {
        absolute(path).map(Some)
    });
    field("geometry").set(raw.geometry, &mut desktops.geometry, problems, |text| {
        text.parse().map_err(|_| Fault::Wants)
    });
    field("depth").set(
        raw.depth,
        &mut desktops.depth,
        problems,
        |depth| match depth {
            16 => Ok(16),
            24 => Ok(24),
            _ => Err(Fault::Wants),
        },
    );
    field("dpi").set(raw.dpi, &mut desktops.dpi, problems, |dpi| {
        number(*dpi, 50..=400)
    });
    flag(raw.private_tmp, &mut desktops.private_tmp);
    desktops.env = environment::check(raw.env, problems);
    desktops.x_args = field("x_args").list(raw.x_args, MAX_X_ARGS, problems, x_args::check);
    field("default_profile").set(
        raw.default_profile,
        &mut desktops.default_profile,
        problems,
        |id| id.parse().map(Some).map_err(|_| Fault::Wants),
    );
    field("xsessions").set(raw.xsessions, &mut desktops.xsessions, problems, |path| {
        absolute(path)
    });
    flag(raw.xstartup, &mut desktops.xstartup);
    field("max_per_person").set(
        raw.max_per_person,
        &mut desktops.max_per_person,
        problems,
        |max| number(*max, 1..=100),
    );
    let seconds = Duration::from_secs;
    field("screen_timeout").set(
        raw.screen_timeout,
        &mut desktops.screen_timeout,
        problems,
        |text| value::duration(text, seconds(1)..=seconds(300)).ok_or(Fault::Wants),
    );
    field("session_timeout").set(
        raw.session_timeout,
        &mut desktops.session_timeout,
        problems,
        |text| value::duration(text, seconds(1)..=seconds(600)).ok_or(Fault::Wants),
    );
    field("restart").set(
        raw.restart,
        &mut desktops.restart,
        problems,
        |text| match text.as_str() {
            "never" => Ok(Restart::Never),
            "on-crash" => Ok(Restart::OnCrash),
            _ => Err(Fault::Wants),
        },
    );
}

/// The `[[profile]]` sections.
pub(super) fn profiles(
    raw: Vec<Spanned<raw::Profile>>,
    problems: &mut Problems<'_>,
) -> Vec<Profile> {
    let mut ids = BTreeSet::new();
    let mut profiles = Vec::new();
    for (index, section) in raw.into_iter().enumerate() {
        let field = |key| Field::repeated("profile", index, key);
        let place = section.span();
        let raw::Profile { id, name, command } = section.into_inner();
        let id = field("id").required(id, &place, problems, |text| {
            let id: ProfileId = text.parse().map_err(|_| Fault::Wants)?;
            if id.as_str() == XSTARTUP {
                return Err(Fault::Because(
                    "that one is each person's own `~/.vnc/xstartup`: write another".to_owned(),
                ));
            }
            if !ids.insert(id.clone()) {
                return Err(Fault::Because(
                    "another [[profile]] is called so: write another".to_owned(),
                ));
            }
            Ok(id)
        });
        let name = field("name").value(name, problems, |text| {
            value::line(text, 80).ok_or(Fault::Wants)
        });
        let command = field("command").required(command, &place, problems, |words| {
            let program = words.first().ok_or(Fault::Wants)?;
            let found = if program.contains('/') {
                program.starts_with('/')
            } else {
                !program.is_empty()
            };
            let whole = words.iter().all(|word| !word.contains('\0'));
            if found && whole {
                Ok(words.clone())
            } else {
                Err(Fault::Wants)
            }
        });
        if let Some((id, command)) = id.zip(command) {
            let name = name.unwrap_or_else(|| id.to_string());
            profiles.push(Profile { id, name, command });
        }
    }
    profiles
}
