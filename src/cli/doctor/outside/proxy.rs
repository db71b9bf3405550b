//! Which reverse proxy stands in front.

use http::header::{SERVER, VIA};
use url::Url;

use super::request::{self, Answer};

/// What no server takes for a request: its answer is the default error page.
const NO_REQUEST: &[u8] = b"doctor / here\r\n\r\n";

/// The proxies that doctor knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proxy {
    Nginx,
    Apache,
    Caddy,
    Haproxy,
    Traefik,
    /// None at all, or one that gives no sign of itself.
    Unknown,
}

impl Proxy {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Apache => "Apache",
            Self::Caddy => "Caddy",
            Self::Haproxy => "HAProxy",
            Self::Traefik => "Traefik",
            Self::Unknown => "the proxy",
        }
    }
}

/// Who an answer's headers, or a default error page, come from.
pub(super) fn recognise(headers: &Answer) -> Proxy {
    let said = format!("{} {}", headers.header(SERVER), headers.header(VIA)).to_lowercase();
    let names = [
        ("nginx", Proxy::Nginx),
        ("openresty", Proxy::Nginx),
        ("apache", Proxy::Apache),
        ("caddy", Proxy::Caddy),
        ("haproxy", Proxy::Haproxy),
        ("traefik", Proxy::Traefik),
    ];
    let found = names.into_iter().find(|(name, _)| said.contains(name));
    found.map_or(Proxy::Unknown, |(_, proxy)| proxy)
}

/// The same, by its complaint about what is no request.
pub(super) async fn provoke(url: &Url) -> Proxy {
    match request::complaint(url, NO_REQUEST).await {
        Ok(text) => by_complaint(&text),
        Err(_) => Proxy::Unknown,
    }
}

fn by_complaint(text: &str) -> Proxy {
    let text = text.to_lowercase().replace('\r', "");
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    if text.contains("nginx") || text.contains("openresty") {
        Proxy::Nginx
    } else if head.contains("server: apache") || body.contains("that this server could not") {
        Proxy::Apache
    } else if body.contains("your browser sent an invalid request") {
        Proxy::Haproxy
    } else if head.contains("caddy") {
        Proxy::Caddy
    } else if head.contains("text/plain") && body.trim() == "400 bad request" {
        // As every server in Go says it; Caddy has given its name in other answers.
        Proxy::Traefik
    } else {
        Proxy::Unknown
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

    use super::*;

    fn answer(headers: &[(&'static str, &'static str)]) -> Answer {
        let headers = headers.iter().map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        });
        Answer {
            status: StatusCode::OK,
            headers: headers.collect::<HeaderMap>(),
            body: Bytes::new(),
        }
    }

    #[test]
    fn a_proxy_is_known_by_its_headers() {
        for (name, value, proxy) in [
            ("server", "nginx/1.22.1", Proxy::Nginx),
            ("server", "openresty", Proxy::Nginx),
            ("server", "Apache/2.4.62 (Debian)", Proxy::Apache),
            ("server", "Caddy", Proxy::Caddy),
            ("via", "1.1 Caddy", Proxy::Caddy),
            ("server", "something", Proxy::Unknown),
        ] {
            assert_eq!(recognise(&answer(&[(name, value)])), proxy, "{value}");
        }
    }

    #[test]
    fn a_proxy_that_hides_its_name_is_known_by_its_complaint() {
        for (text, proxy) in [
            (
                "HTTP/1.1 400 Bad Request\r\n\r\n<hr><center>nginx</center>",
                Proxy::Nginx,
            ),
            (
                "HTTP/1.1 400 Bad request\r\nConnection: close\r\n\r\n<html><body><h1>400 Bad \
                 request</h1>\nYour browser sent an invalid request.\n</body></html>",
                Proxy::Haproxy,
            ),
            (
                "HTTP/1.1 400 Bad Request\r\n\r\n<p>Your browser sent a request that this server \
                 could not understand.<br />",
                Proxy::Apache,
            ),
            (
                "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\
                 Connection: close\r\n\r\n400 Bad Request",
                Proxy::Traefik,
            ),
            (
                "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n",
                Proxy::Unknown,
            ),
            ("", Proxy::Unknown),
        ] {
            assert_eq!(by_complaint(text), proxy, "{text}");
        }
    }
}
