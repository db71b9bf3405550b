//! Probes, for whoever watches over this server.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;

use super::site::Site;

/// The process answers.
pub(super) async fn alive() -> &'static str {
    "ok"
}

/// People can sign in and open desktops: the launcher is there, and this process is not on its way
/// out.
pub(super) async fn ready(State(site): State<Arc<Site>>) -> (StatusCode, &'static str) {
    if site.tasks.is_stopping() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping")
    } else if site.launcher.is_there() {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the launcher is not there")
    }
}
