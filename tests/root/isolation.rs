//! What another account of the same machine can reach of a desktop: nothing.

use std::os::unix::fs::MetadataExt as _;

use deskway::launcher::client::{self, Client, ClientError};
use deskway::launcher::protocol::{Answer, Refusal, Request};
use deskway::model::Act;

use crate::account::Person;
use crate::process;
use crate::site::Site;

#[test]
fn another_account_reaches_neither_sockets_nor_files_nor_the_display() {
    let (alice, bob) = (Person::new("a"), Person::new("b"));
    let (site, mut front) = Site::new();
    let handle = front.sign_in(&alice);
    front.start(&handle);
    let run_dir = site.desktop_dir();
    let run_dir = run_dir.display();
    let display = display_of(&alice);
    let connect = |path: &str| {
        format!(
            "python3 -c 'import socket; s = socket.socket(socket.AF_UNIX); \
             s.connect(\"{path}\")'"
        )
    };
    for script in [
        format!("ls {run_dir}"),
        format!("cat {run_dir}/Xauthority"),
        connect(&format!("{run_dir}/vnc.sock")),
        connect(&format!("{run_dir}/agent.sock")),
        connect(&format!("/tmp/.X11-unix/X{display}")),
        connect(&format!("\\0/tmp/.X11-unix/X{display}")),
        format!("ls {}/tmp", site.state_dir().display()),
        format!("ls {}/d", site.run_dir().display()),
        format!("ls {}/logins", site.run_dir().display()),
        format!("DISPLAY=:{display} xdpyinfo"),
    ] {
        let out = bob.shell(&script);
        assert!(out.is_err(), "bob could: {script}: {out:?}");
    }
    // The same as herself, so that the refusals are not for another reason.
    alice
        .shell(&connect(&format!("{run_dir}/vnc.sock")))
        .unwrap();
    alice.shell(&format!("cat {run_dir}/Xauthority")).unwrap();
    front.stop(&handle);
}

#[test]
fn a_persons_other_programs_do_not_reach_into_their_agent() {
    let alice = Person::new("a");
    let (site, mut front) = Site::new();
    let handle = front.sign_in(&alice);
    front.start(&handle);
    let agent = process::one(alice.uid, "deskway agent");
    for file in ["environ", "mem", "fd/0"] {
        let out = alice.shell(&format!("head -c 1 /proc/{agent}/{file}"));
        assert!(out.is_err(), "alice could read its {file}: {out:?}");
    }
    // What is run from it is open to them as any program.
    let whose = |pid: i32| {
        std::fs::metadata(format!("/proc/{pid}/environ"))
            .unwrap()
            .uid()
    };
    let screen = process::one(alice.uid, "Xtigervnc");
    assert_eq!((whose(agent), whose(screen)), (0, alice.uid));

    // However often they connect to it, the launcher keeps its place.
    let socket = site.desktop_dir().join("agent.sock");
    let script = format!(
        "python3 -c 'import socket\n\
         all = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(20)]\n\
         for one in all: one.connect(\"{}\"); one.settimeout(5); one.recv(4096)'",
        socket.display()
    );
    alice.shell(&script).unwrap();
    front.stop(&handle);
}

#[test]
fn no_desktop_listens_on_a_port() {
    let alice = Person::new("a");
    let (_site, mut front) = Site::new();
    let handle = front.sign_in(&alice);
    front.start(&handle);
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = std::fs::read_to_string(table).unwrap_or_default();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (state, uid) = (fields[3], fields[7]);
            let listens = state == "0A";
            assert!(!(listens && uid == alice.uid.to_string()), "{line}");
        }
    }
    front.stop(&handle);
}

#[test]
fn others_may_ask_the_launcher_about_their_own_desktops_alone() {
    let (alice, bob) = (Person::new("a"), Person::new("b"));
    let (site, mut front) = Site::new();
    let handle = front.sign_in(&alice);
    front.start(&handle);
    let hers = alice.name.parse().unwrap();
    let run_dir = site.run_dir();
    let seen = alice.does(|| Client::connect(&run_dir).unwrap().list(None).unwrap());
    assert_eq!(seen.len(), 1);
    bob.does(|| {
        let mut client = Client::connect(&run_dir).unwrap();
        assert_eq!(client.list(None).unwrap(), []);
        for refused in [
            client.list(Some(alice.name.parse().unwrap())).err(),
            client.stop(&hers).err(),
            client.start(&hers, None).err(),
        ] {
            let Some(ClientError::Refused(Refusal::Denied(_))) = refused else {
                panic!("{refused:?}");
            };
        }
    });
    assert!(front.open(&handle, &alice.name).is_ok());
    front.stop(&handle);
}

#[test]
fn a_desktop_is_not_that_of_an_os_account_which_only_shares_its_name() {
    let (bob, service) = (Person::new("b"), Person::new("s"));
    let (site, mut front) = Site::new();
    // Signs in as `bob`, and runs as another account than the machine's `bob`.
    let name = site.add_local(&bob.name, &service);
    let handle = front.sign_in_as(&name);
    front.start(&handle);
    let desktop = name.parse().unwrap();
    let run_dir = site.run_dir();
    let as_bob = || {
        let mut client = Client::connect(&run_dir).unwrap();
        assert_eq!(client.list(None).unwrap(), []);
        for refused in [
            client.stop(&desktop).err(),
            client.start(&desktop, None).err(),
        ] {
            let Some(ClientError::Refused(Refusal::NoSuchDesktop)) = refused else {
                panic!("{refused:?}");
            };
        }
    };
    bob.does(as_bob);
    front.stop(&handle);
    // How it ended is not told either.
    let seen = bob.does(|| Client::connect(&run_dir).unwrap().list(None).unwrap());
    assert_eq!(seen, []);
    let refused = bob.does(|| {
        let start = Act::Start {
            profile: None,
            geometry: None,
        };
        let mut client = Client::connect(&run_dir).unwrap();
        client.act(&desktop, start).unwrap_err()
    });
    let ClientError::Refused(Refusal::NoSuchDesktop) = refused else {
        panic!("{refused:?}");
    };
    // Nor is the machine's `bob`'s desktop the local one's, who signs in under his name.
    Client::connect(&run_dir)
        .unwrap()
        .start(&desktop, None)
        .unwrap();
    let answer = front.open(&handle, &name).unwrap_err();
    let Answer::Refused(Refusal::NoSuchDesktop) = answer else {
        panic!("{answer:?}");
    };
    Client::connect(&run_dir).unwrap().stop(&desktop).unwrap();
    site.assert_nothing_is_left(&[&bob, &service]);
}

#[test]
fn nobody_but_root_signs_others_out() {
    let (alice, bob) = (Person::new("a"), Person::new("b"));
    let (site, mut front) = Site::new();
    let handle = front.sign_in(&alice);
    let name = alice.name.parse().unwrap();
    let refused = bob.does(|| client::sign_out(&site.run_dir(), &name));
    let Err(ClientError::Refused(Refusal::Denied(_))) = refused else {
        panic!("{refused:?}");
    };
    let answer = front.ask(Request::Check { handle });
    assert!(matches!(answer, Answer::Account(_)), "{answer:?}");
}

/// The number of a person's X display.
fn display_of(person: &Person) -> String {
    let server = process::one(person.uid, "Xtigervnc");
    let command = process::command_line(server);
    let number = command
        .split_whitespace()
        .find_map(|word| word.strip_prefix(':'));
    number.unwrap().to_owned()
}
