//! The front, played by the test: it listens where the launcher connects, and asks.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

use deskway::config::MAX_LOGOS_PACKED;
use deskway::launcher::protocol::{
    Answer, Envelope, FromLauncher, Handle, MAX_ANSWER, MAX_REQUEST, Request, decode, encode,
};
use deskway::model::{DesktopInfo, DesktopState, EndCause, Secret};
use deskway_osuser::Received;
use rustix::event::{PollFd, PollFlags, Timespec};

use crate::account::{PASSWORD, Person};
use crate::process::PATIENCE;

pub struct Front {
    listener: OwnedFd,
    socket: Option<OwnedFd>,
    next: u64,
    news: VecDeque<FromLauncher>,
    /// What came sealed with the last of the logos.
    logos: Option<OwnedFd>,
    answers: Vec<(u64, Answer, Option<OwnedFd>)>,
}

/// Where the test's browser is.
pub const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

impl Front {
    pub fn listen(run: &Path) -> Self {
        std::fs::create_dir(run).unwrap();
        Self {
            listener: deskway_osuser::listen(&run.join("front.sock")).unwrap(),
            socket: None,
            next: 0,
            news: VecDeque::new(),
            logos: None,
            answers: Vec::new(),
        }
    }

    /// Waits until the launcher has connected.
    pub fn accept(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        wait(&self.listener, PollFlags::IN, deadline, "the launcher");
        self.socket = Some(deskway_osuser::accept(self.listener.as_fd()).unwrap());
    }

    pub fn hang_up(&mut self) {
        self.socket = None;
    }

    /// Asks without waiting for the answer; its number.
    pub fn send(&mut self, request: Request) -> u64 {
        self.next += 1;
        let id = self.next;
        let bytes = encode(&Envelope { id, request }, MAX_REQUEST).unwrap();
        self.send_bytes(&bytes).unwrap();
        id
    }

    /// Sends a message as soon as the launcher has read the ones before.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        let socket = self.socket.as_ref().unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            match deskway_osuser::send(socket.as_fd(), bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    wait(socket, PollFlags::OUT, deadline, "the launcher's ear");
                }
                sent => return sent,
            }
        }
    }

    pub fn ask(&mut self, request: Request) -> Answer {
        let id = self.send(request);
        self.answer(id).0
    }

    /// Waits for the answer to one request.
    pub fn answer(&mut self, id: u64) -> (Answer, Option<OwnedFd>) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let known = self.answers.iter().position(|(known, ..)| *known == id);
            if let Some(index) = known {
                let (_, answer, descriptor) = self.answers.swap_remove(index);
                return (answer, descriptor);
            }
            self.receive(deadline);
        }
    }

    /// Waits for news that `wanted` picks.
    pub fn news<T>(&mut self, mut wanted: impl FnMut(FromLauncher) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            while let Some(news) = self.news.pop_front() {
                if let Some(found) = wanted(news) {
                    return found;
                }
            }
            self.receive(deadline);
        }
    }

    /// The logos that come next, in postcard, and the text of the configuration after them.
    pub fn news_with_logos(&mut self) -> (Vec<u8>, String) {
        self.news(|news| matches!(news, FromLauncher::Logos).then_some(()));
        let sealed = self.logos.take().unwrap();
        let logos = deskway::runtime::unseal(sealed, MAX_LOGOS_PACKED).unwrap();
        let text = self.news(|news| match news {
            FromLauncher::Config { text } => Some(text),
            _ => None,
        });
        (logos, text)
    }

    /// Signs a person in with the right password.
    pub fn sign_in(&mut self, person: &Person) -> Handle {
        self.sign_in_as(&person.name)
    }

    /// Signs an account in that has the test's password.
    pub fn sign_in_as(&mut self, name: &str) -> Handle {
        match self.ask(sign_in(name, PASSWORD)) {
            Answer::SignedIn { handle, account } => {
                assert_eq!(account.name.as_str(), name);
                handle
            }
            other => panic!("{other:?}"),
        }
    }

    /// Starts the main desktop and waits until it is ready.
    pub fn start(&mut self, handle: &Handle) {
        self.start_profile(handle, None);
        let state = self.settled(handle);
        assert!(matches!(state, DesktopState::Ready { .. }), "{state:?}");
    }

    pub fn start_profile(&mut self, handle: &Handle, profile: Option<&str>) {
        let answer = self.ask(Request::Start {
            handle: handle.clone(),
            desktop: "main".parse().unwrap(),
            profile: profile.map(|profile| profile.parse().unwrap()),
            geometry: None,
        });
        assert!(matches!(answer, Answer::Done), "{answer:?}");
    }

    /// The main desktop's state once it is not on its way to another.
    pub fn settled(&mut self, handle: &Handle) -> DesktopState {
        self.state_that(handle, |state| {
            !matches!(
                state,
                DesktopState::Starting { .. } | DesktopState::Stopping
            )
        })
    }

    /// The main desktop's state once it has ended, and why.
    pub fn failed(&mut self, handle: &Handle) -> EndCause {
        let failed = |state: &DesktopState| matches!(state, DesktopState::Failed { .. });
        match self.state_that(handle, failed) {
            DesktopState::Failed { cause, .. } => cause,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until the main desktop has ended, however it did.
    pub fn ended(&mut self, handle: &Handle) {
        self.state_that(handle, |state| {
            matches!(
                state,
                DesktopState::Gone { .. } | DesktopState::Failed { .. }
            )
        });
    }

    fn state_that(
        &mut self,
        handle: &Handle,
        wanted: impl Fn(&DesktopState) -> bool,
    ) -> DesktopState {
        let mut state = main(&self.desktops(handle));
        while !wanted(&state) {
            state = self.news(|news| match news {
                FromLauncher::Desktops { desktops, .. } => Some(main(&desktops)),
                _ => None,
            });
        }
        state
    }

    pub fn desktops(&mut self, handle: &Handle) -> Vec<DesktopInfo> {
        let handle = handle.clone();
        match self.ask(Request::Desktops { handle }) {
            Answer::Desktops(desktops) => {
                // What was told before is older.
                self.news
                    .retain(|news| !matches!(news, FromLauncher::Desktops { .. }));
                desktops
            }
            other => panic!("{other:?}"),
        }
    }

    pub fn stop(&mut self, handle: &Handle) {
        let answer = self.ask(stop(handle));
        assert!(matches!(answer, Answer::Done), "{answer:?}");
    }

    /// A stream to a desktop, when there is one.
    pub fn open(&mut self, handle: &Handle, desktop: &str) -> Result<UnixStream, Answer> {
        let id = self.send(open(handle, desktop));
        match self.answer(id) {
            (Answer::Stream { .. }, Some(descriptor)) => Ok(UnixStream::from(descriptor)),
            (answer, None) => Err(answer),
            (answer, Some(_)) => panic!("a descriptor with {answer:?}"),
        }
    }

    fn receive(&mut self, deadline: Instant) {
        let socket = self.socket.as_ref().unwrap();
        wait(socket, PollFlags::IN, deadline, "the launcher's answer");
        let mut buffer = vec![0; MAX_ANSWER];
        let received = deskway_osuser::receive_with_descriptor(socket.as_fd(), &mut buffer);
        let Received::Message(length, descriptor) = received.unwrap() else {
            panic!("the launcher has hung up");
        };
        match decode(&buffer[..length]).unwrap() {
            FromLauncher::Answer { id, answer } => self.answers.push((id, answer, descriptor)),
            news => {
                if matches!(news, FromLauncher::Logos) {
                    self.logos = descriptor;
                }
                self.news.push_back(news);
            }
        }
    }
}

pub fn sign_in(name: &str, password: &str) -> Request {
    Request::SignIn {
        name: name.to_owned(),
        password: Secret::new(password.to_owned()),
        peer: PEER,
    }
}

pub fn stop(handle: &Handle) -> Request {
    Request::Stop {
        handle: handle.clone(),
        desktop: "main".parse().unwrap(),
    }
}

pub fn open(handle: &Handle, desktop: &str) -> Request {
    Request::Open {
        handle: handle.clone(),
        desktop: desktop.parse().unwrap(),
        glance: false,
    }
}

/// The first twelve bytes of a VNC server.
pub fn greeting(mut stream: UnixStream) -> String {
    // The X server's socket came from a process that does not block.
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut version = [0; 12];
    stream.read_exact(&mut version).unwrap();
    String::from_utf8_lossy(&version).into_owned()
}

fn main(desktops: &[DesktopInfo]) -> DesktopState {
    let main = desktops.iter().find(|info| info.id.name.is_main());
    main.map_or(DesktopState::Absent, |info| info.state.clone())
}

fn wait(socket: &OwnedFd, event: PollFlags, deadline: Instant, what: &str) {
    let left = deadline.saturating_duration_since(Instant::now());
    let timeout = Timespec::try_from(left).unwrap();
    let mut polled = [PollFd::new(socket, event)];
    let ready = rustix::event::poll(&mut polled, Some(&timeout)).unwrap();
    assert!(ready > 0, "{what} did not come");
}
