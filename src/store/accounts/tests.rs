//! What the command line and the launcher's child notice of local accounts.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tempfile::TempDir;

use super::*;

fn name(text: &str) -> UserName {
    text.parse().unwrap()
}

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn clock() -> Clock {
    Clock::Manual(Arc::new(AtomicU64::new(1_800_000_000)))
}

fn add_one(state: &TempDir, who: &str, password: &str) -> Result<(), Error> {
    let account = NewAccount {
        name: &name(who),
        os_user: None,
        full_name: None,
        password: &secret(password),
    };
    add(state.path(), &account, &clock())
}

fn says(state: &TempDir, who: &str, password: &str) -> LocalVerdict {
    verify(state.path(), &name(who), &secret(password)).unwrap()
}

#[test]
fn an_account_lives_from_add_to_remove() {
    let state = TempDir::new().unwrap();
    assert!(!any(state.path()).unwrap());
    assert_eq!(
        says(&state, "alice", "correct horse"),
        LocalVerdict::Unknown
    );
    add_one(&state, "alice", "correct horse").unwrap();
    let right = LocalVerdict::Right {
        os_user: None,
        full_name: "alice".to_owned(),
    };
    assert_eq!(says(&state, "alice", "correct horse"), right);
    assert_eq!(says(&state, "alice", "wrong horse"), LocalVerdict::Wrong);
    assert_eq!(
        says(&state, "Alice", "correct horse"),
        LocalVerdict::Unknown
    );
    set_password(
        state.path(),
        &name("alice"),
        &secret("battery staple"),
        &clock(),
    )
    .unwrap();
    assert_eq!(says(&state, "alice", "correct horse"), LocalVerdict::Wrong);
    assert_eq!(says(&state, "alice", "battery staple"), right);
    remove(state.path(), &name("alice")).unwrap();
    assert_eq!(
        says(&state, "alice", "battery staple"),
        LocalVerdict::Unknown
    );
    assert!(!any(state.path()).unwrap());
}

#[test]
fn the_list_shows_all_but_the_passwords() {
    let state = TempDir::new().unwrap();
    add_one(&state, "bob", "correct horse").unwrap();
    let account = NewAccount {
        name: &name("alice"),
        os_user: Some(&name("a123")),
        full_name: Some(" Alice Liddell "),
        password: &secret("correct horse"),
    };
    add(state.path(), &account, &clock()).unwrap();
    let all = list(state.path()).unwrap();
    assert_eq!(all[0].os_user, Some(name("a123")));
    assert_eq!(all[0].full_name, "Alice Liddell");
    assert_eq!(all[1].name, name("bob"));
    assert_eq!(all[1].created, 1_800_000_000);
    assert!(!format!("{all:?}").contains("argon2"));
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let state = TempDir::new().unwrap();
    assert!(matches!(
        add_one(&state, "alice", "short"),
        Err(Error::Password(_))
    ));
    assert!(!state.path().join(FILE).exists());
    add_one(&state, "alice", "correct horse").unwrap();
    assert!(matches!(
        add_one(&state, "alice", "another horse"),
        Err(Error::Exists(_))
    ));
    let bob = name("bob");
    let gone = set_password(state.path(), &bob, &secret("correct horse"), &clock());
    assert!(matches!(gone, Err(Error::NoSuchAccount(_))));
    assert!(matches!(
        remove(state.path(), &bob),
        Err(Error::NoSuchAccount(_))
    ));
    assert!(matches!(
        says(&state, "alice", "correct horse"),
        LocalVerdict::Right { .. }
    ));
    let two_lines = NewAccount {
        name: &bob,
        os_user: None,
        full_name: Some("Bob\nroot"),
        password: &secret("correct horse"),
    };
    assert!(matches!(
        add(state.path(), &two_lines, &clock()),
        Err(Error::FullName)
    ));
}

#[test]
fn no_other_user_can_read_the_file_or_what_sqlite_puts_beside_it() {
    let state = TempDir::new().unwrap();
    let below = state.path().join("a/b");
    let account = NewAccount {
        name: &name("alice"),
        os_user: None,
        full_name: None,
        password: &secret("correct horse"),
    };
    add(&below, &account, &clock()).unwrap();
    // Held open, so that the files of the write-ahead log stay.
    let (files, ()) = Database::open(&below)
        .unwrap()
        .unwrap()
        .run(async |database| {
            database.list().await?;
            let files: Vec<_> = std::fs::read_dir(&below)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .collect();
            for file in &files {
                let mode = std::fs::metadata(file).unwrap().permissions().mode();
                assert_eq!(mode & 0o777, 0o600, "{}", file.display());
            }
            Ok((files, ()))
        })
        .unwrap();
    assert!(files.len() > 1, "no write-ahead log: {files:?}");
}

#[test]
fn a_file_that_is_no_database_is_an_error_and_not_an_unknown_name() {
    let state = TempDir::new().unwrap();
    let path = state.path().join(FILE);
    std::fs::write(
        &path,
        "this is no database, but it is long enough to be looked at".repeat(40),
    )
    .unwrap();
    let error = verify(state.path(), &name("alice"), &secret("correct horse")).unwrap_err();
    assert!(error.to_string().contains("accounts.db"), "{error}");
}

#[test]
fn accounts_of_a_newer_version_are_left_alone() {
    let state = TempDir::new().unwrap();
    add_one(&state, "alice", "correct horse").unwrap();
    Database::open(state.path())
        .unwrap()
        .unwrap()
        .run(async |database| {
            database.pretend_newer().await;
            Ok(())
        })
        .unwrap();
    assert!(matches!(
        list(state.path()),
        Err(Error::Database(DatabaseError::Newer { .. }))
    ));
}
