//! Desktops and sign-ins outlive the launcher, and the launcher outlives the front.

use deskway::launcher::client::Client;
use deskway::launcher::protocol::{Answer, FromLauncher, Handle, Refusal, Request};
use deskway::model::{Act, DesktopState};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};

use crate::account::{PASSWORD, Person};
use crate::front::{Front, greeting, sign_in};
use crate::process;
use crate::site::Site;

#[test]
fn a_killed_launcher_finds_its_desktops_and_sign_ins_again() {
    let alice = Person::new("a");
    let (mut site, mut front) = Site::new();
    let handle = front.sign_in(&alice);
    front.start(&handle);
    let before = process::of_desktops(alice.uid);
    assert!(!before.is_empty());
    let session_child = process::parent(process::one(alice.uid, "deskway agent"));
    site.kill();
    front.hang_up();
    site.start();
    front.accept();
    front.settled(&handle);
    let stream = front.open(&handle, &alice.name).unwrap();
    assert_eq!(greeting(stream), "RFB 003.008\n");
    assert_eq!(process::of_desktops(alice.uid), before);
    let agent = process::one(alice.uid, "deskway agent");
    assert_eq!(process::parent(agent), session_child);
    front.stop(&handle);
    site.assert_nothing_is_left(&[&alice]);
}

/// Another launcher, at another second than `since`, after something is done without any.
fn restart(site: &mut Site, front: &mut Front, since: u64, meanwhile: impl FnOnce(&Site)) {
    process::until("another second", || {
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        (now.as_secs() > since + 1).then_some(())
    });
    site.kill();
    front.hang_up();
    meanwhile(site);
    site.start();
    front.accept();
}

fn main_state(front: &mut Front, handle: &Handle) -> DesktopState {
    front.desktops(handle)[0].state.clone()
}

#[test]
fn since_when_a_desktop_is_ready_or_frozen_is_not_forgotten_with_the_launcher() {
    let alice = Person::new("a");
    let (mut site, mut front) = Site::new();
    let handle = front.sign_in(&alice);
    front.start(&handle);
    let ready = main_state(&mut front, &handle);
    let DesktopState::Ready { since } = ready else {
        panic!("{ready:?}");
    };
    restart(&mut site, &mut front, since, |_| {});
    // At once, and not only when its agent has said so.
    assert_eq!(main_state(&mut front, &handle), ready);

    let desktop = alice.name.parse().unwrap();
    let mut client = Client::connect(&site.run_dir()).unwrap();
    client.act(&desktop, Act::Freeze).unwrap();
    let frozen = main_state(&mut front, &handle);
    let DesktopState::Frozen { at, .. } = frozen else {
        panic!("{frozen:?}");
    };
    restart(&mut site, &mut front, at, |_| {});
    assert_eq!(main_state(&mut front, &handle), frozen);
    let mut client = Client::connect(&site.run_dir()).unwrap();
    client.act(&desktop, Act::Thaw).unwrap();
    assert_eq!(main_state(&mut front, &handle), ready);

    // A launcher before this version wrote none of it down.
    let mut started = 0;
    restart(&mut site, &mut front, since, |site| {
        let mut records = std::fs::read_dir(site.run_dir().join("d")).unwrap();
        let path = records.next().unwrap().unwrap().path();
        let text = std::fs::read(&path).unwrap();
        let mut record: serde_json::Value = serde_json::from_slice(&text).unwrap();
        started = record["since"].as_u64().unwrap();
        for newer in ["ready", "frozen", "killed"] {
            record.as_object_mut().unwrap().remove(newer).unwrap();
        }
        std::fs::write(&path, record.to_string()).unwrap();
    });
    let state = front.settled(&handle);
    assert_eq!(state, DesktopState::Ready { since: started });
    front.stop(&handle);
    site.assert_nothing_is_left(&[&alice]);
}

#[test]
fn a_desktop_whose_agent_cannot_be_reached_is_not_given_up_by_a_new_launcher() {
    let alice = Person::new("a");
    let (mut site, mut front) = Site::new();
    let handle = front.sign_in(&alice);
    front.start(&handle);
    let before = process::of_desktops(alice.uid);
    assert!(!before.is_empty());
    site.kill();
    front.hang_up();
    let socket = site.desktop_dir().join("agent.sock");
    let aside = site.desktop_dir().join("aside.sock");
    std::fs::rename(&socket, &aside).unwrap();
    let config = site.path().join("deskway.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let impatient = text.replace("screen_timeout = \"60s\"", "screen_timeout = \"1s\"");
    std::fs::write(&config, impatient).unwrap();
    site.start();
    front.accept();
    process::until("the complaint in the log", || {
        let log = std::fs::read_to_string(site.path().join("log")).unwrap();
        log.contains("the agent does not answer").then_some(())
    });
    std::fs::rename(&aside, &socket).unwrap();
    front.settled(&handle);
    assert_eq!(process::of_desktops(alice.uid), before);
    front.stop(&handle);
    site.assert_nothing_is_left(&[&alice]);
}

#[test]
fn a_desktop_that_ended_while_no_launcher_ran_is_cleaned_up() {
    let alice = Person::new("a");
    let (mut site, mut front) = Site::new();
    let handle = front.sign_in(&alice);
    front.start(&handle);
    let agent = process::one(alice.uid, "deskway agent");
    let session_child = process::parent(agent);
    site.kill();
    front.hang_up();
    process::kill(session_child);
    process::until("the agent's end", || {
        process::of_user(alice.uid).is_empty().then_some(())
    });
    site.start();
    front.accept();
    process::until("the clean-up", || {
        let empty = |directory: &str| {
            let path = site.path().join(directory);
            std::fs::read_dir(path).unwrap().next().is_none()
        };
        (empty("r/s") && empty("r/d") && empty("s/tmp")).then_some(())
    });
    front.start(&handle);
    front.stop(&handle);
    site.assert_nothing_is_left(&[&alice]);
}

#[test]
fn a_child_that_cannot_be_watched_is_not_left() {
    let alice = Person::new("a");
    let (site, mut front) = Site::new();
    let entries = std::fs::read_dir(format!("/proc/{}/fd", site.pid())).unwrap();
    let open: Vec<u64> = entries
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .collect();
    // Two for the socket to the child, one to see its process, and none to make sure it is it.
    let third_free = (0..).filter(|number| !open.contains(number)).nth(2);
    let limit = Rlimit {
        current: Some(third_free.unwrap() + 1),
        maximum: getrlimit(Resource::Nofile).maximum,
    };
    let old = prlimit(Pid::from_raw(site.pid()), Resource::Nofile, limit).unwrap();
    let answer = front.ask(sign_in(&alice.name, PASSWORD));
    assert!(
        matches!(answer, Answer::Refused(Refusal::Failed(_))),
        "{answer:?}"
    );
    assert!(!process::has_children(site.pid()));
    prlimit(Pid::from_raw(site.pid()), Resource::Nofile, old).unwrap();
    front.sign_in(&alice);
}

#[test]
fn a_front_that_was_killed_is_found_again() {
    let alice = Person::new("a");
    let (_site, mut front) = Site::new();
    let handle = front.sign_in(&alice);
    front.hang_up();
    front.accept();
    let answer = front.ask(Request::Check { handle });
    assert!(matches!(answer, Answer::Account(_)), "{answer:?}");
}

#[test]
fn a_sound_configuration_is_taken_over_and_a_wrong_one_is_not() {
    let (site, mut front) = Site::new();
    let path = site.path().join("deskway.toml");
    let sound = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{sound}[nonsense]\n")).unwrap();
    site.signal(Signal::HUP);
    process::until("the complaint in the log", || {
        let log = std::fs::read_to_string(site.path().join("log")).unwrap();
        log.contains("the old one stays").then_some(())
    });
    let changed = format!("{sound}[brand]\nname = \"Other\"\n");
    std::fs::write(&path, &changed).unwrap();
    site.signal(Signal::HUP);
    let told = front.news(|news| match news {
        FromLauncher::Config { text } => Some(text),
        _ => None,
    });
    assert_eq!(told, deskway::config::text_for_front(&changed).unwrap());
}

#[test]
fn the_command_line_lists_starts_and_stops() {
    let alice = Person::new("a");
    let (site, _front) = Site::new();
    let desktop = format!("{}/work", alice.name).parse().unwrap();
    let mut client = Client::connect(&site.run_dir()).unwrap();
    let state = client.start(&desktop, None).unwrap();
    assert!(matches!(state, DesktopState::Ready { .. }), "{state:?}");
    let listed = client.list(None).unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].id, desktop);
    client.stop(&desktop).unwrap();
    site.assert_nothing_is_left(&[&alice]);
}
