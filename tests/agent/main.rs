//! The agent with real X servers and sessions: how a desktop starts, what it shows, how it ends,
//! and that nothing is left of it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing step fails the test"
)]
mod desktop;
mod inside;
#[path = "../../src/runtime/script.rs"]
mod script;

use std::fs;

use deskway::agent::protocol::{Session, Status};
use deskway::model::{EndCause, Exit, Stage};
use rustix::process::{Signal, kill_process};

use desktop::{Desktop, is_root, mode_and_owner, sockets_of};

/// A session that is drawn at once and lasts.
const TERMINAL: &[&str] = &["xterm", "-e", "sleep", "1000"];
/// The same with a script around it, which can be told to end.
const ENDS_WHEN_TOLD: &[&str] = &["sh", "-c", "mkfifo ~/end; xterm & read line < ~/end"];

#[test]
fn a_desktop_starts_stage_by_stage_and_stops_when_asked() {
    let desktop = Desktop::start(TERMINAL);
    let stages = [desktop.next(), desktop.next(), desktop.next()];
    let starting = |stage| Status::Starting { stage };
    let expected = [
        starting(Stage::Screen),
        starting(Stage::Session),
        Status::Ready,
    ];
    assert_eq!(stages, expected);

    desktop.ask(b"\"Stop\"");
    assert_eq!(desktop.next(), Status::Stopping);
    assert_eq!(desktop.end().0, EndCause::Stopped);
}

#[test]
fn its_socket_greets_its_owner_alone() {
    let desktop = Desktop::start(TERMINAL);
    desktop.until_visible();
    assert_eq!(desktop.greeting(), "RFB 003.008\n");
    for name in ["vnc.sock", "agent.sock", "Xauthority", "log"] {
        let file = desktop.spec.run_dir.join(name);
        assert_eq!(mode_and_owner(&file), (0o600, desktop.uid()), "{name}");
    }
}

#[test]
fn it_opens_no_tcp_port_and_no_abstract_socket() {
    // Even when the configuration asks for one.
    let ask_for_tcp = ["-rfbport", "5999", "-listen", "tcp", "-listen", "local"];
    let desktop = Desktop::with(TERMINAL, &[], |spec| {
        spec.x_args = ask_for_tcp.map(str::to_owned).to_vec();
    });
    desktop.until_ready();
    let x_server = desktop.process("/usr/bin/Xtigervnc");
    let sockets = sockets_of(x_server);
    assert!(!sockets.is_empty());
    for table in ["tcp", "tcp6", "udp", "udp6"] {
        let table = fs::read_to_string(format!("/proc/net/{table}")).unwrap();
        for line in table.lines() {
            let inode = line.split_whitespace().nth(9).unwrap();
            assert!(!sockets.iter().any(|socket| socket == inode), "{line}");
        }
    }
    let table = fs::read_to_string("/proc/net/unix").unwrap();
    let ours = table.lines().filter(|line| {
        let inode = line.split_whitespace().nth(6);
        sockets.iter().any(|socket| inode == Some(socket))
    });
    let ours: Vec<_> = ours.collect();
    let listens = |path: &str| ours.iter().any(|line| line.ends_with(path));
    assert!(listens("/vnc.sock") && listens(&format!("/.X11-unix/X{}", desktop.spec.display)));
    assert!(!ours.iter().any(|line| line.contains(" @")), "{ours:?}");
}

#[test]
fn nobody_else_opens_its_display() {
    if !is_root() {
        return; // Without root there is no other user to try it as.
    }
    let desktop = Desktop::start(TERMINAL);
    desktop.until_ready();
    let owner = desktop.look_at_the_display(true, true);
    assert!(owner.status.success(), "{owner:?}");
    for (as_owner, with_cookie) in [(true, false), (false, false), (false, true)] {
        let other = desktop.look_at_the_display(as_owner, with_cookie);
        assert!(!other.status.success(), "{other:?}");
    }
}

#[test]
fn sigterm_ends_everything() {
    let desktop = Desktop::start(TERMINAL);
    desktop.until_ready();
    kill_process(desktop.agent, Signal::TERM).unwrap();
    assert_eq!(desktop.end().0, EndCause::Stopped);
}

#[test]
fn it_ends_with_the_process_that_started_it() {
    let desktop = Desktop::start(TERMINAL);
    desktop.until_ready();
    if is_root() {
        desktop.kill_parent();
        assert_eq!(desktop.end_cause(), EndCause::Stopped);
    }
}

#[test]
fn programs_may_save_their_work_before_a_stop() {
    let saves = "trap 'echo saved > ~/saved; exit' TERM; xterm & while :; do wait; done";
    let desktop = Desktop::start(&["sh", "-c", saves]);
    desktop.until_ready();
    let file = desktop.home().join("saved");
    desktop.ask(b"\"Stop\"");
    while !matches!(desktop.next(), Status::Ended { .. }) {}
    assert_eq!(fs::read_to_string(file).unwrap(), "saved\n");
}

#[test]
fn a_session_that_does_not_want_to_end_is_ended() {
    let refuses = "trap '' TERM HUP; xterm & while :; do sleep 1000; done";
    let desktop = Desktop::start(&["sh", "-c", refuses]);
    desktop.until_ready();
    desktop.ask(b"\"Stop\"");
    assert_eq!(desktop.end().0, EndCause::Stopped);
}

#[test]
fn what_does_not_understand_stop_cannot_stop_it() {
    let desktop = Desktop::start(ENDS_WHEN_TOLD);
    desktop.until_ready();
    let stranger = desktop.connect();
    for nonsense in [&b"{"[..], b"stop", &[0; 5000]] {
        let stranger = desktop.connect();
        desktop::send(&stranger, nonsense);
        assert_eq!(desktop::read(&stranger), Some(Status::Ready));
        assert_eq!(desktop::read(&stranger), None);
    }
    assert_eq!(desktop::read(&stranger), Some(Status::Ready));
    fs::write(desktop.home().join("end"), "now\n").unwrap();
    assert_eq!(desktop.end().0, EndCause::LoggedOut);
}

#[test]
fn a_killed_x_server_is_told_as_that() {
    let desktop = Desktop::start(TERMINAL);
    desktop.until_ready();
    let x_server = desktop.process("/usr/bin/Xtigervnc");
    kill_process(x_server, Signal::KILL).unwrap();
    let how = Exit::Signal(9);
    assert_eq!(desktop.end().0, EndCause::ScreenDied { how });
}

#[test]
fn an_x_server_that_cannot_be_run_is_told_as_that() {
    let desktop = Desktop::with(TERMINAL, &[], |spec| spec.x_server = "/nowhere/Xvnc".into());
    let EndCause::ScreenFailed { error } = desktop.end().0 else {
        panic!("not told as a screen that failed");
    };
    assert!(error.contains("`/nowhere/Xvnc` cannot be run"), "{error}");
}

#[test]
fn an_x_server_that_refuses_its_arguments_shows_why() {
    let desktop = Desktop::with(TERMINAL, &[], |spec| spec.x_args = vec!["-nonsense".into()]);
    let (cause, log) = desktop.end();
    assert!(matches!(cause, EndCause::ScreenFailed { .. }), "{cause:?}");
    assert!(log.contains("Unrecognized option: -nonsense"), "{log}");
}

#[test]
fn an_x_server_that_never_comes_up_is_given_up() {
    let desktop = Desktop::with(TERMINAL, &[("x", "#!/bin/sh\nsleep 1000")], |spec| {
        spec.x_server = spec.run_dir.with_file_name("home").join("x");
        spec.screen_timeout = 1;
    });
    let EndCause::ScreenFailed { error } = desktop.end().0 else {
        panic!("not told as a screen that failed");
    };
    assert_eq!(error, "it was not ready after 1 s");
}

#[test]
fn a_session_that_is_not_installed_is_told_as_that() {
    for command in ["no-such-desktop", "/no/such/desktop"] {
        let desktop = Desktop::start(&[command, "argument"]);
        let EndCause::SessionMissing { command: told, .. } = desktop.end().0 else {
            panic!("not told as missing");
        };
        assert_eq!(told, command);
    }
}

#[test]
fn a_session_that_fails_shows_what_it_said() {
    let desktop = Desktop::start(&["sh", "-c", "printf '\\033[31mboom\\n' >&2; exit 3"]);
    let (cause, log) = desktop.end();
    let EndCause::SessionDied { how, .. } = cause else {
        panic!("{cause:?}");
    };
    assert_eq!(how, Exit::Code(3));
    assert!(log.contains("boom") && !log.contains('\u{1b}'), "{log}");
}

#[test]
fn a_session_that_ends_at_once_without_an_error_has_failed_too() {
    let (cause, _log) = Desktop::start(&["true"]).end();
    assert!(matches!(cause, EndCause::SessionDied { .. }), "{cause:?}");
}

#[test]
fn logging_out_ends_the_desktop_and_what_the_session_left() {
    let desktop = Desktop::start(ENDS_WHEN_TOLD);
    desktop.until_ready();
    fs::write(desktop.home().join("end"), "now\n").unwrap();
    assert_eq!(desktop.end().0, EndCause::LoggedOut);
}

#[test]
fn an_xstartup_may_leave_its_session_in_the_background() {
    let script = "#!/bin/sh\nunset DBUS_SESSION_BUS_ADDRESS\nxterm -e sleep 1000 &\n";
    let desktop = Desktop::with(&[], &[(".vnc/xstartup", script)], |spec| {
        spec.session = Session::XStartup;
    });
    desktop.until_ready();
    let terminal = desktop.process("xterm");
    kill_process(terminal, Signal::TERM).unwrap();
    assert_eq!(desktop.end().0, EndCause::LoggedOut);
}

#[test]
fn an_xstartup_that_is_not_there_is_told_as_that() {
    let desktop = Desktop::with(&[], &[], |spec| spec.session = Session::XStartup);
    let (cause, _log) = desktop.end();
    let expected = EndCause::SessionMissing {
        command: "~/.vnc/xstartup".into(),
        error: "there is no such file".into(),
    };
    assert_eq!(cause, expected);
}

#[test]
fn a_session_is_a_login() {
    let profile = "export FROM_PROFILE=yes\nPATH=$PATH:$HOME\n";
    let session = "#!/bin/sh\necho $FROM_PROFILE $PWD $DISPLAY $DBUS_SESSION_BUS_ADDRESS\nexit 1";
    let files = [(".profile", profile), ("my-session", session)];
    let desktop = Desktop::with(&["my-session"], &files, |_spec| {});
    let (home, run_dir) = (desktop.home(), desktop.spec.run_dir.clone());
    let said = format!(
        "yes {} :{} unix:path={}/bus\n",
        home.display(),
        desktop.spec.display,
        run_dir.display()
    );
    let (_cause, log) = desktop.end();
    assert!(log.contains(&said), "{log}");
}

#[test]
fn a_session_that_prints_without_end_fills_no_disk_and_can_be_stopped() {
    let desktop = Desktop::start(&["sh", "-c", "xterm & exec yes"]);
    desktop.until_ready();
    let run_dir = desktop.spec.run_dir.clone();
    desktop.ask(b"\"Stop\"");
    while !matches!(desktop.next(), Status::Ended { .. }) {}
    let size = |name| fs::metadata(run_dir.join(name)).map_or(0, |meta| meta.len());
    assert!(size("log") + size("log.old") < 1024 * 1024);
}

#[test]
fn a_bare_window_manager_is_ready_though_there_is_nothing_to_see() {
    let desktop = Desktop::start(&["xfwm4"]);
    desktop.until_ready();
    desktop.ask(b"\"Stop\"");
    assert_eq!(desktop.end().0, EndCause::Stopped);
}

#[test]
fn an_xstartup_that_leaves_xfce_in_the_background_ends_with_it() {
    let xstartup = "#!/bin/bash\nmkfifo ~/end\nstartxfce4 &\n~/log-out-when-told &\n";
    let log_out = "#!/bin/sh\nread line <~/end; xfce4-session-logout --logout --fast";
    let files = [(".vnc/xstartup", xstartup), ("log-out-when-told", log_out)];
    let desktop = Desktop::with(&[], &files, |spec| spec.session = Session::XStartup);
    desktop.until_ready();
    fs::write(desktop.home().join("end"), "now\n").unwrap();
    assert_eq!(desktop.end().0, EndCause::LoggedOut);
}

#[test]
fn xfce_becomes_ready_and_ends_without_a_trace() {
    let desktop = Desktop::start(&["startxfce4"]);
    desktop.until_ready();
    desktop.process("xfdesktop");
    desktop.ask(b"\"Stop\"");
    assert_eq!(desktop.end().0, EndCause::Stopped);
}
