//! The calendar day as people of this machine count it.

use std::io;
use std::mem::MaybeUninit;

/// A day of the calendar, and how far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalDay {
    /// The year, and the day in it from 0 on.
    pub year: i32,
    pub day: i32,
    /// Seconds since it began, by the clock on the wall.
    pub second: u32,
}

/// The day of a moment, in seconds since 1970, in this machine's time zone (`localtime_r(3)`).
///
/// # Errors
/// When the year cannot be written down.
pub fn local_day(unix: u64) -> io::Result<LocalDay> {
    let time = libc::time_t::try_from(unix).map_err(io::Error::other)?;
    let mut parts = MaybeUninit::<libc::tm>::uninit();
    // SAFETY: both pointers are to values of this frame, which the call reads and writes.
    let told = unsafe { libc::localtime_r(&raw const time, parts.as_mut_ptr()) };
    if told.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has succeeded, and then has written all of it.
    let parts = unsafe { parts.assume_init() };
    let second = (parts.tm_hour * 60 + parts.tm_min) * 60 + parts.tm_sec;
    Ok(LocalDay {
        year: parts.tm_year + 1900,
        day: parts.tm_yday,
        second: u32::try_from(second).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_later_is_another_day() {
        let noon = local_day(1_700_000_000).unwrap();
        let next = local_day(1_700_000_000 + 86_400).unwrap();
        assert_eq!((noon.year, next.year), (2023, 2023));
        assert_eq!(next.day, noon.day + 1);
        assert!(local_day(u64::MAX).is_err());
    }
}
