//! nginx in front of a Deskway, with a location of the test's own.

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::Deskway;
use super::certificates::Pair;

/// Until it serves.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// A port that is free may be somebody else's a moment later.
const TRIES: usize = 5;

/// What is right for Deskway, line by line; tests break one.
pub const GOOD: &str = r#"
    proxy_pass http://UPSTREAM;
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection "upgrade";
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header Forwarded "";
    proxy_buffering off;
    proxy_read_timeout 1h;
    proxy_send_timeout 1h;
"#;

pub struct Nginx {
    process: Child,
    /// `http://127.0.0.1:PORT/desk/`, or https.
    pub url: String,
    _place: TempDir,
}

impl Nginx {
    /// Plain http before `deskway`, with `location` in `location /desk/`.
    pub fn start(deskway: &Deskway, location: &str) -> Self {
        Self::with(deskway, location, None)
    }

    pub fn with(deskway: &Deskway, location: &str, pair: Option<&Pair>) -> Self {
        let started = (0..TRIES).find_map(|_| Self::try_once(deskway, location, pair));
        started.expect("nginx does not start")
    }

    fn try_once(deskway: &Deskway, location: &str, pair: Option<&Pair>) -> Option<Self> {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let place = tempfile::tempdir().unwrap();
        fs::set_permissions(place.path(), Permissions::from_mode(0o755)).unwrap();
        let folder = place.path().display();
        let tls = pair.map_or_else(String::new, |pair| {
            let (chain, key) = (place.path().join("chain.pem"), place.path().join("key.pem"));
            fs::write(&chain, &pair.chain).unwrap();
            fs::write(&key, &pair.key).unwrap();
            let (chain, key) = (chain.display(), key.display());
            format!("ssl_certificate {chain}; ssl_certificate_key {key};")
        });
        let (ssl, scheme) = if pair.is_some() {
            (" ssl", "https")
        } else {
            ("", "http")
        };
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| {
                format!(
                    "{name}_temp_path {folder}/{name};
"
                )
            })
            .concat();
        let location = location.replace("UPSTREAM", &deskway.address);
        let text = format!(
            "daemon off; worker_processes 1; pid {folder}/pid; error_log stderr notice;\n\
             events {{}}\nhttp {{ access_log off;\n{temporary}\
             server {{ listen {address}{ssl}; {tls}\nlocation /desk/ {{ {location} }} }} }}\n"
        );
        let file = place.path().join("nginx.conf");
        fs::write(&file, text).unwrap();
        let mut nginx = Command::new("nginx");
        nginx.arg("-p").arg(place.path()).arg("-c").arg(&file);
        nginx.env(
            "PATH",
            "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin",
        );
        nginx.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = nginx.spawn().expect("install nginx-light");
        if !is_ready(&mut process) {
            _ = process.kill();
            _ = process.wait();
            return None;
        }
        Some(Self {
            process,
            url: format!("{scheme}://{address}/desk/"),
            _place: place,
        })
    }
}

/// Waits until the first worker is there. The log is read on after that, so that nginx is never
/// held up by it.
fn is_ready(process: &mut Child) -> bool {
    let lines = BufReader::new(process.stderr.take().unwrap()).lines();
    let (sender, ready) = mpsc::channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            if line.contains("start worker process ") {
                _ = sender.send(());
            }
        }
    });
    ready.recv_timeout(READY_TIMEOUT).is_ok()
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let pid = Pid::from_child(&self.process);
        // One that has ended already is as good.
        _ = kill_process(pid, Signal::TERM);
        _ = self.process.wait();
    }
}
