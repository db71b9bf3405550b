//! What a visitor needs to come in, plugin by plugin.

use http::HeaderName;
use http::header::{AUTHORIZATION, ORIGIN, WWW_AUTHENTICATE};

use super::*;

fn gate(plugin: &str, source: &str) -> Gate {
    Gate::new(plugin, Some(source)).unwrap()
}

fn with(name: &HeaderName, values: &[&[u8]]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(name.clone(), HeaderValue::from_bytes(value).unwrap());
    }
    headers
}

fn status(gate: &Gate, headers: &HeaderMap) -> Option<u16> {
    let denied = gate.check(headers, None).err();
    denied.map(|denied| denied.status.as_u16())
}

#[test]
fn a_plugin_goes_by_its_short_and_its_dotted_name() {
    for name in ["ExpectOrigin", "websockify.auth_plugins.ExpectOrigin"] {
        assert_eq!(gate(name, "http://a").name(), "ExpectOrigin");
    }
}

#[test]
fn a_class_of_the_users_own_is_refused_by_name_with_what_to_do() {
    for name in ["OurAuth", "ours.BasicHTTPAuth"] {
        let said = Gate::new(name, Some("x")).unwrap_err().to_string();
        assert!(
            said.contains(name) && said.contains("BasicHTTPAuth"),
            "{said}"
        );
    }
}

#[test]
fn a_plugin_without_its_source_is_refused() {
    for name in ["BasicHTTPAuth", "ExpectOrigin", "ClientCertCNAuth"] {
        for source in [None, Some(""), Some("  ")] {
            let said = Gate::new(name, source).unwrap_err().to_string();
            assert!(said.contains("--auth-source"), "{said}");
        }
    }
}

#[test]
fn the_right_name_and_password_come_in() {
    // alice:a:b%
    let gate = gate("BasicHTTPAuth", "alice:a:b%");
    for value in ["Basic YWxpY2U6YTpiJQ==", "basic YWxpY2U6YTpiJQ"] {
        assert_eq!(
            status(&gate, &with(&AUTHORIZATION, &[value.as_bytes()])),
            None
        );
    }
}

#[test]
fn umlauts_come_in_as_utf8_and_as_latin1() {
    let gate = gate("BasicHTTPAuth", "alice:ä");
    for value in ["Basic YWxpY2U6w6Q=", "Basic YWxpY2U65A=="] {
        assert_eq!(
            status(&gate, &with(&AUTHORIZATION, &[value.as_bytes()])),
            None
        );
    }
}

#[test]
fn a_missing_or_wrong_password_is_asked_for() {
    let gate = gate("BasicHTTPAuth", "alice:secret");
    for headers in [
        HeaderMap::new(),
        with(&AUTHORIZATION, &[b"Basic YWxpY2U6d3Jvbmc="]), // alice:wrong
        with(&AUTHORIZATION, &[b"Basic Og=="]),             // :
    ] {
        let denied = gate.check(&headers, Some("alice")).unwrap_err();
        assert_eq!(denied.status, StatusCode::UNAUTHORIZED);
        assert!(
            denied.headers[WWW_AUTHENTICATE]
                .to_str()
                .unwrap()
                .starts_with("Basic ")
        );
        assert!(!denied.reason.contains("secret"));
    }
}

#[test]
fn an_authorization_that_is_not_basic_is_forbidden() {
    let gate = gate("BasicHTTPAuth", "alice:secret");
    for value in [
        "Bearer x",
        "Basic",
        "Basic ???",
        "Basic YWxpY2U=",
        "Basic\u{e4} x",
    ] {
        let headers = with(&AUTHORIZATION, &[value.as_bytes()]);
        assert_eq!(status(&gate, &headers), Some(403), "{value}");
    }
}

#[test]
fn only_pages_of_the_listed_origins_come_in() {
    let gate = gate(
        "ExpectOrigin",
        "https://Desk.example/ \n http://10.0.0.1:6080",
    );
    for origin in ["https://desk.example", "http://10.0.0.1:6080"] {
        assert_eq!(status(&gate, &with(&ORIGIN, &[origin.as_bytes()])), None);
    }
    let refused: &[&[&[u8]]] = &[
        &[],
        &[b""],
        &[b"null"],
        &[b"https://desk.example.evil"],
        &[b"https://desk.example:8443"],
        &[b"http://desk.example"],
        &[b"https://desk.example", b"https://evil.example"],
    ];
    for values in refused {
        assert_eq!(
            status(&gate, &with(&ORIGIN, values)),
            Some(403),
            "{values:?}"
        );
    }
}

#[test]
fn only_a_verified_certificate_tells_the_common_name() {
    let gate = gate("ClientCertCNAuth", "alice bob");
    assert!(gate.check(&HeaderMap::new(), Some("bob")).is_ok());
    for name in [None, Some(""), Some("mallory"), Some("alice bob")] {
        let denied = gate.check(&HeaderMap::new(), name).unwrap_err();
        assert_eq!(denied.status, StatusCode::FORBIDDEN);
    }
    // The original takes the name from a header that a visitor can write in lower case.
    let forged = with(&HeaderName::from_static("ssl_client_s_dn_cn"), &[b"alice"]);
    assert_eq!(status(&gate, &forged), Some(403));
}
