//! A notice inside the desktop, shown by a process of its own: whoever takes notices, or the X
//! server, may hang, and the agent must not.

mod window;

use std::error::Error;
use std::io::{self, BufRead as _, Read as _, Write as _};
use std::process::{ChildStdin, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use super::child;
use super::log::Log;

/// What the process has for taking the notice back.
const WITHDRAW_TIME: Duration = Duration::from_secs(2);
/// Most bytes of [`Words`] as JSON.
const MAX_WORDS: u64 = 8 * 1024;
/// This program, whatever has become of its file.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// What is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    pub text: String,
    /// The button says that the desktop is to be kept; else that it was read.
    pub keep: bool,
}

/// The process that shows one.
pub(super) struct Notice {
    pid: Pid,
    since: Instant,
    keep: bool,
    /// Held open for as long as it is to be shown.
    line: Option<ChildStdin>,
    kill_at: Option<Instant>,
}

impl Notice {
    /// # Errors
    /// When the process cannot be started.
    pub(super) fn show(
        words: &Words,
        env: &[(String, String)],
        log: &Log,
        now: Instant,
    ) -> io::Result<Self> {
        let mut command = child::command(OWN_PROGRAM, env, log)?;
        let mut child = command.arg("notice").stdin(Stdio::piped()).spawn()?;
        let mut line = child.stdin.take();
        if let Some(line) = &mut line {
            // It fits the pipe: nobody waits.
            let mut json = serde_json::to_vec(words)?;
            json.push(b'\n');
            line.write_all(&json)?;
        }
        Ok(Self {
            pid: Pid::from_child(&child),
            since: now,
            keep: words.keep,
            line,
            kill_at: None,
        })
    }

    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Whether it asks if the desktop is in use.
    pub(super) fn asks(&self) -> bool {
        self.keep
    }

    pub(super) fn is_withdrawn(&self) -> bool {
        self.line.is_none()
    }

    /// The last input was so long ago: who gave some has seen the question, or need not.
    pub(super) fn heed_input(&mut self, ago: Duration, now: Instant) {
        if self.keep && now.saturating_duration_since(self.since) > ago {
            self.withdraw(now);
        }
    }

    pub(super) fn withdraw(&mut self, now: Instant) {
        if self.line.take().is_some() {
            self.kill_at = Some(now + WITHDRAW_TIME);
        }
    }

    pub(super) fn kill_at(&self) -> Option<Instant> {
        self.kill_at
    }

    pub(super) fn kill_late(&mut self, now: Instant) {
        if self.kill_at.is_some_and(|at| at <= now) {
            self.kill_at = None;
            let _gone = kill_process(self.pid, Signal::KILL);
        }
    }
}

/// Shows the notice that comes on standard input, until it is answered or standard input ends.
///
/// # Errors
/// When it cannot be shown.
pub fn run() -> Result<(), Box<dyn Error>> {
    // Not buffered any further: the end of the input is waited for on the descriptor.
    let stdin = io::stdin();
    let mut line = Vec::new();
    io::BufReader::with_capacity(1, stdin.lock().take(MAX_WORDS)).read_until(b'\n', &mut line)?;
    let words: Words = serde_json::from_slice(&line)?;
    window::show(&words)
}
