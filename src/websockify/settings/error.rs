//! A command line that makes no sense: its writer's to mend.

use std::io;
use std::path::PathBuf;

use crate::websockify::log::LogError;
use crate::websockify::tls::TlsError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("{option} needs {other} beside it")]
    Needs {
        option: &'static str,
        other: &'static str,
    },
    #[error("too few arguments: {missing} is missing")]
    TooFew { missing: &'static str },
    #[error("too many arguments: `{word}` has no meaning here")]
    TooMany { word: String },
    #[error(
        "`{word}` is nothing to listen on: give a port from 0 to 65535, or address:port such as 127.0.0.1:6080 or [::1]:6080"
    )]
    Source { word: String },
    #[error(
        "`{word}` is no target: give address:port such as localhost:5900 or [::1]:5900, with a port from 1 to 65535"
    )]
    Target { word: String },
    #[error("--unix-listen-mode `{text}` is no mode: give octal digits up to 777, such as 660")]
    UnixMode { text: String },
    #[error(
        "--ssl-only needs a certificate, and {cert} is not there: name it with --cert", cert = cert.display()
    )]
    SslOnly { cert: PathBuf },
    #[error(
        "a wrapped program is given a port instead of its own: give [source_addr:]source_port, not --unix-listen or --inetd"
    )]
    WrapsNoPort,
    #[error("the path {path} is no UTF-8 text", path = path.display())]
    NotText { path: PathBuf },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("a path relative to the working directory has no meaning: {0}")]
    Directory(io::Error),
}
