//! When a desktop that crashed is started again: later each time, and not for ever.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::owner::Owner;
use crate::model::{DesktopId, EndCause, Geometry, ProfileId};

/// The first pause; each is twice the one before, up to the longest.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(1);
/// Within this time a desktop is started again so often.
const WITHIN: Duration = Duration::from_mins(10);
const MOST: usize = 5;
/// Most desktops whose crashes are remembered.
const MAX_DESKTOPS: usize = 1000;

/// The desktops that have crashed lately.
#[derive(Debug, Default)]
pub(crate) struct Restarts(BTreeMap<DesktopId, Crashes>);

#[derive(Debug, Default)]
struct Crashes {
    at: VecDeque<Instant>,
    next: Option<(Instant, Again)>,
}

/// How a desktop is to be started again.
#[derive(Clone, Debug)]
pub(crate) struct Again {
    pub(crate) owner: Owner,
    pub(crate) profile: ProfileId,
    pub(crate) geometry: Option<Geometry>,
    pub(crate) cause: EndCause,
}

/// Whether such an end is one after which a desktop may be started again.
pub(crate) fn is_crash(cause: &EndCause) -> bool {
    match cause {
        EndCause::ScreenDied { .. }
        | EndCause::SessionDied { .. }
        | EndCause::AgentDied
        | EndCause::OutOfMemory { .. } => true,
        EndCause::Stopped
        | EndCause::Unused { .. }
        | EndCause::HoursUsedUp
        | EndCause::LoggedOut
        | EndCause::SessionMissing { .. }
        | EndCause::ScreenFailed { .. }
        | EndCause::AccountFailed { .. } => false,
    }
}

impl Restarts {
    /// A desktop that could be used has crashed: after which pause it is started again, if at all.
    pub(crate) fn crashed(
        &mut self,
        desktop: &DesktopId,
        again: Again,
        now: Instant,
    ) -> Option<Duration> {
        self.0.retain(|_, crashes| !crashes.are_past(now));
        if self.0.len() >= MAX_DESKTOPS && !self.0.contains_key(desktop) {
            return None;
        }
        let crashes = self.0.entry(desktop.clone()).or_default();
        let recent = |at: &Instant| now.saturating_duration_since(*at) < WITHIN;
        crashes.at.retain(recent);
        if crashes.at.len() >= MOST {
            crashes.next = None;
            return None;
        }
        let doubled = u32::try_from(crashes.at.len()).unwrap_or(u32::MAX);
        let pause = FIRST
            .saturating_mul(2_u32.saturating_pow(doubled))
            .min(LONGEST);
        crashes.at.push_back(now);
        crashes.next = Some((now + pause, again));
        Some(pause)
    }

    /// Somebody has decided otherwise; whether one was to be started again.
    pub(crate) fn cancel(&mut self, desktop: &DesktopId) -> bool {
        let crashes = self.0.get_mut(desktop);
        crashes.is_some_and(|crashes| crashes.next.take().is_some())
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        let next = self.0.values().filter_map(|crashes| crashes.next.as_ref());
        next.map(|(at, _)| *at).min()
    }

    /// Those that are to be started now.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<(DesktopId, Again)> {
        let mut due = Vec::new();
        for (desktop, crashes) in &mut self.0 {
            if let Some((_, again)) = crashes.next.take_if(|(at, _)| *at <= now) {
                due.push((desktop.clone(), again));
            }
        }
        due
    }
}

impl Crashes {
    fn are_past(&self, now: Instant) -> bool {
        let last = self.at.back();
        let past = last.is_none_or(|at| now.saturating_duration_since(*at) >= WITHIN);
        past && self.next.is_none()
    }
}

#[cfg(test)]
mod tests {
    use deskway_osuser::Account;

    use super::*;

    fn again() -> Again {
        Again {
            owner: Owner {
                name: "alice".parse().unwrap(),
                os: Account {
                    name: "alice".to_owned(),
                    uid: 1000,
                    gid: 1000,
                    full_name: String::new(),
                    home: "/home/alice".into(),
                    shell: "".into(),
                },
            },
            profile: "xfce".parse().unwrap(),
            geometry: None,
            cause: EndCause::AgentDied,
        }
    }

    #[test]
    fn each_pause_is_longer_and_after_five_it_stays_down() {
        let (mut restarts, mut now) = (Restarts::default(), Instant::now());
        let desktop: DesktopId = "alice".parse().unwrap();
        let mut pauses = Vec::new();
        while let Some(pause) = restarts.crashed(&desktop, again(), now) {
            assert_eq!(restarts.next(), Some(now + pause));
            assert!(restarts.due(now).is_empty());
            now += pause;
            assert_eq!(restarts.due(now).len(), 1);
            assert_eq!(restarts.next(), None);
            pauses.push(pause.as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16]);
        now += WITHIN;
        let pause = restarts.crashed(&desktop, again(), now);
        assert_eq!(pause, Some(FIRST), "that is long ago");
    }

    #[test]
    fn a_stop_meanwhile_counts_more() {
        let (mut restarts, now) = (Restarts::default(), Instant::now());
        let desktop: DesktopId = "alice".parse().unwrap();
        restarts.crashed(&desktop, again(), now);
        assert!(restarts.cancel(&desktop));
        assert!(!restarts.cancel(&desktop));
        assert!(restarts.due(now + LONGEST).is_empty());
    }

    #[test]
    fn only_what_nobody_wished_is_a_crash() {
        assert!(is_crash(&EndCause::AgentDied));
        for cause in [
            EndCause::Stopped,
            EndCause::LoggedOut,
            EndCause::HoursUsedUp,
        ] {
            assert!(!is_crash(&cause));
        }
    }
}
