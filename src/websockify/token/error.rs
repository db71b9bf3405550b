//! What can go wrong when a plugin is made, and when it is asked. No message holds a token.

use std::io;
use std::path::PathBuf;

use super::target_text::BadTarget;

/// A plugin that cannot be used as the command line has it: the admin's to mend.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PluginError {
    #[error(
        "there is no token plugin {0} here, and Python classes cannot be loaded; to look tokens up \
         yourself, use exec:/path/to/program: it reads the token on standard input and writes \
         host:port"
    )]
    Unknown(String),
    #[error("the token plugin {plugin} needs --token-source")]
    NoSource { plugin: String },
    #[error("--token-source for {plugin}: {fault}")]
    Source { plugin: &'static str, fault: String },
}

/// Why it is not known what a token stands for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookupError {
    /// The admin's: a file that is not there or not readable.
    #[error("cannot read {path}: {error}", path = path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    /// The answering side's: it knows the token, but what it says is no target.
    #[error("{plugin} gives no target for a token: {fault}")]
    Target {
        plugin: &'static str,
        fault: BadTarget,
    },
    /// The answering side's: it did not answer, or not in its protocol.
    #[error("{plugin} cannot look a token up: {fault}")]
    Failed { plugin: &'static str, fault: String },
    #[error("{plugin} gave no answer within {seconds} s", seconds = super::LOOKUP_LIMIT.as_secs())]
    TooSlow { plugin: &'static str },
}
