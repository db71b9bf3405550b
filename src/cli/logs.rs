//! `deskway logs`: a desktop's log, for its owner and root.

use std::fmt::Display;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use super::{Error, Logs, out};
use crate::launcher::client::{Client, DesktopLog};
use crate::runtime::printable;

/// Most bytes that are read at once; the log is kept below that.
const MAX_READ: u64 = 1 << 20;
/// With --follow, between two looks.
const LOOK: Duration = Duration::from_millis(300);

/// # Errors
/// When the launcher cannot be asked or refuses, or nothing is known of the desktop.
pub fn run(args: &Logs) -> Result<(), Error> {
    let run = args.place.run_dir()?;
    let ask = || Ok::<_, Error>(Client::connect(&run)?.log(&args.desktop)?);
    let mut file = match ask()? {
        DesktopLog::Running(file) => file,
        DesktopLog::Ended { how, tail } => {
            out::print(&last(&printable(&tail), args.lines))?;
            return out::print(&ended(&how));
        }
        DesktopLog::Unknown => return Err(Error::NoLog(args.desktop.clone())),
    };
    let text = read(&mut file)?;
    let mut goes_on = out::print_while_read(&last(&text, args.lines))?;
    while args.follow && goes_on {
        out::pause(LOOK)?;
        goes_on = out::print_while_read(&read(&mut file)?)?;
        // A full log is begun anew under the same name.
        match ask()? {
            DesktopLog::Running(mut now) if !is_same(&file, &now)? => {
                goes_on = goes_on && out::print_while_read(&read(&mut now)?)?;
                file = now;
            }
            DesktopLog::Running(_) => {}
            DesktopLog::Ended { how, .. } => {
                out::print(&read(&mut file)?)?;
                return out::print(&ended(&how));
            }
            DesktopLog::Unknown => return out::print(&read(&mut file)?),
        }
    }
    Ok(())
}

fn ended(how: &impl Display) -> String {
    format!("(ended: {})\n", printable(&how.to_string()))
}

/// What is there beyond what was read. What programs print is not for a terminal to obey.
fn read(file: &mut File) -> Result<String, Error> {
    let mut bytes = Vec::new();
    file.take(MAX_READ)
        .read_to_end(&mut bytes)
        .map_err(Error::Log)?;
    Ok(printable(&String::from_utf8_lossy(&bytes)))
}

fn is_same(one: &File, other: &File) -> Result<bool, Error> {
    let of = |file: &File| {
        let found = file.metadata().map_err(Error::Log)?;
        Ok::<_, Error>((found.dev(), found.ino()))
    };
    Ok(of(one)? == of(other)?)
}

/// The last so many lines of a text.
fn last(text: &str, lines: Option<usize>) -> String {
    let all: Vec<&str> = text.split_inclusive('\n').collect();
    let from = lines.map_or(0, |lines| all.len().saturating_sub(lines));
    let mut text = all.get(from..).unwrap_or_default().concat();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_gives_a_terminal_no_orders() {
        assert_eq!(ended(&"\u{1b}[2J"), "(ended: ?[2J)\n");
    }

    #[test]
    fn the_end_of_a_log_is_so_many_lines() {
        assert_eq!(last("a\nb\nc\n", Some(2)), "b\nc\n");
        assert_eq!(last("a\nb", Some(5)), "a\nb\n");
        assert_eq!(last("a\nb\n", None), "a\nb\n");
        assert_eq!(last("", Some(2)), "");
    }
}
