//! What it writes: recordings, traffic, log files, syslog, messages.

use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::time::Instant;

use tempfile::TempDir;

use crate::harness::{Target, exchange, get, patience, proxy, upgrade};
use crate::ledger::case;

case!(a_recording_is_what_novncs_playback_reads, || {
    let target = Target::new();
    let subject = proxy(&target).with(&["--record", "session"]).start();
    let mut client = subject.open();
    let mut there = target.accept();
    there.send(b"RFB 003.008\n");
    client.read_data(12);
    client.send(b"it's \\ \x00\xff");
    there.read_bytes(9);
    client.leave();
    let text = subject.file("session.1", |text| text.ends_with("'EOF'];\n"));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "var VNC_frame_data = [");
    let (time, data) = entry(lines[1], '{');
    assert_eq!(data, "RFB 003.008\\n");
    let (later, data) = entry(lines[2], '}');
    assert_eq!(data, "it\\'s \\\\ \\x00\\xff");
    assert!(time <= later && later < 60_000, "{time} {later}");
    assert_eq!(lines.len(), 4, "{text}");
});

/// The milliseconds and the data of a line such as `'{12{RFB',`.
fn entry(line: &str, direction: char) -> (u64, &str) {
    let line = line.strip_prefix('\'').unwrap().strip_suffix("',").unwrap();
    let line = line.strip_prefix(direction).unwrap();
    let (time, data) = line.split_once(direction).unwrap();
    (time.parse().unwrap(), data)
}

case!(each_session_has_a_recording_of_its_own, || {
    let target = Target::new();
    let subject = proxy(&target).with(&["--record", "session"]).start();
    for number in 1..3 {
        let mut client = subject.open();
        exchange(&mut client, &mut target.accept());
        client.leave();
        let name = format!("session.{number}");
        subject.file(&name, |text| text.ends_with("'EOF'];\n"));
    }
});

case!(a_recording_is_its_owners_alone, || {
    use std::os::unix::fs::PermissionsExt as _;
    let target = Target::new();
    let subject = proxy(&target).with(&["--record", "session"]).start();
    exchange(&mut subject.open(), &mut target.accept());
    let path = subject.dir.path().join("session.1");
    let mode = std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
});

case!(traffic_shows_a_sign_for_each_message, || {
    let target = Target::new();
    let subject = proxy(&target).with(&["--traffic"]).start();
    let mut client = subject.open();
    let mut there = target.accept();
    client.send(b"up");
    there.read_bytes(2);
    there.send(b"down");
    client.read_data(4);
    client.send(b"up");
    there.read_bytes(2);
    // The legend comes first; what follows its end is the traffic itself.
    subject.process.stdout.until_it("traffic", |text| {
        let (_, traffic) = text.rsplit_once("\n\n").unwrap_or(("", text));
        let traffic = traffic.trim_start_matches(['\n', ' ']);
        ["}", ">", "{", "<"]
            .iter()
            .all(|sign| traffic.contains(sign))
    });
});

case!(it_says_where_it_listens_and_leads, || {
    let target = Target::new();
    let subject = proxy(&target).start();
    let said = subject.process.stderr.until(&target.address());
    assert!(
        said.contains(&format!("127.0.0.1:{}", subject.port)),
        "{said}"
    );
});

case!(it_says_who_connects_to_what, || {
    let target = Target::new();
    let subject = proxy(&target).start();
    subject.process.stderr.until(&target.address());
    let mut client = subject.ask(&upgrade("/some/path", &[])).websocket();
    exchange(&mut client, &mut target.accept());
    subject.process.stderr.until_it("line", |text| {
        let from = text.lines().any(|line| line.starts_with("127.0.0.1"));
        from && text.matches(&target.address()).count() > 1
    });
});

case!(the_log_tells_of_a_session_how_long_and_how_much, || {
    let target = Target::new();
    let subject = proxy(&target).start();
    let mut client = subject.open();
    exchange(&mut client, &mut target.accept());
    client.leave();
    subject
        .process
        .stderr
        .until_it("line about the session", |text| {
            let address = target.address();
            text.lines().any(|line| {
                let parts = ["127.0.0.1", &address, "15 bytes", " s"];
                parts.iter().all(|part| line.contains(part))
            })
        });
});

case!(behind_a_trusted_proxy_the_log_names_the_client, || {
    let target = Target::new();
    let subject = proxy(&target)
        .with(&["--trusted-proxy", "127.0.0.1"])
        .start();
    let header = "X-Forwarded-For: 192.0.2.7";
    let mut client = subject.ask(&upgrade("/", &[header])).websocket();
    exchange(&mut client, &mut target.accept());
    client.leave();
    subject.process.stderr.until("192.0.2.7");
});

case!(a_proxy_that_is_not_trusted_names_nobody, || {
    let target = Target::new();
    let subject = proxy(&target).with(&["-v"]).start();
    let header = "X-Forwarded-For: 192.0.2.7";
    let mut client = subject.ask(&upgrade("/", &[header])).websocket();
    exchange(&mut client, &mut target.accept());
    client.leave();
    let said = subject.process.stderr.until_it("line", |text| {
        text.lines().any(|line| line.starts_with("127.0.0.1"))
    });
    assert!(!said.contains("192.0.2.7"), "{said}");
});

case!(a_log_file_gets_the_messages, || {
    let target = Target::new();
    let subject = proxy(&target).with(&["--log-file", "log"]).start();
    exchange(&mut subject.open(), &mut target.accept());
    let address = target.address();
    subject.file("log", |text| text.matches(&*address).count() > 1);
});

case!(a_log_file_is_added_to, || {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("log");
    std::fs::write(&path, "before\n").unwrap();
    let target = Target::new();
    let subject = proxy(&target).with_path("--log-file", &path).start();
    exchange(&mut subject.open(), &mut target.accept());
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("before\n"), "{text}");
    assert!(text.contains(&target.address()), "{text}");
});

case!(syslog_gets_the_messages_over_a_unix_socket, || {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("log");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(patience())).unwrap();
    let target = Target::new();
    let subject = proxy(&target).with_path("--syslog", &path).start();
    let line = until_line(|room| socket.recv(room).unwrap(), &target.address());
    // RFC 5424 §6: facility user (1), severity informational (6), version 1.
    assert!(line.starts_with("<14>1 "), "{line}");
    let fields: Vec<&str> = line.split(' ').collect();
    assert_eq!(fields[3], "websockify");
    assert_eq!(
        fields[4],
        subject.process.pid().as_raw_nonzero().to_string()
    );
});

case!(legacy_syslog_is_the_older_form, || {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("log");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(patience())).unwrap();
    let target = Target::new();
    let subject = proxy(&target)
        .with(&["--legacy-syslog"])
        .with_path("--syslog", &path)
        .start();
    let line = until_line(|room| socket.recv(room).unwrap(), &target.address());
    let pid = subject.process.pid().as_raw_nonzero();
    assert!(
        line.starts_with(&format!("<14>websockify[{pid}]: ")),
        "{line}"
    );
});

case!(syslog_gets_the_messages_over_udp, || {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(patience())).unwrap();
    let server = socket.local_addr().unwrap().to_string();
    let target = Target::new();
    let _subject = proxy(&target).with(&["--syslog", &server]).start();
    let line = until_line(|room| socket.recv(room).unwrap(), &target.address());
    assert!(line.starts_with("<14>1 "), "{line}");
});

case!(
    a_syslog_server_that_is_not_there_is_told_of_and_waited_for,
    || {
        let target = Target::new();
        let subject = proxy(&target)
            .with(&["--syslog", "/no/such/syslog"])
            .start();
        exchange(&mut subject.open(), &mut target.accept());
        let said = subject.process.stderr.until(&target.address());
        assert_eq!(said.matches("/no/such/syslog").count(), 1, "{said}");
    }
);

case!(a_request_that_fails_is_in_the_log_without_its_query, || {
    let subject = proxy(&Target::new()).with(&["--web", "."]).start();
    subject
        .ask(&get("/nothing?secret=1", &["Connection: close"]))
        .is(404);
    subject.ask(&get("/", &["Connection: close"])).is(200);
    let said = subject.process.stderr.until("404");
    assert!(said.contains("127.0.0.1: \"GET /nothing\" 404\n"), "{said}");
    assert!(!said.contains("secret"), "{said}");
});

case!(the_time_of_a_session_counts_from_its_beginning, || {
    let (target, _waiting) = Target::full();
    let subject = proxy(&target).start();
    let mut client = subject.open();
    let begun = Instant::now();
    assert_eq!(client.close_code(), 1011);
    let whole = begun.elapsed().as_secs();
    assert!(whole > 1, "it is full, and answered");
    subject
        .process
        .stderr
        .until_it("a line with the time", |text| {
            text.lines().any(|line| {
                let seconds = line
                    .split_once(" for ")
                    .and_then(|(_, rest)| rest.split_once(" s,"));
                let seconds = seconds.and_then(|(seconds, _)| seconds.parse::<f64>().ok());
                seconds.is_some_and(|seconds| seconds >= 1.0)
            })
        });
});

case!(a_bad_line_of_a_token_file_is_told_of_once, || {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("tokens");
    let target = Target::new();
    let text = format!("nonsense\none: {}\n", target.address());
    std::fs::write(&path, &text).unwrap();
    let subject = super::tokens::by("TokenFile", &path).start();
    for _ in 0..3 {
        super::tokens::leads(&subject, "one", &target);
    }
    let said = subject.process.stderr.until("line 1 is left out");
    assert_eq!(said.matches("is left out").count(), 1, "{said}");
    std::fs::write(&path, format!("\nnonsense\n{text}")).unwrap();
    super::tokens::leads(&subject, "one", &target);
    subject.process.stderr.until("line 2 is left out");
});

/// The first datagram that has `part` in it.
fn until_line(mut receive: impl FnMut(&mut [u8]) -> usize, part: &str) -> String {
    let mut room = [0; 4096];
    for _ in 0..100 {
        let len = receive(&mut room);
        let line = String::from_utf8_lossy(&room[..len]).into_owned();
        if line.contains(part) {
            return line;
        }
    }
    panic!("a hundred messages without {part}");
}

case!(what_clients_send_does_not_steer_the_terminal, || {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("tokens");
    std::fs::write(&path, "").unwrap();
    let subject = super::tokens::by("TokenFile", &path).with(&["-v"]).start();
    subject.try_to_open("/?token=%1b%5b2Jclear%0d%0aforged", &[]);
    let said = subject.process.stderr.until_it("refusal", |text| {
        text.lines().any(|line| line.starts_with("127.0.0.1"))
    });
    assert!(!said.contains('\u{1b}'), "{said:?}");
    assert!(
        !said.lines().any(|line| line.starts_with("forged")),
        "{said}"
    );
});
