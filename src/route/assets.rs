//! The built pages' files, embedded, and what their build says about them.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, IF_NONE_MATCH,
    VARY,
};
use http::{HeaderValue, Method, StatusCode};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tracing::error;

use super::error::Error;
use super::site::Site;

/// The manifest that Vite writes, where build.rs puts it.
const MANIFEST: &str = "manifest.json";
/// Hashed names: what is under one of them never changes.
pub(super) const FOR_EVER: HeaderValue =
    HeaderValue::from_static("public, max-age=31536000, immutable");
const FOR_AN_HOUR: HeaderValue = HeaderValue::from_static("public, max-age=3600");

#[derive(rust_embed::RustEmbed)]
#[folder = "$OUT_DIR/web"]
struct Embedded;

/// The files, by their path below the base path.
pub struct Assets {
    files: HashMap<String, File>,
    manifest: HashMap<String, Chunk>,
    version: String,
}

/// What a page needs of the build: paths below the base path.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    pub(super) css: Vec<String>,
    pub(super) js: Vec<String>,
}

struct File {
    bytes: Cow<'static, [u8]>,
    etag: String,
}

/// One row of the manifest.
#[derive(Debug, Deserialize)]
struct Chunk {
    file: String,
    #[serde(default)]
    css: Vec<String>,
    #[serde(default)]
    imports: Vec<String>,
}

impl Assets {
    /// What was embedded when the program was built; nothing when the pages were not built then.
    pub fn embedded() -> Self {
        let files = Embedded::iter().filter_map(|path| {
            let bytes = Embedded::get(&path)?.data;
            Some((path.into_owned(), bytes))
        });
        Self::new(files)
    }

    /// These files, for tests.
    pub fn given(files: impl IntoIterator<Item = (&'static str, &'static str)>) -> Self {
        let files = files.into_iter();
        Self::new(files.map(|(path, text)| (path.to_owned(), Cow::Borrowed(text.as_bytes()))))
    }

    fn new(files: impl Iterator<Item = (String, Cow<'static, [u8]>)>) -> Self {
        let file = |(path, bytes): (String, Cow<'static, [u8]>)| {
            let etag = etag(&bytes);
            (path, File { bytes, etag })
        };
        let mut files: HashMap<String, File> = files.map(file).collect();
        files.remove("unbuilt");
        let manifest = files.remove(MANIFEST);
        let version = version(manifest.as_ref());
        let manifest = manifest.map(|file| serde_json::from_slice(&file.bytes));
        let manifest = manifest.transpose().unwrap_or_else(|error| {
            error!(%error, "the manifest of the built pages cannot be read");
            None
        });
        Self {
            files,
            manifest: manifest.unwrap_or_default(),
            version,
        }
    }

    /// Of the program and its pages: two builds of one version have different files.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// Whether there are built pages at all.
    pub(super) fn are_built(&self) -> bool {
        !self.manifest.is_empty()
    }

    /// What the page `name` needs: its script, and the styles of everything that it imports.
    pub(super) fn entry(&self, name: &str) -> Entry {
        let mut entry = Entry::default();
        let mut seen = BTreeSet::new();
        let first = format!("src/{name}.ts");
        let mut next = vec![first.as_str()];
        while let Some(key) = next.pop() {
            let Some(chunk) = self.manifest.get(key).filter(|_| seen.insert(key)) else {
                continue;
            };
            let new = chunk
                .css
                .iter()
                .filter(|css| !entry.css.contains(css))
                .cloned();
            let new: Vec<String> = new.collect();
            entry.css.splice(0..0, new);
            next.extend(chunk.imports.iter().map(String::as_str));
        }
        let script = self.manifest.get(&first).map(|chunk| chunk.file.clone());
        entry.js.extend(script);
        entry
    }

    fn answer(&self, path: &str, request: &HeaderMap, cache: HeaderValue) -> Option<Response> {
        let plain = self.files.get(path)?;
        let packed = [("br", "br"), ("gzip", "gz")]
            .into_iter()
            .find_map(|(coding, suffix)| {
                let file = self.files.get(&format!("{path}.{suffix}"))?;
                accepts(request, coding).then_some((coding, file))
            });
        let (coding, file) = packed.map_or((None, plain), |(coding, file)| (Some(coding), file));
        let mut response = if matches_etag(request, &file.etag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let body = match &file.bytes {
                Cow::Borrowed(bytes) => Body::from(*bytes),
                Cow::Owned(bytes) => Body::from(bytes.clone()),
            };
            ([(CONTENT_TYPE, content_type(path))], body).into_response()
        };
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, cache);
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        headers.insert(ETAG, HeaderValue::from_str(&file.etag).ok()?);
        if let Some(coding) = coding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        Some(response)
    }
}

impl fmt::Debug for Assets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Assets({} files)", self.files.len())
    }
}

/// A file with a hashed name.
pub(super) async fn hashed(
    State(site): State<Arc<Site>>,
    path: Result<Path<String>, axum::extract::rejection::PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let Path(path) = path.map_err(|_| Error::NotFound)?;
    let assets = &site.pages.assets;
    assets
        .answer(&format!("assets/{path}"), &headers, FOR_EVER)
        .ok_or(Error::NotFound)
}

/// Any other file of the build, such as the icon; else there is nothing.
pub(super) async fn other(
    State(site): State<Arc<Site>>,
    request: Request,
) -> Result<Response, Error> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(Error::NotFound);
    }
    let path = request.uri().path();
    let file = path
        .strip_prefix(site.base())
        .and_then(|path| path.strip_prefix('/'));
    let file = file.ok_or(Error::NotFound)?;
    let assets = &site.pages.assets;
    assets
        .answer(file, request.headers(), FOR_AN_HOUR)
        .ok_or(Error::NotFound)
}

/// `1.2.3+` and some digits of the build's names.
fn version(manifest: Option<&File>) -> String {
    let program = env!("CARGO_PKG_VERSION");
    match manifest {
        Some(manifest) => {
            let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(&manifest.bytes));
            format!("{program}+{a:02x}{b:02x}{c:02x}{d:02x}")
        }
        None => program.to_owned(),
    }
}

fn etag(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    format!("\"{}\"", BASE64_URL_SAFE_NO_PAD.encode(&hash[..12]))
}

fn matches_etag(request: &HeaderMap, etag: &str) -> bool {
    request
        .get(IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| {
            value
                .split(',')
                .any(|known| known.trim().trim_start_matches("W/") == etag)
        })
}

pub(super) fn accepts(request: &HeaderMap, coding: &str) -> bool {
    let values = request.get_all(ACCEPT_ENCODING).iter();
    let mut codings = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|v| v.split(','));
    codings.any(|offered| {
        let (name, weight) = offered.split_once(';').unwrap_or((offered, ""));
        let refused = matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000");
        name.trim().eq_ignore_ascii_case(coding) && !refused
    })
}

fn content_type(path: &str) -> HeaderValue {
    let suffix = path.rsplit_once('.').map_or("", |(_, suffix)| suffix);
    HeaderValue::from_static(match suffix {
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST_TEXT: &str = r#"{
        "src/portal.ts": {"file": "assets/portal-1.js", "css": ["assets/portal-1.css"], "imports": ["_shared.js"]},
        "_shared.js": {"file": "assets/shared-1.js", "css": ["assets/shared-1.css"], "imports": ["_shared.js"]}
    }"#;

    #[test]
    fn a_page_gets_the_styles_of_what_it_imports_first() {
        let assets = Assets::given([("manifest.json", MANIFEST_TEXT)]);
        let entry = assets.entry("portal");
        assert_eq!(entry.css, ["assets/shared-1.css", "assets/portal-1.css"]);
        assert_eq!(entry.js, ["assets/portal-1.js"]);
        assert!(assets.entry("nothing").js.is_empty());
    }

    #[test]
    fn a_coding_is_used_only_when_it_is_offered() {
        let headers = |value: &'static str| {
            HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(value))])
        };
        assert!(accepts(&headers("gzip, deflate, br"), "br"));
        assert!(!accepts(&headers("gzip, br;q=0"), "br"));
        assert!(!accepts(&HeaderMap::new(), "br"));
    }
}
