//! The line between the supervisor and a role: single bytes, each a word, so that there is nothing
//! to parse on either side. The words are the same in every version.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::launcher::{ASKED, HERE};

/// What is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// The front: everything is there but the launcher.
    Prepared,
    /// The front: people can sign in.
    Ready,
    /// The front: it takes people in.
    Opened,
    /// The front: it takes nobody in any more.
    Closed,
    /// To the front: take people in.
    Open,
    /// To the front: take nobody in any more; viewers go on.
    Close,
    /// To a role: is it there?
    AreYouThere,
    /// A role: it is.
    Here,
    /// To the front: finish, tell the viewers, and end.
    Finish,
}

const LETTERS: [(Word, u8); 9] = [
    (Word::Prepared, b'p'),
    (Word::Ready, b'r'),
    (Word::Opened, b'o'),
    (Word::Closed, b'c'),
    (Word::AreYouThere, ASKED),
    (Word::Here, HERE),
    (Word::Open, b'O'),
    (Word::Close, b'C'),
    (Word::Finish, b'F'),
];

impl Word {
    fn letter(self) -> u8 {
        let found = LETTERS.iter().find(|(word, _)| *word == self);
        found.map_or(b'?', |(_, letter)| *letter)
    }

    fn of(letter: u8) -> Option<Self> {
        let found = LETTERS.iter().find(|(_, known)| *known == letter);
        found.map(|(word, _)| *word)
    }
}

/// The supervisor's end.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// `None` once the role has hung up.
    socket: Option<OwnedFd>,
}

impl Line {
    /// This end, and the role's, which does not block.
    ///
    /// # Errors
    /// When there are too many descriptors.
    pub(super) fn pair() -> io::Result<(Self, OwnedFd)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (ours, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        Ok((ours.into(), theirs))
    }

    /// The next word that was said; what is none is dropped.
    pub(super) fn heard(&mut self) -> Option<Word> {
        loop {
            let mut letter = [0];
            match rustix::io::read(self.socket.as_ref()?, &mut letter) {
                Ok(0) => self.socket = None,
                Ok(_) => {
                    if let Some(word) = Word::of(letter[0]) {
                        return Some(word);
                    }
                }
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return None,
                Err(_) => self.socket = None,
            }
        }
    }

    /// Says a word; a role that has hung up hears nothing.
    pub(super) fn say(&self, word: Word) {
        if let Some(socket) = &self.socket {
            // Its end is noticed by who waits for the answer.
            _ = rustix::net::send(socket, &[word.letter()], SendFlags::NOSIGNAL);
        }
    }

    /// Whether the role can be talked to.
    pub(super) fn is_open(&self) -> bool {
        self.socket.is_some()
    }

    pub(super) fn to_poll(&self) -> Option<PollFd<'_>> {
        Some(PollFd::from_borrowed_fd(self.descriptor()?, PollFlags::IN))
    }

    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.socket.as_ref()?.as_fd())
    }
}

impl From<OwnedFd> for Line {
    fn from(socket: OwnedFd) -> Self {
        Self {
            socket: Some(socket),
        }
    }
}

/// The front's end, in its runtime.
#[derive(Debug)]
pub(super) struct Orders {
    /// `None` where there is no supervisor.
    socket: Option<UnixStream>,
}

impl Orders {
    /// # Errors
    /// When the socket cannot be used with tokio.
    pub(super) fn new(socket: Option<OwnedFd>) -> io::Result<Self> {
        let socket = socket.map(|socket| {
            let socket = std::os::unix::net::UnixStream::from(socket);
            socket.set_nonblocking(true)?;
            UnixStream::from_std(socket)
        });
        Ok(Self {
            socket: socket.transpose()?,
        })
    }

    /// The next order; never, when nobody gives any.
    pub(super) async fn next(&mut self) -> Word {
        while let Some(socket) = &mut self.socket {
            match socket.read_u8().await {
                Ok(letter) => {
                    if let Some(word) = Word::of(letter) {
                        return word;
                    }
                }
                Err(_) => self.socket = None,
            }
        }
        std::future::pending().await
    }

    pub(super) async fn say(&mut self, word: Word) {
        if let Some(socket) = &mut self.socket
            && socket.write_u8(word.letter()).await.is_err()
        {
            self.socket = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn words_go_both_ways_and_an_end_is_no_word() {
        let (mut line, theirs) = Line::pair().unwrap();
        let mut orders = Orders::new(Some(theirs)).unwrap();
        for (word, _) in LETTERS {
            orders.say(word).await;
            assert_eq!(line.heard(), Some(word));
            line.say(word);
            assert_eq!(orders.next().await, word);
        }
        assert_eq!(line.heard(), None);
        drop(orders);
        assert_eq!(line.heard(), None);
        assert!(line.to_poll().is_none());
    }
}
