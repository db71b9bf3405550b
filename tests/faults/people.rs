//! Something happens to an account, or to what judges passwords.

use std::process::Command;

use deskway::launcher::protocol::{Answer, Refusal};
use rustix::process::Signal;

use crate::account::{PASSWORD, Person};
use crate::front::{greeting, sign_in, stop};
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
/// Happens: Its sign-ins end within a minute, at once when an admin ends them or the configuration
/// is read again. The desktop's processes are the machine's to end; `deskway desktop stop` ends
/// them.
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
