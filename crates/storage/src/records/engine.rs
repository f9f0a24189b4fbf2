//! What the shared code needs of a database: sessions that run statements, and transactions.

use std::borrow::Cow;
use std::fmt;

use appdepot_core::{Error, Result};
use async_trait::async_trait;
use sea_query::Value;

use super::dialect::Dialect;

/// A statement with its values. Parameters are spelled `$1`, `$2`, … on both engines.
///
/// The text is made of constants of this crate; whatever comes from a caller is a value.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    pub(super) sql: Cow<'static, str>,
    pub(super) values: Vec<Value>,
}

impl Statement {
    pub(super) fn new(sql: impl Into<Cow<'static, str>>, values: impl Into<Vec<Value>>) -> Self {
        Self { sql: sql.into(), values: values.into() }
    }
}

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Text,
    Integer,
}

/// The value of a column.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Text(String),
    Integer(i64),
}

/// A row, taken apart from the left.
#[derive(Debug)]
pub(super) struct Row(std::vec::IntoIter<Cell>);

impl Row {
    pub(super) fn new(cells: Vec<Cell>) -> Self {
        Self(cells.into_iter())
    }

    pub(super) fn text(&mut self) -> Result<String> {
        match self.0.next() {
            Some(Cell::Text(text)) => Ok(text),
            _ => Err(Error::internal("a text column was expected")),
        }
    }

    pub(super) fn last_text(mut self) -> Result<String> {
        match self.0.next_back() {
            Some(Cell::Text(text)) => Ok(text),
            _ => Err(Error::internal("a text column was expected")),
        }
    }

    pub(super) fn integer(&mut self) -> Result<i64> {
        match self.0.next() {
            Some(Cell::Integer(number)) => Ok(number),
            _ => Err(Error::internal("an integer column was expected")),
        }
    }
}

/// One connection.
#[async_trait]
pub(super) trait Session: Send {
    /// Runs a statement and returns how many rows it changed.
    async fn execute(&mut self, statement: Statement) -> sqlx::Result<u64>;

    /// Runs a statement to its end and returns its rows.
    async fn rows(&mut self, statement: Statement, shapes: &[Shape]) -> sqlx::Result<Vec<Row>>;

    /// Runs statements without values.
    async fn script(&mut self, sql: Cow<'static, str>) -> sqlx::Result<()>;
}

/// One connection within a transaction, which is rolled back unless committed.
#[async_trait]
pub(super) trait Transaction: Session {
    async fn commit(self: Box<Self>) -> sqlx::Result<()>;

    /// Rolls back at once instead of when the connection is used next.
    async fn rollback(self: Box<Self>);
}

/// A database.
#[async_trait]
pub(super) trait Engine: fmt::Debug + Send + Sync + 'static {
    fn dialect(&self) -> Dialect;

    /// A connection for reading.
    async fn reader(&self) -> sqlx::Result<Box<dyn Session>>;

    /// A transaction for writing.
    async fn begin(&self) -> sqlx::Result<Box<dyn Transaction>>;

    /// Whether the database says that it rolled the transaction back because of others, so that it may be tried
    /// again as a whole.
    fn rolled_back(&self, error: &sqlx::Error) -> bool;

    /// The same for the answer to `COMMIT`.
    fn rolled_back_at_commit(&self, error: &sqlx::Error) -> bool;

    /// Whether this is a defect of ours or of the data, and not a state of the database that may pass.
    fn is_fault(&self, error: &dyn sqlx::error::DatabaseError) -> bool;
}

/// Implements [`Session`] for what dereferences to a connection, and [`Transaction`] for sqlx's transaction.
macro_rules! sessions {
    ($database:ty) => {
        $crate::records::engine::sessions!(@one $database, sqlx::pool::PoolConnection<$database>);
        $crate::records::engine::sessions!(@one $database, sqlx::Transaction<'static, $database>);

        #[async_trait::async_trait]
        impl $crate::records::engine::Transaction for sqlx::Transaction<'static, $database> {
            async fn commit(self: Box<Self>) -> sqlx::Result<()> {
                sqlx::Transaction::commit(*self).await
            }

            async fn rollback(self: Box<Self>) {
                if let Err(error) = sqlx::Transaction::rollback(*self).await {
                    tracing::debug!(%error, "rollback failed; the connection is dropped");
                }
            }
        }
    };
    (@one $database:ty, $session:ty) => {
        #[async_trait::async_trait]
        impl $crate::records::engine::Session for $session {
            async fn execute(&mut self, statement: $crate::records::engine::Statement) -> sqlx::Result<u64> {
                let values = sea_query_sqlx::SqlxValues(sea_query::Values(statement.values));
                let sql = sqlx::AssertSqlSafe(statement.sql.into_owned());
                Ok(sqlx::query_with(sql, values).execute(&mut **self).await?.rows_affected())
            }

            async fn rows(
                &mut self,
                statement: $crate::records::engine::Statement,
                shapes: &[$crate::records::engine::Shape],
            ) -> sqlx::Result<Vec<$crate::records::engine::Row>> {
                use sqlx::Row as _;
                use $crate::records::engine::{Cell, Row, Shape};
                let values = sea_query_sqlx::SqlxValues(sea_query::Values(statement.values));
                let sql = sqlx::AssertSqlSafe(statement.sql.into_owned());
                // To the end, always: a statement that was left early keeps its snapshot on SQLite, and the next
                // one on this connection would read the past.
                let rows = sqlx::query_with(sql, values).fetch_all(&mut **self).await?;
                let cells = |row: &<$database as sqlx::Database>::Row| {
                    let cell = |(at, shape): (usize, &Shape)| match shape {
                        Shape::Text => row.try_get(at).map(Cell::Text),
                        Shape::Integer => row.try_get(at).map(Cell::Integer),
                    };
                    shapes.iter().enumerate().map(cell).collect::<sqlx::Result<Vec<Cell>>>()
                };
                rows.iter().map(|row| cells(row).map(Row::new)).collect()
            }

            async fn script(&mut self, sql: std::borrow::Cow<'static, str>) -> sqlx::Result<()> {
                let sql = sqlx::AssertSqlSafe(sql.into_owned());
                sqlx::raw_sql(sql).execute(&mut **self).await.map(drop)
            }
        }
    };
}
pub(super) use sessions;
