//! Something happens to an account, or to what judges passwords.

use std::process::Command;

use deskway::audit::{self, Outcome, Wanted, What};
use deskway::launcher::client::Client;
use deskway::launcher::protocol::{Answer, Handle, Refusal};
use deskway::model::{DesktopState, EndCause};
use rustix::process::Signal;

use crate::account::{PASSWORD, Person};
use crate::front::{Front, greeting, sign_in, stop};
use crate::process;
use crate::scene::Scene;
use crate::site::Site;

/// F7: One person's programs use up all processes or memory that they may have
/// Happens: Their own programs get no more processes; the kernel ends one that takes more memory than
/// there is for the desktop.
/// Seen: A notice beside the desktop that says which limit it was, and which program was ended. The
/// desktop can still be stopped.
/// Lost: What could not be started, or was ended.
/// Kept: The rest of that desktop, and everybody else's.
/// Tests: tests/root/limits.rs whoever_starts_too_many_processes_is_told;
/// tests/root/limits.rs a_hog_is_ended_and_named_and_the_neighbour_lives_on;
/// tests/root/limits.rs a_screen_that_is_ended_for_lack_of_memory_is_why_the_desktop_ended
#[test]
fn f07_who_has_as_many_processes_as_they_may_takes_none_of_others() {
    const MOST: usize = 40;
    let (alice, bob) = (Person::new("a"), Person::new("b"));
    // The shell that may start no more ends; what there is goes on.
    let bomb = "sh -c 'i=0; while [ $i -lt 200 ]; do sleep 600 & i=$((i+1)); done'; exec sleep 600";
    let (site, mut front) = Site::with(
        "",
        &format!(
            "[[profile]]\nid = \"bomb\"\nname = \"Bomb\"\ncommand = [\"sh\", \"-c\", \"{bomb}\"]"
        ),
    );
    let limits = site.path().join("limits.conf");
    std::fs::write(&limits, format!("{} hard nproc {MOST}\n", alice.name)).unwrap();
    let pam = format!(
        "auth required pam_unix.so\naccount required pam_unix.so\n\
         session required pam_limits.so conf={}\nsession required pam_unix.so\n",
        limits.display()
    );
    std::fs::write(site.path().join("pam.d/deskway"), pam).unwrap();
    let hers = front.sign_in(&alice);
    front.start_profile(&hers, Some("bomb"));
    process::until("all that she may have", || {
        let count = process::of_user(alice.uid).len();
        assert!(count <= MOST + 1, "{count} processes");
        (count >= MOST - 1).then_some(())
    });
    let his = front.sign_in(&bob);
    front.start(&his);
    assert_eq!(
        greeting(front.open(&his, &bob.name).unwrap()),
        "RFB 003.008\n"
    );
    front.stop(&his);
    let answer = front.ask(stop(&hers));
    assert!(matches!(answer, Answer::Done), "{answer:?}");
    site.assert_nothing_is_left(&[&alice, &bob]);
}

/// F17: PAM hangs, answers late, or crashes
/// Happens: It runs in a process of each try's own, which is ended after 30 s with all that it had
/// started.
/// Seen: "Signing in does not work at the moment." Others sign in meanwhile.
/// Lost: That one try.
/// Kept: Everything else.
/// Tests: tests/root/signing_in.rs a_module_that_hangs_delays_nobody_else
#[test]
fn f17_a_pam_module_that_crashes_costs_that_try_alone() {
    let (alice, bob) = (Person::new("a"), Person::new("b"));
    let (site, mut front) = Site::with("", "");
    let crash = site.path().join("crash");
    std::fs::write(&crash, "#!/bin/sh\nkill -SEGV $PPID\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&crash, mode).unwrap();
    let pam = format!(
        "auth [success=1 default=ignore] pam_succeed_if.so quiet user != {}\n\
         auth required pam_exec.so quiet {}\n\
         auth required pam_unix.so\naccount required pam_unix.so\nsession required pam_unix.so\n",
        alice.name,
        crash.display()
    );
    std::fs::write(site.path().join("pam.d/deskway"), pam).unwrap();
    for _ in 0..3 {
        let answer = front.ask(sign_in(&alice.name, PASSWORD));
        let Answer::Refused(Refusal::Failed(why)) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(why, "signing in does not work at the moment");
    }
    let his = front.sign_in(&bob);
    front.start(&his);
    front.stop(&his);
    site.assert_nothing_is_left(&[&alice, &bob]);
}

/// F19: An account is removed, or shut, while its desktop runs
/// Happens: Its sign-ins end within a minute (`sign_in.recheck`), at once when an admin ends them or
/// the configuration is read again. The desktop's processes are the machine's to end; admins see it in
/// their list, and `deskway desktop stop` ends it, by a launcher that was started since too. One that
/// crashes is not started again.
/// Seen: "You were signed out.", on the sign-in page.
/// Lost: What was open, once the desktop is stopped.
/// Kept: Everybody else's.
/// Tests: tests/root/signing_in.rs an_account_that_may_not_sign_in_any_more_is_signed_out;
/// tests/root/signing_in.rs a_local_account_that_is_changed_or_removed_is_signed_out;
/// tests/root/signing_in.rs a_handle_ends_with_its_account
#[test]
fn f19_who_is_removed_from_the_machine_sees_nothing_more_and_can_be_cleaned_up_after() {
    let (alice, bob) = (Person::new("a"), Person::new("b"));
    let scene = Scene::new();
    let (hers, his) = (scene.guest(&alice), scene.guest(&bob));
    hers.start();
    his.start();
    let (mut her_view, mut his_view) = (hers.watch(), his.watch());
    her_view.shake_hands();
    his_view.shake_hands();
    let name = alice.name.clone();
    let heir = alice.remove();
    process::signal(scene.pid(), Signal::HUP);
    let closed = her_view.closed().unwrap();
    assert_eq!(closed.code, 4401, "{closed:?}");
    his_view.is_drawn_for();
    let mut stop = Command::new(env!("CARGO_BIN_EXE_deskway"));
    stop.args(["desktop", "stop", &name, "--run-dir"]);
    let stopped = stop.arg(scene.path().join("r")).output().unwrap();
    assert!(stopped.status.success(), "{stopped:?}");
    process::until("the end of her processes", || {
        process::of_user(heir.uid).is_empty().then_some(())
    });
    his_view.is_drawn_for();
}

#[test]
fn f19_who_is_shut_out_is_signed_out_without_anybody_asking() {
    let (alice, bob) = (Person::new("a"), Person::new("b"));
    let scene = Scene::with("", |folder| {
        let file = folder.join("deskway.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let often = text.replace("[sign_in]\n", "[sign_in]\nrecheck = \"1s\"\n");
        std::fs::write(file, often).unwrap();
    });
    let (hers, his) = (scene.guest(&alice), scene.guest(&bob));
    hers.start();
    let mut view = hers.watch();
    view.shake_hands();
    change(&alice, "--shell", "/usr/sbin/nologin");
    let closed = view.closed().unwrap();
    assert_eq!(closed.code, 4401, "{closed:?}");
    assert!(!hers.is_signed_in() && his.is_signed_in());
}

/// Waits until the main desktop has failed for that reason.
fn until_failed(front: &mut Front, handle: &Handle, is_so: impl Fn(&EndCause) -> bool) {
    process::until("the desktop's end", || {
        let infos = front.desktops(handle);
        let mut states = infos.iter().map(|info| &info.state);
        let failed = |state: &DesktopState| matches!(state, DesktopState::Failed { cause, .. } if is_so(cause));
        states.any(failed).then_some(())
    });
}

fn change(person: &Person, option: &str, value: &str) {
    let mut usermod = Command::new("usermod");
    let done = usermod.args([option, value, &person.name]).status();
    assert!(done.unwrap().success(), "{usermod:?}");
}

#[test]
fn f19_who_may_have_no_desktop_any_more_gets_none_back_after_a_crash() {
    let [shut, expired, runs_local, gone] = ["s", "e", "l", "g"].map(Person::new);
    let (site, mut front) = Site::restarting();
    let local = site.add_local(&Person::new_name("loc"), &runs_local);
    let names = [&shut.name, &expired.name, &local, &gone.name];
    let handles = names.map(|name| front.sign_in_as(name));
    for handle in &handles {
        front.start(handle);
    }
    change(&shut, "--shell", "/usr/sbin/nologin");
    change(&expired, "--expiredate", "1");
    deskway::store::accounts::remove(&site.state_dir(), &local.parse().unwrap()).unwrap();
    let gone_name = gone.name.clone();
    let gone = gone.remove();
    let people = [&shut, &expired, &runs_local, &gone];
    for person in people {
        process::kill(process::one(person.uid, "deskway agent"));
    }
    // Their own modules, and the local accounts, say so when it is tried.
    for handle in &handles[1..3] {
        let refused = |cause: &EndCause| matches!(cause, EndCause::AccountFailed { .. });
        until_failed(&mut front, handle, refused);
    }
    // The others' is not even tried.
    process::until("what was refused in the audit log", || {
        let found = audit::read(&site.state_dir(), &Wanted::default()).unwrap();
        let refused = |name: &String| {
            found.iter().map(|found| &found.entry).any(|it| {
                it.what == What::Start
                    && it.outcome == Outcome::Refused
                    && it.who == "(deskway)"
                    && it.desktop.as_ref() == Some(name)
            })
        };
        (refused(&shut.name) && refused(&gone_name)).then_some(())
    });
    until_failed(&mut front, &handles[0], |cause| {
        *cause == EndCause::AgentDied
    });
    site.assert_nothing_is_left(&people);
}

#[test]
fn f19_who_was_removed_is_still_listed_and_stopped_by_a_launcher_that_never_knew_them() {
    let alice = Person::new("a");
    let (mut site, mut front) = Site::new();
    let handle = front.sign_in(&alice);
    front.start(&handle);
    let name = alice.name.clone();
    let heir = alice.remove();
    site.kill();
    front.hang_up();
    site.start();
    front.accept();
    let mut client = Client::connect(&site.run_dir()).unwrap();
    let listed = client.list(None).unwrap();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0].id.to_string(), name);
    let overview = client.overview().unwrap();
    assert_eq!(overview.len(), 1, "{overview:?}");
    // Neither who had it, nor a new account of that name whose desktops have that number.
    site.add_local(&name, &heir);
    for handle in [handle, front.sign_in_as(&name)] {
        let opened = front.open(&handle, &name);
        assert!(opened.is_err(), "{opened:?}");
    }
    client.stop(&name.parse().unwrap()).unwrap();
    site.assert_nothing_is_left(&[&heir]);
}
