//! Everybody comes at once.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufReader, Write as _};
use std::net::TcpStream;
use std::thread;

use deskway::launcher::protocol::{Answer, Request};
use deskway::model::DesktopState;

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::account::Person;
use crate::gateway::{connect, read_reply};
use crate::process;
use crate::scene::Scene;
use crate::site::Site;

/// Connections that do nothing, opened by so many threads.
const IDLE: usize = 10_000;
const OPENERS: usize = 8;
/// What the front may take for each of them, in bytes.
const EACH_TAKES: u64 = 30 << 10;
/// Descriptors of a test besides its connections.
const OTHER_DESCRIPTORS: usize = 500;
/// Browsers that come back at the same moment.
const BROWSERS: usize = 1000;
/// People, each with as many desktops as they may have.
const STARTERS: usize = 7;
const EACH: [&str; 3] = ["main", "two", "three"];

/// F15: Thousands of connections do nothing
/// Happens: An idle one costs a few kilobytes when a desktop is open on it. Another one costs some
/// twenty, and is closed after a minute. One address, one account and one desktop have only so many
/// places.
/// Seen: Who is one too many is told so.
/// Lost: Nothing.
/// Kept: Everybody else's places.
/// Tests: tests/memory.rs an_idle_connection_that_has_been_used_holds_next_to_nothing;
/// tests/it/front/viewers.rs one_viewer_too_many_is_told_so
#[test]
fn f15_ten_thousand_connections_that_do_nothing_keep_nobody_out_and_cost_little() {
    may_open(IDLE);
    let alice = Person::new("a");
    let scene = Scene::with("[server]\nmax_connections = 12000\n", |_| {});
    let hers = scene.guest(&alice);
    hers.start();
    let mut view = hers.watch();
    view.shake_hands();
    let front = scene.role("serve");
    let before = memory(front);
    // Each has asked for something and stays.
    let open = || -> Vec<TcpStream> {
        let request = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", scene.address);
        let connections = (0..IDLE / OPENERS).map(|_| {
            let mut stream = BufReader::new(connect(scene.address).unwrap());
            stream.get_mut().write_all(request.as_bytes()).unwrap();
            let reply = read_reply(&mut stream).unwrap().unwrap();
            assert_eq!(reply.status, 200, "{reply:?}");
            stream.into_inner()
        });
        connections.collect()
    };
    let idle: Vec<_> = thread::scope(|scope| {
        let openers: Vec<_> = (0..OPENERS).map(|_| scope.spawn(open)).collect();
        openers
            .into_iter()
            .flat_map(|opener| opener.join().unwrap())
            .collect()
    });
    let held = fs::read_dir(format!("/proc/{front}/fd")).unwrap().count();
    assert!(held > idle.len(), "it holds {held} of {}", idle.len());
    let each = memory(front).saturating_sub(before) / u64::try_from(IDLE).unwrap();
    assert!(each <= EACH_TAKES, "{each} bytes each");
    view.is_drawn_for();
    assert_eq!(scene.get("/sign-in", "").status, 200);
    hers.watch().shake_hands();
}

/// Lets this process, and those that it starts from now on, have so many connections.
fn may_open(connections: usize) {
    let wanted = u64::try_from(connections + OTHER_DESCRIPTORS).unwrap();
    let mut limit = getrlimit(Resource::Nofile);
    let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= wanted);
    if !enough(limit.maximum) {
        limit.maximum = Some(wanted);
    }
    if !enough(limit.current) {
        limit.current = Some(wanted);
    }
    setrlimit(Resource::Nofile, limit).unwrap();
}

/// What a process takes, in bytes: of what it shares with others, its share.
fn memory(pid: i32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kilobytes = line.unwrap().trim().strip_suffix(" kB").unwrap();
    kilobytes.parse::<u64>().unwrap() << 10
}

/// F16: Every browser comes back at once
/// Happens: All are answered; pages wait for different times before they try again.
/// Seen: The desktop again, by itself.
/// Lost: Nothing.
/// Kept: Sign-ins: nobody types a password.
/// Tests: tests/root/activation.rs a_restart_on_sockets_of_systemd_loses_no_connection_attempt;
/// tests/it/front/restarts.rs a_new_front_finds_everybody_signed_in_and_asks_the_launcher_once
#[test]
fn f16_a_thousand_browsers_that_come_back_at_once_are_all_still_signed_in() {
    may_open(BROWSERS);
    let alice = Person::new("a");
    let scene = Scene::new();
    let hers = scene.guest(&alice);
    hers.start();
    process::kill(scene.role("serve"));
    thread::scope(|scope| {
        for _ in 0..BROWSERS {
            scope.spawn(|| assert!(hers.is_signed_in()));
        }
        // And those with a desktop open: as many windows as may show one.
        let views: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| hers.watch().shake_hands()))
            .collect();
        for view in views {
            view.join().unwrap();
        }
    });
}

/// F21: Many start a desktop in the same second
/// Happens: They are started side by side, each with a display number of its own. Who has as many as
/// are allowed is told so.
/// Seen: The stages of the start, which take longer than usual.
/// Lost: Nothing.
/// Kept: Everything.
/// Tests: tests/root/life.rs nobody_has_more_desktops_than_allowed
#[test]
fn f21_twenty_one_desktops_at_once_all_come_up_and_no_number_is_used_twice() {
    let people: Vec<_> = (0..STARTERS).map(|_| Person::new("a")).collect();
    let (site, mut front) = Site::new();
    let handles: Vec<_> = people.iter().map(|person| front.sign_in(person)).collect();
    let asked: Vec<u64> = handles
        .iter()
        .flat_map(|handle| EACH.map(|name| (handle.clone(), name)))
        .map(|(handle, name)| {
            front.send(Request::Start {
                handle,
                desktop: name.parse().unwrap(),
                profile: None,
                geometry: None,
            })
        })
        .collect();
    for id in asked {
        let (answer, _) = front.answer(id);
        assert!(matches!(answer, Answer::Done), "{answer:?}");
    }
    for handle in &handles {
        process::until("three desktops that are ready", || {
            let desktops = front.desktops(handle);
            let is_ready = |state: &DesktopState| matches!(state, DesktopState::Ready { .. });
            let failed = |state: &DesktopState| matches!(state, DesktopState::Failed { .. });
            assert!(
                !desktops.iter().any(|info| failed(&info.state)),
                "{desktops:?}"
            );
            let ready = desktops.iter().filter(|info| is_ready(&info.state)).count();
            (ready == EACH.len()).then_some(())
        });
    }
    let displays: Vec<_> = fs::read_dir(site.run_dir().join("d"))
        .unwrap()
        .map(|entry| {
            let record = fs::read_to_string(entry.unwrap().path()).unwrap();
            let record: serde_json::Value = serde_json::from_str(&record).unwrap();
            record["display"].as_u64().unwrap()
        })
        .collect();
    assert_eq!(displays.len(), STARTERS * EACH.len());
    assert_eq!(
        displays.iter().collect::<BTreeSet<_>>().len(),
        displays.len()
    );
}
