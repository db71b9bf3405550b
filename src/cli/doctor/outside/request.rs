//! One request from outside, each on a connection of its own, bounded in time and length.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST, SERVER, UPGRADE, USER_AGENT, VIA};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use url::{Position, Url};

use super::door::{self, DoorError, Entered, Facts};
use crate::runtime::exchange;

/// For one request and its whole answer.
const ASK_TIMEOUT: Duration = Duration::from_secs(15);
/// Most bytes of an answer's body.
const MAX_BODY: usize = 256 << 10;
/// Most bytes of the answer to what is no request.
const MAX_COMPLAINT: u64 = 4 << 10;

/// How Deskway's doctor calls itself.
pub(super) const AGENT: &str = concat!("deskway-doctor/", env!("CARGO_PKG_VERSION"));

/// A whole answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Door(#[from] DoorError),
    #[error("no HTTP answer: {0}")]
    Http(#[from] hyper::Error),
    #[error("the answer is longer than {MAX_BODY} bytes")]
    TooLong,
    #[error("the answer breaks off")]
    Broken,
    #[error("no whole answer within {} s", ASK_TIMEOUT.as_secs())]
    Late,
    #[error("the address makes no request: {0}")]
    Request(#[from] http::Error),
}

impl Answer {
    /// A header as text, empty where there is none.
    pub(super) fn header(&self, name: impl http::header::AsHeaderName) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The status, and the headers that say who answered and how.
    pub(super) fn described(&self) -> String {
        let shown = [SERVER, VIA, CONNECTION, UPGRADE, CONTENT_TYPE]
            .into_iter()
            .filter(|name| self.headers.contains_key(name))
            .map(|name| format!("{name}: {}", self.header(&name)));
        let shown: Vec<String> = shown.collect();
        if shown.is_empty() {
            self.status.to_string()
        } else {
            format!("{} ({})", self.status, shown.join(", "))
        }
    }
}

/// GET, with the whole answer.
pub(super) async fn get(url: &Url, headers: HeaderMap) -> Result<(Answer, Facts), Failure> {
    stream(url, headers, whole).await
}

/// GET, with an answer that `read` reads.
pub(super) async fn stream<T>(
    url: &Url,
    headers: HeaderMap,
    read: impl AsyncFnOnce(Response<Incoming>) -> Result<T, Failure>,
) -> Result<(T, Facts), Failure> {
    stream_over(door::enter(url).await?, url, headers, read).await
}

/// GET, on a connection that is there.
pub(super) async fn stream_over<T>(
    entered: Entered,
    url: &Url,
    headers: HeaderMap,
    read: impl AsyncFnOnce(Response<Incoming>) -> Result<T, Failure>,
) -> Result<(T, Facts), Failure> {
    let mut request = Request::get(&url[Position::BeforePath..Position::AfterQuery])
        .header(HOST, authority(url))
        .header(USER_AGENT, AGENT)
        .body(Empty::new())?;
    let own = request.headers_mut();
    for (name, value) in &headers {
        own.insert(name, value.clone());
    }
    own.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
    own.entry(CONNECTION)
        .or_insert(HeaderValue::from_static("close"));
    let answer = Box::pin(exchange(entered.stream, request, read));
    let answer = timeout(ASK_TIMEOUT, answer).await;
    Ok((answer.unwrap_or(Err(Failure::Late))?, entered.facts))
}

/// What answers to `bytes`, which are no request.
pub(super) async fn complaint(url: &Url, bytes: &[u8]) -> Result<String, Failure> {
    let mut stream = door::enter(url).await?.stream;
    let mut answer = Vec::new();
    let talk = async {
        stream.write_all(bytes).await?;
        stream.flush().await?;
        stream.take(MAX_COMPLAINT).read_to_end(&mut answer).await
    };
    // What came before the connection broke is enough.
    _ = timeout(ASK_TIMEOUT, talk)
        .await
        .is_ok_and(|read: io::Result<usize>| read.is_ok());
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// What stands in `Host`, and behind `://` in `Origin`.
pub(super) fn authority(url: &Url) -> &str {
    &url[Position::BeforeHost..Position::AfterPort]
}

/// Reads the whole answer.
pub(super) async fn whole(response: Response<Incoming>) -> Result<Answer, Failure> {
    let (parts, body) = response.into_parts();
    let body = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(Failure::TooLong),
        Err(_) => return Err(Failure::Broken),
    };
    Ok(Answer {
        status: parts.status,
        headers: parts.headers,
        body,
    })
}
