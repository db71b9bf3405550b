//! The messages of a viewer, whole and in pieces, well-formed and not.

use super::*;

/// The messages in `bytes`, which come in pieces of `piece` bytes, by kind and whole length.
fn messages(framer: &mut Framer, bytes: &[u8], piece: usize) -> Vec<(Kind, usize)> {
    let (mut found, mut taken, mut seen) = (Vec::new(), 0, 0);
    while seen < bytes.len() {
        seen = bytes.len().min(seen + piece);
        while taken < seen {
            match framer.next(&bytes[taken..seen]).unwrap() {
                Frame::Whole { kind, len } => {
                    found.push((kind, len));
                    taken += len;
                }
                Frame::Part { len, .. } => taken += len,
                Frame::Need(more) => {
                    assert!(more > 0);
                    break;
                }
                Frame::Opaque(why) => panic!("{why}"),
            }
        }
    }
    assert_eq!(taken, bytes.len(), "nothing is left over");
    found
}

fn at_messages() -> Framer {
    let mut framer = Framer::from_client_init();
    let init = framer.next(&[1]);
    assert_eq!(
        init,
        Ok(Frame::Whole {
            kind: Kind::ClientInit,
            len: 1
        })
    );
    framer
}

/// One of each message that noVNC and TigerVNC's viewer send, with its length.
fn one_of_each() -> Vec<(Kind, Vec<u8>)> {
    let padded = |head: &[u8], len: usize| {
        let mut message = head.to_vec();
        message.resize(len, 0xaa);
        message
    };
    vec![
        (Kind::SetPixelFormat, padded(&[0], 20)),
        (Kind::SetEncodings, padded(&[2, 0, 0, 3], 16)),
        (Kind::UpdateRequest, padded(&[3], 10)),
        (Kind::Key, padded(&[4], 8)),
        (Kind::Pointer, padded(&[5, 1], 6)),
        (Kind::CutText, padded(&[6, 0, 0, 0, 0, 0, 0, 5], 13)),
        (Kind::CutText, padded(&[6, 0, 0, 0, 0, 0, 0, 0], 8)),
        // The extended clipboard: minus 12.
        (Kind::CutText, padded(&[6, 0, 0, 0, 255, 255, 255, 244], 20)),
        (Kind::ContinuousUpdates, padded(&[150], 10)),
        (Kind::Fence, padded(&[248, 0, 0, 0, 0, 0, 0, 1, 8], 17)),
        (Kind::Xvp, padded(&[250], 4)),
        (
            Kind::SetDesktopSize,
            padded(&[251, 0, 4, 0, 3, 0, 2, 0], 40),
        ),
        (Kind::QemuKey, padded(&[255, 0], 12)),
        (Kind::QemuAudio, padded(&[255, 1, 0, 0], 4)),
        (Kind::QemuAudio, padded(&[255, 1, 0, 2], 10)),
    ]
}

#[test]
fn every_message_is_found_in_whatever_pieces_it_comes() {
    let all = one_of_each();
    let stream: Vec<u8> = all.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
    let expected: Vec<_> = all
        .iter()
        .map(|(kind, bytes)| (*kind, bytes.len()))
        .collect();
    for piece in 1..=stream.len() {
        assert_eq!(messages(&mut at_messages(), &stream, piece), expected);
    }
}

#[test]
fn the_handshake_leads_to_the_messages() {
    let handshake = [
        (Kind::Version, 12),
        (Kind::Security, 1),
        (Kind::ClientInit, 1),
        (Kind::Key, 8),
    ];
    let none = b"RFB 003.008\n\x01\x01\x04\x01\0\0\0\0\0\x61";
    for piece in 1..=none.len() {
        let found = messages(&mut Framer::from_handshake(), none, piece);
        assert_eq!(found, handshake);
    }
    let mut password = b"RFB 003.007\n\x02".to_vec();
    password.extend([7; 16]);
    password.extend(b"\x01\x04\x01\0\0\0\0\0\x61");
    let found = messages(&mut Framer::from_handshake(), &password, 5);
    assert_eq!(found[2], (Kind::Response, 16));
    assert_eq!(found[4], (Kind::Key, 8));
}

#[test]
fn pointers_are_longer_once_more_buttons_were_asked_for() {
    let mut framer = at_messages();
    let asked = [&[2, 0, 0, 2, 0, 0, 0, 7][..], &(-316_i32).to_be_bytes()].concat();
    let short = [5, 0x01, 0, 1, 0, 2];
    let long = [5, 0x81, 0, 1, 0, 2, 1];
    let stream = [&[5, 0x81, 0, 1, 0, 2][..], &asked, &short, &long, &short].concat();
    let found: Vec<_> = messages(&mut framer, &stream, 1)
        .into_iter()
        .map(|(_, len)| len)
        .collect();
    assert_eq!(found, [6, 12, 6, 7, 6]);
    // A new list without it takes it back.
    let again = [&[2, 0, 0, 0][..], &[5, 0x81, 0, 1, 0, 2]].concat();
    let found = messages(&mut framer, &again, 3);
    assert_eq!(found[1], (Kind::Pointer, 6));
}

#[test]
fn a_long_clipboard_comes_in_parts_and_what_follows_is_found() {
    let body = 200_000;
    let mut stream = vec![6, 0, 0, 0];
    stream.extend(u32::try_from(body).unwrap().to_be_bytes());
    stream.resize(8 + body, 4);
    stream.extend([250, 0, 1, 2]);
    for piece in [1000, 65_536, stream.len()] {
        let found = messages(&mut at_messages(), &stream, piece);
        assert_eq!(found, [(Kind::Xvp, 4)], "pieces of {piece}");
    }
}

#[test]
fn lengths_beyond_their_limits_are_refused() {
    let refused = |bytes: &[u8]| at_messages().next(bytes).unwrap_err();
    assert_eq!(refused(&[2, 0, 2, 1]), FramerError::Encodings(513));
    assert_eq!(
        refused(&[6, 0, 0, 0, 127, 0, 0, 0]),
        FramerError::CutText(0x7f00_0000)
    );
    assert_eq!(
        refused(&[6, 0, 0, 0, 128, 0, 0, 0]),
        FramerError::CutText(0x8000_0000)
    );
    assert_eq!(
        refused(&[248, 0, 0, 0, 0, 0, 0, 0, 65]),
        FramerError::Fence(65)
    );
    assert_eq!(
        refused(&[251, 0, 4, 0, 3, 0, 17, 0]),
        FramerError::Screens(17)
    );
}

#[test]
fn what_is_not_known_makes_the_rest_opaque() {
    for message_type in [1, 7, 100, 252] {
        let mut framer = at_messages();
        let opaque = Ok(Frame::Opaque(Unknown::Message(message_type)));
        assert_eq!(framer.next(&[message_type]), opaque);
        assert_eq!(framer.next(&[4, 0, 0, 0, 0, 0, 0, 0]), opaque);
    }
    let first = |bytes: &[u8]| Framer::from_handshake().next(bytes).unwrap();
    assert_eq!(first(b"RFB 003.003\n"), Frame::Opaque(Unknown::Rfb33));
    assert_eq!(first(b"RFB 003.009\n"), Frame::Opaque(Unknown::Version));
    // Nobody waits for twelve bytes of what cannot become a version.
    assert_eq!(first(b"H"), Frame::Opaque(Unknown::Version));
    assert_eq!(first(b"RFB 003.00"), Frame::Need(2));
    let mut framer = Framer::from_handshake();
    framer.next(b"RFB 003.008\n").unwrap();
    assert_eq!(framer.next(&[19]), Ok(Frame::Opaque(Unknown::Security(19))));
    assert_eq!(
        at_messages().next(&[255, 2, 0, 0]),
        Ok(Frame::Opaque(Unknown::Message(255)))
    );
}
