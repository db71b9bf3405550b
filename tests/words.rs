//! What the program says when something is wrong: the real binary's words.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::fs;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec};
use tempfile::TempDir;

const DESKWAY: &str = env!("CARGO_BIN_EXE_deskway");
const DONE: Option<i32> = Some(0);
const FAILED: Option<i32> = Some(1);
const WRONG_USAGE: Option<i32> = Some(2);

#[test]
fn each_cause_is_said_once_and_without_what_terminals_obey() {
    let place = TempDir::new().unwrap();
    let config = place.path().join("deskway.toml");
    let nowhere = text(&place.path().join("nowhere\u{1b}[2J"));
    let toml = format!("[paths]\ntemplates_dir = {:?}\n", place.path().join("none"));
    fs::write(&config, toml).unwrap();
    for args in [
        &["import", &nowhere] as &[&str],
        &["check-config", &nowhere],
        &["render", "--config", &text(&config), "sign-in"],
        &["check-config", &text(&config)],
        &["proxy-config", "nginx", "--config", &text(&config)],
    ] {
        let output = run(args);
        let said = err(&output);
        assert_eq!(output.status.code(), FAILED, "{args:?}: {said}");
        assert_eq!(said.matches("No such file").count(), 1, "{args:?}: {said}");
        assert!(!said.contains('\u{1b}'), "{said}");
    }
}

#[test]
fn the_outcome_of_an_upgrade_commands_no_terminal() {
    let place = TempDir::new().unwrap();
    let socket = deskway_osuser::listen(&place.path().join("up.sock")).unwrap();
    for (outcome, status) in [
        (
            "{\"done\":{\"from\":\"1\\u001b[2J\",\"to\":\"2\\u0007\",\"pid\":7}}",
            DONE,
        ),
        (
            "{\"kept\":{\"version\":\"1\",\"reason\":\"bad\\u001b[2J\"}}",
            FAILED,
        ),
    ] {
        let output = std::thread::scope(|scope| {
            let asked = scope.spawn(|| run(&["upgrade", "--run-dir", &text(place.path())]));
            let mut polled = [PollFd::new(&socket, PollFlags::IN)];
            let soon = Timespec {
                tv_sec: 30,
                tv_nsec: 0,
            };
            rustix::event::poll(&mut polled, Some(&soon)).unwrap();
            let asker = deskway_osuser::accept(socket.as_fd()).unwrap();
            deskway_osuser::send(asker.as_fd(), outcome.as_bytes()).unwrap();
            asked.join().unwrap()
        });
        let said = out(&output) + &err(&output);
        assert_eq!(output.status.code(), status, "{said}");
        assert!(said.contains("?[2J"), "{said}");
        assert!(!said.contains(['\u{1b}', '\u{7}']), "{said:?}");
    }
}

#[test]
fn an_address_that_is_none_is_answered_with_an_example() {
    for (args, example) in [
        (
            &["doctor", "--url", "foo"] as &[&str],
            "such as https://desk.example.org/desk/",
        ),
        (
            &["doctor", "--url", "ftp://foo/"],
            "such as https://desk.example.org/desk/",
        ),
        (
            &["proxy-config", "nginx", "--listen", "foo"],
            "write IP:PORT such as 0.0.0.0:443",
        ),
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), WRONG_USAGE);
        assert!(err(&output).contains(example), "{}", err(&output));
    }
}

fn run(args: &[&str]) -> Output {
    let mut program = Command::new(DESKWAY);
    program.args(args).stdin(Stdio::null()).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
