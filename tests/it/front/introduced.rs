//! The PROXY protocol: connections that a proxy introduces, by hand, by HAProxy and by NGINX.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use deskway::app::entrances::{Entrance, Speaks};
use deskway::config::Config;
use deskway::listen::{Certificates, self_signed};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream, UnixStream};

use super::browser::Response;
use super::{Browser, House, entrance, tls};
use crate::support::{WsClient, soon};

const LINE: &[u8] = b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 80\r\n";
const BINARY: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x09\xc0\0\x02\x01\x12\x67\0\x50";
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded";
const ALICE: &str = "name=alice&password=wonderland";

fn introduced(speaks: Speaks) -> Entrance {
    Entrance {
        proxy_protocol: true,
        ..entrance(speaks)
    }
}

fn trusting(proxy: &str) -> impl FnOnce(&mut Config) {
    let proxy = proxy.parse().unwrap();
    move |config| {
        config.server.trusted_proxies = vec![proxy];
        config.server.max_connections_per_address = 2;
    }
}

async fn house() -> House {
    House::at(vec![introduced(Speaks::Http)], trusting("127.0.0.1"), None).await
}

async fn sign_in_over(
    browser: &Browser,
    stream: impl AsyncRead + AsyncWrite + Unpin,
    scheme: &str,
    more: &[&str],
) -> Response {
    let origin = format!("Origin: {scheme}://{}", browser.host);
    let headers = [&[origin.as_str(), FORM][..], more].concat();
    browser
        .ask_over(stream, "POST", "/sign-in", &headers, ALICE)
        .await
}

async fn after(header: &[u8], address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(header).await.unwrap();
    stream
}

#[tokio::test]
async fn a_connection_is_of_whom_the_proxy_introduces() {
    let house = house().await;
    let browser = house.browser();
    for (header, peer) in [
        (LINE, "203.0.113.9"),
        (BINARY, "203.0.113.9"),
        (b"PROXY TCP6 2001:db8::1 ::1 1 1\r\n", "2001:db8::1"),
        (b"PROXY UNKNOWN\r\n", "0.0.0.0"),
        (LOCAL, "0.0.0.0"),
    ] {
        let stream = after(header, house.address).await;
        // Whoever was introduced is no proxy: their headers do not count.
        let forged = ["X-Forwarded-For: 198.51.100.7", "X-Forwarded-Proto: https"];
        let answer = sign_in_over(&browser, stream, "http", &forged).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        assert_eq!(house.world.peers(), [peer]);
    }
}

#[tokio::test]
async fn what_is_introduced_may_be_tls() {
    let dir = tempfile::tempdir().unwrap();
    let own = self_signed(&dir.path().join("own.pem"), &["localhost".to_owned()]).unwrap();
    let fingerprint = own.fingerprint.clone();
    let door = introduced(Speaks::Https);
    let house = House::at(
        vec![door],
        trusting("127.0.0.1"),
        Some(Certificates::new(Some(&own))),
    )
    .await;
    let browser = house.browser();
    for header in [LINE, BINARY] {
        let stream = after(header, house.address).await;
        let stream = tls::secured(stream, &fingerprint).await;
        let answer = sign_in_over(&browser, stream, "https", &[]).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        assert_eq!(house.world.peers(), ["203.0.113.9"]);
        assert!(answer.header("set-cookie").unwrap().contains("; Secure"));
    }
    let plain = after(LINE, house.address).await;
    let answer = browser.ask_over(plain, "GET", "/", &[], "").await;
    assert_eq!(answer.status, 308);
}

#[tokio::test]
async fn over_a_unix_socket_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("proxy.sock");
    let unix = Entrance {
        socket: UnixListener::bind(&path).unwrap().into(),
        speaks: Speaks::Http,
        proxy_protocol: true,
    };
    let doors = vec![introduced(Speaks::Http), unix];
    let house = House::at(doors, trusting("unix"), None).await;
    let browser = house.browser();
    for header in [LINE, BINARY] {
        let mut stream = UnixStream::connect(&path).await.unwrap();
        stream.write_all(header).await.unwrap();
        let answer = sign_in_over(&browser, stream, "http", &[]).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        assert_eq!(house.world.peers(), ["203.0.113.9"]);
    }
    // By TCP nobody is trusted.
    is_closed(after(LINE, house.address).await).await;
}

#[tokio::test]
async fn who_is_not_introduced_as_it_has_to_be_is_closed() {
    let house = house().await;
    let lying: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x04\xcb\0\x71\x09";
    let huge: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff\xcb\0\x71\x09";
    for header in [
        &b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..],
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc",
        b"PROXY TCP4 203.0.113.9\r\n\r\n\r\n",
        lying,
        huge,
    ] {
        is_closed(after(header, house.address).await).await;
    }
    let mut cut = after(&BINARY[..20], house.address).await;
    cut.shutdown().await.unwrap();
    is_closed(cut).await;
    // Nobody else has noticed.
    let stream = after(LINE, house.address).await;
    let browser = house.browser();
    let answer = browser.ask_over(stream, "GET", "/healthz", &[], "").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_proxy_that_is_not_trusted_is_closed_unheard() {
    let doors = vec![introduced(Speaks::Http)];
    let house = House::at(doors, trusting("192.0.2.1"), None).await;
    for header in [LINE, BINARY, LOCAL] {
        let mut stream = TcpStream::connect(house.address).await.unwrap();
        // It may be closed before this comes.
        _ = stream.write_all(header).await;
        is_closed(stream).await;
    }
}

/// Waits until the server has closed, having said nothing.
async fn is_closed(mut stream: TcpStream) {
    let mut said = Vec::new();
    // A reset is an end as well: what we sent was not read.
    _ = soon(stream.read_to_end(&mut said)).await;
    assert_eq!(String::from_utf8_lossy(&said), "");
}

#[tokio::test]
async fn introduced_connections_count_for_those_who_made_them() {
    let house = house().await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = after(LINE, house.address).await;
        let head = house.browser().head("GET", "/healthz", &[], 0);
        let head = head.replace("Connection: close\r\n", "");
        stream.write_all(head.as_bytes()).await.unwrap();
        soon(stream.readable()).await.unwrap();
        held.push(stream);
    }
    is_closed(after(BINARY, house.address).await).await;
    let other = after(b"PROXY TCP4 203.0.113.10 192.0.2.1 1 1\r\n", house.address).await;
    let browser = house.browser();
    let answer = browser.ask_over(other, "GET", "/healthz", &[], "").await;
    assert_eq!(answer.status, 200);
    held.clear();
    let answered = async || {
        let mut stream = after(LINE, house.address).await;
        let head = house.browser().head("GET", "/healthz", &[], 0);
        let mut answer = String::new();
        let asked = async {
            stream.write_all(head.as_bytes()).await?;
            stream.read_to_string(&mut answer).await
        };
        asked.await.is_ok_and(|len| len > 0)
    };
    soon(async { while !answered().await {} }).await;
}

#[tokio::test]
async fn a_desktop_comes_through_whole_behind_either_header() {
    let mut house = house().await;
    let mut browser = house.browser();
    let stream = after(LINE, house.address).await;
    let answer = sign_in_over(&browser, stream, "http", &[]).await;
    browser.keep_cookie(&answer);
    let cookie = format!("Cookie: {}", browser.cookie.as_ref().unwrap());
    for header in [LINE, BINARY] {
        let stream = after(header, house.address).await;
        let headers = [browser.origin_header(), cookie.clone()];
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let opened = WsClient::open(stream, &browser.host, "/d/alice/websockify", &headers);
        let (head, mut socket) = soon(opened).await.unwrap();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let (_, mut screen) = house.screens.next().await;
        let hands = async { tokio::join!(screen.shake_hands(), socket.shake_hands(1)) };
        assert!(soon(hands).await.1.is_ok());
        // Large enough that the kernel is asked to move it by itself.
        let picture: Vec<u8> = (0..1_000_000_u32).map(|it| it.to_le_bytes()[0]).collect();
        let sent = async { screen.stream.write_all(&picture).await.unwrap() };
        let received = async { socket.read(picture.len()).await.unwrap() };
        let ((), received) = soon(async { tokio::join!(sent, received) }).await;
        assert!(received == picture);
    }
}

/// A proxy that somebody else made, ended when dropped. It is given its socket, on which
/// connections wait until it is there.
struct RealProxy {
    child: Child,
    address: SocketAddr,
    _dir: tempfile::TempDir,
}

impl RealProxy {
    /// HAProxy. `bind` and `server` are added to those lines; `more` to the section.
    fn haproxy(to: SocketAddr, bind: &str, server: &str, more: &str) -> Self {
        let text = format!(
            "global\n    maxconn 100\ndefaults\n    timeout connect 5s\n    timeout client 30s\n    \
             timeout server 30s\n    timeout tunnel 30s\nlisten desk\n    {more}\n    \
             bind fd@0 {bind}\n    server desk {to} {server}\n"
        );
        let mut command = Command::new("haproxy");
        command.args(["-db", "-f"]);
        Self::start(command, |_, _| text)
    }

    /// NGINX's stream module, which knows version 1.
    fn nginx(to: SocketAddr) -> Self {
        let mut command = Command::new("nginx");
        // What it hands itself at an upgrade: its listening sockets.
        command.env("NGINX", "0;").args(["-e", "stderr", "-c"]);
        Self::start(command, |address, folder| {
            // The file of its number is removed at the end, whatever it is.
            let pid = folder.join("pid");
            format!(
                "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\ndaemon off;\n\
                 pid {};\nerror_log stderr;\nevents {{}}\n\
                 stream {{ server {{ listen {address}; proxy_pass {to}; proxy_protocol on; }} }}\n",
                pid.display()
            )
        })
    }

    fn start(mut command: Command, config: impl FnOnce(SocketAddr, &Path) -> String) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("proxy.conf");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::fs::write(&file, config(address, dir.path())).unwrap();
        command.arg(&file);
        let child = command.stdin(Stdio::from(OwnedFd::from(listener))).spawn();
        Self {
            child: child.expect("it is installed"),
            address,
            _dir: dir,
        }
    }

    /// A connection from another address of this machine than the proxy's own.
    async fn connect(&self) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.7:0".parse().unwrap()).unwrap();
        soon(socket.connect(self.address)).await.unwrap()
    }
}

impl Drop for RealProxy {
    fn drop(&mut self) {
        // Asked, and not killed, since it may have children.
        let asked = kill_process(Pid::from_child(&self.child), Signal::TERM);
        if let Err(error) = asked.map_err(Into::into).and_then(|()| self.child.wait()) {
            eprintln!("the proxy: {error}");
        }
    }
}

#[tokio::test]
async fn haproxy_introduces_browsers_in_both_versions() {
    let house = house().await;
    for server in ["send-proxy", "send-proxy-v2"] {
        let proxy = RealProxy::haproxy(house.address, "", server, "mode tcp");
        let browser = house.browser();
        let stream = proxy.connect().await;
        let answer = sign_in_over(&browser, stream, "http", &[]).await;
        assert_eq!(answer.status, 303, "{server}: {answer:?}");
        assert_eq!(house.world.peers(), ["127.0.0.7"], "{server}");
    }
}

#[tokio::test]
async fn nginx_introduces_browsers() {
    let house = house().await;
    let proxy = RealProxy::nginx(house.address);
    let answer = sign_in_over(&house.browser(), proxy.connect().await, "http", &[]).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    assert_eq!(house.world.peers(), ["127.0.0.7"]);
}

#[tokio::test]
async fn where_haproxy_ends_tls_it_can_say_so_in_its_introduction() {
    let dir = tempfile::tempdir().unwrap();
    let pem = dir.path().join("own.pem");
    let own = self_signed(&pem, &["localhost".to_owned()]).unwrap();
    let house = house().await;
    let bind = format!("ssl crt {}", Path::new(&pem).display());
    let proxy = RealProxy::haproxy(house.address, &bind, "send-proxy-v2-ssl", "mode tcp");
    let stream = proxy.connect().await;
    let stream = tls::secured(stream, &own.fingerprint).await;
    let answer = sign_in_over(&house.browser(), stream, "https", &[]).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    assert_eq!(house.world.peers(), ["127.0.0.7"]);
    assert!(answer.header("set-cookie").unwrap().contains("; Secure"));
}

#[tokio::test]
async fn haproxy_can_tell_in_headers_what_it_knows() {
    let change = |config: &mut Config| {
        config.server.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    };
    let house = House::with(change, None).await;
    let tell =
        "mode http\n    option forwardfor\n    http-request set-header X-Forwarded-Proto https";
    let proxy = RealProxy::haproxy(house.address, "", "", tell);
    let stream = proxy.connect().await;
    let forged = ["X-Forwarded-For: 198.51.100.7"];
    let answer = sign_in_over(&house.browser(), stream, "https", &forged).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    assert_eq!(house.world.peers(), ["127.0.0.7"]);
}
