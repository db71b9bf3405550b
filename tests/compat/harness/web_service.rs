//! A web service of the user's own, as token plugins ask one.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use super::wire::patience;

/// Answers each request with the same status and body, and keeps the paths that were asked for.
pub(crate) struct WebService {
    port: u16,
    asked: Receiver<String>,
}

impl WebService {
    /// `status` is such as `200 OK`.
    pub(crate) fn answering(status: &'static str, body: String) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, asked) = channel();
        thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let Some(Ok(first)) = lines.next() else {
                    continue;
                };
                // The rest of the head, up to the empty line.
                for line in lines {
                    if line.is_ok_and(|line| line.is_empty()) {
                        break;
                    }
                }
                let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n\
                     Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                if stream.write_all(answer.as_bytes()).is_err() || sender.send(path).is_err() {
                    return;
                }
            }
        });
        Self { port, asked }
    }

    /// The address of a path of it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The path that the next request asks for.
    pub(crate) fn asked(&self) -> String {
        self.asked.recv_timeout(patience()).unwrap()
    }
}
