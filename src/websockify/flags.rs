//! The command line of websockify 0.13, option by option, with the habits of the parser that it
//! is read by there.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::Args;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::complaint::wrong_usage;
use crate::listen::TrustedProxy;
use crate::model::Secret;

/// The name by which the binary is websockify and nothing else.
const OWN_NAME: &str = "websockify";
/// What it is called where it is one command of several.
const BESIDE_OTHERS: &str = "deskway websockify";
/// Seconds from one ping to the next when nothing is said: proxies cut what is silent for 60 s.
const PING_EVERY: u32 = 25;

/// Carry WebSockets to TCP or unix sockets, as Python's websockify does
#[derive(Args, Clone, Debug)]
pub struct Flags {
    /// Where to listen, and where connections go
    #[arg(value_name = "ADDRESS", hide = true)]
    pub(super) addresses: Vec<String>,
    /// A program to start, whose own port is moved out of the way
    #[arg(last = true, value_name = "WRAP_COMMAND_LINE", hide = true)]
    pub(super) wrapped: Vec<OsString>,

    /// Log also what is only of use when something does not work
    #[arg(long, short)]
    pub(super) verbose: bool,
    /// Print a character for each read and write
    // `--tr` was this option's alone.
    #[arg(long, alias = "tr")]
    pub(super) traffic: bool,
    /// Record each session to FILE.NUMBER, for noVNC's playback page. Keystrokes are in it
    #[arg(long, value_name = "FILE")]
    pub(super) record: Option<PathBuf>,
    /// Go into the background
    #[arg(long, short = 'D')]
    pub(super) daemon: bool,
    /// Serve a single WebSocket and exit
    #[arg(long)]
    pub(super) run_once: bool,
    /// Take no connections after so many seconds, and exit when those that are open have ended
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 0,
        hide_default_value = true
    )]
    pub(super) timeout: u32,
    /// Exit after so many seconds without a connection
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 0,
        hide_default_value = true
    )]
    pub(super) idle_timeout: u32,

    /// The TLS certificate chain, a PEM file; without that file there is no TLS [default: self.pem]
    #[arg(long, value_name = "FILE")]
    pub(super) cert: Option<PathBuf>,
    /// The certificate's key, a PEM file [default: the certificate's file]
    #[arg(long, value_name = "FILE")]
    pub(super) key: Option<PathBuf>,
    /// The password of the key. Everybody on the machine can read it here
    #[arg(long, value_name = "PASSWORD", value_parser = secret)]
    pub(super) key_password: Option<Secret<String>>,
    /// Take no connections without TLS
    #[arg(long)]
    pub(super) ssl_only: bool,
    /// Connect to the target with TLS
    #[arg(long)]
    pub(super) ssl_target: bool,
    /// Ask TLS clients for a certificate, and take only those who have a valid one
    #[arg(long)]
    pub(super) verify_client: bool,
    /// The certificates that clients' certificates are checked against, a PEM file [default: the
    /// system's]
    #[arg(long, value_name = "FILE")]
    pub(super) cafile: Option<PathBuf>,
    /// The oldest TLS that is spoken: 1.2 is the oldest there is here
    #[arg(long, value_name = "VERSION", default_value = "default",
        value_parser = ["default", "tlsv1_1", "tlsv1_2", "tlsv1_3"])]
    pub(super) ssl_version: String,
    /// The TLS ciphers that are allowed, by their OpenSSL names
    #[arg(long, value_name = "LIST")]
    pub(super) ssl_ciphers: Option<String>,

    /// Listen on a unix socket
    #[arg(long, value_name = "FILE")]
    pub(super) unix_listen: Option<PathBuf>,
    /// Who may connect to the unix socket, as with chmod [default: 0600]
    #[arg(long, value_name = "MODE")]
    pub(super) unix_listen_mode: Option<String>,
    /// Connect to a unix socket
    #[arg(long, value_name = "FILE")]
    pub(super) unix_target: Option<PathBuf>,
    /// Take the socket from standard input: a listening one, or one connection
    #[arg(long)]
    pub(super) inetd: bool,

    /// Serve also the files below DIR
    #[arg(long, value_name = "DIR")]
    pub(super) web: Option<PathBuf>,
    /// Files are for those alone whom --auth-plugin lets in
    #[arg(long)]
    pub(super) web_auth: bool,
    /// List no directories
    #[arg(long)]
    pub(super) file_only: bool,
    /// Serve nothing outside of DIR: always so here
    #[arg(long)]
    pub(super) no_parent: bool,

    /// What to do when the wrapped program ends or goes into the background
    #[arg(long, value_name = "MODE", default_value = "exit",
        value_parser = ["exit", "ignore", "respawn"])]
    pub(super) wrap_mode: String,
    /// Listen on IPv6 where a source address has both
    #[arg(long = "prefer-ipv6", short = '6')]
    pub(super) prefer_ipv6: bool,
    /// Without effect
    #[arg(long)]
    pub(super) libserver: bool,

    /// A file of targets (`token: host:port`), or a directory of such files. Use --token-plugin
    /// TokenFile instead
    #[arg(long, value_name = "FILE")]
    pub(super) target_config: Option<PathBuf>,
    /// How a token becomes a target: TokenFile, ReadOnlyTokenFile, TokenFileName, TokenRedis,
    /// JSONTokenApi, JWTTokenApi, UnixDomainSocketDirectory, or exec:PROGRAM
    #[arg(long, value_name = "CLASS")]
    pub(super) token_plugin: Option<String>,
    /// What --token-plugin reads: a file, a directory, a URL
    #[arg(long, value_name = "ARG")]
    pub(super) token_source: Option<String>,
    /// The token is the name in the Host header, not the address's `token` parameter
    #[arg(long)]
    pub(super) host_token: bool,
    /// Who may connect: BasicHTTPAuth, ExpectOrigin or ClientCertCNAuth
    #[arg(long, value_name = "CLASS")]
    pub(super) auth_plugin: Option<String>,
    /// What --auth-plugin goes by: `name:password`, origins, common names
    #[arg(long, value_name = "ARG", value_parser = secret)]
    pub(super) auth_source: Option<Secret<String>>,

    /// Send a ping every so many seconds; pages do not see it. 0 sends none
    #[arg(long, value_name = "SECONDS", default_value_t = PING_EVERY)]
    pub(super) heartbeat: u32,

    /// Log to a file besides
    #[arg(long, value_name = "FILE")]
    pub(super) log_file: Option<PathBuf>,
    /// Log to syslog besides: a socket such as /dev/log, or host:port for UDP
    #[arg(long, value_name = "SERVER")]
    pub(super) syslog: Option<String>,
    /// Speak to syslog as of old (RFC 3164)
    #[arg(long)]
    pub(super) legacy_syslog: bool,

    /// Believe this reverse proxy where a connection comes from (X-Forwarded-For, Forwarded): an
    /// IP address, a network such as 10.0.0.0/8, or `unix` for whoever connects to --unix-listen.
    /// May be given several times
    #[arg(long, value_name = "ADDRESS")]
    pub(super) trusted_proxy: Vec<TrustedProxy>,
}

impl Flags {
    /// Has `command`, which takes these flags, read argv as Python's optparse does: long options
    /// by their beginnings, the last of several counts, and a value may look like an option.
    pub fn with_habits(command: clap::Command) -> clap::Command {
        Self::habits(command, BESIDE_OTHERS)
    }

    fn habits(command: clap::Command, program: &str) -> clap::Command {
        command
            .infer_long_args(true)
            .args_override_self(true)
            .mut_args(|arg| {
                let option = !arg.is_positional() && arg.get_action().takes_values();
                if option {
                    arg.allow_hyphen_values(true)
                } else {
                    arg
                }
            })
            .override_usage(usage(program))
    }

    /// The whole command line of a binary that is called `websockify`.
    pub fn command() -> clap::Command {
        let command = Self::augment_args(clap::Command::new(OWN_NAME));
        Self::habits(command, OWN_NAME)
    }

    /// What is said of a wrong command line of `program`: what is wrong, and all the options that
    /// an ambiguous beginning could be.
    pub fn explain(mut error: clap::Error, program: &str) -> String {
        if let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidArg) {
            let command = Self::command();
            let options = command.get_arguments().filter_map(clap::Arg::get_long);
            let options = options.map(|option| format!("--{option}"));
            let fitting: Vec<_> = options.filter(|it| it.starts_with(given)).collect();
            if error.kind() == ErrorKind::UnknownArgument && fitting.len() > 1 {
                error.insert(ContextKind::SuggestedArg, ContextValue::Strings(fitting));
            }
        }
        // That what follows `--` is no option: here it is a program to start.
        error.remove(ContextKind::Suggested);
        error.remove(ContextKind::Usage);
        let said = error.render().to_string();
        let said = said.strip_prefix("error: ").unwrap_or(&said);
        // The last part points to --help.
        let said = said.rsplit_once("\n\n").map_or(said, |(said, _)| said);
        wrong_usage(program, said)
    }

    /// What a binary started as `own` (the first word of its command line) is called with these flags.
    pub fn program(own: &OsStr) -> &'static str {
        if Self::is_called(own) {
            OWN_NAME
        } else {
            BESIDE_OTHERS
        }
    }

    /// Whether a binary started as `program` (the first word of its command line) is websockify.
    pub fn is_called(program: &OsStr) -> bool {
        Path::new(program).file_name() == Some(OsStr::new(OWN_NAME))
    }
}

fn usage(program: &str) -> String {
    [
        "[source_addr:]source_port target_addr:target_port",
        "--token-plugin=CLASS [source_addr:]source_port",
        "--unix-target=FILE [source_addr:]source_port",
        "[source_addr:]source_port -- WRAP_COMMAND_LINE",
    ]
    .map(|arguments| format!("\n    {program} [options] {arguments}"))
    .concat()
}

#[expect(clippy::unnecessary_wraps, reason = "clap asks for it")]
fn secret(text: &str) -> Result<Secret<String>, std::convert::Infallible> {
    Ok(Secret::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches as _;

    use super::*;

    fn parse(line: &str) -> Result<Flags, clap::Error> {
        let argv = std::iter::once("websockify").chain(line.split_whitespace());
        let matches = Flags::command().try_get_matches_from(argv);
        Flags::from_arg_matches(&matches?)
    }

    fn complaint(line: &str) -> String {
        Flags::explain(parse(line).unwrap_err(), "websockify")
    }

    #[test]
    fn the_command_line_is_sound() {
        Flags::command().debug_assert();
    }

    #[test]
    fn a_beginning_that_fits_one_option_is_that_option() {
        let flags =
            parse("6080 a:1 --heart 5 --token-p=TokenFile --token-s x --tr --idle 7").unwrap();
        assert_eq!(flags.heartbeat, 5);
        assert_eq!(flags.token_source.as_deref(), Some("x"));
        assert!(flags.traffic);
        assert_eq!(flags.idle_timeout, 7);
    }

    #[test]
    fn a_beginning_that_fits_several_options_is_refused() {
        let said = complaint("6080 a:1 --ssl");
        assert!(said.contains("--ssl-only"), "{said}");
        assert!(said.contains("--ssl-version"), "{said}");
    }

    #[test]
    fn what_is_wrong_is_said_in_the_program_s_name_and_without_wrong_advice() {
        let said = complaint("6080 a:1 --bogus");
        let expected = "websockify: error: unexpected argument '--bogus' found\n\
            Try websockify --help.";
        assert_eq!(said, expected);
        let said = complaint("6080 a:1 --timeout soon");
        let start = "websockify: error: invalid value 'soon' for '--timeout <SECONDS>'";
        assert!(said.starts_with(start), "{said}");
        assert!(said.ends_with("\nTry websockify --help."), "{said}");
    }

    #[test]
    fn options_stand_before_between_and_behind_addresses() {
        let flags = parse("-v :6080 -6D --cert=c.pem a:1 --timeout 3").unwrap();
        assert_eq!(flags.addresses, [":6080", "a:1"]);
        assert!(flags.verbose && flags.prefer_ipv6 && flags.daemon);
        assert_eq!(flags.cert.as_deref(), Some(Path::new("c.pem")));
        assert_eq!(flags.timeout, 3);
    }

    #[test]
    fn what_follows_two_dashes_is_the_wrapped_command() {
        let flags = parse("6080 -v -- Xvnc -v --run-once :1").unwrap();
        assert_eq!(flags.addresses, ["6080"]);
        assert_eq!(flags.wrapped, ["Xvnc", "-v", "--run-once", ":1"]);
        assert!(!flags.run_once);
    }

    #[test]
    fn a_value_may_look_like_an_option_and_the_last_one_counts() {
        let flags = parse("6080 a:1 --key-password -x --web /a --web /b --unix-listen-mode 750");
        let flags = flags.unwrap();
        assert_eq!(flags.key_password.unwrap().expose(), "-x");
        assert_eq!(flags.web.as_deref(), Some(Path::new("/b")));
        assert_eq!(flags.unix_listen_mode.as_deref(), Some("750"));
    }

    #[test]
    fn several_proxies_are_trusted() {
        let flags = parse("6080 a:1 --trusted-proxy ::1 --trusted-proxy unix").unwrap();
        assert_eq!(flags.trusted_proxy.len(), 2);
        assert!(parse("6080 a:1 --trusted-proxy example.org").is_err());
    }

    #[test]
    fn the_binary_goes_by_the_last_part_of_its_name() {
        for (program, own) in [
            ("websockify", true),
            ("/usr/bin/websockify", true),
            ("./websockify", true),
            ("/usr/bin/deskway", false),
            ("/opt/websockify/deskway", false),
            ("", false),
        ] {
            assert_eq!(Flags::is_called(OsStr::new(program)), own, "{program}");
        }
    }

    #[test]
    fn every_option_of_the_original_is_there() {
        let command = Flags::command();
        let ours: Vec<_> = command
            .get_arguments()
            .filter_map(clap::Arg::get_long)
            .collect();
        for option in "verbose traffic record daemon run-once timeout idle-timeout cert key \
            key-password ssl-only ssl-target verify-client cafile ssl-version ssl-ciphers \
            unix-listen unix-listen-mode unix-target inetd web web-auth wrap-mode prefer-ipv6 \
            libserver target-config token-plugin token-source host-token auth-plugin \
            auth-source heartbeat log-file syslog legacy-syslog file-only"
            .split_whitespace()
        {
            assert!(ours.contains(&option), "--{option}");
        }
    }
}
