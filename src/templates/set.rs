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
        let mut ours = environment(UndefinedBehavior::Lenient);
        let wrong = |error: &minijinja::Error, name: &str| {
            in_words(error, name, |name| texts.place(name))
        };
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

    /// The names of variables that the template asks for, those of its pieces left out.
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
        if name.ends_with(".html") {
            AutoEscape::Html
        } else {
            AutoEscape::None
        }
    });
    environment
}
