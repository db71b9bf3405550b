//! Files of one directory over HTTP.
//!
//! Says what Python's `SimpleHTTPRequestHandler` says, which is what websockify serves with, and
//! besides answers ranges and entity tags. Reads only; holds one chunk of a file at a time.

mod beneath;
mod conditions;
mod content_type;
mod disk;
mod found;
mod listing;
mod page;
mod request_path;
mod walk;

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Body;
use http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED, LOCATION,
    X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use tracing::warn;

use self::beneath::Root;
use self::conditions::{Answer, Version};
use self::disk::Disk;
use self::found::{Found, Regular};
use self::request_path::RequestPath;

/// The web server of one directory.
#[derive(Clone, Debug)]
pub(crate) struct Web {
    root: Arc<Root>,
    disk: Disk,
    listing: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("the web directory {} cannot be opened: {error}", path.display())]
pub(crate) struct WebError {
    path: PathBuf,
    error: io::Error,
}

impl Web {
    /// Serves what is below `dir`; with `listing` also what there is in a directory that has no
    /// `index.html`. The directory is the one that is there now, wherever it is moved.
    ///
    /// # Errors
    /// When it is no directory or may not be entered.
    pub(crate) fn new(dir: &Path, listing: bool) -> Result<Self, WebError> {
        let root = Root::open(dir).map_err(|error| WebError {
            path: dir.to_owned(),
            error,
        })?;
        Ok(Self {
            root: Arc::new(root),
            disk: Disk::new(),
            listing,
        })
    }

    /// Answers a request for a file. The request's body is not looked at.
    pub(crate) async fn answer(&self, request: &Parts) -> Response<Body> {
        let mut response = match request.method {
            Method::GET => self.get(request).await,
            Method::HEAD => {
                let (head, _) = self.get(request).await.into_parts();
                Response::from_parts(head, Body::empty())
            }
            _ => page::error(StatusCode::NOT_IMPLEMENTED),
        };
        let nosniff = HeaderValue::from_static("nosniff");
        response
            .headers_mut()
            .insert(X_CONTENT_TYPE_OPTIONS, nosniff);
        response
    }

    async fn get(&self, request: &Parts) -> Response<Body> {
        let Some(path) = RequestPath::parse(request.uri.path()) else {
            return page::error(StatusCode::NOT_FOUND);
        };
        let (root, listing) = (Arc::clone(&self.root), self.listing);
        let look = move || found::look(&root, &path, listing).map(|found| (found, path));
        let (found, path) = match self.disk.run(look).await {
            Ok(found) => found,
            Err(error) => {
                warn!(path = request.uri.path(), %error, "a file cannot be served");
                return page::error(StatusCode::INTERNAL_SERVER_ERROR);
            }
        };
        match found {
            Found::Nothing => page::error(StatusCode::NOT_FOUND),
            Found::Directory => see_directory(&path, request.uri.query()),
            Found::Listing(html) => page::html(StatusCode::OK, html),
            Found::File(file) => self.serve(file, request),
        }
    }

    fn serve(&self, file: Regular, request: &Parts) -> Response<Body> {
        let version = Version::of(&file);
        let length = file.length;
        let answer = conditions::answer(&request.method, &request.headers, &version, length);
        let mut response = match answer {
            Answer::NotModified => empty(StatusCode::NOT_MODIFIED),
            Answer::Whole => self.send(file, 0..length),
            Answer::Part(range) => {
                let said = format!("bytes {}-{}/{length}", range.start, range.end - 1);
                let mut response = self.send(file, range);
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                insert(response.headers_mut(), CONTENT_RANGE, said);
                response
            }
            Answer::OutOfRange => {
                let mut response = page::error(StatusCode::RANGE_NOT_SATISFIABLE);
                let said = format!("bytes */{length}");
                insert(response.headers_mut(), CONTENT_RANGE, said);
                return response;
            }
        };
        let headers = response.headers_mut();
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        insert(headers, ETAG, version.etag);
        if let Some(modified) = version.modified {
            insert(headers, LAST_MODIFIED, httpdate::fmt_http_date(modified));
        }
        response
    }

    fn send(&self, file: Regular, part: Range<u64>) -> Response<Body> {
        let length = part.end - part.start;
        let mut response = Response::new(self.disk.stream(file.open, part));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, file.content_type);
        headers.insert(CONTENT_LENGTH, length.into());
        response
    }
}

/// The same with a slash at the end, from where relative links work.
fn see_directory(path: &RequestPath, query: Option<&str>) -> Response<Body> {
    let mut location = path.to_directory();
    if let Some(query) = query {
        location.push('?');
        location.push_str(query);
    }
    let Ok(location) = HeaderValue::try_from(location) else {
        return page::error(StatusCode::NOT_FOUND);
    };
    let mut response = empty(StatusCode::MOVED_PERMANENTLY);
    response.headers_mut().insert(LOCATION, location);
    response.headers_mut().insert(CONTENT_LENGTH, 0.into());
    response
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// `value` is made here, of ASCII.
fn insert(headers: &mut HeaderMap, name: http::HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests;
