//! Something of a desktop, or of Deskway, dies or hangs.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::account::Person;
use crate::process;
use crate::scene::Scene;

/// F1: A desktop's X server crashes, or hangs
/// Happens: The agent ends what is left of the desktop and removes its sockets and locks. One that
/// hangs is left alone, and killed when it is stopped.
/// Seen: "The desktop crashed: …" with the end of its log and *Start again*, within a second. Or
/// "Your desktop does not answer.", within seconds, with *Stop it*.
/// Lost: What was open in that desktop. One that hangs and wakes up has lost nothing.
/// Kept: Files. Everybody else's desktop goes on drawing.
/// Tests: tests/agent/main.rs a_killed_x_server_is_told_as_that;
/// tests/it/bridge/stops.rs a_desktop_that_never_speaks_is_told_as_that_after_ten_seconds;
/// tests/root/life.rs a_killed_agent_takes_its_desktop_with_it;
/// tests/root/life.rs a_killed_session_child_leaves_nothing_either
#[test]
fn f01_a_killed_x_server_is_told_at_once_and_the_next_desktop_is_one_request_away() {
    let (alice, bob) = (Person::new("a"), Person::new("b"));
    let scene = Scene::new();
    let (hers, his) = (scene.guest(&alice), scene.guest(&bob));
    hers.start();
    his.start();
    let (mut her_view, mut his_view) = (hers.watch(), his.watch());
    her_view.shake_hands();
    his_view.shake_hands();

    let since = Instant::now();
    process::kill(process::one(alice.uid, "Xtigervnc"));
    let closed = her_view.closed().unwrap();
    assert_eq!(closed.code, 4002, "{closed:?}");
    assert!(
        closed.reason.starts_with("The desktop crashed: "),
        "{closed:?}"
    );
    // A second is promised; the machine may be busy with other tests.
    assert!(since.elapsed() < Duration::from_secs(20));
    assert!(hers.until("failed").contains("signal 9"));
    his_view.is_drawn_for();

    let left = fs::read_dir(scene.path().join("r/s")).unwrap().count();
    assert_eq!(left, 1, "bob's alone");
    hers.start();
    hers.watch().shake_hands();
    his_view.is_drawn_for();
}

#[test]
fn f01_an_x_server_that_hangs_is_told_so_and_can_be_stopped_and_nobody_waits_for_it() {
    let (alice, bob) = (Person::new("a"), Person::new("b"));
    let scene = Scene::new();
    let (hers, his) = (scene.guest(&alice), scene.guest(&bob));
    hers.start();
    process::signal(process::one(alice.uid, "Xtigervnc"), Signal::STOP);
    // More than its queue of connections holds.
    let waiting: Vec<_> = (0..12).map(|_| hers.watch()).collect();
    his.start();
    his.watch().shake_hands();
    for viewer in waiting {
        let closed = viewer.closed().unwrap();
        let expected = (4408, "Your desktop does not answer.");
        assert_eq!((closed.code, closed.reason.as_str()), expected);
    }
    scene.stop_desktop(&alice.name, &hers.cookie);
    hers.until("gone");
    process::until("the end of her processes", || {
        process::of_user(alice.uid).is_empty().then_some(())
    });
    hers.start();
    hers.watch().shake_hands();
}

#[test]
fn f01_an_x_server_that_hangs_for_a_while_goes_on_where_it_was() {
    let alice = Person::new("a");
    let scene = Scene::new();
    let hers = scene.guest(&alice);
    hers.start();
    let mut open = hers.watch();
    open.shake_hands();
    let x_server = process::one(alice.uid, "Xtigervnc");
    process::signal(x_server, Signal::STOP);
    let mut waiting = hers.watch();
    process::signal(x_server, Signal::CONT);
    waiting.shake_hands();
    open.is_drawn_for();
    assert_eq!(process::one(alice.uid, "Xtigervnc"), x_server);
}

/// F2: The front is killed
/// Happens: `up` starts it again. The addresses stay bound, so that no connection is refused.
/// Seen: "The server is restarting." for a second or two, then the desktop again, by itself.
/// Lost: Nothing.
/// Kept: Desktops, sign-ins, what was typed before.
/// Tests: tests/e2e/restarts.spec.mjs killing ${roles.join(' and ')} leaves the desktop;
/// tests/root/restart.rs a_front_that_was_killed_is_found_again
#[test]
fn f02_a_killed_front_is_back_for_whoever_waits_and_knows_who_is_signed_in() {
    let alice = Person::new("a");
    let scene = Scene::new();
    let hers = scene.guest(&alice);
    hers.start();
    let before = process::of_desktops(alice.uid);
    let mut view = hers.watch();
    view.shake_hands();
    process::kill(scene.role("serve"));
    assert!(view.closed().is_none(), "it had no time for a word");
    // At once: the connection waits for the next front.
    assert!(hers.is_signed_in());
    let mut view = hers.watch();
    view.shake_hands();
    view.is_drawn_for();
    assert_eq!(process::of_desktops(alice.uid), before);
}

/// F3: The launcher is killed
/// Happens: `up` starts it again; it finds each desktop by its record, its processes' numbers and
/// when they began, and leaves alone what it does not know.
/// Seen: Nothing, in an open desktop. A start or sign-in takes a moment longer.
/// Lost: Nothing.
/// Kept: Desktops, open viewers, sign-ins.
/// Tests: tests/root/restart.rs a_killed_launcher_finds_its_desktops_and_sign_ins_again;
/// tests/root/restart.rs a_desktop_that_ended_while_no_launcher_ran_is_cleaned_up
#[test]
fn f03_a_killed_launcher_cuts_no_viewer_and_the_next_signs_in_who_waited() {
    let (alice, bob) = (Person::new("a"), Person::new("b"));
    let scene = Scene::new();
    let hers = scene.guest(&alice);
    hers.start();
    let mut view = hers.watch();
    view.shake_hands();
    let launcher = scene.role("launcher");
    process::kill(launcher);
    process::until("its end", || {
        (!scene.roles().contains(&launcher)).then_some(())
    });
    let his = scene.guest(&bob);
    view.is_drawn_for();
    his.start();
    view.is_drawn_for();
    assert_eq!(hers.desktop()["state"], "ready");
}

/// F18: X servers left their locks and sockets behind
/// Happens: Desktops keep theirs to themselves. Where `/tmp` is shared, a number that is taken there
/// is not used, and what is there is left alone.
/// Seen: Nothing.
/// Lost: Nothing.
/// Kept: Locks and sockets of others.
#[test]
fn f18_locks_that_a_power_cut_left_stop_no_desktop_and_are_not_touched() {
    const STALE: &str = "   4194304\n";
    // The first numbers that desktops would use.
    let locks = (10..100).map(|number| format!("/tmp/.X{number}-lock"));
    let planted = locks.filter(|lock| {
        let file = fs::File::create_new(lock);
        file.is_ok_and(|_| fs::write(lock, STALE).is_ok())
    });
    let planted = Planted(planted.take(3).collect());
    assert_eq!(planted.0.len(), 3, "{:?}", planted.0);
    let alice = Person::new("a");
    for private in [true, false] {
        let scene = Scene::with("", |folder| {
            let file = folder.join("deskway.toml");
            let text = fs::read_to_string(&file).unwrap();
            let with = format!("[desktops]\nprivate_tmp = {private}\n");
            fs::write(file, text.replace("[desktops]\n", &with)).unwrap();
        });
        let hers = scene.guest(&alice);
        hers.start();
        hers.watch().shake_hands();
    }
    for lock in &planted.0 {
        assert_eq!(fs::read_to_string(lock).unwrap(), STALE, "{lock}");
    }
}

/// Files, gone when dropped.
struct Planted(Vec<String>);

impl Drop for Planted {
    fn drop(&mut self) {
        for file in &self.0 {
            if let Err(error) = fs::remove_file(file) {
                eprintln!("{file} is left: {error}");
            }
        }
    }
}
