//! What breaks the rules of WebSocket ends its connection with the right code, and nothing of it
//! reaches the desktop.

use deskway::bridge::Fault;

use super::*;
use crate::support::{Closed, Message, frame};

/// A way to break the rules: its name, what the browser sends, the close code.
type Fouls = Vec<(&'static str, Vec<u8>, u16)>;

/// Each foul on a connection of its own, behind a message that is fine.
async fn each_is_closed(fouls: Fouls) {
    for (name, bytes, code) in fouls {
        let (mut bridged, mut desktop) = in_session(Rights::Control).await;
        let key = [4, 1, 0, 0, 0, 0, 0, 97];
        let all = [frame(0x82, &key), bytes].concat();
        tokio::io::AsyncWriteExt::write_all(&mut bridged.browser.stream, &all)
            .await
            .unwrap();
        assert_eq!(soon(desktop.read(8)).await.unwrap(), key, "{name}");
        assert!(soon(desktop.has_ended()).await.unwrap(), "{name}");
        let closed = soon(bridged.browser.closed()).await.unwrap();
        assert_eq!(closed.code, Some(code), "{name}");
        assert!(closed.reason.starts_with("The browser "), "{closed:?}");
        assert_eq!(soon(bridged.browser.next()).await.unwrap(), Message::End);
        let outcome = bridged.outcome().await;
        assert_eq!(outcome.error.unwrap().fault(), Fault::Browser, "{name}");
    }
}

#[tokio::test]
async fn reserved_bits_and_opcodes_are_closed_with_1002() {
    let mut fouls: Fouls = Vec::new();
    for bits in 1..8 {
        let reserved = bits << 4;
        fouls.push(("data", frame(0x82 | reserved, b"x"), 1002));
        fouls.push(("ping", frame(0x89 | reserved, b"x"), 1002));
        fouls.push(("close", frame(0x88 | reserved, &[3, 232]), 1002));
    }
    for opcode in (3..8).chain(11..16) {
        fouls.push(("an opcode", frame(0x80 | opcode, b""), 1002));
        fouls.push(("an opcode with data", frame(0x80 | opcode, b"x"), 1002));
    }
    each_is_closed(fouls).await;
}

#[tokio::test]
async fn wrong_control_frames_are_closed_with_1002() {
    each_is_closed(vec![
        ("a ping of 126 bytes", frame(0x89, &[0; 126]), 1002),
        ("a pong of 126 bytes", frame(0x8a, &[0; 126]), 1002),
        ("a close of 126 bytes", frame(0x88, &[3; 126]), 1002),
        ("a ping in fragments", frame(0x09, b"x"), 1002),
        ("a close of one byte", frame(0x88, &[3]), 1002),
        (
            "a reason that is not UTF-8",
            frame(0x88, &[3, 232, 0xff]),
            1007,
        ),
    ])
    .await;
}

#[tokio::test]
async fn close_codes_that_must_not_be_sent_are_closed_with_1002() {
    let codes = [
        0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535_u16,
    ];
    let foul = |code: u16| ("a close code", frame(0x88, &code.to_be_bytes()), 1002);
    each_is_closed(codes.into_iter().map(foul).collect()).await;
}

#[tokio::test]
async fn wrong_data_frames_are_closed() {
    each_is_closed(vec![
        ("no mask", vec![0x82, 1, b'x'], 1002),
        ("no mask on a ping", vec![0x89, 0], 1002),
        ("text", frame(0x81, b"x"), 1003),
        ("text in fragments", frame(0x01, b"x"), 1003),
        ("a continuation of nothing", frame(0x80, b"x"), 1002),
        (
            "a message within a message",
            [frame(0x02, b""), frame(0x82, b"")].concat(),
            1002,
        ),
        (
            "a long way to say 5",
            vec![0x82, 0xfe, 0, 5, 0, 0, 0, 0],
            1002,
        ),
        (
            "2^40 bytes",
            vec![0x82, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            1009,
        ),
        (
            "2^63 bytes",
            vec![0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            1009,
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_the_rules_allow_goes_through() {
    let (mut bridged, mut desktop) = in_session(Rights::Control).await;
    let browser = &mut bridged.browser;
    // Empty messages, empty fragments, and pings between the fragments of one message.
    browser.send(b"").await.unwrap();
    browser.send_frame(0x02, &[4, 1, 0]).await.unwrap();
    browser.send_frame(0x89, b"between").await.unwrap();
    browser.send_frame(0x00, b"").await.unwrap();
    browser
        .send_frame(0x8a, b"asked for by nobody")
        .await
        .unwrap();
    browser.send_frame(0x80, &[0, 0, 0, 0, 98]).await.unwrap();
    assert_eq!(
        soon(browser.next()).await.unwrap(),
        Message::Pong(b"between".to_vec())
    );
    let key = soon(desktop.read(8)).await.unwrap();
    assert_eq!(key, [4, 1, 0, 0, 0, 0, 0, 98]);
    browser.send_close(1001).await.unwrap();
    let closed = soon(browser.closed()).await.unwrap();
    assert_eq!(
        closed,
        Closed {
            code: Some(1001),
            reason: String::new()
        }
    );
    let outcome = bridged.outcome().await;
    assert_eq!(outcome.cause, CloseCause::Left);
    assert!(outcome.error.is_none());
}

#[tokio::test]
async fn each_ping_is_answered_in_order() {
    let (mut bridged, _desktop) = in_session(Rights::Control).await;
    for payload in [&b""[..], b"one", &[0xff; 125]] {
        bridged.browser.send_frame(0x89, payload).await.unwrap();
    }
    for payload in [&b""[..], b"one", &[0xff; 125]] {
        let pong = soon(bridged.browser.next()).await.unwrap();
        assert_eq!(pong, Message::Pong(payload.to_vec()));
    }
}
