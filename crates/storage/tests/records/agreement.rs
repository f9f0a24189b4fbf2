//! Random records and queries, answered by an engine and by core's own evaluator.

use std::ops::Bound;

use appdepot_core::domain::{Id, Kind, Organization, Timestamp};
use appdepot_core::query::{Clause, Condition, Field, Op, Paging, Pattern, Query, Sort, Value};
use appdepot_core::records::Record;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::{Just, Strategy, Union};
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value as Json, json};

use super::{Engine, insertion, record};

const TEXTS: [&str; 14] =
    ["", "a", "A", "ab", "aB", "b", "1", "true", "null", "%", "é", "É", "l'\"\\\n", "\u{ffff}\u{10ffff}"];
/// Whole numbers as floating point, beyond 2^53 to the limits, and some that no decimal text gives exactly.
fn numbers() -> Vec<Json> {
    let floats = [0.1, 0.3, 2.5, -7.25, 1.0, 1e-9, 123_456.789, 9.007e15, 1e300, 2.2e-308, 0.1 + 0.2];
    let integers = [0, 1, -1, 2, 9_007_199_254_740_992, 9_007_199_254_740_993, i64::MAX, i64::MIN, 1_000];
    let floats = floats.into_iter().map(Json::from);
    floats.chain(integers.into_iter().map(Json::from)).chain([Json::from(u64::MAX)]).collect()
}

fn text() -> impl Strategy<Value = String> {
    prop::sample::select(TEXTS.map(str::to_owned).to_vec())
}

fn number() -> impl Strategy<Value = Json> {
    prop_oneof![
        4 => prop::sample::select(numbers()),
        // Larger whole floating-point numbers come back from `jsonb` as integers.
        1 => (-1e15..1e15f64).prop_map(|n| Json::from(n + 0.125)),
        1 => any::<i64>().prop_map(Json::from),
    ]
}

fn scalar() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        number(),
        number(),
        text().prop_map(Json::from),
        text().prop_map(Json::from),
        Just(json!({})),
        text().prop_map(|text| json!({"a": text})),
    ]
}

fn tree() -> impl Strategy<Value = Json> {
    let name = prop::sample::select(vec!["a", "b", "id", "0"]);
    scalar().prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::btree_map(name.clone(), inner, 0..3).prop_map(|members| json!(members)),
        ]
    })
}

fn sometimes(json: impl Strategy<Value = Json> + 'static) -> impl Strategy<Value = Option<Json>> {
    prop::option::weighted(0.8, json)
}

fn body() -> impl Strategy<Value = Json> {
    let content = prop_oneof![
        (sometimes(scalar()), sometimes(scalar())).prop_map(|(kind, length)| {
            let members = [("type", kind), ("length", length)];
            json!(
                members
                    .into_iter()
                    .filter_map(|(n, v)| Some((n, v?)))
                    .collect::<std::collections::BTreeMap<_, _>>()
            )
        }),
        scalar(),
    ];
    (
        sometimes(scalar()),
        sometimes(scalar()),
        sometimes(content),
        sometimes(tree()),
        sometimes(tree()),
        sometimes(tree()),
    )
        .prop_map(|(name, segment, content, references, u, deep)| {
            let members = [
                ("name", name),
                ("segment", segment),
                ("content", content),
                ("references", references),
                ("u", u),
                ("deep", deep),
            ];
            let present = members.into_iter().filter_map(|(n, v)| Some((n.to_owned(), v?)));
            Json::Object(present.collect())
        })
}

fn field() -> impl Strategy<Value = Field> {
    let paths = [
        "name",
        "segment",
        "content.length",
        "content.type",
        "content",
        "references",
        "references.id",
        "u",
        "u.a",
        "u.0",
        "u.a.b",
        "deep",
        "deep.a",
        "deep.a.b",
        "deep.b.id",
        "absent.x",
    ];
    let body = prop::sample::select(paths.to_vec()).prop_map(|path| Field::parse(path).unwrap());
    let columns = vec![Field::Id, Field::Revision, Field::CreatedAt, Field::UpdatedAt];
    prop_oneof![8 => body, 1 => prop::sample::select(columns)]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => text().prop_map(Value::Text),
        4 => number().prop_map(|n| Value::Number(n.as_f64().unwrap())),
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0]).prop_map(Value::Number),
        2 => any::<bool>().prop_map(Value::Boolean),
        2 => number().prop_map(|n| {
            Value::Time(Timestamp::from_millis(n.as_i64().unwrap_or_else(|| n.as_f64().unwrap() as i64)))
        }),
    ]
}

fn bound() -> impl Strategy<Value = Bound<Value>> {
    prop_oneof![
        1 => Just(Bound::Unbounded),
        2 => value().prop_map(Bound::Included),
        2 => value().prop_map(Bound::Excluded),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let patterns = ["", "^a", "(?i)B", "[0-9]+$", "é|É", "^$"];
    Union::new_weighted(vec![
        (3, value().prop_map(Op::Eq).boxed()),
        (3, vec(value(), 0..5).prop_map(Op::In).boxed()),
        (2, text().prop_map(Op::Contains).boxed()),
        (
            1,
            prop::sample::select(patterns.to_vec())
                .prop_map(|p| Op::Matches(Pattern::parse(p).unwrap()))
                .boxed(),
        ),
        (3, (bound(), bound()).prop_map(|(low, high)| Op::Range(low, high)).boxed()),
        (1, Just(Op::Null).boxed()),
        (1, Just(Op::Exists).boxed()),
        (1, Just(Op::Missing).boxed()),
    ])
}

/// One condition most of the time.
fn clause() -> impl Strategy<Value = Clause> {
    let condition = || (field(), op()).prop_map(|(field, op)| Condition::new(field, op));
    let any = prop_oneof![6 => vec(condition(), 1..2), 3 => vec(condition(), 2..4), 1 => Just(Vec::new())];
    any.prop_map(Clause::any_of)
}

/// One clause most of the time: conjunctions of random ones select nothing.
fn query(organization: Id<Organization>) -> impl Strategy<Value = Query> {
    let clauses = prop_oneof![
        1 => vec(clause(), 0..1),
        6 => vec(clause(), 1..2),
        1 => vec(clause(), 2..4),
    ];
    let sort = vec((field(), any::<bool>()), 0..4);
    (clauses, sort, 1..6u32).prop_map(move |(clauses, sort, limit)| Query {
        organization,
        shared: None,
        kind: Kind::Asset,
        clauses,
        sort: sort.into_iter().map(|(field, descending)| Sort { field, descending }).collect(),
        page: Paging::Skip(0),
        limit,
        count: true,
    })
}

fn case() -> impl Strategy<Value = (Vec<Record>, Vec<Query>)> {
    let organization = Id::generate();
    let one =
        (body(), 1..4u64, 0..3i64, 0..3i64).prop_map(move |(body, revision, created, updated)| Record {
            revision,
            created_at: Timestamp::from_millis(created),
            updated_at: Timestamp::from_millis(updated),
            ..record(organization, body)
        });
    (vec(one, 0..14), vec(query(organization), 12))
}

pub(crate) async fn queries_agree_with_core(engine: Engine) {
    let store = engine.store();
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(64);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() };
    let handle = tokio::runtime::Handle::current();
    let run = move || {
        TestRunner::new(config).run(&case(), |(mut records, queries)| {
            handle.block_on(async {
                // Shrinking runs a case again: every run is another tenant with other ids.
                let organization = Id::generate();
                for record in &mut records {
                    record.organization = organization;
                    record.id = Id::generate();
                }
                store.commit(insertion(records.clone())).await.unwrap();
                for record in &records {
                    let got = store.get(&record.key()).await.unwrap();
                    prop_assert_eq!(got.as_ref(), Some(record));
                }
                for query in queries {
                    let query = Query { organization, ..query };
                    let mut expected: Vec<&Record> = records.iter().filter(|r| query.matches(r)).collect();
                    expected.sort_by(|a, b| query.compare(a, b));
                    let expected: Vec<String> = expected.iter().map(|r| r.id.to_string()).collect();
                    let mut got = Vec::new();
                    let mut page = query.page.clone();
                    loop {
                        let found = store.list(&Query { page, ..query.clone() }).await;
                        let found = found.map_err(|e| TestCaseError::fail(format!("{e:?} for {query:?}")))?;
                        prop_assert_eq!(found.total, Some(expected.len() as u64), "total of {:?}", query);
                        got.extend(found.items.iter().map(|r| r.id.to_string()));
                        prop_assert!(got.len() <= expected.len(), "repeats: {:?}", query);
                        let Some(next) = found.next else { break };
                        page = Paging::After(next);
                    }
                    prop_assert_eq!(&got, &expected, "{:?}", query);
                    let skipped = Query { page: Paging::Skip(2), ..query.clone() };
                    let ids: Vec<String> =
                        store.list(&skipped).await.unwrap().items.iter().map(|r| r.id.to_string()).collect();
                    let wanted: Vec<String> =
                        expected.into_iter().skip(2).take(query.limit as usize).collect();
                    prop_assert_eq!(ids, wanted, "{:?}", skipped);
                }
                Ok(())
            })
        })
    };
    tokio::task::spawn_blocking(run).await.unwrap().unwrap();
}
