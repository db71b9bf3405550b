//! [`Found`] → the text of a `deskway.toml`, with what was not carried over in comments.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::found::{Attached, Found, Listen, Note};

/// Most notes that stand in the file, and most bytes of the text of each: it may have 64 KiB in all. Standard
/// error has them all.
const MAX_NOTES: usize = 100;
const MAX_NOTE: usize = 250;

/// Everybody's desktops are listed before sign-in, as a static index did.
const PUBLIC_INDEX: &str = "[portal]\npublic_index = true\n";

/// A value in quotes, whatever it holds.
pub(super) fn string(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// The whole file. Password files stand `beside` it.
pub(super) fn file(found: &Found, origin: &Path, beside: &Path) -> String {
    let origin = origin.display().to_string().replace(char::is_control, "?");
    let mut text = format!("# Made by `deskway import` from {origin}.\n");
    notes(&mut text, "Not carried over", &found.not_carried);
    notes(&mut text, "To do", &found.to_do);
    let mut server = String::new();
    list(
        &mut server,
        "hosts",
        found.hosts.iter().map(|(_, name)| name),
    );
    let proxies = found.trusted_proxies.iter();
    list(
        &mut server,
        "trusted_proxies",
        proxies.map(|(_, proxy)| proxy),
    );
    let certificates = found.tls.iter();
    let certificates: Vec<_> = certificates
        .map(|(_, cert, key)| (cert.clone(), key.clone()))
        .collect();
    let (first, others) = certificate_keys(&certificates);
    server += &first;
    section(&mut text, "server", &server);
    section(&mut text, "tls", &others);
    for listen in &found.listeners {
        text.push('\n');
        text += &listener(listen);
    }
    if found.public_index.is_some() {
        text.push('\n');
        text += PUBLIC_INDEX;
    }
    let mut desktops = String::new();
    for (setting, key) in [
        (&found.geometry, "geometry"),
        (&found.profile, "default_profile"),
    ] {
        if let Some((_, value)) = setting {
            push(&mut desktops, key, value);
        }
    }
    section(&mut text, "desktops", &desktops);
    for desktop in &found.attached {
        let place = desktop.place.to_string().replace(char::is_control, "?");
        line(&mut text, &format!("\n# {place}"));
        text += &attached(desktop, beside);
    }
    text
}

fn notes(text: &mut String, title: &str, notes: &[Note]) {
    if notes.is_empty() {
        return;
    }
    line(text, &format!("#\n# {title}:"));
    for note in notes.iter().take(MAX_NOTES) {
        // Its place is never cut: it may be long, and is what leads there.
        let cut = note.text.floor_char_boundary(MAX_NOTE);
        let more = if cut < note.text.len() { "…" } else { "" };
        let text_of_it = note.text.get(..cut).unwrap_or_default();
        let short = Note {
            place: note.place.clone(),
            text: format!("{text_of_it}{more}"),
        };
        line(text, &format!("# - {short}"));
    }
    if let Some(more) = notes.len().checked_sub(MAX_NOTES).filter(|more| *more > 0) {
        line(
            text,
            &format!("# - and {more} more, which standard error names"),
        );
    }
}

/// `[[listen]]`.
pub(super) fn listener(listen: &Listen) -> String {
    let mut text = "[[listen]]\n".to_owned();
    push(&mut text, "address", &listen.address);
    push(&mut text, "protocol", listen.protocol);
    if listen.proxy_protocol {
        text += "proxy_protocol = true\n";
    }
    text
}

/// `[server]` and `[tls]` with nothing but these certificates and keys.
pub(super) fn certificates(certificates: &[(String, String)]) -> String {
    let (first, others) = certificate_keys(certificates);
    format!("[server]\n{first}[tls]\n{others}")
}

/// What stands in `[server]` for the first, and in `[tls]` for the others.
fn certificate_keys(certificates: &[(String, String)]) -> (String, String) {
    let (mut server, mut tls) = (String::new(), String::new());
    let Some(((cert, key), others)) = certificates.split_first() else {
        return (server, tls);
    };
    push(&mut server, "tls_cert", cert);
    push(&mut server, "tls_key", key);
    if !others.is_empty() {
        tls += "certificates = [\n";
        for (cert, key) in others {
            let (cert, key) = (string(cert), string(key));
            line(&mut tls, &format!("    {{ cert = {cert}, key = {key} }},"));
        }
        tls += "]\n";
    }
    (server, tls)
}

/// `[[attach]]`; a comment when nobody's name is known.
pub(super) fn attached(attached: &Attached, beside: &Path) -> String {
    let mut text = "[[attach]]\n".to_owned();
    push(
        &mut text,
        "desktop",
        attached.desktop.as_deref().unwrap_or("OWNER"),
    );
    push(&mut text, "target", &attached.target);
    if let Some(file) = &attached.ca_file {
        push(&mut text, "ca_file", file);
    }
    if let Some(file) = password_file(attached, beside) {
        push(&mut text, "password_file", &file.to_string_lossy());
    }
    if attached.desktop.is_some() {
        return text;
    }
    text.lines().fold(String::new(), |mut commented, of_it| {
        line(&mut commented, &format!("# {of_it}"));
        commented
    })
}

/// Where a desktop's password belongs, when it has one. No name has a `+` in it, as one may have a
/// dot: `alice/b` and the person `alice.b` are two.
pub(super) fn password_file(attached: &Attached, beside: &Path) -> Option<PathBuf> {
    attached.password.as_ref()?;
    let desktop = attached.desktop.as_ref()?.replace('/', "+");
    Some(beside.join(format!("{desktop}.password")))
}

fn section(text: &mut String, name: &str, keys: &str) {
    if !keys.is_empty() {
        line(text, &format!("\n[{name}]"));
        text.push_str(keys);
    }
}

fn list<S: AsRef<str>>(text: &mut String, key: &str, values: impl Iterator<Item = S>) {
    let values: Vec<String> = values.map(|value| string(value.as_ref())).collect();
    if !values.is_empty() {
        line(text, &format!("{key} = [{}]", values.join(", ")));
    }
}

fn push(text: &mut String, key: &str, value: &str) {
    line(text, &format!("{key} = {}", string(value)));
}

fn line(text: &mut String, line: &str) {
    // Writing to a string cannot fail.
    _ = writeln!(text, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_value_holds_it_comes_back() {
        for value in [
            "plain",
            "a\"b",
            "a\\b",
            "a\nb",
            "]\n[x]",
            "''' \"\"\"",
            "ü\u{7f}\u{0}",
        ] {
            let text = format!("key = {}", string(value));
            let read: toml::Table = toml::from_str(&text).unwrap();
            assert_eq!(read.get("key").and_then(toml::Value::as_str), Some(value));
        }
    }
}
