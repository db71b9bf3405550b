//! A desktop under test: the real agent with a real X server. As root each gets a `/tmp` and a
//! user of its own, as the launcher would give it.

use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use deskway::agent::protocol::{self, MAX_STATUS, Session, Spec, Status};
use deskway::model::{EndCause, Stage};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;
use rustix::io::retry_on_intr;
use rustix::net::sockopt::{Timeout, set_socket_timeout, socket_peercred};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketType};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use tempfile::TempDir;

use crate::script::write_script;

/// Nothing that a test waits for takes this long on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// `$1` the program, `$2` the user, `$3` their home. The user is in no other process's
/// `/etc/passwd`. Prints what is left in `/tmp` after the agent's end.
const AS_ROOT: &str = r#"
mount -t tmpfs -o mode=1777 tmpfs /tmp && mkdir -m 1777 /tmp/.X11-unix &&
touch /tmp/deskway && mount --bind "$1" /tmp/deskway || exit 99
cp /etc/passwd /tmp/passwd && echo "dwt:x:$2:$2::$3:/bin/sh" >>/tmp/passwd &&
mount --bind /tmp/passwd /etc/passwd && rm /tmp/passwd || exit 99
setpriv --reuid="$2" --regid="$2" --clear-groups /tmp/deskway agent
status=$?
umount /tmp/deskway && rm /tmp/deskway
find /tmp -path '/tmp/.X*' -not -type d
exit $status"#;

pub(crate) struct Desktop {
    pub(crate) spec: Spec,
    pub(crate) agent: Pid,
    uid: u32,
    /// The agent, or what waits for it.
    process: Child,
    socket: OwnedFd,
    _folder: TempDir,
}

impl Desktop {
    /// A desktop whose session is these words.
    pub(crate) fn start(session: &[&str]) -> Self {
        Self::with(session, &[], |_spec| {})
    }

    /// The same with executable `files` in the home, by name and content, and with `change`.
    pub(crate) fn with(
        session: &[&str],
        files: &[(&str, &str)],
        change: impl FnOnce(&mut Spec),
    ) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = std::process::id() * 64 + NUMBER.fetch_add(1, Ordering::Relaxed);
        let uid = if is_root() {
            1_000_000 + number
        } else {
            rustix::process::geteuid().as_raw()
        };
        // Not in the /tmp that the desktop does not see, and short for the sockets' sake.
        let folder = if is_root() {
            tempfile::tempdir_in("/run")
        } else {
            tempfile::tempdir()
        };
        let folder = folder.unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let (run_dir, home) = (folder.path().join("run"), folder.path().join("home"));
        for dir in [&run_dir, &home, &run_dir.join("xdg"), &home.join(".vnc")] {
            fs::create_dir(dir).unwrap();
            fs::set_permissions(dir, Permissions::from_mode(0o700)).unwrap();
        }
        for (name, content) in files {
            write_script(&home.join(name), content);
        }
        if is_root() {
            let owner = format!("{uid}:{uid}");
            let mut chown = Command::new("chown");
            chown.args(["-R", &owner]).args([&run_dir, &home]);
            assert!(chown.status().unwrap().success());
        }
        let mut spec = Spec {
            desktop: "alice".parse().unwrap(),
            // In a /tmp of its own every display is free.
            display: if is_root() {
                1
            } else {
                u16::try_from(600 + number % 20_000).unwrap()
            },
            x_server: "/usr/bin/Xtigervnc".into(),
            geometry: "800x600".parse().unwrap(),
            depth: 24,
            dpi: 96,
            x_args: Vec::new(),
            session: Session::Command(session.iter().map(|&word| word.to_owned()).collect()),
            env: environment(&home, &run_dir),
            run_dir,
            screen_timeout: 60,
            session_timeout: 60,
        };
        change(&mut spec);
        let process = start_agent(&spec, uid);
        let socket = connect(&spec.run_dir.join(protocol::AGENT_SOCKET));
        let agent = socket_peercred(&socket).unwrap().pid;
        Self {
            spec,
            agent,
            uid,
            process,
            socket,
            _folder: folder,
        }
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.spec.run_dir.with_file_name("home")
    }

    /// What the agent says next.
    pub(crate) fn next(&self) -> Status {
        self.said().expect("the agent is gone without a word")
    }

    /// Waits until the agent has said `status`.
    pub(crate) fn until(&self, status: &Status) {
        loop {
            let said = self.next();
            if said == *status {
                return;
            }
            assert!(!matches!(said, Status::Ended { .. }), "{said:?}");
        }
    }

    pub(crate) fn until_ready(&self) {
        self.until(&Status::Ready);
    }

    pub(crate) fn until_visible(&self) {
        let stage = Stage::Session;
        self.until(&Status::Starting { stage });
    }

    pub(crate) fn ask(&self, command: &[u8]) {
        send(&self.socket, command);
    }

    /// Kills the process that started the agent.
    pub(crate) fn kill_parent(&self) {
        kill_process(Pid::from_child(&self.process), Signal::KILL).unwrap();
    }

    /// Waits for the end; returns its cause and the log, when nothing of the desktop is left.
    pub(crate) fn end(mut self) -> (EndCause, String) {
        let end = loop {
            if let Status::Ended { cause, log } = self.next() {
                break (cause, log);
            }
        };
        assert!(self.said().is_none(), "something was said after the end");
        let mut left = String::new();
        self.process
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut left)
            .unwrap();
        self.process.wait().unwrap();
        assert_eq!(left, "", "left in /tmp");
        assert_eq!(self.processes(), Vec::<String>::new(), "left running");
        for file in fs::read_dir(&self.spec.run_dir).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            assert!(["log", "log.old", "xdg"].contains(&name.as_str()), "{name}");
        }
        end
    }

    /// Waits for the end of a desktop that its test has treated so that its `/tmp` cannot be seen.
    pub(crate) fn end_cause(self) -> EndCause {
        let gone = pidfd_open(self.agent, PidfdFlags::empty()).unwrap();
        loop {
            if let Status::Ended { cause, .. } = self.next() {
                wait_for(&gone);
                assert_eq!(self.processes(), Vec::<String>::new(), "left running");
                return cause;
            }
        }
    }

    /// The first process of the desktop whose command line begins like this.
    pub(crate) fn process(&self, program: &str) -> Pid {
        let found = processes_of(&self.spec.run_dir)
            .into_iter()
            .find(|(_, line)| line.starts_with(program));
        let (pid, _) = found.unwrap_or_else(|| panic!("no {program} runs: {:?}", self.processes()));
        Pid::from_raw(pid).unwrap()
    }

    /// The command lines of all processes of the desktop, the agent aside.
    pub(crate) fn processes(&self) -> Vec<String> {
        let all = processes_of(&self.spec.run_dir);
        all.into_iter().map(|(_, line)| line).collect()
    }

    /// What a new connection to the desktop is greeted with.
    pub(crate) fn greeting(&self) -> String {
        let mut vnc = UnixStream::connect(self.spec.run_dir.join(protocol::VNC_SOCKET)).unwrap();
        vnc.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut greeting = [0; 12];
        vnc.read_exact(&mut greeting).unwrap();
        String::from_utf8(greeting.to_vec()).unwrap()
    }

    /// Asks the X server for its root window, where it can be seen, as this user, with the cookie
    /// or without.
    pub(crate) fn look_at_the_display(&self, as_owner: bool, with_cookie: bool) -> Output {
        let mut command = Command::new("nsenter");
        let uid = if as_owner {
            self.uid
        } else {
            self.uid + 1_000_000_000
        };
        command
            .args(["-t", &self.agent.to_string(), "-m", "setpriv"])
            .args([format!("--reuid={uid}"), format!("--regid={uid}")])
            .args(["--clear-groups", "xwininfo", "-root"])
            .env("DISPLAY", format!(":{}", self.spec.display));
        if with_cookie {
            command.env("XAUTHORITY", self.spec.run_dir.join("Xauthority"));
        } else {
            command.env_remove("XAUTHORITY").env("HOME", "/nonexistent");
        }
        command.output().unwrap()
    }

    /// What `xwininfo` says of a window, asked as the owner where the display can be seen.
    pub(crate) fn look_at_windows(&self, which: &[&str]) -> Output {
        let mut command = Command::new("nsenter");
        command
            .args(["-t", &self.agent.to_string(), "-m", "setpriv"])
            .args([
                format!("--reuid={0}", self.uid),
                format!("--regid={0}", self.uid),
            ])
            .args(["--clear-groups", "xwininfo"])
            .args(which)
            .env("DISPLAY", format!(":{}", self.spec.display))
            .env("XAUTHORITY", self.spec.run_dir.join("Xauthority"));
        command.output().unwrap()
    }

    pub(crate) fn uid(&self) -> u32 {
        self.uid
    }

    /// One more connection to the agent.
    pub(crate) fn connect(&self) -> OwnedFd {
        connect(&self.spec.run_dir.join(protocol::AGENT_SOCKET))
    }

    fn said(&self) -> Option<Status> {
        read(&self.socket)
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        // Only a test that failed has left something to end.
        _ = kill_process(self.agent, Signal::TERM);
        _ = self.process.wait();
    }
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The inodes of all sockets that the process has.
pub(crate) fn sockets_of(pid: Pid) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let targets = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    targets
        .filter_map(|target| {
            let target = target.to_str()?.strip_prefix("socket:[")?;
            target.strip_suffix(']').map(str::to_owned)
        })
        .collect()
}

/// The mode and owner of a file.
pub(crate) fn mode_and_owner(path: &Path) -> (u32, u32) {
    let meta = fs::symlink_metadata(path).unwrap();
    (meta.mode() & 0o7777, meta.uid())
}

/// What the agent says next on this connection; `None` when it has closed it.
pub(crate) fn read(socket: &OwnedFd) -> Option<Status> {
    let mut bytes = vec![0; MAX_STATUS];
    let received = retry_on_intr(|| rustix::net::recv(socket, &mut bytes[..], RecvFlags::empty()));
    let (count, _) = received.expect("the agent says nothing");
    (count > 0).then(|| serde_json::from_slice(&bytes[..count]).unwrap())
}

pub(crate) fn send(socket: &OwnedFd, datagram: &[u8]) {
    rustix::net::send(socket, datagram, SendFlags::NOSIGNAL).unwrap();
}

fn environment(home: &Path, run_dir: &Path) -> Vec<(String, String)> {
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    [
        ("HOME", path(home)),
        ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ("LANG", "C.UTF-8".to_owned()),
        ("XDG_RUNTIME_DIR", path(&run_dir.join("xdg"))),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

fn start_agent(spec: &Spec, uid: u32) -> Child {
    let program = env!("CARGO_BIN_EXE_deskway");
    let mut command = if is_root() {
        let mut command = Command::new("unshare");
        command
            .args([
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-c",
                AS_ROOT,
                "sh",
            ])
            .args([program, &uid.to_string()])
            .arg(spec.run_dir.with_file_name("home"));
        command
    } else {
        let mut command = Command::new(program);
        command.arg("agent");
        command
    };
    let spec_file = spec.run_dir.with_file_name("spec.json");
    fs::write(&spec_file, serde_json::to_vec(spec).unwrap()).unwrap();
    command
        .stdin(File::open(spec_file).unwrap())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Connects to the agent as soon as its socket is there.
fn connect(path: &Path) -> OwnedFd {
    let events = inotify::init(inotify::CreateFlags::CLOEXEC).unwrap();
    let watched = inotify::WatchFlags::CREATE | inotify::WatchFlags::MOVED_TO;
    inotify::add_watch(&events, path.parent().unwrap(), watched).unwrap();
    while !path.exists() {
        wait_for(&events);
        rustix::io::read(&events, &mut [0; 4096]).unwrap();
    }
    let kind = SocketType::SEQPACKET;
    let socket = rustix::net::socket(AddressFamily::UNIX, kind, None).unwrap();
    set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE)).unwrap();
    rustix::net::connect(&socket, &SocketAddrUnix::new(path).unwrap()).unwrap();
    socket
}

fn wait_for(fd: &OwnedFd) {
    let timeout = Timespec::try_from(PATIENCE).unwrap();
    let ready =
        retry_on_intr(|| poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&timeout))).unwrap();
    assert_eq!(ready, 1, "waited in vain");
}

/// The processes that live in this desktop, known by its run directory in their environment.
fn processes_of(run_dir: &Path) -> Vec<(i32, String)> {
    let mark = run_dir.to_str().unwrap().as_bytes();
    let found = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let entry = entry.ok()?;
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let environ = fs::read(entry.path().join("environ")).ok()?;
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let inside = environ.windows(mark.len()).any(|part| part == mark);
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        inside.then_some((pid, line))
    });
    found.collect()
}
