//! Deskway as it is delivered, in a folder of its own, and a person who is signed in.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bench_bridge::process;
use rustix::process::{Pid, Signal, kill_process};

use crate::account::Account;

/// A service that asks /etc/shadow alone.
const PAM: &str = "auth required pam_unix.so\naccount required pam_unix.so\n\
                   session required pam_unix.so\n";
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Most lines of the log that are shown when something goes wrong.
const LOG_LINES: usize = 30;

pub(crate) struct Gateway {
    folder: PathBuf,
    program: PathBuf,
    up: Child,
    address: SocketAddr,
}

/// Somebody's sign-in.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) address: SocketAddr,
    pub(crate) name: String,
    pub(crate) cookie: String,
}

/// What `deskway desktop list` says.
pub(crate) struct Listed {
    pub(crate) all: usize,
    pub(crate) ready: usize,
}

impl Gateway {
    pub(crate) fn start(program: &Path) -> Result<Self> {
        let folder = Path::new("/var/tmp").join(format!("dwt-scale-{}", std::process::id()));
        fs::create_dir(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o711))?;
        fs::create_dir(folder.join("pam.d"))?;
        fs::write(folder.join("pam.d/deskway"), PAM)?;
        let config = folder.join("deskway.toml");
        let text = format!(
            "[paths]\nrun = \"{0}/r\"\nstate = \"{0}/s\"\n[sign_in]\npam_dir = \"{0}/pam.d\"\n\
             [desktops]\ndefault_profile = \"bare\"\nmax_per_person = 100\n\
             screen_timeout = \"60s\"\nsession_timeout = \"60s\"\n\
             [[profile]]\nid = \"bare\"\nname = \"Bare\"\ncommand = [\"xterm\", \"-e\", \"sleep\", \"1d\"]\n",
            folder.display()
        );
        fs::write(&config, text)?;
        let mut up = Command::new(program);
        up.args(["up", "--listen", "127.0.0.1:0", "--config"]);
        up.arg(&config);
        let log = fs::File::create(folder.join("log"))?;
        let mut up = up.stdout(Stdio::piped()).stderr(log).spawn()?;
        let output = up.stdout.take().context("no standard output")?;
        let address = BufReader::new(output).lines().find_map(|line| {
            let line = line.ok()?;
            let at = line.strip_prefix("Deskway is at http://")?;
            at.trim_end_matches('/').parse().ok()
        });
        let mut gateway = Self {
            folder,
            program: program.to_owned(),
            up,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        match address {
            Some(address) => gateway.address = address,
            None => bail!("Deskway does not start: {}", gateway.log_end()),
        }
        Ok(gateway)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.up.id()
    }

    pub(crate) fn run_dir(&self) -> PathBuf {
        self.folder.join("r")
    }

    /// The end of its log.
    pub(crate) fn log_end(&self) -> String {
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }

    /// The supervisor, the front and the launcher.
    pub(crate) fn processes(&self) -> Result<Vec<u32>> {
        let roles = self.roles()?;
        if roles.len() != 2 {
            bail!("not two roles: {roles:?}");
        }
        Ok([vec![self.pid()], roles].concat())
    }

    /// The session children and agents of desktops.
    pub(crate) fn session_processes(&self) -> Result<Vec<u32>> {
        let own = self.processes()?;
        let program = fs::canonicalize(&self.program)?;
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let pid = name.to_str().and_then(|name| name.parse::<u32>().ok());
            let Some(pid) = pid.filter(|pid| !own.contains(pid)) else {
                continue;
            };
            let runs = fs::read_link(format!("/proc/{pid}/exe"));
            if runs.is_ok_and(|runs| runs == program) {
                found.push(pid);
            }
        }
        Ok(found)
    }

    /// As a crash of both would.
    pub(crate) fn kill_roles(&self) -> Result<()> {
        process::kill(&self.roles()?);
        Ok(())
    }

    pub(crate) fn list(&self) -> Result<Listed> {
        let mut list = Command::new(&self.program);
        list.args(["desktop", "list", "--json", "--config"]);
        let output = list.arg(self.folder.join("deskway.toml")).output()?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(Listed {
            all: text.matches("\"state\":").count(),
            ready: text.matches("\"ready\"").count(),
        })
    }

    /// Freezes a desktop, as root may.
    pub(crate) fn freeze(&self, desktop: &str) -> Result<()> {
        let mut freeze = Command::new(&self.program);
        freeze.args(["desktop", "freeze", desktop, "--config"]);
        let output = freeze.arg(self.folder.join("deskway.toml")).output()?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    pub(crate) fn sign_in(&self, account: &Account) -> Result<Person> {
        let mut person = Person {
            address: self.address,
            name: account.name.clone(),
            cookie: String::new(),
        };
        let body = format!("name={}&password={}&next=/", account.name, account.password);
        let kind = "application/x-www-form-urlencoded";
        let answer = person.ask("POST", "/sign-in", kind, &body)?;
        let cookie = answer.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("set-cookie").then_some(value)
        });
        let cookie = cookie.with_context(|| format!("not signed in: {answer}"))?;
        let cookie = cookie.split(';').next().unwrap_or_default();
        cookie.clone_into(&mut person.cookie);
        Ok(person)
    }

    fn roles(&self) -> Result<Vec<u32>> {
        let pid = self.pid();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
        let children = children.split_whitespace().map(str::parse);
        Ok(children.collect::<Result<_, _>>()?)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // What a run that went wrong has left ends with its session child.
        for pid in self.session_processes().unwrap_or_default() {
            signal(pid, Signal::TERM);
        }
        signal(self.pid(), Signal::TERM);
        if let Err(error) = self.up.wait() {
            crate::note(&format!("Deskway does not end: {error}"));
        }
        let gone = crate::until("the end of the desktops", PATIENCE, || {
            let left = self.session_children();
            for pid in &left {
                signal(*pid, Signal::TERM);
            }
            Ok(left.is_empty().then_some(()))
        });
        if let Err(error) = gone {
            crate::note(&format!("{error:#}"));
        }
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            crate::note(&format!("{} is left: {error}", self.folder.display()));
        }
    }
}

impl Gateway {
    /// Those of the records that are still there and are not the fake ones.
    fn session_children(&self) -> Vec<u32> {
        let program = fs::canonicalize(&self.program).unwrap_or_default();
        let records = fs::read_dir(self.folder.join("r/d")).into_iter().flatten();
        let pids = records.flatten().filter_map(|record| {
            let text = fs::read_to_string(record.path()).ok()?;
            let record: serde_json::Value = serde_json::from_str(&text).ok()?;
            u32::try_from(record["pid"].as_u64()?).ok()
        });
        pids.filter(|pid| {
            let runs = fs::read_link(format!("/proc/{pid}/exe"));
            runs.is_ok_and(|runs| runs == program)
        })
        .collect()
    }
}

impl Person {
    pub(crate) fn start(&self, desktop: &str) -> Result<()> {
        self.act(desktop, "start", "202")
    }

    pub(crate) fn stop(&self, desktop: &str) -> Result<()> {
        self.act(desktop, "stop", "200")
    }

    /// How many desktops can be used.
    pub(crate) fn ready(&self) -> Result<usize> {
        let answer = self.ask("GET", "/api/v1/desktops", "text/plain", "")?;
        if let Some(at) = answer.find("\"failed\"") {
            bail!("{}", answer.get(at..).unwrap_or_default());
        }
        Ok(answer.matches("\"state\":\"ready\"").count())
    }

    fn act(&self, desktop: &str, act: &str, status: &str) -> Result<()> {
        let path = format!("/api/v1/desktops/{}/{desktop}/{act}", self.name);
        let answer = self.ask("POST", &path, "application/json", "{}")?;
        if !answer.starts_with(&format!("HTTP/1.1 {status} ")) {
            bail!("{act} of {desktop}: {answer}");
        }
        Ok(())
    }

    fn ask(&self, method: &str, path: &str, kind: &str, body: &str) -> Result<String> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\nCookie: {1}\r\n\
             Content-Type: {kind}\r\nContent-Length: {2}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            self.cookie,
            body.len()
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // One that has ended by itself is as good.
        _ = kill_process(pid, signal);
    }
}
