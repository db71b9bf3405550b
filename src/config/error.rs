//! What can be wrong with a configuration, said so that it can be mended.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why there is no [`Config`](super::Config). The person who wrote the file or the flag is at
/// fault, or the file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read {path}: {source}")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{path} is longer than {max} bytes")]
    TooLong { path: PathBuf, max: u64 },
    #[error("anybody may write to {path}, which root is to believe: run `chmod o-w {path}`")]
    WritableByAll { path: PathBuf },
    /// Everything that is wrong with the file, a line each.
    #[error("{}", Listing { origin, problems })]
    Wrong {
        /// The file's path.
        origin: String,
        /// In the file's order; at least one.
        problems: Vec<Problem>,
    },
}

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line and column of the key or value, from 1; columns count characters.
    pub line: usize,
    pub column: usize,
    /// The key, such as `desktops.dpi`, where it is one key's fault.
    pub key: Option<String>,
    /// What is wrong and what would be right.
    pub message: String,
}

struct Listing<'a> {
    origin: &'a str,
    problems: &'a [Problem],
}

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            let Problem {
                line,
                column,
                message,
                ..
            } = problem;
            write!(f, "{}:{line}:{column}: {message}", self.origin)?;
        }
        Ok(())
    }
}
