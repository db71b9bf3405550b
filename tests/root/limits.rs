//! What desktops may take, with the control groups of this machine; and what their owners are told.
//! Where there are none, as in many containers, what docs/limits.md says still holds.

use std::io::Read as _;

use deskway::cgroup::{Cgroups, Group};
use deskway::launcher::client::Client;
use deskway::launcher::protocol::Answer;
use deskway::launcher::protocol::{FromLauncher, Handle, Refusal, Request};
use deskway::model::{Act, DesktopState, EndCause, NoticeKind};

use crate::account::{self, Person};
use crate::front::Front;
use crate::process;
use crate::site::Site;

const PAM: &str = "auth required pam_unix.so\naccount required pam_unix.so\n\
                   session required pam_unix.so\n";
/// Takes all memory that there is, from when it is told to by a file.
const HOG: &str = "until [ -e go ]; do sleep 0.05; done; tail /dev/zero";
const MEMORY: u64 = 256 << 20;
/// As many as a person may have where nothing is said of it.
const DESKTOPS: u64 = 3;

/// A session that does something, beside a terminal.
fn session(script: &str) -> String {
    format!(
        "[[profile]]\nid = \"does\"\nname = \"Does\"\n\
         command = [\"sh\", \"-c\", \"({script}) & exec xterm\"]\n"
    )
}

fn start(front: &mut Front, handle: &Handle) {
    front.start_profile(handle, Some("does"));
    let state = front.settled(handle);
    assert!(matches!(state, DesktopState::Ready { .. }), "{state:?}");
}

/// The group of the only desktop.
fn group(site: &Site) -> Group {
    let id = site.desktop_dir().file_name().unwrap().to_owned();
    let id = id.to_str().unwrap();
    let cgroups = Cgroups::find(&site.run_dir());
    cgroups.open(id).expect("a desktop's group")
}

/// The kernel's log has the names of the programs that it ended, where it may be read.
fn named(program: &str) -> String {
    let first = std::fs::File::open("/dev/kmsg").and_then(|mut log| log.read(&mut [0; 8192]));
    match first {
        Ok(_) => program.to_owned(),
        Err(_) => "a program".to_owned(),
    }
}

/// A limit of a process, as /proc names it.
fn limit(pid: i32, name: &str) -> u64 {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix(name));
    let soft = line.unwrap().split_whitespace().next().unwrap();
    soft.parse().unwrap_or(u64::MAX)
}

/// The terminal, and not the shell that it was written in.
fn terminal(person: &Person) -> i32 {
    let all = process::of_user(person.uid);
    let mut terminals = all
        .iter()
        .filter(|(_, command)| command.starts_with("xterm"));
    terminals.next().unwrap().0
}

/// Without a group each program has the limit for itself: the hog's own memory is at an end.
fn assert_a_hog_ends_by_itself(front: &mut Front, handle: &Handle, person: &Person) {
    for pid in [process::one(person.uid, "Xtigervnc"), terminal(person)] {
        assert_eq!(limit(pid, "Max data size"), MEMORY);
    }
    let hogs = || {
        let all = process::of_user(person.uid);
        all.iter()
            .filter(|(_, command)| command.contains("/dev/zero"))
            .count()
    };
    go(person);
    // The shell that starts it has its name in its command line, too.
    process::until("the hog's end", || (hogs() == 0).then_some(()));
    let state = front.settled(handle);
    assert!(matches!(state, DesktopState::Ready { .. }), "{state:?}");
    front.stop(handle);
}

fn go(person: &Person) {
    std::fs::write(person.home().join("go"), "").unwrap();
}

/// Waits until somebody's main desktop has a notice that `picks` picks.
fn notice<T>(front: &mut Front, handle: &Handle, picks: impl Fn(&NoticeKind) -> Option<T>) -> T {
    let mut desktops = front.desktops(handle);
    loop {
        let mut notices = desktops.iter().flat_map(|info| &info.notices);
        if let Some(found) = notices.find_map(|notice| picks(&notice.what)) {
            return found;
        }
        desktops = front.news(|news| match news {
            FromLauncher::Desktops { desktops, .. } => Some(desktops),
            _ => None,
        });
    }
}

fn out_of_memory(told: &NoticeKind) -> Option<(String, u64)> {
    match told {
        NoticeKind::OutOfMemory { program, limit } => Some((program.clone(), *limit)),
        _ => None,
    }
}

fn assert_nothing_can_be_frozen(site: &Site, front: &mut Front, handle: &Handle) {
    front.start(handle);
    let id = site.desktop_dir().file_name().unwrap().to_owned();
    let group = Cgroups::find(&site.run_dir()).open(id.to_str().unwrap());
    assert!(group.is_none_or(|group| group.freeze().is_err()));
    front.stop(handle);
}

#[test]
fn a_hog_is_ended_and_named_and_the_neighbour_lives_on() {
    let (alice, bob) = (Person::new("a"), Person::new("b"));
    let config = format!("{}[limits]\nmemory_max = \"256M\"\n", session(HOG));
    let (site, mut front) = Site::with(PAM, &config);
    let (hers, his) = (front.sign_in(&alice), front.sign_in(&bob));
    start(&mut front, &hers);
    start(&mut front, &his);
    let before = process::of_desktops(bob.uid);
    if !site.holds().memory {
        assert_a_hog_ends_by_itself(&mut front, &hers, &alice);
        let after = process::of_desktops(bob.uid);
        assert!(before.iter().any(|known| after.contains(known)));
        return;
    }
    go(&alice);
    let told = notice(&mut front, &hers, out_of_memory);
    assert_eq!(told, (named("tail"), MEMORY));
    let state = front.settled(&hers);
    assert!(matches!(state, DesktopState::Ready { .. }), "{state:?}");
    let of_bob = front.desktops(&his);
    assert!(of_bob.iter().all(|info| info.notices.is_empty()));
    let after = process::of_desktops(bob.uid);
    assert!(before.iter().any(|known| after.contains(known)));
    front.stop(&his);
    let group = group(&site);
    front.stop(&hers);
    site.assert_nothing_is_left(&[&alice, &bob]);
    assert!(group.processes().is_err(), "the group is left");
}

#[test]
fn a_screen_that_is_ended_for_lack_of_memory_is_why_the_desktop_ended() {
    let alice = Person::new("a");
    let config = format!("{}[limits]\nmemory_max = \"256M\"\n", session(HOG));
    let (site, mut front) = Site::with(PAM, &config);
    let handle = front.sign_in(&alice);
    start(&mut front, &handle);
    if !site.holds().memory {
        return assert_a_hog_ends_by_itself(&mut front, &handle, &alice);
    }
    // The kernel takes the one that is written up for it.
    let screen = process::one(alice.uid, "Xtigervnc");
    std::fs::write(format!("/proc/{screen}/oom_score_adj"), "1000").unwrap();
    go(&alice);
    let cause = front.failed(&handle);
    let program = named("Xtigervnc");
    let limit = MEMORY;
    // Without its name nobody knows that it was the screen before the screen is gone.
    if program == "Xtigervnc" || !matches!(cause, EndCause::ScreenDied { .. }) {
        assert_eq!(cause, EndCause::OutOfMemory { program, limit });
    }
    site.assert_nothing_is_left(&[&alice]);
}

#[test]
fn whoever_starts_too_many_processes_is_told() {
    let alice = Person::new("a");
    let many = "until [ -e go ]; do sleep 0.05; done; \
                for i in 1 2 3 4 5 6 7 8 9; do (for j in 1 2 3 4 5 6 7 8 9; do sleep 99 & done); done";
    let config = format!("{}[limits]\nprocesses = 40\n", session(many));
    let (site, mut front) = Site::with(PAM, &config);
    let handle = front.sign_in(&alice);
    start(&mut front, &handle);
    if !site.holds().processes {
        let most = limit(terminal(&alice), "Max processes");
        assert_eq!(most, 40 * DESKTOPS);
        return front.stop(&handle);
    }
    go(&alice);
    let limit = notice(&mut front, &handle, |told| match told {
        NoticeKind::TooManyProcesses { limit } => Some(*limit),
        _ => None,
    });
    assert_eq!(limit, 40);
    front.stop(&handle);
    site.assert_nothing_is_left(&[&alice]);
}

#[test]
fn the_memory_of_a_frozen_desktop_is_written_out() {
    const SIZE: u64 = 64 << 20;
    let alice = Person::new("a");
    let fills = format!("head -c {SIZE} /dev/zero >big; sync big; touch filled");
    let (site, mut front) = Site::with(PAM, &session(&fills));
    let handle = front.sign_in(&alice);
    start(&mut front, &handle);
    process::until("a full cache", || {
        alice.home().join("filled").exists().then_some(())
    });
    let id = site.desktop_dir().file_name().unwrap().to_owned();
    // What its files keep in memory counts here, on whichever version.
    let taken = || {
        let version_1 = ("/sys/fs/cgroup/memory/deskway", "memory.usage_in_bytes");
        let version_2 = ("/sys/fs/cgroup/deskway", "memory.current");
        let of = |(parent, file): (&str, &str)| {
            let instances = std::fs::read_dir(parent).ok()?;
            let mut paths = instances.map(|it| it.unwrap().path().join(&id).join(file));
            let text = paths.find_map(|path| std::fs::read_to_string(path).ok())?;
            text.trim().parse::<u64>().ok()
        };
        let found = [version_1, version_2].into_iter().find_map(of);
        found.expect("the memory that a desktop's group takes")
    };
    let before = taken();
    assert!(before > SIZE, "{before}");
    let mut client = Client::connect(&site.run_dir()).unwrap();
    let desktop = alice.name.parse().unwrap();
    client.act(&desktop, Act::Freeze).unwrap();
    process::until("most of it written out", || {
        (taken() < before - SIZE / 2).then_some(())
    });
    front.stop(&handle);
    site.assert_nothing_is_left(&[&alice]);
}

#[test]
fn a_processor_quota_holds_a_busy_desktop_back_and_its_owner_is_told() {
    let alice = Person::new("a");
    // More of them than one, for other tests keep the processors busy.
    let busy = "until [ -e go ]; do sleep 0.05; done; \
                for i in 1 2 3 4; do (while :; do :; done) & done";
    let config = format!("{}[limits]\ncpu_quota = 10\n", session(busy));
    let (site, mut front) = Site::with(PAM, &config);
    let handle = front.sign_in(&alice);
    start(&mut front, &handle);
    if !site.holds().cpu {
        // It is not held back, and has what it needs.
        go(&alice);
        let state = front.settled(&handle);
        assert!(matches!(state, DesktopState::Ready { .. }), "{state:?}");
        return front.stop(&handle);
    }
    let group = group(&site);
    let before = group.throttled().unwrap();
    go(&alice);
    // It is told once that has lasted for half a minute.
    process::until("that it is held back", || {
        (group.throttled().unwrap() > before + 200).then_some(())
    });
    let quota = notice(&mut front, &handle, |told| match told {
        NoticeKind::ProcessorShort { quota } => Some(*quota),
        _ => None,
    });
    assert_eq!(quota, 10);
    front.stop(&handle);
    site.assert_nothing_is_left(&[&alice]);
}

#[test]
fn a_group_has_limits_of_its_own_and_the_rest_of_everybody_s() {
    let (alice, bob) = (Person::new("a"), Person::new("b"));
    let staff = account::Group::new("g");
    staff.take_in(&alice);
    let config = format!(
        "[limits]\nmemory_max = \"300M\"\nprocesses = 500\n\
         [[group]]\nname = \"{}\"\n[group.limits]\nmemory_max = \"400M\"\ndesktops = 1\n",
        staff.name
    );
    let (site, mut front) = Site::with(PAM, &config);
    for (person, memory) in [(&alice, 400 << 20), (&bob, 300 << 20)] {
        let handle = front.sign_in(person);
        front.start(&handle);
        front.settled(&handle);
        let (holds, terminal) = (site.holds(), terminal(person));
        if holds.memory {
            assert_eq!(group(&site).memory().unwrap().max, Some(memory));
        } else {
            assert_eq!(limit(terminal, "Max data size"), memory);
        }
        if holds.processes {
            assert_eq!(group(&site).most_processes().unwrap(), Some(500));
        } else {
            let most = if memory == 400 << 20 { 1 } else { DESKTOPS };
            assert_eq!(limit(terminal, "Max processes"), 500 * most);
        }
        let second = front.ask(Request::Start {
            handle: handle.clone(),
            desktop: "second".parse().unwrap(),
            profile: None,
            geometry: None,
        });
        if memory == 400 << 20 {
            let Answer::Refused(Refusal::TooManyDesktops { max: 1 }) = second else {
                panic!("{second:?}");
            };
        } else {
            assert!(matches!(second, Answer::Done), "{second:?}");
            let answer = front.ask(Request::Stop {
                handle: handle.clone(),
                desktop: "second".parse().unwrap(),
            });
            assert!(matches!(answer, Answer::Done), "{answer:?}");
        }
        front.stop(&handle);
    }
    site.assert_nothing_is_left(&[&alice, &bob]);
}

#[test]
fn a_new_launcher_goes_on_watching_and_telling() {
    let alice = Person::new("a");
    let config = format!("{}[limits]\nmemory_max = \"256M\"\n", session(HOG));
    let (mut site, mut front) = Site::with(PAM, &config);
    let handle = front.sign_in(&alice);
    start(&mut front, &handle);
    site.kill();
    front.hang_up();
    site.start();
    front.accept();
    front.settled(&handle);
    if !site.holds().memory {
        return assert_a_hog_ends_by_itself(&mut front, &handle, &alice);
    }
    go(&alice);
    let told = notice(&mut front, &handle, out_of_memory);
    assert_eq!(told, (named("tail"), MEMORY));
    front.stop(&handle);
    site.assert_nothing_is_left(&[&alice]);
}

#[test]
fn a_frozen_desktop_can_be_stopped_even_by_a_new_launcher() {
    let alice = Person::new("a");
    let (mut site, mut front) = Site::with(PAM, "");
    let handle = front.sign_in(&alice);
    if !site.holds().freezing {
        return assert_nothing_can_be_frozen(&site, &mut front, &handle);
    }
    for restarted in [false, true] {
        front.start(&handle);
        let group = group(&site);
        assert!(!group.is_frozen().unwrap());
        group.freeze().unwrap();
        process::until("that it is frozen", || {
            group.is_frozen().unwrap().then_some(())
        });
        if restarted {
            site.kill();
            front.hang_up();
            site.start();
            front.accept();
        }
        front.stop(&handle);
        site.assert_nothing_is_left(&[&alice]);
    }
}

#[test]
fn a_frozen_desktop_whose_session_child_was_killed_is_ended_too() {
    let alice = Person::new("a");
    let (site, mut front) = Site::with(PAM, "");
    let handle = front.sign_in(&alice);
    if !site.holds().freezing {
        return assert_nothing_can_be_frozen(&site, &mut front, &handle);
    }
    front.start(&handle);
    let group = group(&site);
    group.freeze().unwrap();
    process::until("that it is frozen", || {
        group.is_frozen().unwrap().then_some(())
    });
    process::kill(process::parent(process::one(alice.uid, "deskway agent")));
    front.ended(&handle);
    process::until("the desktop's end", || {
        process::of_user(alice.uid).is_empty().then_some(())
    });
    process::until("the end of its group", || {
        group.processes().is_err().then_some(())
    });
    drop(site);
}

#[test]
fn whoever_has_little_room_left_is_told() {
    let alice = Person::new("a");
    let (site, mut front) = Site::with(PAM, "[limits]\ndisk_warning = \"1024T\"\n");
    let handle = front.sign_in(&alice);
    front.start(&handle);
    let left = notice(&mut front, &handle, |told| match told {
        NoticeKind::DiskAlmostFull { left } => Some(*left),
        _ => None,
    });
    assert!(left > 0);
    front.stop(&handle);
    site.assert_nothing_is_left(&[&alice]);
}
