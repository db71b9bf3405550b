//! Throwaway accounts of the machine.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use deskway_osuser::Account;

/// The account database has one writer at a time.
static DATABASE: Mutex<()> = Mutex::new(());

/// Every test account's password.
pub const PASSWORD: &str = "correct horse 7";

/// An account with a home, gone with its files and processes when dropped.
pub struct Person {
    pub name: String,
    pub uid: u32,
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
        let mut person = Self { name, uid: 0 };
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
        person.uid = Account::by_name(&person.name).unwrap().unwrap().uid;
        person
    }

    /// Removes the account, whose processes may go on. The account that is returned has its number
    /// as long as it lives, so that no other test's is taken for it.
    pub fn remove(self) -> Self {
        let heir = Self {
            name: Self::new_name("heir"),
            uid: self.uid,
        };
        let turn = DATABASE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut useradd = Command::new("useradd");
        useradd.args(["--create-home", "--non-unique", "--uid"]);
        run(useradd.args([&self.uid.to_string(), &heir.name]));
        drop(turn);
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

    /// An account that was made by what is tested.
    pub fn made(name: &str) -> Self {
        let account = Account::by_name(name).unwrap().unwrap();
        Self {
            uid: account.uid,
            name: account.name,
        }
    }

    pub fn home(&self) -> std::path::PathBuf {
        format!("/home/{}", self.name).into()
    }

    /// Runs `act` in a thread that is this person to the kernel.
    pub fn does<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        let gid = rustix::fs::Gid::from_raw(self.uid);
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
                &format!("--regid={}", self.uid),
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
