//! What a token stands for: websockify's token plugins, and programs of the admin's own.
//!
//! Every lookup ends within [`LOOKUP_LIMIT`], reads a bounded number of bytes and blocks no
//! worker. Tokens are as good as passwords: none is ever logged.

mod api;
mod error;
mod exec;
mod file;
mod file_name;
mod jwt;
mod read;
mod redis;
mod socket_directory;
mod target_text;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

pub(crate) use error::{LookupError, PluginError};

use self::api::{Answer, TokenApi};
use self::exec::Program;
use self::file::TokenFile;
use self::file_name::TokenFileName;
use self::jwt::TokenKey;
use self::redis::TokenRedis;
use self::socket_directory::SocketDirectory;
use crate::websockify::Target;

/// How long a lookup may take, whatever it asks.
const LOOKUP_LIMIT: Duration = Duration::from_secs(10);
/// Longest token that is looked up, in bytes; signed and encrypted ones are long.
const MAX_TOKEN: usize = 16 << 10;

/// Where the original's own plugins are, for those who name them in full.
const PYTHON_MODULE: &str = "websockify.token_plugins.";

/// A token plugin that is ready to be asked.
#[derive(Clone)]
pub(crate) struct Tokens(Arc<Plugin>);

enum Plugin {
    File(TokenFile),
    FileName(TokenFileName),
    Api(TokenApi),
    Key(TokenKey),
    Redis(TokenRedis),
    Sockets(SocketDirectory),
    Program(Program),
}

impl Tokens {
    /// `plugin` is a name as `--token-plugin` takes it: short, dotted, or `exec:/path/to/program`.
    /// `source` is what `--token-source` says.
    pub(crate) fn new(plugin: &str, source: Option<&str>) -> Result<Self, PluginError> {
        if let Some(path) = plugin.strip_prefix("exec:") {
            return Ok(Self(Arc::new(Plugin::Program(Program::new(path, source)?))));
        }
        let class = plugin.strip_prefix(PYTHON_MODULE).unwrap_or(plugin);
        let source = || {
            source
                .filter(|text| !text.is_empty())
                .ok_or_else(|| PluginError::NoSource {
                    plugin: class.to_owned(),
                })
        };
        let plugin = match class {
            "TokenFile" => Plugin::File(TokenFile::read_each_time(source()?)),
            "ReadOnlyTokenFile" => Plugin::File(TokenFile::read_once(source()?)),
            "TokenFileName" => Plugin::FileName(TokenFileName::new(source()?)?),
            "JSONTokenApi" => Plugin::Api(TokenApi::new(Answer::Json, source()?)?),
            "BaseTokenAPI" => Plugin::Api(TokenApi::new(Answer::Text, source()?)?),
            "JWTTokenApi" => Plugin::Key(TokenKey::new(source()?)),
            "TokenRedis" => Plugin::Redis(TokenRedis::new(source()?)?),
            "UnixDomainSocketDirectory" => Plugin::Sockets(SocketDirectory::new(source()?)),
            _ => return Err(PluginError::Unknown(plugin.to_owned())),
        };
        Ok(Self(Arc::new(plugin)))
    }

    /// What the token stands for; `None` when it stands for nothing.
    pub(crate) async fn lookup(&self, token: &str) -> Result<Option<Target>, LookupError> {
        if token.is_empty() || token.len() > MAX_TOKEN || token.contains(char::is_control) {
            return Ok(None);
        }
        timeout(LOOKUP_LIMIT, self.ask(token))
            .await
            .map_err(|_| LookupError::TooSlow {
                plugin: self.name(),
            })?
    }

    /// The plugin's name, without the token source (which may hold a password).
    pub(crate) fn name(&self) -> &'static str {
        match &*self.0 {
            Plugin::File(file) => file.name(),
            Plugin::FileName(_) => file_name::NAME,
            Plugin::Api(api) => api.name(),
            Plugin::Key(_) => jwt::NAME,
            Plugin::Redis(_) => redis::NAME,
            Plugin::Sockets(_) => socket_directory::NAME,
            Plugin::Program(_) => exec::NAME,
        }
    }

    async fn ask(&self, token: &str) -> Result<Option<Target>, LookupError> {
        match &*self.0 {
            Plugin::File(file) => file.lookup(token).await,
            Plugin::FileName(directory) => directory.lookup(token).await,
            Plugin::Api(api) => api.lookup(token).await,
            Plugin::Key(key) => key.lookup(token).await,
            Plugin::Redis(redis) => redis.lookup(token).await,
            Plugin::Sockets(directory) => directory.lookup(token).await,
            Plugin::Program(program) => program.lookup(token).await,
        }
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tokens").field(&self.name()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_goes_by_its_short_and_its_dotted_name() {
        for name in ["TokenFile", "websockify.token_plugins.TokenFile"] {
            assert_eq!(
                Tokens::new(name, Some("/nowhere")).unwrap().name(),
                "TokenFile"
            );
        }
    }

    #[test]
    fn a_class_of_the_users_own_is_refused_by_name_with_what_to_do() {
        for name in [
            "OurTokens",
            "ours.TokenFile",
            "websockify.token_plugins.BasePlugin",
        ] {
            let said = Tokens::new(name, Some("x")).unwrap_err().to_string();
            assert!(said.contains(name), "{said}");
            assert!(said.contains("exec:/path/to/program"), "{said}");
        }
    }

    #[test]
    fn a_plugin_without_its_source_is_refused() {
        for source in [None, Some("")] {
            let said = Tokens::new("TokenFile", source).unwrap_err().to_string();
            assert!(said.contains("--token-source"), "{said}");
        }
    }

    #[tokio::test]
    async fn what_no_token_can_be_is_not_even_looked_up() {
        let tokens = Tokens::new("TokenFile", Some("/nowhere")).unwrap();
        let long = "x".repeat(MAX_TOKEN + 1);
        for token in ["", "a\0b", "a\nb", "a\r", long.as_str()] {
            assert_eq!(tokens.lookup(token).await.unwrap(), None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_never_answers_is_not_waited_for_for_ever() {
        // The kernel takes connections for it; nobody ever accepts them.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap();
        let api = format!("http://{address}/%s");
        for (plugin, source) in [
            ("JSONTokenApi", api.as_str()),
            ("TokenRedis", address.to_string().as_str()),
            ("exec:/bin/sleep", "1000"),
        ] {
            let said = Tokens::new(plugin, Some(source))
                .unwrap()
                .lookup("vm1")
                .await;
            let said = said.unwrap_err().to_string();
            assert!(said.contains("no answer within 10 s"), "{said}");
        }
    }
}
