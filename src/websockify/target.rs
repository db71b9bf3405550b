//! Where a connection goes.

use std::fmt;
use std::path::PathBuf;

/// A server that speaks bytes, such as a VNC server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `host` is a name or an address without brackets.
    Tcp {
        host: String,
        port: u16,
    },
    Unix(PathBuf),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}
