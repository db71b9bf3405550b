//! The end of a desktop, step by step: ask the session's programs to end, then all, then make
//! them, and last the X server, on which they draw.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::model::{EndCause, Exit};

use super::processes::{self, Process};

/// What the session's programs have for saving their work after SIGTERM.
const SESSION_GRACE: Duration = Duration::from_secs(5);
/// What the bus, and what it started, have after SIGTERM.
const REST_GRACE: Duration = Duration::from_secs(1);
/// How long processes are killed until those are left that the owner may not kill.
const KILL_TIME: Duration = Duration::from_secs(1);
/// What the X server has after SIGTERM.
const SCREEN_GRACE: Duration = Duration::from_secs(2);
/// How often new processes are looked for while all are killed.
const KILL_INTERVAL: Duration = Duration::from_millis(20);

const SIGTERM: i32 = Signal::TERM.as_raw();

/// A desktop's end under way.
pub(super) struct Ending {
    pub(super) cause: EndCause,
    step: Step,
    until: Instant,
}

/// The pids that need care of their own; `None` when one is not, or no longer, there.
#[derive(Clone, Copy)]
pub(super) struct Pillars {
    pub(super) x_server: Option<Pid>,
    pub(super) bus: Option<Pid>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The session's programs have SIGTERM; what serves them is still there.
    Session,
    /// All but the X server have SIGTERM.
    Rest,
    /// All but the X server have SIGKILL.
    Kill,
    /// The X server has SIGTERM.
    Screen,
    /// The X server has SIGKILL.
    KillScreen,
    /// What the X server had started has SIGKILL.
    Remains,
    Over,
}

impl Ending {
    /// Begins the end.
    pub(super) fn begin(cause: EndCause, pillars: Pillars, now: Instant) -> Self {
        let mut ending = Self {
            cause,
            step: Step::Session,
            until: now,
        };
        ending.enter(Step::Session, pillars, now);
        ending
    }

    /// The X server has ended. When we did not end it, the session's end was its consequence,
    /// which was only noticed first.
    pub(super) fn screen_ended(&mut self, how: Exit) {
        let ours = match self.step {
            Step::Session | Step::Rest | Step::Kill => false,
            Step::Screen => matches!(how, Exit::Code(0) | Exit::Signal(SIGTERM)),
            Step::KillScreen | Step::Remains | Step::Over => true,
        };
        let consequence = matches!(
            self.cause,
            EndCause::SessionDied { .. } | EndCause::LoggedOut
        );
        if consequence && !ours {
            self.cause = EndCause::ScreenDied { how };
        }
    }

    /// When to look again even if no child ends.
    pub(super) fn deadline(&self, now: Instant) -> Instant {
        if matches!(self.step, Step::Kill | Step::Remains) {
            self.until.min(now + KILL_INTERVAL)
        } else {
            self.until
        }
    }

    /// Goes on as far as it can; true when the end is reached.
    pub(super) fn advance(&mut self, pillars: Pillars, now: Instant) -> bool {
        while self.step != Step::Over {
            let left = self.left(pillars);
            let done = match self.step {
                Step::Screen | Step::KillScreen | Step::Over => pillars.x_server.is_none(),
                Step::Session | Step::Rest | Step::Kill | Step::Remains => left.is_empty(),
            };
            let next = match self.step {
                _ if !done && now < self.until => {
                    if matches!(self.step, Step::Kill | Step::Remains) {
                        processes::signal(&left, Signal::KILL);
                    }
                    return false;
                }
                Step::Session => Step::Rest,
                Step::Rest if !done => Step::Kill,
                Step::Rest | Step::Kill => Step::Screen,
                Step::Screen if !done => Step::KillScreen,
                Step::Screen | Step::KillScreen => Step::Remains,
                Step::Remains | Step::Over => Step::Over,
            };
            self.enter(next, pillars, now);
        }
        true
    }

    fn enter(&mut self, step: Step, pillars: Pillars, now: Instant) {
        self.step = step;
        let screen = |signal| {
            if let Some(pid) = pillars.x_server {
                let _gone = kill_process(pid, signal);
            }
        };
        let grace = match step {
            Step::Session => {
                processes::signal(&self.left(pillars), Signal::TERM);
                SESSION_GRACE
            }
            Step::Rest => {
                processes::signal(&self.left(pillars), Signal::TERM);
                REST_GRACE
            }
            Step::Kill | Step::Remains => {
                processes::signal(&self.left(pillars), Signal::KILL);
                KILL_TIME
            }
            Step::Screen => {
                screen(Signal::TERM);
                SCREEN_GRACE
            }
            Step::KillScreen => {
                screen(Signal::KILL);
                KILL_TIME
            }
            Step::Over => Duration::ZERO,
        };
        self.until = now + grace;
    }

    /// The processes that this step is about, the X server's aside.
    fn left(&self, pillars: Pillars) -> Vec<Process> {
        let but: Vec<Pid> = match self.step {
            Step::Session => pillars.x_server.into_iter().chain(pillars.bus).collect(),
            _ => pillars.x_server.into_iter().collect(),
        };
        let mut left = processes::below(&but);
        if self.step == Step::Session {
            left.retain(|process| !process.serves());
        }
        left
    }
}
