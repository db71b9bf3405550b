//! What must hold for whatever bytes come. Each function takes one input of the fuzzer and
//! panics when something does not; such an input becomes an ordinary test beside the code.

mod upgrade;

pub use upgrade::{parts as upgrade_parts, raw as upgrade_raw};

use deskway::bridge::websocket::{FrameParser, Parsed, check_close};
use deskway_rfb::{ClientHandshake, Frame, Framer, Password, ServerHandshake};

/// The longest message for the WebSocket parser.
const MAX_MESSAGE: usize = 1 << 20;

/// A viewer's bytes: the framer never takes more than there is, and always gets on.
pub fn framer(data: &[u8]) {
    for mut framer in [Framer::from_handshake(), Framer::from_client_init()] {
        let mut rest = data;
        while let Ok(frame) = framer.next(rest) {
            match frame {
                Frame::Whole { len, .. } | Frame::Part { len, .. } => {
                    assert!(len > 0 && len <= rest.len());
                    rest = &rest[len..];
                }
                Frame::Need(more) => {
                    assert!(more > 0);
                    break;
                }
                Frame::Opaque(_) => break,
            }
        }
    }
}

/// Either side's handshake: whole or byte by byte, the same is said, and no more is taken than
/// there is.
pub fn handshake(data: &[u8]) {
    let client = || ClientHandshake::new(Some(Password::new(b"secret")));
    let mut whole = client();
    let mut bytewise = client();
    let at_once = whole.step(data).map(|step| step.send);
    let piecewise = talk(data, |input| bytewise.step(input));
    assert_eq!(at_once, piecewise);

    let mut whole = ServerHandshake::new();
    let mut bytewise = ServerHandshake::new();
    let at_once = whole.step(data).map(|step| step.send);
    let piecewise = talk(data, |input| bytewise.step(input));
    assert_eq!(at_once, piecewise);
}

fn talk<E>(
    data: &[u8],
    mut step: impl FnMut(&[u8]) -> Result<deskway_rfb::Step, E>,
) -> Result<Vec<u8>, E> {
    let (mut said, mut taken) = (Vec::new(), 0);
    for seen in 0..=data.len() {
        let step = step(&data[taken..seen])?;
        taken += step.taken;
        assert!(taken <= seen);
        said.extend(step.send);
        if step.done {
            break;
        }
    }
    Ok(said)
}

/// A browser's frames: the parser never takes more than there is and keeps to its limit.
pub fn websocket(data: &[u8]) {
    let mut parser = FrameParser::new(MAX_MESSAGE);
    let mut rest = data;
    loop {
        match parser.parse(rest) {
            Ok(Parsed::Head { head, len }) => {
                assert!(len >= 6 && len <= rest.len() && head.payload <= MAX_MESSAGE);
                let behind = &rest[len..];
                let payload = behind.len().min(head.payload);
                let mut unmasked = behind[..payload].to_vec();
                let mut mask = head.mask;
                mask.apply(&mut unmasked);
                drop(check_close(&unmasked));
                rest = &behind[payload..];
            }
            Ok(Parsed::Need(more)) => {
                assert!(more > 0);
                break;
            }
            Err(_) => break,
        }
    }
}
