//! Requests as text, and the server's answers.

use std::io::Read as _;

use super::wire::{Wire, is_end};
use super::ws::Ws;

/// The key of the example in RFC 6455 §1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// The longest head of an answer, in bytes.
const MAX_HEAD: usize = 64 * 1024;

/// The request that opens a WebSocket at `path`, with `headers` beside the usual ones (lines
/// without their ends).
pub(crate) fn upgrade(path: &str, headers: &[&str]) -> String {
    let mut request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n"
    );
    for header in headers {
        request.push_str(header);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    request
}

/// The request for a file.
pub(crate) fn get(path: &str, headers: &[&str]) -> String {
    let mut request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n");
    for header in headers {
        request.push_str(header);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    request
}

/// What the server answers, and the connection behind it.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    wire: Wire,
}

impl Answer {
    /// Reads the head of the next answer.
    pub(crate) fn read(wire: Wire) -> Self {
        let answer = Self::read_if_any(wire);
        answer.unwrap_or_else(|| panic!("the connection ends without an answer"))
    }

    /// Like [`Self::read`], `None` when the connection ends without an answer.
    pub(crate) fn read_if_any(mut wire: Wire) -> Option<Self> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            assert!(head.len() < MAX_HEAD, "an endless head");
            let mut byte = [0];
            match wire.read_exact(&mut byte) {
                Ok(()) => head.push(byte[0]),
                Err(error) if head.is_empty() && is_end(&error) => return None,
                Err(error) => {
                    let so_far = String::from_utf8_lossy(&head);
                    panic!("no answer: {error}; so far {so_far:?}");
                }
            }
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status in {head}"));
        Some(Self { status, head, wire })
    }

    /// The value of a header that is there at most once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.head.lines().filter_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        });
        let value = values.next();
        assert_eq!(values.next(), None, "{name} twice in {}", self.head);
        value
    }

    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.head);
        self
    }

    /// Not a WebSocket, and no success of another kind.
    pub(crate) fn refused(self) -> Self {
        assert!((400..600).contains(&self.status), "{}", self.head);
        self
    }

    /// The WebSocket that the request opened.
    pub(crate) fn websocket(self) -> Ws {
        assert_eq!(self.status, 101, "{}", self.head);
        Ws::over(self.wire)
    }

    /// The body by its length, by its chunks, or up to the connection's end.
    pub(crate) fn body(mut self) -> Vec<u8> {
        if let Some(len) = self.header("Content-Length") {
            let len = len.parse().unwrap();
            return self.wire.read_bytes(len);
        }
        if self.header("Transfer-Encoding") == Some("chunked") {
            return self.chunks();
        }
        self.wire.read_rest()
    }

    pub(crate) fn text(self) -> String {
        String::from_utf8(self.body()).unwrap()
    }

    /// The connection, for what comes behind an answer without a body.
    pub(crate) fn into_wire(self) -> Wire {
        self.wire
    }

    fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let mut line = Vec::new();
            while !line.ends_with(b"\r\n") {
                line.extend(self.wire.read_bytes(1));
            }
            let line = String::from_utf8(line).unwrap();
            let len = usize::from_str_radix(line.trim(), 16).unwrap();
            let mut chunk = self.wire.read_bytes(len + 2);
            chunk.truncate(len);
            if chunk.is_empty() {
                return body;
            }
            body.extend(chunk);
        }
    }
}
