//! The command line of the program under test, and its start.

use std::ffi::OsString;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::process::{Process, code, free_port, until};
use super::subject::{Ended, Subject, listens_on_port, listens_on_unix};
use super::target::Target;
use crate::ledger::Program;

/// How often a start is tried when somebody else took the port.
const TRIES: usize = 3;

/// A command line that is being put together.
pub(crate) struct Start {
    options: Vec<OsString>,
    place: Place,
    target: Option<String>,
    wrapped: Vec<OsString>,
    environment: Vec<(&'static str, OsString)>,
    files: Vec<(&'static str, String)>,
    by_link: bool,
    in_background: bool,
    descriptors: Option<u16>,
}

/// Where it listens.
enum Place {
    /// A port of this host, or of all addresses; the port is found at the start.
    Port(Option<&'static str>),
    Unix(PathBuf),
    /// A port that has been used before.
    Again(u16),
    /// A socket on standard input, with the arguments that say so.
    Stdin(OwnedFd, u16),
    /// A listening socket as descriptor 3, as systemd passes it.
    Systemd(OwnedFd, u16),
    /// Nowhere: the arguments are all that there is.
    Nowhere,
}

/// From a port to a target.
pub(crate) fn proxy(target: &Target) -> Start {
    let mut start = serving();
    start.target = Some(target.address());
    start
}

/// From a port, with the target left to options.
pub(crate) fn serving() -> Start {
    Start {
        options: Vec::new(),
        place: Place::Port(Some("127.0.0.1")),
        target: None,
        wrapped: Vec::new(),
        environment: Vec::new(),
        files: Vec::new(),
        by_link: false,
        in_background: false,
        descriptors: None,
    }
}

impl Start {
    pub(crate) fn with(mut self, options: &[&str]) -> Self {
        self.options.extend(options.iter().map(OsString::from));
        self
    }

    /// An option whose value is a path.
    pub(crate) fn with_path(mut self, option: &str, path: &Path) -> Self {
        self.options.push(option.into());
        self.options.push(path.into());
        self
    }

    /// To a target that is written like this.
    pub(crate) fn to(mut self, target: &str) -> Self {
        self.target = Some(target.to_owned());
        self
    }

    /// Listens on this host, such as `[::1]`, instead of 127.0.0.1.
    pub(crate) fn on_host(mut self, host: &'static str) -> Self {
        self.place = Place::Port(Some(host));
        self
    }

    /// Listens where no address says otherwise.
    pub(crate) fn on_all_addresses(mut self) -> Self {
        self.place = Place::Port(None);
        self
    }

    /// On 127.0.0.1 at this port.
    pub(crate) fn on_port(mut self, port: u16) -> Self {
        self.place = Place::Again(port);
        self
    }

    pub(crate) fn on_unix_socket(mut self, path: &Path) -> Self {
        self = self.with_path("--unix-listen", path);
        self.place = Place::Unix(path.to_owned());
        self
    }

    /// As inetd starts it: with a socket, whose port this is, on standard input.
    pub(crate) fn on_stdin(mut self, socket: OwnedFd, port: u16) -> Self {
        self = self.with(&["--inetd"]);
        self.place = Place::Stdin(socket, port);
        self
    }

    /// As systemd starts the service of a socket.
    pub(crate) fn by_systemd(mut self, socket: OwnedFd, port: u16) -> Self {
        self.place = Place::Systemd(socket, port);
        self
    }

    /// With the arguments alone.
    pub(crate) fn nowhere(mut self) -> Self {
        self.place = Place::Nowhere;
        self
    }

    /// With a command behind `--`; `{port}` in it becomes the port to listen on.
    pub(crate) fn wrapping(mut self, command: &[&str]) -> Self {
        self.wrapped = command.iter().map(OsString::from).collect();
        self
    }

    pub(crate) fn environment(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// With a file in its working directory.
    pub(crate) fn with_file(mut self, name: &'static str, text: &str) -> Self {
        self.files.push((name, text.to_owned()));
        self
    }

    /// Ours by a link that is named `websockify`.
    pub(crate) fn by_link(mut self) -> Self {
        self.by_link = true;
        self
    }

    /// With so low a limit of open files, which it cannot raise.
    pub(crate) fn with_descriptors(mut self, limit: u16) -> Self {
        self.descriptors = Some(limit);
        self
    }

    /// Becomes a daemon: the process that is started ends at once.
    pub(crate) fn in_background(mut self) -> Self {
        self.in_background = true;
        self.with(&["--daemon"])
    }

    /// Starts it, and waits until it listens.
    pub(crate) fn start(self) -> Subject {
        for _ in 1..TRIES {
            match self.try_start(TempDir::new().unwrap()) {
                Ok(subject) => return subject,
                Err(said) if said.contains("in use") => {}
                Err(said) => panic!("it ended at once and said: {said}"),
            }
        }
        self.try_start(TempDir::new().unwrap()).unwrap()
    }

    /// Starts what is to end by itself.
    pub(crate) fn run(&self) -> Ended {
        let dir = TempDir::new().unwrap();
        let port = self.port();
        let mut process = Process::start(self.command(dir.path(), port));
        let status = code(process.ended());
        Ended {
            status,
            stdout: process.stdout.whole(),
            stderr: process.stderr.whole(),
        }
    }

    fn port(&self) -> u16 {
        match &self.place {
            Place::Again(port) | Place::Stdin(_, port) | Place::Systemd(_, port) => *port,
            _ => free_port(),
        }
    }

    fn try_start(&self, dir: TempDir) -> Result<Subject, String> {
        let port = self.port();
        let mut process = Process::start(self.command(dir.path(), port));
        let unix = match &self.place {
            Place::Unix(path) => Some(path.clone()),
            _ => None,
        };
        let listening = until("listening", || {
            let ended = !process.is_running();
            // Whoever goes into the background says by how it ends whether it got the address,
            // where somebody else may listen.
            if self.in_background && !ended {
                return None;
            }
            if ended && !(self.in_background && process.ended().success()) {
                return Some(false);
            }
            let there = match &unix {
                Some(path) => listens_on_unix(path),
                None => listens_on_port(port),
            };
            there.then_some(true)
        });
        if !listening {
            process.ended();
            // Output comes through a thread, so that the end may be known before it.
            return Err(process.stderr.until_it("output", |text| !text.is_empty()));
        }
        Ok(Subject {
            process,
            port,
            unix,
            dir,
        })
    }

    fn command(&self, dir: &Path, port: u16) -> Command {
        for (name, text) in &self.files {
            fs::write(dir.join(name), text).unwrap();
        }
        let (program, first) = self.program(dir);
        let mut command = match self.place {
            // What systemd tells is for the very process that gets the socket.
            Place::Systemd(..) => {
                let mut shell = Command::new("/bin/sh");
                let script = "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"";
                shell.arg("-c").arg(script).arg(program);
                shell
            }
            _ => match self.descriptors {
                Some(limit) => {
                    let mut shell = Command::new("/bin/sh");
                    let script = format!("ulimit -n {limit}; exec \"$0\" \"$@\"");
                    shell.arg("-c").arg(script).arg(program);
                    shell
                }
                None => Command::new(program),
            },
        };
        command.args(first).args(&self.options);
        match &self.place {
            Place::Port(Some(host)) => {
                command.arg(format!("{host}:{port}"));
            }
            Place::Port(None) => {
                command.arg(port.to_string());
            }
            Place::Again(_) | Place::Systemd(..) => {
                command.arg(format!("127.0.0.1:{port}"));
            }
            Place::Unix(_) | Place::Stdin(..) | Place::Nowhere => {}
        }
        command.args(&self.target);
        if !self.wrapped.is_empty() {
            command.arg("--");
            for word in &self.wrapped {
                let word = word.to_str().unwrap();
                command.arg(word.replace("{port}", &port.to_string()));
            }
        }
        command.env_clear().envs(self.environment.iter().cloned());
        for name in ["PATH", "HOME"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        let stdin = match &self.place {
            Place::Stdin(socket, _) | Place::Systemd(socket, _) => {
                socket.try_clone().unwrap().into()
            }
            _ => Stdio::null(),
        };
        command
            .current_dir(dir)
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// The program and its first arguments.
    fn program(&self, dir: &Path) -> (PathBuf, &'static [&'static str]) {
        match Program::under_test() {
            Program::Theirs(path) => (path, &[]),
            Program::Ours if self.by_link => {
                let link = dir.join("websockify");
                symlink(env!("CARGO_BIN_EXE_deskway"), &link).unwrap();
                (link, &[])
            }
            Program::Ours => (env!("CARGO_BIN_EXE_deskway").into(), &["websockify"]),
        }
    }
}
