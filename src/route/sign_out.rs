//! Signing out, from the page's form and for the API.

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::header::SET_COOKIE;
use tracing::warn;

use super::guard::SignedIn;
use super::site::Site;
use crate::auth::{Identity, clear_cookie};
use crate::listen::Connection;

/// Goes to the sign-in page whether somebody was signed in or not.
pub(super) async fn submit(
    State(site): State<Arc<Site>>,
    Extension(connection): Extension<Connection>,
    person: Option<SignedIn>,
) -> Response {
    if let Some(SignedIn(person)) = person {
        sign_out(&site, &person).await;
    }
    let cookie = clear_cookie(connection.scheme);
    let to = Redirect::to(&site.url("/sign-in"));
    ([(SET_COOKIE, cookie)], to).into_response()
}

/// Ends the sign-in here and at the launcher.
pub(super) async fn sign_out(site: &Site, person: &Identity) {
    site.end_sign_in(&person.hash, "by the person").await;
    if let Err(error) = site.launcher.sign_out(person.handle.clone()).await {
        warn!(user = %person.account.name, %error, "the launcher did not forget a sign-in");
    }
}
