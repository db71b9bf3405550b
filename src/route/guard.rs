//! Who may go on. Having one of these values is the proof.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{FromRequestParts, OptionalFromRequestParts, Path, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::UPGRADE;
use http::request::Parts;
use tracing::info;

use super::error::Error;
use super::index;
use super::site::Site;
use crate::auth::{Found, Host, Identity, check_origin, handle_from_cookies};
use crate::desktop::LauncherError;
use crate::launcher::protocol::{Handle, Refusal};
use crate::listen::Connection;
use crate::model::{DesktopId, DesktopName};

/// The person is signed in.
#[derive(Debug)]
pub(super) struct SignedIn(pub(super) Identity);

/// The person is signed in and an admin. The launcher looks for itself.
#[derive(Debug)]
pub(super) struct Admin(pub(super) Identity);

/// The person is signed in, and the desktop in the URL is theirs or one that they may open.
#[derive(Debug)]
pub(super) struct TheirDesktop {
    pub(super) person: Identity,
    pub(super) desktop: DesktopId,
}

impl FromRequestParts<Arc<Site>> for SignedIn {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Error> {
        let handle = presented(parts)?.ok_or(Error::SignedOut)?;
        match site.sign_ins.find(&handle).await? {
            Found::SignedIn(identity) => Ok(Self(identity)),
            Found::Nobody => Err(Error::SignedOut),
            Found::Unchecked { before } => ask_launcher(site, handle, before).await.map(Self),
        }
    }
}

impl OptionalFromRequestParts<Arc<Site>> for SignedIn {
    type Rejection = Error;

    async fn from_request_parts(
        parts: &mut Parts,
        site: &Arc<Site>,
    ) -> Result<Option<Self>, Error> {
        match <Self as FromRequestParts<_>>::from_request_parts(parts, site).await {
            Ok(signed_in) => Ok(Some(signed_in)),
            Err(Error::SignedOut | Error::Unavailable) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl FromRequestParts<Arc<Site>> for Admin {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Error> {
        let SignedIn(person) =
            <SignedIn as FromRequestParts<_>>::from_request_parts(parts, site).await?;
        if person.account.is_admin {
            Ok(Self(person))
        } else {
            Err(Error::NotFound)
        }
    }
}

impl FromRequestParts<Arc<Site>> for TheirDesktop {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Error> {
        let SignedIn(person) =
            <SignedIn as FromRequestParts<_>>::from_request_parts(parts, site).await?;
        let desktop = named_desktop(parts, site).await.ok_or(Error::NotFound)?;
        if may_open(site, &person, &desktop).await? {
            Ok(Self { person, desktop })
        } else if index::has(site, &desktop).await {
            let (owner, person) = (desktop.owner, person.account.name);
            Err(Error::SomebodyElses { owner, person })
        } else {
            Err(Error::NotFound)
        }
    }
}

/// Refuses what calls us by a name that is not ours, and what would change something or open a
/// WebSocket without coming from a page of ours. Everything passes here.
pub(super) async fn our_pages_only(
    State(site): State<Arc<Site>>,
    mut request: Request,
    next: Next,
) -> Response {
    match check_sender(&site, &request) {
        Ok(host) => {
            request.extensions_mut().insert(host);
            next.run(request).await
        }
        Err(error) => error.into_response(),
    }
}

/// The handle in the request's cookie.
pub(super) fn presented(parts: &Parts) -> Result<Option<Handle>, Error> {
    let connection = parts.extensions.get::<Connection>();
    let scheme = connection.ok_or(Error::Internal)?.scheme;
    Ok(handle_from_cookies(&parts.headers, scheme))
}

/// The one rule for pages, API and WebSockets: the owner, and for an attached desktop those for
/// whom the launcher lists it.
async fn may_open(site: &Site, person: &Identity, desktop: &DesktopId) -> Result<bool, Error> {
    if desktop.owner == person.account.name {
        return Ok(true);
    }
    let listed = site.desktops(person).await?;
    Ok(listed
        .iter()
        .any(|info| info.id == *desktop && info.profile.is_none()))
}

async fn named_desktop(parts: &mut Parts, site: &Arc<Site>) -> Option<DesktopId> {
    type Named = Path<HashMap<String, String>>;
    let Path(path) = <Named as FromRequestParts<_>>::from_request_parts(parts, site)
        .await
        .ok()?;
    let owner = path.get("user")?.parse().ok()?;
    let name = match path.get("name") {
        Some(name) => name.parse().ok()?,
        None => DesktopName::main(),
    };
    Some(DesktopId::new(owner, name))
}

async fn ask_launcher(
    site: &Site,
    handle: Handle,
    before: Option<Identity>,
) -> Result<Identity, Error> {
    match site.launcher.check(handle.clone()).await {
        Ok(account) => {
            let identity = site.sign_ins.confirm(&handle, account).await?;
            let identity = identity.ok_or(Error::SignedOut)?;
            site.sign_ins.seen(&identity.hash).await?;
            Ok(identity)
        }
        Err(LauncherError::Refused(Refusal::UnknownHandle)) => {
            let hash = crate::auth::handle_hash(&handle);
            site.end_sign_in(&hash, "the launcher does not know it")
                .await;
            Err(Error::SignedOut)
        }
        // A launcher that is being restarted signs nobody out.
        Err(LauncherError::Unavailable | LauncherError::Busy) if before.is_some() => {
            before.ok_or(Error::Unavailable)
        }
        Err(error) => Err(error.into()),
    }
}

fn check_sender(site: &Site, request: &Request) -> Result<Host, Error> {
    let connection = request
        .extensions()
        .get::<Connection>()
        .ok_or(Error::Internal)?;
    let (headers, uri) = (request.headers(), request.uri());
    let host = site
        .live()
        .hosts
        .check(headers, uri, connection.forwarded_host())
        .map_err(|_| Error::NotOurHost)?;
    let websocket = headers.contains_key(UPGRADE);
    if websocket || !request.method().is_safe() {
        let checked = check_origin(headers, connection.scheme, &host, websocket);
        if let Err(error) = checked {
            let peer = connection.address();
            info!(%peer, path = ?uri.path(), "refused: {error}");
            return Err(error.into());
        }
    }
    Ok(host)
}
