//! Whether a file is sent, and how much of it: conditional and range requests (RFC 9110, 13 and
//! 14).

use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, RANGE};
use http::{HeaderMap, Method};

use super::found::Regular;

/// What tells one state of a file from another.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) etag: String,
    /// Whole seconds; `None` before 1970.
    pub(super) modified: Option<SystemTime>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    NotModified,
    Whole,
    /// Not empty.
    Part(Range<u64>),
    OutOfRange,
}

impl Version {
    pub(super) fn of(file: &Regular) -> Self {
        let (seconds, nanoseconds) = file.modified;
        let modified = u64::try_from(seconds).ok();
        Self {
            etag: format!("\"{seconds:x}-{nanoseconds:x}-{:x}\"", file.length),
            modified: modified.and_then(|it| UNIX_EPOCH.checked_add(Duration::from_secs(it))),
        }
    }

    /// If-None-Match (RFC 9110, 13.1.2), which compares weakly.
    fn is_among(&self, tags: &str) -> bool {
        tags.split(',')
            .map(str::trim)
            .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == self.etag)
    }

    /// If-Modified-Since (RFC 9110, 13.1.3).
    fn is_known_since(&self, date: &str) -> bool {
        let date = httpdate::parse_http_date(date).ok();
        self.modified
            .zip(date)
            .is_some_and(|(modified, date)| modified <= date)
    }

    /// If-Range (RFC 9110, 13.1.5), which compares strongly: a weak tag is never ours.
    fn is(&self, validator: &str) -> bool {
        let date = || httpdate::parse_http_date(validator).ok();
        validator == self.etag
            || self
                .modified
                .is_some_and(|modified| date() == Some(modified))
    }
}

/// In the order of RFC 9110, 13.2.2. What cannot be understood is as if it was not there.
pub(super) fn answer(
    method: &Method,
    request: &HeaderMap,
    version: &Version,
    length: u64,
) -> Answer {
    let text = |name| request.get(name).and_then(|value| value.to_str().ok());
    if request.contains_key(IF_NONE_MATCH) {
        let tags = request.get_all(IF_NONE_MATCH).iter();
        if tags
            .filter_map(|tags| tags.to_str().ok())
            .any(|tags| version.is_among(tags))
        {
            return Answer::NotModified;
        }
    } else if text(IF_MODIFIED_SINCE).is_some_and(|date| version.is_known_since(date)) {
        return Answer::NotModified;
    }
    if *method != Method::GET || text(IF_RANGE).is_some_and(|it| !version.is(it)) {
        return Answer::Whole;
    }
    text(RANGE).map_or(Answer::Whole, |asked| range(asked, length))
}

/// One range of bytes (RFC 9110, 14.1.2). Several at once, which nothing here needs, are answered
/// with the whole, as is allowed.
fn range(asked: &str, length: u64) -> Answer {
    let Some((first, last)) = asked
        .split_once('=')
        .filter(|(unit, _)| unit.eq_ignore_ascii_case("bytes"))
        .and_then(|(_, range)| range.trim().split_once('-'))
    else {
        return Answer::Whole;
    };
    let range = match (number(first), number(last)) {
        (Number::Is(first), Number::Is(last)) if first > last => return Answer::Whole,
        (Number::Is(first), Number::Is(last)) => first..length.min(last.saturating_add(1)),
        (Number::Is(first), Number::Missing) => first..length,
        (Number::Missing, Number::Is(last)) => length.saturating_sub(last)..length,
        _ => return Answer::Whole,
    };
    if range.is_empty() {
        Answer::OutOfRange
    } else {
        Answer::Part(range)
    }
}

enum Number {
    Is(u64),
    Missing,
    Bad,
}

fn number(text: &str) -> Number {
    if text.is_empty() {
        Number::Missing
    } else if text.bytes().all(|byte| byte.is_ascii_digit()) {
        // A file is never as long as what does not fit.
        Number::Is(text.parse().unwrap_or(u64::MAX))
    } else {
        Number::Bad
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_cut_to_the_file() {
        let cases = [
            ("bytes=0-0", Answer::Part(0..1)),
            ("Bytes=2-4", Answer::Part(2..5)),
            ("bytes=2-", Answer::Part(2..10)),
            ("bytes=-3", Answer::Part(7..10)),
            ("bytes=-99", Answer::Part(0..10)),
            ("bytes=9-99999999999999999999999", Answer::Part(9..10)),
            ("bytes=10-", Answer::OutOfRange),
            ("bytes=10-12", Answer::OutOfRange),
            ("bytes=99999999999999999999999-", Answer::OutOfRange),
            ("bytes=-0", Answer::OutOfRange),
        ];
        for (asked, expected) in cases {
            assert_eq!(range(asked, 10), expected, "{asked}");
        }
        assert_eq!(range("bytes=0-", 0), Answer::OutOfRange);
    }

    #[test]
    fn what_is_no_single_range_gets_the_whole_file() {
        for asked in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=4-2",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=1-2-3",
            "bytes=0-1,3-4",
            "lines=0-1",
        ] {
            assert_eq!(range(asked, 10), Answer::Whole, "{asked}");
        }
    }

    fn asked(headers: &[(http::HeaderName, &str)]) -> Answer {
        let version = Version {
            etag: "\"a\"".to_owned(),
            // 1994-11-06 08:49:37, the example of RFC 9110.
            modified: Some(UNIX_EPOCH + Duration::from_secs(784_111_777)),
        };
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()))
            .collect();
        answer(&Method::GET, &headers, &version, 10)
    }

    #[test]
    fn a_tag_decides_before_a_date() {
        const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
        let known = [IF_NONE_MATCH, IF_MODIFIED_SINCE];
        let [tag, date] = known;
        for (headers, expected) in [
            (vec![(tag.clone(), "\"b\", W/\"a\"")], Answer::NotModified),
            (vec![(tag.clone(), "*")], Answer::NotModified),
            (vec![(date.clone(), DATE)], Answer::NotModified),
            (
                vec![(tag.clone(), "\"b\""), (date.clone(), DATE)],
                Answer::Whole,
            ),
            (
                vec![(date.clone(), "Sun, 06 Nov 1994 08:49:36 GMT")],
                Answer::Whole,
            ),
            (vec![(date, "yesterday")], Answer::Whole),
        ] {
            assert_eq!(asked(&headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn a_range_of_another_version_gets_the_whole_file() {
        let part = |validator| asked(&[(RANGE, "bytes=0-1"), (IF_RANGE, validator)]);
        assert_eq!(part("\"a\""), Answer::Part(0..2));
        assert_eq!(part("Sun, 06 Nov 1994 08:49:37 GMT"), Answer::Part(0..2));
        assert_eq!(part("\"b\""), Answer::Whole);
        assert_eq!(part("W/\"a\""), Answer::Whole);
        assert_eq!(part("Sun, 06 Nov 1994 08:49:38 GMT"), Answer::Whole);
    }
}
