//! Frames that break the rules of RFC 6455 end their connection with the right code.

use crate::harness::{Target, frame, proxy};
use crate::ledger::case;

/// Sends each of the fouls on a connection of its own, behind a message that is fine. The target
/// gets that message and nothing more; the client gets a close frame with one of the codes.
fn each_is_refused(fouls: &[Vec<u8>], codes: &[u16]) {
    let target = Target::new();
    let subject = proxy(&target).start();
    for foul in fouls {
        let mut client = subject.open();
        let mut there = target.accept();
        client.send(b"fine");
        assert_eq!(there.read_bytes(4), b"fine");
        client.wire.send(foul);
        let code = client.close_code();
        assert!(codes.contains(&code), "{code} for {foul:02x?}");
        // A client that keeps to the rules answers a close, and then the connection ends.
        client.send_close(1000, "");
        assert_eq!(there.read_rest(), b"", "{foul:02x?}");
        client.ends();
    }
}

case!(frames_without_a_mask_are_refused, || {
    each_is_refused(
        &[vec![0x82, 1, b'x'], vec![0x89, 0], vec![0x82, 0]],
        &[1002],
    );
});

case!(reserved_bits_are_refused, || {
    let fouls: Vec<Vec<u8>> = (1..8).map(|bits| frame(0x82 | bits << 4, b"x")).collect();
    each_is_refused(&fouls, &[1002]);
});

case!(reserved_opcodes_are_refused, || {
    let opcodes = (3..8).chain(11..16);
    let fouls: Vec<Vec<u8>> = opcodes.map(|opcode| frame(0x80 | opcode, b"x")).collect();
    // 1003 is what the original says; the RFC leaves the code open.
    each_is_refused(&fouls, &[1002, 1003]);
});

case!(text_is_refused_with_1003, || {
    each_is_refused(&[frame(0x81, b"text")], &[1003]);
});

case!(text_in_fragments_is_refused_with_1003, || {
    each_is_refused(&[frame(0x01, b"text")], &[1003]);
});

case!(a_continuation_of_nothing_is_refused, || {
    each_is_refused(&[frame(0x00, b"x"), frame(0x80, b"x")], &[1002]);
});

case!(a_message_within_a_message_is_refused, || {
    let target = Target::new();
    let subject = proxy(&target).start();
    let mut client = subject.open();
    let mut there = target.accept();
    client.send_frame(0x02, b"begun ");
    client.send_frame(0x82, b"and another");
    assert_eq!(client.close_code(), 1002);
    client.send_close(1000, "");
    let rest = there.read_rest();
    assert!(b"begun ".starts_with(&rest), "{rest:?}");
});

case!(pings_and_pongs_of_more_than_125_bytes_are_refused, || {
    each_is_refused(&[frame(0x89, &[0; 126]), frame(0x8a, &[0; 126])], &[1002]);
});

case!(control_frames_in_fragments_are_refused, || {
    let fouls = [frame(0x09, b"x"), frame(0x0a, b"x")];
    each_is_refused(&fouls, &[1002, 1003]);
});

case!(lengths_that_are_longer_than_needed_are_refused, || {
    let mut two = vec![0x82, 0xfe, 0, 5];
    two.extend([0; 9]);
    let mut eight = vec![0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 5];
    eight.extend([0; 9]);
    each_is_refused(&[two, eight], &[1002]);
});

case!(a_length_of_2_to_the_63_is_refused, || {
    let mut foul = vec![0x82, 0xff, 0x80];
    foul.extend([0; 11]);
    each_is_refused(&[foul], &[1002, 1009]);
});

case!(a_foul_ends_its_own_connection_and_no_other, || {
    let target = Target::new();
    let subject = proxy(&target).start();
    let mut good = subject.open();
    let mut there = target.accept();
    for _ in 0..3 {
        let mut bad = subject.open();
        bad.wire.send(&[0x82, 1, b'x']);
        assert_eq!(bad.close_code(), 1002);
    }
    crate::harness::exchange(&mut good, &mut there);
});
