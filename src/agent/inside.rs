//! What the agent does inside a session that is used: asks the X server's clock, shows notices, and
//! asks windows to close.

use std::error::Error;
use std::time::{Duration, Instant};

use rustix::process::Pid;

use super::cookie::Cookie;
use super::log::Log;
use super::notice::{Notice, Words};
use super::windows::Windows;

/// Most notices that are shown at once; one more takes the place of the oldest.
const MAX_NOTICES: usize = 4;
/// Between two looks whether the windows have closed.
const LOOK: Duration = Duration::from_millis(250);

/// The agent's hold on a session.
pub(super) struct Inside {
    display: u16,
    windows: Option<Windows>,
    notices: Vec<Notice>,
    closing: Option<Closing>,
}

/// Windows were asked to close, and have until then.
#[derive(Clone, Copy)]
struct Closing {
    until: Instant,
    look: Instant,
}

impl Inside {
    pub(super) fn new(display: u16) -> Self {
        Self {
            display,
            windows: None,
            notices: Vec::new(),
            closing: None,
        }
    }

    /// How long nobody has given input. What asks whether it is in use goes when it is.
    ///
    /// # Errors
    /// When the X server does not say it in time.
    pub(super) fn idle_millis(
        &mut self,
        cookie: &Cookie,
        now: Instant,
    ) -> Result<u64, Box<dyn Error>> {
        let millis = self.with_windows(cookie, Windows::idle_millis)?;
        for notice in &mut self.notices {
            notice.heed_input(Duration::from_millis(millis), now);
        }
        Ok(millis)
    }

    /// # Errors
    /// When its process cannot be started.
    pub(super) fn show(
        &mut self,
        words: &Words,
        env: &[(String, String)],
        log: &Log,
        now: Instant,
    ) -> std::io::Result<()> {
        // One question is enough.
        for notice in &mut self.notices {
            if words.keep && notice.asks() {
                notice.withdraw(now);
            }
        }
        let shown = |notice: &&mut Notice| !notice.is_withdrawn();
        if self.notices.iter_mut().filter(shown).count() >= MAX_NOTICES
            && let Some(oldest) = self.notices.iter_mut().find(shown)
        {
            oldest.withdraw(now);
        }
        self.notices.push(Notice::show(words, env, log, now)?);
        Ok(())
    }

    /// Asks all windows to close within that time.
    ///
    /// # Errors
    /// When the X server does not take it in time: then there is nothing to wait for.
    pub(super) fn close(
        &mut self,
        cookie: &Cookie,
        time: Duration,
        now: Instant,
    ) -> Result<(), Box<dyn Error>> {
        for notice in &mut self.notices {
            notice.withdraw(now);
        }
        self.with_windows(cookie, Windows::ask_to_close)?;
        self.closing = Some(Closing {
            until: now + time,
            look: now + LOOK,
        });
        Ok(())
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// Whether all windows have closed, or had their time.
    pub(super) fn has_closed(&mut self, cookie: &Cookie, now: Instant) -> bool {
        let Some(Closing { until, look }) = self.closing else {
            return false;
        };
        if now < look {
            return false;
        }
        self.closing = Some(Closing {
            until,
            look: now + LOOK,
        });
        let left = self.with_windows(cookie, Windows::count);
        now >= until || left.is_ok_and(|left| left == 0)
    }

    /// The processes that show notices: they are none of the session's.
    pub(super) fn pids(&self) -> impl Iterator<Item = Pid> {
        self.notices.iter().map(Notice::pid)
    }

    /// A child has ended.
    pub(super) fn ended(&mut self, pid: Pid) {
        self.notices.retain(|notice| notice.pid() != pid);
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let kills = self.notices.iter().filter_map(Notice::kill_at);
        let look = self.closing.map(|closing| closing.look);
        kills.chain(look).min()
    }

    pub(super) fn kill_late(&mut self, now: Instant) {
        for notice in &mut self.notices {
            notice.kill_late(now);
        }
    }

    /// A connection that has failed is made anew the next time.
    fn with_windows<T>(
        &mut self,
        cookie: &Cookie,
        ask: impl FnOnce(&Windows) -> Result<T, Box<dyn Error>>,
    ) -> Result<T, Box<dyn Error>> {
        let windows = match self.windows.take() {
            Some(windows) => windows,
            None => Windows::connect(self.display, cookie)?,
        };
        let answer = ask(&windows)?;
        self.windows = Some(windows);
        Ok(answer)
    }
}
