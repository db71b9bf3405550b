//! One Deskway with directories of its own: its configuration and its launcher process.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use deskway::cgroup::{Cgroups, Holds};
use deskway::model::{Secret, UserName};
use deskway::runtime::Clock;
use deskway::store::accounts::{self, NewAccount};
use rustix::process::{Pid, Signal, kill_process};

use crate::account::{PASSWORD, Person};
use crate::front::Front;
use crate::process;

/// A service that asks /etc/shadow alone.
const UNIX: &str = "auth required pam_unix.so\n\
                    account required pam_unix.so\n\
                    session required pam_limits.so\n\
                    session required pam_unix.so\n";

/// How many descriptors a launcher begins with.
pub const DESCRIPTORS: u32 = 500;

pub struct Site {
    directory: tempfile::TempDir,
    launcher: Option<Child>,
}

impl Site {
    /// A launcher with PAM over /etc/shadow, and `xterm` as the session.
    pub fn new() -> (Self, Front) {
        Self::with(UNIX, "")
    }

    /// As [`Site::new`], with another PAM service and more configuration.
    pub fn with(pam: &str, config: &str) -> (Self, Front) {
        Self::make(Some(pam), "", config)
    }

    /// As [`Site::new`], with desktops that are started again when they crash.
    pub fn restarting() -> (Self, Front) {
        Self::make(Some(UNIX), "restart = \"on-crash\"\n", "")
    }

    /// With the machine's own PAM services, among which there is none for Deskway.
    pub fn with_built_in_pam() -> (Self, Front) {
        Self::make(None, "", "")
    }

    fn make(pam: Option<&str>, desktops: &str, config: &str) -> (Self, Front) {
        assert!(deskway_osuser::is_root(), "these tests need root");
        // Not below /tmp: desktops have one of their own. And short, for sockets' paths.
        let directory = tempfile::Builder::new()
            .prefix("dwt-")
            .rand_bytes(6)
            .tempdir_in("/var/tmp")
            .unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o711);
        fs::set_permissions(directory.path(), mode).unwrap();
        let path = directory.path();
        fs::create_dir(path.join("pam.d")).unwrap();
        let sign_in = match pam {
            Some(pam) => {
                fs::write(path.join("pam.d/deskway"), pam).unwrap();
                format!("pam_dir = \"{}/pam.d\"", path.display())
            }
            // Of a name that no machine has a service for.
            None => "pam_service = \"deskway-test\"".to_owned(),
        };
        let text = format!(
            "[paths]\nrun = \"{0}/r\"\nstate = \"{0}/s\"\n\
             [sign_in]\n{sign_in}\n\
             [desktops]\ndefault_profile = \"term\"\nscreen_timeout = \"60s\"\n{desktops}\
             [[profile]]\nid = \"term\"\nname = \"Terminal\"\ncommand = [\"xterm\"]\n{config}\n",
            path.display()
        );
        fs::write(path.join("deskway.toml"), text).unwrap();
        let mut site = Self {
            directory,
            launcher: None,
        };
        let mut front = Front::listen(&site.run_dir());
        site.start();
        front.accept();
        (site, front)
    }

    pub fn run_dir(&self) -> PathBuf {
        self.directory.path().join("r")
    }

    pub fn state_dir(&self) -> PathBuf {
        self.directory.path().join("s")
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// What the control groups of this machine hold; where there are none, as in many containers,
    /// nothing.
    pub fn holds(&self) -> Holds {
        let holds = Cgroups::find(&self.run_dir()).holds();
        eprintln!("the groups of this machine: {holds:?}");
        holds
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path().join("log")).unwrap_or_default()
    }

    /// Makes a local account whose desktops run as another person; its name.
    pub fn add_local(&self, name: &str, runs_as: &Person) -> String {
        let (user, os_user): (UserName, UserName) =
            (name.parse().unwrap(), runs_as.name.parse().unwrap());
        let account = NewAccount {
            name: &user,
            os_user: Some(&os_user),
            full_name: None,
            password: &Secret::new(PASSWORD.to_owned()),
        };
        accounts::add(&self.state_dir(), &account, &Clock::System).unwrap();
        name.to_owned()
    }

    pub fn start(&mut self) {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.path().join("log"))
            .unwrap();
        // As a machine's services begin: with fewer descriptors than they may have.
        let launcher = Command::new("prlimit")
            .arg(format!("--nofile={DESCRIPTORS}:"))
            .args([env!("CARGO_BIN_EXE_deskway"), "launcher", "--config"])
            .arg(self.path().join("deskway.toml"))
            .stderr(log)
            .spawn()
            .unwrap();
        self.launcher = Some(launcher);
    }

    /// As a crash would.
    pub fn kill(&mut self) {
        let mut launcher = self.launcher.take().unwrap();
        launcher.kill().unwrap();
        launcher.wait().unwrap();
    }

    pub fn signal(&self, signal: Signal) {
        process::signal(self.pid(), signal);
    }

    /// The launcher's.
    pub fn pid(&self) -> i32 {
        let pid = self.launcher.as_ref().unwrap().id();
        i32::try_from(pid).unwrap()
    }

    /// The run directory of the only desktop.
    pub fn desktop_dir(&self) -> PathBuf {
        let mut entries = fs::read_dir(self.run_dir().join("s")).unwrap();
        let path = entries.next().unwrap().unwrap().path();
        assert!(entries.next().is_none(), "more than one desktop");
        path
    }

    /// Asserts that no process, socket, lock or directory of a desktop is left.
    pub fn assert_nothing_is_left(&self, people: &[&Person]) {
        for directory in ["r/s", "r/d", "s/tmp"] {
            let entries = fs::read_dir(self.path().join(directory)).unwrap();
            let left: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
            assert!(left.is_empty(), "{left:?}");
        }
        for person in people {
            // An errand of the launcher's may just be on its way out.
            process::until(&format!("the end of {}'s processes", person.name), || {
                process::of_user(person.uid).is_empty().then_some(())
            });
        }
        let launcher = self.launcher.as_ref().unwrap().id();
        let of_site = self.path().display().to_string();
        let mut processes = process::mentioning(&of_site);
        processes.remove(&i32::try_from(launcher).unwrap());
        let processes: Vec<String> = processes
            .into_iter()
            .map(|pid| format!("{pid} {}", process::command_line(pid)))
            .collect();
        assert!(processes.is_empty(), "{processes:?}");
    }

    /// Ends the launcher and whatever desktops it has.
    fn end(&mut self) {
        if let Some(launcher) = &mut self.launcher {
            let ended = launcher.kill().and_then(|()| launcher.wait());
            if let Err(error) = ended {
                eprintln!("the launcher: {error}");
            }
        }
        // Session children, which end all below them when they are told to. They are forks of the
        // launcher; a very new one has not written its record yet.
        let of_site = self.path().display().to_string();
        let told = || {
            let mut left = process::mentioning(&of_site);
            left.retain(|pid| process::command_line(*pid).contains(" launcher "));
            for pid in left.iter().filter_map(|pid| Pid::from_raw(*pid)) {
                // It may have ended just now.
                _ = kill_process(pid, Signal::TERM);
            }
            left.is_empty().then_some(())
        };
        if process::within(process::PATIENCE, told).is_none() {
            let left = process::mentioning(&of_site);
            let left: Vec<_> = left.into_iter().map(process::command_line).collect();
            eprintln!("desktops are left: {left:?}");
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            eprintln!("the launcher's log:\n{}", self.log());
        }
    }
}
