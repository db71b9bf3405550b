//! Admins: who is one, what that lets them do, and what nobody else can do whatever the front says.

use std::path::Path;
use std::process::Command;

use deskway::launcher::protocol::{Answer, FromLauncher, Handle, Refusal, Request};
use deskway::model::{Act, DesktopReport, DesktopState, SignInReport};
use rustix::process::Signal;

use crate::account::{Group, Person};
use crate::front::{Front, PEER, greeting};
use crate::gateway::{self, Gateway};
use crate::process;
use crate::site::Site;

const UNIX: &str = "auth required pam_unix.so\n\
                    account required pam_unix.so\n\
                    session required pam_unix.so\n";

pub fn users(people: &[&Person]) -> String {
    let names: Vec<_> = people.iter().map(|it| format!("\"{}\"", it.name)).collect();
    format!("[admin]\nusers = [{}]\n", names.join(", "))
}

/// Every request that is an admin's alone, about somebody's desktop.
fn all(handle: &Handle, whose: &Person) -> Vec<Request> {
    let handle = || handle.clone();
    let desktop = || whose.name.parse().unwrap();
    let act = |act| Request::Act {
        handle: handle(),
        desktop: desktop(),
        act,
    };
    vec![
        Request::Overview {
            handle: handle(),
            after: None,
        },
        Request::People {
            handle: handle(),
            skip: 0,
        },
        Request::EndSignIns {
            handle: handle(),
            account: whose.name.parse().unwrap(),
        },
        act(Act::Start {
            profile: None,
            geometry: None,
        }),
        act(Act::Stop),
        act(Act::Freeze),
        act(Act::Thaw),
        act(Act::Keep),
        act(Act::Message("hello".to_owned())),
    ]
}

fn overview(front: &mut Front, handle: &Handle) -> Result<Vec<DesktopReport>, Refusal> {
    let handle = handle.clone();
    match front.ask(Request::Overview {
        handle,
        after: None,
    }) {
        Answer::Overview { desktops, more } => {
            assert!(!more);
            Ok(desktops)
        }
        Answer::Refused(refusal) => Err(refusal),
        other => panic!("{other:?}"),
    }
}

fn people(front: &mut Front, handle: &Handle) -> Vec<SignInReport> {
    let handle = handle.clone();
    match front.ask(Request::People { handle, skip: 0 }) {
        Answer::People { sign_ins, .. } => sign_ins,
        other => panic!("{other:?}"),
    }
}

fn is_admin(front: &mut Front, handle: &Handle) -> bool {
    let handle = handle.clone();
    match front.ask(Request::Check { handle }) {
        Answer::Account(account) => account.is_admin,
        other => panic!("{other:?}"),
    }
}

/// Waits until it is told of somebody that they are an admin now, or are none.
fn told(front: &mut Front, person: &Person) -> bool {
    front.news(|news| match news {
        FromLauncher::Admin { account, is_admin } if account.as_str() == person.name => {
            Some(is_admin)
        }
        _ => None,
    })
}

#[test]
fn whoever_is_no_admin_gets_nothing_of_what_admins_get() {
    let (alice, bob) = (Person::new("a"), Person::new("b"));
    let (_site, mut front) = Site::with(UNIX, &users(&[&alice]));
    let (hers, his) = (front.sign_in(&alice), front.sign_in(&bob));
    front.start(&hers);
    for request in all(&his, &alice) {
        let text = format!("{request:?}");
        let answer = front.ask(request);
        let Answer::Refused(Refusal::Denied(_) | Refusal::NoSuchDesktop) = answer else {
            panic!("{text}: {answer:?}");
        };
    }
    // Nor does it help to be the owner: to freeze and to send messages is for admins.
    let refused = all(&his, &bob).into_iter().filter(|request| {
        let answer = front.ask(match request {
            Request::Act { desktop, act, .. } => Request::Act {
                handle: his.clone(),
                desktop: desktop.clone(),
                act: act.clone(),
            },
            _ => return false,
        });
        matches!(answer, Answer::Refused(Refusal::Denied(_)))
    });
    assert_eq!(refused.count(), 2);
    // Made up, and signed out.
    front.ask(Request::SignOut {
        handle: his.clone(),
    });
    for useless in [his, Handle::new([7; 32])] {
        for request in all(&useless, &alice) {
            let answer = front.ask(request);
            let Answer::Refused(Refusal::UnknownHandle) = answer else {
                panic!("{answer:?}");
            };
        }
    }
    assert!(is_admin(&mut front, &hers), "her sign-in stays");
    let stream = front.open(&hers, &alice.name).unwrap();
    assert_eq!(greeting(stream), "RFB 003.008\n");
}

#[test]
fn an_admin_sees_and_stops_everybodys_desktops_and_ends_their_sign_ins() {
    let (alice, bob) = (Person::new("a"), Person::new("b"));
    let (_site, mut front) = Site::with(UNIX, &users(&[&alice]));
    let (hers, his) = (front.sign_in(&alice), front.sign_in(&bob));
    front.start(&his);
    let seen = overview(&mut front, &hers).unwrap();
    let bobs = seen.iter().find(|it| it.info.id.owner.as_str() == bob.name);
    assert!(matches!(
        bobs.unwrap().info.state,
        DesktopState::Ready { .. }
    ));
    let mut names: Vec<_> = people(&mut front, &hers)
        .iter()
        .map(|it| (it.account.to_string(), it.is_admin, it.peer))
        .collect();
    names.sort();
    let mut expected = vec![
        (alice.name.clone(), true, PEER),
        (bob.name.clone(), false, PEER),
    ];
    expected.sort();
    assert_eq!(names, expected);

    // A look into his desktop is no part of it.
    let refused = front.open(&hers, &bob.name).unwrap_err();
    assert!(matches!(refused, Answer::Refused(Refusal::NoSuchDesktop)));

    let stopped = front.ask(Request::Act {
        handle: hers.clone(),
        desktop: bob.name.parse().unwrap(),
        act: Act::Stop,
    });
    assert!(matches!(stopped, Answer::Done), "{stopped:?}");
    let ended = front.ask(Request::EndSignIns {
        handle: hers.clone(),
        account: bob.name.parse().unwrap(),
    });
    assert!(matches!(ended, Answer::Done), "{ended:?}");
    front.news(|news| matches!(news, FromLauncher::SignedOut { .. }).then_some(()));
    let answer = front.ask(Request::Check { handle: his });
    assert!(matches!(answer, Answer::Refused(Refusal::UnknownHandle)));
    assert_eq!(people(&mut front, &hers).len(), 1);
}

#[test]
fn losing_the_group_or_the_line_of_the_configuration_takes_the_right() {
    let (alice, bob) = (Person::new("a"), Person::new("b"));
    let group = Group::new("g");
    group.take_in(&alice);
    let config = format!("[admin]\ngroups = [\"{}\"]\n", group.name);
    let (mut site, mut front) = Site::with(UNIX, &config);
    let (hers, his) = (front.sign_in(&alice), front.sign_in(&bob));
    assert!(is_admin(&mut front, &hers) && !is_admin(&mut front, &his));
    // Also for a launcher that is new, once it has asked.
    site.kill();
    front.hang_up();
    site.start();
    front.accept();
    process::until("her right", || overview(&mut front, &hers).ok());

    group.let_go(&alice);
    // What is looked at every minute is looked at now.
    site.signal(Signal::HUP);
    assert!(!told(&mut front, &alice));
    let refused = overview(&mut front, &hers).unwrap_err();
    assert!(matches!(refused, Refusal::Denied(_)), "{refused:?}");

    let file = site.path().join("deskway.toml");
    let old = std::fs::read_to_string(&file).unwrap();
    let with = |admins: &str| old.replace(&config, admins);
    std::fs::write(&file, with(&users(&[&bob]))).unwrap();
    site.signal(Signal::HUP);
    assert!(told(&mut front, &bob));
    assert!(overview(&mut front, &his).is_ok());
    std::fs::write(&file, with("")).unwrap();
    site.signal(Signal::HUP);
    assert!(!told(&mut front, &bob));
    assert!(overview(&mut front, &his).is_err());
}

#[test]
fn the_command_line_tells_root_of_everybody_and_others_of_themselves() {
    let (alice, bob) = (Person::new("a"), Person::new("b"));
    let (site, mut front) = Site::new();
    let (hers, his) = (front.sign_in(&alice), front.sign_in(&bob));
    front.start(&hers);
    // Where everybody may run it.
    let program = site.path().join("deskway");
    gateway::copy(Path::new(env!("CARGO_BIN_EXE_deskway")), &program);
    let run = |person: Option<&Person>, args: &[&str]| {
        let mut command = match person {
            Some(person) => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid", &person.name, "--clear-groups"]);
                command.arg(&program);
                command
            }
            None => Command::new(&program),
        };
        command.args(args).arg("--run-dir").arg(site.run_dir());
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        output.status.success().then_some(said).ok_or(error)
    };
    let list = run(None, &["desktop", "list", "--json"]).unwrap();
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list[0]["owner"], *alice.name);
    assert!(list[0].get("cpu").is_some());
    let people = run(None, &["people", "list", "--json"]).unwrap();
    assert!(people.contains(&alice.name) && people.contains(&bob.name));

    let own = run(Some(&bob), &["desktop", "list"]).unwrap();
    assert_eq!(own, "no desktop is running\n");
    for args in [
        &["people", "list"][..],
        &["people", "end", &alice.name],
        &["desktop", "stop", &alice.name],
        &["desktop", "message", &alice.name, "hello"],
        &["desktop", "freeze", &bob.name],
    ] {
        let refused = run(Some(&bob), args).unwrap_err();
        let said = ["root's alone", "only admins"];
        assert!(
            said.iter().any(|it| refused.contains(it)),
            "{args:?}: {refused}"
        );
    }
    let ended = run(None, &["people", "end", &bob.name, "--json"]).unwrap();
    let ended: serde_json::Value = serde_json::from_str(&ended).unwrap();
    assert_eq!(ended["ended"], 1);
    let answer = front.ask(Request::Check { handle: his });
    assert!(matches!(answer, Answer::Refused(Refusal::UnknownHandle)));
    assert!(is_admin(&mut front, &hers) || front.open(&hers, &alice.name).is_ok());
    let stopped = run(None, &["desktop", "stop", &alice.name, "--json"]).unwrap();
    let stopped: serde_json::Value = serde_json::from_str(&stopped).unwrap();
    assert_eq!(stopped[0]["state"], "gone");
}

#[test]
fn an_admin_in_the_browser_sees_a_desktop_that_is_looked_at_and_stops_it() {
    let (alice, bob) = (Person::new("a"), Person::new("b"));
    let folder = Gateway::folder();
    let file = folder.path().join("deskway.toml");
    let old = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, old + &users(&[&alice])).unwrap();
    let mut up = Command::new(folder.path().join("deskway"));
    up.args(["up", "--listen", "127.0.0.1:0"]);
    let gateway = Gateway::run(folder, &mut up);
    let (hers, his) = (gateway.sign_in(&alice.name), gateway.sign_in(&bob.name));
    gateway.start_desktop(&bob.name, &his);
    let _viewer = gateway.watch(&bob.name, &his);
    let path = "/api/v1/admin/desktops";
    process::until("a viewer that has moved something", || {
        let seen: serde_json::Value = serde_json::from_str(&gateway.get(path, &hers).body).unwrap();
        let desktops = seen["desktops"].as_array().unwrap().clone();
        let bobs = desktops.iter().find(|it| it["id"] == *bob.name)?;
        let sent = bobs["sent"].as_u64()? > 0;
        (sent && bobs["watching"][0]["account"] == *bob.name).then_some(())
    });
    assert_eq!(gateway.get(path, &his).status, 404);
    let stop = format!("{path}/{}/main/stop", bob.name);
    assert_eq!(
        gateway.post(&stop, "application/json", "", &his).status,
        404
    );
    let stopped = gateway.post(&stop, "application/json", "", &hers);
    assert_eq!(stopped.status, 200, "{stopped:?}");
    assert!(stopped.body.contains("\"gone\""), "{stopped:?}");
    let end = format!("/api/v1/admin/people/{}/end", bob.name);
    let ended = gateway.post(&end, "application/json", "", &hers);
    assert_eq!(ended.status, 204, "{ended:?}");
    process::until("his end", || {
        (gateway.get("/api/v1/me", &his).status == 401).then_some(())
    });
}
