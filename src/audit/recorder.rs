//! The recorder: a child of the launcher that takes entries, writes them in batches, and says
//! which are safe. It outlives the launcher for as long as it takes to write what it was sent.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use deskway_osuser::{Received, Signals};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use super::confine;
use super::entry::Entry;
use super::store::{self, Source, Store};
use super::syslog::ToSyslog;
use crate::config::Audit;
use crate::runtime::{Clock, words};

/// Most bytes of a message in either direction.
pub(super) const MAX_MESSAGE: usize = 16 * 1024;
/// Most entries that are written at once.
const MAX_BATCH: usize = 256;
/// After something failed, so long until it is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// Without the launcher, so often it is tried.
const LAST_TRIES: u32 = 10;
/// How often old entries are looked for, besides after so many new ones.
const ROTATE: Duration = Duration::from_mins(10);
const ROTATE_AFTER: usize = 2000;

/// What the launcher says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToRecorder {
    Policy {
        keep: Duration,
        max_size: u64,
        syslog: bool,
    },
    /// Numbers count up.
    Entry(u64, Entry),
}

/// What the recorder says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromRecorder {
    /// Every entry up to this number is written.
    Written(u64),
    /// Nothing can be written at the moment: words for the log.
    Stuck(String),
}

struct Recorder {
    socket: OwnedFd,
    path: PathBuf,
    source: Source,
    policy: Audit,
    syslog: Option<ToSyslog>,
    store: Option<Store>,
    batch: Vec<(u64, Entry)>,
    launcher_is_gone: bool,
    next_rotation: Instant,
    since_rotation: usize,
}

/// The child's whole life; the result is its exit status.
pub(super) fn run(socket: OwnedFd, state: &Path, source: Source, policy: Audit) -> i32 {
    // Whoever stops Deskway stops the launcher, whose last entries are still to come.
    let signals = Signals::take(&[Signal::TERM, Signal::INT, Signal::HUP]);
    let path = match store::prepare(state) {
        Ok(path) => path,
        Err(error) => return complain(&error),
    };
    // Where the kernel or a container refuses a part of it, entries are kept all the same.
    if let Some(folder) = path.parent()
        && let Err(error) = confine::enter(folder)
    {
        tracing::warn!(%error, "the audit log's writer is not in its sandbox");
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let (Ok(_signals), Ok(runtime)) = (signals, runtime) else {
        return 71;
    };
    let mut recorder = Recorder {
        socket,
        path,
        source,
        syslog: policy.syslog.then(ToSyslog::open).flatten(),
        policy,
        store: None,
        batch: Vec::new(),
        launcher_is_gone: false,
        next_rotation: Instant::now(),
        since_rotation: 0,
    };
    match runtime.block_on(recorder.run()) {
        Ok(()) => 0,
        Err(error) => complain(&error),
    }
}

fn complain(error: &(dyn std::error::Error + 'static)) -> i32 {
    tracing::error!("the audit log cannot be written: {}", words(error));
    1
}

impl Recorder {
    async fn run(&mut self) -> io::Result<()> {
        let mut tries = 0;
        loop {
            self.hear();
            match self.write().await {
                Ok(()) => tries = 0,
                Err(error) => {
                    self.store = None;
                    self.say(&FromRecorder::Stuck(words(error.as_ref())));
                    tries += 1;
                    if self.launcher_is_gone && tries >= LAST_TRIES {
                        return Err(io::Error::other(error));
                    }
                    pause(&mut [], AGAIN)?;
                    continue;
                }
            }
            if self.batch.is_empty() && self.launcher_is_gone {
                if let Some(store) = self.store.take() {
                    store.close().await.map_err(io::Error::other)?;
                }
                return Ok(());
            }
            let left = self.next_rotation.saturating_duration_since(Instant::now());
            if !self.launcher_is_gone {
                pause(&mut [PollFd::new(&self.socket, PollFlags::IN)], left)?;
            }
        }
    }

    /// Takes what the launcher has sent, up to a batch.
    fn hear(&mut self) {
        let mut buffer = vec![0; MAX_MESSAGE];
        while self.batch.len() < MAX_BATCH && !self.launcher_is_gone {
            match deskway_osuser::receive(self.socket.as_fd(), &mut buffer) {
                Ok(Received::Message(length, _)) => {
                    let said = buffer.get(..length).map(postcard::from_bytes);
                    match said {
                        Some(Ok(ToRecorder::Entry(number, entry))) => {
                            self.batch.push((number, entry));
                        }
                        Some(Ok(ToRecorder::Policy {
                            keep,
                            max_size,
                            syslog,
                        })) => {
                            self.policy = Audit {
                                keep,
                                max_size,
                                syslog,
                            };
                            self.syslog = syslog.then(ToSyslog::open).flatten();
                            self.next_rotation = Instant::now();
                        }
                        Some(Err(_)) | None => tracing::error!("an audit entry that is none"),
                    }
                }
                Ok(Received::TooLong) => tracing::error!("an audit entry that is too long"),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Received::End) | Err(_) => self.launcher_is_gone = true,
            }
        }
    }

    /// Writes the batch, and rotates when it is time.
    async fn write(&mut self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let mut store = match self.store.take() {
            Some(store) => store,
            None => Store::open(&self.path).await?,
        };
        let now = Clock::System.unix_millis();
        store.commit(self.source, &self.batch, now).await?;
        let last = self.batch.last().map(|(number, _)| *number);
        for (_, entry) in &self.batch {
            if let Some(syslog) = &self.syslog {
                syslog.send(entry);
            }
        }
        self.since_rotation += self.batch.len();
        self.batch.clear();
        if let Some(last) = last {
            self.say(&FromRecorder::Written(last));
        }
        if self.next_rotation <= Instant::now() || self.since_rotation >= ROTATE_AFTER {
            let more = store.rotate(&self.policy, now).await?;
            self.since_rotation = 0;
            self.next_rotation = Instant::now() + if more { Duration::ZERO } else { ROTATE };
        }
        self.store = Some(store);
        Ok(())
    }

    /// A launcher that has gone or does not read asks again.
    fn say(&self, word: &FromRecorder) {
        let told = postcard::to_allocvec(word)
            .map_err(io::Error::other)
            .and_then(|bytes| deskway_osuser::send(self.socket.as_fd(), &bytes));
        tracing::trace!(?told, "audit entries");
    }
}

fn pause(sockets: &mut [PollFd<'_>], limit: Duration) -> io::Result<()> {
    let limit = Timespec::try_from(limit).map_err(io::Error::other)?;
    match poll(sockets, Some(&limit)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
