//! What is measured: each relay is started afresh for each figure, on a port of its own, in front
//! of the target, and ended afterwards.

mod certificate;
mod commands;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustls::ClientConfig;

use crate::client::Door;
use crate::process;

/// How long a relay may take to listen.
const START_WITHIN: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Debian's Websockify.
    Theirs,
    /// NGINX in front of it.
    Chain,
    /// HAProxy in TCP mode, which copies.
    Haproxy,
    /// HAProxy in TCP mode, which has the kernel move the bytes.
    HaproxySplice,
    Ours,
}

impl Kind {
    pub(crate) const ALL: &[Self] = &[
        Self::Theirs,
        Self::Chain,
        Self::Haproxy,
        Self::HaproxySplice,
        Self::Ours,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Theirs => "Websockify",
            Self::Chain => "NGINX + Websockify",
            Self::Haproxy => "HAProxy",
            Self::HaproxySplice => "HAProxy, splice",
            Self::Ours => "Deskway",
        }
    }

    /// Whether it starts a process for each connection.
    pub(crate) fn forks(self) -> bool {
        matches!(self, Self::Theirs | Self::Chain)
    }

    /// Whether it speaks WebSocket; who does not only copies.
    fn speaks_websocket(self) -> bool {
        !matches!(self, Self::Haproxy | Self::HaproxySplice)
    }
}

/// What the relays of one run have in common.
pub(crate) struct Relays {
    ours: PathBuf,
    folder: Folder,
    target: u16,
    trust: Arc<ClientConfig>,
}

impl Relays {
    /// `ours` is run as `OURS websockify SOURCE TARGET`; `target` is the port of the target.
    pub(crate) fn new(ours: &Path, target: u16) -> Result<Self> {
        let folder = Folder::new()?;
        let trust = certificate::make(&folder.certificate())?;
        Ok(Self {
            ours: ours.to_owned(),
            folder,
            target,
            trust,
        })
    }

    pub(crate) fn start(&self, kind: Kind, tls: bool) -> Result<Relay> {
        let port = free_port()?;
        let mut relay = Relay {
            kind,
            door: Door {
                port,
                websocket: kind.speaks_websocket(),
                tls: tls.then(|| Arc::clone(&self.trust)),
            },
            roots: Vec::new(),
        };
        let commands = self.commands(kind, port, tls)?;
        for (mut command, listens_on) in commands {
            relay.run(&mut command)?;
            relay.wait_until_listening(listens_on, &command)?;
        }
        Ok(relay)
    }

    /// The programs to start, in order, each with the port that it listens on.
    fn commands(&self, kind: Kind, port: u16, tls: bool) -> Result<Vec<(Command, u16)>> {
        let certificate = self.folder.certificate();
        let certificate = tls.then_some(certificate.as_path());
        Ok(match kind {
            Kind::Theirs => {
                let theirs = commands::websockify("websockify".as_ref(), port, self.target);
                vec![(commands::with_certificate(theirs, certificate), port)]
            }
            Kind::Ours => {
                let mut ours = Command::new(&self.ours);
                ours.arg("websockify");
                let ours = commands::websockify_arguments(ours, port, self.target);
                vec![(commands::with_certificate(ours, certificate), port)]
            }
            Kind::Chain => {
                let behind = free_port()?;
                let theirs = commands::websockify("websockify".as_ref(), behind, self.target);
                let nginx = commands::nginx(&self.folder.0, port, behind, certificate)?;
                vec![(theirs, behind), (nginx, port)]
            }
            Kind::Haproxy | Kind::HaproxySplice => {
                let splice = kind == Kind::HaproxySplice;
                let haproxy =
                    commands::haproxy(&self.folder.0, port, self.target, certificate, splice)?;
                vec![(haproxy, port)]
            }
        })
    }
}

/// A relay that runs until it is dropped.
pub(crate) struct Relay {
    pub(crate) kind: Kind,
    pub(crate) door: Door,
    roots: Vec<Child>,
}

impl Relay {
    fn run(&mut self, command: &mut Command) -> Result<()> {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(Stdio::null());
        let child = command.spawn();
        let child = child.with_context(|| format!("cannot start {command:?}"))?;
        self.roots.push(child);
        Ok(())
    }

    fn wait_until_listening(&mut self, port: u16, command: &Command) -> Result<()> {
        let deadline = Instant::now() + START_WITHIN;
        while !process::is_listening(port) {
            for child in &mut self.roots {
                if let Some(status) = child.try_wait()? {
                    bail!("{command:?} ended with {status}");
                }
            }
            if Instant::now() > deadline {
                bail!("{command:?} does not listen");
            }
            process::pause(Duration::from_millis(5));
        }
        Ok(())
    }

    /// The processes that were started, without those below them.
    pub(crate) fn roots(&self) -> Vec<u32> {
        self.roots.iter().map(Child::id).collect()
    }

    /// All its processes, as of now.
    pub(crate) fn processes(&self) -> Result<Vec<u32>> {
        process::tree(&self.roots())
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let all = self.processes().unwrap_or_else(|_| self.roots());
        process::kill(&all);
        for child in &mut self.roots {
            // It was killed; there is nothing to learn from how it ended.
            drop(child.wait());
        }
    }
}

/// A folder for configuration, away with its contents when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("bench-bridge-{}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    fn certificate(&self) -> PathBuf {
        self.0.join("certificate.pem")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// A port of 127.0.0.1 that nobody has at the moment.
fn free_port() -> Result<u16> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    Ok(listener.local_addr()?.port())
}
