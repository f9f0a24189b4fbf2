#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
//! Standing, freshness and failure.

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use appdepot_authz::{CasbinAuthorizer, DEFAULT_POLICY};
use appdepot_core::authorize::{Actor, Authorizer, Person, Scope, Subject, Target, permission};
use appdepot_core::domain::{
    App, Effect, Grant, Holder, Id, Kind, Organization, PermissionPattern, Role, Rule, Stored, Timestamp,
};
use appdepot_core::error::Detail;
use appdepot_core::records::{Batch, Change, RecordStore};
use appdepot_core::{Error, ErrorKind};
use serde_json::{Value, json};

use common::{Records, authorizer, narrowed, refusal, user};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn an_admin_of_one_organization_is_nobody_in_another() {
    let records = Records::new();
    let authorizer = authorizer(&records);
    let (home, away) = (Id::generate(), Id::generate());
    records.grant(home, "user:ada", "org.admin", None).await;
    records.grant(away, "user:bob", "org.owner", None).await;
    records.grant(Id::NIL, "user:root", "org.owner", None).await;
    for permission in permission::ALL {
        for name in ["ada", "root"] {
            let found = refusal(&authorizer, &user(name), permission, Target::organization(away)).await;
            assert_eq!(found, Some(ErrorKind::NotFound), "{name} {permission}");
            let found =
                refusal(&authorizer, &user(name), permission, Target::app(away, Id::generate())).await;
            assert_eq!(found, Some(ErrorKind::NotFound), "{name} {permission}");
        }
    }
    let root = Target::organization(Id::NIL);
    assert_eq!(refusal(&authorizer, &user("root"), permission::ORGANIZATION_CREATE, root).await, None);
    let found = refusal(&authorizer, &user("ada"), permission::ORGANIZATION_CREATE, root).await;
    assert_eq!(found, Some(ErrorKind::NotFound));
}

#[tokio::test]
async fn refusals_name_the_permission_and_nothing_large() {
    let records = Records::new();
    let authorizer = authorizer(&records);
    let home = Id::generate();
    records.grant(home, "user:vic", "org.viewer", None).await;
    let ask = async |permission: &str| {
        authorizer.authorize(&user("vic"), permission, &Target::organization(home)).await.unwrap_err()
    };
    let error: Error = ask(permission::ASSET_CREATE).await;
    assert_eq!(*error.detail(), Detail::Permission(permission::ASSET_CREATE.into()));
    assert!(ask(&"x".repeat(1_000_000)).await.message().len() < 100);
}

#[tokio::test]
async fn system_and_anonymous_have_no_rights_even_with_a_grant() {
    let records = Records::new();
    let authorizer = authorizer(&records);
    let home = Id::generate();
    records.grant(home, "system:upkeep", "org.owner", None).await;
    records.grant(home, "anonymous:", "org.owner", None).await;
    for actor in [Actor::system("upkeep"), Actor::anonymous()] {
        let found = refusal(&authorizer, &actor, permission::ASSET_GET, Target::organization(home)).await;
        assert_eq!(found, Some(ErrorKind::NotFound));
        let scope = authorizer.scope(&actor, permission::APP_LIST, home).await;
        assert_eq!(scope.unwrap_err().kind(), ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn another_process_is_believed_within_the_lease_and_not_longer() {
    let records = Records::new();
    let lease = Duration::from_millis(200);
    let authorizer = authorizer(&records).with_lease(lease);
    let home = Id::generate();
    let target = Target::organization(home);
    let grant = records.grant(home, "user:ada", "org.owner", None).await;
    assert_eq!(refusal(&authorizer, &user("ada"), permission::ASSET_GET, target).await, None);
    records.revoke(&grant).await;
    tokio::time::sleep(lease + Duration::from_millis(20)).await;
    let found = refusal(&authorizer, &user("ada"), permission::ASSET_GET, target).await;
    assert_eq!(found, Some(ErrorKind::NotFound));
}

#[tokio::test]
async fn a_lease_is_never_longer_than_its_limit() {
    let debug = format!("{:?}", authorizer(&Records::new()).with_lease(HOUR));
    assert!(debug.contains("lease: 5s"), "{debug}");
}

#[tokio::test]
async fn within_the_lease_grants_are_read_once() {
    let records = Records::new();
    let authorizer = Arc::new(authorizer(&records).with_lease(HOUR));
    let home = Id::generate();
    let target = Target::organization(home);
    records.grant(home, "user:ada", "org.owner", None).await;
    records.slow.store(true, SeqCst);
    let asking: Vec<_> = (0..20)
        .map(|_| {
            let authorizer = authorizer.clone();
            tokio::spawn(
                async move { refusal(&*authorizer, &user("ada"), permission::APP_GET, target).await },
            )
        })
        .collect();
    records.arrived.acquire().await.unwrap().forget();
    records.go.add_permits(100);
    for asked in asking {
        assert_eq!(asked.await.unwrap(), None);
    }
    // Grants, and the organization's own rules.
    assert_eq!(records.lists.load(SeqCst), 2);
}

#[tokio::test]
async fn a_store_that_fails_denies_and_recovers() {
    let records = Records::new();
    let authorizer = authorizer(&records).with_lease(Duration::ZERO);
    let home = Id::generate();
    let target = Target::organization(home);
    records.grant(home, "user:ada", "org.owner", None).await;
    assert_eq!(refusal(&authorizer, &user("ada"), permission::APP_GET, target).await, None);
    records.broken.store(true, SeqCst);
    let found = refusal(&authorizer, &user("ada"), permission::APP_GET, target).await;
    assert_eq!(found, Some(ErrorKind::Unavailable));
    let scope = authorizer.scope(&user("ada"), permission::APP_LIST, home).await;
    assert_eq!(scope.unwrap_err().kind(), ErrorKind::Unavailable);
    records.broken.store(false, SeqCst);
    assert_eq!(refusal(&authorizer, &user("ada"), permission::APP_GET, target).await, None);
}

#[tokio::test]
async fn grants_read_before_a_change_are_not_kept_after_it() {
    let records = Records::new();
    let authorizer = Arc::new(authorizer(&records));
    let home = Id::generate();
    let target = Target::organization(home);
    let grant = records.grant(home, "user:ada", "org.owner", None).await;
    records.slow.store(true, SeqCst);
    let early = authorizer.clone();
    let early =
        tokio::spawn(async move { refusal(&*early, &user("ada"), permission::APP_GET, target).await });
    // The early decision has read the grant; now it goes, and that is announced.
    records.arrived.acquire().await.unwrap().forget();
    records.slow.store(false, SeqCst);
    records.revoke(&grant).await;
    authorizer.changed(home).await;
    records.go.add_permits(1);
    early.await.unwrap();
    for _ in 0..3 {
        let found = refusal(&*authorizer, &user("ada"), permission::APP_GET, target).await;
        assert_eq!(found, Some(ErrorKind::NotFound));
    }
}

#[tokio::test]
async fn a_cancelled_reading_leaves_nothing_locked() {
    let records = Records::new();
    let authorizer = Arc::new(authorizer(&records));
    let home = Id::generate();
    let target = Target::organization(home);
    records.grant(home, "user:ada", "org.owner", None).await;
    records.slow.store(true, SeqCst);
    let waiting = authorizer.clone();
    let waiting =
        tokio::spawn(async move { refusal(&*waiting, &user("ada"), permission::APP_GET, target).await });
    records.arrived.acquire().await.unwrap().forget();
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    records.slow.store(false, SeqCst);
    assert_eq!(refusal(&*authorizer, &user("ada"), permission::APP_GET, target).await, None);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_denies_everyone() {
    let rule = |holder: &str, pattern: &str| json!({ "type": "permission", "holder": holder, "pattern": pattern, "effect": "allow" });
    let denies = async |kind, body: &Value| {
        let records = Records::new();
        let authorizer = authorizer(&records);
        let home = Id::generate();
        let grant = records.grant(home, "user:ada", "org.owner", None).await;
        let mut broken = grant.to_record(Id::generate()).unwrap();
        (broken.kind, broken.id, broken.body) = (kind, Id::generate(), body.clone());
        broken.claims.clear();
        records.write(vec![Change::Insert(broken)]).await;
        refusal(&authorizer, &user("ada"), permission::APP_GET, Target::organization(home)).await
    };
    assert_eq!(
        denies(Kind::Rule, &rule("role:org.viewer", "mdm.*")).await,
        None,
        "written as the depot writes it"
    );
    for (kind, body) in [
        (Kind::Grant, json!({ "role": 7 })),
        (Kind::Rule, rule("role:org.viewer", "mdm.(")),
        (Kind::Rule, rule("role:org.viewer", "mdm.[a-z]+")),
        (Kind::Rule, rule("role:org.viewer", "mdm.x, allow")),
        (Kind::Rule, rule("role:org.viewer\np, role:x", "mdm.*")),
        (Kind::Rule, rule("role:a, b", "mdm.*")),
    ] {
        assert_eq!(denies(kind, &body).await, Some(ErrorKind::Internal), "{body}");
    }
}

#[tokio::test]
async fn a_loop_that_was_written_past_the_depot_gives_nothing() {
    let records = Records::new();
    let authorizer = authorizer(&records);
    let home = Id::generate();
    let include = |role: &str, included: &str| {
        let [role, included] = [role, included].map(|role| Role::parse(role).unwrap());
        let rule = Stored::new(home, Rule::Inclusion { role, included }, Timestamp::from_millis(0));
        Change::Insert(rule.to_record(Id::generate()).unwrap())
    };
    let links = [("a", "b"), ("b", "c"), ("c", "a"), ("c", "org.admin"), ("d", "org.admin"), ("into", "a")];
    records.write(links.map(|(role, included)| include(role, included)).to_vec()).await;
    for (name, role) in [("ada", "a"), ("cid", "c"), ("ina", "into"), ("dan", "d")] {
        records.grant(home, &format!("user:{name}"), role, None).await;
    }
    for (name, expected) in [
        ("ada", Some(ErrorKind::Forbidden)),
        ("cid", Some(ErrorKind::Forbidden)),
        ("ina", Some(ErrorKind::Forbidden)),
        ("dan", None),
    ] {
        let found = refusal(&authorizer, &user(name), permission::APP_GET, Target::organization(home)).await;
        assert_eq!(found, expected, "{name}");
    }
}

#[tokio::test]
async fn thousands_of_grants_take_several_pages() {
    let records = Records::new();
    let authorizer = authorizer(&records).with_lease(HOUR);
    let home = Id::generate();
    let changes = (0..2_500).map(|at| {
        let subject = Subject::user(&format!("u{at}")).unwrap();
        let role = Role::parse("org.viewer").unwrap();
        let grant = Grant { subject, role, app: None };
        Change::Insert(Stored::new(home, grant, Timestamp::now()).to_record(Id::generate()).unwrap())
    });
    records.commit(Batch { changes: changes.collect(), ..Batch::new() }).await.unwrap();
    for name in ["u0", "u1000", "u2499"] {
        let found = refusal(&authorizer, &user(name), permission::APP_GET, Target::organization(home)).await;
        assert_eq!(found, None);
    }
    // Three pages of grants, and no rules.
    assert_eq!(records.lists.load(SeqCst), 4);
    let found = refusal(&authorizer, &user("u2500"), permission::APP_GET, Target::organization(home)).await;
    assert_eq!(found, Some(ErrorKind::NotFound));
}

#[tokio::test]
async fn more_organizations_than_are_kept_still_answer() {
    let records = Records::new();
    let authorizer = authorizer(&records);
    let home = Id::generate();
    records.grant(home, "user:ada", "org.owner", None).await;
    for _ in 0..16_500 {
        let found =
            refusal(&authorizer, &user("ada"), permission::APP_GET, Target::organization(Id::generate()))
                .await;
        assert_eq!(found, Some(ErrorKind::NotFound));
    }
    assert_eq!(
        refusal(&authorizer, &user("ada"), permission::APP_GET, Target::organization(home)).await,
        None
    );
}

async fn app(records: &Records, home: Id<Organization>, slug: &str) -> Id<App> {
    let app = json!({
        "name": slug, "slug": slug, "owner": "user:ada", "createdBy": Person::default(), "lifecycle": "mobile"
    });
    let stored = Stored::new(home, serde_json::from_value::<App>(app).unwrap(), Timestamp::now());
    records.write(vec![Change::Insert(stored.to_record(Id::generate()).unwrap())]).await;
    stored.id
}

#[tokio::test]
async fn a_deny_on_one_app_takes_it_out_of_the_listing_scope() {
    let records = Records::new();
    let policy = format!("{DEFAULT_POLICY}\np, role:app.banned, *, deny\n");
    let authorizer = CasbinAuthorizer::new(records.clone()).with_policy(&policy).unwrap();
    let home = Id::generate();
    let (one, two) = (app(&records, home, "one").await, app(&records, home, "two").await);
    records.grant(home, "user:ada", "org.owner", None).await;
    records.grant(home, "user:ada", "app.banned", Some(two)).await;
    let scope = authorizer.scope(&user("ada"), permission::APP_LIST, home).await.unwrap();
    assert_eq!(scope, Scope::Apps([one].into()));
    let found = refusal(&authorizer, &user("ada"), permission::APP_GET, Target::app(home, two)).await;
    assert_eq!(found, Some(ErrorKind::Forbidden));
}

#[tokio::test]
async fn a_deny_meets_whose_rights_all_come_from_their_credential() {
    let records = Records::new();
    let authorizer = authorizer(&records);
    let home = Id::generate();
    let group = Id::generate();
    records.grant(home, Subject::group(group).as_str(), "org.editor", None).await;
    let of_group = |name: &str| Actor { groups: [group].into(), ..user(name) };
    let asked = async |actor: &Actor| {
        refusal(&authorizer, actor, permission::APP_GET, Target::organization(home)).await
    };
    assert_eq!(asked(&of_group("bob")).await, None);
    let rule = Rule::Permission {
        holder: Holder::Subject(Subject::user("bob").unwrap()),
        pattern: PermissionPattern::parse("*").unwrap(),
        effect: Effect::Deny,
    };
    let stored = Stored::new(home, rule, Timestamp::now());
    records.write(vec![Change::Insert(stored.to_record(Id::generate()).unwrap())]).await;
    authorizer.changed(home).await;
    assert_eq!(asked(&of_group("bob")).await, Some(ErrorKind::Forbidden));
    assert_eq!(asked(&of_group("ada")).await, None);
    // a rule alone makes nobody belong
    let outsider = asked(&user("eve")).await;
    assert_eq!(asked(&user("bob")).await, outsider);
}

#[tokio::test]
async fn a_narrowed_credential_narrows_the_listing_scope() {
    let records = Records::new();
    let authorizer = authorizer(&records);
    let home = Id::generate();
    records.grant(home, "user:ada", "org.owner", None).await;
    let scope = async |scopes: &[&str], permission: &str| {
        authorizer.scope(&narrowed("ada", scopes), permission, home).await.unwrap()
    };
    let none = Scope::Apps([].into());
    assert_eq!(scope(&["appm:read"], permission::APP_LIST).await, Scope::All);
    assert_eq!(scope(&["media.asset_read"], permission::APP_LIST).await, none);
    assert_eq!(scope(&["media.asset_read", "appm:read"], permission::APP_LIST).await, Scope::All);
    assert_eq!(scope(&[], permission::APP_LIST).await, none);
    assert_eq!(scope(&["appm:read"], "no.such.permission.get").await, none);
}
