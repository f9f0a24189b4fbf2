//! Several writers at once, and commits that fail because of it.

use std::time::Duration;

use appdepot_core::ErrorKind;
use appdepot_core::domain::{Asset, EventFilter, Id, Organization};
use appdepot_core::error::Detail;
use appdepot_core::query::Query;
use appdepot_core::records::{Batch, Change, Claim, Record, RecordStore as _};
use appdepot_storage::testing::Postgres;
use appdepot_storage::{Durability, SqliteRecords};
use serde_json::json;

use super::{Engine, event, insertion, record};

pub(crate) async fn one_of_many_updates_wins(engine: Engine) {
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

pub(crate) async fn sequences_have_no_gaps_under_concurrency(engine: Engine) {
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

pub(crate) async fn one_of_many_claims_wins(engine: Engine) {
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
    let query = Query { limit: 100, count: true, ..Query::of::<Asset>(tenant) };
    assert_eq!(store.list(&query).await.unwrap().total, Some(1));
}

pub(crate) async fn crossing_batches_do_not_deadlock(engine: Engine) {
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

pub(crate) async fn a_required_record_cannot_vanish_meanwhile(engine: Engine) {
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

pub(crate) async fn a_busy_file_is_waited_for() {
    let engine = Engine::sqlite().await;
    let Engine::Sqlite(records, directory) = &engine else { unreachable!() };
    let other = SqliteRecords::open(directory.path().join("depot.sqlite"), Durability::Full).await.unwrap();
    let held = other.writer().begin_with("BEGIN IMMEDIATE").await.unwrap();
    let one = record(Id::generate(), json!({}));
    let (committed, ()) = futures::join!(records.commit(insertion([one.clone()])), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        // Readers do not wait.
        assert_eq!(records.get(&one.key()).await.unwrap(), None);
        held.rollback().await.unwrap();
    });
    committed.unwrap();
    assert_eq!(other.get(&one.key()).await.unwrap(), Some(one));
}

/// Lets `COMMIT` itself fail, in two ways, the first time each.
pub(crate) async fn only_a_rollback_at_commit_is_tried_again(server: &Postgres) {
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
