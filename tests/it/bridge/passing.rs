//! Bytes that nobody looks at: what the drop-in for websockify passes on.

use std::sync::Mutex;
use std::time::Duration;

use deskway::bridge::{Event, Tap};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixStream};
use tokio::time::Instant;

use super::*;
use crate::support::{Message, frame};

/// A bridge that passes bytes between two streams.
fn passing(
    client: impl Into<Stream>,
    server: impl Into<Stream>,
    tap: Option<Box<dyn Tap>>,
) -> JoinHandle<Outcome> {
    let viewer = Viewer {
        passage: Passage::Bytes {
            ping_every: Some(Duration::from_secs(25)),
        },
        traffic: Arc::default(),
        tap,
    };
    let (client, server) = (client.into(), server.into());
    spawn(async move {
        let (_stop, stopped) = watch::channel(None);
        let explain = async { CloseCause::TargetClosed };
        run(client, Bytes::new(), server, viewer, stopped, explain).await
    })
}

#[tokio::test]
async fn a_message_may_be_longer_than_anything_that_is_kept() {
    let (browser, client) = duplex(64 * 1024);
    let (server, mut target) = duplex(64 * 1024);
    let bridge = passing(Stream::over(client), Stream::over(server), None);
    let mut browser = WsClient::over(browser);
    let long = vec![7; 3_000_000];
    let expected = long.clone();
    let hears = spawn(async move {
        let mut heard = vec![0; expected.len()];
        target.read_exact(&mut heard).await.unwrap();
        assert!(heard == expected);
        target
    });
    soon(browser.send(&long)).await.unwrap();
    drop(soon(hears).await.unwrap());
    let closed = soon(browser.closed()).await.unwrap();
    assert_eq!(closed.code, Some(1000));
    drop(browser);
    assert_eq!(soon(bridge).await.unwrap().cause, CloseCause::TargetClosed);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_answers_no_ping_is_let_be() {
    let (browser, client) = duplex(64 * 1024);
    let (server, mut target) = duplex(64 * 1024);
    let bridge = passing(Stream::over(client), Stream::over(server), None);
    let mut browser = WsClient::over(browser);
    assert!(matches!(browser.next().await.unwrap(), Message::Ping(_)));
    browser.send_frame(0x8a, b"").await.unwrap();
    let since = Instant::now();
    while since.elapsed() < Duration::from_mins(10) {
        let message = tokio::time::timeout(Duration::from_mins(1), browser.next()).await;
        assert!(matches!(message.unwrap().unwrap(), Message::Ping(_)));
    }
    browser.send(b"still here").await.unwrap();
    let mut heard = [0; 10];
    target.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"still here");
    bridge.abort();
}

/// Two ends of a TCP connection.
async fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (far, _) = listener.accept().await.unwrap();
    (near, far)
}

#[tokio::test]
async fn what_comes_behind_urgent_data_is_not_lost() {
    const MUCH: usize = 4 * 1024 * 1024;
    let (browser, client) = tcp().await;
    let (mut target, server) = tcp().await;
    let bridge = passing(client, server, None);
    let says = spawn(async move {
        target.write_all(&vec![1; MUCH]).await.unwrap();
        target.writable().await.unwrap();
        rustix::net::send(&target, b"!", rustix::net::SendFlags::OOB).unwrap();
        target.write_all(&vec![2; MUCH]).await.unwrap();
    });
    let mut browser = WsClient::over(browser);
    let got = soon(browser.read(2 * MUCH)).await.unwrap();
    let behind: usize = got
        .iter()
        .filter_map(|byte| (*byte == 2).then_some(1))
        .sum();
    assert_eq!(behind, MUCH);
    soon(says).await.unwrap();
    let closed = soon(browser.closed()).await.unwrap();
    assert_eq!(closed.code, Some(1000));
    drop(browser);
    soon(bridge).await.unwrap();
}

/// The target says much and ends; the browser takes longer over it than the end waits for one
/// that is sent away, and talks all the while.
#[tokio::test]
async fn last_words_arrive_also_at_a_slow_browser_that_talks() {
    const MUCH: usize = 4 * 1024 * 1024;
    const PACE: Duration = Duration::from_millis(60);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let browser = TcpSocket::new_v4().unwrap();
    // So that it is the bridge's side where the bytes wait.
    browser.set_recv_buffer_size(16 * 1024).unwrap();
    let browser = browser.connect(listener.local_addr().unwrap());
    let mut browser = browser.await.unwrap();
    let (client, _) = listener.accept().await.unwrap();
    let (mut target, server) = tcp().await;
    let bridge = passing(client, server, None);
    let says = spawn(async move {
        target.write_all(&vec![3; MUCH]).await.unwrap();
        target.shutdown().await.unwrap();
        target
    });
    let mut got = Vec::with_capacity(MUCH + 4096);
    let mut room = vec![0; 64 * 1024];
    while got.len() < MUCH {
        let len = soon(browser.read(&mut room)).await.unwrap();
        assert!(len > 0, "the connection ends after {} bytes", got.len());
        got.extend(&room[..len]);
        if got.len() / room.len() > (got.len() - len) / room.len() {
            soon(browser.write_all(&frame(0x82, b"mouse")))
                .await
                .unwrap();
            tokio::time::sleep(PACE).await;
        }
    }
    let goodbye = frame(0x88, &1000_u16.to_be_bytes());
    soon(browser.write_all(&goodbye)).await.unwrap();
    soon(browser.read_to_end(&mut got)).await.unwrap();
    let payload: usize = got
        .iter()
        .filter_map(|byte| (*byte == 3).then_some(1))
        .sum();
    assert!(payload >= MUCH, "{payload} bytes of {MUCH}");
    let reason = b"The target closed its connection.";
    assert!(got.ends_with(reason), "there is no close frame");
    drop(browser);
    drop(soon(says).await.unwrap());
    soon(bridge).await.unwrap();
}

/// What an onlooker saw, in words.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Tap for Seen {
    fn saw(&mut self, event: Event<'_>) {
        let words = match event {
            Event::FromBrowser(bytes) => format!("from browser {}", bytes.escape_ascii()),
            Event::ToDesktop { whole } => format!("to desktop {whole}"),
            Event::FromDesktop(bytes) => format!("from desktop {}", bytes.escape_ascii()),
            Event::ToBrowser { whole } => format!("to browser {whole}"),
        };
        self.0.lock().unwrap().push(words);
    }
}

#[tokio::test]
async fn an_onlooker_sees_what_goes_through_in_its_order() {
    let (browser, client) = UnixStream::pair().unwrap();
    let (server, mut target) = UnixStream::pair().unwrap();
    let seen = Seen::default();
    let bridge = passing(client, server, Some(Box::new(seen.clone())));
    let mut browser = WsClient::over(browser);
    browser.send(b"question").await.unwrap();
    let mut heard = [0; 8];
    soon(target.read_exact(&mut heard)).await.unwrap();
    target.write_all(b"answer").await.unwrap();
    assert_eq!(soon(browser.read(6)).await.unwrap(), b"answer");
    drop(browser);
    soon(bridge).await.unwrap();
    let seen = seen.0.lock().unwrap();
    let expected = [
        "from browser question",
        "to desktop true",
        "from desktop answer",
        "to browser true",
    ];
    assert_eq!(*seen, expected);
}

/// More connections than may hold pipes, all of whose browsers stop reading in the middle of
/// much: what was in a pipe is copied out, and all of it arrives when they read on.
#[tokio::test]
async fn what_many_slow_browsers_left_waiting_arrives_unchanged() {
    const CONNECTIONS: usize = 80;
    const EACH: usize = 8 * 1024 * 1024;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let block: Arc<Vec<u8>> = Arc::new(
        (0..EACH)
            .map(|at| u8::try_from(at * 31 % 251).unwrap())
            .collect(),
    );
    let mut browsers = Vec::new();
    for _ in 0..CONNECTIONS {
        let browser = TcpStream::connect(address).await.unwrap();
        let (client, _) = listener.accept().await.unwrap();
        let target = TcpStream::connect(address).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let bridge = passing(client, server, None);
        let block = Arc::clone(&block);
        let says = spawn(async move {
            let mut target = target;
            target.write_all(&block).await.unwrap();
            target
        });
        let mut browser = WsClient::over(browser);
        // The first message shows that the bytes flow; then this browser reads no more for now.
        let Message::Binary(first) = soon(browser.next()).await.unwrap() else {
            panic!("no bytes came");
        };
        browsers.push((browser, first, says, bridge));
    }
    for (mut browser, mut got, says, bridge) in browsers {
        while got.len() < EACH {
            match soon(browser.next()).await.unwrap() {
                Message::Binary(payload) => got.extend(payload),
                other => panic!("{other:?} after {} bytes", got.len()),
            }
        }
        assert!(got == *block, "the bytes are not those that were sent");
        drop(soon(says).await.unwrap());
        drop(browser);
        soon(bridge).await.unwrap();
    }
}

#[tokio::test]
async fn a_reset_of_either_side_ends_that_connection_alone() {
    let (browser, client) = UnixStream::pair().unwrap();
    let (server, target) = UnixStream::pair().unwrap();
    let (other_browser, other_client) = UnixStream::pair().unwrap();
    let (other_server, mut other_target) = UnixStream::pair().unwrap();
    let bridge = passing(client, server, None);
    let other = passing(other_client, other_server, None);
    // Unread data makes a unix socket's end a reset.
    let mut browser = browser;
    browser.write_all(&frame(0x82, b"unread")).await.unwrap();
    soon(target.readable()).await.unwrap();
    drop(target);
    let closed = soon(WsClient::over(browser).closed()).await.unwrap();
    assert_eq!(closed.code, Some(1000));
    soon(bridge).await.unwrap();
    let mut other_browser = WsClient::over(other_browser);
    other_browser.send(b"fine").await.unwrap();
    let mut heard = [0; 4];
    soon(other_target.read_exact(&mut heard)).await.unwrap();
    assert_eq!(&heard, b"fine");
    drop(other_browser);
    soon(other).await.unwrap();
}
