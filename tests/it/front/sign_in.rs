//! Signing in and out.

use deskway::launcher::protocol::{FromLauncher, Refusal};

use super::House;
use super::fake_launcher::UNTIL;
use crate::support::soon;

#[tokio::test]
async fn signing_in_sets_the_cookie_and_leads_to_the_page_that_was_asked_for() {
    let house = House::open().await;
    let mut browser = house.browser();
    let wanted = "/novnc/alice/vnc.html?resize=remote&path=novnc/alice/websockify";
    let turned_away = browser.get(wanted).await;
    assert_eq!(turned_away.status, 303);
    let form = browser.get(turned_away.location()).await;
    assert_eq!(form.status, 200);
    let field = form.body.split(r#"name="next" value=""#).nth(1).unwrap();
    let field = field.split('"').next().unwrap();
    let next = field.replace("&#x2f;", "/").replace("&amp;", "&");
    assert_eq!(next, wanted);

    let answer = browser.sign_in_to("alice", "wonderland", &next).await;
    assert_eq!((answer.status, answer.location()), (303, wanted));
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.starts_with("deskway_local="), "{cookie}");
    for flag in ["; Path=/", "; HttpOnly", "; SameSite=Strict"] {
        assert!(cookie.contains(flag), "{cookie}");
    }
    assert_eq!(browser.get("/d/alice/").await.status, 200);
    let me = browser.get("/api/v1/me").await.json();
    assert_eq!(me["name"], "alice");
    assert_eq!(me["full_name"], "The good alice");
}

#[tokio::test]
async fn every_wrong_try_gets_the_same_page_and_the_launcher_is_asked() {
    let house = House::open().await;
    let mut browser = house.browser();
    let long = "x".repeat(3000);
    let tries = [
        ("alice", "wrong"),
        ("nobody", "wrong"),
        ("../root", "wrong"),
        ("alice\u{1b}[31m\r\nfake", "wrong"),
        (long.as_str(), "wrong"),
        ("", ""),
    ];
    for (name, password) in tries {
        let answer = browser.sign_in(name, password).await;
        assert_eq!(answer.status, 401, "{name}");
        assert!(
            answer.body.contains("The name or the password is wrong."),
            "{}",
            answer.body
        );
        assert!(browser.cookie.is_none());
    }
    assert_eq!(house.world.asked("SignIn"), tries.len());
    let answer = browser.sign_in("alice", &"x".repeat(1025)).await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn who_tries_too_often_is_told_how_long_to_wait() {
    let house = House::open().await;
    house
        .world
        .answer_sign_ins_with(Refusal::SlowDown { seconds: 17 });
    let answer = house.browser().sign_in("alice", "wonderland").await;
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (429, Some("17"))
    );
    assert!(answer.body.contains("Wait 17 seconds."), "{}", answer.body);
}

#[tokio::test]
async fn who_may_not_sign_in_is_told_why() {
    let house = House::open().await;
    let reason = "it has expired".to_owned();
    house
        .world
        .answer_sign_ins_with(Refusal::NotAllowed { reason });
    let answer = house.browser().sign_in("alice", "wonderland").await;
    assert_eq!(answer.status, 403);
    assert!(answer.body.contains("it has expired"), "{}", answer.body);
}

#[tokio::test]
async fn a_second_sign_in_ends_the_first_of_the_same_browser() {
    let house = House::open().await;
    let mut browser = house.alice().await;
    let first = browser.clone();
    browser.sign_in("alice", "wonderland").await;
    assert_ne!(browser.cookie, first.cookie);
    assert_eq!(first.get("/api/v1/me").await.status, 401);
    assert_eq!(browser.get("/api/v1/me").await.status, 200);
    assert_eq!(house.world.logins(), 1);
}

#[tokio::test]
async fn signing_out_ends_the_sign_in_everywhere() {
    let house = House::open().await;
    for path in ["/sign-out", "/api/v1/sign-out"] {
        let mut browser = house.alice().await;
        let stolen = browser.clone();
        let answer = browser
            .post(path, "application/x-www-form-urlencoded", "")
            .await;
        assert!(matches!(answer.status, 303 | 204), "{answer:?}");
        browser.keep_cookie(&answer);
        assert_eq!(browser.cookie, None);
        assert_eq!(stolen.get("/api/v1/me").await.status, 401);
        assert_eq!(house.world.logins(), 0);
    }
}

#[tokio::test]
async fn a_sign_in_runs_out() {
    let house = House::open().await;
    let alice = house.alice().await;
    house.set_time(UNTIL);
    assert_eq!(alice.get("/api/v1/me").await.status, 401);
}

#[tokio::test]
async fn the_launcher_can_end_a_sign_in() {
    let house = House::open().await;
    let alice = house.alice().await;
    let mut socket = alice.websocket("/d/alice/websockify").await;
    let [handle_hash] = house.world.handle_hashes()[..] else {
        panic!("one sign-in");
    };
    house
        .launcher()
        .say(FromLauncher::SignedOut { handle_hash })
        .await;
    assert_eq!(soon(socket.closed()).await.unwrap().code, Some(4401));
    assert_eq!(alice.get("/api/v1/me").await.status, 401);
}

#[tokio::test]
async fn no_next_leads_away() {
    let house = House::open().await;
    for next in [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "/\r\nA: b",
    ] {
        let answer = house
            .browser()
            .sign_in_to("alice", "wonderland", next)
            .await;
        assert_eq!((answer.status, answer.location()), (303, "/"), "{next:?}");
    }
}

#[tokio::test]
async fn neither_handle_nor_password_is_on_file() {
    let mut house = House::open().await;
    house.alice().await;
    house.stop_front().await;
    let file = std::fs::read(house.sessions_file()).unwrap();
    for secret in [&[1; 32][..], b"wonderland", b"AQEBAQEBAQEBAQEB"] {
        assert!(!file.windows(secret.len()).any(|bytes| bytes == secret));
    }
    assert!(file.windows(5).any(|bytes| bytes == b"alice"));
}

#[tokio::test]
async fn the_first_account_is_made_with_the_token_alone() {
    let house = House::open().await;
    let browser = house.browser();
    let ask = |token: &str| format!(r#"{{"token":"{token}","name":"carol","password":"pw"}}"#);
    let made = browser.post_json("/api/v1/set-up", &ask("first")).await;
    assert_eq!(made.status, 204, "{made:?}");
    let refused = browser.post_json("/api/v1/set-up", &ask("guess")).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(!refused.body.contains("guess"));
}
