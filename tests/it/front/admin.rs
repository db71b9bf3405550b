//! What admins see and do, and that nobody else does.

use deskway::launcher::protocol::FromLauncher;
use deskway::model::{Act, DesktopState};
use serde_json::Value;

use super::events::Events;
use super::{Browser, House};
use crate::support::soon;

/// Everything that is there for admins alone.
const READS: [&str; 4] = [
    "/admin",
    "/api/v1/admin/desktops",
    "/api/v1/admin/people",
    "/api/v1/admin/events",
];
const WRITES: [&str; 6] = [
    "/api/v1/admin/desktops/bob/main/start",
    "/api/v1/admin/desktops/bob/main/stop",
    "/api/v1/admin/desktops/bob/main/freeze",
    "/api/v1/admin/desktops/bob/main/thaw",
    "/api/v1/admin/desktops/bob/main/message",
    "/api/v1/admin/people/bob/end",
];

/// Alice is an admin and signed in.
async fn house() -> (House, Browser) {
    let house = House::open().await;
    house.world.set_admin("alice", true);
    let alice = house.alice().await;
    (house, alice)
}

async fn next(events: &mut Events, wanted: &str) -> Value {
    loop {
        let (name, data) = events.next().await.unwrap();
        if name == wanted {
            return serde_json::from_str(&data).unwrap();
        }
    }
}

fn find<'a>(list: &'a Value, id: &str) -> &'a Value {
    let desktops = list["desktops"].as_array().unwrap();
    desktops.iter().find(|it| it["id"] == id).unwrap()
}

#[tokio::test]
async fn for_whoever_is_no_admin_nothing_is_there() {
    let (house, _alice) = house().await;
    let bob = house.bob().await;
    for path in READS {
        let answer = bob.get(path).await;
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
    }
    for path in WRITES {
        let answer = bob.post_json(path, r#"{"text":"x"}"#).await;
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
        assert_eq!(answer.json()["error"]["code"], "not_found");
    }
    assert_eq!(bob.get("/api/v1/me").await.json()["is_admin"], false);
    for asked in ["Overview", "People", "EndSignIns", "Act"] {
        assert_eq!(house.world.asked(asked), 0, "{asked}");
    }
}

#[tokio::test]
async fn an_admin_sees_all_desktops_and_who_looks_at_them() {
    let (mut house, alice) = house().await;
    house.world.set("carol/work", DesktopState::Stopping);
    let bob = house.bob().await;
    let _socket = bob.websocket("/d/bob/websockify?view_only=1").await;
    house.screens.next().await;
    let list = alice.get("/api/v1/admin/desktops").await.json();
    assert_eq!(list["desktops"].as_array().unwrap().len(), 3);
    let bobs = find(&list, "bob");
    assert_eq!(bobs["state"], "ready");
    assert_eq!(bobs["memory"], 1 << 20);
    assert_eq!(bobs["cpu"], Value::Null);
    assert_eq!(bobs["watching"][0]["account"], "bob");
    assert_eq!(bobs["watching"][0]["address"], "127.0.0.1");
    assert_eq!(bobs["watching"][0]["view_only"], true);
    assert_eq!(find(&list, "carol/work")["state"], "stopping");

    let people = alice.get("/api/v1/admin/people").await.json();
    let names: Vec<_> = people["people"].as_array().unwrap().iter().collect();
    assert_eq!(names[0]["account"], "alice");
    assert_eq!(names[0]["is_admin"], true);
    assert_eq!(names[1]["sign_ins"][0]["address"], "192.0.2.7");
    let page = alice.get("/admin").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains(r#""is_admin":true"#), "{}", page.body);
}

#[tokio::test]
async fn what_an_admin_asks_is_done_to_the_desktop_that_they_name() {
    let (house, alice) = house().await;
    let at = |act: &str| format!("/api/v1/admin/desktops/bob/main/{act}");
    for (act, status, state) in [
        ("freeze", 200, "frozen"),
        ("thaw", 200, "ready"),
        ("stop", 200, "gone"),
        ("start", 202, "starting"),
    ] {
        let answer = alice.post_json(&at(act), "").await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.json()["state"], state);
    }
    let sent = alice
        .post_json(&at("message"), r#"{"text":"At noon"}"#)
        .await;
    assert_eq!(sent.status, 204, "{sent:?}");
    let last = house.world.acts().pop().unwrap();
    assert_eq!(last, ("bob".to_owned(), Act::Message("At noon".to_owned())));
    for bad in ["", "{}", r#"{"text":7}"#, r#"{"text":"x","more":1}"#] {
        assert_eq!(alice.post_json(&at("message"), bad).await.status, 400);
    }
    let nobodys = "/api/v1/admin/desktops/nobody/main/stop";
    assert_eq!(alice.post_json(nobodys, "").await.status, 404);
    let bad = "/api/v1/admin/desktops/..%2froot/main/stop";
    assert_eq!(alice.post_json(bad, "").await.status, 404);
}

#[tokio::test]
async fn the_first_event_is_whole_and_later_ones_say_what_differs() {
    let (house, alice) = house().await;
    let mut events = Events::of(&alice, "/api/v1/admin/events").await;
    let whole = next(&mut events, "desktops").await;
    assert_eq!(whole["desktops"].as_array().unwrap().len(), 2);
    next(&mut events, "people").await;
    house.world.set("bob", DesktopState::Stopping);
    house.world.remove("alice");
    let changes = next(&mut events, "changes").await;
    assert_eq!(changes["desktops"].as_array().unwrap().len(), 1);
    assert_eq!(find(&changes, "bob")["state"], "stopping");
    assert_eq!(changes["gone"][0], "alice");
}

#[tokio::test]
async fn one_question_serves_all_admins() {
    const OTHERS: usize = 30;
    let (house, alice) = house().await;
    assert_eq!(house.world.asked("Overview"), 0, "nobody looks");
    let mut one = Events::of(&alice, "/api/v1/admin/events").await;
    next(&mut one, "desktops").await;
    let asked = house.world.asked("Overview");
    let mut others = Vec::new();
    for _ in 0..OTHERS {
        let mut events = Events::of(&alice, "/api/v1/admin/events").await;
        next(&mut events, "desktops").await;
        others.push(events);
    }
    house.world.set("bob", DesktopState::Stopping);
    for events in others.iter_mut().chain([&mut one]) {
        next(events, "changes").await;
    }
    let questions = house.world.asked("Overview") - asked;
    assert!(questions < OTHERS, "{questions}");
}

#[tokio::test]
async fn whoever_is_no_admin_any_more_sees_nothing_more_at_once() {
    let (house, alice) = house().await;
    let mut events = Events::of(&alice, "/api/v1/admin/events").await;
    next(&mut events, "people").await;
    house.world.set_admin("alice", false);
    let account = "alice".parse().unwrap();
    let is_admin = false;
    house
        .launcher()
        .say(FromLauncher::Admin { account, is_admin })
        .await;
    while events.next().await.is_some() {}
    for path in READS {
        assert_eq!(alice.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_launcher_that_calls_somebody_no_admin_is_believed_at_once() {
    let (house, alice) = house().await;
    assert_eq!(alice.get("/admin").await.status, 200);
    // Nothing is said of it.
    house.world.set_admin("alice", false);
    assert_eq!(alice.get("/api/v1/admin/desktops").await.status, 404);
    assert_eq!(alice.get("/admin").await.status, 404);
}

#[tokio::test]
async fn ending_somebodys_sign_ins_cuts_what_they_look_at() {
    let (mut house, alice) = house().await;
    let bob = house.bob().await;
    let mut socket = bob.websocket("/d/bob/websockify").await;
    house.screens.next().await;
    let mut portal = Events::open(&bob).await;
    portal.next().await.unwrap();
    let hashes = house.world.handle_hashes();
    let ended = alice.post_json("/api/v1/admin/people/bob/end", "").await;
    assert_eq!(ended.status, 204, "{ended:?}");
    // As the launcher does for each handle that it has dropped.
    let left = house.world.handle_hashes();
    for handle_hash in hashes.into_iter().filter(|hash| !left.contains(hash)) {
        let said = FromLauncher::SignedOut { handle_hash };
        house.launcher().say(said).await;
    }
    assert_eq!(portal.next().await.unwrap().0, "signed_out");
    assert_eq!(soon(socket.closed()).await.unwrap().code, Some(4401));
    assert_eq!(bob.get("/api/v1/me").await.status, 401);
    assert_eq!(alice.get("/api/v1/me").await.status, 200);
}
