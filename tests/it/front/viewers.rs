//! WebSockets: from the browser to the desktop, and every way in which they end.

use deskway::desktop::MAX_VIEWERS;
use deskway::model::{DesktopState, EndCause, Exit};

use super::House;
use crate::support::soon;

const SOCKET: &str = "/d/alice/websockify";

#[tokio::test]
async fn a_viewer_reaches_the_desktop() {
    let mut house = House::open().await;
    let alice = house.alice().await;
    for path in [
        SOCKET,
        "/novnc/alice/websockify",
        "/d/alice/main/websockify",
        "/novnc/alice/main/websockify",
    ] {
        let mut socket = alice.websocket(path).await;
        let (desktop, mut screen) = house.screens.next().await;
        assert_eq!(desktop.to_string(), "alice");
        let (shared, init) =
            soon(async { tokio::join!(screen.shake_hands(), socket.shake_hands(1)) }).await;
        assert_eq!(shared.unwrap(), 1);
        assert!(init.unwrap().ends_with(b"fake"));
        soon(socket.send(&[4, 1, 0, 0, 0, 0, 0, 65])).await.unwrap();
        assert_eq!(
            soon(screen.read(8)).await.unwrap(),
            [4, 1, 0, 0, 0, 0, 0, 65]
        );
        soon(screen.send(&[2])).await.unwrap();
        assert_eq!(soon(socket.read(1)).await.unwrap(), [2]);
    }
}

#[tokio::test]
async fn who_only_watches_presses_no_key() {
    let mut house = House::open().await;
    let alice = house.alice().await;
    let mut socket = alice.websocket(&format!("{SOCKET}?view_only=1")).await;
    let (_, mut screen) = house.screens.next().await;
    let hands = async { tokio::join!(screen.shake_hands(), socket.shake_hands(1)) };
    let (shared, init) = soon(hands).await;
    assert!(shared.is_ok() && init.is_ok());
    let update = [3, 0, 0, 0, 0, 0, 0, 1, 0, 1];
    soon(socket.send(&[4, 1, 0, 0, 0, 0, 0, 65])).await.unwrap();
    soon(socket.send(&update)).await.unwrap();
    assert_eq!(soon(screen.read(10)).await.unwrap(), update);
}

#[tokio::test]
async fn a_look_for_a_picture_is_no_way_to_watch() {
    let mut house = House::open().await;
    let alice = house.alice().await;
    let path = format!("{SOCKET}?thumbnail=1");
    let mut slow = alice.websocket(&path).await;
    let (_, mut first) = house.screens.next().await;
    let hands = async { tokio::join!(first.shake_hands(), slow.shake_hands(1)) };
    assert!(soon(hands).await.1.is_ok());
    let mut hungry = alice.websocket(&path).await;
    let (_, mut second) = house.screens.next().await;
    let hands = async { tokio::join!(second.shake_hands(), hungry.shake_hands(1)) };
    assert!(soon(hands).await.1.is_ok());
    // One takes more and more; the other, which came before it, nothing, and does not leave.
    let sent = async {
        let more = vec![0; 1 << 20];
        let mut sent = 0;
        while second.send(&more).await.is_ok() {
            sent += more.len();
        }
        sent
    };
    let (sent, closed) = soon(async { tokio::join!(sent, hungry.closed()) }).await;
    assert_eq!(closed.unwrap().code, Some(1000));
    assert!(sent > 33 << 20, "{sent} is less than a picture");
    soon(first.send(&[2])).await.unwrap();
    assert_eq!(soon(slow.read(1)).await.unwrap(), [2]);
    let closed = soon(slow.closed()).await.unwrap();
    assert_eq!(
        (closed.code, closed.reason.as_str()),
        (Some(1000), "That was long enough for a picture.")
    );
    soon(async { while !first.has_ended().await.unwrap() {} }).await;
}

#[tokio::test]
async fn signing_out_closes_the_open_desktop() {
    let mut house = House::open().await;
    let alice = house.alice().await;
    let elsewhere = house.alice().await;
    let mut socket = alice.websocket(SOCKET).await;
    let (_, mut screen) = house.screens.next().await;
    let mut other = elsewhere.websocket(SOCKET).await;
    let (_, mut other_screen) = house.screens.next().await;
    alice.post("/sign-out", "text/plain", "").await;
    let closed = soon(socket.closed()).await.unwrap();
    assert_eq!(
        (closed.code, closed.reason.as_str()),
        (Some(4401), "You were signed out.")
    );
    soon(async { while !screen.has_ended().await.unwrap() {} }).await;
    // The other browser's sign-in goes on.
    let hands = async { tokio::join!(other_screen.shake_hands(), other.shake_hands(1)) };
    assert!(soon(hands).await.1.is_ok());
}

#[tokio::test]
async fn the_same_window_replaces_its_older_connection() {
    let house = House::open().await;
    let alice = house.alice().await;
    let path = format!("{SOCKET}?viewer=0123456789abcdef");
    let mut first = alice.websocket(&path).await;
    let _second = alice.websocket(&path).await;
    let closed = soon(first.closed()).await.unwrap();
    assert_eq!(closed.code, Some(4409));
}

#[tokio::test]
async fn one_viewer_too_many_is_told_so() {
    let house = House::open().await;
    let alice = house.alice().await;
    let mut open = Vec::new();
    for _ in 0..MAX_VIEWERS {
        open.push(alice.websocket(SOCKET).await);
    }
    let mut extra = alice.websocket(SOCKET).await;
    assert_eq!(soon(extra.closed()).await.unwrap().code, Some(4429));
    let listed = alice.get("/api/v1/desktops").await.json();
    assert_eq!(listed["desktops"][0]["viewers"], MAX_VIEWERS);
}

#[tokio::test]
async fn the_end_of_a_desktop_is_explained() {
    let mut house = House::open().await;
    let alice = house.alice().await;
    let crash = EndCause::ScreenDied {
        how: Exit::Signal(9),
    };
    let stopped = DesktopState::Gone {
        cause: EndCause::Stopped,
        at: 9,
    };
    let logged_out = DesktopState::Gone {
        cause: EndCause::LoggedOut,
        at: 9,
    };
    let crashed = DesktopState::Failed {
        cause: crash,
        log: String::new(),
        at: 9,
    };
    let unused = DesktopState::Gone {
        cause: EndCause::Unused { seconds: 7200 },
        at: 9,
    };
    let used_up = DesktopState::Gone {
        cause: EndCause::HoursUsedUp,
        at: 9,
    };
    for (state, code, reason) in [
        (stopped, 4001, "The desktop was stopped."),
        (
            unused,
            4001,
            "The desktop was ended because nobody had used it for 2 hours.",
        ),
        (
            used_up,
            4001,
            "The desktop was ended because the hours for today are used up.",
        ),
        (logged_out, 4003, "You logged out of the desktop."),
        (
            crashed,
            4002,
            "The desktop crashed: The desktop's screen ended with signal 9.",
        ),
    ] {
        house.world.set("alice", DesktopState::Ready { since: 1 });
        alice.get("/api/v1/desktops").await;
        let mut socket = alice.websocket(SOCKET).await;
        let (_, screen) = house.screens.next().await;
        house.world.set("alice", state);
        drop(screen);
        house.launcher().say(house.world.desktops_of("alice")).await;
        let closed = soon(socket.closed()).await.unwrap();
        assert_eq!((closed.code, closed.reason.as_str()), (Some(code), reason));
        // Who comes afterwards learns the same.
        let mut late = alice.websocket(SOCKET).await;
        assert_eq!(soon(late.closed()).await.unwrap().code, Some(code));
    }
}

#[tokio::test]
async fn who_may_not_wake_a_desktop_is_told_why() {
    let house = House::open().await;
    let alice = house.alice().await;
    house
        .world
        .set("alice", DesktopState::Frozen { since: 1, at: 2 });
    let mut socket = alice.websocket(SOCKET).await;
    let closed = soon(socket.closed()).await.unwrap();
    assert_eq!(
        (closed.code, closed.reason.as_str()),
        (Some(4403), "The 2 hours for today are used up.")
    );
}

#[tokio::test]
async fn a_desktop_whose_programs_are_asked_to_close_can_be_looked_at() {
    let mut house = House::open().await;
    let alice = house.alice().await;
    house.world.set("alice", DesktopState::Closing);
    let listed = alice.get("/api/v1/desktops").await.json();
    assert_eq!(listed["desktops"][0]["state"], "stopping");
    assert_eq!(listed["desktops"][0]["closing"], true);
    let mut socket = alice.websocket(SOCKET).await;
    let (_, mut screen) = house.screens.next().await;
    let hands = async { tokio::join!(screen.shake_hands(), socket.shake_hands(1)) };
    assert!(soon(hands).await.1.is_ok());
}

#[tokio::test]
async fn a_request_that_is_no_websocket_is_told_what_it_should_be() {
    let house = House::open().await;
    let alice = house.alice().await;
    let answer = alice.get(SOCKET).await;
    assert_eq!(answer.status, 426, "{answer:?}");
    let (head, _) = alice
        .try_websocket(SOCKET, &[&alice.origin_header(), "Content-Length: 5"])
        .await;
    assert!(head.starts_with("HTTP/1.1 4"), "{head}");
    let (head, _) = alice
        .try_websocket(&format!("{SOCKET}?viewer=short"), &[&alice.origin_header()])
        .await;
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
}

#[tokio::test]
async fn a_sign_in_that_the_launcher_forgot_opens_nothing() {
    let house = House::open().await;
    let alice = house.alice().await;
    house.world.forget_logins();
    let mut socket = alice.websocket(SOCKET).await;
    assert_eq!(soon(socket.closed()).await.unwrap().code, Some(4401));
    assert_eq!(alice.get("/api/v1/me").await.status, 401);
}
