//! Throwaway accounts of the machine.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use deskway_osuser::Account;
use rustix::process::{Pid, Signal, kill_process};

use crate::process;

/// The account database has one writer at a time.
static DATABASE: Mutex<()> = Mutex::new(());

/// How long the last processes of an account may take to end once they are killed.
const LAST_PROCESSES: Duration = Duration::from_secs(10);

/// Every test account's password.
pub const PASSWORD: &str = "correct horse 7";

/// An account with a home, gone with its files and processes when dropped.
pub struct Person {
    pub name: String,
    pub uid: u32,
    /// The number of the account's own group, which is not always that of the account.
    pub gid: u32,
    /// The processes are somebody's who has the number from now on.
    leaves_processes: bool,
}

impl Person {
    pub fn new(tag: &str) -> Self {
        assert!(
            deskway_osuser::is_root(),
            "these tests make accounts: run them as root"
        );
        let name = Self::new_name(tag);
        let turn = DATABASE.lock().unwrap_or_else(PoisonError::into_inner);
        run(Command::new("useradd").args(["--create-home", "--shell", "/bin/bash", &name]));
        let person = Self::made(&name);
        let mut chpasswd = Command::new("chpasswd");
        let mut child = chpasswd.stdin(Stdio::piped()).spawn().unwrap();
        let line = format!("{}:{PASSWORD}\n", person.name);
        child
            .stdin
            .take()
            .unwrap()
            .write_all(line.as_bytes())
            .unwrap();
        assert!(child.wait().unwrap().success());
        drop(turn);
        person
    }

    /// Removes the account, whose processes may go on. The account that is returned has its number
    /// as long as it lives, so that no other test's is taken for it.
    pub fn remove(mut self) -> Self {
        let heir = Self::new_name("heir");
        let turn = DATABASE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut useradd = Command::new("useradd");
        useradd.args(["--create-home", "--non-unique", "--uid"]);
        run(useradd.args([&self.uid.to_string(), &heir]));
        let heir = Self::made(&heir);
        drop(turn);
        self.leaves_processes = true;
        drop(self);
        heir
    }

    /// A name that no account has.
    pub fn new_name(tag: &str) -> String {
        let mut random = [0; 3];
        getrandom::fill(&mut random).unwrap();
        let [a, b, c] = random;
        format!("dwt-{tag}-{a:02x}{b:02x}{c:02x}")
    }

    /// An account that is there already.
    pub fn made(name: &str) -> Self {
        let account = Account::by_name(name).unwrap().unwrap();
        Self {
            uid: account.uid,
            gid: account.gid,
            leaves_processes: false,
            name: account.name,
        }
    }

    pub fn home(&self) -> std::path::PathBuf {
        format!("/home/{}", self.name).into()
    }

    /// Runs `act` in a thread that is this person to the kernel.
    pub fn does<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        let gid = rustix::fs::Gid::from_raw(self.gid);
        let uid = rustix::fs::Uid::from_raw(self.uid);
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                rustix::thread::set_thread_groups(&[]).unwrap();
                rustix::thread::set_thread_res_gid(gid, gid, gid).unwrap();
                rustix::thread::set_thread_res_uid(uid, uid, uid).unwrap();
                act()
            });
            thread.join().unwrap()
        })
    }

    /// Runs a shell command as this person; its standard output when it succeeds.
    #[expect(
        clippy::unwrap_in_result,
        reason = "setpriv and sh are there, or the test fails"
    )]
    pub fn shell(&self, script: &str) -> Result<String, String> {
        let output = Command::new("setpriv")
            .args([
                &format!("--reuid={}", self.uid),
                &format!("--regid={}", self.gid),
            ])
            .args(["--clear-groups", "sh", "-c", script])
            .current_dir("/")
            .output()
            .expect("setpriv and sh");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr))
        }
    }
}

impl Person {
    /// Ends what a test that went wrong has left: the number is the next account's.
    fn kill_processes(&self) {
        let killed = || {
            let left = process::of_user(self.uid);
            for pid in left.iter().filter_map(|(pid, _)| Pid::from_raw(*pid)) {
                // It may have ended just now.
                _ = kill_process(pid, Signal::KILL);
            }
            left.is_empty().then_some(())
        };
        if process::within(LAST_PROCESSES, killed).is_none() {
            let left = process::of_user(self.uid);
            eprintln!(
                "processes of the test account {} are left: {left:?}",
                self.name
            );
        }
    }
}

/// A group of the machine, gone when dropped.
pub struct Group {
    pub name: String,
}

impl Group {
    pub fn new(tag: &str) -> Self {
        let name = Person::new_name(tag);
        let _turn = DATABASE.lock().unwrap_or_else(PoisonError::into_inner);
        run(Command::new("groupadd").arg(&name));
        Self { name }
    }

    pub fn take_in(&self, person: &Person) {
        let _turn = DATABASE.lock().unwrap_or_else(PoisonError::into_inner);
        run(Command::new("usermod").args(["--append", "--groups", &self.name, &person.name]));
    }

    pub fn let_go(&self, person: &Person) {
        let _turn = DATABASE.lock().unwrap_or_else(PoisonError::into_inner);
        run(Command::new("gpasswd").args(["--delete", &person.name, &self.name]));
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _turn = DATABASE.lock().unwrap_or_else(PoisonError::into_inner);
        let status = Command::new("groupdel").arg(&self.name).status();
        if !status.is_ok_and(|status| status.success()) {
            eprintln!("the test group {} is left", self.name);
        }
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        if !self.leaves_processes {
            self.kill_processes();
        }
        let _turn = DATABASE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut userdel = Command::new("userdel");
        let status = userdel
            .args(["--remove", "--force", &self.name])
            .stderr(Stdio::null())
            .status();
        if !status.is_ok_and(|status| status.success()) {
            eprintln!("the test account {} is left", self.name);
        }
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
