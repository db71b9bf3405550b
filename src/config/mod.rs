//! The configuration: defaults, file and flags become one checked [`Config`].
//!
//! No file is needed: [`Config::default_for`] is what runs then. `raw.rs` is the file's format,
//! which nothing else knows; `docs/configuration.md` describes it.

mod check;
mod colour;
mod defaults;
mod error;
mod keys;
mod listener;
mod load;
mod logo;
mod overrides;
mod parse;
mod policy;
mod problems;
mod raw;
mod restart;
mod told;
mod trust;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use colour::Colour;
pub use error::{Error, Problem};
pub use listener::{ListenAt, Listener, Protocol, TrustedProxy, is_in_the_clear};
pub use load::{MAX_FILE, file, from_text, load, over, usual_file};
pub use logo::{Logo, LogoError, LogoKind, Logos, MAX_LOGOS_PACKED};
pub use overrides::Overrides;
pub use policy::{Admin, Audit, Idle, Limits, Metrics, Restart};
pub use restart::{changed_keys, diff_needs_restart, fingerprints};
pub use told::text_for_front;
pub use trust::distrust;
pub use value::{
    parse_ago, parse_base_path, parse_host_name, parse_listen, parse_log_filter, parse_run_dir,
};

use serde::{Deserialize, Serialize};
use url::Url;

use crate::model::{DesktopId, Geometry, ProfileId};

/// Everything that can be set, checked: every value in it can be used as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub server: Server,
    pub tls: Tls,
    pub sign_in: SignIn,
    pub access: Access,
    pub admin: Admin,
    pub desktops: Desktops,
    /// Of everybody who is in none of the groups that have their own.
    pub limits: Limits,
    pub idle: Idle,
    pub attach: Vec<Attach>,
    pub brand: Brand,
    /// In the order of the file: the first that fits somebody is theirs.
    pub groups: Vec<Group>,
    pub portal: Portal,
    pub paths: Paths,
    pub log: Log,
    pub audit: Audit,
    pub metrics: Metrics,
}

/// Where and how the front listens.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// At least one. Default `127.0.0.1:6080`.
    pub listen: Vec<Listener>,
    /// Reverse proxies that are believed where their connections come from.
    pub trusted_proxies: Vec<TrustedProxy>,
    /// Empty, or `/desk`: one slash first, none last.
    pub base_path: String,
    /// Names by which browsers may call this server, besides localhost, IP addresses and the
    /// machine's own name. Lower case, without port.
    pub hosts: Vec<String>,
    /// Most connections at once, and of them from one address.
    pub max_connections: usize,
    pub max_connections_per_address: usize,
}

/// The certificates. Without any: plain on loopback, self-signed beyond.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// `server.tls_cert` and `tls_key`, or the flags: shown to whoever names no host.
    pub main: Option<TlsFiles>,
    /// More of them, one of which is chosen by the name that the browser calls.
    pub certificates: Vec<TlsFiles>,
    pub acme: Option<Acme>,
}

impl Tls {
    /// Every configured pair, the main one first.
    pub fn pairs(&self) -> impl Iterator<Item = &TlsFiles> {
        self.main.iter().chain(&self.certificates)
    }

    /// Whether there is, or will be, a certificate that browsers trust.
    pub fn is_configured(&self) -> bool {
        self.acme.is_some() || self.pairs().next().is_some()
    }
}

/// Where certificates are ordered (RFC 8555).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acme {
    /// At least one; lower case. One certificate is for all of them.
    pub domains: Vec<String>,
    /// Addresses such as `mailto:admin@example.org`, which the authority may write to.
    pub contact: Vec<String>,
    /// The address of the directory, https. Default Let's Encrypt.
    pub directory: String,
    /// PEM: who vouches for the directory. `None`: the machine's authorities.
    pub ca_file: Option<PathBuf>,
}

/// Certificate chain and key, PEM files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// How people sign in.
#[derive(Clone, Debug, PartialEq)]
pub struct SignIn {
    /// The machine's own accounts, by PAM (only where the launcher is root).
    pub pam: bool,
    /// The PAM service; without a file of that name a built-in one is used.
    pub pam_service: String,
    /// A directory that is read instead of `/etc/pam.d`.
    pub pam_dir: Option<PathBuf>,
    /// Accounts that Deskway keeps itself (`deskway user add`).
    pub local: bool,
    /// A sign-in ends after this at the latest. Default 12 h.
    pub lifetime: Duration,
    /// Between two looks at the accounts of those who are signed in. Default 1 min.
    pub recheck: Duration,
    /// Wrong passwords a minute, from an address or for a name, before the next is slowed.
    pub tries_per_minute: u32,
}

/// Which accounts may have desktops. Root never.
#[derive(Clone, Debug, PartialEq)]
pub struct Access {
    /// Smallest uid; default `UID_MIN` of `/etc/login.defs`, else 1000.
    pub min_uid: u32,
    /// When not empty: only members of one of these groups.
    pub groups: Vec<String>,
}

/// What a desktop is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Desktops {
    /// The X server; `None`: `Xtigervnc`, else `Xvnc`, from the system's path.
    pub x_server: Option<PathBuf>,
    pub geometry: Geometry,
    /// 16 or 24.
    pub depth: u8,
    /// 50 to 400.
    pub dpi: u16,
    /// A `/tmp` of its own for each desktop.
    pub private_tmp: bool,
    /// Put into each session's environment.
    pub env: BTreeMap<String, String>,
    /// More arguments for the X server; never one that Deskway sets itself.
    pub x_args: Vec<String>,
    /// The session of a new desktop; `None`: `xfce`, else the first that is installed.
    pub default_profile: Option<ProfileId>,
    /// Sessions from the configuration, besides those in `xsessions`.
    pub profiles: Vec<Profile>,
    /// Where installed sessions are described: `/usr/share/xsessions`.
    pub xsessions: PathBuf,
    /// Whether a person's `~/.vnc/xstartup` is offered.
    pub xstartup: bool,
    /// How many desktops a person may have running. Default 3.
    pub max_per_person: u32,
    /// How long the X server may take to come up. Default 10 s.
    pub screen_timeout: Duration,
    /// After which a session that draws nothing counts as ready. Default 20 s.
    pub session_timeout: Duration,
    pub restart: Restart,
}

/// A session from the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    pub id: ProfileId,
    pub name: String,
    /// Program and arguments; at least the program.
    pub command: Vec<String>,
}

/// A VNC server that runs already, shown as somebody's desktop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attach {
    pub desktop: DesktopId,
    pub target: AttachTarget,
    /// A file with the server's VNC password (first line), readable by root alone.
    pub password_file: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttachTarget {
    /// Host and port. The name is looked up at each connection.
    Tcp {
        host: String,
        port: u16,
    },
    Unix(PathBuf),
    /// A server that speaks RFB over a WebSocket, such as websockify.
    WebSocket {
        /// `ws` or `wss`, with a host, and neither name, password nor fragment.
        url: Url,
        /// Who vouches for its certificate, a PEM file; `None`: the machine's authorities.
        ca_file: Option<PathBuf>,
    },
}

/// How the place calls itself and looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brand {
    /// Default `Deskway`.
    pub name: String,
    /// An SVG, PNG or WebP file that stands in the place of Deskway's mark.
    pub logo: Option<PathBuf>,
    pub colours: Colours,
    /// Shown below the sign-in form.
    pub notice: Option<String>,
    /// Shown at the foot of the pages.
    pub links: Vec<Link>,
}

/// Colours of the pages; what is `None` is Deskway's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Colours {
    /// Buttons and links.
    pub accent: Option<Colour>,
    /// The same in the dark look; `None`: as `accent`.
    pub accent_dark: Option<Colour>,
    /// The ground of the pages in the light look.
    pub background: Option<Colour>,
    pub background_dark: Option<Colour>,
}

/// A link of the place's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub text: String,
    /// `http:`, `https:` or `mailto:`, or a path from `/` on, which is meant below the base path.
    pub url: String,
}

/// The looks of those who are in a group of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What the machine calls the group.
    pub name: String,
    /// Whoever calls the server by one of these names sees the group's looks before signing in.
    pub hosts: Vec<String>,
    /// Whole: what the group does not say itself is the place's.
    pub brand: Brand,
    /// Whole: what the group does not say itself is everybody's.
    pub limits: Limits,
}

/// What everybody's start page shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Portal {
    /// Whether guests see whose desktops there are. Default: no.
    pub public_index: bool,
}

/// Directories of this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// Sockets and run directories: `/run/deskway`; for an ordinary user `$XDG_RUNTIME_DIR/deskway`.
    pub run: PathBuf,
    /// What must survive a restart of the machine: `/var/lib/deskway`; for an ordinary user
    /// `$XDG_STATE_HOME/deskway`.
    pub state: PathBuf,
    /// Files that stand in the place of our own templates.
    pub templates_dir: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// A `tracing` filter. Default `info`.
    pub filter: String,
    pub json: bool,
}

impl Config {
    /// What runs without a file, for root (uid 0) or for an ordinary user of this machine.
    pub fn default_for(uid: u32) -> Self {
        load::with_place(uid, defaults::config)
    }
    /// The files of all logos, each once.
    pub fn logos(&self) -> BTreeSet<&Path> {
        let brands = self.groups.iter().map(|group| &group.brand);
        let brands = brands.chain([&self.brand]);
        brands.filter_map(|brand| brand.logo.as_deref()).collect()
    }
}
