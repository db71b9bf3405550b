//! A WebSocket that says back each message it hears, on the product's own handshake and frame
//! code, for conformance suites: `cargo run --example websocket_echo -- 9001`.
//!
//! The bridge takes binary messages alone, so the parser refuses text. Here the head of a text
//! frame is made one of a binary frame before the parser sees it, and what RFC 6455 asks of text
//! (UTF-8, refused as early as it shows) is checked here.

use std::convert::Infallible;
use std::io;

use anyhow::Context as _;
use bytes::{Buf as _, Bytes, BytesMut};
use deskway::bridge::websocket::{
    self, FrameParser, Head, MAX_SERVER_HEAD, Opcode, Parsed, Violation, check_close, server_head,
};
use deskway::runtime::Tasks;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The longest message in bytes: the suite's longest.
const MAX_MESSAGE: usize = 16 * 1024 * 1024;

const READ: usize = 64 * 1024;

const NORMAL: u16 = 1000;
const PROTOCOL_ERROR: u16 = 1002;
const NOT_UTF8: u16 = 1007;
const TOO_BIG: u16 = 1009;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let port = std::env::args().nth(1).context("which port?")?.parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let tasks = Tasks::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answers = tasks.clone();
        let connection = http1::Builder::new()
            .serve_connection(
                TokioIo::new(stream),
                service_fn(move |request| {
                    let response = answer(request, &answers);
                    async { Ok::<_, Infallible>(response) }
                }),
            )
            .with_upgrades();
        drop(tasks.spawn(async {
            // A client that goes away while it asks is nobody's concern here.
            drop(connection.await);
        }));
    }
}

fn answer(mut request: Request<Incoming>, tasks: &Tasks) -> Response<Empty<Bytes>> {
    let upgrade = hyper::upgrade::on(&mut request);
    let (parts, _) = request.into_parts();
    let mut response = Response::new(Empty::new());
    match websocket::accept(&parts) {
        Ok(headers) => {
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            *response.headers_mut() = headers;
            drop(tasks.spawn(async {
                if let Ok(upgraded) = upgrade.await
                    && let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>()
                {
                    let echo = Echo::new(parts.io.into_inner(), &parts.read_buf);
                    // Nor is one that goes away later.
                    drop(echo.run().await);
                }
            }));
        }
        Err(error) => {
            *response.status_mut() = error.status();
            *response.headers_mut() = error.headers();
        }
    }
    response
}

/// Why a connection ends: the close code to send, if there is anybody to send it to.
enum End {
    Close(Option<u16>),
    Gone,
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

impl From<Violation> for End {
    fn from(violation: Violation) -> Self {
        Self::Close(Some(match violation {
            Violation::TooLong(_) => TOO_BIG,
            Violation::CloseReason => NOT_UTF8,
            _ => PROTOCOL_ERROR,
        }))
    }
}

/// One connection.
struct Echo {
    stream: TcpStream,
    /// What is read and not yet looked at.
    bytes: BytesMut,
    parser: FrameParser,
    /// The message that is on its way.
    message: Vec<u8>,
    /// How much of a text's beginning is UTF-8 for sure; `None`: the message is binary.
    text: Option<usize>,
    /// Between messages a data frame begins a new one.
    between: bool,
}

impl Echo {
    fn new(stream: TcpStream, early: &[u8]) -> Self {
        Self {
            stream,
            bytes: BytesMut::from(early),
            parser: FrameParser::new(MAX_MESSAGE),
            message: Vec::new(),
            text: None,
            between: true,
        }
    }

    async fn run(mut self) -> io::Result<()> {
        let End::Close(code) = self.serve().await else {
            return Ok(());
        };
        let payload = code.map(u16::to_be_bytes);
        self.send(
            Opcode::Close,
            payload.as_ref().map_or(&[], <[u8; 2]>::as_slice),
        )
        .await?;
        self.stream.shutdown().await?;
        // Unread data would make the kernel reset the connection, and the close frame be lost.
        while self.read().await? > 0 {
            self.bytes.clear();
        }
        Ok(())
    }

    /// Frame after frame until the end.
    async fn serve(&mut self) -> End {
        loop {
            if let Err(end) = self.frame().await {
                return end;
            }
        }
    }

    async fn frame(&mut self) -> Result<(), End> {
        let (head, is_text) = self.head().await?;
        match head.opcode {
            Opcode::Text | Opcode::Binary | Opcode::Continuation => {
                if self.between {
                    self.text = is_text.then_some(0);
                }
                self.between = head.fin;
                self.data(head).await
            }
            Opcode::Ping => {
                let payload = self.control(head).await?;
                Ok(self.send(Opcode::Pong, &payload).await?)
            }
            Opcode::Pong => self.control(head).await.map(drop),
            Opcode::Close => {
                let payload = self.control(head).await?;
                let close = check_close(&payload)?;
                Err(End::Close(close.code.map(|_| NORMAL)))
            }
        }
    }

    /// The next head, and whether it is of a text frame.
    async fn head(&mut self) -> Result<(Head, bool), End> {
        let mut is_text = false;
        loop {
            if let Some(first) = self.bytes.first_mut()
                && *first & 0x0f == 1
            {
                is_text = true;
                *first += 1;
            }
            match self.parser.parse(&self.bytes)? {
                Parsed::Head { head, len } => {
                    self.bytes.advance(len);
                    return Ok((head, is_text));
                }
                Parsed::Need(_) => self.more().await?,
            }
        }
    }

    async fn control(&mut self, head: Head) -> Result<BytesMut, End> {
        while self.bytes.len() < head.payload {
            self.more().await?;
        }
        let mut payload = self.bytes.split_to(head.payload);
        let mut mask = head.mask;
        mask.apply(&mut payload);
        Ok(payload)
    }

    /// The payload of a data frame as it comes; the whole message goes back.
    async fn data(&mut self, head: Head) -> Result<(), End> {
        let (mut left, mut mask) = (head.payload, head.mask);
        while left > 0 {
            if self.bytes.is_empty() {
                self.more().await?;
            }
            let mut part = self.bytes.split_to(left.min(self.bytes.len()));
            mask.apply(&mut part);
            left -= part.len();
            self.message.extend_from_slice(&part);
            self.check_text(false)?;
        }
        if !head.fin {
            return Ok(());
        }
        self.check_text(true)?;
        let message = std::mem::take(&mut self.message);
        let opcode = self.text.map_or(Opcode::Binary, |_| Opcode::Text);
        Ok(self.send(opcode, &message).await?)
    }

    fn check_text(&mut self, is_all: bool) -> Result<(), End> {
        let Some(good) = &mut self.text else {
            return Ok(());
        };
        let rest = self.message.get(*good..).unwrap_or_default();
        match std::str::from_utf8(rest) {
            Ok(_) => *good = self.message.len(),
            // The end of what is here may be the beginning of a character.
            Err(error) if error.error_len().is_none() && !is_all => *good += error.valid_up_to(),
            Err(_) => return Err(End::Close(Some(NOT_UTF8))),
        }
        Ok(())
    }

    async fn send(&mut self, opcode: Opcode, payload: &[u8]) -> io::Result<()> {
        let mut room = [0; MAX_SERVER_HEAD];
        let head = server_head(&mut room, opcode, payload.len());
        let mut frame = Vec::with_capacity(head + payload.len());
        frame.extend_from_slice(&room[MAX_SERVER_HEAD - head..]);
        frame.extend_from_slice(payload);
        self.stream.write_all(&frame).await
    }

    async fn more(&mut self) -> Result<(), End> {
        match self.read().await? {
            0 => Err(End::Gone),
            _ => Ok(()),
        }
    }

    async fn read(&mut self) -> io::Result<usize> {
        self.bytes.reserve(READ);
        self.stream.read_buf(&mut self.bytes).await
    }
}
