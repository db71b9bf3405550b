//! Directives and blocks, with what `include` brings in.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::words::{Token, tokens};
use crate::cli::import::found::{Found, Place};
use crate::cli::import::text_file::MAX_BYTES;
use crate::cli::import::{Error, text_file};

/// How deep blocks may stand in each other, and files include each other.
const MAX_DEPTH: usize = 16;
/// Most files.
const MAX_FILES: usize = 500;

/// A directive with its block, when it has one.
#[derive(Clone, Debug)]
pub(super) struct Directive {
    pub(super) place: Place,
    pub(super) name: String,
    pub(super) args: Vec<String>,
    pub(super) block: Option<Vec<Directive>>,
}

impl Directive {
    pub(super) fn arg(&self, index: usize) -> &str {
        self.args.get(index).map(String::as_str).unwrap_or_default()
    }

    /// As it stands in the file, without its block.
    pub(super) fn text(&self) -> String {
        let words = self.args.iter().map(String::as_str);
        let words: Vec<&str> = std::iter::once(self.name.as_str()).chain(words).collect();
        words.join(" ")
    }

    pub(super) fn children(&self) -> &[Self] {
        self.block.as_deref().unwrap_or_default()
    }
}

/// A whole configuration.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) directives: Vec<Directive>,
    /// Where relative paths begin.
    pub(super) folder: PathBuf,
}

impl Tree {
    pub(super) fn read(path: &Path, found: &mut Found) -> Result<Self, Error> {
        let path = std::path::absolute(path).map_err(|error| Error::unreadable(path, error))?;
        let folder = path.parent().unwrap_or(&path).to_owned();
        let mut reader = Reader {
            folder: &folder,
            found,
            files: 0,
            bytes: 0,
        };
        let directives = reader.file(&path, 0)?;
        Ok(Self { directives, folder })
    }
}

struct Reader<'a> {
    folder: &'a Path,
    found: &'a mut Found,
    files: usize,
    bytes: u64,
}

impl Reader<'_> {
    fn file(&mut self, path: &Path, depth: usize) -> Result<Vec<Directive>, Error> {
        let text = text_file::read(path).map_err(|error| Error::unreadable(path, error))?;
        self.files += 1;
        self.bytes += text.len() as u64;
        if self.files > MAX_FILES || self.bytes > MAX_BYTES {
            let text = format!(
                "more than {MAX_FILES} files or {MAX_BYTES} bytes with all that is included"
            );
            return Err(Error::unreadable(path, std::io::Error::other(text)));
        }
        let file: Arc<Path> = path.into();
        let place = |line| Place {
            file: Arc::clone(&file),
            line,
        };
        let tokens = tokens(&text).map_err(|bad| {
            Error::syntax(
                place(bad.line),
                "quotes that do not end, or something right behind them".to_owned(),
            )
        })?;
        let mut tokens = tokens.into_iter().map(|(line, token)| (place(line), token));
        let directives = self.block(&mut tokens, depth, None)?;
        Ok(directives)
    }

    /// The directives up to the end of a block that began at `opened`, or of the file.
    fn block(
        &mut self,
        tokens: &mut impl Iterator<Item = (Place, Token)>,
        depth: usize,
        opened: Option<&Place>,
    ) -> Result<Vec<Directive>, Error> {
        let wrong = |place: &Place, reason: &str| Error::syntax(place.clone(), reason.to_owned());
        let mut directives = Vec::new();
        let mut words: Vec<String> = Vec::new();
        let mut began: Option<Place> = None;
        while let Some((place, token)) = tokens.next() {
            match token {
                Token::Word(word) => {
                    began.get_or_insert(place);
                    words.push(word);
                }
                Token::Close if opened.is_none() => {
                    return Err(wrong(&place, "a `}` that closes nothing"));
                }
                Token::Close if !words.is_empty() => {
                    return Err(wrong(&place, "a directive without its `;`"));
                }
                Token::Close => return Ok(directives),
                Token::End | Token::Open => {
                    let Some(began) = began.take() else {
                        return Err(wrong(&place, "a sign where a directive should begin"));
                    };
                    if depth >= MAX_DEPTH {
                        return Err(wrong(
                            &place,
                            "blocks or files stand too deep in each other",
                        ));
                    }
                    let mut rest = std::mem::take(&mut words).into_iter();
                    let mut directive = Directive {
                        place: began,
                        name: rest.next().unwrap_or_default(),
                        args: rest.collect(),
                        block: None,
                    };
                    if token == Token::Open {
                        directive.block = Some(self.block(tokens, depth + 1, Some(&place))?);
                    }
                    if directive.name == "include" {
                        directives.extend(self.include(&directive, depth + 1)?);
                    } else {
                        directives.push(directive);
                    }
                }
            }
        }
        match (opened, began) {
            (Some(opened), _) => Err(wrong(opened, "a block without its `}`")),
            (None, Some(began)) => Err(wrong(&began, "a directive without its `;`")),
            (None, None) => Ok(directives),
        }
    }

    /// What is not there is told, not refused: half of a configuration is better than nothing.
    fn include(&mut self, directive: &Directive, depth: usize) -> Result<Vec<Directive>, Error> {
        let folder = glob::Pattern::escape(&self.folder.to_string_lossy());
        let mut pattern = directive.arg(0).to_owned();
        // For nginx two stars are no more than one: it looks into no folders below.
        while pattern.contains("**") {
            pattern = pattern.replace("**", "*");
        }
        let pattern = Path::new(&folder).join(pattern);
        let pattern = pattern.to_string_lossy();
        let Ok(paths) = glob::glob(&pattern) else {
            let text = format!("`{}` is no pattern of files", directive.text());
            self.found.lost(&directive.place, text);
            return Ok(Vec::new());
        };
        let mut directives = Vec::new();
        let mut any = false;
        for path in paths.filter_map(Result::ok) {
            any = true;
            directives.extend(self.file(&path, depth)?);
        }
        if !any && !directive.arg(0).contains(['*', '?', '[']) {
            let text = format!("`{}`: the file is not there", directive.text());
            self.found.lost(&directive.place, text);
        }
        Ok(directives)
    }
}
