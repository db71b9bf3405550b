//! The handshake as a server that offers security type None alone: for viewers that the
//! gateway itself has let in.

use super::{HandshakeError, NONE, Step, VERSION_LEN, Version};

/// Speaks RFC 6143 §7.1.1 to §7.1.3 with a viewer.
///
/// Send [`ServerHandshake::greeting`] first, then give every byte that comes to
/// [`ServerHandshake::step`] until it is done.
#[derive(Debug)]
pub struct ServerHandshake {
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Version,
    Choice(Version),
    Done,
}

impl ServerHandshake {
    /// A handshake at its beginning.
    #[expect(
        clippy::new_without_default,
        reason = "a handshake that comes from nowhere helps nobody"
    )]
    pub fn new() -> Self {
        Self {
            state: State::Version,
        }
    }

    /// What the server says first.
    pub fn greeting() -> &'static [u8; VERSION_LEN] {
        Version::V3_8.message()
    }

    /// Goes on as far as `input` reaches.
    ///
    /// # Errors
    /// When the viewer speaks no known version or chooses what it was not offered.
    pub fn step(&mut self, input: &[u8]) -> Result<Step, HandshakeError> {
        let mut step = Step::default();
        let mut rest = input;
        loop {
            match self.state {
                State::Version => {
                    let Some((message, after)) = rest.split_first_chunk() else {
                        break;
                    };
                    rest = after;
                    let version = Version::of_viewer(message).ok_or(HandshakeError::Version)?;
                    if version == Version::V3_3 {
                        step.send.extend(u32::from(NONE).to_be_bytes());
                        self.state = State::Done;
                    } else {
                        step.send.extend([1, NONE]);
                        self.state = State::Choice(version);
                    }
                }
                State::Choice(version) => {
                    let Some((&choice, after)) = rest.split_first() else {
                        break;
                    };
                    rest = after;
                    if choice != NONE {
                        return Err(HandshakeError::Choice(choice));
                    }
                    if version == Version::V3_8 {
                        step.send.extend(0_u32.to_be_bytes());
                    }
                    self.state = State::Done;
                }
                State::Done => {
                    step.done = true;
                    break;
                }
            }
        }
        step.taken = input.len().saturating_sub(rest.len());
        Ok(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that the server says after its greeting when `viewer` comes in pieces.
    fn talk(viewer: &[u8], piece: usize) -> Result<(Vec<u8>, usize), HandshakeError> {
        let mut handshake = ServerHandshake::new();
        let (mut said, mut taken, mut seen) = (Vec::new(), 0, 0);
        while seen < viewer.len() {
            seen = viewer.len().min(seen + piece);
            let step = handshake.step(&viewer[taken..seen])?;
            said.extend(step.send);
            taken += step.taken;
            if step.done {
                return Ok((said, taken));
            }
        }
        panic!("not done after {said:?}");
    }

    #[test]
    fn each_version_gets_its_own_answer_in_whatever_pieces_it_comes() {
        for piece in [1, 5, 12, 100] {
            assert_eq!(
                talk(b"RFB 003.008\n\x01\x01", piece),
                Ok((vec![1, 1, 0, 0, 0, 0], 13))
            );
            assert_eq!(talk(b"RFB 003.007\n\x01\x01", piece), Ok((vec![1, 1], 13)));
            assert_eq!(
                talk(b"RFB 003.003\n\x01", piece),
                Ok((vec![0, 0, 0, 1], 12))
            );
        }
    }

    #[test]
    fn what_was_not_offered_cannot_be_chosen() {
        assert_eq!(
            talk(b"RFB 003.008\n\x02", 1),
            Err(HandshakeError::Choice(2))
        );
        assert_eq!(talk(b"GET / HTTP/1.1\r\n", 1), Err(HandshakeError::Version));
    }
}
