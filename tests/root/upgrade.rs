//! `deskway upgrade`: another program takes over, and nobody notices but by a picture that is there
//! again.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::process::Signal;

use crate::account::Person;
use crate::gateway::{Gateway, connect, copy};
use crate::process;
use crate::script::write_script;
use crate::visitors::Visitors;

const OURS: &str = env!("CARGO_BIN_EXE_deskway");

fn inode(path: impl AsRef<Path>) -> u64 {
    std::fs::metadata(path).unwrap().ino()
}

#[test]
fn a_new_program_takes_over_while_people_come_and_desktops_stay() {
    let alice = Person::new("a");
    // Which means a stop, not this.
    let gateway = Gateway::start();
    let cookie = gateway.sign_in(&alice.name);
    gateway.start_desktop(&alice.name, &cookie);
    let desktop = process::of_desktops(alice.uid);
    assert!(!desktop.is_empty());
    let mut viewer = gateway.watch(&alice.name, &cookie);
    let visitors = Visitors::start(gateway.address);
    visitors.serve_more(50);

    for _ in 0..3 {
        let roles = gateway.roles();
        gateway.replace_program(|new| copy(Path::new(OURS), new));
        let output = gateway.upgrade();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{output:?}");
        assert!(said.contains(&gateway.pid().to_string()), "{said}");
        // The process that somebody waits for is the same, and runs the new file.
        let runs = format!("/proc/{}/exe", gateway.pid());
        assert_eq!(inode(runs), inode(gateway.path().join("deskway")));
        process::until("the end of what served before", || {
            let now = gateway.roles();
            (now.len() == 2 && now.iter().all(|pid| !roles.contains(pid))).then_some(())
        });
        visitors.serve_more(50);
        assert_eq!(gateway.get("/readyz", "").status, 200);
    }
    let mut bytes = Vec::new();
    viewer.read_to_end(&mut bytes).unwrap();
    let reason = b"\x03\xf4The server is restarting."; // 1012
    assert!(bytes.ends_with(reason), "{bytes:?}");

    // Signed in still, and the very same desktop.
    let mut viewer = gateway.watch(&alice.name, &cookie);
    let mut greeting = [0; 14];
    viewer.read_exact(&mut greeting).unwrap();
    assert_eq!(&greeting[2..], b"RFB 003.008\n");
    assert_eq!(process::of_desktops(alice.uid), desktop);
    visitors.end();
    let leaving = gateway.path().join("r/front-leaving.sock");
    process::until("the end of its socket", || {
        (!leaving.exists()).then_some(())
    });
    gateway.stop_desktop(&alice.name, &cookie);
}

#[test]
fn a_program_that_cannot_take_over_leaves_the_old_one_serving() {
    let alice = Person::new("a");
    let gateway = Gateway::start();
    let cookie = gateway.sign_in(&alice.name);
    let visitors = Visitors::start(gateway.address);
    let front = |gateway: &Gateway| *gateway.roles().last().unwrap();
    let (serves, runs) = (front(&gateway), gateway.program());
    // With which `deskway doctor --url` is known to the front that serves.
    let key = || std::fs::read(gateway.path().join("s/front/doctor-key")).unwrap();
    let doctor_key = key();
    let refused = |because: &str| {
        let output = gateway.upgrade();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("goes on") && said.contains(because), "{said}");
        assert!(gateway.roles().contains(&serves), "another front");
        assert_eq!(key(), doctor_key, "another key");
        // The launcher answers too.
        assert_eq!(gateway.get("/api/v1/desktops", &cookie).status, 200);
        visitors.serve_more(20);
    };
    let script = |text: &str| gateway.replace_program(|new| write_script(new, text));

    script("#!/bin/sh\necho 'it is broken' >&2\nexit 1");
    refused("it is broken");
    script("#!/bin/sh\nhead -c 4000 /dev/zero | tr '\\0' '\\1' >&2\nexit 1");
    refused("does not start");
    script("#!/bin/sh\nexit 0");
    refused("no Deskway");
    gateway.replace_program(|new| {
        copy(Path::new(OURS), new);
        std::fs::set_permissions(new, std::fs::Permissions::from_mode(0o644)).unwrap();
    });
    refused("Permission denied");
    std::fs::remove_file(gateway.path().join("deskway")).unwrap();
    refused("No such file");
    let mode = |mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(gateway.path(), mode).unwrap();
    };
    gateway.replace_program(|new| copy(Path::new(OURS), new));
    mode(0o777);
    refused("writable by them (mode 777)");
    mode(0o711);
    // Which pass the check, and fail as front, as launcher.
    for good in ["*check*", "*check*|*serve*"] {
        script(&format!(
            "#!/bin/sh\ncase $DESKWAY_HANDOVER in {good}) exec {OURS} \"$@\";; esac\nexit 3"
        ));
        refused("the log");
    }
    gateway.replace_program(|new| copy(Path::new(OURS), new));
    let config = gateway.path().join("deskway.toml");
    let right = std::fs::read_to_string(&config).unwrap();
    // `deskway upgrade` itself reads where to ask from the configuration, so that the signal asks.
    std::fs::write(
        &config,
        format!("{right}\n[server]\nmax_connections = \"many\"\n"),
    )
    .unwrap();
    process::signal(gateway.pid(), Signal::USR2);
    process::until("the reason in the log", || {
        gateway.log().contains("max_connections").then_some(())
    });
    visitors.serve_more(20);
    assert!(gateway.roles().contains(&serves), "another front");
    assert_ne!(gateway.program(), runs, "its file is gone");

    std::fs::write(&config, right).unwrap();
    process::signal(gateway.pid(), Signal::USR2);
    process::until("the upgrade", || {
        gateway.log().contains("upgraded from").then_some(())
    });
    visitors.serve_more(20);
    visitors.end();
}

/// The next program: ours, in the gateway's own folder, behind a script that does `first`.
fn replace_with_script(gateway: &Gateway, first: &str) {
    let real = gateway.path().join("real");
    copy(Path::new(OURS), &real);
    let text = format!("#!/bin/sh\n{first}\nexec {} \"$@\"", real.display());
    gateway.replace_program(|new| write_script(new, &text));
}

/// The process that is called `deskway-serve` or `deskway-launche`.
fn role(gateway: &Gateway, name: &str) -> i32 {
    let title = |pid: &i32| std::fs::read_to_string(format!("/proc/{pid}/comm"));
    let is_it = |pid: &i32| title(pid).is_ok_and(|title| title.trim() == name);
    process::until(name, || gateway.roles().into_iter().find(is_it))
}

#[test]
fn a_configuration_that_is_spoilt_in_the_last_moment_stays_as_it_was_checked() {
    let gateway = Gateway::start();
    let config = gateway.path().join("deskway.toml");
    let right = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{right}\n[brand]\nname = \"Lab 7\"\n")).unwrap();
    let spoil = format!("echo '[nonsense]' >{}", config.display());
    replace_with_script(
        &gateway,
        &format!("case $DESKWAY_HANDOVER in *go_on*) {spoil};; esac"),
    );
    let output = gateway.upgrade();
    assert!(output.status.success(), "{output:?}");
    assert!(
        std::fs::read_to_string(&config)
            .unwrap()
            .contains("nonsense")
    );
    for name in ["deskway-serve", "deskway-launche"] {
        let ends = role(&gateway, name);
        process::kill(ends);
        process::until("another one", || {
            (gateway.roles().len() == 2 && role(&gateway, name) != ends).then_some(())
        });
        let page = gateway.get("/sign-in", "");
        assert!(page.body.contains("Lab 7"), "{page:?}");
    }
    process::until("the complaint", || {
        gateway.log().contains("the old one stays").then_some(())
    });
    std::fs::write(&config, right).unwrap();
    let output = gateway.upgrade();
    assert!(output.status.success(), "{output:?}");
    assert!(!gateway.get("/sign-in", "").body.contains("Lab 7"));
}

#[test]
fn a_front_that_hangs_holds_up_no_upgrade() {
    let gateway = Gateway::start();
    let hangs = role(&gateway, "deskway-serve");
    process::signal(hangs, Signal::STOP);
    for _ in 0..2 {
        gateway.replace_program(|new| copy(Path::new(OURS), new));
        let output = gateway.upgrade();
        assert!(output.status.success(), "{output:?}");
        process::until("the end of the front before", || {
            (gateway.roles().len() == 2).then_some(())
        });
        assert!(!gateway.roles().contains(&hangs));
        assert_eq!(gateway.get("/sign-in", "").status, 200);
    }
}

/// An upgrade after which the front of before hangs while it finishes; its process.
fn front_that_hangs_while_it_finishes(gateway: &Gateway) -> i32 {
    let hangs = role(gateway, "deskway-serve");
    let stop = format!("kill -STOP {hangs}");
    replace_with_script(
        gateway,
        &format!("case $DESKWAY_HANDOVER in *go_on*) {stop};; esac"),
    );
    // It waits for the rest of this.
    let mut visitor = connect(gateway.address).unwrap();
    let head = "POST /sign-in HTTP/1.1\r\nContent-Length: 9\r\n";
    write!(visitor, "{head}Host: {}\r\n\r\nn", gateway.address).unwrap();
    assert_eq!(gateway.get("/sign-in", "").status, 200);
    let output = gateway.upgrade();
    assert!(output.status.success(), "{output:?}");
    let title = std::fs::read_to_string(format!("/proc/{hangs}/comm"));
    assert_eq!(title.unwrap().trim(), "deskway-serve", "it has finished");
    hangs
}

#[test]
fn a_front_that_hangs_while_it_finishes_is_killed() {
    let gateway = Gateway::start();
    let hangs = front_that_hangs_while_it_finishes(&gateway);
    assert!(gateway.roles().contains(&hangs));
    process::until("its end", || {
        (!gateway.roles().contains(&hangs)).then_some(())
    });
    let leaving = gateway.path().join("r/front-leaving.sock");
    process::until("the end of its socket", || {
        (!leaving.exists()).then_some(())
    });
    let output = gateway.upgrade();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_stop_ends_a_front_that_hangs_too() {
    let gateway = Gateway::start();
    let hangs = front_that_hangs_while_it_finishes(&gateway);
    drop(gateway);
    assert!(!Path::new(&format!("/proc/{hangs}")).exists());
}

#[test]
fn a_program_that_vanishes_at_the_end_leaves_roles_that_can_be_started_again() {
    let alice = Person::new("a");
    let gateway = Gateway::start();
    let cookie = gateway.sign_in(&alice.name);
    let vanish = "case $DESKWAY_HANDOVER in *'\"step\":\"launcher\"'*) rm \"$0\";; esac";
    for _ in 0..2 {
        replace_with_script(&gateway, vanish);
        let output = gateway.upgrade();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("cannot become it"), "{said}");
        process::until("the end of the front before", || {
            (gateway.roles().len() == 2).then_some(())
        });
        for name in ["deskway-serve", "deskway-launche"] {
            let ends = role(&gateway, name);
            process::kill(ends);
            process::until("another one", || {
                (gateway.roles().len() == 2 && role(&gateway, name) != ends).then_some(())
            });
            process::until("an answer of the launcher", || {
                (gateway.get("/api/v1/desktops", &cookie).status == 200).then_some(())
            });
        }
    }
    gateway.replace_program(|new| copy(Path::new(OURS), new));
    let output = gateway.upgrade();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(gateway.get("/api/v1/desktops", &cookie).status, 200);
}

#[test]
fn a_configuration_that_is_read_again_and_again_fails_nobody() {
    const RELOADS: usize = 200;
    let gateway = Gateway::start();
    let visitors = Visitors::start(gateway.address);
    let config = gateway.path().join("deskway.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    for number in 1..=RELOADS {
        let new = gateway.path().join("deskway.new");
        std::fs::write(&new, format!("{text}\n[brand]\nname = \"Lab {number}\"\n")).unwrap();
        std::fs::rename(&new, &config).unwrap();
        process::signal(gateway.pid(), Signal::HUP);
        // The last one has to arrive; those before may be overtaken.
        if number % 20 == 0 {
            let wanted = format!("Lab {number}");
            process::until("the new name", || {
                let page = gateway.get("/sign-in", "");
                page.body.contains(&wanted).then_some(())
            });
        }
    }
    visitors.serve_more(20);
    visitors.end();
}
