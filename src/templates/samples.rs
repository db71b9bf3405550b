//! Sample values for each template: what `deskway render` shows, and what every override is tried
//! with when it is read.

use std::net::{Ipv4Addr, SocketAddr};

use minijinja::Value;

use super::proxy::{Proxy, ProxyValues, Upstream};
use super::variables::{
    EveryPage, IndexRow, brand as brand_values, error_page, index, merged, nothing, sign_in,
};
use crate::config::{Brand, Colour, Colours, Link};

/// A page that looks as it does in use: somebody is signed in and has two desktops. `None` when
/// the template is no page.
pub fn page_sample(name: &str, base: &str, brand: &Brand) -> Option<Value> {
    let entry = name.strip_suffix(".html")?;
    let (title, more) = match entry {
        "sign-in" => ("Sign in", sign_in(&format!("{base}/"), "alice", "", "", 0)),
        "index" => ("Desktops", sample_index(base)),
        "portal" => ("Desktops", nothing()),
        "admin" => ("Admin", nothing()),
        "viewer" => ("alice/work", nothing()),
        "set-up" => ("Set up", nothing()),
        "error" => {
            let heading = "Nothing here";
            let way_on = (&*format!("{base}/"), "To your desktops");
            let more = error_page(404, heading, "There is nothing here.", way_on);
            (heading, more)
        }
        "unbuilt" => ("Not built", nothing()),
        "head" | "mark" | "links" => ("A page", nothing()),
        _ => return None,
    };
    let signed_in = matches!(entry, "portal" | "admin" | "viewer");
    let logo = brand
        .logo
        .is_some()
        .then(|| format!("{base}/brand/logo.svg"));
    let brand = brand_values(base, brand, logo.as_deref());
    let boot = serde_json::json!({
        "base": base,
        "version": env!("CARGO_PKG_VERSION"),
        "brand": brand,
        "account": signed_in.then(|| serde_json::json!({"name": "alice", "full_name": "Alice Smith", "is_admin": entry == "admin"})),
        "desktop": (entry == "viewer").then_some("alice/work"),
    });
    let every = EveryPage {
        base,
        version: env!("CARGO_PKG_VERSION"),
        brand: &brand,
        boot: &boot.to_string().replace('<', "\\u003c"),
        css: &[format!("{base}/assets/{entry}.css")],
        js: &[format!("{base}/assets/{entry}.js")],
        title,
    };
    Some(merged(more, every.values()))
}

fn sample_index(base: &str) -> Value {
    let row = |owner: &str, name: Option<&str>| IndexRow {
        owner: owner.to_owned(),
        name: name.map(str::to_owned),
        url: match name {
            Some(name) => format!("{base}/d/{owner}/{name}/"),
            None => format!("{base}/d/{owner}/"),
        },
    };
    let rows = [
        row("alice", None),
        row("alice", Some("work")),
        row("bob", None),
    ];
    index(&rows, "", true, rows.len(), true)
}

/// What a template is tried with: every state that its page can be in.
pub(super) fn of(name: &str) -> Vec<Value> {
    if let Some(proxy) = Proxy::ALL.iter().find(|proxy| proxy.template() == name) {
        return proxies(*proxy);
    }
    let plain = Brand {
        name: "Deskway".to_owned(),
        logo: None,
        colours: Colours::default(),
        notice: None,
        links: Vec::new(),
    };
    let full = Brand {
        name: "The Lab".to_owned(),
        logo: Some("/etc/deskway/logo.svg".into()),
        colours: Colours {
            accent: Colour::parse("#2a6f97"),
            ..Colours::default()
        },
        notice: Some("For members of the lab.".to_owned()),
        links: vec![Link {
            text: "Help".to_owned(),
            url: "https://example.org/help".to_owned(),
        }],
    };
    let mut samples: Vec<Value> = [("", &plain), ("/desk", &full)]
        .into_iter()
        .filter_map(|(base, brand)| page_sample(name, base, brand))
        .collect();
    if name == "sign-in.html" {
        let states = [("wrong", 0), ("slow", 30), ("denied", 0), ("busy", 0)];
        let state = |(kind, seconds)| {
            let message = "The name or the password is wrong.";
            let more = sign_in("/desk/", "alice", message, kind, seconds);
            Some(merged(more, page_sample(name, "/desk", &full)?))
        };
        samples.extend(states.into_iter().filter_map(state));
    }
    samples
}

/// The ways in which a proxy can be set up.
fn proxies(proxy: Proxy) -> Vec<Value> {
    let here = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let plain = ProxyValues {
        command: format!("deskway proxy-config {proxy}"),
        upstream: Upstream::Http(here(6080)),
        base: String::new(),
        name: None,
        listen: None,
        tls: None,
        site: false,
    };
    let full = ProxyValues {
        upstream: Upstream::Https(here(6443)),
        base: "/desk".to_owned(),
        name: Some("desk.example.org".to_owned()),
        tls: Some((
            "/etc/ssl/desk.pem".to_owned(),
            "/etc/ssl/desk.key".to_owned(),
        )),
        ..plain.clone()
    };
    let site = ProxyValues {
        upstream: Upstream::Unix("/run/deskway/http.sock".to_owned()),
        listen: Some(here(8080)),
        site: true,
        ..plain.clone()
    };
    [plain, full, site]
        .iter()
        .map(ProxyValues::values)
        .collect()
}
