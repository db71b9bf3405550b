//! The file by which an authority sees that a name leads here (RFC 8555 §8.3). It stands at every
//! entrance and under every name, since it is asked for before the name is known to lead here.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::Method;
use http::header::CONTENT_TYPE;

use super::site::Site;

const WHERE: &str = "/.well-known/acme-challenge/";

/// Answers while there is an order with such a challenge, and passes all else on.
pub(super) async fn challenge(
    State(site): State<Arc<Site>>,
    request: Request,
    next: Next,
) -> Response {
    let token = request.uri().path().strip_prefix(WHERE);
    let known = token.and_then(|token| site.certificates.http_challenge(token));
    match known {
        Some(authorization) if request.method() == Method::GET => {
            ([(CONTENT_TYPE, "application/octet-stream")], authorization).into_response()
        }
        _ => next.run(request).await,
    }
}
