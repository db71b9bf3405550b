//! What is made of what Deskway sees, for each way in which a proxy can get it wrong.

use super::*;
use crate::cli::doctor::outside::proxy::Proxy;
use crate::cli::doctor::outside::trust::Trust;
use crate::cli::doctor::outside::{State, parse_url};

const OURS: &str = "203.0.113.7";

fn way() -> Way {
    Way {
        site: parse_url("https://desk.example.org/desk/").unwrap(),
        key: None,
        trust: Trust::nobody(),
        proxy: Proxy::Nginx,
        upstream: "127.0.0.1:6080".to_owned(),
        configured_base: "/desk".to_owned(),
    }
}

fn facts() -> Facts {
    Facts {
        from: OURS.parse().unwrap(),
        to: "203.0.113.1".parse().unwrap(),
        tls: None,
    }
}

fn seen(address: &str, headers: &[(&str, &str)]) -> Seen {
    let headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()]));
    Seen {
        address: address.parse().unwrap(),
        scheme: "https".to_owned(),
        host: "desk.example.org".to_owned(),
        local: Some("127.0.0.1:6080".parse().unwrap()),
        ping_every: 25,
        headers: headers.collect(),
    }
}

#[test]
fn the_client_s_address_is_there_or_not_told_or_not_believed() {
    let of = |seen: &Seen| address(&way(), seen, &facts());
    assert_eq!(of(&seen(OURS, &[])).state, State::Fine);
    let silent = of(&seen("127.0.0.1", &[]));
    let mend = silent.mend.as_deref().unwrap();
    assert!(mend.contains("X-Forwarded-For $remote_addr;"), "{mend}");
    assert!(mend.contains("trusted_proxies = [\"127.0.0.1\"]"), "{mend}");
    for header in [
        (X_FORWARDED_FOR, "192.0.2.1, 203.0.113.7"),
        ("forwarded", "for=203.0.113.7;proto=https"),
    ] {
        let told = of(&seen("127.0.0.1", &[header]));
        assert!(told.found.contains("not believed"), "{told}");
        let mend = "write `trusted_proxies = [\"127.0.0.1\"]` under [server]";
        assert_eq!(told.mend.as_deref(), Some(mend));
    }
    let mut unix = seen("127.0.0.1", &[(X_FORWARDED_FOR, OURS)]);
    unix.local = None;
    assert!(of(&unix).mend.unwrap().contains("[\"unix\"]"));
    assert_eq!(of(&seen("198.51.100.9", &[])).state, State::Note);
}

#[test]
fn what_a_client_makes_up_is_wrong_where_it_is_believed_or_would_be() {
    let of = |plain: &str, made_up: &Seen| disbelief(&way(), &seen(plain, &[]), made_up, &facts());
    let believed = of(OURS, &seen(MADE_UP_FOR, &[]));
    assert_eq!(believed.state, State::Wrong);
    let mend = believed.mend.unwrap();
    assert!(mend.contains("X-Forwarded-For $remote_addr;"), "{mend}");
    let standard = of(OURS, &seen(MADE_UP_FORWARDED, &[]));
    let mend = standard.mend.unwrap();
    assert!(mend.contains("proxy_set_header Forwarded \"\";"), "{mend}");
    let waiting = of(
        "127.0.0.1",
        &seen("127.0.0.1", &[(X_FORWARDED_FOR, MADE_UP_FOR)]),
    );
    assert_eq!(waiting.state, State::Wrong, "{waiting}");
    let replaced = of("127.0.0.1", &seen("127.0.0.1", &[(X_FORWARDED_FOR, OURS)]));
    assert_eq!(replaced.state, State::Fine, "{replaced}");
    let alone = of(OURS, &seen(OURS, &[(X_FORWARDED_FOR, MADE_UP_FOR)]));
    assert_eq!(
        alone.state,
        State::Fine,
        "no proxy, and not believed: {alone}"
    );
}

#[test]
fn another_host_or_scheme_names_the_directive() {
    let mut other = seen(OURS, &[]);
    assert_eq!(host(&way(), &other).state, State::Fine);
    assert_eq!(scheme(&way(), &other).state, State::Fine);
    other.host = "127.0.0.1:6080".to_owned();
    other.scheme = "http".to_owned();
    let mend = host(&way(), &other).mend.unwrap();
    assert!(mend.contains("proxy_set_header Host $http_host;"), "{mend}");
    let mend = scheme(&way(), &other).mend.unwrap();
    assert!(mend.contains("X-Forwarded-Proto $scheme;"), "{mend}");
    other.address = "127.0.0.1".parse().unwrap();
    other
        .headers
        .insert(X_FORWARDED_PROTO.to_owned(), vec!["https".to_owned()]);
    let mend = scheme(&way(), &other).mend.unwrap();
    assert_eq!(
        mend,
        "write `trusted_proxies = [\"127.0.0.1\"]` under [server]"
    );
}
