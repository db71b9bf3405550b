//! What to write into a proxy's configuration where it lacks something.

use super::proxy::Proxy;

/// What a proxy does not do as Deskway needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lack {
    /// It does not pass WebSocket upgrades on.
    Upgrade,
    /// It cuts what is silent.
    Patience,
    /// It takes the base path off.
    BasePath,
    /// It does not say where the client is.
    Address,
    /// It passes on the X-Forwarded-For that a client made up.
    MadeUp,
    /// It passes on the Forwarded that a client made up.
    MadeUpForwarded,
    /// It does not say that the client speaks https.
    Scheme,
    /// It puts another Host in.
    Host,
    /// It keeps answers back until they are whole.
    Buffering,
    /// It sends its own certificate without those between it and the root.
    Chain,
}

impl Proxy {
    /// What to write where, against `lack`. `upstream` is where Deskway listens, such as
    /// `127.0.0.1:6080`; `base` its base path, empty or `/desk`.
    pub(super) fn mend(self, lack: Lack, upstream: &str, base: &str) -> String {
        match self {
            Self::Nginx => nginx(lack, upstream, base),
            Self::Apache => apache(lack, upstream, base),
            Self::Caddy => caddy(lack, base),
            Self::Haproxy => haproxy(lack),
            Self::Traefik => traefik(lack),
            Self::Unknown => any(lack, base),
        }
    }
}

fn nginx(lack: Lack, upstream: &str, base: &str) -> String {
    let to_location = |lines: &str| format!("nginx: add `{lines}` to the location");
    match lack {
        Lack::Upgrade => to_location(
            "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; \
             proxy_set_header Connection \"upgrade\";",
        ),
        Lack::Patience => to_location("proxy_read_timeout 1h; proxy_send_timeout 1h;"),
        Lack::BasePath => format!(
            "nginx: `location {base}/ {{ proxy_pass http://{upstream}; … }}`, with no path and no \
             slash behind the address, and no `rewrite`"
        ),
        Lack::Address | Lack::MadeUp => {
            to_location("proxy_set_header X-Forwarded-For $remote_addr;")
        }
        Lack::MadeUpForwarded => to_location("proxy_set_header Forwarded \"\";"),
        Lack::Scheme => to_location("proxy_set_header X-Forwarded-Proto $scheme;"),
        Lack::Host => to_location("proxy_set_header Host $http_host;"),
        Lack::Buffering => format!(
            "{}, and no `proxy_ignore_headers X-Accel-Buffering`",
            to_location("proxy_buffering off;")
        ),
        Lack::Chain => "nginx: have `ssl_certificate` name the file with the whole chain (certbot \
                        calls it fullchain.pem)"
            .to_owned(),
    }
}

fn apache(lack: Lack, upstream: &str, base: &str) -> String {
    let line = match lack {
        Lack::Upgrade => {
            format!("ProxyPass \"{base}/\" \"http://{upstream}{base}/\" upgrade=websocket")
        }
        Lack::Patience => "ProxyTimeout 3600".to_owned(),
        Lack::BasePath => format!("ProxyPass \"{base}/\" \"http://{upstream}{base}/\""),
        Lack::Address => "ProxyAddHeaders On".to_owned(),
        Lack::MadeUp => "RequestHeader unset X-Forwarded-For early".to_owned(),
        Lack::MadeUpForwarded => "RequestHeader unset Forwarded early".to_owned(),
        Lack::Scheme => "RequestHeader set X-Forwarded-Proto expr=%{REQUEST_SCHEME}".to_owned(),
        Lack::Host => "ProxyPreserveHost On".to_owned(),
        Lack::Buffering => {
            format!("ProxyPass \"{base}/\" \"http://{upstream}{base}/\" flushpackets=on")
        }
        Lack::Chain => "SSLCertificateFile …/fullchain.pem".to_owned(),
    };
    format!("Apache: write `{line}` into the virtual host")
}

fn caddy(lack: Lack, base: &str) -> String {
    let told = match lack {
        Lack::Upgrade => {
            "`reverse_proxy` passes upgrades on by itself: remove `header_up` lines for \
                          Connection and Upgrade"
        }
        Lack::Patience => "remove `stream_timeout` and `read_timeout` from `reverse_proxy`",
        Lack::BasePath => {
            return format!("Caddy: write `handle {base}/*` in the place of `handle_path`");
        }
        Lack::Address | Lack::Scheme => {
            "`reverse_proxy` tells it by itself: remove `header_up` lines for X-Forwarded-For \
             and X-Forwarded-Proto"
        }
        Lack::MadeUp => "let no `trusted_proxies` of its own name the clients' addresses",
        Lack::MadeUpForwarded => "add `header_up -Forwarded` to `reverse_proxy`",
        Lack::Host => "remove the `header_up Host` line from `reverse_proxy`",
        Lack::Buffering => "add `flush_interval -1` to `reverse_proxy`",
        Lack::Chain => "have `tls` name a file with the whole chain",
    };
    format!("Caddy: {told}")
}

fn haproxy(lack: Lack) -> String {
    let told = match lack {
        Lack::Upgrade => {
            "have `mode http` in front and back end, without `option httpclose` and without \
             lines that delete Connection or Upgrade"
        }
        Lack::Patience => "add `timeout tunnel 1h` to the back end",
        Lack::BasePath => "remove `http-request replace-path` and `set-path`",
        Lack::Address => "add `option forwardfor` to the front end",
        Lack::MadeUp => {
            "add `http-request del-header X-Forwarded-For` to the front end, beside `option \
             forwardfor`"
        }
        Lack::MadeUpForwarded => "add `http-request del-header Forwarded` to the front end",
        Lack::Scheme => {
            "add `http-request set-header X-Forwarded-Proto https if { ssl_fc }` to the front end"
        }
        Lack::Host => "remove `http-request set-header Host`",
        Lack::Buffering => "remove `filter compression` and `compression` for text/event-stream",
        Lack::Chain => "have `crt` name a file with the whole chain",
    };
    format!("HAProxy: {told}")
}

fn traefik(lack: Lack) -> String {
    let told = match lack {
        Lack::Upgrade => {
            "it passes upgrades on by itself: remove middlewares that set Connection or Upgrade, \
             and `buffering`"
        }
        Lack::Patience => "set `respondingTimeouts` of the entry point to 0",
        Lack::BasePath => "remove the `stripPrefix` middleware",
        Lack::Address | Lack::Scheme => {
            "it tells it by itself: remove middlewares that set X-Forwarded-For or \
             X-Forwarded-Proto"
        }
        Lack::MadeUp => {
            "remove `forwardedHeaders.insecure`, and the clients' addresses from \
             `forwardedHeaders.trustedIPs`"
        }
        Lack::MadeUpForwarded => {
            "add a `headers` middleware with `customRequestHeaders: {Forwarded: \"\"}`"
        }
        Lack::Host => "set `passHostHeader: true` for the service",
        Lack::Buffering => "remove the `buffering` middleware",
        Lack::Chain => "have `certFile` name a file with the whole chain",
    };
    format!("Traefik: {told}")
}

fn any(lack: Lack, base: &str) -> String {
    match lack {
        Lack::Upgrade => {
            "have the proxy speak HTTP/1.1 to Deskway and pass the headers `Upgrade` and \
             `Connection: Upgrade` on"
        }
        Lack::Patience => "have the proxy keep WebSockets open that are silent for an hour",
        Lack::BasePath => {
            return format!("have the proxy pass the path on as it is, with {base} at its front");
        }
        Lack::Address => {
            "have the proxy set `X-Forwarded-For` to the address that the client comes from"
        }
        Lack::MadeUp => "have the proxy replace the `X-Forwarded-For` that clients send",
        Lack::MadeUpForwarded => "have the proxy remove the `Forwarded` that clients send",
        Lack::Scheme => "have the proxy set `X-Forwarded-Proto` to https",
        Lack::Host => "have the proxy pass `Host` on as the browser sent it",
        Lack::Buffering => "have the proxy pass answers on piece by piece, without a buffer",
        Lack::Chain => "have the server send the whole chain, its own certificate first",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_proxy_has_its_own_words_for_what_it_lacks() {
        let nginx = Proxy::Nginx.mend(Lack::BasePath, "127.0.0.1:6080", "/desk");
        assert!(
            nginx.contains("proxy_pass http://127.0.0.1:6080;"),
            "{nginx}"
        );
        let apache = Proxy::Apache.mend(Lack::Upgrade, "127.0.0.1:6080", "/desk");
        assert!(apache.contains("upgrade=websocket"), "{apache}");
        let haproxy = Proxy::Haproxy.mend(Lack::Patience, "127.0.0.1:6080", "");
        assert!(haproxy.contains("timeout tunnel"), "{haproxy}");
    }
}
