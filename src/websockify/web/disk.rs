//! Work that waits for the disk, away from the threads that carry sessions.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use futures_util::stream::try_unfold;
use tokio::sync::Semaphore;

/// How many wait for the disk at once; each of them has a thread.
const MAX_AT_DISK: usize = 16;
/// How much of a file is read at once and held, in bytes.
pub(super) const CHUNK: usize = 64 * 1024;

/// A turn at the disk, of which there are so many and no more.
#[derive(Clone, Debug)]
pub(super) struct Disk(Arc<Semaphore>);

impl Disk {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(MAX_AT_DISK)))
    }

    /// Runs `work`, which blocks.
    ///
    /// # Errors
    /// Those of `work`; also when it panics.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let turn = Arc::clone(&self.0).acquire_owned().await;
        let turn = turn.map_err(io::Error::other)?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            // Not before, even if nobody waits for it any more.
            drop(turn);
            done
        });
        done.await.map_err(io::Error::other)?
    }

    /// A part of a file, read as it is sent. When the file turns out to be shorter the body ends
    /// with an error, since its length was said before.
    pub(super) fn stream(&self, file: File, part: Range<u64>) -> Body {
        let (disk, file) = (self.clone(), Arc::new(file));
        Body::from_stream(try_unfold(part, move |rest| {
            let (disk, file) = (disk.clone(), Arc::clone(&file));
            async move {
                if rest.is_empty() {
                    return Ok(None);
                }
                let (start, end) = (rest.start, rest.end);
                let chunk = disk.run(move || read(&file, rest)).await?;
                let next = start + chunk.len() as u64;
                Ok::<_, io::Error>(Some((chunk, next..end)))
            }
        }))
    }
}

/// The first bytes of a part.
fn read(file: &File, part: Range<u64>) -> io::Result<Bytes> {
    let length = usize::try_from(part.end - part.start).unwrap_or(CHUNK);
    let mut chunk = vec![0; length.min(CHUNK)];
    let read = loop {
        match file.read_at(&mut chunk, part.start) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => break read?,
        }
    };
    if read == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    chunk.truncate(read);
    Ok(chunk.into())
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_file_that_shrinks_ends_with_an_error() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(10).unwrap();
        let body = Disk::new().stream(file.try_clone().unwrap(), 0..20);
        assert!(body.collect().await.is_err());
        let body = Disk::new().stream(file, 3..10);
        assert_eq!(body.collect().await.unwrap().to_bytes().len(), 7);
    }

    #[tokio::test]
    async fn a_turn_is_given_back_after_a_panic() {
        let disk = Disk::new();
        for _ in 0..=MAX_AT_DISK {
            let panicked = disk
                .run(|| -> io::Result<()> { panic!("on purpose") })
                .await;
            assert!(panicked.is_err());
        }
        assert_eq!(disk.run(|| Ok(1)).await.unwrap(), 1);
    }
}
