//! The bridge's own handshake with a desktop, for viewers who may only watch: whoever shakes
//! hands decides where the messages begin, and that must not be them.

use std::time::Duration;

use deskway_rfb::ClientHandshake;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::Error;
use crate::runtime::Stream;

/// How long a desktop may take for the whole handshake with the bridge, and for its first word to a
/// viewer who shakes hands with it.
pub(super) const GREET_WITHIN: Duration = Duration::from_secs(10);

/// The most bytes of a handshake that are read ahead: a refusal with the longest reason.
const MAX_AHEAD: usize = 8 * 1024;

/// Shakes hands with the VNC server behind `server`, which must offer security type None.
/// The next bytes that it wants are ClientInit.
pub(super) async fn greet_desktop(server: &mut Stream) -> Result<(), Error> {
    timeout(GREET_WITHIN, greet(server))
        .await
        .unwrap_or(Err(Error::Unanswered))
}

async fn greet(server: &mut Stream) -> Result<(), Error> {
    let mut handshake = ClientHandshake::new(None);
    let mut ahead = Vec::new();
    loop {
        let step = handshake.step(&ahead).map_err(Error::DesktopGreeting)?;
        ahead.drain(..step.taken);
        if !step.send.is_empty() {
            server.write_all(&step.send).await.map_err(Error::Desktop)?;
            server.flush().await.map_err(Error::Desktop)?;
        }
        if step.done {
            return Ok(());
        }
        let room = MAX_AHEAD.saturating_sub(ahead.len());
        let mut more = (&mut *server).take(room as u64);
        let len = more.read_buf(&mut ahead).await.map_err(Error::Desktop)?;
        if len == 0 {
            return Err(Error::DesktopSilent);
        }
    }
}
