//! What pages are given: the names that stand in a template between `{{` and `}}`.
//! `docs/templates.md` tells each.

use minijinja::{Value, context};

use crate::config::Brand;

/// The variables of every page.
#[derive(Clone, Copy, Debug)]
pub struct EveryPage<'a> {
    /// Empty, or `/desk`.
    pub base: &'a str,
    pub brand: &'a Brand,
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
            version => env!("CARGO_PKG_VERSION"),
            brand => context! {
                name => self.brand.name.as_str(),
                accent => self.brand.accent.clone(),
                notice => self.brand.notice.clone(),
            },
            boot => Value::from_safe_string(self.boot.to_owned()),
            css => self.css.to_vec(),
            js => self.js.to_vec(),
            title => self.title,
        }
    }
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
