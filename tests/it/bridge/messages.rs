//! What of a viewer's messages reaches the desktop, and in which pieces.

use tokio::sync::mpsc::Receiver;

use super::*;

const SET_DESKTOP_SIZE: [u8; 24] = [
    251, 0, 4, 0, 3, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 4, 0, 3, 0, 0, 0, 0, 0,
];
const KEY: [u8; 8] = [4, 1, 0, 0, 0, 0, 0, 97];
const POINTER: [u8; 6] = [5, 0, 1, 0, 1, 0];
const UPDATE_REQUEST: [u8; 10] = [3, 1, 0, 0, 0, 0, 2, 128, 1, 224];

/// A bridge whose writes to the desktop are seen one by one, at the first message.
async fn recorded(rights: Rights) -> (Bridged, Receiver<Vec<u8>>) {
    let (recorder, desktop, mut writes) = Recorder::new();
    let mut bridged = Bridged::to(recorder, rights, Greeting::Done, 1024 * 1024);
    let browser = &mut bridged.browser;
    assert_eq!(soon(browser.read(12)).await.unwrap(), b"RFB 003.008\n");
    browser.send(b"RFB 003.008\n").await.unwrap();
    browser.send(&[1]).await.unwrap();
    assert_eq!(soon(browser.read(6)).await.unwrap(), [1, 1, 0, 0, 0, 0]);
    browser.send(&[0]).await.unwrap();
    let shared = soon(writes.recv()).await.unwrap();
    assert_eq!(shared, [u8::from(rights == Rights::View)]);
    bridged.desktop = Some(desktop);
    (bridged, writes)
}

#[tokio::test]
async fn a_message_reaches_the_desktop_in_one_write_however_the_browser_cuts_it() {
    for split in 1..SET_DESKTOP_SIZE.len() {
        let (head, tail) = SET_DESKTOP_SIZE.split_at(split);
        let (mut bridged, mut writes) = recorded(Rights::Control).await;
        let browser = &mut bridged.browser;
        // Over two messages, with whole ones before and behind.
        browser.send(&[&KEY, head].concat()).await.unwrap();
        assert_eq!(soon(writes.recv()).await.unwrap(), KEY);
        browser.send(&[tail, &KEY].concat()).await.unwrap();
        let write = soon(writes.recv()).await.unwrap();
        assert_eq!(write, [&SET_DESKTOP_SIZE[..], &KEY].concat());
        // Over two fragments of one message, with a ping between.
        browser.send_frame(0x02, head).await.unwrap();
        browser.send_frame(0x89, b"").await.unwrap();
        soon(browser.next()).await.unwrap();
        browser.send_frame(0x80, tail).await.unwrap();
        assert_eq!(soon(writes.recv()).await.unwrap(), SET_DESKTOP_SIZE);
    }
}

#[tokio::test]
async fn a_message_that_comes_byte_by_byte_is_written_once() {
    let (mut bridged, mut writes) = recorded(Rights::Control).await;
    for byte in SET_DESKTOP_SIZE {
        bridged.browser.send(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(soon(writes.recv()).await.unwrap(), SET_DESKTOP_SIZE);
}

#[tokio::test]
async fn the_longest_whole_message_is_written_once_and_longer_ones_arrive_complete() {
    let (mut bridged, mut writes) = recorded(Rights::Control).await;
    for len in [64 * 1024 - 8, 64 * 1024 - 7, 900_000] {
        let mut cut_text = vec![6, 0, 0, 0];
        cut_text.extend(u32::try_from(len).unwrap().to_be_bytes());
        cut_text.extend((0..len).map(|i| u8::try_from(i % 251).unwrap()));
        for part in cut_text.chunks(10_000) {
            bridged.browser.send(part).await.unwrap();
        }
        let mut written = soon(writes.recv()).await.unwrap();
        if cut_text.len() <= 64 * 1024 {
            assert_eq!(written.len(), cut_text.len());
        }
        while written.len() < cut_text.len() {
            written.extend(soon(writes.recv()).await.unwrap());
        }
        assert!(written == cut_text, "{len} bytes arrive as they were sent");
    }
    bridged.browser.send(&SET_DESKTOP_SIZE).await.unwrap();
    assert_eq!(soon(writes.recv()).await.unwrap(), SET_DESKTOP_SIZE);
}

#[tokio::test]
async fn view_only_drops_what_changes_the_desktop_and_passes_what_shows_it() {
    let (mut bridged, mut writes) = recorded(Rights::View).await;
    let encodings = [2, 0, 0, 1, 0, 0, 0, 0];
    let dropped: [&[u8]; 8] = [
        &KEY,
        &POINTER,
        &[6, 0, 0, 0, 0, 0, 0, 2, b'h', b'i'],
        // The extended clipboard.
        &[6, 0, 0, 0, 255, 255, 255, 252, 1, 0, 0, 1],
        &SET_DESKTOP_SIZE,
        &[250, 0, 1, 2],
        &[255, 0, 0, 1, 0, 0, 0, 97, 0, 0, 0, 30],
        &POINTER,
    ];
    let passed: [&[u8]; 5] = [
        &UPDATE_REQUEST,
        &[150, 1, 0, 0, 0, 0, 2, 128, 1, 224],
        &[248, 0, 0, 0, 128, 0, 0, 0, 1, 7],
        &encodings,
        &[0; 20],
    ];
    for message in passed {
        for message in dropped.iter().chain([&message]) {
            bridged.browser.send(message).await.unwrap();
        }
        assert_eq!(soon(writes.recv()).await.unwrap(), message);
    }
    // All at once as well.
    let mixed = [
        &KEY[..],
        &UPDATE_REQUEST,
        &SET_DESKTOP_SIZE,
        &encodings,
        &POINTER,
    ]
    .concat();
    bridged.browser.send(&mixed).await.unwrap();
    let write = soon(writes.recv()).await.unwrap();
    assert_eq!(write, [&UPDATE_REQUEST[..], &encodings].concat());
}

#[tokio::test]
async fn view_only_drops_a_clipboard_too_long_to_keep() {
    let (mut bridged, mut writes) = recorded(Rights::View).await;
    let mut cut_text = vec![6, 0, 0, 0, 0, 3, 13, 64];
    cut_text.resize(8 + 200_000, 5);
    bridged.browser.send(&cut_text).await.unwrap();
    bridged.browser.send(&UPDATE_REQUEST).await.unwrap();
    assert_eq!(soon(writes.recv()).await.unwrap(), UPDATE_REQUEST);
}

#[tokio::test]
async fn a_view_only_message_that_is_not_known_ends_the_connection() {
    for unknown in [&[1][..], &[252, 0, 0, 0], &[255, 2], &[7]] {
        let (mut bridged, mut writes) = recorded(Rights::View).await;
        bridged.browser.send(unknown).await.unwrap();
        let closed = soon(bridged.browser.closed()).await.unwrap();
        assert_eq!(closed.code, Some(1002));
        assert_eq!(
            soon(writes.recv()).await,
            None,
            "nothing reached the desktop"
        );
    }
}

#[tokio::test]
async fn with_control_a_message_that_is_not_known_goes_through_and_all_after_it() {
    let (mut bridged, mut writes) = recorded(Rights::Control).await;
    bridged.browser.send(&[252, 1, 2]).await.unwrap();
    assert_eq!(soon(writes.recv()).await.unwrap(), [252, 1, 2]);
    bridged.browser.send(&[251]).await.unwrap();
    assert_eq!(soon(writes.recv()).await.unwrap(), [251]);
}

#[tokio::test]
async fn a_view_only_viewer_shakes_hands_with_the_bridge_and_shares() {
    let (mut bridged, mut desktop) = bridged(Rights::View, Greeting::Fresh);
    let both = async { tokio::join!(bridged.browser.shake_hands(0), desktop.shake_hands()) };
    let (init, shared) = soon(both).await;
    assert_eq!(init.unwrap().len(), 28);
    assert_eq!(shared.unwrap(), 1, "others may stay connected");
}

#[tokio::test]
async fn a_desktop_without_security_type_none_cannot_be_watched() {
    let (mut bridged, mut desktop) = bridged(Rights::View, Greeting::Fresh);
    desktop.send(b"RFB 003.008\n").await.unwrap();
    assert_eq!(soon(desktop.read(12)).await.unwrap(), b"RFB 003.008\n");
    desktop.send(&[1, 2]).await.unwrap();
    let closed = soon(bridged.browser.closed()).await.unwrap();
    assert_eq!(closed.code, Some(4002), "the test explains it as a crash");
    let outcome = bridged.outcome().await;
    let error = outcome.error.unwrap();
    assert_eq!(error.fault(), deskway::bridge::Fault::Desktop);
}

#[tokio::test]
async fn nothing_of_the_desktop_comes_before_the_bridges_own_greeting_is_done() {
    let (mut bridged, mut desktop) = bridged(Rights::Control, Greeting::Done);
    desktop.send(b"too early").await.unwrap();
    let browser = &mut bridged.browser;
    assert_eq!(soon(browser.read(12)).await.unwrap(), b"RFB 003.008\n");
    browser.send(b"RFB 003.003\n").await.unwrap();
    assert_eq!(soon(browser.read(4)).await.unwrap(), [0, 0, 0, 1]);
    assert_eq!(soon(browser.read(9)).await.unwrap(), b"too early");
    browser.send(&[1]).await.unwrap();
    assert_eq!(soon(desktop.read(1)).await.unwrap(), [1]);
}

#[tokio::test]
async fn what_comes_right_behind_the_upgrade_is_not_lost() {
    let (recorder, _desktop, mut writes) = Recorder::new();
    let (browser, client) = duplex(1024);
    let mut sent = Vec::new();
    let mut early = Vec::new();
    for i in 0..40_000_u32 {
        let message = [4, 1, 0, 0, 0, 0, u8::try_from(i % 256).unwrap(), 97];
        early.extend(crate::support::frame(0x82, &message));
        sent.extend(message);
    }
    let handshake = crate::support::frame(0x82, b"RFB 003.008\n\x01\x01");
    let early = [handshake, early].concat();
    let viewer = Viewer {
        passage: Passage::Desktop {
            rights: Rights::Control,
            greeting: Greeting::Fresh,
        },
        traffic: Arc::default(),
        tap: None,
    };
    let (_stop, stopped) = watch::channel(None);
    let explain = async { CloseCause::Stopped };
    let bridge = spawn(run(
        Stream::over(client),
        Bytes::from(early),
        Stream::over(recorder),
        viewer,
        stopped,
        explain,
    ));
    let mut written = Vec::new();
    while written.len() < 14 + sent.len() {
        written.extend(soon(writes.recv()).await.unwrap());
    }
    assert!(written[14..] == sent, "every message arrives, in order");
    drop(browser);
    let outcome = soon(bridge).await.unwrap();
    assert_eq!(outcome.from_browser, 14 + sent.len() as u64);
}
