//! What goes wrong on a connection, and at whose door it lies.

use std::io;

use deskway_rfb::{FramerError, HandshakeError, Unknown};

use super::CloseCause;
use super::heartbeat::DEAD_AFTER;
use super::websocket::Violation;

/// Why a connection could not go on. For the log; the browser gets the [`CloseCause`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The browser's connection failed: the network's fault, or the browser is gone.
    #[error("the browser's connection failed: {0}")]
    Browser(#[source] io::Error),
    /// The browser breaks the rules of WebSocket.
    #[error("the browser breaks the WebSocket protocol: {0}")]
    WebSocket(#[from] Violation),
    /// The browser breaks the rules of RFB.
    #[error("the viewer breaks the RFB protocol: {0}")]
    Message(#[source] FramerError),
    /// The browser's handshake with the bridge went wrong.
    #[error("the viewer's handshake failed: {0}")]
    Greeting(#[source] HandshakeError),
    /// A viewer who may only watch sent what cannot be shown to be harmless.
    #[error("a view-only viewer sent what is not understood: {0}")]
    NotForViewers(Unknown),
    /// The browser gave no sign of life.
    #[error("the browser gave no sign of life for {} s", DEAD_AFTER.as_secs())]
    Silent,
    /// The desktop's connection failed.
    #[error("the desktop's connection failed: {0}")]
    Desktop(#[source] io::Error),
    /// The desktop took the connection and said nothing.
    #[error("the desktop does not answer")]
    Unanswered,
    /// The desktop ended its connection in the middle of the handshake.
    #[error("the desktop ended the handshake")]
    DesktopSilent,
    /// The desktop's handshake with the bridge went wrong.
    #[error("the desktop's handshake failed: {0}")]
    DesktopGreeting(#[source] HandshakeError),
    /// Nobody said in time why the desktop ended.
    #[error("nobody knows why the desktop ended")]
    Unexplained,
}

/// At whose door an [`Error`] lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The browser, or the network on the way to it.
    Browser,
    /// The desktop: its X server or what stands in for it.
    Desktop,
    /// Deskway itself.
    Us,
}

impl Error {
    pub fn fault(&self) -> Fault {
        match self {
            Self::Browser(_)
            | Self::WebSocket(_)
            | Self::Message(_)
            | Self::Greeting(_)
            | Self::NotForViewers(_)
            | Self::Silent => Fault::Browser,
            Self::Unanswered
            | Self::Desktop(_)
            | Self::DesktopSilent
            | Self::DesktopGreeting(_) => Fault::Desktop,
            Self::Unexplained => Fault::Us,
        }
    }

    /// What the browser is told.
    pub(super) fn cause(&self) -> CloseCause {
        match self {
            Self::WebSocket(Violation::Text) => CloseCause::NotBinary,
            Self::WebSocket(Violation::TooLong(_)) | Self::Message(_) => CloseCause::TooBig,
            Self::WebSocket(Violation::CloseReason) => CloseCause::NotUtf8,
            Self::WebSocket(violation) => CloseCause::Protocol(violation.to_string()),
            Self::Greeting(error) => CloseCause::Protocol(error.to_string()),
            Self::NotForViewers(unknown) => CloseCause::Protocol(unknown.to_string()),
            Self::Browser(_) | Self::Silent => CloseCause::Vanished,
            Self::Unanswered => CloseCause::Unanswered,
            Self::Desktop(_)
            | Self::DesktopSilent
            | Self::DesktopGreeting(_)
            | Self::Unexplained => CloseCause::Unreachable,
        }
    }
}
