//! What a page holds, in which order, and what a query may ask.

use std::collections::BTreeSet;
use std::ops::Bound;

use super::*;
use crate::query::{Condition, Pattern, Sort, Value};

/// Ten records `r0` … `r9`, one millisecond apart.
async fn ten(store: &Store) -> Result<Id<Organization>> {
    let tenant = organization();
    for n in 0..10 {
        let mut one = record(tenant, json!({"name": format!("r{n}"), "segment": n / 3}));
        one.created_at = Timestamp::from_millis(1_700_000_000_000 + n);
        insert(store, &one).await?;
    }
    Ok(tenant)
}

pub(super) async fn listing_is_newest_first(store: Store) -> Outcome {
    let tenant = ten(&store).await?;
    let page = store.list(&query(tenant)).await?;
    same("names", &names(&page), &(0..10).rev().map(|n| format!("r{n}")).collect())?;
    same("next", &page.next, &None)?;
    same("total", &page.total, &None)
}

pub(super) async fn listing_skips_and_limits(store: Store) -> Outcome {
    let tenant = ten(&store).await?;
    let page = store.list(&query(tenant).skip(8).limit(5)).await?;
    same("names", &names(&page), &vec!["r1".to_owned(), "r0".to_owned()])?;
    let page = store.list(&query(tenant).skip(3).limit(2)).await?;
    same("names", &names(&page), &vec!["r6".to_owned(), "r5".to_owned()])?;
    same("past the end", &names(&store.list(&query(tenant).skip(10)).await?), &Vec::new())
}

pub(super) async fn cursors_visit_everything_once(store: Store) -> Outcome {
    let tenant = ten(&store).await?;
    let orders = [
        Vec::new(),
        vec![Sort::ascending(Field::parse("segment")?)],
        vec![Sort::descending(Field::parse("segment")?), Sort::ascending(Field::parse("name")?)],
        vec![Sort::ascending(Field::parse("absent")?), Sort::descending(Field::CreatedAt)],
    ];
    for sort in orders {
        let base = Query { sort, limit: 3, ..query(tenant) };
        let whole = names(&store.list(&Query { limit: 100, ..base.clone() }).await?);
        let mut seen = Vec::new();
        let mut next = Some(base);
        while let Some(query) = next.take() {
            let page = store.list(&query).await?;
            seen.extend(names(&page));
            next = page.next.map(|cursor| query.after(cursor));
            holds("the cursor does not end", seen.len() <= 30)?;
        }
        same("all pages", &seen, &whole)?;
        same("distinct", &seen.iter().collect::<BTreeSet<_>>().len(), &10)?;
    }
    Ok(())
}

pub(super) async fn cursors_survive_insertions(store: Store) -> Outcome {
    let tenant = ten(&store).await?;
    let first = store.list(&query(tenant).limit(4)).await?;
    let mut newer = record(tenant, json!({"name": "newer"}));
    newer.created_at = Timestamp::from_millis(1_800_000_000_000);
    insert(&store, &newer).await?;
    let cursor = first.next.ok_or_else(|| Failure("no cursor".to_owned()))?;
    let second = store.list(&query(tenant).limit(4).after(cursor)).await?;
    same("names", &names(&second), &["r5", "r4", "r3", "r2"].map(str::to_owned).to_vec())
}

pub(super) async fn a_foreign_cursor_is_refused(store: Store) -> Outcome {
    let tenant = ten(&store).await?;
    for cursor in ["", "x", "000000000000000000000000", "'; drop table records; --", "🦀"] {
        refused(cursor, store.list(&query(tenant).after(cursor)).await, ErrorKind::Invalid)?;
    }
    Ok(())
}

pub(super) async fn counting_counts_all_matches(store: Store) -> Outcome {
    let tenant = ten(&store).await?;
    same("all", &store.list(&query(tenant).limit(2).counted()).await?.total, &Some(10))?;
    let some = query(tenant).filter(Field::parse("segment")?, Op::Eq(Value::Number(1.0)));
    same("some", &store.list(&some.limit(1).counted()).await?.total, &Some(3))
}

pub(super) async fn clauses_select_as_documented(store: Store) -> Outcome {
    let tenant = organization();
    let bodies = [
        json!({"name": "alpha", "n": 1, "flag": true, "at": 1000, "refs": [{"id": "p1"}, {"id": "p2"}], "tags": ["x", "y"]}),
        json!({"name": "Beta", "n": 2.5, "flag": false, "at": 2000, "refs": [], "tags": []}),
        json!({"name": "gamma%_", "n": "1", "flag": null, "refs": [{"id": "p2"}], "deep": {"er": {"x": 1}}}),
        json!({"name": "", "n": null, "at": "1000", "tags": "x", "deep": {}}),
        json!({"name": "l'été", "n": -7, "tags": [1, null, "z"], "deep": {"er": "text"}}),
    ];
    for (at, body) in bodies.iter().enumerate() {
        let mut one = record(tenant, body.clone());
        one.created_at = Timestamp::from_millis(at as i64);
        insert(&store, &one).await?;
    }
    let number = Value::Number;
    let include = |value| Bound::Included(value);
    let exclude = |value| Bound::Excluded(value);
    let time = |millis| Value::Time(Timestamp::from_millis(millis));
    let tries: Vec<(&str, Op, Vec<usize>)> = vec![
        ("name", Op::Eq("alpha".into()), vec![0]),
        ("name", Op::Eq("beta".into()), vec![]),
        ("name", Op::Eq("l'été".into()), vec![4]),
        ("n", Op::Eq(number(1.0)), vec![0]),
        ("n", Op::Eq("1".into()), vec![2]),
        ("n", Op::In(vec![number(2.5), "1".into(), number(99.0)]), vec![1, 2]),
        ("n", Op::In(vec![]), vec![]),
        ("flag", Op::Eq(true.into()), vec![0]),
        ("flag", Op::Eq(false.into()), vec![1]),
        ("n", Op::Range(exclude(number(1.0)), Bound::Unbounded), vec![1]),
        ("n", Op::Range(include(number(-7.0)), include(number(1.0))), vec![0, 4]),
        ("n", Op::Range(Bound::Unbounded, exclude(number(1.0))), vec![4]),
        ("at", Op::Range(include(time(1000)), exclude(time(2000))), vec![0]),
        ("at", Op::Eq(time(2000)), vec![1]),
        ("name", Op::Range(include("a".into()), exclude("h".into())), vec![0, 2]),
        ("name", Op::Contains("ET".to_owned()), vec![1]),
        ("name", Op::Contains("%_".to_owned()), vec![2]),
        ("name", Op::Contains("ÉTÉ".to_owned()), vec![]),
        ("name", Op::Matches(Pattern::parse("^[a-z]+a$")?), vec![0]),
        ("name", Op::Matches(Pattern::parse("(?i)BETA|mma")?), vec![1, 2]),
        ("tags", Op::Eq("x".into()), vec![0, 3]),
        ("tags", Op::In(vec!["y".into(), "z".into()]), vec![0, 4]),
        ("refs.id", Op::Eq("p2".into()), vec![0, 2]),
        ("refs.id", Op::Matches(Pattern::parse("1$")?), vec![0]),
        ("deep.er.x", Op::Eq(number(1.0)), vec![2]),
        ("deep.er", Op::Eq("text".into()), vec![4]),
        ("n", Op::Null, vec![3]),
        ("flag", Op::Null, vec![2, 3, 4]),
        ("absent.path", Op::Null, vec![0, 1, 2, 3, 4]),
        ("name", Op::Exists, vec![0, 1, 2, 4]),
        ("name", Op::Missing, vec![3]),
        ("deep", Op::Exists, vec![2, 4]),
        ("refs", Op::Exists, vec![0, 2]),
        ("refs", Op::Missing, vec![1, 3, 4]),
        ("flag", Op::Exists, vec![0, 1]),
    ];
    for (field, op, expected) in tries {
        let what = format!("{field} {op:?}");
        let asked =
            query(tenant).filter(Field::parse(field)?, op).sort(Sort::ascending(Field::CreatedAt)).counted();
        let page = store.list(&asked).await?;
        let got: Vec<usize> =
            page.items.iter().map(|r| usize::try_from(r.created_at.millis()).unwrap_or(usize::MAX)).collect();
        same(&what, &got, &expected)?;
        same(&format!("{what}: total"), &page.total, &Some(expected.len() as u64))?;
    }
    let both = query(tenant)
        .filter(Field::parse("tags")?, Op::Eq("x".into()))
        .filter(Field::parse("n")?, Op::Eq(number(1.0)));
    same("conjunction", &names(&store.list(&both).await?), &vec!["alpha".to_owned()])?;
    let alternatives =
        [("name", Op::Contains("BETA".to_owned())), ("n", Op::Eq(number(1.0))), ("absent", Op::Exists)]
            .into_iter()
            .map(|(path, op)| Ok(Condition::new(Field::parse(path)?, op)))
            .collect::<Result<Vec<_>>>()?;
    let either = query(tenant).any_of(alternatives).sort(Sort::ascending(Field::CreatedAt)).counted();
    let page = store.list(&either).await?;
    same("disjunction", &names(&page), &vec!["alpha".to_owned(), "Beta".to_owned()])?;
    same("disjunction: total", &page.total, &Some(2))?;
    let narrowed = either.clone().filter(Field::parse("flag")?, Op::Eq(false.into()));
    same("a disjunction among others", &names(&store.list(&narrowed).await?), &vec!["Beta".to_owned()])?;
    let expression = Condition::new(Field::parse("name")?, Op::Matches(Pattern::parse("^gam")?));
    let mixed =
        query(tenant).any_of([expression, Condition::new(Field::CreatedAt, Op::Eq(time(0)))]).counted();
    let page = store.list(&mixed.sort(Sort::ascending(Field::CreatedAt)).limit(1)).await?;
    same("a disjunction with an expression", &names(&page), &vec!["alpha".to_owned()])?;
    same("a disjunction with an expression: total", &page.total, &Some(2))?;
    same("no alternative", &store.list(&query(tenant).any_of([])).await?.items.len(), &0)?;
    let by_time = query(tenant).filter(Field::CreatedAt, Op::Range(include(time(3)), Bound::Unbounded));
    same("column", &store.list(&by_time).await?.items.len(), &2)?;
    let revisions = query(tenant).filter(Field::Revision, Op::Eq(number(1.0)));
    same("revision", &store.list(&revisions).await?.items.len(), &5)
}

pub(super) async fn sorting_is_as_documented(store: Store) -> Outcome {
    let tenant = organization();
    let values = [
        json!("b"),
        json!(2),
        json!(null),
        json!("B"),
        json!(true),
        json!(-1.5),
        json!(false),
        json!("é"),
        json!([1]),
    ];
    for (at, value) in values.iter().enumerate() {
        let mut one = record(tenant, json!({"name": format!("{at}"), "v": value}));
        one.id = Id::from_bytes([at as u8; 12]);
        insert(&store, &one).await?;
    }
    let ascending = ["2", "8", "6", "4", "5", "1", "3", "0", "7"].map(str::to_owned).to_vec();
    let field = Field::parse("v")?;
    let page = store.list(&query(tenant).sort(Sort::ascending(field.clone()))).await?;
    same("ascending", &names(&page), &ascending)?;
    let page = store.list(&query(tenant).sort(Sort::descending(field))).await?;
    same("descending", &names(&page), &ascending.into_iter().rev().collect())
}

pub(super) async fn large_queries_are_refused(store: Store) -> Outcome {
    let tenant = organization();
    refused("limit 0", store.list(&query(tenant).limit(0)).await, ErrorKind::Invalid)?;
    refused("limit", store.list(&query(tenant).limit(u32::MAX)).await, ErrorKind::Invalid)?;
    refused("skip", store.list(&query(tenant).skip(u64::MAX)).await, ErrorKind::Invalid)?;
    let mut wide = query(tenant);
    for _ in 0..=crate::query::CONDITION_LIMIT {
        wide = wide.filter(Field::Id, Op::Exists);
    }
    refused("clauses", store.list(&wide).await, ErrorKind::Invalid)
}

pub(super) async fn texts_are_only_ever_values(store: Store) -> Outcome {
    let tenant = ten(&store).await?;
    let nasty = ["' OR 1=1 --", "\"; DROP TABLE records; --", "%", "_", "\\", "$1", "?1", "{}", "')) OR (('"];
    for text in nasty {
        for op in [Op::Eq(text.into()), Op::Contains(text.to_owned()), Op::In(vec![text.into()])] {
            same(text, &store.list(&query(tenant).filter(Field::parse("name")?, op)).await?.items.len(), &0)?;
        }
        let key = Key::Claim { organization: tenant, kind: Kind::Asset, claim: Claim::new("slug", text) };
        same(text, &store.get(&key).await?, &None)?;
    }
    same("still there", &store.list(&query(tenant)).await?.items.len(), &10)
}
