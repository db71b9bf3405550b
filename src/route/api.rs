//! The JSON API of the pages: the person, their desktops, starting and stopping them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, SET_COOKIE};
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tracing::info;
use utoipa::ToSchema;

use super::error::{Error, Fault, sentence};
use super::guard::{SignedIn, TheirDesktop};
use super::notices::Notice;
use super::site::Site;
use super::{sign_out, viewer};
use crate::auth::{Identity, clear_cookie};
use crate::desktop::LauncherError;
use crate::launcher::protocol::Refusal;
use crate::listen::Connection;
use crate::model::{
    Act, DesktopId, DesktopInfo, DesktopName, DesktopState, Geometry, ProfileId, ProfileInfo,
    Stage, UserName,
};

/// Who asks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Me {
    #[schema(value_type = String, example = "alice")]
    name: UserName,
    #[schema(example = "Alice Smith")]
    full_name: String,
    /// Whether what is below `/api/v1/admin` is there for this person.
    is_admin: bool,
}

/// A person's desktops as their portal shows them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Listing {
    desktops: Vec<Desktop>,
    /// Which Deskway answers: an open page of another one can be loaded anew.
    version: String,
    /// What can be started; in the answer to a request, and not in events.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Profile>>)]
    profiles: Option<Vec<ProfileInfo>>,
}

/// A session that can be started.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it tells the shape of `model::ProfileInfo`")]
pub(super) struct Profile {
    #[schema(example = "xfce")]
    id: String,
    #[schema(example = "Xfce Session")]
    name: String,
    default: bool,
}

/// One desktop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Desktop {
    /// `alice`, or `alice/work`.
    #[schema(value_type = String, example = "alice/work")]
    id: DesktopId,
    #[schema(value_type = String, example = "alice")]
    owner: UserName,
    #[schema(value_type = String, example = "work")]
    name: DesktopName,
    /// The session that it runs; `null` for an attached VNC server.
    #[schema(value_type = Option<String>, example = "xfce")]
    profile: Option<ProfileId>,
    /// `session` or `attach`.
    #[schema(example = "session")]
    kind: &'static str,
    /// Where it is looked at.
    #[schema(example = "/d/alice/work/")]
    url: String,
    /// `absent`, `starting`, `ready`, `frozen`, `stopping`, `gone` or `failed`.
    #[schema(example = "ready")]
    state: &'static str,
    /// While it starts: `screen` or `session`.
    stage: Option<&'static str>,
    /// While it stops: its programs were asked to close, and it can be looked at until it ends.
    closing: bool,
    /// When the state began, seconds since 1970.
    since: Option<u64>,
    /// Why it ended, in plain words.
    message: Option<String>,
    /// The end of the log of one that failed.
    pub(super) log: Option<String>,
    /// How many windows show it.
    viewers: usize,
    /// The last sign of life of one that runs, as of now: seconds since 1970.
    active: Option<u64>,
    notices: Vec<Notice>,
}

/// How to start a desktop.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct StartWish {
    /// Which session; else the usual one.
    #[schema(value_type = Option<String>, example = "xfce")]
    pub(super) profile: Option<ProfileId>,
    /// Width and height in pixels.
    #[schema(value_type = Option<[u16; 2]>, example = json!([1280, 800]))]
    pub(super) geometry: Option<Geometry>,
}

/// Who asks.
#[utoipa::path(
    get,
    path = "/api/v1/me",
    operation_id = "me",
    tag = "desktops",
    responses(
        (status = 200, description = "who asks", body = Me),
    )
)]
pub(super) async fn me(SignedIn(person): SignedIn) -> impl IntoResponse {
    Json(Me {
        name: person.account.name.clone(),
        full_name: person.account.full_name.clone(),
        is_admin: person.account.is_admin,
    })
}

/// The person's desktops, and what can be started.
#[utoipa::path(
    get,
    path = "/api/v1/desktops",
    operation_id = "desktops",
    tag = "desktops",
    responses(
        (status = 200, description = "the main desktop first, running or not", body = Listing),
    )
)]
pub(super) async fn desktops(
    State(site): State<Arc<Site>>,
    SignedIn(person): SignedIn,
) -> Result<impl IntoResponse, Error> {
    let known = site.ask_for_desktops(&person).await?;
    let profiles = site.launcher.profiles(person.handle.clone()).await;
    let profiles = site.heed(&person, profiles).await?;
    let mut all = shown(&site, &person, &known);
    all.profiles = Some(profiles);
    Ok(Json(all))
}

/// Start a desktop of one's own; already running is fine.
#[utoipa::path(
    post,
    path = "/api/v1/desktops/{user}/{name}/start",
    operation_id = "start",
    tag = "desktops",
    params(("user" = String, Path, description = "the owner"), ("name" = String, Path, description = "`main` or the desktop's name")),
    request_body(content = Option<StartWish>, description = "may be left out"),
    responses(
        (status = 202, description = "it is starting, or running", body = Desktop),
        (status = 400, description = "what is asked for makes no sense", body = Fault),
        (status = 404, description = "not a desktop of this person", body = Fault),
    )
)]
pub(super) async fn start(
    State(site): State<Arc<Site>>,
    TheirDesktop { person, desktop }: TheirDesktop,
    headers: HeaderMap,
    body: Bytes,
) -> Result<impl IntoResponse, Error> {
    let wish = start_wish(&headers, &body)?;
    own(&person, &desktop)?;
    start_it(&site, &person, &desktop, wish).await?;
    Ok((StatusCode::ACCEPTED, one(&site, &person, &desktop).await?))
}

/// Stop a desktop of one's own.
#[utoipa::path(
    post,
    path = "/api/v1/desktops/{user}/{name}/stop",
    operation_id = "stop",
    tag = "desktops",
    params(("user" = String, Path, description = "the owner"), ("name" = String, Path, description = "`main` or the desktop's name")),
    responses(
        (status = 200, description = "nothing of it runs any more", body = Desktop),
        (status = 400, description = "what is asked for makes no sense", body = Fault),
        (status = 404, description = "not a desktop of this person", body = Fault),
    )
)]
pub(super) async fn stop(
    State(site): State<Arc<Site>>,
    TheirDesktop { person, desktop }: TheirDesktop,
) -> Result<impl IntoResponse, Error> {
    own(&person, &desktop)?;
    stop_it(&site, &person, &desktop).await?;
    one(&site, &person, &desktop).await
}

/// Stop a desktop of one's own, then start it.
#[utoipa::path(
    post,
    path = "/api/v1/desktops/{user}/{name}/restart",
    operation_id = "restart",
    tag = "desktops",
    params(("user" = String, Path, description = "the owner"), ("name" = String, Path, description = "`main` or the desktop's name")),
    request_body(content = Option<StartWish>, description = "may be left out"),
    responses(
        (status = 202, description = "it is starting anew", body = Desktop),
        (status = 400, description = "what is asked for makes no sense", body = Fault),
        (status = 404, description = "not a desktop of this person", body = Fault),
    )
)]
pub(super) async fn restart(
    State(site): State<Arc<Site>>,
    TheirDesktop { person, desktop }: TheirDesktop,
    headers: HeaderMap,
    body: Bytes,
) -> Result<impl IntoResponse, Error> {
    let wish = start_wish(&headers, &body)?;
    own(&person, &desktop)?;
    stop_it(&site, &person, &desktop).await?;
    start_it(&site, &person, &desktop, wish).await?;
    Ok((StatusCode::ACCEPTED, one(&site, &person, &desktop).await?))
}

/// Say that a desktop is in use, whatever it looks like: the time that it has been idle begins anew.
#[utoipa::path(
    post,
    path = "/api/v1/desktops/{user}/{name}/keep",
    operation_id = "keep",
    tag = "desktops",
    params(("user" = String, Path, description = "the owner"), ("name" = String, Path, description = "`main` or the desktop's name")),
    responses(
        (status = 200, description = "it counts as used", body = Desktop),
        (status = 400, description = "it does not run, or is an attached one", body = Fault),
        (status = 404, description = "not a desktop of this person", body = Fault),
    )
)]
pub(super) async fn keep(
    State(site): State<Arc<Site>>,
    TheirDesktop { person, desktop }: TheirDesktop,
) -> Result<impl IntoResponse, Error> {
    let handle = person.handle.clone();
    let kept = site.launcher.act(handle, desktop.clone(), Act::Keep).await;
    site.heed(&person, kept).await?;
    one(&site, &person, &desktop).await
}

/// End the sign-in that is asked with.
#[utoipa::path(
    post,
    path = "/api/v1/sign-out",
    operation_id = "signOut",
    tag = "desktops",
    responses(
        (status = 204, description = "signed out"),
    )
)]
pub(super) async fn end_sign_in(
    State(site): State<Arc<Site>>,
    Extension(connection): Extension<Connection>,
    SignedIn(person): SignedIn,
) -> Result<Response, Error> {
    sign_out::sign_out(&site, &person.handle).await?;
    let cookie = clear_cookie(connection.scheme);
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]).into_response())
}

/// The value that a JSON body holds.
pub(super) fn json_body<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Error> {
    let kind = headers
        .get(CONTENT_TYPE)
        .map_or(&b""[..], |kind| kind.as_bytes());
    if !kind.starts_with(b"application/json") {
        let message = "The request's body must be JSON, with `Content-Type: application/json`.";
        return Err(Error::BadRequest(message.to_owned()));
    }
    let bad = |error: serde_json::Error| {
        // The position alone: the message could repeat a password.
        let (line, column) = (error.line(), error.column());
        let message = format!("The JSON cannot be used (line {line}, column {column}).");
        Error::BadRequest(message)
    };
    serde_json::from_slice(body).map_err(bad)
}

/// The person's desktops with their main one first, whether the launcher knows it or not.
pub(super) fn shown(site: &Site, person: &Identity, known: &[DesktopInfo]) -> Listing {
    let main = DesktopId::new(person.account.name.clone(), DesktopName::main());
    let absent = (!known.iter().any(|info| info.id == main)).then(|| absent(site, &main));
    let mut desktops: Vec<Desktop> = known.iter().map(|info| shown_one(site, info)).collect();
    desktops.extend(absent);
    desktops.sort_by_key(|desktop| (desktop.id != main, desktop.id.clone()));
    Listing {
        desktops,
        version: site.pages.assets.version().to_owned(),
        profiles: None,
    }
}

async fn start_it(
    site: &Site,
    person: &Identity,
    desktop: &DesktopId,
    wish: StartWish,
) -> Result<(), Error> {
    info!(user = %person.account.name, %desktop, "asked to start");
    let (handle, name) = (person.handle.clone(), desktop.name.clone());
    let started = site
        .launcher
        .start_desktop(handle, name, wish.profile, wish.geometry)
        .await;
    site.heed(person, started).await
}

async fn stop_it(site: &Site, person: &Identity, desktop: &DesktopId) -> Result<(), Error> {
    info!(user = %person.account.name, %desktop, "asked to stop");
    let (handle, name) = (person.handle.clone(), desktop.name.clone());
    match site.launcher.stop_desktop(handle, name).await {
        Err(LauncherError::Refused(Refusal::NotRunning)) => Ok(()),
        answer => site.heed(person, answer).await,
    }
}

/// An attached desktop is neither started nor stopped here.
fn own(person: &Identity, desktop: &DesktopId) -> Result<(), Error> {
    if desktop.owner == person.account.name {
        Ok(())
    } else {
        let message = "This desktop is an attached one: it cannot be started or stopped here.";
        Err(Error::BadRequest(message.to_owned()))
    }
}

pub(super) fn start_wish(headers: &HeaderMap, body: &[u8]) -> Result<StartWish, Error> {
    if body.is_empty() {
        Ok(StartWish::default())
    } else {
        json_body(headers, body)
    }
}

async fn one(site: &Site, person: &Identity, desktop: &DesktopId) -> Result<Json<Desktop>, Error> {
    let known = site.ask_for_desktops(person).await?;
    let info = known.iter().find(|info| info.id == *desktop);
    Ok(Json(info.map_or_else(
        || absent(site, desktop),
        |info| shown_one(site, info),
    )))
}

fn absent(site: &Site, id: &DesktopId) -> Desktop {
    let info = DesktopInfo {
        id: id.clone(),
        profile: None,
        state: DesktopState::Absent,
        active: None,
        notices: Vec::new(),
    };
    Desktop {
        kind: "session",
        ..shown_one(site, &info)
    }
}

pub(super) fn shown_one(site: &Site, info: &DesktopInfo) -> Desktop {
    let mut desktop = Desktop {
        owner: info.id.owner.clone(),
        name: info.id.name.clone(),
        profile: info.profile.clone(),
        kind: if info.profile.is_some() {
            "session"
        } else {
            "attach"
        },
        url: viewer::address(site, &info.id),
        state: "absent",
        stage: None,
        closing: false,
        since: None,
        message: None,
        log: None,
        viewers: site.registry.viewers(&info.id),
        active: info.active,
        notices: info.notices.iter().map(Notice::of).collect(),
        id: info.id.clone(),
    };
    match &info.state {
        DesktopState::Absent => {}
        DesktopState::Starting { stage, since } => {
            desktop.state = "starting";
            desktop.stage = Some(match stage {
                Stage::Screen => "screen",
                Stage::Session => "session",
            });
            desktop.since = Some(*since);
        }
        DesktopState::Ready { since } => {
            desktop.state = "ready";
            desktop.since = Some(*since);
        }
        DesktopState::Frozen { since, .. } => {
            desktop.state = "frozen";
            desktop.since = Some(*since);
        }
        DesktopState::Closing => {
            desktop.state = "stopping";
            desktop.closing = true;
        }
        DesktopState::Stopping => desktop.state = "stopping",
        DesktopState::Gone { cause, at } => {
            desktop.state = "gone";
            desktop.since = Some(*at);
            desktop.message = Some(sentence(&cause.to_string()));
        }
        DesktopState::Failed { cause, log, at } => {
            desktop.state = "failed";
            desktop.since = Some(*at);
            desktop.message = Some(sentence(&cause.to_string()));
            desktop.log = Some(log.clone());
        }
    }
    desktop
}
