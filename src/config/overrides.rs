//! What flags say: stronger than the file.

use std::path::{Path, PathBuf};

use super::{Config, ListenAt, Listener, TlsFiles};

/// Settings from the command line, each one checked already. What is absent or empty leaves the
/// file's value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    pub listen: Vec<ListenAt>,
    /// As [`parse_base_path`](super::parse_base_path) gives it.
    pub base_path: Option<String>,
    pub tls: Option<TlsFiles>,
    /// As [`parse_run_dir`](super::parse_run_dir) gives it.
    pub run_dir: Option<PathBuf>,
    pub state_dir: Option<PathBuf>,
    pub log_filter: Option<String>,
    pub log_json: bool,
}

impl Overrides {
    pub(super) fn apply(&self, config: &mut Config) {
        if !self.listen.is_empty() {
            config.server.listen = self.listen.iter().cloned().map(Listener::at).collect();
        }
        if let Some(base_path) = &self.base_path {
            config.server.base_path.clone_from(base_path);
        }
        if let Some(tls) = &self.tls {
            config.tls.main = Some(TlsFiles {
                cert: absolute(&tls.cert),
                key: absolute(&tls.key),
            });
        }
        if let Some(run) = &self.run_dir {
            config.paths.run = absolute(run);
        }
        if let Some(state) = &self.state_dir {
            config.paths.state = absolute(state);
        }
        if let Some(filter) = &self.log_filter {
            config.log.filter.clone_from(filter);
        }
        config.log.json |= self.log_json;
    }
}

/// A flag's path from the directory where it was typed; roles run in others.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}
