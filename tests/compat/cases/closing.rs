//! How a WebSocket ends: by the client's close frame, or without one.

use crate::harness::{Target, exchange, frame, proxy};
use crate::ledger::case;

/// Sends each payload in a close frame on a connection of its own; returns the codes of the
/// answers, `None` for an answer without one. The target's connection ends, and then the client's.
fn close_with(payloads: &[&[u8]]) -> Vec<Option<u16>> {
    let target = Target::new();
    let subject = proxy(&target).start();
    let close = |payload: &&[u8]| {
        let mut client = subject.open();
        let mut there = target.accept();
        client.send_frame(0x88, payload);
        let closed = client.closed();
        assert_eq!(there.read_rest(), b"");
        client.ends();
        closed.code
    };
    payloads.iter().map(close).collect()
}

case!(a_close_is_answered_with_its_code, || {
    let codes = [1000, 1001, 1011, 3000, 4999_u16];
    let payloads = codes.map(u16::to_be_bytes);
    let answers = close_with(&payloads.each_ref().map(<[u8; 2]>::as_slice));
    assert_eq!(answers, codes.map(Some));
});

case!(a_close_with_a_reason_is_answered, || {
    let payload = [&1000_u16.to_be_bytes(), "Grüße".as_bytes()].concat();
    assert_eq!(close_with(&[&payload]), [Some(1000)]);
});

case!(a_close_without_a_code_is_answered_without_one, || {
    let codes = close_with(&[b""]);
    assert!(matches!(codes[0], None | Some(1000)), "{codes:?}");
});

case!(a_close_of_one_byte_is_refused, || {
    assert_eq!(close_with(&[&[3]]), [Some(1002)]);
});

case!(close_codes_that_nobody_may_send_are_refused, || {
    let codes = [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535_u16];
    let payloads = codes.map(u16::to_be_bytes);
    let answers = close_with(&payloads.each_ref().map(<[u8; 2]>::as_slice));
    assert_eq!(answers, codes.map(|_| Some(1002)));
});

case!(a_close_whose_reason_is_not_utf_8_is_refused, || {
    let codes = close_with(&[&[0x03, 0xe8, 0xce, 0xba, 0xed, 0xa0, 0x80]]);
    assert!(matches!(codes[0], Some(1002 | 1007)), "{codes:?}");
});

case!(a_close_of_more_than_125_bytes_is_refused, || {
    let mut payload = 1000_u16.to_be_bytes().to_vec();
    payload.resize(126, b'x');
    assert_eq!(close_with(&[&payload]), [Some(1002)]);
});

case!(a_close_in_fragments_is_refused, || {
    let target = Target::new();
    let subject = proxy(&target).start();
    let mut client = subject.open();
    let mut there = target.accept();
    client.send_frame(0x08, &1000_u16.to_be_bytes());
    let code = client.close_code();
    assert!(matches!(code, 1002 | 1003), "{code}");
    assert_eq!(there.read_rest(), b"");
});

case!(what_was_sent_before_the_close_reaches_the_target, || {
    const LEN: usize = 200_000;
    let target = Target::new();
    let subject = proxy(&target).start();
    let mut client = subject.open();
    let mut there = target.accept();
    let bytes = vec![7; LEN];
    let all = [frame(0x82, &bytes), frame(0x88, &1000_u16.to_be_bytes())].concat();
    client.wire.send(&all);
    assert_eq!(there.read_rest().len(), LEN);
    assert_eq!(client.close_code(), 1000);
});

case!(what_comes_behind_the_close_is_dropped, || {
    let target = Target::new();
    let subject = proxy(&target).start();
    let mut client = subject.open();
    let mut there = target.accept();
    let all = [frame(0x88, &1000_u16.to_be_bytes()), frame(0x82, b"late")].concat();
    client.wire.send(&all);
    assert_eq!(there.read_rest(), b"");
    assert_eq!(client.close_code(), 1000);
});

case!(a_client_that_hangs_up_ends_the_targets_connection, || {
    let target = Target::new();
    let subject = proxy(&target).start();
    let client = subject.open();
    let mut there = target.accept();
    drop(client);
    assert_eq!(there.read_rest(), b"");
});

case!(a_client_that_resets_ends_the_targets_connection, || {
    let target = Target::new();
    let subject = proxy(&target).start();
    let client = subject.open();
    let mut there = target.accept();
    client.wire.reset();
    assert_eq!(there.read_rest(), b"");
});

case!(a_half_closed_client_ends_the_targets_connection, || {
    let target = Target::new();
    let subject = proxy(&target).start();
    let mut client = subject.open();
    let mut there = target.accept();
    client.wire.finish();
    assert_eq!(there.read_rest(), b"");
    // What a client that closed nothing gets, a close frame or none, is left open.
    client.wire.read_rest();
});

case!(one_clients_end_leaves_the_others_alone, || {
    let target = Target::new();
    let subject = proxy(&target).start();
    let mut first = subject.open();
    let mut first_there = target.accept();
    let mut second = subject.open();
    let mut second_there = target.accept();
    first.send_close(1000, "");
    assert_eq!(first.close_code(), 1000);
    assert_eq!(first_there.read_rest(), b"");
    exchange(&mut second, &mut second_there);
});
