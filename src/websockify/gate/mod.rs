//! Who may come in: websockify's auth plugins.

mod basic;
mod client_name;
mod origin;

use std::fmt;

use axum::response::{IntoResponse, Response};
use http::header::CONNECTION;
use http::{HeaderMap, HeaderValue, StatusCode};

use self::basic::BasicHttpAuth;
use self::client_name::ClientNames;
use self::origin::ExpectOrigin;

/// Where the original's own plugins are, for those who name them in full.
const PYTHON_MODULE: &str = "websockify.auth_plugins.";

/// An auth plugin that is ready to be asked.
pub(crate) struct Gate(Plugin);

enum Plugin {
    Basic(BasicHttpAuth),
    Origin(ExpectOrigin),
    ClientNames(ClientNames),
}

/// A plugin that cannot be used as the command line has it: the admin's to mend.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PluginError {
    #[error(
        "there is no auth plugin {0} here, and Python classes cannot be loaded; use BasicHTTPAuth, \
         ExpectOrigin or ClientCertCNAuth, let a reverse proxy ask who comes, or check with \
         --token-plugin exec:/path/to/program that the token is one that you gave out"
    )]
    Unknown(String),
    #[error("the auth plugin {plugin} needs --auth-source: {what}")]
    NoSource {
        plugin: &'static str,
        what: &'static str,
    },
}

/// A visitor who may not come in, and what to answer.
#[derive(Debug)]
pub(crate) struct Denied {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// For the log; holds no password.
    pub(crate) reason: Box<str>,
}

impl Gate {
    /// `plugin` is a name as `--auth-plugin` takes it, short or dotted; `source` is what
    /// `--auth-source` says.
    pub(crate) fn new(plugin: &str, source: Option<&str>) -> Result<Self, PluginError> {
        let source = source.unwrap_or_default();
        let plugin = match plugin.strip_prefix(PYTHON_MODULE).unwrap_or(plugin) {
            "BasicHTTPAuth" => Plugin::Basic(BasicHttpAuth::new(source)?),
            "ExpectOrigin" => Plugin::Origin(ExpectOrigin::new(source)?),
            "ClientCertCNAuth" => Plugin::ClientNames(ClientNames::new(source)?),
            _ => return Err(PluginError::Unknown(plugin.to_owned())),
        };
        Ok(Self(plugin))
    }

    /// Whether the visitor with these request headers may come in. `client_name` is the common
    /// name of the client certificate that TLS has verified.
    pub(crate) fn check(
        &self,
        headers: &HeaderMap,
        client_name: Option<&str>,
    ) -> Result<(), Denied> {
        match &self.0 {
            Plugin::Basic(basic) => basic.check(headers),
            Plugin::Origin(origin) => origin.check(headers),
            Plugin::ClientNames(names) => names.check(client_name),
        }
    }

    /// The plugin's name, without its source (which may hold a password).
    pub(crate) fn name(&self) -> &'static str {
        match &self.0 {
            Plugin::Basic(_) => "BasicHTTPAuth",
            Plugin::Origin(_) => "ExpectOrigin",
            Plugin::ClientNames(_) => "ClientCertCNAuth",
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gate").field(&self.name()).finish()
    }
}

impl Denied {
    fn forbidden(reason: impl Into<Box<str>>) -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            headers: HeaderMap::new(),
            reason: reason.into(),
        }
    }
}

/// The answer in the gate's words. Nothing that may follow on the connection is read.
impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.headers).into_response();
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        response
    }
}

#[cfg(test)]
mod tests;
