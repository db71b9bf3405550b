//! `deskway.service` and `deskway.socket`, run by a real systemd.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::process::Signal;

use crate::browser::Browser;
use crate::patience::until;
use crate::process;
use crate::service::{DropIn, Person, Service, configure, ok, property, run};

/// What `systemd-analyze security` may say at most, in tenths. People's desktops are below the
/// service, so most of what it counts cannot be taken away.
const EXPOSURE: &str = "--threshold=92";

#[test]
fn the_units_are_sound_and_can_be_enabled() {
    configure("");
    let units =
        ["deskway.service", "deskway.socket"].map(|unit| format!("/etc/systemd/system/{unit}"));
    let verified = run("systemd-analyze", &["verify", &units[0], &units[1]]);
    let said = String::from_utf8_lossy(&verified.stderr);
    assert!(
        verified.status.success() && !said.contains("deskway"),
        "{said}"
    );
    ok(
        "systemctl",
        &["enable", "deskway.service", "deskway.socket"],
    );
    ok(
        "systemctl",
        &["disable", "deskway.service", "deskway.socket"],
    );
    ok(
        "systemd-analyze",
        &["security", "--no-pager", EXPOSURE, "deskway.service"],
    );
}

#[test]
fn the_service_has_started_when_people_can_sign_in() {
    let _service = Service::start();
    let page = Browser::guest("/sign-in");
    assert_eq!(page.status, 200, "{}", page.body);
    assert_eq!(property("ActiveState"), "active");
    assert_eq!(property("NRestarts"), "0");
    until("what `systemctl status` tells", || {
        property("StatusText").contains("desktops: 0").then_some(())
    });
}

#[test]
fn a_service_that_hangs_is_ended_by_the_watchdog_and_started_again() {
    let _impatient = DropIn::new("WatchdogSec=20s");
    let _service = Service::start();
    let pid = property("MainPID");
    process::signal(pid.parse().unwrap(), Signal::STOP);
    until("the watchdog", || {
        (property("NRestarts") == "1" && property("ActiveState") == "active").then_some(())
    });
    assert_ne!(property("MainPID"), pid);
    assert_eq!(Browser::guest("/sign-in").status, 200);
}

#[test]
fn a_reload_reads_the_configuration_again_in_the_same_process() {
    let _service = Service::start();
    let pid = property("MainPID");
    configure("[brand]\nname = \"Quartz Lab\"");
    ok("systemctl", &["reload", "deskway.service"]);
    until("the new name", || {
        Browser::guest("/sign-in")
            .body
            .contains("Quartz Lab")
            .then_some(())
    });
    assert_eq!(property("MainPID"), pid);
}

#[test]
fn a_wrong_configuration_is_told_once_and_not_tried_again() {
    let _ended = Service;
    configure("[brand]\nnaem = \"Quartz Lab\"");
    run("systemctl", &["start", "deskway.service"]);
    until("the failure", || {
        (property("ActiveState") == "failed").then_some(())
    });
    assert_eq!(property("ExecMainStatus"), "78");
    assert_eq!(property("NRestarts"), "0");
}

#[test]
fn a_desktop_and_its_owners_sign_in_outlive_restart_and_stop() {
    let alice = Person::new("restart");
    let _service = Service::start();
    let browser = alice.sign_in();
    browser.start_desktop("main");
    let server = alice.x_server();
    ok("systemctl", &["restart", "deskway.service"]);
    browser.wait_for("main", "\"state\":\"ready\"");
    assert_eq!(alice.x_server(), server);
    ok("systemctl", &["stop", "deskway.socket", "deskway.service"]);
    assert_eq!(property("ActiveState"), "inactive");
    assert_eq!(alice.x_server(), server);
    ok("systemctl", &["start", "deskway.socket", "deskway.service"]);
    browser.wait_for("main", "\"state\":\"ready\"");
    assert_eq!(alice.x_server(), server);
    browser.stop_desktop("main");
    until("the desktop's end", || {
        (alice.x_servers() == 0).then_some(())
    });
}

#[test]
fn a_service_that_is_killed_is_started_again_and_finds_its_desktops() {
    let bob = Person::new("killed");
    let _service = Service::start();
    let browser = bob.sign_in();
    browser.start_desktop("main");
    let server = bob.x_server();
    let pid = property("MainPID");
    process::signal(pid.parse().unwrap(), Signal::KILL);
    until("the service", || {
        let is_another = property("MainPID") != pid;
        (is_another && property("ActiveState") == "active").then_some(())
    });
    browser.wait_for("main", "\"state\":\"ready\"");
    assert_eq!(bob.x_server(), server);
}

#[test]
fn the_socket_unit_starts_the_service_and_a_restart_refuses_nobody() {
    configure("");
    ok("systemctl", &["start", "deskway.socket"]);
    let _service = Service;
    assert_eq!(property("ActiveState"), "inactive");
    let served = AtomicUsize::new(0);
    let over = AtomicBool::new(false);
    let visits = || {
        while !over.load(Ordering::Relaxed) {
            let reply = Browser::guest("/healthz");
            assert_eq!(reply.status, 200, "{}", reply.body);
            served.fetch_add(1, Ordering::Relaxed);
        }
    };
    let more = |count: usize| {
        let wanted = served.load(Ordering::Relaxed) + count;
        until("visitors who are served", || {
            (served.load(Ordering::Relaxed) >= wanted).then_some(())
        });
    };
    std::thread::scope(|scope| {
        let visitors = [scope.spawn(visits), scope.spawn(visits)];
        more(2);
        for _ in 0..2 {
            ok("systemctl", &["restart", "deskway.service"]);
            more(3);
        }
        over.store(true, Ordering::Relaxed);
        for visitor in visitors {
            visitor.join().unwrap();
        }
    });
}
