//! Asks an HTTP server for a WebSocket (RFC 6455 §4.1), with the subprotocol `binary`.

use std::pin::pin;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{
    CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE, USER_AGENT,
};
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use url::{Position, Url};

use super::{Error, place};
use crate::bridge::websocket::{PROTOCOL, answer_to};
use crate::runtime::{Stream, random_bytes};

/// Most bytes of the answer's head, and of what comes right behind it.
pub(super) const MAX_HEAD: usize = 16 << 10;
/// Most bytes of a subprotocol's name that an error shows.
const MAX_SHOWN: usize = 40;

/// The connection as a WebSocket, and what the server sent right behind its answer.
pub(super) async fn upgrade(url: &Url, stream: Stream) -> Result<(Stream, Bytes), Error> {
    let no_web_socket = |reason: String| Error::NoWebSocket {
        place: place(url),
        reason,
    };
    let key = HeaderValue::try_from(BASE64_STANDARD.encode(random_bytes::<16>()?))
        .map_err(|error| no_web_socket(error.to_string()))?;
    let request = request(url, &key).map_err(|error| no_web_socket(error.to_string()))?;
    let not_http = |error: hyper::Error| no_web_socket(in_words(&error));
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(not_http)?;
    let upgraded = async {
        let response = sender.send_request(request).await.map_err(not_http)?;
        check(url, &key, &response)?;
        let upgraded = hyper::upgrade::on(response).await.map_err(not_http)?;
        let parts = upgraded
            .downcast::<TokioIo<Stream>>()
            .map_err(|_| no_web_socket("its stream is lost".to_owned()))?;
        Ok((parts.io.into_inner(), parts.read_buf))
    };
    // The connection's own end says nothing that the request's does not.
    let (mut connection, mut upgraded) = (pin!(connection.with_upgrades()), pin!(upgraded));
    tokio::select! {
        biased;
        upgraded = &mut upgraded => upgraded,
        _ = &mut connection => upgraded.await,
    }
}

fn request(url: &Url, key: &HeaderValue) -> Result<Request<Empty<Bytes>>, http::Error> {
    Request::get(&url[Position::BeforePath..Position::AfterQuery])
        .header(HOST, &url[Position::BeforeHost..Position::AfterPort])
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_VERSION, "13")
        .header(SEC_WEBSOCKET_KEY, key)
        .header(SEC_WEBSOCKET_PROTOCOL, PROTOCOL)
        .header(USER_AGENT, concat!("deskway/", env!("CARGO_PKG_VERSION")))
        .body(Empty::new())
}

fn check(url: &Url, key: &HeaderValue, response: &Response<Incoming>) -> Result<(), Error> {
    check_head(url, key, response.status(), response.headers())
}

fn check_head(
    url: &Url,
    key: &HeaderValue,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<(), Error> {
    if status != StatusCode::SWITCHING_PROTOCOLS {
        let place = place(url);
        return Err(Error::Status {
            place,
            status,
            advice: advice(status),
        });
    }
    let no_web_socket = |reason: &str| Error::NoWebSocket {
        place: place(url),
        reason: reason.to_owned(),
    };
    let is = |name: &HeaderName, wanted: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.is_some_and(|value| value.trim().eq_ignore_ascii_case(wanted))
    };
    if !is(&UPGRADE, "websocket") {
        return Err(no_web_socket("it upgrades to something else"));
    }
    let answer = answer_to(key).map_err(|error| no_web_socket(&error.to_string()))?;
    if headers.get(SEC_WEBSOCKET_ACCEPT) != Some(&answer) {
        return Err(no_web_socket("its answer does not fit the question"));
    }
    if headers.contains_key(SEC_WEBSOCKET_EXTENSIONS) {
        return Err(no_web_socket("it chose an extension that nobody offered"));
    }
    match headers.get(SEC_WEBSOCKET_PROTOCOL) {
        Some(_) if !is(&SEC_WEBSOCKET_PROTOCOL, PROTOCOL) => {
            let wanted = headers
                .get(SEC_WEBSOCKET_PROTOCOL)
                .map(HeaderValue::as_bytes);
            let wanted = wanted.unwrap_or_default().escape_ascii().to_string();
            Err(Error::Subprotocol {
                place: place(url),
                wanted: wanted.chars().take(MAX_SHOWN).collect(),
            })
        }
        _ => Ok(()),
    }
}

/// What is likely to be wrong in the configuration.
fn advice(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 | 403 | 407 => "; let it take connections from this machine without a password",
        301..=308 => "; write the address that it leads to",
        200 | 404 | 405 => "; is the path right?",
        502..=504 => "; what it passes on to does not run",
        _ => "",
    }
}

fn in_words(error: &hyper::Error) -> String {
    if error.is_parse() {
        "it does not speak HTTP".to_owned()
    } else if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        "it ended the connection without an answer".to_owned()
    } else {
        error.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
    const ANSWER: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    #[expect(
        clippy::unwrap_in_result,
        reason = "what is not under test may not fail"
    )]
    fn checked(status: u16, headers: &[(&'static str, &'static str)]) -> Result<(), String> {
        let url: Url = "ws://lab1:6080/websockify?token=secret".parse().unwrap();
        let headers = headers.iter().map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        });
        let status = StatusCode::from_u16(status).unwrap();
        let key = HeaderValue::from_static(KEY);
        check_head(&url, &key, status, &headers.collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_server_that_chooses_binary_or_nothing_is_taken_and_no_other() {
        let upgrade = ("upgrade", "WebSocket");
        let accept = ("sec-websocket-accept", ANSWER);
        assert_eq!(checked(101, &[upgrade, accept]), Ok(()));
        let protocol = |name| ("sec-websocket-protocol", name);
        assert_eq!(checked(101, &[upgrade, accept, protocol("binary")]), Ok(()));
        let base64 = checked(101, &[upgrade, accept, protocol("base64")]).unwrap_err();
        assert!(base64.contains("`base64`"), "{base64}");
        assert!(checked(101, &[upgrade]).is_err());
        assert!(checked(101, &[accept]).is_err());
        let deflate = ("sec-websocket-extensions", "permessage-deflate");
        assert!(checked(101, &[upgrade, accept, deflate]).is_err());
    }

    #[test]
    fn another_status_is_told_without_the_query() {
        let reason = checked(404, &[]).unwrap_err();
        assert!(
            reason.contains("ws://lab1:6080/websockify answered 404"),
            "{reason}"
        );
        assert!(!reason.contains("secret"), "{reason}");
    }

    #[test]
    fn the_request_offers_binary_and_keeps_the_query() {
        let url: Url = "wss://[2001:db8::1]:6443/a%20b?token=7".parse().unwrap();
        let request = request(&url, &HeaderValue::from_static(KEY)).unwrap();
        assert_eq!(request.uri(), "/a%20b?token=7");
        assert_eq!(request.headers()[HOST], "[2001:db8::1]:6443");
        assert_eq!(request.headers()[SEC_WEBSOCKET_PROTOCOL], "binary");
        assert!(!request.headers().contains_key("origin"));
    }
}
