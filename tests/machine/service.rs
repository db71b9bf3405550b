//! The machine's `deskway.service`, as packaging/systemd has it, and people who may sign in.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use crate::browser::Browser;
use crate::process;

/// Everybody's password.
pub const PASSWORD: &str = "correct horse 7";

/// Without TLS, which would take more than all the rest here.
const CONFIG: &str = "[[listen]]\naddress = \"systemd:https\"\nprotocol = \"http\"\n\
                      [desktops]\ndefault_profile = \"term\"\nmax_per_person = 3\n\
                      screen_timeout = \"60s\"\nsession_timeout = \"60s\"\n\
                      [[profile]]\nid = \"term\"\nname = \"Terminal\"\ncommand = [\"xterm\"]\n";

/// A Deskway that runs, on the socket unit, and is gone with its desktops when dropped.
pub struct Service;

impl Service {
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// With more lines in its configuration, before those that all have.
    pub fn start_with(more: &str) -> Self {
        configure(more);
        ok("systemctl", &["start", "deskway.socket", "deskway.service"]);
        Self
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // A test that failed may have stopped it already.
        _ = run("deskway", &["desktop", "stop", "--all"]);
        _ = run("systemctl", &["stop", "deskway.socket", "deskway.service"]);
        _ = run("systemctl", &["reset-failed", "deskway.service"]);
    }
}

pub fn configure(more: &str) {
    let running = fs::read_to_string("/proc/1/comm").unwrap();
    assert_eq!(
        running.trim(),
        "systemd",
        "run these by `cargo xtask machine`"
    );
    fs::create_dir_all("/etc/deskway").unwrap();
    fs::write("/etc/deskway/deskway.toml", format!("{more}\n{CONFIG}")).unwrap();
}

/// More lines of the service's unit, gone when dropped.
pub struct DropIn;

impl DropIn {
    const FOLDER: &str = "/run/systemd/system/deskway.service.d";

    pub fn new(lines: &str) -> Self {
        fs::create_dir_all(Self::FOLDER).unwrap();
        let file = format!("{}/test.conf", Self::FOLDER);
        fs::write(file, format!("[Service]\n{lines}\n")).unwrap();
        ok("systemctl", &["daemon-reload"]);
        Self
    }
}

impl Drop for DropIn {
    fn drop(&mut self) {
        // The machine ends soon; a test that this disturbs fails.
        _ = fs::remove_dir_all(Self::FOLDER);
        _ = run("systemctl", &["daemon-reload"]);
    }
}

/// A property of the unit.
pub fn property(name: &str) -> String {
    of_unit("deskway.service", name)
}

pub fn of_unit(unit: &str, name: &str) -> String {
    let told = ok("systemctl", &["show", "--value", "--property", name, unit]);
    told.trim().to_owned()
}

/// An account of the machine with a password; stays for as long as the machine.
pub struct Person {
    pub name: &'static str,
    pub uid: u32,
}

impl Person {
    pub fn new(name: &'static str) -> Self {
        ok("useradd", &["--create-home", "--shell", "/bin/bash", name]);
        let mut chpasswd = Command::new("chpasswd");
        // A hash that costs little.
        chpasswd.args(["--crypt-method", "SHA256", "--sha-rounds", "1000"]);
        let mut child = chpasswd.stdin(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        writeln!(input, "{name}:{PASSWORD}").unwrap();
        drop(input);
        assert!(child.wait().unwrap().success());
        let uid = ok("id", &["-u", name]).trim().parse().unwrap();
        Self { name, uid }
    }

    pub fn sign_in(&self) -> Browser {
        Browser::sign_in(self.name, PASSWORD)
    }

    /// The number of the X server of the only desktop.
    pub fn x_server(&self) -> i32 {
        process::one(self.uid, "Xtigervnc")
    }

    pub fn x_servers(&self) -> usize {
        let all = process::of_user(self.uid);
        let is = |command: &str| command.contains("Xtigervnc");
        all.iter().filter(|(_, command)| is(command)).count()
    }
}

/// Runs a program that must end well; what it says.
pub fn ok(program: &str, arguments: &[&str]) -> String {
    let output = run(program, arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}, {}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

pub fn run(program: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    command.output().unwrap()
}
