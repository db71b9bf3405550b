//! A running desktop, its agent, and what they make of each other.

use deskway_osuser::Received;
use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command as Process, Stdio};

use deskway_osuser::Account;

use super::*;

fn said_to(agent: &OwnedFd) -> Command {
    let mut buffer = [0; 256];
    match deskway_osuser::receive(agent.as_fd(), &mut buffer).unwrap() {
        Received::Message(length, _) => serde_json::from_slice(&buffer[..length]).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// An adopted desktop whose session child is that process.
fn adopted(pid: i32, speaks: u32) -> Running {
    let start = deskway_osuser::start_time(pid).unwrap();
    let record = Record {
        desktop: "alice".parse().unwrap(),
        profile: "xfce".parse().unwrap(),
        os_name: "alice".to_owned(),
        uid: 1000,
        display: 10,
        since: 1,
        pid,
        start,
        disk_warning: None,
        speaks,
        hours: None,
        ready: None,
        frozen: None,
        killed: None,
    };
    let owner = Owner {
        name: "alice".parse().unwrap(),
        os: Account {
            name: "alice".to_owned(),
            uid: 1000,
            gid: 1000,
            full_name: String::new(),
            home: "/home/alice".into(),
            shell: "".into(),
        },
    };
    let process = deskway_osuser::open_process(record.process()).unwrap();
    Running::adopted(record, owner, false, process)
}

#[test]
fn an_agent_that_connects_late_is_told_what_was_asked_for_meanwhile() {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let began = Instant::now();
    let later = began + Duration::from_secs(20);
    let minute = Duration::from_mins(1);
    let cause = EndCause::HoursUsedUp;

    let mut running = adopted(own, 1);
    running.close(cause.clone(), minute, 5, began);
    assert!(!running.is_open_to_its_end(), "nobody was asked yet");
    let (ours, agent) = deskway_osuser::pair().unwrap();
    running.take_agent(ours, later);
    assert_eq!(said_to(&agent), Command::Close { seconds: 40 });
    assert_eq!(running.kill_at(), Some(began + minute + STOP_TIMEOUT));
    assert_eq!(running.info(5, later).state, DesktopState::Closing);
    assert_eq!(running.screen_is_up(), Some(true));

    // Somebody stops it after all.
    let mut running = adopted(own, 1);
    running.close(cause, minute, 5, began);
    running.stop(5, began);
    let (ours, agent) = deskway_osuser::pair().unwrap();
    running.take_agent(ours, later);
    assert_eq!(said_to(&agent), Command::Stop);
    assert_eq!(running.info(5, later).state, DesktopState::Stopping);
    assert_eq!(running.screen_is_up(), Some(false));
}

/// A desktop, and its agent's end of the connection.
fn connected() -> (Running, OwnedFd) {
    let own = i32::try_from(std::process::id()).unwrap();
    let mut running = adopted(own, 0);
    let (agent, theirs) = deskway_osuser::pair().unwrap();
    running.take_agent(agent, Instant::now());
    (running, theirs)
}

fn say(agent: &OwnedFd, status: &Status) {
    let status = serde_json::to_vec(status).unwrap();
    deskway_osuser::send(agent.as_fd(), &status).unwrap();
}

#[test]
fn an_end_that_nobody_asked_for_has_to_come() {
    let ended = Status::Ended {
        cause: EndCause::LoggedOut,
        log: String::new(),
    };
    for status in [Status::Stopping, ended] {
        let (mut running, agent) = connected();
        say(&agent, &Status::Ready);
        running.read(Source::Agent, 1);
        assert!(running.takes_hours() && running.kill_at().is_none());
        say(&agent, &status);
        running.read(Source::Agent, 2);
        assert!(!running.takes_hours());
        assert!(running.kill_at().is_some(), "{status:?}");
    }
}

#[test]
fn the_words_of_an_agent_are_one_short_line_without_orders_to_a_terminal() {
    let (mut running, agent) = connected();
    let error = format!("\u{1b}]0;x\u{7}\nalice  ready{}", "ä".repeat(400));
    let cause = EndCause::ScreenFailed { error };
    let log = String::new();
    say(&agent, &Status::Ended { cause, log });
    running.read(Source::Agent, 1);
    let Lifecycle::Stopping { end: Some(end) } = running.life() else {
        panic!("{:?}", running.life());
    };
    let EndCause::ScreenFailed { error } = &end.cause else {
        panic!("{:?}", end.cause);
    };
    assert!(error.starts_with("?]0;x??alice  ready"), "{error}");
    assert_eq!(error.chars().count(), 400);
}

#[test]
fn an_agent_that_hangs_up_is_connected_to_again_unless_it_was_to_end() {
    let (mut running, agent) = connected();
    drop(agent);
    running.read(Source::Agent, 1);
    assert!(running.connect_at.is_some());

    let (mut running, agent) = connected();
    say(&agent, &Status::Stopping);
    drop(agent);
    running.read(Source::Agent, 1);
    assert_eq!(running.connect_at, None);
}

#[test]
fn a_session_child_that_hangs_is_killed_in_the_end() {
    let script = "trap '' TERM; echo; exec sleep 600";
    let mut hanging = Process::new("sh")
        .args(["-c", script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = hanging.stdout.take().unwrap();
    out.read_exact(&mut [0]).unwrap();
    let pid = i32::try_from(hanging.id()).unwrap();
    let mut running = adopted(pid, 0);
    running.stop(1, Instant::now());
    for _ in 0..2 {
        let at = running.kill_at().expect("a deadline for the next step");
        running.kill(at);
    }
    assert_eq!(running.kill_at(), None);
    let signal = hanging.wait().unwrap().signal();
    assert_eq!(signal, Some(Signal::KILL.as_raw()));
}
