//! Is there a session for a new desktop to run?

use std::io::Read as _;
use std::path::Path;

use super::finding::Finding;
use super::programs::find;
use crate::config::Desktops;

const CHECK: &str = "session";
const INSTALL: &str = "apt-get install xfce4";
/// The person's own `~/.vnc/xstartup`, which is looked at when a desktop starts.
const XSTARTUP: &str = "xstartup";
/// Most sessions that are looked at, and most bytes of a session's file.
const MAX_SESSIONS: usize = 200;
const MAX_FILE: u64 = 64 * 1024;

/// A session by its id, and the program that it needs when that is missing.
struct Candidate {
    id: String,
    missing: Option<String>,
}

pub(super) fn session(desktops: &Desktops, path: &str) -> Finding {
    let mut candidates: Vec<Candidate> = Vec::new();
    for profile in &desktops.profiles {
        candidates.push(Candidate {
            id: profile.id.to_string(),
            missing: missing(profile.command.first().map_or("", |word| word), path),
        });
    }
    candidates.extend(installed(&desktops.xsessions, path));
    if let Some(id) = &desktops.default_profile {
        return match candidates
            .iter()
            .find(|candidate| candidate.id == id.as_str())
        {
            Some(Candidate { missing: None, .. }) => {
                Finding::fine(CHECK, format!("{id} is the default"))
            }
            Some(Candidate {
                missing: Some(program),
                ..
            }) => Finding::wrong(
                CHECK,
                format!("the default, {id}, needs `{program}`, which is not there"),
                format!("install {program}, or change `default_profile` in [desktops]"),
            ),
            None if id.as_str() == XSTARTUP && desktops.xstartup => Finding::note(
                CHECK,
                "the default is each person's own ~/.vnc/xstartup",
                "people without one cannot start a desktop",
            ),
            None => Finding::wrong(
                CHECK,
                format!(
                    "the default, {id}, is neither in {} nor a [[profile]]",
                    desktops.xsessions.display()
                ),
                "change `default_profile` in [desktops]",
            ),
        };
    }
    let usable: Vec<_> = candidates
        .iter()
        .filter(|candidate| candidate.missing.is_none())
        .map(|candidate| candidate.id.as_str())
        .collect();
    let favourite = usable.iter().find(|id| **id == "xfce");
    if let Some(default) = favourite.or_else(|| usable.first()) {
        let found = format!("{} (the default is {default})", usable.join(", "));
        return Finding::fine(CHECK, found);
    }
    let found = format!(
        "no session that runs is in {}",
        desktops.xsessions.display()
    );
    Finding::wrong(CHECK, found, INSTALL)
}

/// The sessions in `directory`, sorted.
fn installed(directory: &Path, path: &str) -> Vec<Candidate> {
    let Ok(entries) = directory.read_dir() else {
        return Vec::new();
    };
    let mut found: Vec<_> = entries
        .take(MAX_SESSIONS)
        .filter_map(|entry| read(&entry.ok()?.path(), path))
        .collect();
    found.sort_by(|one, other| one.id.cmp(&other.id));
    found
}

/// A session's file: `Exec` and `TryExec` of its `[Desktop Entry]`.
fn read(file: &Path, path: &str) -> Option<Candidate> {
    let id = file
        .file_name()?
        .to_str()?
        .strip_suffix(".desktop")?
        .to_owned();
    let mut text = String::new();
    std::fs::File::open(file)
        .ok()?
        .take(MAX_FILE)
        .read_to_string(&mut text)
        .ok()?;
    let (_, entry) = text.split_once("[Desktop Entry]")?;
    let entry = entry.split("\n[").next()?;
    let value = |key: &str| {
        let pairs = entry.lines().filter_map(|line| line.split_once('='));
        let mut values = pairs.filter(|(name, _)| name.trim() == key);
        values.next().map(|(_, value)| value.trim())
    };
    if value("Hidden") == Some("true") || value("NoDisplay") == Some("true") {
        return None;
    }
    let first = value("Exec")?.split(' ').next()?.trim_matches('"');
    let missing = value("TryExec")
        .and_then(|program| missing(program, path))
        .or_else(|| missing(first, path));
    Some(Candidate { id, missing })
}

/// `program`, when it cannot be found.
fn missing(program: &str, path: &str) -> Option<String> {
    match find(program, path) {
        Some(_) => None,
        None => Some(program.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::super::finding::State;
    use super::*;
    use crate::config::{Config, Profile};

    const PATH: &str = "/usr/bin:/bin";

    fn desktops(xsessions: &TempDir) -> Desktops {
        let mut desktops = Config::default_for(0).desktops;
        desktops.xsessions = xsessions.path().to_path_buf();
        desktops
    }

    fn install(xsessions: &TempDir, name: &str, program: &str) {
        let text =
            format!("[Desktop Entry]\nName=X\nExec={program} --session\nTryExec={program}\n");
        fs::write(xsessions.path().join(name), text).unwrap();
    }

    #[test]
    fn an_installed_session_is_enough() {
        let xsessions = TempDir::new().unwrap();
        install(&xsessions, "a.desktop", "sh");
        install(&xsessions, "xfce.desktop", "sh");
        install(&xsessions, "z.desktop", "no-such-program-x");
        let finding = session(&desktops(&xsessions), PATH);
        assert_eq!(finding.found, "a, xfce (the default is xfce)");
    }

    #[test]
    fn no_session_that_runs_is_wrong() {
        let xsessions = TempDir::new().unwrap();
        assert_eq!(session(&desktops(&xsessions), PATH).state, State::Wrong);
        install(&xsessions, "xfce.desktop", "no-such-program-x");
        let finding = session(&desktops(&xsessions), PATH);
        assert_eq!(finding.mend.as_deref(), Some(INSTALL));
    }

    #[test]
    fn a_default_that_cannot_run_is_wrong_even_beside_one_that_can() {
        let xsessions = TempDir::new().unwrap();
        install(&xsessions, "xfce.desktop", "sh");
        let mut desktops = desktops(&xsessions);
        desktops.default_profile = Some("icewm".parse().unwrap());
        let finding = session(&desktops, PATH);
        assert_eq!(finding.state, State::Wrong);
        assert!(finding.mend.unwrap().contains("default_profile"));
        desktops.profiles.push(Profile {
            id: "icewm".parse().unwrap(),
            name: "IceWM".to_owned(),
            command: vec!["no-such-program-x".to_owned()],
        });
        let finding = session(&desktops, PATH);
        assert!(finding.found.contains("no-such-program-x"), "{finding}");
        desktops.profiles[0].command = vec!["sh".to_owned()];
        assert_eq!(session(&desktops, PATH).state, State::Fine);
    }
}
