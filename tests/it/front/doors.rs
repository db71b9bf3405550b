//! Ways in that redirect, that are unix sockets, and several at once.

use std::os::unix::net::UnixListener;

use deskway::app::entrances::{Entrance, Speaks};
use deskway::config::Config;
use deskway::listen::{Certificates, Challenges, self_signed};
use deskway::model::{Challenge, ChallengeKind};
use tokio::net::UnixStream;

use super::browser::Response;
use super::{Browser, House, entrance};

fn certificates() -> (Certificates, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let own = self_signed(&dir.path().join("own.pem"), &["localhost".to_owned()]).unwrap();
    (Certificates::new(Some(&own)), dir)
}

fn below_desk(config: &mut Config) {
    config.server.base_path = "/desk".to_owned();
    config.server.hosts = vec!["desk.example.org".to_owned()];
}

/// Asks at another way in than the first.
async fn ask(at: &Entrance, host: &str, path: &str, headers: &[&str]) -> Response {
    let mut browser = Browser::new(at.address().unwrap().unwrap());
    browser.host = host.to_owned();
    browser.ask("GET", path, headers, "").await
}

#[tokio::test]
async fn a_redirect_leads_to_the_same_page_by_https_and_to_no_other_host() {
    let (secure, redirect) = (entrance(Speaks::Https), entrance(Speaks::Redirect));
    let at = redirect.try_clone().unwrap();
    let (certificates, _dir) = certificates();
    let house = House::at(vec![secure, redirect], below_desk, Some(certificates)).await;
    let port = house.address.port();
    for path in [
        "/desk/d/alice/?resize=remote&x=%2F",
        "/desk",
        "/",
        "/desk//evil.example",
    ] {
        let answer = ask(&at, "desk.example.org:80", path, &[]).await;
        let expected = format!("https://desk.example.org:{port}{path}");
        assert_eq!((answer.status, answer.location()), (308, expected.as_str()));
        assert!(answer.header("content-security-policy").is_some());
        assert!(answer.header("strict-transport-security").is_none());
    }
    for host in [
        "evil.example",
        "desk.example.org@evil.example",
        "desk.example.org.evil.example",
    ] {
        let answer = ask(&at, host, "/desk/", &[]).await;
        assert_eq!((answer.status, answer.location()), (421, ""), "{host}");
    }
    // Nobody is trusted: what is told changes nothing.
    let told = ["X-Forwarded-Proto: https", "X-Forwarded-Host: evil.example"];
    let answer = ask(&at, "localhost", "/desk/", &told).await;
    let expected = format!("https://localhost:{port}/desk/");
    assert_eq!((answer.status, answer.location()), (308, expected.as_str()));
}

#[tokio::test]
async fn an_authority_s_challenge_is_answered_at_every_door_below_no_path_and_for_any_name() {
    let doors = [Speaks::Http, Speaks::Redirect, Speaks::Https].map(entrance);
    let [plain, redirect, _] = doors.each_ref().map(|it| it.try_clone().unwrap());
    let (certificates, _dir) = certificates();
    let challenge = Challenge {
        kind: ChallengeKind::Http01,
        domain: "new.example.org".to_owned(),
        token: "token".to_owned(),
        authorization: "token.print".to_owned(),
    };
    certificates.set_challenges(Challenges::new(&[challenge]).unwrap());
    let _house = House::at(doors.into(), below_desk, Some(certificates.clone())).await;
    for at in [&plain, &redirect] {
        let path = "/.well-known/acme-challenge/token";
        let answer = ask(at, "new.example.org", path, &[]).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "token.print"));
        let answer = ask(at, "new.example.org", &format!("{path}s"), &[]).await;
        assert_eq!(answer.status, 421);
    }
    certificates.set_challenges(Challenges::default());
    let answer = ask(
        &plain,
        "localhost",
        "/.well-known/acme-challenge/token",
        &[],
    )
    .await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn behind_a_proxy_that_speaks_https_nothing_is_redirected_in_a_circle() {
    let (secure, redirect) = (entrance(Speaks::Https), entrance(Speaks::Redirect));
    let doors = [&secure, &redirect].map(|it| it.try_clone().unwrap());
    let (certificates, _dir) = certificates();
    let trusting = |config: &mut Config| {
        below_desk(config);
        config.server.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    };
    let _house = House::at(vec![secure, redirect], trusting, Some(certificates)).await;
    for at in &doors {
        let told = ["X-Forwarded-Proto: https", "X-Forwarded-For: 203.0.113.9"];
        let answer = ask(at, "desk.example.org", "/desk/sign-in", &told).await;
        assert_eq!(answer.status, 200);
        let told = [
            "X-Forwarded-Proto: http",
            "X-Forwarded-Host: desk.example.org",
        ];
        let answer = ask(at, "upstream", "/desk/?x=1", &told).await;
        let expected = "https://desk.example.org/desk/?x=1";
        assert_eq!((answer.status, answer.location()), (308, expected));
    }
}

#[tokio::test]
async fn by_a_unix_socket_the_proxy_s_word_counts_where_unix_is_trusted() {
    for (trusted, peer, host, status) in [
        (true, "203.0.113.9", "desk.example.org", 303),
        (false, "127.0.0.1", "localhost", 403),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("http.sock");
        let unix = Entrance {
            socket: UnixListener::bind(&path).unwrap().into(),
            speaks: Speaks::Http,
            proxy_protocol: false,
        };
        let change = |config: &mut Config| {
            config.server.hosts = vec!["desk.example.org".to_owned()];
            if trusted {
                config.server.trusted_proxies = vec!["unix".parse().unwrap()];
            }
        };
        let house = House::at(vec![entrance(Speaks::Http), unix], change, None).await;
        let mut browser = house.browser();
        browser.host = host.to_owned();
        let form = "Content-Type: application/x-www-form-urlencoded";
        let told = [
            "Origin: https://desk.example.org",
            form,
            "X-Forwarded-For: 203.0.113.9",
            "X-Forwarded-Proto: https",
        ];
        let stream = UnixStream::connect(&path).await.unwrap();
        let body = "name=alice&password=wonderland";
        let answer = browser
            .ask_over(stream, "POST", "/sign-in", &told, body)
            .await;
        assert_eq!(answer.status, status, "{answer:?}");
        if trusted {
            assert_eq!(house.world.peers(), [peer]);
        }
        assert_eq!(house.browser().get("/healthz").await.status, 200);
    }
}
