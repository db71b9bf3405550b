//! Desktops as the front knows them: what the launcher tells, asks of it, and who is looking.

mod datagrams;
mod launcher;
mod launcher_link;
mod registry;
mod watching;

pub use launcher::{Launcher, LauncherError, Opened};
pub use launcher_link::{LauncherSocket, LinkEvent};
pub use registry::{
    Ended, Known, MAX_VIEWERS, NewViewer, Registry, Seat, TooManyViewers, ViewerId, Watched,
    Watcher,
};
pub use watching::tell_viewers;
