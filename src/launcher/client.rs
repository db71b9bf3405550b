//! Asks the launcher from this machine's command line, over `launcher.sock`.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use deskway_osuser::Received;
use rustix::event::{PollFd, PollFlags, Timespec};

use super::logins::Logins;
use super::place;
use super::protocol::{
    Answer, BadMessage, Envelope, FromLauncher, MAX_ANSWER, MAX_REQUEST, Refusal, Request, decode,
    encode,
};
use crate::model::{
    Act, DesktopId, DesktopInfo, DesktopReport, DesktopState, ProfileId, SignInReport, UserName,
};
use crate::runtime::Clock;

/// How long the launcher may take for an answer; stopping a desktop takes the longest.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);
/// How long a desktop may take to be ready.
const READY_TIMEOUT: Duration = Duration::from_mins(2);
/// Between two looks at a desktop that is starting.
const LOOK: Duration = Duration::from_millis(100);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("no launcher answers at {path}: {error} (is `deskway up` running?)")]
    NotThere { path: String, error: io::Error },
    #[error("{0}")]
    Refused(#[from] Refusal),
    #[error("the launcher does not answer")]
    Silent,
    #[error("the launcher's answer is not understood: {0}")]
    Message(#[from] BadMessage),
    #[error("the launcher's answer is not one to this question")]
    WrongAnswer,
    #[error("asking the launcher failed: {0}")]
    Io(#[from] io::Error),
}

/// What there is of a desktop's log.
#[derive(Debug)]
pub enum DesktopLog {
    Running(File),
    /// `how` it came to its end, and the `tail` of its log where it failed.
    Ended {
        how: String,
        tail: String,
    },
    Unknown,
}

/// Ends every sign-in of an account: the launcher does when one runs in `run`, and otherwise the
/// next one will find none.
///
/// # Errors
/// See [`ClientError`]; [`ClientError::Refused`] for who is neither root nor the launcher's user.
pub fn sign_out(run: &Path, owner: &UserName) -> Result<(), ClientError> {
    match Client::connect(run) {
        Ok(mut launcher) => launcher.forget(owner.clone()),
        Err(ClientError::NotThere { error, .. })
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            Ok(forget_files(run, owner)?)
        }
        Err(error) => Err(error),
    }
}

fn forget_files(run: &Path, owner: &UserName) -> io::Result<()> {
    let directory = place::logins(run);
    if !directory.exists() {
        return Ok(());
    }
    let mut logins = Logins::load(directory, Clock::anchored(run).steady())?;
    for hash in logins.of(|login| login.account == *owner) {
        logins.forget(&hash);
    }
    Ok(())
}

/// A connection to the launcher; every call blocks until it is answered.
#[derive(Debug)]
pub struct Client {
    socket: OwnedFd,
    next: u64,
}

impl Client {
    /// Connects to the launcher whose sockets are in `run`.
    ///
    /// # Errors
    /// [`ClientError::NotThere`].
    pub fn connect(run: &Path) -> Result<Self, ClientError> {
        let path = run.join("launcher.sock");
        match deskway_osuser::connect(&path) {
            Ok(socket) => Ok(Self { socket, next: 0 }),
            Err(error) => Err(ClientError::NotThere {
                path: path.display().to_string(),
                error,
            }),
        }
    }

    /// The desktops of `owner`; `None`: one's own, or everybody's for root.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn list(&mut self, owner: Option<UserName>) -> Result<Vec<DesktopInfo>, ClientError> {
        match self.ask(Request::ListAs { owner })? {
            Answer::Desktops(desktops) => Ok(desktops),
            _ => Err(ClientError::WrongAnswer),
        }
    }

    /// Starts a desktop and waits until it is ready or has failed: its last state.
    ///
    /// # Errors
    /// See [`ClientError`]; [`ClientError::Silent`] when it is neither for too long.
    pub fn start(
        &mut self,
        desktop: &DesktopId,
        profile: Option<ProfileId>,
    ) -> Result<DesktopState, ClientError> {
        let request = Request::StartAs {
            desktop: desktop.clone(),
            profile,
        };
        self.ask(request)?;
        let until = Instant::now() + READY_TIMEOUT;
        while Instant::now() < until {
            let desktops = self.list(Some(desktop.owner.clone()))?;
            let state = desktops.into_iter().find(|info| info.id == *desktop);
            match state.map_or(DesktopState::Absent, |info| info.state) {
                DesktopState::Starting { .. }
                | DesktopState::Frozen { .. }
                | DesktopState::Closing
                | DesktopState::Stopping => {}
                state => return Ok(state),
            }
            let pause = Timespec::try_from(LOOK).map_err(io::Error::other)?;
            rustix::event::poll(&mut [], Some(&pause)).map_err(io::Error::from)?;
        }
        Err(ClientError::Silent)
    }

    /// Stops a desktop and waits until nothing of it runs.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn stop(&mut self, desktop: &DesktopId) -> Result<(), ClientError> {
        let desktop = desktop.clone();
        match self.ask(Request::StopAs { desktop })? {
            Answer::Done => Ok(()),
            _ => Err(ClientError::WrongAnswer),
        }
    }

    /// Does something to a desktop, and waits until it is done.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn act(&mut self, desktop: &DesktopId, act: Act) -> Result<(), ClientError> {
        let desktop = desktop.clone();
        match self.ask(Request::ActAs { desktop, act })? {
            Answer::Done => Ok(()),
            _ => Err(ClientError::WrongAnswer),
        }
    }

    /// The log of a desktop.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn log(&mut self, desktop: &DesktopId) -> Result<DesktopLog, ClientError> {
        let request = Request::LogAs {
            desktop: desktop.clone(),
        };
        match self.ask_for(request)? {
            (Answer::Log, Some(log)) => Ok(DesktopLog::Running(log.into())),
            (Answer::Desktops(desktops), _) => {
                let known = desktops.into_iter().find(|info| info.id == *desktop);
                Ok(match known.map(|info| info.state) {
                    Some(DesktopState::Failed { cause, log, .. }) => DesktopLog::Ended {
                        how: cause.to_string(),
                        tail: log,
                    },
                    Some(DesktopState::Gone { cause, .. }) => DesktopLog::Ended {
                        how: cause.to_string(),
                        tail: String::new(),
                    },
                    _ => DesktopLog::Unknown,
                })
            }
            _ => Err(ClientError::WrongAnswer),
        }
    }

    /// Everybody's desktops with what they take, in the order of their names.
    ///
    /// # Errors
    /// See [`ClientError`]; [`ClientError::Refused`] for who is neither root nor the launcher's
    /// user.
    pub fn overview(&mut self) -> Result<Vec<DesktopReport>, ClientError> {
        let mut all: Vec<DesktopReport> = Vec::new();
        loop {
            let after = all.last().map(|report| report.info.id.clone());
            match self.ask(Request::OverviewAs { after })? {
                Answer::Overview { desktops, more } => {
                    let is_last = !more || desktops.is_empty();
                    all.extend(desktops);
                    if is_last {
                        return Ok(all);
                    }
                }
                _ => return Err(ClientError::WrongAnswer),
            }
        }
    }

    /// Everybody's sign-ins, each person's together.
    ///
    /// # Errors
    /// As [`Client::overview`].
    pub fn people(&mut self) -> Result<Vec<SignInReport>, ClientError> {
        let mut all: Vec<SignInReport> = Vec::new();
        loop {
            let skip = u32::try_from(all.len()).unwrap_or(u32::MAX);
            match self.ask(Request::PeopleAs { skip })? {
                Answer::People { sign_ins, more } => {
                    let is_last = !more || sign_ins.is_empty();
                    all.extend(sign_ins);
                    if is_last {
                        return Ok(all);
                    }
                }
                _ => return Err(ClientError::WrongAnswer),
            }
        }
    }

    /// Ends every sign-in of an account.
    ///
    /// # Errors
    /// As [`Client::overview`].
    pub fn forget(&mut self, owner: UserName) -> Result<(), ClientError> {
        match self.ask(Request::ForgetAs { owner })? {
            Answer::Done => Ok(()),
            _ => Err(ClientError::WrongAnswer),
        }
    }

    fn ask(&mut self, request: Request) -> Result<Answer, ClientError> {
        Ok(self.ask_for(request)?.0)
    }

    /// The answer, with the descriptor that came with it.
    fn ask_for(&mut self, request: Request) -> Result<(Answer, Option<OwnedFd>), ClientError> {
        self.next += 1;
        let id = self.next;
        let request = encode(&Envelope { id, request }, MAX_REQUEST)?;
        deskway_osuser::send(self.socket.as_fd(), &request)?;
        let until = Instant::now() + ANSWER_TIMEOUT;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ClientError::Silent);
            }
            let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
            let mut polled = [PollFd::new(&self.socket, PollFlags::IN)];
            rustix::event::poll(&mut polled, Some(&timeout)).map_err(io::Error::from)?;
            let mut buffer = vec![0; MAX_ANSWER];
            match deskway_osuser::receive_with_descriptor(self.socket.as_fd(), &mut buffer) {
                Ok(Received::Message(length, descriptor)) => {
                    buffer.truncate(length);
                    match decode(&buffer)? {
                        FromLauncher::Answer {
                            answer: Answer::Refused(refusal),
                            id: answered,
                        } if answered == id => return Err(refusal.into()),
                        FromLauncher::Answer {
                            answer,
                            id: answered,
                        } if answered == id => return Ok((answer, descriptor)),
                        _ => {}
                    }
                }
                Ok(Received::End | Received::TooLong) => return Err(ClientError::Silent),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
