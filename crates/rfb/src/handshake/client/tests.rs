//! The handshake with a VNC server, in pieces of each size, and with servers that break it.

use super::*;

/// What the viewer says to a server that sends `server`, in pieces of each size.
fn talk(server: &[u8], password: Option<&str>) -> Result<Vec<u8>, HandshakeError> {
    let mut results = [1, 3, 12, 1000].map(|piece| {
        let password = password.map(|password| Password::new(password.as_bytes()));
        let mut handshake = ClientHandshake::new(password);
        let (mut said, mut taken, mut seen) = (Vec::new(), 0, 0);
        while seen < server.len() {
            seen = server.len().min(seen + piece);
            let step = handshake.step(&server[taken..seen])?;
            taken += step.taken;
            said.extend(step.send);
            if step.done {
                assert_eq!(taken, server.len(), "no byte beyond the handshake is taken");
                return Ok(said);
            }
        }
        panic!("not done after {said:?}");
    });
    let result = results[0].clone();
    for other in &mut results {
        assert_eq!(*other, result);
    }
    result
}

const CHALLENGE: &[u8] = &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

fn message(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

#[test]
fn none_is_taken_before_a_password() {
    let said = talk(b"RFB 003.008\n\x03\x10\x02\x01\0\0\0\0", Some("secret"));
    assert_eq!(said, Ok(b"RFB 003.008\n\x01".to_vec()));
    let said = talk(b"RFB 003.007\n\x01\x01", None);
    assert_eq!(said, Ok(b"RFB 003.007\n\x01".to_vec()));
    let said = talk(b"RFB 003.003\n\0\0\0\x01", None);
    assert_eq!(said, Ok(b"RFB 003.003\n".to_vec()));
}

#[test]
fn odd_versions_are_answered_with_the_next_lower_one() {
    for (theirs, ours) in [
        ("003.889", "003.008"),
        ("004.001", "003.008"),
        ("005.000", "003.008"),
        ("003.005", "003.003"),
    ] {
        let tail: &[u8] = match ours {
            "003.003" => b"\0\0\0\x01",
            _ => b"\x01\x01\0\0\0\0",
        };
        let said = talk(
            &message(&[format!("RFB {theirs}\n").as_bytes(), tail]),
            None,
        );
        assert!(
            said.unwrap()
                .starts_with(format!("RFB {ours}\n").as_bytes())
        );
    }
}

#[test]
fn the_challenge_is_answered_in_every_version() {
    let answer = Password::new(b"secret").answer(CHALLENGE.as_array().unwrap());
    for (head, said) in [
        (&b"RFB 003.008\n\x01\x02"[..], &b"RFB 003.008\n\x02"[..]),
        (b"RFB 003.007\n\x01\x02", b"RFB 003.007\n\x02"),
        (b"RFB 003.003\n\0\0\0\x02", b"RFB 003.003\n"),
    ] {
        let server = message(&[head, CHALLENGE, &[0; 4]]);
        assert_eq!(talk(&server, Some("secret")), Ok(message(&[said, &answer])));
    }
}

#[test]
fn refusals_carry_the_servers_reason() {
    let refused = |text: &str| Err(HandshakeError::Refused(text.to_owned()));
    let server = b"RFB 003.008\n\0\0\0\0\x05go\naw";
    assert_eq!(talk(server, None), refused("go aw"));
    let server = b"RFB 003.003\n\0\0\0\0\0\0\0\x02no";
    assert_eq!(talk(server, None), refused("no"));
    let server = message(&[
        b"RFB 003.008\n\x01\x02",
        CHALLENGE,
        b"\0\0\0\x01\0\0\0\x03bad",
    ]);
    assert_eq!(
        talk(&server, Some("x")),
        Err(HandshakeError::PasswordWrong("bad".to_owned()))
    );
    let server = message(&[b"RFB 003.007\n\x01\x02", CHALLENGE, b"\0\0\0\x02"]);
    assert_eq!(
        talk(&server, Some("x")),
        Err(HandshakeError::PasswordWrong("too many tries".to_owned()))
    );
}

#[test]
fn what_cannot_be_done_is_said() {
    assert_eq!(
        talk(b"RFB 003.008\n\x02\x05\x13", Some("x")),
        Err(HandshakeError::Security(vec![5, 19]))
    );
    assert_eq!(
        talk(b"RFB 003.008\n\x01\x02", None),
        Err(HandshakeError::PasswordMissing)
    );
    assert_eq!(
        talk(b"RFB 003.003\n\0\0\0\x02", None),
        Err(HandshakeError::PasswordMissing)
    );
    assert_eq!(
        talk(b"RFB 003.008\n\0\xff\xff\xff\xff", None),
        Err(HandshakeError::Reason(u32::MAX))
    );
    for hello in [&b"SSH-2.0-OpenSSH"[..], b"RFB 00x.008\n", b"RFB 002.002\n"] {
        assert_eq!(talk(hello, None), Err(HandshakeError::Version));
    }
}
