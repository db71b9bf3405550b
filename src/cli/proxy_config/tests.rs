//! The set-ups that people have, and what is printed and said for each.

use std::path::PathBuf;

use super::*;
use crate::config::Config;

/// The configuration that such a file leads to.
fn config(text: &str) -> Config {
    config::from_text(text, "deskway.toml", &Overrides::default()).unwrap()
}

fn args(line: &str) -> ProxyConfig {
    use clap::Parser as _;

    let argv = ["deskway", "proxy-config"]
        .into_iter()
        .chain(line.split(' '));
    match crate::cli::Cli::try_parse_from(argv).unwrap().command {
        crate::cli::Command::ProxyConfig(args) => args,
        other => panic!("{other:?}"),
    }
}

/// What is printed, and what is said besides.
fn print(line: &str, file: &str) -> (String, String) {
    let (args, config) = (args(line), config(file));
    let values = values(&args, &config).unwrap();
    let templates = Templates::built_in().unwrap();
    let text = printed(&templates, args.proxy, &values);
    (text.unwrap(), lacking::said(args.proxy, &values, &config))
}

fn refused(line: &str, file: &str) -> String {
    values(&args(line), &config(file)).unwrap_err().to_string()
}

const UNIX: &str = "[[listen]]\naddress = \"unix:/run/deskway/http.sock\"\n[[listen]]\naddress = \"127.0.0.1:6080\"\n";

/// Set-ups whose whole outputs are kept in `golden/`, to be read by people.
const GOLDEN: [(&str, &str, &str); 9] = [
    ("nginx.conf", "nginx", ""),
    (
        "nginx-site.conf",
        "nginx --site --name desk.example.org --cert /etc/ssl/desk.pem --key /etc/ssl/desk.key",
        UNIX,
    ),
    ("haproxy.cfg", "haproxy --base-path /desk", ""),
    (
        "haproxy-tls.cfg",
        "haproxy --cert /etc/ssl/desk.pem --key /etc/ssl/desk.key",
        "[server]\nlisten = \"0.0.0.0:6443\"\n",
    ),
    ("apache.conf", "apache --listen 127.0.0.1:8080", ""),
    (
        "apache-site.conf",
        "apache --site --name desk.example.org --cert /etc/ssl/desk.pem --key /etc/ssl/desk.key",
        "[server]\nlisten = \"0.0.0.0:6443\"\nbase_path = \"/desk\"\n",
    ),
    ("Caddyfile", "caddy --name desk.example.org", ""),
    (
        "Caddyfile-desk",
        "caddy --listen [::1]:8080 --base-path /desk --site",
        UNIX,
    ),
    (
        "traefik.yml",
        "traefik --name desk.example.org --base-path /desk --cert /etc/ssl/desk.pem --key /etc/ssl/desk.key",
        "[server]\nlisten = \"0.0.0.0:6443\"\n",
    ),
];

#[test]
fn what_is_printed_is_what_was_read_and_found_right() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/cli/proxy_config/golden");
    for (name, line, file) in GOLDEN {
        let (text, _) = print(line, file);
        let path = folder.join(name);
        if std::env::var_os("WRITE_GOLDEN").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            text == golden,
            "{} differs; WRITE_GOLDEN=1 writes it anew:\n{text}",
            path.display()
        );
    }
}

#[test]
fn a_unix_socket_is_the_first_choice_then_plain_http_then_https() {
    let way = |file: &str| way::shown(&values(&args("nginx"), &config(file)).unwrap().upstream);
    assert_eq!(way(""), "127.0.0.1:6080");
    assert_eq!(way(UNIX), "unix:/run/deskway/http.sock");
    assert_eq!(
        way("[server]\nlisten = \"0.0.0.0:443\""),
        "https://127.0.0.1:443"
    );
    assert_eq!(way("[server]\nlisten = \"[::]:443\""), "https://[::1]:443");
    let certificate = "[server]\ntls_cert = \"/c\"\ntls_key = \"/k\"";
    assert_eq!(way(certificate), "https://127.0.0.1:6080");
    let both = "[[listen]]\naddress = \"0.0.0.0:443\"\nprotocol = \"https\"\n[[listen]]\naddress = \"127.0.0.1:6080\"\nprotocol = \"http\"";
    assert_eq!(way(both), "127.0.0.1:6080");
}

#[test]
fn without_a_way_it_is_said_what_to_write() {
    let redirect = "[[listen]]\naddress = \"0.0.0.0:80\"\nprotocol = \"redirect\"\n[[listen]]\naddress = \"systemd\"";
    let said = refused("nginx", redirect);
    assert!(
        said.contains("127.0.0.1:6080") && said.contains("--upstream"),
        "{said}"
    );
    let socket = "[[listen]]\naddress = \"unix:/run/s\"";
    assert!(refused("traefik", socket).contains("--upstream"));
    assert!(refused("traefik --upstream unix:/run/s", "").contains("unix socket"));
    let text = print("traefik", UNIX).0;
    assert!(text.contains("url: \"http://127.0.0.1:6080\""), "{text}");
}

#[test]
fn what_could_mean_something_else_in_a_configuration_is_refused() {
    for path in ["/a;b", "/a\"b", "/{a}", "/a#b", "/$a", "/a\\b"] {
        let line = format!("nginx --cert {path} --key /k");
        assert!(
            refused(&line, "").contains("name the file otherwise"),
            "{path}"
        );
    }
    for wrong in [
        "nginx --name a;b",
        "nginx --upstream http://a;b",
        "squid",
        "nginx --base-path /a;b",
    ] {
        use clap::Parser as _;
        let argv = ["deskway", "proxy-config"]
            .into_iter()
            .chain(wrong.split(' '));
        assert!(crate::cli::Cli::try_parse_from(argv).is_err(), "{wrong}");
    }
}

#[test]
fn what_deskway_toml_lacks_is_said_and_nothing_else() {
    let (_, said) = print("nginx --name desk.example.org --base-path /desk", "");
    for line in [
        "[server]",
        "base_path = \"/desk\"",
        "trusted_proxies = [\"127.0.0.1\"]",
        "hosts = [\"desk.example.org\"]",
    ] {
        assert!(said.lines().any(|it| it == line), "{line}: {said}");
    }
    let told = "[server]\nhosts = [\"desk.example.org\"]\nbase_path = \"/desk\"\ntrusted_proxies = [\"127.0.0.0/8\"]\n";
    let (_, said) = print("nginx --name desk.example.org --base-path /desk", told);
    assert_eq!(said, "");
    let (_, said) = print(
        "caddy",
        &format!("[server]\ntrusted_proxies = [\"192.0.2.1\"]\n{UNIX}"),
    );
    assert!(
        said.contains("trusted_proxies = [\"192.0.2.1\", \"unix\"]"),
        "{said}"
    );
    assert!(said.contains("socket_group = \"caddy\""), "{said}");
    let taken = "[server]\nlisten = \"0.0.0.0:80\"\ntrusted_proxies = [\"127.0.0.1\"]\n";
    let (_, said) = print("nginx", taken);
    assert!(said.contains("itself listens on 0.0.0.0:80"), "{said}");
    let (_, said) = print("nginx --listen 127.0.0.2:8080", taken);
    assert!(
        said.starts_with("Deskway at 127.0.0.1:80 serves https alone"),
        "{said}"
    );
    let (_, said) = print("nginx --listen 127.0.0.2:8080 --cert /c --key /k", taken);
    assert_eq!(said, "");
}

#[test]
fn the_command_that_made_it_stands_in_it() {
    let line = "haproxy --base-path /desk --name desk.example.org --listen 127.0.0.1:8080 --cert /c --key /k --upstream https://127.0.0.1:6443 --site";
    let (text, _) = print(line, "");
    let first = text.lines().next().unwrap();
    assert!(
        first.ends_with(&format!("deskway proxy-config {line}")),
        "{first}"
    );
}

/// The templates tell people how often Deskway gives a sign of life.
#[test]
fn every_proxy_waits_longer_than_deskway_is_silent() {
    for proxy in Proxy::ALL {
        let (text, _) = print(proxy.name(), "");
        let told = text.contains("25 s") && text.contains("3600");
        let boundless = matches!(proxy, Proxy::Caddy | Proxy::Traefik);
        assert!(told || boundless, "{text}");
    }
}
