//! The entrances where nothing is served in the clear: who does not speak https is sent to the
//! https address of the page.

use std::sync::Arc;

use axum::extract::{Extension, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::LOCATION;

use super::error::Error;
use super::site::Site;
use crate::listen::Connection;

/// Where https is spoken when no port is named (RFC 9110 §4.2.2).
const HTTPS_PORT: u16 = 443;

/// Serves who speaks https, with us or with a trusted proxy, and redirects the others. `port` is
/// where we speak it.
pub(super) async fn https_alone(
    State((site, port)): State<(Arc<Site>, u16)>,
    Extension(connection): Extension<Connection>,
    request: Request,
    next: Next,
) -> Response {
    if connection.scheme.is_secure() {
        return next.run(request).await;
    }
    let address = https_address(&site, port, &connection, &request);
    match address {
        Ok(address) => (StatusCode::PERMANENT_REDIRECT, [(LOCATION, address)]).into_response(),
        Err(error) => error.into_response(),
    }
}

/// The same page, on a host of ours.
fn https_address(
    site: &Site,
    port: u16,
    connection: &Connection,
    request: &Request,
) -> Result<String, Error> {
    let (headers, uri) = (request.headers(), request.uri());
    let live = site.live();
    let host = live
        .hosts
        .check(headers, uri, connection.forwarded_host())
        .map_err(|_| Error::NotOurHost)?;
    // Browsers do not come to our port through a proxy, but to its own.
    let port = if connection.forwarded.is_some() {
        HTTPS_PORT
    } else {
        port
    };
    let port = Some(port).filter(|port| *port != HTTPS_PORT);
    let port = port.map_or_else(String::new, |port| format!(":{port}"));
    let path = uri.path_and_query().map_or("/", |it| it.as_str());
    Ok(format!("https://{}{port}{path}", host.without_port()))
}
