//! Text → [`Raw`], noting everything that is wrong with its form: syntax, unknown keys, wrong
//! types.
//!
//! What is wrong is noted, taken out, and the rest read again, so that one run tells all.

use std::ops::Range;

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::keys::{self, SECTIONS, Section};
use super::problems::{MAX_PROBLEMS, Problems};
use super::raw::Raw;

/// Reads as much of `text` as is right.
pub(super) fn parse(text: &str, problems: &mut Problems<'_>) -> Raw {
    let (mut document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        // What follows from broken syntax would only confuse.
        for error in errors {
            let place = error.span().unwrap_or_default();
            let at = text.get(place.clone()).filter(|at| !at.trim().is_empty());
            let at = at.map_or_else(String::new, |at| format!(" (`{}`)", shown(at)));
            problems.add(
                &place,
                None,
                format!("this is no TOML: {}{at}", error.message()),
            );
        }
        return Raw::default();
    }
    take_out_unknown(document.get_mut(), problems);
    for _ in 0..MAX_PROBLEMS {
        let read = Raw::deserialize(toml::Deserializer::from(document.clone()));
        let Err(error) = read else {
            return read.unwrap_or_default();
        };
        let place = error.span().unwrap_or_default();
        if !take_out_wrong(document.get_mut(), &place, problems) {
            problems.add(&place, None, error.message().to_owned());
            break;
        }
    }
    Raw::default()
}

/// Notes and removes sections and keys that do not exist.
fn take_out_unknown(document: &mut DeTable<'_>, problems: &mut Problems<'_>) {
    retain(document, |name, value| {
        let Some(section) = keys::find(name.get_ref()) else {
            problems.add(
                &name.span(),
                Some(name.get_ref().to_string()),
                unknown_section(name.get_ref(), value.get_ref()),
            );
            return false;
        };
        for (prefix, table) in tables_mut(section, value.get_mut()) {
            retain(table, |key, _| {
                let known = section.find(key.get_ref()).is_some();
                if !known {
                    let path = format!("{prefix}.{}", key.get_ref());
                    problems.add(&key.span(), Some(path), unknown_key(key.get_ref(), section));
                }
                known
            });
        }
        true
    });
}

fn unknown_section(name: &str, value: &DeValue<'_>) -> String {
    let shown = shown(name);
    let is_section = value.is_table() || value.is_array();
    if let Some(home) = SECTIONS.iter().find(|section| section.find(name).is_some()) {
        return format!(
            "`{shown}` stands outside its section: it belongs below {}",
            home.header()
        );
    }
    let what = if is_section { "section" } else { "key" };
    match keys::nearest(name, SECTIONS.iter().map(|section| section.name)) {
        Some(meant) if is_section => {
            let header = keys::find(meant).map_or_else(String::new, Section::header);
            format!("unknown section `{shown}`: did you mean {header}?")
        }
        _ => {
            let headers: Vec<_> = SECTIONS.iter().map(Section::header).collect();
            format!(
                "unknown {what} `{shown}`: the sections are {}",
                headers.join(", ")
            )
        }
    }
}

fn unknown_key(name: &str, section: &Section) -> String {
    let shown = shown(name);
    let header = section.header();
    let unknown = format!("unknown key `{shown}` in {header}");
    if let Some(meant) = keys::nearest(name, section.keys.iter().map(|key| key.name)) {
        return format!("{unknown}: did you mean `{meant}`?");
    }
    if let Some(home) = SECTIONS.iter().find(|other| other.find(name).is_some()) {
        return format!("{unknown}: it belongs below {}", home.header());
    }
    let known: Vec<_> = section.keys.iter().map(|key| key.name).collect();
    format!("{unknown}: the keys are {}", known.join(", "))
}

/// Notes and removes the value of the wrong type at `place`. False when there is none.
fn take_out_wrong(
    document: &mut DeTable<'_>,
    place: &Range<usize>,
    problems: &mut Problems<'_>,
) -> bool {
    let mut found = false;
    retain(document, |name, value| {
        let Some(section) = keys::find(name.get_ref()).filter(|_| !found) else {
            return true;
        };
        for (prefix, table) in tables_mut(section, value.get_mut()) {
            retain(table, |key, value| {
                let wrong = !found && holds(&value.span(), place);
                if wrong {
                    found = true;
                    let path = format!("{prefix}.{}", key.get_ref());
                    problems.add(place, Some(path), wrong_type(section, key, value, place));
                }
                !wrong
            });
        }
        let wrong = !found && holds(&value.span(), place);
        if wrong {
            found = true;
            let what = kind(value.get_ref());
            let header = section.header();
            problems.add(
                place,
                Some(section.name.to_owned()),
                format!(
                    "`{}` is {what}: write a section that begins with {header}",
                    section.name
                ),
            );
        }
        !wrong
    });
    found
}

fn wrong_type(
    section: &Section,
    key: &Spanned<DeString<'_>>,
    value: &Spanned<DeValue<'_>>,
    place: &Range<usize>,
) -> String {
    let wants = section
        .find(key.get_ref())
        .map_or("something else", |key| key.wants);
    let entry = if value.span() == *place {
        None
    } else {
        innermost(value, place)
    };
    let (which, what) = match entry {
        None => ("", kind(value.get_ref())),
        Some(entry) => ("an entry of ", kind(entry.get_ref())),
    };
    format!(
        "{which}`{}` in {} is {what}: write {wants}",
        key.get_ref(),
        section.header()
    )
}

/// The part of `value` at `place`.
fn innermost<'a, 'i>(
    value: &'a Spanned<DeValue<'i>>,
    place: &Range<usize>,
) -> Option<&'a Spanned<DeValue<'i>>> {
    match value.get_ref() {
        DeValue::Array(list) => list.iter().find(|entry| holds(&entry.span(), place)),
        DeValue::Table(table) => table.values().find(|entry| holds(&entry.span(), place)),
        _ => None,
    }
}

/// The tables of a section, each with the path of its keys: one, or as many as it is repeated.
fn tables_mut<'a, 'i>(
    section: &Section,
    value: &'a mut DeValue<'i>,
) -> Vec<(String, &'a mut DeTable<'i>)> {
    match value {
        DeValue::Table(table) if !section.repeated => vec![(section.name.to_owned(), table)],
        DeValue::Array(list) if section.repeated => list
            .iter_mut()
            .enumerate()
            .filter_map(|(index, entry)| match entry.get_mut() {
                DeValue::Table(table) => Some((format!("{}.{index}", section.name), table)),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// Keeps the entries of `table` for which `keep` holds.
fn retain<'i>(
    table: &mut DeTable<'i>,
    mut keep: impl FnMut(&Spanned<DeString<'i>>, &mut Spanned<DeValue<'i>>) -> bool,
) {
    let entries = std::mem::take(table).into_iter();
    *table = entries
        .filter_map(|(key, mut value)| keep(&key, &mut value).then_some((key, value)))
        .collect();
}

fn holds(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// What a value is, as people say it.
fn kind(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("\"{}\"", shown(text)),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(yes) => yes.to_string(),
        DeValue::Datetime(date) => date.to_string(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// A foreign name, short and without control characters.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}
