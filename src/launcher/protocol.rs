//! What may be said to the launcher: a closed set of requests, each one datagram.
//!
//! The socket is SOCK_SEQPACKET, so that a message is whole or not there. Messages are postcard
//! ([`encode`], [`decode`]); a request is at most [`MAX_REQUEST`] bytes, an answer at most
//! [`MAX_ANSWER`]. The front is not believed: it names people by the handle that they got at
//! sign-in, and never a command, a path, an environment or a display number.

use std::net::IpAddr;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serializer};

use crate::model::{
    Act, Census, Challenge, DesktopId, DesktopInfo, DesktopName, DesktopReport, EndCause, Geometry,
    ProfileId, ProfileInfo, Secret, SignInReport, Stage, UserName,
};

/// Most bytes of a request: a name, a password of 1 kB and what is around them.
pub const MAX_REQUEST: usize = 4096;
/// Most bytes of an answer or event: forty desktops with the ends of their logs.
pub const MAX_ANSWER: usize = 128 * 1024;
/// Most desktops of the public index.
pub const MAX_INDEX: usize = 500;
/// Most desktops or sign-ins of one page of [`Answer::Overview`] or [`Answer::People`].
pub const MAX_PAGE: usize = 100;
/// Most bytes of the end of a log that travels with a failed desktop.
pub const MAX_LOG_TAIL: usize = 8 * 1024;

/// Proof of a sign-in: 256 random bits, made by the launcher. It is also the person's cookie;
/// nobody stores more than its SHA-256.
#[derive(Clone, Debug)]
pub struct Handle(Secret<[u8; 32]>);

impl Handle {
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Secret::new(bytes))
    }

    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }
}

impl Serialize for Handle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.expose().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Handle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <[u8; 32]>::deserialize(deserializer).map(Self::new)
    }
}

/// One request of the front, with the number under which it is answered (never 0).
#[derive(Debug, Serialize, Deserialize)]
pub struct Envelope {
    pub id: u64,
    pub request: Request,
}

/// Everything that can be asked of the launcher.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    /// Is this the person's password? `peer` is where the browser is, for the throttle and PAM;
    /// `0.0.0.0` where a proxy hides it.
    SignIn {
        name: String,
        password: Secret<String>,
        peer: IpAddr,
    },
    /// Forget the handle.
    SignOut {
        handle: Handle,
    },
    /// Whose handle is this? Answered by [`Answer::Account`].
    Check {
        handle: Handle,
    },
    /// The person's desktops, running or remembered, and the attached ones that they may open.
    /// From now on this connection also gets [`FromLauncher::Desktops`] whenever they change.
    Desktops {
        handle: Handle,
    },
    /// The sessions that the person can choose from.
    Profiles {
        handle: Handle,
    },
    /// Start one of the person's own desktops; already running is fine.
    Start {
        handle: Handle,
        desktop: DesktopName,
        profile: Option<ProfileId>,
        geometry: Option<Geometry>,
    },
    /// End one of the person's own desktops. Answered when it is gone.
    Stop {
        handle: Handle,
        desktop: DesktopName,
    },
    /// Do something to a desktop: one's own, or as an admin anybody's.
    Act {
        handle: Handle,
        desktop: DesktopId,
        act: Act,
    },
    /// How many viewers look at a desktop now. The front says it whenever that changes, and for
    /// every desktop with viewers to a launcher that is new. Nobody is given anything for it: it
    /// keeps a desktop from being frozen.
    Watched {
        desktop: DesktopId,
        viewers: u32,
    },
    /// Every desktop, in the order of their names from beyond `after` on, at most [`MAX_PAGE`].
    /// Admins alone. Answered by [`Answer::Overview`].
    Overview {
        handle: Handle,
        after: Option<DesktopId>,
    },
    /// Every sign-in, beyond the first `skip` of them, at most [`MAX_PAGE`]. Admins alone.
    /// Answered by [`Answer::People`].
    People {
        handle: Handle,
        skip: u32,
    },
    /// End every sign-in of an account. Admins alone.
    EndSignIns {
        handle: Handle,
        account: UserName,
    },
    /// Whose desktops there are, for everybody to see: only where the configuration says
    /// `portal.public_index`. Answered by [`Answer::Index`].
    Index,
    /// A connected stream to the desktop's VNC server, with [`Answer::Stream`].
    Open {
        handle: Handle,
        desktop: DesktopId,
        /// Only a picture is taken: that is no use of the desktop, and lets none go on that is
        /// frozen.
        glance: bool,
    },
    /// Make the machine's first account, with the token of the set-up link.
    SetUp {
        token: Secret<String>,
        name: UserName,
        password: Secret<String>,
        peer: IpAddr,
    },
    /// Said on the socket for the machine's own users (`launcher.sock`), where the kernel tells
    /// who asks: root may name anybody's desktop, others their own.
    ListAs {
        owner: Option<UserName>,
    },
    StartAs {
        desktop: DesktopId,
        profile: Option<ProfileId>,
    },
    StopAs {
        desktop: DesktopId,
    },
    /// Root, and the user of an unprivileged launcher, are admins.
    ActAs {
        desktop: DesktopId,
        act: Act,
    },
    OverviewAs {
        after: Option<DesktopId>,
    },
    PeopleAs {
        skip: u32,
    },
    /// The log of a desktop, for its owner and root: [`Answer::Log`] while it runs, else
    /// [`Answer::Desktops`] with what is known of it.
    LogAs {
        desktop: DesktopId,
    },
    /// End every sign-in of an account that was changed or removed. Root alone may ask it, and
    /// the user of an unprivileged launcher.
    ForgetAs {
        owner: UserName,
    },
    /// The challenges of that number are answered now.
    Shows {
        number: u64,
    },
}

impl Request {
    /// The sign-in that it is asked with, if any.
    pub fn handle(&self) -> Option<&Handle> {
        match self {
            Self::SignOut { handle }
            | Self::Check { handle }
            | Self::Desktops { handle }
            | Self::Profiles { handle }
            | Self::Act { handle, .. }
            | Self::Overview { handle, .. }
            | Self::People { handle, .. }
            | Self::EndSignIns { handle, .. }
            | Self::Start { handle, .. }
            | Self::Stop { handle, .. }
            | Self::Open { handle, .. } => Some(handle),
            Self::SignIn { .. }
            | Self::Index
            | Self::SetUp { .. }
            | Self::Watched { .. }
            | Self::ActAs { .. }
            | Self::OverviewAs { .. }
            | Self::PeopleAs { .. }
            | Self::LogAs { .. }
            | Self::ListAs { .. }
            | Self::StartAs { .. }
            | Self::StopAs { .. }
            | Self::ForgetAs { .. }
            | Self::Shows { .. } => None,
        }
    }
}

/// Everything that the launcher says to the front.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromLauncher {
    /// The answer to the request with that id.
    Answer { id: u64, answer: Answer },
    /// The desktops of a person who asked on this connection have changed: all of them anew.
    Desktops {
        account: UserName,
        desktops: Vec<DesktopInfo>,
    },
    /// A sign-in is over (signed out elsewhere, ran out, account gone): SHA-256 of its handle.
    SignedOut { handle_hash: [u8; 32] },
    /// A person is in another of the configured groups now, or in none.
    Group {
        account: UserName,
        group: Option<String>,
    },
    /// Somebody became an admin, or is none any more.
    Admin { account: UserName, is_admin: bool },
    /// Something that is counted has happened.
    Measured(Measure),
    /// How many desktops there are and how scarce things are for them; every ten seconds.
    Totals(Totals),
    /// The logos of the configuration that comes next travel with this message: a
    /// [`Logos`](crate::config::Logos) in postcard, in a sealed file.
    Logos,
    /// The configuration was read again and is sound: its text, for the front to apply, without
    /// what the front may not know ([`crate::config::text_for_front`]).
    Config { text: String },
    /// The texts in `templates_dir`, read at the same time and sound too. They travel with this
    /// message as a sealed memory file.
    Templates,
    /// The certificates to show from now on: a [`crate::certificates::Bundle`] travels with this
    /// message, sealed.
    Certificates,
    /// The challenges to answer from now on, and no others; to be said back with
    /// [`Request::Shows`].
    Challenges {
        number: u64,
        challenges: Vec<Challenge>,
    },
}

/// The answer to one [`Request`].
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer {
    Done,
    SignedIn {
        handle: Handle,
        account: Account,
    },
    Account(Account),
    Desktops(Vec<DesktopInfo>),
    Profiles(Vec<ProfileInfo>),
    Index(Index),
    /// A log, opened for reading by its owner, travels with this message.
    Log,
    Overview {
        desktops: Vec<DesktopReport>,
        /// There are more beyond the last.
        more: bool,
    },
    People {
        sign_ins: Vec<SignInReport>,
        more: bool,
    },
    /// A connected socket to the VNC server travels with this message.
    Stream {
        greeting: Greeting,
    },
    Refused(Refusal),
}

/// Who signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub name: UserName,
    /// The account's full name, or its name where it has none.
    pub full_name: String,
    /// The first of the configured groups that the account is in, if it is in any.
    pub group: Option<String>,
    /// Whether this person may see and do what admins may.
    pub is_admin: bool,
    /// When the sign-in runs out: seconds since 1970.
    pub until: u64,
}

/// What the metrics count, and the launcher alone sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Measure {
    /// A starting desktop has got through a stage: `Screen` until it could be looked at, `Session`
    /// from there on until it was drawn.
    Started { stage: Stage, millis: u32 },
    /// A desktop ended: `cause` is one of the words of [`cause_word`].
    Ended { cause: String },
    /// A sign-in was refused: `wrong`, `slow`, `denied`, `busy` or `failed`.
    SignInRefused { why: String },
}

/// What there is at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    pub desktops: Census,
    pub sign_ins: u32,
    /// Bytes that all desktops take, where cgroups say so.
    pub memory: Option<u64>,
    /// Thousandths of the last ten seconds in which something of the desktops waited, as the
    /// kernel's pressure stall information says it, where it does.
    pub cpu_pressure: Option<u32>,
    pub memory_pressure: Option<u32>,
    pub io_pressure: Option<u32>,
}

/// An end as one word for the metrics.
pub fn cause_word(cause: &EndCause) -> &'static str {
    match cause {
        EndCause::Stopped => "stopped",
        EndCause::Unused { .. } => "unused",
        EndCause::HoursUsedUp => "hours_used_up",
        EndCause::OutOfMemory { .. } => "out_of_memory",
        EndCause::LoggedOut => "logged_out",
        EndCause::SessionMissing { .. } => "session_missing",
        EndCause::SessionDied { .. } => "session_died",
        EndCause::ScreenDied { .. } => "screen_died",
        EndCause::ScreenFailed { .. } => "screen_failed",
        EndCause::AgentDied => "agent_died",
        EndCause::AccountFailed { .. } => "account_failed",
    }
}

/// Whose desktops there are: names alone, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// At most [`MAX_INDEX`].
    pub desktops: Vec<DesktopId>,
    /// There are more than these.
    pub more: bool,
}

/// What has already been said on a stream that the launcher hands over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Greeting {
    /// Nothing: the VNC server speaks first, and offers security type None.
    Fresh,
    /// Version and security are done with the VNC server (an attached one with a password);
    /// the next bytes are ClientInit. The bridge answers the browser's handshake itself.
    Done,
}

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// Name or password; which of the two is not told.
    #[error("the name or the password is wrong")]
    WrongPassword,
    #[error("too many wrong passwords: wait {seconds} s")]
    SlowDown { seconds: u32 },
    /// The password is right, but the account may not sign in (expired, not in the group, ….)
    #[error("this account may not sign in here: {reason}")]
    NotAllowed { reason: String },
    /// The sign-in that the handle stood for is over, or never was.
    #[error("signed out")]
    UnknownHandle,
    #[error("there is no such desktop")]
    NoSuchDesktop,
    #[error("there is no session called `{0}`")]
    NoSuchProfile(ProfileId),
    #[error("the desktop is not running")]
    NotRunning,
    /// It runs, and its screen does not take the connection.
    #[error("your desktop does not answer")]
    Unanswered,
    #[error("no more than {max} desktops at once")]
    TooManyDesktops { max: u32 },
    #[error("too much is being asked at the moment")]
    Busy,
    /// The person may not do it, or not now; says why.
    #[error("{0}")]
    Denied(String),
    #[error("the request makes no sense: {0}")]
    BadRequest(String),
    /// Tried, and something on this machine or an attached one went wrong.
    #[error("{0}")]
    Failed(String),
}

/// A message that is none, or is longer than it may be.
#[derive(Debug, thiserror::Error)]
pub enum BadMessage {
    #[error("message of {0} bytes is too long")]
    TooLong(usize),
    #[error("message cannot be read: {0}")]
    Unreadable(#[from] postcard::Error),
    #[error("{0} bytes too many at the end of a message")]
    Trailing(usize),
}

/// One message as bytes, at most `max` of them.
pub fn encode<T: Serialize>(message: &T, max: usize) -> Result<Vec<u8>, BadMessage> {
    let bytes = postcard::to_allocvec(message)?;
    if bytes.len() > max {
        Err(BadMessage::TooLong(bytes.len()))
    } else {
        Ok(bytes)
    }
}

/// One message from all of `bytes`; bytes left over are an error.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, BadMessage> {
    let (message, rest) = postcard::take_from_bytes(bytes)?;
    if rest.is_empty() {
        Ok(message)
    } else {
        Err(BadMessage::Trailing(rest.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_comes_back_as_it_went() {
        let request = Request::Stop {
            handle: Handle::new([7; 32]),
            desktop: DesktopName::main(),
        };
        let bytes = encode(&Envelope { id: 3, request }, MAX_REQUEST).unwrap();
        let back: Envelope = decode(&bytes).unwrap();
        assert_eq!(back.id, 3);
        assert!(
            matches!(back.request, Request::Stop { handle, .. } if handle.expose() == &[7; 32])
        );
    }

    #[test]
    fn what_is_cut_or_longer_is_refused() {
        let request = Request::Check {
            handle: Handle::new([7; 32]),
        };
        let mut bytes = encode(&Envelope { id: 3, request }, MAX_REQUEST).unwrap();
        assert!(decode::<Envelope>(&bytes[..bytes.len() - 1]).is_err());
        bytes.push(0);
        assert!(decode::<Envelope>(&bytes).is_err());
    }

    #[test]
    fn names_are_checked_on_the_way_in() {
        let bytes = postcard::to_allocvec(&"../root").unwrap();
        assert!(decode::<UserName>(&bytes).is_err());
    }
}
