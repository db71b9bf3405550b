//! All templates together: ours, and those that stand in their place.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};
use tracing::error;

use super::error::{TemplateError, in_words};
use super::texts::{Texts, nearest};
use super::{embedded, samples};

/// Steps that one rendering may take: pages take some hundreds.
const MAX_STEPS: u64 = 1_000_000;

/// The templates in use.
#[derive(Debug)]
pub struct Templates {
    texts: Texts,
    /// Ours with the overrides. What is not there is an error.
    current: Environment<'static>,
    /// Ours alone. What is not there is empty: this is what is left when an override fails.
    ours: Environment<'static>,
    /// The overrides that have failed since they were read: each is told once.
    failed: Mutex<BTreeSet<String>>,
}

/// Where a template comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    BuiltIn,
    File(PathBuf),
}

impl Templates {
    /// Ours, overridden by the files in `dir`.
    ///
    /// # Errors
    /// When a file cannot be read or is wrong.
    pub fn load(dir: Option<&Path>) -> Result<Self, TemplateError> {
        Self::new(Texts::read(dir)?)
    }

    /// Ours, overridden by `texts`. Every page is made once from sample values, so that what
    /// would fail later fails here.
    ///
    /// # Errors
    /// When a text is no template, or a page cannot be made with it.
    pub fn new(texts: Texts) -> Result<Self, TemplateError> {
        let mut current = environment(UndefinedBehavior::Strict);
        let mut ours = environment(UndefinedBehavior::Chainable);
        let wrong =
            |error: &minijinja::Error, name: &str| in_words(error, name, |name| texts.place(name));
        for (name, text) in embedded::ALL {
            let added = ours.add_template(name, text);
            added
                .and_then(|()| current.add_template(name, text))
                .map_err(|error| wrong(&error, name))?;
        }
        for (name, text) in texts.files() {
            current
                .add_template_owned(name.to_owned(), text.to_owned())
                .map_err(|error| wrong(&error, name))?;
        }
        let templates = Self {
            texts,
            current,
            ours,
            failed: Mutex::default(),
        };
        if !templates.texts.is_empty() {
            templates.try_all()?;
        }
        Ok(templates)
    }

    /// Ours alone.
    ///
    /// # Errors
    /// When one of them is wrong, which a test rules out.
    pub fn built_in() -> Result<Self, TemplateError> {
        Self::new(Texts::default())
    }

    /// The text that the template makes of `values`.
    ///
    /// # Errors
    /// When there is no such template, or it asks for what is not there.
    pub fn render(&self, name: &str, values: &Value) -> Result<String, TemplateError> {
        self.current
            .get_template(name)
            .and_then(|template| template.render(values))
            .map_err(|error| in_words(&error, name, |name| self.texts.place(name)))
    }

    /// As [`Templates::render`], for somebody who waits for a page: where an override fails, our
    /// own stands in for it and the log says why.
    ///
    /// # Errors
    /// When ours fails too.
    pub fn page(&self, name: &str, values: &Value) -> Result<String, TemplateError> {
        match self.render(name, values) {
            Ok(page) => Ok(page),
            Err(error) => {
                self.tell_once(name, &error);
                self.ours
                    .get_template(name)
                    .and_then(|template| template.render(values))
                    .map_err(|error| in_words(&error, name, |name| format!("{name} (built in)")))
            }
        }
    }

    /// Every template with where it comes from, in the order of their names.
    pub fn list(&self) -> Vec<(&str, Origin)> {
        let mut names: BTreeSet<&str> = embedded::names().collect();
        names.extend(self.texts.files().map(|(name, _)| name));
        let origin = |name| {
            if self.texts.has(name) {
                Origin::File(self.texts.place(name).into())
            } else {
                Origin::BuiltIn
            }
        };
        names.into_iter().map(|name| (name, origin(name))).collect()
    }

    /// Whether there is a template of that name; else the one that was probably meant.
    ///
    /// # Errors
    /// The end of a sentence that says that there is none.
    pub fn find(&self, name: &str) -> Result<(), String> {
        if self.current.get_template(name).is_ok() {
            return Ok(());
        }
        Err(nearest(name).map_or_else(
            || "`deskway render --list` names all".to_owned(),
            |meant| format!("did you mean `{meant}`?"),
        ))
    }

    /// Makes every page with every sample.
    fn try_all(&self) -> Result<(), TemplateError> {
        for (name, _) in embedded::ALL {
            for sample in samples::of(name) {
                self.render(name, &sample)?;
            }
        }
        Ok(())
    }

    fn tell_once(&self, name: &str, error: &TemplateError) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.insert(name.to_owned()) {
            error!(template = name, %error, "a page cannot be made; the built-in one is shown");
        }
    }
}

fn environment(undefined: UndefinedBehavior) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(undefined);
    environment.set_debug(true); // errors know the place in the line
    environment.set_fuel(Some(MAX_STEPS));
    environment.set_auto_escape_callback(|name| {
        let extension = Path::new(name).extension();
        if extension.is_some_and(|it| it.eq_ignore_ascii_case("html")) {
            AutoEscape::Html
        } else {
            AutoEscape::None
        }
    });
    environment
}

#[cfg(test)]
mod tests {
    use std::fs;

    use minijinja::context;

    use super::*;

    fn with(files: &[(&str, &str)]) -> (tempfile::TempDir, Result<Templates, TemplateError>) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("proxy")).unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let templates = Templates::load(Some(dir.path()));
        (dir, templates)
    }

    /// What is said of a wrong file, from its name on.
    fn said(name: &str, text: &str) -> String {
        let (dir, templates) = with(&[(name, text)]);
        let said = templates.unwrap_err().to_string();
        let prefix = format!("{}/", dir.path().display());
        said.strip_prefix(&prefix).unwrap_or(&said).to_owned()
    }

    #[test]
    fn ours_make_every_page_without_a_value_that_is_missing() {
        Templates::built_in().unwrap().try_all().unwrap();
        for (name, _) in embedded::ALL {
            assert!(!samples::of(name).is_empty(), "{name}");
        }
    }

    #[test]
    fn a_file_stands_in_the_place_of_ours_and_may_use_the_others() {
        let portal = "{% include 'head.html' %}<p>{{ brand.name }}{% include '_foot.html' %}";
        let foot = "\n<i>{{ base }}</i>";
        let (dir, templates) = with(&[("portal.html", portal), ("_foot.html", foot)]);
        let templates = templates.unwrap();
        let sample = samples::of("portal.html").remove(1);
        let page = templates.page("portal.html", &sample).unwrap();
        assert!(page.contains("<!doctype html>"), "{page}");
        assert!(page.ends_with("<p>The Lab\n<i>&#x2f;desk</i>"), "{page}");
        let list = templates.list();
        let origin = |name| list.iter().find(|(it, _)| *it == name).unwrap().1.clone();
        assert_eq!(origin("sign-in.html"), Origin::BuiltIn);
        let own = Origin::File(dir.path().join("portal.html"));
        assert_eq!(origin("portal.html"), own);
        assert!(list.iter().any(|(name, _)| *name == "_foot.html"));
    }

    #[test]
    fn what_is_wrong_is_said_with_file_and_line() {
        let cases = [
            ("<p>\n{{ brand.nmae }}", ":2: `brand.nmae` is undefined"),
            ("\n\n{{ titel }}", ":3: `titel` is undefined"),
            ("{% if brnad %}x{% endif %}", ":1: `brnad` is undefined"),
            ("<p>\n{% if base %}", ":2: this is no Jinja: "),
            ("{{ base|uper }}", ":1: filter uper is unknown"),
            (
                "{% include 'foot.html' %}",
                ":1: tried to include non-existing template 'foot.html'",
            ),
        ];
        for (text, expected) in cases {
            let said = said("portal.html", text);
            assert!(said.starts_with("portal.html"), "{text}: {said}");
            assert!(said.contains(expected), "{text}: {said}");
        }
        let endless =
            "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";
        assert!(said("portal.html", endless).contains("does not come to an end"));
        let proxy = said("proxy/nginx.conf", "listen {{ listen.prot }};");
        assert!(proxy.starts_with("proxy/nginx.conf:1: "), "{proxy}");
    }

    #[test]
    fn an_error_in_a_piece_is_the_pieces() {
        let said = said("head.html", "\n{{ bsae }}");
        assert!(said.starts_with("head.html:2: "), "{said}");
    }

    #[test]
    fn a_page_in_a_state_that_is_rare_is_tried_too() {
        let said = said(
            "sign-in.html",
            "{% if kind == 'slow' %}\n{{ secnds }}{% endif %}",
        );
        assert!(said.starts_with("sign-in.html:2: "), "{said}");
    }

    #[test]
    fn where_an_override_fails_in_use_ours_is_shown() {
        let text = "{% if title == 'Rare' %}{{ title.first.second }}{% endif %}own";
        let (_dir, templates) = with(&[("portal.html", text)]);
        let templates = templates.unwrap();
        let sample = samples::of("portal.html").remove(0);
        assert_eq!(templates.page("portal.html", &sample).unwrap(), "own");
        let rare = context! { title => "Rare", ..sample };
        for _ in 0..2 {
            let page = templates.page("portal.html", &rare).unwrap();
            assert!(page.contains("<div id=\"app\">"), "{page}");
        }
        // Ours show what they can even when they are not given everything.
        let page = templates.page("portal.html", &context! { title => "Rare" });
        assert!(page.unwrap().contains("<div id=\"app\">"));
    }
}
