//! What the limit of open files is enough for.

use rustix::process::{Resource, getrlimit};
use tracing::warn;

use crate::bridge;

/// Descriptors that are no connection's: standard ones, the log, the wrapped program, name
/// lookups, files of tokens, the main thread's runtime.
const OTHERS: u64 = 16;
/// A thread's runtime, and its share of a listening socket.
const EACH_THREAD: u64 = 5;
/// A connection's: the browser's side, and the target's or a file.
const EACH_CONNECTION: u64 = 2;
/// Below this limit each descriptor counts: bytes are copied instead of moved through pipes, and
/// there are fewer threads.
const PLENTY: u64 = 1024;
/// As many descriptors at least are there for each thread.
const FOR_A_THREAD: u64 = 64;

/// How descriptors are shared out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shares {
    pub(super) threads: usize,
    /// How many there may be at a time.
    pub(super) connections: usize,
    has_plenty: bool,
}

impl Shares {
    /// Of this process's limit, on so many processors. Says so when that is low.
    pub(super) fn of_limit(processors: usize) -> Self {
        let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let shares = Self::of(descriptors, processors);
        if !shares.has_plenty {
            warn!(
                "the limit of open files is {descriptors}: {} connections are served at a time at \
                 most; raise it with `ulimit -n` or LimitNOFILE= for more",
                shares.connections
            );
            bridge::forgo_pipes();
        }
        shares
    }

    fn of(descriptors: u64, processors: usize) -> Self {
        let has_plenty = descriptors >= PLENTY;
        let threads = usize::try_from(descriptors / FOR_A_THREAD).unwrap_or(usize::MAX);
        let threads = threads.clamp(1, processors.max(1));
        let pipes = if has_plenty {
            bridge::most_pipe_descriptors(threads)
        } else {
            0
        };
        let others = OTHERS + EACH_THREAD * threads as u64 + pipes as u64;
        let connections = descriptors.saturating_sub(others) / EACH_CONNECTION;
        Self {
            threads,
            connections: usize::try_from(connections).unwrap_or(usize::MAX).max(1),
            has_plenty,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_limit_serves_as_many_as_it_can() {
        for (descriptors, processors, threads, connections) in [
            (20, 2, 1, 1),
            (64, 8, 1, 21),
            (256, 2, 2, 115),
            (256, 64, 4, 110),
        ] {
            let shares = Shares::of(descriptors, processors);
            let expected = Shares {
                threads,
                connections,
                has_plenty: false,
            };
            assert_eq!(shares, expected);
        }
    }

    #[test]
    fn where_there_is_plenty_pipes_have_their_part() {
        let shares = Shares::of(4096, 2);
        assert!(shares.has_plenty && shares.threads == 2);
        assert!((1900..2040).contains(&shares.connections), "{shares:?}");
        assert!(Shares::of(u64::MAX, 2).connections > 1_000_000);
    }
}
