//! A page as Deskway serves it, for NGINX to serve too.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;

use anyhow::{Context as _, Result, bail};

/// The longest answer, in bytes.
const MAX_ANSWER: u64 = 4 * 1024 * 1024;
/// What every server says in its own way.
const OWN: [&str; 5] = [
    "connection",
    "content-length",
    "content-type",
    "date",
    "last-modified",
];

pub(crate) struct Page {
    pub(crate) path: String,
    pub(crate) kind: String,
    /// Name and value, without those that every server has.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Page {
    pub(crate) fn fetch(port: u16, path: &str) -> Result<Self> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = Vec::new();
        stream.take(MAX_ANSWER).read_to_end(&mut answer)?;
        let end = answer.windows(4).position(|it| it == b"\r\n\r\n");
        let body = answer.split_off(end.context("no answer")? + 4);
        let head = String::from_utf8_lossy(&answer).into_owned();
        if !head.starts_with("HTTP/1.1 200 ") {
            bail!("{path} is not there: {head}");
        }
        let fields = head.lines().filter_map(|line| line.split_once(": "));
        let fields = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
        let (own, headers): (Vec<_>, Vec<_>) =
            fields.partition(|(name, _)| OWN.contains(&name.as_str()));
        let kind = own.into_iter().find(|(name, _)| name == "content-type");
        Ok(Self {
            path: path.to_owned(),
            kind: kind.context("no content type")?.1,
            headers,
            body,
        })
    }

    /// The address of the page's script.
    pub(crate) fn script(&self) -> Result<String> {
        let text = String::from_utf8_lossy(&self.body);
        let script = text
            .split('"')
            .find(|it| Path::new(it).extension().is_some_and(|kind| kind == "js"));
        let script = script.context("the pages are not built: run npm ci and npm run build")?;
        // As the templates escape it in attributes.
        Ok(script.replace("&#x2f;", "/"))
    }
}
