//! The relay against a server that is played here.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

use super::*;
use crate::bridge::websocket::{FrameParser, Parsed};

/// The server's side of a relay that runs, and the viewer's.
fn relay(early: &'static [u8]) -> (UnixStream, UnixStream, JoinSet<End>) {
    let (server, theirs) = UnixStream::pair().unwrap();
    let (viewer, near) = UnixStream::pair().unwrap();
    let mut end = JoinSet::new();
    end.spawn(carry(theirs.into(), Bytes::from_static(early), near));
    (server, viewer, end)
}

async fn ended(mut end: JoinSet<End>) -> End {
    end.join_next().await.unwrap().unwrap()
}

/// The next frame of a client, unmasked.
async fn frame(server: &mut UnixStream, parser: &mut FrameParser) -> io::Result<(Opcode, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        match parser.parse(&bytes).unwrap() {
            Parsed::Need(more) => {
                let mut next = vec![0; more];
                server.read_exact(&mut next).await?;
                bytes.extend(next);
            }
            Parsed::Head { mut head, .. } => {
                let mut payload = vec![0; head.payload];
                server.read_exact(&mut payload).await?;
                head.mask.apply(&mut payload);
                return Ok((head.opcode, payload));
            }
        }
    }
}

#[tokio::test]
async fn bytes_go_both_ways_and_pings_are_answered() {
    let (mut server, mut viewer, end) = relay(b"\x82\x03RFB");
    let mut parser = FrameParser::new(1 << 20);
    let mut said = [0; 3];
    viewer.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"RFB");
    let long: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let writing = long.clone();
    let mut written = JoinSet::new();
    written.spawn(async move {
        viewer.write_all(&writing).await.unwrap();
        viewer
    });
    let mut got = Vec::new();
    while got.len() < long.len() {
        let (opcode, payload) = frame(&mut server, &mut parser).await.unwrap();
        assert_eq!(opcode, Opcode::Binary);
        got.extend(payload);
    }
    assert_eq!(got, long);
    server.write_all(b"\x89\x02hi").await.unwrap();
    let pong = frame(&mut server, &mut parser).await.unwrap();
    assert_eq!(pong, (Opcode::Pong, b"hi".to_vec()));
    drop(written.join_next().await.unwrap().unwrap());
    let close = frame(&mut server, &mut parser).await.unwrap();
    assert_eq!(close, (Opcode::Close, 1000_u16.to_be_bytes().to_vec()));
    assert!(matches!(ended(end).await, End::Viewer));
}

#[tokio::test]
async fn a_server_s_close_ends_it_with_its_reason() {
    let (mut server, mut viewer, end) = relay(b"");
    let stream = b"\x82\x02ab\x88\x05\x03\xf3off";
    server.write_all(stream).await.unwrap();
    let mut said = Vec::new();
    viewer.read_to_end(&mut said).await.unwrap();
    assert_eq!(said, b"ab");
    let end = ended(end).await.to_string();
    assert_eq!(end, "closed the connection with code 1011: off");
}

#[tokio::test]
async fn text_is_refused_with_its_code() {
    let (mut server, _viewer, end) = relay(b"\x81\x02hi");
    let close = frame(&mut server, &mut FrameParser::new(10)).await.unwrap();
    assert_eq!(close, (Opcode::Close, 1003_u16.to_be_bytes().to_vec()));
    assert!(matches!(ended(end).await, End::Violation(Violation::Text)));
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_asked_for_a_sign_of_life_and_kept() {
    let (mut server, _viewer, _end) = relay(b"");
    let mut parser = FrameParser::new(10);
    for _ in 0..3 {
        let ping = frame(&mut server, &mut parser).await.unwrap();
        assert_eq!(ping, (Opcode::Ping, Vec::new()));
    }
}

#[tokio::test]
async fn a_server_that_leaves_is_told_as_vanished() {
    let (server, _viewer, end) = relay(b"");
    drop(server);
    assert!(matches!(ended(end).await, End::Vanished));
}
