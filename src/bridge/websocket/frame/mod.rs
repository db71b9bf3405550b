//! Frames (RFC 6455 §5): what comes from the other side, checked as it comes, and the head of
//! what goes there.

use super::mask::Mask;

/// The longest payload of a control frame in bytes (RFC 6455 §5.5).
pub const MAX_CONTROL: usize = 125;

/// The longest head of a frame that a server sends, in bytes.
pub const MAX_SERVER_HEAD: usize = 10;

/// What a frame carries (RFC 6455 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }

    fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }
}

/// The longest head of a frame that a client sends, in bytes.
pub const MAX_CLIENT_HEAD: usize = MAX_SERVER_HEAD + 4;

/// The head of a frame that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Never [`Opcode::Text`]; a continuation belongs to a binary message.
    pub opcode: Opcode,
    /// Whether this frame ends its message.
    pub fin: bool,
    /// The length of the payload in bytes.
    pub payload: usize,
    /// One that changes nothing in a frame from a server.
    pub mask: Mask,
}

/// What the parser makes of the bytes it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A frame begins; its payload follows the first `len` bytes.
    Head { head: Head, len: usize },
    /// The head is not all there yet: at least so many more bytes.
    Need(usize),
}

/// A frame that nobody may send. The other side's fault; RFC 6455 §7.1.7 has the connection failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error("a frame is not masked")]
    Unmasked,
    #[error("a server's frame is masked")]
    Masked,
    #[error("a reserved bit is set and no extension was agreed on")]
    Reserved,
    #[error("opcode {0} is not known")]
    Opcode(u8),
    #[error("a length is not written in the shortest way")]
    Length,
    #[error("a control frame is longer than {MAX_CONTROL} bytes")]
    LongControl,
    #[error("a control frame is in fragments")]
    FragmentedControl,
    #[error("a continuation comes where no message has begun")]
    NothingToContinue,
    #[error("a message begins before the one before has ended")]
    Interrupted,
    #[error("text comes where only binary messages do")]
    Text,
    #[error("a message is longer than {0} bytes")]
    TooLong(usize),
    #[error("a close frame is one byte long")]
    ClosePayload,
    #[error("close code {0} must not be sent")]
    CloseCode(u16),
    #[error("the reason in a close frame is not UTF-8")]
    CloseReason,
}

/// Reads the heads of the frames of one browser, or one server, and holds them to the rules.
#[derive(Debug)]
pub struct FrameParser {
    /// Whether the frames are a server's, which masks none.
    of_server: bool,
    /// The longest message to take, in bytes, over all its fragments.
    max_message: usize,
    /// The bytes of the message that is on its way; `None` between messages.
    message: Option<usize>,
}

impl FrameParser {
    /// For what a browser sends.
    pub fn new(max_message: usize) -> Self {
        Self {
            of_server: false,
            max_message,
            message: None,
        }
    }

    /// For what a server sends.
    pub fn of_server(max_message: usize) -> Self {
        Self {
            of_server: true,
            ..Self::new(max_message)
        }
    }

    /// Reads the head of the frame that `bytes` begin with. What violates the rules does so at
    /// the earliest byte that shows it.
    pub fn parse(&mut self, bytes: &[u8]) -> Result<Parsed, Violation> {
        let Some(&first) = bytes.first() else {
            return Ok(Parsed::Need(if self.of_server { 2 } else { 6 }));
        };
        let (fin, opcode) = self.first(first)?;
        let Some(&second) = bytes.get(1) else {
            return Ok(Parsed::Need(if self.of_server { 1 } else { 5 }));
        };
        match (second & 0x80 != 0, self.of_server) {
            (false, false) => return Err(Violation::Unmasked),
            (true, true) => return Err(Violation::Masked),
            _ => {}
        }
        let key_len = if self.of_server { 0 } else { 4 };
        let short = usize::from(second & 0x7f);
        if opcode.is_control() && short > MAX_CONTROL {
            return Err(Violation::LongControl);
        }
        let after = bytes.get(2..).unwrap_or_default();
        let (payload, after) = match short {
            126 => match after.split_first_chunk() {
                Some((len, after)) => (usize::from(u16::from_be_bytes(*len)), after),
                None => return Ok(Parsed::Need(4 + key_len - bytes.len())),
            },
            127 => match after.split_first_chunk() {
                Some((len, after)) => {
                    let len = u64::from_be_bytes(*len);
                    // What does not fit a usize is too long as well.
                    (usize::try_from(len).unwrap_or(usize::MAX), after)
                }
                None => return Ok(Parsed::Need(10 + key_len - bytes.len())),
            },
            short => (short, after),
        };
        if (short == 126 && payload < 126) || (short == 127 && payload < 65_536) {
            return Err(Violation::Length);
        }
        self.check_length(opcode, payload)?;
        let (key, after) = if self.of_server {
            ([0; 4], after)
        } else {
            match after.split_first_chunk() {
                Some((key, after)) => (*key, after),
                None => return Ok(Parsed::Need(4 - after.len())),
            }
        };
        let head = Head {
            opcode,
            fin,
            payload,
            mask: Mask::new(key),
        };
        self.begin(head);
        let len = bytes.len() - after.len();
        Ok(Parsed::Head { head, len })
    }

    /// The rules that the first byte alone can break.
    fn first(&self, first: u8) -> Result<(bool, Opcode), Violation> {
        if first & 0x70 != 0 {
            return Err(Violation::Reserved);
        }
        let fin = first & 0x80 != 0;
        let opcode = match first & 0x0f {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            other => return Err(Violation::Opcode(other)),
        };
        match (opcode, self.message) {
            (Opcode::Continuation, None) => Err(Violation::NothingToContinue),
            (Opcode::Text | Opcode::Binary, Some(_)) => Err(Violation::Interrupted),
            (Opcode::Text, None) => Err(Violation::Text),
            (opcode, _) if opcode.is_control() && !fin => Err(Violation::FragmentedControl),
            (opcode, _) => Ok((fin, opcode)),
        }
    }

    fn check_length(&self, opcode: Opcode, payload: usize) -> Result<(), Violation> {
        let before = self.message.unwrap_or(0);
        if !opcode.is_control() && payload > self.max_message - before {
            return Err(Violation::TooLong(self.max_message));
        }
        Ok(())
    }

    fn begin(&mut self, head: Head) {
        if !head.opcode.is_control() {
            let len = self.message.unwrap_or(0) + head.payload;
            self.message = (!head.fin).then_some(len);
        }
    }
}

/// The head of an unfragmented frame from a server, right-aligned in `room`: the last `n` bytes
/// are the head, and the payload goes behind them. Returns `n`.
pub fn server_head(room: &mut [u8; MAX_SERVER_HEAD], opcode: Opcode, payload: usize) -> usize {
    let first = 0x80 | opcode.bits();
    match (u8::try_from(payload), u16::try_from(payload)) {
        (Ok(len @ 0..=125), _) => {
            room[8..].copy_from_slice(&[first, len]);
            2
        }
        (_, Ok(len)) => {
            room[6..8].copy_from_slice(&[first, 126]);
            room[8..].copy_from_slice(&len.to_be_bytes());
            4
        }
        _ => {
            room[..2].copy_from_slice(&[first, 127]);
            room[2..].copy_from_slice(&(payload as u64).to_be_bytes());
            10
        }
    }
}

/// As [`server_head`], for a frame from a client whose payload has `key` on it.
pub fn client_head(
    room: &mut [u8; MAX_CLIENT_HEAD],
    opcode: Opcode,
    payload: usize,
    key: [u8; 4],
) -> usize {
    let mut head = [0; MAX_SERVER_HEAD];
    let len = server_head(&mut head, opcode, payload);
    room[..MAX_SERVER_HEAD].copy_from_slice(&head);
    room[MAX_SERVER_HEAD - len + 1] |= 0x80;
    room[MAX_SERVER_HEAD..].copy_from_slice(&key);
    len + key.len()
}

#[cfg(test)]
mod tests;
