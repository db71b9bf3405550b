//! What a WebSocket server sends, taken apart as it comes: no message is kept whole, however long.

use crate::bridge::websocket::{FrameParser, MAX_CONTROL, Opcode, Parsed, Violation, check_close};

/// The longest message of a server, in bytes over all its fragments. Nothing is kept of it; who
/// sends a longer one has lost its place.
const MAX_MESSAGE: usize = 256 << 20;

/// What the next bytes are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// RFB.
    Data(&'a [u8]),
    /// To be answered with the same payload (RFC 6455 §5.5.2).
    Ping(Vec<u8>),
    /// The last frame; nothing that follows counts.
    Close { code: Option<u16>, reason: String },
    /// They said nothing.
    Nothing,
    /// There are too few of them.
    More,
}

/// Reads the frames of one server.
#[derive(Debug)]
pub(super) struct Incoming {
    parser: FrameParser,
    /// The frame whose payload comes, and how much of it is still to come.
    frame: Option<(Opcode, usize)>,
    /// What has come of the payload of a control frame.
    control: Vec<u8>,
}

impl Incoming {
    pub(super) fn new() -> Self {
        Self {
            parser: FrameParser::of_server(MAX_MESSAGE),
            frame: None,
            control: Vec::with_capacity(MAX_CONTROL),
        }
    }

    /// How many of `bytes` are read, and what they are.
    pub(super) fn step<'a>(&mut self, bytes: &'a [u8]) -> Result<(usize, Step<'a>), Violation> {
        let Some((opcode, left)) = self.frame else {
            return Ok(match self.parser.parse(bytes)? {
                Parsed::Need(_) => (0, Step::More),
                Parsed::Head { head, len } => {
                    self.frame = Some((head.opcode, head.payload));
                    (len, Step::Nothing)
                }
            });
        };
        if bytes.is_empty() && left > 0 {
            return Ok((0, Step::More));
        }
        let payload = bytes.get(..left).unwrap_or(bytes);
        let left = left - payload.len();
        self.frame = (left > 0).then_some((opcode, left));
        let step = match opcode {
            Opcode::Continuation | Opcode::Text | Opcode::Binary if payload.is_empty() => {
                Step::Nothing
            }
            Opcode::Continuation | Opcode::Text | Opcode::Binary => Step::Data(payload),
            Opcode::Close | Opcode::Ping | Opcode::Pong => {
                self.control.extend(payload);
                if left > 0 {
                    Step::Nothing
                } else {
                    control(opcode, std::mem::take(&mut self.control))?
                }
            }
        };
        Ok((payload.len(), step))
    }
}

fn control(opcode: Opcode, payload: Vec<u8>) -> Result<Step<'static>, Violation> {
    Ok(match opcode {
        Opcode::Ping => Step::Ping(payload),
        Opcode::Close => {
            let code = check_close(&payload)?.code;
            let reason = payload.get(2..).unwrap_or_default();
            // It was looked at already.
            let reason = String::from_utf8_lossy(reason).into_owned();
            Step::Close { code, reason }
        }
        _ => Step::Nothing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that `bytes` say, given in pieces of `size`.
    fn all(bytes: &[u8], size: usize) -> Result<(Vec<u8>, Vec<Step<'static>>), Violation> {
        let (mut incoming, mut data, mut rest) = (Incoming::new(), Vec::new(), Vec::new());
        let mut unread = Vec::new();
        for piece in bytes.chunks(size) {
            unread.extend(piece);
            loop {
                let (taken, step) = incoming.step(&unread)?;
                match step {
                    Step::More => break,
                    Step::Data(payload) => data.extend(payload),
                    Step::Nothing => {}
                    Step::Ping(payload) => rest.push(Step::Ping(payload)),
                    Step::Close { code, reason } => rest.push(Step::Close { code, reason }),
                }
                unread.drain(..taken);
            }
        }
        Ok((data, rest))
    }

    #[test]
    fn every_way_of_cutting_the_stream_says_the_same() {
        let mut stream = b"\x02\x03RFB\x89\x02hi\x80\x04 003\x82\x00\x8a\x00".to_vec();
        stream.extend(b"\x82\x7e\x00\x80");
        stream.extend([7; 128]);
        stream.extend(b"\x88\x05\x03\xf3off");
        for size in 1..=stream.len() {
            let (data, rest) = all(&stream, size).unwrap();
            assert_eq!(data, [&b"RFB 003"[..], &[7; 128]].concat());
            let close = Step::Close {
                code: Some(1011),
                reason: "off".to_owned(),
            };
            assert_eq!(rest, [Step::Ping(b"hi".to_vec()), close]);
        }
    }

    #[test]
    fn what_no_server_may_send_is_refused() {
        for (bytes, violation) in [
            (&b"\x81\x02hi"[..], Violation::Text),
            (b"\x82\x82\0\0\0\0hi", Violation::Masked),
            (b"\xc2\x02hi", Violation::Reserved),
            (
                b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff",
                Violation::TooLong(MAX_MESSAGE),
            ),
            (b"\x80\x00", Violation::NothingToContinue),
            (b"\x89\x7e\x01\x00", Violation::LongControl),
            (b"\x88\x02\x00\x00", Violation::CloseCode(0)),
        ] {
            assert_eq!(all(bytes, bytes.len()).unwrap_err(), violation);
        }
    }
}
