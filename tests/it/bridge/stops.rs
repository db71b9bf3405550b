//! How a connection ends: who is told what, and how soon.

use std::time::Duration;

use tokio::time::Instant;

use super::*;
use crate::support::{Message, WsClient};

#[tokio::test]
async fn each_cause_reaches_the_browser_with_its_code_and_sentence() {
    let causes = [
        (CloseCause::Stopped, 4001, "The desktop was stopped."),
        (
            CloseCause::RanOut {
                word: "unused",
                why: "The desktop was ended because nobody had used it.".to_owned(),
            },
            4001,
            "The desktop was ended because nobody had used it.",
        ),
        (
            CloseCause::Crashed("the screen ended with signal 9".to_owned()),
            4002,
            "The desktop crashed: the screen ended with signal 9.",
        ),
        (
            CloseCause::LoggedOut,
            4003,
            "You logged out of the desktop.",
        ),
        (CloseCause::SignedOut, 4401, "You were signed out."),
        (
            CloseCause::Replaced,
            4409,
            "The desktop was opened again in this window.",
        ),
        (CloseCause::Restarting, 1012, "The server is restarting."),
        (CloseCause::Stopping, 1001, "The server is stopping."),
        (
            CloseCause::Unanswered,
            4408,
            "Your desktop does not answer.",
        ),
        (
            CloseCause::Unreachable,
            1011,
            "The desktop cannot be reached.",
        ),
    ];
    for (cause, code, reason) in causes {
        let (mut bridged, mut desktop) = in_session(Rights::Control).await;
        bridged.stop.send_replace(Some(cause.clone()));
        let closed = soon(bridged.browser.closed()).await.unwrap();
        assert_eq!((closed.code, closed.reason.as_str()), (Some(code), reason));
        assert!(soon(desktop.has_ended()).await.unwrap(), "it is let go");
        bridged.browser.send_close(code).await.unwrap();
        assert_eq!(soon(bridged.browser.next()).await.unwrap(), Message::End);
        assert_eq!(bridged.outcome().await.cause, cause);
    }
}

#[tokio::test]
async fn the_end_of_the_desktop_is_explained_after_its_last_words() {
    let (server, desktop) = duplex(1024);
    let explain = async { CloseCause::LoggedOut };
    let mut bridged = Bridged::explained(server, Rights::Control, Greeting::Fresh, 1024, explain);
    let mut desktop = FakeVnc::over(desktop);
    desktop.send(b"last words").await.unwrap();
    drop(desktop);
    assert_eq!(soon(bridged.browser.read(10)).await.unwrap(), b"last words");
    let closed = soon(bridged.browser.closed()).await.unwrap();
    assert_eq!(closed.code, Some(4003));
    assert_eq!(bridged.outcome().await.to_browser, 10);
}

#[tokio::test(start_paused = true)]
async fn who_cannot_explain_in_two_seconds_is_not_waited_for() {
    let (server, desktop) = duplex(1024);
    let started = Instant::now();
    let explain = std::future::pending();
    let mut bridged = Bridged::explained(server, Rights::Control, Greeting::Fresh, 1024, explain);
    drop(desktop);
    let closed = soon(bridged.browser.closed()).await.unwrap();
    assert_eq!(closed.code, Some(1011));
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_desktop_that_never_speaks_is_told_as_that_after_ten_seconds() {
    for rights in [Rights::Control, Rights::View] {
        let (server, _desktop) = duplex(1024);
        let started = Instant::now();
        let mut bridged = Bridged::to(server, rights, Greeting::Fresh, 1024);
        let closed = loop {
            match bridged.browser.next().await.unwrap() {
                Message::Close(closed) => break closed,
                // The bridge's own greeting, of those who may only watch.
                Message::Binary(_) => {}
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(closed.code, Some(4408));
        assert_eq!(closed.reason, "Your desktop does not answer.");
        assert_eq!(started.elapsed().as_secs(), 10);
    }
}

#[tokio::test(start_paused = true)]
async fn a_desktop_that_has_spoken_may_be_silent_for_hours() {
    let (mut bridged, mut desktop) = bridged(Rights::Control, Greeting::Fresh);
    desktop.send(b"RFB 003.008\n").await.unwrap();
    assert_eq!(bridged.browser.read(12).await.unwrap(), b"RFB 003.008\n");
    for _ in 0..8 {
        let Message::Ping(ping) = bridged.browser.next().await.unwrap() else {
            panic!("it ended");
        };
        bridged.browser.send_frame(0x8a, &ping).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_browser_that_does_not_read_is_dropped_two_seconds_after_the_stop() {
    let (server, desktop) = duplex(1024 * 1024);
    let bridged = Bridged::to(server, Rights::Control, Greeting::Fresh, 16);
    let mut desktop = FakeVnc::over(desktop);
    desktop.send(&vec![7; 100_000]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let stopped = Instant::now();
    bridged.stop.send_replace(Some(CloseCause::SignedOut));
    // The desktop is let go at once, the browser when its time is over.
    while let Ok(bytes) = desktop.read_once().await
        && !bytes.is_empty()
    {}
    assert!(stopped.elapsed() < Duration::from_millis(100));
    let outcome = bridged.outcome.await.unwrap();
    assert_eq!(outcome.cause, CloseCause::SignedOut);
    assert!(stopped.elapsed() <= Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_silent_browser_is_pinged_and_dropped_within_60_seconds() {
    let (mut bridged, _desktop) = in_session(Rights::Control).await;
    let silent_since = Instant::now();
    let mut pings = Vec::new();
    loop {
        match bridged.browser.next().await.unwrap() {
            Message::Ping(_) => pings.push(silent_since.elapsed().as_secs()),
            Message::End => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(pings, [25, 50]);
    assert_eq!(silent_since.elapsed().as_secs(), 60);
    let outcome = bridged.outcome().await;
    assert_eq!(outcome.cause, CloseCause::Vanished);
}

#[tokio::test(start_paused = true)]
async fn a_browser_that_answers_pings_stays_for_hours() {
    let (mut bridged, mut desktop) = in_session(Rights::Control).await;
    let since = Instant::now();
    while since.elapsed() < Duration::from_hours(8) {
        match bridged.browser.next().await.unwrap() {
            Message::Ping(payload) => bridged.browser.send_frame(0x8a, &payload).await.unwrap(),
            other => panic!("{other:?}"),
        }
    }
    desktop.send(b"still here").await.unwrap();
    assert_eq!(bridged.browser.read(10).await.unwrap(), b"still here");
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_the_last_ping_tells_how_far_away_a_browser_is() {
    let (mut bridged, _desktop) = in_session(Rights::Control).await;
    for millis in [30, 400] {
        let Message::Ping(payload) = bridged.browser.next().await.unwrap() else {
            panic!("no ping");
        };
        // Nothing was asked by this one.
        bridged.browser.send_frame(0x8a, b"other").await.unwrap();
        tokio::time::advance(Duration::from_millis(millis)).await;
        for _ in 0..2 {
            bridged.browser.send_frame(0x8a, &payload).await.unwrap();
        }
    }
    assert!(matches!(
        bridged.browser.next().await.unwrap(),
        Message::Ping(_)
    ));
    let trips = bridged.trips.lock().unwrap().clone();
    assert_eq!(trips, [30, 400].map(Duration::from_millis));
}

#[tokio::test(start_paused = true)]
async fn half_a_frame_and_then_silence_is_dropped_within_60_seconds() {
    let (mut bridged, _desktop) = in_session(Rights::Control).await;
    let since = Instant::now();
    let half = [0x82, 0xfe, 1];
    tokio::io::AsyncWriteExt::write_all(&mut bridged.browser.stream, &half)
        .await
        .unwrap();
    while bridged.browser.next().await.unwrap() != Message::End {}
    assert_eq!(since.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_browser_that_reads_slowly_but_reads_is_not_taken_for_dead() {
    let (server, desktop) = duplex(64);
    let mut bridged = Bridged::to(server, Rights::Control, Greeting::Fresh, 64);
    let mut desktop = FakeVnc::over(desktop);
    let sender = spawn(async move { desktop.send(&[9; 4000]).await });
    let since = Instant::now();
    let mut got: Vec<u8> = Vec::new();
    let mut room = [0; 64];
    while got.len() < 4000 {
        tokio::time::sleep(Duration::from_secs(20)).await;
        let len = tokio::io::AsyncReadExt::read(&mut bridged.browser.stream, &mut room)
            .await
            .unwrap();
        assert!(len > 0, "closed after {} bytes", got.len());
        got.extend(&room[..len]);
    }
    assert!(since.elapsed() > Duration::from_mins(15));
    sender.abort();
}

#[tokio::test(start_paused = true)]
async fn a_desktop_that_does_not_read_does_not_cost_the_browser_its_connection() {
    let (server, desktop) = duplex(16);
    let mut bridged = Bridged::to(server, Rights::Control, Greeting::Fresh, 4096);
    let mut desktop = FakeVnc::over(desktop);
    desktop.send(b"RFB 003.008\n").await.unwrap();
    let handshake = b"RFB 003.008\n\x01\x01";
    bridged.browser.send(handshake).await.unwrap();
    bridged
        .browser
        .send(&[4, 1, 0, 0, 0, 0, 0, 97].repeat(20))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_mins(10)).await;
    let all = desktop.read(14 + 160).await.unwrap();
    assert_eq!(&all[..14], handshake);
    bridged.browser.send_frame(0x89, b"alive").await.unwrap();
    loop {
        match bridged.browser.next().await.unwrap() {
            Message::Pong(payload) if payload == b"alive" => break,
            Message::Ping(_) | Message::Binary(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_browser_that_is_gone_without_a_word_lets_the_desktop_go() {
    let (bridged, mut desktop) = in_session(Rights::Control).await;
    let outcome = bridged.outcome().await;
    assert_eq!(outcome.cause, CloseCause::Vanished);
    assert!(soon(desktop.has_ended()).await.unwrap());
}

#[tokio::test]
async fn data_behind_a_close_frame_is_not_looked_at() {
    let (mut bridged, mut desktop) = in_session(Rights::Control).await;
    let all = [
        crate::support::frame(0x88, &[3, 232]),
        crate::support::frame(0x82, &[4, 1, 0, 0, 0, 0, 0, 97]),
        vec![0xff; 10],
    ]
    .concat();
    let WsClient { stream } = &mut bridged.browser;
    tokio::io::AsyncWriteExt::write_all(stream, &all)
        .await
        .unwrap();
    assert!(soon(desktop.has_ended()).await.unwrap());
    let closed = soon(bridged.browser.closed()).await.unwrap();
    assert_eq!(closed.code, Some(1000));
}
