//! A browser that speaks plain http where https is spoken is sent there.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::runtime::Stream;

/// Most bytes that are read to find out where the browser wanted to go.
const MAX_HEAD: usize = 8 * 1024;

/// Whether the server goes by the name in a `Host` header.
pub(super) type KnownHost = dyn Fn(&str) -> bool + Send + Sync;

/// Reads one request and answers with the https address of the same page; to a request that
/// names a host that is not ours, with 421.
pub(super) async fn redirect(mut stream: Stream, known: &KnownHost) -> io::Result<()> {
    let mut head = Vec::with_capacity(1024);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() >= MAX_HEAD || stream.read_buf(&mut head).await? == 0 {
            break;
        }
    }
    let answer = match target(&head) {
        Some((host, path)) if known(&host) => format!(
            "HTTP/1.1 308 Permanent Redirect\r\nLocation: https://{host}{path}\r\n\
             Content-Length: 0\r\nConnection: close\r\n\r\n"
        ),
        Some(_) => empty("421 Misdirected Request"),
        None => empty("400 Bad Request"),
    };
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

fn empty(status: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

/// Host and path of a request, when it has one of each and both can stand in a header.
fn target(head: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(head).ok()?;
    let mut lines = text.split("\r\n");
    let mut request_line = lines.next()?.split(' ');
    let (_method, path) = (request_line.next()?, request_line.next()?);
    let visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    let path_fits = path.starts_with('/') && visible(path);
    let mut hosts = lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("host").then(|| value.trim())
    });
    let host = hosts.next()?;
    let host_fits = hosts.next().is_none() && visible(host);
    (path_fits && host_fits).then(|| (host.to_owned(), path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_page_is_found_on_https() {
        let head = b"GET /d/alice/?x=1 HTTP/1.1\r\nHost: desk:6080\r\nA: b\r\n\r\n";
        let expected = ("desk:6080".to_owned(), "/d/alice/?x=1".to_owned());
        assert_eq!(target(head), Some(expected));
    }

    #[test]
    fn what_is_no_single_plain_request_is_not_followed() {
        for head in [
            "",
            "GET\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "GET http://evil/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /\u{1}x HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
        ] {
            assert_eq!(target(head.as_bytes()), None, "{head:?}");
        }
    }
}
