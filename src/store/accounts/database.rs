//! The database of local accounts: where it is, who may read it, its rows.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteRow, SqliteSynchronous};
use sqlx::{Connection as _, Row as _, SqliteConnection};

use super::{Account, Error, FILE};
use crate::model::UserName;
use crate::store::database::{self, DatabaseError};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("src/store/accounts/migrations");

/// Fails when the database at `path` was made by a newer Deskway. Blocks; not to be called inside an
/// async runtime.
///
/// # Errors
/// See [`DatabaseError`].
pub fn refuse_newer(path: &Path) -> Result<(), DatabaseError> {
    database::block_on(database::refuse_newer(path, &MIGRATIONS))
        .map_err(|error| DatabaseError::of(path, sqlx::Error::Io(error)))?
}

/// The database's file, which is there.
pub(super) struct Database {
    path: PathBuf,
}

/// An open database.
pub(super) struct Open {
    connection: SqliteConnection,
    path: PathBuf,
}

impl Database {
    /// The database in `state_dir`, made with its directory when it is missing.
    pub(super) fn create(state_dir: &Path) -> Result<Self, Error> {
        let unopened = |path: &Path| {
            let path = path.to_path_buf();
            move |source| Error::Unopened { path, source }
        };
        // Others may pass through root's, to what is theirs below it; see `config::Paths`.
        let mode = if rustix::process::geteuid().is_root() {
            0o711
        } else {
            0o700
        };
        DirBuilder::new()
            .recursive(true)
            .mode(mode)
            .create(state_dir)
            .map_err(unopened(state_dir))?;
        let path = state_dir.join(FILE);
        // SQLite gives its other files the mode of this one.
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&path)
            .map_err(unopened(&path))?;
        Ok(Self { path })
    }

    /// The database in `state_dir`, when it is there.
    pub(super) fn open(state_dir: &Path) -> Result<Option<Self>, Error> {
        let path = state_dir.join(FILE);
        match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(_) => Ok(Some(Self { path })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::Unopened { path, source }),
        }
    }

    /// Opens it, lets `work` do its one thing, and closes it.
    pub(super) fn run<T>(
        self,
        work: impl AsyncFnOnce(&mut Open) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let path = self.path;
        let unopened = path.clone();
        let ran = database::block_on(async {
            let mut open = Open::new(path).await?;
            let done = work(&mut open).await;
            let Open { connection, path } = open;
            let closed = connection.close().await;
            closed.map_err(|source| DatabaseError::of(&path, source))?;
            done
        });
        ran.map_err(|source| Error::Unopened {
            path: unopened,
            source,
        })?
    }
}

impl Open {
    async fn new(path: PathBuf) -> Result<Self, Error> {
        let options = database::options(&path, SqliteSynchronous::Full);
        let connection = database::open(options, &path, &MIGRATIONS).await?;
        Ok(Self { connection, path })
    }

    /// False when there is one of that name.
    pub(super) async fn add(
        &mut self,
        name: &UserName,
        os_user: Option<&UserName>,
        full_name: &str,
        hash: &str,
        now: u64,
    ) -> Result<bool, Error> {
        let insert = sqlx::query(
            "INSERT INTO accounts (name, os_user, full_name, password, created, changed)
             VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING",
        )
        .bind(name.as_str())
        .bind(os_user.map(UserName::as_str))
        .bind(full_name)
        .bind(hash)
        .bind(stored(now))
        .bind(stored(now));
        self.change(insert).await
    }

    /// False when there is no such account.
    pub(super) async fn set_password(
        &mut self,
        name: &UserName,
        hash: &str,
        now: u64,
    ) -> Result<bool, Error> {
        let update = sqlx::query("UPDATE accounts SET password = ?, changed = ? WHERE name = ?")
            .bind(hash)
            .bind(stored(now))
            .bind(name.as_str());
        self.change(update).await
    }

    /// False when there is no such account.
    pub(super) async fn remove(&mut self, name: &UserName) -> Result<bool, Error> {
        let delete = sqlx::query("DELETE FROM accounts WHERE name = ?").bind(name.as_str());
        self.change(delete).await
    }

    pub(super) async fn list(&mut self) -> Result<Vec<Account>, Error> {
        let rows =
            sqlx::query("SELECT name, os_user, full_name, created FROM accounts ORDER BY name")
                .fetch_all(&mut self.connection)
                .await;
        let accounts = rows.and_then(|rows| rows.iter().map(account).collect());
        accounts.map_err(|source| self.failed(source))
    }

    /// The account and the hash of its password.
    pub(super) async fn find(
        &mut self,
        name: &UserName,
    ) -> Result<Option<(Account, String)>, Error> {
        let row = sqlx::query(
            "SELECT name, os_user, full_name, created, password FROM accounts WHERE name = ?",
        )
        .bind(name.as_str())
        .fetch_optional(&mut self.connection)
        .await;
        let found = row.and_then(|row| {
            let with_hash = |row: &SqliteRow| Ok((account(row)?, row.try_get("password")?));
            row.as_ref().map(with_hash).transpose()
        });
        found.map_err(|source| self.failed(source))
    }

    async fn change(&mut self, query: Query<'_>) -> Result<bool, Error> {
        let done = query.execute(&mut self.connection).await;
        let done = done.map_err(|source| self.failed(source))?;
        Ok(done.rows_affected() > 0)
    }

    fn failed(&self, source: sqlx::Error) -> Error {
        DatabaseError::of(&self.path, source).into()
    }
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

fn account(row: &SqliteRow) -> Result<Account, sqlx::Error> {
    let name = |text: String| {
        text.parse()
            .map_err(|error| sqlx::Error::Decode(Box::new(error)))
    };
    let os_user: Option<String> = row.try_get("os_user")?;
    let created: i64 = row.try_get("created")?;
    Ok(Account {
        name: name(row.try_get("name")?)?,
        os_user: os_user.map(name).transpose()?,
        full_name: row.try_get("full_name")?,
        created: created.try_into().unwrap_or(0),
    })
}

/// SQLite's integers have a sign.
fn stored(seconds: u64) -> i64 {
    seconds.try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
impl Open {
    /// As if a later Deskway had been at work.
    pub(super) async fn pretend_newer(&mut self) {
        sqlx::query(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (9999, 'later', TRUE, x'00', 0)",
        )
        .execute(&mut self.connection)
        .await
        .unwrap();
    }
}
