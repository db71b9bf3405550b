//! `JSONTokenApi` and `BaseTokenAPI`: a web service that knows what tokens stand for. Its address
//! has `%s` where the token goes.

mod fetch;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use self::fetch::{FetchError, Fetcher};
use super::target_text::{self, BadTarget, HostAndPort};
use super::{LookupError, PluginError};
use crate::websockify::Target;

/// What stays as it is in a URL (RFC 3986 section 2.3). A token is one part of a path or one value
/// in a query, whatever stands in it.
const TOKEN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// How the service answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// `JSONTokenApi`: `{"host": "10.0.0.1", "port": 5900}`.
    Json,
    /// `BaseTokenAPI`: `10.0.0.1:5900`.
    Text,
}

/// A web service to ask.
pub(super) struct TokenApi {
    answer: Answer,
    before: String,
    after: String,
    fetcher: Fetcher,
}

impl Answer {
    pub(super) fn plugin(self) -> &'static str {
        match self {
            Self::Json => "JSONTokenApi",
            Self::Text => "BaseTokenAPI",
        }
    }

    fn read(self, body: &[u8]) -> Result<Target, BadTarget> {
        match self {
            Self::Text => target_text::from_bytes(body),
            Self::Json => serde_json::from_slice::<HostAndPort>(body)
                .map_err(|_| BadTarget::Json)?
                .target(),
        }
    }
}

impl TokenApi {
    /// `source` is the address; `%%` in it is a percent sign, as in the original.
    pub(super) fn new(answer: Answer, source: &str) -> Result<Self, PluginError> {
        let fault = |fault: String| PluginError::Source {
            plugin: answer.plugin(),
            fault,
        };
        // No URL holds a NUL, so it can stand for the doubled percent sign meanwhile.
        let source = source.replace("%%", "\0");
        let mut pieces = source.split("%s").map(|piece| piece.replace('\0', "%"));
        let (Some(before), Some(after), None) = (pieces.next(), pieces.next(), pieces.next())
        else {
            return Err(fault(
                "it is not an address with one %s where the token goes".to_owned(),
            ));
        };
        check(&before, &after).map_err(fault)?;
        Ok(Self {
            answer,
            before,
            after,
            fetcher: Fetcher::new().map_err(|error| fault(error.to_string()))?,
        })
    }

    pub(super) fn name(&self) -> &'static str {
        self.answer.plugin()
    }

    pub(super) async fn lookup(&self, token: &str) -> Result<Option<Target>, LookupError> {
        // A URL drops these, and would then ask for something else.
        if matches!(token, "." | "..") {
            return Ok(None);
        }
        let token = utf8_percent_encode(token, TOKEN);
        let url = Url::parse(&format!("{}{token}{}", self.before, self.after))
            .map_err(FetchError::from)
            .map_err(|error| self.failed(&error))?;
        let (status, body) = self
            .fetcher
            .get(url)
            .await
            .map_err(|error| self.failed(&error))?;
        if status.is_client_error() {
            return Ok(None);
        }
        if !status.is_success() {
            return Err(self.failed(&FetchError::Status(status)));
        }
        self.answer
            .read(&body)
            .map(Some)
            .map_err(|fault| LookupError::Target {
                plugin: self.name(),
                fault,
            })
    }

    fn failed(&self, error: &FetchError) -> LookupError {
        LookupError::Failed {
            plugin: self.name(),
            fault: error.to_string(),
        }
    }
}

/// What is wrong with an address: a token must not choose whom it is shown to.
fn check(before: &str, after: &str) -> Result<(), String> {
    let with = |token: &str| {
        Url::parse(&format!("{before}{token}{after}")).map_err(|error| error.to_string())
    };
    let (one, other) = (with("a")?, with("b")?);
    if !matches!(one.scheme(), "http" | "https") {
        return Err("its address begins neither with http:// nor with https://".to_owned());
    }
    if one.authority() != other.authority() {
        return Err("%s stands in the host of its address instead of after it".to_owned());
    }
    if (one.path(), one.query()) == (other.path(), other.query()) {
        return Err("%s stands neither in the path nor in the query of its address".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
