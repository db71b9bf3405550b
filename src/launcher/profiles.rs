//! The sessions that people can choose from: those of the configuration, those that are installed
//! (`/usr/share/xsessions/*.desktop`), and a person's own `~/.vnc/xstartup`.

use std::collections::HashMap;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::exec_line::{split, unescape};
use crate::agent::protocol::Session;
use crate::config::Desktops;
use crate::model::{ProfileId, ProfileInfo};

/// The profile that stands for the person's `~/.vnc/xstartup`.
const XSTARTUP: &str = "xstartup";
/// Most installed sessions that are looked at.
const MAX_SESSIONS: usize = 200;
/// Most bytes of a session's file.
const MAX_FILE: u64 = 64 * 1024;
/// Where the session that most machines have comes in the order of choice.
const FAVOURITE: &str = "xfce";
/// Where programs of sessions are looked for.
pub(crate) const SYSTEM_PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games";

/// One session that can be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) id: ProfileId,
    pub(crate) name: String,
    pub(crate) session: Session,
}

/// All sessions of this machine; those of the configuration come first and win over installed
/// ones of the same name. `xstartup`: whether to offer the person's own.
pub(crate) fn all(desktops: &Desktops, xstartup: bool) -> Vec<Profile> {
    let mut profiles: Vec<Profile> = Vec::new();
    let configured = desktops.profiles.iter().map(|profile| Profile {
        id: profile.id.clone(),
        name: profile.name.clone(),
        session: Session::Command(profile.command.clone()),
    });
    let own = (xstartup && desktops.xstartup)
        .then(|| XSTARTUP.parse().ok())
        .flatten()
        .map(|id| Profile {
            id,
            name: "My own (~/.vnc/xstartup)".to_owned(),
            session: Session::XStartup,
        });
    for profile in configured.chain(installed(&desktops.xsessions)).chain(own) {
        if profiles.iter().all(|known| known.id != profile.id) {
            profiles.push(profile);
        }
    }
    profiles
}

/// The session of a new desktop when nothing is chosen: the configured one, else `xfce`, else the
/// first.
pub(crate) fn default<'a>(desktops: &Desktops, profiles: &'a [Profile]) -> Option<&'a Profile> {
    let named = |name: &str| profiles.iter().find(|profile| profile.id.as_str() == name);
    match &desktops.default_profile {
        Some(id) => named(id.as_str()),
        None => named(FAVOURITE).or_else(|| profiles.first()),
    }
}

/// As the portal shows them.
pub(crate) fn infos(desktops: &Desktops, profiles: &[Profile]) -> Vec<ProfileInfo> {
    let default = default(desktops, profiles).map(|profile| &profile.id);
    profiles
        .iter()
        .map(|profile| ProfileInfo {
            id: profile.id.clone(),
            name: profile.name.clone(),
            default: Some(&profile.id) == default,
        })
        .collect()
}

/// Sorted by name; what is no session, hidden or not installed after all is left out.
fn installed(directory: &Path) -> Vec<Profile> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut found: Vec<Profile> = entries
        .take(MAX_SESSIONS)
        .filter_map(|entry| read(&entry.ok()?.path()))
        .collect();
    found.sort_by(|one, other| one.id.cmp(&other.id));
    found
}

fn read(path: &Path) -> Option<Profile> {
    let id: ProfileId = path
        .file_name()?
        .to_str()?
        .strip_suffix(".desktop")?
        .parse()
        .ok()?;
    let mut text = String::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(MAX_FILE).read_to_string(&mut text).ok()?;
    let entry = entry(&text);
    let set = |key: &str| entry.get(key).is_some_and(|value| *value == "true");
    if set("Hidden") || set("NoDisplay") {
        return None;
    }
    if let Some(program) = entry.get("TryExec")
        && !is_program(&unescape(program))
    {
        return None;
    }
    let command = split(&unescape(entry.get("Exec")?))?;
    let name = entry
        .get("Name")
        .map_or_else(|| id.to_string(), |name| unescape(name));
    Some(Profile {
        name: name.chars().filter(|c| !c.is_control()).take(80).collect(),
        id,
        session: Session::Command(command),
    })
}

/// The keys of the group `[Desktop Entry]`, translated ones left out.
fn entry(text: &str) -> HashMap<&str, &str> {
    let mut lines = text.lines().map(str::trim);
    lines
        .by_ref()
        .find(|line| *line == "[Desktop Entry]")
        .into_iter()
        .flat_map(|_| lines.clone().take_while(|line| !line.starts_with('[')))
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim(), value.trim()))
        .collect()
}

/// Whether it is an executable file, by its path or on the system's.
fn is_program(program: &str) -> bool {
    let executable = |path: &Path| {
        std::fs::metadata(path)
            .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    if program.contains('/') {
        executable(Path::new(program))
    } else {
        SYSTEM_PATH
            .split(':')
            .any(|directory| executable(&Path::new(directory).join(program)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const XFCE: &str = "# comment\n[Desktop Entry]\nName=Xfce Session\nName[de]=Xfce-Sitzung\n\
                        Exec=startxfce4\nTryExec=sh\n[Desktop Action x]\nExec=no\n";

    fn read_text(file: &str, text: &str) -> Option<Profile> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(file);
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn an_installed_session_is_read() {
        let profile = read_text("xfce.desktop", XFCE).unwrap();
        assert_eq!(profile.name, "Xfce Session");
        assert_eq!(
            profile.session,
            Session::Command(vec!["startxfce4".to_owned()])
        );
    }

    #[test]
    fn hidden_missing_and_broken_sessions_are_left_out() {
        for text in [
            XFCE.replace("TryExec=sh", "Hidden=true"),
            XFCE.replace("TryExec=sh", "NoDisplay=true"),
            XFCE.replace("TryExec=sh", "TryExec=no-such-program-x"),
            XFCE.replace("Exec=startxfce4", "Exec=\"open"),
            XFCE.replace("[Desktop Entry]", "[Other]"),
            String::new(),
        ] {
            assert_eq!(read_text("x.desktop", &text), None, "{text}");
        }
        assert_eq!(read_text("x.txt", XFCE), None);
        assert_eq!(read_text("a b.desktop", XFCE), None);
    }
}
