//! What all databases have in common: how they are opened, how their tables are brought up to
//! date, and what is said of one that cannot be used. Such a one stays as it is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

/// How long a statement waits for another one's lock, in this process or another.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    #[error(
        "{} was made by a newer Deskway (its tables are of version {found}, this one knows \
         {known}): start that Deskway again, or restore a backup of before; the file stays as it is",
        path.display()
    )]
    Newer {
        path: PathBuf,
        found: i64,
        known: i64,
    },
    #[error(
        "{} is damaged or no database: stop Deskway, move the file out of the way and put back \
         the one of a backup (`deskway restore` into an empty directory shows it); it stays as it is",
        path.display()
    )]
    Damaged { path: PathBuf, source: sqlx::Error },
    #[error("{} cannot be brought up to date", path.display())]
    Migration {
        path: PathBuf,
        source: sqlx::migrate::MigrateError,
    },
    #[error("{} cannot be used: {source}", path.display())]
    Failed { path: PathBuf, source: sqlx::Error },
}

impl DatabaseError {
    /// What an error of SQLite says of the file.
    pub fn of(path: &Path, source: sqlx::Error) -> Self {
        /// `SQLITE_CORRUPT` and `SQLITE_NOTADB` (sqlite.org/rescode.html); more is said in the bits
        /// above the first eight.
        const DAMAGED: [i32; 2] = [11, 26];
        let path = path.to_path_buf();
        let code = source
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code);
        let code = code.and_then(|code| code.parse::<i32>().ok());
        if code.is_some_and(|code| DAMAGED.contains(&(code & 0xff))) {
            Self::Damaged { path, source }
        } else {
            Self::Failed { path, source }
        }
    }
}

/// How a database of ours is opened: a write-ahead log, so that readers and a writer do not wait
/// for each other and a process that is killed leaves it whole.
pub fn options(path: &Path, synchronous: SqliteSynchronous) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .busy_timeout(BUSY_TIMEOUT)
}

/// Opens the database at `path` and brings its tables up to date.
///
/// # Errors
/// See [`DatabaseError`]: one of a newer version is refused before anything is written.
pub async fn open(
    options: SqliteConnectOptions,
    path: &Path,
    migrations: &Migrator,
) -> Result<SqliteConnection, DatabaseError> {
    refuse_newer(path, migrations).await?;
    let connected = options.connect().await;
    let mut connection = connected.map_err(|source| DatabaseError::of(path, source))?;
    match migrations.run(&mut connection).await {
        Ok(()) => Ok(connection),
        Err(sqlx::migrate::MigrateError::Execute(source)) => Err(DatabaseError::of(path, source)),
        Err(source) => Err(DatabaseError::Migration {
            path: path.to_path_buf(),
            source,
        }),
    }
}

/// Fails when the tables are of a version that this program does not know. Writes nothing.
///
/// # Errors
/// See [`DatabaseError`]. A file that is not there is fine.
pub async fn refuse_newer(path: &Path, migrations: &Migrator) -> Result<(), DatabaseError> {
    if !path.exists() {
        return Ok(());
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT);
    let look = async {
        let mut connection = options.connect().await?;
        let found = version(&mut connection).await?;
        connection.close().await?;
        Ok(found)
    };
    let found = look.await.map_err(|error| DatabaseError::of(path, error))?;
    let known = migrations.iter().map(|known| known.version).max();
    let known = known.unwrap_or_default();
    match found {
        Some(found) if found > known => Err(DatabaseError::Newer {
            path: path.to_path_buf(),
            found,
            known,
        }),
        _ => Ok(()),
    }
}

/// The version of the tables; `None` where there are none yet.
async fn version(connection: &mut SqliteConnection) -> Result<Option<i64>, sqlx::Error> {
    let tables = "SELECT count(*) FROM sqlite_master WHERE name = '_sqlx_migrations'";
    let tables: i64 = sqlx::query_scalar(tables)
        .fetch_one(&mut *connection)
        .await?;
    if tables == 0 {
        return Ok(None);
    }
    sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations")
        .fetch_one(connection)
        .await
}

/// What SQLite finds wrong with the database at `path`: `ok` where it is whole. Blocks; not to be
/// called inside an async runtime.
///
/// # Errors
/// See [`DatabaseError`].
pub fn integrity(path: &Path) -> Result<String, DatabaseError> {
    let check = async {
        let mut connection = options(path, SqliteSynchronous::Full).connect().await?;
        let report = sqlx::query_scalar("PRAGMA integrity_check(1)")
            .fetch_one(&mut connection)
            .await?;
        connection.close().await?;
        Ok(report)
    };
    block_on(check)
        .map_err(sqlx::Error::Io)
        .and_then(|report| report)
        .map_err(|error| DatabaseError::of(path, error))
}

/// Runs `work` to its end in a runtime of its own; for processes that have none.
///
/// # Errors
/// When there can be no runtime.
pub fn block_on<T>(work: impl Future<Output = T>) -> std::io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    Ok(runtime.block_on(work))
}
