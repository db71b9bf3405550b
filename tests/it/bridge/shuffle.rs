//! Streams of every kind of message, cut at random places in every layer, against a plain list of
//! what must come out.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};

use super::*;
use crate::support::frame;

/// Repeatable numbers (xorshift).
struct Dice(u64);

impl Dice {
    /// A number from 0 to `below` - 1.
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % below
    }

    fn fill(&mut self, mut message: Vec<u8>, len: usize) -> Vec<u8> {
        message.resize_with(len, || u8::try_from(self.roll(256)).unwrap());
        message
    }

    /// A message, and whether a view-only viewer may send it.
    fn message(&mut self) -> (Vec<u8>, bool) {
        match self.roll(12) {
            0 => (self.fill(vec![0], 20), true),
            1 => {
                let count = self.roll(100);
                let head = vec![2, 0, 0, u8::try_from(count).unwrap()];
                let mut message = head;
                // No encoding that would change how long pointers are.
                message.resize(4 + 4 * count, 7);
                (message, true)
            }
            2 => (self.fill(vec![3], 10), true),
            3 => (self.fill(vec![4], 8), false),
            4 => (self.fill(vec![5], 6), false),
            5 => self.cut_text(1 << 8, false),
            6 => self.cut_text(1 << 10, true),
            7 => self.cut_text(1 << 17, true),
            8 => (self.fill(vec![150], 10), true),
            9 => (self.fill(vec![248, 0, 0, 0, 0, 0, 0, 1, 5], 14), true),
            10 => (self.fill(vec![251, 0, 4, 0, 3, 0, 2, 0], 40), false),
            _ => (self.fill(vec![255, 0], 12), false),
        }
    }

    fn cut_text(&mut self, below: usize, extended: bool) -> (Vec<u8>, bool) {
        let len = self.roll(below);
        let wire = i32::try_from(len).unwrap();
        let wire = if extended { -wire } else { wire };
        let head = [vec![6, 0, 0, 0], wire.to_be_bytes().to_vec()].concat();
        (self.fill(head, 8 + len), false)
    }

    /// `bytes` as WebSocket messages and fragments with pings between.
    fn frames(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut wire = Vec::new();
        let mut rest = bytes;
        let mut begun = false;
        while !rest.is_empty() {
            let most = [4, 30, 400, 70_000][self.roll(4)];
            let (head, tail) = rest.split_at(self.roll(most).min(rest.len()));
            rest = tail;
            let fin = rest.is_empty() || self.roll(3) > 0;
            let first = if fin { 0x80 } else { 0 } | if begun { 0 } else { 2 };
            begun = !fin;
            wire.extend(frame(first, head));
            if self.roll(10) == 0 {
                wire.extend(frame(0x89, b"ping"));
            }
        }
        wire
    }
}

/// A stream whose reads and writes come short at random.
struct Short<S> {
    stream: S,
    dice: Dice,
}

impl<S> Short<S> {
    fn most(&mut self, len: usize) -> usize {
        let most = [1, 20, 1500, 100_000][self.dice.roll(4)];
        len.min(most)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Short<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let most = self.most(buf.remaining());
        let mut room = vec![0; most];
        let mut read = ReadBuf::new(&mut room);
        let polled = Pin::new(&mut self.stream).poll_read(cx, &mut read);
        buf.put_slice(read.filled());
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Short<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let most = self.most(bytes.len());
        Pin::new(&mut self.stream).poll_write(cx, &bytes[..most])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Runs one stream of messages through a bridge whose every read and write comes short.
async fn shuffled(seed: u64, rights: Rights) {
    let mut dice = Dice(seed);
    let hello = b"RFB 003.008\n\x01\x01".to_vec();
    let (mut sent, mut expected) = (hello.clone(), Vec::new());
    if rights == Rights::Control {
        expected.extend(hello);
    } else {
        expected.push(1);
    }
    for _ in 0..100 {
        let (message, harmless) = dice.message();
        sent.extend(&message);
        if harmless || rights == Rights::Control {
            expected.extend(message);
        }
    }
    let wire = dice.frames(&sent);

    let (server, mut desktop) = duplex(30_000);
    let (browser, client) = duplex(30_000);
    let (greeting, early) = match rights {
        Rights::Control => (Greeting::Fresh, wire.len().min(50_000)),
        Rights::View => (Greeting::Done, 0),
    };
    let viewer = Viewer {
        passage: Passage::Desktop { rights, greeting },
        traffic: Arc::default(),
        tap: None,
    };
    let (early, wire) = (wire[..early].to_vec(), wire[early..].to_vec());
    let (_stop, stopped) = watch::channel(None);
    let short = |stream, seed| Short {
        stream,
        dice: Dice(seed),
    };
    let bridge = spawn(run(
        Stream::over(short(client, seed + 1)),
        Bytes::from(early),
        Stream::over(short(server, seed + 2)),
        viewer,
        stopped,
        async { CloseCause::Stopped },
    ));
    let (mut from_bridge, mut to_bridge) = tokio::io::split(browser);
    let sender = spawn(async move {
        to_bridge.write_all(&wire).await.unwrap();
        to_bridge
    });
    let pongs = spawn(async move {
        tokio::io::copy(&mut from_bridge, &mut tokio::io::sink())
            .await
            .unwrap();
    });
    let mut got = vec![0; expected.len()];
    soon(desktop.read_exact(&mut got)).await.unwrap();
    assert!(got == expected, "seed {seed}");
    drop(soon(sender).await.unwrap());
    pongs.abort();
    drop(soon(pongs).await);
    let outcome = soon(bridge).await.unwrap();
    assert_eq!(outcome.cause, CloseCause::Vanished);
    let mut rest = Vec::new();
    soon(desktop.read_to_end(&mut rest)).await.unwrap();
    assert!(
        rest.is_empty(),
        "seed {seed}: {} bytes too many",
        rest.len()
    );
}

#[tokio::test]
async fn with_control_every_byte_arrives_whatever_is_cut_where() {
    for seed in 1..=10 {
        shuffled(seed, Rights::Control).await;
    }
}

#[tokio::test]
async fn view_only_gets_exactly_what_it_may_whatever_is_cut_where() {
    for seed in 101..=110 {
        shuffled(seed, Rights::View).await;
    }
}
