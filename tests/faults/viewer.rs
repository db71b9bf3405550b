//! A browser's part of a desktop's WebSocket: just enough RFB to see that the desktop draws.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;

use crate::process::PATIENCE;

const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
/// FramebufferUpdateRequest, not incremental, for the first pixel: whoever draws has to answer.
const A_PIXEL: [u8; 10] = [3, 0, 0, 0, 0, 0, 0, 1, 0, 1];

pub struct Viewer {
    stream: TcpStream,
    /// What came and was not read.
    came: Vec<u8>,
}

/// A close frame.
#[derive(Debug)]
pub struct Closed {
    pub code: u16,
    pub reason: String,
}

impl Viewer {
    /// Over a stream that is a WebSocket already.
    pub fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream,
            came: Vec::new(),
        }
    }

    /// Shakes hands as the owner; the picture's name.
    pub fn shake_hands(&mut self) -> String {
        assert_eq!(self.read(12), b"RFB 003.008\n");
        self.send(b"RFB 003.008\n");
        let kinds = self.read(1)[0];
        assert!(
            self.read(kinds.into()).contains(&1),
            "no security type None"
        );
        self.send(&[1]);
        assert_eq!(self.read(4), [0; 4]);
        self.send(&[1]);
        let init = self.read(24);
        let name = u32::from_be_bytes([init[20], init[21], init[22], init[23]]);
        String::from_utf8_lossy(&self.read(name as usize)).into_owned()
    }

    /// Asks for a pixel and waits until something is drawn.
    pub fn is_drawn_for(&mut self) {
        self.send(&A_PIXEL);
        let head = self.read(4);
        assert_eq!(head[0], 0, "no picture, but {head:?}");
        let rectangles = u16::from_be_bytes([head[2], head[3]]);
        for _ in 0..rectangles {
            let head = self.read(12);
            let side = |at: usize| usize::from(u16::from_be_bytes([head[at], head[at + 1]]));
            assert_eq!(head[8..], [0; 4], "not as it was asked for");
            self.read(side(4) * side(6) * 4);
        }
    }

    /// Reads until the close frame, if one comes before the end.
    pub fn closed(mut self) -> Option<Closed> {
        loop {
            match self.frame() {
                Ok((CLOSE, payload)) => {
                    let (code, reason) = payload.split_at(2);
                    return Some(Closed {
                        code: u16::from_be_bytes([code[0], code[1]]),
                        reason: String::from_utf8_lossy(reason).into_owned(),
                    });
                }
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    fn send(&mut self, payload: &[u8]) {
        let length = u8::try_from(payload.len()).unwrap();
        // A mask of zeros.
        let mut frame = vec![BINARY, 0x80 | length, 0, 0, 0, 0];
        frame.extend(payload);
        self.stream.write_all(&frame).unwrap();
    }

    fn read(&mut self, length: usize) -> Vec<u8> {
        while self.came.len() < length {
            match self.frame().unwrap() {
                (BINARY, payload) => self.came.extend(payload),
                (CLOSE, payload) => panic!("closed: {}", String::from_utf8_lossy(&payload)),
                _ => {}
            }
        }
        let rest = self.came.split_off(length);
        std::mem::replace(&mut self.came, rest)
    }

    fn frame(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head)?;
        let length = match head[1] {
            126 => {
                let mut long = [0; 2];
                self.stream.read_exact(&mut long)?;
                usize::from(u16::from_be_bytes(long))
            }
            127 => return Err(io::Error::other("longer than anything that was asked for")),
            short => short.into(),
        };
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload)?;
        Ok((head[0], payload))
    }
}
