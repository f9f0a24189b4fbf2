//! What SQL records promise beyond core's suite: agreement with core's own evaluator, behaviour under
//! concurrency, migrations, and the use of indexes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod agreement;
mod indexes;
mod support;

use std::sync::Arc;

use appdepot_core::ErrorKind;
use appdepot_core::authorize::Origin;
use appdepot_core::domain::{EventFilter, Extra, Id, Kind, NewEvent, Organization, Timestamp};
use appdepot_core::error::Detail;
use appdepot_core::query::{Field, Op, Paging, Pattern, Query, Sort, Value};
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
            one_of_many_updates_wins,
            sequences_have_no_gaps_under_concurrency,
            one_of_many_claims_wins,
            crossing_batches_do_not_deadlock,
            records_of_one_batch_exchange_claims,
            a_required_record_cannot_vanish_meanwhile,
            reopening_keeps_everything,
            opening_twice_at_once_is_fine,
            an_altered_schema_is_refused,
            a_newer_schema_is_refused,
            events_are_never_changed,
            a_closed_store_is_unavailable,
            expressions_page_and_count,
            a_nul_is_invalid_everywhere,
            large_lists_of_values_fit,
            offsets_count_records_not_members,
            pages_are_the_same_from_either_end,
            counts_follow_records,
            indexes::are_used,
        );
        all.push(Trial::test("sqlite::a_busy_file_is_waited_for", || {
            block_on(a_busy_file_is_waited_for());
            Ok(())
        }));
        all.push(Trial::test("postgres::only_a_rollback_at_commit_is_tried_again", move || {
            block_on(only_a_rollback_at_commit_is_tried_again(&server.expect("a server")));
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

async fn one_of_many_updates_wins(engine: Engine) {
    let store = engine.store();
    let mut current = record(Id::generate(), json!({"n": 0}));
    store.commit(insertion([current.clone()])).await.unwrap();
    for round in 0..5 {
        let tasks: Vec<_> = (0..16)
            .map(|n| {
                let (store, mut next) = (store.clone(), current.clone());
                next.revision += 1;
                next.body = json!({"round": round, "n": n});
                tokio::spawn(async move {
                    let batch = Batch { changes: vec![Change::Update(next.clone())], ..Batch::new() };
                    (store.commit(batch).await, next)
                })
            })
            .collect();
        let mut won = Vec::new();
        for task in tasks {
            match task.await.unwrap() {
                (Ok(()), record) => won.push(record),
                (Err(error), _) => assert_eq!(
                    *error.detail(),
                    Detail::Stale { current: Some(current.revision + 1) },
                    "{error:?}"
                ),
            }
        }
        assert_eq!(won.len(), 1);
        current = won.remove(0);
        assert_eq!(store.get(&current.key()).await.unwrap().unwrap().body, current.body);
    }
}

async fn sequences_have_no_gaps_under_concurrency(engine: Engine) {
    let store = engine.store();
    let tenants: [Id<Organization>; 2] = [Id::generate(), Id::generate()];
    let taken = record(tenants[0], json!({}));
    store.commit(insertion([taken.clone()])).await.unwrap();
    let tasks: Vec<_> = (0..60)
        .map(|n| {
            let (store, taken) = (store.clone(), taken.clone());
            tokio::spawn(async move {
                let mut batch = insertion([record(tenants[n % 2], json!({"n": n}))]);
                // Every fifth fails after its events were numbered, or before.
                if n % 5 == 0 {
                    batch.changes.push(Change::Insert(taken));
                }
                batch.events = vec![event(tenants[0], n), event(tenants[1], n), event(tenants[0], n)];
                store.commit(batch).await.is_ok()
            })
        })
        .collect();
    let mut committed = 0;
    for task in tasks {
        committed += usize::from(task.await.unwrap());
    }
    assert_eq!(committed, 48);
    for (tenant, each) in [(tenants[0], 2), (tenants[1], 1)] {
        let filter = EventFilter { limit: 1_000, ..EventFilter::of(tenant) };
        let events = store.events(&filter).await.unwrap();
        let sequences: Vec<u64> = events.iter().map(|event| event.sequence).collect();
        assert_eq!(sequences, (1..=committed as u64 * each).collect::<Vec<_>>());
    }
}

async fn one_of_many_claims_wins(engine: Engine) {
    let (store, tenant) = (engine.store(), Id::generate());
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let store = store.clone();
            let one = Record { claims: vec![Claim::new("slug", "wanted")], ..record(tenant, json!({})) };
            tokio::spawn(async move { store.commit(insertion([one])).await })
        })
        .collect();
    let mut won = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(()) => won += 1,
            Err(error) => assert_eq!(*error.detail(), Detail::Taken { space: "slug" }, "{error:?}"),
        }
    }
    assert_eq!(won, 1);
    let query = Query { limit: 100, count: true, ..Query::of::<appdepot_core::domain::Asset>(tenant) };
    assert_eq!(store.list(&query).await.unwrap().total, Some(1));
}

async fn crossing_batches_do_not_deadlock(engine: Engine) {
    let (store, tenant) = (engine.store(), Id::generate());
    let records: Vec<Record> = (0..6).map(|n| record(tenant, json!({"n": n}))).collect();
    store.commit(insertion(records.clone())).await.unwrap();
    let tasks: Vec<_> = (0..12)
        .map(|task: usize| {
            let (store, mut records) = (store.clone(), records.clone());
            tokio::spawn(async move {
                records.rotate_left(task % 6);
                if task.is_multiple_of(2) {
                    records.reverse();
                }
                loop {
                    let mut changes = Vec::new();
                    for one in &records {
                        let mut next = store.get(&one.key()).await.unwrap().unwrap();
                        next.revision += 1;
                        changes.push(Change::Update(next));
                    }
                    match store
                        .commit(Batch { changes, events: vec![event(tenant, task)], ..Batch::new() })
                        .await
                    {
                        Ok(()) => return,
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}"),
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    for one in &records {
        assert_eq!(store.get(&one.key()).await.unwrap().unwrap().revision, 13);
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

async fn a_required_record_cannot_vanish_meanwhile(engine: Engine) {
    let store = engine.store();
    for _ in 0..20 {
        let tenant = Id::generate();
        let parent = record(tenant, json!({}));
        let child = record(tenant, json!({}));
        store.commit(insertion([parent.clone()])).await.unwrap();
        let delete = Change::Delete { organization: tenant, kind: parent.kind, id: parent.id, revision: 1 };
        let require = Change::Require { organization: tenant, kind: parent.kind, id: parent.id };
        let adopt = Batch { changes: vec![require, Change::Insert(child.clone())], ..Batch::new() };
        let (adopted, deleted) = futures::join!(
            store.commit(adopt),
            store.commit(Batch { changes: vec![delete], ..Batch::new() })
        );
        deleted.unwrap();
        // Either came first; a child is there exactly when its parent still was.
        assert_eq!(store.get(&child.key()).await.unwrap().is_some(), adopted.is_ok());
        assert!(store.get(&parent.key()).await.unwrap().is_none());
    }
}

async fn reopening_keeps_everything(engine: Engine) {
    let tenant = Id::generate();
    let one =
        Record { claims: vec![Claim::new("slug", "a")], ..record(tenant, json!({"name": "x", "f": 0.1})) };
    let batch = Batch { events: vec![event(tenant, 1)], ..insertion([one.clone()]) };
    engine.store().commit(batch).await.unwrap();
    let again = engine.reopen().await.unwrap();
    let store = again.store();
    let key = Key::Claim { organization: tenant, kind: Kind::Asset, claim: Claim::new("slug", "a") };
    assert_eq!(store.get(&key).await.unwrap(), Some(Record { claims: Vec::new(), ..one }));
    assert_eq!(store.events(&EventFilter::of(tenant)).await.unwrap().len(), 1);
    store.commit(Batch { events: vec![event(tenant, 2)], ..Batch::new() }).await.unwrap();
    assert_eq!(store.events(&EventFilter::of(tenant)).await.unwrap()[1].sequence, 2);
}

async fn opening_twice_at_once_is_fine(engine: Engine) {
    let both = async |engine: &Engine| match engine {
        Engine::Sqlite(_, directory) => {
            let path = directory.path().join("fresh.sqlite");
            let open = || SqliteRecords::open(&path, Durability::Full);
            let (a, b) = futures::join!(open(), open());
            (a.map(drop), b.map(drop))
        }
        Engine::Postgres(records, url) => {
            sqlx::raw_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
                .execute(records.pool())
                .await
                .unwrap();
            let open = || PostgresRecords::connect(url, PoolOptions::default());
            let (a, b) = futures::join!(open(), open());
            (a.map(drop), b.map(drop))
        }
    };
    let (a, b) = both(&engine).await;
    a.unwrap();
    b.unwrap();
}

async fn an_altered_schema_is_refused(engine: Engine) {
    engine.sql("UPDATE appdepot_migrations SET checksum = 'x' WHERE version = 1").await.unwrap();
    let error = engine.reopen().await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(error.message(), "the database has another schema than this program");
}

async fn a_newer_schema_is_refused(engine: Engine) {
    engine.sql("INSERT INTO appdepot_migrations (version, checksum) VALUES (9999, 'x')").await.unwrap();
    let error = engine.reopen().await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
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

async fn expressions_page_and_count(engine: Engine) {
    let (store, tenant) = (engine.store(), Id::generate());
    // More than one batch of the scan that PostgreSQL needs.
    let records = (0..2_500).map(|n| {
        let mut one = record(tenant, json!({"name": format!("file-{n:04}.apk"), "odd": n % 2 == 1}));
        one.created_at = Timestamp::from_millis(n);
        one
    });
    store.commit(insertion(records)).await.unwrap();
    let name = || Field::parse("name").unwrap();
    let query = Query::of::<appdepot_core::domain::Asset>(tenant)
        .filter(name(), Op::Matches(Pattern::parse("[05]\\.apk$").unwrap()))
        .filter(Field::parse("odd").unwrap(), Op::Eq(true.into()))
        .sort(Sort::ascending(name()))
        .limit(70)
        .counted();
    let mut names = Vec::new();
    let mut page = query.page.clone();
    loop {
        let found = store.list(&Query { page, ..query.clone() }).await.unwrap();
        assert_eq!(found.total, Some(250));
        names.extend(found.items.iter().map(|one| one.body["name"].as_str().unwrap().to_owned()));
        let Some(next) = found.next else { break };
        page = Paging::After(next);
    }
    assert_eq!(names, (0..250).map(|n| format!("file-{:04}.apk", n * 10 + 5)).collect::<Vec<_>>());
    let skipped = store.list(&Query { page: Paging::Skip(240), ..query }).await.unwrap();
    assert_eq!((skipped.items.len(), skipped.next), (10, None));
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

async fn large_lists_of_values_fit(engine: Engine) {
    let (store, tenant) = (engine.store(), Id::generate());
    let one = record(tenant, json!({"name": "v999", "references": [{"id": "v998"}]}));
    store.commit(insertion([one])).await.unwrap();
    let values = || Op::In((0..1_000).map(|n| format!("v{n}").into()).collect());
    let mut query = Query::of::<appdepot_core::domain::Asset>(tenant);
    for n in 0..64 {
        let field = if n % 2 == 0 { "name" } else { "references.id" };
        query = query.filter(Field::parse(field).unwrap(), values());
    }
    assert_eq!(store.list(&query).await.unwrap().items.len(), 1);
}

async fn offsets_count_records_not_members(engine: Engine) {
    let (store, tenant) = (engine.store(), Id::generate());
    let many = |_| record(tenant, json!({"references": [{"id": "a"}, {"id": "b"}], "tags": ["a", "b", "c"]}));
    store.commit(insertion((0..3).map(many))).await.unwrap();
    for path in ["references.id", "tags"] {
        let query =
            Query::of::<appdepot_core::domain::Asset>(tenant).filter(Field::parse(path).unwrap(), Op::Exists);
        for skip in 0..5 {
            let page = store.list(&query.clone().skip(skip).counted()).await.unwrap();
            assert_eq!(
                (page.items.len(), page.total),
                (3usize.saturating_sub(skip as usize), Some(3)),
                "{path}"
            );
        }
    }
}

async fn pages_are_the_same_from_either_end(engine: Engine) {
    let (store, tenant) = (engine.store(), Id::generate());
    let records = (0..230).map(|n| {
        let (size, kind) = (n * 7 % 30, if n % 10 == 0 { "x" } else { "a" });
        let body = json!({"content": {"length": size}, "references": [{"id": kind}, {"id": "b"}]});
        let mut one = record(tenant, body);
        one.created_at = Timestamp::from_millis(n / 3);
        one
    });
    store.commit(insertion(records)).await.unwrap();
    let all = || Query::of::<appdepot_core::domain::Asset>(tenant);
    let member = |id: &str| all().filter(Field::parse("references.id").unwrap(), Op::Eq(id.into()));
    let size = || Field::parse("content.length").unwrap();
    let queries = [
        all(),
        all().sort(Sort::ascending(size())),
        all().sort(Sort::descending(size())).sort(Sort::ascending(Field::CreatedAt)),
        all().filter(size(), Op::Eq(Value::Number(7.0))),
        member("b"),
        member("a").sort(Sort::ascending(Field::Id)),
        member("b").sort(Sort::descending(size())),
        member("b").filter(Field::Id, Op::Exists),
    ];
    for query in queries {
        let whole = store.list(&query.clone().limit(1_000)).await.unwrap().items;
        for skip in (90..240).step_by(3) {
            let page = store.list(&query.clone().limit(7).skip(skip)).await.unwrap();
            let from = whole.len().min(skip as usize);
            let to = whole.len().min(from + 7);
            assert_eq!(page.items, whole[from..to], "{query:?}");
            assert_eq!((page.next.is_some(), page.total), (to < whole.len(), None), "{query:?}");
        }
        let (mut found, mut page) = (Vec::new(), Paging::Skip(0));
        loop {
            let part = store.list(&Query { page, limit: 20, ..query.clone() }).await.unwrap();
            found.extend(part.items);
            let Some(next) = part.next else { break };
            page = Paging::After(next);
        }
        assert_eq!(found, whole, "{query:?}");
    }
}

async fn counts_follow_records(engine: Engine) {
    let (store, tenant) = (engine.store(), Id::generate());
    let all = Query::of::<appdepot_core::domain::Asset>(tenant).counted();
    let member = all.clone().filter(Field::parse("references.id").unwrap(), Op::Eq("a".into()));
    let counts = async || {
        let total = async |query| store.list(query).await.unwrap().total.unwrap();
        (total(&all).await, total(&member).await)
    };
    assert_eq!(counts().await, (0, 0));
    let mut first = record(tenant, json!({"references": [{"id": "a"}, {"id": "a"}]}));
    let second = record(tenant, json!({"references": [{"id": "b"}]}));
    store.commit(insertion([first.clone(), second.clone()])).await.unwrap();
    assert_eq!(counts().await, (2, 1));
    store.commit(insertion([second.clone()])).await.unwrap_err();
    assert_eq!(counts().await, (2, 1), "a refused batch counts nothing");
    first.revision = 2;
    first.created_at = Timestamp::from_millis(5);
    first.body = json!({"references": [{"id": "c"}]});
    store.commit(Batch { changes: vec![Change::Update(first.clone())], ..Batch::new() }).await.unwrap();
    assert_eq!(counts().await, (2, 0));
    let delete = Change::Delete { organization: tenant, kind: Kind::Asset, id: first.id, revision: 2 };
    store.commit(Batch { changes: vec![delete], ..Batch::new() }).await.unwrap();
    assert_eq!(counts().await, (1, 0));
}

async fn a_busy_file_is_waited_for() {
    let engine = Engine::sqlite().await;
    let Engine::Sqlite(records, directory) = &engine else { unreachable!() };
    let other = SqliteRecords::open(directory.path().join("depot.sqlite"), Durability::Full).await.unwrap();
    let held = other.writer().begin_with("BEGIN IMMEDIATE").await.unwrap();
    let one = record(Id::generate(), json!({}));
    let (committed, ()) = futures::join!(records.commit(insertion([one.clone()])), async {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        // Readers do not wait.
        assert_eq!(records.get(&one.key()).await.unwrap(), None);
        held.rollback().await.unwrap();
    });
    committed.unwrap();
    assert_eq!(other.get(&one.key()).await.unwrap(), Some(one));
}

/// Lets `COMMIT` itself fail, in two ways, the first time each.
async fn only_a_rollback_at_commit_is_tried_again(server: &Postgres) {
    let engine = Engine::postgres(server).await;
    let store = engine.store();
    let fail = |how: &str| {
        format!(
            "CREATE SEQUENCE tries; CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF nextval('tries') = 1 THEN {how}; END IF; RETURN NULL; END $$; \
             CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON records DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW EXECUTE FUNCTION fail()"
        )
    };
    let run = async |sql: String| {
        let Engine::Postgres(records, _) = &engine else { unreachable!() };
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(records.pool()).await.unwrap();
    };
    run(fail("RAISE EXCEPTION 'not now' USING ERRCODE = '40001'")).await;
    let one = record(Id::generate(), json!({}));
    let batch = Batch { events: vec![event(one.organization, 1)], ..insertion([one.clone()]) };
    store.commit(batch).await.unwrap();
    assert_eq!(store.events(&EventFilter::of(one.organization)).await.unwrap()[0].sequence, 1);

    run("DROP TRIGGER fail ON records; DROP FUNCTION fail; DROP SEQUENCE tries".to_owned()).await;
    run(fail("PERFORM pg_terminate_backend(pg_backend_pid())")).await;
    let two = record(one.organization, json!({}));
    let error = store.commit(insertion([two.clone()])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    // The connection is gone, the store is not; and nothing was tried behind the caller's back.
    assert_eq!(store.get(&two.key()).await.unwrap(), None);
    store.commit(insertion([two])).await.unwrap();
}
