//! Everybody comes at once.

use std::collections::BTreeSet;
use std::thread;

use deskway::launcher::protocol::{Answer, Request};
use deskway::model::DesktopState;

use crate::account::Person;
use crate::process;
use crate::scene::Scene;
use crate::site::Site;

/// Browsers that come back at the same moment.
const BROWSERS: usize = 200;
/// People, each with as many desktops as they may have.
const STARTERS: usize = 7;
const EACH: [&str; 3] = ["main", "two", "three"];

/// F16: Every browser comes back at once
/// Happens: All are answered; pages wait for different times before they try again.
/// Seen: The desktop again, by itself.
/// Lost: Nothing.
/// Kept: Sign-ins: nobody types a password.
/// Tests: tests/root/activation.rs a_restart_on_sockets_of_systemd_loses_no_connection_attempt;
/// tests/it/front/restarts.rs a_new_front_finds_everybody_signed_in_and_asks_the_launcher_once
#[test]
fn f16_two_hundred_browsers_that_come_back_at_once_are_all_still_signed_in() {
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
    let displays: Vec<_> = std::fs::read_dir(site.run_dir().join("d"))
        .unwrap()
        .map(|entry| {
            let record = std::fs::read_to_string(entry.unwrap().path()).unwrap();
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
