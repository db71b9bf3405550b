//! Desktops that nobody uses, with short times: warned of, frozen, thawed, ended; and those that
//! crash, started again.

use std::fs;
use std::time::{Duration, Instant};

use deskway::launcher::protocol::{Answer, FromLauncher, Handle, Refusal, Request};
use deskway::model::{Act, DesktopInfo, DesktopState, EndCause, IdleStep, NoticeKind};

use crate::account::Person;
use crate::front::{Front, greeting};
use crate::process;
use crate::site::Site;

const PAM: &str = "auth required pam_unix.so\naccount required pam_unix.so\n\
                   session required pam_unix.so\n";
/// A terminal that counts by the length of a file, five times a second.
const COUNTER: &str = "xterm -e 'while :; do echo >>~/count; sleep 0.2; done'";

/// A configuration with that `[idle]`, and a session `other` that is this shell's command.
fn config(idle: &str, other: &str) -> String {
    format!(
        "[[profile]]\nid = \"other\"\nname = \"Other\"\n\
         command = [\"sh\", \"-c\", \"\"\"{other}\"\"\"]\n[idle]\nbusy_cpu = 20\n{idle}\n"
    )
}

fn start(front: &mut Front, handle: &Handle, name: &str, profile: &str) {
    let answer = front.ask(Request::Start {
        handle: handle.clone(),
        desktop: name.parse().unwrap(),
        profile: Some(profile.parse().unwrap()),
        geometry: None,
    });
    assert!(matches!(answer, Answer::Done), "{answer:?}");
}

/// That desktop as soon as it is so.
fn until(
    front: &mut Front,
    handle: &Handle,
    name: &str,
    is_so: impl Fn(&DesktopInfo) -> bool,
) -> DesktopInfo {
    let pick = |desktops: Vec<DesktopInfo>| {
        let mut desktops = desktops.into_iter();
        desktops.find(|info| info.id.name.as_str() == name && is_so(info))
    };
    if let Some(found) = pick(front.desktops(handle)) {
        return found;
    }
    front.news(|news| match news {
        FromLauncher::Desktops { desktops, .. } => pick(desktops),
        _ => None,
    })
}

fn is_ready(info: &DesktopInfo) -> bool {
    matches!(info.state, DesktopState::Ready { .. })
}

fn is_frozen(info: &DesktopInfo) -> bool {
    matches!(info.state, DesktopState::Frozen { .. })
}

fn act(front: &mut Front, handle: &Handle, person: &Person, act: Act) -> Answer {
    front.ask(Request::Act {
        handle: handle.clone(),
        desktop: person.name.parse().unwrap(),
        act,
    })
}

/// Has it that the person's desktops have run for so many milliseconds today.
fn write_used(site: &Site, person: &Person, millis: u64) {
    let epoch = std::time::SystemTime::UNIX_EPOCH;
    let today = deskway_osuser::local_day(epoch.elapsed().unwrap().as_secs()).unwrap();
    let used = serde_json::json!({
        "year": today.year,
        "day": today.day,
        "used": { person.name.as_str(): millis },
    });
    fs::write(site.state_dir().join("usage.json"), used.to_string()).unwrap();
}

fn count(person: &Person) -> Option<u64> {
    let file = fs::metadata(person.home().join("count")).ok()?;
    Some(file.len()).filter(|count| *count > 0)
}

/// On a machine that cannot freeze anything.
fn assert_it_is_not_frozen(site: &Site, front: &mut Front, handle: &Handle) {
    process::until("that it is not frozen", || {
        site.log().contains("cannot freeze desktops").then_some(())
    });
    let desktops = front.desktops(handle);
    assert!(desktops.iter().all(is_ready), "{desktops:?}");
}

#[test]
fn an_xfce_desktop_that_nobody_watches_stands_still_and_goes_on_with_the_next_visit() {
    let alice = Person::new("a");
    let session = format!("{COUNTER} & exec startxfce4");
    let (mut site, mut front) = Site::with(PAM, &config("freeze_after = \"5s\"", &session));
    let handle = front.sign_in(&alice);
    start(&mut front, &handle, "main", "other");
    process::until("the counter", || count(&alice));
    if !site.holds().freezing {
        return assert_it_is_not_frozen(&site, &mut front, &handle);
    }
    until(&mut front, &handle, "main", is_frozen);
    let stood = count(&alice).unwrap();
    // For as long as the counter would take for five more.
    let began = Instant::now();
    process::until("a second", || {
        assert_eq!(count(&alice), Some(stood), "it went on while frozen");
        (began.elapsed() > Duration::from_secs(1)).then_some(())
    });
    let glance = front.ask(Request::Open {
        handle: handle.clone(),
        desktop: alice.name.parse().unwrap(),
        glance: true,
    });
    assert!(
        matches!(glance, Answer::Refused(Refusal::NotRunning)),
        "{glance:?}"
    );

    let stream = front.open(&handle, &alice.name).unwrap();
    assert_eq!(greeting(stream), "RFB 003.008\n");
    process::until("the counter to go on", || {
        (count(&alice)? > stood).then_some(())
    });

    until(&mut front, &handle, "main", is_frozen);
    site.kill();
    front.hang_up();
    site.start();
    front.accept();
    until(&mut front, &handle, "main", is_frozen);
    let stream = front.open(&handle, &alice.name).unwrap();
    assert_eq!(greeting(stream), "RFB 003.008\n");
    until(&mut front, &handle, "main", is_ready);
    until(&mut front, &handle, "main", is_frozen);
    front.stop(&handle);
    let state = front.settled(&handle);
    let stopped = EndCause::Stopped;
    assert!(
        matches!(&state, DesktopState::Gone { cause, .. } if *cause == stopped),
        "{state:?}"
    );
    site.assert_nothing_is_left(&[&alice]);
}

#[test]
fn one_that_works_and_one_that_is_watched_are_not_frozen() {
    let alice = Person::new("a");
    let burner = "xterm & while [ -e ~/burn ]; do :; done; sleep 1000";
    let idle = config("freeze_after = \"2s\"", burner);
    // Others want the processor too.
    let idle = idle.replace("busy_cpu = 20", "busy_cpu = 10");
    let (site, mut front) = Site::with(PAM, &idle);
    fs::write(alice.home().join("burn"), "").unwrap();
    let handle = front.sign_in(&alice);
    let watched = |front: &mut Front, viewers| {
        let answer = front.ask(Request::Watched {
            desktop: format!("{}/watched", alice.name).parse().unwrap(),
            viewers,
        });
        assert!(matches!(answer, Answer::Done), "{answer:?}");
    };
    start(&mut front, &handle, "main", "other");
    start(&mut front, &handle, "watched", "term");
    if !site.holds().freezing {
        return assert_it_is_not_frozen(&site, &mut front, &handle);
    }
    watched(&mut front, 1);
    until(&mut front, &handle, "main", is_ready);
    until(&mut front, &handle, "watched", is_ready);
    start(&mut front, &handle, "idle", "term");
    until(&mut front, &handle, "idle", is_frozen);
    for name in ["main", "watched"] {
        let desktops = front.desktops(&handle);
        let other = desktops.iter().find(|info| info.id.name.as_str() == name);
        assert!(is_ready(other.unwrap()), "{other:?}");
    }
    watched(&mut front, 0);
    until(&mut front, &handle, "watched", is_frozen);
    fs::remove_file(alice.home().join("burn")).unwrap();
    until(&mut front, &handle, "main", is_frozen);
}

#[test]
fn who_is_warned_can_keep_it_and_else_it_is_asked_to_close() {
    let alice = Person::new("a");
    // By closing its window alone does it save: whoever is just ended does not.
    let saves = "xterm -e 'trap \"\" TERM; trap \"echo >~/saved; exit\" HUP; \
                 while :; do sleep 0.1; done'; sleep 1000";
    let rules = "warn_after = \"1s\"\nstop_after = \"8s\"\ngrace = \"30s\"";
    let (site, mut front) = Site::with(PAM, &config(rules, saves));
    let handle = front.sign_in(&alice);
    start(&mut front, &handle, "main", "other");
    let warned = |info: &DesktopInfo| {
        let next = IdleStep::Stop;
        let of = |what: &NoticeKind| matches!(what, NoticeKind::Idle { next: told, .. } if *told == next);
        info.notices.iter().any(|notice| of(&notice.what))
    };
    let info = until(&mut front, &handle, "main", warned);
    assert!(info.active.is_some());
    let kept = act(&mut front, &handle, &alice, Act::Keep);
    assert!(matches!(kept, Answer::Done), "{kept:?}");
    until(&mut front, &handle, "main", |info| !warned(info));
    until(&mut front, &handle, "main", warned);
    let ended = |info: &DesktopInfo| matches!(info.state, DesktopState::Gone { .. });
    let info = until(&mut front, &handle, "main", ended);
    let cause = EndCause::Unused { seconds: 8 };
    assert!(
        matches!(&info.state, DesktopState::Gone { cause: told, .. } if *told == cause),
        "{info:?}"
    );
    assert!(alice.home().join("saved").exists(), "it was not asked");
    site.assert_nothing_is_left(&[&alice]);
}

#[test]
fn a_desktop_that_crashed_is_started_again_where_that_is_wished() {
    let alice = Person::new("a");
    let (_site, mut front) = Site::restarting();
    let handle = front.sign_in(&alice);
    front.start(&handle);
    let agent = process::one(alice.uid, "deskway agent");
    process::kill(agent);
    let again = |info: &DesktopInfo| {
        let told = info.notices.iter().any(|notice| {
            let cause = EndCause::AgentDied;
            notice.what == NoticeKind::StartedAgain { cause }
        });
        is_ready(info) && told
    };
    until(&mut front, &handle, "main", again);
    assert_ne!(process::one(alice.uid, "deskway agent"), agent);
    front.stop(&handle);
    let state = front.settled(&handle);
    assert!(matches!(state, DesktopState::Gone { .. }), "{state:?}");
}

#[test]
fn owners_act_on_their_own_desktops_as_far_as_they_may() {
    let (alice, bob) = (Person::new("a"), Person::new("b"));
    let (_site, mut front) = Site::new();
    let (hers, his) = (front.sign_in(&alice), front.sign_in(&bob));
    let started = act(
        &mut front,
        &hers,
        &alice,
        Act::Start {
            profile: None,
            geometry: None,
        },
    );
    assert!(matches!(started, Answer::Done), "{started:?}");
    front.settled(&hers);
    for allowed in [Act::Thaw, Act::Keep] {
        let answer = act(&mut front, &hers, &alice, allowed);
        assert!(matches!(answer, Answer::Done), "{answer:?}");
    }
    for admins in [Act::Freeze, Act::Message("hello".to_owned())] {
        let answer = act(&mut front, &hers, &alice, admins);
        assert!(
            matches!(answer, Answer::Refused(Refusal::Denied(_))),
            "{answer:?}"
        );
    }
    for others in [Act::Stop, Act::Thaw, Act::Keep, Act::Freeze] {
        let answer = act(&mut front, &his, &alice, others);
        assert!(
            matches!(answer, Answer::Refused(Refusal::NoSuchDesktop)),
            "{answer:?}"
        );
    }
    let answer = act(&mut front, &hers, &alice, Act::Stop);
    assert!(matches!(answer, Answer::Done), "{answer:?}");
}

#[test]
fn who_comes_while_programs_are_asked_to_close_can_answer_them() {
    let alice = Person::new("a");
    // A window that does not close, as one does not that asks whether to save.
    let asks = "xterm & pid=$!; sleep 1; kill -STOP $pid; wait";
    let rules = "stop_after = \"4s\"\ngrace = \"30s\"";
    let (site, mut front) = Site::with(PAM, &config(rules, asks));
    let handle = front.sign_in(&alice);
    start(&mut front, &handle, "main", "other");
    until(&mut front, &handle, "main", |info| {
        info.state == DesktopState::Closing
    });
    let stream = front.open(&handle, &alice.name).unwrap();
    assert_eq!(greeting(stream), "RFB 003.008\n");
    front.stop(&handle);
    let state = front.settled(&handle);
    let unused = EndCause::Unused { seconds: 4 };
    assert!(
        matches!(&state, DesktopState::Gone { cause, .. } if *cause == unused),
        "{state:?}"
    );
    site.assert_nothing_is_left(&[&alice]);
}

#[test]
fn one_that_is_asleep_sleeps_on_when_no_hours_are_left() {
    let alice = Person::new("a");
    let rules = "freeze_after = \"2s\"\n[limits]\nhours_per_day = \"10m\"";
    let (mut site, mut front) = Site::with(PAM, &config(rules, "xterm"));
    let handle = front.sign_in(&alice);
    start(&mut front, &handle, "main", "term");
    let info = until(&mut front, &handle, "main", is_frozen);
    assert_eq!(info.notices, [], "what it was told of its hours is over");
    site.kill();
    front.hang_up();
    write_used(&site, &alice, 600_000);
    site.start();
    front.accept();
    until(&mut front, &handle, "main", is_frozen);
    let opened = front.open(&handle, &alice.name).unwrap_err();
    let start = Act::Start {
        profile: None,
        geometry: None,
    };
    let mut answers = vec![opened];
    for wish in [Act::Keep, Act::Thaw, start] {
        answers.push(act(&mut front, &handle, &alice, wish));
    }
    for answer in answers {
        assert!(
            matches!(&answer, Answer::Refused(Refusal::Denied(why)) if why.contains("after midnight")),
            "{answer:?}"
        );
    }
    until(&mut front, &handle, "main", is_frozen);
    front.stop(&handle);
    let state = front.settled(&handle);
    assert!(matches!(state, DesktopState::Gone { .. }), "{state:?}");
}

#[test]
fn whose_hours_are_used_up_is_told_before_and_can_start_nothing_more_that_day() {
    let alice = Person::new("a");
    let limits = config("grace = \"5s\"\n[limits]\nhours_per_day = \"1m\"", "xterm");
    let (mut site, mut front) = Site::with(PAM, &limits);
    site.kill();
    front.hang_up();
    write_used(&site, &alice, 56_000);
    site.start();
    front.accept();
    let handle = front.sign_in(&alice);
    start(&mut front, &handle, "main", "term");
    let told = |info: &DesktopInfo| {
        let of = |what: &NoticeKind| matches!(what, NoticeKind::HoursRunOut { .. });
        info.notices.iter().any(|notice| of(&notice.what))
    };
    until(&mut front, &handle, "main", told);
    let ended = |info: &DesktopInfo| {
        let used_up = EndCause::HoursUsedUp;
        matches!(&info.state, DesktopState::Gone { cause, .. } if *cause == used_up)
    };
    until(&mut front, &handle, "main", ended);
    let answer = front.ask(Request::Start {
        handle: handle.clone(),
        desktop: "main".parse().unwrap(),
        profile: None,
        geometry: None,
    });
    assert!(
        matches!(&answer, Answer::Refused(Refusal::Denied(why)) if why.contains("used up")),
        "{answer:?}"
    );
}
