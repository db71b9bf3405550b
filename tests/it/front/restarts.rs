//! The front and the launcher go and come back; people notice as little as possible.

use super::House;
use crate::support::soon;

const SOCKET: &str = "/d/alice/websockify";

#[tokio::test]
async fn a_new_launcher_finds_everybody_signed_in() {
    let mut house = House::open().await;
    let alice = house.alice().await;
    let mut open = alice.websocket(SOCKET).await;
    let (_, mut screen) = house.screens.next().await;
    house.launcher.take().unwrap().kill().await;
    assert_eq!(alice.get("/").await.status, 200);
    house.start_launcher();
    assert_eq!(alice.get("/api/v1/desktops").await.status, 200);
    let hands = async { tokio::join!(screen.shake_hands(), open.shake_hands(1)) };
    assert!(soon(hands).await.1.is_ok(), "the open desktop goes on");
}

#[tokio::test]
async fn a_request_waits_for_a_launcher_that_comes_back() {
    let mut house = House::open().await;
    let alice = house.alice().await;
    house.launcher.take().unwrap().kill().await;
    let asking = alice.get("/api/v1/desktops");
    let back = async {
        tokio::task::yield_now().await;
        house.start_launcher();
    };
    let (answer, ()) = tokio::join!(asking, back);
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_new_front_finds_everybody_signed_in_and_asks_the_launcher_once() {
    let mut house = House::open().await;
    let alice = house.alice().await;
    let mut open = alice.websocket(SOCKET).await;
    house.launcher.take().unwrap().kill().await;
    house.stop_front().await;
    let closed = soon(open.closed()).await.unwrap();
    assert_eq!(
        (closed.code, closed.reason.as_str()),
        (Some(1012), "The server is restarting.")
    );

    house.start_front().await;
    house.start_launcher();
    for _ in 0..3 {
        assert_eq!(alice.get("/api/v1/me").await.status, 200);
    }
    assert_eq!(house.world.asked("Check"), 1);
}

#[tokio::test]
async fn a_sign_in_that_ended_while_the_front_was_away_is_over() {
    let mut house = House::open().await;
    let alice = house.alice().await;
    house.stop_front().await;
    house.launcher.take().unwrap().kill().await;
    house.world.forget_logins();
    house.start_front().await;
    house.start_launcher();
    assert_eq!(alice.get("/api/v1/me").await.status, 401);
}

#[tokio::test]
async fn signing_out_needs_no_launcher() {
    let mut house = House::open().await;
    let alice = house.alice().await;
    house.stop_front().await;
    house.launcher.take().unwrap().kill().await;
    house.start_front().await;
    let signing_out = alice.post("/sign-out", "text/plain", "").await;
    assert_eq!(signing_out.status, 303);
    house.start_launcher();
    assert_eq!(alice.get("/api/v1/me").await.status, 401);
}

#[tokio::test]
async fn a_launcher_that_comes_back_hears_who_signed_out_meanwhile() {
    let mut house = House::open().await;
    let alice = house.alice().await;
    assert_eq!(house.world.logins(), 1);
    house.launcher.take().unwrap().kill().await;
    alice.post("/sign-out", "text/plain", "").await;
    house.start_launcher();
    let forgotten = async {
        while house.world.logins() > 0 {
            tokio::task::yield_now().await;
        }
    };
    soon(forgotten).await;
}

#[tokio::test]
async fn readiness_follows_the_launcher() {
    let mut house = House::open().await;
    let browser = house.browser();
    browser.clone().sign_in("alice", "wonderland").await; // it is there
    assert_eq!(browser.get("/readyz").await.status, 200);
    house.launcher.take().unwrap().kill().await;
    soon(async { while browser.get("/readyz").await.status != 503 {} }).await;
    assert_eq!(browser.get("/healthz").await.status, 200);
}
