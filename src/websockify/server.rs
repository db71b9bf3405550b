//! Answers requests: a WebSocket, or a file.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::IntoResponse as _;
use http::header::{ALLOW, CONNECTION, HeaderMap, HeaderValue, UPGRADE};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use tower::Service;
use tracing::{debug, error, info};

use super::dial::Dialer;
use super::forwarded::{Proxy, visitor};
use super::gate::{Denied, Gate};
use super::prepared::Prepared;
use super::sessions::Sessions;
use super::settings::{Destination, Settings};
use super::target::Target;
use super::token::Tokens;
use super::visit;
use super::web::Web;
use crate::listen::Connection;
use crate::runtime::Tasks;

/// What all requests of a process are answered with.
#[derive(Debug)]
pub(crate) struct Server {
    pub(super) route: Route,
    pub(super) dialer: Dialer,
    /// Who may open WebSockets, and with `web_auth` see files; `None`: everybody.
    gate: Option<Gate>,
    /// `None`: there are no files.
    web: Option<Web>,
    web_auth: bool,
    /// `None`: as the bridge does by itself.
    pub(super) heartbeat: Option<Duration>,
    /// Sessions are recorded here, with their numbers behind.
    pub(super) record: Option<PathBuf>,
    pub(super) traffic: bool,
    trusted_proxies: Vec<Proxy>,
    pub(super) sessions: Sessions,
    pub(super) tasks: Tasks,
}

/// How a WebSocket finds its target.
#[derive(Debug)]
pub(super) enum Route {
    Fixed(Target),
    Tokens {
        tokens: Tokens,
        /// The token is the `Host` header's name, not the query's `token`.
        from_host: bool,
    },
}

/// One request's asker, as the log has it.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    pub(super) address: String,
    /// Without the query, where tokens are.
    pub(super) path: String,
    pub(super) connection: Connection,
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
        Some(Self {
            route,
            dialer: prepared.dialer,
            gate: prepared.gate,
            web_auth: settings.web.is_some_and(|web| web.guarded),
            web: prepared.web,
            heartbeat: settings.heartbeat,
            record: settings.record,
            traffic: settings.traffic,
            trusted_proxies: settings.trusted_proxies,
            sessions,
            tasks,
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

    async fn answer(self: &Arc<Self>, parts: Parts) -> Response<Body> {
        let _under_way = self.sessions.request();
        let Some(connection) = parts.extensions.get::<Connection>().cloned() else {
            error!("a request came without its connection");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        let visitor = Visitor {
            address: visitor(&connection, &parts.headers, &self.trusted_proxies),
            path: parts.uri.path().to_owned(),
            connection,
        };
        if wants_websocket(&parts.headers) {
            return visit::open(self, parts, visitor).await;
        }
        let response = self.file(&parts, &visitor).await;
        let (method, status) = (&parts.method, response.status().as_u16());
        debug!("{}: {method} {}: {status}", visitor.address, visitor.path);
        response
    }

    async fn file(&self, parts: &Parts, visitor: &Visitor) -> Response<Body> {
        if self.web_auth
            && let Err(denied) = self.check(&parts.headers, visitor)
        {
            info!(
                "{}: {}: refused: {}",
                visitor.address, visitor.path, denied.reason
            );
            return answer_denied(denied);
        }
        if let Some(web) = &self.web {
            return web.answer(parts).await;
        }
        let only = "Only WebSockets are served here; files, too, with --web DIR.\n";
        let allow = [(ALLOW, "GET"), (UPGRADE, "websocket")];
        (StatusCode::METHOD_NOT_ALLOWED, allow, only).into_response()
    }

    pub(super) fn check(&self, headers: &HeaderMap, visitor: &Visitor) -> Result<(), Denied> {
        let name = visitor.connection.client_name.as_deref();
        self.gate
            .as_ref()
            .map_or(Ok(()), |gate| gate.check(headers, name))
    }
}

/// A refusal in the gate's words. Nothing that may follow on the connection is read.
pub(super) fn answer_denied(denied: Denied) -> Response<Body> {
    let mut response = (denied.status, denied.headers).into_response();
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Whether a request is for the bridge. Whether it is right is seen there.
fn wants_websocket(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(UPGRADE).iter();
    let mut protocols = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    protocols.any(|protocol| protocol.trim_ascii().eq_ignore_ascii_case(b"websocket"))
}

#[cfg(test)]
mod tests {
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
