//! One HTTP request on a connection of its own, as a client.

use std::future::Future;
use std::pin::pin;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

/// Most bytes of an answer's head.
const MAX_HEAD: usize = 64 << 10;

/// Sends a request on a fresh connection and has `read` read the answer, whose head is at most
/// 64 KiB. The caller bounds the time, and `read` the body.
///
/// # Errors
/// When the connection breaks or what comes back is no HTTP, and those of `read`.
pub async fn exchange<S, T, E>(
    stream: S,
    request: Request<Empty<Bytes>>,
    read: impl AsyncFnOnce(Response<Incoming>) -> Result<T, E>,
) -> Result<T, E>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    E: From<hyper::Error>,
{
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .handshake(TokioIo::new(stream))
        .await?;
    let answer = pin!(async { read(sender.send_request(request).await?).await });
    alongside(connection, answer).await
}

/// Waits for the answer while the connection is worked. When the connection ends, what it has
/// read is still there for the answer.
async fn alongside<T, E: From<hyper::Error>>(
    connection: impl Future<Output = hyper::Result<()>>,
    mut answer: impl Future<Output = Result<T, E>> + Unpin,
) -> Result<T, E> {
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        ended = connection => {
            ended?;
            answer.await
        }
    }
}
