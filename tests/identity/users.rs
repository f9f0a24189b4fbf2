//! Users: made, named, seen and changed by whom.

use appdepot::ErrorKind;
use appdepot::authorize::{Actor, Origin, Subject};
use appdepot::depot::{NewKey, NewUser, UserChange};
use appdepot::domain::{Effect, EventFilter, Grant, Group, Holder, Id, PermissionPattern, Role, Rule, User};
use appdepot::error::CredentialFault;
use appdepot::query::{Field, Op, Query};

use super::world::*;

pub(crate) async fn a_user_lives_and_leaves_nothing_behind(world: World) {
    let World { depot, admin, acme, .. } = &world;
    let mut ada = new("Ada@Acme.example");
    ada.username = Some("ada".into());
    ada.first_name = "Ada".into();
    ada.attributes.insert("phone".into(), "123".into());
    let made = depot.create_user(admin, *acme, ada).await.unwrap();
    assert!(made.enabled && made.email == "Ada@Acme.example" && made.signed_in_at.is_none());
    for name in ["ada@acme.EXAMPLE", "ADA", &made.id.to_string(), &made.id.to_uuid()] {
        assert_eq!(depot.user(admin, *acme, name).await.unwrap(), made, "{name}");
    }
    let listed = depot.users(admin, Query::of::<User>(*acme)).await.unwrap().items;
    assert_eq!(listed.len(), 2);
    let change = UserChange { last_name: Some("Lovelace".into()), ..UserChange::default() };
    let changed = depot.update_user(admin, *acme, made.id, Some(1), change.clone()).await.unwrap();
    assert_eq!((&*changed.first_name, &*changed.last_name, changed.revision), ("Ada", "Lovelace", 2));
    assert_eq!(kind(depot.update_user(admin, *acme, made.id, Some(1), change).await), ErrorKind::Conflict);

    let subject = Subject::from(made.id);
    role(depot, *acme, &subject, "org.viewer").await;
    depot.set_password(admin, *acme, made.id, PASSWORD).await.unwrap();
    let group = depot.create_group(admin, *acme, "Analysts", "").await.unwrap();
    depot.change_members(admin, *acme, group.id, std::slice::from_ref(&subject), &[]).await.unwrap();
    let key = NewKey { owner: Some(made.id), ..NewKey::new(*acme, "mine") };
    let key = depot.create_key(&Actor::new(subject.clone()), key).await.unwrap();
    let session = world.sign_in("ada", PASSWORD).await.unwrap();
    depot.remove_user(admin, *acme, made.id).await.unwrap();
    assert_eq!(world.fault(&session).await, CredentialFault::Bad);
    assert_eq!(world.fault(&key.text).await, CredentialFault::Bad);
    assert_eq!(fault(world.sign_in("ada", PASSWORD).await), CredentialFault::Bad);
    assert_eq!(kind(depot.user(admin, *acme, "ada").await), ErrorKind::NotFound);
    assert_eq!(kind(depot.remove_user(admin, *acme, made.id).await), ErrorKind::NotFound);
    let grants =
        Query::of::<Grant>(*acme).filter(Field::parse("subject").unwrap(), Op::Eq(subject.as_str().into()));
    assert!(depot.grants(admin, grants).await.unwrap().items.is_empty());
    assert!(depot.groups(admin, Query::of::<Group>(*acme)).await.unwrap().items[0].members.is_empty());
    assert!(depot.keys(admin, *acme, None).await.unwrap().is_empty());
    // The address is free again, and whoever gets it is somebody else.
    let other = depot.create_user(admin, *acme, new("ada@acme.example")).await.unwrap();
    assert_ne!(other.id, made.id);
    assert_eq!(fault(world.sign_in("ada@acme.example", PASSWORD).await), CredentialFault::Bad);

    let about = EventFilter::of(*acme).about(made.id);
    let events = depot.events(admin, &about).await.unwrap();
    let actions: Vec<&str> = events.iter().map(|event| &*event.event.action).collect();
    assert_eq!(actions, ["user.create", "user.update", "user.password", "user.remove"]);
    world.pass(13 * HOUR);
    assert_eq!(depot.sweep().await.unwrap().sessions, 1);
}

pub(crate) async fn names_to_sign_in_with_are_unique_whatever_their_case(world: World) {
    let World { depot, admin, acme, .. } = &world;
    let user = |email: &str, username: &str| NewUser { username: Some(username.into()), ..new(email) };
    depot.create_user(admin, *acme, user("ada@acme.example", "ada")).await.unwrap();
    for taken in [new("ADA@acme.example"), user("b@acme.example", "Ada")] {
        let refused = depot.create_user(admin, *acme, taken).await.unwrap_err();
        assert!(refused.is_taken("email") || refused.is_taken("username"), "{refused:?}");
    }
    let globex = depot.create_organization(&system(), "globex", "Globex").await.unwrap().id;
    depot.create_user(&system(), globex, user("ada@acme.example", "ada")).await.unwrap();
    let long = format!("{}@acme.example", "x".repeat(254));
    for bad in ["", "ada", "@", "a@", "@b", "a@b@c", "a b@c", "a\0@b", "a\r\nb@c", &long] {
        assert_eq!(kind(depot.create_user(admin, *acme, new(bad)).await), ErrorKind::Invalid, "{bad:?}");
    }
    for bad in ["", "a@b", "a b", "é", "a:b", "0123456789abcdef01234567", &"x".repeat(129)] {
        let refused = depot.create_user(admin, *acme, user("c@acme.example", bad)).await;
        assert_eq!(kind(refused), ErrorKind::Invalid, "{bad:?}");
    }
    assert_eq!(depot.users(admin, Query::of::<User>(*acme)).await.unwrap().items.len(), 2);
}

pub(crate) async fn who_may_see_and_change_users(world: World) {
    let World { depot, acme, .. } = &world;
    let ada = world.user("ada@acme.example", "org.editor").await;
    let bob = world.user("bob@acme.example", "org.viewer").await;
    let globex = depot.create_organization(&system(), "globex", "Globex").await.unwrap().id;
    let stranger = Actor::new(Subject::user("stranger").unwrap());
    role(depot, globex, &stranger.subject, "org.owner").await;
    let editor = Actor::new(ada.id.into());
    assert_eq!(depot.user(&editor, *acme, "ada@acme.example").await.unwrap(), ada);
    for (actor, expected) in [(&editor, ErrorKind::Forbidden), (&stranger, ErrorKind::NotFound)] {
        for id in [bob.id, Id::generate()] {
            let change = UserChange { enabled: Some(false), ..UserChange::default() };
            assert_eq!(kind(depot.user(actor, *acme, &id.to_string()).await), expected);
            assert_eq!(kind(depot.update_user(actor, *acme, id, None, change).await), expected);
            assert_eq!(kind(depot.set_password(actor, *acme, id, PASSWORD).await), expected);
            assert_eq!(kind(depot.remove_user(actor, *acme, id).await), expected);
            assert_eq!(kind(depot.sessions(actor, *acme, id).await), expected);
            assert_eq!(kind(depot.end_sessions(actor, *acme, id).await), expected);
            assert_eq!(kind(depot.end_session(actor, *acme, id.cast()).await), expected);
        }
        assert_eq!(kind(depot.create_user(actor, *acme, new("c@acme.example")).await), expected);
        assert_eq!(kind(depot.users(actor, Query::of::<User>(*acme)).await), expected);
    }
    // A user of one organization is not there in another, whoever asks.
    assert_eq!(kind(depot.user(&stranger, globex, &bob.id.to_string()).await), ErrorKind::NotFound);
    assert_eq!(kind(depot.remove_user(&stranger, globex, bob.id).await), ErrorKind::NotFound);
    assert_eq!(kind(depot.user(&editor, globex, &ada.id.to_string()).await), ErrorKind::NotFound);
    let elsewhere = depot.sign_in(globex, "bob@acme.example", PASSWORD, Origin::default(), None).await;
    assert_eq!(fault(elsewhere), CredentialFault::Bad);
}

pub(crate) async fn only_an_owner_changes_an_owner_and_the_last_one_stays(world: World) {
    let World { depot, admin, acme, .. } = &world;
    let owner = depot.create_user(admin, *acme, new("owner@acme.example")).await.unwrap();
    role(depot, *acme, &owner.id.into(), Role::OWNER).await;
    let shut = UserChange { enabled: Some(false), ..UserChange::default() };
    let address = UserChange { email: Some("mine@evil.example".into()), ..UserChange::default() };
    for change in [&shut, &address] {
        let refused = depot.update_user(admin, *acme, owner.id, None, change.clone()).await;
        assert_eq!(kind(refused), ErrorKind::Forbidden);
    }
    assert_eq!(kind(depot.set_password(admin, *acme, owner.id, PASSWORD).await), ErrorKind::Forbidden);
    assert_eq!(kind(depot.end_sessions(admin, *acme, owner.id).await), ErrorKind::Forbidden);
    assert_eq!(kind(depot.remove_user(admin, *acme, owner.id).await), ErrorKind::Forbidden);
    let own = Actor::new(owner.id.into());
    depot.set_password(&own, *acme, owner.id, PASSWORD).await.unwrap();
    assert_eq!(kind(depot.remove_user(&own, *acme, owner.id).await), ErrorKind::Conflict);
    assert_eq!(kind(depot.update_user(&own, *acme, owner.id, None, shut.clone()).await), ErrorKind::Conflict);
    let second = depot.create_user(admin, *acme, new("second@acme.example")).await.unwrap();
    role(depot, *acme, &second.id.into(), Role::OWNER).await;
    depot.update_user(&own, *acme, second.id, None, shut).await.unwrap();
    depot.remove_user(&own, *acme, second.id).await.unwrap();
}

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
