//! Keys and tokens, from making them to losing them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[path = "../common/mod.rs"]
mod common;
mod making;
mod tokens;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use appdepot_authz::{CasbinAuthorizer, Keys};
use appdepot_core::authenticate::Authenticator as _;
use appdepot_core::authorize::{Actor, Authorizer as _, Person, Subject, Target, permission};
use appdepot_core::depot::{CreatedKey, Depot, NewKey};
use appdepot_core::domain::{ApiKey, App, Grant, Id, Kind, Organization, Role, Stored, Timestamp};
use appdepot_core::error::{CredentialFault, Detail};
use appdepot_core::query::{Page, Query};
use appdepot_core::records::{Change, Claim, Record, RecordStore as _};
use appdepot_core::{Error, ErrorKind, Result};
use serde_json::Value as Json;

use common::{Records, refusal};

const HOUR: Duration = Duration::from_secs(3_600);
const HALF_AN_HOUR: Duration = Duration::from_secs(1_800);

fn fault<T: std::fmt::Debug>(result: Result<T>) -> CredentialFault {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    match error.detail() {
        Detail::Credential(fault) => *fault,
        other => panic!("{other:?}"),
    }
}

fn field(error: &Error) -> String {
    match error.detail() {
        Detail::Fields(fields) => fields[0].field.to_string(),
        other => panic!("{other:?}"),
    }
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A depot that makes keys, as the process itself, and who tells whom they stand for.
struct World {
    depot: Depot,
    keys: Keys,
    home: Id<Organization>,
}

impl World {
    async fn create(&self, key: &NewKey) -> Result<CreatedKey> {
        self.depot.create_key(&system(), key.clone()).await
    }

    async fn import(&self, text: &str, key: &NewKey) -> Result<String> {
        Ok(self.depot.import_key(&system(), text, key.clone()).await?.value.key)
    }

    async fn list(&self, organization: Id<Organization>) -> Result<Vec<Stored<ApiKey>>> {
        self.depot.keys(&system(), organization, None).await
    }

    async fn revoke(&self, id: &str) -> Result<()> {
        self.depot.revoke_key(&system(), self.home, id).await.map(drop)
    }
}

impl std::ops::Deref for World {
    type Target = Keys;
    fn deref(&self) -> &Keys {
        &self.keys
    }
}

fn system() -> Actor {
    Actor::system("test")
}

fn world() -> (Arc<Records>, World, Id<Organization>) {
    let records = Records::new();
    let authorizer = Arc::new(CasbinAuthorizer::new(records.clone()));
    let depot = Depot::builder().records(records.clone()).authorizer(authorizer).build();
    let home = Id::generate();
    (records.clone(), World { depot, keys: Keys::new(records), home }, home)
}

/// The client id and secret of a key's text.
fn parts(text: &str) -> (&str, &str) {
    text.split_once('.').unwrap()
}

async fn everything(records: &Records) -> Vec<Record> {
    let mut all = Vec::new();
    for kind in Kind::ALL {
        let query = Query { kind, ..Query::of::<Grant>(Id::NIL) };
        let Page { items, .. } = records.list(&query).await.unwrap();
        all.extend(items);
    }
    all
}

/// Lets every key and token end an hour sooner.
async fn an_hour_passes(records: &Records) {
    for mut record in everything(records).await {
        let Some(end) = record.body.get("expiresAt").and_then(Json::as_i64) else { continue };
        record.body["expiresAt"] = (end - i64::try_from(HOUR.as_millis()).unwrap()).into();
        record.revision += 1;
        let (space, value) = match record.kind {
            Kind::Key => (ApiKey::SPACE, "key"),
            _ => ("token", "digest"),
        };
        record.claims = vec![Claim::new(space, record.body[value].as_str().unwrap())];
        records.write(vec![Change::Update(record)]).await;
    }
}

#[tokio::test]
async fn a_key_stands_for_its_subject() {
    let (_, keys, home) = world();
    let person = Person { email: "ci@acme.iam.example".into(), first_name: "CI".into(), ..Person::default() };
    let key = keys.create(&NewKey { person: person.clone(), ..NewKey::new(home, "CI") }).await.unwrap();
    assert!(key.text.starts_with("adk_"));
    assert_eq!(parts(&key.text).0, key.key.value.key);
    let actor = keys.authenticate(&key.text).await.unwrap();
    assert_eq!(
        actor,
        Actor { person, home: Some(home), ..Actor::new(Subject::key(parts(&key.text).0).unwrap()) }
    );
    assert_eq!(actor.scopes, None);
}

#[tokio::test]
async fn a_key_permits_what_its_grants_do() {
    let (records, keys, home) = world();
    let authorizer = CasbinAuthorizer::new(records.clone());
    let key = keys.create(&NewKey::new(home, "CI")).await.unwrap();
    let target = Target::organization(home);
    let actor = keys.authenticate(&key.text).await.unwrap();
    let found = refusal(&authorizer, &actor, permission::ASSET_GET, target).await;
    assert_eq!(found, Some(ErrorKind::NotFound));
    records.grant(home, key.subject.as_str(), "org.editor", None).await;
    authorizer.changed(home).await;
    assert_eq!(refusal(&authorizer, &actor, permission::ASSET_CREATE, target).await, None);
    let (id, secret) = parts(&key.text);
    let token = keys.grant(id, secret, Some(set(&["media.asset_read"]))).await.unwrap();
    let reader = keys.authenticate(&token.token).await.unwrap();
    assert_eq!(refusal(&authorizer, &reader, permission::ASSET_GET, target).await, None);
    let found = refusal(&authorizer, &reader, permission::ASSET_CREATE, target).await;
    assert_eq!(found, Some(ErrorKind::Forbidden));
}

#[tokio::test]
async fn nothing_but_the_exact_text_is_good() {
    let (_, keys, home) = world();
    let key = keys.create(&NewKey::new(home, "one")).await.unwrap();
    let other = keys.create(&NewKey::new(home, "two")).await.unwrap();
    keys.import("operator.0123456789abcdef", &NewKey::new(home, "three")).await.unwrap();
    let (id, secret) = parts(&key.text);
    let token = keys.grant(id, secret, None).await.unwrap().token;
    let with = |id: &str, secret: &str| format!("{id}.{secret}");
    let mut tries = vec![
        String::new(),
        ".".into(),
        id.to_owned(),
        secret.to_owned(),
        with(id, ""),
        with("", secret),
        with(id, parts(&other.text).1),
        with(parts(&other.text).0, secret),
        with(&id.to_uppercase(), secret),
        with(id, &secret.to_uppercase()),
        format!("{} ", key.text),
        format!(" {}", key.text),
        format!("{}\n", key.text),
        format!("{}\0", key.text),
        format!("{}.x", key.text),
        format!("Bearer {}", key.text),
        key.text[..key.text.len() - 1].to_owned(),
        "operator.0123456789abcdeg".into(),
        "operator.0123456789abcdef0".into(),
        "operator.0123456789abcde".into(),
        "Operator.0123456789abcdef".into(),
        "adt_".into(),
        format!("{token}."),
        token.to_uppercase(),
        token[..token.len() - 1].to_owned(),
        format!("adt_{}", "0".repeat(38)),
        "é".repeat(50),
        "eyJhbGciOiJub25lIn0.e30.".into(),
        "x".repeat(1_000_000),
        format!("{}.{}", "a".repeat(64), "b".repeat(512)),
    ];
    tries.push("\0".repeat(16));
    for text in tries {
        assert_eq!(fault(keys.authenticate(&text).await), CredentialFault::Bad, "{:.80}", text);
    }
    for text in [&*key.text, &*other.text, &*token, "operator.0123456789abcdef"] {
        keys.authenticate(text).await.unwrap();
    }
}

#[tokio::test]
async fn an_organization_lists_its_own_keys() {
    let (_, keys, home) = world();
    let away = Id::generate();
    let key = keys.create(&NewKey::new(home, "home")).await.unwrap();
    keys.create(&NewKey::new(away, "away")).await.unwrap();
    let listed = keys.list(home).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (listed[0].id, &*listed[0].name, listed[0].subject().unwrap()),
        (key.key.id, "home", key.subject)
    );
    assert!(keys.list(Id::generate()).await.unwrap().is_empty());
}

#[tokio::test]
async fn secrets_are_neither_stored_nor_shown() {
    let (records, keys, home) = world();
    let key = keys.create(&NewKey::new(home, "key")).await.unwrap();
    let own = "operator.correct-horse-battery";
    let new = NewKey::new(home, "own");
    keys.import(own, &new).await.unwrap();
    let (id, secret) = parts(&key.text);
    let token = keys.grant(id, secret, None).await.unwrap();
    let actor = keys.authenticate(&token.token).await.unwrap();
    let stored = everything(&records).await;
    assert_eq!(stored.len(), 3);
    let shown = format!(
        "{stored:?} {:?} {key:?} {new:?} {token:?} {actor:?} {:?} {:?} {:?}",
        keys.keys,
        keys.list(home).await.unwrap(),
        keys.authenticate(&key.text[1..]).await,
        keys.grant(id, &secret[1..], None).await,
    );
    for text in [secret, parts(own).1, &token.token, &token.token[4..]] {
        assert!(!shown.contains(text));
    }
    // Digests are not secrets, but nobody needs to see them either.
    let digests: Vec<_> = stored.iter().map(|record| record.body["digest"].as_str().unwrap()).collect();
    let shown = format!("{:?} {key:?} {:?}", keys.keys, keys.list(home).await.unwrap());
    assert!(digests.iter().all(|digest| digest.len() == 64 && !shown.contains(digest)));
}

#[tokio::test]
async fn a_store_that_fails_lets_nobody_in() {
    let (records, keys, home) = world();
    let key = keys.create(&NewKey::new(home, "key")).await.unwrap();
    let (id, secret) = parts(&key.text);
    let token = keys.grant(id, secret, None).await.unwrap();
    records.broken.store(true, SeqCst);
    for text in [&key.text, &token.token] {
        assert_eq!(keys.authenticate(text).await.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    assert_eq!(keys.grant(id, secret, None).await.unwrap_err().kind(), ErrorKind::Unavailable);
}

/// A scope that nobody knows permits nothing, so a key may name it.
#[tokio::test]
async fn an_unknown_scope_permits_nothing() {
    let (records, keys, home) = world();
    let authorizer = CasbinAuthorizer::new(records.clone());
    let key = NewKey { scopes: Some(set(&["everything"])), ..NewKey::new(home, "CI") };
    let key = keys.create(&key).await.unwrap();
    records.grant(home, key.subject.as_str(), "org.owner", None).await;
    let actor = keys.authenticate(&key.text).await.unwrap();
    let found = refusal(&authorizer, &actor, permission::ASSET_GET, Target::organization(home)).await;
    assert_eq!(found, Some(ErrorKind::Forbidden));
    let (id, secret) = parts(&key.text);
    let token = keys.grant(id, secret, None).await.unwrap();
    let actor = keys.authenticate(&token.token).await.unwrap();
    assert_eq!(actor.scopes, Some(set(&["everything"])));
}

#[tokio::test]
async fn a_key_is_used_at_most_once_a_minute() {
    let (_, keys, home) = world();
    let key = keys.create(&NewKey::new(home, "CI")).await.unwrap();
    let before = Timestamp::now();
    keys.authenticate(&key.text).await.unwrap();
    let used = loop {
        let listed = keys.list(home).await.unwrap();
        match listed[0].last_used_at {
            Some(used) => break (used, listed[0].revision),
            None => tokio::task::yield_now().await,
        }
    };
    assert!(used.0 >= before && used.1 == 2, "{used:?}");
    for _ in 0..100 {
        keys.authenticate(&key.text).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(keys.list(home).await.unwrap()[0].revision, 2);
    // Nor does use bring a revoked key back, or keep it from being imported again.
    let own = NewKey::new(home, "own");
    keys.import("own.0123456789abcdef", &own).await.unwrap();
    keys.authenticate("own.0123456789abcdef").await.unwrap();
    while keys.list(home).await.unwrap()[1].last_used_at.is_none() {
        tokio::task::yield_now().await;
    }
    keys.import("own.0123456789abcdef", &own).await.unwrap();
}

#[tokio::test]
async fn a_key_bound_to_an_app_is_good_for_that_app_only() {
    let (_, keys, home) = world();
    let system = system();
    let new = |name: &str| appdepot_core::depot::NewApp { name: name.into(), ..Default::default() };
    let one = keys.depot.create_app(&system, home, new("One")).await.unwrap();
    let two = keys.depot.create_app(&system, home, new("Two")).await.unwrap();
    let key = keys.create(&NewKey { app: Some(one.id), ..NewKey::new(home, "CI") }).await.unwrap();
    let role = Role::parse("org.admin").unwrap();
    keys.depot.grant(&system, home, key.subject.clone(), role, None).await.unwrap();
    let (id, secret) = parts(&key.text);
    let token = keys.grant(id, secret, None).await.unwrap().token;
    for text in [&key.text, &token] {
        let actor = keys.authenticate(text).await.unwrap();
        let listed = keys.depot.apps(&actor, Query::of::<App>(home)).await.unwrap();
        assert_eq!(listed.items.iter().map(|app| app.id).collect::<Vec<_>>(), [one.id]);
        keys.depot.app(&actor, home, &one.id.to_string()).await.unwrap();
        let other = keys.depot.app(&actor, home, &two.id.to_string()).await.unwrap_err();
        assert_eq!(other.kind(), ErrorKind::Forbidden);
        assert_eq!(
            keys.depot.create_app(&actor, home, new("Three")).await.unwrap_err().kind(),
            ErrorKind::Forbidden
        );
        assert_eq!(keys.depot.keys(&actor, home, None).await.unwrap_err().kind(), ErrorKind::Forbidden);
    }
}
