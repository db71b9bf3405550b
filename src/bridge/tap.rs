//! Somebody who sees what goes through: a recording, a trace.

/// Looks on; what it does holds the connection up.
pub trait Tap: Send {
    fn saw(&mut self, event: Event<'_>);
}

/// What happens on a connection, in the order in which it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The browser sent these bytes: a message or a part of one, the mask off.
    FromBrowser(&'a [u8]),
    /// The desktop took all that there was for it, or a part.
    ToDesktop { whole: bool },
    /// The desktop sent these bytes.
    FromDesktop(&'a [u8]),
    /// The browser took a whole frame, or a part.
    ToBrowser { whole: bool },
}

/// At most one of them.
#[derive(Default)]
pub(super) struct Onlooker(pub(super) Option<Box<dyn Tap>>);

impl Onlooker {
    pub(super) fn is_there(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn saw(&mut self, event: Event<'_>) {
        if let Some(tap) = &mut self.0 {
            tap.saw(event);
        }
    }
}
