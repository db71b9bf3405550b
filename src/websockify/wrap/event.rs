//! What the keeper tells.

use std::io;

/// Bytes of a message: what happened, and a number.
pub(super) const LEN: usize = 5;

/// Something that happened to the wrapped program.
#[derive(Debug)]
pub(super) enum Event {
    Started,
    /// Started with the library that replaces bind(3), for want of something better.
    Preloaded(io::Error),
    /// It asked for our port and got the other one.
    Moved,
    /// It asked for our port, and could not be given the other one.
    NotMoved(io::Error),
    NotStarted(io::Error),
    /// It is not started again for a while.
    TooFast,
    /// With an exit status, or 128 and the number of a signal.
    Ended(u8),
}

impl Event {
    pub(super) fn message(&self) -> [u8; LEN] {
        let number = |error: &io::Error| error.raw_os_error().unwrap_or(libc::EIO);
        let (kind, number) = match self {
            Self::Started => (0, 0),
            Self::Preloaded(error) => (1, number(error)),
            Self::Moved => (2, 0),
            Self::NotMoved(error) => (3, number(error)),
            Self::NotStarted(error) => (4, number(error)),
            Self::TooFast => (5, 0),
            Self::Ended(status) => (6, i32::from(*status)),
        };
        let [a, b, c, d] = number.to_ne_bytes();
        [kind, a, b, c, d]
    }

    /// # Errors
    /// When it is no message of ours.
    pub(super) fn read([kind, number @ ..]: [u8; LEN]) -> io::Result<Self> {
        let number = i32::from_ne_bytes(number);
        let error = io::Error::from_raw_os_error(number);
        Ok(match kind {
            0 => Self::Started,
            1 => Self::Preloaded(error),
            2 => Self::Moved,
            3 => Self::NotMoved(error),
            4 => Self::NotStarted(error),
            5 => Self::TooFast,
            6 => Self::Ended(u8::try_from(number).unwrap_or(u8::MAX)),
            _ => return Err(io::ErrorKind::InvalidData.into()),
        })
    }
}
