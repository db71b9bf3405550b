//! The front's end of `front.sock`: the launcher connects here, and again whenever it is new.
//!
//! Requests are matched with their answers by id; what the launcher says by itself leaves as a
//! [`LinkEvent`].

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tracing::{info, warn};
use zeroize::Zeroizing;

use super::datagrams::{Datagrams, Listener};
use crate::config::{Logos, MAX_LOGOS_PACKED};
use crate::launcher::protocol::{
    Answer, Envelope, FromLauncher, Handle, MAX_ANSWER, MAX_REQUEST, Measure, Request, Totals,
    decode, encode,
};
use crate::model::{Challenge, DesktopInfo, UserName};
use crate::runtime::{Tasks, unseal};

/// How long a request waits for a launcher that is away (it comes back every 200 ms).
const AWAY_TIMEOUT: Duration = Duration::from_secs(5);
/// Requests under way at once; one more is refused.
const MAX_IN_FLIGHT: usize = 256;
/// Requests under way at once for one sign-in.
const MAX_OF_LOGIN: usize = 16;
/// The pause after an accept that failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The listening end of `front.sock`.
#[derive(Debug)]
pub struct LauncherSocket {
    listener: Listener,
    /// Who may be the launcher: root, or we ourselves where nothing is root.
    trusted_uid: u32,
}

/// What the launcher says without being asked.
#[derive(Debug)]
pub enum LinkEvent {
    /// A launcher is there: it knows nothing of what was asked of the one before.
    Connected,
    Desktops {
        account: UserName,
        desktops: Vec<DesktopInfo>,
    },
    SignedOut {
        handle_hash: [u8; 32],
    },
    /// A person is in another of the configured groups now, or in none.
    Group {
        account: UserName,
        group: Option<String>,
    },
    /// Somebody became an admin, or is none any more.
    Admin {
        account: UserName,
        is_admin: bool,
    },
    /// For the metrics.
    Measured(Measure),
    Totals(Totals),
    /// The logos of the configuration that comes next.
    Logos(Logos),
    Config {
        text: String,
    },
    /// New texts of templates, as a sealed memory file.
    Templates {
        file: OwnedFd,
    },
    /// The certificates to show from now on, as a sealed memory file.
    Certificates {
        file: OwnedFd,
    },
    /// The challenges to answer from now on: to be said back, with the number, when that is so.
    Challenges {
        number: u64,
        challenges: Vec<Challenge>,
    },
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// No launcher, or none that answered in time.
    Away,
    /// Too many requests under way.
    Busy,
    /// The request does not fit a message.
    TooLong,
}

/// The answer and the descriptor that came with it.
pub(super) type Reply = (Answer, Option<OwnedFd>);

/// Requests go in here. Clones share the connection.
#[derive(Clone, Debug)]
pub(super) struct Link {
    connection: watch::Receiver<Option<Arc<Connection>>>,
    next_id: Arc<AtomicU64>,
    in_flight: Arc<Semaphore>,
    shares: Arc<Shares>,
}

/// How many requests each sign-in has under way.
#[derive(Debug, Default)]
struct Shares {
    /// Handles are not kept here: two that hash alike share what there is.
    hasher: RandomState,
    taken: Mutex<HashMap<u64, usize>>,
}

/// One request of a share, until it is dropped.
#[derive(Debug)]
struct Taken<'a> {
    shares: &'a Shares,
    login: u64,
}

#[derive(Debug)]
struct Connection {
    socket: Datagrams,
    /// The launcher at the other end takes no further request, but answers those that it has.
    is_ending: AtomicBool,
    /// Who waits for which answer; `None` once the connection is over.
    waiting: Mutex<Option<HashMap<u64, oneshot::Sender<Reply>>>>,
}

/// What became of a request.
enum Asked {
    Answered(Reply),
    /// The launcher has never had it.
    NotSent,
    /// The connection ended before the answer was there.
    Lost,
}

/// Takes a request out of the list when its asker gives up.
struct Waiting<'a> {
    connection: &'a Connection,
    id: u64,
}

impl LauncherSocket {
    /// `socket` listens already. Connections of others than `trusted_uid` are closed.
    ///
    /// # Errors
    /// When it cannot be used with tokio.
    pub fn new(socket: OwnedFd, trusted_uid: u32) -> io::Result<Self> {
        Ok(Self {
            listener: Listener::new(socket)?,
            trusted_uid,
        })
    }

    /// Starts to accept; events go to `events`.
    pub(super) fn start(self, tasks: &Tasks, events: mpsc::Sender<LinkEvent>) -> Link {
        let (current, connection) = watch::channel(None);
        let stop = tasks.clone();
        let readers = tasks.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = self.accept(&current, &readers, &events) => {}
                () = stop.stopping() => {}
            }
        });
        Link {
            connection,
            next_id: Arc::new(AtomicU64::new(1)),
            in_flight: Arc::new(Semaphore::new(MAX_IN_FLIGHT)),
            shares: Arc::default(),
        }
    }

    #[expect(clippy::infinite_loop, reason = "ends with the task that runs it")]
    async fn accept(
        &self,
        current: &watch::Sender<Option<Arc<Connection>>>,
        tasks: &Tasks,
        events: &mpsc::Sender<LinkEvent>,
    ) {
        loop {
            let socket = match self.listener.accept().await {
                Ok((socket, uid)) if uid == self.trusted_uid => socket,
                Ok((_, uid)) => {
                    warn!(uid, "somebody who is not the launcher connected: closed");
                    continue;
                }
                Err(error) => {
                    warn!(%error, "the launcher's connection cannot be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            info!("the launcher is there");
            let connection = Arc::new(Connection {
                socket,
                is_ending: AtomicBool::new(false),
                waiting: Mutex::new(Some(HashMap::new())),
            });
            let older = current.send_replace(Some(Arc::clone(&connection)));
            if let Some(older) = older {
                older.close();
            }
            let (current, events, stop) = (current.clone(), events.clone(), tasks.clone());
            tasks.spawn(async move {
                tokio::select! {
                    () = connection.read(&events) => {}
                    () = stop.stopping() => {}
                }
                connection.close();
                current.send_if_modified(|now| {
                    let ours = now
                        .as_ref()
                        .is_some_and(|now| Arc::ptr_eq(now, &connection));
                    if ours {
                        *now = None;
                    }
                    ours
                });
            });
        }
    }
}

impl Link {
    /// Asks, and waits at most `limit` for the answer. With `again`, asks once more when the
    /// launcher goes away meanwhile: only for requests that may be carried out twice.
    pub(super) async fn ask(
        &self,
        request: Request,
        limit: Duration,
        again: bool,
    ) -> Result<Reply, NoAnswer> {
        let _taken = match request.handle() {
            Some(handle) => Some(self.shares.take(handle).ok_or(NoAnswer::Busy)?),
            None => None,
        };
        let Ok(_permit) = self.in_flight.try_acquire() else {
            return Err(NoAnswer::Busy);
        };
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let message = encode(&Envelope { id, request }, MAX_REQUEST);
        let message = Zeroizing::new(message.map_err(|_| NoAnswer::TooLong)?);
        let asking = async {
            loop {
                let connection = self.connected().await?;
                match connection.ask(id, &message).await {
                    Asked::Answered(reply) => return Ok(reply),
                    Asked::Lost if !again => return Err(NoAnswer::Away),
                    Asked::Lost | Asked::NotSent => {}
                }
            }
        };
        tokio::time::timeout(limit, asking)
            .await
            .unwrap_or(Err(NoAnswer::Away))
    }

    /// Whether a launcher is connected.
    pub(super) fn is_connected(&self) -> bool {
        self.connection.borrow().is_some()
    }

    /// Resolves when a launcher is connected; never when that never happens.
    pub(super) async fn until_connected(&self) {
        let mut connection = self.connection.clone();
        if connection.wait_for(Option::is_some).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    async fn connected(&self) -> Result<Arc<Connection>, NoAnswer> {
        let mut connection = self.connection.clone();
        let wait = connection.wait_for(|now| now.as_ref().is_some_and(|now| now.takes_requests()));
        match tokio::time::timeout(AWAY_TIMEOUT, wait).await {
            Ok(Ok(now)) => now.as_ref().map(Arc::clone).ok_or(NoAnswer::Away),
            _ => Err(NoAnswer::Away),
        }
    }
}

impl Shares {
    /// `None` when that sign-in has as many under way as it may.
    fn take(&self, handle: &Handle) -> Option<Taken<'_>> {
        let login = self.hasher.hash_one(handle.expose());
        let mut taken = self.taken();
        let own = taken.entry(login).or_default();
        if *own >= MAX_OF_LOGIN {
            return None;
        }
        *own += 1;
        let shares = self;
        Some(Taken { shares, login })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<u64, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if let Entry::Occupied(mut own) = self.shares.taken().entry(self.login) {
            *own.get_mut() -= 1;
            if *own.get() == 0 {
                own.remove();
            }
        }
    }
}

impl Connection {
    async fn ask(&self, id: u64, message: &[u8]) -> Asked {
        let (answer, answered) = oneshot::channel();
        match self.waiting().as_mut() {
            Some(waiting) => waiting.insert(id, answer),
            None => return Asked::NotSent,
        };
        let _waiting = Waiting {
            connection: self,
            id,
        };
        if let Err(error) = self.socket.send(message).await {
            if error.kind() == io::ErrorKind::BrokenPipe {
                // It is on its way out; whoever reads here notices when it has gone.
                self.is_ending.store(true, Ordering::Relaxed);
            } else {
                warn!(%error, "the launcher cannot be asked");
                self.close();
            }
            return Asked::NotSent;
        }
        answered.await.map_or(Asked::Lost, Asked::Answered)
    }

    /// Reads until the connection ends or something comes that is no message.
    async fn read(&self, events: &mpsc::Sender<LinkEvent>) {
        let mut buffer = vec![0; MAX_ANSWER];
        if events.send(LinkEvent::Connected).await.is_err() {
            return;
        }
        while self.is_open() {
            let (length, descriptor) = match self.socket.receive(&mut buffer).await {
                Ok((0, _)) => break,
                Ok(received) => received,
                Err(error) => {
                    warn!(%error, "the launcher's connection is closed");
                    return;
                }
            };
            let message = buffer.get(..length).unwrap_or_default();
            let message = decode::<FromLauncher>(message);
            buffer[..length].fill(0); // it may have been a handle
            let event = match message {
                Ok(FromLauncher::Answer { id, answer }) => {
                    let asker = self.waiting().as_mut().and_then(|all| all.remove(&id));
                    if let Some(asker) = asker {
                        // An asker that has given up needs no answer.
                        drop(asker.send((answer, descriptor)));
                    }
                    continue;
                }
                Ok(FromLauncher::Desktops { account, desktops }) => {
                    LinkEvent::Desktops { account, desktops }
                }
                Ok(FromLauncher::SignedOut { handle_hash }) => LinkEvent::SignedOut { handle_hash },
                Ok(FromLauncher::Group { account, group }) => LinkEvent::Group { account, group },
                Ok(FromLauncher::Admin { account, is_admin }) => {
                    LinkEvent::Admin { account, is_admin }
                }
                Ok(FromLauncher::Measured(measure)) => LinkEvent::Measured(measure),
                Ok(FromLauncher::Totals(totals)) => LinkEvent::Totals(totals),
                Ok(FromLauncher::Logos) => match descriptor.map(logos).transpose() {
                    Ok(logos) => LinkEvent::Logos(logos.unwrap_or_default()),
                    Err(error) => {
                        warn!(%error, "the launcher's logos cannot be read: there are none");
                        LinkEvent::Logos(Logos::default())
                    }
                },
                Ok(FromLauncher::Config { text }) => LinkEvent::Config { text },
                Ok(FromLauncher::Templates) => {
                    let Some(file) = descriptor else {
                        warn!("the launcher sends templates without their file: the old ones stay");
                        continue;
                    };
                    LinkEvent::Templates { file }
                }
                Ok(FromLauncher::Challenges { number, challenges }) => {
                    LinkEvent::Challenges { number, challenges }
                }
                Ok(FromLauncher::Certificates) => {
                    let Some(file) = descriptor else {
                        warn!(
                            "the launcher sends certificates without their file: the old ones stay"
                        );
                        continue;
                    };
                    LinkEvent::Certificates { file }
                }
                Err(error) => {
                    warn!(%error, "the launcher says what nobody understands: closed");
                    return;
                }
            };
            if events.send(event).await.is_err() {
                return;
            }
        }
        info!("the launcher went away");
    }

    fn is_open(&self) -> bool {
        self.waiting().is_some()
    }

    fn takes_requests(&self) -> bool {
        self.is_open() && !self.is_ending.load(Ordering::Relaxed)
    }

    /// Tells all who wait that no answer will come.
    fn close(&self) {
        self.waiting().take();
    }

    fn waiting(&self) -> MutexGuard<'_, Option<HashMap<u64, oneshot::Sender<Reply>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn logos(sealed: OwnedFd) -> io::Result<Logos> {
    let packed = unseal(sealed, MAX_LOGOS_PACKED)?;
    postcard::from_bytes(&packed).map_err(io::Error::other)
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(waiting) = self.connection.waiting().as_mut() {
            waiting.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use tokio::io::AsyncReadExt as _;
    use tokio::net::UnixStream;

    use super::*;

    /// A link that trusts `uid`, and a process of our own uid that connects to it.
    fn link_and_visitor(uid: u32) -> (Link, mpsc::Receiver<LinkEvent>, UnixStream, Tasks) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("front.sock");
        let socket = deskway_osuser::listen(&path).unwrap();
        let (events, told) = mpsc::channel(8);
        let tasks = Tasks::new();
        let link = LauncherSocket::new(socket, uid)
            .unwrap()
            .start(&tasks, events);
        let visitor = deskway_osuser::connect(&path).unwrap();
        let visitor = std::os::unix::net::UnixStream::from(visitor);
        (link, told, UnixStream::from_std(visitor).unwrap(), tasks)
    }

    #[tokio::test]
    async fn somebody_elses_process_is_not_the_launcher() {
        let stranger = deskway_osuser::own_uid() + 1;
        let (link, mut told, mut visitor, _tasks) = link_and_visitor(stranger);
        assert!(visitor.read_u8().await.is_err(), "the connection is closed");
        assert!(!link.is_connected());
        assert!(told.try_recv().is_err());
    }

    #[test]
    fn a_sign_in_s_share_does_not_touch_another_s_and_comes_back() {
        let shares = Shares::default();
        let (hers, his) = (Handle::new([1; 32]), Handle::new([2; 32]));
        let taken: Vec<_> = (0..MAX_OF_LOGIN).map(|_| shares.take(&hers)).collect();
        assert!(taken.iter().all(Option::is_some));
        assert!(shares.take(&hers).is_none());
        assert!(shares.take(&his).is_some());
        drop(taken);
        assert!(shares.take(&hers).is_some());
        assert!(shares.taken().is_empty());
    }

    #[tokio::test]
    async fn a_request_that_a_launcher_on_its_way_out_does_not_take_waits_for_the_next() {
        let own = deskway_osuser::own_uid();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("front.sock");
        let socket = LauncherSocket::new(deskway_osuser::listen(&path).unwrap(), own).unwrap();
        let (events, mut told) = mpsc::channel(8);
        let tasks = Tasks::new();
        let link = socket.start(&tasks, events);
        let old = deskway_osuser::connect(&path).unwrap();
        told.recv().await.unwrap();
        rustix::net::shutdown(&old, rustix::net::Shutdown::Read).unwrap();
        let request = Request::ListAs { owner: None };
        let limit = Duration::from_secs(10);
        let new = async {
            while link
                .connection
                .borrow()
                .as_ref()
                .is_none_or(|now| now.takes_requests())
            {
                tokio::task::yield_now().await;
            }
            let new = deskway_osuser::connect(&path).unwrap();
            let mut buffer = [0; MAX_REQUEST];
            let length = loop {
                let received = deskway_osuser::receive(new.as_fd(), &mut buffer);
                match received {
                    Ok(deskway_osuser::Received::Message(length, _)) => break length,
                    _ => tokio::task::yield_now().await,
                }
            };
            let asked: Envelope = decode(&buffer[..length]).unwrap();
            let answer = FromLauncher::Answer {
                id: asked.id,
                answer: Answer::Done,
            };
            deskway_osuser::send(new.as_fd(), &encode(&answer, MAX_ANSWER).unwrap()).unwrap();
            new
        };
        let (answer, _new) = tokio::join!(link.ask(request, limit, false), new);
        assert!(matches!(answer, Ok((Answer::Done, None))), "{answer:?}");
    }

    #[tokio::test]
    async fn a_launcher_that_talks_nonsense_is_dropped() {
        let (link, mut told, mut visitor, _tasks) = link_and_visitor(deskway_osuser::own_uid());
        assert!(matches!(told.recv().await, Some(LinkEvent::Connected)));
        let nonsense = [255; 32];
        visitor.try_write(&nonsense).unwrap();
        assert!(visitor.read_u8().await.is_err(), "the connection is closed");
        let mut connection = link.connection.clone();
        connection.wait_for(Option::is_none).await.unwrap();
    }
}
