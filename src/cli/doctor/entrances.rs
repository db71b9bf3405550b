//! What the listeners mean together with the proxies that are trusted.

use std::net::IpAddr;

use deskway_osuser as osuser;

use super::finding::Finding;
use crate::config::{self, ListenAt, Listener, Server, TrustedProxy};

const ENTRANCE: &str = "entrance";
const PROXIES: &str = "trusted proxies";

/// What somebody should know; nothing where all is usual.
pub(super) fn examine(server: &Server) -> Vec<Finding> {
    let listeners = server.listen.iter();
    let mut findings: Vec<Finding> = listeners
        .flat_map(|listener| {
            let found = [
                in_the_clear(listener, server),
                unheard_proxy(listener, server),
                socket_group(listener),
            ];
            found.into_iter().flatten()
        })
        .collect();
    findings.extend(believed_neighbours(server));
    findings
}

fn in_the_clear(listener: &Listener, server: &Server) -> Option<Finding> {
    let trusted = &server.trusted_proxies;
    config::is_in_the_clear(listener, listener.is_local(), trusted).then(|| {
        Finding::note(
            ENTRANCE,
            format!(
                "plain http on {}: passwords and screens travel in the clear",
                listener.at
            ),
            "write protocol = \"https\", or an address where the proxy in front comes alone; one on another machine, into trusted_proxies",
        )
    })
}

fn unheard_proxy(listener: &Listener, server: &Server) -> Option<Finding> {
    let is_unix = matches!(listener.at, ListenAt::Unix(_));
    let heard = server.trusted_proxies.contains(&TrustedProxy::Unix);
    (is_unix && !heard).then(|| {
        Finding::note(
            ENTRANCE,
            format!(
                "whoever comes by {} counts as this machine, by plain http, whatever the proxy says",
                listener.at
            ),
            "write \"unix\" into trusted_proxies of [server]",
        )
    })
}

fn socket_group(listener: &Listener) -> Option<Finding> {
    let name = listener.socket_group.as_deref()?;
    match osuser::group_id(name) {
        Ok(Some(_)) => None,
        Ok(None) => Some(Finding::wrong(
            ENTRANCE,
            format!(
                "there is no group `{name}`, which is to have {}",
                listener.at
            ),
            format!("groupadd --system {name}"),
        )),
        Err(error) => Some(Finding::wrong(
            ENTRANCE,
            format!("the group `{name}` cannot be looked up: {error}"),
            "mend the machine's name service",
        )),
    }
}

/// A proxy on this machine that comes by TCP shares its address with everybody on it.
fn believed_neighbours(server: &Server) -> Option<Finding> {
    let here = [IpAddr::from([127, 0, 0, 1]), "::1".parse().ok()?];
    let proxies = server.trusted_proxies.iter();
    let mut believed = proxies.filter(|proxy| here.iter().any(|here| proxy.is(Some(*here))));
    believed.next().map(|_| {
        Finding::note(
            PROXIES,
            "every program on this machine can say where a browser is",
            "where people have a shell here, let the proxy come by a unix socket with a socket_group, and trust \"unix\" instead",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;
    use crate::config::{Config, Protocol};

    fn found(listen: &str, change: impl Fn(&mut Listener), trusted: &[&str]) -> Vec<Finding> {
        let mut server = Config::default_for(0).server;
        let mut listener = Listener::at(listen.parse().unwrap());
        change(&mut listener);
        server.listen = vec![listener];
        server.trusted_proxies = trusted.iter().map(|it| it.parse().unwrap()).collect();
        examine(&server)
    }

    #[test]
    fn what_is_usual_is_not_worth_a_word() {
        assert!(found("127.0.0.1:6080", |_| {}, &[]).is_empty());
        assert!(found("0.0.0.0:443", |_| {}, &["10.0.0.0/8"]).is_empty());
        assert!(found("unix:/run/x", |_| {}, &["unix"]).is_empty());
    }

    #[test]
    fn http_beyond_this_machine_without_a_proxy_is_a_note() {
        let http = |listener: &mut Listener| listener.protocol = Protocol::Http;
        let notes = found("0.0.0.0:80", http, &[]);
        assert!(notes[0].found.contains("in the clear"), "{}", notes[0]);
        assert_eq!(notes[0].state, State::Note);
        assert!(found("0.0.0.0:80", http, &["192.0.2.1"]).is_empty());
        assert!(found("127.0.0.1:80", http, &[]).is_empty());
        // A proxy on this machine is no reason for others to come.
        for local in ["127.0.0.1", "127.0.0.0/8", "::1", "unix"] {
            let notes = found("0.0.0.0:80", http, &[local]);
            assert!(notes[0].found.contains("in the clear"), "{local}");
        }
        let mixed = found("0.0.0.0:80", http, &["127.0.0.1", "10.0.0.0/8"]);
        assert!(!mixed[0].found.contains("in the clear"), "{}", mixed[0]);
        let introduced = |listener: &mut Listener| {
            http(listener);
            listener.proxy_protocol = true;
        };
        assert!(found("0.0.0.0:80", introduced, &["unix"]).is_empty());
    }

    #[test]
    fn a_unix_socket_wants_its_proxy_trusted_and_its_group_there() {
        let notes = found("unix:/run/x", |_| {}, &[]);
        assert!(notes[0].mend.as_ref().unwrap().contains("\"unix\""));
        let group = |it: &mut Listener| it.socket_group = Some("dwt-none".to_owned());
        let wrong = found("unix:/run/x", group, &["unix"]);
        assert!(wrong[0].found.contains("`dwt-none`"), "{}", wrong[0]);
        assert_eq!(wrong[0].state, State::Wrong);
    }

    #[test]
    fn trusting_everybody_on_this_machine_is_a_note() {
        for trusted in ["127.0.0.1", "::1", "0.0.0.0/0"] {
            let notes = found("127.0.0.1:6080", |_| {}, &[trusted]);
            assert!(notes[0].found.contains("every program"), "{}", notes[0]);
        }
    }
}
