//! Shell scripts as the admin's program.

use std::fs;
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};
use tempfile::{TempDir, tempdir};
use tokio::time::{sleep, timeout};

use super::*;
use crate::runtime::write_script;

/// A shell script as the program. It lies in a directory that goes with it.
fn program(script: &str) -> (TempDir, Program) {
    let dir = tempdir().unwrap();
    let path = dir.path().join("lookup");
    write_script(&path, &format!("#!/bin/sh\n{script}"));
    let program = Program::new(path.to_str().unwrap(), Some("an argument")).unwrap();
    (dir, program)
}

#[tokio::test]
async fn the_program_reads_the_token_and_writes_the_target() {
    let (_dir, program) = program(
        "read -r token; test \"$1\" = 'an argument' || exit 3\n\
         case $token in vm1) echo 10.0.0.1:5901;; sock) echo unix_socket:/run/vm.sock;; esac",
    );
    assert_eq!(
        program.lookup("vm1").await.unwrap(),
        Some(Target::Tcp {
            host: "10.0.0.1".to_owned(),
            port: 5901
        })
    );
    assert_eq!(
        program.lookup("sock").await.unwrap(),
        Some(Target::Unix("/run/vm.sock".into()))
    );
    assert_eq!(program.lookup("other").await.unwrap(), None);
}

#[tokio::test]
async fn the_token_is_never_an_argument_nor_seen_by_a_shell() {
    let (dir, program) = program("read -r token; echo \"$#$token\" > \"${0%/*}/seen\"; exit 1");
    assert_eq!(program.lookup("$(id); `id` --x").await.unwrap(), None);
    let seen = fs::read_to_string(dir.path().join("seen")).unwrap();
    assert_eq!(seen, "1$(id); `id` --x\n");
}

#[tokio::test]
async fn a_program_that_fails_knows_no_target_whatever_it_writes() {
    let (_dir, program) = program("cat > /dev/null; echo h:1; exit 1");
    assert_eq!(program.lookup("vm1").await.unwrap(), None);
}

#[tokio::test]
async fn a_program_that_never_reads_does_no_harm() {
    let (_dir, program) = program("exec <&-; echo h:1");
    assert!(program.lookup("vm1").await.unwrap().is_some());
}

#[tokio::test]
async fn nonsense_and_floods_are_errors() {
    for script in [
        "echo nonsense",
        "echo h:1; echo h:2",
        "head -c 100000 /dev/zero",
        "kill -9 $$",
    ] {
        let (_dir, program) = program(script);
        assert!(program.lookup("secret").await.is_err(), "{script}");
    }
}

#[tokio::test]
async fn a_long_complaint_does_not_hold_the_program_up() {
    let (_dir, program) = program("head -c 300000 /dev/zero >&2; echo h:1");
    assert!(program.lookup("vm1").await.unwrap().is_some());
}

#[tokio::test]
async fn a_program_that_hangs_is_ended_with_what_it_started() {
    let (dir, program) = program("sleep 1000 & echo $! > \"${0%/*}/pid\"; wait");
    let pid_file = dir.path().join("pid");
    let started = async {
        loop {
            match fs::read_to_string(&pid_file) {
                Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
                _ => sleep(Duration::from_millis(5)).await,
            }
        }
    };
    let pid = tokio::select! {
        pid = timeout(Duration::from_secs(20), started) => pid.unwrap(),
        answer = program.lookup("vm1") => panic!("it answered {answer:?}"),
    };
    let gone = async {
        while !ended(&pid) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), gone).await.unwrap();
}

/// Whether the process is gone, or dead and merely not collected yet.
fn ended(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
}

#[test]
fn only_an_executable_file_with_its_whole_path_is_taken() {
    for (path, fault) in [
        ("bin/true", "not an absolute path"),
        ("/nowhere/program", "cannot be used"),
        ("/etc/passwd", "not an executable file"),
        ("/bin", "not an executable file"),
    ] {
        let said = Program::new(path, None).err().unwrap().to_string();
        assert!(said.contains(path) && said.contains(fault), "{said}");
    }
}

#[tokio::test]
async fn the_program_may_open_no_more_files_than_before_the_limit_was_raised() {
    let before = 999;
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = Some(before);
    setrlimit(Resource::Nofile, limit).unwrap();
    deskway_osuser::raise_descriptor_limit().unwrap();
    assert_ne!(getrlimit(Resource::Nofile).current, Some(before));

    let (_dir, program) = program("echo limit:$(ulimit -S -n)");
    let limit = program.lookup("vm1").await.unwrap().unwrap();
    assert_eq!(limit.to_string(), format!("limit:{before}"));
}

#[tokio::test]
async fn a_program_that_the_kernel_took_away_is_not_ended_again() {
    let (_dir, program) = program("exit 0");
    let mut running = program.start().unwrap();
    let pid = running.group;
    // As it is where this process ignores SIGCHLD.
    rustix::process::waitpid(pid, rustix::process::WaitOptions::empty()).unwrap();
    let error = running.end().await.unwrap_err();
    assert_eq!(
        error.raw_os_error(),
        Some(rustix::io::Errno::CHILD.raw_os_error())
    );
    assert_eq!(running.group, None, "the number may be another's by now");
}

#[test]
fn of_a_complaint_that_is_cut_within_the_token_nothing_is_told() {
    let token = "secret".repeat(400);
    let [long, cut] = [2000, 1024].map(|length| "x".repeat(length));
    for (complaint, told) in [
        ("no such vm: abc".to_owned(), Some("no such vm: …")),
        (format!("{:x<500}{token}", ""), None),
        (format!("{:x<1022}abc", ""), None),
        (long, Some(cut.as_str())),
    ] {
        let token = if complaint.contains("secret") {
            &token
        } else {
            "abc"
        };
        assert_eq!(presentable(complaint.as_bytes(), token).as_deref(), told);
    }
}
