//! What the agent does inside a session: the clock of its input, notices, windows that close.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use deskway::agent::protocol::{Status, VNC_SOCKET};
use deskway::model::EndCause;
use rustix::process::{Signal, kill_process};

use crate::desktop::{self, Desktop, is_root};

/// A session with a window and no window manager.
const TERMINAL: &[&str] = &["xterm", "-e", "sleep", "1000"];
/// One whose window does not end the session, and tells when it was closed, but not when it was
/// just ended.
const STAYS: &[&str] = &[
    "sh",
    "-c",
    "xterm -e 'trap \"\" TERM; trap \"echo >~/closed; exit\" HUP; : >~/up; \
     while :; do sleep 0.1; done'; \
     sleep 1000",
];
/// Between two looks at what gives no event.
const LOOK: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn the_idle_clock_goes_on_by_itself_and_begins_anew_with_input() {
    let desktop = Desktop::start(TERMINAL);
    desktop.until_ready();
    let asker = desktop.connect();
    assert_eq!(desktop::read(&asker), Some(Status::Ready));
    let mut viewer = viewer(&desktop);
    move_pointer(&mut viewer, (10, 10), false);
    let first = until("the input to count", || {
        Some(idle_millis(&asker)).filter(|millis| *millis < 1000)
    });
    let began = Instant::now();
    let later = until("time to pass", || {
        Some(idle_millis(&asker)).filter(|millis| *millis > first + 300)
    });
    assert!(u128::from(later - first) <= began.elapsed().as_millis() + 300);
    move_pointer(&mut viewer, (20, 20), false);
    until("the input to count", || {
        (idle_millis(&asker) < later).then_some(())
    });
    desktop.ask(b"\"Stop\"");
    assert_eq!(
        desktop.next(),
        Status::Stopping,
        "others hear nothing of it"
    );
    desktop.end();
}

#[test]
fn an_x_server_that_stands_still_is_no_answer_and_holds_up_nobody() {
    let desktop = Desktop::start(TERMINAL);
    desktop.until_ready();
    let x_server = desktop.process("/usr/bin/Xtigervnc");
    kill_process(x_server, Signal::STOP).unwrap();
    for _ in 0..3 {
        desktop.ask(b"\"TellIdle\"");
    }
    let other = desktop.connect();
    assert_eq!(desktop::read(&other), Some(Status::Ready));
    kill_process(x_server, Signal::CONT).unwrap();
    assert!(idle_millis(&other) < u64::from(u32::MAX));
    desktop.ask(b"\"Stop\"");
    desktop.end();
}

#[test]
fn what_a_newer_launcher_asks_for_is_left_undone() {
    let desktop = Desktop::start(TERMINAL);
    desktop.until_ready();
    desktop.ask(b"{\"Dance\":{\"steps\":3}}");
    desktop.ask(b"\"Dance\"");
    desktop.ask(b"\"Stop\"");
    assert_eq!(desktop.end().0, EndCause::Stopped);
}

#[test]
fn windows_are_asked_to_close_before_the_end() {
    let desktop = Desktop::start(STAYS);
    desktop.until_ready();
    let up = desktop.home().join("up");
    until("the terminal", || up.exists().then_some(()));
    desktop.ask(b"{\"Close\":{\"seconds\":60}}");
    assert_eq!(desktop.next(), Status::Stopping);
    let closed = desktop.home().join("closed");
    let began = Instant::now();
    while !matches!(desktop.next(), Status::Ended { .. }) {}
    assert!(closed.exists(), "the terminal was not asked");
    assert!(
        began.elapsed() < Duration::from_secs(50),
        "nobody was left to wait for"
    );
}

#[test]
fn a_window_that_does_not_close_is_not_waited_for_without_end() {
    // A terminal that closes, and one that cannot.
    let desktop = Desktop::start(&["sh", "-c", "xterm & pid=$!; sleep 1; kill -STOP $pid; wait"]);
    desktop.until_ready();
    desktop.ask(b"{\"Close\":{\"seconds\":1}}");
    assert_eq!(desktop.end().0, EndCause::Stopped);
}

#[test]
fn a_stop_does_not_wait_for_windows() {
    let desktop = Desktop::start(&["sh", "-c", "xterm & pid=$!; sleep 1; kill -STOP $pid; wait"]);
    desktop.until_ready();
    desktop.ask(b"{\"Close\":{\"seconds\":3600}}");
    desktop.ask(b"\"Stop\"");
    assert_eq!(desktop.end().0, EndCause::Stopped);
}

#[test]
fn a_notice_is_shown_until_its_button_is_pressed() {
    if !is_root() {
        return; // Its window is looked for in the mount namespace that only root makes.
    }
    let desktop = Desktop::start(TERMINAL);
    desktop.until_ready();
    let text = "Nobody has used this desktop for 2 hours. In 10 minutes it will be ended.";
    let show = serde_json::json!({"Show": {"text": text, "keep": true}});
    desktop.ask(&serde_json::to_vec(&show).unwrap());
    let (x, y, height) = until("the notice", || notice(&desktop));
    let mut viewer = viewer(&desktop);
    let button = (x + 40, y + height - 30);
    move_pointer(&mut viewer, button, true);
    move_pointer(&mut viewer, button, false);
    until("the notice to go", || {
        notice(&desktop).is_none().then_some(())
    });
    desktop.ask(b"\"Stop\"");
    assert_eq!(desktop.end().0, EndCause::Stopped);
}

#[test]
fn a_question_goes_when_somebody_uses_the_desktop() {
    if !is_root() {
        return; // As above.
    }
    let desktop = Desktop::start(TERMINAL);
    desktop.until_ready();
    let asker = desktop.connect();
    assert_eq!(desktop::read(&asker), Some(Status::Ready));
    desktop.ask(b"{\"Show\":{\"text\":\"Still there?\",\"keep\":true}}");
    until("the notice", || notice(&desktop));
    idle_millis(&asker);
    assert!(notice(&desktop).is_some(), "nobody has given any input");
    let mut viewer = viewer(&desktop);
    move_pointer(&mut viewer, (5, 5), false);
    until("the notice to go", || {
        idle_millis(&asker);
        notice(&desktop).is_none().then_some(())
    });
    desktop.ask(b"\"Stop\"");
    assert_eq!(desktop.end().0, EndCause::Stopped);
}

fn idle_millis(asker: &std::os::fd::OwnedFd) -> u64 {
    desktop::send(asker, b"\"TellIdle\"");
    match desktop::read(asker) {
        Some(Status::Idle { millis }) => millis,
        other => panic!("{other:?}"),
    }
}

/// Where the notice's window is, and how high.
fn notice(desktop: &Desktop) -> Option<(u16, u16, u16)> {
    let output = desktop.look_at_windows(&["-name", "Deskway"]);
    let text = String::from_utf8_lossy(&output.stdout);
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(name));
        line.and_then(|value| value.trim().parse().ok())
    };
    Some((
        field("Absolute upper-left X:")?,
        field("Absolute upper-left Y:")?,
        field("Height:")?,
    ))
}

/// Somebody who looks at the desktop, as far as they can give input (RFC 6143, 7.1 to 7.3).
fn viewer(desktop: &Desktop) -> UnixStream {
    let mut vnc = UnixStream::connect(desktop.spec.run_dir.join(VNC_SOCKET)).unwrap();
    vnc.set_read_timeout(Some(PATIENCE)).unwrap();
    let read = |vnc: &mut UnixStream, count: usize| {
        let mut bytes = vec![0; count];
        vnc.read_exact(&mut bytes).unwrap();
        bytes
    };
    read(&mut vnc, 12);
    vnc.write_all(b"RFB 003.008\n").unwrap();
    let kinds = read(&mut vnc, 1)[0];
    read(&mut vnc, kinds.into());
    vnc.write_all(&[1]).unwrap();
    assert_eq!(read(&mut vnc, 4), [0; 4]);
    vnc.write_all(&[1]).unwrap();
    let init = read(&mut vnc, 24);
    let name = u32::from_be_bytes([init[20], init[21], init[22], init[23]]);
    read(&mut vnc, usize::try_from(name).unwrap());
    vnc
}

/// `PointerEvent`: RFC 6143, 7.5.5.
fn move_pointer(vnc: &mut UnixStream, (x, y): (u16, u16), pressed: bool) {
    let ([x1, x2], [y1, y2]) = (x.to_be_bytes(), y.to_be_bytes());
    vnc.write_all(&[5, u8::from(pressed), x1, x2, y1, y2])
        .unwrap();
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        let pause = rustix::event::Timespec::try_from(LOOK).unwrap();
        rustix::event::poll(&mut [], Some(&pause)).unwrap();
    }
}
