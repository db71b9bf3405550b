//! Everything that the front asks of the launcher, one method a request.

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};

use super::launcher_link::{LauncherSocket, Link, LinkEvent, NoAnswer};
use crate::launcher::protocol::{Account, Answer, Greeting, Handle, Index, Refusal, Request};
use crate::model::{
    Act, DesktopId, DesktopInfo, DesktopName, DesktopReport, Geometry, ProfileId, ProfileInfo,
    Secret, SignInReport, UserName,
};
use crate::runtime::Tasks;

/// PAM may take 30 s.
const SIGN_IN_TIMEOUT: Duration = Duration::from_secs(40);
const OPEN_TIMEOUT: Duration = Duration::from_secs(15);
const START_STOP_TIMEOUT: Duration = Duration::from_secs(20);
const OTHER_TIMEOUT: Duration = Duration::from_secs(5);
/// Sign-ins under way at once: some may wait for a PAM module that hangs, and what the people who
/// are signed in ask for goes on beside them.
const MAX_SIGN_INS: usize = 64;
/// Most pages of an overview: more desktops and sign-ins than the launcher keeps.
const MAX_PAGES: usize = 400;
/// Events that wait for the front; a launcher that says more waits in turn.
const MAX_EVENTS: usize = 64;

/// The launcher, as the front sees it. Clones share the connection.
#[derive(Clone, Debug)]
pub struct Launcher {
    link: Link,
    sign_ins: Arc<Semaphore>,
}

/// A stream to a desktop's VNC server.
#[derive(Debug)]
pub struct Opened {
    pub stream: OwnedFd,
    pub greeting: Greeting,
}

/// Why the launcher did not do it.
#[derive(Debug, thiserror::Error)]
pub enum LauncherError {
    /// It will not; this is the person's answer.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It is away or does not answer in time.
    #[error("the launcher does not answer")]
    Unavailable,
    /// Too much is being asked of it.
    #[error("too much is being asked of the launcher")]
    Busy,
    /// It answered something else than was asked: a fault of ours.
    #[error("the launcher answered what was not asked")]
    Odd,
}

impl Launcher {
    /// Starts to listen for the launcher; what it says by itself comes out of the receiver.
    pub fn start(socket: LauncherSocket, tasks: &Tasks) -> (Self, mpsc::Receiver<LinkEvent>) {
        let (events, receiver) = mpsc::channel(MAX_EVENTS);
        let link = socket.start(tasks, events);
        let sign_ins = Arc::new(Semaphore::new(MAX_SIGN_INS));
        (Self { link, sign_ins }, receiver)
    }

    /// Whether the launcher is connected now.
    pub fn is_there(&self) -> bool {
        self.link.is_connected()
    }

    /// Resolves when a launcher is connected.
    pub async fn until_there(&self) {
        self.link.until_connected().await;
    }

    /// Is this the person's password?
    pub async fn sign_in(
        &self,
        name: String,
        password: Secret<String>,
        peer: IpAddr,
    ) -> Result<(Handle, Account), LauncherError> {
        let request = Request::SignIn {
            name,
            password,
            peer,
        };
        match self.once(request, SIGN_IN_TIMEOUT).await? {
            Answer::SignedIn { handle, account } => Ok((handle, account)),
            other => Err(not(other)),
        }
    }

    /// Forget the handle.
    pub async fn sign_out(&self, handle: Handle) -> Result<(), LauncherError> {
        let request = Request::SignOut { handle };
        done(self.asked(request, OTHER_TIMEOUT).await?)
    }

    /// The challenges of that number are answered now.
    pub async fn shows(&self, number: u64) -> Result<(), LauncherError> {
        let request = Request::Shows { number };
        done(self.asked(request, OTHER_TIMEOUT).await?)
    }

    /// Whose handle is this?
    pub async fn check(&self, handle: Handle) -> Result<Account, LauncherError> {
        let request = Request::Check { handle };
        match self.asked(request, OTHER_TIMEOUT).await? {
            Answer::Account(account) => Ok(account),
            other => Err(not(other)),
        }
    }

    /// The person's desktops. From now on the launcher also says when they change.
    pub async fn desktops(&self, handle: Handle) -> Result<Vec<DesktopInfo>, LauncherError> {
        let request = Request::Desktops { handle };
        match self.asked(request, OTHER_TIMEOUT).await? {
            Answer::Desktops(desktops) => Ok(desktops),
            other => Err(not(other)),
        }
    }

    /// The sessions that the person can choose from.
    pub async fn profiles(&self, handle: Handle) -> Result<Vec<ProfileInfo>, LauncherError> {
        let request = Request::Profiles { handle };
        match self.asked(request, OTHER_TIMEOUT).await? {
            Answer::Profiles(profiles) => Ok(profiles),
            other => Err(not(other)),
        }
    }

    /// Start one of the person's own desktops.
    pub async fn start_desktop(
        &self,
        handle: Handle,
        desktop: DesktopName,
        profile: Option<ProfileId>,
        geometry: Option<Geometry>,
    ) -> Result<(), LauncherError> {
        let request = Request::Start {
            handle,
            desktop,
            profile,
            geometry,
        };
        done(self.asked(request, START_STOP_TIMEOUT).await?)
    }

    /// End one of the person's own desktops.
    pub async fn stop_desktop(
        &self,
        handle: Handle,
        desktop: DesktopName,
    ) -> Result<(), LauncherError> {
        let request = Request::Stop { handle, desktop };
        done(self.asked(request, START_STOP_TIMEOUT).await?)
    }

    /// A stream to the desktop's VNC server.
    /// With `glance` it is for one picture.
    pub async fn open(
        &self,
        handle: Handle,
        desktop: DesktopId,
        glance: bool,
    ) -> Result<Opened, LauncherError> {
        let request = Request::Open {
            handle,
            desktop,
            glance,
        };
        let reply = self.link.ask(request, OPEN_TIMEOUT, true).await?;
        match reply {
            (Answer::Stream { greeting }, Some(stream)) => Ok(Opened { stream, greeting }),
            (other, _) => Err(not(other)),
        }
    }

    /// So many look at the desktop now.
    pub async fn watched(&self, desktop: DesktopId, viewers: u32) -> Result<(), LauncherError> {
        let request = Request::Watched { desktop, viewers };
        done(self.asked(request, OTHER_TIMEOUT).await?)
    }

    /// Whose desktops there are, for everybody to see.
    pub async fn index(&self) -> Result<Index, LauncherError> {
        match self.asked(Request::Index, OTHER_TIMEOUT).await? {
            Answer::Index(index) => Ok(index),
            other => Err(not(other)),
        }
    }

    /// Do something to a desktop: one's own, or as an admin anybody's.
    pub async fn act(
        &self,
        handle: Handle,
        desktop: DesktopId,
        act: Act,
    ) -> Result<(), LauncherError> {
        let request = Request::Act {
            handle,
            desktop,
            act,
        };
        done(self.asked(request, START_STOP_TIMEOUT).await?)
    }

    /// Everybody's desktops, in the order of their names. For admins.
    pub async fn overview(&self, handle: &Handle) -> Result<Vec<DesktopReport>, LauncherError> {
        let mut all: Vec<DesktopReport> = Vec::new();
        for _ in 0..MAX_PAGES {
            let request = Request::Overview {
                handle: handle.clone(),
                after: all.last().map(|report| report.info.id.clone()),
            };
            match self.asked(request, OTHER_TIMEOUT).await? {
                Answer::Overview { desktops, more } => {
                    let is_last = !more || desktops.is_empty();
                    all.extend(desktops);
                    if is_last {
                        break;
                    }
                }
                other => return Err(not(other)),
            }
        }
        Ok(all)
    }

    /// Everybody's sign-ins, each person's together. For admins.
    pub async fn people(&self, handle: &Handle) -> Result<Vec<SignInReport>, LauncherError> {
        let mut all: Vec<SignInReport> = Vec::new();
        for _ in 0..MAX_PAGES {
            let request = Request::People {
                handle: handle.clone(),
                skip: u32::try_from(all.len()).unwrap_or(u32::MAX),
            };
            match self.asked(request, OTHER_TIMEOUT).await? {
                Answer::People { sign_ins, more } => {
                    let is_last = !more || sign_ins.is_empty();
                    all.extend(sign_ins);
                    if is_last {
                        break;
                    }
                }
                other => return Err(not(other)),
            }
        }
        Ok(all)
    }

    /// End every sign-in of an account. For admins.
    pub async fn end_sign_ins(
        &self,
        handle: Handle,
        account: UserName,
    ) -> Result<(), LauncherError> {
        let request = Request::EndSignIns { handle, account };
        done(self.asked(request, OTHER_TIMEOUT).await?)
    }

    /// Make the machine's first account.
    pub async fn set_up(
        &self,
        token: Secret<String>,
        name: UserName,
        password: Secret<String>,
        peer: IpAddr,
    ) -> Result<(), LauncherError> {
        let request = Request::SetUp {
            token,
            name,
            password,
            peer,
        };
        done(self.once(request, SIGN_IN_TIMEOUT).await?)
    }

    async fn asked(&self, request: Request, limit: Duration) -> Result<Answer, LauncherError> {
        Ok(self.link.ask(request, limit, true).await?.0)
    }

    /// For what nobody needs a sign-in for, and what must not be done twice.
    async fn once(&self, request: Request, limit: Duration) -> Result<Answer, LauncherError> {
        let _permit = self
            .sign_ins
            .try_acquire()
            .map_err(|_| LauncherError::Busy)?;
        Ok(self.link.ask(request, limit, false).await?.0)
    }
}

impl From<NoAnswer> for LauncherError {
    fn from(why: NoAnswer) -> Self {
        match why {
            NoAnswer::Away => Self::Unavailable,
            NoAnswer::Busy => Self::Busy,
            NoAnswer::TooLong => Self::Refused(Refusal::BadRequest("it is too long".to_owned())),
        }
    }
}

fn done(answer: Answer) -> Result<(), LauncherError> {
    match answer {
        Answer::Done => Ok(()),
        other => Err(not(other)),
    }
}

fn not(answer: Answer) -> LauncherError {
    match answer {
        Answer::Refused(refusal) => LauncherError::Refused(refusal),
        _ => LauncherError::Odd,
    }
}
