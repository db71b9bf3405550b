//! Finds out when the session is drawn: watches the display, as any X client may, for the window
//! that fills it (a desktop's background, or an application on a small screen).

use std::error::Error;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use x11rb::connection::Connection as _;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    Atom, ChangeWindowAttributesAux, ConnectionExt, EventMask, MapState, Window,
};

use super::cookie::Cookie;
use super::patient::{self, Connection};

/// A window is the session's background when it covers one part in this many of the screen.
const LARGE: u32 = 4;
/// A window counts as something to see when it covers one part in this many of the screen.
const SMALL: u32 = 100;
/// How long a session that shows something, but nothing large, is given to show more: a bare
/// window manager, one small terminal.
const SETTLED: Duration = Duration::from_secs(2);
/// How long the X server may take for all answers of one look at it.
const PATIENCE: Duration = Duration::from_secs(2);
/// Most events looked at in one turn of the loop.
const MAX_TURN: usize = 256;

/// A connection to the display that sees windows come.
pub(super) struct Watcher {
    connection: Connection,
    root: Window,
    /// The screen's size in pixels.
    area: u32,
    /// The property by which a window manager announces itself (EWMH, "Root Window Properties").
    window_manager: Atom,
    /// When something was first seen.
    seen: Option<Instant>,
    filled: bool,
}

impl Watcher {
    /// Connects to `display` and begins to watch.
    ///
    /// # Errors
    /// When the X server does not let us, or does not answer in [`PATIENCE`].
    pub(super) fn connect(
        display: u16,
        cookie: &Cookie,
        now: Instant,
    ) -> Result<Self, Box<dyn Error>> {
        let connection = patient::connect(display, cookie.authorization(), PATIENCE)?;
        let screen = connection.setup().roots.first().ok_or("no screen")?;
        let root = screen.root;
        let area = u32::from(screen.width_in_pixels) * u32::from(screen.height_in_pixels);
        connection.change_window_attributes(
            root,
            &ChangeWindowAttributesAux::new()
                .event_mask(EventMask::SUBSTRUCTURE_NOTIFY | EventMask::PROPERTY_CHANGE),
        )?;
        let name = connection.intern_atom(false, b"_NET_SUPPORTING_WM_CHECK")?;
        let window_manager = name.reply()?.atom;
        let mut watcher = Self {
            connection,
            root,
            area,
            window_manager,
            seen: None,
            filled: false,
        };
        watcher.look_at_all(now)?;
        Ok(watcher)
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.connection.stream().fd()
    }

    /// Whether anything at all has been seen.
    pub(super) fn seen(&self) -> bool {
        self.seen.is_some()
    }

    /// When to look again even if the X server says nothing.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.seen.map(|seen| seen + SETTLED)
    }

    /// Takes in what has happened on the display; true when the session is drawn.
    ///
    /// # Errors
    /// When the X server is gone or does not answer in [`PATIENCE`].
    pub(super) fn look(&mut self, now: Instant) -> Result<bool, Box<dyn Error>> {
        self.connection.stream().wait_until(now + PATIENCE);
        for _ in 0..MAX_TURN {
            let Some(event) = self.connection.poll_for_event()? else {
                break;
            };
            match event {
                Event::MapNotify(event) if !event.override_redirect => {
                    self.look_at(event.window, now)?;
                }
                Event::ConfigureNotify(event) if !event.override_redirect => {
                    self.look_at(event.window, now)?;
                }
                Event::PropertyNotify(event) if event.atom == self.window_manager => {
                    self.seen.get_or_insert(now);
                }
                _ => {}
            }
        }
        Ok(self.filled || self.deadline().is_some_and(|deadline| now >= deadline))
    }

    /// Looks at what was there before we watched.
    fn look_at_all(&mut self, now: Instant) -> Result<(), Box<dyn Error>> {
        let windows = self.connection.query_tree(self.root)?.reply()?.children;
        for window in windows.into_iter().take(MAX_TURN) {
            self.look_at(window, now)?;
        }
        Ok(())
    }

    /// A window that is gone meanwhile is no error.
    fn look_at(&mut self, window: Window, now: Instant) -> Result<(), Box<dyn Error>> {
        let attributes = self.connection.get_window_attributes(window)?;
        let geometry = self.connection.get_geometry(window)?;
        let (Some(attributes), Some(geometry)) =
            (attributes.reply_unchecked()?, geometry.reply_unchecked()?)
        else {
            return Ok(());
        };
        if attributes.map_state != MapState::VIEWABLE || attributes.override_redirect {
            return Ok(());
        }
        let size = u32::from(geometry.width) * u32::from(geometry.height);
        if size >= self.area / SMALL {
            self.seen.get_or_insert(now);
        }
        self.filled |= size >= self.area / LARGE;
        Ok(())
    }
}
