//! The WebSocket that echoes: each frame goes back as one of the same length, piece by piece as
//! it comes, so that little is held of the largest.

use std::io;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::bridge::websocket::{
    FrameParser, Head, MAX_SERVER_HEAD, Opcode, Parsed, Violation, check_close, server_head,
};
use crate::listen::Upgraded;
use crate::runtime::Stream;

/// The longest message, and the most that goes through one WebSocket, in bytes.
const MOST: usize = 4 << 20;
/// How long one may last.
const LASTS: Duration = Duration::from_mins(2);
/// What is read at once, in bytes.
const PIECE: usize = 16 << 10;
/// Close code 1000, a normal end (RFC 6455 §7.4.1).
const NORMAL: [u8; 2] = 1000_u16.to_be_bytes();

/// Why an echo ended before its time.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("the client left: {0}")]
    Left(#[from] io::Error),
    #[error("the client left before it was answered: {0}")]
    LeftAtOnce(#[from] hyper::Error),
    #[error("the client breaks the rules: {0}")]
    Broken(#[from] Violation),
    #[error("more than {MOST} bytes")]
    TooMuch,
}

struct Echo {
    stream: Stream,
    parser: FrameParser,
    raw: BytesMut,
    /// How many bytes may still come.
    left: usize,
}

/// Echoes until the client closes, or its time is over.
pub(super) async fn run(upgraded: Upgraded) -> Result<(), Ended> {
    let mut echo = Echo {
        stream: upgraded.stream,
        parser: FrameParser::new(MOST),
        raw: BytesMut::from(&*upgraded.early),
        left: MOST,
    };
    match timeout(LASTS, echo.talk()).await {
        Ok(ended) => ended?,
        Err(_) => echo.send(Opcode::Close, &NORMAL).await?,
    }
    Ok(echo.stream.shutdown().await?)
}

impl Echo {
    async fn talk(&mut self) -> Result<(), Ended> {
        loop {
            let head = self.head().await?;
            match head.opcode {
                Opcode::Binary | Opcode::Text | Opcode::Continuation => {
                    self.send_back(head).await?;
                }
                Opcode::Ping => {
                    let payload = self.control(head).await?;
                    self.send(Opcode::Pong, &payload).await?;
                }
                Opcode::Pong => drop(self.control(head).await?),
                Opcode::Close => {
                    let payload = self.control(head).await?;
                    check_close(&payload)?;
                    return self.send(Opcode::Close, &payload).await;
                }
            }
        }
    }

    /// The head of the next frame.
    async fn head(&mut self) -> Result<Head, Ended> {
        loop {
            match self.parser.parse(&self.raw)? {
                Parsed::Head { head, len } => {
                    self.raw.advance(len);
                    self.left = (self.left.checked_sub(head.payload)).ok_or(Ended::TooMuch)?;
                    return Ok(head);
                }
                Parsed::Need(_) => self.read().await?,
            }
        }
    }

    async fn send_back(&mut self, mut head: Head) -> Result<(), Ended> {
        self.send_head(Opcode::Binary, head.payload).await?;
        while head.payload > 0 {
            if self.raw.is_empty() {
                self.read().await?;
            }
            let mut piece = self.raw.split_to(self.raw.len().min(head.payload));
            head.mask.apply(&mut piece);
            head.payload -= piece.len();
            self.stream.write_all(&piece).await?;
        }
        Ok(self.stream.flush().await?)
    }

    /// The payload of a control frame, which is short.
    async fn control(&mut self, mut head: Head) -> Result<BytesMut, Ended> {
        while self.raw.len() < head.payload {
            self.read().await?;
        }
        let mut payload = self.raw.split_to(head.payload);
        head.mask.apply(&mut payload);
        Ok(payload)
    }

    async fn send(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), Ended> {
        self.send_head(opcode, payload.len()).await?;
        self.stream.write_all(payload).await?;
        Ok(self.stream.flush().await?)
    }

    async fn send_head(&mut self, opcode: Opcode, payload: usize) -> Result<(), Ended> {
        let mut room = [0; MAX_SERVER_HEAD];
        let len = server_head(&mut room, opcode, payload);
        Ok(self
            .stream
            .write_all(&room[MAX_SERVER_HEAD - len..])
            .await?)
    }

    async fn read(&mut self) -> Result<(), Ended> {
        self.raw.reserve(PIECE);
        let mut limited = bytes::BufMut::limit(&mut self.raw, PIECE);
        match self.stream.read_buf(&mut limited).await? {
            0 => Err(Ended::Left(io::ErrorKind::UnexpectedEof.into())),
            _ => Ok(()),
        }
    }
}
