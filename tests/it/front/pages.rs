//! Pages, their headers, their files, and the base path.

use super::House;
use crate::support::soon;

const FORBIDDEN: [(&str, &str); 10] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; ",
    ),
    ("x-frame-options", "DENY"),
    ("cross-origin-embedder-policy", "require-corp"),
    ("origin-agent-cluster", "?1"),
    ("x-permitted-cross-domain-policies", "none"),
    ("permissions-policy", "clipboard-read=(self), "),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

#[tokio::test]
async fn every_answer_carries_the_headers() {
    let house = House::open().await;
    let alice = house.alice().await;
    let guest = house.browser();
    let mut answers = vec![guest.ask("POST", "/sign-in", &[], "").await];
    for path in [
        "/",
        "/sign-in",
        "/set-up",
        "/nothing",
        "/api/v1/me",
        "/brand/none.css",
        "/healthz",
    ] {
        answers.push(alice.get(path).await);
        answers.push(guest.get(path).await);
    }
    for path in [
        "/d/alice/",
        "/d/alice",
        "/d/bob/",
        "/assets/portal-1a.js",
        "/assets/none",
    ] {
        answers.push(alice.get(path).await);
    }
    answers.push(
        alice
            .ask("DELETE", "/", &[&alice.origin_header()], "")
            .await,
    );
    answers.push(guest.get("/d/alice/websockify").await);
    let mut misdirected = guest.clone();
    misdirected.host = "evil.example".to_owned();
    answers.push(misdirected.get("/").await);
    for answer in answers {
        for (name, value) in FORBIDDEN {
            let header = answer.header(name).unwrap_or_default();
            assert!(header.starts_with(value), "{name} of {answer:?}");
        }
        assert!(
            !answer
                .header("content-security-policy")
                .unwrap()
                .contains("unsafe")
        );
        assert!(answer.header("cache-control").is_some(), "{answer:?}");
        assert!(answer.header("strict-transport-security").is_none());
        assert!(
            !answer.body.contains("style=\""),
            "an inline style: {}",
            answer.body
        );
    }
}

#[tokio::test]
async fn a_page_says_where_its_files_are_and_who_is_there() {
    let house = House::open().await;
    let alice = house.alice().await;
    let page = alice.get("/d/alice/work/").await;
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert!(
        page.body
            .contains(r#"src="&#x2f;assets&#x2f;viewer-1a.js""#),
        "{}",
        page.body
    );
    let boot = page.body.split(r#"id="boot">"#).nth(1).unwrap();
    let boot: serde_json::Value =
        serde_json::from_str(boot.split("</script>").next().unwrap()).unwrap();
    assert_eq!(boot["base"], "");
    assert_eq!(boot["desktop"], "alice/work");
    assert_eq!(boot["account"]["name"], "alice");
    assert_eq!(boot["brand"]["name"], "Deskway");
}

#[tokio::test]
async fn files_are_kept_for_ever_and_travel_packed() {
    let house = House::open().await;
    let browser = house.browser();
    let path = "/assets/portal-1a.js";
    let plain = browser.get(path).await;
    assert_eq!(
        (plain.status, plain.body.as_str()),
        (200, "document.title = 'portal';")
    );
    let packed = browser
        .ask("GET", path, &["Accept-Encoding: gzip, br"], "")
        .await;
    assert_eq!(
        (packed.header("content-encoding"), packed.body.as_str()),
        (Some("br"), "packed")
    );
    assert_eq!(
        packed.header("content-type"),
        Some("text/javascript; charset=utf-8")
    );
    assert!(
        packed
            .header("cache-control")
            .unwrap()
            .contains("immutable")
    );
    let known = format!("If-None-Match: {}", plain.header("etag").unwrap());
    let again = browser.ask("GET", path, &[&known], "").await;
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    for path in [
        "/assets/../manifest.json",
        "/assets/%2e%2e/manifest.json",
        "/manifest.json",
    ] {
        assert_eq!(browser.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_file_that_an_upgrade_took_away_is_missed_for_no_longer_than_it_is_missing() {
    let house = House::open().await;
    for path in ["/assets/portal-0z.js", "/assets/", "/brand/0.png"] {
        let gone = house.browser().get(path).await;
        let kept = gone.header("cache-control");
        assert_eq!((gone.status, kept), (404, Some("no-store")), "{path}");
    }
}

#[tokio::test]
async fn a_page_and_the_api_tell_the_same_version() {
    let house = House::open().await;
    let alice = house.alice().await;
    let list = alice.get("/api/v1/desktops").await.json();
    let version = list["version"].as_str().unwrap();
    assert!(
        version.starts_with(concat!(env!("CARGO_PKG_VERSION"), "+")),
        "{version}"
    );
    let page = alice.get("/").await.body;
    assert!(
        page.contains(&format!(r#""version":"{version}""#)),
        "{page}"
    );
}

#[tokio::test]
async fn an_error_is_a_page_for_people_and_json_for_programs() {
    let house = House::open().await;
    let alice = house.alice().await;
    let page = alice
        .get("/nothing/%3Cscript%3Ealert(1)%3C/script%3E")
        .await;
    assert_eq!(page.status, 404);
    assert!(
        page.header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
    assert!(!page.body.contains("<script>alert"), "{}", page.body);
    let json = alice.get("/api/v1/nothing").await;
    assert_eq!(json.status, 404);
    assert_eq!(json.json()["error"]["code"], "not_found");
    assert_eq!(json.json()["error"]["message"], "There is nothing here.");
}

#[tokio::test]
async fn everything_works_below_a_base_path() {
    let mut house = House::with(|config| config.server.base_path = "/desk".to_owned(), None).await;
    let mut browser = house.browser();
    assert_eq!(
        browser.get("/").await.status,
        404,
        "nothing of ours is above it: /desk/desk/"
    );
    browser.base = "/desk".to_owned();
    assert_eq!(browser.get("").await.location(), "/desk/");
    assert_eq!(browser.get("/").await.location(), "/desk/sign-in");
    let turned_away = browser.get("/d/alice/").await;
    assert_eq!(
        turned_away.location(),
        "/desk/sign-in?next=%2Fdesk%2Fd%2Falice%2F"
    );
    let answer = browser
        .sign_in_to("alice", "wonderland", "/desk/d/alice/")
        .await;
    assert_eq!(answer.location(), "/desk/d/alice/");
    let page = browser.get("/").await;
    assert!(
        page.body
            .contains(r#"src="&#x2f;desk&#x2f;assets&#x2f;portal-1a.js""#),
        "{}",
        page.body
    );
    assert_eq!(browser.get("/assets/portal-1a.js").await.status, 200);
    let list = browser.get("/api/v1/desktops").await.json();
    assert_eq!(list["desktops"][0]["url"], "/desk/d/alice/");
    let mut socket = browser.websocket("/d/alice/websockify").await;
    let (_, mut screen) = house.screens.next().await;
    let hands = async { tokio::join!(screen.shake_hands(), socket.shake_hands(1)) };
    assert!(soon(hands).await.1.is_ok());
    let signed_out = browser.post("/sign-out", "text/plain", "").await;
    assert_eq!(signed_out.location(), "/desk/sign-in");
}

#[tokio::test]
async fn a_new_configuration_counts_at_once_where_it_can() {
    let house = House::open().await;
    let mut browser = house.browser();
    browser.host = "desk.example.org".to_owned();
    assert_eq!(browser.get("/sign-in").await.status, 421);
    let text = "[server]\nhosts = [\"desk.example.org\"]\n[brand]\nname = \"Lab 7\"\naccent = \"#123456\"\n";
    let config = deskway::launcher::protocol::FromLauncher::Config {
        text: text.to_owned(),
    };
    house.launcher().say(config).await;
    soon(async { while browser.get("/sign-in").await.status != 200 {} }).await;
    assert!(browser.get("/sign-in").await.body.contains("Lab 7"));

    let wrong = deskway::launcher::protocol::FromLauncher::Config {
        text: "nonsense".to_owned(),
    };
    house.launcher().say(wrong).await;
    assert!(browser.get("/sign-in").await.body.contains("Lab 7"));
}

#[tokio::test]
async fn too_much_of_a_request_is_refused() {
    let house = House::open().await;
    let browser = house.browser();
    let long = format!("X-Long: {}", "x".repeat(20_000));
    assert_eq!(browser.ask("GET", "/", &[&long], "").await.status, 431);
    let many: Vec<String> = (0..150).map(|n| format!("X-{n}: y")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(browser.ask("GET", "/", &many, "").await.status, 431);
    let big = "x".repeat(64 * 1024 + 1);
    let answer = browser
        .post("/sign-in", "application/x-www-form-urlencoded", &big)
        .await;
    assert_eq!(answer.status, 413);
}
