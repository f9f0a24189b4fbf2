#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
//! Where Casbin lets through or breaks, and this crate does not. One test each.

mod common;

use appdepot_authz::{CasbinAuthorizer, MODEL};
use appdepot_core::ErrorKind;
use appdepot_core::authorize::{Actor, Authorizer, Subject, Target, permission};
use appdepot_core::domain::{Id, Role};

use common::{Records, authorizer, narrowed, refusal, user};

/// May the holder of `role` do `permission` under this policy?
async fn holder(policy: &str, role: &str, permission: &str) -> bool {
    let records = Records::new();
    let authorizer = CasbinAuthorizer::new(records.clone()).with_policy(policy).unwrap();
    let home = Id::generate();
    records.grant(home, "user:ada", role, None).await;
    refusal(&authorizer, &user("ada"), permission, Target::organization(home)).await.is_none()
}

fn refused(policy: &str) -> bool {
    CasbinAuthorizer::new(Records::new()).with_policy(policy).is_err()
}

// Casbin's cache keeps allowing after the policy was reloaded.
#[tokio::test]
async fn a_role_revoked_is_denied_next_time() {
    let records = Records::new();
    let authorizer = authorizer(&records);
    let home = Id::generate();
    let target = Target::organization(home);
    for app in [None, Some(Id::generate())] {
        let target = app.map_or(target, |app| Target::app(home, app));
        let grant = records.grant(home, "user:ada", "org.owner", app).await;
        authorizer.changed(home).await;
        for _ in 0..100 {
            assert_eq!(refusal(&authorizer, &user("ada"), permission::ASSET_GET, target).await, None);
        }
        records.revoke(&grant).await;
        authorizer.changed(home).await;
        let found = refusal(&authorizer, &user("ada"), permission::ASSET_GET, target).await;
        assert_eq!(found, Some(ErrorKind::NotFound));
    }
}

// Casbin's cache answers a question of one context with the answer to another.
#[tokio::test]
async fn answers_are_remembered_for_one_domain_and_one_credential() {
    let records = Records::new();
    let authorizer = authorizer(&records);
    let (home, away, one, two) = (Id::generate(), Id::generate(), Id::generate(), Id::generate());
    records.grant(home, "user:ada", "app.owner", Some(one)).await;
    records.grant(home, "user:ada", "app.viewer", Some(two)).await;
    records.grant(away, "user:ada", "org.viewer", None).await;
    for _ in 0..3 {
        for (target, expected) in [
            (Target::app(home, one), None),
            (Target::app(home, two), Some(ErrorKind::Forbidden)),
            (Target::organization(home), Some(ErrorKind::Forbidden)),
            (Target::organization(away), Some(ErrorKind::Forbidden)),
            (Target::app(away, one), Some(ErrorKind::Forbidden)),
        ] {
            let found = refusal(&authorizer, &user("ada"), permission::APP_UPDATE, target).await;
            assert_eq!(found, expected, "{target:?}");
        }
        let reader = narrowed("ada", &["appm:read"]);
        let found = refusal(&authorizer, &reader, permission::APP_UPDATE, Target::app(home, one)).await;
        assert_eq!(found, Some(ErrorKind::Forbidden));
    }
}

// keyMatch lets a star in the middle match anything after it, and an empty last segment.
#[tokio::test]
async fn patterns_match_whole_segments_only() {
    assert!(refused("p, role:r, mdm.*.create, allow"));
    assert!(refused("p, role:r, mdm.global*, allow"));
    const POLICY: &str = "p, role:r, mdm.global.asset.*, allow\np, role:s, mdmx.global.asset.get, allow\n                          p, role:s, mdm.global.assets.get, allow\np, role:s, mdm.global.asset, allow";
    for (permission, expected) in [
        ("mdm.global.asset.get", true),
        ("mdm.global.asset", false),
        ("mdm.global.asset.", false),
        ("mdm.global.assets.get", false),
        ("mdmx.global.asset.get", false),
        ("mdm.global.asset.*", false),
    ] {
        assert_eq!(holder(POLICY, "r", permission).await, expected, "{permission}");
    }
}

// keyMatch panics when a character of several bytes lies across the star's position.
#[tokio::test]
async fn characters_of_several_bytes_deny_without_panic() {
    for permission in ["é", "mdmé.global.asset.get", "mdm.glob\u{10348}l.asset.get", "mdm.é*", "日.本"] {
        assert!(
            !holder("p, role:r, mdm.*, allow\np, role:r, *, allow", "r", permission).await,
            "{permission}"
        );
    }
    assert!(refused("p, role:r, mdm.é.*, allow"));
}

// With no rows at all Casbin runs the matcher once on empty texts, and may allow.
#[tokio::test]
async fn nothing_at_all_is_not_allowed_to_anyone() {
    assert!(refused(""));
    assert!(!holder("p, role:s, mad.*, allow", "r", "").await);
    assert!(!holder("p, role:s, mad.*, allow", "r", permission::ASSET_GET).await);
    assert!(!holder("p, role:s, mad.*, allow", "s", permission::ASSET_GET).await);
    assert!(Subject::parse("").is_err());
    assert!(Role::parse("").is_err());
}

// regexMatch is unanchored, and panics on a bad expression.
#[tokio::test]
async fn no_pattern_is_an_expression() {
    for bad in ["mdm.(", "mdm|mad", "mdm.[a-z]", "^mdm", "mdm$", "mdm.+", "mdm\\.x", "{id}", ":id", "a/b"] {
        assert!(refused(&format!("p, role:r, {bad}, allow")), "{bad}");
    }
    // A dot is a dot, and a prefix is not a match.
    const POLICY: &str = "p, role:r, mdm.x, allow\np, role:s, mdmzx, allow\np, role:s, mdm.xy, allow";
    assert!(holder(POLICY, "r", "mdm.x").await);
    assert!(!holder(POLICY, "r", "mdmzx").await);
    assert!(!holder(POLICY, "r", "mdm.xy").await);
}

// Casbin's role manager silently stops at ten links.
#[tokio::test]
async fn deep_role_chains_hold_and_loops_are_refused() {
    let chain: String = (1..=200).map(|at| format!("g, role:r{}, role:r{at}\n", at - 1)).collect();
    let policy = format!("{chain}p, role:r200, mdm.*, allow\n");
    assert!(holder(&policy, "r0", permission::ASSET_GET).await);
    assert!(!holder(&policy, "r0", permission::APP_GET).await);
    assert!(refused(&format!("{policy}g, role:r200, role:r0")));
    let long: String = (1..=10_000).map(|at| format!("g, role:r{}, role:r{at}\n", at - 1)).collect();
    assert!(refused(&format!("{long}p, role:r10000, mdm.*, allow\n")));
}

// g and g2 share one role manager, so an edge of one kind satisfies the other.
#[tokio::test]
async fn there_is_one_kind_of_role_link() {
    assert!(!MODEL.contains("g2"));
    assert!(refused("p, role:r, mdm.*, allow\ng2, role:s, role:r"));
    // Scopes and roles are kept apart by name: neither takes the other's rights.
    assert!(refused("p, role:r, mdm.*, allow\ng, scope:s, role:r"));
    assert!(!holder("p, scope:r, mdm.*, allow", "r", permission::ASSET_GET).await);
    let records = Records::new();
    let authorizer = CasbinAuthorizer::new(records.clone())
        .with_policy("p, role:r, mdm.*, allow\np, scope:s, mad.*, allow")
        .unwrap();
    let home = Id::generate();
    records.grant(home, "user:ada", "r", None).await;
    let actor = narrowed("ada", &["r"]);
    let found = refusal(&authorizer, &actor, permission::ASSET_GET, Target::organization(home)).await;
    assert_eq!(found, Some(ErrorKind::Forbidden));
}

// Casbin takes an effect in the wrong case for none, so that a deny allows.
#[tokio::test]
async fn an_effect_that_is_neither_allow_nor_deny_is_refused() {
    for effect in ["Deny", "DENY", "Allow", "deny ;", "", "none", "d eny"] {
        assert!(refused(&format!("p, role:r, mdm.*, allow\np, role:r, mdm.x, {effect}")), "{effect}");
    }
    assert!(refused("p, role:r, mdm.*"));
    let policy = "p, role:r, mdm.*, allow\np, role:r, mdm.global.asset.get, deny";
    assert!(!holder(policy, "r", permission::ASSET_GET).await);
    assert!(holder(policy, "r", permission::ASSET_LIST).await);
}

// g(a, a) is true in Casbin: a subject with a role's name has the role.
#[tokio::test]
async fn a_subject_named_like_a_role_has_no_rights() {
    let records = Records::new();
    let authorizer = authorizer(&records);
    let home = Id::generate();
    records.grant(home, "user:ada", "org.owner", None).await;
    records.grant(home, "user:org.owner", "org.member", None).await;
    records.grant(home, "key:org.owner", "none", None).await;
    for subject in ["user:org.owner", "key:org.owner"] {
        let actor = Actor::new(Subject::parse(subject).unwrap());
        let found = refusal(&authorizer, &actor, permission::ASSET_GET, Target::organization(home)).await;
        assert_eq!(found, Some(ErrorKind::Forbidden), "{subject}");
    }
    for bad in ["role:org.owner", "scope:media.asset_manage", "org.owner"] {
        assert!(Subject::parse(bad).is_err());
        assert!(Subject::try_from(bad.to_owned()).is_err());
    }
    let found = refusal(&authorizer, &user("ada"), permission::ASSET_GET, Target::organization(home)).await;
    assert_eq!(found, None);
}

// Casbin panics on an effect expression it does not know.
#[tokio::test]
async fn the_model_cannot_be_changed_by_a_policy() {
    for line in
        ["[policy_effect]", "e = some(where (p.eft == maybe))", "m = true", "e, some(where (p.eft == allow))"]
    {
        assert!(refused(&format!("p, role:r, mdm.*, allow\n{line}")), "{line}");
    }
    assert!(MODEL.contains("e = some(where (p.eft == allow)) && !some(where (p.eft == deny))"));
}

// With Casbin's `incremental`, a role given in a wildcard domain survives its removal.
#[tokio::test]
async fn there_are_no_wildcard_domains() {
    // A domain is an organization's id or an app's within it: neither a grant nor a rule can spell another.
    assert!(Role::parse("org.owner, *").is_err());
    assert!(refused("p, role:r, *, mdm.*, allow"));
    assert!(refused("g, user:ada, role:r, *"));
    // The nearest thing, the root organization, is a domain like any other.
    let records = Records::new();
    let authorizer = authorizer(&records);
    let home = Id::generate();
    let grant = records.grant(Id::NIL, "user:ada", "org.owner", None).await;
    let found = refusal(&authorizer, &user("ada"), permission::APP_GET, Target::organization(home)).await;
    assert_eq!(found, Some(ErrorKind::NotFound));
    let root = Target::organization(Id::NIL);
    assert_eq!(refusal(&authorizer, &user("ada"), permission::APP_GET, root).await, None);
    records.revoke(&grant).await;
    authorizer.changed(Id::NIL).await;
    let found = refusal(&authorizer, &user("ada"), permission::APP_GET, root).await;
    assert_eq!(found, Some(ErrorKind::NotFound));
}

// A matcher without the domain lets an admin of one organization act in another.
#[tokio::test]
async fn a_role_of_one_domain_is_none_in_another() {
    assert!(MODEL.contains("r.dom == p.dom"));
    let records = Records::new();
    let authorizer = authorizer(&records);
    let (home, away, app) = (Id::generate(), Id::generate(), Id::generate());
    records.grant(home, "user:ada", "org.admin", None).await;
    records.grant(away, "user:ada", "org.member", None).await;
    records.grant(home, "user:eve", "org.admin", Some(app)).await;
    records.grant(away, "user:eve", "org.member", None).await;
    for name in ["ada", "eve"] {
        for target in [Target::organization(away), Target::app(away, app)] {
            let found = refusal(&authorizer, &user(name), permission::APP_UPDATE, target).await;
            assert_eq!(found, Some(ErrorKind::Forbidden), "{name}");
        }
    }
}

// Rows with separators or expressions in their fields must never be read as other rows.
#[tokio::test]
async fn names_with_commas_or_lines_are_refused() {
    for name in ["a, role:org.owner", "a\nrole:org.owner", "a\"b", "a*", "a::b", "a/b", "é", " a", "A"] {
        assert!(Role::parse(name).is_err(), "{name:?}");
    }
    for name in ["a, b", "a\nb", "a\"b", "*", "a:b", "a/b", "é", "a\u{0}"] {
        assert!(Subject::user(name).is_err(), "{name:?}");
    }
    for row in ["p, role:a\u{2028}b, mdm.x, allow", "p, role:a;b, mdm.x, allow", "p role:a mdm.x allow"] {
        assert!(refused(row), "{row:?}");
    }
}
