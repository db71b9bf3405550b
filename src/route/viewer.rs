//! The page that shows a desktop. Its script starts the desktop and opens the WebSocket.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{Redirect, Response};

use super::guard::TheirDesktop;
use super::looks::Theirs;
use super::site::Site;
use crate::model::DesktopId;

pub(super) async fn page(
    State(site): State<Arc<Site>>,
    TheirDesktop { person, desktop }: TheirDesktop,
    Theirs(look): Theirs,
) -> Response {
    site.pages.viewer(&look, &person.account, &desktop)
}

/// The page's URL ends with a slash; the WebSocket is beneath it.
pub(super) async fn add_slash(
    State(site): State<Arc<Site>>,
    TheirDesktop { desktop, .. }: TheirDesktop,
) -> Redirect {
    Redirect::permanent(&address(&site, &desktop))
}

/// Where a desktop is shown.
pub(super) fn address(site: &Site, desktop: &DesktopId) -> String {
    site.url(&format!("/d/{desktop}/"))
}
