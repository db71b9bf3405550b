//! Says where the demo is and with which passwords, once it can be visited.
//!
//! The demo's process becomes `deskway up`, so a small second process waits and prints.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::accounts::Person;
use crate::run;

/// How long a start may take before it counts as failed.
const PATIENCE: Duration = Duration::from_mins(1);

/// What is to be said.
pub(crate) struct Facts {
    pub(crate) url: String,
    pub(crate) json: bool,
    pub(crate) people: Vec<Person>,
}

impl Facts {
    /// Starts the process that says it when the address answers. The facts travel by its
    /// environment, which only this user and root can read; an argument everybody could.
    pub(crate) fn announce_when_ready(&self) -> Result<()> {
        let pid = std::process::id();
        let mut lines = vec![self.url.clone(), self.json.to_string(), pid.to_string()];
        for person in &self.people {
            lines.push(person.name.clone());
            lines.push(person.password.clone());
        }
        let program = std::env::current_exe()?;
        let mut child = Command::new(program);
        child.args(["announce", FACTS]).env(FACTS, lines.join("\n"));
        child.spawn().context("cannot start the announcer")?;
        Ok(())
    }
}

const FACTS: &str = "DESKWAY_DEMO_FACTS";

/// The second process: waits for the address, then prints.
pub(crate) fn run(facts: &str) -> Result<()> {
    let facts = std::env::var(facts)?;
    let mut lines = facts.lines();
    let (Some(url), Some(json), Some(pid)) = (lines.next(), lines.next(), lines.next()) else {
        bail!("nothing to announce");
    };
    let words: Vec<&str> = lines.collect();
    let people: Vec<(&str, &str)> = words
        .chunks_exact(2)
        .map(|pair| (pair[0], pair[1]))
        .collect();
    wait_until_ready(url, pid)?;
    if json == "true" {
        let user = |(name, password): &(&str, &str)| {
            format!(r#"{{"name":"{name}","password":"{password}"}}"#)
        };
        let users: Vec<String> = people.iter().map(user).collect();
        run::say(&format!(
            r#"{{"url":"{url}","users":[{}],"pid":{pid}}}"#,
            users.join(",")
        ));
    } else {
        let mut text = format!("\nDeskway is ready: {url}\n\n");
        for (name, password) in &people {
            _ = writeln!(text, "  {name:<12} password {password}");
        }
        text.push_str("\nCtrl-C ends it, and both desktops.\n");
        run::say(&text);
    }
    Ok(())
}

/// Asks until the answer is 200, or until the process that should answer is no more.
fn wait_until_ready(url: &str, pid: &str) -> Result<()> {
    let address = url.trim_start_matches("http://");
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        if is_ready(address) {
            return Ok(());
        }
        if !std::path::Path::new("/proc").join(pid).exists() {
            bail!("deskway ended before it was ready; what it said stands above");
        }
        pause();
    }
    bail!("{url} did not answer within {} s", PATIENCE.as_secs())
}

fn is_ready(address: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else {
        return false;
    };
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    let patience = Some(Duration::from_secs(2));
    stream.set_read_timeout(patience).is_ok()
        && stream.write_all(request.as_bytes()).is_ok()
        && stream.read_to_string(&mut answer).is_ok()
        && answer.starts_with("HTTP/1.1 200")
}

#[expect(
    clippy::disallowed_methods,
    reason = "another program's start gives no event to wait for"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(50));
}
