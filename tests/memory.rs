//! What one connection may hold of this machine's memory, counted by the allocator: idle, behind
//! a browser that does not read, and when a browser sends what costs other servers dearly.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;

use bytes::Bytes;
use deskway::bridge::{CloseCause, Outcome, Passage, Viewer, run};
use deskway::runtime::Stream;
use peak_alloc::PeakAlloc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinHandle;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// The tests share the allocator: one at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

/// The room of the pipes of a test, in bytes.
const ROOM: usize = 4096;

const KIB: usize = 1024;

/// What a connection may hold at most, whatever either side does, in bytes.
const LIMIT: usize = 256 * KIB;

/// What is held now, to be compared with later.
struct Heap {
    before: usize,
    _alone: MutexGuard<'static, ()>,
}

impl Heap {
    async fn watch() -> Self {
        let alone = ALONE.lock().await;
        HEAP.reset_peak_usage();
        let before = HEAP.current_usage();
        Self {
            before,
            _alone: alone,
        }
    }

    /// Bytes that came on top since then.
    fn grown(&self) -> usize {
        HEAP.current_usage().saturating_sub(self.before)
    }

    /// The most that was on top at any time since then.
    fn most(&self) -> usize {
        HEAP.peak_usage().saturating_sub(self.before)
    }
}

#[expect(clippy::disallowed_methods, reason = "ends with its sockets")]
fn bridge(client: Stream, server: Stream) -> JoinHandle<Outcome> {
    let viewer = Viewer {
        passage: Passage::Bytes { ping_every: None },
        traffic: Arc::default(),
        tap: None,
    };
    tokio::spawn(async move {
        let (_stop, stopped) = watch::channel(None);
        let explain = async { CloseCause::Stopped };
        run(client, Bytes::new(), server, viewer, stopped, explain).await
    })
}

/// A bridge between two pipes: the browser's end and the desktop's.
fn bridged() -> (DuplexStream, DuplexStream) {
    let (browser, client) = duplex(ROOM);
    let (server, desktop) = duplex(ROOM);
    drop(bridge(Stream::over(client), Stream::over(server)));
    (browser, desktop)
}

/// A frame with a mask of zeros and a payload of zeros.
fn frame(first: u8, payload: usize) -> Vec<u8> {
    let mut frame = vec![first];
    match (u8::try_from(payload), u16::try_from(payload)) {
        (Ok(len @ 0..=125), _) => frame.push(0x80 + len),
        (_, Ok(len)) => {
            frame.push(0xfe);
            frame.extend(len.to_be_bytes());
        }
        _ => {
            frame.push(0xff);
            frame.extend((payload as u64).to_be_bytes());
        }
    }
    frame.resize(frame.len() + 4 + payload, 0);
    frame
}

/// Sends it again and again until no more is taken; how many bytes were. The time is paused: a
/// timer runs out when nothing else has anything left to do.
async fn send_until_full(browser: &mut DuplexStream, frame: &[u8]) -> usize {
    let mut sent = 0;
    let instant = std::time::Duration::from_millis(1);
    for byte in frame.chunks(ROOM).cycle() {
        match tokio::time::timeout(instant, browser.write_all(byte)).await {
            Ok(written) => written.unwrap(),
            Err(_) => break,
        }
        sent += byte.len();
    }
    sent
}

#[tokio::test]
async fn an_idle_connection_that_has_been_used_holds_next_to_nothing() {
    const CONNECTIONS: usize = 100;
    let heap = Heap::watch().await;
    let mut open = Vec::with_capacity(CONNECTIONS);
    let message = frame(0x82, 16 * KIB);
    let mut room = vec![0; 32 * KIB];
    for _ in 0..CONNECTIONS {
        let (mut browser, client) = UnixStream::pair().unwrap();
        let (server, mut desktop) = UnixStream::pair().unwrap();
        drop(bridge(client.into(), server.into()));
        browser.write_all(&message).await.unwrap();
        desktop.read_exact(&mut room[..16 * KIB]).await.unwrap();
        desktop.write_all(&room[..16 * KIB]).await.unwrap();
        browser.read_exact(&mut room[..16 * KIB + 4]).await.unwrap();
        // A ping comes back when all before it is done.
        browser.write_all(&frame(0x89, 0)).await.unwrap();
        browser.read_exact(&mut room[..2]).await.unwrap();
        open.push((browser, desktop));
    }
    let each = heap.grown() / CONNECTIONS;
    assert!(each <= 8 * KIB, "{each} bytes for each connection");
}

#[tokio::test(start_paused = true)]
async fn a_browser_that_does_not_read_costs_a_bounded_amount() {
    let heap = Heap::watch().await;
    let (_browser, mut desktop) = bridged();
    send_until_full(&mut desktop, &[0; ROOM]).await;
    assert!(heap.most() <= LIMIT, "{} bytes", heap.most());
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_pings_whose_pongs_nobody_reads_costs_next_to_nothing() {
    let heap = Heap::watch().await;
    let (mut browser, _desktop) = bridged();
    let pings = frame(0x89, 125).repeat(100);
    for _ in 0..3000 {
        browser.write_all(&pings).await.unwrap();
    }
    assert!(heap.most() <= LIMIT, "{} bytes", heap.most());
}

#[tokio::test(start_paused = true)]
async fn fragments_without_end_for_a_desktop_that_does_not_read_cost_a_bounded_amount() {
    let heap = Heap::watch().await;
    let (mut browser, _desktop) = bridged();
    browser.write_all(&frame(0x02, 1)).await.unwrap();
    let taken = send_until_full(&mut browser, &frame(0x00, 1000)).await;
    assert!(taken <= LIMIT, "{taken} bytes were taken");
    assert!(heap.most() <= LIMIT, "{} bytes", heap.most());
}

#[tokio::test(start_paused = true)]
async fn fragments_without_end_go_through_and_are_not_kept() {
    const TOTAL: usize = 32 * KIB * KIB;
    let heap = Heap::watch().await;
    let (mut browser, mut desktop) = bridged();
    #[expect(clippy::disallowed_methods, reason = "the test waits for it itself")]
    let reader = tokio::spawn(async move {
        let (mut got, mut room) = (0, [0; ROOM]);
        while got < TOTAL {
            got += desktop.read(&mut room).await.unwrap();
        }
    });
    browser.write_all(&frame(0x02, 0)).await.unwrap();
    let fragment = frame(0x00, 64 * KIB);
    for _ in 0..TOTAL / (64 * KIB) {
        browser.write_all(&fragment).await.unwrap();
    }
    reader.await.unwrap();
    assert!(heap.most() <= LIMIT, "{} bytes", heap.most());
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_announces_exabytes_is_not_waited_for_in_memory() {
    let heap = Heap::watch().await;
    let (mut browser, _desktop) = bridged();
    let mut head = vec![0x82, 0xff];
    head.extend((u64::MAX / 4).to_be_bytes());
    head.extend([0; 4]);
    browser.write_all(&head).await.unwrap();
    let taken = send_until_full(&mut browser, &[0; ROOM]).await;
    assert!(taken <= LIMIT, "{taken} bytes were taken");
    assert!(heap.most() <= LIMIT, "{} bytes", heap.most());
}
