//! A launcher without PAM, accounts or desktops: it speaks the real protocol and knows what the
//! test tells it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use deskway::launcher::protocol::{
    Account, Answer, Envelope, FromLauncher, Greeting, Handle, Index, MAX_ANSWER, MAX_REQUEST,
    Refusal, Request, decode, encode,
};
use deskway::model::{
    Act, DesktopId, DesktopInfo, DesktopName, DesktopReport, DesktopState, EndCause, ProfileId,
    ProfileInfo, SignInReport, Stage, Usage, UserName,
};
use deskway_osuser::Received;
use sha2::{Digest as _, Sha256};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::support::{FakeVnc, soon};

/// When every sign-in runs out: after every clock's now.
pub(crate) const UNTIL: u64 = 4_000_000_000;

/// What outlives a launcher: accounts, sign-ins, desktops.
#[derive(Clone)]
pub(crate) struct World(Arc<Mutex<Facts>>);

struct Facts {
    passwords: BTreeMap<String, &'static str>,
    logins: BTreeMap<[u8; 32], Account>,
    desktops: BTreeMap<DesktopId, DesktopInfo>,
    /// Attached desktops, and whom they are listed for.
    attached: BTreeMap<DesktopId, UserName>,
    /// The configured group that each is in.
    groups: BTreeMap<String, String>,
    admins: BTreeSet<String>,
    /// What was done to desktops by [`Request::Act`], in order.
    acts: Vec<(DesktopId, Act)>,
    /// The answer to the question for an index.
    index: Option<Index>,
    /// The answer to every sign-in instead of the right one.
    sign_in_answer: Option<Refusal>,
    /// Where each sign-in came from, in order.
    peers: Vec<IpAddr>,
    /// The name of each request, in order.
    asked: Vec<String>,
    next_handle: u8,
    opened: mpsc::Sender<(DesktopId, UnixStream)>,
}

/// One launcher process.
pub(crate) struct FakeLauncher {
    task: JoinHandle<()>,
    says: mpsc::Sender<(FromLauncher, Option<OwnedFd>)>,
}

/// The desktops' ends of the streams that were opened.
pub(crate) struct Screens(mpsc::Receiver<(DesktopId, UnixStream)>);

impl World {
    /// Alice and Bob, each with the main desktop running.
    pub(crate) fn new() -> (Self, Screens) {
        let (opened, streams) = mpsc::channel(64);
        let facts = Facts {
            passwords: BTreeMap::from([
                ("alice".to_owned(), "wonderland"),
                ("bob".to_owned(), "builder"),
            ]),
            logins: BTreeMap::new(),
            desktops: BTreeMap::new(),
            attached: BTreeMap::new(),
            groups: BTreeMap::new(),
            admins: BTreeSet::new(),
            acts: Vec::new(),
            index: None,
            sign_in_answer: None,
            peers: Vec::new(),
            asked: Vec::new(),
            next_handle: 1,
            opened,
        };
        let world = Self(Arc::new(Mutex::new(facts)));
        for owner in ["alice", "bob"] {
            world.set(owner, DesktopState::Ready { since: 1 });
        }
        (world, Screens(streams))
    }

    /// Says what state a desktop is in.
    pub(crate) fn set(&self, desktop: &str, state: DesktopState) {
        let id: DesktopId = desktop.parse().unwrap();
        let info = DesktopInfo {
            id: id.clone(),
            profile: Some(xfce()),
            state,
            active: None,
            notices: Vec::new(),
        };
        self.facts().desktops.insert(id, info);
    }

    /// An attached VNC server of `desktop`'s owner that is also listed for `guest`.
    pub(crate) fn attach(&self, desktop: &str, guest: &str) {
        let guest = guest.parse().unwrap();
        self.facts()
            .attached
            .insert(desktop.parse().unwrap(), guest);
    }

    /// Who signs in by that name from now on is in that group.
    pub(crate) fn put_into(&self, name: &str, group: &str) {
        self.facts()
            .groups
            .insert(name.to_owned(), group.to_owned());
    }

    /// The launcher takes that person for an admin, or not any more.
    pub(crate) fn set_admin(&self, name: &str, is_admin: bool) {
        let mut facts = self.facts();
        if is_admin {
            facts.admins.insert(name.to_owned());
        } else {
            facts.admins.remove(name);
        }
        for account in facts.logins.values_mut() {
            if account.name.as_str() == name {
                account.is_admin = is_admin;
            }
        }
    }

    /// What was done to desktops, in order.
    pub(crate) fn acts(&self) -> Vec<(String, Act)> {
        let facts = self.facts();
        let acts = facts.acts.iter();
        acts.map(|(desktop, act)| (desktop.to_string(), act.clone()))
            .collect()
    }

    /// The desktop is none that is remembered.
    pub(crate) fn remove(&self, desktop: &str) {
        self.facts().desktops.remove(&desktop.parse().unwrap());
    }

    /// What the public index is.
    pub(crate) fn show(&self, desktops: &[&str], more: bool) {
        let desktops = desktops.iter().map(|id| id.parse().unwrap()).collect();
        self.facts().index = Some(Index { desktops, more });
    }

    pub(crate) fn answer_sign_ins_with(&self, refusal: Refusal) {
        self.facts().sign_in_answer = Some(refusal);
    }

    /// The launcher forgets every sign-in, as after a restart of the machine.
    pub(crate) fn forget_logins(&self) {
        self.facts().logins.clear();
    }

    pub(crate) fn logins(&self) -> usize {
        self.facts().logins.len()
    }

    /// Where the sign-ins since the last call came from, in order.
    pub(crate) fn peers(&self) -> Vec<String> {
        let peers = std::mem::take(&mut self.facts().peers);
        peers.iter().map(ToString::to_string).collect()
    }

    /// How often that was asked.
    pub(crate) fn asked(&self, what: &str) -> usize {
        self.facts()
            .asked
            .iter()
            .filter(|asked| *asked == what)
            .count()
    }

    /// What the launcher tells a person.
    pub(crate) fn desktops_of(&self, account: &str) -> FromLauncher {
        let account: UserName = account.parse().unwrap();
        FromLauncher::Desktops {
            desktops: self.facts().desktops_of(&account),
            account,
        }
    }

    /// SHA-256 of the handles that are signed in.
    pub(crate) fn handle_hashes(&self) -> Vec<[u8; 32]> {
        let facts = self.facts();
        facts
            .logins
            .keys()
            .map(|handle| Sha256::digest(handle).into())
            .collect()
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.0.lock().unwrap()
    }
}

impl FakeLauncher {
    /// Connects to `front.sock`.
    pub(crate) fn start(front_socket: &Path, world: &World) -> Self {
        let socket = deskway_osuser::connect(front_socket).unwrap();
        let socket = std::os::unix::net::UnixStream::from(socket);
        let socket = UnixStream::from_std(socket).unwrap();
        let (says, mut to_say) = mpsc::channel::<(FromLauncher, Option<OwnedFd>)>(8);
        let world = world.clone();
        let task = spawn(async move {
            loop {
                tokio::select! {
                    request = receive(&socket) => {
                        let Some(Envelope { id, request }) = request else { return };
                        let (answer, stream) = world.facts().answer(request);
                        send(&socket, &FromLauncher::Answer { id, answer }, stream).await;
                    }
                    Some((message, descriptor)) = to_say.recv() => {
                        send(&socket, &message, descriptor).await;
                    },
                }
            }
        });
        Self { task, says }
    }

    /// Says something unasked.
    pub(crate) async fn say(&self, message: FromLauncher) {
        self.says.send((message, None)).await.unwrap();
    }

    /// The same, with a descriptor.
    pub(crate) async fn hand_over(&self, message: FromLauncher, descriptor: OwnedFd) {
        let message = (message, Some(descriptor));
        self.says.send(message).await.unwrap();
    }

    /// Dies, and its connection with it.
    pub(crate) async fn kill(self) {
        self.task.abort();
        // It may have ended by itself, when the front went first.
        assert!(
            self.task
                .await
                .map_or_else(|error| error.is_cancelled(), |()| true)
        );
    }
}

impl Screens {
    /// The desktop's end of the next stream that is opened.
    pub(crate) async fn next(&mut self) -> (DesktopId, FakeVnc<UnixStream>) {
        let (desktop, stream) = soon(self.0.recv()).await.unwrap();
        (desktop, FakeVnc::over(stream))
    }

    /// Whether no stream was opened.
    pub(crate) fn is_untouched(&mut self) -> bool {
        self.0.try_recv().is_err()
    }
}

impl Facts {
    fn answer(&mut self, request: Request) -> (Answer, Option<OwnedFd>) {
        let text = format!("{request:?}");
        let name = text.split([' ', '{']).next().unwrap_or_default();
        self.asked.push(name.to_owned());
        let mut stream = None;
        let answer = self.try_answer(request, &mut stream);
        (answer.unwrap_or_else(Answer::Refused), stream)
    }

    fn try_answer(
        &mut self,
        request: Request,
        stream: &mut Option<OwnedFd>,
    ) -> Result<Answer, Refusal> {
        Ok(match request {
            Request::SignIn {
                name,
                password,
                peer,
            } => {
                self.peers.push(peer);
                self.sign_in(&name, password.expose())?
            }
            Request::SignOut { handle } => {
                self.logins.remove(handle.expose());
                Answer::Done
            }
            Request::Check { handle } => Answer::Account(self.whose(&handle)?),
            Request::Desktops { handle } => {
                let account = self.whose(&handle)?;
                Answer::Desktops(self.desktops_of(&account.name))
            }
            Request::Profiles { handle } => {
                self.whose(&handle)?;
                Answer::Profiles(vec![ProfileInfo {
                    id: xfce(),
                    name: "Xfce Session".to_owned(),
                    default: true,
                }])
            }
            Request::Start {
                handle,
                desktop,
                profile,
                ..
            } => self.start(&handle, desktop, profile)?,
            Request::Stop { handle, desktop } => {
                let id = DesktopId::new(self.whose(&handle)?.name, desktop);
                let info = self.desktops.get_mut(&id).ok_or(Refusal::NotRunning)?;
                let cause = EndCause::Stopped;
                info.state = DesktopState::Gone { cause, at: 6 };
                Answer::Done
            }
            Request::Open {
                handle, desktop, ..
            } => {
                self.may_open(&handle, &desktop)?;
                *stream = Some(self.open(desktop));
                Answer::Stream {
                    greeting: Greeting::Fresh,
                }
            }
            Request::Act {
                handle,
                desktop,
                act,
            } => self.act(&handle, desktop, act)?,
            Request::Overview { handle, after } => {
                self.admin(&handle)?;
                self.overview(after.as_ref())
            }
            Request::People { handle, skip } => {
                self.admin(&handle)?;
                self.people(skip)
            }
            Request::EndSignIns { handle, account } => {
                self.admin(&handle)?;
                self.logins.retain(|_, login| login.name != account);
                Answer::Done
            }
            Request::Index => {
                let none = || Refusal::BadRequest("no public index".to_owned());
                Answer::Index(self.index.clone().ok_or_else(none)?)
            }
            Request::SetUp { token, .. } if token.expose() == "first" => Answer::Done,
            _ => return Err(Refusal::BadRequest("not in this test".to_owned())),
        })
    }

    fn start(
        &mut self,
        handle: &Handle,
        desktop: DesktopName,
        profile: Option<ProfileId>,
    ) -> Result<Answer, Refusal> {
        let id = DesktopId::new(self.whose(handle)?.name, desktop);
        let profile = profile.unwrap_or_else(xfce);
        if profile.as_str() != "xfce" {
            return Err(Refusal::NoSuchProfile(profile));
        }
        let stage = Stage::Screen;
        let info = DesktopInfo {
            id: id.clone(),
            profile: Some(profile),
            state: DesktopState::Starting { stage, since: 5 },
            active: None,
            notices: Vec::new(),
        };
        self.desktops.insert(id, info);
        Ok(Answer::Done)
    }

    fn may_open(&self, handle: &Handle, desktop: &DesktopId) -> Result<(), Refusal> {
        let account = self.whose(handle)?;
        let guest = self.attached.get(desktop);
        if desktop.owner != account.name && guest != Some(&account.name) {
            return Err(Refusal::NoSuchDesktop);
        }
        match self.desktops.get(desktop).map(|info| &info.state) {
            Some(DesktopState::Ready { .. } | DesktopState::Closing) => Ok(()),
            // Here these are of people whose hours are used up.
            Some(DesktopState::Frozen { .. }) => Err(Refusal::Denied(
                "the 2 hours for today are used up".to_owned(),
            )),
            _ if guest.is_some() => Ok(()),
            _ => Err(Refusal::NotRunning),
        }
    }

    fn admin(&self, handle: &Handle) -> Result<(), Refusal> {
        let reason = "this is for admins alone".to_owned();
        let is_admin = self.whose(handle)?.is_admin;
        is_admin.then_some(()).ok_or(Refusal::Denied(reason))
    }

    fn act(&mut self, handle: &Handle, desktop: DesktopId, act: Act) -> Result<Answer, Refusal> {
        let account = self.whose(handle)?;
        if !account.is_admin && account.name != desktop.owner {
            return Err(Refusal::NoSuchDesktop);
        }
        let state = match &act {
            Act::Start { .. } => {
                let stage = Stage::Screen;
                Some(DesktopState::Starting { stage, since: 5 })
            }
            Act::Stop => {
                let cause = EndCause::Stopped;
                Some(DesktopState::Gone { cause, at: 6 })
            }
            Act::Freeze => Some(DesktopState::Frozen { since: 1, at: 6 }),
            Act::Thaw => Some(DesktopState::Ready { since: 1 }),
            Act::Keep | Act::Message(_) => None,
        };
        if let Act::Start { .. } = act {
            let info = DesktopInfo {
                id: desktop.clone(),
                profile: Some(xfce()),
                state: DesktopState::Absent,
                active: None,
                notices: Vec::new(),
            };
            self.desktops.entry(desktop.clone()).or_insert(info);
        }
        let info = self.desktops.get_mut(&desktop).ok_or(Refusal::NotRunning)?;
        if let Some(state) = state {
            info.state = state;
        }
        self.acts.push((desktop, act));
        Ok(Answer::Done)
    }

    /// Two desktops a page, so that there are several.
    fn overview(&self, after: Option<&DesktopId>) -> Answer {
        let beyond = |id: &&DesktopId| after.is_none_or(|after| *id > after);
        let all: Vec<_> = self.desktops.keys().filter(beyond).collect();
        let report = |id: &&DesktopId| DesktopReport {
            info: self.desktops[*id].clone(),
            usage: Usage {
                memory: Some(1 << 20),
                ..Usage::default()
            },
        };
        Answer::Overview {
            desktops: all.iter().take(2).map(report).collect(),
            more: all.len() > 2,
        }
    }

    fn people(&self, skip: u32) -> Answer {
        let mut all: Vec<_> = self.logins.values().collect();
        all.sort_by_key(|account| account.name.clone());
        let rest: Vec<_> = all.into_iter().skip(skip as usize).collect();
        let report = |account: &&Account| SignInReport {
            account: account.name.clone(),
            full_name: account.full_name.clone(),
            is_admin: account.is_admin,
            peer: [192, 0, 2, 7].into(),
            since: 10,
            until: account.until,
        };
        Answer::People {
            sign_ins: rest.iter().take(2).map(report).collect(),
            more: rest.len() > 2,
        }
    }

    fn sign_in(&mut self, name: &str, password: &str) -> Result<Answer, Refusal> {
        if let Some(refusal) = &self.sign_in_answer {
            return Err(refusal.clone());
        }
        if self.passwords.get(name) != Some(&password) {
            return Err(Refusal::WrongPassword);
        }
        let handle = [self.next_handle; 32];
        self.next_handle += 1;
        let account = Account {
            is_admin: self.admins.contains(name),
            name: known(name),
            full_name: format!("The good {name}"),
            group: self.groups.get(name).cloned(),
            until: UNTIL,
        };
        self.logins.insert(handle, account.clone());
        let handle = Handle::new(handle);
        Ok(Answer::SignedIn { handle, account })
    }

    /// One end for the front; the test gets the other.
    fn open(&self, desktop: DesktopId) -> OwnedFd {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let ours = UnixStream::from_std(ours).unwrap();
        self.opened.try_send((desktop, ours)).unwrap();
        theirs.into()
    }

    fn whose(&self, handle: &Handle) -> Result<Account, Refusal> {
        let account = self.logins.get(handle.expose());
        account.cloned().ok_or(Refusal::UnknownHandle)
    }

    fn desktops_of(&self, account: &UserName) -> Vec<DesktopInfo> {
        let own = self
            .desktops
            .values()
            .filter(|info| info.id.owner == *account);
        let attached = self.attached.iter().filter(|(_, guest)| *guest == account);
        let attached = attached.map(|(id, _)| DesktopInfo {
            id: id.clone(),
            profile: None,
            state: DesktopState::Ready { since: 1 },
            active: None,
            notices: Vec::new(),
        });
        own.cloned().chain(attached).collect()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the fake is no part of the front, whose tasks end with it"
)]
fn spawn(work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(work)
}

fn xfce() -> ProfileId {
    "xfce".parse().unwrap()
}

/// A name that has a password.
fn known(name: &str) -> UserName {
    name.parse().unwrap()
}

async fn receive(socket: &UnixStream) -> Option<Envelope> {
    let mut buffer = [0; MAX_REQUEST];
    let receive = || deskway_osuser::receive(socket.as_fd(), &mut buffer);
    match socket.async_io(Interest::READABLE, receive).await {
        Ok(Received::Message(length, _)) => Some(decode(&buffer[..length]).unwrap()),
        _ => None,
    }
}

async fn send(socket: &UnixStream, message: &FromLauncher, stream: Option<OwnedFd>) {
    let bytes = encode(message, MAX_ANSWER).unwrap();
    let send = || match &stream {
        Some(stream) => {
            deskway_osuser::send_with_descriptor(socket.as_fd(), &bytes, stream.as_fd())
        }
        None => deskway_osuser::send(socket.as_fd(), &bytes),
    };
    socket.async_io(Interest::WRITABLE, send).await.unwrap();
}
