//! Finds out when the session is drawn: watches the display, as any X client may, for the window
//! that fills it (a desktop's background, or an application on a small screen).

use std::cell::Cell;
use std::error::Error;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    Atom, ChangeWindowAttributesAux, ConnectionExt, EventMask, MapState, Window,
};
use x11rb::rust_connection::{DefaultStream, PollMode, RustConnection, Stream};
use x11rb::utils::RawFdContainer;

use super::cookie::Cookie;
use super::x_server;

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
    connection: RustConnection<Patient>,
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
        let stream = UnixStream::connect(x_server::socket(display))?;
        let (stream, _peer) = DefaultStream::from_unix_stream(stream)?;
        let stream = Patient {
            stream,
            until: Cell::new(now + PATIENCE),
        };
        let (name, data) = cookie.authorization();
        let connection = RustConnection::connect_to_stream_with_auth_info(stream, 0, name, data)?;
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
        self.connection.stream().stream.as_fd()
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
        self.connection.stream().until.set(now + PATIENCE);
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

/// A stream to an X server that is not waited for without end: the server is its user's, who may
/// have put another one in its place.
struct Patient {
    stream: DefaultStream,
    until: Cell<Instant>,
}

impl Stream for Patient {
    fn poll(&self, mode: PollMode) -> io::Result<()> {
        let mut wanted = PollFlags::empty();
        wanted.set(PollFlags::IN, mode.readable());
        wanted.set(PollFlags::OUT, mode.writable());
        loop {
            let left = self.until.get().saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
            match poll(&mut [PollFd::new(&self.stream, wanted)], Some(&timeout)) {
                Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn read(&self, bytes: &mut [u8], fds: &mut Vec<RawFdContainer>) -> io::Result<usize> {
        self.stream.read(bytes, fds)
    }

    fn write(&self, bytes: &[u8], fds: &mut Vec<RawFdContainer>) -> io::Result<usize> {
        self.stream.write(bytes, fds)
    }
}
