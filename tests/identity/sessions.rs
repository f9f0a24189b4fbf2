//! Signing in, and what ends a session.

use std::collections::BTreeSet;
use std::sync::Arc;

use appdepot::authenticate::{Authenticator as _, Passwords, Verdict};
use appdepot::authorize::{Actor, Origin};
use appdepot::authz::Argon2Passwords;
use appdepot::depot::{NewKey, UserChange};
use appdepot::domain::{Id, User};
use appdepot::error::{CredentialFault, Detail};
use appdepot::query::Query;
use appdepot::{ErrorKind, Result};
use async_trait::async_trait;
use tokio::sync::Notify;

use super::world::*;

pub(crate) async fn signing_in_makes_a_new_session_each_time(world: World) {
    let World { depot, acme, .. } = &world;
    let ada = world.user("ada@acme.example", "org.viewer").await;
    let origin =
        Origin { address: Some("10.1.2.3".into()), device: Some("phone".into()), ..Origin::default() };
    let first = depot.sign_in(*acme, "Ada@acme.example", PASSWORD, origin.clone(), None).await.unwrap();
    assert!(first.token.starts_with(&format!("ads_{acme}.")) && first.token.len() > 50);
    assert_eq!(first.signed_in.session.origin, origin);
    let actor = world.chain.authenticate(&first.token).await.unwrap();
    assert_eq!((actor.subject.clone(), &*actor.person.email), (ada.id.into(), "ada@acme.example"));
    assert!(depot.organization(&actor, "acme").await.is_ok());

    let previous = Some(&*first.token);
    let second = depot.sign_in(*acme, "ada@acme.example", PASSWORD, origin.clone(), previous).await.unwrap();
    assert_ne!(second.token, first.token);
    assert_eq!(world.fault(&first.token).await, CredentialFault::Bad);
    // What a client made up does not become a session.
    let fixed = first.token.replace("ads_", "adx_");
    let third = depot.sign_in(*acme, "ada@acme.example", PASSWORD, origin, Some(&fixed)).await.unwrap();
    assert_ne!(third.token, fixed);
    assert_eq!(world.fault(&fixed).await, CredentialFault::Bad);
    assert_eq!(depot.sessions(&actor, *acme, ada.id).await.unwrap().len(), 2);
    let seen = depot.user(&world.admin, *acme, "ada@acme.example").await.unwrap();
    assert!(seen.signed_in_at.is_some());
    let shown = format!("{first:?} {:?} {seen:?}", second.signed_in);
    assert!(!shown.contains(first.token.split_once('.').unwrap().1) && !shown.contains("argon2"), "{shown}");
}

pub(crate) async fn nobody_learns_why_a_sign_in_failed(world: World) {
    let World { depot, admin, acme, .. } = &world;
    let ada = world.user("ada@acme.example", "org.viewer").await;
    depot.create_user(admin, *acme, new("without@acme.example")).await.unwrap();
    world.user("out@acme.example", "org.viewer").await;
    let out = depot.user(admin, *acme, "out@acme.example").await.unwrap().id;
    let shut = UserChange { enabled: Some(false), ..UserChange::default() };
    depot.update_user(admin, *acme, out, None, shut).await.unwrap();
    let (long, zero) = ("x".repeat(1 << 20), "\0".repeat(20));
    for (name, password) in [
        ("ada@acme.example", "wrong"),
        ("ada@acme.example", ""),
        ("ada@acme.example", &*long),
        ("ada@acme.example", &*zero),
        ("ada@acme.example ", PASSWORD),
        (&*ada.id.to_string(), PASSWORD),
        ("nobody@acme.example", PASSWORD),
        ("without@acme.example", ""),
        ("without@acme.example", PASSWORD),
        ("out@acme.example", PASSWORD),
        ("", PASSWORD),
        ("\0", PASSWORD),
        ("é@ü", PASSWORD),
        (&*long, PASSWORD),
    ] {
        let refused = world.sign_in(name, password).await.unwrap_err();
        assert_eq!(refused.detail(), &Detail::Credential(CredentialFault::Bad), "{name:.30}");
        assert_eq!(refused.message(), "invalid credential");
    }
    let nowhere = depot.sign_in(Id::generate(), "ada@acme.example", PASSWORD, Origin::default(), None).await;
    assert_eq!(fault(nowhere), CredentialFault::Bad);
    world.sign_in("ada@acme.example", PASSWORD).await.unwrap();
}

pub(crate) async fn sessions_end_in_time_and_on_demand(world: World) {
    let World { depot, acme, .. } = &world;
    let ada = world.user("ada@acme.example", "org.viewer").await;
    let actor = Actor::new(ada.id.into());
    let sign_in = async || world.sign_in("ada@acme.example", PASSWORD).await.unwrap();
    let idle = sign_in().await;
    world.pass(29 * MINUTE);
    let busy = sign_in().await;
    world.chain.authenticate(&busy).await.unwrap();
    world.pass(MINUTE);
    assert_eq!(world.fault(&idle).await, CredentialFault::Expired);
    for _ in 0..24 {
        world.chain.authenticate(&busy).await.unwrap();
        world.pass(29 * MINUTE);
    }
    world.chain.authenticate(&busy).await.unwrap();
    world.pass(25 * MINUTE);
    assert_eq!(world.fault(&busy).await, CredentialFault::Expired, "twelve hours are over");

    let (one, two, three) = (sign_in().await, sign_in().await, sign_in().await);
    depot.sign_out(&one).await.unwrap();
    assert_eq!(world.fault(&one).await, CredentialFault::Bad);
    assert_eq!(fault(depot.sign_out(&one).await), CredentialFault::Bad);
    assert_eq!(depot.sessions(&actor, *acme, ada.id).await.unwrap().len(), 2);
    let second = depot.session(&two).await.unwrap().session.id;
    depot.end_session(&actor, *acme, second).await.unwrap();
    assert_eq!(world.fault(&two).await, CredentialFault::Bad);
    world.chain.authenticate(&three).await.unwrap();
    depot.end_sessions(&world.admin, *acme, ada.id).await.unwrap();
    assert_eq!(world.fault(&three).await, CredentialFault::Bad);
    assert!(depot.sessions(&actor, *acme, ada.id).await.unwrap().is_empty());
    world.chain.authenticate(&sign_in().await).await.unwrap();
}

pub(crate) async fn a_password_is_changed_by_its_user_and_by_an_admin(world: World) {
    let World { depot, admin, acme, .. } = &world;
    let ada = world.user("ada@acme.example", "org.viewer").await;
    let actor = Actor::new(ada.id.into());
    let session = world.sign_in("ada@acme.example", PASSWORD).await.unwrap();
    let other = "another long password";
    assert_eq!(fault(depot.change_password(&actor, *acme, "wrong", other).await), CredentialFault::Bad);
    for bad in ["", "short", &"x".repeat(1025)] {
        assert_eq!(kind(depot.change_password(&actor, *acme, PASSWORD, bad).await), ErrorKind::Invalid);
        assert_eq!(kind(depot.set_password(admin, *acme, ada.id, bad).await), ErrorKind::Invalid);
    }
    let narrowed = Actor { scopes: Some(BTreeSet::new()), ..actor.clone() };
    assert_eq!(kind(depot.change_password(&narrowed, *acme, PASSWORD, other).await), ErrorKind::Forbidden);
    world.chain.authenticate(&session).await.unwrap();
    depot.change_password(&actor, *acme, PASSWORD, other).await.unwrap();
    assert_eq!(world.fault(&session).await, CredentialFault::Bad);
    assert_eq!(fault(world.sign_in("ada@acme.example", PASSWORD).await), CredentialFault::Bad);
    let session = world.sign_in("ada@acme.example", other).await.unwrap();
    depot.set_password(admin, *acme, ada.id, PASSWORD).await.unwrap();
    assert_eq!(world.fault(&session).await, CredentialFault::Bad);
    world.sign_in("ada@acme.example", PASSWORD).await.unwrap();
}

/// Hashes one of the passwords only when it is let.
#[derive(Debug, Clone)]
struct Held {
    passwords: Argon2Passwords,
    held: &'static str,
    reached: Arc<Notify>,
    go: Arc<Notify>,
}

#[async_trait]
impl Passwords for Held {
    async fn hash(&self, password: &str) -> Result<String> {
        if password == self.held {
            self.reached.notify_one();
            self.go.notified().await;
        }
        self.passwords.hash(password).await
    }

    async fn verify(&self, password: &str, kept: Option<&str>) -> Result<Verdict> {
        self.passwords.verify(password, kept).await
    }
}

pub(crate) async fn a_reset_outlasts_a_change_that_was_under_way(world: World) {
    let World { admin, acme, records, clock, .. } = &world;
    let ada = world.user("ada@acme.example", "org.viewer").await;
    let (stolen, reset) = ("what the thief chose", "what the administrator set");
    let held = Held {
        passwords: Argon2Passwords::with_parameters(64, 1, 1).unwrap(),
        held: stolen,
        reached: Arc::default(),
        go: Arc::default(),
    };
    let slow = depot(records, clock, held.clone());
    let actor = Actor::new(ada.id.into());
    let resetting = async {
        held.reached.notified().await;
        world.depot.set_password(admin, *acme, ada.id, reset).await.unwrap();
        held.go.notify_one();
    };
    let (changed, ()) = tokio::join!(slow.change_password(&actor, *acme, PASSWORD, stolen), resetting);
    assert_eq!(fault(changed), CredentialFault::Bad);
    world.sign_in("ada@acme.example", reset).await.unwrap();
    assert_eq!(fault(world.sign_in("ada@acme.example", stolen).await), CredentialFault::Bad);
}

pub(crate) async fn shutting_a_user_out_ends_everything_at_once(world: World) {
    let World { depot, admin, acme, .. } = &world;
    let ada = world.user("ada@acme.example", "org.viewer").await;
    let session = world.sign_in("ada@acme.example", PASSWORD).await.unwrap();
    let key = NewKey { owner: Some(ada.id), ..NewKey::new(*acme, "mine") };
    let key = depot.create_key(&Actor::new(ada.id.into()), key).await.unwrap();
    let (client, secret) = key.text.split_once('.').unwrap();
    let token = world.chain.grant(client, secret, None).await.unwrap().token;
    for text in [&session, &key.text, &token] {
        assert_eq!(world.chain.authenticate(text).await.unwrap().subject, ada.id.into());
    }
    let enabled = |enabled| UserChange { enabled: Some(enabled), ..UserChange::default() };
    depot.update_user(admin, *acme, ada.id, None, enabled(false)).await.unwrap();
    for text in [&session, &key.text, &token] {
        assert_eq!(world.fault(text).await, CredentialFault::Bad);
    }
    assert_eq!(fault(world.chain.grant(client, secret, None).await), CredentialFault::Bad);
    assert_eq!(fault(world.sign_in("ada@acme.example", PASSWORD).await), CredentialFault::Bad);
    depot.update_user(admin, *acme, ada.id, None, enabled(true)).await.unwrap();
    assert_eq!(world.fault(&session).await, CredentialFault::Bad, "it does not come back");
    world.chain.authenticate(&key.text).await.unwrap();
    world.sign_in("ada@acme.example", PASSWORD).await.unwrap();
}

pub(crate) async fn attempts_are_limited_per_account_and_per_address(world: World) {
    let World { depot, acme, .. } = &world;
    world.user("ada@acme.example", "org.viewer").await;
    for _ in 0..10 {
        assert_eq!(fault(world.sign_in("ada@acme.example", "wrong").await), CredentialFault::Bad);
    }
    world.pass(MINUTE);
    for password in ["wrong", PASSWORD] {
        let refused = world.sign_in("ADA@acme.example", password).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Limited);
        assert_eq!(refused.detail(), &Detail::Retry { after: 14 * MINUTE });
    }
    world.pass(14 * MINUTE);
    world.sign_in("ada@acme.example", PASSWORD).await.unwrap();
    for _ in 0..20 {
        world.sign_in("ada@acme.example", PASSWORD).await.unwrap();
    }
    let origin = Origin { address: Some("10.0.0.1".into()), ..Origin::default() };
    let from = async |name: String| depot.sign_in(*acme, &name, "wrong", origin.clone(), None).await;
    for n in 0..100 {
        assert_eq!(fault(from(format!("user{n}@acme.example")).await), CredentialFault::Bad);
    }
    assert_eq!(kind(from("ada@acme.example".into()).await), ErrorKind::Limited);
    world.sign_in("ada@acme.example", PASSWORD).await.unwrap();
}

pub(crate) async fn an_outdated_hash_is_renewed(world: World) {
    let ada = world.user("ada@acme.example", "org.viewer").await;
    let kept = async || {
        let query = Query { kind: appdepot::domain::Kind::Password, ..Query::of::<User>(world.acme) };
        let found = world.records.list(&query).await.unwrap().items;
        let found = found.into_iter().find(|record| record.id == ada.id.cast()).unwrap();
        found.body["digest"].as_str().unwrap().to_owned()
    };
    assert!(kept().await.contains("m=64,t=1"));
    let stronger = Argon2Passwords::with_parameters(128, 2, 1).unwrap();
    let stronger = depot(&world.records, &world.clock, stronger);
    let sign_in = async |password| {
        stronger.sign_in(world.acme, "ada@acme.example", password, Origin::default(), None).await
    };
    assert_eq!(fault(sign_in("wrong").await), CredentialFault::Bad);
    assert!(kept().await.contains("m=64,t=1"));
    let issued = sign_in(PASSWORD).await.unwrap();
    let renewed = kept().await;
    assert!(renewed.contains("m=128,t=2"), "{renewed}");
    sign_in(PASSWORD).await.unwrap();
    assert_eq!(kept().await, renewed);
    world.chain.authenticate(&issued.token).await.unwrap();
}
