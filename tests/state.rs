//! What an earlier Deskway has kept is read by this one, and what a later one has kept, or what is
//! damaged, is refused in plain words and stays as it is. `tests/state` holds a database of each
//! schema that ever was.

#![expect(clippy::unwrap_used, reason = "a test that goes wrong may panic")]

use std::fs;
use std::path::{Path, PathBuf};

use deskway::audit::{self, Outcome, Wanted, What};
use deskway::model::{Secret, UserName};
use deskway::store::accounts::{self, LocalVerdict};
use deskway::store::database;
use deskway::store::{SessionRow, Sessions};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqlSafeStr as _};
use tempfile::TempDir;

/// The databases: the names of their dumps, where they are below the state directory, and where
/// their migrations are.
const DATABASES: [(&str, &str, &str); 3] = [
    ("accounts", "accounts.db", "src/store/accounts/migrations"),
    (
        "sessions",
        "front/front.db",
        "src/store/migrations/sessions",
    ),
    ("audit", "audit/audit.db", "src/audit/migrations"),
];

#[test]
fn accounts_of_every_schema_can_sign_in() {
    for dump in dumps("accounts") {
        let state = state_with(&dump, "accounts.db");
        let all = accounts::list(state.path()).unwrap();
        assert_eq!(all[0].full_name, "Alice Liddell", "{}", dump.display());
        assert!(matches!(
            verify(state.path()),
            Ok(LocalVerdict::Right { .. })
        ));
    }
}

#[tokio::test]
async fn sessions_of_every_schema_are_found() {
    for dump in dumps("sessions") {
        let state = state_with(&dump, "front/front.db");
        let sessions = Sessions::open(&state.path().join("front/front.db")).await;
        let found = sessions.unwrap().find(&[7; 32]).await.unwrap();
        let expected = SessionRow {
            hash: [7; 32],
            account: "alice".parse().unwrap(),
            full_name: "Alice Liddell".to_owned(),
            since: 1_800_000_000,
            last_seen: 1_800_000_100,
            until: 1_800_043_200,
            peer: "2001:db8::1".parse().unwrap(),
        };
        assert_eq!(found, Some(expected), "{}", dump.display());
    }
}

#[test]
fn entries_of_every_schema_are_read() {
    for dump in dumps("audit") {
        let state = state_with(&dump, "audit/audit.db");
        let found = audit::read(state.path(), &Wanted::default()).unwrap();
        let entry = &found[0].entry;
        assert_eq!((entry.at, entry.what), (1_800_000_000_123, What::Start));
        assert_eq!(entry.who, "alice", "{}", dump.display());
        assert_eq!(entry.outcome, Outcome::Refused);
        assert_eq!(entry.desktop.as_deref(), Some("alice/work"));
    }
}

#[test]
fn every_schema_has_its_dump() {
    for (name, _, migrations) in DATABASES {
        let migrations = fs::read_dir(root().join(migrations)).unwrap();
        let versions: Vec<u32> = migrations
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .map(|file| file.split('_').next().unwrap().parse().unwrap())
            .collect();
        for version in versions {
            let dump = root().join(format!("tests/state/{name}-{version}.sql"));
            assert!(dump.exists(), "{} is missing", dump.display());
        }
    }
}

#[test]
fn what_a_newer_deskway_keeps_is_refused_and_stays_as_it_is() {
    for (name, file, _) in DATABASES {
        let state = state_with(&dumps(name)[0], file);
        let path = state.path().join(file);
        let later = "INSERT INTO _sqlx_migrations VALUES (99, 'later', '2030-01-01', 1, x'00', 0)";
        execute(&path, later);
        let error = refused_and_unchanged(state.path(), file);
        assert!(error.contains("newer Deskway"), "{error}");
        assert!(error.contains(file), "{error}");
    }
}

#[test]
fn what_is_damaged_is_refused_and_stays_as_it_is() {
    for (name, file, _) in DATABASES {
        let state = state_with(&dumps(name)[0], file);
        let path = state.path().join(file);
        let mut bytes = fs::read(&path).unwrap();
        bytes[..100].fill(7);
        fs::write(&path, bytes).unwrap();
        let error = refused_and_unchanged(state.path(), file);
        assert!(error.contains("damaged"), "{error}");
        assert!(
            error.contains("backup"),
            "it does not say what to do: {error}"
        );
    }
}

/// What is said of a database that cannot be used.
fn refused_and_unchanged(state: &Path, file: &str) -> String {
    let path = state.join(file);
    let before = fs::read(&path).unwrap();
    let error = match file {
        "accounts.db" => verify(state).unwrap_err().to_string(),
        "audit/audit.db" => audit::read(state, &Wanted::default())
            .unwrap_err()
            .to_string(),
        _ => database::block_on(Sessions::open(&path))
            .unwrap()
            .unwrap_err()
            .to_string(),
    };
    assert!(fs::read(&path).unwrap() == before, "{file} was changed");
    error
}

fn verify(state: &Path) -> Result<LocalVerdict, accounts::Error> {
    let password = Secret::new("correct horse".to_owned());
    accounts::verify(state, &alice(), &password)
}

fn alice() -> UserName {
    "alice".parse().unwrap()
}

/// The dumps of one database, in the order of their versions.
fn dumps(name: &str) -> Vec<PathBuf> {
    let dump = |version| root().join(format!("tests/state/{name}-{version}.sql"));
    let dumps: Vec<_> = (1..1000)
        .map(dump)
        .take_while(|dump: &PathBuf| dump.exists())
        .collect();
    assert!(!dumps.is_empty(), "no dump of {name}");
    dumps
}

fn state_with(dump: &Path, file: &str) -> TempDir {
    let state = TempDir::new().unwrap();
    let path = state.path().join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    execute(&path, &fs::read_to_string(dump).unwrap());
    state
}

/// In a thread of its own: some tests have a runtime.
fn execute(path: &Path, sql: &str) {
    let run = || {
        database::block_on(async {
            let options = SqliteConnectOptions::new()
                .filename(path)
                .create_if_missing(true);
            let mut connection = options.connect().await.unwrap();
            let sql = sqlx::AssertSqlSafe(sql.to_owned()).into_sql_str();
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        })
        .unwrap();
    };
    std::thread::scope(|scope| scope.spawn(run).join().unwrap());
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
