//! `deskway audit`: shows who did what. And how the command line's own deeds get there.

use std::path::Path;
use std::time::Duration;

use deskway_osuser as osuser;
use serde::Serialize;
use time::{Date, Month, OffsetDateTime, Time};

use super::{AuditArgs, Error, out};
use crate::audit::{self, Entry, Found, Outcome, Reader, Wanted, What};
use crate::config;
use crate::runtime::Clock;

/// Entries that are read at once.
const CHUNK: u32 = 1000;
/// With --follow, between two looks.
const LOOK: Duration = Duration::from_millis(300);

/// # Errors
/// When the audit log cannot be read.
pub fn run(args: &AuditArgs) -> Result<(), Error> {
    let config = args.place.load()?;
    let wanted = Wanted {
        since: args.since,
        until: args.until,
        who: args.who.clone(),
        what: args.what,
        desktop: args.desktop.as_ref().map(ToString::to_string),
    };
    let mut after = 0;
    let mut reader = None;
    loop {
        if reader.is_none() {
            reader = Reader::open(&config.paths.state)?;
        }
        let mut found = Vec::new();
        if let Some(reader) = &mut reader {
            found = reader.next(&wanted, after, CHUNK)?;
        }
        let mut text = String::new();
        for found in &found {
            after = found.number;
            text += &if args.json {
                as_json(found)?
            } else {
                as_line(&found.entry)
            };
        }
        if !out::print_while_read(&text)? {
            return Ok(());
        }
        if found.is_empty() {
            if !args.follow {
                return Ok(());
            }
            out::pause(LOOK)?;
        }
    }
}

/// Puts what this command did on record. It is done: when it cannot be recorded, that is said.
pub(super) fn record(state: &Path, what: What, details: &str) -> Result<(), Error> {
    let uid = osuser::own_uid();
    let account = osuser::Account::by_uid(uid).ok().flatten();
    let name = account.map_or_else(|| format!("uid {uid}"), |account| account.name);
    let entry = Entry::here(Clock::System.unix_millis(), &name, uid, what).with(details);
    audit::append(state, &entry).map_err(Error::NotOnRecord)
}

/// An entry as `--json` prints it.
#[derive(Serialize)]
struct Row<'a> {
    number: i64,
    /// RFC 3339, in UTC.
    at: String,
    who: &'a str,
    uid: Option<u32>,
    from: &'a str,
    what: What,
    desktop: Option<&'a str>,
    outcome: Outcome,
    reason: &'a str,
    details: &'a str,
}

fn as_json(found: &Found) -> Result<String, Error> {
    let entry = &found.entry;
    let row = Row {
        number: found.number,
        at: rfc3339(entry.at),
        who: &entry.who,
        uid: entry.uid,
        from: &entry.origin,
        what: entry.what,
        desktop: entry.desktop.as_deref(),
        outcome: entry.outcome,
        reason: &entry.reason,
        details: &entry.details,
    };
    let text = serde_json::to_string(&row).map_err(|error| Error::Output(error.into()))?;
    Ok(text + "\n")
}

fn as_line(entry: &Entry) -> String {
    let time = rfc3339(entry.at);
    let (what, outcome) = (entry.what.word(), entry.outcome.word());
    let mut line = format!(
        "{time}  {outcome:<7}  {what:<16}  {:<12}  {:<15}",
        entry.who, entry.origin
    );
    for text in [
        entry.desktop.as_deref(),
        Some(entry.reason.as_str()),
        Some(entry.details.as_str()),
    ] {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            line += "  ";
            line += text;
        }
    }
    line.truncate(line.trim_end().len());
    line + "\n"
}

fn rfc3339(millis: u64) -> String {
    let seconds = i64::try_from(millis / 1000).unwrap_or_default();
    let time = OffsetDateTime::from_unix_timestamp(seconds);
    let time = time.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (hour, minute, second) = time.to_hms();
    let (year, month, day) = (time.year(), u8::from(time.month()), time.day());
    let millis = millis % 1000;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Reads a point in time: `2h` (so long ago), `2026-11-22` or `2026-11-22T19:30:00Z`, in UTC.
/// Milliseconds since 1970.
///
/// # Errors
/// A sentence that says what would be right.
pub fn parse_time(text: &str) -> Result<u64, String> {
    if let Some(ago) = config::parse_ago(text) {
        let ago = u64::try_from(ago.as_millis()).unwrap_or(u64::MAX);
        return Ok(Clock::System.unix_millis().saturating_sub(ago));
    }
    date(text).ok_or_else(|| {
        format!(
            "`{text}` is no time: write how long ago, such as 2h or 7d, or a date in UTC such as \
             2026-11-22 or 2026-11-22T19:30:00"
        )
    })
}

fn date(text: &str) -> Option<u64> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (date, clock) = text
        .split_once(['T', ' '])
        .map_or((text, None), |(date, clock)| (date, Some(clock)));
    let mut parts = date.split('-');
    let mut next = || parts.next()?.parse::<u16>().ok();
    let (year, month, day) = (next()?, next()?, next()?);
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let date = Date::from_calendar_date(year.into(), month, u8::try_from(day).ok()?).ok()?;
    if parts.next().is_some() {
        return None;
    }
    let time = match clock {
        None => Time::MIDNIGHT,
        Some(clock) => {
            let mut parts = clock.split(':').map(|part| part.parse::<u8>().ok());
            let (hour, minute) = (parts.next()??, parts.next()??);
            let second = parts.next().unwrap_or(Some(0))?;
            if parts.next().is_some() {
                return None;
            }
            Time::from_hms(hour, minute, second).ok()?
        }
    };
    let seconds = date.with_time(time).assume_utc().unix_timestamp();
    u64::try_from(seconds).ok()?.checked_mul(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates_or_so_long_ago() {
        // RFC 9110, 5.6.7.
        assert_eq!(parse_time("1994-11-06T08:49:37Z"), Ok(784_111_777_000));
        assert_eq!(parse_time("1994-11-06 08:49"), Ok(784_111_740_000));
        assert_eq!(parse_time("1970-01-02"), Ok(86_400_000));
        let then = parse_time("2h").unwrap();
        let ago = Clock::System.unix_millis() - then;
        assert!((7_200_000..7_260_000).contains(&ago));
        for text in [
            "",
            "yesterday",
            "1994-13-01",
            "1994-11",
            "1994-11-06T8",
            "1994-11-06T08:49:37:1",
        ] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_entry_is_one_line_of_text_or_json() {
        let entry = Entry::new(784_111_777_005, "alice\n", "::1", What::Start)
            .on("alice/work")
            .went(Outcome::Refused, "no more than 3 desktops at once");
        let line = as_line(&entry);
        assert!(
            line.starts_with("1994-11-06T08:49:37.005Z  refused  start"),
            "{line}"
        );
        assert_eq!(line.lines().count(), 1);
        let json = as_json(&Found { number: 7, entry }).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["what"], "start");
        assert_eq!(json["outcome"], "refused");
        assert_eq!(json["desktop"], "alice/work");
        assert_eq!(json["from"], "::1");
    }
}
