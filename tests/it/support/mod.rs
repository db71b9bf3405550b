//! The other ends: a VNC server and a browser that do as the test says.

mod fake_vnc;
mod recorder;
mod ws_client;

use std::future::Future;
use std::time::Duration;

pub(crate) use fake_vnc::{FakeVnc, VncListener};
pub(crate) use recorder::Recorder;
pub(crate) use ws_client::{Closed, Message, WsClient, frame};

/// Waits for what must happen, and fails the test when it does not within ten seconds.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), what)
        .await
        .expect("it does not happen")
}
