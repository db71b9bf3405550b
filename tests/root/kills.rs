//! Whatever is killed, and whenever: what a person was told was done is done.
//!
//! A launcher and a front run beside each other; they, the audit log's writer and commands that
//! change accounts are killed two hundred times, the first two most often, while people sign in, start desktops and get
//! passwords. Then every promise is looked at.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use deskway::audit::{self, Outcome, Wanted, What};
use deskway::model::Secret;
use deskway::store::accounts::{self, LocalVerdict};
use deskway::store::database;

use crate::account::{PASSWORD, Person};
use crate::gateway::{self, Gateway, Reply};
use crate::process;

const KILLS: usize = 200;
/// How long they may take in all.
const LIMIT: Duration = Duration::from_mins(10);
/// After a kill so long is waited for a promise, then the next comes.
const PROGRESS: Duration = Duration::from_millis(800);
/// People who sign in, and how often each may: fewer than a person's most sign-ins.
const PEOPLE: usize = 20;
const MOST_SIGN_INS: usize = 45;

/// What was told.
#[derive(Debug, Default)]
struct Promises {
    /// The passwords that an account may have: one, unless a change was interrupted.
    accounts: BTreeMap<String, Vec<String>>,
    sign_ins: Vec<(String, String)>,
    tried: BTreeMap<String, usize>,
    starts: usize,
}

struct Scene<'a> {
    folder: &'a Path,
    address: SocketAddr,
    os_user: &'a str,
    promises: Mutex<Promises>,
    /// Counts up with each promise.
    told: AtomicUsize,
    /// Counts up with each sign-in.
    let_in: AtomicUsize,
    commands: Mutex<Vec<i32>>,
    over: AtomicBool,
}

/// Numbers that a seed brings again (xorshift64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

#[test]
fn two_hundred_kills_lose_nothing_that_anybody_was_told() {
    let seed = std::env::var("DESKWAY_KILLS_SEED").ok();
    let seed = seed.and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).unwrap();
        u64::from_ne_bytes(bytes) | 1
    });
    eprintln!("DESKWAY_KILLS_SEED={seed} brings the same kills again");
    let mut chance = Chance(seed);
    let person = Person::new("kl");
    let folder = Gateway::folder();
    let path = folder.path();
    let more = "\n[sign_in]\ntries_per_minute = 1000\npam = false\n[desktops]\n\
                x_server = \"/bin/false\"\n";
    let config = fs::read_to_string(path.join("deskway.toml")).unwrap();
    let paths = config.split("[sign_in]").next().unwrap();
    let profile = "[[profile]]\nid = \"term\"\nname = \"T\"\ncommand = [\"true\"]\n";
    fs::write(path.join("deskway.toml"), format!("{paths}{more}{profile}")).unwrap();
    let scene = Scene {
        folder: path,
        // Free a moment ago, and not given to anybody who asks for any port again so soon.
        address: TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap(),
        os_user: &person.name,
        promises: Mutex::default(),
        told: AtomicUsize::new(0),
        let_in: AtomicUsize::new(0),
        commands: Mutex::default(),
        over: AtomicBool::new(false),
    };
    for number in 0..PEOPLE {
        assert!(
            scene.add(&format!("p{number}")),
            "an account cannot be added"
        );
    }
    let (mut front, mut launcher) = (scene.role("serve"), scene.role("launcher"));
    std::thread::scope(|threads| {
        let _over = Over(&scene.over);
        for number in 0..2 {
            let scene = &scene;
            threads.spawn(move || scene.change_accounts(number));
            threads.spawn(move || scene.sign_in_and_start(number));
        }
        let since = Instant::now();
        let (mut of_roles, mut of_others) = (0, 0);
        while of_roles + of_others < KILLS {
            assert!(
                since.elapsed() < LIMIT,
                "{of_roles} and {of_others} kills took all the time"
            );
            pause(chance.below(30));
            // Who takes long to be there again is given the time to let somebody in.
            match chance.below(20) {
                number @ 0..13 => {
                    let role = if number < 6 {
                        &mut launcher
                    } else {
                        &mut front
                    };
                    of_roles += usize::from(scene.kill(role));
                    wait_for(&scene.let_in, PROGRESS);
                    continue;
                }
                13..16 => of_others += killed(&recorders(&launcher)),
                _ => of_others += killed(&scene.commands.lock().unwrap()),
            }
            wait_for(&scene.told, PROGRESS / 8);
        }
        eprintln!("killed: {of_roles} times a front or a launcher, {of_others} times another");
        assert!(
            of_roles > of_others,
            "too few of the roles were there to be killed"
        );
    });
    scene.check();
}

/// Tells the others that it is over, also when that is because something went wrong.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A front or a launcher, ended when dropped.
struct Role {
    name: &'static str,
    process: Child,
}

impl Drop for Role {
    fn drop(&mut self) {
        let ended = self.process.kill().and_then(|()| self.process.wait());
        if let Err(error) = ended {
            eprintln!("the {}: {error}", self.name);
        }
    }
}

/// Waits until `count` grows, at most so long.
fn wait_for(count: &AtomicUsize, limit: Duration) {
    let before = count.load(Ordering::Relaxed);
    let until = Instant::now() + limit;
    while count.load(Ordering::Relaxed) == before && Instant::now() < until {
        pause(2);
    }
}

impl Scene<'_> {
    fn role(&self, name: &'static str) -> Role {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.join("log"));
        let process = Command::new(env!("CARGO_BIN_EXE_deskway"))
            .args([name, "--listen", &self.address.to_string(), "--config"])
            .arg(self.folder.join("deskway.toml"))
            .stdout(Stdio::null())
            .stderr(log.unwrap())
            .spawn()
            .unwrap();
        Role { name, process }
    }

    /// Whether it was still there to be killed; another is there then.
    fn kill(&self, role: &mut Role) -> bool {
        let was_there = role.process.try_wait().unwrap().is_none();
        role.process.kill().unwrap();
        role.process.wait().unwrap();
        *role = self.role(role.name);
        was_there
    }

    fn state(&self) -> PathBuf {
        self.folder.join("s")
    }

    fn tell(&self, promise: impl FnOnce(&mut Promises)) {
        promise(&mut self.promises.lock().unwrap());
        self.told.fetch_add(1, Ordering::Relaxed);
    }

    /// A command about an account, which may be killed: whether it said that it was done.
    fn command(&self, args: &[&str], password: &str) -> bool {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deskway"));
        command.arg("user").args(args).arg("--password-stdin");
        command
            .arg("--config")
            .arg(self.folder.join("deskway.toml"));
        let command = command.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        self.commands.lock().unwrap().push(pid(&child));
        let mut input = child.stdin.take().unwrap();
        let written = writeln!(input, "{password}");
        drop(input);
        // Out of the list before its number can be another's.
        let ended = rustix::process::waitid(
            rustix::process::WaitId::Pid(rustix::process::Pid::from_child(&child)),
            rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT,
        );
        ended.unwrap();
        self.commands
            .lock()
            .unwrap()
            .retain(|it| *it != pid(&child));
        child.wait().unwrap().success() && written.is_ok()
    }

    fn add(&self, name: &str) -> bool {
        let done = self.command(&["add", name, "--os-user", self.os_user], PASSWORD);
        if done {
            self.tell(|promises| {
                promises
                    .accounts
                    .insert(name.to_owned(), vec![PASSWORD.to_owned()]);
            });
        }
        done
    }

    /// Adds accounts and gives them other passwords.
    fn change_accounts(&self, worker: usize) {
        for number in 0.. {
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            let (name, new) = (
                format!("w{worker}-{number}"),
                format!("new password {number}"),
            );
            if !self.add(&name) {
                continue;
            }
            // Meanwhile it may be either.
            let either = |promises: &mut Promises| {
                promises.accounts.get_mut(&name).unwrap().push(new.clone());
            };
            either(&mut self.promises.lock().unwrap());
            if self.command(&["passwd", &name], &new) {
                self.tell(|promises| {
                    promises.accounts.insert(name.clone(), vec![new.clone()]);
                });
            }
        }
    }

    fn sign_in_and_start(&self, worker: usize) {
        for number in 0..MOST_SIGN_INS * PEOPLE / 2 {
            // While nobody listens nothing is tried.
            while gateway::connect(self.address).is_err() && !self.over.load(Ordering::Relaxed) {
                pause(5);
            }
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            // Each worker has its own people.
            let name = format!("p{}", (number % (PEOPLE / 2)) * 2 + worker);
            let tried = |promises: &mut Promises| {
                *promises.tried.entry(name.clone()).or_default() += 1;
            };
            tried(&mut self.promises.lock().unwrap());
            let body = format!("name={name}&password={}&next=/", PASSWORD.replace(' ', "+"));
            let kind = "application/x-www-form-urlencoded";
            let Some(reply) = self.post("/sign-in", kind, &body, "") else {
                // It was killed meanwhile.
                continue;
            };
            let cookie = reply.head.lines().find_map(|line| {
                let (key, value) = line.split_once(": ")?;
                let cookie = key.eq_ignore_ascii_case("set-cookie");
                cookie.then(|| value.split(';').next().unwrap().to_owned())
            });
            let Some(cookie) = cookie.filter(|_| reply.status == 303) else {
                pause(5);
                continue;
            };
            self.tell(|promises| promises.sign_ins.push((name.clone(), cookie.clone())));
            self.let_in.fetch_add(1, Ordering::Relaxed);
            if number % 4 == 0 {
                let path = format!("/api/v1/desktops/{name}/main/start");
                let reply = self.post(&path, "application/json", "{}", &cookie);
                if reply.is_some_and(|reply| reply.status == 202) {
                    self.tell(|promises| promises.starts += 1);
                }
            }
        }
    }

    fn post(&self, path: &str, kind: &str, body: &str, cookie: &str) -> Option<Reply> {
        self.ask(&format!(
            "POST {path} HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\nCookie: {cookie}\r\n\
             Connection: close\r\nContent-Type: {kind}\r\nContent-Length: {1}\r\n\r\n{body}",
            self.address,
            body.len()
        ))
    }

    /// `None`: it was killed before it had answered.
    fn ask(&self, request: &str) -> Option<Reply> {
        let mut stream = gateway::connect(self.address).ok()?;
        stream.write_all(request.as_bytes()).ok()?;
        gateway::read_reply(&mut BufReader::new(stream)).ok()?
    }

    fn check(&self) {
        let promises = self.promises.lock().unwrap();
        let counts = (
            promises.accounts.len(),
            promises.sign_ins.len(),
            promises.starts,
        );
        eprintln!("promised: {counts:?} accounts, sign-ins, starts");
        assert!(
            counts.0 > PEOPLE && counts.1 > 0,
            "nothing was promised: {counts:?}"
        );
        for (name, passwords) in &promises.accounts {
            let is_right = |password: &String| {
                let password = Secret::new(password.clone());
                let verdict = accounts::verify(&self.state(), &name.parse().unwrap(), &password);
                matches!(verdict, Ok(LocalVerdict::Right { .. }))
            };
            assert!(
                passwords.iter().any(is_right),
                "{name} has lost its password"
            );
        }
        for (name, cookie) in &promises.sign_ins {
            let request = format!(
                "GET /api/v1/me HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n",
                self.address
            );
            let reply = process::until("an answer", || {
                self.ask(&request).filter(|reply| reply.status != 503)
            });
            assert_eq!(reply.status, 200, "{name} was signed out: {reply:?}");
        }
        let found = audit::read(&self.state(), &Wanted::default()).unwrap();
        let count = |what, who: Option<&str>| {
            let entries = found.iter().map(|found| &found.entry);
            let fits = |it: &&audit::Entry| {
                it.what == what && it.outcome == Outcome::Ok && who.is_none_or(|who| it.who == who)
            };
            entries.filter(fits).count()
        };
        for (name, tried) in &promises.tried {
            let told = promises
                .sign_ins
                .iter()
                .filter(|(who, _)| who == name)
                .count();
            let written = count(What::SignIn, Some(name));
            assert!(
                (told..=*tried).contains(&written),
                "{name}: {told} sign-ins told, {written} on record, {tried} tried"
            );
        }
        assert!(
            count(What::Start, None) >= promises.starts,
            "a start is not on record"
        );
        for name in promises.accounts.keys() {
            let added = found.iter().any(|found| {
                let own = found.entry.details.split(',').next() == Some(name);
                found.entry.what == What::AccountAdd && own
            });
            assert!(added, "that {name} was added is not on record");
        }
        for file in ["accounts.db", "front/front.db", "audit/audit.db"] {
            let path = self.state().join(file);
            let report = database::integrity(&path).unwrap();
            assert_eq!(report, "ok", "{file}");
        }
    }
}

/// The audit log's writers below a launcher.
fn recorders(launcher: &Role) -> Vec<i32> {
    let pid = pid(&launcher.process);
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.unwrap_or_default();
    let pids = children.split_whitespace().map(|pid| pid.parse().unwrap());
    let is_recorder = |pid: &i32| {
        let name = fs::read_to_string(format!("/proc/{pid}/comm"));
        name.is_ok_and(|name| name.trim() == "deskway-audit")
    };
    pids.filter(is_recorder).collect()
}

/// Kills them; how many were there.
fn killed(pids: &[i32]) -> usize {
    let kill = |pid: &&i32| {
        let pid = rustix::process::Pid::from_raw(**pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).is_ok()
    };
    pids.iter().filter(kill).count()
}

fn pid(child: &Child) -> i32 {
    i32::try_from(child.id()).unwrap()
}

/// A moment that is random, or between two tries.
fn pause(millis: u64) {
    let time = rustix::event::Timespec::try_from(Duration::from_millis(millis)).unwrap();
    rustix::event::poll(&mut [], Some(&time)).unwrap();
}
