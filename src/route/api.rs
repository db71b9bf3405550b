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

use super::error::{Error, sentence};
use super::guard::{SignedIn, TheirDesktop};
use super::site::Site;
use super::{sign_out, viewer};
use crate::auth::{Identity, clear_cookie};
use crate::desktop::LauncherError;
use crate::launcher::protocol::Refusal;
use crate::listen::Connection;
use crate::model::{
    DesktopId, DesktopInfo, DesktopName, DesktopState, Geometry, ProfileId, ProfileInfo, Stage,
    UserName,
};

#[derive(Debug, Serialize)]
struct Me {
    name: UserName,
    full_name: String,
}

/// A person's desktops as their portal shows them.
#[derive(Debug, Serialize)]
pub(super) struct Listing {
    desktops: Vec<Desktop>,
    /// Which Deskway answers: an open page of another one can be loaded anew.
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    profiles: Option<Vec<ProfileInfo>>,
}

#[derive(Debug, Serialize)]
struct Desktop {
    id: DesktopId,
    owner: UserName,
    name: DesktopName,
    profile: Option<ProfileId>,
    kind: &'static str,
    url: String,
    state: &'static str,
    stage: Option<&'static str>,
    since: Option<u64>,
    message: Option<String>,
    log: Option<String>,
    viewers: usize,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct StartWish {
    profile: Option<ProfileId>,
    geometry: Option<Geometry>,
}

pub(super) async fn me(SignedIn(person): SignedIn) -> impl IntoResponse {
    Json(Me {
        name: person.account.name.clone(),
        full_name: person.account.full_name.clone(),
    })
}

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

pub(super) async fn stop(
    State(site): State<Arc<Site>>,
    TheirDesktop { person, desktop }: TheirDesktop,
) -> Result<impl IntoResponse, Error> {
    own(&person, &desktop)?;
    stop_it(&site, &person, &desktop).await?;
    one(&site, &person, &desktop).await
}

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

fn start_wish(headers: &HeaderMap, body: &[u8]) -> Result<StartWish, Error> {
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

fn shown_one(site: &Site, info: &DesktopInfo) -> Desktop {
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
        since: None,
        message: None,
        log: None,
        viewers: site.registry.viewers(&info.id),
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
