//! Server-sent events.

use deskway::model::{DesktopState, EndCause, Stage};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;

use super::{Browser, House};
use crate::support::soon;

pub(crate) struct Events {
    lines: Lines<BufReader<TcpStream>>,
}

impl Events {
    pub(crate) async fn open(browser: &Browser) -> Self {
        Self::of(browser, "/api/v1/events").await
    }

    pub(crate) async fn of(browser: &Browser, path: &str) -> Self {
        let mut stream = TcpStream::connect(browser.address).await.unwrap();
        let head = browser.head("GET", path, &[], 0);
        stream.write_all(head.as_bytes()).await.unwrap();
        let lines = BufReader::new(stream).lines();
        Self { lines }
    }

    /// The name and data of the next event.
    pub(crate) async fn next(&mut self) -> Option<(String, String)> {
        let mut name = String::new();
        while let Some(line) = soon(self.lines.next_line()).await.unwrap() {
            if let Some(event) = line.strip_prefix("event: ") {
                name = event.to_owned();
            } else if let Some(data) = line.strip_prefix("data:") {
                return Some((name, data.trim().to_owned()));
            }
        }
        None
    }

    /// The state of the first desktop in the next list.
    async fn state(&mut self) -> String {
        let (name, data) = self.next().await.unwrap();
        assert_eq!(name, "desktops");
        let list: serde_json::Value = serde_json::from_str(&data).unwrap();
        list["desktops"][0]["state"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn the_portal_hears_of_every_change_as_it_happens() {
    let house = House::open().await;
    let alice = house.alice().await;
    let mut events = Events::open(&alice).await;
    assert_eq!(events.state().await, "ready");
    let stage = Stage::Session;
    let gone = DesktopState::Gone {
        cause: EndCause::LoggedOut,
        at: 7,
    };
    for (state, name) in [
        (DesktopState::Stopping, "stopping"),
        (gone, "gone"),
        (DesktopState::Starting { stage, since: 8 }, "starting"),
    ] {
        house.world.set("alice", state);
        house.launcher().say(house.world.desktops_of("alice")).await;
        assert_eq!(events.state().await, name);
    }
}

#[tokio::test]
async fn a_page_hears_that_nothing_happens() {
    let house = House::open().await;
    let alice = house.alice().await;
    let mut events = Events::open(&alice).await;
    events.state().await;
    // Whoever waits is led to the next moment at which something happens.
    tokio::time::pause();
    for _ in 0..3 {
        let mut name = String::new();
        while name.is_empty() {
            let line = events.lines.next_line().await.unwrap().unwrap();
            name = line.strip_prefix("event: ").unwrap_or_default().to_owned();
        }
        assert_eq!(name, "alive");
    }
}

#[tokio::test]
async fn signing_out_ends_the_events() {
    let house = House::open().await;
    let alice = house.alice().await;
    let mut events = Events::open(&alice).await;
    events.state().await;
    alice.post("/sign-out", "text/plain", "").await;
    assert_eq!(events.next().await.unwrap().0, "signed_out");
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn a_new_launcher_tells_what_changed_meanwhile() {
    let mut house = House::open().await;
    let alice = house.alice().await;
    let mut events = Events::open(&alice).await;
    assert_eq!(events.state().await, "ready");
    house.launcher.take().unwrap().kill().await;
    house.world.set("alice", DesktopState::Stopping);
    house.start_launcher();
    assert_eq!(events.state().await, "stopping");
}

#[tokio::test]
async fn starting_and_stopping_answer_with_the_desktop() {
    let house = House::open().await;
    let alice = house.alice().await;
    let start = "/api/v1/desktops/alice/work/start";
    let wish = r#"{"profile":"xfce","geometry":[1280,800]}"#;
    let started = alice.post_json(start, wish).await;
    assert_eq!(started.status, 202, "{started:?}");
    let desktop = started.json();
    assert_eq!(desktop["id"], "alice/work");
    assert_eq!(
        (&desktop["state"], &desktop["stage"]),
        (&"starting".into(), &"screen".into())
    );
    assert_eq!(desktop["url"], "/d/alice/work/");

    let stopped = alice
        .post_json("/api/v1/desktops/alice/work/stop", "")
        .await;
    assert_eq!(
        (stopped.status, &stopped.json()["state"]),
        (200, &"gone".into())
    );
    let restarted = alice
        .post_json("/api/v1/desktops/alice/main/restart", "")
        .await;
    assert_eq!(restarted.status, 202, "{restarted:?}");

    for bad in [
        r#"{"profile":"../x"}"#,
        r#"{"profile":"nonesuch"}"#,
        r#"{"geometry":[1,1]}"#,
        r#"{"command":"sh"}"#,
        "7",
        "{",
    ] {
        let refused = alice.post_json(start, bad).await;
        assert_eq!(refused.status, 400, "{bad}: {refused:?}");
        assert_eq!(refused.json()["error"]["code"], "bad_request");
    }
    assert_eq!(alice.post(start, "text/plain", "{}").await.status, 400);
}

#[tokio::test]
async fn the_main_desktop_is_listed_even_before_it_ever_ran() {
    let house = House::open().await;
    let alice = house.alice().await;
    alice
        .post_json("/api/v1/desktops/alice/another/start", "")
        .await;
    let list = alice.get("/api/v1/desktops").await.json();
    assert_eq!(list["desktops"][0]["name"], "main");
    assert_eq!(list["desktops"][1]["name"], "another");
    assert_eq!(list["profiles"][0]["id"], "xfce");
}
