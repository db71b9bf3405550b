//! Guacamole's `user-mapping.xml`: people with their passwords, and the connections of each.
//!
//! A connection by VNC becomes an attached desktop of that person: `OWNER` when it is their only
//! one, else `OWNER/NAME`. Passwords of VNC servers go into files of their own.

use std::path::Path;
use std::sync::Arc;

use roxmltree::{Document, Node, ParsingOptions};

use super::found::{Attached, Found, Place};
use super::{Error, text_file};
use crate::model::{DesktopName, Secret, UserName};

/// Most elements, attributes and texts of the file. It may have no DTD, so that no entity grows.
const MAX_NODES: u32 = 100_000;
/// Where VNC servers listen when nothing is said.
const DEFAULT_PORT: &str = "5900";

pub(super) fn read(path: &Path) -> Result<Found, Error> {
    let text = text_file::read(path).map_err(|error| Error::unreadable(path, error))?;
    let options = ParsingOptions {
        allow_dtd: false,
        nodes_limit: MAX_NODES,
        ..ParsingOptions::default()
    };
    let document = Document::parse_with_options(&text, options).map_err(|error| {
        let place = Place {
            file: path.into(),
            line: error.pos().row as usize,
        };
        Error::syntax(place, error.to_string())
    })?;
    let mut reader = Reader {
        file: path.into(),
        document: &document,
        found: Found::default(),
    };
    for child in document.root_element().children().filter(Node::is_element) {
        if child.has_tag_name("authorize") {
            reader.person(child);
        } else {
            reader.lost(
                child,
                &format!("<{}> is not known", child.tag_name().name()),
            );
        }
    }
    Ok(reader.found)
}

struct Reader<'a, 'input> {
    file: Arc<Path>,
    document: &'a Document<'input>,
    found: Found,
}

impl<'a, 'input> Reader<'a, 'input> {
    fn place(&self, node: Node<'_, '_>) -> Place {
        Place {
            file: Arc::clone(&self.file),
            line: self.document.text_pos_at(node.range().start).row as usize,
        }
    }

    fn lost(&mut self, node: Node<'_, '_>, text: &str) {
        let place = self.place(node);
        self.found.lost(&place, text);
    }

    fn person(&mut self, authorize: Node<'a, 'input>) {
        let name = authorize.attribute("username").unwrap_or_default();
        let Ok(owner) = name.parse::<UserName>() else {
            let text = "this username can be no name of an account: its connections are left out";
            return self.lost(authorize, text);
        };
        if authorize.has_attribute("password") {
            self.lost(
                authorize,
                &format!(
                    "the password of `{owner}` for Guacamole is not carried over: an account of \
                     this machine signs in with its own, for others: deskway user add {owner}"
                ),
            );
        }
        let named = |node: &Node<'_, '_>| node.has_tag_name("connection");
        let connections: Vec<_> = authorize.children().filter(named).collect();
        if connections.is_empty() {
            return self.connection(&owner, None, authorize);
        }
        let only = connections.len() == 1;
        for connection in connections {
            let name = connection.attribute("name").unwrap_or_default();
            self.connection(&owner, (!only).then_some(name), connection);
        }
    }

    /// One connection, or the only one, which stands in the person's element.
    fn connection(&mut self, owner: &UserName, name: Option<&str>, node: Node<'a, 'input>) {
        let text = |name: &str| {
            let child = node.children().find(|child| child.has_tag_name(name));
            child.and_then(|child| child.text()).map(str::trim)
        };
        match text("protocol") {
            Some("vnc") => {}
            Some(other) => {
                let text = format!("a connection by {other} is not carried over: Deskway has VNC");
                return self.lost(node, &text);
            }
            None => return self.lost(node, "a connection without <protocol> is left out"),
        }
        let (mut host, mut port, mut password) = (None, DEFAULT_PORT, None);
        for param in node.children().filter(|child| child.has_tag_name("param")) {
            let value = param.text().unwrap_or_default().trim();
            match param.attribute("name").unwrap_or_default() {
                "hostname" => host = Some(value),
                "port" => port = value,
                "password" if !value.is_empty() => password = Some(Secret::new(value.to_owned())),
                "password" | "autoretry" | "cursor" | "clipboard-encoding" => {}
                other => self.lost(
                    param,
                    &format!("the parameter `{other}` is not carried over"),
                ),
            }
        }
        let Some(host) = host else {
            return self.lost(
                node,
                "a connection without the parameter `hostname` is left out",
            );
        };
        let desktop = match name.map(desktop_name) {
            None => owner.to_string(),
            Some(Some(name)) => format!("{owner}/{name}"),
            Some(None) => {
                let text = "this connection's name makes no name of a desktop: it is left out";
                return self.lost(node, text);
            }
        };
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        self.found.attached.push(Attached {
            place: self.place(node),
            desktop: Some(desktop),
            target: format!("{host}:{port}"),
            ca_file: None,
            password,
        });
    }
}

/// A connection's name in small letters, with `-` for what a desktop's name may not have.
fn desktop_name(text: &str) -> Option<DesktopName> {
    let letters = text.to_lowercase();
    let letters = letters.chars().map(|c| match c {
        c if c.is_ascii_alphanumeric() || c == '_' => c,
        _ => '-',
    });
    let name: String = letters.collect();
    let mut words = name.split('-').filter(|word| !word.is_empty());
    let first = words.next()?.to_owned();
    let name = words.fold(first, |name, word| name + "-" + word);
    let name: String = name.chars().take(32).collect();
    name.parse().ok()
}

/// Whether a text is of this kind.
pub(super) fn is_one(text: &str) -> bool {
    text.trim_start_matches('\u{feff}')
        .trim_start()
        .starts_with('<')
        && text.contains("<user-mapping")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_s_name_becomes_a_desktop_s() {
        let name = |text| desktop_name(text).map(String::from);
        assert_eq!(name("Office PC (2nd)").as_deref(), Some("office-pc-2nd"));
        assert_eq!(name("lab_1").as_deref(), Some("lab_1"));
        assert_eq!(name("Büro").as_deref(), Some("b-ro"));
        assert_eq!(name("---"), None);
        assert_eq!(name(&"x".repeat(50)).map(|name| name.len()), Some(32));
    }
}
