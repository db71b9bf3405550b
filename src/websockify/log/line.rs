//! An event as one line.

use std::fmt::{self, Write};

use tracing::Event;
use tracing::field::{Field, Visit};

/// Longest line, in bytes.
const MAX_LINE: usize = 8 * 1024;

/// The message, then the fields. Nothing in it ends the line, moves a terminal's cursor or turns
/// the direction of what follows: what people send is in there.
pub(super) fn of(event: &Event<'_>) -> String {
    let mut line = Line::default();
    event.record(&mut line);
    let mut text = escape(&line.message);
    text.push_str(&escape(&line.fields));
    text.truncate(text.floor_char_boundary(MAX_LINE));
    text
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string fails only when the value refuses to be written.
        _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {field}={value:?}")
        };
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmless(c) {
            escaped.push(c);
        } else {
            escaped.extend(c.escape_default());
        }
    }
    escaped
}

fn is_harmless(c: char) -> bool {
    let breaks_lines = c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let turns_text =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !breaks_lines && !turns_text
}
