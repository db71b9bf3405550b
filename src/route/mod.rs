//! URLs: who may ask for what, and who answers. [`table`] is all of them.

mod acme;
mod admin;
mod api;
mod assets;
mod brand_css;
mod compression;
mod doctor;
mod error;
mod events;
mod from_launcher;
mod guard;
mod headers;
mod health;
mod index;
mod kept;
mod looks;
mod metrics;
mod notices;
mod openapi;
mod pages;
mod portal;
mod set_up;
mod sign_in;
mod sign_out;
mod site;
mod to_https;
mod viewer;
mod websocket;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};

pub use assets::Assets;
pub use from_launcher::{ConfigReader, follow_launcher};
pub use site::{Site, SiteParts};

type App = MethodRouter<Arc<Site>>;

/// One row of the URL table.
#[derive(Debug)]
pub struct Row {
    /// Below the base path; `{…}` stands for one part.
    pub path: &'static str,
    pub guest: Guest,
    answers: App,
}

/// What somebody gets who is not signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guest {
    /// The same as everybody.
    Welcome,
    /// The sign-in page, with the way back.
    SignIn,
    /// 401.
    Refused,
    /// 404, as everybody who does not show the key of `deskway doctor`.
    Nothing,
    /// 404, but for those whom the configuration lets read the metrics.
    Watcher,
}

/// Every URL. The handlers hold what the second column says: each that is not for guests asks
/// for a [`guard::SignedIn`], and a test goes through this table without a cookie.
pub fn table() -> Vec<Row> {
    let parts = [pages(), json(), for_admins(), files_and_probes()];
    parts.into_iter().flatten().collect()
}

fn row(path: &'static str, guest: Guest, answers: App) -> Row {
    Row {
        path,
        guest,
        answers,
    }
}

fn pages() -> Vec<Row> {
    use Guest::{Refused, SignIn, Welcome};
    vec![
        row("/", SignIn, get(portal::page)),
        row(
            "/sign-in",
            Welcome,
            get(sign_in::page).post(sign_in::submit),
        ),
        row("/sign-out", Welcome, post(sign_out::submit)),
        row("/set-up", Welcome, get(set_up::page)),
        // the desktops
        row("/d/{user}", SignIn, get(viewer::add_slash)),
        row("/d/{user}/", SignIn, get(viewer::page)),
        row("/d/{user}/{name}", SignIn, get(viewer::add_slash)),
        row("/d/{user}/{name}/", SignIn, get(viewer::page)),
        row("/d/{user}/websockify", Refused, get(websocket::open)),
        row("/d/{user}/{name}/websockify", Refused, get(websocket::open)),
        // the same, under the addresses of the chain that Deskway replaces
        row("/novnc/{user}/vnc.html", SignIn, get(viewer::page)),
        row("/novnc/{user}/vnc_lite.html", SignIn, get(viewer::page)),
        row("/novnc/{user}/{name}/vnc.html", SignIn, get(viewer::page)),
        row(
            "/novnc/{user}/{name}/vnc_lite.html",
            SignIn,
            get(viewer::page),
        ),
        row("/novnc/{user}/websockify", Refused, get(websocket::open)),
        row(
            "/novnc/{user}/{name}/websockify",
            Refused,
            get(websocket::open),
        ),
    ]
}

fn json() -> Vec<Row> {
    use Guest::{Refused, Welcome};
    vec![
        row("/api/v1/me", Refused, get(api::me)),
        row("/api/v1/desktops", Refused, get(api::desktops)),
        row(
            "/api/v1/desktops/{user}/{name}/start",
            Refused,
            post(api::start),
        ),
        row(
            "/api/v1/desktops/{user}/{name}/stop",
            Refused,
            post(api::stop),
        ),
        row(
            "/api/v1/desktops/{user}/{name}/restart",
            Refused,
            post(api::restart),
        ),
        row(
            "/api/v1/desktops/{user}/{name}/keep",
            Refused,
            post(api::keep),
        ),
        row("/api/v1/events", Refused, get(events::stream)),
        row("/api/v1/sign-out", Refused, post(api::end_sign_in)),
        row("/api/v1/set-up", Welcome, post(set_up::submit)),
        row("/api/v1/openapi.json", Refused, get(openapi::document)),
    ]
}

/// Nothing is there for others.
fn for_admins() -> Vec<Row> {
    use Guest::{Refused, SignIn};
    vec![
        row("/admin", SignIn, get(admin::page)),
        row(
            "/api/v1/admin/desktops",
            Refused,
            get(admin::report::desktops),
        ),
        row("/api/v1/admin/people", Refused, get(admin::report::people)),
        row("/api/v1/admin/events", Refused, get(admin::events::stream)),
        row(
            "/api/v1/admin/desktops/{user}/{name}/start",
            Refused,
            post(admin::acts::start),
        ),
        row(
            "/api/v1/admin/desktops/{user}/{name}/stop",
            Refused,
            post(admin::acts::stop),
        ),
        row(
            "/api/v1/admin/desktops/{user}/{name}/freeze",
            Refused,
            post(admin::acts::freeze),
        ),
        row(
            "/api/v1/admin/desktops/{user}/{name}/thaw",
            Refused,
            post(admin::acts::thaw),
        ),
        row(
            "/api/v1/admin/desktops/{user}/{name}/message",
            Refused,
            post(admin::acts::message),
        ),
        row(
            "/api/v1/admin/people/{account}/end",
            Refused,
            post(admin::acts::end_sign_ins),
        ),
    ]
}

fn files_and_probes() -> Vec<Row> {
    use Guest::{Nothing, Watcher, Welcome};
    vec![
        row("/assets/{*path}", Welcome, get(assets::hashed)),
        row("/brand/{file}", Welcome, get(looks::file)),
        row("/healthz", Welcome, get(health::alive)),
        row("/readyz", Welcome, get(health::ready)),
        row("/metrics", Watcher, get(metrics::all)),
        // what `deskway doctor --url` asks for
        row("/doctor/seen", Nothing, get(doctor::seen)),
        row("/doctor/events", Nothing, get(doctor::events)),
        row("/doctor/echo", Nothing, get(doctor::echo)),
    ]
}

/// The table as a service.
pub fn router(site: &Arc<Site>) -> Router {
    dressed(site, rows(site))
}

/// The same for https alone: who speaks http is sent to it, at `port` of the same host.
pub fn https_router(site: &Arc<Site>, port: u16) -> Router {
    let state = (Arc::clone(site), port);
    let rows = rows(site).layer(from_fn_with_state(state, to_https::https_alone));
    dressed(site, rows)
}

fn rows(site: &Arc<Site>) -> Router<Arc<Site>> {
    let base = site.base();
    let mut router = Router::new();
    for row in table() {
        router = router.route(&format!("{base}{}", row.path), row.answers);
    }
    if !base.is_empty() {
        router = router.route(base, get(portal::add_slash));
    }
    router
        .fallback(assets::other)
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(from_fn_with_state(Arc::clone(site), guard::our_pages_only))
}

/// With what every answer has.
fn dressed(site: &Arc<Site>, rows: Router<Arc<Site>>) -> Router {
    rows.layer(from_fn_with_state(Arc::clone(site), error::as_page_or_json))
        .layer(from_fn_with_state(
            Arc::clone(site),
            headers::on_every_answer,
        ))
        .layer(compression::on_the_fly())
        .layer(from_fn_with_state(Arc::clone(site), acme::challenge))
        .layer(from_fn_with_state(Arc::clone(site), metrics::counted))
        .with_state(Arc::clone(site))
}
