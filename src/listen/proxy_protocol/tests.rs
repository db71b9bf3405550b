//! Headers as proxies send them, and as others do.

use tokio::io::{AsyncWriteExt as _, duplex};

use super::*;

/// Reads a header from what a client sends before it closes, and what is left behind it.
async fn read_from(bytes: &[u8]) -> (Result<Header, HeaderError>, Vec<u8>) {
    let (mut client, server) = duplex(bytes.len().max(1));
    client.write_all(bytes).await.unwrap();
    drop(client);
    let mut stream = Stream::over(server);
    let header = read(&mut stream).await;
    let mut left = Vec::new();
    stream.read_to_end(&mut left).await.unwrap();
    (header, left)
}

fn v2(command: u8, family: u8, len: usize, rest: &[u8]) -> Vec<u8> {
    let len = u16::try_from(len).unwrap().to_be_bytes();
    [&SIGNATURE[..], &[command, family], &len, rest].concat()
}

fn from(client: &str, tls: bool) -> Header {
    let client = client.parse().unwrap();
    Header::From { client, tls }
}

const ENDS_4: [u8; 12] = [203, 0, 113, 9, 192, 0, 2, 1, 0x12, 0x67, 0, 80];

#[tokio::test]
async fn both_versions_tell_the_client_and_leave_what_follows() {
    let mut ends_6 = [0; 36];
    ends_6[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
    ends_6[15] = 1;
    ends_6[33] = 7;
    let with_tls = [&ENDS_4[..], &[4, 0, 2, 9, 9], &[0x20, 0, 5, 1, 0, 0, 0, 0]].concat();
    let not_tls = [&ENDS_4[..], &[0x20, 0, 5, 0, 0, 0, 0, 0]].concat();
    let broken_tail = [&ENDS_4[..], &[0x20, 9, 9, 1]].concat();
    let unix = [0; 216];
    for (header, expected) in [
        (
            b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 80\r\n".to_vec(),
            from("203.0.113.9:4711", false),
        ),
        (
            b"PROXY TCP6 2001:db8::1 ::1 65535 0\r\n".to_vec(),
            from("[2001:db8::1]:65535", false),
        ),
        (b"PROXY UNKNOWN\r\n".to_vec(), Header::Unknown),
        (
            b"PROXY UNKNOWN what ever it is\r\n".to_vec(),
            Header::Unknown,
        ),
        (v2(0x21, 0x11, 12, &ENDS_4), from("203.0.113.9:4711", false)),
        (v2(0x21, 0x21, 36, &ends_6), from("[2001:db8::1]:7", false)),
        (
            v2(0x21, 0x11, with_tls.len(), &with_tls),
            from("203.0.113.9:4711", true),
        ),
        (
            v2(0x21, 0x11, not_tls.len(), &not_tls),
            from("203.0.113.9:4711", false),
        ),
        (
            v2(0x21, 0x11, broken_tail.len(), &broken_tail),
            from("203.0.113.9:4711", false),
        ),
        (v2(0x20, 0x00, 0, &[]), Header::Unknown),
        (v2(0x20, 0x11, 12, &ENDS_4), Header::Unknown),
        (v2(0x21, 0x00, 3, &[1, 2, 3]), Header::Unknown),
        (v2(0x21, 0x31, 216, &unix), Header::Unknown),
    ] {
        let shown = String::from_utf8_lossy(&header).into_owned();
        let (read, left) = read_from(&[&header[..], b"GET / HTTP/1.1"].concat()).await;
        assert_eq!(read.unwrap(), expected, "{shown}");
        assert_eq!(left, b"GET / HTTP/1.1", "{shown}");
    }
}

#[test]
fn no_bytes_make_it_panic() {
    let mut seed = 7_u32;
    let mut next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        seed.to_be_bytes()[0]
    };
    let line = b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 80\r\n";
    for _ in 0..20_000 {
        let mut bytes = line.to_vec();
        let at = usize::from(next()) % bytes.len();
        bytes[at] = next();
        bytes.truncate(usize::from(next()));
        _ = line_of_version_1(&bytes);
        let len = usize::from(next());
        let rest: Vec<u8> = (0..len).map(|_| next() & 0x2f).collect();
        for family in [0x11, 0x21, 0x31] {
            _ = rest_of_version_2(0x21, family, &rest);
        }
    }
}

#[tokio::test]
async fn what_is_no_header_is_refused_and_what_is_cut_off_is_lost() {
    let long = format!("PROXY TCP4 {}\r\n", "1".repeat(100));
    let long_unknown = format!("PROXY UNKNOWN {}\r\n", "1".repeat(100));
    for (bytes, bad) in [
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), BadHeader::NoHeader),
        (b"G".to_vec(), BadHeader::NoHeader),
        (b"\x16\x03\x01".to_vec(), BadHeader::NoHeader),
        (
            b"proxy TCP4 1.1.1.1 1.1.1.1 1 1\r\n".to_vec(),
            BadHeader::NoHeader,
        ),
        (b"\r\n\r\n\0\r\nQUIX\n!!!!".to_vec(), BadHeader::NoHeader),
        (long.into_bytes(), BadHeader::TooLong),
        (long_unknown.into_bytes(), BadHeader::TooLong),
        (v2(0x21, 0x11, MAX_REST + 1, &ENDS_4), BadHeader::TooLong),
        (v2(0x21, 0x11, 65535, &ENDS_4), BadHeader::TooLong),
        (v2(0x21, 0x11, 11, &ENDS_4[..11]), BadHeader::Malformed),
        (v2(0x21, 0x21, 12, &ENDS_4), BadHeader::Malformed),
        (v2(0x21, 0x11, 0, &[]), BadHeader::Malformed),
        (v2(0x21, 0x31, 12, &ENDS_4), BadHeader::Malformed),
        (v2(0x21, 0x12, 12, &ENDS_4), BadHeader::Malformed),
        (v2(0x22, 0x11, 12, &ENDS_4), BadHeader::Malformed),
        (v2(0x11, 0x11, 12, &ENDS_4), BadHeader::Malformed),
    ] {
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        match read_from(&bytes).await.0 {
            Err(HeaderError::Bad(error)) => assert_eq!(error, bad, "{shown}"),
            other => panic!("{shown}: {other:?}"),
        }
    }
    for line in [
        "PROXY TCP4 203.0.113.9 192.0.2.1 4711\r\n",
        "PROXY TCP4 203.0.113.9 192.0.2.1 4711 80 1\r\n",
        "PROXY TCP4 203.0.113.9  192.0.2.1 4711 80\r\n",
        "PROXY TCP4 203.0.113.9 192.0.2.1 04711 80\r\n",
        "PROXY TCP4 203.0.113.9 192.0.2.1 +4711 80\r\n",
        "PROXY TCP4 203.0.113.9 192.0.2.1 4711 65536\r\n",
        "PROXY TCP4 ::1 ::1 4711 80\r\n",
        "PROXY TCP6 203.0.113.9 192.0.2.1 4711 80\r\n",
        "PROXY TCP4 203.0.113.999 192.0.2.1 4711 80\r\n",
        "PROXY UDP4 203.0.113.9 192.0.2.1 4711 80\r\n",
        "PROXY \u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\r\n",
        "PROXY TCP4 \r\n",
    ] {
        let read = read_from(line.as_bytes()).await.0;
        let malformed = matches!(read, Err(HeaderError::Bad(BadHeader::Malformed)));
        assert!(malformed, "{line}: {read:?}");
    }
    for whole in [
        b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 80\r\n".to_vec(),
        v2(0x21, 0x11, 12, &ENDS_4),
    ] {
        for len in 0..whole.len() {
            let read = read_from(&whole[..len]).await.0;
            let lost = matches!(read, Err(HeaderError::Lost(_)));
            assert!(lost, "{len}: {read:?}");
        }
    }
}
