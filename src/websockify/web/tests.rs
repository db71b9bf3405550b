//! Paths of all kinds, against a directory with everything in it.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::UnixListener;

use axum::body::Body;
use http::header::{IF_NONE_MATCH, RANGE};
use http::request::Parts;
use http::{HeaderName, Request};
use http_body_util::BodyExt;
use rustix::fs::{CWD, FileType, Mode, OFlags};
use tempfile::TempDir;

use super::disk::CHUNK;
use super::*;

/// Longer than several chunks, and not a multiple of one.
const LONG: usize = 3 * CHUNK + 17;

/// The directory `web` in it is served; beside it lies what must not be.
fn everything() -> TempDir {
    let place = TempDir::new().unwrap();
    let web = place.path().join("web");
    for directory in ["app/images", "empty", "old", "d%2e", "index/index.html"] {
        fs::create_dir_all(web.join(directory)).unwrap();
    }
    let files: [(&[u8], &[u8]); 11] = [
        (b"vnc.html", b"page"),
        (b"app/ui.js", b"script"),
        (b"app/images/a.svg", b"<svg/>"),
        (b"app/.hidden", b"dot"),
        (b"old/index.htm", b"old index"),
        (b"empty.txt", b""),
        (b"a b?c#d;e:f", b"reserved"),
        (b"back\\slash", b"backslash"),
        (b"%2e%2e", b"dots"),
        (b"latin-\xe9", b"latin"),
        (b"<img src=x onerror=alert(1)>\"'\n\xe2\x80\xae", b"hostile"),
    ];
    for (name, content) in files {
        fs::write(web.join(std::ffi::OsStr::from_bytes(name)), content).unwrap();
    }
    let long: Vec<u8> = (0..=250).cycle().take(LONG).collect();
    fs::write(web.join("long"), long).unwrap();
    fs::create_dir(place.path().join("beside")).unwrap();
    fs::write(place.path().join("beside/secret"), "secret").unwrap();
    for (link, target) in [
        ("in", "vnc.html"),
        ("app/in", "../vnc.html"),
        ("app/again", "in"),
        ("inside", "app"),
        ("empty/here", "."),
        ("up-and-back", "app/../app/./images/../ui.js"),
        ("out", "../beside/secret"),
        ("out-dir", "../beside"),
        ("through-out", "out-dir/secret"),
        ("out-and-back", "../web/vnc.html"),
        ("parent", ".."),
        ("loop", "loop"),
        ("nowhere", "nothing"),
    ] {
        symlink(target, web.join(link)).unwrap();
    }
    symlink(place.path().join("beside/secret"), web.join("absolute")).unwrap();
    symlink("/dev/zero", web.join("zero")).unwrap();
    rustix::fs::mknodat(CWD, web.join("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    UnixListener::bind(web.join("socket")).unwrap();
    place
}

fn web(place: &TempDir) -> Web {
    Web::new(&place.path().join("web"), true).unwrap()
}

/// Of a directory in which strangers make links.
fn web_of_strangers(place: &TempDir) -> Web {
    let mut root = Root::open(&place.path().join("web")).unwrap();
    root.trusted.clear();
    Web {
        root: Arc::new(root),
        disk: Disk::new(),
        listing: true,
    }
}

fn request(method: Method, path: &str, headers: &[(HeaderName, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

async fn get(web: &Web, path: &str) -> Response<Body> {
    web.answer(&request(Method::GET, path, &[])).await
}

async fn body(response: Response<Body>) -> Vec<u8> {
    let body = response.into_body().collect().await.unwrap();
    body.to_bytes().to_vec()
}

fn header(response: &Response<Body>, name: HeaderName) -> Option<&str> {
    response.headers().get(name)?.to_str().ok()
}

#[tokio::test]
async fn files_are_found_by_their_decoded_names() {
    let place = everything();
    let web = web(&place);
    for (path, content) in [
        ("/vnc.html", "page"),
        ("/vnc.html?host=h&path=%2e%2e/", "page"),
        ("//vnc.html", "page"),
        ("/./app//./ui.js", "script"),
        ("/app%2fui.js", "script"),
        ("/%76nc.html", "page"),
        ("/app/.hidden", "dot"),
        ("/old/", "old index"),
        ("/a%20b%3fc%23d;e:f", "reserved"),
        ("/back%5cslash", "backslash"),
        ("/%252e%252e", "dots"),
        ("/latin-%e9", "latin"),
        ("/empty.txt", ""),
        ("/in", "page"),
        ("/app/again", "page"),
        ("/inside/images/a.svg", "<svg/>"),
        ("/up-and-back", "script"),
    ] {
        let response = get(&web, path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(body(response).await, content.as_bytes(), "{path}");
    }
}

#[tokio::test]
async fn nothing_else_is_found() {
    let place = everything();
    let long = format!("/{}", "a".repeat(300));
    let deep = "/app".repeat(2000);
    let mut paths = vec![
        "/nothing",
        "/vnc.html/",
        "/app/ui.js/x",
        "/../beside/secret",
        "/app/../vnc.html",
        "/app/..",
        "/%2e%2e/beside/secret",
        "/.%2e/beside/secret",
        "/%2e%2e%2fbeside%2fsecret",
        "/app/%2e%2e/%2e%2e/beside/secret",
        "/..%5cbeside%5csecret",
        "/..%c0%afbeside%c0%afsecret",
        "/%252e%252e/beside/secret",
        "/%2e%2e%00",
        "/vnc.html%00",
        "/vnc.html%00.js",
        "/d%2e/../vnc.html",
        "/~/vnc.html",
        "/C:/vnc.html",
        "/loop",
        "/nowhere",
        "/pipe",
        "/socket",
        "/zero",
        "*",
    ];
    paths.extend([long.as_str(), deep.as_str()]);
    for path in paths {
        for web in [web(&place), web_of_strangers(&place)] {
            let response = get(&web, path).await;
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
            let page = body(response).await;
            assert!(!page.windows(6).any(|it| it == b"secret"), "{path}");
        }
    }
}

#[tokio::test]
async fn a_strangers_link_does_not_leave_the_directory() {
    let place = everything();
    let (web, strangers) = (web(&place), web_of_strangers(&place));
    for (path, content) in [
        ("/out", "secret"),
        ("/absolute", "secret"),
        ("/out-dir/secret", "secret"),
        ("/through-out", "secret"),
        ("/out-and-back", "page"),
        ("/parent/beside/secret", "secret"),
    ] {
        assert_eq!(
            body(get(&web, path).await).await,
            content.as_bytes(),
            "{path}"
        );
        let response = get(&strangers, path).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let response = get(&strangers, "/app/again").await;
    assert_eq!(body(response).await, b"page", "inside it works");
}

#[test]
fn beyond_a_trusted_link_a_strangers_link_is_not_followed() {
    let place = everything();
    // The directory outside has a link of its own, here by the same user.
    symlink("secret", place.path().join("beside/further")).unwrap();
    let root = Root::open(&place.path().join("web")).unwrap();
    let names = ["out-dir".into(), "further".into()];
    assert!(root.find(&names, OFlags::PATH).is_ok());
    let owner = |path: &str| fs::symlink_metadata(place.path().join(path)).unwrap().uid();
    if owner("beside/further") == 0 {
        // Only root can give a link away.
        let stranger = Some(65_534);
        std::os::unix::fs::lchown(place.path().join("beside/further"), stranger, None).unwrap();
        assert!(root.find(&names, OFlags::PATH).is_err());
    }
}

/// Where the kernel cannot be asked, the same is found.
#[test]
fn the_walk_agrees_with_the_kernel() {
    use std::os::fd::AsFd;
    let place = everything();
    let root = Root::open(&place.path().join("web")).unwrap();
    for path in [
        "/",
        "/vnc.html",
        "/app",
        "/app/ui.js",
        "/app/ui.js/x",
        "/in",
        "/app/in",
        "/app/again",
        "/inside",
        "/inside/ui.js",
        "/empty/here",
        "/empty/here/here",
        "/up-and-back",
        "/nothing",
        "/nowhere",
        "/loop",
        "/pipe",
        "/socket",
        "/vnc.html/x/y",
    ] {
        let names = RequestPath::parse(path).unwrap().names().to_vec();
        for flags in [OFlags::PATH, OFlags::RDONLY | OFlags::NONBLOCK] {
            let id = |found: rustix::io::Result<std::os::fd::OwnedFd>| {
                found.map(|found| {
                    let found = rustix::fs::fstat(found).unwrap();
                    (found.st_dev, found.st_ino)
                })
            };
            let walked = walk::walk(root.directory.as_fd(), &names, flags, &[]);
            assert_eq!(id(walked), id(root.find(&names, flags)), "{path}");
        }
    }
}

#[tokio::test]
async fn a_directory_without_a_slash_is_redirected_on_this_host() {
    let place = everything();
    let web = web(&place);
    for (path, location) in [
        ("/app", "/app/"),
        ("/app?a=b", "/app/?a=b"),
        ("//app", "/app/"),
        ("///app", "/app/"),
        ("/.//app", "/app/"),
        ("/inside", "/inside/"),
        ("/d%252e", "/d%252e/"),
        ("/app/images", "/app/images/"),
        ("/index/index.html", "/index/index.html/"),
    ] {
        let response = get(&web, path).await;
        assert_eq!(response.status(), StatusCode::MOVED_PERMANENTLY, "{path}");
        assert_eq!(header(&response, LOCATION), Some(location), "{path}");
    }
    fs::create_dir(place.path().join("web/\\evil.example")).unwrap();
    let response = get(&web, "/%5cevil.example").await;
    assert_eq!(header(&response, LOCATION), Some("/%5Cevil.example/"));
}

#[tokio::test]
async fn a_listing_names_everything_and_runs_nothing() {
    let place = everything();
    let response = get(&web(&place), "/").await;
    assert_eq!(
        header(&response, CONTENT_TYPE),
        Some("text/html; charset=utf-8")
    );
    let html = String::from_utf8(body(response).await).unwrap();
    for row in [
        "<a href=\"app/\">app/</a>",
        "<a href=\"in\">in@</a>",
        "<a href=\"a%20b%3Fc%23d%3Be%3Af\">a b?c#d;e:f</a>",
        "<a href=\"latin-%E9\">latin-\u{fffd}</a>",
        "<a href=\"%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E%22%27%0A%E2%80%AE\">\
         &lt;img src=x onerror=alert(1)&gt;&quot;&#39;\u{fffd}\u{fffd}</a>",
    ] {
        assert!(html.contains(row), "{row} in {html}");
    }
    assert!(!html.contains("<img"), "{html}");
    let names: Vec<&str> = html.lines().filter(|it| it.starts_with("<li>")).collect();
    let entries = fs::read_dir(place.path().join("web")).unwrap().count();
    assert_eq!(names.len(), entries);
}

#[tokio::test]
async fn a_directory_with_a_directory_called_index_html_is_listed() {
    let place = everything();
    let html = body(get(&web(&place), "/index/").await).await;
    assert!(String::from_utf8(html).unwrap().contains("index.html/"));
}

#[tokio::test]
async fn without_listing_there_are_files_alone() {
    let place = everything();
    let web = Web::new(&place.path().join("web"), false).unwrap();
    assert_eq!(get(&web, "/").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(get(&web, "/app/").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(get(&web, "/old/").await.status(), StatusCode::OK);
    assert_eq!(get(&web, "/app/ui.js").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_long_file_comes_whole_and_in_parts() {
    let place = everything();
    let web = web(&place);
    let content = fs::read(place.path().join("web/long")).unwrap();
    assert_eq!(body(get(&web, "/long").await).await, content);
    let part = request(Method::GET, "/long", &[(RANGE, "bytes=65530-140000")]);
    let response = web.answer(&part).await;
    assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
    let said = format!("bytes 65530-140000/{LONG}");
    assert_eq!(header(&response, CONTENT_RANGE), Some(said.as_str()));
    assert_eq!(header(&response, CONTENT_LENGTH), Some("74471"));
    assert_eq!(body(response).await, content[65530..=140_000]);
    let beyond = request(Method::GET, "/long", &[(RANGE, "bytes=999999-")]);
    let response = web.answer(&beyond).await;
    assert_eq!(response.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    let said = format!("bytes */{LONG}");
    assert_eq!(header(&response, CONTENT_RANGE), Some(said.as_str()));
}

#[tokio::test]
async fn head_says_what_get_would() {
    let place = everything();
    let web = web(&place);
    for path in ["/long", "/vnc.html", "/", "/app", "/nothing"] {
        let got = get(&web, path).await;
        let head = web.answer(&request(Method::HEAD, path, &[])).await;
        assert_eq!(head.status(), got.status(), "{path}");
        assert_eq!(head.headers(), got.headers(), "{path}");
        assert_eq!(body(head).await, b"", "{path}");
    }
}

#[tokio::test]
async fn a_file_that_is_known_is_not_sent_until_it_changes() {
    let place = everything();
    let web = web(&place);
    let etag = {
        let response = get(&web, "/vnc.html").await;
        header(&response, ETAG).unwrap().to_owned()
    };
    let again = request(Method::GET, "/vnc.html", &[(IF_NONE_MATCH, &etag)]);
    let response = web.answer(&again).await;
    assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(header(&response, ETAG), Some(etag.as_str()));
    assert_eq!(body(response).await, b"");
    fs::write(place.path().join("web/vnc.html"), "another page").unwrap();
    assert_eq!(body(web.answer(&again).await).await, b"another page");
}

#[tokio::test]
async fn browsers_are_told_the_type_and_to_believe_it() {
    let place = everything();
    let web = web(&place);
    for (name, expected) in [
        ("a.html", "text/html"),
        ("a.htm", "text/html"),
        ("a.js", "text/javascript"),
        ("a.MJS", "application/javascript"),
        ("a.css", "text/css"),
        ("a.json", "application/json"),
        ("a.wasm", "application/wasm"),
        ("a.svg", "image/svg+xml"),
        ("a.png", "image/png"),
        ("a.ico", "image/x-icon"),
        ("a.woff", "application/font-woff"),
        ("a.woff2", "font/woff2"),
        ("a.ttf", "font/ttf"),
        ("a.oga", "audio/ogg"),
        ("a.mp3", "audio/mpeg"),
        ("a.txt", "text/plain"),
        ("a.tar.gz", "application/gzip"),
        ("a.properties", "application/octet-stream"),
        ("a", "application/octet-stream"),
    ] {
        fs::write(place.path().join("web").join(name), "").unwrap();
        let response = get(&web, &format!("/{name}")).await;
        assert_eq!(header(&response, CONTENT_TYPE), Some(expected), "{name}");
        assert_eq!(header(&response, X_CONTENT_TYPE_OPTIONS), Some("nosniff"));
    }
}

#[tokio::test]
async fn other_methods_are_not_implemented() {
    let place = everything();
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let response = web(&place).answer(&request(method, "/vnc.html", &[])).await;
        assert_eq!(response.status(), StatusCode::NOT_IMPLEMENTED);
    }
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let error = Web::new(Path::new("/nothing/here"), true).unwrap_err();
    assert!(error.to_string().contains("/nothing/here"), "{error}");
}
