//! Records in a SQLite file.

use std::path::Path;
use std::time::Duration;

use appdepot_core::domain::{Event, EventFilter};
use appdepot_core::query::{Page, Query};
use appdepot_core::records::{Batch, Key, Record, RecordStore};
use appdepot_core::{Error, Result};
use async_trait::async_trait;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use super::Store;
use super::commit::Failure;
use super::dialect::Dialect;
use super::engine::{Engine, Session, Transaction, sessions};
use super::migrate::{self, Migration};
use crate::Durability;

const MIGRATIONS: [Migration; 3] = [
    Migration { version: 1, sql: include_str!("../../migrations/sqlite/0001_records_and_events.sql") },
    Migration { version: 2, sql: include_str!("../../migrations/sqlite/0002_counts.sql") },
    Migration { version: 3, sql: include_str!("../../migrations/sqlite/0003_newest_by_kind.sql") },
];

/// How long a statement waits for another process's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an operation waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);
/// The page cache of each connection, as `PRAGMA cache_size` counts: negative is KiB.
const CACHE: &str = "-16384";
/// Connections for reading, at most.
const READERS: usize = 8;

sessions!(sqlx::Sqlite);

/// A [`RecordStore`] in a SQLite file, or in memory.
///
/// # Behavior
/// - One connection writes, several read; a reader never waits for the writer.
/// - Several processes of one machine may share the file. Network file systems are not fit for it.
///
/// # Examples
///
/// ```
/// use appdepot_core::domain::{App, Id};
/// use appdepot_core::query::Query;
/// use appdepot_core::records::RecordStore;
/// use appdepot_storage::{Durability, SqliteRecords};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("depot.sqlite");
/// let records = SqliteRecords::open(&path, Durability::Full).await?;
/// let page = records.list(&Query::of::<App>(Id::generate()).limit(25)).await?;
/// assert!(page.items.is_empty());
/// records.close().await;
/// # Ok::<(), appdepot_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct SqliteRecords(Store<Sqlite>);

#[derive(Debug, Clone)]
struct Sqlite {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl SqliteRecords {
    /// Opens the file at `path`, creates it when it is missing, and brings its tables up to date. The directory
    /// must be there.
    ///
    /// # Behavior
    /// - With [`Durability::Full`], a commit is flushed to the device before it is acknowledged. With
    ///   [`Durability::Os`], the last commits before a power loss may be missing, each as a whole.
    ///
    /// # Errors
    /// `Unavailable` when the file cannot be opened, `Internal` when it is no database, `Unsupported` when its
    /// schema is not this program's.
    pub async fn open(path: impl AsRef<Path>, durability: Durability) -> Result<Self> {
        let synchronous = match durability {
            Durability::Full => SqliteSynchronous::Full,
            Durability::Os => SqliteSynchronous::Normal,
        };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(BUSY_TIMEOUT)
            .pragma("cache_size", CACHE)
            .with_regexp();
        let writing = options
            .clone()
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(synchronous);
        let writer = pool(1).connect_with(writing).await.map_err(unopened)?;
        let count = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, READERS);
        let count = u32::try_from(count).unwrap_or(2);
        let readers = pool(count).connect_lazy_with(options.read_only(true));
        Self::prepare(Sqlite { writer, readers }).await
    }

    /// A database in memory, seen by this value and its clones only, and gone with them.
    ///
    /// # Errors
    /// `Unavailable` when there is no memory for it.
    pub async fn memory() -> Result<Self> {
        let options = SqliteConnectOptions::new().in_memory(true).with_regexp();
        // The one connection is the database, so it must never be replaced.
        let one = pool(1).min_connections(1).idle_timeout(None).max_lifetime(None).test_before_acquire(false);
        let writer = one.connect_with(options).await.map_err(unopened)?;
        Self::prepare(Sqlite { readers: writer.clone(), writer }).await
    }

    async fn prepare(engine: Sqlite) -> Result<Self> {
        let store = Store(engine);
        let mut transaction = store.0.begin().await.map_err(unopened)?;
        match migrate::run(&mut *transaction, Dialect::Sqlite, &MIGRATIONS).await {
            Ok(()) => transaction.commit().await.map_err(unopened)?,
            Err(failure) => {
                transaction.rollback().await;
                store.0.close().await;
                return Err(match failure {
                    Failure::Refused(error) => error,
                    Failure::Database(error) => unopened(error),
                });
            }
        }
        Ok(Self(store))
    }

    /// Waits for running operations, then folds the log into the file and closes it. Later operations fail with
    /// `Unavailable`.
    pub async fn close(&self) {
        self.0.0.close().await;
    }

    /// How the database would answer `query`, for tuning. The lines are its own and change with its version.
    ///
    /// # Errors
    /// Those of [`list`](RecordStore::list).
    pub async fn explain(&self, query: &Query) -> Result<Vec<String>> {
        self.0.explain(query).await
    }

    /// The connection that writes, for maintenance such as `VACUUM` and backups.
    pub fn writer(&self) -> &SqlitePool {
        &self.0.0.writer
    }
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE_TIMEOUT)
}

fn unopened(error: sqlx::Error) -> Error {
    match primary_code(&error) {
        // SQLITE_ERROR, SQLITE_CORRUPT, SQLITE_CONSTRAINT, SQLITE_NOTADB
        Some(1 | 11 | 19 | 26) => Error::internal(error),
        _ => Error::unavailable(error),
    }
}

/// SQLite's result code without what it adds in the upper bits.
fn primary_code(error: &sqlx::Error) -> Option<i32> {
    code_of(error.as_database_error()?)
}

fn code_of(error: &dyn sqlx::error::DatabaseError) -> Option<i32> {
    error.code()?.parse::<i32>().ok().map(|code| code & 0xff)
}

impl Sqlite {
    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

#[async_trait]
impl Engine for Sqlite {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    async fn reader(&self) -> sqlx::Result<Box<dyn Session>> {
        Ok(Box::new(self.readers.acquire().await?))
    }

    /// Takes the write lock at once: a transaction that reads first could not be continued after another's write.
    async fn begin(&self) -> sqlx::Result<Box<dyn Transaction>> {
        Ok(Box::new(self.writer.begin_with("BEGIN IMMEDIATE").await?))
    }

    fn rolled_back(&self, error: &sqlx::Error) -> bool {
        // SQLITE_BUSY, SQLITE_LOCKED
        matches!(primary_code(error), Some(5 | 6))
    }

    fn rolled_back_at_commit(&self, _: &sqlx::Error) -> bool {
        false
    }

    fn is_fault(&self, error: &dyn sqlx::error::DatabaseError) -> bool {
        // SQLITE_ERROR, SQLITE_CORRUPT, SQLITE_CONSTRAINT, SQLITE_MISMATCH, SQLITE_MISUSE, SQLITE_NOTADB
        matches!(code_of(error), Some(1 | 11 | 19 | 20 | 21 | 26))
    }
}

#[async_trait]
impl RecordStore for SqliteRecords {
    async fn get(&self, key: &Key) -> Result<Option<Record>> {
        self.0.get(key).await
    }

    async fn list(&self, query: &Query) -> Result<Page<Record>> {
        self.0.list(query).await
    }

    async fn commit(&self, batch: Batch) -> Result<()> {
        self.0.commit(batch).await
    }

    async fn events(&self, filter: &EventFilter) -> Result<Vec<Event>> {
        self.0.events(filter).await
    }
}
