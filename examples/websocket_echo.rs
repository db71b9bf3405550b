//! A WebSocket that says back what it hears, through the whole bridge, for conformance suites:
//! `cargo run --example websocket_echo -- 9001`, then point Autobahn|Testsuite at that port.
//!
//! The bridge carries a stream of bytes and keeps no message boundaries, so the echo waits until
//! nothing has come for a while, and messages up to 64 KiB come back whole. What a stream of bytes
//! cannot show stays out of reach: empty messages, and fragments with long pauses between.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use deskway::bridge::{CloseCause, Greeting, Passage, Viewer, run, websocket};
use deskway::model::Rights;
use deskway::runtime::{Stream, Tasks};
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep};

/// Shorter than a conformance suite waits for its echo.
const QUIET: Duration = Duration::from_millis(200);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let port = std::env::args().nth(1).context("which port?")?.parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let tasks = Tasks::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answers = tasks.clone();
        let connection = http1::Builder::new()
            .serve_connection(
                TokioIo::new(stream),
                service_fn(move |request| {
                    let response = answer(request, &answers);
                    async { Ok::<_, Infallible>(response) }
                }),
            )
            .with_upgrades();
        drop(tasks.spawn(async {
            // A client that goes away while it asks is nobody's concern here.
            drop(connection.await);
        }));
    }
}

fn answer(mut request: Request<Incoming>, tasks: &Tasks) -> Response<Empty<Bytes>> {
    let upgrade = hyper::upgrade::on(&mut request);
    let (parts, _) = request.into_parts();
    let mut response = Response::new(Empty::new());
    match websocket::accept(&parts) {
        Ok(headers) => {
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            *response.headers_mut() = headers;
            drop(tasks.spawn(async {
                if let Ok(upgraded) = upgrade.await
                    && let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>()
                {
                    echo(parts.io.into_inner(), parts.read_buf).await;
                }
            }));
        }
        Err(error) => {
            *response.status_mut() = error.status();
            *response.headers_mut() = error.headers();
        }
    }
    response
}

async fn echo(client: TcpStream, early: Bytes) {
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
    let outcome = run(
        client,
        early,
        Stream::over(Echo::new()),
        viewer,
        stopped,
        explain,
    )
    .await;
    drop(outcome);
}

/// Keeps what is written and lets it be read when nothing was written for [`QUIET`].
struct Echo {
    kept: VecDeque<u8>,
    quiet: Pin<Box<Sleep>>,
    reader: Option<Waker>,
}

impl Echo {
    fn new() -> Self {
        Self {
            kept: VecDeque::new(),
            quiet: Box::pin(sleep(QUIET)),
            reader: None,
        }
    }
}

impl AsyncRead for Echo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.kept.is_empty() {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        ready!(self.quiet.as_mut().poll(cx));
        let len = self.kept.len().min(buf.remaining());
        buf.put_slice(&self.kept.drain(..len).collect::<Vec<_>>());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Echo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.kept.extend(bytes);
        self.quiet.as_mut().reset(Instant::now() + QUIET);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
