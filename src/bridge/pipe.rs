//! Pipes, through which the kernel moves the bytes of one socket to another without a copy. A
//! connection holds one only while something is in it.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

/// How many pipes a thread keeps for the next connection that needs one.
const SPARES: usize = 2;

/// The most bytes that one connection has in a pipe, and the longest frame that is made of them.
/// The more at once, the cheaper: `docs/benchmarks.md` has what was tried.
const MAX_INSIDE: usize = 256 * 1024;

/// What the kernel is asked to have room for: it counts a whole page for each piece, however
/// short, and what comes over TCP is in pieces of 1 to 4 kB. A user may have 64 MiB of such room
/// in all, over all programs (`/proc/sys/fs/pipe-user-pages-soft`).
const ROOM: usize = 512 * 1024;

/// How many pipes may be held by connections whose browsers take nothing. Beyond, what is in them
/// is copied out, so that there are descriptors for those who read.
const MAX_WAITING: usize = 16;

static HELD: AtomicUsize = AtomicUsize::new(0);

/// Bytes are copied: the kernel does not let them move through pipes, or descriptors are few.
static FORBIDDEN: AtomicBool = AtomicBool::new(false);

thread_local! {
    static SPARE: RefCell<Vec<Ends>> = const { RefCell::new(Vec::new()) };
}

/// Has all bytes copied from now on: for a process whose descriptors are few.
pub fn forgo_pipes() {
    FORBIDDEN.store(true, Ordering::Relaxed);
}

/// How many descriptors are pipes' at most, in so many threads.
pub fn most_pipe_descriptors(threads: usize) -> usize {
    // Beside what waits, each thread moves one connection's bytes at a time.
    2 * (MAX_WAITING + (1 + SPARES) * threads)
}

struct Ends {
    read: OwnedFd,
    write: OwnedFd,
}

impl Ends {
    fn make() -> io::Result<Self> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // A user may have so many large pipes and no more; a small one does as well.
        _ = fcntl_setpipe_size(&write, ROOM);
        Ok(Self { read, write })
    }
}

/// A pipe and how much is in it.
pub(super) struct Pipe {
    /// Always there until it is dropped.
    ends: Option<Ends>,
    len: usize,
}

impl Pipe {
    /// An empty pipe, taken from the thread's spare ones when there is one; `None` when there are
    /// too many descriptors.
    pub(super) fn take() -> Option<Self> {
        let spare = SPARE.with_borrow_mut(Vec::pop);
        let ends = match spare.map_or_else(Ends::make, Ok) {
            Ok(ends) => ends,
            Err(error) => {
                tracing::debug!(%error, "no pipe to be had");
                return None;
            }
        };
        HELD.fetch_add(1, Ordering::Relaxed);
        Some(Self {
            ends: Some(ends),
            len: 0,
        })
    }

    /// Whether bytes are to move through pipes at all, as far as is known.
    pub(super) fn may_be_had() -> bool {
        !FORBIDDEN.load(Ordering::Relaxed)
    }

    /// Whether `error` says that this kernel, or whoever guards it, does not let bytes move so;
    /// then it is not tried again.
    pub(super) fn is_forbidden(error: &io::Error) -> bool {
        let errno = Errno::from_io_error(error);
        let forbidden = matches!(
            errno,
            Some(Errno::INVAL | Errno::NOSYS | Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP)
        );
        if forbidden && !FORBIDDEN.swap(true, Ordering::Relaxed) {
            tracing::debug!(%error, "bytes cannot move through pipes here; they are copied");
        }
        forbidden
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether so many are held that one that waits should be emptied by copying.
    pub(super) fn is_wanted_elsewhere() -> bool {
        HELD.load(Ordering::Relaxed) > MAX_WAITING
    }

    /// Moves what a socket has into the pipe, at most [`MAX_INSIDE`]; 0 at the socket's end.
    ///
    /// # Errors
    /// The socket's.
    pub(super) fn fill(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        let Some(ends) = &self.ends else { return Ok(0) };
        let len = splice(
            socket,
            None,
            ends.write.as_fd(),
            None,
            MAX_INSIDE,
            SpliceFlags::MOVE | SpliceFlags::NONBLOCK,
        )?;
        self.len += len;
        Ok(len)
    }

    /// Moves what is in the pipe on to a socket, as far as that takes it.
    ///
    /// # Errors
    /// The socket's.
    pub(super) fn empty(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        let Some(ends) = &self.ends else { return Ok(0) };
        let len = splice(
            ends.read.as_fd(),
            None,
            socket,
            None,
            self.len,
            SpliceFlags::MOVE | SpliceFlags::NONBLOCK,
        )?;
        self.len -= len;
        Ok(len)
    }

    /// Copies what is in the pipe out of it.
    ///
    /// # Errors
    /// None that is expected.
    pub(super) fn spill(&mut self) -> io::Result<Vec<u8>> {
        let Some(ends) = &self.ends else {
            return Ok(Vec::new());
        };
        let mut spilt = vec![0; self.len];
        let mut done = 0;
        while self.len > 0 {
            match rustix::io::read(ends.read.as_fd(), &mut spilt[done..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                len => {
                    done += len;
                    self.len -= len;
                }
            }
        }
        Ok(spilt)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        HELD.fetch_sub(1, Ordering::Relaxed);
        // What is left in one belongs to a connection that has ended.
        if self.is_empty()
            && let Some(ends) = self.ends.take()
        {
            SPARE.with_borrow_mut(|spare| {
                if spare.len() < SPARES {
                    spare.push(ends);
                }
            });
        }
    }
}
