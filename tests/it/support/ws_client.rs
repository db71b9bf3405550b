//! A browser's WebSocket, frame by frame, and able to break every rule.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// The mask of every frame; a fixed one makes failures readable.
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// The longest head of a response to an upgrade, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// A frame from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Closed),
    /// The connection has ended.
    End,
}

/// What a close frame from the server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Closed {
    /// `None` when the frame has no payload.
    pub code: Option<u16>,
    pub reason: String,
}

/// A WebSocket client over any stream.
pub(crate) struct WsClient<S> {
    pub(crate) stream: S,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WsClient<S> {
    /// Over a stream that is a WebSocket already.
    pub(crate) fn over(stream: S) -> Self {
        Self { stream }
    }

    /// Sends the upgrade request for `path` with `headers` beside the usual ones (lines without
    /// their ends). Returns the response's head; when that is no 101, what follows is its body.
    pub(crate) async fn open(
        mut stream: S,
        host: &str,
        path: &str,
        headers: &[&str],
    ) -> io::Result<(String, Self)> {
        let mut request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        );
        for header in headers {
            request.push_str(header);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            assert!(head.len() < MAX_HEAD, "an endless response");
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        Ok((head, Self::over(stream)))
    }

    /// One whole binary message.
    pub(crate) async fn send(&mut self, payload: &[u8]) -> io::Result<()> {
        self.send_frame(0x82, payload).await
    }

    /// A masked frame whose first byte (FIN, reserved bits, opcode) is `first`.
    pub(crate) async fn send_frame(&mut self, first: u8, payload: &[u8]) -> io::Result<()> {
        self.stream.write_all(&frame(first, payload)).await
    }

    /// A close frame with `code`.
    pub(crate) async fn send_close(&mut self, code: u16) -> io::Result<()> {
        self.send_frame(0x88, &code.to_be_bytes()).await
    }

    /// The next frame.
    pub(crate) async fn next(&mut self) -> io::Result<Message> {
        let mut head = [0; 2];
        match self.stream.read_exact(&mut head).await {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(Message::End),
            Err(error) => return Err(error),
        }
        let len = match head[1] {
            126 => u64::from(self.stream.read_u16().await?),
            127 => self.stream.read_u64().await?,
            short => u64::from(short),
        };
        let mut payload = vec![0; usize::try_from(len).unwrap()];
        self.stream.read_exact(&mut payload).await?;
        Ok(match head[0] {
            0x82 => Message::Binary(payload),
            0x88 => Message::Close(Closed {
                code: payload.first_chunk().map(|code| u16::from_be_bytes(*code)),
                reason: String::from_utf8(payload.split_off(payload.len().min(2))).unwrap(),
            }),
            0x89 => Message::Ping(payload),
            0x8a => Message::Pong(payload),
            other => panic!("a server does not send {other:#x}"),
        })
    }

    /// The next `len` bytes of binary messages; they may end within the last one.
    pub(crate) async fn read(&mut self, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while bytes.len() < len {
            match self.next().await? {
                Message::Binary(payload) => bytes.extend(payload),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?} after {} of {len} bytes", bytes.len()),
            }
        }
        Ok(bytes)
    }

    /// The close frame, past whatever comes before it.
    pub(crate) async fn closed(&mut self) -> io::Result<Closed> {
        loop {
            match self.next().await? {
                Message::Close(closed) => return Ok(closed),
                Message::End => panic!("the connection ends without a close frame"),
                _ => {}
            }
        }
    }

    /// A viewer's handshake in RFB 3.8 with security type None, up to and with ServerInit of
    /// [`super::FakeVnc`], which it returns.
    pub(crate) async fn shake_hands(&mut self, shared: u8) -> io::Result<Vec<u8>> {
        assert_eq!(self.read(12).await?, b"RFB 003.008\n");
        self.send(b"RFB 003.008\n").await?;
        assert_eq!(self.read(2).await?, [1, 1]);
        self.send(&[1]).await?;
        assert_eq!(self.read(4).await?, [0; 4]);
        self.send(&[shared]).await?;
        self.read(28).await
    }
}

/// A masked frame with the shortest length.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..126 => frame.push(0x80 | u8::try_from(len).unwrap()),
        len @ 126..65_536 => {
            frame.push(0xfe);
            frame.extend(u16::try_from(len).unwrap().to_be_bytes());
        }
        len => {
            frame.push(0xff);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend(KEY);
    frame.extend(
        payload
            .iter()
            .zip(KEY.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    frame
}
