//! What one connection may cost, and that nothing of it is lost.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::UnixStream;

use super::*;
use crate::support::{Message, frame};

/// A desktop that always has something to say, and counts what was taken of it.
struct Firehose {
    taken: Arc<AtomicUsize>,
}

impl AsyncRead for Firehose {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let len = buf.remaining();
        self.taken.fetch_add(len, Ordering::Relaxed);
        buf.put_slice(&vec![b'x'; len]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Firehose {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The time is paused: this comes when nothing else has anything left to do.
async fn all_is_still() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_browser_that_does_not_read_stops_the_reading_from_the_desktop() {
    let taken = Arc::new(AtomicUsize::new(0));
    let firehose = Firehose {
        taken: Arc::clone(&taken),
    };
    let room = 32 * 1024;
    let mut bridged = Bridged::to(firehose, Rights::Control, Greeting::Fresh, room);
    all_is_still().await;
    let queued = taken.load(Ordering::Relaxed);
    assert!(queued <= 256 * 1024, "{queued} bytes are queued");
    all_is_still().await;
    assert_eq!(taken.load(Ordering::Relaxed), queued, "and no more come");
    // When it reads again it goes on.
    bridged.browser.read(10 * queued).await.unwrap();
    assert_eq!(
        bridged.traffic.to_browser(),
        taken.load(Ordering::Relaxed) as u64
    );
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_pings_that_nobody_reads_the_answers_of_is_bounded() {
    let (server, _desktop) = duplex(64);
    let mut bridged = Bridged::to(server, Rights::Control, Greeting::Fresh, 1024);
    let payload = |i: u32| {
        let mut payload = [0; 125];
        payload[..4].copy_from_slice(&i.to_be_bytes());
        payload
    };
    for i in 0..20_000 {
        bridged.browser.send_frame(0x89, &payload(i)).await.unwrap();
    }
    all_is_still().await;
    let mut last = 0;
    let mut pongs = 0;
    while last < 19_999 {
        match soon(bridged.browser.next()).await.unwrap() {
            Message::Pong(payload) => {
                let i = u32::from_be_bytes(*payload.first_chunk().unwrap());
                assert!(pongs == 0 || i > last, "in order");
                last = i;
                pongs += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(pongs < 100, "{pongs} pongs were kept");
}

#[tokio::test]
async fn endless_fragments_end_at_one_mebibyte() {
    let (mut bridged, mut desktop) = in_session(Rights::Control).await;
    let mut cut_text = vec![6, 0, 0, 0, 0, 240, 0, 0];
    cut_text.resize(16 * 1024, 1);
    let reader = spawn(async move {
        let mut taken = 0;
        while let Ok(bytes) = desktop.read_once().await
            && !bytes.is_empty()
        {
            taken += bytes.len();
        }
        taken
    });
    let mut bytes = frame(0x02, &cut_text);
    for _ in 0..64 {
        bytes.extend(frame(0x00, &[1; 16 * 1024]));
    }
    bridged.browser.stream.write_all(&bytes).await.unwrap();
    let closed = soon(bridged.browser.closed()).await.unwrap();
    assert_eq!(closed.code, Some(1009));
    assert_eq!(soon(reader).await.unwrap(), 1024 * 1024);
}

/// 64 MiB each way at once, over real sockets, in pieces of every size.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_changed_in_64_mebibytes_each_way() {
    const TOTAL: usize = 64 * 1024 * 1024;
    let (server, desktop) = UnixStream::pair().unwrap();
    let (browser, client) = UnixStream::pair().unwrap();
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
    let bridge = spawn(run(client, Bytes::new(), server, viewer, stopped, explain));

    let (mut from_bridge, mut to_bridge) = desktop.into_split();
    let says = spawn(async move {
        for block in Pattern::new(1).take_bytes(TOTAL) {
            to_bridge.write_all(&block).await.unwrap();
        }
        to_bridge
    });
    let hears = spawn(async move {
        let mut pattern = Pattern::new(2);
        let mut handshake = [0; 14];
        from_bridge.read_exact(&mut handshake).await.unwrap();
        let mut room = vec![0; 50_000];
        let mut heard = 0;
        while heard < TOTAL {
            let len = from_bridge.read(&mut room).await.unwrap();
            assert!(len > 0, "the stream ends after {heard} bytes");
            pattern.check(&room[..len]);
            heard += len;
        }
    });

    let (browser_read, mut browser_write) = tokio::io::split(browser);
    let mut browser = WsClient::over(tokio::io::join(browser_read, tokio::io::sink()));
    let sends = spawn(async move {
        // An unknown message makes the rest opaque, so that the pattern needs no shape.
        let hello = frame(0x82, b"RFB 003.008\n\x01\x01");
        browser_write.write_all(&hello).await.unwrap();
        for block in Pattern::new(2).take_bytes(TOTAL) {
            browser_write.write_all(&frame(0x82, &block)).await.unwrap();
        }
        browser_write
    });
    let mut pattern = Pattern::new(1);
    let mut got = 0;
    while got < TOTAL {
        match browser.next().await.unwrap() {
            Message::Binary(payload) => {
                pattern.check(&payload);
                got += payload.len();
            }
            other => panic!("{other:?} after {got} bytes"),
        }
    }
    hears.await.unwrap();
    drop(sends.await.unwrap());
    drop(says.await.unwrap());
    drop(browser);
    let outcome = soon(bridge).await.unwrap();
    assert_eq!(outcome.to_browser, TOTAL as u64);
    assert_eq!(outcome.from_browser, 14 + TOTAL as u64);
}

/// Bytes that can be foretold, in blocks whose sizes vary. The first byte is 252, a message
/// type that nobody knows.
struct Pattern {
    at: usize,
    seed: usize,
}

impl Pattern {
    fn new(seed: usize) -> Self {
        Self { at: 0, seed }
    }

    fn byte(seed: usize, at: usize) -> u8 {
        match at {
            0 => 252,
            at => u8::try_from((at.wrapping_mul(2_654_435_761) >> 13 ^ (at >> 8) ^ seed) & 0xff)
                .unwrap(),
        }
    }

    fn next_block(&mut self, len: usize) -> Vec<u8> {
        let block = (self.at..self.at + len).map(|at| Self::byte(self.seed, at));
        self.at += len;
        block.collect()
    }

    fn check(&mut self, bytes: &[u8]) {
        let at = self.at;
        assert!(self.next_block(bytes.len()) == bytes, "behind byte {at}");
    }

    fn take_bytes(mut self, total: usize) -> impl Iterator<Item = Vec<u8>> {
        let sizes = [1, 7, 125, 126, 1460, 4096, 16_384, 65_535, 65_536, 200_000];
        let mut turn = 0;
        std::iter::from_fn(move || {
            let len = sizes[turn % sizes.len()].min(total - self.at);
            turn += 1;
            (len > 0).then(|| self.next_block(len))
        })
    }
}
