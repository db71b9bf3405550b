//! One desktop from its start to its end, as a state that each turn of the loop takes a step on.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::process::Pid;

use crate::model::{EndCause, Exit, Stage};

use super::bus::Bus;
use super::control::{Asked, Control};
use super::cookie::Cookie;
use super::drawn::Watcher;
use super::end::{Ending, Pillars};
use super::inside::Inside;
use super::log::Log;
use super::notice::Words;
use super::protocol::{Command, Session, Spec, Status};
use super::run_dir::RunDir;
use super::signals::Signals;
use super::x_server::{Said, XServer};
use super::{Error, cannot, processes, session, x_server};

pub(super) struct Desktop {
    spec: Spec,
    dir: RunDir,
    /// The session's environment.
    env: Vec<(String, String)>,
    cookie: Cookie,
    log: Log,
    control: Control,
    signals: Signals,
    x_server: Option<XServer>,
    bus: Option<Bus>,
    inside: Inside,
    /// Whether there may be more children to reap than one turn took.
    unreaped: bool,
    state: State,
}

enum State {
    /// The X server and the bus are starting; `drawable` when clients can connect.
    Screen {
        until: Instant,
        drawable: bool,
    },
    /// The session runs; `watcher` sees whether it is drawn.
    Session {
        run: Run,
        until: Instant,
        watcher: Option<Box<Watcher>>,
    },
    Ready {
        run: Run,
    },
    Ending(Ending),
}

/// The session's first process.
#[derive(Clone, Copy)]
struct Run {
    pid: Pid,
    since: Instant,
    exit: Option<Exit>,
}

impl Desktop {
    /// Starts the X server and the bus.
    ///
    /// # Errors
    /// When the run directory cannot be used. All else is told on `agent.sock`.
    pub(super) fn begin(spec: Spec) -> Result<Self, Error> {
        let dir = RunDir::check(&spec.run_dir)?;
        let signals = Signals::listen().map_err(cannot("listen to signals"))?;
        let stage = Stage::Screen;
        let control = Control::listen(dir.agent_socket(), &Status::Starting { stage })
            .map_err(cannot("listen on agent.sock"))?;
        let log = Log::begin(dir.log()).map_err(cannot("begin the log"))?;
        let cookie = Cookie::make().map_err(cannot("make a cookie"))?;
        cookie
            .write(&dir.cookie(), spec.display)
            .map_err(cannot("write the cookie"))?;
        let until = Instant::now() + Duration::from_secs(spec.screen_timeout.into());
        let inside = Inside::new(spec.display);
        let mut desktop = Self {
            env: session::environment(&spec, &dir.cookie()),
            spec,
            dir,
            cookie,
            log,
            control,
            signals,
            x_server: None,
            bus: None,
            inside,
            unreaped: false,
            state: State::Screen {
                until,
                drawable: false,
            },
        };
        desktop.start_screen();
        Ok(desktop)
    }

    /// What the loop is to wait for.
    pub(super) fn fds(&self) -> Vec<BorrowedFd<'_>> {
        let mut fds = Vec::from(self.signals.fds());
        fds.push(self.log.fd());
        fds.extend(self.control.fds());
        fds.extend(self.x_server.as_ref().and_then(XServer::fd));
        fds.extend(self.bus.as_ref().and_then(Bus::fd));
        if let State::Session { watcher, .. } = &self.state {
            fds.extend(watcher.as_ref().map(|watcher| watcher.fd()));
        }
        fds
    }

    /// When the next turn is due even if nothing happens.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        if self.unreaped {
            return Some(now);
        }
        match &self.state {
            State::Screen { until, .. } => Some(*until),
            State::Session { until, watcher, .. } => {
                let look = watcher.as_ref().and_then(|watcher| watcher.deadline());
                Some(look.map_or(*until, |look| look.min(*until)))
            }
            State::Ready { .. } => self.inside.deadline(),
            State::Ending(ending) => Some(ending.deadline(now)),
        }
    }

    /// Takes in all that has happened; true when the desktop is over.
    pub(super) fn turn(&mut self) -> bool {
        self.log.take();
        if self.signals.stop_asked() {
            self.end(EndCause::Stopped);
        }
        for asked in self.control.serve() {
            self.obey(&asked);
        }
        if self.signals.child_ended() || self.unreaped {
            self.reap();
        }
        let now = Instant::now();
        match &self.state {
            State::Screen { .. } => self.advance_screen(now),
            State::Session { .. } => self.advance_session(now),
            State::Ready { .. } => self.advance_inside(now),
            State::Ending(_) => {}
        }
        let pillars = self.pillars();
        match &mut self.state {
            State::Ending(ending) => ending.advance(pillars, now),
            _ => false,
        }
    }

    fn obey(&mut self, asked: &Asked) {
        let now = Instant::now();
        match &asked.command {
            Command::Stop => self.end(EndCause::Stopped),
            Command::Close { seconds } => self.close(Duration::from_secs((*seconds).into()), now),
            Command::TellIdle => self.tell_idle(asked.by, now),
            Command::Show { text, keep } => {
                let (text, keep) = (text.clone(), *keep);
                let words = Words { text, keep };
                if let Err(error) = self.inside.show(&words, &self.env, &self.log, now) {
                    self.log.note(&format!("a notice cannot be shown: {error}"));
                }
            }
        }
    }

    /// An X server that does not answer is not told of: whoever asks notices that nothing comes.
    fn tell_idle(&mut self, to: u64, now: Instant) {
        if !matches!(self.state, State::Ready { .. }) {
            return;
        }
        if let Ok(millis) = self.inside.idle_millis(&self.cookie, now)
            && let Err(error) = self.control.answer(to, &Status::Idle { millis })
        {
            self.log
                .note(&format!("cannot tell the idle time: {error}"));
        }
    }

    /// Asks the windows to close first, where there are any.
    fn close(&mut self, time: Duration, now: Instant) {
        if self.inside.is_closing() {
            return;
        }
        let is_ready = matches!(self.state, State::Ready { .. });
        if !is_ready || self.inside.close(&self.cookie, time, now).is_err() {
            return self.end(EndCause::Stopped);
        }
        self.tell(&Status::Stopping);
    }

    fn advance_inside(&mut self, now: Instant) {
        self.inside.kill_late(now);
        if self.inside.has_closed(&self.cookie, now) {
            self.end(EndCause::Stopped);
        }
    }

    /// Removes what would be left behind, and says how it ended.
    ///
    /// # Errors
    /// When that cannot be said.
    pub(super) fn finish(mut self) -> io::Result<()> {
        let State::Ending(Ending { cause, .. }) = self.state else {
            return Ok(());
        };
        x_server::tidy(self.spec.display);
        self.dir.tidy();
        let log = self.log.tail();
        self.control
            .last(&Status::Ended { cause, log }, &mut self.signals)
    }

    fn start_screen(&mut self) {
        match XServer::start(&self.spec, &self.dir, &self.log) {
            Ok(x_server) => self.x_server = Some(x_server),
            Err(error) => return self.end(EndCause::ScreenFailed { error }),
        }
        match Bus::start(&self.dir.bus_socket(), &self.env, &self.log) {
            Ok(bus) => self.bus = Some(bus),
            Err(error) => self
                .log
                .note(&format!("the session gets no D-Bus of its own: {error}")),
        }
    }

    fn advance_screen(&mut self, now: Instant) {
        let State::Screen { until, drawable } = &mut self.state else {
            return;
        };
        let late = now >= *until;
        let said = self
            .x_server
            .as_mut()
            .map_or(Said::Nothing, |x_server| x_server.said(self.spec.display));
        match said {
            Said::Ready => {
                *drawable = true;
                let stage = Stage::Session;
                self.tell(&Status::Starting { stage });
            }
            Said::Nonsense => {
                let error = "it did not say that it is ready, but something else".into();
                return self.end(EndCause::ScreenFailed { error });
            }
            Said::Nothing => {}
        }
        let State::Screen { drawable: true, .. } = self.state else {
            if late {
                let error = format!("it was not ready after {} s", self.spec.screen_timeout);
                self.end(EndCause::ScreenFailed { error });
            }
            return;
        };
        if late || self.bus.as_mut().is_none_or(Bus::settled) {
            self.start_session(now);
        }
    }

    fn start_session(&mut self, now: Instant) {
        if let Some(bus) = &self.bus {
            let address = bus.address.clone();
            self.env.push(("DBUS_SESSION_BUS_ADDRESS".into(), address));
        }
        let pid = match session::start(&self.spec.session, &self.env, &self.log) {
            Ok(pid) => pid,
            Err(cause) => return self.end(cause),
        };
        let watcher = Watcher::connect(self.spec.display, &self.cookie, now);
        self.state = State::Session {
            run: Run {
                pid,
                since: now,
                exit: None,
            },
            until: now + Duration::from_secs(self.spec.session_timeout.into()),
            watcher: watcher
                .map(Box::new)
                .map_err(|error| self.cannot_watch(&*error))
                .ok(),
        };
    }

    fn cannot_watch(&mut self, error: &dyn std::error::Error) {
        self.log
            .note(&format!("cannot see whether the session is drawn: {error}"));
    }

    fn advance_session(&mut self, now: Instant) {
        let State::Session {
            run,
            until,
            watcher,
        } = &mut self.state
        else {
            return;
        };
        let (run, late) = (*run, now >= *until);
        match watcher.as_mut().map(|watcher| watcher.look(now)) {
            Some(Ok(false)) | None if !late => {}
            Some(Err(error)) => {
                *watcher = None;
                self.cannot_watch(&*error);
            }
            _ => {
                self.state = State::Ready { run };
                self.tell(&Status::Ready);
            }
        }
    }

    /// Reaps every child that has ended, and judges what that means.
    fn reap(&mut self) {
        let (ended, more) = processes::reap();
        self.unreaped = more;
        let mut screen_exit = None;
        for (pid, exit) in ended {
            self.inside.ended(pid);
            if Some(pid) == self.pillars().x_server {
                self.x_server = None;
                screen_exit = Some(exit);
            } else if Some(pid) == self.pillars().bus {
                self.bus = None;
                if !matches!(self.state, State::Ending(_)) {
                    self.log
                        .note(&format!("the session's D-Bus ended with {exit}"));
                }
            }
            match &mut self.state {
                State::Session { run, .. } | State::Ready { run } if run.pid == pid => {
                    run.exit = Some(exit);
                }
                _ => {}
            }
        }
        if let Some(exit) = screen_exit {
            self.screen_ended(exit);
        }
        self.judge_session();
    }

    fn screen_ended(&mut self, how: Exit) {
        match &mut self.state {
            State::Screen { drawable, .. } if !*drawable => {
                let error = format!("it ended at once with {how}");
                self.end(EndCause::ScreenFailed { error });
            }
            State::Ending(ending) => ending.screen_ended(how),
            _ => self.end(EndCause::ScreenDied { how }),
        }
    }

    /// Ends the desktop when its session has ended.
    fn judge_session(&mut self) {
        let (run, drawn) = match &self.state {
            State::Session { run, watcher, .. } => {
                (run, watcher.as_ref().is_some_and(|watcher| watcher.seen()))
            }
            State::Ready { run } => (run, true),
            State::Screen { .. } | State::Ending(_) => return,
        };
        let Some(exit) = run.exit else {
            return;
        };
        if self.spec.session == Session::XStartup && self.session_is_left() {
            return;
        }
        let lasted = run.since.elapsed();
        let cause = session::judge(&self.spec.session, &self.env, exit, lasted, drawn);
        self.end(cause);
    }

    /// Whether something is left of a session whose first process has gone.
    fn session_is_left(&self) -> bool {
        let Pillars { x_server, bus } = self.pillars();
        let ours = x_server.into_iter().chain(bus);
        let but: Vec<Pid> = ours.chain(self.inside.pids()).collect();
        processes::below(&but)
            .iter()
            .any(|process| !process.serves())
    }

    fn pillars(&self) -> Pillars {
        Pillars {
            x_server: self.x_server.as_ref().map(|x_server| x_server.pid),
            bus: self.bus.as_ref().map(|bus| bus.pid),
        }
    }

    /// Begins the end, unless it has begun: the first cause counts.
    fn end(&mut self, cause: EndCause) {
        if matches!(self.state, State::Ending(_)) {
            return;
        }
        if !self.inside.is_closing() {
            self.tell(&Status::Stopping);
        }
        let ending = Ending::begin(cause, self.pillars(), Instant::now());
        self.state = State::Ending(ending);
    }

    fn tell(&mut self, status: &Status) {
        if let Err(error) = self.control.tell(status) {
            self.log.note(&format!("cannot tell the status: {error}"));
        }
    }
}
