//! Who may connect: `--auth-plugin`, `--web-auth`.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

use crate::harness::{Start, Target, exchange, get, proxy, upgrade};
use crate::ledger::case;

fn guarded(target: &Target, plugin: &str, source: &str) -> Start {
    proxy(target).with(&["--auth-plugin", plugin, "--auth-source", source])
}

fn basic(name_and_password: &str) -> String {
    format!(
        "Authorization: Basic {}",
        STANDARD.encode(name_and_password)
    )
}

case!(basic_auth_lets_in_who_knows_the_password, || {
    let target = Target::new();
    let subject = guarded(&target, "BasicHTTPAuth", "alice:wonder:land").start();
    let request = upgrade("/", &[&basic("alice:wonder:land")]);
    let mut client = subject.ask(&request).websocket();
    exchange(&mut client, &mut target.accept());
});

case!(basic_auth_asks_who_does_not_say, || {
    let target = Target::new();
    let subject = guarded(&target, "BasicHTTPAuth", "alice:secret").start();
    for header in [None, Some(basic("alice:wrong")), Some(basic("bob:secret"))] {
        let headers: Vec<&str> = header.as_deref().into_iter().collect();
        let answer = subject.ask(&upgrade("/", &headers)).is(401);
        let asked = answer.header("WWW-Authenticate").unwrap();
        assert!(asked.starts_with("Basic realm="), "{asked}");
    }
    assert!(!target.is_asked());
});

case!(basic_auth_refuses_what_is_no_basic_auth, || {
    let target = Target::new();
    let subject = guarded(&target, "BasicHTTPAuth", "alice:secret").start();
    for header in ["Authorization: Bearer x", "Authorization: Basic YWxpY2U="] {
        subject.ask(&upgrade("/", &[header])).is(403);
    }
    assert!(!target.is_asked());
});

case!(
    a_name_and_password_that_are_not_base64_are_refused_with_a_status,
    || {
        let target = Target::new();
        let subject = guarded(&target, "BasicHTTPAuth", "alice:secret").start();
        for header in ["Authorization: Basic x", "Authorization: Basic ====="] {
            subject.ask(&upgrade("/", &[header])).refused();
        }
        assert!(!target.is_asked());
    }
);

case!(expect_origin_lets_in_pages_of_the_listed_origins, || {
    let target = Target::new();
    let origins = "https://desk.example http://localhost:8080";
    let subject = guarded(&target, "ExpectOrigin", origins).start();
    for origin in ["https://desk.example", "http://localhost:8080"] {
        let header = format!("Origin: {origin}");
        let mut client = subject.ask(&upgrade("/", &[&header])).websocket();
        exchange(&mut client, &mut target.accept());
    }
});

case!(expect_origin_refuses_other_pages_and_none, || {
    let target = Target::new();
    let subject = guarded(&target, "ExpectOrigin", "https://desk.example").start();
    let wrong = [
        "Origin: https://evil.example",
        "Origin: http://desk.example",
        "Origin: https://desk.example.evil.example",
        "Origin: null",
        "X-Origin: https://desk.example",
    ];
    for header in wrong {
        subject.ask(&upgrade("/", &[header])).is(403);
    }
    assert!(!target.is_asked());
});

case!(gates_go_by_their_dotted_names_too, || {
    let target = Target::new();
    let name = "websockify.auth_plugins.ExpectOrigin";
    let subject = guarded(&target, name, "https://desk.example").start();
    subject.ask(&upgrade("/", &[])).is(403);
    let header = "Origin: https://desk.example";
    subject.ask(&upgrade("/", &[header])).is(101);
});

case!(without_web_auth_files_are_for_everybody, || {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("vnc.html"), "the page").unwrap();
    let target = Target::new();
    let subject = guarded(&target, "BasicHTTPAuth", "alice:secret")
        .with_path("--web", dir.path())
        .start();
    assert_eq!(
        subject.ask(&get("/vnc.html", &[])).is(200).text(),
        "the page"
    );
    subject.ask(&upgrade("/", &[])).is(401);
});

case!(with_web_auth_files_are_for_those_who_are_let_in, || {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("vnc.html"), "the page").unwrap();
    let target = Target::new();
    let subject = guarded(&target, "BasicHTTPAuth", "alice:secret")
        .with(&["--web-auth"])
        .with_path("--web", dir.path())
        .start();
    subject.ask(&get("/vnc.html", &[])).is(401);
    subject
        .ask(&get("/vnc.html", &[]).replace("GET", "HEAD"))
        .is(401);
    let header = basic("alice:secret");
    let answer = subject.ask(&get("/vnc.html", &[&header])).is(200);
    assert_eq!(answer.text(), "the page");
});

case!(token_and_gate_are_both_asked, || {
    let dir = TempDir::new().unwrap();
    let target = Target::new();
    let file = dir.path().join("tokens");
    fs::write(&file, format!("one: {}\n", target.address())).unwrap();
    let subject = super::tokens::by("TokenFile", &file)
        .with(&["--auth-plugin", "BasicHTTPAuth", "--auth-source", "a:b"])
        .start();
    subject.ask(&upgrade("/?token=one", &[])).is(401);
    let header = basic("a:b");
    let request = upgrade("/?token=one", &[&header]);
    let mut client = subject.ask(&request).websocket();
    exchange(&mut client, &mut target.accept());
    let status = subject.try_to_open("/?token=two", &[&header]);
    assert!(status.is_none_or(|status| status >= 400), "{status:?}");
});
