//! A front that was taken over: whatever it says, it gets nothing that it has no handle for, and
//! the launcher goes on.

use std::os::unix::fs::symlink;

use deskway::audit::{self, Entry, Outcome, Wanted, What};
use deskway::launcher::protocol::{
    Answer, Envelope, Handle, MAX_REQUEST, Refusal, Request, encode,
};
use deskway::model::{Act, Geometry, Secret};

use crate::account::{PASSWORD, Person};
use crate::front::{Front, PEER, greeting, open, stop};
use crate::process;
use crate::site::Site;

/// Every request that is answered for a handle.
fn all(handle: &Handle, desktop: &str) -> Vec<Request> {
    let handle = || handle.clone();
    vec![
        Request::Check { handle: handle() },
        Request::Desktops { handle: handle() },
        Request::Profiles { handle: handle() },
        Request::Start {
            handle: handle(),
            desktop: "main".parse().unwrap(),
            profile: None,
            geometry: Some(Geometry::new(800, 600).unwrap()),
        },
        stop(&handle()),
        open(&handle(), desktop),
        Request::SignOut { handle: handle() },
    ]
}

fn assert_useless(front: &mut Front, handle: &Handle, desktop: &str) {
    for request in all(handle, desktop) {
        let id = front.send(request);
        let (answer, descriptor) = front.answer(id);
        let Answer::Refused(Refusal::UnknownHandle) = answer else {
            panic!("{answer:?}");
        };
        assert!(descriptor.is_none());
    }
}

#[test]
fn made_up_stale_and_mutated_handles_get_nothing() {
    let alice = Person::new("a");
    let (_site, mut front) = Site::new();
    let handle = front.sign_in(&alice);
    front.start(&handle);
    for bytes in [[0; 32], [0xff; 32], [7; 32]] {
        assert_useless(&mut front, &Handle::new(bytes), &alice.name);
    }
    for bit in [0, 1, 7, 100, 255] {
        let mut bytes = *handle.expose();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert_useless(&mut front, &Handle::new(bytes), &alice.name);
    }
    let stream = front.open(&handle, &alice.name).unwrap();
    assert_eq!(greeting(stream), "RFB 003.008\n");
    let signed_out = front.ask(Request::SignOut {
        handle: handle.clone(),
    });
    assert!(matches!(signed_out, Answer::Done));
    assert_useless(&mut front, &handle, &alice.name);
}

#[test]
fn a_handle_opens_its_own_desktops_alone() {
    let (alice, bob) = (Person::new("a"), Person::new("b"));
    let (_site, mut front) = Site::new();
    let (hers, his) = (front.sign_in(&alice), front.sign_in(&bob));
    front.start(&hers);
    front.start(&his);
    for desktop in [
        alice.name.clone(),
        format!("{}/work", alice.name),
        "root".into(),
    ] {
        let answer = front.open(&his, &desktop).unwrap_err();
        let Answer::Refused(Refusal::NoSuchDesktop) = answer else {
            panic!("{answer:?}");
        };
    }
    let listed = front.desktops(&his);
    assert!(listed.iter().all(|info| info.id.owner.as_str() == bob.name));
    // Stopping goes by the handle alone: his ends, hers stays.
    front.stop(&his);
    let stream = front.open(&hers, &alice.name).unwrap();
    assert_eq!(greeting(stream), "RFB 003.008\n");
}

#[test]
fn the_names_of_the_machine_are_told_only_where_the_configuration_says_so() {
    let _alice = Person::new("a");
    let (_site, mut front) = Site::new();
    let answer = front.ask(Request::Index);
    let Answer::Refused(Refusal::BadRequest(reason)) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(reason, "this server shows no public index");
}

#[test]
fn one_person_cannot_have_more_than_a_few_connections_under_way() {
    let (alice, bob) = (Person::new("a"), Person::new("b"));
    // It takes connections and never says a word.
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let password = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(password.path(), "secret\n").unwrap();
    let attached = |person: &Person| {
        format!(
            "[[attach]]\ndesktop = \"{}/old\"\ntarget = \"{}\"\npassword_file = \"{}\"\n",
            person.name,
            server.local_addr().unwrap(),
            password.path().display()
        )
    };
    let (_site, mut front) = Site::with(
        "auth required pam_unix.so\naccount required pam_unix.so\n",
        &(attached(&alice) + &attached(&bob)),
    );
    let (hers, his) = (front.sign_in(&alice), front.sign_in(&bob));
    let old = format!("{}/old", alice.name);
    for _ in 0..4 {
        front.send(open(&hers, &old));
    }
    let answer = front.open(&hers, &old).unwrap_err();
    assert!(
        matches!(answer, Answer::Refused(Refusal::Busy)),
        "{answer:?}"
    );
    let answer = front.open(&his, &format!("{}/old", bob.name)).unwrap_err();
    assert!(
        matches!(answer, Answer::Refused(Refusal::Failed(_))),
        "{answer:?}"
    );
}

#[test]
fn one_person_cannot_have_more_than_a_few_requests_waiting() {
    let alice = Person::new("a");
    let (site, mut front) = Site::new();
    let handle = front.sign_in(&alice);
    front.start(&handle);
    let agent = process::one(alice.uid, "deskway agent");
    // It will not do what it is asked, and is killed for that later.
    process::signal(agent, rustix::process::Signal::STOP);
    let waiting: Vec<u64> = (0..8).map(|_| front.send(stop(&handle))).collect();
    let answer = front.ask(stop(&handle));
    assert!(
        matches!(answer, Answer::Refused(Refusal::Busy)),
        "{answer:?}"
    );
    for id in waiting {
        let (answer, _) = front.answer(id);
        assert!(matches!(answer, Answer::Done), "{answer:?}");
    }
    site.assert_nothing_is_left(&[&alice]);
}

#[test]
fn requests_of_the_command_line_are_not_answered_to_the_front() {
    let alice = Person::new("a");
    let (_site, mut front) = Site::new();
    let handle = front.sign_in(&alice);
    front.start(&handle);
    for request in [
        Request::ListAs { owner: None },
        Request::StartAs {
            desktop: alice.name.parse().unwrap(),
            profile: None,
        },
        Request::StopAs {
            desktop: alice.name.parse().unwrap(),
        },
        Request::ForgetAs {
            owner: alice.name.parse().unwrap(),
        },
    ] {
        let answer = front.ask(request);
        let Answer::Refused(Refusal::BadRequest(_)) = answer else {
            panic!("{answer:?}");
        };
    }
    assert!(front.open(&handle, &alice.name).is_ok());
}

/// What is on record of those deeds.
fn recorded(site: &Site, what: What) -> Vec<Entry> {
    let wanted = Wanted {
        what: Some(what),
        ..Wanted::default()
    };
    let found = audit::read(&site.state_dir(), &wanted).unwrap();
    found.into_iter().map(|found| found.entry).collect()
}

fn keep(handle: &Handle, person: &Person) -> Request {
    Request::Act {
        handle: handle.clone(),
        desktop: person.name.parse().unwrap(),
        act: Act::Keep,
    }
}

#[test]
fn a_number_that_is_used_twice_takes_nothing_off_the_record() {
    let alice = Person::new("a");
    let (site, mut front) = Site::new();
    let handle = front.sign_in(&alice);
    front.start(&handle);
    let id = 4242;
    let check = Request::Check {
        handle: handle.clone(),
    };
    for request in [open(&handle, &alice.name), keep(&handle, &alice), check] {
        let bytes = encode(&Envelope { id, request }, MAX_REQUEST).unwrap();
        front.send_bytes(&bytes).unwrap();
    }
    for _ in 0..3 {
        front.answer(id);
    }
    let watched = recorded(&site, What::Watch);
    assert_eq!(watched.len(), 1, "{watched:?}");
    assert_eq!(watched[0].who, alice.name);
    assert_eq!(watched[0].outcome, Outcome::Ok);
}

#[test]
fn what_changes_nothing_fills_no_record_and_pictures_are_on_it_once_an_hour() {
    let (alice, bob) = (Person::new("a"), Person::new("b"));
    let (site, mut front) = Site::new();
    let handle = front.sign_in(&alice);
    front.start(&handle);
    for _ in 0..100 {
        let answer = front.ask(keep(&handle, &alice));
        assert!(matches!(answer, Answer::Done), "{answer:?}");
        front.start_profile(&handle, None);
    }
    let glance = |desktop: &str| Request::Open {
        handle: handle.clone(),
        desktop: desktop.parse().unwrap(),
        glance: true,
    };
    for _ in 0..3 {
        let answer = front.ask(glance(&alice.name));
        assert!(matches!(answer, Answer::Stream { .. }), "{answer:?}");
    }
    front.ask(glance(&bob.name));
    // Whoever is answered knows that all before it is written.
    front.ask(Request::SignOut {
        handle: handle.clone(),
    });
    assert_eq!(recorded(&site, What::Keep), []);
    assert_eq!(recorded(&site, What::Start).len(), 1);
    let watched = recorded(&site, What::Watch);
    let watched: Vec<_> = watched
        .iter()
        .map(|it| (it.desktop.as_deref().unwrap(), it.outcome, &*it.details))
        .collect();
    let picture = "a picture for the portal";
    assert_eq!(
        watched,
        [
            (&*alice.name, Outcome::Ok, picture),
            (&*bob.name, Outcome::Refused, picture)
        ]
    );
}

#[test]
fn a_session_that_nobody_configured_is_not_started() {
    let alice = Person::new("a");
    let (site, mut front) = Site::new();
    let handle = front.sign_in(&alice);
    for profile in ["nothing", "sh", "root"] {
        let answer = front.ask(Request::Start {
            handle: handle.clone(),
            desktop: "main".parse().unwrap(),
            profile: Some(profile.parse().unwrap()),
            geometry: None,
        });
        let Answer::Refused(Refusal::NoSuchProfile(id)) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(id.as_str(), profile);
    }
    site.assert_nothing_is_left(&[&alice]);
}

#[test]
fn what_is_no_request_is_dropped_and_the_next_good_one_answered() {
    let alice = Person::new("a");
    let (_site, mut front) = Site::new();
    let handle = front.sign_in(&alice);
    let good = encode(
        &Envelope {
            id: 77,
            request: open(&handle, &alice.name),
        },
        MAX_REQUEST,
    )
    .unwrap();
    for length in 1..good.len() {
        front.send_bytes(&good[..length]).unwrap();
    }
    let mut trailing = good.clone();
    trailing.push(0);
    front.send_bytes(&trailing).unwrap();
    for length in [MAX_REQUEST + 1, 60_000] {
        let mut long = good.clone();
        long.resize(length, 0);
        front.send_bytes(&long).unwrap();
    }
    for length in [1, 2, 16, 300, MAX_REQUEST] {
        for _ in 0..50 {
            let mut random = vec![0; length];
            getrandom::fill(&mut random).unwrap();
            front.send_bytes(&random).unwrap();
        }
    }
    let answer = front.ask(Request::Check {
        handle: handle.clone(),
    });
    assert!(matches!(answer, Answer::Account(account) if account.name.as_str() == alice.name));
}

#[test]
fn the_set_up_token_cannot_be_guessed_where_there_is_none() {
    let (_site, mut front) = Site::new();
    for token in ["", "x"] {
        let answer = front.ask(Request::SetUp {
            token: Secret::new(token.to_owned()),
            name: "mallory".parse().unwrap(),
            password: Secret::new(PASSWORD.to_owned()),
            peer: PEER,
        });
        assert!(
            matches!(answer, Answer::Refused(Refusal::NotAllowed { .. })),
            "{answer:?}"
        );
    }
    assert!(
        deskway_osuser::Account::by_name("mallory")
            .unwrap()
            .is_none()
    );
}

#[test]
fn a_link_to_another_s_socket_leads_nowhere() {
    let (alice, bob) = (Person::new("a"), Person::new("b"));
    let (site, mut front) = Site::new();
    let (hers, his) = (front.sign_in(&alice), front.sign_in(&bob));
    front.start(&hers);
    let her_screen = site.desktop_dir().join("vnc.sock");
    front.start(&his);
    let his_screen = process::until("his run directory", || {
        let entries = std::fs::read_dir(site.run_dir().join("s")).unwrap();
        let screens = entries.map(|entry| entry.unwrap().path().join("vnc.sock"));
        screens.into_iter().find(|path| *path != her_screen)
    });
    // As bob could do in his own run directory.
    std::fs::remove_file(&his_screen).unwrap();
    symlink(&her_screen, &his_screen).unwrap();
    let answer = front.open(&his, &bob.name).unwrap_err();
    assert!(
        matches!(answer, Answer::Refused(Refusal::Failed(_))),
        "{answer:?}"
    );
    // One that anybody may connect to, and that is not bob's.
    let open_to_all = site.path().join("open.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&open_to_all).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    std::fs::set_permissions(&open_to_all, mode).unwrap();
    std::fs::remove_file(&his_screen).unwrap();
    symlink(&open_to_all, &his_screen).unwrap();
    let answer = front.open(&his, &bob.name).unwrap_err();
    assert!(
        matches!(answer, Answer::Refused(Refusal::Failed(_))),
        "{answer:?}"
    );
}
