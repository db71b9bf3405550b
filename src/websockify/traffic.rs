//! `--traffic`: a character on standard output for each read and write.

use std::io::{self, Write};

use crate::bridge::{Event, Tap};

const LEGEND: &str = "
Traffic:
    }   from the browser
    {   from the target
    >   to the target
    .>  to the target, a part
    <   to the browser
    <.  to the browser, a part
";

/// Prints what goes through one session.
#[derive(Debug)]
pub(super) struct Traffic<W = io::Stdout> {
    /// `None` from when nobody reads it.
    out: Option<W>,
}

impl Traffic {
    /// Prints what the characters mean.
    pub(super) fn new() -> Self {
        Self::on(io::stdout())
    }
}

impl<W: Write> Traffic<W> {
    fn on(out: W) -> Self {
        let mut traffic = Self { out: Some(out) };
        traffic.print(LEGEND);
        traffic
    }

    fn print(&mut self, text: &str) {
        if let Some(out) = &mut self.out {
            let printed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            if printed.is_err() {
                self.out = None;
            }
        }
    }
}

impl<W: Write + Send> Tap for Traffic<W> {
    fn saw(&mut self, event: Event<'_>) {
        self.print(match event {
            Event::FromBrowser(_) => "}",
            Event::FromDesktop(_) => "{",
            Event::ToDesktop { whole: true } => ">",
            Event::ToDesktop { whole: false } => ".>",
            Event::ToBrowser { whole: true } => "<",
            Event::ToBrowser { whole: false } => "<.",
        });
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::*;

    #[test]
    fn each_step_has_its_sign() {
        let mut printed = Vec::new();
        let mut traffic = Traffic::on(&mut printed);
        for event in [
            Event::FromBrowser(b"a"),
            Event::ToDesktop { whole: false },
            Event::ToDesktop { whole: true },
            Event::FromDesktop(b"b"),
            Event::ToBrowser { whole: false },
            Event::ToBrowser { whole: true },
        ] {
            traffic.saw(event);
        }
        let printed = String::from_utf8(printed).unwrap();
        assert_eq!(printed.strip_prefix(LEGEND), Some("}.>>{<.<"));
    }

    #[test]
    fn a_reader_that_has_gone_ends_nothing_else() {
        let nobody = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut traffic = Traffic::on(nobody);
        traffic.saw(Event::FromBrowser(b"a"));
        assert!(traffic.out.is_none());
    }
}
