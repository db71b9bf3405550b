//! What every answer tells the browser to forbid.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

use super::site::Site;
use crate::listen::Connection;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data: blob:; connect-src 'self'; font-src 'self'; manifest-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const ALWAYS: [(HeaderName, &str); 9] = [
    // What `frame-ancestors` says, for browsers that do not know it.
    (X_FRAME_OPTIONS, "DENY"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // With `no-referrer` browsers send `Origin: null` with our own forms.
    (REFERRER_POLICY, "same-origin"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-embedder-policy"),
        "require-corp",
    ),
    // Another page of the same site is a stranger: it shares no process with ours.
    (HeaderName::from_static("origin-agent-cluster"), "?1"),
    (
        HeaderName::from_static("x-permitted-cross-domain-policies"),
        "none",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "clipboard-read=(self), clipboard-write=(self), fullscreen=(self), keyboard-map=(self), \
         camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    ),
];

/// Two years, as long as the preload lists ask for.
const HTTPS_ONLY: HeaderValue = HeaderValue::from_static("max-age=63072000");

/// Puts the headers on every answer. What does not say how long it may be kept is not kept.
pub(super) async fn on_every_answer(
    State(site): State<Arc<Site>>,
    request: Request,
    next: Next,
) -> Response {
    let stay_with_https = strict_transport(&site, request.extensions().get());
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(POLICY));
    if stay_with_https {
        headers.insert(STRICT_TRANSPORT_SECURITY, HTTPS_ONLY);
    }
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Not in the clear, where it does not count (RFC 6797 §7.2). A certificate of our own browsers
/// do not trust; a proxy that speaks https has one that they do.
fn strict_transport(site: &Site, connection: Option<&Connection>) -> bool {
    connection.is_some_and(|connection| {
        let by_proxy = connection.forwarded.is_some();
        connection.scheme.is_secure() && (by_proxy || site.certificates.are_configured())
    })
}
