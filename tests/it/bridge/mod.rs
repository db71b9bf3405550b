//! The bridge between a browser that may do anything and a VNC server that may do anything.

mod limits;
mod messages;
mod passing;
mod rules;
mod shuffle;
mod stops;
mod upgrade;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use deskway::bridge::{CloseCause, Greeting, Outcome, Passage, Traffic, Viewer, run};
use deskway::model::Rights;
use deskway::runtime::Stream;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, duplex};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::{FakeVnc, Recorder, WsClient, soon};

/// A bridge under way, seen by the browser and by whoever may stop it.
struct Bridged {
    browser: WsClient<DuplexStream>,
    stop: watch::Sender<Option<CloseCause>>,
    traffic: Arc<Traffic>,
    /// How long each answer to a ping took.
    trips: Arc<Mutex<Vec<Duration>>>,
    outcome: JoinHandle<Outcome>,
    /// The desktop's side when the test itself needs nothing of it: its end would be the
    /// desktop's.
    desktop: Option<DuplexStream>,
}

impl Bridged {
    /// To `server`, through `room` bytes on the browser's side.
    fn to<S>(server: S, rights: Rights, greeting: Greeting, room: usize) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        Self::explained(server, rights, greeting, room, async {
            CloseCause::Crashed("the test ended it".to_owned())
        })
    }

    fn explained<S>(
        server: S,
        rights: Rights,
        greeting: Greeting,
        room: usize,
        explain: impl Future<Output = CloseCause> + Send + 'static,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (browser, client) = duplex(room);
        let trips: Arc<Mutex<Vec<Duration>>> = Arc::default();
        let heard = Arc::clone(&trips);
        let traffic = Traffic::with_round_trips(move |took| heard.lock().unwrap().push(took));
        let traffic = Arc::new(traffic);
        let viewer = Viewer {
            passage: Passage::Desktop { rights, greeting },
            traffic: Arc::clone(&traffic),
            tap: None,
        };
        let (stop, stopped) = watch::channel(None);
        let (client, server) = (Stream::over(client), Stream::over(server));
        let bridge = run(client, Bytes::new(), server, viewer, stopped, explain);
        Self {
            browser: WsClient::over(browser),
            stop,
            traffic,
            trips,
            outcome: spawn(bridge),
            desktop: None,
        }
    }

    /// The bridge's own account of how it ended.
    async fn outcome(self) -> Outcome {
        drop(self.browser);
        soon(self.outcome).await.unwrap()
    }
}

/// A bridge to a fake VNC server over a duplex stream, both with plenty of room.
fn bridged(rights: Rights, greeting: Greeting) -> (Bridged, FakeVnc<DuplexStream>) {
    let (server, desktop) = duplex(1024 * 1024);
    let bridged = Bridged::to(server, rights, greeting, 1024 * 1024);
    (bridged, FakeVnc::over(desktop))
}

/// The same with the handshake behind it: the next bytes are messages.
async fn in_session(rights: Rights) -> (Bridged, FakeVnc<DuplexStream>) {
    let (mut bridged, mut desktop) = bridged(rights, Greeting::Fresh);
    let both = async { tokio::join!(bridged.browser.shake_hands(1), desktop.shake_hands()) };
    let (init, shared) = soon(both).await;
    assert_eq!(init.unwrap(), FakeVnc::<DuplexStream>::server_init());
    assert_eq!(shared.unwrap(), 1);
    (bridged, desktop)
}

#[expect(clippy::disallowed_methods, reason = "the test waits for it itself")]
fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(work)
}
