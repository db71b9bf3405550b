//! A notice as a plain window in the upper right corner, for sessions in which nobody takes
//! notices. It needs nothing but the X server and the font that each has.

use std::error::Error;
use std::os::fd::AsFd as _;

use rustix::event::{PollFd, PollFlags, poll};
use x11rb::connection::Connection as _;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    AtomEnum, ChangeGCAux, ConfigureWindowAux, ConnectionExt as _, CreateGCAux, CreateWindowAux,
    EventMask, Font, Gcontext, PropMode, Rectangle, StackMode, Visibility, Window, WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

use super::Words;

/// Fonts of the X server, the preferred one first; the last is built in.
const FONTS: [&str; 3] = ["10x20", "9x15", "fixed"];
/// Letters in a line.
const WIDTH: usize = 48;
/// Most lines of text; what is longer is cut.
const MAX_LINES: usize = 12;
/// Pixels around the text, and around the button's.
const MARGIN: u16 = 16;
const PADDING: u16 = 8;
/// So often it comes above what covers it: another that does the same must not keep both at it.
const MAX_RAISED: u32 = 10;
/// Red, green and blue.
const PAPER: u32 = 0x00ff_f8dc;
const INK: u32 = 0x0020_2020;
const BUTTON: u32 = 0x002a_6f97;
const BUTTON_INK: u32 = 0x00ff_ffff;

/// Shows it until the button is pressed, or standard input ends.
///
/// # Errors
/// When the X server does not let us.
pub(super) fn show(words: &Words) -> Result<(), Box<dyn Error>> {
    let (connection, screen) = RustConnection::connect(None)?;
    let notice = Shown::new(&connection, screen, words)?;
    let mut raised = 0;
    loop {
        let mut input = vec![
            PollFd::from_borrowed_fd(rustix::stdio::stdin(), PollFlags::IN),
            PollFd::from_borrowed_fd(connection.stream().as_fd(), PollFlags::IN),
        ];
        while let Some(event) = connection.poll_for_event()? {
            match event {
                Event::Expose(_) => notice.draw()?,
                Event::VisibilityNotify(event)
                    if event.state != Visibility::UNOBSCURED && raised < MAX_RAISED =>
                {
                    raised += 1;
                    notice.raise()?;
                }
                Event::ButtonPress(event) if notice.is_on_button(event.event_x, event.event_y) => {
                    return Ok(());
                }
                _ => {}
            }
        }
        match poll(&mut input, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ended = input
            .first()
            .is_some_and(|stdin| !stdin.revents().is_empty());
        if ended {
            return Ok(());
        }
    }
}

struct Shown<'a> {
    connection: &'a RustConnection,
    window: Window,
    gc: Gcontext,
    lines: Vec<String>,
    label: &'static str,
    /// Of one line, and from its top to the letters' feet.
    height: u16,
    ascent: u16,
    button: Rectangle,
}

impl<'a> Shown<'a> {
    fn new(
        connection: &'a RustConnection,
        screen: usize,
        words: &Words,
    ) -> Result<Self, Box<dyn Error>> {
        let screen = connection.setup().roots.get(screen).ok_or("no screen")?;
        let font = open_font(connection)?;
        let metrics = connection.query_font(font)?.reply()?;
        let ascent = u16::try_from(metrics.font_ascent).unwrap_or(10);
        let height = ascent + u16::try_from(metrics.font_descent).unwrap_or(3) + 2;
        let letter = u16::try_from(metrics.max_bounds.character_width).unwrap_or(6);
        let lines = wrapped(&words.text);
        let label = if words.keep { "Keep it" } else { "OK" };
        let count = u16::try_from(lines.len())?;
        let width = letter * u16::try_from(WIDTH)? + 2 * MARGIN;
        let button = Rectangle {
            width: letter * u16::try_from(label.len())? + 4 * PADDING,
            height: height + 2 * PADDING,
            x: i16::try_from(MARGIN)?,
            y: i16::try_from(MARGIN + count * height + PADDING)?,
        };
        let all = count * height + button.height + PADDING + 2 * MARGIN;
        let window = connection.generate_id()?;
        let left = screen.width_in_pixels.saturating_sub(width + MARGIN);
        connection.create_window(
            x11rb::COPY_DEPTH_FROM_PARENT,
            window,
            screen.root,
            i16::try_from(left)?,
            // Below the panel that many desktops have at the top.
            i16::try_from(3 * MARGIN)?,
            width,
            all,
            1,
            WindowClass::INPUT_OUTPUT,
            0,
            &CreateWindowAux::new()
                .background_pixel(PAPER)
                .border_pixel(INK)
                // No window manager need be there.
                .override_redirect(1)
                .event_mask(
                    EventMask::EXPOSURE | EventMask::BUTTON_PRESS | EventMask::VISIBILITY_CHANGE,
                ),
        )?;
        connection.change_property8(
            PropMode::REPLACE,
            window,
            AtomEnum::WM_NAME,
            AtomEnum::STRING,
            b"Deskway",
        )?;
        let gc = connection.generate_id()?;
        connection.create_gc(gc, window, &CreateGCAux::new().font(font))?;
        connection.map_window(window)?;
        connection.flush()?;
        Ok(Self {
            connection,
            window,
            gc,
            lines,
            label,
            height,
            ascent,
            button,
        })
    }

    fn draw(&self) -> Result<(), Box<dyn Error>> {
        let left = i16::try_from(MARGIN)?;
        self.colours(INK, PAPER)?;
        for (line, top) in self
            .lines
            .iter()
            .zip((MARGIN..).step_by(self.height.into()))
        {
            self.text(left, i16::try_from(top + self.ascent)?, line)?;
        }
        self.colours(BUTTON, BUTTON)?;
        self.connection
            .poly_fill_rectangle(self.window, self.gc, &[self.button])?;
        self.colours(BUTTON_INK, BUTTON)?;
        let inset = i16::try_from(2 * PADDING)?;
        let feet = self.button.y + i16::try_from(PADDING + self.ascent)?;
        self.text(self.button.x + inset, feet, self.label)?;
        self.connection.flush()?;
        Ok(())
    }

    /// The letters that the font has; others as question marks.
    fn text(&self, x: i16, y: i16, line: &str) -> Result<(), Box<dyn Error>> {
        let letters = line.chars().map(|c| u8::try_from(c).unwrap_or(b'?'));
        let letters: Vec<u8> = letters.take(u8::MAX.into()).collect();
        self.connection
            .image_text8(self.window, self.gc, x, y, &letters)?;
        Ok(())
    }

    fn colours(&self, ink: u32, paper: u32) -> Result<(), Box<dyn Error>> {
        let colours = ChangeGCAux::new().foreground(ink).background(paper);
        self.connection.change_gc(self.gc, &colours)?;
        Ok(())
    }

    /// Other windows came above it.
    fn raise(&self) -> Result<(), Box<dyn Error>> {
        let above = ConfigureWindowAux::new().stack_mode(StackMode::ABOVE);
        self.connection.configure_window(self.window, &above)?;
        self.connection.flush()?;
        Ok(())
    }

    fn is_on_button(&self, x: i16, y: i16) -> bool {
        let Rectangle {
            x: left,
            y: top,
            width,
            height,
        } = self.button;
        let inside = |at: i16, from: i16, length: u16| {
            at >= from && i32::from(at) < i32::from(from) + i32::from(length)
        };
        inside(x, left, width) && inside(y, top, height)
    }
}

fn open_font(connection: &RustConnection) -> Result<Font, Box<dyn Error>> {
    for name in FONTS {
        let font = connection.generate_id()?;
        if connection.open_font(font, name.as_bytes())?.check().is_ok() {
            return Ok(font);
        }
    }
    Err("the X server has no font".into())
}

/// Lines of at most [`WIDTH`] letters, broken between words where that goes.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            let mut word: String = word.to_owned();
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
                lines.push(std::mem::take(&mut line));
            }
            while word.chars().count() > WIDTH {
                let rest = word.chars().skip(WIDTH).collect();
                lines.push(word.chars().take(WIDTH).collect());
                word = rest;
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
        }
        lines.push(line);
    }
    lines.truncate(MAX_LINES);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_between_words_and_long_words_anywhere() {
        let words = "Nobody has used this desktop for 2 hours. In 10 minutes it ends.";
        let lines = wrapped(words);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines.join(" "), words);
        let long = wrapped(&"x".repeat(2 * WIDTH + 1));
        assert_eq!(long, ["x".repeat(WIDTH), "x".repeat(WIDTH), "x".to_owned()]);
        assert_eq!(wrapped("one\ntwo"), ["one", "two"]);
        assert_eq!(wrapped(&"a\n".repeat(100)).len(), MAX_LINES);
    }
}
