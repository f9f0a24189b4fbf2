//! How the engines spell what they have in common.

use appdepot_core::query::Op;
use sea_query::{Expr, SelectStatement, Value};

use super::engine::{Shape, Statement};

/// An engine's SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    #[cfg(feature = "sqlite")]
    Sqlite,
    #[cfg(feature = "postgres")]
    Postgres,
}

impl Dialect {
    /// The body column as text.
    pub(super) fn body(self) -> &'static str {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite => "body",
            #[cfg(feature = "postgres")]
            Self::Postgres => "body::text",
        }
    }

    /// The text that is the ninth value, as a body to write.
    pub(super) fn new_body(self) -> &'static str {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite => "$9",
            #[cfg(feature = "postgres")]
            Self::Postgres => "$9::jsonb",
        }
    }

    /// What asks for a statement's plan, and the columns of the answer, of which the last is of interest.
    pub(super) fn explain(self) -> (&'static str, &'static [Shape]) {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite => {
                ("EXPLAIN QUERY PLAN", &[Shape::Integer, Shape::Integer, Shape::Integer, Shape::Text])
            }
            #[cfg(feature = "postgres")]
            Self::Postgres => ("EXPLAIN", &[Shape::Text]),
        }
    }

    /// Whether the engine evaluates this as [`appdepot_core::query::Condition::matches`] does. PostgreSQL's regular
    /// expressions are another language and can take exponential time.
    pub(super) fn evaluates(self, op: &Op) -> bool {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite => {
                let _ = op;
                true
            }
            #[cfg(feature = "postgres")]
            Self::Postgres => !matches!(op, Op::Matches(_)),
        }
    }

    /// The statement's text and values.
    pub(super) fn build(self, select: &SelectStatement) -> Statement {
        let (sql, values) = match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite => select.build(sea_query::SqliteQueryBuilder),
            #[cfg(feature = "postgres")]
            Self::Postgres => select.build(sea_query::PostgresQueryBuilder),
        };
        Statement::new(sql, values.0)
    }

    /// The statement for at most `limit` rows after the first `skip`. SQLite plans with the limit and would compile the
    /// statement anew for each one given as a value, so it stands in the text.
    pub(super) fn build_page(self, select: &SelectStatement, limit: u32, skip: u64) -> Statement {
        let Statement { sql, mut values } = self.build(select);
        let mut sql = format!("{sql} LIMIT {limit}");
        if skip > 0 {
            values.push(skip.into());
            match self {
                #[cfg(feature = "sqlite")]
                Self::Sqlite => sql.push_str(" OFFSET ?"),
                #[cfg(feature = "postgres")]
                Self::Postgres => sql.push_str(&format!(" OFFSET ${}", values.len())),
            }
        }
        Statement::new(sql, values)
    }
}

/// Stands for a value until the fragment is complete; no SQL of this crate holds it.
const MARK: char = '\u{1a}';

/// A piece of SQL with its values, grown from the left.
#[derive(Debug, Clone)]
pub(super) struct Fragment {
    dialect: Dialect,
    sql: String,
    values: Vec<Value>,
}

impl Fragment {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self { dialect, sql: String::new(), values: Vec::new() }
    }

    /// A fragment of constants only.
    pub(super) fn constant(dialect: Dialect, sql: &str) -> Self {
        Self::new(dialect).sql(sql)
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Appends text of this crate.
    pub(super) fn sql(mut self, sql: &str) -> Self {
        self.sql.push_str(sql);
        self
    }

    /// Appends a value, whatever it is made of.
    pub(super) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self.sql.push(MARK);
        self
    }

    /// Appends values with commas between them.
    pub(super) fn bind_all(self, values: impl Iterator<Item = String>) -> Self {
        values.enumerate().fold(self, |all, (at, value)| all.sql(if at == 0 { "" } else { ", " }).bind(value))
    }

    /// Appends another fragment.
    pub(super) fn with(mut self, other: &Self) -> Self {
        self.sql.push_str(&other.sql);
        self.values.extend(other.values.iter().cloned());
        self
    }

    /// All of them, joined by a word and each in parentheses; `empty` when there are none.
    pub(super) fn join(dialect: Dialect, parts: &[Self], word: &str, empty: &str) -> Self {
        let mut joined = Self::new(dialect);
        for (at, part) in parts.iter().enumerate() {
            joined = joined.sql(if at == 0 { "(" } else { word }).sql(if at == 0 { "" } else { "(" });
            joined = joined.with(part).sql(")");
        }
        if parts.is_empty() { joined.sql(empty) } else { joined }
    }

    /// The text, for fragments without values.
    pub(super) fn as_sql(&self) -> &str {
        &self.sql
    }

    /// As an expression for a statement, which numbers the parameters anew.
    pub(super) fn into_expr(self) -> Expr {
        let mut template = String::with_capacity(self.sql.len() + 16);
        for (at, part) in self.sql.split(MARK).enumerate() {
            if at > 0 {
                match self.dialect {
                    #[cfg(feature = "sqlite")]
                    Dialect::Sqlite => template.push('?'),
                    #[cfg(feature = "postgres")]
                    Dialect::Postgres => template.push_str(&format!("${at}")),
                }
            }
            template.push_str(part);
        }
        Expr::cust_with_values(template, self.values)
    }
}
