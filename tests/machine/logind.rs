//! What PAM and systemd-logind make of a desktop.

use std::collections::BTreeSet;
use std::path::Path;

use crate::patience::until;
use crate::process;
use crate::service::{Person, Service, ok};

/// The sessions of a person that logind knows.
fn sessions(person: &Person) -> BTreeSet<String> {
    let list = ok("loginctl", &["list-sessions", "--no-legend"]);
    let lines = list
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines
        .filter(|words| words.get(2) == Some(&person.name))
        .map(|words| words[0].to_owned())
        .collect()
}

fn of_session(session: &str, name: &str) -> String {
    let told = ok(
        "loginctl",
        &["show-session", "--value", "--property", name, session],
    );
    told.trim().to_owned()
}

/// A variable in the environment of a process.
fn variable(pid: i32, name: &str) -> Option<String> {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
    let environment = String::from_utf8_lossy(&environment).into_owned();
    let mut variables = environment.split('\0').filter_map(|it| it.split_once('='));
    variables.find_map(|(key, value)| (key == name).then(|| value.to_owned()))
}

#[test]
fn a_desktop_is_a_graphical_session_with_the_persons_run_directory() {
    let carol = Person::new("graphical");
    let _service = Service::start();
    let browser = carol.sign_in();
    assert!(sessions(&carol).is_empty(), "a sign-in alone is no session");
    browser.start_desktop("main");
    let all: Vec<String> = sessions(&carol).into_iter().collect();
    let [session] = all.as_slice() else {
        panic!("{all:?}");
    };
    for (name, value) in [
        ("Type", "x11"),
        ("Class", "user"),
        ("Service", "deskway"),
        ("Remote", "no"),
        ("State", "active"),
    ] {
        assert_eq!(of_session(session, name), value, "{name}");
    }
    let terminal = process::one(carol.uid, "xterm");
    let run = format!("/run/user/{}", carol.uid);
    assert_eq!(variable(terminal, "XDG_RUNTIME_DIR"), Some(run.clone()));
    assert_eq!(variable(terminal, "XDG_SESSION_ID").as_ref(), Some(session));
    assert!(Path::new(&run).is_dir());
    browser.stop_desktop("main");
    until("the session's end", || {
        sessions(&carol).is_empty().then_some(())
    });
    until("the end of the run directory", || {
        (!Path::new(&run).exists()).then_some(())
    });
}

#[test]
fn two_desktops_of_a_person_are_two_sessions_on_two_buses() {
    let dave = Person::new("two");
    let _service = Service::start();
    let browser = dave.sign_in();
    browser.start_desktop("main");
    browser.start_desktop("work");
    assert_eq!(sessions(&dave).len(), 2);
    let buses: BTreeSet<_> = process::of_user(dave.uid)
        .into_iter()
        .filter(|(_, command)| command.starts_with("xterm"))
        .map(|(pid, _)| variable(pid, "DBUS_SESSION_BUS_ADDRESS"))
        .collect();
    assert_eq!(buses.len(), 2, "{buses:?}");
    browser.stop_desktop("main");
    until("the end of one", || {
        (sessions(&dave).len() == 1).then_some(())
    });
    assert_eq!(dave.x_servers(), 1);
    assert!(Path::new(&format!("/run/user/{}", dave.uid)).is_dir());
}

#[test]
fn a_session_that_logind_ends_takes_its_desktop_with_it() {
    let erin = Person::new("ended");
    let _service = Service::start();
    let browser = erin.sign_in();
    browser.start_desktop("main");
    let session = sessions(&erin).pop_first().unwrap();
    ok("loginctl", &["terminate-session", &session]);
    let told = browser.wait_for("main", "\"state\":\"failed\"");
    assert!(told.contains("killed from outside"), "{told}");
    until("the end of all that ran in it", || {
        process::of_desktops(erin.uid).is_empty().then_some(())
    });
    browser.start_desktop("main");
}
