//! Signing in: who is let in, who is not, and how long a no takes.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use deskway::launcher::protocol::{Answer, FromLauncher, Handle, Refusal, Request};
use deskway::model::{DesktopState, Secret};
use rustix::process::Signal;
use sha2::{Digest, Sha256};

use crate::account::{PASSWORD, Person};
use crate::front::{Front, PEER, sign_in};
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
    let answer = front.ask(Request::SignOut {
        handle: handle.clone(),
    });
    assert!(matches!(answer, Answer::Done), "{answer:?}");
    assert_eq!(signed_out(&mut front), hash(&handle));
}

#[test]
fn a_local_account_that_is_changed_or_removed_is_signed_out() {
    let alice = Person::new("a");
    let (mut site, mut front) = Site::new();
    let local = site.add_local("dwt-local", &alice);
    for verb in ["passwd", "remove"] {
        let handle = front.sign_in_as(&local);
        user(&site, verb, &local);
        assert_eq!(signed_out(&mut front), hash(&handle));
        let answer = front.ask(Request::Check { handle });
        let Answer::Refused(Refusal::UnknownHandle) = answer else {
            panic!("{answer:?}");
        };
    }
    // No launcher may be there to be told.
    let local = site.add_local("dwt-local", &alice);
    let handle = front.sign_in_as(&local);
    site.kill();
    front.hang_up();
    user(&site, "remove", &local);
    site.start();
    front.accept();
    let answer = front.ask(Request::Check { handle });
    let Answer::Refused(Refusal::UnknownHandle) = answer else {
        panic!("{answer:?}");
    };
}

#[test]
fn an_account_that_may_not_sign_in_any_more_is_signed_out() {
    let (alice, bob) = (Person::new("a"), Person::new("b"));
    let (site, mut front) = Site::new();
    let (hers, his) = (front.sign_in(&alice), front.sign_in(&bob));
    let mut usermod = Command::new("usermod");
    usermod.args(["--shell", "/usr/sbin/nologin", &alice.name]);
    assert!(usermod.status().unwrap().success());
    // Looked at every minute, and at once when the rules are read again.
    site.signal(Signal::HUP);
    assert_eq!(signed_out(&mut front), hash(&hers));
    let answer = front.ask(Request::Check { handle: his });
    assert!(matches!(answer, Answer::Account(_)), "{answer:?}");
}

#[test]
fn a_handle_ends_with_its_account() {
    let alice = Person::new("a");
    let (_site, mut front) = Site::new();
    let handle = front.sign_in(&alice);
    let _heir = alice.remove();
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

/// `deskway user VERB NAME`, with a new password where it takes one.
fn user(site: &Site, verb: &str, name: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deskway"));
    command.args(["user", verb, name, "--config"]);
    command.arg(site.path().join("deskway.toml"));
    if verb == "passwd" {
        command.arg("--password-stdin");
    }
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    if verb == "passwd" {
        writeln!(input, "{PASSWORD}").unwrap();
    }
    drop(input);
    assert!(child.wait().unwrap().success(), "{verb}");
}

fn signed_out(front: &mut Front) -> [u8; 32] {
    front.news(|news| match news {
        FromLauncher::SignedOut { handle_hash } => Some(handle_hash),
        _ => None,
    })
}

fn hash(handle: &Handle) -> [u8; 32] {
    Sha256::digest(handle.expose()).into()
}
