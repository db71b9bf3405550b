//! A role that hangs: the supervisor and systemd notice, people's desktops do not.

use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Instant;

use rustix::process::Signal;

use crate::account::Person;
use crate::gateway::Gateway;
use crate::process::{self, PATIENCE};

/// A gateway that systemd watches, and what plays systemd.
fn watched(limit_seconds: u32) -> (Gateway, UnixDatagram) {
    let folder = Gateway::folder();
    let socket = folder.path().join("notify");
    let told = UnixDatagram::bind(&socket).unwrap();
    told.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut up = Command::new(folder.path().join("deskway"));
    up.args(["up", "--listen", "127.0.0.1:0"]);
    up.env("NOTIFY_SOCKET", socket);
    up.env("WATCHDOG_USEC", (limit_seconds * 1_000_000).to_string());
    (Gateway::run(folder, &mut up), told)
}

fn is_told(told: &UnixDatagram, wanted: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut bytes = [0; 256];
        let length = told.recv(&mut bytes).unwrap();
        let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
        if text.contains(wanted) {
            return text;
        }
        assert!(Instant::now() < deadline, "not told: {wanted}");
    }
}

/// The role whose process has that title.
fn role(gateway: &Gateway, title: &str) -> Option<i32> {
    let is_it = |pid: &i32| {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
        // The kernel keeps 15 bytes of it.
        name.is_ok_and(|name| !name.is_empty() && title.starts_with(name.trim_end()))
    };
    gateway.roles().into_iter().find(is_it)
}

#[test]
fn a_role_that_hangs_is_started_again_and_desktops_live_on() {
    let alice = Person::new("a");
    let (gateway, told) = watched(2);
    let cookie = gateway.sign_in(&alice.name);
    gateway.start_desktop(&alice.name, &cookie);
    let desktop = process::of_desktops(alice.uid);
    let status = is_told(&told, "desktops: 1");
    assert!(status.starts_with("WATCHDOG=1\n"), "{status}");
    assert_eq!(gateway.get("/readyz", "").status, 200);
    for title in ["deskway-launcher", "deskway-serve"] {
        let hung = role(&gateway, title).unwrap();
        process::signal(hung, Signal::STOP);
        let new = process::until("another process", || {
            role(&gateway, title).filter(|pid| *pid != hung)
        });
        // What was said until it was noticed is read, and the rest comes from both.
        told.set_nonblocking(true).unwrap();
        while told.recv(&mut [0; 256]).is_ok() {}
        told.set_nonblocking(false).unwrap();
        is_told(&told, "WATCHDOG=1");
        assert_eq!(role(&gateway, title), Some(new));
        process::until("ready", || {
            (gateway.get("/readyz", "").status == 200).then_some(())
        });
    }
    let log = gateway.log();
    assert_eq!(log.matches("hangs; killed").count(), 2, "{log}");
    assert_eq!(process::of_desktops(alice.uid), desktop);
    gateway.stop_desktop(&alice.name, &cookie);
}

#[test]
fn systemd_hears_nothing_while_a_role_hangs() {
    let (gateway, told) = watched(4);
    is_told(&told, "WATCHDOG=1");
    let launcher = role(&gateway, "deskway-launcher").unwrap();
    process::signal(launcher, Signal::STOP);
    // The question that is under way may have been answered.
    let since = Instant::now();
    let mut silent = false;
    while !silent {
        let asked = Instant::now();
        is_told(&told, "WATCHDOG=1");
        silent = asked.elapsed().as_secs() >= 4;
        assert!(since.elapsed() < PATIENCE, "it is told all is well");
    }
    assert_ne!(role(&gateway, "deskway-launcher"), Some(launcher));
}
