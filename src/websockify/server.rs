//! Answers requests: a WebSocket, or a file.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::response::IntoResponse as _;
use http::header::{ALLOW, HeaderMap, UPGRADE};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use tower::Service;
use tracing::{debug, error, info};

use super::prepared::Prepared;
use super::sessions::Sessions;
use super::settings::{Destination, Settings};
use super::target::Target;
use super::visit::{Route, Visits};
use super::visitor::Visitor;
use super::web::Web;
use crate::listen::{Connection, Refusal};
use crate::runtime::Tasks;

/// What all requests of a process are answered with.
#[derive(Debug)]
pub(crate) struct Server {
    visits: Arc<Visits>,
    /// `None`: there are no files.
    web: Option<Web>,
    /// Files are for those alone who may open WebSockets.
    web_auth: bool,
}

impl Server {
    /// `wrapped` is where the wrapped program listens, if there is one. Sessions become tasks of
    /// `tasks`. `None` when the settings ask for a wrapped program or tokens and there are none.
    pub(crate) fn new(
        settings: Settings,
        prepared: Prepared,
        wrapped: Option<Target>,
        sessions: Sessions,
        tasks: Tasks,
    ) -> Option<Self> {
        let route = match settings.to {
            Destination::Fixed(target) => Route::Fixed(target),
            Destination::Tokens { from_host, .. } => Route::Tokens {
                tokens: prepared.tokens?,
                from_host,
            },
            Destination::Wrapped => Route::Fixed(wrapped?),
        };
        let visits = Visits {
            route,
            dialer: prepared.dialer,
            gate: prepared.gate,
            ping_every: settings.heartbeat,
            record: settings.record,
            traffic: settings.traffic,
            sessions,
            tasks,
        };
        Some(Self {
            visits: Arc::new(visits),
            web_auth: settings.web.is_some_and(|web| web.guarded),
            web: prepared.web,
        })
    }

    /// The service for [`crate::listen::listen`].
    pub(crate) fn service(
        self: Arc<Self>,
    ) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + 'static {
        tower::service_fn(move |request: Request<Body>| {
            let server = Arc::clone(&self);
            async move { Ok(server.answer(request.into_parts().0).await) }
        })
    }

    /// Says in the log that a connection was refused before it asked for anything.
    pub(crate) fn tell_refusal(connection: &Connection, why: &Refusal) {
        info!("{}: refused: {why}", connection.shown_address());
    }

    async fn answer(&self, parts: Parts) -> Response<Body> {
        let _under_way = self.visits.sessions.request();
        let Some(connection) = parts.extensions.get::<Connection>().cloned() else {
            error!("a request came without its connection");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        let visitor = Visitor {
            address: connection.shown_address(),
            path: parts.uri.path().to_owned(),
            connection,
        };
        if wants_websocket(&parts.headers) {
            return self.visits.open(parts, visitor).await;
        }
        let response = self.file(&parts, &visitor).await;
        let (method, status) = (&parts.method, response.status());
        let Visitor { address, path, .. } = &visitor;
        let line = format_args!("{address}: \"{method} {path}\" {}", status.as_u16());
        if status.is_client_error() || status.is_server_error() {
            info!("{line}");
        } else {
            debug!("{line}");
        }
        response
    }

    async fn file(&self, parts: &Parts, visitor: &Visitor) -> Response<Body> {
        if self.web_auth
            && let Err(denied) = self.visits.check(&parts.headers, visitor)
        {
            info!(
                "{}: {}: refused: {}",
                visitor.address, visitor.path, denied.reason
            );
            return denied.into_response();
        }
        if let Some(web) = &self.web {
            return web.answer(parts).await;
        }
        let only = "Only WebSockets are served here; files, too, with --web DIR.\n";
        let allow = [(ALLOW, "GET"), (UPGRADE, "websocket")];
        (StatusCode::METHOD_NOT_ALLOWED, allow, only).into_response()
    }
}

/// Whether a request is for the bridge. Whether it is right is seen there.
fn wants_websocket(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(UPGRADE).iter();
    let mut protocols = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    protocols.any(|protocol| protocol.trim_ascii().eq_ignore_ascii_case(b"websocket"))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_websocket_is_known_by_its_upgrade_header() {
        for (value, wanted) in [
            ("websocket", true),
            ("WebSocket", true),
            ("h2c, websocket", true),
            ("h2c", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(UPGRADE, HeaderValue::from_static(value))]);
            assert_eq!(wants_websocket(&headers), wanted, "{value}");
        }
        assert!(!wants_websocket(&HeaderMap::new()));
    }
}
