//! The person's start page.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{Redirect, Response};

use super::guard::SignedIn;
use super::site::Site;

pub(super) async fn page(State(site): State<Arc<Site>>, SignedIn(person): SignedIn) -> Response {
    site.pages.portal(&site.live().brand, &person.account)
}

/// `/desk` means `/desk/`.
pub(super) async fn add_slash(State(site): State<Arc<Site>>) -> Redirect {
    Redirect::permanent(&site.url("/"))
}
