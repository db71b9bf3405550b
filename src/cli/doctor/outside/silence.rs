//! A WebSocket without a byte: how long it stays open.

use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::{Instant, timeout};

use super::mend::Lack;
use super::messages::{noise, there_and_back};
use super::seen::Seen;
use super::websocket::{ANSWER_TIMEOUT, open, refused};
use super::{Finding, Way};

const SILENCE: &str = "silence";

/// How long the way stays open with nothing on it.
pub(super) async fn be_silent(way: &Way, seen: &Seen, origin: &str, wait: Duration) -> Finding {
    let mut socket = match open(way, origin).await {
        Ok(socket) => socket,
        Err(error) => return refused(way, &error),
    };
    let began = Instant::now();
    // Nothing comes by itself: whatever does is the end.
    let end = timeout(wait, socket.next()).await;
    let lasted = began.elapsed();
    if end.is_err() {
        let word = [noise(16)];
        let back = timeout(ANSWER_TIMEOUT, there_and_back(&mut socket, &word)).await;
        if matches!(back, Ok(Ok(()))) {
            _ = timeout(ANSWER_TIMEOUT, socket.close(None)).await;
            let found = format!(
                "a WebSocket is still open after {} s without a byte",
                wait.as_secs()
            );
            return Finding::fine(SILENCE, found);
        }
    }
    let pings = Duration::from_secs(seen.ping_every);
    cut(way, lasted, pings)
}

/// `pings`: how often the bridge pings.
fn cut(way: &Way, lasted: Duration, pings: Duration) -> Finding {
    let (cut, every) = (lasted.as_secs_f64().round(), pings.as_secs());
    let found = format!("a WebSocket is cut after {cut} s of silence");
    if lasted > pings {
        let found = format!("{found}; desktops stay, since Deskway pings every {every} s");
        Finding::note(SILENCE, found, way.mend(Lack::Patience))
    } else {
        let found = format!("{found}, and Deskway pings only every {every} s");
        Finding::wrong(SILENCE, found, way.mend(Lack::Patience))
    }
}

#[cfg(test)]
mod tests {
    use super::super::proxy::Proxy;
    use super::super::trust::Trust;
    use super::super::{State, parse_url};
    use super::*;

    #[test]
    fn what_cuts_between_two_pings_is_wrong_and_what_cuts_later_a_note() {
        let way = Way {
            site: parse_url("https://desk.example.org/").unwrap(),
            key: None,
            trust: Trust::nobody(),
            proxy: Proxy::Nginx,
            upstream: String::new(),
            configured_base: String::new(),
        };
        let after = |seconds| cut(&way, Duration::from_secs(seconds), Duration::from_secs(25));
        for (seconds, state) in [(10, State::Wrong), (25, State::Wrong), (60, State::Note)] {
            let finding = after(seconds);
            assert_eq!(finding.state, state, "{finding}");
            let mend = finding.mend.unwrap();
            assert!(mend.contains("proxy_read_timeout 1h;"), "{mend}");
        }
    }
}
