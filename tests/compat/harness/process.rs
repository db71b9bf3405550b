//! A process of a test and everything that it starts: what they say, how they end, and that none
//! of them outlives the test.

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::set_socket_reuseaddr;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use super::wire::patience;

/// Between two looks at what gives no event.
const LOOK: Duration = Duration::from_millis(5);

/// Ports that no system hands out by itself, so that nobody takes one between the look and the
/// start: from here, [`PORTS`] of them.
const FIRST_PORT: u32 = 12_000;
const PORTS: u32 = 16_000;

/// The environment variable that marks everything that a [`Process`] starts.
const MARK: &str = "DESKWAY_COMPAT_MARK";

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A running program. Ends with all its descendants when dropped.
pub(crate) struct Process {
    child: Child,
    mark: String,
    pub(crate) stdout: Text,
    pub(crate) stderr: Text,
}

impl Process {
    /// Starts a command in a process group of its own. Output that the command gives a place
    /// stays there, the rest is collected.
    pub(crate) fn start(mut command: Command) -> Self {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let mark = format!("{}-{count}", std::process::id());
        command.env(MARK, &mark).process_group(0);
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("cannot start {}: {error}", command.get_program().display())
        });
        let stdout = Text::of(child.stdout.take());
        let stderr = Text::of(child.stderr.take());
        Self {
            child,
            mark,
            stdout,
            stderr,
        }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for the end of the process that was started, not of its descendants.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let limit = patience();
        assert!(
            wait_for(self.pid(), limit),
            "still running after {limit:?}; it says: {}",
            self.stderr.get()
        );
        self.child.wait().unwrap()
    }

    /// Waits until the process has a handler for a signal, which otherwise would just kill it.
    pub(crate) fn hears(&self, signal: Signal) {
        let file = format!("/proc/{}/status", self.pid().as_raw_nonzero());
        let bit = 1_u64 << (signal.as_raw() - 1);
        until("a signal handler", || {
            let status = fs::read_to_string(&file).unwrap();
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
            let caught = u64::from_str_radix(caught?.trim(), 16).ok()?;
            (caught & bit != 0).then_some(())
        });
    }

    /// The process, when it still is there, and all its descendants.
    pub(crate) fn family(&self) -> Vec<Pid> {
        let wanted = format!("{MARK}={}", self.mark);
        all()
            .filter(|pid| {
                let environment = fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero()));
                environment.is_ok_and(|bytes| {
                    bytes
                        .split(|byte| *byte == 0)
                        .any(|entry| entry == wanted.as_bytes())
                })
            })
            .collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
        // Twice over: a process may fork while the list is read.
        for _ in 0..50 {
            let family = self.family();
            if family.is_empty() {
                return;
            }
            for pid in family {
                _ = kill_process(pid, Signal::KILL);
                _ = wait_for(pid, Duration::from_secs(2));
            }
        }
    }
}

/// What a program wrote so far.
#[derive(Clone)]
pub(crate) struct Text(Arc<(Mutex<Said>, Condvar)>);

#[derive(Default)]
struct Said {
    bytes: Vec<u8>,
    /// Nobody can write any more.
    is_whole: bool,
}

impl Text {
    fn of(source: Option<impl Read + Send + 'static>) -> Self {
        let text = Self(Arc::default());
        let inner = text.clone();
        thread::spawn(move || {
            if let Some(mut source) = source {
                let mut room = [0; 4096];
                while let Ok(len @ 1..) = source.read(&mut room) {
                    inner.0.0.lock().unwrap().bytes.extend(&room[..len]);
                    inner.0.1.notify_all();
                }
            }
            inner.0.0.lock().unwrap().is_whole = true;
            inner.0.1.notify_all();
        });
        text
    }

    pub(crate) fn get(&self) -> String {
        String::from_utf8_lossy(&self.0.0.lock().unwrap().bytes).into_owned()
    }

    /// Waits until nobody can write any more, and returns all of it.
    pub(crate) fn whole(&self) -> String {
        let said = self.0.0.lock().unwrap();
        let waited = self
            .0
            .1
            .wait_timeout_while(said, patience(), |said| !said.is_whole);
        let (said, waited) = waited.unwrap();
        assert!(!waited.timed_out(), "somebody keeps the output open");
        String::from_utf8_lossy(&said.bytes).into_owned()
    }

    /// Waits until the text has `part` in it, and returns the text.
    pub(crate) fn until(&self, part: &str) -> String {
        self.until_it(&format!("{part:?}"), |text| text.contains(part))
    }

    /// Waits until the text is as `right` wants it; `what` names that.
    pub(crate) fn until_it(&self, what: &str, right: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + patience();
        let mut said = self.0.0.lock().unwrap();
        loop {
            let text = String::from_utf8_lossy(&said.bytes).into_owned();
            if right(&text) {
                return text;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {what} in: {text}");
            said = self.0.1.wait_timeout(said, left).unwrap().0;
        }
    }
}

/// Waits for the end of any process; whether it came within `limit`. A zombie has ended.
pub(crate) fn wait_for(pid: Pid, limit: Duration) -> bool {
    let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else {
        return true;
    };
    let limit = Timespec::try_from(limit).unwrap();
    let mut fds = [PollFd::new(&handle, PollFlags::IN)];
    poll(&mut fds, Some(&limit)).unwrap() > 0
}

/// Waits for what gives no event to wait for.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not happen");
        pause();
    }
}

fn pause() {
    let pause = Timespec::try_from(LOOK).unwrap();
    poll(&mut [], Some(&pause)).unwrap();
}

/// A port of 127.0.0.1 that nobody listens on; no two calls of one run get the same.
pub(crate) fn free_port() -> u16 {
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // Runs at the same time begin far from each other.
        let begin = std::process::id().wrapping_mul(631);
        let port = FIRST_PORT + begin.wrapping_add(count) % PORTS;
        let port = u16::try_from(port).unwrap();
        if is_free(port) {
            return port;
        }
    }
}

/// Whether a port can be bound. Does not listen: a program that is started meanwhile, by another
/// case, has a copy of the socket until its exec, and would look like somebody who listens.
fn is_free(port: u16) -> bool {
    let (family, kind) = (AddressFamily::INET, SocketType::STREAM);
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None).unwrap();
    set_socket_reuseaddr(&socket, true).unwrap();
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// The number of the session that `process` (a number, or `self`) belongs to, 0 in a container
/// whose session was begun outside. From proc(5), since rustix knows no such number.
pub(crate) fn session_of(process: &str) -> String {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let (_, after_name) = stat.rsplit_once(')').unwrap();
    after_name.split_whitespace().nth(3).unwrap().to_owned()
}

fn all() -> impl Iterator<Item = Pid> {
    fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
        Pid::from_raw(pid)
    })
}

/// How a program ended: its status, or minus the number of the signal.
pub(crate) fn code(status: ExitStatus) -> i32 {
    status
        .code()
        .or_else(|| status.signal().map(|signal| -signal))
        .unwrap()
}

/// Runs a script of Debian's Python, which has what the token plugins of the original need.
pub(crate) fn python(script: &str, arguments: &[&str]) -> String {
    let output = Command::new("/usr/bin/python3")
        .args(["-c", script])
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}
