//! Headers of frames: what RFC 6455 allows, and what it does not.

use super::*;

const KEY: [u8; 4] = [1, 2, 3, 4];

/// A masked frame's head.
fn head(first: u8, len: &[u8]) -> Vec<u8> {
    let mut head = vec![first];
    head.extend(len);
    head[1] |= 0x80;
    head.extend(KEY);
    head
}

fn parse(bytes: &[u8]) -> Result<Parsed, Violation> {
    FrameParser::new(1 << 20).parse(bytes)
}

fn violation(bytes: &[u8]) -> Violation {
    parse(bytes).unwrap_err()
}

#[test]
fn lengths_are_read_in_their_three_forms() {
    for (len, payload) in [
        (&[125][..], 125),
        (&[126, 0, 126], 126),
        (&[126, 255, 255], 65_535),
        (&[127, 0, 0, 0, 0, 0, 1, 0, 0], 65_536),
        (&[127, 0, 0, 0, 0, 0, 16, 0, 0], 1 << 20),
    ] {
        let bytes = head(0x82, len);
        for short in 0..bytes.len() {
            let Ok(Parsed::Need(more)) = parse(&bytes[..short]) else {
                panic!("{short} bytes of {bytes:?}");
            };
            assert!(more > 0 && short + more <= bytes.len().max(6));
        }
        let expected = Head {
            opcode: Opcode::Binary,
            fin: true,
            payload,
            mask: Mask::new(KEY),
        };
        let len = bytes.len();
        let parsed = Parsed::Head {
            head: expected,
            len,
        };
        assert_eq!(parse(&bytes), Ok(parsed));
    }
}

#[test]
fn frames_that_no_browser_sends_are_refused_at_their_first_wrong_byte() {
    assert_eq!(violation(&[0x82, 0x05]), Violation::Unmasked);
    for reserved in [0x40, 0x20, 0x10, 0x70] {
        assert_eq!(violation(&[0x82 | reserved]), Violation::Reserved);
        assert_eq!(violation(&[0x89 | reserved]), Violation::Reserved);
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        assert_eq!(violation(&[0x80 | opcode]), Violation::Opcode(opcode));
    }
    for opcode in [8, 9, 10] {
        assert_eq!(violation(&[opcode]), Violation::FragmentedControl);
        for long in [126, 127] {
            assert_eq!(
                violation(&[0x80 | opcode, 0x80 | long]),
                Violation::LongControl
            );
        }
    }
    assert_eq!(violation(&[0x81]), Violation::Text);
    assert_eq!(violation(&[0x01]), Violation::Text);
    assert_eq!(violation(&[0x80]), Violation::NothingToContinue);
    assert_eq!(violation(&[0x82, 0xfe, 0, 125]), Violation::Length);
    let not_shortest = [0x82, 0xff, 0, 0, 0, 0, 0, 0, 255, 255];
    assert_eq!(violation(&not_shortest), Violation::Length);
}

#[test]
fn a_message_has_its_limit_over_all_its_fragments() {
    let too_long = Violation::TooLong(1 << 20);
    let above = [0x82, 0xff, 0, 0, 0, 0, 0, 16, 0, 1];
    assert_eq!(violation(&above), too_long);
    for huge in [0x01, 0x7f, 0x80, 0xff] {
        let bytes = [0x82, 0xff, huge, 255, 255, 255, 255, 255, 255, 255];
        assert_eq!(violation(&bytes), too_long);
    }
    let mut parser = FrameParser::new(1 << 20);
    let first = head(0x02, &[127, 0, 0, 0, 0, 0, 15, 255, 255]);
    assert!(parser.parse(&first).is_ok());
    assert!(parser.parse(&head(0x00, &[1])).is_ok());
    assert!(parser.parse(&head(0x00, &[0])).is_ok());
    assert_eq!(parser.parse(&head(0x00, &[1])), Err(too_long));
}

#[test]
fn fragments_belong_together_and_control_frames_may_come_between() {
    let mut parser = FrameParser::new(100);
    for (first, fin) in [(0x02, false), (0x89, true), (0x00, false), (0x80, true)] {
        let Ok(Parsed::Head { head, .. }) = parser.parse(&head(first, &[1])) else {
            panic!("{first:#x} is refused");
        };
        assert_eq!(head.fin, fin);
    }
    assert_eq!(
        parser.parse(&head(0x80, &[1])),
        Err(Violation::NothingToContinue)
    );
    let mut parser = FrameParser::new(100);
    assert!(parser.parse(&head(0x02, &[1])).is_ok());
    assert_eq!(parser.parse(&head(0x82, &[1])), Err(Violation::Interrupted));
}

#[test]
fn server_heads_are_as_short_as_they_can_be() {
    for (payload, expected) in [
        (0, &[0x82, 0][..]),
        (125, &[0x82, 125]),
        (126, &[0x82, 126, 0, 126]),
        (65_535, &[0x82, 126, 255, 255]),
        (65_536, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let mut room = [0xee; MAX_SERVER_HEAD];
        let len = server_head(&mut room, Opcode::Binary, payload);
        assert_eq!(&room[MAX_SERVER_HEAD - len..], expected);
    }
}

#[test]
fn a_server_s_frames_have_no_mask_and_a_client_s_head_has() {
    let mut parser = FrameParser::of_server(1 << 20);
    assert_eq!(parser.parse(&[0x82]), Ok(Parsed::Need(1)));
    assert_eq!(parser.parse(&[0x82, 0x85]), Err(Violation::Masked));
    let Ok(Parsed::Head { head, len: 4 }) = parser.parse(&[0x82, 126, 1, 0]) else {
        panic!("no head");
    };
    assert_eq!(head.payload, 256);
    for payload in [0, 125, 126, 65_535, 65_536] {
        let mut room = [0; MAX_CLIENT_HEAD];
        let len = client_head(&mut room, Opcode::Binary, payload, KEY);
        let Ok(Parsed::Head { head, len: read }) = parse(&room[MAX_CLIENT_HEAD - len..]) else {
            panic!("no head of {payload}");
        };
        assert_eq!(
            (head.payload, head.mask, read),
            (payload, Mask::new(KEY), len)
        );
    }
}
