//! What a desktop may take, where systemd makes the control groups, where Deskway makes them, and
//! where nobody can.

use std::fs;
use std::path::{Path, PathBuf};

use crate::browser::Browser;
use crate::patience::until;
use crate::process;
use crate::service::{DropIn, Person, Service, of_unit, ok};

const ALL: &str = "/sys/fs/cgroup";
const LIMITS: &str = "[limits]\nmemory_max = \"256M\"\nprocesses = 150\ncpu_quota = 50\n";
/// Without a systemd that could be asked; it is told all the same when people can sign in.
const WITHOUT_SYSTEMD: &str = "TemporaryFileSystem=/run/systemd\nBindPaths=/run/systemd/notify";
const READ_ONLY: &str = "ProtectControlGroups=yes";
/// Begins when there is a file `go`.
const WHEN_TOLD: &str = "until [ -e go ]; do sleep 0.2; done";

/// A profile of that name, in which a terminal and a script run.
fn profile(script: &str) -> String {
    format!(
        "[[profile]]\nid = \"does\"\nname = \"Does\"\n\
         command = [\"sh\", \"-c\", \"({script}) & exec xterm\"]\n"
    )
}

fn start_profile(browser: &Browser, person: &Person) {
    let path = format!("/api/v1/desktops/{}/main/start", person.name);
    let reply = browser.post(&path, "{\"profile\":\"does\"}");
    assert_eq!(reply.status, 202, "{reply:?}");
    browser.wait_for("main", "\"state\":\"ready\"");
}

fn go(person: &Person) {
    fs::write(format!("/home/{}/go", person.name), "").unwrap();
}

/// The control group of a process, below the mount.
fn group(pid: i32) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    text.trim().strip_prefix("0::").unwrap().to_owned()
}

fn file(group: &str, name: &str) -> String {
    let path = PathBuf::from(format!("{ALL}{group}")).join(name);
    let text = fs::read_to_string(&path);
    text.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .trim()
        .to_owned()
}

fn assert_limits_are_written(group: &str) {
    assert_eq!(file(group, "memory.max"), (256 << 20).to_string());
    assert_eq!(file(group, "pids.max"), "150");
    assert_eq!(file(group, "cpu.max"), "50000 100000");
}

/// A desktop's program takes all memory that there is; only it is ended, and its owner learns it.
fn assert_a_hog_is_ended_and_named(person: &Person) {
    let browser = person.sign_in();
    start_profile(&browser, person);
    let server = person.x_server();
    go(person);
    let told = browser.wait_for("main", "\"out_of_memory\"");
    assert!(told.contains("tail"), "{told}");
    assert!(told.contains("\"state\":\"ready\""), "{told}");
    assert_eq!(person.x_server(), server);
    browser.stop_desktop("main");
}

#[test]
fn systemd_makes_a_scope_for_each_desktop_with_its_limits() {
    let frank = Person::new("scope");
    let _service = Service::start_with(LIMITS);
    let browser = frank.sign_in();
    browser.start_desktop("main");
    let group = group(frank.x_server());
    assert!(group.starts_with("/deskway.slice/deskway-"), "{group}");
    assert_limits_are_written(&group);
    let unit = Path::new(&group)
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    assert_eq!(of_unit(&unit, "MemoryMax"), (256 << 20).to_string());
    assert_eq!(of_unit(&unit, "TasksMax"), "150");
    ok("systemctl", &["restart", "deskway.service"]);
    browser.wait_for("main", "\"state\":\"ready\"");
    assert_limits_are_written(&group);
    browser.stop_desktop("main");
    until("the end of the scope", || {
        (of_unit(&unit, "LoadState") == "not-found").then_some(())
    });
}

#[test]
fn systemd_a_hog_is_ended_and_its_owner_is_told() {
    let gail = Person::new("hog");
    let hog = profile(&format!("{WHEN_TOLD}; tail /dev/zero"));
    let _service = Service::start_with(&format!("{LIMITS}{hog}"));
    assert_a_hog_is_ended_and_named(&gail);
}

#[test]
fn systemd_an_unused_desktop_is_frozen_and_thawed_by_a_visit() {
    let hugh = Person::new("frozen");
    let count = profile("while :; do echo x >> count; sleep 0.5; done");
    // The counting itself is no use of the desktop.
    let idle = "[idle]\nfreeze_after = \"10s\"\nbusy_cpu = 90\n";
    let _service = Service::start_with(&format!("{LIMITS}{idle}{count}"));
    let browser = hugh.sign_in();
    start_profile(&browser, &hugh);
    let group = group(hugh.x_server());
    browser.wait_for("main", "\"state\":\"frozen\"");
    assert!(file(&group, "cgroup.events").contains("frozen 1"));
    until("that its memory is written out", || {
        (file(&group, "memory.swap.current") != "0").then_some(())
    });
    let counted = || fs::read("/home/frozen/count").unwrap().len();
    let before = counted();
    let visit = browser.watch("main");
    browser.wait_for("main", "\"state\":\"ready\"");
    assert!(file(&group, "cgroup.events").contains("frozen 0"));
    until("that it counts on", || (counted() > before).then_some(()));
    drop(visit);
    browser.stop_desktop("main");
}

#[test]
fn without_systemd_deskway_makes_the_groups() {
    let ines = Person::new("plain");
    let _plain = DropIn::new(WITHOUT_SYSTEMD);
    let hog = profile(&format!("{WHEN_TOLD}; tail /dev/zero"));
    let _service = Service::start_with(&format!("{LIMITS}{hog}"));
    let browser = ines.sign_in();
    browser.start_desktop("main");
    let group = group(ines.x_server());
    assert!(group.starts_with("/deskway/"), "{group}");
    assert_limits_are_written(&group);
    browser.stop_desktop("main");
    until("the end of the group", || {
        (!Path::new(&format!("{ALL}{group}")).exists()).then_some(())
    });
    assert_a_hog_is_ended_and_named(&ines);
}

#[test]
fn where_control_groups_are_read_only_doctor_says_what_still_holds() {
    let jack = Person::new("readonly");
    let doctor = [
        "--wait",
        "--pipe",
        "--quiet",
        "--property",
        READ_ONLY,
        "deskway",
        "doctor",
    ];
    let said = crate::service::run("systemd-run", &doctor);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(
        said.contains("no control groups that may be written"),
        "{said}"
    );
    assert!(
        said.contains("memory_max by each program for itself"),
        "{said}"
    );
    let _read_only = DropIn::new(READ_ONLY);
    let _service = Service::start_with(LIMITS);
    let browser = jack.sign_in();
    browser.start_desktop("main");
    let terminal = process::one(jack.uid, "xterm");
    let limits = fs::read_to_string(format!("/proc/{terminal}/limits")).unwrap();
    let of = |name: &str| {
        limits
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_default()
    };
    assert!(of("Max data size").contains("268435456"), "{limits}");
    // For each of the three desktops that a person may have.
    assert!(of("Max processes").contains("450"), "{limits}");
    browser.stop_desktop("main");
}
