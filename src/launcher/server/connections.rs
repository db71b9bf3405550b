//! The sockets of those who ask: the front, and this machine's users.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use deskway_osuser::Received;
use rustix::event::PollFlags;
use rustix::net::Shutdown;
use zeroize::Zeroize;

use super::connection::{Connection, Kind, MAX_WAITING, Message};
use super::fitting::{fitting, shortened};
use super::recording::Deed;
use crate::audit::{Entry, Journal, Number};
use crate::launcher::protocol::{
    Answer, Envelope, FromLauncher, MAX_ANSWER, MAX_REQUEST, Refusal, decode, encode,
};
use crate::model::{DesktopInfo, UserName};

/// Most connections that are taken in before others have their turn.
const MAX_ACCEPTED: usize = 16;
/// Most connections of this machine's users at once, and of them by one; root's do not count.
const MAX_USERS: usize = 64;
const MAX_PER_USER: usize = 4;
/// A user who asks nothing for so long is hung up on: nothing takes longer to be answered.
const IDLE: Duration = Duration::from_mins(1);
/// How long an answer waits for its entry in the audit log.
const HELD: Duration = Duration::from_secs(1);
/// Most answers that wait so, and requests that will be on record.
const MAX_HELD: usize = 4096;

/// Who is at the other end, as the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// The process that talks to the network. Not believed.
    Front,
    /// A process of this uid on `launcher.sock`.
    User(u32),
}

/// Whom to answer, and which request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asker {
    pub(super) connection: u64,
    pub(super) who: Who,
    /// Counts up over all connections: what a front calls its requests is its own affair, and it
    /// may call two of them the same.
    number: u64,
    /// As the one who asks calls it.
    request: u64,
}

#[derive(Debug, Default)]
pub(super) struct Connections {
    open: BTreeMap<u64, Connection>,
    next: u64,
    /// Requests so far.
    asked: u64,
    /// What is done is on record before anybody is told that it is.
    pub(super) journal: Journal,
    /// What was asked for that belongs on record, by [`Asker::number`], until it is answered.
    deeds: BTreeMap<u64, Deed>,
    held: VecDeque<Held>,
    /// No requests are taken any more.
    is_ending: bool,
}

/// An answer that waits for its entry in the audit log.
#[derive(Debug)]
struct Held {
    entry: Number,
    until: Instant,
    asker: Asker,
    bytes: Vec<u8>,
    descriptor: Option<OwnedFd>,
}

/// The next connections of a listener; those beyond a turn's share wait for the next.
pub(super) fn accept(listener: BorrowedFd<'_>) -> impl Iterator<Item = OwnedFd> {
    (0..MAX_ACCEPTED).map_while(move |_| deskway_osuser::accept(listener).ok())
}

impl Connections {
    pub(super) fn with(journal: Journal) -> Self {
        Self {
            journal,
            ..Self::default()
        }
    }

    /// Keeps a new connection; one user's too many is closed at once.
    pub(super) fn add(&mut self, socket: OwnedFd, who: Who, now: Instant) {
        if let Who::User(1..) = who {
            let others = self.open.values().map(|connection| connection.who);
            let users = others.clone().filter(|who| matches!(who, Who::User(1..)));
            let own = others.filter(|other| *other == who);
            if users.count() >= MAX_USERS || own.count() >= MAX_PER_USER {
                return;
            }
        }
        self.insert(socket, who, false, now);
    }

    /// Keeps a connection to a front that is being replaced.
    pub(super) fn add_leaving_front(&mut self, socket: OwnedFd, now: Instant) {
        self.insert(socket, Who::Front, true, now);
    }

    fn insert(&mut self, socket: OwnedFd, who: Who, leaves: bool, now: Instant) {
        self.next += 1;
        self.open.insert(
            self.next,
            Connection {
                socket,
                who,
                leaves,
                drained: false,
                watched: BTreeSet::new(),
                waiting: VecDeque::new(),
                heard: now,
                talks_nonsense: false,
            },
        );
    }

    /// Whether there is one that stays.
    pub(super) fn has_front(&self) -> bool {
        self.open
            .values()
            .any(|connection| connection.who == Who::Front && !connection.leaves)
    }

    /// Whether that is a front that stays.
    pub(super) fn stays(&self, asker: Asker) -> bool {
        let connection = self.open.get(&asker.connection);
        connection.is_some_and(|it| it.who == Who::Front && !it.leaves)
    }

    pub(super) fn is_open(&self, number: u64) -> bool {
        self.open.contains_key(&number)
    }

    pub(super) fn has_leaving_front(&self) -> bool {
        self.open.values().any(|connection| connection.leaves)
    }

    /// Takes no request any more but those that were sent before.
    pub(super) fn end(&mut self) {
        self.is_ending = true;
        for connection in self.open.values() {
            // Who has gone asks nothing.
            _ = rustix::net::shutdown(&connection.socket, Shutdown::Read);
        }
    }

    /// After [`Connections::end`]: whether all has been read and answers have been sent.
    pub(super) fn are_done(&self) -> bool {
        let is_done = |connection: &Connection| connection.drained && connection.waiting.is_empty();
        self.held.is_empty() && self.open.values().all(is_done)
    }

    /// What to poll, and for what. Who does not read its answers is not asked for more requests.
    pub(super) fn sockets(&self) -> impl Iterator<Item = (u64, BorrowedFd<'_>, PollFlags)> {
        let open = self.open.iter();
        let open = open.filter(|(_, it)| !it.drained || !it.waiting.is_empty());
        open.map(|(number, connection)| {
            let interest = if connection.waiting.is_empty() {
                PollFlags::IN
            } else {
                PollFlags::OUT
            };
            (*number, connection.socket.as_fd(), interest)
        })
    }

    /// The next request of a connection. What is no request is dropped, and the connection stays.
    pub(super) fn receive(&mut self, number: u64, now: Instant) -> Option<(Asker, Envelope)> {
        let connection = self.open.get_mut(&number)?;
        let mut buffer = [0; MAX_REQUEST];
        match deskway_osuser::receive(connection.socket.as_fd(), &mut buffer) {
            Ok(Received::Message(length, _)) => {
                connection.heard = now;
                let envelope = decode::<Envelope>(buffer.get(..length)?);
                buffer.zeroize();
                match envelope {
                    Ok(envelope) => {
                        self.asked += 1;
                        let asker = Asker {
                            connection: number,
                            who: connection.who,
                            number: self.asked,
                            request: envelope.id,
                        };
                        return Some((asker, envelope));
                    }
                    Err(error) => connection.complain(&error.to_string()),
                }
            }
            Ok(Received::TooLong) => connection.complain("it is too long"),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(Received::End) if self.is_ending => connection.drained = true,
            Ok(Received::End) | Err(_) => {
                self.open.remove(&number);
            }
        }
        None
    }

    /// Hangs up on users who ask nothing.
    pub(super) fn close_idle(&mut self, now: Instant) {
        self.open.retain(|_, connection| {
            connection.who == Who::Front || now.saturating_duration_since(connection.heard) < IDLE
        });
    }

    /// This request belongs on record, with how it is answered.
    pub(super) fn on_record(&mut self, asker: Asker, deed: Deed) {
        if self.deeds.len() < MAX_HELD {
            self.deeds.insert(asker.number, deed);
        }
    }

    /// What is to be on record of a request that is not answered yet.
    pub(super) fn deed(&mut self, asker: Asker) -> Option<&mut Entry> {
        self.deeds
            .get_mut(&asker.number)
            .map(|deed| &mut deed.entry)
    }

    pub(super) fn answer(&mut self, asker: Asker, answer: Answer) {
        self.answer_with(asker, answer, None);
    }

    /// An answer with a descriptor.
    pub(super) fn hand_over(&mut self, asker: Asker, answer: Answer, descriptor: OwnedFd) {
        self.answer_with(asker, answer, Some(descriptor));
    }

    fn answer_with(&mut self, asker: Asker, answer: Answer, descriptor: Option<OwnedFd>) {
        let deed = self.deeds.remove(&asker.number);
        let is_done = !matches!(answer, Answer::Refused(_));
        let now = Instant::now();
        let entry = deed.and_then(|deed| deed.conclude(&answer, &mut self.journal, now));
        let bytes = fitting(asker.request, answer);
        match entry {
            Some(entry) if is_done && self.held.len() < MAX_HELD => self.held.push_back(Held {
                entry,
                until: now + HELD,
                asker,
                bytes,
                descriptor,
            }),
            _ => self.send(asker, bytes, descriptor),
        }
    }

    /// Sends the answers whose entries are on record, or that have waited long enough.
    pub(super) fn release(&mut self, now: Instant) {
        while let Some(held) = self
            .held
            .pop_front_if(|it| self.journal.is_settled(it.entry) || it.until <= now)
        {
            self.send(held.asker, held.bytes, held.descriptor);
        }
    }

    /// When the next answer has waited long enough.
    pub(super) fn next_release(&self) -> Option<Instant> {
        self.held.front().map(|held| held.until)
    }

    /// Tells every front.
    pub(super) fn tell_fronts(&mut self, news: &FromLauncher) {
        self.tell_fronts_with(news, None);
    }

    /// Tells every front, with a copy of a descriptor.
    pub(super) fn tell_fronts_with(&mut self, news: &FromLauncher, with: Option<&OwnedFd>) {
        let Ok(bytes) = encode(news, MAX_ANSWER) else {
            tracing::error!("news that is too long to be told");
            return;
        };
        for connection in self.open.values_mut() {
            if connection.who != Who::Front {
                continue;
            }
            match with.map(OwnedFd::try_clone).transpose() {
                Ok(copy) => {
                    let kind = Kind::of(news);
                    let waiting = &mut connection.waiting;
                    // A front that does not read keeps no more than the newest of each.
                    waiting.retain(|older| kind.is_none() || older.kind != kind);
                    waiting.push_back(Message {
                        bytes: bytes.clone(),
                        descriptor: copy,
                        kind,
                    });
                }
                Err(error) => tracing::error!(%error, "news cannot be told: no descriptor left"),
            }
        }
        self.write_all();
    }

    /// Tells every front that keeps up with what it is told; what another misses is no loss.
    pub(super) fn tell_fronts_at_leisure(&mut self, news: &FromLauncher) {
        let Ok(bytes) = encode(news, MAX_ANSWER) else {
            return;
        };
        for connection in self.open.values_mut() {
            if connection.who == Who::Front && connection.waiting.len() < MAX_WAITING / 2 {
                connection.waiting.push_back(Message {
                    bytes: bytes.clone(),
                    descriptor: None,
                    kind: None,
                });
            }
        }
        self.write_all();
    }

    /// From now on this connection is told when that person's desktops change.
    pub(super) fn watch(&mut self, asker: Asker, account: &UserName) {
        if let Some(connection) = self.open.get_mut(&asker.connection) {
            connection.watched.insert(account.clone());
        }
    }

    pub(super) fn unwatch(&mut self, account: &UserName) {
        for connection in self.open.values_mut() {
            connection.watched.remove(account);
        }
    }

    /// Tells those who watch that person's desktops.
    pub(super) fn tell_watchers(&mut self, account: &UserName, desktops: Vec<DesktopInfo>) {
        if !self.watches(account) {
            return;
        }
        let bytes = shortened(desktops, |desktops| FromLauncher::Desktops {
            account: account.clone(),
            desktops,
        });
        for connection in self.open.values_mut() {
            if connection.watched.contains(account) {
                connection.waiting.push_back(Message {
                    bytes: bytes.clone(),
                    descriptor: None,
                    kind: None,
                });
            }
        }
        self.write_all();
    }

    /// Sends what waits, as far as it is read.
    pub(super) fn write_all(&mut self) {
        self.open.retain(|_, connection| connection.write());
    }

    fn watches(&self, account: &UserName) -> bool {
        self.open
            .values()
            .any(|connection| connection.watched.contains(account))
    }

    fn send(&mut self, asker: Asker, bytes: Vec<u8>, descriptor: Option<OwnedFd>) {
        // Whoever asked may have gone.
        if let Some(connection) = self.open.get_mut(&asker.connection) {
            connection.waiting.push_back(Message {
                bytes,
                descriptor,
                kind: None,
            });
            if !connection.write() {
                self.open.remove(&asker.connection);
            }
        }
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::What;

    #[test]
    fn connections_beyond_a_turn_s_share_wait() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let listener = deskway_osuser::listen(&path).unwrap();
        let connect = |_| deskway_osuser::connect(&path).unwrap();
        let clients: Vec<OwnedFd> = (0..=MAX_ACCEPTED).map(connect).collect();
        let mut turns = (0..3).map(|_| accept(listener.as_fd()).count());
        assert_eq!(turns.next(), Some(MAX_ACCEPTED));
        assert_eq!(turns.next(), Some(1));
        assert_eq!(turns.next(), Some(0));
        drop(clients);
    }

    /// How many of `count` connections of `who` are kept.
    fn kept(connections: &mut Connections, who: Who, count: usize, now: Instant) -> usize {
        let before = connections.open.len();
        for _ in 0..count {
            let (here, _) = deskway_osuser::pair().unwrap();
            connections.add(here, who, now);
        }
        connections.open.len() - before
    }

    #[test]
    fn one_user_s_connections_leave_room_for_others() {
        let (mut connections, now) = (Connections::default(), Instant::now());
        for uid in [1000, 1001] {
            let kept = kept(&mut connections, Who::User(uid), 100, now);
            assert_eq!(kept, MAX_PER_USER);
        }
        for uid in 2000..3000 {
            kept(&mut connections, Who::User(uid), 1, now);
        }
        assert_eq!(connections.open.len(), MAX_USERS);
        assert_eq!(kept(&mut connections, Who::User(0), 5, now), 5);
        assert_eq!(kept(&mut connections, Who::Front, 1, now), 1);
    }

    #[test]
    fn a_user_who_asks_nothing_is_hung_up_on_and_the_front_is_not() {
        let (mut connections, began) = (Connections::default(), Instant::now());
        let (here, there) = deskway_osuser::pair().unwrap();
        connections.add(here, Who::User(1000), began);
        kept(&mut connections, Who::User(1001), 1, began);
        kept(&mut connections, Who::Front, 1, began);
        let request = crate::launcher::protocol::Request::ListAs { owner: None };
        let bytes = encode(&Envelope { id: 1, request }, MAX_REQUEST).unwrap();
        deskway_osuser::send(there.as_fd(), &bytes).unwrap();
        assert!(connections.receive(1, began + IDLE / 2).is_some());
        connections.close_idle(began + IDLE);
        let left: Vec<Who> = connections.open.values().map(|open| open.who).collect();
        assert_eq!(left, [Who::User(1000), Who::Front]);
        connections.close_idle(began + IDLE * 2);
        assert_eq!(connections.open.len(), 1);
    }

    #[test]
    fn two_requests_that_a_front_calls_the_same_are_both_on_record() {
        let (mut connections, now) = (Connections::default(), Instant::now());
        let (here, there) = deskway_osuser::pair().unwrap();
        connections.add(here, Who::Front, now);
        let request = || crate::launcher::protocol::Request::Index;
        let bytes = |id| {
            let request = request();
            encode(&Envelope { id, request }, MAX_REQUEST).unwrap()
        };
        let mut ask = |what| {
            deskway_osuser::send(there.as_fd(), &bytes(9)).unwrap();
            let (asker, _) = connections.receive(1, now).unwrap();
            connections.on_record(asker, Entry::new(1, "bob", "::1", what).into());
            asker
        };
        let (watch, keep) = (ask(What::Watch), ask(What::Keep));
        connections.answer(keep, Answer::Done);
        let left = connections.deed(watch).map(|deed| deed.what);
        assert_eq!(left, Some(What::Watch));
    }

    #[test]
    fn of_what_a_front_does_not_read_only_the_newest_of_each_kind_is_kept() {
        let (mut connections, now) = (Connections::default(), Instant::now());
        let (here, there) = deskway_osuser::pair().unwrap();
        connections.add(here, Who::Front, now);
        let front = |connections: &Connections| connections.open[&1].waiting.len();
        let group = FromLauncher::Group {
            account: "alice".parse().unwrap(),
            group: None,
        };
        // Until the socket is full, and one more.
        while front(&connections) == 0 {
            connections.tell_fronts(&group);
        }
        let sealed = crate::runtime::seal("some", b"thing").unwrap();
        for number in 0..2 * MAX_WAITING {
            connections.tell_fronts_with(&FromLauncher::Logos, Some(&sealed));
            let text = number.to_string();
            connections.tell_fronts(&FromLauncher::Config { text });
            connections.tell_fronts_with(&FromLauncher::Templates, Some(&sealed));
            connections.tell_fronts_with(&FromLauncher::Certificates, Some(&sealed));
            connections.tell_fronts(&group);
            assert!(front(&connections) > 0, "it is still there");
            connections.open.get_mut(&1).unwrap().waiting.pop_back();
        }
        assert_eq!(front(&connections), 5);

        let mut news = Vec::new();
        let mut buffer = vec![0; MAX_ANSWER];
        while front(&connections) > 0 {
            let received = deskway_osuser::receive(there.as_fd(), &mut buffer).unwrap();
            let Received::Message(length, _) = received else {
                panic!("{received:?}");
            };
            news.push(decode::<FromLauncher>(&buffer[..length]).unwrap());
            connections.write_all();
        }
        while let Ok(Received::Message(length, _)) =
            deskway_osuser::receive(there.as_fd(), &mut buffer)
        {
            news.push(decode(&buffer[..length]).unwrap());
        }
        let newest = (2 * MAX_WAITING - 1).to_string();
        let end = &news[news.len() - 4..];
        assert!(
            matches!(
                end,
                [
                    FromLauncher::Logos,
                    FromLauncher::Config { text },
                    FromLauncher::Templates,
                    FromLauncher::Certificates
                ] if *text == newest
            ),
            "{end:?}"
        );
    }
}
