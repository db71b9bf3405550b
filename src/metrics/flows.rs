//! The bytes of all viewers, added up when somebody asks, so that moving them costs nothing more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::bridge::Traffic;

/// What viewers have received and sent.
#[derive(Debug, Default)]
pub struct Flows(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    next: u64,
    open: HashMap<u64, Arc<Traffic>>,
    /// Of those who have left: to browsers and from them.
    past: (u64, u64),
}

/// One viewer's share; when it is dropped, the viewer has left.
#[derive(Debug)]
pub struct Carried {
    flows: Arc<Flows>,
    number: u64,
}

impl Flows {
    /// Counts what a connection moves.
    pub fn count(self: &Arc<Self>, traffic: Arc<Traffic>) -> Carried {
        let mut counted = self.lock();
        counted.next += 1;
        let number = counted.next;
        counted.open.insert(number, traffic);
        Carried {
            flows: Arc::clone(self),
            number,
        }
    }

    /// To browsers and from them, so far.
    pub(super) fn bytes(&self) -> (u64, u64) {
        let counted = self.lock();
        let open = counted.open.values();
        open.fold(counted.past, |sum, traffic| add(sum, traffic))
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        let mut counted = self.flows.lock();
        if let Some(traffic) = counted.open.remove(&self.number) {
            counted.past = add(counted.past, &traffic);
        }
    }
}

fn add((to, from): (u64, u64), traffic: &Traffic) -> (u64, u64) {
    (to + traffic.to_browser(), from + traffic.from_browser())
}
