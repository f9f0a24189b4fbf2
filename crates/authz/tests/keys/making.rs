//! How keys come to be: made or imported, by whom, and how wide.

use std::sync::Arc;

use appdepot_core::ErrorKind;
use appdepot_core::authenticate::Authenticator as _;
use appdepot_core::authorize::{Actor, Person};
use appdepot_core::depot::NewKey;
use appdepot_core::domain::{App, Id, Timestamp};
use appdepot_core::error::CredentialFault;

use super::{everything, fault, field, set, world};

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
    let user = super::common::user;
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
