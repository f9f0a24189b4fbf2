//! What SQL records promise beyond core's suite: agreement with core's own evaluator, behaviour under
//! concurrency, migrations, and the use of indexes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod agreement;
mod contention;
mod indexes;
mod opening;
mod pages;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;

use appdepot_core::ErrorKind;
use appdepot_core::authorize::Origin;
use appdepot_core::domain::{EventFilter, Extra, Id, Kind, NewEvent, Organization, Timestamp};
use appdepot_core::query::{Field, Op, Query};
use appdepot_core::records::{Batch, Change, Claim, Key, Record, RecordStore};
use appdepot_storage::testing::Postgres;
use appdepot_storage::{Durability, PoolOptions, PostgresRecords, SqliteRecords};
use libtest_mimic::{Failed, Trial};
use serde_json::{Value as Json, json};
use support::block_on;
use tempfile::TempDir;

/// One engine, with a database of its own.
#[derive(Clone)]
pub(crate) enum Engine {
    Sqlite(SqliteRecords, Arc<TempDir>),
    Postgres(PostgresRecords, String),
}

impl Engine {
    async fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("depot.sqlite");
        let records = SqliteRecords::open(path, Durability::Os).await.unwrap();
        Self::Sqlite(records, Arc::new(directory))
    }

    async fn postgres(server: &Postgres) -> Self {
        let url = server.database().await;
        let records = PostgresRecords::connect(&url, PoolOptions::default()).await.unwrap();
        Self::Postgres(records, url)
    }

    pub(crate) fn store(&self) -> Arc<dyn RecordStore> {
        match self {
            Self::Sqlite(records, _) => Arc::new(records.clone()),
            Self::Postgres(records, _) => Arc::new(records.clone()),
        }
    }

    /// Closes this store and opens the same database again.
    async fn reopen(&self) -> appdepot_core::Result<Self> {
        match self {
            Self::Sqlite(records, directory) => {
                records.close().await;
                let path = directory.path().join("depot.sqlite");
                Ok(Self::Sqlite(SqliteRecords::open(path, Durability::Full).await?, directory.clone()))
            }
            Self::Postgres(records, url) => {
                records.close().await;
                let records = PostgresRecords::connect(url, PoolOptions::default()).await?;
                Ok(Self::Postgres(records, url.clone()))
            }
        }
    }

    /// The names of its tables, indexes, triggers and statistics, in order.
    async fn made(&self) -> Vec<String> {
        let mut names: Vec<String> = match self {
            Self::Sqlite(records, _) => {
                let sql = "SELECT name FROM sqlite_schema WHERE name NOT GLOB 'sqlite_*'";
                sqlx::query_scalar(sql).fetch_all(records.writer()).await.unwrap()
            }
            Self::Postgres(records, _) => {
                let sql = "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace \
                           UNION ALL SELECT stxname::text FROM pg_statistic_ext";
                sqlx::query_scalar(sql).fetch_all(records.pool()).await.unwrap()
            }
        };
        names.sort_unstable();
        names
    }

    /// Runs SQL behind the store's back.
    pub(crate) async fn sql(&self, sql: &'static str) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(records, _) => sqlx::raw_sql(sql).execute(records.writer()).await.map(drop),
            Self::Postgres(records, _) => sqlx::raw_sql(sql).execute(records.pool()).await.map(drop),
        }
    }
}

/// One trial per engine.
macro_rules! on_both {
    ($server:expr, $($case:path),* $(,)?) => {{
        let mut all = Vec::new();
        $(
            all.push(Trial::test(concat!("sqlite::", stringify!($case)), || {
                block_on(async { $case(Engine::sqlite().await).await });
                Ok::<(), Failed>(())
            }));
            let server = $server.clone();
            all.push(Trial::test(concat!("postgres::", stringify!($case)), move || {
                block_on(async { $case(Engine::postgres(&server.expect("a server")).await).await });
                Ok::<(), Failed>(())
            }));
        )*
        all
    }};
}

fn main() {
    support::run(|server| {
        let mut all = on_both!(
            server,
            agreement::queries_agree_with_core,
            contention::one_of_many_updates_wins,
            contention::sequences_have_no_gaps_under_concurrency,
            contention::one_of_many_claims_wins,
            contention::crossing_batches_do_not_deadlock,
            records_of_one_batch_exchange_claims,
            contention::a_required_record_cannot_vanish_meanwhile,
            opening::reopening_keeps_everything,
            opening::opening_twice_at_once_is_fine,
            opening::an_altered_schema_is_refused,
            opening::a_newer_schema_is_refused,
            opening::what_is_no_longer_declared_is_dropped,
            events_are_never_changed,
            a_closed_store_is_unavailable,
            pages::expressions_page_and_count,
            a_nul_is_invalid_everywhere,
            pages::large_lists_of_values_fit,
            pages::offsets_count_records_not_members,
            pages::pages_are_the_same_from_either_end,
            pages::counts_follow_records,
            indexes::are_used,
        );
        all.push(Trial::test("sqlite::contention::a_busy_file_is_waited_for", || {
            block_on(contention::a_busy_file_is_waited_for());
            Ok(())
        }));
        all.push(Trial::test("postgres::contention::only_a_rollback_at_commit_is_tried_again", move || {
            block_on(contention::only_a_rollback_at_commit_is_tried_again(&server.expect("a server")));
            Ok(())
        }));
        all
    })
    .exit();
}

fn record(organization: Id<Organization>, body: Json) -> Record {
    Record {
        kind: Kind::Asset,
        organization,
        id: Id::generate(),
        revision: 1,
        created_at: Timestamp::from_millis(1_700_000_000_000),
        updated_at: Timestamp::from_millis(1_700_000_000_000),
        batch: Id::NIL,
        schema: 1,
        body,
        claims: Vec::new(),
    }
}

fn insertion(records: impl IntoIterator<Item = Record>) -> Batch {
    Batch { changes: records.into_iter().map(Change::Insert).collect(), ..Batch::new() }
}

fn event(organization: Id<Organization>, n: usize) -> NewEvent {
    NewEvent {
        organization,
        at: Timestamp::from_millis(n as i64),
        actor: "user:ada".to_owned(),
        action: format!("a{n}"),
        kind: Kind::Asset,
        subject: Id::NIL,
        from: None,
        to: None,
        origin: Origin::default(),
        detail: Extra::new(),
    }
}

async fn records_of_one_batch_exchange_claims(engine: Engine) {
    let (store, tenant) = (engine.store(), Id::generate());
    let claimed = |value: &str| vec![Claim::new("slug", value)];
    let first = Record { claims: claimed("a"), ..record(tenant, json!({})) };
    let second = Record { claims: claimed("b"), ..record(tenant, json!({})) };
    store.commit(insertion([first.clone(), second.clone()])).await.unwrap();
    let moved =
        |one: &Record, value| Change::Update(Record { revision: 2, claims: claimed(value), ..one.clone() });
    let changes = vec![moved(&first, "b"), moved(&second, "a")];
    store.commit(Batch { changes, ..Batch::new() }).await.unwrap();
    let key = Key::Claim { organization: tenant, kind: Kind::Asset, claim: Claim::new("slug", "b") };
    assert_eq!(store.get(&key).await.unwrap().unwrap().id, first.id);
}

async fn events_are_never_changed(engine: Engine) {
    let (store, tenant) = (engine.store(), Id::generate());
    store.commit(Batch { events: vec![event(tenant, 1)], ..Batch::new() }).await.unwrap();
    for sql in ["UPDATE events SET actor = 'user:eve'", "DELETE FROM events"] {
        let error = engine.sql(sql).await.unwrap_err();
        assert!(error.to_string().contains("append-only"), "{error}");
    }
    if matches!(engine, Engine::Postgres(..)) {
        assert!(engine.sql("TRUNCATE events").await.unwrap_err().to_string().contains("append-only"));
    }
    assert_eq!(store.events(&EventFilter::of(tenant)).await.unwrap()[0].event.actor, "user:ada");
}

async fn a_closed_store_is_unavailable(engine: Engine) {
    match &engine {
        Engine::Sqlite(records, _) => records.close().await,
        Engine::Postgres(records, _) => records.close().await,
    }
    let store = engine.store();
    let tenant = Id::generate();
    let query = Query::of::<appdepot_core::domain::Asset>(tenant);
    assert_eq!(store.list(&query).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(store.events(&EventFilter::of(tenant)).await.unwrap_err().kind(), ErrorKind::Unavailable);
    let batch = insertion([record(tenant, json!({}))]);
    assert_eq!(store.commit(batch).await.unwrap_err().kind(), ErrorKind::Unavailable);
}

async fn a_nul_is_invalid_everywhere(engine: Engine) {
    let (store, tenant) = (engine.store(), Id::generate());
    let assets = || Query::of::<appdepot_core::domain::Asset>(tenant);
    for op in [Op::Eq("\0".into()), Op::Contains("\0".to_owned()), Op::In(vec!["a\0".into()])] {
        let error = store.list(&assets().filter(Field::parse("name").unwrap(), op)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    let mut batch = Batch { events: vec![event(tenant, 1)], ..Batch::new() };
    batch.events[0].actor = "user:\0".to_owned();
    assert_eq!(store.commit(batch).await.unwrap_err().kind(), ErrorKind::Invalid);
    let key = Key::Claim { organization: tenant, kind: Kind::Asset, claim: Claim::new("slug", "\0") };
    assert_eq!(store.get(&key).await.unwrap(), None);
}
