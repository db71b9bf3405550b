//! What a location's path says: whose desktop it is, and which address nginx asks for.

use crate::model::DesktopId;

/// What the last part of a path to a WebSocket is called.
const WEB_SOCKETS: &[&str] = &["websockify", "websocket", "ws", "wss", "socket"];
/// What comes before people's names.
const PREFIXES: &[&str] = &["novnc", "vnc", "d", "desktop", "desktops", "desk", "remote"];

/// The desktop that `/novnc/alice/websockify` or `/alice/work/` names.
pub(super) fn desktop(path: &str) -> Option<DesktopId> {
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    parts.pop_if(|part| WEB_SOCKETS.contains(part));
    if parts.first().is_some_and(|part| PREFIXES.contains(part)) {
        parts.remove(0);
    }
    match parts.as_slice() {
        [owner] | [owner, "main"] => owner.parse().ok(),
        [owner, name] => format!("{owner}/{name}").parse().ok(),
        _ => None,
    }
}

/// Whether people's links below that path are good in Deskway too.
pub(super) fn stays(path: &str, desktop: &DesktopId) -> bool {
    let path = path.trim_end_matches('/');
    let path = path.strip_suffix("/websockify").unwrap_or(path);
    path == format!("/novnc/{desktop}") || path == format!("/d/{desktop}")
}

/// The path that a browser asks for: that of an exact location, or one below a prefix.
pub(super) fn asked(path: &str, exact: bool) -> String {
    let last = path.rsplit('/').next().unwrap_or_default();
    if exact || WEB_SOCKETS.contains(&last) {
        path.to_owned()
    } else {
        format!("{}/websockify", path.trim_end_matches('/'))
    }
}

/// The path that nginx asks the other server for: where `proxy_pass` has a path, it stands for the
/// location's.
pub(super) fn passed(location: &str, asked: &str, uri: Option<&str>) -> String {
    match uri {
        None => asked.to_owned(),
        Some(uri) => format!("{uri}{}", asked.strip_prefix(location).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_people_and_desktops() {
        let named = |path| desktop(path).map(|id| id.to_string());
        assert_eq!(named("/novnc/alice/websockify").as_deref(), Some("alice"));
        assert_eq!(
            named("/novnc/alice/work/websockify").as_deref(),
            Some("alice/work")
        );
        assert_eq!(named("/alice/").as_deref(), Some("alice"));
        assert_eq!(named("/vnc/bob").as_deref(), Some("bob"));
        assert_eq!(named("/d/bob/main/websockify").as_deref(), Some("bob"));
        for path in [
            "/",
            "/novnc/websockify",
            "/websockify",
            "/a/b/c/websockify",
            "/novnc/a%20b/",
        ] {
            assert_eq!(named(path), None, "{path}");
        }
    }

    #[test]
    fn the_path_of_proxy_pass_stands_for_the_location_s() {
        let sent = |location, uri| passed(location, &asked(location, false), uri);
        assert_eq!(sent("/novnc/alice/websockify", Some("/")), "/");
        assert_eq!(
            sent("/novnc/alice/websockify", None),
            "/novnc/alice/websockify"
        );
        assert_eq!(sent("/novnc/alice/", Some("/")), "/websockify");
        assert_eq!(sent("/novnc/alice", Some("/")), "//websockify");
        assert_eq!(sent("/novnc/alice/", Some("/vnc/")), "/vnc/websockify");
        assert_eq!(sent("/novnc/alice/", None), "/novnc/alice/websockify");
        assert_eq!(passed("/x", &asked("/x", true), Some("/y?a=1")), "/y?a=1");
    }

    #[test]
    fn links_that_go_on_working_are_known() {
        let alice = "alice".parse().unwrap();
        assert!(stays("/novnc/alice/websockify", &alice));
        assert!(stays("/novnc/alice/", &alice));
        assert!(!stays("/vnc/alice/websockify", &alice));
        assert!(!stays("/alice/", &alice));
    }
}
