//! The session as the X server sees it while it is used: since when nobody has given input, and
//! the windows that can be asked to close.

use std::error::Error;
use std::time::{Duration, Instant};

use x11rb::connection::Connection as _;
use x11rb::protocol::screensaver::ConnectionExt as _;
use x11rb::protocol::xproto::{
    Atom, AtomEnum, ClientMessageEvent, ConnectionExt as _, EventMask, MapState, Window,
};

use super::cookie::Cookie;
use super::patient::{self, Connection};

/// How long the X server may take to answer; the agent has nothing else to wait for meanwhile.
const PATIENCE: Duration = Duration::from_millis(500);
/// Most windows that are looked at.
const MAX_WINDOWS: u32 = 500;
/// Most events thrown away at once: none is asked for, but some come unasked.
const MAX_EVENTS: usize = 256;
/// Most protocols or types of a window that are looked at.
const MAX_ATOMS: u32 = 32;

/// A connection to the display.
pub(super) struct Windows {
    connection: Connection,
    root: Window,
    names: Names,
}

/// The atoms of ICCCM and EWMH that are used here.
struct Names {
    protocols: Atom,
    delete_window: Atom,
    client_list: Atom,
    window_type: Atom,
    /// What is no program's window: panels and the desktop itself.
    furniture: [Atom; 2],
}

impl Windows {
    /// # Errors
    /// When the X server does not let us, or does not answer in [`PATIENCE`].
    pub(super) fn connect(display: u16, cookie: &Cookie) -> Result<Self, Box<dyn Error>> {
        let connection = patient::connect(display, cookie.authorization(), PATIENCE)?;
        let root = connection
            .setup()
            .roots
            .first()
            .ok_or("it has no screen")?
            .root;
        let atom = |name: &str| -> Result<Atom, Box<dyn Error>> {
            Ok(connection
                .intern_atom(false, name.as_bytes())?
                .reply()?
                .atom)
        };
        let names = Names {
            protocols: atom("WM_PROTOCOLS")?,
            delete_window: atom("WM_DELETE_WINDOW")?,
            client_list: atom("_NET_CLIENT_LIST")?,
            window_type: atom("_NET_WM_WINDOW_TYPE")?,
            furniture: [
                atom("_NET_WM_WINDOW_TYPE_DESKTOP")?,
                atom("_NET_WM_WINDOW_TYPE_DOCK")?,
            ],
        };
        Ok(Self {
            connection,
            root,
            names,
        })
    }

    /// How long nobody has typed or moved a pointer (`ScreenSaverQueryInfo` of the MIT-SCREEN-SAVER
    /// extension).
    ///
    /// # Errors
    /// When the X server is gone, has no such clock or does not answer in [`PATIENCE`].
    pub(super) fn idle_millis(&self) -> Result<u64, Box<dyn Error>> {
        self.be_patient()?;
        let info = self.connection.screensaver_query_info(self.root)?.reply()?;
        Ok(info.ms_since_user_input.into())
    }

    /// Asks every window to close that knows how to be asked; how many there are.
    ///
    /// # Errors
    /// When the X server is gone or does not answer in [`PATIENCE`].
    pub(super) fn ask_to_close(&self) -> Result<usize, Box<dyn Error>> {
        let windows = self.that_close()?;
        for &window in &windows {
            let (protocols, delete) = (self.names.protocols, self.names.delete_window);
            let message = ClientMessageEvent::new(
                32,
                window,
                protocols,
                [delete, x11rb::CURRENT_TIME, 0, 0, 0],
            );
            // One that is gone meanwhile is no error.
            self.connection
                .send_event(false, window, EventMask::NO_EVENT, message)?
                .ignore_error();
        }
        self.connection.flush()?;
        Ok(windows.len())
    }

    /// How many windows there are that could be asked.
    ///
    /// # Errors
    /// As [`Windows::ask_to_close`].
    pub(super) fn count(&self) -> Result<usize, Box<dyn Error>> {
        Ok(self.that_close()?.len())
    }

    /// Without a window manager those that are on the screen.
    fn that_close(&self) -> Result<Vec<Window>, Box<dyn Error>> {
        self.be_patient()?;
        let managed = self.list(
            self.root,
            self.names.client_list,
            AtomEnum::WINDOW,
            MAX_WINDOWS,
        )?;
        let mut windows = match managed {
            Some(windows) => windows,
            None => self.on_the_screen()?,
        };
        let mut failed = None;
        windows.retain(|&window| {
            self.closes(window).unwrap_or_else(|error| {
                failed = Some(error);
                false
            })
        });
        failed.map_or(Ok(windows), Err)
    }

    fn on_the_screen(&self) -> Result<Vec<Window>, Box<dyn Error>> {
        let mut seen = Vec::new();
        let all = self.connection.query_tree(self.root)?.reply()?.children;
        for window in all.into_iter().take(usize::try_from(MAX_WINDOWS)?) {
            let attributes = self.connection.get_window_attributes(window)?;
            if let Some(attributes) = attributes.reply_unchecked()?
                && attributes.map_state == MapState::VIEWABLE
            {
                seen.push(window);
            }
        }
        Ok(seen)
    }

    fn closes(&self, window: Window) -> Result<bool, Box<dyn Error>> {
        let atoms = |property| self.list(window, property, AtomEnum::ATOM, MAX_ATOMS);
        let protocols = atoms(self.names.protocols)?.unwrap_or_default();
        let types = atoms(self.names.window_type)?.unwrap_or_default();
        let is_furniture = types.iter().any(|of| self.names.furniture.contains(of));
        Ok(protocols.contains(&self.names.delete_window) && !is_furniture)
    }

    /// `None`: the window has no such property, or is gone.
    fn list(
        &self,
        window: Window,
        property: Atom,
        kind: AtomEnum,
        most: u32,
    ) -> Result<Option<Vec<u32>>, Box<dyn Error>> {
        let asked = self
            .connection
            .get_property(false, window, property, kind, 0, most)?;
        let reply = asked.reply_unchecked()?;
        Ok(reply.and_then(|reply| Some(reply.value32()?.collect())))
    }

    fn be_patient(&self) -> Result<(), Box<dyn Error>> {
        self.connection
            .stream()
            .wait_until(Instant::now() + PATIENCE);
        for _ in 0..MAX_EVENTS {
            if self.connection.poll_for_event()?.is_none() {
                break;
            }
        }
        Ok(())
    }
}
