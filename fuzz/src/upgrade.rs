//! Requests that may become WebSockets: as parts that are there already, and as raw bytes on a
//! connection of the product's own listener.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use deskway::bridge::websocket;
use deskway::listen::{Limits, Listen, Plain, serve_one};
use deskway::runtime::{Stream, Tasks};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

/// More than the listener reads of a request's head.
const ROOM: usize = 64 * 1024;

/// Parts from lines: the method, the version, then headers. Whatever is accepted must be what RFC
/// 6455 §4.2.1 asks for.
pub fn parts(data: &[u8]) {
    let mut lines = data.split(|&byte| byte == b'\n');
    let mut request = Request::new(());
    if let Some(Ok(method)) = lines.next().map(Method::from_bytes) {
        *request.method_mut() = method;
    }
    *request.version_mut() = match lines.next() {
        Some(b"0.9") => Version::HTTP_09,
        Some(b"1.0") => Version::HTTP_10,
        Some(b"2") => Version::HTTP_2,
        _ => Version::HTTP_11,
    };
    for line in lines {
        let mut halves = line.splitn(2, |&byte| byte == b':');
        let name = halves.next().map(HeaderName::from_bytes);
        let value = halves.next().map(HeaderValue::from_bytes);
        if let (Some(Ok(name)), Some(Ok(value))) = (name, value) {
            request.headers_mut().append(name, value);
        }
    }
    let (parts, ()) = request.into_parts();
    drop(check(&parts));
}

/// The handshake's verdict, held against what must be so.
fn check(parts: &Parts) -> Result<HeaderMap, StatusCode> {
    match websocket::accept(parts) {
        Ok(answer) => {
            assert_eq!(parts.method, Method::GET);
            assert_eq!(parts.version, Version::HTTP_11);
            for once in ["host", "sec-websocket-key", "sec-websocket-version"] {
                assert_eq!(parts.headers.get_all(once).iter().count(), 1, "{once}");
            }
            assert!(!parts.headers.contains_key("transfer-encoding"));
            assert!(answer.contains_key("sec-websocket-accept"));
            Ok(answer)
        }
        Err(error) => {
            assert!(error.status().is_client_error() || error.status().is_server_error());
            assert!(error.headers().contains_key("connection"));
            Err(error.status())
        }
    }
}

/// Raw bytes of a client that says no more after them: an answer or none, and then an end.
pub fn raw(data: &[u8]) {
    let Some(data) = data.get(..data.len().min(ROOM)) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build();
    runtime.expect("a runtime").block_on(async {
        let (mut client, server) = duplex(ROOM);
        let tasks = Tasks::new();
        let listen = Listen {
            tls: None,
            plain: Plain::Refuse,
            limits: Limits::new(10, 10),
            tasks: tasks.clone(),
            service: tower::service_fn(|request: Request<Body>| async {
                let (parts, _) = request.into_parts();
                let mut response = Response::new(Body::empty());
                match check(&parts) {
                    Ok(headers) => {
                        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                        *response.headers_mut() = headers;
                    }
                    Err(status) => *response.status_mut() = status,
                }
                Ok::<_, Infallible>(response)
            }),
        };
        serve_one(&listen, Stream::over(server), None, None);
        // A server that has refused need not read the rest.
        drop(client.write_all(data).await);
        drop(client.shutdown().await);
        let mut answer = Vec::new();
        let read = client.read_to_end(&mut answer);
        // The time is paused: it runs out when the server waits for what never comes.
        let ended = tokio::time::timeout(Duration::from_mins(10), read).await;
        assert!(ended.is_ok(), "the connection is still open");
        // A request of HTTP/1.0 is refused in that version.
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."));
        assert!(!answer.starts_with(b"HTTP/1.0 101"));
        if answer.starts_with(b"HTTP/1.1 101 ") {
            assert!(data.windows(4).any(|it| it == b"GET "));
        }
        tasks.finished().await;
    });
}
