//! A desktop's life, from signing in to the last process.

use deskway::launcher::protocol::{Answer, Refusal, Request};
use deskway::model::{DesktopState, EndCause};
use rustix::process::Signal;

use crate::account::Person;
use crate::front::{greeting, stop};
use crate::process;
use crate::site::{DESCRIPTORS, Site};

#[test]
fn a_person_signs_in_starts_opens_and_stops_a_desktop() {
    let alice = Person::new("a");
    let (site, mut front) = Site::new();
    let handle = front.sign_in(&alice);
    front.start(&handle);
    let stream = front.open(&handle, &alice.name).unwrap();
    assert_eq!(greeting(stream), "RFB 003.008\n");
    front.stop(&handle);
    let state = front.settled(&handle);
    let cause = EndCause::Stopped;
    assert!(
        matches!(&state, DesktopState::Gone { cause: gone, .. } if *gone == cause),
        "{state:?}"
    );
    site.assert_nothing_is_left(&[&alice]);
}

#[test]
fn a_desktop_runs_with_its_owner_s_identity_and_home() {
    let alice = Person::new("a");
    let probe = "id -u; id -g; id -G; pwd; echo $HOME $USER $SHELL; umask; ls /proc/self/fd";
    let config = format!(
        "[[profile]]\nid = \"probe\"\nname = \"Probe\"\n\
         command = [\"sh\", \"-c\", \"({probe}) >out; touch /tmp/seen; touch done; exec xterm\"]"
    );
    let (site, mut front) = Site::with(
        "auth required pam_unix.so\naccount required pam_unix.so\n\
         session required pam_env.so\nsession required pam_unix.so\n",
        &config,
    );
    let handle = front.sign_in(&alice);
    front.start_profile(&handle, Some("probe"));
    let done = alice.home().join("done");
    process::until("the probe", || done.exists().then_some(()));
    let out = std::fs::read_to_string(alice.home().join("out")).unwrap();
    let (uid, gid, home) = (alice.uid, alice.gid, alice.home());
    let expected = format!(
        "{uid}\n{gid}\n{gid}\n{0}\n{0} {1} /bin/bash\n0022\n",
        home.display(),
        alice.name
    );
    assert!(out.starts_with(&expected), "{out}");
    assert!(
        !std::path::Path::new("/tmp/seen").exists(),
        "/tmp is not private"
    );
    front.stop(&handle);
    site.assert_nothing_is_left(&[&alice]);
}

#[test]
fn the_launcher_may_have_many_descriptors_and_desktops_as_many_as_ever() {
    let alice = Person::new("a");
    let (site, mut front) = Site::with(
        "auth required pam_unix.so\naccount required pam_unix.so\nsession required pam_unix.so\n",
        "",
    );
    let handle = front.sign_in(&alice);
    front.start(&handle);
    let limits = |pid: i32| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("Max open files"));
        let mut fields = line.unwrap().split_whitespace().map(str::to_owned);
        (fields.next().unwrap(), fields.next().unwrap())
    };
    let (soft, hard) = limits(site.pid());
    assert_eq!(soft, hard);
    assert_ne!(soft, DESCRIPTORS.to_string());
    let agent = process::one(alice.uid, "deskway agent");
    assert_eq!(limits(agent), (DESCRIPTORS.to_string(), hard));
    front.stop(&handle);
}

#[test]
fn twenty_rounds_leave_nothing() {
    let alice = Person::new("a");
    let (site, mut front) = Site::new();
    let handle = front.sign_in(&alice);
    for _ in 0..20 {
        front.start(&handle);
        front.stop(&handle);
    }
    site.assert_nothing_is_left(&[&alice]);
}

#[test]
fn a_killed_agent_takes_its_desktop_with_it() {
    let alice = Person::new("a");
    let (site, mut front) = Site::new();
    let handle = front.sign_in(&alice);
    front.start(&handle);
    process::kill(process::one(alice.uid, "deskway agent"));
    let cause = front.failed(&handle);
    assert_eq!(cause, EndCause::AgentDied);
    site.assert_nothing_is_left(&[&alice]);
}

#[test]
fn who_stops_a_desktop_that_hangs_is_told_so() {
    let alice = Person::new("a");
    let (site, mut front) = Site::new();
    let handle = front.sign_in(&alice);
    front.start(&handle);
    let session_child = process::parent(process::one(alice.uid, "deskway agent"));
    process::signal(session_child, Signal::STOP);
    let answer = front.ask(stop(&handle));
    process::signal(session_child, Signal::CONT);
    assert!(
        matches!(answer, Answer::Refused(Refusal::Failed(_))),
        "{answer:?}"
    );
    front.ended(&handle);
    site.assert_nothing_is_left(&[&alice]);
}

#[test]
fn a_killed_session_child_leaves_nothing_either() {
    let alice = Person::new("a");
    let (site, mut front) = Site::new();
    let handle = front.sign_in(&alice);
    front.start(&handle);
    let agent = process::one(alice.uid, "deskway agent");
    process::kill(process::parent(agent));
    // The agent is told to stop by the kernel: whether it still says so is a matter of luck.
    front.ended(&handle);
    process::until("the desktop's end", || {
        let ended = process::of_user(alice.uid).is_empty();
        let removed = |directory| {
            let path = site.path().join(directory);
            std::fs::read_dir(path).unwrap().next().is_none()
        };
        (ended && removed("r/s") && removed("r/d") && removed("s/tmp")).then_some(())
    });
}

#[test]
fn a_session_that_cannot_be_run_fails_with_its_cause() {
    let alice = Person::new("a");
    let config = "[[profile]]\nid = \"none\"\nname = \"None\"\ncommand = [\"/no/such\"]";
    let (site, mut front) = Site::with(
        "auth required pam_unix.so\naccount required pam_unix.so\nsession required pam_unix.so\n",
        config,
    );
    let handle = front.sign_in(&alice);
    front.start_profile(&handle, Some("none"));
    let cause = front.failed(&handle);
    assert!(
        matches!(cause, EndCause::SessionMissing { .. }),
        "{cause:?}"
    );
    site.assert_nothing_is_left(&[&alice]);
}

#[test]
fn an_account_whose_session_pam_refuses_gets_no_desktop() {
    let alice = Person::new("a");
    let (site, mut front) = Site::with(
        "auth required pam_unix.so\naccount required pam_unix.so\nsession required pam_deny.so\n",
        "",
    );
    let handle = front.sign_in(&alice);
    front.start_profile(&handle, None);
    let cause = front.failed(&handle);
    assert!(matches!(cause, EndCause::AccountFailed { .. }), "{cause:?}");
    site.assert_nothing_is_left(&[&alice]);
}

#[test]
fn nobody_has_more_desktops_than_allowed() {
    let alice = Person::new("a");
    let (_site, mut front) = Site::new();
    let handle = front.sign_in(&alice);
    let start = |name: &str| Request::Start {
        handle: handle.clone(),
        desktop: name.parse().unwrap(),
        profile: None,
        geometry: None,
    };
    for name in ["main", "two", "three", "two"] {
        let answer = front.ask(start(name));
        assert!(matches!(answer, Answer::Done), "{answer:?}");
    }
    let answer = front.ask(start("four"));
    let Answer::Refused(Refusal::TooManyDesktops { max: 3 }) = answer else {
        panic!("{answer:?}");
    };
}
