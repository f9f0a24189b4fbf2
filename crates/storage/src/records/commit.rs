//! Making the changes of a batch within one transaction.

use std::borrow::Cow;
use std::collections::BTreeMap;

use appdepot_core::domain::{Id, Kind, NewEvent, Organization, Revision};
use appdepot_core::records::{Batch, Change, Claim, Record};
use appdepot_core::{Error, Result};
use sea_query::Value;
use serde_json::Value as Json;

use super::declared;
use super::dialect::Dialect;
use super::engine::{Session, Shape, Statement};

/// The longest text that is part of an index, in bytes: claims, declared fields, actions. PostgreSQL's index
/// entries end at 2,704 bytes.
pub(super) const TEXT_LIMIT: usize = 2_000;
/// What says which record, given its key as `$1` to `$3`. SQLite holds a bare parameter against what partial indexes
/// ask for, and would compile the statement anew for every value; it takes the result of a cast for what it is.
pub(super) const BY_KEY: &str = "organization = $1 AND kind = CAST($2 AS text) AND id = $3";
/// How many events one statement writes.
const EVENTS_AT_ONCE: usize = 100;

/// Why a batch was not applied.
#[derive(Debug)]
pub(super) enum Failure {
    /// An expectation does not hold; nothing else is wrong.
    Refused(Error),
    /// The database failed.
    Database(sqlx::Error),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// A batch that has been checked, serialised and brought into the order in which every transaction takes its
/// locks: records by key, then claims, then the heads of histories.
#[derive(Debug)]
pub(super) struct Plan {
    steps: Vec<Step>,
    histories: BTreeMap<Id<Organization>, Vec<(NewEvent, String)>>,
}

#[derive(Debug)]
struct Step {
    organization: Id<Organization>,
    kind: Kind,
    id: Id<()>,
    action: Action,
}

#[derive(Debug)]
enum Action {
    Insert(Written),
    Update(Written),
    Bump(Written),
    Delete(Revision),
    Require,
}

#[derive(Debug)]
struct Written {
    record: Record,
    body: String,
    claims: Vec<Claim>,
}

impl Plan {
    /// # Errors
    /// `Invalid` for a text that one of the engines cannot keep, `Internal` for a record that breaks its
    /// declaration.
    pub(super) fn new(batch: Batch) -> Result<Self> {
        let mut steps = Vec::with_capacity(batch.changes.len());
        for change in batch.changes {
            steps.push(match change {
                Change::Insert(record) => Step::of(record, Action::Insert)?,
                Change::Update(record) => Step::of(record, Action::Update)?,
                Change::Bump(record) => Step::of(Record { revision: 1, ..record }, Action::Bump)?,
                Change::Delete { organization, kind, id, revision } => {
                    Step { organization, kind, id, action: Action::Delete(revision) }
                }
                Change::Require { organization, kind, id } => {
                    Step { organization, kind, id, action: Action::Require }
                }
            });
        }
        steps.sort_by_key(|step| (step.organization, step.kind, step.id));
        let mut histories: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for event in batch.events {
            let body = serde_json::to_value(&event).map_err(Error::internal)?;
            check_texts("event", &body)?;
            if event.action.len() > TEXT_LIMIT {
                return Err(Error::invalid("action", format!("longer than {TEXT_LIMIT} bytes")));
            }
            histories.entry(event.organization).or_default().push((event, body.to_string()));
        }
        Ok(Self { steps, histories })
    }
}

impl Step {
    fn of(record: Record, action: fn(Written) -> Action) -> Result<Self> {
        check_texts("body", &record.body)?;
        if record.body.is_array() {
            return Err(Error::internal("a record's body is a list"));
        }
        declared::check(&record)?;
        integer(record.revision)?;
        let mut claims = record.claims.clone();
        claims.sort_unstable();
        claims.dedup();
        for claim in &claims {
            if claim.value.contains('\0') {
                return Err(Error::invalid(claim.space, "holds a NUL character"));
            }
            if claim.value.len() > TEXT_LIMIT {
                return Err(Error::invalid(claim.space, format!("longer than {TEXT_LIMIT} bytes")));
            }
        }
        let (organization, kind, id) = (record.organization, record.kind, record.id);
        let body = record.body.to_string();
        Ok(Self { organization, kind, id, action: action(Written { record, body, claims }) })
    }

    fn key(&self) -> [Value; 3] {
        [self.organization.to_string().into(), self.kind.as_str().into(), self.id.to_string().into()]
    }

    fn keyed(&self, sql: impl Into<Cow<'static, str>>, more: impl IntoIterator<Item = Value>) -> Statement {
        Statement::new(sql, self.key().into_iter().chain(more).collect::<Vec<_>>())
    }
}

fn check_texts(field: &'static str, json: &Json) -> Result<()> {
    let bad = match json {
        Json::String(text) => text.contains('\0'),
        Json::Array(members) => return members.iter().try_for_each(|member| check_texts(field, member)),
        Json::Object(members) => {
            members.values().try_for_each(|member| check_texts(field, member))?;
            members.keys().any(|name| name.contains('\0'))
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
    };
    if bad { Err(Error::invalid(field, "a text holds a NUL character")) } else { Ok(()) }
}

fn integer(revision: Revision) -> Result<i64> {
    i64::try_from(revision).map_err(|_| Error::invalid("revision", "too large"))
}

/// Makes all changes of `plan` in the session's transaction.
pub(super) async fn apply(session: &mut dyn Session, dialect: Dialect, plan: &Plan) -> Result<(), Failure> {
    for step in &plan.steps {
        write(session, dialect, step).await?;
    }
    // All claims are given up before any is taken, so that records of one batch can exchange theirs.
    let mut wanted = Vec::new();
    for step in &plan.steps {
        match &step.action {
            Action::Insert(written) => wanted.extend(written.claims.iter().map(|claim| (step, claim))),
            Action::Update(written) => {
                let kept = give_up(session, step, &written.claims).await?;
                let fresh = written.claims.iter().filter(|claim| !kept.contains(claim));
                wanted.extend(fresh.map(|claim| (step, claim)));
            }
            Action::Delete(_) => {
                let sql = format!("DELETE FROM claims WHERE {BY_KEY}");
                session.execute(step.keyed(sql, [])).await?;
            }
            Action::Bump(_) | Action::Require => {}
        }
    }
    wanted.sort_by_key(|(step, claim)| (step.organization, step.kind, *claim));
    for (step, claim) in wanted {
        let sql = "INSERT INTO claims (organization, kind, id, space, value) VALUES ($1, $2, $3, $4, $5) \
                   ON CONFLICT DO NOTHING";
        let statement = step.keyed(sql, [claim.space.into(), claim.value.as_str().into()]);
        if session.execute(statement).await? == 0 {
            return Err(Error::taken(claim.space).into());
        }
    }
    for (organization, events) in &plan.histories {
        append(session, *organization, events).await?;
    }
    Ok(())
}

async fn write(session: &mut dyn Session, dialect: Dialect, step: &Step) -> Result<(), Failure> {
    let changed = match &step.action {
        Action::Insert(written) => {
            let sql = format!("{} ON CONFLICT DO NOTHING", insertion(dialect));
            session.execute(step.keyed(sql, written.values()?)).await?
        }
        Action::Update(written) => {
            let body = dialect.new_body();
            let sql = format!(
                "UPDATE records SET revision = $4, created_at = $5, updated_at = $6, batch = $7, schema = $8, \
                 body = {body} WHERE {BY_KEY} AND revision = $4 - 1"
            );
            session.execute(step.keyed(sql, written.values()?)).await?
        }
        // Waits for whoever counts at the same time, instead of failing.
        Action::Bump(written) => {
            let sql = format!(
                "{} ON CONFLICT (organization, kind, id) DO UPDATE SET revision = records.revision + 1, \
                 updated_at = excluded.updated_at, batch = excluded.batch",
                insertion(dialect)
            );
            session.execute(step.keyed(sql, written.values()?)).await?
        }
        Action::Delete(revision) => {
            let sql = format!("DELETE FROM records WHERE {BY_KEY} AND revision = $4");
            match i64::try_from(*revision) {
                Ok(revision) => session.execute(step.keyed(sql, [revision.into()])).await?,
                Err(_) => 0,
            }
        }
        Action::Require => {
            let lock = match dialect {
                #[cfg(feature = "sqlite")]
                Dialect::Sqlite => "",
                // Keeps it from being deleted until this transaction ends, and lets it be updated.
                #[cfg(feature = "postgres")]
                Dialect::Postgres => " FOR KEY SHARE",
            };
            let sql = format!("SELECT revision FROM records WHERE {BY_KEY}{lock}");
            session.rows(step.keyed(sql, []), &[Shape::Integer]).await?.len() as u64
        }
    };
    if changed == 1 {
        return Ok(());
    }
    let sql = format!("SELECT revision FROM records WHERE {BY_KEY}");
    let rows = session.rows(step.keyed(sql, []), &[Shape::Integer]).await?;
    let current = rows.into_iter().next().and_then(|mut row| row.integer().ok());
    Err(Error::stale(current.and_then(|revision| Revision::try_from(revision).ok())).into())
}

/// The statement that writes a new record.
fn insertion(dialect: Dialect) -> String {
    format!(
        "INSERT INTO records (organization, kind, id, revision, created_at, updated_at, batch, schema, body) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, {})",
        dialect.new_body()
    )
}

impl Written {
    /// What is written beside the key, as `$4` to `$9`.
    fn values(&self) -> Result<[Value; 6]> {
        let record = &self.record;
        Ok([
            integer(record.revision)?.into(),
            record.created_at.millis().into(),
            record.updated_at.millis().into(),
            record.batch.to_string().into(),
            i64::from(record.schema).into(),
            self.body.as_str().into(),
        ])
    }
}

/// Gives up the claims of a record that are not among `claims`, and returns those that it keeps.
async fn give_up(session: &mut dyn Session, step: &Step, claims: &[Claim]) -> Result<Vec<Claim>, Failure> {
    let sql = format!("SELECT space, value FROM claims WHERE {BY_KEY}");
    let mut kept = Vec::new();
    for mut row in session.rows(step.keyed(sql, []), &[Shape::Text, Shape::Text]).await? {
        let (space, value) = (row.text()?, row.text()?);
        match claims.iter().find(|claim| claim.space == space && claim.value == value) {
            Some(claim) => kept.push(claim.clone()),
            None => {
                let sql = format!("DELETE FROM claims WHERE {BY_KEY} AND space = $4 AND value = $5");
                session.execute(step.keyed(sql, [space.into(), value.into()])).await?;
            }
        }
    }
    Ok(kept)
}

/// Appends events to one history. The history's head stays locked until the transaction ends, so that numbers
/// are given out in commit order and a failed transaction leaves no gap.
async fn append(
    session: &mut dyn Session,
    organization: Id<Organization>,
    events: &[(NewEvent, String)],
) -> Result<(), Failure> {
    let count = i64::try_from(events.len()).map_err(Error::internal)?;
    let sql = "INSERT INTO heads (organization, sequence) VALUES ($1, $2) \
               ON CONFLICT (organization) DO UPDATE SET sequence = heads.sequence + excluded.sequence \
               RETURNING sequence";
    let head = Statement::new(sql, [organization.to_string().into(), count.into()]);
    let mut rows = session.rows(head, &[Shape::Integer]).await?.into_iter();
    let last = rows.next().ok_or_else(|| Error::internal("no head was returned"))?.integer()?;
    let mut sequence = last - count;
    for some in events.chunks(EVENTS_AT_ONCE) {
        let mut sql = String::from(
            "INSERT INTO events (organization, sequence, at, actor, action, kind, subject, body) VALUES ",
        );
        let mut values: Vec<Value> = vec![organization.to_string().into()];
        for (at, (event, body)) in some.iter().enumerate() {
            sequence += 1;
            let n = values.len();
            let [a, b, c, d, e, f, g] = std::array::from_fn(|offset| n + 1 + offset);
            let comma = if at == 0 { "" } else { ", " };
            sql.push_str(&format!("{comma}($1, ${a}, ${b}, ${c}, ${d}, ${e}, ${f}, ${g})"));
            values.extend([
                sequence.into(),
                event.at.millis().into(),
                event.actor.as_str().into(),
                event.action.as_str().into(),
                event.kind.as_str().into(),
                event.subject.to_string().into(),
                body.as_str().into(),
            ]);
        }
        session.execute(Statement::new(sql, values)).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use appdepot_core::ErrorKind;
    use appdepot_core::domain::Timestamp;
    use serde_json::json;

    fn insert(body: Json, claims: Vec<Claim>) -> Batch {
        let record = Record {
            kind: Kind::Asset,
            organization: Id::generate(),
            id: Id::generate(),
            revision: 1,
            created_at: Timestamp::from_millis(0),
            updated_at: Timestamp::from_millis(0),
            batch: Id::NIL,
            schema: 1,
            body,
            claims,
        };
        Batch { changes: vec![Change::Insert(record)], ..Batch::new() }
    }

    #[test]
    fn what_one_engine_cannot_keep_is_refused_before_any_sees_it() {
        let long = "x".repeat(TEXT_LIMIT + 1);
        let bad = [
            insert(json!({"a": ["b", {"c": "\0"}]}), vec![]),
            insert(json!({"\0": 1}), vec![]),
            insert(json!({"name": long}), vec![]),
            insert(json!({}), vec![Claim::new("slug", "a\0")]),
            insert(json!({}), vec![Claim::new("slug", long.clone())]),
        ];
        for batch in bad {
            assert_eq!(Plan::new(batch).unwrap_err().kind(), ErrorKind::Invalid);
        }
        assert!(Plan::new(insert(json!({"undeclared": long}), vec![])).is_ok());
    }

    #[test]
    fn what_breaks_a_declaration_is_our_fault() {
        for body in [json!({"name": ["a"]}), json!({"content": [{"type": "a"}]}), json!([])] {
            assert_eq!(Plan::new(insert(body, vec![])).unwrap_err().kind(), ErrorKind::Internal);
        }
    }
}
