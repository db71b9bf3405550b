//! People who come all the time, and who notice when one of them is not served.

use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use crate::gateway::{Reply, connect, read_reply};
use crate::process;

/// Two who make a connection for each request, and one who keeps theirs.
pub struct Visitors {
    threads: Vec<JoinHandle<()>>,
    over: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
}

impl Visitors {
    pub fn start(address: SocketAddr) -> Self {
        let (over, served) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let thread = |keeps: bool| {
            let (over, served) = (Arc::clone(&over), Arc::clone(&served));
            std::thread::spawn(move || {
                let mut kept = None;
                while !over.load(Ordering::Relaxed) {
                    let reply = visit(address, keeps, &mut kept);
                    assert_eq!(reply.status, 200, "{reply:?}");
                    served.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        let threads = [false, false, true].map(thread).into();
        Self {
            threads,
            over,
            served,
        }
    }

    /// Waits until so many more have been served.
    pub fn serve_more(&self, count: usize) {
        let before = self.served.load(Ordering::Relaxed);
        process::until("the visitors' turn", || {
            let failed = self.threads.iter().any(JoinHandle::is_finished);
            assert!(!failed, "a visitor was not served");
            (self.served.load(Ordering::Relaxed) >= before + count).then_some(())
        });
    }

    /// Fails when one of them was not served.
    pub fn end(self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("a visitor was not served");
        }
    }
}

/// One request, on the connection that is `kept` if there is one.
fn visit(address: SocketAddr, keeps: bool, kept: &mut Option<BufReader<TcpStream>>) -> Reply {
    let way = if keeps { "keep-alive" } else { "close" };
    let request = format!("GET /sign-in HTTP/1.1\r\nHost: {address}\r\nConnection: {way}\r\n\r\n");
    if let Some(mut stream) = kept.take() {
        // A server may end a connection on which nothing is asked, just as something is: then
        // clients ask again (RFC 9112, 9.3.1).
        if stream.get_mut().write_all(request.as_bytes()).is_ok()
            && let Ok(Some(reply)) = read_reply(&mut stream)
        {
            *kept = Some(stream).filter(|_| !closes(&reply));
            return reply;
        }
    }
    let mut stream = BufReader::new(connect(address).expect("no connection"));
    stream
        .get_mut()
        .write_all(request.as_bytes())
        .expect("no request");
    let reply = read_reply(&mut stream).expect("no whole answer");
    let reply = reply.expect("no answer on a new connection");
    *kept = Some(stream).filter(|_| keeps && !closes(&reply));
    reply
}

fn closes(reply: &Reply) -> bool {
    reply
        .head
        .to_ascii_lowercase()
        .contains("connection: close")
}
