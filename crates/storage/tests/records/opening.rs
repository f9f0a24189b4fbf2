//! What opening a database does: it keeps what is there, brings the tables up to date, and refuses what it does not know.

use appdepot_core::ErrorKind;
use appdepot_core::domain::{EventFilter, Id, Kind};
use appdepot_core::records::{Batch, Claim, Key, Record};
use appdepot_storage::{Durability, PoolOptions, PostgresRecords, SqliteRecords};
use serde_json::json;

use super::{Engine, event, insertion, record};

pub(crate) async fn reopening_keeps_everything(engine: Engine) {
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

pub(crate) async fn opening_twice_at_once_is_fine(engine: Engine) {
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

pub(crate) async fn an_altered_schema_is_refused(engine: Engine) {
    engine.sql("UPDATE appdepot_migrations SET checksum = 'x' WHERE version = 1").await.unwrap();
    let error = engine.reopen().await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(error.message(), "the database has another schema than this program");
}

pub(crate) async fn a_newer_schema_is_refused(engine: Engine) {
    engine.sql("INSERT INTO appdepot_migrations (version, checksum) VALUES (9999, 'x')").await.unwrap();
    let error = engine.reopen().await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

/// As an earlier definition made it, between things of others that are called alike.
pub(crate) async fn what_is_no_longer_declared_is_dropped(engine: Engine) {
    let before = engine.made().await;
    let earlier = match engine {
        Engine::Sqlite(..) => {
            "CREATE TABLE members_asset_old (value TEXT); \
             CREATE TRIGGER members_asset_old_insert AFTER INSERT ON records BEGIN SELECT 1; END; \
             CREATE TRIGGER members_asset_old_delete AFTER DELETE ON records BEGIN SELECT 1; END;"
        }
        Engine::Postgres(..) => "CREATE STATISTICS declared_asset_old_00000000_s ON kind, batch FROM records",
    };
    engine.sql(earlier).await.unwrap();
    engine
        .sql(
            "CREATE INDEX declared_asset_old_00000000 ON records (batch); CREATE INDEX of_another ON records (batch); \
             CREATE TABLE members_of_another (a bigint); CREATE INDEX declared_by_another ON members_of_another (a); \
             UPDATE appdepot_migrations SET checksum = 'x' WHERE version = 0",
        )
        .await
        .unwrap();
    let again = engine.reopen().await.unwrap();
    let mut expected = before;
    expected.extend(["declared_by_another", "members_of_another", "of_another"].map(str::to_owned));
    expected.sort_unstable();
    assert_eq!(again.made().await, expected);
    let one = record(Id::generate(), json!({"references": [{"id": "a"}]}));
    again.store().commit(insertion([one])).await.unwrap();
}
