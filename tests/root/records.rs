//! The audit log and the desktops' logs, of a whole `deskway up`.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Output};

use deskway::audit::{self, Entry, Outcome, Wanted, What};

use crate::account::{PASSWORD, Person};
use crate::gateway::Gateway;
use crate::process;
use crate::site::Site;

/// Typed into the field for the name.
const MISPLACED: &str = "misplaced-secret-7";

fn entries(gateway: &Gateway) -> Vec<Entry> {
    let found = audit::read(&gateway.path().join("s"), &Wanted::default()).unwrap();
    found.into_iter().map(|found| found.entry).collect()
}

fn has(entries: &[Entry], what: What, who: &str, outcome: Outcome) -> bool {
    let fits = |it: &Entry| it.what == what && it.who == who && it.outcome == outcome;
    entries.iter().any(fits)
}

fn deskway(gateway: &Gateway, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deskway"));
    command.args(args);
    command
        .arg("--config")
        .arg(gateway.path().join("deskway.toml"));
    command.output().unwrap()
}

/// The audit log's writer, a child of the launcher.
fn recorder(gateway: &Gateway) -> Option<i32> {
    let children = |pid: i32| {
        let path = format!("/proc/{pid}/task/{pid}/children");
        let text = fs::read_to_string(path).unwrap_or_default();
        let pids = text.split_whitespace().map(|pid| pid.parse().unwrap());
        pids.collect::<Vec<i32>>()
    };
    let roles = gateway.roles();
    let mut below = roles.into_iter().flat_map(children);
    below.find(|pid| {
        let name = fs::read_to_string(format!("/proc/{pid}/comm"));
        name.is_ok_and(|name| name.trim() == "deskway-audit")
    })
}

#[test]
fn what_people_do_is_on_record_before_they_are_told_and_holds_no_secret() {
    let person = Person::new("a");
    let gateway = Gateway::start();
    let cookie = gateway.sign_in(&person.name);
    assert!(has(
        &entries(&gateway),
        What::SignIn,
        &person.name,
        Outcome::Ok
    ));
    for (name, password) in [(MISPLACED, "x"), (&person.name, "wrong-secret-8")] {
        let body = format!("name={name}&password={password}&next=/");
        let kind = "application/x-www-form-urlencoded";
        assert_eq!(gateway.post("/sign-in", kind, &body, "").status, 401);
    }
    gateway.start_desktop(&person.name, &cookie);
    drop(gateway.watch(&person.name, &cookie));
    let shown = deskway(&gateway, &["logs", &person.name]);
    assert!(shown.status.success(), "{shown:?}");
    gateway.stop_desktop(&person.name, &cookie);
    let all = entries(&gateway);
    for (what, who, outcome) in [
        (What::LauncherStart, "(deskway)", Outcome::Ok),
        (What::SignIn, "(unknown name)", Outcome::Refused),
        (What::SignIn, &person.name, Outcome::Refused),
        (What::Start, &person.name, Outcome::Ok),
        (What::Watch, &person.name, Outcome::Ok),
        (What::Stop, &person.name, Outcome::Ok),
        (What::Ended, "(deskway)", Outcome::Ok),
    ] {
        assert!(has(&all, what, who, outcome), "{what:?} of {who}: {all:#?}");
    }
    let stop = all.iter().find(|it| it.what == What::Stop).unwrap();
    assert_eq!(stop.origin, "127.0.0.1");
    assert_eq!(stop.desktop.as_deref(), Some(person.name.as_str()));
    // A reload names keys, and neither old nor new values.
    let file = gateway.path().join("deskway.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(
        &file,
        text.replace("[desktops]", "[desktops]\nenv = { T = \"env-secret-9\" }"),
    )
    .unwrap();
    process::signal(gateway.pid(), rustix::process::Signal::HUP);
    let reload = process::until("the reload's entry", || {
        entries(&gateway)
            .into_iter()
            .find(|it| it.what == What::Config)
    });
    assert_eq!(reload.details, "desktops.env");
    let listed = deskway(&gateway, &["audit", "--json", "--who", &person.name]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.lines().count() >= 5, "{listed}");
    for line in listed.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(row["who"], person.name.as_str());
    }
    let token = cookie.split('=').nth(1).unwrap();
    for secret in [PASSWORD, MISPLACED, "wrong-secret-8", "env-secret-9", token] {
        assert_lacks(&gateway.path().join("s/policy.json"), secret);
        let folder = gateway.path().join("s/audit");
        for entry in fs::read_dir(&folder).unwrap() {
            assert_lacks(&entry.unwrap().path(), secret);
        }
        assert_lacks(&gateway.path().join("log"), secret);
    }
}

#[test]
fn what_root_does_and_who_becomes_an_admin_is_on_record_and_no_message() {
    const MESSAGE: &str = "message-secret-6";
    let person = Person::new("r");
    let gateway = Gateway::start();
    let cookie = gateway.sign_in(&person.name);
    gateway.start_desktop(&person.name, &cookie);
    drop(gateway.watch(&person.name, &cookie));
    for args in [
        &["logs", &person.name][..],
        &["desktop", "message", &person.name, MESSAGE],
    ] {
        let done = deskway(&gateway, args);
        assert!(done.status.success(), "{done:?}");
    }
    let file = gateway.path().join("deskway.toml");
    let text = fs::read_to_string(&file).unwrap();
    let with = format!("{text}[admin]\nusers = [\"{}\"]\n", person.name);
    fs::write(&file, with).unwrap();
    process::signal(gateway.pid(), rustix::process::Signal::HUP);
    for (what, who) in [
        (What::Log, "root"),
        (What::Message, "root"),
        (What::WatchEnd, "(deskway)"),
        (What::Admin, "(deskway)"),
    ] {
        process::until(&format!("the entry {what:?} of {who}"), || {
            has(&entries(&gateway), what, who, Outcome::Ok).then_some(())
        });
    }
    let mut all = entries(&gateway).into_iter();
    let admin = all.find(|it| it.what == What::Admin).unwrap();
    assert_eq!(admin.details, format!("{} is an admin now", person.name));
    for entry in fs::read_dir(gateway.path().join("s/audit")).unwrap() {
        assert_lacks(&entry.unwrap().path(), MESSAGE);
    }
}

#[test]
fn what_was_changed_in_the_configuration_while_nothing_ran_is_on_record() {
    let (mut site, mut front) = Site::new();
    site.kill();
    front.hang_up();
    let file = site.path().join("deskway.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}[access]\nmin_uid = 1001\n")).unwrap();
    for _ in 0..2 {
        site.start();
        front.accept();
        site.kill();
        front.hang_up();
    }
    let found = process::until("the entries", || {
        let found = audit::read(&site.state_dir(), &Wanted::default()).unwrap();
        let starts = found
            .iter()
            .filter(|it| it.entry.what == What::LauncherStart);
        (starts.count() == 3).then_some(found)
    });
    let of_config = found.into_iter().map(|found| found.entry);
    let of_config: Vec<_> = of_config.filter(|it| it.what == What::Config).collect();
    assert_eq!(of_config.len(), 1, "{of_config:?}");
    assert_eq!(
        of_config[0].details,
        "while no launcher ran: access.min_uid"
    );
}

fn assert_lacks(file: &Path, secret: &str) {
    let bytes = fs::read(file).unwrap();
    let found = bytes
        .windows(secret.len())
        .any(|it| it == secret.as_bytes());
    assert!(!found, "{secret} is in {}", file.display());
}

#[test]
fn entries_reach_the_machine_s_syslog_from_the_writer_s_sandbox() {
    // The machine's devices, and a socket of the test's own at /dev/log; seen by this Deskway alone.
    const DEVICES: &str = "set -e; old=$1/dev; log=$1/log.sock; shift; \
        mkdir $old; mount --rbind /dev $old; mount -t tmpfs -o mode=755 tmpfs /dev; \
        for it in null zero full random urandom tty ptmx; do \
        touch /dev/$it; mount --bind $old/$it /dev/$it; done; \
        for it in pts shm; do mkdir /dev/$it; mount --rbind $old/$it /dev/$it; done; \
        ln -s $log /dev/log; exec \"$@\"";
    let person = Person::new("y");
    let folder = Gateway::folder();
    let file = folder.path().join("deskway.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}[audit]\nsyslog = true\n")).unwrap();
    let socket = folder.path().join("log.sock");
    let syslog = UnixDatagram::bind(&socket).unwrap();
    syslog.set_read_timeout(Some(process::PATIENCE)).unwrap();
    let program = folder.path().join("deskway");
    let mut up = Command::new("unshare");
    up.args(["--mount", "sh", "-c", DEVICES, "sh"]);
    up.arg(folder.path()).arg(program);
    up.args(["up", "--listen", "127.0.0.1:0"]);
    let gateway = Gateway::run(folder, &mut up);
    gateway.sign_in(&person.name);
    let wanted = format!("sign_in ok by {} from 127.0.0.1", person.name);
    let mut line = [0; 2000];
    loop {
        let length = syslog.recv(&mut line).expect("the sign-in's line");
        let line = String::from_utf8_lossy(&line[..length]).into_owned();
        if line.contains(&wanted) {
            // `authpriv`, information.
            assert!(line.starts_with("<86>deskway-audit["), "{line}");
            return;
        }
    }
}

#[test]
fn a_writer_that_is_killed_is_replaced_and_no_entry_is_lost_or_doubled() {
    let person = Person::new("k");
    let gateway = Gateway::start();
    for round in 0..5 {
        let before = process::until("the audit log's writer", || recorder(&gateway));
        process::kill(before);
        gateway.sign_in(&person.name);
        let after = process::until("another writer", || recorder(&gateway));
        assert_ne!(before, after, "round {round}");
    }
    let signed_in = entries(&gateway);
    let signed_in = signed_in.iter().filter(|it| it.what == What::SignIn);
    assert_eq!(signed_in.count(), 5);
}

#[test]
fn with_an_audit_log_that_cannot_be_written_people_still_sign_in() {
    let person = Person::new("f");
    let folder = Gateway::folder();
    let place = folder.path().join("s/audit");
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join("audit.db"), "no database at all".repeat(400)).unwrap();
    let mut up = Command::new(folder.path().join("deskway"));
    let gateway = Gateway::run(folder, up.args(["up", "--listen", "127.0.0.1:0"]));
    gateway.sign_in(&person.name);
    process::until("the reason in the log", || {
        let log = gateway.log();
        (log.contains("audit log cannot be written") && log.contains("damaged")).then_some(())
    });
    let shown = deskway(&gateway, &["audit"]);
    let error = String::from_utf8_lossy(&shown.stderr).into_owned();
    assert!(
        !shown.status.success() && error.contains("damaged"),
        "{error}"
    );
}

#[test]
fn a_desktop_s_log_is_its_owner_s_and_root_s_alone() {
    let (owner, other) = (Person::new("l"), Person::new("o"));
    let gateway = Gateway::start();
    let cookie = gateway.sign_in(&owner.name);
    gateway.start_desktop(&owner.name, &cookie);
    let program = gateway.path().join("deskway");
    let command = format!(
        "{} logs {} --lines 3 --run-dir {}/r",
        program.display(),
        owner.name,
        gateway.path().display()
    );
    owner.shell(&command).unwrap();
    let refused = other.shell(&command).unwrap_err();
    assert!(refused.contains("root's alone"), "{refused}");
    gateway.stop_desktop(&owner.name, &cookie);
    let ended = owner.shell(&command).unwrap();
    assert!(ended.contains("ended: "), "{ended}");
}

#[test]
fn a_backup_of_a_running_deskway_lets_people_sign_in_elsewhere() {
    let person = Person::new("b");
    let first = Gateway::start();
    let local = Person::new_name("bl");
    let add = format!(
        "echo '{PASSWORD}' | '{}' user add {local} --os-user {} --password-stdin --config {}",
        env!("CARGO_BIN_EXE_deskway"),
        person.name,
        first.path().join("deskway.toml").display()
    );
    assert!(
        Command::new("sh")
            .args(["-c", &add])
            .status()
            .unwrap()
            .success()
    );
    first.sign_in(&local);
    let file = first.path().join("backup.tar");
    let file = file.to_str().unwrap();
    let made = deskway(&first, &["backup", file]);
    assert!(made.status.success(), "{made:?}");
    assert!(
        !deskway(&first, &["backup", file]).status.success(),
        "written over"
    );
    let folder = Gateway::folder();
    let restore = Command::new(env!("CARGO_BIN_EXE_deskway"))
        .args(["restore", file, "--config"])
        .arg(folder.path().join("deskway.toml"))
        .output()
        .unwrap();
    assert!(restore.status.success(), "{restore:?}");
    let mut up = Command::new(folder.path().join("deskway"));
    let second = Gateway::run(folder, up.args(["up", "--listen", "127.0.0.1:0"]));
    second.sign_in(&local);
    let signed_in = entries(&second);
    let signed_in = signed_in
        .iter()
        .filter(|it| it.what == What::SignIn && it.who == local);
    assert_eq!(
        signed_in.count(),
        2,
        "the first Deskway's entries came along"
    );
}
