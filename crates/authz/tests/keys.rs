#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
//! Keys and tokens, from making them to losing them.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use appdepot_authz::{CasbinAuthorizer, Keys, TOKEN_LIFETIME};
use appdepot_core::authenticate::Authenticator;
use appdepot_core::authorize::{Actor, Authorizer, Person, Subject, Target, permission};
use appdepot_core::depot::{CreatedKey, Depot, NewKey};
use appdepot_core::domain::{ApiKey, App, Entity, Grant, Id, Kind, Organization, Role, Stored, Timestamp};
use appdepot_core::error::{CredentialFault, Detail};
use appdepot_core::query::{Page, Query};
use appdepot_core::records::{Record, RecordStore};
use appdepot_core::{Error, ErrorKind, Result};

use common::{Records, refusal};

const SHORT: Duration = Duration::from_millis(500);
const LONGER: Duration = Duration::from_millis(600);

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
async fn a_client_has_to_prove_itself() {
    let (_, keys, home) = world();
    let key = keys.create(&NewKey::new(home, "one")).await.unwrap();
    let other = keys.create(&NewKey::new(home, "two")).await.unwrap();
    let (id, secret) = parts(&key.text);
    let long = "x".repeat(1_000_000);
    for (client, secret) in [
        ("", ""),
        (id, ""),
        ("", secret),
        (id, parts(&other.text).1),
        ("adk_000000000000000000000000", secret),
        (&*long, secret),
        (id, &*long),
        (id, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        ("*", secret),
    ] {
        assert_eq!(fault(keys.grant(client, secret, None).await), CredentialFault::Bad);
        // A wrong secret is told before a wrong scope.
        assert_eq!(fault(keys.grant(client, secret, Some(set(&["no"]))).await), CredentialFault::Bad);
    }
}

#[tokio::test]
async fn a_token_is_narrowed_to_what_was_asked_for() {
    let (_, keys, home) = world();
    let all = keys.create(&NewKey::new(home, "all")).await.unwrap();
    let some = NewKey { scopes: Some(set(&["media.asset_read", "appm:read"])), ..NewKey::new(home, "some") };
    let some = keys.create(&some).await.unwrap();

    let (id, secret) = parts(&all.text);
    let token = keys.grant(id, secret, None).await.unwrap();
    let publisher =
        ["appm:administration", "appm:create", "appm:publish", "appm:read", "appm:subscribe", "appm:update"];
    let others = ["media.asset_manage", "media.asset_read", "sdk"];
    assert_eq!(token.scopes, &set(&publisher) | &set(&others));
    assert_eq!(keys.authenticate(&token.token).await.unwrap().scopes, None);
    let token = keys.grant(id, secret, Some(set(&["media.asset_manage"]))).await.unwrap();
    assert_eq!(token.scopes, set(&["media.asset_manage"]));
    assert_eq!(keys.authenticate(&token.token).await.unwrap().scopes, Some(set(&["media.asset_manage"])));

    let for_vendor = NewKey { vendor: Some("v1".to_owned()), ..NewKey::new(home, "vendor") };
    let for_vendor = keys.create(&for_vendor).await.unwrap();
    let (id, secret) = parts(&for_vendor.text);
    let token = keys.grant(id, secret, None).await.unwrap();
    assert_eq!(token.scopes, set(&["media.asset_manage_by_vendor", "media.asset_read_by_vendor"]));
    assert_eq!(keys.authenticate(&token.token).await.unwrap().vendor.as_deref(), Some("v1"));

    let (id, secret) = parts(&some.text);
    let own = Some(set(&["media.asset_read", "appm:read"]));
    assert_eq!(keys.authenticate(&some.text).await.unwrap().scopes, own);
    let token = keys.grant(id, secret, None).await.unwrap();
    assert_eq!(Some(token.scopes), own);
    assert_eq!(keys.authenticate(&token.token).await.unwrap().scopes, own);
    let token = keys.grant(id, secret, Some(set(&["appm:read"]))).await.unwrap();
    assert_eq!(keys.authenticate(&token.token).await.unwrap().scopes, Some(set(&["appm:read"])));
    for asked in [&["media.asset_manage"][..], &["appm:read", "appm:publish"], &["no"], &[""], &["*"], &[]] {
        let error = keys.grant(id, secret, Some(set(asked))).await.unwrap_err();
        assert_eq!((error.kind(), &*field(&error)), (ErrorKind::Invalid, "scope"), "{asked:?}");
    }
}

#[tokio::test]
async fn tokens_and_keys_expire() {
    let (_, keys, home) = world();
    let key = keys.create(&NewKey::new(home, "long")).await.unwrap();
    let token = keys.grant(parts(&key.text).0, parts(&key.text).1, None).await.unwrap();
    assert_eq!(token.lifetime, TOKEN_LIFETIME);

    let expires_at = Some(Timestamp::now().after(SHORT));
    let brief = keys.create(&NewKey { expires_at, ..NewKey::new(home, "brief") }).await.unwrap();
    let (id, secret) = parts(&brief.text);
    let token = keys.grant(id, secret, None).await.unwrap();
    assert!(token.lifetime <= SHORT, "a token does not outlive its key: {:?}", token.lifetime);
    keys.authenticate(&token.token).await.unwrap();
    tokio::time::sleep(LONGER).await;
    assert_eq!(fault(keys.authenticate(&brief.text).await), CredentialFault::Expired);
    assert_eq!(fault(keys.authenticate(&token.token).await), CredentialFault::Expired);
    assert_eq!(fault(keys.grant(id, secret, None).await), CredentialFault::Expired);
    // A wrong secret does not learn that there was a key.
    let wrong = format!("{id}.{}", parts(&key.text).1);
    assert_eq!(fault(keys.authenticate(&wrong).await), CredentialFault::Bad);
}

#[tokio::test]
async fn an_expired_token_of_a_good_key_is_expired_and_can_be_purged() {
    let (records, keys, home) = world();
    let key = keys.create(&NewKey::new(home, "key")).await.unwrap();
    let (id, secret) = parts(&key.text);
    let lasting = keys.grant(id, secret, None).await.unwrap();
    let keys = World { keys: keys.keys.with_token_lifetime(SHORT), ..keys };
    let token = keys.grant(id, secret, None).await.unwrap();
    tokio::time::sleep(LONGER).await;
    assert_eq!(fault(keys.authenticate(&token.token).await), CredentialFault::Expired);
    assert_eq!(keys.purge(1_000).await.unwrap(), 1);
    assert_eq!(keys.purge(1_000).await.unwrap(), 0);
    assert_eq!(fault(keys.authenticate(&token.token).await), CredentialFault::Bad);
    keys.authenticate(&lasting.token).await.unwrap();
    assert_eq!(everything(&records).await.len(), 2);
}

#[tokio::test]
async fn a_revoked_key_takes_its_tokens_along_at_once() {
    let (records, keys, home) = world();
    let key = keys.create(&NewKey::new(home, "key")).await.unwrap();
    let other = keys.create(&NewKey::new(home, "other")).await.unwrap();
    let (id, secret) = parts(&key.text);
    let token = keys.grant(id, secret, None).await.unwrap();
    keys.authenticate(&token.token).await.unwrap();
    // By another process over the same store.
    let elsewhere = Depot::builder().records(records).build();
    elsewhere.revoke_key(&system(), home, id).await.unwrap();
    assert_eq!(fault(keys.authenticate(&token.token).await), CredentialFault::Bad);
    assert_eq!(fault(keys.authenticate(&key.text).await), CredentialFault::Bad);
    assert_eq!(fault(keys.grant(id, secret, None).await), CredentialFault::Bad);
    keys.authenticate(&other.text).await.unwrap();
    keys.revoke(id).await.unwrap();
    assert_eq!(keys.revoke("adk_nobody").await.unwrap_err().kind(), ErrorKind::NotFound);
    let listed = keys.list(home).await.unwrap().into_iter();
    let revoked: BTreeMap<_, _> = listed.map(|key| (key.id, key.revoked_at.is_some())).collect();
    assert_eq!(revoked, BTreeMap::from([(key.key.id, true), (other.key.id, false)]));
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
async fn importing_twice_is_importing_once() {
    let (_, keys, home) = world();
    let text = "admin.correct-horse-battery";
    let new = NewKey::new(home, "admin");
    assert_eq!(keys.import(text, &new).await.unwrap(), "admin");
    assert_eq!(keys.import(text, &new).await.unwrap(), "admin");
    assert_eq!(keys.list(home).await.unwrap().len(), 1);
    let actor = keys.authenticate(text).await.unwrap();
    assert_eq!(actor.subject.as_str(), "key:admin");
    // The operator meant a change that did not happen: say so.
    let narrower = NewKey { scopes: Some(set(&["appm:read"])), ..new.clone() };
    let elsewhere = NewKey { organization: Id::generate(), ..new.clone() };
    for (text, new) in [("admin.another-secret-0", &new), (text, &narrower), (text, &elsewhere)] {
        assert_eq!(keys.import(text, new).await.unwrap_err().kind(), ErrorKind::Conflict);
    }
    keys.authenticate(text).await.unwrap();
    // Nor does a start-up bring a revoked key back.
    keys.revoke("admin").await.unwrap();
    assert_eq!(keys.import(text, &new).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(fault(keys.authenticate(text).await), CredentialFault::Bad);
}

#[tokio::test]
async fn many_importing_at_once_agree() {
    let (records, keys, home) = world();
    let keys = Arc::new(keys);
    let importing: Vec<_> = (0..16)
        .map(|_| {
            let keys = keys.clone();
            tokio::spawn(
                async move { keys.import("admin.correct-horse-battery", &NewKey::new(home, "a")).await },
            )
        })
        .collect();
    for imported in importing {
        imported.await.unwrap().unwrap();
    }
    assert_eq!(everything(&records).await.len(), 1);
}

#[tokio::test]
async fn what_is_no_key_is_refused_at_the_door() {
    let (records, keys, home) = world();
    let new = NewKey::new(home, "n");
    let long_id = format!("{}.0123456789abcdef", "a".repeat(65));
    let long_secret = format!("a.{}", "b".repeat(257));
    for text in [
        "",
        "admin",
        "admin.",
        ".0123456789abcdef",
        "admin.0123456789abcde",
        "admin.0123456789abcde!",
        "ad min.0123456789abcdef",
        "org.owner.0123456789abcdef",
        "adk_0123456789ab.0123456789abcdef",
        "adt_x.0123456789abcdef",
        "é.0123456789abcdef",
        &long_id,
        &long_secret,
    ] {
        let error = keys.import(text, &new).await.unwrap_err();
        assert_eq!((error.kind(), &*field(&error)), (ErrorKind::Invalid, "key"), "{text}");
        assert!(text.len() < 20 || !error.message().contains(text));
    }
    let past = Some(Timestamp::now());
    let person = |email: &str| Person { email: email.into(), ..Person::default() };
    for (expected, bad) in [
        ("name", NewKey::new(home, "")),
        ("name", NewKey::new(home, "  ")),
        ("name", NewKey::new(home, "a\0")),
        ("name", NewKey::new(home, "x".repeat(129))),
        ("person.email", NewKey { person: person("a\r\nb"), ..new.clone() }),
        ("person.email", NewKey { person: person(&"x".repeat(257)), ..new.clone() }),
        ("scope", NewKey { scopes: Some(set(&["every thing"])), ..new.clone() }),
        ("expiresAt", NewKey { expires_at: past, ..new.clone() }),
    ] {
        let error = keys.create(&bad).await.unwrap_err();
        assert_eq!((error.kind(), &*field(&error)), (ErrorKind::Invalid, expected));
    }
    assert!(everything(&records).await.is_empty());
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

#[tokio::test]
async fn keys_and_tokens_are_found_by_their_kinds() {
    let (records, keys, home) = world();
    let key = keys.create(&NewKey::new(home, "key")).await.unwrap();
    keys.grant(parts(&key.text).0, parts(&key.text).1, None).await.unwrap();
    let kinds: Vec<Kind> = everything(&records).await.iter().map(|record| record.kind).collect();
    assert_eq!(kinds, [Kind::Key, Kind::Token]);
    assert_ne!(Grant::KIND, Kind::Key);
    let stored = &everything(&records).await[1].body;
    for declared in Kind::Token.declared() {
        assert!(stored.get(declared.path).is_some(), "{}", declared.path);
    }
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
async fn who_makes_keys_needs_the_permission_and_makes_none_wider() {
    let (records, keys, home) = world();
    let away = Id::generate();
    records.grant(home, "user:admin", "org.admin", None).await;
    records.grant(home, "user:editor", "org.editor", None).await;
    records.grant(away, "user:other", "org.admin", None).await;
    let new = NewKey::new(home, "CI");
    let create = |actor: Actor, key: NewKey| {
        let depot = keys.depot.clone();
        async move { depot.create_key(&actor, key).await.map_err(|error| error.kind()) }
    };
    let user = common::user;
    assert_eq!(create(user("editor"), new.clone()).await, Err(ErrorKind::Forbidden));
    assert_eq!(create(user("other"), new.clone()).await, Err(ErrorKind::NotFound));
    assert_eq!(create(Actor::anonymous(), new.clone()).await, Err(ErrorKind::NotFound));
    let made = create(user("admin"), new.clone()).await.unwrap();
    // It may do nothing by itself.
    let actor = keys.authenticate(&made.text).await.unwrap();
    assert_eq!(keys.depot.keys(&actor, home, None).await.unwrap_err().kind(), ErrorKind::NotFound);

    // What a credential was narrowed to, its keys are as well.
    let bound = Actor { app: Some(Id::generate()), ..user("admin") };
    assert_eq!(create(bound, new.clone()).await, Err(ErrorKind::Forbidden));
    let unknown = NewKey { app: Some(Id::<App>::generate()), ..new.clone() };
    assert_eq!(create(user("admin"), unknown).await, Err(ErrorKind::NotFound));
    // Nobody makes a key for somebody else.
    let owned = NewKey { owner: Some(Id::generate()), ..new.clone() };
    assert_eq!(create(user("admin"), owned).await, Err(ErrorKind::Forbidden));

    let id = &made.key.value.key;
    for (actor, organization, expected) in [
        (user("editor"), home, ErrorKind::Forbidden),
        (user("other"), home, ErrorKind::NotFound),
        (user("other"), away, ErrorKind::NotFound),
    ] {
        let refused = keys.depot.revoke_key(&actor, organization, id).await.unwrap_err();
        assert_eq!(refused.kind(), expected);
    }
    keys.depot.revoke_key(&user("admin"), home, id).await.unwrap();
    assert_eq!(fault(keys.authenticate(&made.text).await), CredentialFault::Bad);
    let events =
        keys.depot.events(&user("admin"), &appdepot_core::domain::EventFilter::of(home)).await.unwrap();
    let actions: Vec<&str> = events.iter().map(|event| event.event.action.as_str()).collect();
    assert_eq!(actions, ["key.create", "key.remove"]);
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
