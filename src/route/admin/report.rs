//! Everybody's desktops and sign-ins as JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::Identity;
use crate::desktop::{LauncherError, Watched, Watcher};
use crate::launcher::protocol::Refusal;
use crate::model::{DesktopId, DesktopReport, SignInReport, UserName};
use crate::route::api::{self, Desktop};
use crate::route::error::{Error, Fault};
use crate::route::guard::Admin;
use crate::route::site::Site;

/// Everybody's desktops.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::route) struct AdminDesktops {
    pub(super) desktops: Vec<AdminDesktop>,
    /// When this was so, seconds since 1970.
    pub(super) at: u64,
}

/// One desktop as admins see it; its log is its owner's alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::route) struct AdminDesktop {
    #[serde(flatten)]
    pub(super) desktop: Desktop,
    /// Bytes, where a cgroup says so.
    memory: Option<u64>,
    /// Bytes that it may have at most.
    memory_max: Option<u64>,
    /// Thousandths of one core.
    cpu: Option<u32>,
    processes: Option<u32>,
    /// Bytes that came from browsers since the web server began.
    received: u64,
    /// Bytes that went to browsers.
    sent: u64,
    watching: Vec<Watching>,
}

/// Somebody who looks at a desktop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::route) struct Watching {
    #[schema(value_type = String, example = "alice")]
    account: UserName,
    /// Where the browser is; `unix` where nobody says.
    #[schema(example = "192.0.2.7")]
    address: String,
    /// Seconds since 1970.
    since: u64,
    view_only: bool,
}

/// Who is signed in.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::route) struct People {
    people: Vec<Person>,
}

#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::route) struct Person {
    #[schema(value_type = String, example = "alice")]
    account: UserName,
    full_name: String,
    is_admin: bool,
    sign_ins: Vec<SignIn>,
}

/// One browser in which a person is signed in.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::route) struct SignIn {
    /// Where it signed in from; `unknown` where a proxy hides it.
    #[schema(example = "192.0.2.7")]
    address: String,
    /// Seconds since 1970.
    since: u64,
    /// When it runs out, seconds since 1970.
    until: u64,
}

/// Everybody's desktops.
#[utoipa::path(
    get,
    path = "/api/v1/admin/desktops",
    operation_id = "adminDesktops",
    tag = "admin",
    responses(
        (status = 200, description = "all desktops: running, ended lately, attached", body = AdminDesktops),
        (status = 404, description = "not an admin", body = Fault),
    )
)]
pub(in crate::route) async fn desktops(
    State(site): State<Arc<Site>>,
    Admin(person): Admin,
) -> Result<Json<AdminDesktops>, Error> {
    let desktops = ask(&site, &person).await?.into_values().collect();
    let at = site.clock.unix();
    Ok(Json(AdminDesktops { desktops, at }))
}

/// Who is signed in, and from where.
#[utoipa::path(
    get,
    path = "/api/v1/admin/people",
    operation_id = "adminPeople",
    tag = "admin",
    responses(
        (status = 200, description = "everybody who is signed in", body = People),
        (status = 404, description = "not an admin", body = Fault),
    )
)]
pub(in crate::route) async fn people(
    State(site): State<Arc<Site>>,
    Admin(person): Admin,
) -> Result<Json<People>, Error> {
    let asked = site.launcher.people(&person.handle).await;
    let sign_ins = heed(&site, &person, asked).await?;
    Ok(Json(grouped(sign_ins)))
}

/// One desktop, as it is now.
pub(super) async fn one(
    site: &Site,
    person: &Identity,
    id: &DesktopId,
) -> Result<Json<AdminDesktop>, Error> {
    let mut all = ask(site, person).await?;
    all.remove(id).map(Json).ok_or(Error::NotFound)
}

/// Everybody's desktops, asked for an admin.
pub(super) async fn ask(
    site: &Site,
    person: &Identity,
) -> Result<BTreeMap<DesktopId, AdminDesktop>, Error> {
    let asked = site.launcher.overview(&person.handle).await;
    let reports = heed(site, person, asked).await?;
    Ok(made(site, reports))
}

/// The launcher's answer to an admin. Whom it calls none is none here either.
pub(super) async fn heed<T>(
    site: &Site,
    person: &Identity,
    answer: Result<T, LauncherError>,
) -> Result<T, Error> {
    if let Err(LauncherError::Refused(Refusal::Denied(_))) = &answer {
        site.sign_ins.set_admin(&person.account.name, false);
        site.board.look_again();
        return Err(Error::NotFound);
    }
    site.heed(person, answer).await
}

pub(super) fn grouped(sign_ins: Vec<SignInReport>) -> People {
    let mut people: Vec<Person> = Vec::new();
    for report in sign_ins {
        let sign_in = SignIn {
            address: if report.peer.is_unspecified() {
                "unknown".to_owned()
            } else {
                report.peer.to_string()
            },
            since: report.since,
            until: report.until,
        };
        match people.last_mut() {
            Some(person) if person.account == report.account => person.sign_ins.push(sign_in),
            _ => people.push(Person {
                account: report.account,
                full_name: report.full_name,
                is_admin: report.is_admin,
                sign_ins: vec![sign_in],
            }),
        }
    }
    People { people }
}

pub(super) fn made(site: &Site, reports: Vec<DesktopReport>) -> BTreeMap<DesktopId, AdminDesktop> {
    let mut watched = site.registry.watched();
    let made = reports.into_iter().map(|report| {
        let id = report.info.id.clone();
        let watched = watched.remove(&id).unwrap_or_default();
        (id, AdminDesktop::new(site, &report, watched))
    });
    made.collect()
}

impl AdminDesktop {
    fn new(site: &Site, report: &DesktopReport, watched: Watched) -> Self {
        let mut desktop = api::shown_one(site, &report.info);
        desktop.log = None;
        let usage = report.usage;
        Self {
            desktop,
            memory: usage.memory,
            memory_max: usage.memory_max,
            cpu: usage.cpu,
            processes: usage.processes,
            received: watched.received,
            sent: watched.sent,
            watching: watched.by.into_iter().map(Watching::from).collect(),
        }
    }
}

impl From<Watcher> for Watching {
    fn from(watcher: Watcher) -> Self {
        Self {
            account: watcher.account,
            address: watcher.address,
            since: watcher.since,
            view_only: watcher.view_only,
        }
    }
}
