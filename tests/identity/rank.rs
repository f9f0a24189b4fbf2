//! Who may change whom.

use super::*;
use appdepot::domain::{Effect, Holder, PermissionPattern, Rule};

/// Whoever could change somebody could sign in as them.
pub(crate) async fn a_user_is_changed_by_those_who_outrank_them(world: World) {
    let World { depot, admin, acme, .. } = &world;
    let chief = Role::parse("chief").unwrap();
    let everything = Rule::Permission {
        holder: Holder::try_from(format!("role:{}", chief.as_str())).unwrap(),
        pattern: PermissionPattern::parse("*").unwrap(),
        effect: Effect::Allow,
    };
    depot.put_rule(&system(), *acme, everything).await.unwrap();
    let made = async |name: &str| depot.create_user(admin, *acme, new(name)).await.unwrap().id;
    // By a role of the organization's own, by a group, and by being an owner in a group.
    let (by_role, by_group, owner) =
        (made("a@acme.example").await, made("b@acme.example").await, made("c@acme.example").await);
    depot.grant(&system(), *acme, by_role.into(), chief.clone(), None).await.unwrap();
    for (user, role) in [(by_group, chief), (owner, Role::parse(Role::OWNER).unwrap())] {
        let group = depot.create_group(&system(), *acme, role.as_str(), "").await.unwrap().id;
        depot.grant(&system(), *acme, Subject::group(group), role, None).await.unwrap();
        depot.change_members(&system(), *acme, group, &[user.into()], &[]).await.unwrap();
    }
    let shut = UserChange { enabled: Some(false), ..UserChange::default() };
    for id in [by_role, by_group, owner] {
        assert_eq!(kind(depot.set_password(admin, *acme, id, PASSWORD).await), ErrorKind::Forbidden);
        let changed = depot.update_user(admin, *acme, id, None, shut.clone()).await;
        assert_eq!(kind(changed), ErrorKind::Forbidden);
        assert_eq!(kind(depot.end_sessions(admin, *acme, id).await), ErrorKind::Forbidden);
        assert_eq!(kind(depot.remove_user(admin, *acme, id).await), ErrorKind::Forbidden);
        depot.set_password(&Actor::new(by_role.into()), *acme, id, PASSWORD).await.unwrap();
    }
    // Those of one's own rank, oneself among them, and below.
    let peer = world.user("peer@acme.example", "org.admin").await.id;
    let viewer = world.user("viewer@acme.example", "org.viewer").await.id;
    for id in [peer, viewer, admin.subject.as_user().unwrap()] {
        depot.set_password(admin, *acme, id, PASSWORD).await.unwrap();
    }
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
