//! What travels packed, and what must not.

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::House;
use crate::support::soon;

const BOTH: &str = "Accept-Encoding: gzip, deflate, br";

#[tokio::test]
async fn pages_and_json_are_packed_as_the_browser_can_unpack_them() {
    let house = House::open().await;
    for n in 0..5 {
        let state = deskway::model::DesktopState::Ready { since: n };
        house.world.set(&format!("alice/d{n}"), state);
    }
    let alice = house.alice().await;
    for path in ["/", "/api/v1/desktops", "/nothing"] {
        for (offer, coding) in [
            (BOTH, Some("br")),
            ("Accept-Encoding: gzip", Some("gzip")),
            ("Accept-Encoding: identity", None),
            ("Accept-Encoding: br;q=0, gzip;q=0", None),
        ] {
            let answer = alice.ask("GET", path, &[offer], "").await;
            assert_eq!(answer.header("content-encoding"), coding, "{path} {offer}");
            let vary = answer.header("vary").unwrap_or_default().to_lowercase();
            assert!(
                vary.contains("accept-encoding"),
                "{path} {offer}: {answer:?}"
            );
        }
    }
}

#[tokio::test]
async fn the_index_that_is_kept_for_all_is_packed_for_each() {
    let house = House::with(|config| config.portal.public_index = true, None).await;
    house.world.show(&["alice"], false);
    let guest = house.browser();
    for path in ["/", "/", "/?q=alice"] {
        for (offer, coding) in [
            (BOTH, Some("br")),
            ("Accept-Encoding: gzip", Some("gzip")),
            ("Accept-Encoding: br;q=0, gzip;q=0", None),
        ] {
            let answer = guest.ask("GET", path, &[offer], "").await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("content-encoding"), coding, "{path} {offer}");
            let vary = answer.headers.iter().filter(|(name, _)| name == "vary");
            assert_eq!(vary.count(), 1, "{answer:?}");
            let is_plain = answer.body.contains("<!doctype html>");
            assert_eq!(is_plain, coding.is_none(), "{path} {offer}");
            assert!(answer.header("content-security-policy").is_some());
        }
    }
}

#[tokio::test]
async fn files_of_the_build_are_not_packed_again() {
    let house = House::open().await;
    let browser = house.browser();
    let packed = browser
        .ask("GET", "/assets/portal-1a.js", &[BOTH], "")
        .await;
    assert_eq!(packed.header("content-encoding"), Some("br"));
    assert_eq!(packed.body, "packed", "as it was built");
    let plain = browser
        .ask("GET", "/assets/portal-1a.css", &[BOTH], "")
        .await;
    assert_eq!(plain.header("content-encoding"), None);
}

#[tokio::test]
async fn events_leave_at_once_and_plain() {
    let house = House::open().await;
    let alice = house.alice().await;
    let mut stream = TcpStream::connect(alice.address).await.unwrap();
    let head = alice.head("GET", "/api/v1/events", &[BOTH], 0);
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    let mut first = async || soon(lines.next_line()).await.unwrap().unwrap();
    loop {
        let line = first().await.to_lowercase();
        assert!(!line.starts_with("content-encoding"), "{line}");
        if line.starts_with("event: desktops") {
            return;
        }
    }
}

#[tokio::test]
async fn what_is_short_stays_as_it_is() {
    let house = House::open().await;
    let alice = house.alice().await;
    let me = alice.ask("GET", "/api/v1/me", &[BOTH], "").await;
    assert_eq!(me.header("content-encoding"), None);
    assert_eq!(me.json()["name"], "alice");
}
