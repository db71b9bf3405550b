//! Everything run by an ordinary user: no root, no PAM, local accounts, homes of Deskway's own.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::PathBuf;
use std::process::{Child, Command};

use deskway::launcher::protocol::{Answer, Refusal, Request};
use deskway::model::{Secret, UserName};
use deskway::runtime::Clock;
use deskway::store::accounts::{self, NewAccount};

use crate::account::{PASSWORD, Person};
use crate::front::{Front, greeting, sign_in};
use crate::process;

const CONFIG: &str = "[[profile]]\nid = \"term\"\nname = \"Terminal\"\n\
    command = [\"sh\", \"-c\", \"touch /tmp/dwt-ordinary made; exec xterm\"]\n\
    [desktops]\ndefault_profile = \"term\"\n";

/// Ended when dropped.
struct Launcher(Child);

impl Drop for Launcher {
    fn drop(&mut self) {
        if let Err(error) = self.0.kill().and_then(|()| self.0.wait()) {
            eprintln!("the launcher: {error}");
        }
    }
}

#[test]
fn two_local_accounts_have_desktops_with_homes_of_their_own() {
    let user = Person::new("u");
    let directory = tempfile::Builder::new()
        .prefix("dwt-")
        .tempdir_in("/var/tmp")
        .unwrap();
    let (run, state) = (directory.path().join("r"), directory.path().join("s"));
    let mut front = Front::listen(&run);
    let binary = directory.path().join("deskway");
    fs::copy(env!("CARGO_BIN_EXE_deskway"), &binary).unwrap();
    fs::write(directory.path().join("deskway.toml"), CONFIG).unwrap();
    let socket = run.join("front.sock");
    for path in [directory.path(), &run, &binary, &socket] {
        chown(path, Some(user.uid), Some(user.gid)).unwrap();
    }
    user.does(|| {
        for name in ["ann", "ben"] {
            let name: UserName = name.parse().unwrap();
            let account = NewAccount {
                name: &name,
                os_user: None,
                full_name: None,
                password: &Secret::new(PASSWORD.to_owned()),
            };
            accounts::add(&state, &account, &Clock::System).unwrap();
        }
    });
    let launcher = Command::new("setpriv")
        .args([
            &format!("--reuid={}", user.uid),
            &format!("--regid={}", user.gid),
        ])
        .arg("--clear-groups")
        .arg(&binary)
        .args(["launcher", "--config"])
        .arg(directory.path().join("deskway.toml"))
        .arg("--run-dir")
        .arg(&run)
        .arg("--state-dir")
        .arg(&state)
        .spawn()
        .unwrap();
    let launcher = Launcher(launcher);
    front.accept();

    // The machine's own accounts are none here.
    let refused = front.ask(sign_in(&user.name, PASSWORD));
    assert!(
        matches!(refused, Answer::Refused(Refusal::WrongPassword)),
        "{refused:?}"
    );
    for name in ["ann", "ben"] {
        let Answer::SignedIn { handle, .. } = front.ask(sign_in(name, PASSWORD)) else {
            panic!("{name} cannot sign in");
        };
        front.start(&handle);
        let stream = front.open(&handle, name).unwrap();
        assert_eq!(greeting(stream), "RFB 003.008\n");
        let made: PathBuf = state.join("homes").join(name).join("made");
        process::until("the session's file", || made.exists().then_some(()));
        assert_eq!(fs::metadata(&made).unwrap().uid(), user.uid);
        assert!(
            !PathBuf::from("/tmp/dwt-ordinary").exists(),
            "/tmp is not private"
        );
        front.stop(&handle);
        let answer = front.ask(Request::SignOut { handle });
        assert!(matches!(answer, Answer::Done));
    }
    drop(launcher);
    // The audit log's writer ends by itself once it has written all.
    process::until("the end of all processes", || {
        process::of_user(user.uid).is_empty().then_some(())
    });
    assert_eq!(fs::read_dir(run.join("s")).unwrap().count(), 0);
}
