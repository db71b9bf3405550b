//! What each command takes, as its help says it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use url::Url;

use super::{Start, audit, doctor, proxy_config};
use crate::audit::What;
use crate::config;
use crate::model::{DesktopId, ProfileId, UserName};
use crate::templates::{Proxy, Upstream};

#[derive(Debug, Subcommand)]
pub enum Desktop {
    /// List your running desktops; as root, everybody's, with what they take
    List {
        /// Also those that have ended, with the cause
        #[arg(long)]
        all: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: RunPlace,
    },
    /// Start a desktop and wait until it is ready
    Start {
        /// Whose, and which: `alice` (her main desktop) or `alice/work`
        desktop: DesktopId,
        /// The kind of session, such as `xfce` [default: the configuration's]
        #[arg(long, value_name = "ID")]
        profile: Option<ProfileId>,
        /// Print the desktop as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: RunPlace,
    },
    /// Stop a desktop: its session, its programs and its screen end
    Stop {
        /// Whose, and which: `alice` (her main desktop) or `alice/work`
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        desktop: Option<DesktopId>,
        /// All your desktops; as root, everybody's
        #[arg(long)]
        all: bool,
        /// Print what was stopped as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: RunPlace,
    },
    /// Have all processes of a desktop stand still until somebody visits it; root alone may
    Freeze {
        /// Whose, and which: `alice` (her main desktop) or `alice/work`
        desktop: DesktopId,
        /// Print the desktop as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: RunPlace,
    },
    /// Have the processes of a frozen desktop go on
    Thaw {
        /// Whose, and which: `alice` (her main desktop) or `alice/work`
        desktop: DesktopId,
        /// Print the desktop as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: RunPlace,
    },
    /// Show a message in the page of a desktop and inside it; root alone may
    Message {
        /// Whose, and which: `alice` (her main desktop) or `alice/work`
        desktop: DesktopId,
        /// At most 500 characters
        text: String,
        /// Print the desktop as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: RunPlace,
    },
}

#[derive(Debug, Subcommand)]
pub enum People {
    /// List who is signed in, from where and since when; root alone may
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: RunPlace,
    },
    /// End every sign-in of somebody; root alone may
    End {
        /// The name to sign in with
        name: UserName,
        /// Print how many ended as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: RunPlace,
    },
}

#[derive(Debug, Subcommand)]
pub enum User {
    /// Add a local account
    Add {
        /// The name to sign in with
        name: UserName,
        /// The OS account that the desktops run as [default: the one of the same name]
        #[arg(long, value_name = "NAME")]
        os_user: Option<UserName>,
        /// The person's full name, for the pages
        #[arg(long, value_name = "TEXT")]
        full_name: Option<String>,
        #[command(flatten)]
        password: PasswordFrom,
        #[command(flatten)]
        place: StatePlace,
    },
    /// Set the password of a local account, and sign it out everywhere
    Passwd {
        name: UserName,
        #[command(flatten)]
        password: PasswordFrom,
        #[command(flatten)]
        place: StatePlace,
    },
    /// Remove a local account, and sign it out; its desktops and files stay
    Remove {
        name: UserName,
        #[command(flatten)]
        place: StatePlace,
    },
    /// List the local accounts
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: StatePlace,
    },
}

/// Where a password is read. Never from the command line, which everybody on the machine sees.
#[derive(Args, Clone, Debug)]
pub struct PasswordFrom {
    /// Read the password from the first line of standard input instead of asking at the
    /// terminal
    #[arg(long)]
    pub password_stdin: bool,
}

#[derive(Args, Clone, Debug, Default)]
pub struct RunPlace {
    /// The configuration file that Deskway was started with
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The run directory that Deskway was started with [default: your own Deskway's when
    /// one runs, else /run/deskway]
    #[arg(long, value_name = "DIR", value_parser = config::parse_run_dir)]
    pub run_dir: Option<PathBuf>,
}

#[derive(Args, Clone, Debug, Default)]
pub struct StatePlace {
    /// The configuration file that Deskway is started with
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The state directory that Deskway is started with
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// The run directory that Deskway is started with: who is signed in is kept there
    #[arg(long, value_name = "DIR", value_parser = config::parse_run_dir)]
    pub run_dir: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct AuditArgs {
    /// Not before: how long ago, such as 2h, or a date in UTC, such as 2026-11-22T19:30:00
    #[arg(long, value_name = "TIME", value_parser = audit::parse_time)]
    pub since: Option<u64>,
    /// Not after
    #[arg(long, value_name = "TIME", value_parser = audit::parse_time)]
    pub until: Option<u64>,
    /// By whom
    #[arg(long, value_name = "NAME")]
    pub who: Option<String>,
    /// What was done, such as sign_in, start or watch
    #[arg(long, value_name = "WORD")]
    pub what: Option<What>,
    /// To which desktop: `alice` (her main desktop) or `alice/work`
    #[arg(long)]
    pub desktop: Option<DesktopId>,
    /// Print JSON, one object a line
    #[arg(long)]
    pub json: bool,
    /// Go on printing what is added
    #[arg(long)]
    pub follow: bool,
    #[command(flatten)]
    pub place: StatePlace,
}

#[derive(Args, Debug)]
pub struct Logs {
    /// Whose, and which: `alice` (her main desktop) or `alice/work`
    pub desktop: DesktopId,
    /// Only so many lines of its end
    #[arg(long, value_name = "N")]
    pub lines: Option<usize>,
    /// Go on printing what is added, until the desktop ends
    #[arg(long)]
    pub follow: bool,
    #[command(flatten)]
    pub place: RunPlace,
}

#[derive(Args, Debug)]
pub struct Backup {
    /// The file
    pub file: PathBuf,
    #[command(flatten)]
    pub place: StatePlace,
}

#[derive(Args, Debug)]
pub struct CheckConfig {
    /// The file [default: the one that `deskway up` would read]
    pub file: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct Import {
    /// The file, or a directory of token files
    pub file: PathBuf,
    /// What the file is [default: as its content says]
    #[arg(long, value_name = "KIND")]
    pub from: Option<Source>,
    /// Whose a desktop is that nginx's locations give no name (as in /novnc/websockify)
    #[arg(long, value_name = "NAME")]
    pub owner: Option<UserName>,
    /// Attach the screens of vncserver.users too, beside their owners' own desktops
    #[arg(long)]
    pub attach: bool,
    /// Write the result instead of printing it [default: where `deskway up` looks]
    #[arg(long, value_name = "PATH", num_args = 0..=1)]
    pub write: Option<Option<PathBuf>>,
    /// Replace what is there already
    #[arg(long, requires = "write")]
    pub force: bool,
}

/// A kind of file that can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Source {
    Nginx,
    Tokens,
    VncserverUsers,
    UserMapping,
}

#[derive(Args, Debug)]
pub struct Doctor {
    /// Print JSON: an array of objects with `check`, `state` (fine, note or wrong), `found`
    /// and `mend`
    #[arg(long)]
    pub json: bool,
    /// Go in by the outside door instead: at this address, as people's browsers give it, check
    /// the certificate, what the reverse proxy passes on, and that WebSockets stay open
    #[arg(long, value_name = "URL", value_parser = doctor::parse_url)]
    pub url: Option<Url>,
    /// With --url: leave out the check that takes more than a minute of silence
    #[arg(long, requires = "url")]
    pub quick: bool,
    #[command(flatten)]
    pub start: Start,
}

#[derive(Args, Clone, Debug)]
pub struct ProxyConfig {
    /// nginx, caddy, haproxy, apache or traefik
    #[arg(value_parser = proxy_config::parse_proxy)]
    pub proxy: Proxy,
    /// The configuration file that Deskway is started with
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Everything is below this path, such as /desk [default: the configuration's]
    #[arg(long, value_name = "PATH", value_parser = config::parse_base_path)]
    pub base_path: Option<String>,
    /// The name that browsers ask for, such as desk.example.org [default: any]
    #[arg(long, value_name = "NAME", value_parser = config::parse_host_name)]
    pub name: Option<String>,
    /// Where the proxy listens [default: port 80 of every address; with a certificate 443, and 80
    /// leads there]
    #[arg(long, value_name = "IP:PORT", value_parser = proxy_config::parse_listen)]
    pub listen: Option<SocketAddr>,
    /// The proxy's own certificate chain, a PEM file, for https
    #[arg(long, value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,
    /// The certificate's key, a PEM file
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
    /// Where Deskway is reached: IP:PORT, https://IP:PORT or unix:/path [default: as the
    /// configuration says where it listens]
    #[arg(long, value_name = "ADDRESS", value_parser = proxy_config::parse_upstream)]
    pub upstream: Option<Upstream>,
    /// Only the part for a proxy that serves other things too
    #[arg(long)]
    pub site: bool,
}

#[derive(Args, Clone, Debug)]
pub struct Render {
    /// Its name, such as sign-in.html or proxy/nginx.conf
    pub template: Option<String>,
    /// Give a variable another value: a string, or JSON; `brand.notice` is a part of one
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_set)]
    pub set: Vec<(String, String)>,
    /// List every template and where it comes from
    #[arg(long)]
    pub list: bool,
    #[command(flatten)]
    pub start: Start,
}

fn parse_set(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| format!("`{text}` sets nothing: write NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}
