//! What the launcher tells of groups, logos and the public index.

use deskway::config::Logos;
use deskway::launcher::protocol::{Answer, FromLauncher, Handle, Index, Request};
use rustix::process::Signal;

use crate::account::{Group, Person};
use crate::front::Front;
use crate::process;
use crate::site::Site;

const UNIX: &str = "auth required pam_unix.so\n\
                    account required pam_unix.so\n\
                    session required pam_unix.so\n";

fn group_of(front: &mut Front, handle: &Handle) -> Option<String> {
    let handle = handle.clone();
    match front.ask(Request::Check { handle }) {
        Answer::Account(account) => account.group,
        other => panic!("{other:?}"),
    }
}

fn index(front: &mut Front) -> Index {
    match front.ask(Request::Index) {
        Answer::Index(index) => index,
        other => panic!("{other:?}"),
    }
}

/// Adds `text` to the configuration and has it read.
fn reconfigure(site: &Site, text: &str) {
    let file = site.path().join("deskway.toml");
    let old = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, old + text).unwrap();
    site.signal(Signal::HUP);
}

#[test]
fn the_front_is_told_the_first_group_that_fits_and_no_other() {
    let (alice, bob) = (Person::new("a"), Person::new("b"));
    let (physics, staff, unnamed) = (Group::new("p"), Group::new("s"), Group::new("u"));
    for group in [&unnamed, &staff, &physics] {
        group.take_in(&alice);
    }
    unnamed.take_in(&bob);
    let groups = format!(
        "[[group]]\nname = \"no-such-group\"\n[[group]]\nname = \"{}\"\n[[group]]\nname = \"{}\"\n",
        physics.name, staff.name
    );
    let (site, mut front) = Site::with(UNIX, &groups);
    let (hers, his) = (front.sign_in(&alice), front.sign_in(&bob));
    assert_eq!(group_of(&mut front, &hers).as_ref(), Some(&physics.name));
    assert_eq!(group_of(&mut front, &his), None);
    let local = site.add_local("dwt-local", &alice);
    let as_alice = front.sign_in_as(&local);
    assert_eq!(
        group_of(&mut front, &as_alice).as_ref(),
        Some(&physics.name)
    );

    // Whoever is taken in later is looked at every minute, and when the rules are read again.
    staff.take_in(&bob);
    reconfigure(&site, "");
    let news = front.news(|news| match news {
        FromLauncher::Group { account, group } => Some((account.to_string(), group)),
        _ => None,
    });
    assert_eq!(news, (bob.name.clone(), Some(staff.name.clone())));
    assert_eq!(group_of(&mut front, &his).as_ref(), Some(&staff.name));
}

#[test]
fn logos_come_before_the_configuration_that_names_them() {
    let (site, mut front) = Site::new();
    let logo = site.path().join("logo.svg");
    std::fs::write(&logo, "<svg xmlns='http://www.w3.org/2000/svg'/>").unwrap();
    let text = format!(
        "[brand]\nlogo = \"{0}\"\n[[group]]\nname = \"x\"\nlogo = \"{0}.none\"\n",
        logo.display()
    );
    reconfigure(&site, &text);
    let (logos, text) = front.news_with_logos();
    assert!(text.contains("logo.svg"));
    let logos: Logos = postcard::from_bytes(&logos).unwrap();
    assert_eq!(
        logos.get(&logo).unwrap().bytes,
        std::fs::read(&logo).unwrap()
    );
    assert!(logos.get(&site.path().join("logo.svg.none")).is_none());
}

#[test]
fn the_front_is_sent_no_address_of_an_attached_desktop() {
    let (site, mut front) = Site::new();
    reconfigure(
        &site,
        "[brand]\nname = \"Sent\" # was token=Sesame\n\
         [[attach]]\ndesktop = \"alice/lab\"\ntarget = \"wss://vnc.example.org/?token=Sesame\"\n",
    );
    let (_, text) = front.news_with_logos();
    assert!(text.contains("Sent"), "{text}");
    assert!(!text.contains("Sesame"), "{text}");
}

#[test]
fn the_public_index_names_who_may_sign_in_and_what_runs() {
    let (alice, bob, shut) = (Person::new("a"), Person::new("b"), Person::new("c"));
    let group = Group::new("i");
    for person in [&alice, &shut] {
        group.take_in(person);
    }
    let mut usermod = std::process::Command::new("usermod");
    let usermod = usermod.args(["--shell", "/usr/sbin/nologin", &shut.name]);
    assert!(usermod.status().unwrap().success());
    let config = format!(
        "[portal]\npublic_index = true\n[access]\ngroups = [\"{}\"]\n\
         [[attach]]\ndesktop = \"somebody/office\"\ntarget = \"127.0.0.1:1000\"\n",
        group.name
    );
    let (site, mut front) = Site::with(UNIX, &config);
    let local = site.add_local("dwt-local", &alice);
    site.add_local("dwt-nobody", &bob);
    let names = |index: &Index| {
        index
            .desktops
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let first = index(&mut front);
    let mut expected = [alice.name.clone(), local, "somebody/office".to_owned()];
    expected.sort();
    assert_eq!(names(&first), expected);
    assert!(!first.more);

    // A named desktop is in it as long as it runs.
    let handle = front.sign_in(&alice);
    let work: deskway::model::DesktopName = "work".parse().unwrap();
    let started = front.ask(Request::Start {
        handle: handle.clone(),
        desktop: work.clone(),
        profile: None,
        geometry: None,
    });
    assert!(matches!(started, Answer::Done), "{started:?}");
    let named = format!("{}/work", alice.name);
    assert!(names(&index(&mut front)).contains(&named));
    process::until("the desktop's own leave to be stopped", || {
        let desktop = work.clone();
        let handle = handle.clone();
        matches!(front.ask(Request::Stop { handle, desktop }), Answer::Done).then_some(())
    });
    assert!(!names(&index(&mut front)).contains(&named));
}
