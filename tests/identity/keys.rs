//! Keys of users, and what is no credential at all.

use std::collections::BTreeSet;

use appdepot::ErrorKind;
use appdepot::authenticate::{Authenticator as _, Chain};
use appdepot::authorize::Actor;
use appdepot::depot::NewKey;
use appdepot::domain::Id;
use appdepot::error::CredentialFault;
use appdepot::query::Query;

use super::world::*;

pub(crate) async fn a_users_key_does_what_its_user_may(world: World) {
    let World { depot, admin, acme, .. } = &world;
    let ada = world.user("ada@acme.example", "org.viewer").await;
    let actor = Actor::new(ada.id.into());
    let new = NewKey { owner: Some(ada.id), ..NewKey::new(*acme, "mine") };
    let narrowed = Actor { scopes: Some(["appm:read".to_owned()].into()), ..actor.clone() };
    assert_eq!(kind(depot.create_key(&narrowed, new.clone()).await), ErrorKind::Forbidden);
    let wider = NewKey { scopes: Some(["appm:publish".to_owned()].into()), ..new.clone() };
    assert_eq!(kind(depot.create_key(&narrowed, wider).await), ErrorKind::Forbidden);
    let same = NewKey { scopes: narrowed.scopes.clone(), ..new.clone() };
    let narrow = depot.create_key(&narrowed, same).await.unwrap();
    assert_eq!(world.chain.authenticate(&narrow.text).await.unwrap().scopes, narrowed.scopes);
    // Nobody else makes keys in her name, and a key in her name is none in another organization.
    assert_eq!(kind(depot.create_key(admin, new.clone()).await), ErrorKind::Forbidden);
    let globex = depot.create_organization(&system(), "globex", "Globex").await.unwrap().id;
    let elsewhere = NewKey { organization: globex, ..new.clone() };
    assert_eq!(kind(depot.create_key(&actor, elsewhere).await), ErrorKind::Forbidden);

    let key = depot.create_key(&actor, new).await.unwrap();
    let found = world.chain.authenticate(&key.text).await.unwrap();
    assert_eq!((&found.subject, &*found.person.email), (&actor.subject, "ada@acme.example"));
    assert!(depot.apps(&found, Query::of::<appdepot::domain::App>(*acme)).await.is_ok());
    assert_eq!(kind(depot.create_group(&found, *acme, "g", "").await), ErrorKind::Forbidden);
    let own = depot.keys(&actor, *acme, Some(ada.id)).await.unwrap();
    let both = BTreeSet::from([narrow.key.id, key.key.id]);
    assert_eq!(own.iter().map(|key| key.id).collect::<BTreeSet<_>>(), both);
    assert_eq!(kind(depot.keys(&actor, *acme, None).await), ErrorKind::Forbidden);
    depot.revoke_key(&actor, *acme, &key.key.value.key).await.unwrap();
    assert_eq!(world.fault(&key.text).await, CredentialFault::Bad);
    depot.revoke_key(admin, *acme, &narrow.key.value.key).await.unwrap();
    assert_eq!(world.fault(&narrow.text).await, CredentialFault::Bad);
}

pub(crate) async fn what_is_no_credential_is_refused(world: World) {
    let World { depot, acme, .. } = &world;
    world.user("ada@acme.example", "org.viewer").await;
    let session = world.sign_in("ada@acme.example", PASSWORD).await.unwrap();
    let key = depot.create_key(&system(), NewKey::new(*acme, "CI")).await.unwrap();
    let globex = depot.create_organization(&system(), "globex", "Globex").await.unwrap().id;
    let swapped = |text: &str| {
        let mut bytes = text.to_owned().into_bytes();
        let last = bytes.len() - 1;
        bytes[last] = if bytes[last] == b'0' { b'1' } else { b'0' };
        String::from_utf8(bytes).unwrap()
    };
    let big = "x".repeat(1_000_000);
    for text in [
        "",
        " ",
        ".",
        "..",
        "é",
        "\0",
        "ads_",
        "ads_.",
        "adk_.",
        "adt_",
        "eyJhbGciOiJub25lIn0.e30.",
        &*big,
        &format!("ads_{big}.{big}"),
        &format!("ads_{acme}.{}", "é".repeat(19)),
        &session[..session.len() - 1],
        &format!("{session}0"),
        &swapped(&session),
        &swapped(&key.text),
        &session.replace(&acme.to_string(), &globex.to_string()),
        &session.to_uppercase(),
        &session.replacen("ads_", "adk_", 1),
        &key.text.replacen("adk_", "ads_", 1),
    ] {
        assert_eq!(world.fault(text).await, CredentialFault::Bad, "{text:.80}");
        assert_eq!(fault(depot.session(text).await), CredentialFault::Bad, "{text:.80}");
    }
    assert_eq!(fault(Chain::new().authenticate(&session).await), CredentialFault::Bad);
    assert_eq!(kind(Chain::new().grant("a", "b", None).await), ErrorKind::Unsupported);
    world.chain.authenticate(&session).await.unwrap();
    world.chain.authenticate(&key.text).await.unwrap();
}

/// Keys and sessions are seen and ended by their user, not by a credential that was narrowed to something less.
pub(crate) async fn a_narrowed_credential_is_not_the_user_in_person(world: World) {
    let World { depot, acme, .. } = &world;
    let ada = world.user("ada@acme.example", "org.viewer").await;
    let session = world.sign_in("ada@acme.example", PASSWORD).await.unwrap();
    let session_id = depot.session(&session).await.unwrap().session.id;
    let actor = Actor::new(ada.id.into());
    let key = NewKey { owner: Some(ada.id), ..NewKey::new(*acme, "mine") };
    let key = depot.create_key(&actor, key).await.unwrap();
    let narrowed = [
        Actor { scopes: Some(["media.asset_read".to_owned()].into()), ..actor.clone() },
        Actor { scopes: Some(BTreeSet::new()), ..actor.clone() },
        Actor { app: Some(Id::generate()), ..actor.clone() },
    ];
    for narrowed in &narrowed {
        for found in [
            kind(depot.keys(narrowed, *acme, Some(ada.id)).await),
            kind(depot.revoke_key(narrowed, *acme, &key.key.value.key).await),
            kind(depot.sessions(narrowed, *acme, ada.id).await),
            kind(depot.end_session(narrowed, *acme, session_id).await),
            kind(depot.end_sessions(narrowed, *acme, ada.id).await),
            kind(depot.change_password(narrowed, *acme, PASSWORD, "another long password").await),
        ] {
            assert_eq!(found, ErrorKind::Forbidden);
        }
    }
    assert_eq!(depot.keys(&actor, *acme, Some(ada.id)).await.unwrap().len(), 1);
    assert_eq!(depot.sessions(&actor, *acme, ada.id).await.unwrap().len(), 1);
    depot.end_session(&actor, *acme, session_id).await.unwrap();
    depot.revoke_key(&actor, *acme, &key.key.value.key).await.unwrap();
}
