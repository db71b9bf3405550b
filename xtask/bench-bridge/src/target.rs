//! The server behind the relays. One thread waits for connections and serves those that ask for
//! little; the others get a thread each.

use std::collections::HashMap;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use anyhow::{Context as _, Result};
use rustix::event::epoll;
use rustix::io::Errno;
use rustix::net::sockopt::set_socket_send_buffer_size;

use crate::pattern::Pattern;

/// What the target says first when it echoes.
pub(crate) const GREETING: &[u8] = b"RFB 003.008\n";

/// The longest write or read.
const ROOM: usize = 256 * 1024;

/// What the stack of a thread that only waits needs.
const STACK: usize = 64 * 1024;

/// The kernel's memory for what was written to a slow reader: little, so that what the relay
/// takes in can be told.
const SLOW_BUFFER: usize = 32 * 1024;

/// What the target does with a connection, from when it is accepted.
#[derive(Clone)]
pub(crate) enum Role {
    /// Greets, and says back what it hears.
    Echo,
    /// Writes so many bytes at a time, without end.
    Pour { write: usize },
    /// Writes so many bytes in all, to somebody who reads slowly.
    PourSlowly { bytes: u64 },
    /// Reads without end.
    Drain,
    /// Writes the first pattern and checks the second, so many bytes each.
    Check {
        bytes: u64,
        done: mpsc::Sender<Result<()>>,
    },
}

/// The seeds of the pattern that the target writes and of the one that it reads.
pub(crate) const PATTERNS: [u64; 2] = [0x5bd1_e995, 0x1b87_3593];

pub(crate) struct Target {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    role: Mutex<Role>,
    /// Payload that [`Role::Drain`] has read.
    drained: AtomicU64,
    /// Payload that [`Role::PourSlowly`] has written.
    poured_slowly: AtomicU64,
}

impl Target {
    pub(crate) fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            role: Mutex::new(Role::Echo),
            drained: AtomicU64::new(0),
            poured_slowly: AtomicU64::new(0),
        });
        let serves = Arc::clone(&shared);
        listener.set_nonblocking(true)?;
        thread::spawn(move || {
            if let Err(error) = serve(&listener, &serves) {
                crate::note(&format!("error: the target ended: {error:#}"));
            }
        });
        Ok(Self { port, shared })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What the connections do that come from now on.
    pub(crate) fn play(&self, role: Role) {
        *self.shared.role() = role;
    }

    pub(crate) fn drained(&self) -> u64 {
        self.shared.drained.load(Ordering::Relaxed)
    }

    pub(crate) fn poured_slowly(&self) -> u64 {
        self.shared.poured_slowly.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn role(&self) -> std::sync::MutexGuard<'_, Role> {
        self.role.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Accepts, greets and echoes.
fn serve(listener: &TcpListener, shared: &Arc<Shared>) -> Result<()> {
    const LISTENER: u64 = u64::MAX;
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let reads = epoll::EventFlags::IN;
    epoll::add(&poll, listener, epoll::EventData::new_u64(LISTENER), reads)?;
    let mut echoes: HashMap<u64, TcpStream> = HashMap::new();
    let mut events = Vec::with_capacity(256);
    let mut room = vec![0; ROOM];
    loop {
        events.clear();
        match epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("cannot wait"),
        }
        for event in &events {
            let id = event.data.u64();
            if id != LISTENER {
                if let Some(stream) = echoes.get_mut(&id)
                    && echo(stream, &mut room).is_err()
                {
                    echoes.remove(&id);
                }
                continue;
            }
            let Ok((stream, _)) = listener.accept() else {
                continue;
            };
            stream.set_nodelay(true)?;
            match shared.role().clone() {
                Role::Echo => {
                    let id = u64::try_from(stream.as_raw_fd())?;
                    if (&stream).write_all(GREETING).is_ok() {
                        epoll::add(&poll, &stream, epoll::EventData::new_u64(id), reads)?;
                        echoes.insert(id, stream);
                    }
                }
                role => start(stream, role, shared)?,
            }
        }
    }
}

/// Small messages only: they fit where they are written to.
fn echo(stream: &mut TcpStream, room: &mut [u8]) -> io::Result<()> {
    match stream.read(room)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        len => stream.write_all(room.get(..len).unwrap_or_default()),
    }
}

/// A thread for the one connection. It ends with the connection, whose end is no error here.
fn start(mut stream: TcpStream, role: Role, shared: &Arc<Shared>) -> Result<()> {
    let shared = Arc::clone(shared);
    let work = move || match role {
        Role::Echo => {}
        Role::Pour { write } => {
            let bytes = vec![0x5a; write];
            while stream.write_all(&bytes).is_ok() {}
        }
        Role::PourSlowly { bytes } => pour_slowly(&stream, bytes, &shared.poured_slowly),
        Role::Drain => {
            let mut room = vec![0; ROOM];
            while let Ok(len @ 1..) = stream.read(&mut room) {
                shared.drained.fetch_add(len as u64, Ordering::Relaxed);
            }
        }
        Role::Check { bytes, done } => {
            // Nobody waits any more when the other direction has failed.
            drop(done.send(check(&stream, bytes)));
        }
    };
    thread::Builder::new().stack_size(STACK).spawn(work)?;
    Ok(())
}

fn pour_slowly(mut stream: &TcpStream, bytes: u64, poured: &AtomicU64) {
    if set_socket_send_buffer_size(stream, SLOW_BUFFER).is_err() {
        return;
    }
    let room = [0x5a; 16 * 1024];
    let mut left = bytes;
    while left > 0 {
        match stream.write(&room) {
            Ok(len @ 1..) => {
                poured.fetch_add(len as u64, Ordering::Relaxed);
                left = left.saturating_sub(len as u64);
            }
            _ => return,
        }
    }
    // Keeps the connection until the other side ends it.
    drop(stream.read(&mut [0; 1]));
}

/// Both directions at once.
fn check(stream: &TcpStream, bytes: u64) -> Result<()> {
    let mut reads = stream.try_clone()?;
    let reader = thread::spawn(move || -> Result<()> {
        let mut pattern = Pattern::new(PATTERNS[1]);
        let mut room = vec![0; ROOM];
        let mut got = 0;
        while got < bytes {
            let len = reads.read(&mut room)?;
            anyhow::ensure!(len > 0, "the stream to the target ends after {got} bytes");
            pattern.check(room.get(..len).unwrap_or_default())?;
            got += len as u64;
        }
        Ok(())
    });
    let mut pattern = Pattern::new(PATTERNS[0]);
    let mut writes = stream;
    let mut sizes = SIZES.iter().cycle();
    let mut left = bytes;
    while left > 0
        && let Some(&size) = sizes.next()
    {
        let size = usize::try_from(left).unwrap_or(size).min(size);
        let part = pattern.next(size);
        left -= part.len() as u64;
        writes.write_all(part).context("writing to the relay")?;
    }
    match reader.join() {
        Ok(read) => read.context("from the browser"),
        Err(_) => anyhow::bail!("the target's reader is gone"),
    }
}

/// The sizes of writes and messages in turn, where they are to be mixed, in bytes.
pub(crate) const SIZES: &[usize] = &[
    1, 65_536, 7, 16_384, 125, 65_536, 126, 4096, 1460, 65_535, 16_384, 65_536,
];
