//! Who may do what: each URL without a cookie, one person at another's desktop, other pages.

use deskway::route::{Guest, table};

use super::House;

/// A table path as alice's browser would ask for it.
fn example(path: &str) -> String {
    path.replace("{user}", "alice")
        .replace("{name}", "work")
        .replace("{account}", "alice")
        .replace("{*path}", "none.js")
}

#[tokio::test]
async fn without_a_cookie_every_url_answers_as_the_table_says() {
    let house = House::open().await;
    let mut guest = house.browser();
    for cookie in [
        None,
        Some("deskway_local=AAAA"),
        Some(&*format!("deskway_local={}", "A".repeat(43))),
    ] {
        guest.cookie = cookie.map(str::to_owned);
        for row in table() {
            let path = example(row.path);
            let got = guest.get(&path).await;
            let posted = guest.post_json(&path, "{}").await;
            for answer in [&got, &posted] {
                let status = answer.status;
                match row.guest {
                    Guest::Welcome => assert_ne!(status, 401, "{path}"),
                    Guest::SignIn => assert!(matches!(status, 303 | 405), "{path}: {answer:?}"),
                    // The test is on this machine.
                    Guest::Watcher => assert!(matches!(status, 200 | 405), "{path}: {answer:?}"),
                    Guest::Nothing => assert!(matches!(status, 404 | 405), "{path}: {answer:?}"),
                    Guest::Refused => assert!(matches!(status, 401 | 405), "{path}: {answer:?}"),
                }
            }
            if row.guest == Guest::SignIn {
                assert!(got.location().starts_with("/sign-in"), "{path}: {got:?}");
            }
            if row.guest != Guest::Welcome {
                assert!(got.status != 405 || posted.status != 405, "{path}");
            }
        }
    }
    assert_eq!(house.world.asked("Desktops"), 0);
}

#[tokio::test]
async fn another_persons_desktop_is_as_one_that_does_not_exist() {
    let mut house = House::open().await;
    let people = [("alice", house.alice().await), ("bob", house.bob().await)];
    for (name, browser) in &people {
        for owner in ["alice", "bob", "nobody"] {
            if owner == *name {
                continue;
            }
            let pages = [
                format!("/d/{owner}"),
                format!("/d/{owner}/"),
                format!("/d/{owner}/work/"),
                format!("/novnc/{owner}/vnc.html"),
                format!("/novnc/{owner}/work/vnc_lite.html"),
            ];
            for page in pages {
                let answer = browser.get(&page).await;
                assert_eq!(answer.status, 404, "{name} at {page}");
                assert!(answer.body.contains("There is nothing here."), "{answer:?}");
            }
            for act in ["start", "stop", "restart"] {
                let path = format!("/api/v1/desktops/{owner}/main/{act}");
                let answer = browser.post_json(&path, "{}").await;
                assert_eq!(answer.status, 404, "{name} at {path}");
                assert_eq!(answer.json()["error"]["code"], "not_found");
            }
            for socket in [
                "/d/{}/websockify",
                "/d/{}/work/websockify",
                "/novnc/{}/websockify",
            ] {
                let path = socket.replace("{}", owner);
                let (head, _) = browser
                    .try_websocket(&path, &[&browser.origin_header()])
                    .await;
                assert!(
                    head.starts_with("HTTP/1.1 404 "),
                    "{name} at {path}: {head}"
                );
            }
        }
        let listed = browser.get("/api/v1/desktops").await.json();
        for desktop in listed["desktops"].as_array().unwrap() {
            assert_eq!(desktop["owner"], *name);
        }
    }
    assert_eq!(house.world.asked("Start") + house.world.asked("Open"), 0);
    assert!(house.screens.is_untouched());
}

#[tokio::test]
async fn an_attached_desktop_is_there_for_those_for_whom_it_is_listed() {
    let mut house = House::open().await;
    house.world.attach("lab/screen", "alice");
    let (alice, bob) = (house.alice().await, house.bob().await);
    assert_eq!(alice.get("/d/lab/screen/").await.status, 200);
    assert_eq!(bob.get("/d/lab/screen/").await.status, 404);
    let _socket = alice.websocket("/d/lab/screen/websockify").await;
    assert_eq!(house.screens.next().await.0.to_string(), "lab/screen");
    let refused = alice
        .post_json("/api/v1/desktops/lab/screen/start", "")
        .await;
    assert_eq!(refused.status, 400, "{refused:?}");
}

#[tokio::test]
async fn only_our_own_pages_may_change_anything() {
    let house = House::open().await;
    let alice = house.alice().await;
    let own = alice.origin_header();
    let port = alice.address.port();
    let foreign = [
        "Origin: null".to_owned(),
        "Origin: http://evil.example".to_owned(),
        format!("Origin: https://127.0.0.1:{port}"),
        "Origin: http://127.0.0.1:1".to_owned(),
        format!("Origin: http://127.0.0.1:{port}.evil.example"),
        format!("Origin: http://localhost:{port}"),
        "Sec-Fetch-Site: cross-site".to_owned(),
        "Sec-Fetch-Site: same-site".to_owned(),
        "X-Nothing: at all".to_owned(),
        format!("{own}\r\n{own}"),
    ];
    let writes = ["/api/v1/desktops/alice/main/stop", "/sign-out", "/sign-in"];
    for header in &foreign {
        for path in writes {
            let answer = alice.ask("POST", path, &[header], "").await;
            assert_eq!(answer.status, 403, "{header} at {path}");
        }
        let (head, _) = alice.try_websocket("/d/alice/websockify", &[header]).await;
        assert!(head.starts_with("HTTP/1.1 403 "), "{header}: {head}");
    }
    let vouched = "Sec-Fetch-Site: same-origin";
    let (head, _) = alice.try_websocket("/d/alice/websockify", &[vouched]).await;
    assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    assert_eq!(house.world.asked("Stop") + house.world.asked("Open"), 0);

    let answer = alice.ask("POST", writes[0], &[vouched], "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn a_name_that_is_not_ours_is_misdirected() {
    let house = House::with(
        |config| config.server.hosts = vec!["desk.example.org".to_owned()],
        None,
    )
    .await;
    let mut browser = house.browser();
    for host in [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:80",
        "",
    ] {
        browser.host = host.to_owned();
        for path in ["/", "/healthz", "/assets/portal-1a.js", "/nothing"] {
            assert_eq!(browser.get(path).await.status, 421, "{host} at {path}");
        }
    }
    for host in [
        "desk.example.org",
        "localhost:6080",
        "[::1]:6080",
        "10.0.0.7",
    ] {
        browser.host = host.to_owned();
        assert_eq!(browser.get("/healthz").await.status, 200, "{host}");
    }
}

#[tokio::test]
async fn nothing_changes_by_get_and_unknown_methods_are_refused() {
    let house = House::open().await;
    let alice = house.alice().await;
    for row in table() {
        let answer = alice
            .ask("DELETE", &example(row.path), &[&alice.origin_header()], "")
            .await;
        assert_eq!(answer.status, 405, "{}", row.path);
    }
    for path in [
        "/sign-out",
        "/api/v1/sign-out",
        "/api/v1/desktops/alice/main/stop",
    ] {
        assert_eq!(alice.get(path).await.status, 405, "{path}");
    }
}
