//! HTTP/1.1 on one connection: limits on what is read, then the service.

use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use ::http::header::UPGRADE;
use ::http::{Request, Response, StatusCode};
use axum::body::Body;
use axum::response::IntoResponse;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tower::Service;

use super::Connection;
use super::accept::Listen;
use super::deadline::{Deadlines, Phase};
use super::limits::Place;
use super::refusal::Refusal;
use crate::runtime::{Stream, Tasks};

/// Longest request line and headers together, in bytes.
pub(super) const MAX_HEAD: usize = 16 * 1024;
pub(super) const MAX_HEADERS: usize = 100;
/// Longest request body, in bytes.
const MAX_BODY: usize = 64 * 1024;
/// A whole request body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may wait for its next request.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_mins(1);

/// How long somebody who has just come has for a first request once the stop has begun: whoever
/// was let in is answered, and one who says nothing delays the stop no longer than this.
pub(super) const LAST_CALL: Duration = Duration::from_secs(1);

/// Serves the requests of one connection. `place` is held until the connection is over, also
/// when it has become a WebSocket by then.
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
    let tasks = listen.tasks.clone();
    let answer = hyper::service::service_fn(move |request: Request<Incoming>| {
        let mut listen = listen.clone();
        let phase = phase.clone();
        let connection = connection.clone();
        async move {
            phase.answering();
            let response = answer(request, &connection, &mut listen).await;
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                phase.upgraded();
            } else {
                phase.answered();
            }
            Ok::<_, Infallible>(response)
        }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS);
    let mut serving = pin!(
        builder
            .serve_connection(TokioIo::new(stream), answer)
            .with_upgrades()
    );
    // hyper would close a connection that has made no request yet.
    tokio::select! {
        served = serving.as_mut() => return served.map_err(refusal),
        () = last_call(&tasks, &newcomer) => serving.as_mut().graceful_shutdown(),
    }
    serving.await.map_err(refusal)
}

/// Resolves when it is time to end a connection: the stop has begun, and who has just come has
/// made a request or had time to.
pub(super) async fn last_call(tasks: &Tasks, newcomer: &Phase) {
    tasks.stopping().await;
    // Too late is as good.
    _ = tokio::time::timeout(LAST_CALL, newcomer.begun()).await;
}

/// Answers one request. What its headers tell is of this one alone: the next on the connection
/// of a proxy may be somebody else's.
pub(super) async fn answer<S>(
    request: Request<Incoming>,
    connection: &Connection,
    listen: &mut Listen<S>,
) -> Response<Body>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let asked = connection.for_request(request.headers(), &listen.trusted, &listen.limits);
    let connection = match asked {
        Ok(connection) => connection,
        Err(full) => {
            (listen.refused)(connection, &full.into());
            return StatusCode::TOO_MANY_REQUESTS.into_response();
        }
    };
    let request = match whole(request, connection.clone()).await {
        Ok(request) => request,
        Err(status) => return status.into_response(),
    };
    let Ok(response) = listen.service.call(request).await;
    if connection.forwarded.is_none() {
        return response;
    }
    // The request keeps its place until the answer is sent. Whoever upgrades it has the
    // connection for as long as that takes.
    response.map(|body| {
        Body::new(Held {
            body,
            _connection: connection,
        })
    })
}

/// The body of an answer, with the connection that counts until it is sent.
struct Held {
    body: Body,
    _connection: Connection,
}

impl hyper::body::Body for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

pub(super) fn refusal(error: hyper::Error) -> Refusal {
    if error.is_parse() {
        Refusal::NotHttp(error)
    } else {
        Refusal::Left(io::Error::other(error))
    }
}

/// The request with its whole body and the connection as an extension, or the status that says
/// why there is none.
async fn whole(
    request: Request<Incoming>,
    connection: Connection,
) -> Result<Request<Body>, StatusCode> {
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(connection);
    if parts.headers.contains_key(UPGRADE) {
        // It may have no body, and whoever upgrades it refuses one unread.
        return Ok(Request::from_parts(parts, Body::empty()));
    }
    let body = Limited::new(body, MAX_BODY).collect();
    let body = tokio::time::timeout(BODY_TIMEOUT, body)
        .await
        .map_err(|_| StatusCode::REQUEST_TIMEOUT)?
        .map_err(|error| {
            if error.is::<LengthLimitError>() {
                StatusCode::PAYLOAD_TOO_LARGE
            } else {
                StatusCode::BAD_REQUEST
            }
        })?;
    Ok(Request::from_parts(parts, Body::from(body.to_bytes())))
}
