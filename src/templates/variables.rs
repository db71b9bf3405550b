//! What pages are given: the names that stand in a template between `{{` and `}}`.
//! `docs/templates.md` tells each.

use minijinja::value::Serde;
use minijinja::{Value, context};
use serde::Serialize;
use serde_json::json;

use crate::config::{Brand, Link};

/// The variables of every page.
#[derive(Clone, Copy, Debug)]
pub struct EveryPage<'a> {
    /// Empty, or `/desk`.
    pub base: &'a str,
    pub version: &'a str,
    /// As [`brand`] makes it.
    pub brand: &'a serde_json::Value,
    /// JSON that can stand inside a `script` element as it is.
    pub boot: &'a str,
    /// URLs of the style sheets and scripts that the page needs.
    pub css: &'a [String],
    pub js: &'a [String],
    pub title: &'a str,
}

impl EveryPage<'_> {
    pub fn values(&self) -> Value {
        context! {
            base => self.base,
            version => self.version,
            brand => Value::from(Serde(self.brand)),
            boot => Value::from_safe_string(self.boot.to_owned()),
            css => self.css.to_vec(),
            js => self.js.to_vec(),
            title => self.title,
        }
    }
}

/// A brand as pages and their scripts know it. `logo` is where the picture is.
pub fn brand(base: &str, brand: &Brand, logo: Option<&str>) -> serde_json::Value {
    let link = |link: &Link| {
        let here = link.url.starts_with('/');
        let base = if here { base } else { "" };
        json!({"text": link.text, "url": format!("{base}{}", link.url)})
    };
    json!({
        "name": brand.name,
        "accent": brand.colours.accent.map(|accent| accent.to_string()),
        "notice": brand.notice,
        "logo": logo,
        "links": brand.links.iter().map(link).collect::<Vec<_>>(),
    })
}

/// One row of the public index. `name` is `None` for the person's main desktop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IndexRow {
    pub owner: String,
    pub name: Option<String>,
    pub url: String,
}

/// What the public index is given besides. `known` is how many there are without the search.
pub fn index(rows: &[IndexRow], search: &str, has_search: bool, known: usize, more: bool) -> Value {
    context! { desktops => Value::from(Serde(rows)), search, has_search, known, more }
}

/// Both; where a name is in both, the first one's counts.
pub fn merged(strong: Value, weak: Value) -> Value {
    context! { ..strong, ..weak }
}

/// What a page is given besides that asks for nothing of its own.
pub fn nothing() -> Value {
    context! {}
}

/// What the sign-in page is given besides. `kind`: `wrong`, `slow`, `denied`, `busy`, or empty.
pub fn sign_in(next: &str, name: &str, message: &str, kind: &str, seconds: u32) -> Value {
    context! { next, name, message, kind, seconds }
}

/// What the error page is given besides.
pub fn error_page(status: u16, heading: &str, message: &str, way_on: (&str, &str)) -> Value {
    let (way_on_url, way_on_text) = way_on;
    context! { status, heading, message, way_on_url, way_on_text }
}
