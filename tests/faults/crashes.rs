//! Something of a desktop, or of Deskway, dies or hangs.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
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
/// when they began, and leaves alone what it does not know. One whose account has gone is listed, can
/// be stopped, and not opened.
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
/// is not used, and what is there is left alone, whoever's it is and whether its process lives.
/// Seen: Nothing.
/// Lost: Nothing.
/// Kept: Locks and sockets of others.
#[test]
fn f18_locks_that_a_power_cut_left_stop_no_desktop_and_are_not_touched() {
    /// No process has this number.
    const GONE: u32 = 4_194_304;
    let (alice, bob) = (Person::new("a"), Person::new("b"));
    // Desktops that share `/tmp` take the first number that is free there.
    let taken = |number: &u16| {
        let files = [lock(*number), socket(*number)];
        files.iter().any(|file| file.symlink_metadata().is_ok())
    };
    let mut free = (10..).filter(|number| !taken(number));
    let [stale, living, foreign, bound] = std::array::from_fn(|_| free.next().unwrap());
    let mut planted = Planted::default();
    planted.lock(stale, GONE, 0);
    planted.lock(living, std::process::id(), 0);
    planted.lock(foreign, GONE, bob.uid);
    planted.socket(bound, bob.uid);
    let before = planted.look();
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
        let mut records = fs::read_dir(scene.path().join("r/d")).unwrap();
        let record = fs::read(records.next().unwrap().unwrap().path()).unwrap();
        let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
        let display = record["display"].as_u64().unwrap();
        // One of its own is free to use what is taken in the machine's.
        assert_eq!(display > u64::from(bound), !private, "display {display}");
    }
    assert_eq!(planted.look(), before);
}

fn lock(display: u16) -> PathBuf {
    format!("/tmp/.X{display}-lock").into()
}

fn socket(display: u16) -> PathBuf {
    format!("/tmp/.X11-unix/X{display}").into()
}

/// Files in the machine's `/tmp`, gone when dropped.
#[derive(Default)]
struct Planted {
    files: Vec<PathBuf>,
    directory: Option<PathBuf>,
}

impl Planted {
    fn lock(&mut self, display: u16, pid: u32, uid: u32) {
        let path = lock(display);
        let mut file = fs::File::create_new(&path).unwrap();
        self.files.push(path);
        writeln!(file, "{pid:>10}").unwrap();
        std::os::unix::fs::fchown(file, Some(uid), Some(uid)).unwrap();
    }

    fn socket(&mut self, display: u16, uid: u32) {
        let path = socket(display);
        let directory = path.parent().unwrap();
        if fs::create_dir(directory).is_ok() {
            self.directory = Some(directory.to_owned());
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o1777);
            fs::set_permissions(directory, mode).unwrap();
        }
        // Nobody listens there any more.
        drop(UnixListener::bind(&path).unwrap());
        std::os::unix::fs::chown(&path, Some(uid), Some(uid)).unwrap();
        self.files.push(path);
    }

    /// Which files they are, whose, and what is in them.
    fn look(&self) -> Vec<(u64, u32, Option<String>)> {
        let files = self.files.iter().map(|path| {
            let found = path.symlink_metadata().unwrap();
            (found.ino(), found.uid(), fs::read_to_string(path).ok())
        });
        files.collect()
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        let files = self.files.iter().map(fs::remove_file);
        let directory = self.directory.iter().map(fs::remove_dir);
        if let Some(error) = files.chain(directory).find_map(Result::err) {
            eprintln!("something in /tmp is left: {error}");
        }
    }
}
