//! WebSocket frames as a client sees them (RFC 6455 §5), no faster than needed and no slower.

use anyhow::{Result, bail};

/// The mask of every frame that is sent. One key for all saves the client work and the server
/// none: it takes off whatever it is told.
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// In the second byte: the payload is masked.
const MASKED: u8 = 0x80;

/// The longest head of a frame that a server sends.
const MAX_HEAD: usize = 10;

/// One masked binary message in one frame, behind what is in `room` already.
pub(crate) fn put_message(payload: &[u8], room: &mut Vec<u8>) {
    room.push(0x82);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(len @ 0..=125), _) => room.push(MASKED + len),
        (_, Ok(len)) => {
            room.push(MASKED + 126);
            room.extend(len.to_be_bytes());
        }
        _ => {
            room.push(MASKED + 127);
            room.extend((payload.len() as u64).to_be_bytes());
        }
    }
    room.extend(KEY);
    let start = room.len();
    room.extend_from_slice(payload);
    let (blocks, rest) = room[start..].as_chunks_mut::<4>();
    for block in blocks {
        *block = (u32::from_ne_bytes(*block) ^ u32::from_ne_bytes(KEY)).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(KEY) {
        *byte ^= key;
    }
}

/// Where in the stream from the server the payloads are.
#[derive(Default)]
pub(crate) struct Frames {
    head: [u8; MAX_HEAD],
    have: usize,
    /// What is left of the payload of the frame at hand.
    left: u64,
    carries: Carries,
    /// What a close frame says.
    farewell: Vec<u8>,
}

#[derive(Default)]
enum Carries {
    #[default]
    Data,
    PingOrPong,
    Close,
}

impl Frames {
    /// Hands each piece of payload in `bytes` to `each`.
    pub(crate) fn walk(
        &mut self,
        mut bytes: &[u8],
        each: &mut impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        while !bytes.is_empty() {
            if self.left == 0 {
                bytes = self.take_head(bytes)?;
                continue;
            }
            let len = usize::try_from(self.left).unwrap_or(usize::MAX);
            let (payload, rest) = bytes.split_at(len.min(bytes.len()));
            self.left -= payload.len() as u64;
            bytes = rest;
            match self.carries {
                Carries::Data => each(payload)?,
                Carries::PingOrPong => {}
                Carries::Close => {
                    self.farewell.extend_from_slice(payload);
                    if self.left == 0 {
                        return self.closed();
                    }
                }
            }
        }
        Ok(())
    }

    fn closed(&self) -> Result<()> {
        let (code, reason) = self.farewell.split_first_chunk().unwrap_or((&[0; 2], &[]));
        let (code, reason) = (u16::from_be_bytes(*code), String::from_utf8_lossy(reason));
        bail!("the server closed the connection: {code} {reason}")
    }

    fn take_head<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8]> {
        let wanted = match (self.have, self.head[1] & 0x7f) {
            (0 | 1, _) => 2,
            (_, 126) => 4,
            (_, 127) => MAX_HEAD,
            _ => 2,
        };
        let (head, rest) = bytes.split_at((wanted - self.have).min(bytes.len()));
        self.head[self.have..][..head.len()].copy_from_slice(head);
        self.have += head.len();
        let [first, second, long @ ..] = self.head;
        if self.have < 2 {
            return Ok(rest);
        }
        let length = match (second, self.have) {
            (0..=125, _) => u64::from(second),
            (126, 4) => u64::from(u16::from_be_bytes([long[0], long[1]])),
            (127, MAX_HEAD) => u64::from_be_bytes(long),
            (126 | 127, _) => return Ok(rest),
            _ => bail!("the server masks its frames"),
        };
        match first & 0x0f {
            0..=2 => self.carries = Carries::Data,
            9 | 10 => self.carries = Carries::PingOrPong,
            8 if length == 0 => bail!("the server closed the connection"),
            8 => self.carries = Carries::Close,
            other => bail!("the server sent opcode {other}"),
        }
        self.left = length;
        self.have = 0;
        Ok(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_found_however_the_stream_is_cut() {
        let long = vec![7; 70_000];
        let mut stream = vec![0x82, 3, 1, 2, 3, 0x89, 2, 9, 9, 0x82, 0, 0x82, 126, 0, 200];
        stream.extend(&long[..200]);
        stream.extend([0x82, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70]);
        stream.extend(&long);
        let expected = [&[1, 2, 3], &long[..200], &long].concat();
        for cut in [1, 2, 3, 5, 1000, stream.len()] {
            let (mut frames, mut got) = (Frames::default(), Vec::new());
            for part in stream.chunks(cut) {
                let mut each = |payload: &[u8]| {
                    got.extend_from_slice(payload);
                    Ok(())
                };
                frames.walk(part, &mut each).unwrap();
            }
            assert!(got == expected, "cut into {cut}");
        }
    }

    #[test]
    fn a_message_is_masked_behind_its_head() {
        let mut room = Vec::new();
        put_message(&[0; 5], &mut room);
        let expected = [&[0x82, 0x85], &KEY[..], &KEY, &KEY[..1]].concat();
        assert_eq!(room, expected);
    }
}
