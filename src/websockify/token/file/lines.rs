//! The lines of a token file: `token: host:port`.

use std::collections::HashMap;
use std::path::Path;

use super::complaints::Complaints;
use crate::websockify::Target;
use crate::websockify::token::target_text::{self, BadTarget};

pub(super) type Targets = HashMap<String, Target>;

/// Why a line names no token and target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum LineFault {
    #[error("it is not of the form 'token: host:port', with one colon that white space follows")]
    Syntax,
    #[error("{0}")]
    Target(BadTarget),
    #[error("it is not UTF-8")]
    Encoding,
}

/// Adds what the lines say; complains of each that says nothing.
pub(super) fn take_lines(
    path: &Path,
    bytes: &[u8],
    targets: &mut Targets,
    complaints: &mut Complaints,
) {
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        match parse_line(line) {
            Ok(Some((token, target))) => {
                targets.insert(token.to_owned(), target);
            }
            Ok(None) => {}
            Err(fault) => {
                let line = || format!("{} line {number} is left out: {fault}", path.display());
                complaints.add(line);
            }
        }
    }
}

/// The token and the target; `None` for an empty line and a comment.
fn parse_line(line: &[u8]) -> Result<Option<(&str, Target)>, LineFault> {
    let line = str::from_utf8(line)
        .map_err(|_| LineFault::Encoding)?
        .trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let mut colons = line
        .match_indices(':')
        .map(|(at, _)| line.split_at(at))
        .filter(|(_, rest)| rest.chars().nth(1).is_some_and(char::is_whitespace));
    let (Some((token, rest)), None) = (colons.next(), colons.next()) else {
        return Err(LineFault::Syntax);
    };
    let target = rest.strip_prefix(':').unwrap_or(rest);
    let target = target_text::parse(target).map_err(LineFault::Target)?;
    Ok(Some((token, target)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Target {
        Target::Tcp {
            host: host.to_owned(),
            port,
        }
    }

    fn line(text: &str) -> Result<Option<(&str, Target)>, LineFault> {
        parse_line(text.as_bytes())
    }

    #[test]
    fn a_line_is_a_token_a_colon_with_white_space_and_a_target() {
        for text in ["vm1: h:1", "vm1:\th:1", "  vm1:   h:1  \r", "vm1:\u{a0}h:1"] {
            assert_eq!(line(text), Ok(Some(("vm1", tcp("h", 1)))), "{text:?}");
        }
        assert_eq!(line("a:b: [::1]:5900"), Ok(Some(("a:b", tcp("::1", 5900)))));
        assert_eq!(
            line("s: unix_socket:/run/vm.sock"),
            Ok(Some(("s", Target::Unix("/run/vm.sock".into()))))
        );
    }

    #[test]
    fn comments_and_empty_lines_say_nothing() {
        for text in ["", "   ", "\r", "# vm1: h:1", "   #"] {
            assert_eq!(line(text), Ok(None), "{text:?}");
        }
    }

    #[test]
    fn other_lines_are_faults() {
        for text in ["vm1", "vm1:h:1", "vm1:", "vm1 h:1", "vm1: h: 1"] {
            assert_eq!(line(text), Err(LineFault::Syntax), "{text:?}");
        }
        assert_eq!(line("vm1: h"), Err(LineFault::Target(BadTarget::NoPort)));
        assert_eq!(
            line("vm1: h:1 # the first"),
            Err(LineFault::Target(BadTarget::Port))
        );
        assert_eq!(parse_line(b"vm\xff1: h:1"), Err(LineFault::Encoding));
    }
}
