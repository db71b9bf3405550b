//! The database of entries: written in batches, read while it is written, kept within its bounds.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteAutoVacuum, SqliteRow, SqliteSynchronous};
use sqlx::{Connection as _, QueryBuilder, Row as _, Sqlite, SqliteConnection};

use super::entry::{Entry, Outcome, What};
use super::{AuditError, FILE, FOLDER, file};
use crate::config::Audit;
use crate::store::database::{self, DatabaseError};

static MIGRATIONS: Migrator = sqlx::migrate!("src/audit/migrations");

/// So many pages of 4 KiB the write-ahead log has before it goes into the database: they count
/// towards the bound of the size.
const LOG_PAGES: u32 = 256;
/// Most launchers whose last number is remembered.
const MAX_SOURCES: u32 = 100;
/// Most old entries that are removed at once, so that nobody waits long.
const REMOVED_AT_ONCE: u32 = 5000;
/// How much goes when there is too much, in hundredths.
const TOO_MUCH: u64 = 10;

/// What anybody can cause goes first.
const OLDEST_REFUSED: &str = "DELETE FROM entry WHERE number IN (SELECT number FROM entry \
    INDEXED BY entry_refused WHERE outcome = 'refused' ORDER BY number LIMIT ?)";
const OLDEST: &str =
    "DELETE FROM entry WHERE number IN (SELECT number FROM entry ORDER BY number LIMIT ?)";

/// The database, open for writing.
#[derive(Debug)]
pub(super) struct Store {
    connection: SqliteConnection,
    path: PathBuf,
}

/// Names a launcher among all those that ever wrote.
pub(super) type Source = [u8; 8];

/// Makes the directory and the file where they are missing; nobody else can look into them.
pub(super) fn prepare(state: &Path) -> Result<PathBuf, AuditError> {
    let folder = state.join(FOLDER);
    let failed = |source| AuditError::Unopened {
        path: folder.clone(),
        source,
    };
    let made = DirBuilder::new().mode(0o700).create(&folder);
    match made {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(failed(error));
        }
        Ok(()) | Err(_) => {}
    }
    // SQLite gives its other files the mode of this one.
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(folder.join(FILE))
        .map_err(failed)?;
    Ok(folder.join(FILE))
}

impl Store {
    pub(super) async fn open(path: &Path) -> Result<Self, DatabaseError> {
        let options = database::options(path, SqliteSynchronous::Full)
            .auto_vacuum(SqliteAutoVacuum::Incremental)
            .pragma("temp_store", "MEMORY") // the sandbox lets no other file be made
            .pragma("wal_autocheckpoint", LOG_PAGES.to_string())
            .pragma("journal_size_limit", "1048576");
        let connection = database::open(options, path, &MIGRATIONS).await?;
        Ok(Self {
            connection,
            path: path.to_path_buf(),
        })
    }

    /// Writes what of `entries` is not there yet, all or nothing.
    pub(super) async fn commit(
        &mut self,
        source: Source,
        entries: &[(u64, Entry)],
        now: u64,
    ) -> Result<(), DatabaseError> {
        let Some((last, _)) = entries.last() else {
            return Ok(());
        };
        let done = async {
            let mut all = self.connection.begin_with("BEGIN IMMEDIATE").await?;
            let known: Option<i64> = sqlx::query_scalar("SELECT last FROM source WHERE id = ?")
                .bind(source.as_slice())
                .fetch_optional(&mut *all)
                .await?;
            let known = known.map_or(0, i64::cast_unsigned);
            for (_, entry) in entries.iter().filter(|(number, _)| *number > known) {
                insert(&mut all, entry).await?;
            }
            sqlx::query("INSERT OR REPLACE INTO source (id, last, at) VALUES (?, max(?, ?), ?)")
                .bind(source.as_slice())
                .bind(stored(*last))
                .bind(stored(known))
                .bind(stored(now))
                .execute(&mut *all)
                .await?;
            all.commit().await
        };
        done.await
            .map_err(|error: sqlx::Error| DatabaseError::of(&self.path, error))
    }

    /// Removes what is too old and, when the file is too large, the oldest. `now`: milliseconds
    /// since 1970. Says whether there is more to remove.
    pub(super) async fn rotate(&mut self, policy: &Audit, now: u64) -> Result<bool, DatabaseError> {
        let done = self.try_rotate(policy, now).await;
        done.map_err(|error| DatabaseError::of(&self.path, error))
    }

    async fn try_rotate(&mut self, policy: &Audit, now: u64) -> Result<bool, sqlx::Error> {
        let keep = u64::try_from(policy.keep.as_millis()).unwrap_or(u64::MAX);
        let aged = sqlx::query(
            "DELETE FROM entry WHERE number IN (SELECT number FROM entry WHERE at < ? LIMIT ?)",
        )
        .bind(stored(now.saturating_sub(keep)))
        .bind(REMOVED_AT_ONCE)
        .execute(&mut self.connection)
        .await?
        .rows_affected();
        let log = u64::from(LOG_PAGES) * 4096;
        let size = self.size().await?;
        let mut removed = 0;
        if size.saturating_add(log) > policy.max_size {
            let count: i64 = sqlx::query_scalar("SELECT count(*) FROM entry")
                .fetch_one(&mut self.connection)
                .await?;
            let share = u64::try_from(count).unwrap_or(0) * TOO_MUCH / 100 + 1;
            let share = share.min(u64::from(REMOVED_AT_ONCE));
            for oldest in [OLDEST_REFUSED, OLDEST] {
                removed += sqlx::query(oldest)
                    .bind(stored(share - removed))
                    .execute(&mut self.connection)
                    .await?
                    .rows_affected();
            }
        }
        sqlx::query(
            "DELETE FROM source WHERE id NOT IN (SELECT id FROM source ORDER BY at DESC LIMIT ?)",
        )
        .bind(MAX_SOURCES)
        .execute(&mut self.connection)
        .await?;
        if aged + removed > 0 {
            // The pages go back to the file system, and what is in the log goes into the file.
            sqlx::raw_sql("PRAGMA incremental_vacuum")
                .execute(&mut self.connection)
                .await?;
            sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)")
                .execute(&mut self.connection)
                .await?;
        }
        let too_large = removed > 0 && self.size().await?.saturating_add(log) > policy.max_size;
        Ok(aged == u64::from(REMOVED_AT_ONCE) || too_large)
    }

    /// Bytes of the file.
    async fn size(&mut self) -> Result<u64, sqlx::Error> {
        let size: i64 = sqlx::query_scalar(
            "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
        )
        .fetch_one(&mut self.connection)
        .await?;
        Ok(u64::try_from(size).unwrap_or(0))
    }

    pub(super) async fn close(self) -> Result<(), DatabaseError> {
        let closed = self.connection.close().await;
        closed.map_err(|error| DatabaseError::of(&self.path, error))
    }
}

async fn insert(connection: &mut SqliteConnection, entry: &Entry) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO entry (at, who, uid, origin, what, desktop, outcome, reason, details) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(stored(entry.at))
    .bind(&entry.who)
    .bind(entry.uid)
    .bind(&entry.origin)
    .bind(entry.what.word())
    .bind(&entry.desktop)
    .bind(entry.outcome.word())
    .bind(&entry.reason)
    .bind(&entry.details)
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes one entry, for the command line. Blocks; not to be called inside an async runtime.
///
/// # Errors
/// See [`AuditError`].
pub fn append(state: &Path, entry: &Entry) -> Result<(), AuditError> {
    let path = prepare(state)?;
    let written = database::block_on(async {
        let mut store = Store::open(&path).await?;
        let inserted = insert(&mut store.connection, entry).await;
        inserted.map_err(|error| DatabaseError::of(&path, error))?;
        store.close().await
    });
    Ok(written.map_err(AuditError::Runtime)??)
}

/// Fails when the database at `path` was made by a newer Deskway. Blocks; not to be called inside an
/// async runtime.
///
/// # Errors
/// See [`DatabaseError`].
pub fn refuse_newer(path: &Path) -> Result<(), DatabaseError> {
    database::block_on(database::refuse_newer(path, &MIGRATIONS))
        .map_err(|error| DatabaseError::of(path, sqlx::Error::Io(error)))?
}

/// Which entries are wanted; all that are given must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Milliseconds since 1970: not before.
    pub since: Option<u64>,
    /// Milliseconds since 1970: not after.
    pub until: Option<u64>,
    pub who: Option<String>,
    pub what: Option<What>,
    pub desktop: Option<String>,
}

/// An entry that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Counts up, with gaps where nothing was kept.
    pub number: i64,
    pub entry: Entry,
}

/// The database, open for reading.
#[derive(Debug)]
pub struct Reader {
    runtime: tokio::runtime::Runtime,
    connection: SqliteConnection,
    path: PathBuf,
}

impl Reader {
    /// `None`: nothing was ever written. Blocks; not to be called inside an async runtime.
    ///
    /// # Errors
    /// See [`AuditError`].
    pub fn open(state: &Path) -> Result<Option<Self>, AuditError> {
        let path = file(state);
        match std::fs::metadata(&path) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(AuditError::Unopened { path, source }),
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(AuditError::Runtime)?;
        let Store { connection, path } = runtime.block_on(Store::open(&path))?;
        Ok(Some(Self {
            runtime,
            connection,
            path,
        }))
    }

    /// At most `most` of the wanted entries with numbers beyond `after`, the oldest first.
    ///
    /// # Errors
    /// See [`AuditError`].
    pub fn next(
        &mut self,
        wanted: &Wanted,
        after: i64,
        most: u32,
    ) -> Result<Vec<Found>, AuditError> {
        let mut query: QueryBuilder<Sqlite> =
            QueryBuilder::new("SELECT * FROM entry WHERE number > ");
        query.push_bind(after);
        if let Some(since) = wanted.since {
            query.push(" AND at >= ").push_bind(stored(since));
        }
        if let Some(until) = wanted.until {
            query.push(" AND at <= ").push_bind(stored(until));
        }
        if let Some(who) = &wanted.who {
            query.push(" AND who = ").push_bind(who);
        }
        if let Some(what) = wanted.what {
            query.push(" AND what = ").push_bind(what.word());
        }
        if let Some(desktop) = &wanted.desktop {
            query.push(" AND desktop = ").push_bind(desktop);
        }
        query.push(" ORDER BY number LIMIT ").push_bind(most);
        let rows = query.build().fetch_all(&mut self.connection);
        let rows = self.runtime.block_on(rows);
        let found = rows.and_then(|rows| rows.iter().map(found).collect());
        Ok(found.map_err(|error| DatabaseError::of(&self.path, error))?)
    }
}

/// All wanted entries, the oldest first; for tests and small logs.
///
/// # Errors
/// See [`AuditError`].
pub fn read(state: &Path, wanted: &Wanted) -> Result<Vec<Found>, AuditError> {
    match Reader::open(state)? {
        None => Ok(Vec::new()),
        Some(mut reader) => reader.next(wanted, 0, u32::MAX),
    }
}

fn found(row: &SqliteRow) -> Result<Found, sqlx::Error> {
    let what: String = row.try_get("what")?;
    let what = what
        .parse()
        .map_err(|error: String| sqlx::Error::Decode(error.into()))?;
    let outcome: String = row.try_get("outcome")?;
    let at: i64 = row.try_get("at")?;
    Ok(Found {
        number: row.try_get("number")?,
        entry: Entry {
            at: u64::try_from(at).unwrap_or(0),
            who: row.try_get("who")?,
            uid: row.try_get("uid")?,
            origin: row.try_get("origin")?,
            what,
            desktop: row.try_get("desktop")?,
            outcome: Outcome::of(&outcome),
            reason: row.try_get("reason")?,
            details: row.try_get("details")?,
        },
    })
}

/// SQLite's integers have a sign.
fn stored(number: u64) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Duration;

    use super::*;

    const HOUR: u64 = 3_600_000;

    fn entry(at: u64) -> Entry {
        Entry::new(at, "alice", "::1", What::SignIn).with(&"x".repeat(300))
    }

    fn policy(hours: u64, max_size: u64) -> Audit {
        Audit {
            keep: Duration::from_hours(hours),
            max_size,
            syslog: false,
        }
    }

    #[test]
    fn what_is_sent_twice_is_written_once() {
        let state = tempfile::tempdir().unwrap();
        let path = prepare(state.path()).unwrap();
        database::block_on(async {
            let mut store = Store::open(&path).await.unwrap();
            let all: Vec<_> = (1..=5).map(|n| (n, entry(n))).collect();
            store.commit([1; 8], &all[..3], 9).await.unwrap();
            store.commit([1; 8], &all[1..], 9).await.unwrap();
            store.commit([1; 8], &all[..2], 9).await.unwrap();
            // Another launcher counts for itself.
            store.commit([2; 8], &all[..1], 9).await.unwrap();
        })
        .unwrap();
        let at: Vec<u64> = read(state.path(), &Wanted::default())
            .unwrap()
            .iter()
            .map(|found| found.entry.at)
            .collect();
        assert_eq!(at, [1, 2, 3, 4, 5, 1]);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn the_old_go_and_the_file_stays_within_its_size() {
        const MAX: u64 = 3 << 20;
        let state = tempfile::tempdir().unwrap();
        let path = prepare(state.path()).unwrap();
        database::block_on(async {
            let mut store = Store::open(&path).await.unwrap();
            let old: Vec<_> = (1..=10).map(|n| (n, entry(n))).collect();
            store.commit([1; 8], &old, 9).await.unwrap();
            let young = entry(10 * HOUR);
            store.commit([1; 8], &[(11, young)], 9).await.unwrap();
            store.rotate(&policy(1, MAX), 10 * HOUR).await.unwrap();
            for batch in 0..20 {
                let first = 12 + batch * 1000;
                let many: Vec<_> = (first..first + 1000)
                    .map(|n| (n, entry(10 * HOUR)))
                    .collect();
                store.commit([1; 8], &many, 9).await.unwrap();
                while store.rotate(&policy(1, MAX), 10 * HOUR).await.unwrap() {}
            }
        })
        .unwrap();
        let kept = read(state.path(), &Wanted::default()).unwrap();
        assert!(kept.iter().all(|found| found.entry.at == 10 * HOUR));
        assert!(kept.len() > 1000, "{}", kept.len());
        let files = std::fs::read_dir(state.path().join(FOLDER)).unwrap();
        let size: u64 = files
            .map(|file| file.unwrap().metadata().unwrap().len())
            .sum();
        assert!(size <= MAX, "{size}");
    }

    #[test]
    fn what_was_refused_goes_before_what_was_done() {
        const MAX: u64 = 3 << 20;
        let state = tempfile::tempdir().unwrap();
        let path = prepare(state.path()).unwrap();
        database::block_on(async {
            let mut store = Store::open(&path).await.unwrap();
            let done: Vec<_> = (1..=1000).map(|n| (n, entry(n))).collect();
            store.commit([1; 8], &done, 9).await.unwrap();
            for batch in 1..=20 {
                let first = 1 + batch * 1000;
                let many: Vec<_> = (first..first + 1000)
                    .map(|n| (n, entry(n).went(Outcome::Refused, "wrong")))
                    .collect();
                store.commit([1; 8], &many, 9).await.unwrap();
                while store.rotate(&policy(1, MAX), 9).await.unwrap() {}
            }
        })
        .unwrap();
        let kept = read(state.path(), &Wanted::default()).unwrap();
        let is_done = |found: &&Found| found.entry.outcome == Outcome::Ok;
        assert_eq!(kept.iter().filter(is_done).count(), 1000);
        let newest = kept.last().unwrap();
        assert_eq!(newest.entry.at, 21_000);
        assert!(kept.len() < 21_000);
    }

    #[test]
    fn entries_are_found_by_all_that_is_asked_for() {
        let state = tempfile::tempdir().unwrap();
        for (at, who, what, desktop) in [
            (1, "alice", What::SignIn, None),
            (2, "alice", What::Start, Some("alice")),
            (3, "bob", What::Start, Some("bob/work")),
        ] {
            let mut entry = Entry::new(at, who, "::1", what);
            entry.desktop = desktop.map(str::to_owned);
            append(state.path(), &entry).unwrap();
        }
        let found = |wanted: Wanted| {
            let found = read(state.path(), &wanted).unwrap();
            found.iter().map(|it| it.entry.at).collect::<Vec<_>>()
        };
        let all = Wanted::default();
        assert_eq!(
            found(Wanted {
                since: Some(2),
                ..all.clone()
            }),
            [2, 3]
        );
        assert_eq!(
            found(Wanted {
                until: Some(2),
                ..all.clone()
            }),
            [1, 2]
        );
        let alice = Some("alice".to_owned());
        assert_eq!(
            found(Wanted {
                who: alice.clone(),
                what: Some(What::Start),
                ..all.clone()
            }),
            [2]
        );
        assert_eq!(
            found(Wanted {
                desktop: Some("bob/work".to_owned()),
                ..all
            }),
            [3]
        );
    }
}
