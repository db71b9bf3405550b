//! What is said to visitors while there are no descriptors for them.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::io::fcntl_dupfd_cloexec;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use tracing::debug;

use super::listener::AsyncListener;
use crate::runtime::Stream;

/// Most bytes of a request that is not to be answered.
const MAX_UNREAD: usize = 16 * 1024;
/// How long one visitor may keep the place from the next.
const AT_MOST: Duration = Duration::from_millis(100);
const ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\
                        Content-Type: text/plain\r\nContent-Length: 34\r\n\
                        Connection: close\r\n\r\n\
                        Too many visitors. Try again soon.";

/// A descriptor that is kept for when there are no others: in its place one visitor at a time is
/// let in, to be told so.
#[derive(Debug)]
pub(super) struct Spare(Option<OwnedFd>);

impl Spare {
    pub(super) fn beside(listener: &AsyncListener) -> Self {
        Self(another(listener))
    }

    /// Tells the next visitor of a listener that there is no room: by an answer where http is
    /// spoken, else by closing.
    pub(super) async fn turn_away(&mut self, listener: &AsyncListener, is_http: bool) {
        // Its place is free now, though somebody else may be faster.
        self.0 = None;
        let accepted = timeout(AT_MOST, listener.accept()).await;
        if let Ok(Ok((stream, peer))) = accepted {
            debug!(?peer, "turned away");
            if is_http {
                // Who does not listen is not waited for.
                drop(timeout(AT_MOST, refuse(stream)).await);
            }
        }
        self.0 = another(listener);
    }
}

/// Any descriptor would do.
fn another(listener: &AsyncListener) -> Option<OwnedFd> {
    fcntl_dupfd_cloexec(listener.as_fd(), 0).ok()
}

/// The answer, and then what is asked is read: closing before that would take the answer away.
async fn refuse(mut stream: Stream) -> std::io::Result<()> {
    stream.write_all(ANSWER).await?;
    stream.shutdown().await?;
    let mut unread = [0; 1024];
    let mut length = 0;
    while length < MAX_UNREAD {
        match stream.read(&mut unread).await? {
            0 => break,
            more => length += more,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    use super::super::listener::Listener;
    use super::*;

    /// What a visitor who is turned away hears.
    async fn heard(is_http: bool) -> String {
        let listener = Listener::from(TcpListener::bind("127.0.0.1:0").unwrap());
        let address = listener.address().unwrap().unwrap();
        let listener = listener.into_async().unwrap();
        let mut spare = Spare::beside(&listener);
        let mut visitor = TcpStream::connect(address).unwrap();
        visitor
            .write_all(b"GET / HTTP/1.1\r\nHost: desk\r\n\r\n")
            .unwrap();
        spare.turn_away(&listener, is_http).await;
        assert!(spare.0.is_some());
        let mut answer = String::new();
        if let Err(error) = visitor.read_to_string(&mut answer) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        }
        answer
    }

    #[tokio::test]
    async fn who_is_turned_away_is_told_to_come_again() {
        let answer = heard(true).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
        assert!(head.contains("Retry-After: 1\r\n"), "{head}");
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
    }

    #[tokio::test]
    async fn where_tls_is_spoken_the_connection_is_closed() {
        assert_eq!(heard(false).await, "");
    }
}
