//! Flags → checked settings: what is wrong is said before anything is opened.

mod address;
mod error;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::address::{source, target};
use super::flags::Flags;
use super::log::{LogError, LogSettings};
use super::target::Target;
use super::tls::TlsSettings;
use super::wrap::WrapMode;
use crate::listen::TrustedProxy;
use crate::model::Secret;
use crate::runtime::SyslogServer;

pub(crate) use error::SettingsError;

/// Where the certificate is when nothing is said; the original's name for it.
const CERT: &str = "self.pem";
/// Who may connect to a unix socket when nothing is said: its owner.
const UNIX_MODE: u32 = 0o600;

/// A command line that makes sense. All paths are absolute.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) listen: Source,
    pub(crate) to: Destination,
    /// Started beside, whatever `to` is.
    pub(crate) wrapped: Option<Wrapping>,
    pub(crate) ssl_target: bool,
    /// `None`: no certificate is named, and the usual one is not there.
    pub(crate) tls: Option<TlsSettings>,
    pub(crate) ssl_only: bool,
    pub(crate) web: Option<WebRoot>,
    pub(crate) auth: Option<Authentication>,
    /// `None`: no pings.
    pub(crate) heartbeat: Option<Duration>,
    /// The number of the session is put behind it.
    pub(crate) record: Option<PathBuf>,
    pub(crate) traffic: bool,
    pub(crate) run_once: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) daemon: bool,
    pub(crate) log: LogSettings,
    pub(crate) trusted_proxies: Vec<TrustedProxy>,
}

/// Where connections come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Tcp {
        /// A name, or an address without brackets; empty: all addresses (IPv4 alone, or IPv6 too
        /// where that is preferred).
        host: String,
        port: u16,
        prefer_ipv6: bool,
    },
    Unix {
        path: PathBuf,
        /// The permissions of the socket's file.
        mode: u32,
    },
    /// Standard input is the socket.
    Inetd,
}

/// Where connections go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    Fixed(Target),
    Tokens {
        plugin: String,
        source: Option<String>,
        /// The token is the `Host` header's name, not the query's `token`.
        from_host: bool,
    },
    /// To the wrapped program's port, wherever that is moved.
    Wrapped,
}

/// A program to start.
#[derive(Clone, Debug)]
pub(crate) struct Wrapping {
    /// Never empty.
    pub(crate) command: Vec<OsString>,
    /// The port that the program believes to listen on.
    pub(crate) port: u16,
    pub(crate) mode: WrapMode,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WebRoot {
    pub(crate) dir: PathBuf,
    /// Whether directories are listed.
    pub(crate) listing: bool,
    /// Whether `auth` guards the files, too.
    pub(crate) guarded: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Authentication {
    pub(crate) plugin: String,
    pub(crate) source: Option<Secret<String>>,
}

impl Settings {
    /// # Errors
    /// When the flags contradict each other, or what they name cannot be.
    pub(crate) fn check(flags: &Flags) -> Result<Self, SettingsError> {
        check_pairs(flags)?;
        let mut words = Words::new(flags);
        let listen = listen(flags, &mut words)?;
        let to = destination(flags, &mut words)?;
        words.end()?;
        let wrapped = wrapping(flags, words.wrapped, &listen)?;
        let tls = tls(flags)?;
        tls.check()?;
        if flags.ssl_only && !tls.cert.exists() {
            return Err(SettingsError::SslOnly { cert: tls.cert });
        }
        let has_tls = flags.cert.is_some() || tls.cert.exists();
        let web = absolute_if(flags.web.as_deref())?.map(|dir| WebRoot {
            dir,
            listing: !flags.file_only,
            guarded: flags.web_auth,
        });
        let auth = flags.auth_plugin.clone().map(|plugin| Authentication {
            plugin,
            source: flags.auth_source.clone(),
        });
        let syslog = flags.syslog.as_deref().map(SyslogServer::parse);
        Ok(Self {
            listen,
            to,
            wrapped,
            ssl_target: flags.ssl_target,
            tls: has_tls.then_some(tls),
            ssl_only: flags.ssl_only,
            web,
            auth,
            heartbeat: seconds(flags.heartbeat),
            record: absolute_if(flags.record.as_deref())?,
            traffic: flags.traffic,
            run_once: flags.run_once,
            timeout: seconds(flags.timeout),
            idle_timeout: seconds(flags.idle_timeout),
            daemon: flags.daemon,
            log: LogSettings {
                verbose: flags.verbose,
                file: absolute_if(flags.log_file.as_deref())?,
                syslog: syslog.transpose().map_err(LogError::from)?,
                legacy_syslog: flags.legacy_syslog,
                daemon: flags.daemon,
            },
            trusted_proxies: flags.trusted_proxy.clone(),
        })
    }
}

/// Options that mean nothing without another.
fn check_pairs(flags: &Flags) -> Result<(), SettingsError> {
    let tokens = flags.token_plugin.is_some() || flags.target_config.is_some();
    let (auth, web) = (flags.auth_plugin.is_some(), flags.web.is_some());
    for (given, option, there, other) in [
        (
            flags.token_source.is_some(),
            "--token-source",
            tokens,
            "--token-plugin",
        ),
        (flags.host_token, "--host-token", tokens, "--token-plugin"),
        (
            flags.auth_source.is_some(),
            "--auth-source",
            auth,
            "--auth-plugin",
        ),
        (flags.web_auth, "--web-auth", auth, "--auth-plugin"),
        (flags.web_auth, "--web-auth", web, "--web"),
        (
            flags.legacy_syslog,
            "--legacy-syslog",
            flags.syslog.is_some(),
            "--syslog",
        ),
    ] {
        if given && !there {
            return Err(SettingsError::Needs { option, other });
        }
    }
    Ok(())
}

/// The words of the command line that are no options, taken one by one.
struct Words<'a> {
    addresses: std::slice::Iter<'a, String>,
    wrapped: &'a [OsString],
}

impl<'a> Words<'a> {
    fn new(flags: &'a Flags) -> Self {
        Self {
            addresses: flags.addresses.iter(),
            wrapped: &flags.wrapped,
        }
    }

    fn next(&mut self, missing: &'static str) -> Result<&'a str, SettingsError> {
        self.addresses
            .next()
            .map(String::as_str)
            .ok_or(SettingsError::TooFew { missing })
    }

    fn end(&mut self) -> Result<(), SettingsError> {
        match self.addresses.next() {
            None => Ok(()),
            Some(word) => Err(SettingsError::TooMany { word: word.clone() }),
        }
    }
}

fn listen(flags: &Flags, words: &mut Words<'_>) -> Result<Source, SettingsError> {
    if flags.inetd {
        return Ok(Source::Inetd);
    }
    if let Some(path) = &flags.unix_listen {
        let mode = flags.unix_listen_mode.as_deref().map(unix_mode);
        return Ok(Source::Unix {
            path: absolute(path)?,
            mode: mode.transpose()?.unwrap_or(UNIX_MODE),
        });
    }
    let (host, port) = source(words.next("the port to listen on, [source_addr:]source_port")?)?;
    Ok(Source::Tcp {
        host,
        port,
        prefer_ipv6: flags.prefer_ipv6,
    })
}

fn destination(flags: &Flags, words: &mut Words<'_>) -> Result<Destination, SettingsError> {
    if let Some(file) = &flags.target_config {
        let file = absolute(file)?;
        let source = file.into_os_string().into_string();
        return Ok(Destination::Tokens {
            plugin: "TokenFile".to_owned(),
            source: Some(source.map_err(|path| SettingsError::NotText { path: path.into() })?),
            from_host: flags.host_token,
        });
    }
    if let Some(plugin) = &flags.token_plugin {
        return Ok(Destination::Tokens {
            plugin: plugin.clone(),
            source: flags.token_source.clone(),
            from_host: flags.host_token,
        });
    }
    if let Some(path) = &flags.unix_target {
        let path = absolute(path)?;
        return Ok(Destination::Fixed(Target::Unix(path)));
    }
    if !words.wrapped.is_empty() {
        return Ok(Destination::Wrapped);
    }
    let word = words.next("where connections go, target_addr:target_port")?;
    Ok(Destination::Fixed(target(word)?))
}

fn tls(flags: &Flags) -> Result<TlsSettings, SettingsError> {
    Ok(TlsSettings {
        cert: absolute(flags.cert.as_deref().unwrap_or_else(|| Path::new(CERT)))?,
        key: absolute_if(flags.key.as_deref())?,
        key_password: flags.key_password.clone(),
        verify_client: flags.verify_client,
        cafile: absolute_if(flags.cafile.as_deref())?,
        min_version: flags.ssl_version.parse()?,
        ciphers: flags.ssl_ciphers.clone(),
    })
}

fn wrapping(
    flags: &Flags,
    command: &[OsString],
    listen: &Source,
) -> Result<Option<Wrapping>, SettingsError> {
    if command.is_empty() {
        return Ok(None);
    }
    let Source::Tcp { port, .. } = listen else {
        return Err(SettingsError::WrapsNoPort);
    };
    Ok(Some(Wrapping {
        command: command.to_vec(),
        port: *port,
        mode: match flags.wrap_mode.as_str() {
            "ignore" => WrapMode::Ignore,
            "respawn" => WrapMode::Respawn,
            _ => WrapMode::Exit,
        },
    }))
}

/// Permissions in octal digits, as chmod takes them.
fn unix_mode(text: &str) -> Result<u32, SettingsError> {
    let digits = text.trim_start_matches("0o");
    match u32::from_str_radix(digits, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err(SettingsError::UnixMode {
            text: text.to_owned(),
        }),
    }
}

/// Where a path is, whatever directory this process goes to later.
fn absolute(path: &Path) -> Result<PathBuf, SettingsError> {
    std::path::absolute(path).map_err(SettingsError::Directory)
}

fn absolute_if(path: Option<&Path>) -> Result<Option<PathBuf>, SettingsError> {
    path.map(absolute).transpose()
}

/// `None` for 0, which asks for nothing.
fn seconds(number: u32) -> Option<Duration> {
    (number > 0).then(|| Duration::from_secs(number.into()))
}

#[cfg(test)]
mod tests;
