//! From an HTTP request on a socket to the desktop and back, with a real HTTP server between.

use deskway::bridge::websocket;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::*;
use crate::support::VncListener;

/// Answers one connection as a route would: the upgrade, then the bridge to `listener`.
async fn serve(connection: DuplexStream, desktop: UnixStream) -> Option<Outcome> {
    let (upgraded, upgrade) = tokio::sync::oneshot::channel();
    let upgraded = Mutex::new(Some(upgraded));
    let service = service_fn(|mut request: Request<Incoming>| {
        let upgrade = hyper::upgrade::on(&mut request);
        let (parts, _) = request.into_parts();
        let mut response = Response::new(Empty::<Bytes>::new());
        match websocket::accept(&parts) {
            Ok(headers) => {
                *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                *response.headers_mut() = headers;
                let upgraded = upgraded.lock().unwrap().take().unwrap();
                upgraded.send(upgrade).unwrap();
            }
            Err(error) => {
                *response.status_mut() = error.status();
                *response.headers_mut() = error.headers();
            }
        }
        async move { Ok::<_, std::convert::Infallible>(response) }
    });
    http1::Builder::new()
        .serve_connection(TokioIo::new(connection), service)
        .with_upgrades()
        .await
        .ok()?;
    drop(upgraded);
    let io = upgrade.await.ok()?.await.ok()?;
    let parts = io.downcast::<TokioIo<DuplexStream>>().ok()?;
    let viewer = Viewer {
        passage: Passage::Desktop {
            rights: Rights::Control,
            greeting: Greeting::Fresh,
        },
        traffic: Arc::default(),
        tap: None,
    };
    let (_stop, stopped) = watch::channel(None);
    let explain = async { CloseCause::Stopped };
    let client = Stream::over(parts.io.into_inner());
    Some(run(client, parts.read_buf, desktop, viewer, stopped, explain).await)
}

#[tokio::test]
async fn a_browser_reaches_a_desktop_on_a_unix_socket() {
    let listener = VncListener::new().unwrap();
    let desktop = UnixStream::connect(listener.path()).await.unwrap();
    let mut vnc = listener.accept().await.unwrap();
    let (browser, connection) = duplex(64 * 1024);
    let server = spawn(serve(connection, desktop));
    let binary = ["Sec-WebSocket-Protocol: binary"];
    let opened = WsClient::open(browser, "desk.example", "/d/alice/websockify", &binary);
    let (head, mut browser) = soon(opened).await.unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    let (init, shared) =
        soon(async { tokio::join!(browser.shake_hands(1), vnc.shake_hands()) }).await;
    assert_eq!(init.unwrap().len(), 28);
    assert_eq!(shared.unwrap(), 1);
    browser.send_close(1000).await.unwrap();
    let outcome = soon(server).await.unwrap().unwrap();
    assert_eq!(outcome.cause, CloseCause::Left);
    assert_eq!(outcome.to_browser, 12 + 2 + 4 + 28);
}

/// Requests that common servers upgrade and that must not be, with the status they get.
#[tokio::test]
async fn requests_that_are_no_upgrade_are_refused() {
    let good = "GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    for (from, to, status) in [
        ("GET", "POST", 405),
        ("GET", "HEAD", 405),
        ("HTTP/1.1", "HTTP/1.0", 505),
        ("Host: a\r\n", "", 400),
        ("Host: a\r\n", "Host: a\r\nHost: b\r\n", 400),
        ("Connection: Upgrade\r\n", "", 426),
        ("Upgrade: websocket\r\n", "", 426),
        ("Version: 13", "Version: 8", 426),
        ("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ=", 400),
        ("Host: a\r\n", "Host: a\r\nContent-Length: 5\r\n", 400),
        (
            "Host: a\r\n",
            "Host: a\r\nTransfer-Encoding: chunked\r\n",
            400,
        ),
        (
            "Host: a\r\n",
            "Host: a\r\nSec-WebSocket-Protocol: base64\r\n",
            400,
        ),
    ] {
        let (mut browser, connection) = duplex(64 * 1024);
        let (desktop, _other) = UnixStream::pair().unwrap();
        let server = spawn(serve(connection, desktop));
        let request = good.replacen(from, to, 1);
        browser.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        soon(browser.read_to_string(&mut response)).await.unwrap();
        let got = response.split(' ').nth(1);
        assert_eq!(got, Some(status.to_string().as_str()), "{request}");
        if status == 426 {
            assert!(response.contains("sec-websocket-version: 13"), "{response}");
        }
        assert!(soon(server).await.unwrap().is_none(), "{request}");
    }
}
