//! A backup is put back into an empty directory, or nothing is.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use tempfile::TempDir;

use super::*;
use crate::audit::{Entry, Wanted, append, read};
use crate::model::Secret;
use crate::store::accounts::{LocalVerdict, NewAccount};

fn filled() -> TempDir {
    let state = TempDir::new().unwrap();
    let account = NewAccount {
        name: &"alice".parse().unwrap(),
        os_user: None,
        full_name: None,
        password: &Secret::new("correct horse".to_owned()),
    };
    accounts::add(state.path(), &account, &Clock::System).unwrap();
    let entry = Entry::new(7, "alice", "::1", What::SignIn);
    append(state.path(), &entry).unwrap();
    fs::create_dir(state.path().join("acme")).unwrap();
    fs::write(state.path().join("acme/key.pem"), "a key").unwrap();
    fs::write(state.path().join("usage.json"), "{}").unwrap();
    state
}

#[test]
fn what_was_copied_while_others_wrote_is_put_back_whole() {
    let (state, place) = (filled(), TempDir::new().unwrap());
    let file = place.path().join("b.tar");
    // Somebody has the database open, and what they wrote last is in its log alone.
    let reader = crate::audit::Reader::open(state.path()).unwrap();
    append(state.path(), &Entry::new(8, "bob", "::1", What::SignIn)).unwrap();
    let copied = copy(state.path(), &file).unwrap();
    drop(reader);
    assert_eq!(
        copied,
        [
            "accounts.db",
            "audit/audit.db",
            "acme/key.pem",
            "usage.json"
        ]
    );
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(
        fs::read_dir(place.path()).unwrap().count(),
        1,
        "no leavings"
    );
    let again = place.path().join("again");
    fs::create_dir(&again).unwrap();
    let (manifest, _) = put_back(&file, &again).unwrap();
    assert_eq!(manifest.deskway, env!("CARGO_PKG_VERSION"));
    let verdict = accounts::verify(
        &again,
        &"alice".parse().unwrap(),
        &Secret::new("correct horse".to_owned()),
    );
    assert!(matches!(verdict, Ok(LocalVerdict::Right { .. })));
    let entries = read(&again, &Wanted::default()).unwrap();
    let who: Vec<_> = entries.iter().map(|found| &found.entry.who).collect();
    assert_eq!(who, ["alice", "bob"]);
    assert_eq!(
        fs::read_dir(place.path()).unwrap().count(),
        2,
        "no leavings"
    );
}

#[test]
fn nothing_is_written_over() {
    let (state, place) = (filled(), TempDir::new().unwrap());
    let file = place.path().join("b.tar");
    fs::write(&file, "mine").unwrap();
    assert!(matches!(
        copy(state.path(), &file),
        Err(BackupError::Exists(_))
    ));
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    fs::remove_file(&file).unwrap();
    copy(state.path(), &file).unwrap();
    let kept = fs::read(state.path().join("accounts.db")).unwrap();
    assert!(matches!(
        put_back(&file, state.path()),
        Err(BackupError::NotEmpty(_))
    ));
    assert_eq!(fs::read(state.path().join("accounts.db")).unwrap(), kept);
}

#[test]
fn what_is_no_backup_puts_nothing_back() {
    let place = TempDir::new().unwrap();
    let (file, state) = (place.path().join("b.tar"), place.path().join("state"));
    let refused = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        let error = put_back(&file, &state).unwrap_err().to_string();
        assert!(!state.exists(), "{error}");
        error
    };
    refused(b"");
    refused(&[7; 2000]);
    let archive = |files: &[(&str, &[u8])]| {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, bytes) in files {
            let mut header = tar::Header::new_gnu();
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(bytes.len() as u64);
            header.set_cksum();
            archive.append(&header, *bytes).unwrap();
        }
        archive.into_inner().unwrap()
    };
    let manifest = (
        MANIFEST,
        br#"{"version":1,"deskway":"0.1.0","at":1}"#.as_slice(),
    );
    let newer = (
        MANIFEST,
        br#"{"version":2,"deskway":"9.0.0","at":1}"#.as_slice(),
    );
    assert!(refused(&archive(&[newer])).contains("9.0.0"));
    for name in [
        "../evil",
        "/etc/evil",
        "acme/../evil",
        "acme/a/b",
        "homes/x",
    ] {
        let error = refused(&archive(&[manifest, (name, b"x")]));
        assert!(error.contains("does not belong there"), "{name}: {error}");
    }
    let error = refused(&archive(&[manifest, ("accounts.db", &[9; 5000])]));
    assert!(error.contains("damaged"), "{error}");
}

#[test]
fn a_link_in_the_service_user_s_directory_leads_nowhere() {
    let (state, place) = (filled(), TempDir::new().unwrap());
    symlink("/etc/passwd", state.path().join("acme/link.pem")).unwrap();
    let copied = copy(state.path(), &place.path().join("b.tar")).unwrap();
    assert!(
        !copied.iter().any(|name| name.contains("link")),
        "{copied:?}"
    );
}

#[test]
fn secrets_are_copied_to_no_place_that_others_may_change() {
    let (state, place) = (filled(), TempDir::new().unwrap());
    let shared = place.path().join("shared");
    fs::create_dir_all(shared.join("own")).unwrap();
    let mode = |mode| fs::set_permissions(&shared, fs::Permissions::from_mode(mode)).unwrap();
    let refused = |result: Result<Vec<String>, BackupError>| {
        let Err(BackupError::Shared(path)) = result else {
            panic!("{result:?}");
        };
        assert_eq!(path, shared.canonicalize().unwrap());
    };
    let file = shared.join("own/b.tar");
    mode(0o777);
    refused(copy(state.path(), &file));
    refused(copy(state.path(), &shared.join("b.tar")));
    // A link to it is no way around.
    symlink(shared.join("own"), place.path().join("link")).unwrap();
    refused(copy(state.path(), &place.path().join("link/b.tar")));
    if osuser::is_root() {
        mode(0o755);
        chown(&shared, Some(65_534), None).unwrap();
        refused(copy(state.path(), &file));
        chown(&shared, Some(0), None).unwrap();
    }
    // As /tmp is.
    mode(0o1777);
    copy(state.path(), &file).unwrap();
    mode(0o777);
    let again = put_back(&file, &shared.join("again"));
    refused(again.map(|(_, names)| names));
}

#[test]
fn a_copy_of_a_database_is_nobody_else_s_to_read() {
    let (state, place) = (filled(), TempDir::new().unwrap());
    let (from, to) = (state.path().join("accounts.db"), place.path().join("copy"));
    snapshot_of(&from, &to).unwrap();
    assert_eq!(to.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let link = place.path().join("link");
    symlink(place.path().join("elsewhere"), &link).unwrap();
    assert!(snapshot_of(&from, &link).is_err());
    assert!(!place.path().join("elsewhere").exists());
}

#[test]
fn nothing_is_left_out_for_want_of_room() {
    let (state, place) = (filled(), TempDir::new().unwrap());
    let file = place.path().join("b.tar");
    for number in 1..MAX_ORDERED {
        fs::write(state.path().join(format!("acme/{number}.pem")), "x").unwrap();
    }
    let copied = copy(state.path(), &file).unwrap();
    assert_eq!(copied.len(), MAX_FILES);
    if !osuser::is_root() || service_owner().is_some() {
        let (_, restored) = put_back(&file, &place.path().join("all")).unwrap();
        assert_eq!(restored.len(), MAX_FILES);
        assert!(restored.contains(&USAGE.to_owned()));
    }
    fs::write(state.path().join("acme/more.pem"), "x").unwrap();
    let refused = copy(state.path(), &place.path().join("c.tar"));
    assert!(
        matches!(refused, Err(BackupError::TooMany(_))),
        "{refused:?}"
    );
}

#[test]
fn a_database_of_a_newer_deskway_is_not_put_back() {
    let (state, place) = (filled(), TempDir::new().unwrap());
    let newer = "INSERT INTO _sqlx_migrations VALUES (99, 'later', '2030-01-01', 1, x'00', 0)";
    for name in [accounts::FILE, "audit/audit.db"] {
        let file = place.path().join(name.replace('/', "-"));
        let path = state.path().join(name);
        database::block_on(async {
            let options = database::options(&path, sqlx::sqlite::SqliteSynchronous::Full);
            let mut connection = options.connect().await.unwrap();
            sqlx::query(newer).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        })
        .unwrap();
        copy(state.path(), &file).unwrap();
        let again = place.path().join("again");
        let error = put_back(&file, &again).unwrap_err().to_string();
        assert!(error.contains("newer Deskway"), "{error}");
        assert!(!again.exists());
        fs::remove_file(&path).unwrap();
    }
}
