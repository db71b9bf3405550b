//! Flags → checked settings: what is wrong is said before anything is opened.
