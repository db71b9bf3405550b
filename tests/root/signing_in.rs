//! Signing in: who is let in, who is not, and how long a no takes.

use std::fmt::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use deskway::launcher::protocol::{Answer, FromLauncher, Refusal, Request};
use deskway::model::{DesktopState, Secret};
use sha2::{Digest, Sha256};

use crate::account::{PASSWORD, Person};
use crate::front::{PEER, sign_in};
use crate::site::Site;

#[test]
fn an_unknown_name_and_a_wrong_password_get_the_same_answer_after_the_same_time() {
    let alice = Person::new("a");
    let (_site, mut front) = Site::new();
    let mut told = Vec::new();
    for name in [alice.name.as_str(), "dwt-nobody-here", "no name at all"] {
        let asked = Instant::now();
        let answer = front.ask(sign_in(name, "wrong"));
        let Answer::Refused(Refusal::WrongPassword) = answer else {
            panic!("{answer:?}");
        };
        told.push(asked.elapsed());
    }
    // Refusals wait for a whole second, whatever it took to find out.
    for after in told {
        assert!(after >= Duration::from_secs(1), "told after {after:?}");
    }
}

#[test]
fn wrong_passwords_are_slowed_down() {
    let alice = Person::new("a");
    let (_site, mut front) = Site::new();
    let tries: Vec<u64> = (0..5)
        .map(|_| front.send(sign_in(&alice.name, "wrong")))
        .collect();
    let answer = front.ask(sign_in(&alice.name, PASSWORD));
    let Answer::Refused(Refusal::SlowDown { seconds }) = answer else {
        panic!("{answer:?}");
    };
    assert!(seconds >= 1);
    for id in tries {
        let (answer, _) = front.answer(id);
        let Answer::Refused(Refusal::WrongPassword) = answer else {
            panic!("{answer:?}");
        };
    }
}

#[test]
fn system_accounts_and_shut_ones_are_told_only_after_the_right_password() {
    let alice = Person::new("a");
    let (_site, mut front) = Site::new();
    let set = |arguments: &[&str]| {
        let mut usermod = Command::new("usermod");
        assert!(
            usermod
                .args(arguments)
                .arg(&alice.name)
                .status()
                .unwrap()
                .success()
        );
    };
    for (change, undo) in [
        (["--shell", "/usr/sbin/nologin"], ["--shell", "/bin/bash"]),
        (["--expiredate", "1"], ["--expiredate", ""]),
    ] {
        set(&change);
        let wrong = front.ask(sign_in(&alice.name, "wrong"));
        let Answer::Refused(Refusal::WrongPassword) = wrong else {
            panic!("{wrong:?}");
        };
        let right = front.ask(sign_in(&alice.name, PASSWORD));
        let Answer::Refused(Refusal::NotAllowed { .. }) = right else {
            panic!("{right:?}");
        };
        set(&undo);
    }
    front.sign_in(&alice);
}

#[test]
fn a_module_that_hangs_delays_nobody_else() {
    let (alice, bob) = (Person::new("a"), Person::new("b"));
    let (site, mut front) = Site::with("", "");
    let pam = format!(
        "auth [success=1 default=ignore] pam_succeed_if.so quiet user != {}\n\
         auth required pam_exec.so quiet /bin/sleep 600\n\
         auth required pam_unix.so\n\
         account required pam_unix.so\n",
        alice.name
    );
    std::fs::write(site.path().join("pam.d/deskway"), pam).unwrap();
    let hers = front.send(sign_in(&alice.name, PASSWORD));
    front.sign_in(&bob);
    // In the end it is given up, with all that the module had started.
    let (answer, _) = front.answer(hers);
    assert!(
        matches!(answer, Answer::Refused(Refusal::Failed(_))),
        "{answer:?}"
    );
    site.assert_nothing_is_left(&[&alice, &bob]);
}

#[test]
fn signing_out_is_told_to_the_front() {
    let alice = Person::new("a");
    let (_site, mut front) = Site::new();
    let handle = front.sign_in(&alice);
    let signed_out = front.ask(Request::SignOut {
        handle: handle.clone(),
    });
    assert!(matches!(signed_out, Answer::Done));
    let hash = front.news(|news| match news {
        FromLauncher::SignedOut { handle_hash } => Some(handle_hash),
        _ => None,
    });
    let expected: [u8; 32] = Sha256::digest(handle.expose()).into();
    assert_eq!(hash, expected);
}

#[test]
fn a_handle_ends_with_its_account() {
    let alice = Person::new("a");
    let (_site, mut front) = Site::new();
    let handle = front.sign_in(&alice);
    drop(alice);
    let answer = front.ask(Request::Profiles { handle });
    let Answer::Refused(Refusal::UnknownHandle) = answer else {
        panic!("{answer:?}");
    };
}

#[test]
fn a_machine_without_a_service_for_deskway_uses_its_common_ones() {
    let alice = Person::new("a");
    let (site, mut front) = Site::with_built_in_pam();
    let wrong = front.ask(sign_in(&alice.name, "wrong"));
    let Answer::Refused(Refusal::WrongPassword) = wrong else {
        panic!("{wrong:?}");
    };
    let handle = front.sign_in(&alice);
    front.start(&handle);
    front.stop(&handle);
    let state = front.settled(&handle);
    assert!(matches!(state, DesktopState::Gone { .. }), "{state:?}");
    site.assert_nothing_is_left(&[&alice]);
}

#[test]
fn the_set_up_link_makes_one_account() {
    let (site, mut front) = Site::new();
    let token = "a token of the test";
    let mut hash = String::new();
    for byte in Sha256::digest(token) {
        write!(hash, "{byte:02x}").unwrap();
    }
    let offer = format!("{{\"hash\":\"{hash}\",\"until\":{}}}", u64::MAX);
    std::fs::write(site.run_dir().join("set-up"), offer).unwrap();
    let name = Person::new_name("s");
    let mut set_up = |token: &str| {
        front.ask(Request::SetUp {
            token: Secret::new(token.to_owned()),
            name: name.parse().unwrap(),
            password: Secret::new(PASSWORD.to_owned()),
            peer: PEER,
        })
    };
    let guessed = set_up("another token");
    let Answer::Refused(Refusal::NotAllowed { .. }) = guessed else {
        panic!("{guessed:?}");
    };
    let made = set_up(token);
    assert!(matches!(made, Answer::Done), "{made:?}");
    let person = Person::made(&name);
    assert!(person.home().is_dir());
    let again = set_up(token);
    let Answer::Refused(Refusal::NotAllowed { .. }) = again else {
        panic!("{again:?}");
    };
    front.sign_in(&person);
}
