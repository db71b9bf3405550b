//! One client of a relay: a WebSocket, or the bare stream of bytes where the relay only copies.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustls::ClientConfig;

use crate::frames::{Frames, put_message};
use crate::link::Link;
use crate::target::GREETING;

/// The longest head of a response, in bytes.
const MAX_HEAD: usize = 8 * 1024;

/// How long a relay may keep the client waiting.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where a relay is reached, and how.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) port: u16,
    pub(crate) websocket: bool,
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

pub(crate) struct Client {
    link: Link,
    /// `None` where the relay only copies.
    frames: Option<Frames>,
    /// What came right behind the answer to the upgrade.
    early: Vec<u8>,
}

impl Door {
    /// A connection that is through to the target.
    pub(crate) fn open(&self) -> Result<Client> {
        self.open_with(None)
    }

    /// The same with that much of the kernel's memory for what is not read yet, in bytes.
    pub(crate) fn open_with(&self, receive_buffer: Option<usize>) -> Result<Client> {
        let link = Link::open(self.port, self.tls.as_ref(), receive_buffer)?;
        link.tcp().set_read_timeout(Some(PATIENCE))?;
        link.tcp().set_write_timeout(Some(PATIENCE))?;
        let mut client = Client {
            link,
            frames: self.websocket.then(Frames::default),
            early: Vec::new(),
        };
        if self.websocket {
            client.upgrade(self.port).context("the upgrade failed")?;
        }
        Ok(client)
    }
}

impl Client {
    fn upgrade(&mut self, port: u16) -> Result<()> {
        let request = format!(
            "GET /novnc/websockify HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: binary\r\n\
             Origin: http://127.0.0.1:{port}\r\n\r\n"
        );
        self.link.write_all(request.as_bytes())?;
        let mut head = Vec::new();
        let mut room = [0; MAX_HEAD];
        let end = loop {
            if let Some(at) = head.windows(4).position(|it| it == b"\r\n\r\n") {
                break at + 4;
            }
            let len = self.link.read(&mut room)?;
            if len == 0 || head.len() > MAX_HEAD {
                bail!("no answer: {}", String::from_utf8_lossy(&head));
            }
            head.extend_from_slice(room.get(..len).unwrap_or_default());
        };
        self.early = head.split_off(end);
        if !head.starts_with(b"HTTP/1.1 101 ") {
            bail!("refused: {}", String::from_utf8_lossy(&head));
        }
        Ok(())
    }

    /// Reads once; `each` gets the payload in pieces.
    pub(crate) fn receive(
        &mut self,
        room: &mut [u8],
        mut each: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let early = std::mem::take(&mut self.early);
        let bytes = if early.is_empty() {
            let len = self.link.read(room).context("reading")?;
            if len == 0 {
                bail!("the relay ended the connection");
            }
            room.get(..len).unwrap_or_default()
        } else {
            &early
        };
        match &mut self.frames {
            Some(frames) => frames.walk(bytes, &mut each),
            None => each(bytes),
        }
    }

    /// Reads until `len` bytes of payload have come.
    pub(crate) fn expect(&mut self, len: usize, room: &mut [u8]) -> Result<Vec<u8>> {
        let mut got = Vec::new();
        while got.len() < len {
            self.receive(room, |payload| {
                got.extend_from_slice(payload);
                Ok(())
            })?;
        }
        Ok(got)
    }

    /// Reads what the target says first.
    pub(crate) fn expect_greeting(&mut self) -> Result<()> {
        let greeting = self.expect(GREETING.len(), &mut [0; 64])?;
        if greeting != GREETING {
            bail!("another greeting than the target's");
        }
        Ok(())
    }

    /// One message as it goes over the wire.
    pub(crate) fn wire(&self, payload: &[u8]) -> Vec<u8> {
        let mut room = Vec::with_capacity(payload.len() + 14);
        match self.frames {
            Some(_) => put_message(payload, &mut room),
            None => room.extend_from_slice(payload),
        }
        room
    }

    pub(crate) fn link(&mut self) -> &mut Link {
        &mut self.link
    }
}
