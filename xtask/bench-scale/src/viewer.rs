//! One viewer: a WebSocket on which RFB is spoken as far as the first picture, and which then waits
//! for changes as a browser does.

use std::io::{BufReader, Read, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::gateway::Person;

/// How long the gateway and the desktop may take for a step of the greeting.
const PATIENCE: Duration = Duration::from_secs(20);
/// Most bytes of an answer's head, and of a message that is read whole.
const MAX_HEAD: usize = 8 * 1024;
const MAX_MESSAGE: usize = 16 * 1024 * 1024;
const VERSION: &[u8] = b"RFB 003.008\n";

const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

pub(crate) struct Viewer {
    stream: TcpStream,
    reader: Option<JoinHandle<Result<()>>>,
    pictures: Receiver<()>,
}

impl Viewer {
    /// Looks at a desktop until [`Viewer::leave`]; the main one, when it has no name, is a fake, of
    /// which nothing but the first words are heard.
    pub(crate) fn open(person: &Person, name: Option<&str>) -> Result<Self> {
        let stream = TcpStream::connect(person.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut socket = Socket {
            reader: BufReader::new(stream.try_clone()?),
            unread: Vec::new(),
        };
        let path = match name {
            Some(name) => format!("/d/{}/{name}/websockify", person.name),
            None => format!("/d/{}/websockify", person.name),
        };
        write!(
            &stream,
            "GET {path} HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\nCookie: {1}\r\n\
             Upgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            person.address, person.cookie
        )?;
        socket.head()?;
        if socket.take(VERSION.len())? != VERSION {
            bail!("no VNC server answers");
        }
        let (seen, pictures) = mpsc::sync_channel(1);
        let reader = name.map(|_| socket.greet()).transpose()?.map(|()| {
            // From now on it may be silent.
            std::thread::spawn(move || socket.watch(&seen))
        });
        stream.set_read_timeout(None)?;
        Ok(Self {
            stream,
            reader,
            pictures,
        })
    }

    /// Waits until something of the screen has come.
    pub(crate) fn first_picture(&self, within: Duration) -> Result<()> {
        let seen = self.pictures.recv_timeout(within);
        seen.context("no picture comes")
    }

    pub(crate) fn leave(mut self) -> Result<()> {
        send(&self.stream, CLOSE, &1000_u16.to_be_bytes())?;
        if let Some(reader) = self.reader.take() {
            let ended = reader.join();
            ended.map_err(|_| anyhow::anyhow!("a viewer has panicked"))??;
        }
        Ok(())
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        // Ends the thread that reads; it may be closed already.
        _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// The reading end.
struct Socket {
    reader: BufReader<TcpStream>,
    unread: Vec<u8>,
}

impl Socket {
    fn head(&mut self) -> Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.reader.read_exact(&mut byte)?;
            head.extend_from_slice(&byte);
            if head.len() > MAX_HEAD {
                bail!("a head without an end");
            }
        }
        if !head.starts_with(b"HTTP/1.1 101 ") {
            bail!("refused: {}", String::from_utf8_lossy(&head));
        }
        Ok(())
    }

    /// RFB 3.8 without a password (RFC 6143 §7.1 to §7.3), and a first request for the picture.
    fn greet(&mut self) -> Result<()> {
        self.send(VERSION)?;
        let count = self.take(1)?[0];
        let types = self.take(usize::from(count))?;
        if !types.contains(&1) {
            bail!("the desktop wants a password");
        }
        self.send(&[1])?;
        if self.take(4)? != [0; 4] {
            bail!("the desktop refuses");
        }
        self.send(&[1])?;
        let init = self.take(24)?;
        let name = init.get(20..24).and_then(|it| it.try_into().ok());
        self.take(u32::from_be_bytes(name.context("no name")?).try_into()?)?;
        // All of it once, then what changes.
        self.send(&[3, 0, 0, 0, 0, 0, 0, 64, 0, 64])?;
        self.send(&[3, 1, 0, 0, 0, 0, 8, 0, 8, 0])
    }

    /// Takes what comes, and answers pings, until the gateway closes.
    fn watch(mut self, seen: &SyncSender<()>) -> Result<()> {
        self.reader.get_ref().set_read_timeout(None)?;
        loop {
            if self.frame()? == CLOSE {
                return Ok(());
            }
            if !self.unread.is_empty() {
                // The first is all that is waited for.
                _ = seen.try_send(());
            }
            self.unread.clear();
        }
    }

    fn take(&mut self, len: usize) -> Result<Vec<u8>> {
        while self.unread.len() < len {
            if self.frame()? == CLOSE {
                bail!("the gateway closed the connection");
            }
        }
        Ok(self.unread.drain(..len).collect())
    }

    /// Reads a frame of the gateway's, which has no mask, and says what it is.
    fn frame(&mut self) -> Result<u8> {
        let [first, second] = self.bytes()?;
        let len = match second {
            126 => usize::from(u16::from_be_bytes(self.bytes()?)),
            127 => usize::try_from(u64::from_be_bytes(self.bytes()?))?,
            len => usize::from(len),
        };
        if len > MAX_MESSAGE {
            bail!("a message of {len} bytes");
        }
        let mut payload = vec![0; len];
        self.reader.read_exact(&mut payload)?;
        let opcode = first & 0x0f;
        match opcode {
            PING => send(self.reader.get_ref(), PONG, &payload)?,
            BINARY => self.unread.extend(payload),
            _ => {}
        }
        Ok(opcode)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn send(&self, payload: &[u8]) -> Result<()> {
        send(self.reader.get_ref(), BINARY, payload)
    }
}

/// A short frame, with a mask of zeros.
fn send(mut stream: &TcpStream, opcode: u8, payload: &[u8]) -> Result<()> {
    let len = u8::try_from(payload.len())?;
    let head = [0x80 | opcode, 0x80 | len, 0, 0, 0, 0];
    Ok(stream.write_all(&[&head, payload].concat())?)
}
