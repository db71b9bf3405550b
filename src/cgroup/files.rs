//! The kernel's small files: numbers, lines of a word and a number, and directories of them.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

use rustix::event::Timespec;
use rustix::fs::Access;

/// Most bytes that are read of one.
const MAX_FILE: u64 = 64 * 1024;
/// A process that has just ended may keep its group for a moment: so often it is tried again.
const REMOVE_TRIES: u32 = 40;
const REMOVE_PAUSE: Duration = Duration::from_millis(5);
/// Somebody else may remove the parent in between.
const MAKE_TRIES: u32 = 10;

pub(super) fn read(directory: &Path, file: &str) -> io::Result<String> {
    let mut text = String::new();
    let file = File::open(directory.join(file))?;
    file.take(MAX_FILE).read_to_string(&mut text)?;
    Ok(text)
}

/// Writes at once: the kernel takes each write for itself.
pub(super) fn write(directory: &Path, file: &str, value: &str) -> io::Result<()> {
    let path = directory.join(file);
    let told =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let mut file = File::options().write(true).open(&path).map_err(told)?;
    file.write_all(value.as_bytes()).map_err(told)
}

pub(super) fn number(directory: &Path, file: &str) -> io::Result<u64> {
    parse(read(directory, file)?.trim())
}

/// `None` is `max`.
pub(super) fn number_or_max(directory: &Path, file: &str) -> io::Result<Option<u64>> {
    match read(directory, file)?.trim() {
        "max" => Ok(None),
        text => parse(text).map(Some),
    }
}

/// The number after `key` in a file of such lines.
pub(super) fn value(directory: &Path, file: &str, key: &str) -> io::Result<u64> {
    value_in(&read(directory, file)?, key)
}

pub(super) fn value_in(text: &str, key: &str) -> io::Result<u64> {
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    let mut values = lines.filter(|(word, _)| *word == key);
    let (_, value) = values.next().ok_or(io::ErrorKind::NotFound)?;
    parse(value.trim())
}

/// What a quota of each period is of one core, in hundredths.
pub(super) fn share(quota: &str, period: &str) -> io::Result<u32> {
    let (quota, period) = (parse(quota)?, parse(period)?);
    let share = quota.saturating_mul(100).checked_div(period);
    let share = share.and_then(|share| u32::try_from(share).ok());
    share.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// One number a line.
pub(super) fn process_ids(directory: &Path) -> io::Result<Vec<i32>> {
    let text = std::fs::read_to_string(directory.join("cgroup.procs"))?;
    Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
}

pub(super) fn may_write(directory: &Path) -> io::Result<()> {
    Ok(rustix::fs::access(directory, Access::WRITE_OK)?)
}

pub(super) fn make(directory: &Path) -> io::Result<()> {
    let mut made = std::fs::create_dir_all(directory);
    for _ in 1..MAKE_TRIES {
        match made {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                made = std::fs::create_dir_all(directory);
            }
            made => return made,
        }
    }
    made
}

/// What is gone already is fine.
pub(super) fn remove(directory: &Path) -> io::Result<()> {
    let mut tries = 1;
    loop {
        match std::fs::remove_dir(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy && tries < REMOVE_TRIES => {
                tries += 1;
                pause(REMOVE_PAUSE);
            }
            removed => return removed,
        }
    }
}

/// The kernel tells nobody when a group has been left.
pub(super) fn pause(time: Duration) {
    let time = Timespec::try_from(time).ok();
    // A signal ends it early, which does no harm.
    _ = rustix::event::poll(&mut [], time.as_ref()).is_ok();
}

fn parse(text: &str) -> io::Result<u64> {
    text.parse()
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_whole_word() {
        let text = "oom_kill_disable 0\noom_kill 3\nfree text here\n";
        assert_eq!(value_in(text, "oom_kill").unwrap(), 3);
        assert_eq!(value_in(text, "oom_kill_disable").unwrap(), 0);
        assert!(value_in(text, "oom").is_err());
        assert!(value_in(text, "free").is_err());
    }
}
