//! Tasks with an owner, and a stop in two stages.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// All tasks of a role. Stage one (`stopping`) asks them to finish; stage two drops those that
/// have not.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stopping: CancellationToken,
    dropped: CancellationToken,
}

impl Tasks {
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `work` until it is done or until stage two of the stop.
    pub fn spawn<F>(&self, work: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let dropped = self.dropped.clone();
        self.tracker.spawn(async move {
            tokio::select! {
                () = work => {}
                () = dropped.cancelled() => {}
            }
        })
    }

    /// Resolves when the stop has begun: finish what you are doing, begin nothing.
    pub async fn stopping(&self) {
        self.stopping.cancelled().await;
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// Begins the stop without waiting for it.
    pub fn begin_stop(&self) {
        self.stopping.cancel();
    }

    /// Resolves when all that was spawned has ended, without a stop. To be called when something
    /// was.
    pub async fn finished(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Stage one, at most `grace` long, then stage two.
    pub async fn stop(&self, grace: Duration) {
        self.begin_stop();
        self.tracker.close();
        if tokio::time::timeout(grace, self.tracker.wait())
            .await
            .is_err()
        {
            self.dropped.cancel();
            self.tracker.wait().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_finish_is_dropped_after_the_grace() {
        let tasks = Tasks::new();
        tasks.spawn(std::future::pending());
        tasks.stop(Duration::from_secs(5)).await;
        assert!(tasks.is_stopping());
    }
}
