//! How fast a desktop starts, stage by stage.

use std::time::Instant;

use crate::launcher::lifecycle::Lifecycle;
use crate::launcher::protocol::Measure;
use crate::model::Stage;

/// The clock of one start. One that an earlier launcher began is not measured.
#[derive(Debug, Default)]
pub(super) struct Pace {
    stage_began: Option<Instant>,
}

impl Pace {
    pub(super) fn begun() -> Self {
        Self {
            stage_began: Some(Instant::now()),
        }
    }

    /// The stage that a step of the desktop's life has ended, and how long it took.
    pub(super) fn step(&mut self, from: &Lifecycle, to: &Lifecycle) -> Option<Measure> {
        let Lifecycle::Starting { stage: from, .. } = from else {
            return None;
        };
        let done = match to {
            Lifecycle::Starting { stage, .. } if stage == from => return None,
            Lifecycle::Starting { .. } | Lifecycle::Ready { .. } => *from,
            Lifecycle::Absent
            | Lifecycle::Frozen { .. }
            | Lifecycle::Stopping { .. }
            | Lifecycle::Gone { .. }
            | Lifecycle::Failed { .. } => {
                self.stage_began = None;
                return None;
            }
        };
        let began = self.stage_began?;
        self.stage_began = (done == Stage::Screen).then(Instant::now);
        let millis = u32::try_from(began.elapsed().as_millis()).unwrap_or(u32::MAX);
        Some(Measure::Started {
            stage: done,
            millis,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stage_is_measured_once_and_a_start_that_fails_not_at_all() {
        let starting = |stage| Lifecycle::Starting { stage, since: 1 };
        let (screen, session) = (starting(Stage::Screen), starting(Stage::Session));
        let ready = Lifecycle::Ready { since: 1 };
        let stopping = Lifecycle::Stopping { end: None };
        let stages = |mut pace: Pace, lives: &[&Lifecycle]| {
            let mut stages = Vec::new();
            for (from, to) in lives.iter().zip(&lives[1..]) {
                if let Some(Measure::Started { stage, .. }) = pace.step(from, to) {
                    stages.push(stage);
                }
            }
            stages
        };
        let whole = [&screen, &screen, &session, &session, &ready, &stopping];
        assert_eq!(
            stages(Pace::begun(), &whole),
            [Stage::Screen, Stage::Session]
        );
        assert_eq!(stages(Pace::default(), &whole), []);
        let failed = [&screen, &session, &stopping];
        assert_eq!(stages(Pace::begun(), &failed), [Stage::Screen]);
    }
}
