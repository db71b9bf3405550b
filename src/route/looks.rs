//! How the pages look, and for whom: the place's own brand and those of its groups.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Path, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap};
use http::request::Parts;
use http::{HeaderValue, Uri};
use sha2::{Digest, Sha256};

use super::assets::FOR_EVER;
use super::brand_css::style_sheet;
use super::error::Error;
use super::site::Site;
use crate::auth::{Found, Host, handle_from_cookies};
use crate::config::{Brand, Config, LogoKind, Logos};
use crate::listen::Connection;

/// An SVG may hold scripts, which run when somebody opens it as a page.
const LOGO_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox",
);

/// One brand with the names of its files.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) brand: Brand,
    /// Below the base path.
    pub(super) style_sheet: Option<String>,
    pub(super) logo: Option<String>,
}

/// All brands of a configuration.
#[derive(Debug)]
pub(super) struct Looks {
    own: Arc<Look>,
    groups: Vec<GroupLook>,
    files: HashMap<String, File>,
}

#[derive(Debug)]
struct GroupLook {
    group: String,
    hosts: Vec<String>,
    look: Arc<Look>,
}

#[derive(Clone, Debug)]
struct File {
    kind: HeaderValue,
    bytes: Bytes,
}

/// The look of whoever sends a request.
#[derive(Debug)]
pub(super) struct Theirs(pub(super) Arc<Look>);

impl Looks {
    /// `older` are those that were shown until now: pages that have just been sent still ask for
    /// their files.
    pub(super) fn new(config: &Config, logos: &Logos, older: Option<&Self>) -> Self {
        let mut files = HashMap::new();
        let own = Arc::new(Look::new(&config.brand, logos, &mut files));
        let mut groups = Vec::new();
        for group in &config.groups {
            groups.push(GroupLook {
                group: group.name.clone(),
                hosts: group.hosts.clone(),
                look: Arc::new(Look::new(&group.brand, logos, &mut files)),
            });
        }
        let mut looks = Self { own, groups, files };
        for name in older.iter().flat_map(|older| older.shown()) {
            if let Some(file) = older.and_then(|older| older.files.get(name)) {
                let kept = looks.files.entry(name.to_owned());
                kept.or_insert_with(|| file.clone());
            }
        }
        looks
    }

    /// That of the person's group; else that of the name by which the server is called.
    pub(super) fn find(&self, group: Option<&str>, host: Option<&Host>) -> Arc<Look> {
        let of_group = |known: &&GroupLook| Some(known.group.as_str()) == group;
        let of_host = |known: &&GroupLook| {
            host.is_some_and(|host| known.hosts.iter().any(|name| name == host.without_port()))
        };
        let groups = self.groups.iter();
        let found = groups.clone().find(of_group);
        let found = found.or_else(|| groups.clone().find(of_host));
        Arc::clone(found.map_or(&self.own, |found| &found.look))
    }

    /// The files of the brands themselves, without those that are kept for older pages.
    fn shown(&self) -> impl Iterator<Item = &str> {
        let groups = self.groups.iter().map(|group| &group.look);
        let looks = groups.chain([&self.own]);
        looks.flat_map(|look| {
            let names = look.style_sheet.iter().chain(&look.logo);
            names.filter_map(|path| path.strip_prefix(FOLDER))
        })
    }
}

/// Where the files are, below the base path.
const FOLDER: &str = "/brand/";

impl Look {
    fn new(brand: &Brand, logos: &Logos, files: &mut HashMap<String, File>) -> Self {
        let mut keep = |suffix: &str, kind: &'static str, bytes: Bytes| {
            let hash = BASE64_URL_SAFE_NO_PAD.encode(&Sha256::digest(&bytes)[..12]);
            let name = format!("{hash}.{suffix}");
            let path = format!("{FOLDER}{name}");
            let kind = HeaderValue::from_static(kind);
            files.insert(name, File { kind, bytes });
            path
        };
        let sheet = style_sheet(&brand.colours);
        let logo = brand.logo.as_ref().and_then(|path| logos.get(path));
        Self {
            style_sheet: sheet.map(|css| keep("css", "text/css; charset=utf-8", css.into())),
            logo: logo.map(|logo| {
                let (suffix, kind) = match logo.kind {
                    LogoKind::Svg => ("svg", "image/svg+xml"),
                    LogoKind::Png => ("png", "image/png"),
                    LogoKind::Webp => ("webp", "image/webp"),
                };
                keep(suffix, kind, Bytes::copy_from_slice(&logo.bytes))
            }),
            brand: brand.clone(),
        }
    }
}

impl FromRequestParts<Arc<Site>> for Theirs {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Error> {
        let connection = parts.extensions.get::<Connection>();
        let connection = connection.ok_or(Error::Internal)?;
        let look = look_of(site, &parts.headers, &parts.uri, connection).await;
        Ok(Self(look))
    }
}

/// The look of whoever sends a request with these headers. Nobody else is asked: who was signed
/// in a moment ago sees their own look even while the launcher is away.
pub(super) async fn look_of(
    site: &Site,
    headers: &HeaderMap,
    uri: &Uri,
    connection: &Connection,
) -> Arc<Look> {
    let live = site.live();
    if live.looks.groups.is_empty() {
        return Arc::clone(&live.looks.own);
    }
    let handle = handle_from_cookies(headers, connection.scheme);
    let found = match &handle {
        Some(handle) => site.sign_ins.find(handle).await.ok(),
        None => None,
    };
    let person = match found {
        Some(Found::SignedIn(person)) => Some(person),
        Some(Found::Unchecked { before }) => before,
        Some(Found::Nobody) | None => None,
    };
    let group = person.and_then(|person| person.account.group);
    let host = live.hosts.check(headers, uri, connection.forwarded_host());
    live.looks.find(group.as_deref(), host.ok().as_ref())
}

/// A logo or the style sheet of a brand.
pub(super) async fn file(
    State(site): State<Arc<Site>>,
    path: Result<Path<String>, axum::extract::rejection::PathRejection>,
) -> Result<Response, Error> {
    let Path(name) = path.map_err(|_| Error::NotFound)?;
    let live = site.live();
    let file = live.looks.files.get(&name).ok_or(Error::NotFound)?;
    let headers = [
        (CONTENT_TYPE, file.kind.clone()),
        (CACHE_CONTROL, FOR_EVER),
        (CONTENT_SECURITY_POLICY, LOGO_POLICY),
    ];
    Ok((headers, file.bytes.clone()).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Hosts;
    use crate::config::{self, Overrides};

    fn looks(text: &str, older: Option<&Looks>) -> Looks {
        let config = config::from_text(text, "deskway.toml", &Overrides::default()).unwrap();
        Looks::new(&config, &Logos::default(), older)
    }

    fn host(name: &str) -> Host {
        let hosts = Hosts::new(&[name.to_owned()], "");
        let headers = HeaderMap::from_iter([(
            http::header::HOST,
            HeaderValue::from_str(&format!("{name}:8443")).unwrap(),
        )]);
        hosts.check(&headers, &Uri::from_static("/"), None).unwrap()
    }

    const TWO_GROUPS: &str = r##"
        [brand]
        name = "Everybody's"
        [[group]]
        name = "physics"
        title = "Physics"
        hosts = ["physics.example.org"]
        accent = "#7a3e9d"
        [[group]]
        name = "staff"
        title = "Staff"
    "##;

    #[test]
    fn the_person_s_group_comes_before_the_host_and_the_host_before_the_place() {
        let looks = looks(TWO_GROUPS, None);
        let name = |group, host: Option<&Host>| looks.find(group, host).brand.name.clone();
        let (physics, other) = (host("physics.example.org"), host("desk.example.org"));
        assert_eq!(name(None, None), "Everybody's");
        assert_eq!(name(None, Some(&other)), "Everybody's");
        assert_eq!(name(None, Some(&physics)), "Physics");
        assert_eq!(name(Some("staff"), Some(&physics)), "Staff");
        assert_eq!(name(Some("unknown"), Some(&other)), "Everybody's");
    }

    #[test]
    fn files_outlive_the_next_configuration_and_not_the_one_after() {
        let first = looks(TWO_GROUPS, None);
        let physics = first.find(Some("physics"), None);
        let sheet = physics.style_sheet.as_deref().unwrap();
        let name = sheet.strip_prefix(FOLDER).unwrap();
        let second = looks("", Some(&first));
        assert!(first.files.contains_key(name) && second.files.contains_key(name));
        assert!(!looks("", Some(&second)).files.contains_key(name));
    }
}
