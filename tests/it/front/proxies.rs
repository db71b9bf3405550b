//! What trusted proxies tell in headers, and what anybody else does.

use std::os::unix::net::UnixListener;

use deskway::app::entrances::{Entrance, Speaks};
use deskway::config::Config;
use deskway::launcher::protocol::FromLauncher;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpStream, UnixStream};

use super::browser::Response;
use super::{Browser, House, entrance};
use crate::support::soon;

const FORM: &str = "Content-Type: application/x-www-form-urlencoded";
const ALICE: &str = "name=alice&password=wonderland";
const NAMES: [&str; 1] = ["desk.example.org"];
const SOCKET: &str = "/d/alice/websockify";

fn trusting(proxies: &[&str]) -> impl FnOnce(&mut Config) {
    let proxies = proxies.iter().map(|it| it.parse().unwrap()).collect();
    move |config| {
        config.server.trusted_proxies = proxies;
        config.server.hosts = NAMES.map(str::to_owned).to_vec();
    }
}

async fn house() -> House {
    House::with(trusting(&["127.0.0.1"]), None).await
}

/// Signs in as a browser at `origin` does when a proxy adds `headers`.
async fn sign_in(browser: &Browser, origin: &str, headers: &[&str]) -> Response {
    let origin = format!("Origin: {origin}");
    let all = [&[origin.as_str(), FORM][..], headers].concat();
    browser.ask("POST", "/sign-in", &all, ALICE).await
}

#[tokio::test]
async fn behind_a_trusted_proxy_address_scheme_and_host_are_the_browser_s() {
    let mut house = house().await;
    let mut browser = house.browser();
    browser.host = "upstream".to_owned();
    let own = "https://desk.example.org";
    let told: [&[&str]; 2] = [
        &[
            "X-Forwarded-For: 1.1.1.1, 203.0.113.9",
            "X-Forwarded-Proto: https",
            "X-Forwarded-Host: desk.example.org",
        ],
        &["Forwarded: for=1.1.1.1, for=203.0.113.9;proto=https;host=\"desk.example.org:443\""],
    ];
    for headers in told {
        let answer = sign_in(&browser, own, headers).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        assert_eq!(house.world.peers(), ["203.0.113.9"]);
        let cookie = answer.header("set-cookie").unwrap();
        assert!(cookie.starts_with("__Host-deskway="), "{cookie}");
        assert!(cookie.contains("; Secure"), "{cookie}");
        assert!(answer.header("strict-transport-security").is_some());

        browser.keep_cookie(&answer);
        let page = browser.ask("GET", "/d/alice/", headers, "").await;
        assert_eq!(page.status, 200);
        let origin = format!("Origin: {own}");
        let with_origin = [&[origin.as_str()][..], headers].concat();
        let (head, mut socket) = browser.try_websocket(SOCKET, &with_origin).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let (_, mut screen) = house.screens.next().await;
        let hands = async { tokio::join!(screen.shake_hands(), socket.shake_hands(1)) };
        assert!(soon(hands).await.1.is_ok());

        for foreign in [
            "http://desk.example.org",
            "https://upstream",
            "https://evil.example",
        ] {
            let answer = sign_in(&browser, foreign, headers).await;
            assert_eq!(answer.status, 403, "{foreign}");
        }
    }
}

#[tokio::test]
async fn what_anybody_else_tells_is_not_heard() {
    let house = House::with(trusting(&["192.0.2.1", "unix"]), None).await;
    let mut browser = house.browser();
    let own = format!("http://{}", browser.host);
    let told = [
        "X-Forwarded-For: 203.0.113.9",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: desk.example.org",
        "Forwarded: for=203.0.113.9;proto=https;host=desk.example.org",
    ];
    let answer = sign_in(&browser, &own, &told).await;
    assert_eq!(answer.status, 303);
    assert_eq!(house.world.peers(), ["0.0.0.0"], "slowed down, as one");
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.starts_with("deskway_local="), "{cookie}");
    assert!(answer.header("strict-transport-security").is_none());
    let forged = sign_in(&browser, "https://desk.example.org", &told).await;
    assert_eq!(forged.status, 403);
    browser.host = "upstream".to_owned();
    assert_eq!(browser.ask("GET", "/healthz", &told, "").await.status, 421);
}

#[tokio::test]
async fn a_proxy_that_nobody_trusts_is_no_way_around_the_throttle() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("proxy.sock");
    let unix = Entrance {
        socket: UnixListener::bind(&path).unwrap().into(),
        speaks: Speaks::Http,
        proxy_protocol: false,
    };
    let doors = vec![entrance(Speaks::Http), unix];
    let house = House::at(doors, trusting(&[]), None).await;
    let browser = house.browser();
    let headers = [&browser.origin_header(), FORM];
    for told in [
        "X-Forwarded-For: 203.0.113.9",
        "X-Forwarded-Proto: http",
        "Forwarded: for=203.0.113.9",
        "X-Real-IP: 203.0.113.9",
    ] {
        let headers = [&headers[..], &[told]].concat();
        let answer = browser.ask("POST", "/sign-in", &headers, ALICE).await;
        assert_eq!(answer.status, 303, "{told}");
        let stream = UnixStream::connect(&path).await.unwrap();
        let answer = browser
            .ask_over(stream, "POST", "/sign-in", &headers, ALICE)
            .await;
        assert_eq!(answer.status, 303, "{told}");
        assert_eq!(house.world.peers(), ["0.0.0.0", "0.0.0.0"], "{told}");
    }
    let answer = browser.ask("POST", "/sign-in", &headers, ALICE).await;
    assert_eq!(answer.status, 303);
    assert_eq!(house.world.peers(), ["127.0.0.1"], "nobody between");
}

#[tokio::test]
async fn a_host_that_a_proxy_tells_must_be_one_of_ours() {
    let house = house().await;
    let browser = house.browser();
    for host in ["evil.example", "desk.example.org.evil.example"] {
        for header in ["X-Forwarded-Host: ", "Forwarded: for=1.1.1.1;host="] {
            let told = format!("{header}{host}");
            let answer = browser.ask("GET", "/sign-in", &[&told], "").await;
            assert_eq!(answer.status, 421, "{told}");
        }
    }
}

#[tokio::test]
async fn what_a_proxy_tells_wrongly_is_passed_over() {
    let house = house().await;
    let browser = house.browser();
    let own = format!("http://{}", browser.host);
    for told in [
        "X-Forwarded-For: nobody",
        "X-Forwarded-For: 203.0.113.9, unknown",
        "X-Forwarded-Proto: gopher",
        "X-Forwarded-Host: a b/c",
        "Forwarded: for=\"",
        "Forwarded: for=_hidden",
        "Forwarded: ;;,=,\\\"",
        "X-Real-IP: 203.0.113.9",
    ] {
        let answer = sign_in(&browser, &own, &[told]).await;
        assert_eq!(answer.status, 303, "{told}");
        assert_eq!(house.world.peers(), ["0.0.0.0"], "{told}");
    }
}

#[tokio::test]
async fn each_request_on_a_proxy_s_connection_is_of_whom_it_says() {
    let house = house().await;
    let mut browser = house.browser();
    let mut stream = TcpStream::connect(browser.address).await.unwrap();
    let own = browser.origin_header();
    for told in [
        "X-Forwarded-For: 203.0.113.1",
        "X-Forwarded-For: 203.0.113.2",
        "X-Nothing: x",
    ] {
        let head = browser.head("POST", "/sign-in", &[&own, FORM, told], ALICE.len());
        let head = head.replace("Connection: close", "Connection: keep-alive");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(ALICE.as_bytes()).await.unwrap();
        let answer = one_answer(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");
        assert!(answer.contains("deskway_local"), "{answer}");
    }
    assert_eq!(
        house.world.peers(),
        ["203.0.113.1", "203.0.113.2", "127.0.0.1"]
    );
    // Nor is the scheme remembered.
    browser.host = "desk.example.org".to_owned();
    let secure = ["X-Forwarded-Proto: https", "Connection: keep-alive"];
    let mut stream = TcpStream::connect(browser.address).await.unwrap();
    for (told, expected) in [(&secure[..], true), (&secure[1..], false)] {
        let head = browser.head("GET", "/sign-in", told, 0);
        let head = head.replace("Connection: close\r\n", "");
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = one_answer(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert_eq!(answer.contains("strict-transport-security"), expected);
    }
}

/// The head of an answer, whose body is read and dropped.
async fn one_answer(stream: &mut TcpStream) -> String {
    use tokio::io::AsyncReadExt as _;
    soon(async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.unwrap().parse().unwrap()];
        stream.read_exact(&mut body).await.unwrap();
        head.replacen("http/1.1", "HTTP/1.1", 1)
    })
    .await
}

#[tokio::test]
async fn a_browser_behind_a_proxy_has_as_many_places_as_any_and_takes_none_of_others() {
    let change = trusting(&["127.0.0.1"]);
    let limited = |config: &mut Config| {
        change(config);
        config.server.max_connections_per_address = 2;
    };
    let mut house = House::with(limited, None).await;
    let alice = house.alice().await;
    let own = alice.origin_header();
    let (here, there) = (
        "X-Forwarded-For: 203.0.113.1",
        "X-Forwarded-For: 203.0.113.2",
    );
    let (head, first) = alice.try_websocket(SOCKET, &[&own, here]).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let first_screen = house.screens.next().await;
    // A stream of events is a place too, for as long as it lasts.
    let mut events = TcpStream::connect(alice.address).await.unwrap();
    let head = alice.head("GET", "/api/v1/events", &[here], 0);
    events.write_all(head.as_bytes()).await.unwrap();
    events.readable().await.unwrap();

    let (head, _) = alice.try_websocket(SOCKET, &[&own, here]).await;
    assert!(head.starts_with("HTTP/1.1 429 "), "{head}");
    assert_eq!(alice.ask("GET", "/healthz", &[here], "").await.status, 429);
    let (head, _other) = alice.try_websocket(SOCKET, &[&own, there]).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert_eq!(alice.get("/healthz").await.status, 200);

    drop((first, first_screen));
    soon(async { while alice.ask("GET", "/healthz", &[here], "").await.status != 200 {} }).await;
}

#[tokio::test]
async fn other_proxies_are_trusted_as_soon_as_the_configuration_says_so() {
    let house = House::open().await;
    let browser = house.browser();
    let told = [
        "X-Forwarded-Host: desk.example.org",
        "X-Forwarded-Proto: https",
    ];
    let secure = async || {
        let answer = browser.ask("GET", "/healthz", &told, "").await;
        answer.header("strict-transport-security").is_some()
    };
    assert!(!secure().await);
    let say = async |text: &str| {
        let text = text.to_owned();
        house.launcher().say(FromLauncher::Config { text }).await;
    };
    let trusting = "[server]\nhosts = [\"desk.example.org\"]\ntrusted_proxies = [\"127.0.0.0/8\"]";
    say(trusting).await;
    soon(async { while !secure().await {} }).await;
    say("").await;
    soon(async { while secure().await {} }).await;
}

#[tokio::test]
async fn over_plain_http_beyond_this_machine_people_can_sign_in() {
    let house = House::with(trusting(&[]), None).await;
    let mut browser = house.browser();
    browser.host = "desk.example.org".to_owned();
    let answer = browser.sign_in("alice", "wonderland").await;
    assert_eq!(answer.status, 303, "{answer:?}");
    let cookie = answer.header("set-cookie").unwrap();
    assert!(
        !cookie.contains("Secure"),
        "browsers would drop it: {cookie}"
    );
    assert_eq!(browser.get("/d/alice/").await.status, 200);
    let _socket = browser.websocket(SOCKET).await;
}
