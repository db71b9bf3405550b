//! How long it runs: timeouts, `--run-once`, the background, signals.

use std::io::{ErrorKind, Read as _};
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};

use crate::harness::{Target, exchange, proxy, session_of, until, with_patience};
use crate::ledger::case;

case!(timeout_ends_it, || {
    let started = Instant::now();
    let mut subject = proxy(&Target::new()).with(&["--timeout", "1"]).start();
    assert!(subject.process.ended().success());
    assert!(started.elapsed() >= Duration::from_secs(1));
});

case!(idle_timeout_ends_it_when_nobody_is_connected, || {
    let mut subject = proxy(&Target::new()).with(&["--idle-timeout", "1"]).start();
    assert!(subject.process.ended().success());
});

case!(
    idle_timeout_does_not_end_it_while_somebody_is_connected,
    || {
        let target = Target::new();
        let mut subject = proxy(&target).with(&["--idle-timeout", "1"]).start();
        let mut client = subject.open();
        let mut there = target.accept();
        let busy_until = Instant::now() + Duration::from_millis(2200);
        while Instant::now() < busy_until {
            exchange(&mut client, &mut there);
        }
        assert!(subject.process.is_running());
        client.leave();
        assert!(subject.process.ended().success());
    }
);

case!(run_once_ends_it_with_its_first_websocket, || {
    let target = Target::new();
    let mut subject = proxy(&target).with(&["--run-once"]).start();
    let mut client = subject.open();
    exchange(&mut client, &mut target.accept());
    assert!(subject.process.is_running());
    client.leave();
    assert!(subject.process.ended().success());
});

case!(run_once_is_not_used_up_by_a_plain_request, || {
    let target = Target::new();
    let mut subject = proxy(&target).with(&["--run-once"]).start();
    subject
        .ask("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .is(405);
    let mut client = subject.open();
    exchange(&mut client, &mut target.accept());
    client.leave();
    assert!(subject.process.ended().success());
});

case!(daemon_goes_to_the_background_and_serves, || {
    let target = Target::new();
    let mut subject = proxy(&target).in_background().start();
    assert!(subject.process.ended().success());
    exchange(&mut subject.open(), &mut target.accept());
    let session = session_of("self");
    let family = until("the daemon alone", || {
        let family = subject.process.family();
        (family.len() == 1).then_some(family)
    });
    assert_ne!(session_of(&family[0].as_raw_nonzero().to_string()), session);
});

case!(a_daemon_that_gets_sigterm_ends, || {
    let target = Target::new();
    let mut subject = proxy(&target).in_background().start();
    assert!(subject.process.ended().success());
    exchange(&mut subject.open(), &mut target.accept());
    for pid in subject.process.family() {
        _ = kill_process(pid, Signal::TERM);
    }
    until("the daemon's end", || {
        subject.process.family().is_empty().then_some(())
    });
    assert!(!subject.listens());
});

case!(a_daemon_writes_to_its_log_file, || {
    let target = Target::new();
    let mut subject = proxy(&target)
        .with(&["--log-file", "log"])
        .in_background()
        .start();
    assert!(subject.process.ended().success());
    exchange(&mut subject.open(), &mut target.accept());
    let address = target.address();
    subject.file("log", |text| text.matches(&*address).count() > 1);
});

case!(sigterm_ends_it_with_success, || {
    let mut subject = proxy(&Target::new()).start();
    subject.process.hears(Signal::TERM);
    kill_process(subject.process.pid(), Signal::TERM).unwrap();
    assert!(subject.process.ended().success());
});

case!(sigint_ends_it_with_success, || {
    let mut subject = proxy(&Target::new()).start();
    subject.process.hears(Signal::INT);
    kill_process(subject.process.pid(), Signal::INT).unwrap();
    assert!(subject.process.ended().success());
});

case!(sigterm_ends_the_sessions_too, || {
    let target = Target::new();
    let mut subject = proxy(&target).start();
    let mut client = subject.open();
    let mut there = target.accept();
    exchange(&mut client, &mut there);
    kill_process(subject.process.pid(), Signal::TERM).unwrap();
    assert_eq!(there.read_rest(), b"");
    drop(client);
    assert!(subject.process.ended().success());
});

case!(sigterm_tells_the_clients_with_a_close_frame, || {
    let target = Target::new();
    let subject = proxy(&target).start();
    let mut client = subject.open();
    let mut there = target.accept();
    exchange(&mut client, &mut there);
    kill_process(subject.process.pid(), Signal::TERM).unwrap();
    assert_eq!(client.close_code(), 1001);
});

case!(one_process_serves_all_connections, || {
    let target = Target::new();
    let subject = proxy(&target).start();
    let mut clients: Vec<_> = (0..10).map(|_| (subject.open(), target.accept())).collect();
    for (client, there) in &mut clients {
        exchange(client, there);
    }
    assert_eq!(subject.process.family().len(), 1);
});

/// Longer than nobody is left without a ping where nothing is said of it.
const PINGED_BY_THEN: Duration = Duration::from_secs(27);

case!(heartbeat_0_sends_no_pings, || {
    with_patience(PINGED_BY_THEN, || {
        let target = Target::new();
        let subject = proxy(&target).with(&["--heartbeat", "0"]).start();
        let mut client = subject.open();
        let mut there = target.accept();
        exchange(&mut client, &mut there);
        let silence = client.wire.read(&mut [0]).unwrap_err();
        assert_eq!(silence.kind(), ErrorKind::WouldBlock, "{silence}");
        exchange(&mut client, &mut there);
    });
});

case!(without_heartbeat_a_quiet_client_is_pinged, || {
    with_patience(PINGED_BY_THEN, || {
        let target = Target::new();
        let subject = proxy(&target).start();
        let mut client = subject.open();
        let mut there = target.accept();
        exchange(&mut client, &mut there);
        client.expect(0x89);
        exchange(&mut client, &mut there);
    });
});

case!(heartbeat_sends_pings, || {
    let target = Target::new();
    let subject = proxy(&target).with(&["--heartbeat", "1"]).start();
    let mut client = subject.open();
    let mut there = target.accept();
    client.expect(0x89);
    client.send_frame(0x8a, b"");
    exchange(&mut client, &mut there);
});
