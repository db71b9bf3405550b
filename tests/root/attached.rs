//! VNC servers that run already, as people's desktops.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use deskway::launcher::protocol::{Answer, Greeting, Refusal};

use crate::account::Person;
use crate::front::open;
use crate::process::PATIENCE;
use crate::site::Site;

#[test]
fn a_server_s_password_is_said_by_the_gateway() {
    let alice = Person::new("a");
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let password = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(password.path(), "secret\n").unwrap();
    let config = format!(
        "[[attach]]\ndesktop = \"{0}/old\"\ntarget = \"{1}\"\npassword_file = \"{2}\"",
        alice.name,
        server.local_addr().unwrap(),
        password.path().display()
    );
    let (_site, mut front) = Site::with(
        "auth required pam_unix.so\naccount required pam_unix.so\n",
        &config,
    );
    let handle = front.sign_in(&alice);
    let listed = front.desktops(&handle);
    let name = format!("{}/old", alice.name);
    assert!(listed.iter().any(|info| info.id.to_string() == name));

    let id = front.send(open(&handle, &name));
    let (mut stream, _) = server.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"RFB 003.008\n").unwrap();
    let mut version = [0; 12];
    stream.read_exact(&mut version).unwrap();
    stream.write_all(&[1, 2]).unwrap();
    stream.write_all(&[9; 16]).unwrap();
    let mut answer = [0; 1 + 16];
    stream.read_exact(&mut answer).unwrap();
    let right = deskway_rfb::Password::new(b"secret").answer(&[9; 16]);
    assert_eq!(answer[1..], right);
    stream.write_all(&[0, 0, 0, 0]).unwrap();
    let (answer, descriptor) = front.answer(id);
    let Answer::Stream {
        greeting: Greeting::Done,
    } = answer
    else {
        panic!("{answer:?}");
    };
    assert!(descriptor.is_some());

    // A file that others could read is not used.
    std::fs::set_permissions(password.path(), PermissionsExt::from_mode(0o644)).unwrap();
    let refused = front.open(&handle, &name).unwrap_err();
    let Answer::Refused(Refusal::Failed(_)) = refused else {
        panic!("{refused:?}");
    };
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let alice = Person::new("a");
    let config = format!(
        "[[attach]]\ndesktop = \"{}\"\ntarget = \"unix:/nonexistent/vnc.sock\"",
        alice.name
    );
    let (_site, mut front) = Site::with(
        "auth required pam_unix.so\naccount required pam_unix.so\n",
        &config,
    );
    let handle = front.sign_in(&alice);
    let answer = front.open(&handle, &alice.name).unwrap_err();
    let Answer::Refused(Refusal::Failed(reason)) = answer else {
        panic!("{answer:?}");
    };
    assert!(reason.contains("/nonexistent/vnc.sock"), "{reason}");
}
