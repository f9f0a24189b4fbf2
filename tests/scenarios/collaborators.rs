//! People and service accounts with their roles.

use appdepot::ErrorKind;
use appdepot::authorize::{Actor, Subject};
use appdepot::depot::{Collaborator, NewApp, NewUser};
use appdepot::domain::{App, EventFilter, Id, Role, User};
use appdepot::query::{Field, Query, Sort};

use super::stage::*;

pub(crate) async fn a_collaborator_has_one_role_and_an_owner_stays(ground: Ground) {
    let stage = Stage::set(ground).await;
    let (depot, acme) = (&stage.depot, stage.acme);
    let role = |word: &str| Role::parse(word).unwrap();
    let new = |email: &str| NewUser { email: email.to_owned(), ..NewUser::default() };
    let olga = depot.enrol(&system(), acme, new("olga@acme.example"), None, role("org.owner")).await.unwrap();
    let adam = depot.enrol(&system(), acme, new("adam@acme.example"), None, role("org.admin")).await.unwrap();
    let (owner, admin) = (Actor::new(olga.id.into()), Actor::new(adam.id.into()));
    let roles = async |of: Option<&Role>| -> Vec<(Id<User>, Vec<Role>)> {
        let query = Query::of::<User>(acme).sort(Sort::ascending(Field::parse("email").unwrap()));
        let found = depot.collaborators(&system(), query, of).await.unwrap();
        found.items.into_iter().map(|Collaborator { who, roles }| (who.id, roles)).collect()
    };
    let (olga, adam) = (olga.id, adam.id);
    assert_eq!(roles(None).await, [(adam, vec![role("org.admin")]), (olga, vec![role("org.owner")])]);
    assert_eq!(roles(Some(&role("org.admin"))).await.len(), 1);
    assert!(roles(Some(&role("org.viewer"))).await.is_empty());

    let change =
        async |who: &Actor, of: Id<User>, to: &str| depot.change_role(who, acme, &of.into(), &role(to)).await;
    assert_eq!(kind(change(&admin, adam, "org.owner").await), ErrorKind::Forbidden);
    assert_eq!(kind(change(&admin, olga, "org.viewer").await), ErrorKind::Forbidden);
    assert_eq!(kind(change(&owner, olga, "org.admin").await), ErrorKind::Conflict, "the last owner");
    assert_eq!(roles(Some(&role("org.owner"))).await.len(), 1, "nothing was given or taken");
    depot.grant(&system(), acme, adam.into(), role("wso2.publisher"), None).await.unwrap();
    change(&owner, adam, "org.owner").await.unwrap();
    change(&owner, adam, "org.owner").await.unwrap();
    change(&admin, olga, "org.viewer").await.unwrap();
    let held = roles(None).await;
    assert_eq!(held[1].1, [role("org.viewer")]);
    assert_eq!(held[0].1.len(), 2, "roles of another kind stay");
    assert_eq!(kind(depot.collaborators(&owner, Query::of::<User>(acme), None).await), ErrorKind::Forbidden);
}

pub(crate) async fn a_change_that_is_confirmed_was_made(ground: Ground) {
    let stage = Stage::set(ground).await;
    let acme = stage.acme;
    let granted = async || {
        let events = stage.depot.events(&system(), &EventFilter::of(acme)).await.unwrap();
        events.iter().filter(|one| one.event.action == "grant.create").count()
    };
    for round in 0..5 {
        let sam = stage.hire(&format!("sam{round}"), "org.admin").await.subject;
        let before = granted().await;
        let changes = ["org.member", "org.editor", "org.viewer"].map(|role| {
            let (depot, sam, role) = (stage.depot.clone(), sam.clone(), Role::parse(role).unwrap());
            tokio::spawn(async move { depot.change_role(&system(), acme, &sam, &role).await })
        });
        for outcome in futures::future::join_all(changes).await {
            outcome.unwrap().unwrap();
        }
        assert_eq!(granted().await - before, 3, "each came after another, in round {round}");
    }
}

pub(crate) async fn the_roles_of_a_group_go_with_it(ground: Ground) {
    let stage = Stage::set(ground).await;
    let (depot, acme) = (&stage.depot, stage.acme);
    let team = depot.create_group(&system(), acme, "Editors", "").await.unwrap().id;
    let editor = Role::parse("org.editor").unwrap();
    depot.grant(&system(), acme, Subject::group(team), editor, None).await.unwrap();
    // whose credential says that they are in it
    let bob = Actor { groups: [team].into(), ..Actor::new(Subject::user("idp.bob").unwrap()) };
    assert!(depot.apps(&bob, Query::of::<App>(acme)).await.is_ok());
    depot.remove_group(&system(), acme, team).await.unwrap();
    assert_eq!(kind(depot.apps(&bob, Query::of::<App>(acme)).await), ErrorKind::NotFound);
    stage.assert_sound().await;
}

pub(crate) async fn a_service_account_may_do_what_its_role_says_until_it_is_revoked(ground: Ground) {
    let stage = Stage::set(ground).await;
    let (depot, acme) = (&stage.depot, stage.acme);
    let (admin, editor) = (stage.hire("adam", "org.admin").await, stage.hire("ed", "org.editor").await);
    let role = |word: &str| Role::parse(word).unwrap();
    let make =
        async |who: &Actor, word: &str| depot.create_service_account(who, acme, "CI", role(word), None).await;
    assert_eq!(kind(make(&editor, "org.viewer").await), ErrorKind::Forbidden);
    let before = depot.events(&system(), &EventFilter::of(acme)).await.unwrap().len();
    assert_eq!(kind(make(&admin, "org.owner").await), ErrorKind::Forbidden);
    assert_eq!(
        depot.keys(&system(), acme, None).await.unwrap(),
        [],
        "no key was made, not even a revoked one"
    );
    assert_eq!(depot.events(&system(), &EventFilter::of(acme)).await.unwrap().len(), before);
    let made = make(&admin, "org.viewer").await.unwrap();
    let account = Actor::new(made.subject.clone());
    let create = async || {
        let new = NewApp { name: "Notes".to_owned(), ..NewApp::default() };
        depot.create_app(&account, acme, new).await.map(|_| ())
    };
    assert_eq!(kind(create().await), ErrorKind::Forbidden);
    depot.change_role(&admin, acme, &made.subject, &role("org.editor")).await.unwrap();
    create().await.unwrap();
    let known = depot.service_accounts(&admin, acme).await.unwrap();
    assert_eq!((known.len(), &known[0].roles[..]), (1, &[role("org.editor")][..]));
    depot.revoke_key(&admin, acme, &made.key.key).await.unwrap();
    assert!(depot.service_accounts(&admin, acme).await.unwrap().is_empty());
}

pub(crate) async fn only_an_owner_makes_owners(ground: Ground) {
    let stage = Stage::set(ground).await;
    let (owner, admin) = (stage.hire("olga", Role::OWNER).await, stage.hire("adam", "org.admin").await);
    let give = async |actor: &Actor, name: &str, role: &str| {
        let (subject, role) = (Subject::user(name).unwrap(), Role::parse(role).unwrap());
        stage.depot.grant(actor, stage.acme, subject, role, None).await.map(|_| ())
    };
    give(&admin, "eve", "org.editor").await.unwrap();
    assert_eq!(kind(give(&admin, "adam", Role::OWNER).await), ErrorKind::Forbidden);
    let role = Role::parse(Role::OWNER).unwrap();
    let take = stage.depot.revoke(&admin, stage.acme, owner.subject.clone(), role, None).await;
    assert_eq!(kind(take), ErrorKind::Forbidden);
    give(&owner, "adam", Role::OWNER).await.unwrap();
}
