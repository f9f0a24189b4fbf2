//! Pages and counts, whichever way the database takes to them.

use appdepot_core::domain::{Asset, Id, Kind, Timestamp};
use appdepot_core::query::{Field, Op, Paging, Pattern, Query, Sort, Value};
use appdepot_core::records::{Batch, Change};
use serde_json::json;

use super::{Engine, insertion, record};

pub(crate) async fn expressions_page_and_count(engine: Engine) {
    let (store, tenant) = (engine.store(), Id::generate());
    // More than one batch of the scan that PostgreSQL needs.
    let records = (0..2_500).map(|n| {
        let mut one = record(tenant, json!({"name": format!("file-{n:04}.apk"), "odd": n % 2 == 1}));
        one.created_at = Timestamp::from_millis(n);
        one
    });
    store.commit(insertion(records)).await.unwrap();
    let name = || Field::parse("name").unwrap();
    let query = Query::of::<Asset>(tenant)
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

pub(crate) async fn large_lists_of_values_fit(engine: Engine) {
    let (store, tenant) = (engine.store(), Id::generate());
    let one = record(tenant, json!({"name": "v999", "references": [{"id": "v998"}]}));
    store.commit(insertion([one])).await.unwrap();
    let values = || Op::In((0..1_000).map(|n| format!("v{n}").into()).collect());
    let mut query = Query::of::<Asset>(tenant);
    for n in 0..64 {
        let field = if n % 2 == 0 { "name" } else { "references.id" };
        query = query.filter(Field::parse(field).unwrap(), values());
    }
    assert_eq!(store.list(&query).await.unwrap().items.len(), 1);
}

pub(crate) async fn offsets_count_records_not_members(engine: Engine) {
    let (store, tenant) = (engine.store(), Id::generate());
    let many = |_| record(tenant, json!({"references": [{"id": "a"}, {"id": "b"}], "tags": ["a", "b", "c"]}));
    store.commit(insertion((0..3).map(many))).await.unwrap();
    for path in ["references.id", "tags"] {
        let query = Query::of::<Asset>(tenant).filter(Field::parse(path).unwrap(), Op::Exists);
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

pub(crate) async fn pages_are_the_same_from_either_end(engine: Engine) {
    let (store, tenant) = (engine.store(), Id::generate());
    let records = (0..230).map(|n| {
        let (size, kind) = (n * 7 % 30, if n % 10 == 0 { "x" } else { "a" });
        let body = json!({"content": {"length": size}, "references": [{"id": kind}, {"id": "b"}]});
        let mut one = record(tenant, body);
        one.created_at = Timestamp::from_millis(n / 3);
        one
    });
    store.commit(insertion(records)).await.unwrap();
    let all = || Query::of::<Asset>(tenant);
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

pub(crate) async fn counts_follow_records(engine: Engine) {
    let (store, tenant) = (engine.store(), Id::generate());
    let all = Query::of::<Asset>(tenant).counted();
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
