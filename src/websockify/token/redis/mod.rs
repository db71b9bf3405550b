//! `TokenRedis`: the token, or `namespace:token`, is a key in a Redis server; its value is
//! `host:port` or `{"host": "host:port"}`.

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, RedisConnectionInfo, RedisError};
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, join};
use tokio::net::TcpStream;

use super::target_text::{self, BadTarget};
use super::{LookupError, PluginError};
use crate::model::Secret;
use crate::websockify::Target;

pub(super) const NAME: &str = "TokenRedis";
const DEFAULT_PORT: u16 = 6379;
/// Most bytes that the server may send for one lookup.
const MAX_ANSWER: u64 = 64 << 10;

/// How a Redis server is reached, and where the tokens are in it.
#[derive(Debug)]
pub(super) struct TokenRedis {
    host: String,
    port: u16,
    database: u32,
    password: Option<Secret<String>>,
    /// With the colon that ends it.
    namespace: String,
}

/// The JSON form of a value.
#[derive(Deserialize)]
struct Value {
    host: String,
}

impl TokenRedis {
    /// `source` is `host[:port[:db[:password[:namespace]]]]`. What is left empty has its default;
    /// a part that contains colons stands in double quotes.
    pub(super) fn new(source: &str) -> Result<Self, PluginError> {
        // The source itself is not repeated: it may hold the password.
        let fault = |fault: &str| PluginError::Source {
            plugin: NAME,
            fault: format!("{fault}; it is host[:port[:db[:password[:namespace]]]]"),
        };
        let mut parts = split(source).into_iter();
        let mut next = || parts.next().filter(|part| !part.is_empty());
        let host = next().ok_or_else(|| fault("there is no host"))?;
        let port = next().map_or(Some(DEFAULT_PORT), |port| {
            port.parse().ok().filter(|port| *port != 0)
        });
        let database = next().map_or(Some(0), |database| database.parse().ok());
        let password = next().map(|password| Secret::new(password.to_owned()));
        let namespace = next().map_or_else(String::new, |namespace| format!("{namespace}:"));
        if parts.next().is_some() {
            return Err(fault("it has more than five parts"));
        }
        Ok(Self {
            host: host.to_owned(),
            port: port.ok_or_else(|| fault("the port is not a number from 1 to 65535"))?,
            database: database.ok_or_else(|| fault("the db is not a number"))?,
            password,
            namespace,
        })
    }

    pub(super) async fn lookup(&self, token: &str) -> Result<Option<Target>, LookupError> {
        let value = self
            .get(&format!("{}{token}", self.namespace))
            .await
            .map_err(|fault| LookupError::Failed {
                plugin: NAME,
                fault: format!("{}:{}: {fault}", self.host, self.port),
            })?;
        value
            .map(|value| read_value(&value))
            .transpose()
            .map_err(|fault| LookupError::Target {
                plugin: NAME,
                fault,
            })
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, String> {
        let stream = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(|error| error.to_string())?;
        let (reading, writing) = stream.into_split();
        let stream = join(reading.take(MAX_ANSWER), writing);
        let mut info = RedisConnectionInfo::default()
            .set_db(i64::from(self.database))
            .set_skip_set_lib_name();
        if let Some(password) = &self.password {
            info = info.set_password(password.expose());
        }
        // The limit of the whole lookup holds instead.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let (mut connection, driver) =
            MultiplexedConnection::new_with_config(&info, stream, config)
                .await
                .map_err(|error| explain(&error))?;
        let mut get = Cmd::new();
        get.arg("GET").arg(key);
        tokio::select! {
            biased;
            value = get.query_async(&mut connection) => value.map_err(|error| explain(&error)),
            () = driver => Err("the server has closed the connection".to_owned()),
        }
    }
}

/// The server's own words are left out: they can repeat the command, and with it the token.
fn explain(error: &RedisError) -> String {
    if error.is_io_error() {
        return error.to_string();
    }
    let code = error.code().unwrap_or_default();
    format!("{} {code}", error.category()).trim().to_owned()
}

fn read_value(value: &[u8]) -> Result<Target, BadTarget> {
    let text = str::from_utf8(value)
        .map_err(|_| BadTarget::Encoding)?
        .trim();
    if !text.starts_with('{') {
        return target_text::parse(text);
    }
    let value: Value = serde_json::from_str(text).map_err(|_| BadTarget::Json)?;
    target_text::parse(&value.host)
}

/// Cuts at each colon. A part that begins with `"` and ends with the next `"`, right before a
/// colon or the end, is what stands between them; other quotes mean nothing.
fn split(source: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = Some(source);
    while let Some(text) = rest {
        let quoted = text
            .strip_prefix('"')
            .and_then(|text| text.split_once('"'))
            .filter(|(part, after)| {
                !part.is_empty() && (after.is_empty() || after.starts_with(':'))
            });
        rest = if let Some((part, after)) = quoted {
            parts.push(part);
            after.strip_prefix(':')
        } else if let Some((part, after)) = text.split_once(':') {
            parts.push(part);
            Some(after)
        } else {
            parts.push(text);
            None
        };
    }
    parts
}

#[cfg(test)]
mod tests;
