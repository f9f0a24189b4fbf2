//! Tokens, from asking for one to its end.

use std::collections::BTreeMap;

use appdepot_authz::TOKEN_LIFETIME;
use appdepot_core::ErrorKind;
use appdepot_core::authenticate::Authenticator as _;
use appdepot_core::depot::{Depot, NewKey};
use appdepot_core::domain::{Kind, Timestamp};
use appdepot_core::error::CredentialFault;

use super::{HALF_AN_HOUR, World, an_hour_passes, everything, fault, field, parts, set, system, world};

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
    let (records, keys, home) = world();
    let key = keys.create(&NewKey::new(home, "long")).await.unwrap();
    let token = keys.grant(parts(&key.text).0, parts(&key.text).1, None).await.unwrap();
    assert_eq!(token.lifetime, TOKEN_LIFETIME);

    let expires_at = Some(Timestamp::now().after(HALF_AN_HOUR));
    let brief = keys.create(&NewKey { expires_at, ..NewKey::new(home, "brief") }).await.unwrap();
    let (id, secret) = parts(&brief.text);
    let token = keys.grant(id, secret, None).await.unwrap();
    assert!(token.lifetime <= HALF_AN_HOUR, "a token does not outlive its key: {:?}", token.lifetime);
    keys.authenticate(&token.token).await.unwrap();
    an_hour_passes(&records).await;
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
    let keys = World { keys: keys.keys.with_token_lifetime(HALF_AN_HOUR), ..keys };
    let token = keys.grant(id, secret, None).await.unwrap();
    an_hour_passes(&records).await;
    assert_eq!(fault(keys.authenticate(&token.token).await), CredentialFault::Expired);
    assert_eq!(keys.purge(1_000).await.unwrap(), 1);
    assert_eq!(keys.purge(1_000).await.unwrap(), 0);
    assert_eq!(fault(keys.authenticate(&token.token).await), CredentialFault::Bad);
    keys.authenticate(&lasting.token).await.unwrap();
    assert_eq!(everything(&records).await.len(), 2);
}

#[tokio::test]
async fn keys_and_tokens_are_found_by_their_kinds() {
    let (records, keys, home) = world();
    let key = keys.create(&NewKey::new(home, "key")).await.unwrap();
    keys.grant(parts(&key.text).0, parts(&key.text).1, None).await.unwrap();
    let kinds: Vec<Kind> = everything(&records).await.iter().map(|record| record.kind).collect();
    assert_eq!(kinds, [Kind::Key, Kind::Token]);
    let stored = &everything(&records).await[1].body;
    for declared in Kind::Token.declared() {
        assert!(stored.get(declared.path).is_some(), "{}", declared.path);
    }
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
