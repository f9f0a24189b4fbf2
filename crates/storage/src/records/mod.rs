//! Records and events in SQL. One design for both engines; what differs is in [`dialect`].

mod commit;
mod cursor;
mod declared;
mod dialect;
mod engine;
mod members;
mod migrate;
mod place;
mod query;

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

use appdepot_core::domain::{Event, EventFilter, Id, Kind, NewEvent, Organization, Timestamp};
use appdepot_core::query::{Clause, Page, Paging, Query};
use appdepot_core::records::{Batch, Key, Record};
use appdepot_core::{Error, ErrorKind, Result};
use serde_json::Value as Json;

use commit::{BY_KEY, Failure, Plan};
use engine::{Engine, Row, Session, Shape, Statement};

#[cfg(feature = "postgres")]
pub use postgres::{PoolOptions, PostgresRecords};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteRecords;

/// How often a transaction that the database rolled back is tried again.
const RETRIES: u32 = 3;
/// How many records are looked at for an expression that only this program can evaluate.
const SCAN_LIMIT: usize = 200_000;
/// How many of them at a time.
const SCAN_BATCH: u32 = 1_000;
/// From how many skipped records on it is worth to find out how many there are.
const FAR: u64 = 100;

/// The columns of a record, in the order that [`record`] reads them.
const COLUMNS: [Shape; 8] = [
    Shape::Text,
    Shape::Text,
    Shape::Integer,
    Shape::Integer,
    Shape::Integer,
    Shape::Text,
    Shape::Integer,
    Shape::Text,
];

/// A record store over one engine.
#[derive(Debug, Clone)]
struct Store<E>(E);

impl<E: Engine> Store<E> {
    async fn get(&self, key: &Key) -> Result<Option<Record>> {
        let body = self.0.dialect().body();
        let columns = format!(
            "r.organization, r.id, r.revision, r.created_at, r.updated_at, r.batch, r.schema, {body}"
        );
        let (kind, statement) = match key {
            Key::Id { organization, kind, id } => (
                *kind,
                Statement::new(
                    format!("SELECT {columns} FROM records r WHERE {BY_KEY}"),
                    [organization.to_string().into(), kind.as_str().into(), id.to_string().into()],
                ),
            ),
            // Nothing can be kept under a text with a NUL.
            Key::Claim { claim, .. } if claim.value.contains('\0') => return Ok(None),
            Key::Claim { organization, kind, claim } => (
                *kind,
                Statement::new(
                    format!(
                        "SELECT {columns} FROM claims c JOIN records r \
                         ON r.organization = c.organization AND r.kind = c.kind AND r.id = c.id \
                         WHERE c.organization = $1 AND c.kind = CAST($2 AS text) AND c.space = $3 AND c.value = $4"
                    ),
                    [
                        organization.to_string().into(),
                        kind.as_str().into(),
                        claim.space.into(),
                        claim.value.as_str().into(),
                    ],
                ),
            ),
        };
        let rows = self.reader().await?.rows(statement, &COLUMNS).await.map_err(|e| self.fault(e))?;
        rows.into_iter().next().map(|row| record(kind, row)).transpose()
    }

    async fn list(&self, query: &Query) -> Result<Page<Record>> {
        query.check()?;
        query::check_texts(query)?;
        let (remote, local): (Vec<Clause>, Vec<Clause>) =
            query.clauses.iter().cloned().partition(|clause| self.evaluates(clause));
        if !local.is_empty() {
            return self.scan(&Query { clauses: remote, ..query.clone() }, &local).await;
        }
        let mut session = self.reader().await?;
        let far = matches!(query.page, Paging::Skip(count) if count >= FAR)
            && query::is_counted(self.0.dialect(), query);
        let total = match query.count || far {
            true => Some(self.count(&mut *session, query).await?),
            false => None,
        };
        let mut items = match (&query.page, total) {
            (Paging::Skip(skip), Some(total)) if far && *skip > total / 2 => {
                self.select_from_end(&mut *session, query, total.saturating_sub(*skip)).await?
            }
            _ => self.select(&mut *session, query, query.limit.saturating_add(1)).await?,
        };
        let total = total.filter(|_| query.count);
        let more = items.len() > query.limit as usize;
        items.truncate(query.limit as usize);
        let next = items.last().filter(|_| more).map(|last| cursor::write(query, last));
        Ok(Page { items, total, next })
    }

    async fn select(&self, session: &mut dyn Session, query: &Query, limit: u32) -> Result<Vec<Record>> {
        let statement = query::select(self.0.dialect(), query, limit)?;
        let rows = session.rows(statement, &COLUMNS).await.map_err(|e| self.fault(e))?;
        rows.into_iter().map(|row| record(query.kind, row)).collect()
    }

    /// The page that has `left` records from its first on, and one record more if there is one. The way from the end
    /// is the shorter one.
    async fn select_from_end(
        &self,
        session: &mut dyn Session,
        query: &Query,
        left: u64,
    ) -> Result<Vec<Record>> {
        let limit = u32::try_from(left).unwrap_or(u32::MAX).min(query.limit.saturating_add(1));
        if limit == 0 {
            return Ok(Vec::new());
        }
        let mut reversed = Query { page: Paging::Skip(left - u64::from(limit)), ..query.clone() };
        reversed.sort = query.order();
        reversed.sort.iter_mut().for_each(|sort| sort.descending = !sort.descending);
        let mut items = self.select(session, &reversed, limit).await?;
        items.reverse();
        Ok(items)
    }

    /// Whether the engine evaluates every condition of the clause as core does.
    fn evaluates(&self, clause: &Clause) -> bool {
        clause.any.iter().all(|condition| self.0.dialect().evaluates(&condition.op))
    }

    /// The plan's lines, one column of each row: of the page, then of the count if there is one.
    async fn explain(&self, query: &Query) -> Result<Vec<String>> {
        query.check()?;
        query::check_texts(query)?;
        let remote = query.clauses.iter().filter(|clause| self.evaluates(clause)).cloned().collect();
        let remote = Query { clauses: remote, ..query.clone() };
        let dialect = self.0.dialect();
        let mut statements = vec![query::select(dialect, &remote, query.limit.saturating_add(1))?];
        statements.extend(query.count.then(|| query::count(dialect, &remote)));
        let (explain, shapes) = dialect.explain();
        let mut lines = Vec::new();
        for mut statement in statements {
            statement.sql = format!("{explain} {}", statement.sql).into();
            let rows = self.reader().await?.rows(statement, shapes).await.map_err(|e| self.fault(e))?;
            for row in rows {
                lines.push(row.last_text()?);
            }
        }
        Ok(lines)
    }

    async fn count(&self, session: &mut dyn Session, query: &Query) -> Result<u64> {
        let statement = query::count(self.0.dialect(), query);
        let rows = session.rows(statement, &[Shape::Integer]).await.map_err(|e| self.fault(e))?;
        let count = rows.into_iter().next().and_then(|mut row| row.integer().ok());
        Ok(count.unwrap_or_default().max(0).cast_unsigned())
    }

    /// Evaluates `local` here, over the records that the rest of the query selects.
    async fn scan(&self, query: &Query, local: &[Clause]) -> Result<Page<Record>> {
        let mut session = self.reader().await?;
        let start = Query { page: Paging::Skip(0), ..query.clone() };
        let mut total = None;
        if query.count {
            let mut count = 0;
            self.walk(&mut *session, start.clone(), local, &mut |_| {
                count += 1;
                true
            })
            .await?;
            total = Some(count);
        }
        let (mut skip, from) = match query.page {
            Paging::Skip(count) => (count, start),
            Paging::After(_) => (0, query.clone()),
        };
        let limit = query.limit as usize;
        let mut items = Vec::new();
        self.walk(&mut *session, from, local, &mut |record| {
            match skip {
                0 => items.push(record),
                _ => skip -= 1,
            }
            items.len() <= limit
        })
        .await?;
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|last| cursor::write(query, last));
        Ok(Page { items, total, next })
    }

    /// Shows `visit` the records that satisfy `query` and `local`, batch by batch, until it has enough.
    async fn walk(
        &self,
        session: &mut dyn Session,
        mut query: Query,
        local: &[Clause],
        visit: &mut (dyn FnMut(Record) -> bool + Send),
    ) -> Result<()> {
        let mut seen = 0;
        loop {
            let found = self.select(session, &query, SCAN_BATCH).await?;
            seen += found.len();
            let last = found.last().filter(|_| found.len() == SCAN_BATCH as usize);
            let next = last.map(|last| cursor::write(&query, last));
            for record in found {
                if local.iter().all(|clause| clause.matches(&record)) && !visit(record) {
                    return Ok(());
                }
            }
            let Some(next) = next else { return Ok(()) };
            if seen >= SCAN_LIMIT {
                return Err(too_broad());
            }
            query.page = Paging::After(next);
        }
    }

    async fn commit(&self, batch: Batch) -> Result<()> {
        let plan = Plan::new(batch)?;
        let mut attempt = 0;
        loop {
            let failure = match self.0.begin().await {
                Err(error) => error,
                Ok(mut transaction) => {
                    match commit::apply(&mut *transaction, self.0.dialect(), &plan).await {
                        Ok(()) => match transaction.commit().await {
                            Ok(()) => return Ok(()),
                            // Whether it took effect is known only when the database says that it did not.
                            Err(error) if self.0.rolled_back_at_commit(&error) => error,
                            Err(error) => return Err(Error::unavailable(error)),
                        },
                        Err(Failure::Refused(error)) => {
                            transaction.rollback().await;
                            return Err(error);
                        }
                        Err(Failure::Database(error)) => {
                            transaction.rollback().await;
                            error
                        }
                    }
                }
            };
            attempt += 1;
            if attempt > RETRIES || !self.0.rolled_back(&failure) {
                return Err(self.fault(failure));
            }
            tracing::debug!(attempt, error = %failure, "transaction rolled back, trying again");
            tokio::time::sleep(std::time::Duration::from_millis(5) * attempt).await;
        }
    }

    async fn events(&self, filter: &EventFilter) -> Result<Vec<Event>> {
        let statement = query::events(self.0.dialect(), filter)?;
        let rows = self.reader().await?.rows(statement, &[Shape::Integer, Shape::Text]).await;
        rows.map_err(|e| self.fault(e))?.into_iter().map(event).collect()
    }

    async fn reader(&self) -> Result<Box<dyn Session>> {
        self.0.reader().await.map_err(|e| self.fault(e))
    }

    /// The one place where the database's errors become ours. Their text stays a source.
    fn fault(&self, error: sqlx::Error) -> Error {
        match &error {
            sqlx::Error::Database(inner) if !self.0.is_fault(&**inner) => Error::unavailable(error),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Protocol(_) => Error::unavailable(error),
            _ => Error::internal(error),
        }
    }
}

fn too_broad() -> Error {
    Error::new(
        ErrorKind::Limited,
        format!("the expression would have to be tried on more than {SCAN_LIMIT} records; add conditions"),
    )
}

fn record(kind: Kind, mut row: Row) -> Result<Record> {
    Ok(Record {
        kind,
        organization: id::<Organization>(&row.text()?)?,
        id: id(&row.text()?)?,
        revision: unsigned(row.integer()?)?,
        created_at: Timestamp::from_millis(row.integer()?),
        updated_at: Timestamp::from_millis(row.integer()?),
        batch: id(&row.text()?)?,
        schema: u16::try_from(row.integer()?).map_err(Error::internal)?,
        body: serde_json::from_str::<Json>(&row.text()?).map_err(Error::internal)?,
        claims: Vec::new(),
    })
}

fn event(mut row: Row) -> Result<Event> {
    let sequence = unsigned(row.integer()?)?;
    let event: NewEvent = serde_json::from_str(&row.text()?).map_err(Error::internal)?;
    Ok(Event { sequence, event })
}

fn id<K>(text: &str) -> Result<Id<K>> {
    Id::parse(text).map_err(|_| Error::internal("a stored id is malformed"))
}

fn unsigned(number: i64) -> Result<u64> {
    u64::try_from(number).map_err(Error::internal)
}
