//! The handshake as a viewer of a VNC server that wants nothing or a VNC password.

use super::{HandshakeError, MAX_REASON, NONE, Step, VNC_AUTH, Version};
use crate::vnc_auth::Password;

/// Speaks RFC 6143 §7.1.1 to §7.1.3 with a VNC server, which speaks first.
///
/// Give every byte that comes to [`ClientHandshake::step`] until it is done. It takes no byte
/// beyond the handshake.
#[derive(Debug)]
pub struct ClientHandshake {
    state: State,
    password: Option<Password>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Version,
    /// The server lists security types (3.7, 3.8).
    Types(Version),
    /// The server says the one security type (3.3).
    OneType,
    Challenge(Version),
    Result {
        version: Version,
        by_password: bool,
    },
    Reason(Refused),
    Done,
}

/// What the reason that follows is for.
#[derive(Clone, Copy, Debug)]
enum Refused {
    Connection,
    Password,
}

impl ClientHandshake {
    /// With the password for a server that asks for one.
    pub fn new(password: Option<Password>) -> Self {
        Self {
            state: State::Version,
            password,
        }
    }

    /// Goes on as far as `input` reaches.
    ///
    /// # Errors
    /// When the server refuses, or asks for what is not there.
    pub fn step(&mut self, input: &[u8]) -> Result<Step, HandshakeError> {
        let mut step = Step::default();
        let mut rest = input;
        while !step.done {
            let Some(after) = self.advance(rest, &mut step)? else {
                break;
            };
            rest = after;
        }
        step.taken = input.len().saturating_sub(rest.len());
        Ok(step)
    }

    /// One state on; `None` when `input` is too short for it.
    fn advance<'a>(
        &mut self,
        input: &'a [u8],
        step: &mut Step,
    ) -> Result<Option<&'a [u8]>, HandshakeError> {
        let (state, rest) = match self.state {
            State::Version => {
                let Some((message, rest)) = input.split_first_chunk() else {
                    return Ok(None);
                };
                let version = Version::with_server(message).ok_or(HandshakeError::Version)?;
                step.send.extend(version.message());
                let state = match version {
                    Version::V3_3 => State::OneType,
                    _ => State::Types(version),
                };
                (state, rest)
            }
            State::Types(version) => {
                let Some((types, rest)) = list(input) else {
                    return Ok(None);
                };
                if types.is_empty() {
                    (State::Reason(Refused::Connection), rest)
                } else {
                    (self.choose(types, version, step)?, rest)
                }
            }
            State::OneType => {
                let Some((security, rest)) = input.split_first_chunk() else {
                    return Ok(None);
                };
                (self.told(u32::from_be_bytes(*security))?, rest)
            }
            State::Challenge(version) => {
                let Some((challenge, rest)) = input.split_first_chunk() else {
                    return Ok(None);
                };
                let password = self
                    .password
                    .as_ref()
                    .ok_or(HandshakeError::PasswordMissing)?;
                step.send.extend(password.answer(challenge));
                let by_password = true;
                (
                    State::Result {
                        version,
                        by_password,
                    },
                    rest,
                )
            }
            State::Result {
                version,
                by_password,
            } => {
                let Some((result, rest)) = input.split_first_chunk() else {
                    return Ok(None);
                };
                (
                    result_of(u32::from_be_bytes(*result), version, by_password)?,
                    rest,
                )
            }
            State::Reason(refused) => {
                let Some(reason) = reason(input)? else {
                    return Ok(None);
                };
                return Err(match refused {
                    Refused::Connection => HandshakeError::Refused(reason),
                    Refused::Password => HandshakeError::PasswordWrong(reason),
                });
            }
            State::Done => {
                step.done = true;
                (State::Done, input)
            }
        };
        self.state = state;
        Ok(Some(rest))
    }

    /// The server has chosen by itself (3.3).
    fn told(&self, security: u32) -> Result<State, HandshakeError> {
        match u8::try_from(security) {
            Ok(0) => Ok(State::Reason(Refused::Connection)),
            Ok(NONE) => Ok(State::Done),
            Ok(VNC_AUTH) if self.password.is_some() => Ok(State::Challenge(Version::V3_3)),
            Ok(VNC_AUTH) => Err(HandshakeError::PasswordMissing),
            Ok(other) => Err(HandshakeError::Security(vec![other])),
            Err(_) => Err(HandshakeError::Security(Vec::new())),
        }
    }

    /// The choice among the types that the server offers (3.7, 3.8).
    fn choose(
        &self,
        types: &[u8],
        version: Version,
        step: &mut Step,
    ) -> Result<State, HandshakeError> {
        if types.contains(&NONE) {
            step.send.push(NONE);
            // Before 3.8 None has no result (RFC 6143 appendix A).
            return Ok(match version {
                Version::V3_8 => State::Result {
                    version,
                    by_password: false,
                },
                _ => State::Done,
            });
        }
        if !types.contains(&VNC_AUTH) {
            return Err(HandshakeError::Security(types.to_vec()));
        }
        if self.password.is_none() {
            return Err(HandshakeError::PasswordMissing);
        }
        step.send.push(VNC_AUTH);
        Ok(State::Challenge(version))
    }
}

/// A list with its length in one byte before it, and what follows.
fn list(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&count, rest) = input.split_first()?;
    rest.split_at_checked(usize::from(count))
}

fn result_of(result: u32, version: Version, by_password: bool) -> Result<State, HandshakeError> {
    match (result, version) {
        (0, _) => Ok(State::Done),
        (_, Version::V3_8) if by_password => Ok(State::Reason(Refused::Password)),
        (_, Version::V3_8) => Ok(State::Reason(Refused::Connection)),
        (2, _) => Err(HandshakeError::PasswordWrong("too many tries".to_owned())),
        _ => Err(HandshakeError::PasswordWrong("no reason given".to_owned())),
    }
}

/// The reason of a refusal (RFC 6143 §7.1.2), in characters that can be printed.
fn reason(input: &[u8]) -> Result<Option<String>, HandshakeError> {
    let Some((len, rest)) = input.split_first_chunk() else {
        return Ok(None);
    };
    let len = u32::from_be_bytes(*len);
    if len > MAX_REASON {
        return Err(HandshakeError::Reason(len));
    }
    let text = usize::try_from(len).ok().and_then(|len| rest.get(..len));
    Ok(text.map(|text| {
        String::from_utf8_lossy(text)
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect()
    }))
}

#[cfg(test)]
mod tests;
