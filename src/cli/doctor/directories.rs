//! The run directory, the state directory, and the space on disk.

use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{Access, access, statvfs};

use super::finding::Finding;
use crate::templates::{Origin, Templates};

/// Longest path of the run directory: `config` says why.
const MAX_RUN_DIR: usize = 60;
const MIB: u64 = 1024 * 1024;
/// Less than this and a start fails: sockets, the database and logs have no room.
const SPACE_NEEDED: u64 = 16 * MIB;
/// Less than this and a session soon fails: it writes caches and settings.
const SPACE_WANTED: u64 = 256 * MIB;

/// `uid` is who starts Deskway.
pub(super) fn run_directory(path: &Path, uid: u32) -> Finding {
    const CHECK: &str = "run directory";
    let length = path.as_os_str().as_bytes().len();
    if length > MAX_RUN_DIR {
        let found = format!("{} is longer than {MAX_RUN_DIR} bytes", path.display());
        return Finding::wrong(CHECK, found, "give a shorter one with --run-dir");
    }
    directory(CHECK, path, uid)
}

pub(super) fn state_directory(path: &Path, uid: u32) -> Finding {
    directory("state directory", path, uid)
}

fn directory(check: &'static str, path: &Path, uid: u32) -> Finding {
    let name = path.display();
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => can_be_made(check, path),
        Err(error) => Finding::wrong(check, format!("{name}: {error}"), parent_mend(path)),
        Ok(found) => match trouble(&found, uid) {
            None => Finding::fine(check, name.to_string()),
            Some((found, mend)) => {
                let mend = mend.replace("{}", &name.to_string());
                Finding::wrong(check, format!("{name} {found}"), mend)
            }
        },
    }
}

/// What is wrong with a directory that is there, and what mends it.
fn trouble(found: &Metadata, uid: u32) -> Option<(String, String)> {
    if !found.is_dir() {
        return Some(("is no directory".to_owned(), "rm {}".to_owned()));
    }
    if found.uid() != uid {
        let owner = found.uid();
        return Some((
            format!("belongs to uid {owner}"),
            format!("chown {uid} {{}}"),
        ));
    }
    // The sticky bit does not help: sockets are looked for by name.
    if found.mode() & 0o022 != 0 {
        let mode = found.mode() & 0o7777;
        return Some((
            format!("may be written by others ({mode:o})"),
            "chmod go-w {}".to_owned(),
        ));
    }
    None
}

/// A start makes the directory, and those above it, when the first one that is there allows it.
fn can_be_made(check: &'static str, path: &Path) -> Finding {
    let there = path.ancestors().skip(1).find(|parent| parent.exists());
    let writable = there.filter(|there| {
        there.is_dir() && access(*there, Access::WRITE_OK | Access::EXEC_OK).is_ok()
    });
    if writable.is_some() {
        return Finding::fine(check, format!("{} will be made", path.display()));
    }
    let found = format!("{} is not there and cannot be made", path.display());
    Finding::wrong(check, found, parent_mend(path))
}

fn parent_mend(path: &Path) -> String {
    format!("make it by hand, or choose another than {}", path.display())
}

/// The files that stand in the place of our own templates; a wrong one stops the start.
pub(super) fn templates(dir: Option<&Path>) -> Finding {
    const CHECK: &str = "templates";
    let own = |templates: &Templates| {
        let all = templates.list();
        let files = all.iter().filter(|(_, origin)| *origin != Origin::BuiltIn);
        files.count()
    };
    match (Templates::load(dir), dir) {
        (Err(error), _) => Finding::wrong(
            CHECK,
            error.to_string(),
            "correct the file; `deskway render` shows what becomes of it",
        ),
        (Ok(_), None) => Finding::fine(CHECK, "built in"),
        (Ok(templates), Some(dir)) => {
            let found = format!("{} of them from {}", own(&templates), dir.display());
            Finding::fine(CHECK, found)
        }
    }
}

/// `vital`: without room there nothing starts.
pub(super) fn space(path: &Path, vital: bool) -> Option<Finding> {
    let there = path.ancestors().find(|parent| parent.exists())?;
    let found = statvfs(there).ok()?;
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    // File systems without a fixed number of files say 0 of 0.
    let files_left = found.f_files == 0 || found.f_favail > 0;
    Some(judge_space(path, free, files_left, vital))
}

fn judge_space(path: &Path, free: u64, files_left: bool, vital: bool) -> Finding {
    const CHECK: &str = "disk space";
    let found = format!("{} MiB free for {}", free / MIB, path.display());
    if !files_left {
        let found = format!("no more files fit in {}", path.display());
        return Finding::wrong(CHECK, found, "remove files there");
    }
    if free < SPACE_NEEDED && vital {
        Finding::wrong(
            CHECK,
            found,
            format!("free at least {} MiB there", SPACE_NEEDED / MIB),
        )
    } else if free < SPACE_WANTED {
        Finding::note(
            CHECK,
            found,
            format!("sessions want {} MiB there", SPACE_WANTED / MIB),
        )
    } else {
        Finding::fine(CHECK, found)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use tempfile::TempDir;

    use super::super::finding::State;
    use super::*;

    fn own_uid() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    #[test]
    fn a_directory_that_is_there_or_can_be_made_is_fine() {
        let place = TempDir::new().unwrap();
        assert_eq!(run_directory(place.path(), own_uid()).state, State::Fine);
        let below = run_directory(&place.path().join("a/b"), own_uid());
        assert_eq!(below.state, State::Fine);
        assert!(below.found.ends_with("will be made"));
        assert!(!place.path().join("a").exists());
    }

    #[test]
    fn a_directory_that_others_could_use_is_wrong() {
        let place = TempDir::new().unwrap();
        let finding = run_directory(place.path(), own_uid() + 1);
        assert!(finding.mend.unwrap().starts_with("chown"));
        fs::set_permissions(place.path(), Permissions::from_mode(0o1777)).unwrap();
        let finding = state_directory(place.path(), own_uid());
        assert_eq!(finding.state, State::Wrong);
        assert!(finding.found.contains("1777"), "{finding}");
    }

    #[test]
    fn what_cannot_be_a_directory_is_wrong() {
        let place = TempDir::new().unwrap();
        let file = place.path().join("file");
        fs::write(&file, "").unwrap();
        let link = place.path().join("link");
        std::os::unix::fs::symlink(place.path(), &link).unwrap();
        for path in [file.clone(), file.join("below"), link] {
            let finding = run_directory(&path, own_uid());
            assert_eq!(finding.state, State::Wrong, "{finding}");
        }
        let long = Path::new("/").join("x".repeat(60));
        assert!(
            run_directory(&long, own_uid())
                .mend
                .unwrap()
                .contains("--run-dir")
        );
    }

    #[test]
    fn a_full_disk_is_wrong_where_a_start_needs_it_and_a_note_elsewhere() {
        let path = Path::new("/x");
        assert_eq!(judge_space(path, MIB, true, true).state, State::Wrong);
        assert_eq!(judge_space(path, MIB, true, false).state, State::Note);
        assert_eq!(
            judge_space(path, SPACE_WANTED, false, true).state,
            State::Wrong
        );
        assert_eq!(
            judge_space(path, SPACE_WANTED, true, true).state,
            State::Fine
        );
        assert!(space(Path::new("/no/such/place"), true).is_some());
    }
}
