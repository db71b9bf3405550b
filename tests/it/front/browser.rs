//! A browser as the front sees it: requests, one cookie, WebSockets.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{WsClient, soon};

#[derive(Clone, Debug)]
pub(crate) struct Browser {
    pub(crate) address: SocketAddr,
    /// What stands in `Host`.
    pub(crate) host: String,
    pub(crate) base: String,
    /// `name=value`.
    pub(crate) cookie: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Browser {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            host: address.to_string(),
            base: String::new(),
            cookie: None,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.ask("GET", path, &[], "").await
    }

    /// A write from a page of ours.
    pub(crate) async fn post(&self, path: &str, kind: &str, body: &str) -> Response {
        let (origin, kind) = (self.origin_header(), format!("Content-Type: {kind}"));
        self.ask("POST", path, &[&origin, &kind], body).await
    }

    pub(crate) async fn post_json(&self, path: &str, body: &str) -> Response {
        self.post(path, "application/json", body).await
    }

    /// Fills in the form and keeps the cookie.
    pub(crate) async fn sign_in(&mut self, name: &str, password: &str) -> Response {
        self.sign_in_to(name, password, "").await
    }

    pub(crate) async fn sign_in_to(&mut self, name: &str, password: &str, next: &str) -> Response {
        let fields = [("name", name), ("password", password), ("next", next)];
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let kind = "application/x-www-form-urlencoded";
        let answer = self.post("/sign-in", kind, &body).await;
        self.keep_cookie(&answer);
        answer
    }

    pub(crate) fn keep_cookie(&mut self, answer: &Response) {
        if let Some(cookie) = answer.header("set-cookie") {
            let pair = cookie.split(';').next().unwrap_or_default();
            self.cookie = (!pair.ends_with('=')).then(|| pair.to_owned());
        }
    }

    /// One request on a connection of its own, with `headers` beside Host and Cookie.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[&str],
        body: &str,
    ) -> Response {
        let stream = TcpStream::connect(self.address).await.unwrap();
        self.ask_over(stream, method, path, headers, body).await
    }

    pub(crate) async fn ask_over(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
        method: &str,
        path: &str,
        headers: &[&str],
        body: &str,
    ) -> Response {
        let head = self.head(method, path, headers, body.len());
        let mut answer = Vec::new();
        soon(async {
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(body.as_bytes()).await?;
            stream.read_to_end(&mut answer).await
        })
        .await
        .unwrap();
        Response::read(&answer)
    }

    /// The head of a request, `Connection: close`.
    pub(crate) fn head(&self, method: &str, path: &str, headers: &[&str], length: usize) -> String {
        let (base, host) = (&self.base, &self.host);
        let mut head =
            format!("{method} {base}{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
        let cookie = self
            .cookie
            .as_ref()
            .map(|cookie| format!("Cookie: {cookie}"));
        let length = (length > 0).then(|| format!("Content-Length: {length}"));
        let more = headers.iter().map(|header| (*header).to_owned());
        for line in cookie.into_iter().chain(length).chain(more) {
            head.push_str(&line);
            head.push_str("\r\n");
        }
        head + "\r\n"
    }

    /// Opens a WebSocket from a page of ours.
    pub(crate) async fn websocket(&self, path: &str) -> WsClient<TcpStream> {
        let (head, socket) = self.try_websocket(path, &[&self.origin_header()]).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        socket
    }

    /// The answer to an upgrade request with these headers, and what comes after it.
    pub(crate) async fn try_websocket(
        &self,
        path: &str,
        headers: &[&str],
    ) -> (String, WsClient<TcpStream>) {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let cookie = self
            .cookie
            .as_ref()
            .map(|cookie| format!("Cookie: {cookie}"));
        let headers: Vec<&str> = headers.iter().copied().chain(cookie.as_deref()).collect();
        let path = format!("{}{path}", self.base);
        soon(WsClient::open(stream, &self.host, &path, &headers))
            .await
            .unwrap()
    }

    pub(crate) fn origin_header(&self) -> String {
        format!("Origin: http://{}", self.host)
    }
}

impl Response {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let headers = lines.filter_map(|line| {
            let (name, value) = line.split_once(": ")?;
            Some((name.to_ascii_lowercase(), value.to_owned()))
        });
        Self {
            status: status.and_then(|status| status.parse().ok()).unwrap_or(0),
            headers: headers.collect(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn location(&self) -> &str {
        self.header("location").unwrap_or_default()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}
