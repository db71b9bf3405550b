//! `address:port` as the command line has it.

use super::SettingsError;
use crate::websockify::target::Target;

/// `[source_addr:]source_port`: the host without brackets (empty: none is named), and the port.
pub(super) fn source(word: &str) -> Result<(String, u16), SettingsError> {
    let (host, port) = word.rsplit_once(':').unwrap_or(("", word));
    let port = port.parse().map_err(|_| SettingsError::Source {
        word: word.to_owned(),
    })?;
    Ok((without_brackets(host), port))
}

/// `target_addr:target_port`. Without the address it is this machine.
pub(super) fn target(word: &str) -> Result<Target, SettingsError> {
    let wrong = || SettingsError::Target {
        word: word.to_owned(),
    };
    let (host, port) = word.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().ok().filter(|port| *port != 0);
    let host = match without_brackets(host) {
        empty if empty.is_empty() => "localhost".to_owned(),
        host => host,
    };
    Ok(Target::Tcp {
        host,
        port: port.ok_or_else(wrong)?,
    })
}

fn without_brackets(host: &str) -> String {
    host.trim_matches(['[', ']']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_port_with_or_without_an_address() {
        let is = |word: &str, host: &str| {
            assert_eq!(source(word).unwrap(), (host.to_owned(), 6080), "{word}");
        };
        is("6080", "");
        is(":6080", "");
        is("127.0.0.1:6080", "127.0.0.1");
        is("[::1]:6080", "::1");
        is("::1:6080", "::1");
        for word in ["", "x", "localhost", "a:b", "a:65536", "[::1]", "-1"] {
            let error = source(word).unwrap_err().to_string();
            assert!(error.contains("[::1]:6080"), "{word}: {error}");
        }
    }

    #[test]
    fn a_target_is_an_address_and_a_port() {
        let is = |word: &str, shown: &str| {
            assert_eq!(target(word).unwrap().to_string(), shown, "{word}");
        };
        is("localhost:5900", "localhost:5900");
        is("[2001:db8::1]:5900", "[2001:db8::1]:5900");
        is(":5900", "localhost:5900");
        for word in [
            "",
            "5900",
            "localhost",
            "localhost:",
            "localhost:0",
            "a:65536",
        ] {
            let error = target(word).unwrap_err().to_string();
            assert!(error.contains("localhost:5900"), "{word}: {error}");
        }
    }
}
