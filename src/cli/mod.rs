//! The command line: argv becomes one [`Command`].
//!
//! Parsing is all that happens here. What the administrator's commands do is in the files
//! below, one each; `app` runs the roles.

mod ask;
pub mod audit;
pub mod backup;
pub mod check_config;
pub mod desktop;
pub mod doctor;
mod error;
pub mod import;
pub mod logs;
mod out;
pub mod people;
pub mod proxy_config;
pub mod render;
mod unread;
pub mod upgrade;
pub mod user;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

pub use error::Error;
pub use unread::Unread;
use url::Url;

use crate::audit::What;
use crate::config::{self, Config, ListenAt, Overrides, TlsFiles};
use crate::model::{DesktopId, ProfileId, UserName};
use crate::templates::{Proxy, Upstream};
use crate::websockify::Flags;

/// Linux desktops in the browser: one program, one port.
///
/// Start it with `deskway up`. People then sign in with their browsers, and each gets a
/// desktop that runs as their own account on this machine.
#[derive(Debug, Parser)]
#[command(name = "deskway", version, disable_help_subcommand = true)]
#[command(
    after_help = "Exit status: 0 done, 1 something went wrong (the reason is on standard error), 2 wrong usage."
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start everything: the web server and the launcher of desktops
    ///
    /// As root, desktops belong to the machine's own accounts, and the web server runs as the
    /// system user `deskway`. As an ordinary user, people sign in with local accounts (`deskway
    /// user add`) and all desktops run as that user.
    ///
    /// SIGTERM and SIGINT stop it; desktops go on, unless --stop-desktops-on-exit is given.
    /// SIGHUP reads the configuration again. SIGUSR2 does what `deskway upgrade` does.
    Up(Up),
    /// Have the running `deskway up` become the program that is on disk now
    ///
    /// It goes on as the same process, with the flags that it was started with. Nobody is refused
    /// meanwhile, desktops and sign-ins stay, and open pages connect again by themselves. When the
    /// new program cannot be used, the old one goes on, and the reason is printed.
    Upgrade(RunPlace),
    /// Run the web server alone, beside a launcher that is started by itself
    Serve(Start),
    /// Run the launcher alone, beside a web server that is started by itself
    Launcher(Start),
    /// Run one desktop; started by the launcher
    #[command(hide = true)]
    Agent,
    /// Show a notice inside a desktop; started by its agent
    #[command(hide = true)]
    Notice,
    /// List, start, stop and freeze desktops on this machine, and send messages to them
    #[command(subcommand)]
    Desktop(Desktop),
    /// See who is signed in, and end sign-ins
    #[command(subcommand)]
    People(People),
    /// Manage local accounts, which Deskway keeps itself
    ///
    /// A local account is a name and a password for signing in at this Deskway. As root, its
    /// desktops run as the OS account of the same name, or the one given with --os-user.
    #[command(subcommand)]
    User(User),
    /// Show who signed in, started, stopped, watched and changed what
    ///
    /// The oldest first, one line each. Times are in UTC.
    Audit(AuditArgs),
    /// Show what a desktop's session and programs wrote: its log
    ///
    /// For its owner and root. Of one that has failed, the end of its log.
    Logs(Logs),
    /// Copy what Deskway keeps into one file, also while it runs
    ///
    /// Local accounts, the audit log, the hours used up, ordered certificates. The file holds
    /// secrets, and only you can read it. One that is there already is not touched.
    Backup(Backup),
    /// Put back what `deskway backup` wrote, into a state directory that is empty
    Restore(Backup),
    /// Check a configuration file and say everything that is wrong with it
    CheckConfig(CheckConfig),
    /// Check what a start needs on this machine and say how to mend what is missing
    ///
    /// A line for each check: `fine`, `note` (works, but you should know) or `wrong` (a start
    /// would fail) with the command that mends it. Exit status 1 when anything is wrong.
    Doctor(Doctor),
    /// Make a configuration of another program's: what stands in its file, as deskway.toml
    ///
    /// Reads an nginx.conf that passes WebSockets on to websockify, a token file of websockify or a
    /// directory of them, TigerVNC's vncserver.users, or Guacamole's user-mapping.xml. Prints the
    /// configuration that does the same; what it could not carry over is named with its line, in
    /// comments and on standard error.
    Import(Import),
    /// Print the configuration of a reverse proxy in front of this Deskway
    ///
    /// It is complete: `deskway proxy-config nginx > /etc/nginx/nginx.conf`. With --site it is
    /// the part for a proxy that serves other things too. What deskway.toml still lacks for it
    /// is said on standard error.
    ProxyConfig(ProxyConfig),
    /// Show what a template makes of the configuration, with sample values for a page
    ///
    /// Templates are the pages and the configurations of reverse proxies; a file of the same
    /// name in `templates_dir` stands in the place of each. Without a template, all are listed.
    Render(Render),
    /// Do what Python's websockify does: carry WebSockets to TCP or unix sockets
    Websockify(Box<Flags>),
}

/// Where the configuration is, and flags that are stronger than it.
#[derive(Args, Clone, Debug, Default)]
pub struct Start {
    /// The configuration file [default: /etc/deskway/deskway.toml for root,
    /// ~/.config/deskway/deskway.toml otherwise; neither has to exist]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Listen on this address, or unix:/path, or the sockets of systemd; may be given several
    /// times [default: 127.0.0.1:6080]
    #[arg(long, value_name = "IP:PORT", value_parser = config::parse_listen)]
    pub listen: Vec<ListenAt>,
    /// Serve everything below this path, such as /desk
    #[arg(long, value_name = "PATH", value_parser = config::parse_base_path)]
    pub base_path: Option<String>,
    /// The certificate chain, a PEM file [default: self-signed where listening beyond this
    /// machine]
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's key, a PEM file
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// The directory of sockets [default: /run/deskway for root, $XDG_RUNTIME_DIR/deskway
    /// otherwise]
    #[arg(long, value_name = "DIR", value_parser = config::parse_run_dir)]
    pub run_dir: Option<PathBuf>,
    /// The directory of what is kept [default: /var/lib/deskway for root,
    /// ~/.local/state/deskway otherwise]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// What to log: error, warn, info, debug or trace, or levels by module [default: info]
    #[arg(long, value_name = "FILTER", value_parser = config::parse_log_filter)]
    pub log_filter: Option<String>,
    /// Log one JSON object a line
    #[arg(long)]
    pub log_json: bool,
}

#[derive(Args, Clone, Debug, Default)]
pub struct Up {
    #[command(flatten)]
    pub start: Start,
    /// End all desktops when Deskway stops, instead of leaving them running
    #[arg(long)]
    pub stop_desktops_on_exit: bool,
}

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

impl Command {
    /// Reads argv. The binary is `deskway`, or `websockify` where it is called so.
    ///
    /// # Errors
    /// Wrong usage, or a question for help or the version: what is to be printed.
    pub fn read(argv: &[OsString]) -> Result<Self, Unread> {
        let own = argv.first().map(OsString::as_os_str).unwrap_or_default();
        let called = Flags::is_called(own);
        let chosen = argv.get(1).is_some_and(|name| name == "websockify");
        let unread = |error| Unread::new(error, (called || chosen).then(|| Flags::program(own)));
        if called {
            let matches = Flags::command().try_get_matches_from(argv);
            let flags = matches.and_then(|matches| Flags::from_arg_matches(&matches));
            return Ok(Self::Websockify(Box::new(flags.map_err(unread)?)));
        }
        let command = Cli::command().mut_subcommand("websockify", Flags::with_habits);
        let matches = command.try_get_matches_from(argv);
        let cli = matches.and_then(|matches| Cli::from_arg_matches(&matches));
        Ok(cli.map_err(unread)?.command)
    }
}

impl Start {
    pub fn overrides(&self) -> Overrides {
        Overrides {
            listen: self.listen.clone(),
            base_path: self.base_path.clone(),
            tls: self
                .tls_cert
                .clone()
                .zip(self.tls_key.clone())
                .map(|(cert, key)| TlsFiles { cert, key }),
            run_dir: self.run_dir.clone(),
            state_dir: self.state_dir.clone(),
            log_filter: self.log_filter.clone(),
            log_json: self.log_json,
        }
    }

    /// The configuration that these flags lead to, and its file's text.
    pub fn load(&self) -> Result<(Config, String), config::Error> {
        config::load(self.config.as_deref(), &self.overrides())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn called_as_websockify_it_is_nothing_else() {
        for line in [
            "/usr/bin/websockify -v 6080 localhost:5900",
            "deskway websockify -v 6080 localhost:5900",
        ] {
            let argv: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let command = Command::read(&argv).unwrap();
            assert!(matches!(command, Command::Websockify(_)), "{command:?}");
        }
        let up = ["websockify", "up", "--no-such"].map(OsString::from);
        let unread = format!("{:?}", Command::read(&up).unwrap_err());
        assert!(unread.contains("Some(\"websockify\")"), "{unread}");
    }

    #[test]
    fn a_certificate_needs_its_key() {
        let half = ["deskway", "up", "--tls-cert", "c.pem"];
        assert!(Cli::try_parse_from(half).is_err());
        let whole = ["deskway", "up", "--tls-cert", "c.pem", "--tls-key", "k.pem"];
        let Command::Up(up) = Cli::try_parse_from(whole).unwrap().command else {
            panic!("another command");
        };
        let tls = up.start.overrides().tls.unwrap();
        assert_eq!(tls.key, PathBuf::from("k.pem"));
    }

    #[test]
    fn stop_needs_a_desktop_or_all() {
        let parse = |args: &[&str]| {
            let argv = ["deskway", "desktop", "stop"].iter().chain(args);
            Cli::try_parse_from(argv).is_ok()
        };
        assert!(!parse(&[]));
        assert!(parse(&["alice/work"]));
        assert!(parse(&["--all"]));
        assert!(!parse(&["alice", "--all"]));
        assert!(!parse(&["../alice"]));
    }
}
