//! Single values as they are written in the file and in flags.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::ListenAt;

/// Reads what to listen on.
///
/// # Errors
/// A sentence that says what would be right.
pub fn parse_listen(text: &str) -> Result<ListenAt, String> {
    text.parse()
}

/// Reads the path below which everything is served: empty for `/`, else `/desk`, without a
/// slash at the end.
///
/// # Errors
/// A sentence that says what would be right.
pub fn parse_base_path(text: &str) -> Result<String, String> {
    let path = text.strip_suffix('/').unwrap_or(text);
    let segment = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~'))
    };
    let fits = path.len() <= 200
        && (path.is_empty()
            || path
                .strip_prefix('/')
                .is_some_and(|rest| rest.split('/').all(segment)));
    if fits {
        Ok(path.to_owned())
    } else {
        Err(format!(
            "`{text}` is no base path: write a path such as /desk, of letters, digits, `-`, `_`, `.` and `~`"
        ))
    }
}

/// Reads a filter of the log.
///
/// # Errors
/// A sentence that says what would be right.
pub fn parse_log_filter(text: &str) -> Result<String, String> {
    match EnvFilter::try_new(text) {
        Ok(_) if !text.trim().is_empty() => Ok(text.to_owned()),
        _ => Err(format!(
            "`{text}` is no log filter: write a level (error, warn, info, debug, trace), or levels by module such as `info,deskway::bridge=debug`"
        )),
    }
}

/// Most bytes of the run directory. Below it stand `s/<16 digits>/xdg/` and sockets that
/// sessions make there, and a socket's path ends at 107 bytes.
const MAX_RUN_DIR: usize = 60;

/// Reads the run directory, from the working directory where it is relative.
///
/// # Errors
/// A sentence that says what would be right.
pub fn parse_run_dir(text: &str) -> Result<PathBuf, String> {
    let path = std::path::absolute(text)
        .map_err(|_| format!("`{text}` is no directory: write a path such as /run/deskway"))?;
    if path.as_os_str().len() <= MAX_RUN_DIR {
        Ok(path)
    } else {
        Err(format!(
            "write a path of at most {MAX_RUN_DIR} bytes: sockets below a longer one cannot be opened"
        ))
    }
}

/// A time such as `90s`, `12h` or `1h30m`, within `bounds`.
pub(super) fn duration(text: &str, bounds: RangeInclusive<Duration>) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, after) = rest.split_at_checked(rest.find(|c: char| !c.is_ascii_digit())?)?;
        let mut letters = after.chars();
        let unit = match letters.next()? {
            's' => 1,
            'm' => 60,
            'h' => 60 * 60,
            'd' => 24 * 60 * 60,
            _ => return None,
        };
        let seconds = number.parse::<u64>().ok()?.checked_mul(unit)?;
        total = total.checked_add(Duration::from_secs(seconds))?;
        rest = letters.as_str();
    }
    Some(total).filter(|total| bounds.contains(total))
}

/// A number of bytes such as `4G`: a whole number and K, M, G or T, each 1024 of the one before.
pub(super) fn size(text: &str, bounds: RangeInclusive<u64>) -> Option<u64> {
    const UNITS: [(char, u32); 4] = [('K', 10), ('M', 20), ('G', 30), ('T', 40)];
    let unit = text.chars().next_back()?;
    let (_, shift) = UNITS.into_iter().find(|(letter, _)| *letter == unit)?;
    let number = text.strip_suffix(unit)?;
    if !number.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let bytes = number.parse::<u64>().ok()?.checked_mul(1 << shift)?;
    Some(bytes).filter(|bytes| bounds.contains(bytes))
}

/// A time span such as `90s`, `12h` or `1h30m`, of at most a hundred years.
pub fn parse_ago(text: &str) -> Option<Duration> {
    duration(text, Duration::ZERO..=Duration::from_hours(24 * 36_500)).filter(|_| !text.is_empty())
}

/// Reads a host's name, without port; it comes back in small letters.
///
/// # Errors
/// A sentence that says what would be right.
pub fn parse_host_name(text: &str) -> Result<String, String> {
    host_name(text).ok_or_else(|| {
        format!("`{text}` is no host's name: write one without port, such as desk.example.org")
    })
}

/// A host's name or address, in small letters, without port.
pub(super) fn host_name(text: &str) -> Option<String> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let fits = text.len() <= 253 && text.split('.').all(label);
    fits.then(|| text.to_lowercase())
}

/// Where a link leads: `http:`, `https:`, `mailto:`, or a path from `/` on.
pub(super) fn link(text: &str) -> Option<String> {
    const LONGEST: usize = 500;
    let plain = text.len() <= LONGEST
        && text
            .chars()
            .all(|c| !c.is_whitespace() && !c.is_control() && c != '\\');
    let path = text.starts_with('/') && !text.starts_with("//");
    let elsewhere = || {
        url::Url::parse(text).is_ok_and(|url| match url.scheme() {
            "http" | "https" => url.has_host() && text.contains("://"),
            "mailto" => url.path().contains('@'),
            _ => false,
        })
    };
    (plain && (path || elsewhere())).then(|| text.to_owned())
}

/// One line of 1 to `max` characters that is more than blanks.
pub(super) fn line(text: &str, max: usize) -> Option<String> {
    let text = text.trim();
    let fits = (1..=max).contains(&text.chars().count()) && !text.contains(char::is_control);
    fits.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_path_loses_its_last_slash_and_nothing_else() {
        for (text, path) in [("", ""), ("/", ""), ("/desk", "/desk"), ("/a/b/", "/a/b")] {
            assert_eq!(parse_base_path(text).unwrap(), path);
        }
        for text in [
            "desk", "//", "/a//b", "/../x", "/a b", "/ä", "/a?b", "/\"><",
        ] {
            assert!(parse_base_path(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_have_units_and_bounds() {
        let hour = Duration::from_hours(1);
        let read = |text| duration(text, Duration::from_secs(1)..=hour);
        assert_eq!(read("90s"), Some(Duration::from_secs(90)));
        assert_eq!(read("1h"), Some(hour));
        assert_eq!(read("59m60s"), Some(hour));
        for text in [
            "",
            "0s",
            "1",
            "h",
            "1h1s",
            "1.5h",
            "-1s",
            "1 h",
            "99999999999999999999h",
            "5ä",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_have_units_and_bounds() {
        let read = |text| size(text, 1 << 20..=1 << 40);
        assert_eq!(read("1024K"), Some(1 << 20));
        assert_eq!(read("4G"), Some(4 << 30));
        assert_eq!(read("1T"), Some(1 << 40));
        for text in [
            "",
            "4",
            "G",
            "1K",
            "2T",
            "+4G",
            "1.5G",
            "4g",
            "4 G",
            "99999999999999999T",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn host_names_have_no_port_no_scheme_and_no_star() {
        assert_eq!(host_name("Desk.Example.org").unwrap(), "desk.example.org");
        for text in ["", "a:80", "http://a", "*.a.org", "a..b", "-a", "a b", "ä"] {
            assert_eq!(host_name(text), None, "{text}");
        }
    }

    #[test]
    fn links_lead_to_the_web_to_mail_or_to_a_path_here() {
        for text in [
            "https://example.org/help?a=b#c",
            "http://10.0.0.1:8080",
            "mailto:desk@example.org?subject=Hello",
            "/help/",
        ] {
            assert_eq!(link(text).as_deref(), Some(text));
        }
        for text in [
            "",
            "help",
            "//evil.example",
            "/\\evil.example",
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "https:",
            "https:example.org",
            "https://",
            "mailto:",
            "https://a b",
            "\tjavascript:alert(1)",
        ] {
            assert_eq!(link(text), None, "{text}");
        }
    }

    #[test]
    fn a_log_filter_is_a_level_or_levels_by_module() {
        for text in ["info", "warn,deskway::bridge=debug"] {
            assert!(parse_log_filter(text).is_ok(), "{text}");
        }
        for text in ["", "deskway=loud", "a=b=c"] {
            assert!(parse_log_filter(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_run_directory_leaves_room_for_the_paths_of_sockets() {
        assert!(parse_run_dir("/run/deskway").is_ok());
        assert!(parse_run_dir(&format!("/{}", "x".repeat(60))).is_err());
        assert!(parse_run_dir("run").unwrap().is_absolute());
    }
}
