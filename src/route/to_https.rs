//! The entrance where nothing is served: each request is sent to the https address of the page.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::LOCATION;

use super::error::{self, Error};
use super::headers;
use super::site::Site;

/// Where https is spoken when no port is named (RFC 9110 §4.2.2).
const HTTPS_PORT: u16 = 443;

/// The service of such an entrance; `port` is where https is spoken.
pub fn to_https(site: &Arc<Site>, port: u16) -> Router {
    let redirect = move |State(site): State<Arc<Site>>, request: Request| async move {
        redirect(&site, port, &request)
    };
    Router::new()
        .fallback(redirect)
        .layer(from_fn_with_state(Arc::clone(site), error::as_page_or_json))
        .layer(from_fn_with_state(
            Arc::clone(site),
            headers::on_every_answer,
        ))
        .with_state(Arc::clone(site))
}

fn redirect(site: &Site, port: u16, request: &Request) -> Result<Response, Error> {
    let hosts = &site.live().hosts;
    let host = hosts
        .check(request.headers(), request.uri())
        .map_err(|_| Error::NotOurHost)?;
    let port = Some(port).filter(|port| *port != HTTPS_PORT);
    let port = port.map_or_else(String::new, |port| format!(":{port}"));
    let path = request.uri().path_and_query().map_or("/", |it| it.as_str());
    let address = format!("https://{}{port}{path}", host.without_port());
    Ok((StatusCode::PERMANENT_REDIRECT, [(LOCATION, address)]).into_response())
}
