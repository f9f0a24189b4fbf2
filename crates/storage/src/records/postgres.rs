//! Records in PostgreSQL.

use std::time::Duration;

use appdepot_core::domain::{Event, EventFilter};
use appdepot_core::query::{Page, Query};
use appdepot_core::records::{Batch, Key, Record, RecordStore};
use appdepot_core::{Error, Result};
use async_trait::async_trait;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use super::Store;
use super::commit::Failure;
use super::dialect::Dialect;
use super::engine::{Engine, Session, Statement, Transaction, sessions};
use super::migrate::{self, Migration};

const MIGRATIONS: [Migration; 4] = [
    Migration { version: 1, sql: include_str!("../../migrations/postgres/0001_records_and_events.sql") },
    Migration { version: 2, sql: include_str!("../../migrations/postgres/0002_counts.sql") },
    Migration { version: 3, sql: include_str!("../../migrations/postgres/0003_newest_by_kind.sql") },
    Migration { version: 4, sql: include_str!("../../migrations/postgres/0004_recount.sql") },
];

/// The advisory lock under which one process migrates; any number that others do not use.
const MIGRATION_LOCK: i64 = 0x6170_7064_6570_6f74;

sessions!(sqlx::Postgres);

/// A [`RecordStore`] in a PostgreSQL database, version 14 or later.
///
/// # Behavior
/// - Any number of processes may share the database.
/// - Transactions read committed data and lock what they change; one that the server rolled back because of
///   others is tried again a few times as a whole.
/// - A commit is as durable as the server makes it: `synchronous_commit` is the operator's choice.
/// - Regular expressions are evaluated here, over at most 200,000 records that the rest of the query selects.
///
/// # Examples
///
/// ```no_run
/// use appdepot_storage::{PoolOptions, PostgresRecords};
/// # async fn open() -> appdepot_core::Result<()> {
/// let records = PostgresRecords::connect("postgres://depot@localhost/depot", PoolOptions::default()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct PostgresRecords(Store<Postgres>);

/// How a [`PostgresRecords`] uses its connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolOptions {
    /// Connections, at most.
    pub connections: u32,
    /// How long an operation waits for a connection.
    pub acquire_timeout: Duration,
    /// How long the server works on one statement.
    pub statement_timeout: Duration,
    /// How long the server waits for one lock.
    pub lock_timeout: Duration,
}

impl Default for PoolOptions {
    /// 10 connections; 10 s to get one, 30 s for a statement, 10 s for a lock.
    fn default() -> Self {
        Self {
            connections: 10,
            acquire_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(10),
        }
    }
}

#[derive(Debug, Clone)]
struct Postgres {
    pool: PgPool,
}

impl PostgresRecords {
    /// Connects to the database at `url` (`postgres://user:password@host:port/database`) and brings its tables up
    /// to date. One process at a time does; others wait for it.
    ///
    /// # Errors
    /// `Invalid` when `url` is none, `Unavailable` when the server does not answer, `Unsupported` when the
    /// database's schema is not this program's. No message holds the address.
    pub async fn connect(url: &str, options: PoolOptions) -> Result<Self> {
        // The parser's error may quote the address, and with it a password.
        let address: PgConnectOptions = url
            .parse()
            .map_err(|_| Error::invalid("database", "not the address of a postgresql database"))?;
        let settings = format!(
            "SET statement_timeout = {}; SET lock_timeout = {}; SET default_transaction_isolation = 'read committed'",
            options.statement_timeout.as_millis(),
            options.lock_timeout.as_millis(),
        );
        let pool = PgPoolOptions::new()
            .max_connections(options.connections)
            .acquire_timeout(options.acquire_timeout)
            .after_connect(move |connection, _| {
                let settings = sqlx::AssertSqlSafe(settings.clone());
                Box::pin(async move { sqlx::raw_sql(settings).execute(connection).await.map(drop) })
            })
            .connect_with(address.application_name("appdepot"))
            .await
            .map_err(Error::unavailable)?;
        Self::prepare(Postgres { pool }).await
    }

    async fn prepare(engine: Postgres) -> Result<Self> {
        let store = Store(engine);
        let mut transaction = store.0.begin().await.map_err(Error::unavailable)?;
        match migrate(&mut *transaction).await {
            Ok(()) => transaction.commit().await.map_err(Error::unavailable)?,
            Err(failure) => {
                transaction.rollback().await;
                store.0.pool.close().await;
                return Err(match failure {
                    Failure::Refused(error) => error,
                    Failure::Database(error) => store.fault(error),
                });
            }
        }
        Ok(Self(store))
    }

    /// Waits for running operations and closes all connections. Later operations fail with `Unavailable`.
    pub async fn close(&self) {
        self.0.0.pool.close().await;
    }

    /// How the database would answer `query`, for tuning. The lines are its own and change with its version.
    ///
    /// # Errors
    /// Those of [`list`](RecordStore::list).
    pub async fn explain(&self, query: &Query) -> Result<Vec<String>> {
        self.0.explain(query).await
    }

    /// The connections, for maintenance and for a program that shares the database.
    pub fn pool(&self) -> &PgPool {
        &self.0.0.pool
    }
}

async fn migrate(transaction: &mut dyn Session) -> std::result::Result<(), Failure> {
    // Building an index over a large table takes longer than a statement may otherwise.
    transaction.script("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0".into()).await?;
    transaction.execute(Statement::new("SELECT pg_advisory_xact_lock($1)", [MIGRATION_LOCK.into()])).await?;
    migrate::run(transaction, Dialect::Postgres, &MIGRATIONS).await
}

#[async_trait]
impl Engine for Postgres {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    async fn reader(&self) -> sqlx::Result<Box<dyn Session>> {
        Ok(Box::new(self.pool.acquire().await?))
    }

    async fn begin(&self) -> sqlx::Result<Box<dyn Transaction>> {
        Ok(Box::new(self.pool.begin().await?))
    }

    fn rolled_back(&self, error: &sqlx::Error) -> bool {
        // serialization_failure, deadlock_detected
        let code = error.as_database_error().and_then(|error| error.code());
        code.is_some_and(|code| code == "40001" || code == "40P01")
    }

    fn rolled_back_at_commit(&self, error: &sqlx::Error) -> bool {
        self.rolled_back(error)
    }

    fn is_fault(&self, error: &dyn sqlx::error::DatabaseError) -> bool {
        // feature_not_supported, data_exception, integrity_constraint_violation, syntax_error_or_access_rule,
        // program_limit_exceeded
        let code = error.code().unwrap_or_default();
        ["0A", "22", "23", "42", "54"].iter().any(|class| code.starts_with(class))
    }
}

#[async_trait]
impl RecordStore for PostgresRecords {
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
