//! HTTP/2 on one connection (RFC 9113): many requests at once, each within the limits and
//! deadlines that HTTP/1.1 has.
//!
//! WebSockets are not offered here (RFC 8441): browsers open a connection with HTTP/1.1 for them.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::time::Duration;

use ::http::header::{COOKIE, HOST, HeaderMap, HeaderValue};
use ::http::{Request, Response, StatusCode};
use axum::body::Body;
use axum::response::IntoResponse as _;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tower::Service;

use super::Connection;
use super::accept::Listen;
use super::deadline::{Deadlines, Phase, WRITE_TIMEOUT};
use super::http::{MAX_HEAD, MAX_HEADERS, answer, last_call, refusal};
use super::limits::Place;
use super::refusal::Refusal;
use super::streams::{Fault, Open, Streams};
use crate::runtime::{Stream, Tasks};

/// Most requests of one connection at once.
const MAX_STREAMS: u32 = 64;
/// Most bytes of bodies that are taken from one connection before they are read, and of one
/// request: as many as its body may have.
const CONNECTION_WINDOW: u32 = 256 * 1024;
const STREAM_WINDOW: u32 = 64 * 1024;
/// Most bytes of an answer that wait for its peer.
const SEND_BUFFER: usize = 64 * 1024;
const MAX_FRAME: u32 = 16 * 1024;
/// Most requests that were taken back before we looked at them, and that we broke off, before
/// the connection is ended (CVE-2023-44487, CVE-2025-8671).
const MAX_RESETS: usize = 20;
const MAX_OWN_RESETS: usize = 64;
/// A peer that says nothing is asked after so long whether it is there, and given so long.
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// How often deadlines are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Runs what one connection needs beside itself, until the stop's second stage.
#[derive(Clone)]
struct Spawner(Tasks);

impl<F> Executor<F> for Spawner
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, work: F) {
        drop(self.0.spawn(work));
    }
}

/// Serves the requests of one connection. `place` is held until it is over.
pub(super) async fn serve<S>(
    stream: Stream,
    connection: Connection,
    listen: Listen<S>,
    place: Place,
) -> Result<(), Refusal>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    let phase = Phase::new(place);
    let newcomer = phase.clone();
    let stream = Deadlines::new(stream, phase.clone());
    // The deadlines for heads are kept here, since one connection has many.
    let streams = Streams::new();
    let counted = streams.clone();
    let tasks = listen.tasks.clone();
    let each = hyper::service::service_fn(move |request: Request<Incoming>| {
        phase.answering();
        let mut listen = listen.clone();
        let connection = connection.clone();
        let open = counted.open();
        async move {
            let admitted = admit(&open, &connection, &listen);
            let response = match admitted.and_then(|()| as_http1(request)) {
                Ok(request) => answer(request, &connection, &mut listen).await,
                Err(status) => status.into_response(),
            };
            Ok::<_, Infallible>(response.map(|body| open.answer(body)))
        }
    });
    let mut serving = pin!(builder(&tasks).serve_connection(TokioIo::new(stream), each));
    let mut last_call = pin!(last_call(&tasks, &newcomer));
    let mut look = tokio::time::interval(LOOK_EVERY);
    let (mut ending, mut stopping) = (None, false);
    loop {
        tokio::select! {
            served = serving.as_mut() => return served.map_err(refusal),
            () = last_call.as_mut(), if !stopping => {
                stopping = true;
                serving.as_mut().graceful_shutdown();
            }
            now = look.tick() => match streams.fault(now) {
                Some(Fault::Late) => return Err(late()),
                Some(Fault::Idle) if ending.is_none() => {
                    ending = Some(now + WRITE_TIMEOUT);
                    serving.as_mut().graceful_shutdown();
                }
                _ if ending.is_some_and(|end| end <= now) => return Err(late()),
                _ => {}
            },
        }
    }
}

fn builder(tasks: &Tasks) -> http2::Builder<Spawner> {
    let mut builder = http2::Builder::new(Spawner(tasks.clone()));
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX))
        .initial_connection_window_size(CONNECTION_WINDOW)
        .initial_stream_window_size(STREAM_WINDOW)
        .max_frame_size(MAX_FRAME)
        .max_send_buf_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(MAX_RESETS)
        .max_local_error_reset_streams(MAX_OWN_RESETS)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

/// Takes a place for a request that is not the only one of its connection: many on one are as much
/// work as many connections. Those that a trusted proxy brings take one where its headers are read.
fn admit<S>(open: &Open, connection: &Connection, listen: &Listen<S>) -> Result<(), StatusCode> {
    if open.is_only || connection.is_trusted(&listen.trusted) {
        return Ok(());
    }
    match listen.limits.enter_request(connection.address()) {
        Ok(place) => open.hold(place),
        Err(full) => {
            (listen.refused)(connection, &full.into());
            return Err(StatusCode::TOO_MANY_REQUESTS);
        }
    }
    Ok(())
}

fn late() -> Refusal {
    Refusal::Left(io::ErrorKind::TimedOut.into())
}

/// The request as HTTP/1.1 would have it, which is what handlers know: the name that it calls in
/// `Host` (RFC 9113 §8.3.1), its cookies in one line (§8.2.3).
fn as_http1(mut request: Request<Incoming>) -> Result<Request<Incoming>, StatusCode> {
    if request.headers().len() > MAX_HEADERS {
        return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    let authority = request.uri().authority().map(|it| it.as_str().to_owned());
    if let Some(authority) = authority {
        let headers = request.headers_mut();
        if !headers.contains_key(HOST) {
            let host = HeaderValue::from_str(&authority).map_err(|_| StatusCode::BAD_REQUEST)?;
            headers.insert(HOST, host);
        }
        // A `Host` that names somebody else is refused where hosts are checked.
    }
    join_cookies(request.headers_mut())?;
    Ok(request)
}

fn join_cookies(headers: &mut HeaderMap) -> Result<(), StatusCode> {
    let mut lines = headers.get_all(COOKIE).iter();
    let (Some(first), Some(_)) = (lines.next(), lines.next()) else {
        return Ok(());
    };
    let mut joined = first.as_bytes().to_vec();
    for line in headers.get_all(COOKIE).iter().skip(1) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(line.as_bytes());
    }
    let joined = HeaderValue::from_bytes(&joined).map_err(|_| StatusCode::BAD_REQUEST)?;
    headers.insert(COOKIE, joined);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_in_several_lines_are_one_line() {
        let mut headers = HeaderMap::new();
        for cookie in ["a=1", "b=2; c=3"] {
            headers.append(COOKIE, HeaderValue::from_static(cookie));
        }
        join_cookies(&mut headers).unwrap();
        let lines: Vec<_> = headers.get_all(COOKIE).iter().collect();
        assert_eq!(lines, ["a=1; b=2; c=3"]);
    }
}
