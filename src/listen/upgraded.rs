//! A connection that is HTTP no more.

use bytes::Bytes;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::deadline::{Deadlines, Phase};
use crate::runtime::Stream;

/// What is left of a connection when its upgrade is answered.
#[derive(Debug)]
pub struct Upgraded {
    pub stream: Stream,
    /// What came right behind the request.
    pub early: Bytes,
    /// Counts for [`super::Limits`] until it is dropped.
    pub place: Held,
}

/// A place among the connections that there may be.
#[derive(Debug)]
pub struct Held(#[expect(dead_code, reason = "held, not read")] Option<Phase>);

#[cfg(test)]
impl Upgraded {
    pub(crate) fn over(stream: Stream) -> Self {
        Self {
            stream,
            early: Bytes::new(),
            place: Held(None),
        }
    }
}

/// Waits until the answer to an upgrade is on its way and takes the connection over.
///
/// # Errors
/// When the client left before.
pub async fn upgraded(upgrade: OnUpgrade) -> Result<Upgraded, hyper::Error> {
    let upgraded = upgrade.await?;
    Ok(match upgraded.downcast::<TokioIo<Deadlines>>() {
        Ok(parts) => {
            let (stream, phase) = parts.io.into_inner().into_parts();
            // An empty one still holds on to the buffer that the request was read into.
            let early = match parts.read_buf {
                early if early.is_empty() => Bytes::new(),
                early => early,
            };
            Upgraded {
                stream,
                early,
                place: Held(Some(phase)),
            }
        }
        // Not one of `listen`'s own: a test's, or another transport's.
        Err(other) => Upgraded {
            stream: Stream::over(TokioIo::new(other)),
            early: Bytes::new(),
            place: Held(None),
        },
    })
}
