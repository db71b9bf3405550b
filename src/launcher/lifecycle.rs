//! The life of one desktop as a pure state machine:
//! Absent → Starting → Ready ⇄ Frozen → Stopping → Gone or Failed.

use crate::agent::protocol::Status;
use crate::model::{DesktopState, EndCause, Stage};

/// Where a desktop is. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lifecycle {
    Absent,
    Starting {
        stage: Stage,
        since: u64,
    },
    Ready {
        since: u64,
    },
    /// Its processes stand still since `at`.
    Frozen {
        since: u64,
        at: u64,
    },
    /// Its processes are going; `end` is why, when the agent has said so.
    Stopping {
        end: Option<End>,
    },
    Gone {
        cause: EndCause,
        at: u64,
    },
    Failed {
        cause: EndCause,
        log: String,
        at: u64,
    },
}

/// Why a desktop ended, and the end of its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    pub cause: EndCause,
    pub log: String,
}

/// What can happen to a desktop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Its processes are being made.
    Start,
    /// The agent says where it is.
    Agent(Status),
    /// It was made to stand still.
    Froze,
    /// It goes on.
    Thawed,
    /// It is to end. With a cause, that is why, whatever the agent says later.
    StopAsked(Option<EndCause>),
    /// It cannot be run for this account.
    Refused(End),
    /// Nothing of it is left. `otherwise` is the reason when nobody gave one.
    Over { otherwise: End },
}

impl Lifecycle {
    /// The state after `event`, at `now`. What makes no sense in a state changes nothing.
    #[must_use]
    pub fn on(self, event: Event, now: u64) -> Self {
        match event {
            Event::Start => self.start(now),
            Event::Agent(Status::Starting { stage }) => self.reach(stage),
            Event::Agent(Status::Ready) => self.ready(now),
            Event::Agent(Status::Idle { .. }) => self,
            Event::Froze => self.freeze(now),
            Event::Thawed => self.thaw(),
            Event::Agent(Status::Stopping) | Event::StopAsked(None) => self.stop(None),
            Event::StopAsked(Some(cause)) => self.stop(Some(End {
                cause,
                log: String::new(),
            })),
            Event::Agent(Status::Ended { cause, log }) => self.stop(Some(End { cause, log })),
            Event::Refused(end) => self.stop(Some(end)),
            Event::Over { otherwise } => self.over(otherwise, now),
        }
    }

    /// Whether processes of it may be running.
    pub fn is_running(&self) -> bool {
        match self {
            Self::Starting { .. }
            | Self::Ready { .. }
            | Self::Frozen { .. }
            | Self::Stopping { .. } => true,
            Self::Absent | Self::Gone { .. } | Self::Failed { .. } => false,
        }
    }

    /// Whether a viewer can connect, once it is thawed: `None` when that is still to come.
    pub fn screen_is_up(&self) -> Option<bool> {
        match self {
            Self::Starting {
                stage: Stage::Screen,
                ..
            } => None,
            Self::Starting {
                stage: Stage::Session,
                ..
            }
            | Self::Ready { .. }
            | Self::Frozen { .. } => Some(true),
            Self::Absent | Self::Stopping { .. } | Self::Gone { .. } | Self::Failed { .. } => {
                Some(false)
            }
        }
    }

    /// Why it ended, once it has.
    pub fn cause(&self) -> Option<&EndCause> {
        match self {
            Self::Gone { cause, .. } | Self::Failed { cause, .. } => Some(cause),
            Self::Absent
            | Self::Starting { .. }
            | Self::Ready { .. }
            | Self::Frozen { .. }
            | Self::Stopping { .. } => None,
        }
    }

    /// As its owner is shown it.
    pub fn state(&self) -> DesktopState {
        match self.clone() {
            Self::Absent => DesktopState::Absent,
            Self::Starting { stage, since } => DesktopState::Starting { stage, since },
            Self::Ready { since } => DesktopState::Ready { since },
            Self::Frozen { since, at } => DesktopState::Frozen { since, at },
            Self::Stopping { .. } => DesktopState::Stopping,
            Self::Gone { cause, at } => DesktopState::Gone { cause, at },
            Self::Failed { cause, log, at } => DesktopState::Failed { cause, log, at },
        }
    }

    fn start(self, now: u64) -> Self {
        match self {
            Self::Absent | Self::Gone { .. } | Self::Failed { .. } => Self::Starting {
                stage: Stage::Screen,
                since: now,
            },
            Self::Starting { .. }
            | Self::Ready { .. }
            | Self::Frozen { .. }
            | Self::Stopping { .. } => self,
        }
    }

    fn freeze(self, now: u64) -> Self {
        match self {
            Self::Ready { since } => Self::Frozen { since, at: now },
            other => other,
        }
    }

    fn thaw(self) -> Self {
        match self {
            Self::Frozen { since, .. } => Self::Ready { since },
            other => other,
        }
    }

    /// Stages are only gone forwards.
    fn reach(self, reached: Stage) -> Self {
        match self {
            Self::Starting { stage, since } => Self::Starting {
                stage: stage.max(reached),
                since,
            },
            Self::Absent
            | Self::Ready { .. }
            | Self::Frozen { .. }
            | Self::Stopping { .. }
            | Self::Gone { .. }
            | Self::Failed { .. } => self,
        }
    }

    fn ready(self, now: u64) -> Self {
        match self {
            Self::Starting { .. } => Self::Ready { since: now },
            Self::Absent
            | Self::Ready { .. }
            | Self::Frozen { .. }
            | Self::Stopping { .. }
            | Self::Gone { .. }
            | Self::Failed { .. } => self,
        }
    }

    /// The first reason that was given counts.
    fn stop(self, end: Option<End>) -> Self {
        match self {
            Self::Starting { .. }
            | Self::Ready { .. }
            | Self::Frozen { .. }
            | Self::Stopping { end: None } => Self::Stopping { end },
            Self::Stopping { end: Some(_) }
            | Self::Absent
            | Self::Gone { .. }
            | Self::Failed { .. } => self,
        }
    }

    fn over(self, otherwise: End, now: u64) -> Self {
        let end = match self {
            Self::Starting { .. } | Self::Ready { .. } | Self::Frozen { .. } => otherwise,
            Self::Stopping { end: Some(end) } => end,
            Self::Stopping { end: None } => End {
                cause: EndCause::Stopped,
                log: String::new(),
            },
            Self::Absent | Self::Gone { .. } | Self::Failed { .. } => return self,
        };
        match end.cause {
            EndCause::Stopped
            | EndCause::LoggedOut
            | EndCause::Unused { .. }
            | EndCause::HoursUsedUp => Self::Gone {
                cause: end.cause,
                at: now,
            },
            EndCause::SessionMissing { .. }
            | EndCause::SessionDied { .. }
            | EndCause::ScreenDied { .. }
            | EndCause::ScreenFailed { .. }
            | EndCause::OutOfMemory { .. }
            | EndCause::AgentDied
            | EndCause::AccountFailed { .. } => Self::Failed {
                cause: end.cause,
                log: end.log,
                at: now,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Exit;

    fn died() -> Event {
        Event::Over {
            otherwise: End {
                cause: EndCause::AgentDied,
                log: "last words".to_owned(),
            },
        }
    }

    fn after(events: impl IntoIterator<Item = Event>) -> Lifecycle {
        (1..)
            .zip(events)
            .fold(Lifecycle::Absent, |life, (now, event)| life.on(event, now))
    }

    fn stage(stage: Stage) -> Event {
        Event::Agent(Status::Starting { stage })
    }

    fn ended(cause: EndCause) -> Event {
        let log = "log".to_owned();
        Event::Agent(Status::Ended { cause, log })
    }

    #[test]
    fn a_desktop_that_is_stopped_is_gone() {
        let life = after([
            Event::Start,
            stage(Stage::Session),
            Event::Agent(Status::Ready),
            Event::StopAsked(None),
            ended(EndCause::Stopped),
            died(),
        ]);
        let cause = EndCause::Stopped;
        assert_eq!(life, Lifecycle::Gone { cause, at: 6 });
    }

    #[test]
    fn what_the_agent_said_is_the_cause_and_not_its_own_end() {
        let how = Exit::Signal(11);
        let life = after([Event::Start, ended(EndCause::ScreenDied { how }), died()]);
        let (cause, log) = (EndCause::ScreenDied { how }, "log".to_owned());
        assert_eq!(life, Lifecycle::Failed { cause, log, at: 3 });
    }

    #[test]
    fn an_agent_that_says_nothing_was_killed() {
        let life = after([Event::Start, Event::Agent(Status::Ready), died()]);
        let (cause, log) = (EndCause::AgentDied, "last words".to_owned());
        assert_eq!(life, Lifecycle::Failed { cause, log, at: 3 });
    }

    #[test]
    fn a_stop_that_had_to_kill_is_still_a_stop() {
        let life = after([Event::Start, Event::StopAsked(None), died()]);
        assert!(matches!(life, Lifecycle::Gone { .. }), "{life:?}");
    }

    #[test]
    fn stages_do_not_go_back() {
        let life = after([Event::Start, stage(Stage::Session), stage(Stage::Screen)]);
        assert_eq!(life.screen_is_up(), Some(true));
        let life = life
            .on(Event::StopAsked(None), 9)
            .on(Event::Agent(Status::Ready), 9);
        assert_eq!(life.state(), DesktopState::Stopping);
    }

    #[test]
    fn it_can_be_started_again_once_it_is_over_but_not_before() {
        let over = after([Event::Start, died()]).on(Event::Start, 9);
        let stage = Stage::Screen;
        assert_eq!(over, Lifecycle::Starting { stage, since: 9 });
        let stopping = after([Event::Start, Event::StopAsked(None)]);
        assert_eq!(stopping.clone().on(Event::Start, 9), stopping);
    }

    #[test]
    fn nothing_happens_to_what_is_not_there() {
        for event in [
            stage(Stage::Session),
            Event::Agent(Status::Ready),
            Event::StopAsked(None),
            died(),
        ] {
            assert_eq!(Lifecycle::Absent.on(event, 1), Lifecycle::Absent);
        }
    }
}
