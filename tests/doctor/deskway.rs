//! A Deskway of its own below `/desk`, and its doctor.

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tempfile::TempDir;

const DESKWAY: &str = env!("CARGO_BIN_EXE_deskway");
/// Until people could sign in.
const READY_TIMEOUT: Duration = Duration::from_mins(1);

pub struct Deskway {
    process: Child,
    /// `127.0.0.1:PORT`.
    pub address: String,
    place: TempDir,
}

/// What doctor said.
#[derive(Debug)]
pub struct Report {
    pub findings: Vec<Finding>,
    pub status: Option<i32>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Finding {
    pub check: String,
    pub state: String,
    pub found: String,
    pub mend: Option<String>,
}

impl Deskway {
    /// Below `/desk`, with that configuration.
    pub fn start(config: &str) -> Self {
        let place = tempfile::tempdir().unwrap();
        // The front is another user where this is root.
        fs::set_permissions(place.path(), Permissions::from_mode(0o755)).unwrap();
        fs::write(place.path().join("deskway.toml"), config).unwrap();
        let mut up = Command::new(DESKWAY);
        up.args(["up", "--listen", "127.0.0.1:0", "--base-path", "/desk"]);
        up.args(flags(place.path()));
        up.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = up.spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let address = loop {
            let line = receiver.recv_timeout(READY_TIMEOUT).expect("not ready");
            if let Some((_, url)) = line.split_once("://") {
                break url.split('/').next().unwrap().to_owned();
            }
        };
        Self {
            process,
            address,
            place,
        }
    }

    /// Sends doctor to `url`, without a minute of silence.
    pub fn quick(&self, url: &str) -> Report {
        self.doctor(url, &["--quick"], None)
    }

    /// `authority`: a file with the only one that is trusted.
    pub fn doctor(&self, url: &str, more: &[&str], authority: Option<&Path>) -> Report {
        let mut doctor = Command::new(DESKWAY);
        doctor.args(["doctor", "--json", "--url", url]).args(more);
        doctor.args(["--base-path", "/desk", "--listen", &self.address]);
        doctor.args(flags(self.place.path()));
        if let Some(authority) = authority {
            doctor
                .env("SSL_CERT_FILE", authority)
                .env_remove("SSL_CERT_DIR");
        }
        let output = doctor.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let findings = serde_json::from_str(&text);
        Report {
            findings: findings.unwrap_or_else(|error| {
                let said = String::from_utf8_lossy(&output.stderr);
                panic!("{error}: {text}{said}")
            }),
            status: output.status.code(),
        }
    }

    pub fn state(&self) -> PathBuf {
        self.place.path().join("state")
    }
}

impl Drop for Deskway {
    fn drop(&mut self) {
        let pid = Pid::from_child(&self.process);
        // One that has ended already is as good.
        _ = kill_process(pid, Signal::TERM);
        _ = self.process.wait();
    }
}

impl Report {
    pub fn of(&self, check: &str) -> &Finding {
        let found = self.findings.iter().find(|finding| finding.check == check);
        found.unwrap_or_else(|| panic!("nothing of {check}: {self:#?}"))
    }

    /// The one finding that is not fine, of that check.
    pub fn only(&self, check: &str) -> &Finding {
        let bad: Vec<_> = self
            .findings
            .iter()
            .filter(|it| it.state != "fine")
            .collect();
        assert!(bad.len() == 1 && bad[0].check == check, "{self:#?}");
        bad[0]
    }

    pub fn all_is_fine(&self) {
        let bad = self.findings.iter().find(|finding| finding.state != "fine");
        assert!(bad.is_none() && self.status == Some(0), "{self:#?}");
    }
}

impl Finding {
    /// It is wrong, and says to write exactly that.
    pub fn is_mended_by(&self, directive: &str) {
        let says = self
            .mend
            .as_ref()
            .is_some_and(|mend| mend.contains(directive));
        assert!(says && self.state == "wrong", "{self:#?} lacks {directive}");
    }
}

fn flags(place: &Path) -> Vec<String> {
    let path = |name: &str| place.join(name).display().to_string();
    let flag = |name: &str, value| [name.to_owned(), value];
    [
        flag("--config", path("deskway.toml")),
        flag("--run-dir", path("run")),
        flag("--state-dir", path("state")),
    ]
    .concat()
}
