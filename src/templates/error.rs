//! What can be wrong with a template, said so that it can be mended.

use std::io;
use std::path::PathBuf;

use minijinja::ErrorKind;

/// Why templates are not used. Whoever wrote the file is at fault, or it cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    #[error("cannot read {path}: {source}")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{path} is longer than {max} bytes: make the template smaller")]
    TooLong { path: PathBuf, max: usize },
    #[error("{dir} holds more than {max} files: keep only templates there")]
    TooMany { dir: PathBuf, max: usize },
    #[error("the templates in {dir} are longer than {max} bytes together: make them smaller")]
    TooMuch { dir: PathBuf, max: usize },
    /// Others could have written it or put it there.
    #[error("{path} would be put into everybody's pages, but {reason}")]
    NotBelieved { path: PathBuf, reason: String },
    /// A file of a name that no template has.
    #[error("{path}: no template is called `{name}`{hint}")]
    Unknown {
        path: PathBuf,
        name: String,
        /// What was probably meant, as the end of the sentence.
        hint: String,
    },
    /// It cannot be read as Jinja, or fails with the values that it is given.
    #[error("{place}: {reason}")]
    Wrong {
        /// File (or the name of one of ours) and line, from 1.
        place: String,
        reason: String,
    },
    #[error("the templates that were sent cannot be read: {0}")]
    Garbled(String),
}

/// What minijinja says, for the template that is really at fault: an error in a piece comes up
/// through each template that includes it. `place` makes a file's path of a template's name.
pub(super) fn in_words(
    error: &minijinja::Error,
    name: &str,
    place: impl Fn(&str) -> String,
) -> TemplateError {
    let innermost = innermost(error);
    let file = place(innermost.name().unwrap_or(name));
    let place = match innermost.line() {
        Some(line) => format!("{file}:{line}"),
        None => file,
    };
    TemplateError::Wrong {
        place,
        reason: reason(innermost),
    }
}

fn innermost(error: &minijinja::Error) -> &minijinja::Error {
    let mut innermost = error;
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        if let Some(inner) = source.downcast_ref::<minijinja::Error>() {
            innermost = inner;
        }
        next = source.source();
    }
    innermost
}

fn reason(error: &minijinja::Error) -> String {
    let at = at(error).map_or_else(String::new, |at| format!(" (`{at}`)"));
    let detail = error.detail().unwrap_or_default();
    match error.kind() {
        ErrorKind::UndefinedError if detail.is_empty() => {
            format!("there is no such variable{at}")
        }
        // That names the variable already.
        ErrorKind::UndefinedError => {
            format!("{detail}: docs/templates.md names the variables of each template")
        }
        ErrorKind::SyntaxError => format!("this is no Jinja: {detail}{at}"),
        ErrorKind::OutOfFuel => "it does not come to an end: is there a loop too many?".to_owned(),
        ErrorKind::TemplateNotFound => format!(
            "{detail}: `deskway render --list` names all; the names of your own pieces begin with `_`"
        ),
        kind if detail.is_empty() => format!("{kind}{at}"),
        _ => format!("{detail}{at}"),
    }
}

/// The part of the text that is at fault, when it is known and short.
fn at(error: &minijinja::Error) -> Option<String> {
    const LONGEST: usize = 80;
    let text = error.template_source()?.get(error.range()?)?.trim();
    let short = !text.is_empty() && text.len() <= LONGEST && !text.contains('\n');
    short.then(|| text.to_owned())
}
