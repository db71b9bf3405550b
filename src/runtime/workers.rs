//! Threads that move bytes, each with a runtime of its own: a connection stays where it was
//! accepted, and no thread wakes another to hand it work.

use std::future::Future;
use std::io;
use std::thread::JoinHandle;

const STACK: usize = 1024 * 1024;

/// How many worker threads are of use: one a processor.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Threads under way.
#[derive(Debug)]
pub struct Workers {
    threads: Vec<JoinHandle<()>>,
}

/// Starts `count` threads; the one with the number `n` runs `work(n)` to its end, and what that
/// spawns as long as it lasts.
///
/// # Errors
/// When there are too many threads or descriptors.
pub fn workers<W, F>(count: usize, work: W) -> io::Result<Workers>
where
    W: Fn(usize) -> F + Clone + Send + 'static,
    F: Future<Output = ()>,
{
    let mut threads = Vec::with_capacity(count);
    for number in 0..count {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let work = work.clone();
        let thread = std::thread::Builder::new()
            .name(format!("worker-{number}"))
            .stack_size(STACK);
        threads.push(thread.spawn(move || {
            runtime.block_on(work(number));
            // Not waiting for what blocks, such as a name server that does not answer.
            runtime.shutdown_background();
        })?);
    }
    Ok(Workers { threads })
}

impl Workers {
    /// Waits until all have ended.
    ///
    /// # Errors
    /// When one of them panicked.
    pub fn join(self) -> io::Result<()> {
        let mut panicked = false;
        for thread in self.threads {
            panicked |= thread.join().is_err();
        }
        if panicked {
            return Err(io::Error::other("a worker thread panicked"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::runtime::Tasks;

    #[test]
    fn each_worker_runs_its_work_and_what_that_spawns() {
        let tasks = Tasks::new();
        let done = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&done);
        let started = workers(3, move |number| {
            let (tasks, counted) = (tasks.clone(), Arc::clone(&counted));
            async move {
                let spawned = tasks.spawn(async move {
                    counted.fetch_add(number + 1, Ordering::Relaxed);
                });
                spawned.await.unwrap();
            }
        });
        started.unwrap().join().unwrap();
        assert_eq!(done.load(Ordering::Relaxed), 6);
    }
}
