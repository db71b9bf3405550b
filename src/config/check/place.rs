//! A key at its place in the file: takes its value over, or says what is wrong with it.

use std::fmt::Debug;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};

use toml::Spanned;

use crate::config::keys;
use crate::config::problems::Problems;
use crate::config::raw::Value;

/// Why a value is refused.
pub(super) enum Fault {
    /// It is not what the key wants, as `keys` says.
    Wants,
    /// A reason of its own, with what would be right.
    Because(String),
}

/// A key of a section.
#[derive(Clone, Copy)]
pub(super) struct Field {
    /// The section that it is a part of, as in `[group.limits]`.
    parent: Option<&'static str>,
    section: &'static str,
    /// Which one, of a section that is repeated.
    index: Option<usize>,
    key: &'static str,
}

impl Field {
    pub(super) fn new(section: &'static str, key: &'static str) -> Self {
        Self {
            parent: None,
            section,
            index: None,
            key,
        }
    }

    pub(super) fn repeated(section: &'static str, index: usize, key: &'static str) -> Self {
        Self {
            parent: None,
            section,
            index: Some(index),
            key,
        }
    }

    /// Of a section within one that is repeated.
    pub(super) fn within(
        parent: &'static str,
        index: usize,
        section: &'static str,
        key: &'static str,
    ) -> Self {
        Self {
            parent: Some(parent),
            ..Self::repeated(section, index, key)
        }
    }

    /// Puts the value, when there is one and `read` takes it, into `target`.
    pub(super) fn set<R: Debug, T>(
        self,
        raw: Value<R>,
        target: &mut T,
        problems: &mut Problems<'_>,
        read: impl FnOnce(&R) -> Result<T, Fault>,
    ) {
        if let Some(value) = self.value(raw, problems, read) {
            *target = value;
        }
    }

    /// As [`Field::set`], for a key without a default.
    pub(super) fn value<R: Debug, T>(
        self,
        raw: Value<R>,
        problems: &mut Problems<'_>,
        read: impl FnOnce(&R) -> Result<T, Fault>,
    ) -> Option<T> {
        let raw = raw?;
        match read(raw.get_ref()) {
            Ok(value) => Some(value),
            Err(fault) => {
                let is = format!("is {}", shown_value(raw.get_ref()));
                self.refuse(&raw.span(), &is, fault, problems);
                None
            }
        }
    }

    /// As [`Field::value`], for one that must be there; `place` is its section's.
    pub(super) fn required<R: Debug, T>(
        self,
        raw: Value<R>,
        place: &Range<usize>,
        problems: &mut Problems<'_>,
        read: impl FnOnce(&R) -> Result<T, Fault>,
    ) -> Option<T> {
        if raw.is_none() && !problems.has(&self.path()) {
            let message = format!(
                "`{}` is missing in {}: write {}",
                self.key,
                self.header(),
                self.wants()
            );
            problems.add(place, Some(self.path()), message);
        }
        self.value(raw, problems, read)
    }

    /// The entries of a list that `read` takes; at most `max` of them.
    pub(super) fn list<T>(
        self,
        raw: Vec<Spanned<String>>,
        max: usize,
        problems: &mut Problems<'_>,
        mut read: impl FnMut(&str) -> Result<T, Fault>,
    ) -> Vec<T> {
        if let Some(surplus) = raw.get(max) {
            let because = Fault::Because(format!("write at most {max}"));
            self.refuse(
                &surplus.span(),
                &format!("has {} entries", raw.len()),
                because,
                problems,
            );
        }
        let mut values = Vec::new();
        for entry in raw.into_iter().take(max) {
            match read(entry.get_ref()) {
                Ok(value) => values.push(value),
                Err(fault) => {
                    let holds = format!("holds {}", shown_value(entry.get_ref()));
                    self.refuse(&entry.span(), &holds, fault, problems);
                }
            }
        }
        values
    }

    /// Notes that the key `is` so and what would be right.
    pub(super) fn refuse(
        self,
        place: &Range<usize>,
        is: &str,
        fault: Fault,
        problems: &mut Problems<'_>,
    ) {
        let advice = match fault {
            Fault::Wants => format!("write {}", self.wants()),
            Fault::Because(reason) => reason,
        };
        let message = format!("`{}` in {} {is}: {advice}", self.key, self.header());
        problems.add(place, Some(self.path()), message);
    }

    /// A value as it is written in a file.
    pub(super) fn shown(value: &impl Debug) -> String {
        shown_value(value)
    }

    pub(super) fn path(self) -> String {
        let Self { section, key, .. } = self;
        match (self.index, self.parent) {
            (None, _) => format!("{section}.{key}"),
            (Some(index), None) => format!("{section}.{index}.{key}"),
            (Some(index), Some(parent)) => format!("{parent}.{index}.{section}.{key}"),
        }
    }

    fn header(self) -> String {
        if let Some(parent) = self.parent {
            return format!("[{parent}.{}]", self.section);
        }
        keys::find(self.section).map_or_else(String::new, keys::Section::header)
    }

    fn wants(self) -> &'static str {
        keys::find(self.section)
            .and_then(|section| section.find(self.key))
            .map_or("", |key| key.wants)
    }
}

/// The value as it is written in a file, cut where it is long.
fn shown_value(value: &impl Debug) -> String {
    const LONGEST: usize = 80;
    let text = format!("{value:?}");
    match text.char_indices().nth(LONGEST) {
        None => text,
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

/// Takes true or false over, which cannot be wrong.
pub(super) fn flag(raw: Value<bool>, target: &mut bool) {
    if let Some(value) = raw {
        *target = value.into_inner();
    }
}

pub(super) fn number<T>(value: i64, bounds: RangeInclusive<T>) -> Result<T, Fault>
where
    T: TryFrom<i64> + PartialOrd,
{
    T::try_from(value)
        .ok()
        .filter(|value| bounds.contains(value))
        .ok_or(Fault::Wants)
}

/// A path that means the same wherever the program is started.
pub(super) fn absolute(text: &str) -> Result<PathBuf, Fault> {
    let path = Path::new(text);
    if path.is_absolute() && !text.contains(char::is_control) {
        Ok(path.to_path_buf())
    } else {
        Err(Fault::Wants)
    }
}
