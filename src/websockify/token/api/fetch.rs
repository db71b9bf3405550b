//! One GET request: bounded in what it reads, and in how often it is sent elsewhere.

use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONNECTION, HOST, LOCATION, USER_AGENT};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tracing::warn;
use url::{Host, Origin, Position, Url};

use crate::runtime::exchange;

/// Most bytes of an answer's body.
const MAX_BODY: usize = 64 << 10;
/// How often a service may send us on.
const MAX_REDIRECTS: usize = 5;

/// Fetches over HTTP and HTTPS. Certificates are checked against the machine's own list
/// (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others).
pub(super) struct Fetcher {
    tls: Arc<ClientConfig>,
}

/// Why there is no answer. No variant shows a URL: the token is in it.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    #[error("no HTTP answer: {0}")]
    Http(#[from] hyper::Error),
    #[error("the answer is longer than {MAX_BODY} bytes")]
    TooLong,
    #[error("the answer breaks off")]
    Broken,
    #[error("the service sends us on more than {MAX_REDIRECTS} times")]
    Redirects,
    #[error("the service sends us on to where we may not go: no address, or no longer https")]
    Redirect,
    #[error("the service answers {0}")]
    Status(StatusCode),
    #[error("the token makes no usable address: {0}")]
    Url(#[from] url::ParseError),
    #[error("cannot use TLS: {0}")]
    Tls(#[from] rustls::Error),
    #[error("the request cannot be written: {0}")]
    Request(#[from] http::Error),
}

impl Fetcher {
    pub(super) fn new() -> Result<Self, FetchError> {
        let found = rustls_native_certs::load_native_certs();
        for error in found.errors {
            warn!("some of the machine's certificates cannot be used: {error}");
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        Self::trusting(roots)
    }

    pub(super) fn trusting(roots: RootCertStore) -> Result<Self, FetchError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { tls: Arc::new(tls) })
    }

    /// The status and the body, after at most [`MAX_REDIRECTS`] other addresses. A name and a
    /// password in the address go to that server alone.
    pub(super) async fn get(&self, mut url: Url) -> Result<(StatusCode, Bytes), FetchError> {
        let credentials = credentials(&url).map(|value| (url.origin(), value));
        for _ in 0..=MAX_REDIRECTS {
            let response = self.get_one(&url, credentials.as_ref()).await?;
            match response {
                Answer::Whole(status, body) => return Ok((status, body)),
                Answer::Elsewhere(location) => url = next(&url, &location)?,
            }
        }
        Err(FetchError::Redirects)
    }

    async fn get_one(
        &self,
        url: &Url,
        credentials: Option<&(Origin, HeaderValue)>,
    ) -> Result<Answer, FetchError> {
        let mut request = Request::get(&url[Position::BeforePath..Position::AfterQuery])
            .header(HOST, &url[Position::BeforeHost..Position::AfterPort])
            .header(ACCEPT, "*/*")
            .header(USER_AGENT, concat!("deskway/", env!("CARGO_PKG_VERSION")))
            .header(CONNECTION, "close");
        if let Some((origin, value)) = credentials
            && *origin == url.origin()
        {
            request = request.header(AUTHORIZATION, value);
        }
        let request = request.body(Empty::new())?;
        let stream = connect(url).await.map_err(FetchError::Connect)?;
        if url.scheme() != "https" {
            return exchange(stream, request, read).await;
        }
        let name = server_name(url).map_err(FetchError::Connect)?;
        let stream = TlsConnector::from(Arc::clone(&self.tls))
            .connect(name, stream)
            .await
            .map_err(FetchError::Connect)?;
        Box::pin(exchange(stream, request, read)).await
    }
}

enum Answer {
    Whole(StatusCode, Bytes),
    Elsewhere(HeaderValue),
}

async fn connect(url: &Url) -> io::Result<TcpStream> {
    let port = url.port_or_known_default().unwrap_or_default();
    match url.host() {
        Some(Host::Domain(name)) => TcpStream::connect((name, port)).await,
        Some(Host::Ipv4(address)) => TcpStream::connect((address, port)).await,
        Some(Host::Ipv6(address)) => TcpStream::connect((address, port)).await,
        None => Err(io::Error::other("the address has no host")),
    }
}

fn server_name(url: &Url) -> io::Result<ServerName<'static>> {
    match url.host() {
        Some(Host::Domain(name)) => ServerName::try_from(name.to_owned()).map_err(io::Error::other),
        Some(Host::Ipv4(address)) => Ok(ServerName::IpAddress(address.into())),
        Some(Host::Ipv6(address)) => Ok(ServerName::IpAddress(address.into())),
        None => Err(io::Error::other("the address has no host")),
    }
}

async fn read(response: Response<Incoming>) -> Result<Answer, FetchError> {
    let status = response.status();
    if status.is_redirection()
        && let Some(location) = response.headers().get(LOCATION)
    {
        return Ok(Answer::Elsewhere(location.clone()));
    }
    let body = Limited::new(response.into_body(), MAX_BODY).collect().await;
    match body {
        Ok(body) => Ok(Answer::Whole(status, body.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => Err(FetchError::TooLong),
        Err(_) => Err(FetchError::Broken),
    }
}

/// Where to ask next. What began encrypted stays so.
fn next(url: &Url, location: &HeaderValue) -> Result<Url, FetchError> {
    let location = location.to_str().map_err(|_| FetchError::Redirect)?;
    let next = url.join(location).map_err(|_| FetchError::Redirect)?;
    match (url.scheme(), next.scheme()) {
        ("http", "http") | (_, "https") => Ok(next),
        _ => Err(FetchError::Redirect),
    }
}

/// `http://name:password@host/` as an Authorization header (RFC 7617).
fn credentials(url: &Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut both: Vec<u8> = percent_decode_str(url.username()).collect();
    both.push(b':');
    both.extend(percent_decode_str(url.password().unwrap_or_default()));
    let mut value =
        HeaderValue::from_str(&format!("Basic {}", BASE64_STANDARD.encode(both))).ok()?;
    value.set_sensitive(true);
    Some(value)
}
