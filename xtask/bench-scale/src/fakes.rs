//! Desktops that are none: one process stands for the session children of all of them, and one
//! below it for the agents and the VNC servers. What the launcher finds of each when it starts is as
//! of a real one: a record, a run directory, two sockets of its owner's that answer.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::net::{
    AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, listen,
    send, socket_with,
};
use serde_json::json;

use crate::account::Account;

/// What an agent says of a desktop that can be used.
const READY: &[u8] = b"\"Ready\"";
const GREETING: &[u8] = b"RFB 003.008\n";
/// The line that says that all sockets answer.
const LISTENING: &str = "listening";

/// The fake ones, away when dropped.
pub(crate) struct Fakes {
    sessions: Child,
    /// Records and run directories.
    files: Vec<(PathBuf, PathBuf)>,
}

impl Fakes {
    /// `count` of them, each of a person of its own, but for the main desktop of `account`.
    pub(crate) fn make(run: &Path, account: &Account, count: usize) -> Result<Self> {
        let ids: Vec<String> = (0..count).map(|it| format!("fa5e{it:012x}")).collect();
        let mut dirs = String::new();
        let mut files = Vec::new();
        for id in &ids {
            let dir = run.join("s").join(id);
            fs::create_dir(&dir)?;
            fs::set_permissions(&dir, fs::Permissions::from_mode(0o700))?;
            chown(&dir, Some(account.uid), Some(account.uid))?;
            dirs.push_str(&dir.display().to_string());
            dirs.push('\n');
            files.push((run.join("d").join(format!("{id}.json")), dir));
        }
        let list = run.join("fakes");
        fs::write(&list, dirs)?;
        fs::set_permissions(&list, fs::Permissions::from_mode(0o644))?;
        let mut sessions = Command::new(std::env::current_exe()?);
        sessions.arg("fake-sessions").arg(account.uid.to_string());
        let mut sessions = sessions
            .arg(&list)
            .stdout(Stdio::piped())
            .stdin(Stdio::piped())
            .spawn()?;
        let output = sessions.stdout.take().context("no standard output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let fakes = Self { sessions, files };
        if line.trim_end() != LISTENING {
            bail!("the fake desktops do not come up");
        }
        let pid = fakes.sessions.id();
        let start = start_time(pid)?;
        for (number, (record, _)) in fakes.files.iter().enumerate() {
            let desktop = match number {
                0 => account.name.clone(),
                _ => format!("fake{number}"),
            };
            let text = json!({
                "desktop": desktop, "profile": "bare", "os_name": account.name,
                "uid": account.uid, "display": 5000 + number, "since": 1_700_000_000,
                "pid": pid, "start": start,
            });
            fs::write(record, text.to_string())?;
        }
        Ok(fakes)
    }
}

impl Drop for Fakes {
    fn drop(&mut self) {
        for (record, dir) in &self.files {
            // What is left goes with the folder.
            _ = fs::remove_file(record);
            _ = fs::remove_dir_all(dir);
        }
        // Both processes end with their standard input.
        drop(self.sessions.stdin.take());
        if let Err(error) = self.sessions.wait() {
            crate::note(&format!("the fake desktops do not end: {error}"));
        }
    }
}

/// The process that stands for the session children: `UID LIST`.
pub(crate) fn sessions(arguments: &[&str]) -> Result<()> {
    let [uid, list] = arguments else {
        bail!("fake-sessions UID LIST");
    };
    let uid = uid.parse()?;
    let mut agent = Command::new(std::env::current_exe()?);
    agent.arg("fake-agent").arg(list).uid(uid).gid(uid);
    let mut agent = agent.spawn()?;
    // The launcher signals desktops that it ends; these end with whoever made them.
    drop(std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    agent.kill()?;
    agent.wait()?;
    Ok(())
}

/// The process that stands for the agents and X servers of the run directories in a list.
pub(crate) fn agent(list: &str) -> Result<()> {
    bench_bridge::process::raise_descriptor_limit()?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let mut open: HashMap<u64, (OwnedFd, Option<&[u8]>)> = HashMap::new();
    let mut next = 0;
    let mut keep = |open: &mut HashMap<u64, _>, socket: OwnedFd, says| -> Result<()> {
        epoll::add(&epoll, &socket, EventData::new_u64(next), EventFlags::IN)?;
        open.insert(next, (socket, says));
        next += 1;
        Ok(())
    };
    for dir in fs::read_to_string(list)?.lines() {
        let sockets = [
            ("agent.sock", SocketType::SEQPACKET, READY),
            ("vnc.sock", SocketType::STREAM, GREETING),
        ];
        for (name, kind, says) in sockets {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let socket = socket_with(AddressFamily::UNIX, kind, flags, None)?;
            bind(&socket, &SocketAddrUnix::new(Path::new(dir).join(name))?)?;
            listen(&socket, 16)?;
            keep(&mut open, socket, Some(says))?;
        }
    }
    writeln!(std::io::stdout(), "{LISTENING}")?;
    let mut events: Vec<Event> = Vec::with_capacity(256);
    loop {
        epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in events.drain(..) {
            let number = event.data.u64();
            let came = if let Some((socket, Some(says))) = open.get(&number) {
                let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
                let peer = accept_with(socket.as_fd(), flags).ok();
                peer.map(|peer| (peer, *says))
            } else {
                // One who was told says something, which is nothing here, or leaves.
                open.remove(&number);
                None
            };
            if let Some((peer, says)) = came {
                // Who has gone hears nothing.
                _ = send(&peer, says, SendFlags::NOSIGNAL);
                keep(&mut open, peer, None)?;
            }
        }
    }
}

/// When a process began, in ticks since the machine did.
fn start_time(pid: u32) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("no name in stat")?;
    let start = fields.split_whitespace().nth(22 - 3);
    Ok(start.context("no start in stat")?.parse()?)
}
