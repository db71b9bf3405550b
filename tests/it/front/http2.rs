//! HTTP/2, where it differs from HTTP/1.1 for the front: names, cookies, bodies, many at once.

use bytes::Bytes;
use deskway::app::entrances::{Entrance, Speaks};
use deskway::config::Config;
use deskway::listen::{Certificates, self_signed};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::tls::{connect_for, house, house_with, secured_for};
use super::{Browser, House, entrance};
use crate::support::soon;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const ALICE: &str = "name=alice&password=wonderland";

/// One connection of a browser.
struct Visitor {
    sender: SendRequest<Full<Bytes>>,
    browser: Browser,
}

impl Visitor {
    async fn new(house: &House, fingerprint: &str) -> Self {
        let stream = TcpStream::connect(house.address).await.unwrap();
        Self::over(stream, house, fingerprint).await
    }

    async fn over(stream: TcpStream, house: &House, fingerprint: &str) -> Self {
        let browser = house.browser();
        let stream = secured_for(stream, fingerprint, &[b"h2", b"http/1.1"]).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
        run(connection);
        Self { sender, browser }
    }

    fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.browser.host)
    }

    async fn ask(
        &mut self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> http::Response<Incoming> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        soon(self.sender.send_request(request)).await.unwrap()
    }

    /// `name=value` of the cookie.
    async fn sign_in(&mut self) -> String {
        let origin = self.url("");
        let url = self.url("/sign-in");
        let answer = self
            .ask("POST", &url, &[("origin", &origin), FORM], ALICE)
            .await;
        assert_eq!(answer.status(), 303);
        let cookie = answer.headers()["set-cookie"].to_str().unwrap();
        assert!(cookie.starts_with("__Host-"), "{cookie}");
        cookie.split(';').next().unwrap().to_owned()
    }
}

#[tokio::test]
async fn people_sign_in_and_hear_of_changes_on_one_connection() {
    let (house, fingerprint, _dir) = house().await;
    let mut alice = Visitor::new(&house, &fingerprint).await;
    let cookie = alice.sign_in().await;
    let url = alice.url("/api/v1/events");
    let events = alice.ask("GET", &url, &[("cookie", &cookie)], "").await;
    let mut events = events.into_body();
    let first = soon(events.frame()).await.unwrap().unwrap();
    let first = first.into_data().unwrap();
    assert!(first.starts_with(b"event: desktops"), "{first:?}");
    // Browsers split cookies into several lines.
    let split = [("cookie", "theme=dark"), ("cookie", cookie.as_str())];
    let url = alice.url("/api/v1/me");
    let me = alice.ask("GET", &url, &split, "").await;
    assert_eq!(me.status(), 200);
    let me = me.into_body().collect().await.unwrap().to_bytes();
    assert!(me.starts_with(br#"{"name":"alice""#), "{me:?}");
}

#[tokio::test]
async fn foreign_names_and_pages_are_refused_and_bodies_are_bounded() {
    let (house, fingerprint, _dir) = house().await;
    let mut visitor = Visitor::new(&house, &fingerprint).await;
    let sign_in = visitor.url("/sign-in");
    let foreign = visitor
        .ask("GET", "https://evil.example/sign-in", &[], "")
        .await;
    assert_eq!(foreign.status(), StatusCode::MISDIRECTED_REQUEST);
    let two_names = visitor
        .ask("GET", &sign_in, &[("host", "evil.example")], "")
        .await;
    assert_eq!(two_names.status(), StatusCode::MISDIRECTED_REQUEST);
    let evil = [("origin", "https://evil.example"), FORM];
    let answer = visitor.ask("POST", &sign_in, &evil, ALICE).await;
    assert_eq!(answer.status(), 403);
    let origin = visitor.url("");
    let own = [("origin", origin.as_str()), FORM];
    let answer = visitor
        .ask("POST", &sign_in, &own, vec![b'x'; 100_000])
        .await;
    assert_eq!(answer.status(), 413);
    let page = visitor.ask("GET", &sign_in, &[], "").await;
    assert_eq!(page.status(), 200, "the connection goes on");
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_request_on_one_connection_is_its_own_browser_s() {
    let change = |config: &mut Config| {
        config.server.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
        config.server.max_connections_per_address = 1;
    };
    let (house, fingerprint, _dir) = house_with(change).await;
    let mut proxy = Visitor::new(&house, &fingerprint).await;
    let (origin, url) = (proxy.url(""), proxy.url("/sign-in"));
    let (here, there) = (
        ("x-forwarded-for", "203.0.113.1"),
        ("x-forwarded-for", "203.0.113.2"),
    );
    let headers = [("origin", origin.as_str()), FORM, here];
    let answer = proxy.ask("POST", &url, &headers, ALICE).await;
    assert_eq!(answer.status(), 303);
    assert_eq!(house.world.peers(), ["203.0.113.1"]);
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    drop(answer);

    let url = proxy.url("/api/v1/events");
    let events = [("cookie", cookie.as_str()), here];
    let events = proxy.ask("GET", &url, &events, "").await;
    assert_eq!(events.status(), 200);
    let url = proxy.url("/healthz");
    assert_eq!(proxy.ask("GET", &url, &[here], "").await.status(), 429);
    assert_eq!(proxy.ask("GET", &url, &[there], "").await.status(), 200);
    drop(events);
    let free = async { while proxy.ask("GET", &url, &[here], "").await.status() != 200 {} };
    soon(free).await;
}

#[tokio::test]
async fn whom_the_proxy_protocol_introduces_is_no_proxy_and_has_a_place_for_each_request() {
    let dir = tempfile::tempdir().unwrap();
    let own = self_signed(&dir.path().join("own.pem"), &["localhost".to_owned()]).unwrap();
    let door = Entrance {
        proxy_protocol: true,
        ..entrance(Speaks::Https)
    };
    let change = |config: &mut Config| {
        config.server.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
        config.server.max_connections_per_address = 2;
    };
    let certificates = Certificates::new(Some(&own));
    let house = House::at(vec![door], change, Some(certificates)).await;
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    let line = b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\n";
    stream.write_all(line).await.unwrap();
    let mut visitor = Visitor::over(stream, &house, &own.fingerprint).await;

    let (origin, url) = (visitor.url(""), visitor.url("/sign-in"));
    let forged = [
        ("x-forwarded-for", "127.0.0.1"),
        ("forwarded", "for=127.0.0.1"),
    ];
    let headers = [&[("origin", origin.as_str()), FORM][..], &forged].concat();
    let answer = visitor.ask("POST", &url, &headers, ALICE).await;
    assert_eq!(answer.status(), 303);
    assert_eq!(house.world.peers(), ["203.0.113.9"]);
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    drop(answer);

    let url = visitor.url("/api/v1/events");
    let headers = [&[("cookie", cookie.as_str())][..], &forged].concat();
    // The connection's own place, and one beside it.
    let first = visitor.ask("GET", &url, &headers, "").await;
    let second = visitor.ask("GET", &url, &headers, "").await;
    assert_eq!(
        (first.status().as_u16(), second.status().as_u16()),
        (200, 200)
    );
    let third = visitor.ask("GET", &url, &headers, "").await;
    assert_eq!(third.status(), 429);
    drop((first, third));
    let free = async { while visitor.ask("GET", &url, &headers, "").await.status() != 200 {} };
    soon(free).await;
}

#[tokio::test]
async fn who_was_let_in_before_the_stop_is_answered() {
    let (mut house, fingerprint, _dir) = house().await;
    let mut visitor = Visitor::new(&house, &fingerprint).await;
    let mut silent = Visitor::new(&house, &fingerprint).await;
    let mut probe = Visitor::new(&house, &fingerprint).await;
    house.close_front();
    let url = probe.url("/readyz");
    assert_eq!(probe.ask("GET", &url, &[], "").await.status(), 503);
    let url = visitor.url("/healthz");
    assert_eq!(visitor.ask("GET", &url, &[], "").await.status(), 200);
    soon(house.stop_front()).await;
    let request = Request::get(url).body(Full::default()).unwrap();
    assert!(soon(silent.sender.send_request(request)).await.is_err());
}

#[tokio::test]
async fn streams_are_bounded_and_a_flood_of_resets_ends_the_connection() {
    let (house, fingerprint, _dir) = house().await;
    let browser = house.browser();
    let mut stream = connect_for(&browser, &fingerprint, &[b"h2"]).await;
    let mut flood = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    flood.extend(frame(SETTINGS, 0, 0, &[]));
    for number in 0..200 {
        let id = number * 2 + 1;
        // :method GET, :scheme https, :path / (RFC 7541, appendix A)
        flood.extend(frame(HEADERS, 5, id, &[0x82, 0x87, 0x84]));
        flood.extend(frame(RST_STREAM, 0, id, &[0, 0, 0, 8]));
    }
    stream.write_all(&flood).await.unwrap();
    let mut answer = Vec::new();
    // The connection may also be reset, after the last words.
    drop(soon(stream.read_to_end(&mut answer)).await);
    let frames = frames(&answer);
    let settings = &frames.iter().find(|(kind, _)| *kind == SETTINGS).unwrap().1;
    let of = |id: u8| settings.chunks(6).find(|it| it[..2] == [0, id]);
    assert_eq!(of(3).unwrap()[2..], [0, 0, 0, 64], "streams at once");
    assert!(of(8).is_none(), "no WebSockets (RFC 8441)");
    let (_, goodbye) = frames.iter().find(|(kind, _)| *kind == GOAWAY).unwrap();
    assert_eq!(goodbye[4..8], [0, 0, 0, 11], "ENHANCE_YOUR_CALM");

    let mut other = Visitor::new(&house, &fingerprint).await;
    let url = other.url("/healthz");
    assert_eq!(other.ask("GET", &url, &[], "").await.status(), 200);
}

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

#[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
fn run<E: Send + 'static>(work: impl Future<Output = Result<(), E>> + Send + 'static) {
    tokio::spawn(work);
}

/// RFC 9113 §4.1.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Kind and payload of each whole frame.
fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut found = Vec::new();
    while let [a, b, c, kind, _, _, _, _, _, rest @ ..] = bytes {
        let length = usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).unwrap();
        let Some((payload, after)) = rest.split_at_checked(length) else {
            break;
        };
        found.push((*kind, payload.to_vec()));
        bytes = after;
    }
    found
}
