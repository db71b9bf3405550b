//! A WebSocket client that sends any bytes, and reads what comes back frame by frame.

use std::io::Read as _;

use super::wire::{Wire, is_end};

/// The mask of every frame; a fixed one makes failures readable.
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// The longest frame that a client takes, in bytes.
const MAX_FRAME: u64 = 64 << 20;

/// A frame from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// FIN, reserved bits, opcode.
    pub first: u8,
    pub payload: Vec<u8>,
}

/// What a close frame from the server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Close {
    /// `None` when the frame has no payload.
    pub code: Option<u16>,
    pub reason: String,
}

/// The client's side of an open WebSocket.
pub(crate) struct Ws {
    pub(crate) wire: Wire,
}

impl Ws {
    /// Over a connection that is a WebSocket already.
    pub(crate) fn over(wire: Wire) -> Self {
        Self { wire }
    }

    /// One whole binary message.
    pub(crate) fn send(&mut self, payload: &[u8]) {
        self.send_frame(0x82, payload);
    }

    /// A masked frame whose first byte (FIN, reserved bits, opcode) is `first`.
    pub(crate) fn send_frame(&mut self, first: u8, payload: &[u8]) {
        self.wire.send(&frame(first, payload));
    }

    pub(crate) fn send_close(&mut self, code: u16, reason: &str) {
        let payload = [&code.to_be_bytes(), reason.as_bytes()].concat();
        self.send_frame(0x88, &payload);
    }

    /// The next frame, `None` at the end of the connection.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        let [first, second] = match self.read::<2>() {
            Ok(head) => head,
            Err(error) if is_end(&error) => return None,
            Err(error) => panic!("no frame: {error}"),
        };
        assert!(second < 128, "a server does not mask its frames");
        let len = match second {
            126 => {
                let len = u64::from(u16::from_be_bytes(self.read().unwrap()));
                assert!(len > 125, "a long way to say {len}");
                len
            }
            127 => {
                let len = u64::from_be_bytes(self.read().unwrap());
                assert!(len > 65_535, "a long way to say {len}");
                len
            }
            short => u64::from(short),
        };
        assert!(len < MAX_FRAME, "a frame of {len} bytes");
        let payload = self.wire.read_bytes(usize::try_from(len).unwrap());
        Some(Frame { first, payload })
    }

    /// The next frame, which must be of this kind.
    pub(crate) fn expect(&mut self, first: u8) -> Vec<u8> {
        let frame = self.next();
        match frame {
            Some(frame) if frame.first == first => frame.payload,
            other => panic!("no frame {first:#x} but {other:?}"),
        }
    }

    /// The next `len` bytes of binary messages, past pings and pongs.
    pub(crate) fn read_data(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < len {
            match self.next() {
                Some(Frame {
                    first: 0x82,
                    payload,
                }) => bytes.extend(payload),
                Some(Frame {
                    first: 0x89 | 0x8a, ..
                }) => {}
                other => panic!("{other:?} after {} of {len} bytes", bytes.len()),
            }
        }
        assert_eq!(bytes.len(), len, "more than was sent");
        bytes
    }

    /// The close frame, past whatever comes before it.
    pub(crate) fn closed(&mut self) -> Close {
        loop {
            match self.next() {
                Some(Frame {
                    first: 0x88,
                    payload,
                }) => {
                    assert_ne!(payload.len(), 1, "a close frame of one byte");
                    let reason = payload.get(2..).unwrap_or_default();
                    return Close {
                        code: payload.first_chunk().map(|code| u16::from_be_bytes(*code)),
                        reason: String::from_utf8(reason.to_vec()).unwrap(),
                    };
                }
                Some(_) => {}
                None => panic!("the connection ends without a close frame"),
            }
        }
    }

    /// The code of the close frame, past whatever comes before it.
    pub(crate) fn close_code(&mut self) -> u16 {
        let closed = self.closed();
        closed
            .code
            .unwrap_or_else(|| panic!("a close without a code"))
    }

    /// Ends the WebSocket as a page that is left: a close frame, its answer, and the connection.
    pub(crate) fn leave(mut self) {
        self.send_close(1000, "");
        assert_eq!(self.close_code(), 1000);
    }

    /// Waits for the end of the connection; nothing may come before it.
    pub(crate) fn ends(&mut self) {
        let next = self.next();
        assert_eq!(next, None, "that is no end");
    }

    fn read<const LEN: usize>(&mut self) -> std::io::Result<[u8; LEN]> {
        let mut bytes = [0; LEN];
        self.wire.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

/// A masked frame with the shortest length.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(first, payload.len());
    let masked = payload.iter().zip(KEY.iter().cycle());
    frame.extend(masked.map(|(byte, key)| byte ^ key));
    frame
}

/// The head of such a frame, with the mask.
pub(crate) fn head(first: u8, len: usize) -> Vec<u8> {
    let mut head = vec![first];
    match len {
        0..126 => head.push(0x80 | u8::try_from(len).unwrap()),
        126..65_536 => {
            head.push(0xfe);
            head.extend(u16::try_from(len).unwrap().to_be_bytes());
        }
        _ => {
            head.push(0xff);
            head.extend((len as u64).to_be_bytes());
        }
    }
    head.extend(KEY);
    head
}
