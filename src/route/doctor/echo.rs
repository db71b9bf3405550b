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
/// How long one may last, with its end.
const LASTS: Duration = Duration::from_mins(2);
/// What is read at once, in bytes.
const PIECE: usize = 16 << 10;

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
    #[error("it lasted {} s", LASTS.as_secs())]
    Late,
}

struct Echo {
    stream: Stream,
    parser: FrameParser,
    raw: BytesMut,
    /// How many bytes may still come.
    left: usize,
}

/// Echoes until the client closes. When its time is over the connection is dropped without a word:
/// a frame may be half on its way, and who reads nothing would not read another.
pub(super) async fn run(
    upgraded: impl Future<Output = Result<Upgraded, hyper::Error>>,
) -> Result<(), Ended> {
    let whole = async {
        let upgraded = upgraded.await?;
        let mut echo = Echo {
            stream: upgraded.stream,
            parser: FrameParser::new(MOST),
            raw: BytesMut::from(&*upgraded.early),
            left: MOST,
        };
        echo.talk().await?;
        Ok(echo.stream.shutdown().await?)
    };
    timeout(LASTS, whole).await.unwrap_or(Err(Ended::Late))
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, DuplexStream, duplex};

    use super::*;

    /// An echo with its client, and only so much room between them.
    fn echo(room: usize) -> (DuplexStream, impl Future<Output = Result<(), Ended>>) {
        let (client, server) = duplex(room);
        let upgraded = Upgraded::over(Stream::over(server));
        (client, run(async move { Ok(upgraded) }))
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_nothing_is_let_go_in_time() {
        let (mut client, echo) = echo(256);
        let echo = timeout(LASTS * 2, echo);
        // Binary, masked with nothing, 1000 bytes: more than fits on the way back.
        let mut frame = vec![0x82, 0x80 | 0x7e, 0x03, 0xe8, 0, 0, 0, 0];
        frame.resize(frame.len() + 1000, b'x');
        let (ended, sent) = tokio::join!(echo, async { client.write_all(&frame).await });
        let ended = ended.expect("it holds its place for ever");
        assert!(matches!(ended, Err(Ended::Late)), "{ended:?}");
        assert!(sent.is_err(), "the connection is gone");
        // Half of the frame came back, and nothing in the middle of it.
        let mut back = Vec::new();
        client.read_to_end(&mut back).await.unwrap();
        assert_eq!(back[..4], [0x82, 126, 0x03, 0xe8]);
        assert!(back[4..].iter().all(|byte| *byte == b'x'), "{back:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_is_let_go_in_time() {
        let (_client, echo) = echo(256);
        let ended = timeout(LASTS * 2, echo).await.unwrap();
        assert!(matches!(ended, Err(Ended::Late)), "{ended:?}");
    }
}
