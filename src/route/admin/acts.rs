//! What admins do to desktops and sign-ins.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use tracing::info;
use utoipa::ToSchema;

use super::report::{self, AdminDesktop};
use crate::auth::Identity;
use crate::desktop::LauncherError;
use crate::launcher::protocol::Refusal;
use crate::model::{Act, DesktopId, DesktopName, UserName};
use crate::route::api::{StartWish, json_body, start_wish};
use crate::route::error::{Error, Fault};
use crate::route::guard::Admin;
use crate::route::site::Site;

/// Something to tell whoever uses a desktop.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::route) struct Message {
    /// Shown in the page and inside the desktop.
    #[schema(
        min_length = 1,
        max_length = 500,
        example = "The machine restarts at noon."
    )]
    text: String,
}

/// Start somebody's desktop; already running is fine.
#[utoipa::path(
    post,
    path = "/api/v1/admin/desktops/{user}/{name}/start",
    operation_id = "adminStart",
    tag = "admin",
    params(("user" = String, Path, description = "the owner"), ("name" = String, Path, description = "`main` or the desktop's name")),
    request_body(content = Option<StartWish>, description = "may be left out"),
    responses(
        (status = 202, description = "it is starting, or running", body = AdminDesktop),
        (status = 400, description = "what is asked for makes no sense", body = Fault),
        (status = 404, description = "not an admin, or no such account", body = Fault),
    )
)]
pub(in crate::route) async fn start(
    State(site): State<Arc<Site>>,
    Admin(person): Admin,
    path: Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<AdminDesktop>), Error> {
    let desktop = named(&path)?;
    let wish = start_wish(&headers, &body)?;
    let act = Act::Start {
        profile: wish.profile,
        geometry: wish.geometry,
    };
    act_on(&site, &person, &desktop, act).await?;
    let now = report::one(&site, &person, &desktop).await?;
    Ok((StatusCode::ACCEPTED, now))
}

/// Stop somebody's desktop.
#[utoipa::path(
    post,
    path = "/api/v1/admin/desktops/{user}/{name}/stop",
    operation_id = "adminStop",
    tag = "admin",
    params(("user" = String, Path, description = "the owner"), ("name" = String, Path, description = "`main` or the desktop's name")),
    responses(
        (status = 200, description = "nothing of it runs any more", body = AdminDesktop),
        (status = 400, description = "it cannot be stopped", body = Fault),
        (status = 404, description = "not an admin, or no such desktop", body = Fault),
    )
)]
pub(in crate::route) async fn stop(
    State(site): State<Arc<Site>>,
    Admin(person): Admin,
    path: Path<(String, String)>,
) -> Result<Json<AdminDesktop>, Error> {
    let desktop = named(&path)?;
    act_on(&site, &person, &desktop, Act::Stop).await?;
    report::one(&site, &person, &desktop).await
}

/// Have all processes of a desktop stand still, until somebody visits it.
#[utoipa::path(
    post,
    path = "/api/v1/admin/desktops/{user}/{name}/freeze",
    operation_id = "adminFreeze",
    tag = "admin",
    params(("user" = String, Path, description = "the owner"), ("name" = String, Path, description = "`main` or the desktop's name")),
    responses(
        (status = 200, description = "it stands still", body = AdminDesktop),
        (status = 400, description = "it cannot be frozen, or is not running", body = Fault),
        (status = 404, description = "not an admin, or no such desktop", body = Fault),
    )
)]
pub(in crate::route) async fn freeze(
    State(site): State<Arc<Site>>,
    Admin(person): Admin,
    path: Path<(String, String)>,
) -> Result<Json<AdminDesktop>, Error> {
    let desktop = named(&path)?;
    act_on(&site, &person, &desktop, Act::Freeze).await?;
    report::one(&site, &person, &desktop).await
}

/// Have the processes of a frozen desktop go on.
#[utoipa::path(
    post,
    path = "/api/v1/admin/desktops/{user}/{name}/thaw",
    operation_id = "adminThaw",
    tag = "admin",
    params(("user" = String, Path, description = "the owner"), ("name" = String, Path, description = "`main` or the desktop's name")),
    responses(
        (status = 200, description = "it goes on", body = AdminDesktop),
        (status = 400, description = "it is not running", body = Fault),
        (status = 404, description = "not an admin, or no such desktop", body = Fault),
    )
)]
pub(in crate::route) async fn thaw(
    State(site): State<Arc<Site>>,
    Admin(person): Admin,
    path: Path<(String, String)>,
) -> Result<Json<AdminDesktop>, Error> {
    let desktop = named(&path)?;
    act_on(&site, &person, &desktop, Act::Thaw).await?;
    report::one(&site, &person, &desktop).await
}

/// Tell whoever uses a desktop something.
#[utoipa::path(
    post,
    path = "/api/v1/admin/desktops/{user}/{name}/message",
    operation_id = "adminMessage",
    tag = "admin",
    params(("user" = String, Path, description = "the owner"), ("name" = String, Path, description = "`main` or the desktop's name")),
    request_body = Message,
    responses(
        (status = 204, description = "it is shown"),
        (status = 400, description = "no text, too much of it, or the desktop is not running", body = Fault),
        (status = 404, description = "not an admin, or no such desktop", body = Fault),
    )
)]
pub(in crate::route) async fn message(
    State(site): State<Arc<Site>>,
    Admin(person): Admin,
    path: Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Error> {
    let desktop = named(&path)?;
    let Message { text } = json_body(&headers, &body)?;
    act_on(&site, &person, &desktop, Act::Message(text)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// End every sign-in of an account.
#[utoipa::path(
    post,
    path = "/api/v1/admin/people/{account}/end",
    operation_id = "adminEndSignIns",
    tag = "admin",
    params(("account" = String, Path, description = "whose")),
    responses(
        (status = 204, description = "they have none any more"),
        (status = 404, description = "not an admin, or no name that anybody can have", body = Fault),
    )
)]
pub(in crate::route) async fn end_sign_ins(
    State(site): State<Arc<Site>>,
    Admin(person): Admin,
    Path(account): Path<String>,
) -> Result<StatusCode, Error> {
    let account: UserName = account.parse().map_err(|_| Error::NotFound)?;
    info!(user = %person.account.name, %account, "asked to end sign-ins");
    let handle = person.handle.clone();
    let ended = site.launcher.end_sign_ins(handle, account).await;
    report::heed(&site, &person, ended).await?;
    site.board.look_again();
    Ok(StatusCode::NO_CONTENT)
}

async fn act_on(
    site: &Site,
    person: &Identity,
    desktop: &DesktopId,
    act: Act,
) -> Result<(), Error> {
    info!(user = %person.account.name, %desktop, act = word(&act), "an admin asks");
    let (handle, stops) = (person.handle.clone(), act == Act::Stop);
    let acted = match site.launcher.act(handle, desktop.clone(), act).await {
        // Gone already is as good; for one that never was there is nothing to be told.
        Err(LauncherError::Refused(Refusal::NotRunning)) if stops => Ok(()),
        acted => acted,
    };
    let done = site.heed(person, acted).await;
    site.board.look_again();
    done
}

/// Without what a message says.
fn word(act: &Act) -> &'static str {
    match act {
        Act::Start { .. } => "start",
        Act::Stop => "stop",
        Act::Freeze => "freeze",
        Act::Thaw => "thaw",
        Act::Keep => "keep",
        Act::Message(_) => "message",
    }
}

fn named(Path((user, name)): &Path<(String, String)>) -> Result<DesktopId, Error> {
    let owner: UserName = user.parse().map_err(|_| Error::NotFound)?;
    let name: DesktopName = name.parse().map_err(|_| Error::NotFound)?;
    Ok(DesktopId::new(owner, name))
}
