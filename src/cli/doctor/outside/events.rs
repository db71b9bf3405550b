//! Server-sent events: whether each arrives when it is sent, or only with the end of the answer.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use hyper::Response;
use hyper::body::Incoming;
use tokio::time::Instant;

use super::mend::Lack;
use super::request::Failure;
use super::{Finding, Way};

const EVENTS: &str = "events";
/// Deskway waits longer than that between its two events.
const BETWEEN: Duration = Duration::from_secs(1);
/// Most bytes of the two.
const MAX_EVENTS: usize = 4 << 10;

/// When the two events came.
enum Came {
    /// So much later the second.
    Both(Duration),
    Not(StatusCode),
}

pub(super) async fn findings(way: &Way) -> Finding {
    let events = way.ask("doctor/events", HeaderMap::new(), both).await;
    match events {
        Ok((Came::Both(between), _)) if between >= BETWEEN => {
            Finding::fine(EVENTS, "each arrives as it is sent")
        }
        Ok((Came::Both(_), _)) => Finding::wrong(
            EVENTS,
            "they arrive only when the answer ends: pages do not see what becomes of desktops",
            way.mend(Lack::Buffering),
        ),
        Ok((Came::Not(status), _)) => Finding::wrong(
            EVENTS,
            format!("none come: {status}"),
            "the proxy's log and Deskway's say why",
        ),
        Err(failure) => Finding::wrong(
            EVENTS,
            format!("they do not arrive: {failure}"),
            way.mend(Lack::Buffering),
        ),
    }
}

async fn both(response: Response<Incoming>) -> Result<Came, Failure> {
    let status = response.status();
    let mut body = response.into_body();
    let mut text = Vec::new();
    let mut first = None;
    while let Some(frame) = body.frame().await {
        let frame = frame?;
        text.extend_from_slice(frame.data_ref().map_or(&[], |data| data.as_ref()));
        if text.len() > MAX_EVENTS {
            break;
        }
        let events = String::from_utf8_lossy(&text).matches("data:").count();
        if events > 0 {
            let first = *first.get_or_insert_with(Instant::now);
            if events > 1 {
                return Ok(Came::Both(first.elapsed()));
            }
        }
    }
    Ok(Came::Not(status))
}
