//! Every section and key of the file, and in words what may be written there.
//!
//! A test compares this table with `raw.rs`, another with `docs/configuration.md`.

/// A section of the file.
pub(super) struct Section {
    pub name: &'static str,
    /// `[[profile]]`: may be there several times.
    pub repeated: bool,
    pub keys: &'static [Key],
}

/// A key of a section.
pub(super) struct Key {
    pub name: &'static str,
    /// What is right, as the end of a sentence that begins with "write".
    pub wants: &'static str,
}

const fn section(name: &'static str, keys: &'static [Key]) -> Section {
    Section {
        name,
        repeated: false,
        keys,
    }
}

const fn repeated(name: &'static str, keys: &'static [Key]) -> Section {
    Section {
        name,
        repeated: true,
        keys,
    }
}

const fn key(name: &'static str, wants: &'static str) -> Key {
    Key { name, wants }
}

const MEMORY: &str = "a size from 16M to 1024T, such as \"4G\" or \"512M\", or \"none\"";
const LOGO: &str = "the path of an SVG, PNG or WebP file, from `/` on";
const LINKS: &str =
    "a list of up to 10 links, such as [{ text = \"Help\", url = \"https://example.org/help\" }]";

pub(super) const SECTIONS: &[Section] = &[
    section(
        "server",
        &[
            key(
                "listen",
                "IP:PORT such as \"127.0.0.1:6080\" or \"[::]:443\", or a list of up to 16 of them; \"unix:/path\" and \"systemd\" are right too",
            ),
            key("base_path", "a path such as \"/desk\", or \"\" for none"),
            key(
                "hosts",
                "a list of host names without port, such as [\"desk.example.org\"]",
            ),
            key(
                "trusted_proxies",
                "a list of IP addresses, networks or \"unix\", such as [\"127.0.0.1\", \"10.0.0.0/8\"]",
            ),
            key("tls_cert", "the path of a PEM file, from `/` on"),
            key("tls_key", "the path of a PEM file, from `/` on"),
            key("max_connections", "a whole number from 1 to 1000000"),
            key(
                "max_connections_per_address",
                "a whole number from 1 to 1000000",
            ),
        ],
    ),
    repeated(
        "listen",
        &[
            key(
                "address",
                "IP:PORT such as \"0.0.0.0:443\", \"unix:/path/to/socket\", \"systemd\" or \"systemd:NAME\"",
            ),
            key("protocol", "\"auto\", \"https\", \"http\" or \"redirect\""),
            key("proxy_protocol", "true or false"),
            key("socket_mode", "an octal number such as \"0660\""),
            key("socket_group", "the name of a group, such as \"www-data\""),
        ],
    ),
    section(
        "tls",
        &[
            key(
                "certificates",
                "a list of up to 32 pairs of paths from `/` on, such as [{ cert = \"/etc/desk.pem\", key = \"/etc/desk.key\" }]",
            ),
            key(
                "acme",
                "a table such as { domains = [\"desk.example.org\"], contact = [\"mailto:admin@example.org\"] }, in which `directory` (an https address) and `ca_file` (a path) can stand too",
            ),
        ],
    ),
    section(
        "sign_in",
        &[
            key("pam", "true or false"),
            key(
                "pam_service",
                "the name of a file in /etc/pam.d, such as \"deskway\"",
            ),
            key("pam_dir", "the path of a directory, from `/` on"),
            key("local", "true or false"),
            key(
                "lifetime",
                "a time from 1m to 30d, such as \"12h\" or \"1h30m\"",
            ),
            key("recheck", "a time from 1s to 1h, such as \"1m\""),
            key("tries_per_minute", "a whole number from 1 to 1000"),
        ],
    ),
    section(
        "access",
        &[
            key(
                "min_uid",
                "a whole number from 1 to 4294967294: root never gets a desktop",
            ),
            key("groups", "a list of names of groups, such as [\"staff\"]"),
        ],
    ),
    section(
        "admin",
        &[
            key(
                "users",
                "a list of the names with which people sign in, such as [\"alice\"]",
            ),
            key("groups", "a list of names of groups, such as [\"sudo\"]"),
        ],
    ),
    section(
        "desktops",
        &[
            key("x_server", "the path of a program, from `/` on"),
            key(
                "geometry",
                "WIDTHxHEIGHT in pixels, each from 200 to 8192, such as \"1280x800\"",
            ),
            key("depth", "16 or 24"),
            key("dpi", "a whole number from 50 to 400"),
            key("private_tmp", "true or false"),
            key(
                "env",
                "names and strings, such as { LANG = \"de_DE.UTF-8\" }",
            ),
            key(
                "x_args",
                "a list of strings, such as [\"-FrameRate\", \"60\"]",
            ),
            key(
                "default_profile",
                "the name of a session, such as \"xfce\": letters, digits, `.`, `_` and `-`",
            ),
            key("xsessions", "the path of a directory, from `/` on"),
            key("xstartup", "true or false"),
            key("max_per_person", "a whole number from 1 to 100"),
            key("screen_timeout", "a time from 1s to 5m, such as \"10s\""),
            key("session_timeout", "a time from 1s to 10m, such as \"20s\""),
            key("restart", "\"never\" or \"on-crash\""),
        ],
    ),
    section(
        "limits",
        &[
            key("memory_high", MEMORY),
            key("memory_max", MEMORY),
            key(
                "cpu_weight",
                "a whole number from 1 to 10000, or 0 for none",
            ),
            key(
                "cpu_quota",
                "a whole number of hundredths of one core from 1 to 100000, or 0 for none",
            ),
            key(
                "processes",
                "a whole number from 10 to 4194304, or 0 for none",
            ),
            key("disk_warning", "a size such as \"500M\", or \"none\""),
            key("desktops", "a whole number from 1 to 100, or 0 for none"),
            key(
                "hours_per_day",
                "a time from 1m to 24h, such as \"8h\", or \"none\"",
            ),
        ],
    ),
    section(
        "idle",
        &[
            key("warn_after", "a time from 1s to 365d, such as \"30m\""),
            key("freeze_after", "a time from 1s to 365d, such as \"1h\""),
            key("stop_after", "a time from 1s to 365d, such as \"8h\""),
            key(
                "busy_cpu",
                "a whole number of hundredths of one core from 1 to 10000",
            ),
            key("grace", "a time from 1s to 1h, such as \"1m\""),
        ],
    ),
    repeated(
        "profile",
        &[
            key(
                "id",
                "a short name such as \"icewm\": letters, digits, `.`, `_` and `-`",
            ),
            key(
                "name",
                "what people call it, such as \"IceWM\", at most 80 characters",
            ),
            key(
                "command",
                "the program and its arguments, such as [\"icewm-session\"]; the program is a name or a path from `/` on",
            ),
        ],
    ),
    repeated(
        "attach",
        &[
            key("desktop", "OWNER or OWNER/NAME, such as \"alice/office\""),
            key(
                "target",
                "HOST:PORT such as \"lab1.example.org:5901\", \"unix:/path/to/socket\", or an address such as \"wss://lab1.example.org/websockify\"",
            ),
            key("ca_file", "the path of a PEM file, from `/` on"),
            key("password_file", "the path of a file, from `/` on"),
        ],
    ),
    section(
        "brand",
        &[
            key("name", "1 to 60 characters"),
            key("logo", LOGO),
            key("accent", "a colour such as \"#2a6f97\""),
            key("accent_dark", "a colour such as \"#5fb0e0\""),
            key("background", "a light colour such as \"#f2f6fa\""),
            key("background_dark", "a dark colour such as \"#0e1620\""),
            key("notice", "at most 1000 characters"),
            key("links", LINKS),
        ],
    ),
    repeated(
        "group",
        &[
            key(
                "name",
                "the name of a group of this machine, such as \"physics\"",
            ),
            key(
                "hosts",
                "a list of host names without port, such as [\"physics.example.org\"]",
            ),
            key("title", "1 to 60 characters"),
            key("logo", LOGO),
            key("accent", "a colour such as \"#2a6f97\""),
            key("accent_dark", "a colour such as \"#5fb0e0\""),
            key("background", "a light colour such as \"#f2f6fa\""),
            key("background_dark", "a dark colour such as \"#0e1620\""),
            key("notice", "at most 1000 characters"),
            key("links", LINKS),
            key(
                "limits",
                "a table such as { memory_max = \"2G\" }, with the keys of [limits]",
            ),
        ],
    ),
    section("portal", &[key("public_index", "true or false")]),
    section(
        "paths",
        &[
            key(
                "run",
                "the path of a directory, from `/` on, of at most 60 bytes",
            ),
            key("state", "the path of a directory, from `/` on"),
            key("templates_dir", "the path of a directory, from `/` on"),
        ],
    ),
    section(
        "log",
        &[
            key(
                "filter",
                "a level (error, warn, info, debug, trace), or levels by module such as \"info,deskway::bridge=debug\"",
            ),
            key("json", "true or false"),
        ],
    ),
    section(
        "metrics",
        &[
            key(
                "allow",
                "a list of IP addresses or networks, such as [\"127.0.0.1\", \"10.0.0.0/8\"]",
            ),
            key("token_file", "the path of a file, from `/` on"),
        ],
    ),
    section(
        "audit",
        &[
            key("keep", "a time from 1d to 3650d, such as \"365d\""),
            key("max_size", "a size from 8M to 1000G, such as \"256M\""),
            key("syslog", "true or false"),
        ],
    ),
];

/// The section called `name`.
pub(super) fn find(name: &str) -> Option<&'static Section> {
    SECTIONS.iter().find(|section| section.name == name)
}

impl Section {
    pub(super) fn find(&self, key: &str) -> Option<&'static Key> {
        self.keys.iter().find(|known| known.name == key)
    }

    /// The header as it is written in the file.
    pub(super) fn header(&self) -> String {
        if self.repeated {
            format!("[[{}]]", self.name)
        } else {
            format!("[{}]", self.name)
        }
    }
}

/// The one of `known` that was probably meant by `written`: other case, `-` for `_`, or a typo
/// or two.
pub(super) fn nearest<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let written = written.to_lowercase().replace('-', "_");
    let typos = 1 + written.len().min(12) / 5;
    known
        .map(|name| (strsim::damerau_levenshtein(&written, name), name))
        .filter(|(distance, _)| *distance <= typos)
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_leads_to_the_key_that_was_meant() {
        let keys = ["geometry", "depth", "dpi", "max_per_person"];
        let meant = |written| nearest(written, keys.into_iter());
        assert_eq!(meant("geomtry"), Some("geometry"));
        assert_eq!(meant("Max-Per-Person"), Some("max_per_person"));
        assert_eq!(meant("dip"), Some("dpi"));
        assert_eq!(meant("colour"), None);
    }

    #[test]
    fn every_key_is_in_the_documentation() {
        let page = include_str!("../../docs/configuration.md");
        for section in SECTIONS {
            let heading = format!("\n## {}\n", section.header());
            let (_, chapter) = page.split_once(&heading).expect(&heading);
            let chapter = chapter.split("\n## ").next().unwrap();
            let row = |key: &str| chapter.contains(&format!("\n| `{key}` |"));
            let missing: Vec<_> = section
                .keys
                .iter()
                .filter(|key| !row(key.name))
                .map(|key| key.name)
                .collect();
            assert!(missing.is_empty(), "{heading} lacks {missing:?}");
            assert_eq!(
                chapter.matches("\n| `").count(),
                section.keys.len(),
                "{heading}"
            );
        }
    }

    #[test]
    fn the_examples_in_the_documentation_are_sound() {
        let page = include_str!("../../docs/configuration.md");
        let examples: Vec<_> = page
            .split("```toml\n")
            .skip(1)
            .map(|rest| rest.split("```").next().unwrap())
            .collect();
        assert_eq!(examples.len(), SECTIONS.len());
        let text = examples.concat();
        crate::config::from_text(
            &text,
            "configuration.md",
            &crate::config::Overrides::default(),
        )
        .unwrap();
    }
}
