//! What watches over this server reads: everything that is counted. Nobody else is told that it is
//! there.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};

use super::error::Error;
use super::site::Site;
use crate::listen::Connection;
use crate::metrics::{Now, OPEN_METRICS, Outcome, PLAIN_TEXT, RouteClass, as_plain_text};

/// All of it, in OpenMetrics unless the reader asks for plain text alone.
pub(super) async fn all(
    State(site): State<Arc<Site>>,
    Extension(connection): Extension<Connection>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    if !may_read(&site, &connection, &headers) {
        return Err(Error::NotFound);
    }
    let text = site.metrics.text(&Now {
        launcher_is_there: site.launcher.is_there(),
        viewers: site.registry.all_viewers(),
        connections: site.limits.connections(),
        certificate_ends: site.certificates.first_end(),
    });
    let (kind, text) = if wants_plain_text(&headers) {
        (PLAIN_TEXT, as_plain_text(&text))
    } else {
        (OPEN_METRICS, text)
    };
    Ok(([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-store")], text).into_response())
}

/// Counts every answer.
pub(super) async fn counted(
    State(site): State<Arc<Site>>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let route = RouteClass::of(path.strip_prefix(site.base()).unwrap_or(path));
    let response = next.run(request).await;
    let outcome = Outcome::of(response.status().as_u16());
    site.metrics.answered(route, outcome);
    response
}

/// By the address where the reader is, or by the token. An address that a proxy hides is nobody's.
fn may_read(site: &Site, connection: &Connection, headers: &HeaderMap) -> bool {
    let live = site.live();
    let address = connection.address();
    let is_near = live.metrics_allow.iter().any(|net| net.contains(&address));
    if is_near && connection.hidden.is_none() {
        return true;
    }
    let shown = headers.get(AUTHORIZATION);
    let token = site.metrics_token.as_ref();
    token.is_some_and(|token| shown.is_some_and(|shown| token.is_shown(shown.as_bytes())))
}

fn wants_plain_text(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|it| it.contains("text/plain") && !it.contains("openmetrics"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_knows_open_metrics_gets_it() {
        for (accept, plain) in [
            ("text/plain", true),
            ("text/plain;version=0.0.4;q=1,*/*;q=0.1", true),
            (
                "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
                false,
            ),
            ("*/*", false),
        ] {
            let headers = [(ACCEPT, accept.parse().unwrap())].into_iter().collect();
            assert_eq!(wants_plain_text(&headers), plain, "{accept}");
        }
        assert!(!wants_plain_text(&HeaderMap::new()));
    }
}
