//! Standard output, for every command that answers.

use std::io::{self, Write};
use std::time::Duration;

use rustix::event::Timespec;
use serde::Serialize;

use super::Error;
use crate::runtime::printable;

/// Writes `text` to standard output. A reader that has gone (`deskway user list | head -1`) is
/// no error.
pub(super) fn print(text: &str) -> Result<(), Error> {
    print_while_read(text).map(|_| ())
}

/// As [`print()`]; `false` when the reader has gone.
pub(super) fn print_while_read(text: &str) -> Result<bool, Error> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::Output(error)),
        written => Ok(written.is_ok()),
    }
}

/// Between two looks at what may have grown.
pub(super) fn pause(time: Duration) -> Result<(), Error> {
    let time = Timespec::try_from(time).map_err(|error| Error::Output(io::Error::other(error)))?;
    match rustix::event::poll(&mut [], Some(&time)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(Error::Output(error.into())),
    }
}

/// `value` as indented JSON with a newline at its end.
pub(super) fn json(value: &impl Serialize) -> Result<String, Error> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Error::Output(error.into()))?;
    Ok(text + "\n")
}

/// Rows below a header, each column as wide as its widest cell, with nothing in them that a terminal
/// would obey.
pub(super) fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let header = header.iter().map(|&cell| cell.to_owned()).collect();
    let plain = |cell: &String| printable(cell).replace('\n', "?");
    let rows = rows.map(|row| row.iter().map(plain).collect());
    let rows: Vec<Vec<String>> = std::iter::once(header).chain(rows).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let pad = width(column) - cell.chars().count() + 2;
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', pad));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let rows = [["alice", "x"], ["bö", "y"]].map(|row| row.map(str::to_owned).to_vec());
        let text = table(&["NAME", "X"], rows.into_iter());
        assert_eq!(text, "NAME   X\nalice  x\nbö     y\n");
        let rows = [vec!["\u{1b}c\nbob".to_owned()]];
        assert_eq!(table(&["NAME"], rows.into_iter()), "NAME\n?c?bob\n");
    }
}
