//! Runs the machine and reads on its second serial line how the tests went.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::report::Report;
use crate::run;

/// How long the machine may run in all.
const DEADLINE: Duration = Duration::from_mins(30);
/// How long it may say nothing: each test has less.
const SILENCE: Duration = Duration::from_mins(8);
const MEMORY: &str = "3072M";
/// So many lines of the kernel's and systemd's are shown when something went wrong.
const CONSOLE_LINES: usize = 40;
/// The console's own getty would wait for a device that nobody announces.
const KERNEL_ARGUMENTS: &str = "rdinit=/sbin/init console=ttyS0 panic=-1 quiet mitigations=off \
     systemd.mask=serial-getty@ttyS0.service systemd.show_status=error";

/// Boots, has the tests run, and fails when one of them does or did not run.
pub(super) fn boot(kernel: &Path, initrd: &Path, names: &[String]) -> Result<()> {
    let console = initrd.with_file_name("console");
    let mut machine = Machine::start(kernel, initrd, &console)?;
    let lines = machine.lines()?;
    let mut report = Report::new(names);
    let deadline = Instant::now() + DEADLINE;
    while !report.is_over() {
        let patience = SILENCE.min(deadline.saturating_duration_since(Instant::now()));
        let Ok(line) = lines.recv_timeout(patience) else {
            break;
        };
        report.take(line.trim_end_matches('\r'));
    }
    drop(machine);
    let ended = report.end();
    if ended.is_err() {
        run::note(&format!("The machine's console, {}:", console.display()));
        for line in last_lines(&console) {
            run::note(&line);
        }
    }
    ended
}

/// QEMU, ended when dropped.
struct Machine(Child);

impl Machine {
    fn start(kernel: &Path, initrd: &Path, console: &Path) -> Result<Self> {
        // What is tested beside it is not to wait for it.
        let mut qemu = Command::new("nice");
        qemu.args(["-n", "5", "qemu-system-x86_64"]);
        qemu.args(["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2"])
            .args([
                "-m",
                MEMORY,
                "-nodefaults",
                "-no-reboot",
                "-display",
                "none",
            ])
            .args(["-append", KERNEL_ARGUMENTS])
            .arg("-kernel")
            .arg(kernel)
            .arg("-initrd")
            .arg(initrd)
            .arg("-serial")
            .arg(format!("file:{}", console.display()))
            .args(["-serial", "stdio"]);
        let child = qemu.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        Ok(Self(child.context("cannot run qemu-system-x86_64")?))
    }

    /// What it says on its second serial line; ends when the machine does.
    fn lines(&mut self) -> Result<Receiver<String>> {
        let output = self.0.stdout.take().context("no serial line")?;
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || read(output, &sender));
        Ok(receiver)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended by itself.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

fn read(output: ChildStdout, to: &mpsc::Sender<String>) {
    for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
        if to
            .send(String::from_utf8_lossy(&line).into_owned())
            .is_err()
        {
            return;
        }
    }
}

fn last_lines(file: &Path) -> VecDeque<String> {
    let text = fs::read(file).unwrap_or_default();
    let mut last = VecDeque::new();
    for line in String::from_utf8_lossy(&text).lines() {
        if last.len() == CONSOLE_LINES {
            last.pop_front();
        }
        last.push_back(line.trim_end_matches('\r').to_owned());
    }
    last
}
