//! Pages and JSON travel packed where the browser can unpack them.
//!
//! Files of the build are packed already, and events must leave at once. Nothing secret stands in
//! an answer beside what a stranger can choose, so that its length tells nothing; see
//! `docs/decisions.md`.

use std::convert::Infallible;

use axum::response::Response;
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_TYPE, ETAG};
use http::{Extensions, HeaderMap, HeaderValue, Request, StatusCode, Version};
use http_body_util::BodyExt as _;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{And, Predicate as _, SizeAbove};
use tracing::error;

use super::error::Error;

/// Shorter answers stay as they are, in bytes: they fit into a packet either way.
const WORTH_IT: u64 = 256;
/// Of brotli and gzip: above it they take longer than the wire.
const LEVEL: CompressionLevel = CompressionLevel::Precise(4);

type IsText = fn(StatusCode, Version, &HeaderMap, &Extensions) -> bool;

pub(super) fn on_the_fly() -> CompressionLayer<And<SizeAbove, IsText>> {
    let predicate = SizeAbove::new(WORTH_IT).and(is_text as IsText);
    CompressionLayer::new()
        .quality(LEVEL)
        .compress_when(predicate)
}

/// `answer` as it travels to who offers `coding`, for one that is sent to many.
pub(super) async fn packed(
    answer: Response,
    coding: &'static str,
) -> Result<http::Response<Bytes>, Error> {
    let as_it_is =
        service_fn(|asked: Request<Response>| async { Ok::<_, Infallible>(asked.into_body()) });
    let mut request = Request::new(answer);
    let offer = HeaderValue::from_static(coding);
    request.headers_mut().insert(ACCEPT_ENCODING, offer);
    let Ok(packed) = on_the_fly().layer(as_it_is).oneshot(request).await;
    let (parts, body) = packed.into_parts();
    let body = body.collect().await.map_err(|error| {
        error!(%error, "a page cannot be packed");
        Error::Internal
    })?;
    Ok(http::Response::from_parts(parts, body.to_bytes()))
}

/// What has an entity tag is a file, whose packed form would be another entity.
fn is_text(_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    let kind = headers.get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let texts = ["text/html", "text/css", "application/json", "image/svg+xml"];
    !headers.contains_key(ETAG) && texts.iter().any(|text| kind.starts_with(text))
}
