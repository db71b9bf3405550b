//! Who may connect: what websockify calls authentication plugins.
