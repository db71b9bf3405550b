//! Messages through a WebSocket: a large one, and many at once, there and back.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::Finding;
use super::websocket::{ANSWER_TIMEOUT, Socket};

const LARGE: &str = "large messages";
const MANY: &str = "many messages";

/// For the large message, and for the many.
const PASSING_TIMEOUT: Duration = Duration::from_mins(1);
/// A message as large as any that a desktop sends, in bytes.
const LARGE_LEN: usize = 1 << 20;
/// Many small ones without a wait between them.
const MANY_COUNT: usize = 512;
const MANY_LEN: usize = 2 << 10;

/// The large message and the many.
pub(super) async fn pass(mut socket: Socket) -> Vec<Finding> {
    let large = noise(LARGE_LEN);
    let there = there_and_back(&mut socket, &[large]).await;
    let large = told(LARGE, "1 MiB in one frame comes back as it was", there);
    let many: Vec<_> = (0..MANY_COUNT).map(|_| noise(MANY_LEN)).collect();
    let there = there_and_back(&mut socket, &many).await;
    let many = told(
        MANY,
        "512 of 2 kB without a pause come back as they were",
        there,
    );
    // That it is over is no news to anybody.
    _ = timeout(ANSWER_TIMEOUT, socket.close(None)).await;
    vec![large, many]
}

fn told(check: &'static str, fine: &str, there: Result<(), String>) -> Finding {
    match there {
        Ok(()) => Finding::fine(check, fine),
        Err(error) => Finding::wrong(
            check,
            error,
            "look for a filter or a web application firewall on the way, and take it off Deskway's path",
        ),
    }
}

/// Sends all and takes all, at the same time; whether what comes back is what was sent.
pub(super) async fn there_and_back(socket: &mut Socket, messages: &[Bytes]) -> Result<(), String> {
    let (mut sink, mut source) = socket.split();
    let send = async {
        for message in messages {
            let sent = sink.feed(Message::Binary(message.clone())).await;
            sent.map_err(|error| error.to_string())?;
        }
        sink.flush().await.map_err(|error| error.to_string())
    };
    let receive = async {
        for (number, message) in messages.iter().enumerate() {
            let came = loop {
                match source.next().await {
                    Some(Ok(Message::Binary(came))) => break came,
                    Some(Ok(Message::Close(_))) | None => {
                        return Err(format!(
                            "the connection is closed in message {}",
                            number + 1
                        ));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(format!("message {}: {error}", number + 1)),
                }
            };
            if came != *message {
                return Err(format!("message {} comes back as another", number + 1));
            }
        }
        Ok(())
    };
    let both = async { tokio::try_join!(send, receive).map(|_| ()) };
    let late = || format!("not back within {} s", PASSING_TIMEOUT.as_secs());
    timeout(PASSING_TIMEOUT, both)
        .await
        .unwrap_or_else(|_| Err(late()))
}

/// Bytes that cannot be made shorter on the way.
pub(super) fn noise(len: usize) -> Bytes {
    let mut bytes = vec![0; len];
    // Without randomness zeros have to do.
    _ = getrandom::fill(&mut bytes);
    bytes.into()
}
