//! WebSocket ⇄ RFB: two streams, the viewer's rights, and why it ended. Knows neither users nor
//! desktops.
//!
//! [`websocket::accept`] checks the request that opens a WebSocket and gives the headers of the
//! answer. When the connection is upgraded, [`run`] carries it until one side ends or somebody
//! has it stopped, and says why it ended. One task does it all: it reads no further than it can
//! write, holds a buffer only while something is in it, and copies nothing it can leave in place.
//!
//! To the browser each read becomes one WebSocket message. To the desktop go whole RFB messages
//! in one write each (up to 64 KiB), however the browser cut them: TigerVNC loses its place in
//! the stream when a SetDesktopSize comes in two reads.

mod buffer;
mod close;
mod error;
mod farewell;
mod greet;
mod heartbeat;
mod inbound;
mod outbound;
mod pipe;
mod pump;
mod rights;
mod tap;
mod traffic;
pub mod websocket;

use std::future::{Future, pending, poll_fn};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use self::farewell::Farewell;
use self::pump::{End, Pump};
use crate::model::Rights;
use crate::runtime::Stream;

pub use close::CloseCause;
pub use error::{Error, Fault};
pub use heartbeat::PING_EVERY;
pub use pipe::{forgo_pipes, most_pipe_descriptors};
pub use tap::{Event, Tap};
pub use traffic::Traffic;

/// How long it may take to learn why a desktop ended.
const EXPLAIN_WITHIN: Duration = Duration::from_secs(2);

/// One viewer.
pub struct Viewer {
    pub passage: Passage,
    /// Counts along while the connection lasts.
    pub traffic: Arc<Traffic>,
    /// Sees all that goes through; costs the fast ways of moving it.
    pub tap: Option<Box<dyn Tap>>,
}

/// What may go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// RFB, held to the viewer's rights. A browser that gives no sign of life is given up.
    Desktop { rights: Rights, greeting: Greeting },
    /// Any bytes, in messages of any length. A client is let be however long it is silent.
    Bytes {
        /// `None`: never.
        ping_every: Option<Duration>,
    },
}

/// How far the handshake with the VNC server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// The VNC server speaks first, and offers security type None to those who may only watch.
    Fresh,
    /// Version and security are done; the next bytes that it wants are ClientInit. The bridge
    /// itself greets the browser and offers it security type None.
    Done,
}

/// What is left of a connection.
#[derive(Debug)]
pub struct Outcome {
    /// What the browser was told, or would have been.
    pub cause: CloseCause,
    /// What went wrong, if something did.
    pub error: Option<Error>,
    /// RFB bytes, as in [`Traffic`].
    pub to_browser: u64,
    pub from_browser: u64,
    pub lasted: Duration,
}

/// Carries one upgraded connection to its end, and closes it.
///
/// `early` is what the browser sent right behind its request. A value in `stop` ends the
/// connection with that cause at once, also when the browser does not read (it is dropped after
/// two seconds then). When the desktop's side ends, `explain` is asked for the cause, for two
/// seconds at most.
pub async fn run(
    client: impl Into<Stream>,
    early: Bytes,
    server: impl Into<Stream>,
    viewer: Viewer,
    stop: watch::Receiver<Option<CloseCause>>,
    explain: impl Future<Output = CloseCause>,
) -> Outcome {
    let started = Instant::now();
    let traffic = Arc::clone(&viewer.traffic);
    let mut pump = Pump::new(client.into(), early, server.into(), viewer);
    let (cause, error, farewell) = tokio::select! {
        biased;
        cause = told_to_stop(stop) => {
            let farewell = Farewell::because(&cause, true);
            (cause, None, Some(farewell))
        }
        ended = serve(&mut pump, explain) => ended,
    };
    pump.close(farewell).await;
    Outcome {
        cause,
        error,
        to_browser: traffic.to_browser(),
        from_browser: traffic.from_browser(),
        lasted: started.elapsed(),
    }
}

/// Never comes when the sender is gone without a word.
async fn told_to_stop(mut stop: watch::Receiver<Option<CloseCause>>) -> CloseCause {
    if let Ok(cause) = stop.wait_for(Option::is_some).await
        && let Some(cause) = cause.clone()
    {
        return cause;
    }
    pending().await
}

/// Moves bytes until one side ends; what to tell the browser then, if it is still there.
async fn serve(
    pump: &mut Pump,
    explain: impl Future<Output = CloseCause>,
) -> (CloseCause, Option<Error>, Option<Farewell>) {
    let end = match pump.greet().await {
        Ok(()) => poll_fn(|cx| pump.poll(cx)).await,
        Err(error) => Err(error),
    };
    let ended_by_itself = matches!(end, Ok(End::Desktop));
    let (cause, error) = match end {
        Ok(End::Closed(frame)) => {
            return (CloseCause::Left, None, Some(Farewell::answer(&frame)));
        }
        Ok(End::Vanished) => (CloseCause::Vanished, None),
        Ok(End::Desktop) => explained(None, explain).await,
        // It has not ended, so that there is nothing to explain.
        Err(error @ Error::Unanswered) => (error.cause(), Some(error)),
        Err(error) if error.fault() == Fault::Desktop => explained(Some(error), explain).await,
        Err(error) => (error.cause(), Some(error)),
    };
    // What a browser says after it broke the rules cannot be understood.
    let understood = error
        .as_ref()
        .is_none_or(|error| error.fault() != Fault::Browser);
    let farewell = match cause {
        CloseCause::Vanished => None,
        _ if ended_by_itself => Some(Farewell::because(&cause, understood).after_last_words()),
        _ => Some(Farewell::because(&cause, understood)),
    };
    (cause, error, farewell)
}

async fn explained(
    error: Option<Error>,
    explain: impl Future<Output = CloseCause>,
) -> (CloseCause, Option<Error>) {
    match timeout(EXPLAIN_WITHIN, explain).await {
        Ok(cause) => (cause, error),
        Err(_) => (CloseCause::Unreachable, error.or(Some(Error::Unexplained))),
    }
}
