//! The planner's choice for the queries that have to be fast.

use appdepot_core::domain::{Asset, Id, Timestamp};
use appdepot_core::query::{Condition, Field, Op, Query, Sort};

use super::{Engine, insertion, record};
use serde_json::json;

pub(crate) async fn are_used(engine: Engine) {
    let store = engine.store();
    let sqlite = matches!(engine, Engine::Sqlite(..));
    let tenant = Id::generate();
    for organization in [tenant, Id::generate()] {
        let records = (0..3_000).map(|n| {
            let mut one = record(
                organization,
                json!({"name": format!("n{n}"), "class": "c", "references": [{"id": format!("r{n}")}],
                       "content": {"length": n}, "padding": "x".repeat(300)}),
            );
            one.created_at = Timestamp::from_millis(n);
            one
        });
        store.commit(insertion(records)).await.unwrap();
    }
    if !sqlite {
        engine.sql("ANALYZE").await.unwrap();
    }
    let assets = || Query::of::<Asset>(tenant).limit(25);
    let field = |path: &str| Field::parse(path).unwrap();
    let tries = [
        ("newest first", assets(), "declared_asset_created_at"),
        ("text", assets().filter(field("name"), Op::Eq("n77".into())), "declared_asset_name"),
        (
            "texts",
            assets().filter(field("name"), Op::In(vec!["n77".into(), "n78".into()])),
            "declared_asset_name",
        ),
        (
            "number",
            assets().filter(field("content.length"), Op::Eq(appdepot_core::query::Value::Number(77.0))),
            "declared_asset_content_length",
        ),
        (
            "text and one that all share",
            assets().filter(field("class"), Op::Eq("c".into())).filter(field("name"), Op::Eq("n77".into())),
            "declared_asset_name",
        ),
        (
            "text and one that all share, other way round",
            assets().filter(field("name"), Op::Eq("n77".into())).filter(field("class"), Op::Eq("c".into())),
            "declared_asset_name",
        ),
        ("counted", assets().filter(field("name"), Op::Eq("n77".into())).counted(), "declared_asset_name"),
        ("sorted", assets().sort(Sort::ascending(field("name"))), "declared_asset_name"),
        ("sorted down", assets().sort(Sort::descending(field("name"))), "declared_asset_name"),
        (
            "member",
            assets().filter(field("references.id"), Op::Eq("r77".into())),
            if sqlite { "members_asset_references_id" } else { "declared_asset_references" },
        ),
        (
            "either of two",
            assets().any_of([
                Condition::new(field("alias"), Op::Eq("n77".into())),
                Condition::new(Field::Id, Op::Eq("0123456789abcdef01234567".into())),
            ]),
            "declared_asset_alias",
        ),
    ];
    for (what, query, index) in tries {
        let plan = plan(&engine, &query).await;
        assert!(plan.matches(index).count() > usize::from(query.count), "{what}: {plan}");
        // Several values are several places in the index, and PostgreSQL sorts where it expects few records.
        let sorted = if sqlite { ["texts", "either of two"].contains(&what) } else { query.sort.is_empty() };
        assert!(sorted || !plan.contains("TEMP B-TREE") && !plan.contains("Sort Key"), "{what}: {plan}");
    }
    let first = store.list(&assets().sort(Sort::ascending(field("name")))).await.unwrap();
    let second = assets().sort(Sort::ascending(field("name"))).after(first.next.unwrap());
    let plan = plan(&engine, &second).await;
    assert!(plan.contains("declared_asset_name"), "{plan}");
    assert!(!plan.contains("TEMP B-TREE") && !plan.contains("Sort Key"), "{plan}");
}

/// How the engine would answer the query.
async fn plan(engine: &Engine, query: &Query) -> String {
    let lines: Vec<String> = match engine {
        Engine::Sqlite(records, _) => records.explain(query).await.unwrap(),
        Engine::Postgres(records, _) => records.explain(query).await.unwrap(),
    };
    lines.join("\n")
}
