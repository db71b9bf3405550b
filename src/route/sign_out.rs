//! Signing out, from the page's form and for the API.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::header::SET_COOKIE;
use tracing::warn;

use super::error::Error;
use super::guard::presented;
use super::site::Site;
use crate::auth::{Found, clear_cookie, handle_hash};
use crate::desktop::{Launcher, LauncherError};
use crate::launcher::protocol::Handle;
use crate::listen::Connection;

/// How long the person waits for the launcher to forget the sign-in; they are out already.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two tries to tell a launcher that does not answer.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Goes to the sign-in page whether somebody was signed in or not.
pub(super) async fn submit(
    State(site): State<Arc<Site>>,
    Extension(connection): Extension<Connection>,
    request: Request,
) -> Result<Response, Error> {
    let (parts, _) = request.into_parts();
    if let Some(handle) = presented(&parts)? {
        sign_out(&site, &handle).await?;
    }
    let cookie = clear_cookie(connection.scheme);
    let to = Redirect::to(&site.url("/sign-in"));
    Ok(([(SET_COOKIE, cookie)], to).into_response())
}

/// Ends the sign-in here at once, and at the launcher as soon as it is there.
pub(super) async fn sign_out(site: &Arc<Site>, handle: &Handle) -> Result<(), Error> {
    if matches!(site.sign_ins.find(handle).await?, Found::Nobody) {
        return Ok(());
    }
    let hash = handle_hash(handle);
    site.end_sign_in(&hash, "by the person").await;
    let (launcher, handle) = (site.launcher.clone(), handle.clone());
    let is_there = launcher.is_there();
    let forgotten = site.tasks.spawn(forget(launcher, handle));
    if is_there && tokio::time::timeout(PATIENCE, forgotten).await.is_err() {
        warn!("the launcher is slow to forget a sign-in");
    }
    Ok(())
}

/// Tells the launcher, also one that is away now: until then it would honour the handle.
async fn forget(launcher: Launcher, handle: Handle) {
    loop {
        launcher.until_there().await;
        match launcher.sign_out(handle.clone()).await {
            Ok(()) => return,
            Err(LauncherError::Unavailable | LauncherError::Busy) => {
                tokio::time::sleep(TRY_AGAIN).await;
            }
            Err(error) => {
                warn!(%error, "the launcher did not forget a sign-in");
                return;
            }
        }
    }
}
