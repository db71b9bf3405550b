//! A browser's part of HTTP, on the address that the socket unit opens.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::patience::until;

/// Where `deskway.socket` listens.
const ADDRESS: &str = "127.0.0.1:443";
const TIMEOUT: Duration = Duration::from_mins(1);

/// Somebody who is signed in.
pub struct Browser {
    name: String,
    cookie: String,
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Browser {
    pub fn sign_in(name: &str, password: &str) -> Self {
        let body = format!("name={name}&password={}&next=/", password.replace(' ', "+"));
        let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
        let reply = ask("POST", "/sign-in", kind, &body);
        assert_eq!(reply.status, 303, "{reply:?}");
        let cookie = reply.head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            let (cookie, _) = value.split_once(';')?;
            name.eq_ignore_ascii_case("set-cookie")
                .then(|| cookie.to_owned())
        });
        Self {
            name: name.to_owned(),
            cookie: cookie.expect("a cookie"),
        }
    }

    /// Without a cookie.
    pub fn guest(path: &str) -> Reply {
        ask("GET", path, "", "")
    }

    pub fn get(&self, path: &str) -> Reply {
        ask("GET", path, &self.fields(), "")
    }

    pub fn post(&self, path: &str, json: &str) -> Reply {
        let fields = format!("{}Content-Type: application/json\r\n", self.fields());
        ask("POST", path, &fields, json)
    }

    /// Starts a desktop of the person's and waits until it can be seen.
    pub fn start_desktop(&self, desktop: &str) {
        let reply = self.post(&self.api(desktop, "start"), "{}");
        assert_eq!(reply.status, 202, "{reply:?}");
        self.wait_for(desktop, "\"state\":\"ready\"");
    }

    pub fn stop_desktop(&self, desktop: &str) {
        let reply = self.post(&self.api(desktop, "stop"), "");
        assert_eq!(reply.status, 200, "{reply:?}");
    }

    /// A viewer's WebSocket, past the upgrade.
    pub fn watch(&self, desktop: &str) -> TcpStream {
        let mut stream = TcpStream::connect(ADDRESS).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        write!(
            stream,
            "GET /d/{}/{desktop}/websockify HTTP/1.1\r\nHost: {ADDRESS}\r\n\
             Origin: http://{ADDRESS}\r\n{}Upgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            self.name,
            self.fields()
        )
        .unwrap();
        let mut head = [0; 13];
        stream.read_exact(&mut head).unwrap();
        assert_eq!(&head, b"HTTP/1.1 101 ");
        stream
    }

    /// Waits until what the API tells of a desktop has `part` in it; what it tells.
    pub fn wait_for(&self, desktop: &str, part: &str) -> String {
        until(&format!("`{desktop}` with {part}"), || {
            let told = self.desktop(desktop)?;
            let has_failed = told.contains("\"state\":\"failed\"") && !part.contains("failed");
            assert!(!has_failed, "{told}");
            told.contains(part).then_some(told)
        })
    }

    /// One desktop in the list of them.
    fn desktop(&self, desktop: &str) -> Option<String> {
        let list = self.get("/api/v1/desktops").body;
        let mark = format!("\"owner\":\"{}\",\"name\":\"", self.name);
        let mut parts = list.split(&mark);
        parts
            .find(|part| part.starts_with(&format!("{desktop}\"")))
            .map(str::to_owned)
    }

    fn api(&self, desktop: &str, act: &str) -> String {
        format!("/api/v1/desktops/{}/{desktop}/{act}", self.name)
    }

    fn fields(&self) -> String {
        format!("Cookie: {}\r\n", self.cookie)
    }
}

fn ask(method: &str, path: &str, fields: &str, body: &str) -> Reply {
    let mut stream = TcpStream::connect(ADDRESS).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {ADDRESS}\r\nOrigin: http://{ADDRESS}\r\n\
         Connection: close\r\nContent-Length: {}\r\n{fields}\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    Reply {
        status: status.unwrap_or_else(|| panic!("{method} {path}: {answer:?}")),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}
