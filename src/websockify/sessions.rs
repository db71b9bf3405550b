//! What is under way: counted, so that the process knows when it may go, and ended together.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::bridge::CloseCause;

/// All sessions (WebSockets) and requests of a process. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Sessions(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    counts: watch::Sender<Counts>,
    end: watch::Sender<Option<CloseCause>>,
    /// Only the first session is let in.
    once: bool,
}

#[derive(Debug, Default)]
struct Counts {
    /// Since the start.
    begun: u64,
    /// Sessions and requests that are not over.
    active: u64,
    /// Sessions that are not over.
    sessions: u64,
}

/// One session; over when this is dropped.
#[derive(Debug)]
pub(super) struct Session {
    sessions: Sessions,
    number: u64,
}

/// One request; over when this is dropped.
#[derive(Debug)]
pub(super) struct Request(Sessions);

impl Sessions {
    /// With `once`, there is one session and no other.
    pub(crate) fn new(once: bool) -> Self {
        Self(Arc::new(Shared {
            counts: watch::Sender::default(),
            end: watch::Sender::default(),
            once,
        }))
    }

    /// Begins a session; `None` when there is to be no other.
    pub(super) fn begin(&self) -> Option<Session> {
        let mut number = None;
        self.0.counts.send_if_modified(|counts| {
            let may = !self.0.once || counts.begun == 0;
            if may {
                counts.begun += 1;
                counts.active += 1;
                counts.sessions += 1;
                number = Some(counts.begun);
            }
            may
        });
        number.map(|number| Session {
            sessions: self.clone(),
            number,
        })
    }

    pub(super) fn request(&self) -> Request {
        self.0.counts.send_modify(|counts| counts.active += 1);
        Request(self.clone())
    }

    /// Ends all sessions with `cause`, those that begin from now on, too.
    pub(crate) fn end(&self, cause: CloseCause) {
        self.0.end.send_replace(Some(cause));
    }

    /// Resolves when the first session is over.
    pub(crate) async fn first_is_over(&self) {
        let mut counts = self.0.counts.subscribe();
        let over = |counts: &Counts| counts.begun > 0 && counts.sessions == 0;
        // The sender lives as long as this.
        _ = counts.wait_for(over).await;
    }

    /// Resolves when nothing has been under way for `idle`.
    pub(crate) async fn idle_for(&self, idle: Duration) {
        let mut counts = self.0.counts.subscribe();
        loop {
            _ = counts.wait_for(|counts| counts.active == 0).await;
            if timeout(idle, counts.changed()).await.is_err() {
                return;
            }
        }
    }

    /// How many sessions there are.
    pub(crate) fn count(&self) -> u64 {
        self.0.counts.borrow().sessions
    }
}

impl Session {
    /// Which one it is since the start; the first is 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Has a value when the session is to end.
    pub(super) fn end(&self) -> watch::Receiver<Option<CloseCause>> {
        self.sessions.0.end.subscribe()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.sessions.0.counts.send_modify(|counts| {
            counts.active -= 1;
            counts.sessions -= 1;
        });
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.0.0.counts.send_modify(|counts| counts.active -= 1);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test]
    async fn once_means_one_session_and_its_end() {
        let sessions = Sessions::new(true);
        let first = sessions.begin().unwrap();
        assert_eq!(first.number(), 1);
        assert!(sessions.begin().is_none());
        drop(first);
        sessions.first_is_over().await;
        assert!(sessions.begin().is_none());
        let many = Sessions::new(false);
        let numbers = [(); 3].map(|()| many.begin().unwrap().number());
        assert_eq!(numbers, [1, 2, 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn idle_is_counted_from_the_end_of_the_last_request_or_session() {
        let sessions = Sessions::new(false);
        let started = Instant::now();
        let visitor = sessions.clone();
        let visits = async move {
            let session = visitor.begin();
            tokio::time::sleep(Duration::from_secs(100)).await;
            drop(session);
            tokio::time::sleep(Duration::from_secs(4)).await;
            drop(visitor.request());
        };
        tokio::join!(visits, sessions.idle_for(Duration::from_secs(5)));
        assert_eq!(started.elapsed().as_secs(), 109);
    }

    #[tokio::test]
    async fn the_end_reaches_those_that_are_there_and_those_that_come() {
        let sessions = Sessions::new(false);
        let early = sessions.begin().unwrap().end();
        sessions.end(CloseCause::Stopping);
        let late = sessions.begin().unwrap().end();
        for end in [early, late] {
            assert_eq!(*end.borrow(), Some(CloseCause::Stopping));
        }
    }
}
