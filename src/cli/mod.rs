//! The command line: argv becomes one [`Command`].
//!
//! Parsing is all that happens here. What the administrator's commands do is in the files
//! below, one each; `app` runs the roles.

mod arguments;
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
use std::path::PathBuf;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

pub use arguments::{
    AuditArgs, Backup, CheckConfig, Desktop, Doctor, Import, Logs, PasswordFrom, People,
    ProxyConfig, Render, RunPlace, Source, StatePlace, User,
};
pub use error::Error;
pub use unread::Unread;

use crate::config::{self, Config, ListenAt, Overrides, TlsFiles};
use crate::websockify::Flags;

/// Linux desktops in the browser: one program, one port.
///
/// Start it with `deskway up`. People then sign in with their browsers, and each gets a
/// desktop that runs as their own account on this machine.
#[derive(Debug, Parser)]
#[command(name = "deskway", version, disable_help_subcommand = true)]
#[command(
    after_help = "Exit status: 0 done, 1 something went wrong (the reason is on standard error), 2 wrong usage; of what serves, 78: its configuration file is wrong."
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
