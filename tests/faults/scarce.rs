//! The machine has no room left, or the front no descriptors.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use deskway::audit::{self, Wanted, What};

use crate::account::Person;
use crate::gateway::connect;
use crate::process;
use crate::scene::Scene;

/// How many descriptors each process may have where they are few.
const DESCRIPTORS: usize = 200;

/// A small file system of its own at a directory, gone when dropped.
struct Small {
    path: PathBuf,
    /// Where there was no folder for it before.
    folder: Option<tempfile::TempDir>,
}

impl Small {
    fn new(size: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("dwt-")
            .tempdir_in("/var/tmp");
        let folder = folder.unwrap();
        let mut small = Self::at(folder.path(), size, "711");
        small.folder = Some(folder);
        small
    }

    fn at(path: &Path, size: &str, mode: &str) -> Self {
        let options = format!("size={size},mode={mode}");
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(path);
        assert!(mount.status().unwrap().success(), "{mount:?}");
        let path = path.to_owned();
        Self { path, folder: None }
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let mut file = fs::File::create(self.path.join("fill")).unwrap();
        for size in [64 * 1024, 4096, 512, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn has_room_again(&self) {
        fs::remove_file(self.path.join("fill")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let umount = Command::new("umount")
            .arg("--lazy")
            .arg(&self.path)
            .status();
        if !umount.is_ok_and(|status| status.success()) {
            eprintln!("the file system at {} is left", self.path.display());
        }
    }
}

/// A scene that has one of its two folders, `r` or `s`, on a file system of its own.
fn on_a_small(small: &Small, part: &str) -> Scene {
    Scene::with("", |path| {
        let file = path.join("deskway.toml");
        let text = fs::read_to_string(&file).unwrap();
        let own = path.join(part).display().to_string();
        fs::write(file, text.replace(&own, &small.path.display().to_string())).unwrap();
    })
}

/// F5: A disk is full
/// Happens: What runs goes on. What would have to be written down is refused and not half done.
/// Seen: Who starts a desktop is told that there is no space left, who signs in that something went
/// wrong on the server; the log says what. It works again as soon as there is room.
/// Lost: Nothing that anybody was told was done.
/// Kept: Open desktops, sign-ins.
#[test]
fn f05_without_room_for_the_run_directory_desktops_go_on_and_new_ones_are_refused() {
    let (alice, bob) = (Person::new("a"), Person::new("b"));
    let small = Small::new("1m");
    let scene = on_a_small(&small, "r");
    let (hers, his) = (scene.guest(&alice), scene.guest(&bob));
    hers.start();
    let mut view = hers.watch();
    view.shake_hands();
    small.fill();

    let reply = his.ask_to_start();
    let told = match reply.status {
        202 => his.until("failed"),
        500 => reply.body,
        other => panic!("{other}"),
    };
    assert!(
        told.contains("No space left") || told.contains("cannot be"),
        "{told}"
    );
    view.is_drawn_for();
    assert!(hers.is_signed_in() && his.is_signed_in());
    hers.watch().shake_hands();

    small.has_room_again();
    his.start();
    his.watch().shake_hands();
    view.is_drawn_for();
}

#[test]
fn f05_without_room_for_the_state_people_stay_signed_in_and_desktops_go_on() {
    let (alice, bob) = (Person::new("a"), Person::new("b"));
    let small = Small::new("2m");
    let scene = on_a_small(&small, "s");
    let hers = scene.guest(&alice);
    hers.start();
    let mut view = hers.watch();
    view.shake_hands();
    small.fill();

    let form = "application/x-www-form-urlencoded";
    let body = format!("name={}&password=correct+horse+7&next=/", bob.name);
    let reply = scene.post("/sign-in", form, &body, "");
    assert_eq!(reply.status, 500, "{reply:?}");
    let told = "Something went wrong on the server.";
    assert!(reply.body.contains(told), "{reply:?}");
    assert!(hers.is_signed_in());
    view.is_drawn_for();
    hers.watch().shake_hands();

    small.has_room_again();
    let his = scene.guest(&bob);
    his.start();
    his.watch().shake_hands();
    assert!(hers.is_signed_in());
    view.is_drawn_for();
}

#[test]
fn f05_an_audit_log_without_room_holds_nobody_up_for_long_and_catches_up() {
    let (alice, bob) = (Person::new("a"), Person::new("b"));
    let (mut small, mut state) = (None, PathBuf::new());
    let scene = Scene::with("", |folder| {
        state = folder.join("s");
        fs::create_dir_all(state.join("audit")).unwrap();
        small = Some(Small::at(&state.join("audit"), "1m", "700"));
    });
    let small = small.unwrap();
    let hers = scene.guest(&alice);
    hers.start();
    let mut view = hers.watch();
    view.shake_hands();
    small.fill();

    // What was written before may leave a little room.
    let mut sign_ins = 0;
    process::until("the complaint in the log", || {
        drop(scene.guest(&bob));
        sign_ins += 1;
        let log = scene.log();
        let stuck = log.contains("the audit log cannot be written; desktops go on");
        stuck.then_some(())
    });
    view.is_drawn_for();
    drop(scene.guest(&bob));
    sign_ins += 1;

    small.has_room_again();
    process::until("the entries of all who signed in", || {
        let found = audit::read(&state, &Wanted::default()).unwrap();
        let his = found.iter().map(|found| &found.entry);
        let his = his.filter(|it| it.what == What::SignIn && it.who == bob.name);
        (his.count() == sign_ins).then_some(())
    });
    view.is_drawn_for();
    drop(scene);
}

#[test]
fn f05_a_home_without_room_still_gets_a_desktop() {
    let alice = Person::new("a");
    let small = Small::at(&alice.home(), "64k", "700");
    std::os::unix::fs::chown(alice.home(), Some(alice.uid), Some(alice.gid)).unwrap();
    small.fill();
    let scene = Scene::new();
    let hers = scene.guest(&alice);
    hers.start();
    hers.watch().shake_hands();
    drop(scene);
}

/// F6: The front has no descriptors left
/// Happens: Who comes waits in the kernel's queue. One after the other, some each second, they are
/// told to try again soon (503); where TLS is spoken the connection is closed. The processor rests.
/// Who comes when there is room again is let in at once.
/// Seen: "Too many visitors. Try again soon.", or what a browser says of a connection that is closed.
/// Lost: Nothing.
/// Kept: Open desktops.
/// Tests: tests/root/restart.rs a_child_that_cannot_be_watched_is_not_left;
/// src/listen/spare.rs who_is_turned_away_is_told_to_come_again;
/// src/listen/spare.rs where_tls_is_spoken_the_connection_is_closed
#[test]
fn f06_without_descriptors_visitors_are_turned_away_and_viewers_go_on_and_the_processor_rests() {
    let alice = Person::new("a");
    let few = |program: &Path| {
        let mut up = Command::new("prlimit");
        up.arg(format!("--nofile={DESCRIPTORS}")).arg(program);
        up
    };
    let scene = Scene::made("", |_| {}, few);
    let hers = scene.guest(&alice);
    hers.start();
    let mut view = hers.watch();
    view.shake_hands();
    let front = scene.role("serve");
    let crowd: Vec<_> = (0..DESCRIPTORS)
        .map(|_| connect(scene.address).unwrap())
        .collect();
    process::until("the warning in the log", || {
        scene
            .log()
            .contains("no connection can be accepted")
            .then_some(())
    });
    let before = spent(front);
    let pause = rustix::event::Timespec::try_from(Duration::from_secs(4)).unwrap();
    rustix::event::poll(&mut [], Some(&pause)).unwrap();
    // In hundredths of a second: less than 5 % of a processor.
    let spent = spent(front) - before;
    assert!(spent < 20, "{spent}");
    view.is_drawn_for();
    process::until("the refusal", || {
        let reply = scene.get("/healthz", "");
        (reply.status == 503 && reply.body.contains("Try again soon")).then_some(())
    });
    // Said once, and not every time.
    assert_eq!(
        scene.log().matches("no connection can be accepted").count(),
        1
    );
    drop(crowd);
    let served = || (scene.get("/healthz", "").status == 200).then_some(());
    // A second is promised; the machine may be busy with other tests.
    let soon = process::within(Duration::from_secs(5), served);
    assert!(soon.is_some(), "nobody is served");
    view.is_drawn_for();
}

/// The processor's time that a process has taken, in hundredths of a second.
fn spent(pid: i32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let number = |at: usize| fields.split(' ').nth(at).unwrap().parse::<u64>().unwrap();
    number(11) + number(12)
}
