//! Who is signed in, so that a restart of the front signs nobody out.
//!
//! The file belongs to the front. It never holds a handle, only its SHA-256.

use std::net::IpAddr;
use std::path::Path;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous};
use sqlx::{Connection as _, Row};

use super::database::{self, DatabaseError};
use crate::model::UserName;

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/sessions");

/// Connections to the file: each is a thread with a page cache, and the work is tiny.
const MAX_CONNECTIONS: u32 = 1;

/// The sessions that are on file.
#[derive(Clone, Debug)]
pub struct Sessions {
    pool: SqlitePool,
}

/// One browser that is signed in. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// SHA-256 of the handle in the browser's cookie.
    pub hash: [u8; 32],
    pub account: UserName,
    pub full_name: String,
    pub since: u64,
    pub last_seen: u64,
    /// When the sign-in runs out.
    pub until: u64,
    /// From where the person signed in.
    pub peer: IpAddr,
}

/// The file could not be read or written: ours to mend.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the sessions database: {0}")]
    Database(#[from] sqlx::Error),
    #[error("the sessions of browsers: {0}")]
    Unusable(#[from] DatabaseError),
}

impl Sessions {
    /// Opens the file, which is made when it is missing, and brings its tables up to date.
    ///
    /// # Errors
    /// When it cannot be opened or is no database of ours.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        // A session that the machine's fall takes with it is only another sign-in.
        let options = database::options(path, SqliteSynchronous::Normal)
            .create_if_missing(true)
            .pragma("temp_store", "MEMORY") // the sandbox lets no other file be made
            .pragma("cache_size", "-256"); // KiB
        let connection = database::open(options.clone(), path, &MIGRATIONS).await?;
        connection.close().await?;
        let pool = SqlitePoolOptions::new()
            .max_connections(MAX_CONNECTIONS)
            .connect_with(options)
            .await?;
        Ok(Self { pool })
    }

    /// Writes a new session.
    pub async fn insert(&self, row: &SessionRow) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT OR REPLACE INTO session \
             (hash, account, full_name, since, last_seen, until, peer) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(row.hash.as_slice())
        .bind(row.account.as_str())
        .bind(&row.full_name)
        .bind(to_sql(row.since))
        .bind(to_sql(row.last_seen))
        .bind(to_sql(row.until))
        .bind(row.peer.to_string())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The session with that hash, run out or not.
    pub async fn find(&self, hash: &[u8; 32]) -> Result<Option<SessionRow>, StoreError> {
        let row = sqlx::query("SELECT * FROM session WHERE hash = ?")
            .bind(hash.as_slice())
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.map(|row| from_sql(&row)).transpose()?)
    }

    /// Notes that the session was used at `now`.
    pub async fn seen(&self, hash: &[u8; 32], now: u64) -> Result<(), StoreError> {
        sqlx::query("UPDATE session SET last_seen = ? WHERE hash = ?")
            .bind(to_sql(now))
            .bind(hash.as_slice())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Forgets the session with that hash, if there is one.
    pub async fn remove(&self, hash: &[u8; 32]) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM session WHERE hash = ?")
            .bind(hash.as_slice())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Forgets every session that has run out by `now`.
    pub async fn remove_over(&self, now: u64) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM session WHERE until <= ?")
            .bind(to_sql(now))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Ends the connections; the file is then whole without its log.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

fn to_sql(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

fn from_sql(row: &SqliteRow) -> Result<SessionRow, sqlx::Error> {
    let bad =
        |column: &str, error: Box<dyn std::error::Error + Send + Sync>| sqlx::Error::ColumnDecode {
            index: column.to_owned(),
            source: error,
        };
    let seconds = |column: &str| {
        row.try_get::<i64, _>(column)
            .map(|seconds| u64::try_from(seconds).unwrap_or(0))
    };
    let hash: Vec<u8> = row.try_get("hash")?;
    let account: String = row.try_get("account")?;
    let peer: String = row.try_get("peer")?;
    Ok(SessionRow {
        hash: hash
            .try_into()
            .map_err(|_| bad("hash", "not 32 bytes".into()))?,
        account: account
            .parse()
            .map_err(|error| bad("account", Box::new(error)))?,
        full_name: row.try_get("full_name")?,
        since: seconds("since")?,
        last_seen: seconds("last_seen")?,
        until: seconds("until")?,
        peer: peer.parse().map_err(|error| bad("peer", Box::new(error)))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(hash: u8, until: u64) -> SessionRow {
        SessionRow {
            hash: [hash; 32],
            account: "alice".parse().unwrap(),
            full_name: "Alice Ünlü".to_owned(),
            since: 10,
            last_seen: 10,
            until,
            peer: "::1".parse().unwrap(),
        }
    }

    #[tokio::test]
    async fn a_session_is_there_after_the_file_is_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("front.db");
        let sessions = Sessions::open(&path).await.unwrap();
        sessions.insert(&row(1, 100)).await.unwrap();
        sessions.seen(&[1; 32], 20).await.unwrap();
        sessions.close().await;

        let sessions = Sessions::open(&path).await.unwrap();
        let mut expected = row(1, 100);
        expected.last_seen = 20;
        assert_eq!(sessions.find(&[1; 32]).await.unwrap(), Some(expected));
        assert_eq!(sessions.find(&[2; 32]).await.unwrap(), None);
    }

    #[tokio::test]
    async fn what_has_run_out_or_is_removed_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let sessions = Sessions::open(&dir.path().join("front.db")).await.unwrap();
        for (hash, until) in [(1, 100), (2, 101), (3, 200)] {
            sessions.insert(&row(hash, until)).await.unwrap();
        }
        sessions.remove_over(100).await.unwrap();
        sessions.remove(&[3; 32]).await.unwrap();
        assert!(sessions.find(&[1; 32]).await.unwrap().is_none());
        assert!(sessions.find(&[2; 32]).await.unwrap().is_some());
        assert!(sessions.find(&[3; 32]).await.unwrap().is_none());
    }
}
