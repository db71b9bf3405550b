//! Moves bytes between a WebSocket server and one viewer's socket. Reads no further than it can
//! write: each way has one buffer, and who does not read makes the other side wait.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::incoming::{Incoming, Step};
use super::upgrade::MAX_HEAD;
use crate::bridge::websocket::{
    MAX_CLIENT_HEAD, MAX_CONTROL, Mask, Opcode, Violation, client_head,
};
use crate::runtime::{Stream, random_bytes};

/// Bytes of each way's buffer: what a socket's pair takes at once.
const BUFFER: usize = 64 << 10;
/// How often the server is asked for a sign of life, which also keeps the proxies on the way from
/// ending a connection on which nothing happens: most do after a minute.
const PING_EVERY: Duration = Duration::from_secs(25);
/// How long saying good-bye may take.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(2);
/// Most bytes of a server's reason that are shown.
const MAX_SHOWN: usize = MAX_CONTROL;

const _: () = assert!(MAX_HEAD <= BUFFER, "what comes early must fit the buffer");

/// What ended a relay. Shown behind "the server".
#[derive(Debug)]
pub(crate) enum End {
    /// The viewer left.
    Viewer,
    Closed {
        code: Option<u16>,
        reason: String,
    },
    /// The connection broke without a word.
    Vanished,
    Violation(Violation),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Viewer => f.write_str("is not needed any more"),
            Self::Closed { code, reason } => {
                f.write_str("closed the connection")?;
                if let Some(code) = code {
                    write!(f, " with code {code}")?;
                }
                let shown: String = reason.escape_debug().take(MAX_SHOWN).collect();
                match shown.as_str() {
                    "" => Ok(()),
                    shown => write!(f, ": {shown}"),
                }
            }
            Self::Vanished => f.write_str("ended the connection without a word"),
            Self::Violation(violation) => {
                write!(f, "breaks the WebSocket protocol: {violation}")
            }
        }
    }
}

/// Carries bytes until either side ends, and says good-bye to the server.
pub(super) async fn carry(server: Stream, early: Bytes, viewer: UnixStream) -> End {
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let (mut from_viewer, mut to_viewer) = viewer.into_split();
    let (ping, pings) = watch::channel(Vec::new());
    let end = tokio::select! {
        end = down(&mut from_server, early, &mut to_viewer, &ping) => end,
        end = up(&mut from_viewer, &mut to_server, pings) => end,
    };
    let code: u16 = match &end {
        End::Viewer | End::Closed { .. } => 1000,
        End::Violation(Violation::Text) => 1003,
        End::Violation(Violation::TooLong(_)) => 1009,
        End::Violation(_) => 1002,
        End::Vanished => return end,
    };
    // A write that was broken off in the middle leaves nothing to say; the server sees the end.
    let farewell = async {
        control(&mut to_server, Opcode::Close, &code.to_be_bytes()).await?;
        to_server.shutdown().await
    };
    if let Ok(Err(error)) = timeout(FAREWELL_TIMEOUT, farewell).await {
        tracing::debug!(%error, "the server was gone already");
    }
    end
}

/// From the server to the viewer.
async fn down(
    server: &mut (impl AsyncRead + Unpin),
    early: Bytes,
    viewer: &mut (impl AsyncWrite + Unpin),
    ping: &watch::Sender<Vec<u8>>,
) -> End {
    let mut incoming = Incoming::new();
    let mut buffer = vec![0; BUFFER];
    let mut filled = early.len();
    if let Some(start) = buffer.get_mut(..filled) {
        start.copy_from_slice(&early);
    }
    drop(early);
    loop {
        let mut unread = buffer.get(..filled).unwrap_or_default();
        loop {
            let (taken, step) = match incoming.step(unread) {
                Ok(step) => step,
                Err(violation) => return violation.into(),
            };
            match step {
                Step::Data(bytes) => {
                    if viewer.write_all(bytes).await.is_err() {
                        return End::Viewer;
                    }
                }
                // The latest alone has to be answered (RFC 6455 §5.5.3).
                Step::Ping(payload) => drop(ping.send_replace(payload)),
                Step::Close { code, reason } => return End::Closed { code, reason },
                Step::Nothing => {}
                Step::More => break,
            }
            unread = unread.get(taken..).unwrap_or_default();
        }
        // The beginning of a head at most.
        let left = unread.len();
        buffer.copy_within(filled - left..filled, 0);
        match server
            .read(buffer.get_mut(left..).unwrap_or_default())
            .await
        {
            Ok(0) | Err(_) => return End::Vanished,
            Ok(read) => filled = left + read,
        }
    }
}

/// From the viewer to the server: one frame for each read.
async fn up(
    viewer: &mut (impl AsyncRead + Unpin),
    server: &mut (impl AsyncWrite + Unpin),
    mut pings: watch::Receiver<Vec<u8>>,
) -> End {
    let mut buffer = vec![0; MAX_CLIENT_HEAD + BUFFER];
    let mut ping = interval(PING_EVERY);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ping.reset();
    loop {
        let room = buffer.get_mut(MAX_CLIENT_HEAD..).unwrap_or_default();
        let sent = tokio::select! {
            Ok(()) = pings.changed() => {
                let payload = pings.borrow_and_update().clone();
                control(server, Opcode::Pong, &payload).await
            }
            read = viewer.read(room) => match read {
                Ok(0) | Err(_) => return End::Viewer,
                Ok(read) => send(server, Opcode::Binary, &mut buffer, read).await,
            },
            _ = ping.tick() => control(server, Opcode::Ping, b"").await,
        };
        if sent.is_err() {
            return End::Vanished;
        }
    }
}

async fn control(
    server: &mut (impl AsyncWrite + Unpin),
    opcode: Opcode,
    payload: &[u8],
) -> std::io::Result<()> {
    let mut frame = [0; MAX_CLIENT_HEAD + MAX_CONTROL];
    let len = payload.len().min(MAX_CONTROL);
    let room = frame.iter_mut().skip(MAX_CLIENT_HEAD);
    for (byte, from) in room.zip(payload) {
        *byte = *from;
    }
    send(server, opcode, &mut frame, len).await
}

/// Sends the payload of `len` bytes that stands in `frame` behind the room for its head.
async fn send(
    server: &mut (impl AsyncWrite + Unpin),
    opcode: Opcode,
    frame: &mut [u8],
    len: usize,
) -> std::io::Result<()> {
    let key = random_bytes()?;
    let Some((room, payload)) = frame.split_first_chunk_mut::<MAX_CLIENT_HEAD>() else {
        return Err(std::io::ErrorKind::InvalidInput.into());
    };
    let head = client_head(room, opcode, len, key);
    Mask::new(key).apply(payload.get_mut(..len).unwrap_or_default());
    let whole = frame.get(MAX_CLIENT_HEAD - head..MAX_CLIENT_HEAD + len);
    server.write_all(whole.unwrap_or_default()).await?;
    server.flush().await
}

#[cfg(test)]
mod tests;
