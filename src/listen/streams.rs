//! The requests of one HTTP/2 connection that are under way, and whether one of them hangs.
//!
//! A peer can take nothing of an answer while the connection itself goes on, so that the deadline
//! for it has to be kept for each answer.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::time::Instant;

use super::deadline::{HEAD_TIMEOUT, WRITE_TIMEOUT};
use super::http::IDLE_TIMEOUT;
use super::limits::Place;

/// Most bytes of a body that the peer is offered at once: while it has not taken the last of them
/// the answer counts as under way.
const PART: usize = 16 * 1024;

/// Counts them; clones count together.
#[derive(Clone, Debug)]
pub(super) struct Streams(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    /// Since when the peer has been offered something of the answer that it did not ask for more
    /// of; `None`: we are to go on. As many as there may be at once.
    open: HashMap<u64, Option<Instant>>,
    next: u64,
    /// Of the requests beside one, for which the connection's place is.
    places: Vec<Place>,
    /// Since when there is none.
    idle_since: Instant,
}

/// What is wrong with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// No request for long.
    Idle,
    /// The first request does not come, or an answer is not taken.
    Late,
}

/// One request, until it is dropped.
#[derive(Debug)]
pub(super) struct Open {
    streams: Streams,
    number: u64,
    /// There was none when it came: its place is the connection's.
    pub(super) is_only: bool,
}

/// The answer to it, in parts that are handed on as the peer takes them.
#[derive(Debug)]
struct Answer {
    body: Body,
    /// What is left of the last part of the body.
    rest: Bytes,
    open: Open,
}

impl Streams {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Inner {
            open: HashMap::new(),
            next: 0,
            places: Vec::new(),
            idle_since: Instant::now(),
        })))
    }

    pub(super) fn open(&self) -> Open {
        let mut inner = self.lock();
        inner.next += 1;
        let number = inner.next;
        let is_only = inner.open.is_empty();
        inner.open.insert(number, None);
        Open {
            streams: self.clone(),
            number,
            is_only,
        }
    }

    pub(super) fn fault(&self, now: Instant) -> Option<Fault> {
        let inner = self.lock();
        let idle = now.saturating_duration_since(inner.idle_since);
        if inner.open.is_empty() {
            return match inner.next {
                0 => (idle >= HEAD_TIMEOUT).then_some(Fault::Late),
                _ => (idle >= IDLE_TIMEOUT).then_some(Fault::Idle),
            };
        }
        let oldest = inner.open.values().flatten().min()?;
        (now.saturating_duration_since(*oldest) >= WRITE_TIMEOUT).then_some(Fault::Late)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Keeps `place` while there are so many requests.
    pub(super) fn hold(&self, place: Place) {
        self.streams.lock().places.push(place);
    }

    /// The body of the answer, watched.
    pub(super) fn answer(self, body: Body) -> Body {
        self.offered();
        Body::new(Answer {
            body,
            rest: Bytes::new(),
            open: self,
        })
    }

    /// The peer has something to take.
    fn offered(&self) {
        self.set(Some(Instant::now()));
    }

    fn set(&self, offered: Option<Instant>) {
        self.streams.lock().open.insert(self.number, offered);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut inner = self.streams.lock();
        inner.open.remove(&self.number);
        let beside_one = inner.open.len().saturating_sub(1);
        inner.places.truncate(beside_one);
        if inner.open.is_empty() {
            inner.idle_since = Instant::now();
        }
    }
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        // Asked for when the peer has room for it.
        if self.rest.is_empty() {
            let polled = Pin::new(&mut self.body).poll_frame(cx);
            match polled.map_ok(Frame::into_data) {
                Poll::Ready(Some(Ok(Ok(data)))) => self.rest = data,
                Poll::Ready(Some(Ok(Err(other)))) => {
                    self.open.offered();
                    return Poll::Ready(Some(Ok(other)));
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => {
                    self.open.set(None);
                    return Poll::Pending;
                }
            }
        }
        self.open.offered();
        let length = self.rest.len().min(PART);
        let part = self.rest.split_to(length);
        Poll::Ready(Some(Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = u64::try_from(self.rest.len()).unwrap_or(u64::MAX);
        let body = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower().saturating_add(rest));
        if let Some(upper) = body.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use tokio::time::{Duration, advance};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_requests_is_late_at_first_and_idle_then() {
        let streams = Streams::new();
        advance(HEAD_TIMEOUT).await;
        assert_eq!(streams.fault(Instant::now()), Some(Fault::Late));
        let open = streams.open();
        assert_eq!(streams.fault(Instant::now()), None);
        advance(Duration::from_mins(10)).await;
        assert_eq!(streams.fault(Instant::now()), None, "we are to answer");
        drop(open);
        assert_eq!(streams.fault(Instant::now()), None);
        advance(IDLE_TIMEOUT).await;
        assert_eq!(streams.fault(Instant::now()), Some(Fault::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_taken_is_late_and_one_that_we_have_to_go_on_with_is_not() {
        let streams = Streams::new();
        let endless = futures_util::stream::once(async { Ok::<_, std::io::Error>("x") });
        let endless = futures_util::StreamExt::chain(endless, futures_util::stream::pending());
        let mut body = streams.open().answer(Body::from_stream(endless));
        body.frame().await.unwrap().unwrap();
        let more = tokio::time::timeout(Duration::from_mins(10), body.frame()).await;
        assert!(more.is_err(), "there is no more");
        assert_eq!(streams.fault(Instant::now()), None, "it is our turn");
        let _untaken = streams.open().answer(Body::from("never asked for"));
        advance(WRITE_TIMEOUT).await;
        assert_eq!(streams.fault(Instant::now()), Some(Fault::Late));
    }
}
