//! `server` blocks: which of them have desktops, and what becomes of what stands in them.

use std::collections::BTreeMap;
use std::path::Path;

use super::links;
use super::tree::{Directive, Tree};
use crate::cli::import::found::{Attached, Found, Listen};
use crate::model::UserName;

/// Most servers and locations that are looked at.
const MAX_LOCATIONS: usize = 10_000;

/// What Deskway does by itself, or has no counterpart that anybody would miss.
const NEEDLESS: &[&str] = &[
    "access_log",
    "charset",
    "chunked_transfer_encoding",
    "client_body_buffer_size",
    "client_header_buffer_size",
    "default_type",
    "error_log",
    "gzip",
    "gzip_comp_level",
    "gzip_min_length",
    "gzip_types",
    "gzip_vary",
    "http2",
    "index",
    "keepalive_timeout",
    "large_client_header_buffers",
    "log_not_found",
    "proxy_buffering",
    "proxy_buffers",
    "proxy_buffer_size",
    "proxy_cache_bypass",
    "proxy_connect_timeout",
    "proxy_http_version",
    "proxy_pass",
    "proxy_read_timeout",
    "proxy_redirect",
    "proxy_request_buffering",
    "proxy_send_timeout",
    "proxy_set_header",
    "root",
    "alias",
    "sendfile",
    "server_tokens",
    "ssl_prefer_server_ciphers",
    "ssl_session_cache",
    "ssl_session_tickets",
    "ssl_session_timeout",
    "tcp_nodelay",
    "tcp_nopush",
    "try_files",
    "types_hash_max_size",
    "underscores_in_headers",
];
/// What is carried over elsewhere.
const CARRIED: &[&str] = &[
    "listen",
    "server_name",
    "ssl",
    "ssl_certificate",
    "ssl_certificate_key",
    "location",
    "set_real_ip_from",
    "proxy_ssl_trusted_certificate",
    "real_ip_header",
    "real_ip_recursive",
];

/// The blocks that may stand in `http`.
pub(super) struct Http<'a> {
    /// Directives of `http` itself, which servers inherit.
    level: Vec<&'a Directive>,
    /// Those that stand in a block of that name, and not in a file of its own.
    inherited: &'a [Directive],
    servers: Vec<&'a Directive>,
    upstreams: BTreeMap<&'a str, &'a Directive>,
    folder: &'a Path,
}

/// A location that is passed on.
struct Proxied<'a> {
    location: &'a Directive,
    pass: &'a Directive,
    path: &'a str,
    exact: bool,
    /// From the outermost level in.
    levels: Vec<&'a [Directive]>,
}

impl<'a> Http<'a> {
    /// A file may also be a part, such as those in `sites-enabled`.
    pub(super) fn of(tree: &'a Tree) -> Self {
        let mut level: Vec<&Directive> = tree.directives.iter().collect();
        for directive in &tree.directives {
            if directive.name == "http" {
                level.extend(directive.children());
            }
        }
        let http = tree.directives.iter().find(|it| it.name == "http");
        let named = |name: &'a str| level.iter().copied().filter(move |it| it.name == name);
        Self {
            servers: named("server").filter(|it| it.block.is_some()).collect(),
            upstreams: named("upstream").map(|it| (it.arg(0), it)).collect(),
            folder: &tree.folder,
            inherited: http.map(Directive::children).unwrap_or_default(),
            level: level.clone(),
        }
    }

    pub(super) fn carry(&self, owner: Option<&UserName>, found: &mut Found) {
        let mut relevant: Vec<&Directive> = Vec::new();
        for server in self.servers.iter().copied() {
            let proxied = self.proxied(server);
            if proxied.iter().any(Proxied::is_web_socket) {
                relevant.push(server);
            }
        }
        if relevant.is_empty() {
            found.remind(
                "no location passes WebSockets on (proxy_pass with proxy_set_header Upgrade), so \
                 there is no desktop here",
            );
        }
        let names: Vec<&str> = relevant.iter().flat_map(|it| names(it)).collect();
        for server in self.servers.iter().copied() {
            let desktops = relevant.iter().any(|it| std::ptr::eq(*it, server));
            let redirects = redirect(server).is_some()
                && (names.is_empty() || names_of(server).iter().any(|name| names.contains(name)));
            if desktops {
                self.server(server, owner, found);
            } else if redirects && !relevant.is_empty() {
                listeners(server, "redirect", found);
            } else {
                let text = format!(
                    "this server{} has no desktops: it is not carried over",
                    names_of(server)
                        .first()
                        .map(|name| format!(" ({name})"))
                        .unwrap_or_default()
                );
                found.lost(&server.place, text);
            }
        }
        if found.hosts.is_empty() && !relevant.is_empty() {
            found.remind(
                "nginx answered to any name; Deskway answers to this machine's own, to addresses, \
                 and to those in `hosts`: write the names that people use there",
            );
        }
        if !found.listeners.is_empty() {
            found.remind(
                "nginx and Deskway cannot both listen on these addresses: stop nginx before you \
                 start Deskway",
            );
        }
        if found
            .listeners
            .iter()
            .any(|it| it.protocol == "http" && !is_loopback(&it.address))
        {
            found.remind(
                "with protocol = \"http\", as nginx had it, passwords cross the network unencrypted: \
                 write tls_cert and tls_key and protocol = \"auto\", or only \"auto\" for a \
                 self-signed certificate",
            );
        }
    }

    fn server(&self, server: &Directive, owner: Option<&UserName>, found: &mut Found) {
        let certificate = ["ssl_certificate", "ssl_certificate_key"].map(|name| {
            let mut own = server.children().iter().chain(self.level.iter().copied());
            own.find(|it| it.name == name)
        });
        if let [Some(cert), Some(key)] = certificate {
            self.certificate(cert, key, found);
        }
        let protocol = match redirect(server) {
            Some(_) => "redirect",
            None => "http",
        };
        listeners(server, protocol, found);
        for name in server
            .children()
            .iter()
            .filter(|it| it.name == "server_name")
        {
            for text in &name.args {
                match text.as_str() {
                    "_" | "" | "localhost" => {}
                    text if text.starts_with('~')
                        || text.contains('*')
                        || text.starts_with('.') =>
                    {
                        let text =
                            format!("the name `{text}` stands for many: write each into `hosts`");
                        found.lost(&name.place, text);
                    }
                    text if text.parse::<std::net::IpAddr>().is_ok() => {}
                    text => found.hosts.push((name.place.clone(), text.to_owned())),
                }
            }
        }
        let levels = server.children().iter().chain(self.level.iter().copied());
        for proxy in levels.filter(|it| it.name == "set_real_ip_from") {
            let address = proxy.arg(0).to_owned();
            let address = if address == "unix:" {
                "unix".to_owned()
            } else {
                address
            };
            found.trusted_proxies.push((proxy.place.clone(), address));
        }
        leave_out(server, found);
        let proxied = self.proxied(server);
        for it in proxied.iter().filter(|it| it.is_web_socket()) {
            self.attach(it, owner, found);
        }
        other_locations(server, &proxied, found);
    }

    fn certificate(&self, cert: &Directive, key: &Directive, found: &mut Found) {
        for it in [cert, key] {
            if it.arg(0).contains('$') || it.arg(0).starts_with("data:") {
                let text = format!("`{}` names no file", it.text());
                return found.lost(&it.place, text);
            }
        }
        let [cert_path, key_path] =
            [cert, key].map(|it| self.folder.join(it.arg(0)).display().to_string());
        if !found.tls.iter().any(|(_, known, _)| *known == cert_path) {
            found.tls.push((cert.place.clone(), cert_path, key_path));
        }
    }

    /// The locations with `proxy_pass`, those in other locations too.
    fn proxied<'b>(&'b self, server: &'b Directive) -> Vec<Proxied<'b>> {
        let mut found = Vec::new();
        let mut waiting = vec![(server, vec![self.inherited])];
        let mut looked = 0;
        while let Some((block, mut levels)) = waiting.pop() {
            levels.push(block.children());
            for location in block.children().iter().filter(|it| it.name == "location") {
                looked += 1;
                if looked > MAX_LOCATIONS {
                    return found;
                }
                waiting.push((location, levels.clone()));
            }
            let pass = block.children().iter().find(|it| it.name == "proxy_pass");
            if let (Some(pass), "location") = (pass, block.name.as_str()) {
                let (path, exact) = match block.args.as_slice() {
                    [path] => (path.as_str(), false),
                    [sign, path] if sign == "=" => (path.as_str(), true),
                    [sign, path] if sign == "^~" => (path.as_str(), false),
                    // A regular expression.
                    _ => ("", false),
                };
                found.push(Proxied {
                    location: block,
                    pass,
                    path,
                    exact,
                    levels,
                });
            }
        }
        found.sort_by_key(|it| it.location.place.line);
        found
    }

    fn attach(&self, proxied: &Proxied<'_>, owner: Option<&UserName>, found: &mut Found) {
        let place = &proxied.location.place;
        let shown = proxied.location.text();
        if proxied.path.is_empty() {
            let text =
                format!("`{shown}` names desktops by a rule: write an [[attach]] for each of them");
            return found.lost(place, text);
        }
        let target = match self.target(proxied) {
            Ok(target) => target,
            Err(reason) => return found.lost(&proxied.pass.place, reason),
        };
        let named = links::desktop(proxied.path);
        if let Some(id) = &named
            && !links::stays(proxied.path, id)
        {
            found.remind(format!(
                "links to {} become links to /novnc/{id}/ or /d/{id}/",
                proxied.path
            ));
        }
        if named.is_none() {
            found.lost(place, match owner {
                Some(owner) => format!("`{shown}` names nobody: it is {owner}'s, as --owner says; links lead to /novnc/{owner}/ now"),
                None => format!("`{shown}` names nobody: say whose desktop it is with --owner NAME, or in the comment below"),
            });
        }
        let ca_file = proxied.find("proxy_ssl_trusted_certificate");
        if target.starts_with("wss:") {
            found.remind(format!(
                "{}: nginx did not ask who is there, Deskway does; `ca_file` names who vouches \
                 for a certificate that no authority of this machine does",
                target.split('?').next().unwrap_or_default()
            ));
        }
        found.attached.push(Attached {
            place: place.clone(),
            desktop: named
                .map(|id| id.to_string())
                .or_else(|| owner.map(ToString::to_string)),
            ca_file: ca_file
                .filter(|_| target.starts_with("wss:"))
                .map(|it| self.folder.join(it.arg(0)).display().to_string()),
            target,
            password: None,
        });
    }

    /// The address that nginx would open the WebSocket at.
    fn target(&self, proxied: &Proxied<'_>) -> Result<String, String> {
        let text = proxied.pass.arg(0);
        let shown = format!("`{}`", proxied.pass.text());
        if text.contains('$') {
            return Err(format!(
                "{shown} has a variable: write the [[attach]] by hand"
            ));
        }
        let (scheme, rest) = match text.split_once("://") {
            Some(("http", rest)) => ("ws", rest),
            Some(("https", rest)) => ("wss", rest),
            _ => return Err(format!("{shown} is neither http nor https")),
        };
        if rest.starts_with("unix:") {
            return Err(format!(
                "{shown}: HTTP over a unix socket is not spoken; attach the VNC server itself"
            ));
        }
        let (authority, uri) = match rest.find('/') {
            Some(at) => rest
                .split_at_checked(at)
                .map_or((rest, None), |(a, b)| (a, Some(b))),
            None => (rest, None),
        };
        let authority = match self.upstreams.get(authority) {
            None => authority.to_owned(),
            Some(upstream) => {
                let mut servers = upstream.children().iter().filter(|it| it.name == "server");
                let first = servers.next().map(|it| it.arg(0)).unwrap_or_default();
                if servers.next().is_some() {
                    return Err(format!(
                        "{shown} has several servers: write an [[attach]] for the right one"
                    ));
                }
                if first.is_empty() || first.starts_with("unix:") {
                    return Err(format!("{shown} leads to no host with a port"));
                }
                first.to_owned()
            }
        };
        let asked = links::asked(proxied.path, proxied.exact);
        let path = links::passed(proxied.path, &asked, uri);
        Ok(format!("{scheme}://{authority}{path}"))
    }
}

fn listeners(server: &Directive, protocol: &'static str, found: &mut Found) {
    let is_ssl = server
        .children()
        .iter()
        .any(|it| it.name == "ssl" && it.arg(0) == "on");
    let mut any = false;
    for listen in server.children().iter().filter(|it| it.name == "listen") {
        any = true;
        let flag = |name| listen.args.iter().skip(1).any(|it| it == name);
        let Some(address) = address_of(listen.arg(0)) else {
            let text = format!("`{}`: only addresses and unix sockets are", listen.text());
            found.lost(&listen.place, text);
            continue;
        };
        found.listeners.push(Listen {
            place: listen.place.clone(),
            address,
            protocol: if is_ssl || flag("ssl") {
                "https"
            } else {
                protocol
            },
            proxy_protocol: flag("proxy_protocol"),
        });
    }
    if !any {
        found.listeners.push(Listen {
            place: server.place.clone(),
            address: "0.0.0.0:80".to_owned(),
            protocol,
            proxy_protocol: false,
        });
    }
}

fn other_locations(server: &Directive, proxied: &[Proxied<'_>], found: &mut Found) {
    let authority = |it: &Proxied<'_>| {
        let rest = it
            .pass
            .arg(0)
            .split_once("://")
            .map(|(_, rest)| rest.to_owned());
        rest.map(|rest| rest.split('/').next().unwrap_or_default().to_owned())
    };
    let sockets = || proxied.iter().filter(|it| it.is_web_socket());
    let mut waiting: Vec<&Directive> = vec![server];
    let mut looked = 0;
    while let Some(block) = waiting.pop() {
        for location in block.children().iter().filter(|it| it.name == "location") {
            looked += 1;
            if looked > MAX_LOCATIONS {
                return;
            }
            waiting.push(location);
            leave_out(location, found);
            let own = proxied
                .iter()
                .find(|it| std::ptr::eq(it.location, location));
            let has = |name| location.children().iter().any(|it| it.name == name);
            match own {
                Some(own) if own.is_web_socket() => {}
                // noVNC's own pages, beside their WebSocket: Deskway has its own.
                Some(own) if sockets().any(|it| authority(it) == authority(own)) => {}
                Some(_) => found.lost(
                    &location.place,
                    format!(
                        "`{}` is passed on to something else than a desktop",
                        location.text()
                    ),
                ),
                None if location.args == ["/"]
                    && (has("root") || has("try_files") || has("index")) =>
                {
                    found.public_index = Some(location.place.clone());
                }
                None if redirect(location).is_some() => {}
                None if location.children().iter().all(|it| it.name == "location") => {}
                None => found.lost(
                    &location.place,
                    format!("`{}` serves what is no desktop", location.text()),
                ),
            }
        }
    }
}

impl Proxied<'_> {
    /// Headers are inherited from the innermost level that sets any (`proxy_set_header` of
    /// `ngx_http_proxy_module`).
    fn is_web_socket(&self) -> bool {
        let sets = |level: &&[Directive]| level.iter().any(|it| it.name == "proxy_set_header");
        let level = self
            .levels
            .iter()
            .rev()
            .copied()
            .find(sets)
            .unwrap_or_default();
        level.iter().any(|it| {
            it.name == "proxy_set_header"
                && it.arg(0).eq_ignore_ascii_case("upgrade")
                && !it.arg(1).is_empty()
        })
    }

    fn find(&self, name: &str) -> Option<&Directive> {
        let mut levels = self.levels.iter().rev();
        levels.find_map(|level| level.iter().find(|it| it.name == name))
    }
}

/// Names what stands in a block and is not carried over.
fn leave_out(block: &Directive, found: &mut Found) {
    for directive in block.children() {
        let name = directive.name.as_str();
        if NEEDLESS.contains(&name) || CARRIED.contains(&name) {
            continue;
        }
        let advice = match name {
            "return" | "rewrite" if redirect_of(directive).is_some() => continue,
            "auth_basic" | "auth_basic_user_file" | "auth_request" => {
                ": people sign in at Deskway itself"
            }
            "ssl_protocols" | "ssl_ciphers" | "ssl_dhparam" | "ssl_ecdh_curve" => {
                ": Deskway speaks TLS 1.2 and 1.3 with its own list"
            }
            "allow" | "deny" => ": keep addresses out with the machine's firewall",
            "limit_req" | "limit_conn" => {
                ": `max_connections_per_address` and `tries_per_minute` are alike"
            }
            "add_header" => ": Deskway sets its own headers",
            "client_max_body_size" => ": Deskway takes no large bodies",
            _ => "",
        };
        let text = format!("`{}` is not carried over{advice}", directive.text());
        found.lost(&directive.place, text);
    }
}

/// The directive that sends each request of a server, or of a location, to https.
fn redirect(block: &Directive) -> Option<&Directive> {
    let own = block.children().iter();
    let root = own
        .clone()
        .filter(|it| it.name == "location" && it.args == ["/"]);
    own.chain(root.flat_map(Directive::children))
        .find_map(redirect_of)
}

fn redirect_of(directive: &Directive) -> Option<&Directive> {
    let target = match directive.name.as_str() {
        "return" => directive.args.last()?,
        "rewrite" => directive.args.get(1)?,
        _ => return None,
    };
    target.starts_with("https://").then_some(directive)
}

fn names(server: &Directive) -> Vec<&str> {
    names_of(server)
}

fn names_of(server: &Directive) -> Vec<&str> {
    let names = server
        .children()
        .iter()
        .filter(|it| it.name == "server_name");
    let names = names.flat_map(|it| it.args.iter().map(String::as_str));
    names.filter(|name| !matches!(*name, "_" | "")).collect()
}

/// `80`, `*:80`, `[::]:80`, `127.0.0.1`, `localhost:80`, `unix:/path`, as `[[listen]]` has them.
fn address_of(text: &str) -> Option<String> {
    if text.starts_with("unix:") {
        return Some(text.to_owned());
    }
    if text.parse::<u16>().is_ok() {
        return Some(format!("0.0.0.0:{text}"));
    }
    let text = match text.strip_prefix('*') {
        Some(rest) => format!("0.0.0.0{rest}"),
        None => text.replace("localhost", "127.0.0.1"),
    };
    let whole = [text.clone(), format!("{text}:80")];
    whole
        .into_iter()
        .find(|text| text.parse::<std::net::SocketAddr>().is_ok())
}

fn is_loopback(address: &str) -> bool {
    address
        .parse::<std::net::SocketAddr>()
        .map_or(true, |address| address.ip().is_loopback())
}
