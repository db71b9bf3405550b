//! The sign-in page and its form.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Extension, Form, FromRequest as _, Query, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::header::{RETRY_AFTER, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use tracing::{debug, info, warn};

use super::compression::packed;
use super::error::{Error, sentence};
use super::guard::{SignedIn, presented};
use super::kept::{Makings, Shows, coding};
use super::looks::{Look, Theirs};
use super::pages::SignInForm;
use super::sign_out::sign_out;
use super::site::Site;
use crate::auth::set_cookie;
use crate::desktop::LauncherError;
use crate::launcher::protocol::{Account, Handle, Refusal};
use crate::listen::{Connection, Hidden, Seldom};
use crate::model::Secret;

/// Longest password, in bytes.
const MAX_PASSWORD: usize = 1024;
/// Of a name that is too long to be one, this many letters are asked about.
const MAX_NAME: usize = 256;
const WRONG: &str = "The name or the password is wrong.";

#[derive(Debug, Deserialize)]
struct Fields {
    #[serde(default)]
    name: String,
    password: Secret<String>,
    #[serde(default)]
    next: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Wish {
    #[serde(default)]
    next: String,
}

/// The form; who is signed in already goes on.
pub(super) async fn page(
    State(site): State<Arc<Site>>,
    wish: Result<Query<Wish>, axum::extract::rejection::QueryRejection>,
    person: Option<SignedIn>,
    Theirs(look): Theirs,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let wish = wish.map(|Query(wish)| wish).unwrap_or_default();
    let next = safe_next(site.base(), &wish.next);
    if person.is_some() {
        return Ok(Redirect::to(&next).into_response());
    }
    let leads_to_portal = next == site.url("/");
    let form = SignInForm {
        next,
        ..SignInForm::default()
    };
    if !leads_to_portal {
        return Ok(site.pages.sign_in(&look, &form));
    }
    let of = Makings {
        shows: Shows::SignIn,
        look: Arc::clone(&look),
        templates: site.pages.templates(),
        coding: coding(&headers),
    };
    let coding = of.coding;
    let make = async || packed(site.pages.sign_in(&look, &form), coding).await;
    Ok(site.kept.page(of, make).await?.map(Body::from))
}

/// A try. Whatever name is given, the launcher is asked, so that an answer's time tells nothing.
pub(super) async fn submit(
    State(site): State<Arc<Site>>,
    Extension(connection): Extension<Connection>,
    Theirs(look): Theirs,
    request: Request,
) -> Result<Response, Error> {
    let (parts, body) = request.into_parts();
    let older = presented(&parts)?;
    let fields = Form::<Fields>::from_request(Request::from_parts(parts, body), &()).await;
    let Form(fields) =
        fields.map_err(|_| Error::BadRequest("The form is not filled in.".to_owned()))?;
    let next = safe_next(site.base(), &fields.next);
    let name: String = fields.name.trim().chars().take(MAX_NAME).collect();
    let peer = source(&connection);

    let answer = if fields.password.expose().len() > MAX_PASSWORD {
        Err(LauncherError::Refused(Refusal::WrongPassword))
    } else {
        site.launcher
            .sign_in(name.clone(), fields.password, peer)
            .await
    };
    let (handle, account) = match answer {
        Ok(signed_in) => signed_in,
        Err(error) => {
            // The launcher logs it, with the name where somebody has it: another may be a password
            // in the wrong field.
            debug!(%peer, "not signed in: {error}");
            if matches!(error, LauncherError::Unavailable | LauncherError::Busy) {
                site.metrics.sign_in_unavailable();
            }
            return Ok(try_again(&site, &look, error, name, next));
        }
    };
    if let Some(older) = older {
        sign_out(&site, &older).await?; // its cookie is about to be replaced
    }
    signed_in(&site, &connection, &handle, account, &next).await
}

/// What the tries of whoever is connected are counted for. Where a proxy leaves that in the dark, the
/// log says what to do.
pub(super) fn source(connection: &Connection) -> IpAddr {
    static IN_THE_DARK: Seldom = Seldom::new();
    let peer = connection.counted_address();
    if let Some(hidden) = connection.hidden
        && let Some(left_out) = IN_THE_DARK.at(Instant::now())
    {
        let trust = match connection.peer {
            Some(_) => format!("\"{}\"", connection.address()),
            None => "\"unix\"".to_owned(),
        };
        match hidden {
            Hidden::Untrusted => warn!(
                left_out,
                "a proxy brings people, and is not believed who they are: all who sign in by it are slowed down together, as {peer}. Write trusted_proxies = [{trust}] below [server] in deskway.toml"
            ),
            Hidden::Untold => warn!(
                left_out,
                "the trusted proxy {trust} does not say where people come from: all who sign in by it are slowed down together, as {peer}. Have it send X-Forwarded-For, or their address by the PROXY protocol"
            ),
        }
    }
    peer
}

/// Where somebody who wants to see `path` signs in first.
pub(super) fn address(site: &Site, path: &str) -> String {
    if path == site.url("/") {
        return site.url("/sign-in");
    }
    let next: String = form_urlencoded::byte_serialize(path.as_bytes()).collect();
    format!("{}?next={next}", site.url("/sign-in"))
}

async fn signed_in(
    site: &Site,
    connection: &Connection,
    handle: &Handle,
    account: Account,
    next: &str,
) -> Result<Response, Error> {
    let peer = connection.counted_address();
    info!(user = %account.name, %peer, "signed in");
    site.metrics.signed_in();
    let identity = site.sign_ins.begin(handle.clone(), account, peer).await?;
    let lifetime = site.sign_ins.seconds_left(&identity);
    let cookie = set_cookie(handle, connection.scheme, lifetime);
    Ok(([(SET_COOKIE, cookie)], Redirect::to(next)).into_response())
}

fn try_again(
    site: &Site,
    look: &Look,
    error: LauncherError,
    name: String,
    next: String,
) -> Response {
    let mut seconds = 0;
    let (status, kind, message) = match error {
        LauncherError::Refused(Refusal::WrongPassword | Refusal::BadRequest(_)) => {
            (StatusCode::UNAUTHORIZED, "wrong", WRONG.to_owned())
        }
        LauncherError::Refused(Refusal::SlowDown { seconds: wait }) => {
            seconds = wait;
            let message = format!("Too many wrong passwords. Wait {wait} seconds.");
            (StatusCode::TOO_MANY_REQUESTS, "slow", message)
        }
        LauncherError::Refused(refusal @ Refusal::NotAllowed { .. }) => (
            StatusCode::FORBIDDEN,
            "denied",
            sentence(&refusal.to_string()),
        ),
        other => {
            let message = Error::from(other).to_string();
            (StatusCode::SERVICE_UNAVAILABLE, "busy", message)
        }
    };
    let form = SignInForm {
        next,
        name,
        message,
        kind,
        seconds,
    };
    let mut response = site.pages.sign_in(look, &form);
    *response.status_mut() = status;
    if seconds > 0 {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// `next` when it is a page of ours, else the start page: one slash first, nothing that a
/// browser reads as another host, and below the base path.
fn safe_next(base: &str, next: &str) -> String {
    let start = format!("{base}/");
    let plain = next
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let ours = next.starts_with(&start) && !next.starts_with("//");
    let page = next.strip_prefix(base).unwrap_or_default();
    let loops = ["/sign-in", "/sign-out", "/api/"]
        .iter()
        .any(|path| page.starts_with(path));
    let climbs = next.split(['/', '?', '#']).any(|part| part == "..");
    if plain && ours && !loops && !climbs && !page.starts_with("//") {
        next.to_owned()
    } else {
        start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_ours_is_where_the_person_goes() {
        for next in ["/d/alice/", "/d/alice/work/?resize=remote&x=%2F", "/"] {
            assert_eq!(safe_next("", next), next);
        }
        assert_eq!(safe_next("/desk", "/desk/d/alice/"), "/desk/d/alice/");
    }

    #[test]
    fn nothing_leads_to_another_host() {
        for next in [
            "",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example/",
            "javascript:alert(1)",
            "/\t/evil.example",
            "/d/alice/\r\nSet-Cookie: a=b",
            " /d/alice/",
            "d/alice",
            "/../evil",
            "/sign-out",
            "/d/ä",
        ] {
            assert_eq!(safe_next("", next), "/", "{next:?}");
        }
        for next in [
            "/",
            "/d/alice/",
            "/desk",
            "/deskevil/",
            "/desk//evil.example",
            "/desk/../x",
        ] {
            assert_eq!(safe_next("/desk", next), "/desk/", "{next:?}");
        }
    }
}
