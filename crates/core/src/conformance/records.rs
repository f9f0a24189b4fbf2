//! What every [`RecordStore`] does.

mod queries;

use std::sync::Arc;

use serde_json::{Value as Json, json};

use self::queries::{
    a_foreign_cursor_is_refused, clauses_select_as_documented, counting_counts_all_matches,
    cursors_survive_insertions, cursors_visit_everything_once, large_queries_are_refused,
    listing_is_newest_first, listing_skips_and_limits, sorting_is_as_documented, texts_are_only_ever_values,
};
use super::{Failure, Outcome, cases, holds, refused, same};
use crate::authorize::Origin;
use crate::domain::{EventFilter, Extra, Id, Kind, NewEvent, Organization, Timestamp};
use crate::error::Detail;
use crate::query::{Field, Op, Page, Paging, Query};
use crate::records::{Batch, Change, Claim, Key, Record, RecordStore};
use crate::{ErrorKind, Result};

cases! { Arc<dyn RecordStore>:
    a_committed_record_is_read_back_whole
    a_missing_record_is_none
    another_organization_does_not_see_it
    inserting_twice_conflicts
    an_update_needs_the_revision_before
    a_delete_needs_the_revision
    one_of_two_updates_wins
    a_batch_is_all_or_nothing
    a_claim_finds_its_record
    a_claim_is_unique_in_its_organization
    a_changed_claim_is_free_again
    a_deleted_record_frees_its_claims
    a_requirement_must_be_there
    a_bump_never_conflicts
    events_count_up_without_gaps
    events_are_filtered
    events_of_a_failed_batch_do_not_exist
    events_keep_what_was_said
    listing_is_newest_first
    listing_skips_and_limits
    cursors_visit_everything_once
    cursors_survive_insertions
    a_foreign_cursor_is_refused
    counting_counts_all_matches
    clauses_select_as_documented
    sorting_is_as_documented
    large_queries_are_refused
    texts_are_only_ever_values
    unusual_texts_are_kept
    a_nul_in_a_text_is_the_same_everywhere
}

type Store = Arc<dyn RecordStore>;

fn organization() -> Id<Organization> {
    Id::generate()
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

fn batch(changes: Vec<Change>) -> Batch {
    Batch { changes, ..Batch::new() }
}

async fn insert(store: &Store, record: &Record) -> Result<()> {
    store.commit(batch(vec![Change::Insert(record.clone())])).await
}

fn updated(record: &Record, body: Json) -> Record {
    Record { revision: record.revision + 1, body, ..record.clone() }
}

fn query(organization: Id<Organization>) -> Query {
    Query {
        organization,
        shared: None,
        kind: Kind::Asset,
        clauses: Vec::new(),
        sort: Vec::new(),
        page: Paging::Skip(0),
        limit: 100,
        count: false,
    }
}

fn event(organization: Id<Organization>, action: &str, subject: Id<()>) -> NewEvent {
    NewEvent {
        organization,
        at: Timestamp::from_millis(1_700_000_000_123),
        actor: "user:ada".to_owned(),
        action: action.to_owned(),
        kind: Kind::Asset,
        subject,
        from: None,
        to: None,
        origin: Origin::default(),
        detail: Extra::new(),
    }
}

fn name_of(record: &Record) -> String {
    record.body.get("name").and_then(Json::as_str).unwrap_or("-").to_owned()
}

fn names(page: &Page<Record>) -> Vec<String> {
    page.items.iter().map(name_of).collect()
}

async fn a_committed_record_is_read_back_whole(store: Store) -> Outcome {
    let body = json!({"name": "a", "nested": {"list": [1, 2.5, null, {"x": true}]}, "large": 9_007_199_254_740_991u64});
    let mut wanted = record(organization(), body);
    wanted.schema = 3;
    wanted.updated_at = Timestamp::from_millis(1_700_000_000_999);
    let written = batch(vec![]);
    wanted.batch = written.id;
    store.commit(Batch { changes: vec![Change::Insert(wanted.clone())], ..written }).await?;
    let got = store.get(&wanted.key()).await?;
    same("record", &got, &Some(wanted))
}

async fn a_missing_record_is_none(store: Store) -> Outcome {
    same("record", &store.get(&record(organization(), json!({})).key()).await?, &None)
}

async fn another_organization_does_not_see_it(store: Store) -> Outcome {
    let mine =
        Record { claims: vec![Claim::new("slug", "x")], ..record(organization(), json!({"name": "a"})) };
    insert(&store, &mine).await?;
    let other = organization();
    let by_id = Key::Id { organization: other, kind: mine.kind, id: mine.id };
    let by_claim = Key::Claim { organization: other, kind: mine.kind, claim: Claim::new("slug", "x") };
    let other_kind = Key::Id { organization: mine.organization, kind: Kind::App, id: mine.id };
    for key in [by_id, by_claim, other_kind] {
        same("record", &store.get(&key).await?, &None)?;
    }
    same("list", &store.list(&query(other)).await?.items, &Vec::new())
}

async fn inserting_twice_conflicts(store: Store) -> Outcome {
    let first = record(organization(), json!({}));
    insert(&store, &first).await?;
    refused("second insert", insert(&store, &first).await, ErrorKind::Conflict)
}

async fn an_update_needs_the_revision_before(store: Store) -> Outcome {
    let first = record(organization(), json!({"name": "1"}));
    refused(
        "update of nothing",
        store.commit(batch(vec![Change::Update(updated(&first, json!({})))])).await,
        ErrorKind::Conflict,
    )?;
    insert(&store, &first).await?;
    let second = updated(&first, json!({"name": "2"}));
    store.commit(batch(vec![Change::Update(second.clone())])).await?;
    let stale = store.commit(batch(vec![Change::Update(updated(&first, json!({"name": "3"})))])).await;
    match stale {
        Err(error) if *error.detail() == (Detail::Stale { current: Some(2) }) => {}
        other => return Err(Failure(format!("stale update: {other:?}"))),
    }
    same("stored", &store.get(&first.key()).await?.map(|r| r.body), &Some(second.body))
}

async fn a_delete_needs_the_revision(store: Store) -> Outcome {
    let first = record(organization(), json!({}));
    insert(&store, &first).await?;
    let delete = |revision| {
        batch(vec![Change::Delete {
            organization: first.organization,
            kind: first.kind,
            id: first.id,
            revision,
        }])
    };
    refused("wrong revision", store.commit(delete(2)).await, ErrorKind::Conflict)?;
    store.commit(delete(1)).await?;
    same("stored", &store.get(&first.key()).await?, &None)?;
    refused("again", store.commit(delete(1)).await, ErrorKind::Conflict)
}

async fn one_of_two_updates_wins(store: Store) -> Outcome {
    let first = record(organization(), json!({}));
    insert(&store, &first).await?;
    let attempts =
        (0..8).map(|n| store.commit(batch(vec![Change::Update(updated(&first, json!({"n": n})))])));
    let won = futures::future::join_all(attempts).await.iter().filter(|result| result.is_ok()).count();
    same("winners", &won, &1)
}

async fn a_batch_is_all_or_nothing(store: Store) -> Outcome {
    let tenant = organization();
    let good = Record { claims: vec![Claim::new("slug", "free")], ..record(tenant, json!({})) };
    let taken = record(tenant, json!({}));
    insert(&store, &taken).await?;
    let mixed = batch(vec![Change::Insert(good.clone()), Change::Insert(taken)]);
    refused("batch", store.commit(mixed).await, ErrorKind::Conflict)?;
    same("the good half", &store.get(&good.key()).await?, &None)?;
    let other = Record { claims: vec![Claim::new("slug", "free")], ..record(tenant, json!({})) };
    insert(&store, &other).await?;
    Ok(())
}

async fn a_claim_finds_its_record(store: Store) -> Outcome {
    let claims = vec![Claim::new("slug", "a"), Claim::new("alias", "B-b")];
    let mine = Record { claims, ..record(organization(), json!({})) };
    insert(&store, &mine).await?;
    for (space, value, found) in
        [("slug", "a", true), ("alias", "B-b", true), ("alias", "b-b", false), ("slug", "B-b", false)]
    {
        let key =
            Key::Claim { organization: mine.organization, kind: mine.kind, claim: Claim::new(space, value) };
        same(&format!("{space} {value}"), &store.get(&key).await?.is_some(), &found)?;
    }
    Ok(())
}

async fn a_claim_is_unique_in_its_organization(store: Store) -> Outcome {
    let claimed =
        |organization| Record { claims: vec![Claim::new("slug", "a")], ..record(organization, json!({})) };
    let tenant = organization();
    insert(&store, &claimed(tenant)).await?;
    match insert(&store, &claimed(tenant)).await {
        Err(error) if *error.detail() == (Detail::Taken { space: "slug" }) => {}
        other => return Err(Failure(format!("second claim: {other:?}"))),
    }
    insert(&store, &claimed(organization())).await?;
    let other_kind = Record { kind: Kind::App, ..claimed(tenant) };
    Ok(insert(&store, &other_kind).await?)
}

async fn a_changed_claim_is_free_again(store: Store) -> Outcome {
    let tenant = organization();
    let first = Record { claims: vec![Claim::new("slug", "old")], ..record(tenant, json!({})) };
    insert(&store, &first).await?;
    let moved = Record { claims: vec![Claim::new("slug", "new")], ..updated(&first, json!({})) };
    store.commit(batch(vec![Change::Update(moved.clone())])).await?;
    let kept = Record { claims: moved.claims.clone(), ..updated(&moved, json!({"name": "kept"})) };
    store.commit(batch(vec![Change::Update(kept)])).await?;
    let second = Record { claims: vec![Claim::new("slug", "old")], ..record(tenant, json!({})) };
    insert(&store, &second).await?;
    let third = Record { claims: vec![Claim::new("slug", "new")], ..record(tenant, json!({})) };
    refused("the new one", insert(&store, &third).await, ErrorKind::Conflict)
}

async fn a_deleted_record_frees_its_claims(store: Store) -> Outcome {
    let tenant = organization();
    let first = Record { claims: vec![Claim::new("slug", "a")], ..record(tenant, json!({})) };
    insert(&store, &first).await?;
    let delete = Change::Delete { organization: tenant, kind: first.kind, id: first.id, revision: 1 };
    store.commit(batch(vec![delete])).await?;
    Ok(insert(&store, &Record { id: Id::generate(), ..first }).await?)
}

async fn a_requirement_must_be_there(store: Store) -> Outcome {
    let tenant = organization();
    let parent = record(tenant, json!({}));
    let require = Change::Require { organization: tenant, kind: parent.kind, id: parent.id };
    let child = record(tenant, json!({}));
    let both = || batch(vec![require.clone(), Change::Insert(child.clone())]);
    refused("without it", store.commit(both()).await, ErrorKind::Conflict)?;
    insert(&store, &parent).await?;
    store.commit(both()).await?;
    same("untouched", &store.get(&parent.key()).await?.map(|r| r.revision), &Some(1))
}

async fn a_bump_never_conflicts(store: Store) -> Outcome {
    let counter = record(organization(), json!({}));
    let key = counter.key();
    let bump = || Change::Bump(counter.clone());
    let bumps = (0..16).map(|_| async {
        for _ in 0..5 {
            store.commit(batch(vec![bump()])).await?;
        }
        Ok::<_, crate::Error>(())
    });
    for bumped in futures::future::join_all(bumps).await {
        bumped?;
    }
    same("counted", &store.get(&key).await?.map(|record| record.revision), &Some(80))?;
    let both = batch(vec![bump(), Change::Insert(Record { id: Id::generate(), ..counter.clone() })]);
    store.commit(both.clone()).await?;
    refused("with a conflict", store.commit(both).await, ErrorKind::Conflict)?;
    same("all or nothing", &store.get(&key).await?.map(|record| record.revision), &Some(81))
}

async fn events_count_up_without_gaps(store: Store) -> Outcome {
    let (tenant, other) = (organization(), organization());
    let subject = Id::generate();
    let commits = (0..20).map(|n| {
        let events = vec![event(tenant, "a", subject); 1 + n % 3];
        store.commit(Batch { events, ..Batch::new() })
    });
    for result in futures::future::join_all(commits).await {
        result?;
    }
    store.commit(Batch { events: vec![event(other, "b", subject)], ..Batch::new() }).await?;
    let filter = EventFilter { limit: 1_000, ..EventFilter::of(tenant) };
    let sequences: Vec<u64> = store.events(&filter).await?.iter().map(|event| event.sequence).collect();
    same("sequences", &sequences, &(1..=sequences.len() as u64).collect())?;
    same("count", &sequences.len(), &39)?;
    same(
        "other tenant",
        &store.events(&EventFilter::of(other)).await?.iter().map(|e| e.sequence).collect(),
        &vec![1],
    )
}

async fn events_are_filtered(store: Store) -> Outcome {
    let tenant = organization();
    let (one, two) = (Id::generate(), Id::generate());
    let mut by_bob = event(tenant, "c", one);
    by_bob.actor = "user:bob".to_owned();
    let events = vec![event(tenant, "a", one), event(tenant, "b", two), event(tenant, "a", two), by_bob];
    store.commit(Batch { events, ..Batch::new() }).await?;
    let all = EventFilter::of(tenant);
    let tries: [(EventFilter, Vec<u64>); 8] = [
        (all.clone(), vec![1, 2, 3, 4]),
        (EventFilter { newest_first: true, ..all.clone() }, vec![4, 3, 2, 1]),
        (EventFilter { after: 2, ..all.clone() }, vec![3, 4]),
        (EventFilter { after: 3, newest_first: true, ..all.clone() }, vec![2, 1]),
        (EventFilter { limit: 2, ..all.clone() }, vec![1, 2]),
        (all.clone().about(two), vec![2, 3]),
        (EventFilter { action: Some("a".to_owned()), ..all.clone() }, vec![1, 3]),
        (EventFilter { actor: Some("user:bob".to_owned()), ..all }, vec![4]),
    ];
    for (filter, expected) in tries {
        let got: Vec<u64> = store.events(&filter).await?.iter().map(|event| event.sequence).collect();
        same(&format!("{filter:?}"), &got, &expected)?;
    }
    Ok(())
}

async fn events_of_a_failed_batch_do_not_exist(store: Store) -> Outcome {
    let tenant = organization();
    let first = record(tenant, json!({}));
    insert(&store, &first).await?;
    let mut failing = batch(vec![Change::Insert(first)]);
    failing.events.push(event(tenant, "lie", Id::generate()));
    refused("batch", store.commit(failing).await, ErrorKind::Conflict)?;
    store.commit(Batch { events: vec![event(tenant, "truth", Id::generate())], ..Batch::new() }).await?;
    let got = store.events(&EventFilter::of(tenant)).await?;
    same("events", &got.iter().map(|e| (e.sequence, e.event.action.as_str())).collect(), &vec![(1, "truth")])
}

async fn events_keep_what_was_said(store: Store) -> Outcome {
    let tenant = organization();
    let mut said = event(tenant, "release.publish", Id::generate());
    said.from = Some("approved".to_owned());
    said.to = Some("published".to_owned());
    said.origin = Origin {
        address: Some("192.0.2.1".to_owned()),
        device: Some("phone \"x\"".to_owned()),
        ..Origin::default()
    };
    said.detail.insert("comment".to_owned(), json!("fine, 'really'"));
    store.commit(Batch { events: vec![said.clone()], ..Batch::new() }).await?;
    let got = store.events(&EventFilter::of(tenant)).await?;
    same("event", &got.first().map(|event| event.event.clone()), &Some(said))
}

async fn unusual_texts_are_kept(store: Store) -> Outcome {
    let text = "line\nbreak \t tab \u{202e}bidi 🦀 \u{feff} \\ \" ' end";
    let one =
        Record { claims: vec![Claim::new("slug", text)], ..record(organization(), json!({"name": text})) };
    insert(&store, &one).await?;
    let key = Key::Claim { organization: one.organization, kind: one.kind, claim: Claim::new("slug", text) };
    same("text", &store.get(&key).await?.map(|r| r.body), &Some(one.body.clone()))?;
    let found =
        store.list(&query(one.organization).filter(Field::parse("name")?, Op::Eq(text.into()))).await?;
    same("found", &found.items.len(), &1)
}

async fn a_nul_in_a_text_is_the_same_everywhere(store: Store) -> Outcome {
    // PostgreSQL keeps no NUL in text; so that stores agree, the depot refuses it before any store sees it.
    // Here it may be kept or refused as `Invalid`, and must not break what follows.
    let one = record(organization(), json!({"name": "a\u{0}b"}));
    match insert(&store, &one).await {
        Ok(()) => same("kept whole", &store.get(&one.key()).await?.map(|r| r.body), &Some(one.body.clone()))?,
        Err(error) => same("kind", &error.kind(), &ErrorKind::Invalid)?,
    }
    Ok(insert(&store, &record(organization(), json!({"name": "ok"}))).await?)
}
