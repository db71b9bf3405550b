//! `[brand]` and `[[group]]`: names, logos, colours, notices, links.

use std::collections::BTreeSet;

use toml::Spanned;

use super::access::group_name;
use super::limits;
use super::place::{Fault, Field, absolute};
use crate::config::colour::{Colour, READABLE};
use crate::config::problems::Problems;
use crate::config::raw::Value;
use crate::config::{Brand, Group, Limits, Link, raw, value};

/// Most groups with looks of their own.
pub(in crate::config) const MAX_GROUPS: usize = 32;
/// Most names of one group.
const MAX_HOSTS: usize = 16;
/// Most links of one brand.
const MAX_LINKS: usize = 10;
const MAX_LINK_TEXT: usize = 60;

/// The letters of the pages in each look, as `web/src/styles/house.css` has them: the strong
/// ones and the soft ones, which must be readable on any background too.
const LIGHT_LOOK: [Colour; 2] = [Colour::new(0x17, 0x1a, 0x20), Colour::new(0x54, 0x5d, 0x6b)];
const DARK_LOOK: [Colour; 2] = [Colour::new(0xec, 0xef, 0xf3), Colour::new(0xa3, 0xad, 0xba)];

/// What `[brand]` and `[[group]]` have in common.
struct Looks {
    title: (&'static str, Value<String>),
    logo: Value<String>,
    accent: Value<String>,
    accent_dark: Value<String>,
    background: Value<String>,
    background_dark: Value<String>,
    notice: Value<String>,
    links: Option<Vec<Spanned<raw::Link>>>,
}

pub(super) fn brand(raw: raw::Brand, brand: &mut Brand, problems: &mut Problems<'_>) {
    let looks = Looks {
        title: ("name", raw.name),
        logo: raw.logo,
        accent: raw.accent,
        accent_dark: raw.accent_dark,
        background: raw.background,
        background_dark: raw.background_dark,
        notice: raw.notice,
        links: raw.links,
    };
    apply(looks, |key| Field::new("brand", key), brand, problems);
}

/// The `[[group]]` sections; what one does not say is as in `whole`, the place's own brand, and
/// in `everybody`.
pub(super) fn groups(
    raw: Vec<Spanned<raw::Group>>,
    whole: &Brand,
    everybody: &Limits,
    problems: &mut Problems<'_>,
) -> Vec<Group> {
    if let Some(surplus) = raw.get(MAX_GROUPS) {
        let message = format!(
            "there are {} [[group]] sections: write at most {MAX_GROUPS}",
            raw.len()
        );
        problems.add(&surplus.span(), Some("group".to_owned()), message);
    }
    let (mut names, mut taken) = (BTreeSet::new(), BTreeSet::new());
    let mut groups = Vec::new();
    for (index, section) in raw.into_iter().take(MAX_GROUPS).enumerate() {
        let field = |key| Field::repeated("group", index, key);
        let place = section.span();
        let raw = section.into_inner();
        let name = field("name").required(raw.name, &place, problems, |text| {
            let name = group_name(text)?;
            if names.insert(name.clone()) {
                Ok(name)
            } else {
                let because = "another [[group]] is called so: write another";
                Err(Fault::Because(because.to_owned()))
            }
        });
        let hosts = field("hosts").list(raw.hosts, MAX_HOSTS, problems, |text| {
            let host = value::host_name(text).ok_or(Fault::Wants)?;
            if taken.insert(host.clone()) {
                Ok(host)
            } else {
                let because = "a host shows one group's looks: write it in one [[group]] alone";
                Err(Fault::Because(because.to_owned()))
            }
        });
        let mut brand = whole.clone();
        if raw.accent.is_some() {
            brand.colours.accent_dark = None;
        }
        let looks = Looks {
            title: ("title", raw.title),
            logo: raw.logo,
            accent: raw.accent,
            accent_dark: raw.accent_dark,
            background: raw.background,
            background_dark: raw.background_dark,
            notice: raw.notice,
            links: raw.links,
        };
        apply(looks, field, &mut brand, problems);
        let mut own = everybody.clone();
        let field = |key| Field::within("group", index, "limits", key);
        limits::limits(raw.limits, field, &mut own, problems);
        groups.extend(name.map(|name| Group {
            name,
            hosts,
            brand,
            limits: own,
        }));
    }
    groups
}

fn apply(
    looks: Looks,
    field: impl Fn(&'static str) -> Field,
    brand: &mut Brand,
    problems: &mut Problems<'_>,
) {
    let (title, name) = looks.title;
    field(title).set(name, &mut brand.name, problems, |name| {
        value::line(name, 60).ok_or(Fault::Wants)
    });
    field("logo").set(looks.logo, &mut brand.logo, problems, |path| {
        absolute(path).map(Some)
    });
    let colours = &mut brand.colours;
    let any = |text: &String| Colour::parse(text).map(Some).ok_or(Fault::Wants);
    field("accent").set(looks.accent, &mut colours.accent, problems, any);
    field("accent_dark").set(looks.accent_dark, &mut colours.accent_dark, problems, any);
    field("background").set(
        looks.background,
        &mut colours.background,
        problems,
        |text| ground(text, LIGHT_LOOK, "lighter"),
    );
    field("background_dark").set(
        looks.background_dark,
        &mut colours.background_dark,
        problems,
        |text| ground(text, DARK_LOOK, "darker"),
    );
    field("notice").set(looks.notice, &mut brand.notice, problems, |notice| {
        if notice.chars().count() <= 1000 {
            Ok(Some(notice.clone()).filter(|text| !text.trim().is_empty()))
        } else {
            Err(Fault::Wants)
        }
    });
    if let Some(links) = looks.links {
        brand.links = self::links(links, field("links"), problems);
    }
}

/// A background on which all letters of a look can be read.
fn ground(text: &str, letters: [Colour; 2], other: &str) -> Result<Option<Colour>, Fault> {
    let ground = Colour::parse(text).ok_or(Fault::Wants)?;
    let least = letters
        .map(|letter| letter.contrast(ground))
        .into_iter()
        .fold(f64::INFINITY, f64::min);
    if least >= READABLE {
        return Ok(Some(ground));
    }
    // Cut, not rounded: 4.49 is not to be told as 4.5.
    let told = (least * 10.0).floor() / 10.0;
    Err(Fault::Because(format!(
        "text on it has a contrast of {told:.1}, and less than {READABLE} cannot be read well: write a {other} colour"
    )))
}

fn links(raw: Vec<Spanned<raw::Link>>, field: Field, problems: &mut Problems<'_>) -> Vec<Link> {
    if let Some(surplus) = raw.get(MAX_LINKS) {
        let because = Fault::Because(format!("write at most {MAX_LINKS}"));
        let has = format!("has {} entries", raw.len());
        field.refuse(&surplus.span(), &has, because, problems);
    }
    let mut links = Vec::new();
    for entry in raw.into_iter().take(MAX_LINKS) {
        let place = entry.span();
        let raw::Link { text, url } = entry.into_inner();
        match (value::line(&text, MAX_LINK_TEXT), value::link(&url)) {
            (Some(text), Some(url)) => links.push(Link { text, url }),
            (None, _) => {
                let because = format!("write 1 to {MAX_LINK_TEXT} characters");
                let holds = format!("holds the text {}", Field::shown(&text));
                field.refuse(&place, &holds, Fault::Because(because), problems);
            }
            (_, None) => {
                let because = "write https://…, http://…, mailto:… or a path from `/` on";
                let holds = format!("holds the url {}", Field::shown(&url));
                field.refuse(&place, &holds, Fault::Because(because.to_owned()), problems);
            }
        }
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_letters_are_those_of_the_style_sheet() {
        let css = include_str!("../../../web/src/styles/house.css");
        for (token, at) in [("--text", 0), ("--text-soft", 1)] {
            let line = format!(
                "{token}: light-dark({}, {});",
                LIGHT_LOOK[at], DARK_LOOK[at]
            );
            assert!(css.contains(&line), "{line}");
        }
    }
}
