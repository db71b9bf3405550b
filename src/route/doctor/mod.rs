//! What `deskway doctor --url` asks for from outside: how its request looks in here, events, and
//! a WebSocket that echoes. There for nobody else: without a pass it is the 404 of any other
//! address.

mod echo;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, FromRequestParts, Request, State};
use axum::response::sse::{Event, Sse};
use axum::response::{AppendHeaders, IntoResponse, Response};
use futures_util::stream;
use http::header::{FORWARDED, HeaderName, VIA};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use hyper::upgrade::OnUpgrade;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::debug;

use super::error::Error;
use super::events;
use super::site::Site;
use crate::auth::Host;
use crate::bridge;
use crate::listen;
use crate::listen::Connection;
use crate::runtime::Clock;
use crate::store::DoctorKey;

/// The header that carries the pass.
const PASS: HeaderName = HeaderName::from_static("deskway-doctor");
/// How many WebSockets and event streams there may be for doctors at once.
const PLACES: usize = 8;
/// The time between the two events: a way that keeps the first back brings both at once.
const BETWEEN_EVENTS: Duration = Duration::from_secs(3);

/// The headers by which proxies tell who asks. What stands in them is shown as it came.
const TOLD_BY_PROXIES: [HeaderName; 8] = [
    FORWARDED,
    VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-server"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("upgrade"),
];

/// What the site holds for doctors.
#[derive(Debug)]
pub(super) struct Practice {
    key: DoctorKey,
    clock: Clock,
    places: Arc<Semaphore>,
}

/// Who asks has shown a pass.
#[derive(Debug)]
pub(super) struct Doctor;

/// A request as it looks in here.
#[derive(Debug, Serialize)]
pub(super) struct Seen {
    version: &'static str,
    base: String,
    /// Whom the request is taken to come from.
    address: IpAddr,
    scheme: String,
    host: String,
    /// Where it came in.
    local: Option<SocketAddr>,
    /// What is not silent for so long is kept open by the bridge's own pings, in seconds.
    ping_every: u64,
    headers: BTreeMap<String, Vec<String>>,
}

impl Practice {
    pub(super) fn new(key: DoctorKey, clock: Clock) -> Self {
        Self {
            key,
            clock,
            places: Arc::new(Semaphore::new(PLACES)),
        }
    }

    fn place(&self) -> Result<OwnedSemaphorePermit, Error> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        place.map_err(|_| Error::Busy)
    }
}

impl FromRequestParts<Arc<Site>> for Doctor {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Error> {
        let practice = &site.practice;
        let pass = parts
            .headers
            .get(PASS)
            .and_then(|value| value.to_str().ok());
        match pass {
            Some(pass) if practice.key.admits(pass, practice.clock.unix()) => Ok(Self),
            _ => Err(Error::NotFound),
        }
    }
}

/// How the request looks in here.
pub(super) async fn seen(
    _: Doctor,
    State(site): State<Arc<Site>>,
    Extension(connection): Extension<Connection>,
    Extension(host): Extension<Host>,
    headers: HeaderMap,
) -> Json<Seen> {
    let told = TOLD_BY_PROXIES.into_iter().filter_map(|name| {
        let values = headers.get_all(&name).iter();
        let values: Vec<String> = values
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect();
        (!values.is_empty()).then(|| (name.to_string(), values))
    });
    Json(Seen {
        version: env!("CARGO_PKG_VERSION"),
        base: site.base().to_owned(),
        address: connection.address(),
        scheme: connection.scheme.to_string(),
        host: host.to_string(),
        local: connection.local,
        ping_every: bridge::PING_EVERY.as_secs(),
        headers: told.collect(),
    })
}

/// Two events with a pause between them.
pub(super) async fn events(
    _: Doctor,
    State(site): State<Arc<Site>>,
) -> Result<impl IntoResponse, Error> {
    let place = site.practice.place()?;
    let events = stream::unfold((0_u8, place), |(sent, place)| async move {
        match sent {
            0 => {}
            1 => tokio::time::sleep(BETWEEN_EVENTS).await,
            _ => return None,
        }
        let event = Event::default().event("doctor").data(sent.to_string());
        Some((Ok::<_, Infallible>(event), (sent + 1, place)))
    });
    Ok((AppendHeaders([events::UNBUFFERED]), Sse::new(events)))
}

/// A WebSocket that sends back what it gets, and nothing by itself.
pub(super) async fn echo(
    _: Doctor,
    State(site): State<Arc<Site>>,
    request: Request,
) -> Result<Response, Error> {
    let (mut parts, _) = request.into_parts();
    let headers = match bridge::websocket::accept(&parts) {
        Ok(headers) => headers,
        Err(error) => {
            return Ok((error.status(), error.headers(), error.to_string()).into_response());
        }
    };
    let place = site.practice.place()?;
    let upgrade = parts
        .extensions
        .remove::<OnUpgrade>()
        .ok_or(Error::Internal)?;
    let tasks = site.tasks.clone();
    site.tasks.spawn(async move {
        let _place = place;
        let ended = tokio::select! {
            ended = echo::run(listen::upgraded(upgrade)) => ended,
            () = tasks.stopping() => return,
        };
        if let Err(error) = ended {
            debug!("a doctor's echo ended: {error}");
        }
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = headers;
    Ok(response)
}
