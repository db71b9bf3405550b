//! The upgrade from HTTP to WebSocket.

use crate::harness::{Answer, Target, exchange, proxy, upgrade};
use crate::ledger::case;

/// The answer to the key of RFC 6455 §1.3.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The usual request without the headers that begin like this.
fn without(name: &str) -> String {
    let request = upgrade("/", &[]);
    let lines = request.split_inclusive("\r\n");
    lines.filter(|line| !line.starts_with(name)).collect()
}

/// The usual request with another version.
fn version(version: &str) -> String {
    let line = format!("Sec-WebSocket-Version: {version}\r\n");
    upgrade("/", &[]).replace("Sec-WebSocket-Version: 13\r\n", &line)
}

/// All these requests are refused, and the target is left alone.
fn are_refused(requests: &[String]) {
    let target = Target::new();
    let subject = proxy(&target).start();
    for request in requests {
        subject.ask(request).refused();
    }
    assert!(!target.is_asked(), "the target is asked all the same");
}

case!(an_upgrade_is_answered_as_the_rfc_shows, || {
    let target = Target::new();
    let subject = proxy(&target).start();
    let answer = subject.ask(&upgrade("/", &[])).is(101);
    assert!(answer.head.starts_with("HTTP/1.1 101 "), "{}", answer.head);
    assert_eq!(answer.header("Sec-WebSocket-Accept"), Some(ACCEPT));
    assert_eq!(answer.header("Upgrade"), Some("websocket"));
    assert_eq!(answer.header("Connection"), Some("Upgrade"));
    assert_eq!(answer.header("Sec-WebSocket-Protocol"), None);
    exchange(&mut answer.websocket(), &mut target.accept());
});

case!(any_path_opens_a_websocket, || {
    let target = Target::new();
    let subject = proxy(&target).start();
    for path in ["/websockify", "/a/b?c=d&e", "/%20", "/?token=unused"] {
        subject.ask(&upgrade(path, &[])).is(101);
    }
});

case!(the_subprotocol_binary_is_agreed_to, || {
    let target = Target::new();
    let subject = proxy(&target).start();
    let request = upgrade("/", &["Sec-WebSocket-Protocol: binary"]);
    let answer = subject.ask(&request).is(101);
    assert_eq!(answer.header("Sec-WebSocket-Protocol"), Some("binary"));
});

case!(the_subprotocol_base64_alone_is_refused, || {
    are_refused(&[upgrade("/", &["Sec-WebSocket-Protocol: base64"])]);
});

case!(of_two_subprotocols_without_a_space_binary_is_chosen, || {
    let target = Target::new();
    let subject = proxy(&target).start();
    let request = upgrade("/", &["Sec-WebSocket-Protocol: base64,binary"]);
    let answer = subject.ask(&request).is(101);
    assert_eq!(answer.header("Sec-WebSocket-Protocol"), Some("binary"));
});

case!(
    of_two_subprotocols_as_browsers_write_them_binary_is_chosen,
    || {
        let target = Target::new();
        let subject = proxy(&target).start();
        let request = upgrade("/", &["Sec-WebSocket-Protocol: base64, binary"]);
        let answer = subject.ask(&request).is(101);
        assert_eq!(answer.header("Sec-WebSocket-Protocol"), Some("binary"));
    }
);

case!(subprotocols_in_two_headers_are_one_list, || {
    let target = Target::new();
    let subject = proxy(&target).start();
    let headers = [
        "Sec-WebSocket-Protocol: chat",
        "Sec-WebSocket-Protocol: binary",
    ];
    let answer = subject.ask(&upgrade("/", &headers)).is(101);
    assert_eq!(answer.header("Sec-WebSocket-Protocol"), Some("binary"));
});

case!(names_of_headers_and_tokens_come_in_any_case, || {
    let target = Target::new();
    let subject = proxy(&target).start();
    let request = without("Upgrade: ").replace(
        "Connection: Upgrade\r\n",
        "CONNECTION: keep-alive, upgrade\r\nuPGRADE: WebSocket\r\n",
    );
    subject.ask(&request).is(101);
});

case!(extensions_are_not_agreed_to, || {
    let target = Target::new();
    let subject = proxy(&target).start();
    let request = upgrade("/", &["Sec-WebSocket-Extensions: permessage-deflate"]);
    let answer = subject.ask(&request).is(101);
    assert_eq!(answer.header("Sec-WebSocket-Extensions"), None);
});

case!(a_request_without_a_key_is_refused, || {
    are_refused(&[without("Sec-WebSocket-Key")]);
});

case!(a_key_that_is_not_16_bytes_in_base64_is_refused, || {
    let whole = upgrade("/", &[]);
    let keys = ["", "c2hvcnQ=", "%%%%%%%%%%%%%%%%%%%%%%=="];
    are_refused(&keys.map(|key| whole.replace("dGhlIHNhbXBsZSBub25jZQ==", key)));
});

case!(two_keys_are_refused, || {
    are_refused(&[upgrade(
        "/",
        &["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="],
    )]);
});

case!(a_request_without_a_version_is_refused, || {
    are_refused(&[without("Sec-WebSocket-Version")]);
});

case!(a_version_that_nobody_speaks_is_refused, || {
    are_refused(&["0", "12", "14", "thirteen"].map(version));
});

case!(a_refused_version_is_told_the_right_one, || {
    let target = Target::new();
    let subject = proxy(&target).start();
    let answer = subject.ask(&version("12")).is(426);
    assert_eq!(answer.header("Sec-WebSocket-Version"), Some("13"));
});

case!(drafts_before_the_rfc_are_refused, || {
    are_refused(&["7", "8"].map(version));
});

case!(post_opens_no_websocket, || {
    let target = Target::new();
    let subject = proxy(&target).start();
    let request = upgrade("/", &["Content-Length: 0"]).replace("GET ", "POST ");
    subject.ask(&request).refused();
});

case!(http_1_0_opens_no_websocket, || {
    are_refused(&[upgrade("/", &[]).replace("HTTP/1.1", "HTTP/1.0")]);
});

case!(a_request_without_host_opens_no_websocket, || {
    are_refused(&[without("Host")]);
});

case!(a_request_with_two_hosts_opens_no_websocket, || {
    are_refused(&[upgrade("/", &["Host: elsewhere.example"])]);
});

case!(a_request_with_a_body_opens_no_websocket, || {
    are_refused(&[upgrade("/", &["Content-Length: 5"]) + "hello"]);
});

case!(
    an_upgrade_that_connection_does_not_name_opens_no_websocket,
    || {
        let request = without("Connection: ");
        are_refused(&[request.replace("Upgrade:", "Connection: keep-alive\r\nUpgrade:")]);
    }
);

case!(an_upgrade_to_something_else_opens_no_websocket, || {
    are_refused(&[upgrade("/", &[]).replace("Upgrade: websocket", "Upgrade: h2c")]);
});

case!(a_plain_get_gets_405_where_no_files_are_served, || {
    let target = Target::new();
    let subject = proxy(&target).start();
    subject
        .ask("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .is(405);
    subject
        .ask("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .is(405);
});

case!(a_request_in_single_bytes_is_understood, || {
    let target = Target::new();
    let subject = proxy(&target).start();
    let mut wire = subject.connect();
    for byte in upgrade("/", &[]).bytes() {
        wire.send(&[byte]);
    }
    let mut client = Answer::read(wire).websocket();
    exchange(&mut client, &mut target.accept());
});

case!(
    frames_in_one_packet_with_the_request_reach_the_target,
    || {
        let target = Target::new();
        let subject = proxy(&target).start();
        let mut wire = subject.connect();
        let message = crate::harness::frame(0x82, b"at once");
        wire.send(&[upgrade("/", &[]).as_bytes(), &message].concat());
        let mut client = Answer::read(wire).websocket();
        let mut there = target.accept();
        assert_eq!(there.read_bytes(7), b"at once");
        exchange(&mut client, &mut there);
    }
);

case!(a_long_header_is_no_hindrance, || {
    let target = Target::new();
    let subject = proxy(&target).start();
    let cookie = format!("Cookie: session={}", "x".repeat(6000));
    subject.ask(&upgrade("/", &[&cookie])).is(101);
});

case!(an_endless_header_is_refused, || {
    let target = Target::new();
    let subject = proxy(&target).start();
    let cookie = format!("Cookie: session={}", "x".repeat(200_000));
    let mut wire = subject.connect();
    // The server may have gone before it has all been written.
    _ = std::io::Write::write_all(&mut wire, upgrade("/", &[&cookie]).as_bytes());
    if let Some(answer) = Answer::read_if_any(wire) {
        answer.refused();
    }
    subject.open();
});

case!(garbage_ends_its_own_connection_and_no_other, || {
    let target = Target::new();
    let subject = proxy(&target).start();
    let mut before = subject.open();
    let mut there = target.accept();
    for garbage in [
        "\0\0\0\0\r\n\r\n",
        "GET\r\n\r\n",
        "\u{1b}[2J\r\n\r\n",
        "RFB 003.008\n\r\n",
    ] {
        let mut wire = subject.connect();
        wire.send(garbage.as_bytes());
        wire.finish();
        let answer = wire.read_rest();
        assert!(!answer.starts_with(b"HTTP/1.1 101"), "{garbage:?}");
    }
    exchange(&mut before, &mut there);
});

case!(clients_that_say_nothing_hold_up_nobody, || {
    let target = Target::new();
    let subject = proxy(&target).start();
    let _silent: Vec<_> = (0..5).map(|_| subject.connect()).collect();
    let mut half = subject.connect();
    half.send(b"GET / HTTP/1.1\r\nHost:");
    exchange(&mut subject.open(), &mut target.accept());
});

case!(
    pages_of_any_origin_may_connect_where_nothing_forbids_it,
    || {
        let target = Target::new();
        let subject = proxy(&target).start();
        for origin in ["https://elsewhere.example", "null", "file://"] {
            let header = format!("Origin: {origin}");
            let request = upgrade("/", &[&header]).replace("localhost", "desk.example:8443");
            subject.ask(&request).is(101);
        }
    }
);
