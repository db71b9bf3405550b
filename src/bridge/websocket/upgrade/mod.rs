//! The upgrade from HTTP (RFC 6455 §4.2): what is asked of a request, and the answer's headers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue,
    SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::{Method, StatusCode, Version};
use sha1::{Digest as _, Sha1};

/// The subprotocol of RFB in binary messages.
pub const PROTOCOL: &str = "binary";

/// The version of RFC 6455.
const VERSION: HeaderValue = HeaderValue::from_static("13");

/// What RFC 6455 §1.3 has hashed behind the key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The key in bytes, once decoded (RFC 6455 §4.1).
const KEY_LEN: usize = 16;

/// A request that does not open a WebSocket. The client's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeError {
    #[error("a WebSocket is opened with GET")]
    Method,
    #[error("a WebSocket is opened with HTTP/1.1")]
    HttpVersion,
    #[error("the request must name exactly one Host")]
    Host,
    #[error(
        "this address is a WebSocket: the request must have `Upgrade: websocket` and `Connection: Upgrade`"
    )]
    NotUpgrade,
    #[error("the request must have `Sec-WebSocket-Version: 13`")]
    Version,
    #[error("the request must have one Sec-WebSocket-Key of 16 bytes in base64")]
    Key,
    #[error("a request that opens a WebSocket has no body")]
    Body,
    #[error("the subprotocol `{PROTOCOL}` is not among those that the request offers")]
    Subprotocol,
}

impl UpgradeError {
    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::HttpVersion => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::NotUpgrade | Self::Version => StatusCode::UPGRADE_REQUIRED,
            Self::Host | Self::Key | Self::Body | Self::Subprotocol => StatusCode::BAD_REQUEST,
        }
    }

    /// The headers of the response that say what would be right. `Connection: close` is among
    /// them, because what follows a refused upgrade must not be read as another request.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        match self {
            Self::Method => {
                headers.insert(ALLOW, HeaderValue::from_static("GET"));
            }
            Self::NotUpgrade | Self::Version => {
                headers.insert(CONNECTION, HeaderValue::from_static("close, upgrade"));
                headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(SEC_WEBSOCKET_VERSION, VERSION);
            }
            _ => {}
        }
        headers
    }
}

/// Checks a request that is to become a WebSocket; returns the headers of the response, whose
/// status is 101. Who asks, and from which page (`Origin`), is checked elsewhere.
pub fn accept(request: &Parts) -> Result<HeaderMap, UpgradeError> {
    let headers = &request.headers;
    if request.method != Method::GET {
        return Err(UpgradeError::Method);
    }
    if request.version != Version::HTTP_11 {
        return Err(UpgradeError::HttpVersion);
    }
    if only(headers, &HOST).is_none_or(HeaderValue::is_empty) {
        return Err(UpgradeError::Host);
    }
    if !has_token(headers, &UPGRADE, "websocket") || !has_token(headers, &CONNECTION, "upgrade") {
        return Err(UpgradeError::NotUpgrade);
    }
    if only(headers, &SEC_WEBSOCKET_VERSION) != Some(&VERSION) {
        return Err(UpgradeError::Version);
    }
    if has_body(headers) {
        return Err(UpgradeError::Body);
    }
    let key = only(headers, &SEC_WEBSOCKET_KEY).ok_or(UpgradeError::Key)?;
    let mut answer = HeaderMap::new();
    answer.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.insert(UPGRADE, HeaderValue::from_static("websocket"));
    answer.insert(SEC_WEBSOCKET_ACCEPT, answer_to(key)?);
    if let Some(protocol) = choose(headers)? {
        answer.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    Ok(answer)
}

/// The header's value when it stands there exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

/// The elements of a header that is a list, over all its lines.
fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(name).iter();
    lines
        .flat_map(|line| line.as_bytes().split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|token| !token.is_empty())
}

fn has_token(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    tokens(headers, name).any(|token| token.eq_ignore_ascii_case(wanted.as_bytes()))
}

fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING)
        || headers
            .get_all(CONTENT_LENGTH)
            .iter()
            .any(|length| length != "0")
}

/// The value of `Sec-WebSocket-Accept` that answers a request's key.
///
/// # Errors
/// When it is no key: not 16 bytes in base64.
pub fn answer_to(key: &HeaderValue) -> Result<HeaderValue, UpgradeError> {
    let decoded = STANDARD
        .decode(key.as_bytes())
        .map_err(|_| UpgradeError::Key)?;
    if decoded.len() != KEY_LEN {
        return Err(UpgradeError::Key);
    }
    let digest = Sha1::new()
        .chain_update(key.as_bytes())
        .chain_update(GUID)
        .finalize();
    HeaderValue::try_from(STANDARD.encode(digest)).map_err(|_| UpgradeError::Key)
}

/// The subprotocol for the answer: none when none is offered.
fn choose(headers: &HeaderMap) -> Result<Option<HeaderValue>, UpgradeError> {
    if !headers.contains_key(SEC_WEBSOCKET_PROTOCOL) {
        return Ok(None);
    }
    if tokens(headers, &SEC_WEBSOCKET_PROTOCOL).any(|token| token == PROTOCOL.as_bytes()) {
        Ok(Some(HeaderValue::from_static(PROTOCOL)))
    } else {
        Err(UpgradeError::Subprotocol)
    }
}

#[cfg(test)]
mod tests;
