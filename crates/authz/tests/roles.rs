#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
//! The table of the default policy: every role and scope, every permission, written by hand.

mod common;

use std::collections::BTreeSet;

use appdepot_core::ErrorKind;
use appdepot_core::authorize::{Actor, Target, permission};
use appdepot_core::domain::Id;

use common::{Records, authorizer, narrowed, refusal, user};

const MEMBER: &[&str] = &["mad.store.management.get", "mad.store.publishedApplication.install"];
const SEE_APPS: &[&str] = &[
    "mdm.global.asset.get",
    "mdm.global.asset.list",
    "mad.application.management.get",
    "mad.application.management.list",
    "mad.application.build.get",
    "mad.application.build.list",
    "mad.store.publishedApplication.list",
];
const SEE_ORGANIZATION: &[&str] = &["base.organization.management.get"];
const EDIT_APPS: &[&str] = &[
    "mdm.global.asset.create",
    "mdm.global.asset.update",
    "mad.application.management.update",
    "mad.application.build.create",
    "mad.application.build.update",
    "mad.application.document.edit",
    "mad.application.lifecycle.submit",
    "mad.store.publishedApplication.create",
    "mad.store.publishedApplication.update",
];
const REVIEW: &[&str] = &["mad.application.lifecycle.approve", "mad.application.lifecycle.reject"];
const PUBLISH: &[&str] = &[
    "mad.application.lifecycle.revert",
    "mad.application.lifecycle.publish",
    "mad.application.lifecycle.unpublish",
    "mad.application.lifecycle.republish",
    "mad.application.lifecycle.deprecate",
    "mad.application.lifecycle.retire",
    "mad.application.lifecycle.recycle",
];
const REMOVE_PARTS: &[&str] =
    &["mdm.global.asset.remove", "mad.application.build.remove", "mad.store.publishedApplication.remove"];
const SUBSCRIBERS: &[&str] = &["mad.application.subscription.list"];
const OWN: &[&str] = &["mad.application.build.updateOwn", "mad.application.build.removeOwn"];
const PARTIES: &[&str] = &["mad.policy.management.list", "base.people.businessOwner.list"];
const POLICIES_AND_OWNERS: &[&str] = &[
    "mad.policy.management.create",
    "mad.policy.management.update",
    "mad.policy.management.remove",
    "base.people.businessOwner.create",
    "base.people.businessOwner.update",
    "base.people.businessOwner.remove",
];
const REMOVE_APP: &[&str] = &["mad.application.management.remove"];
const LISTINGS: &[&str] = &[
    "mad.store.publishedApplication.create",
    "mad.store.publishedApplication.update",
    "mad.store.publishedApplication.remove",
];
const GRANTS_AND_GROUPS: &[&str] = &[
    "base.people.organizationCollaborator.create",
    "base.people.organizationCollaborator.list",
    "base.people.organizationCollaborator.remove",
    "base.people.group.create",
    "base.people.group.list",
    "base.people.group.update",
    "base.people.group.remove",
];
const USERS_AND_KEYS: &[&str] = &[
    "base.people.user.create",
    "base.people.user.list",
    "base.people.user.update",
    "base.people.user.remove",
    "base.people.key.create",
    "base.people.key.list",
    "base.people.key.remove",
];
const EDITOR_MORE: &[&str] = &["mad.application.management.create", "base.people.group.list"];
const ADMIN_MORE: &[&str] = &[
    "mad.application.management.create",
    "mad.store.management.create",
    "mad.store.management.update",
    "mad.store.authPolicy.create",
    "mad.store.authPolicy.list",
    "mad.store.authPolicy.update",
    "mad.store.authPolicy.remove",
    "base.organization.management.update",
    "base.organization.event.list",
    "base.organization.storageProvider.create",
    "base.organization.storageProvider.update",
    "base.organization.storageProvider.remove",
    "base.policy.rule.list",
];
const OWNER_MORE: &[&str] =
    &["base.organization.management.create", "base.policy.rule.put", "base.policy.rule.remove"];

/// Role, and all it allows.
fn roles() -> Vec<(&'static str, Vec<&'static [&'static str]>)> {
    let admin = vec![
        MEMBER,
        SEE_APPS,
        SEE_ORGANIZATION,
        EDIT_APPS,
        REVIEW,
        PUBLISH,
        REMOVE_PARTS,
        REMOVE_APP,
        GRANTS_AND_GROUPS,
        USERS_AND_KEYS,
        ADMIN_MORE,
        SUBSCRIBERS,
        OWN,
        PARTIES,
        POLICIES_AND_OWNERS,
    ];
    let mut owner = admin.clone();
    owner.push(OWNER_MORE);
    let creator: &[&str] = &[
        "mdm.global.asset.create",
        "mdm.global.asset.update",
        "mad.application.management.create",
        "mad.application.management.update",
        "mad.application.build.create",
        "mad.application.document.edit",
        "mad.application.lifecycle.submit",
        "base.people.group.list",
    ];
    vec![
        ("org.member", vec![MEMBER]),
        ("org.viewer", vec![MEMBER, SEE_APPS, SEE_ORGANIZATION]),
        ("org.editor", vec![MEMBER, SEE_APPS, SEE_ORGANIZATION, EDIT_APPS, EDITOR_MORE, PARTIES]),
        ("org.admin", admin),
        ("org.owner", owner),
        ("app.viewer", vec![MEMBER, SEE_APPS]),
        ("app.editor", vec![MEMBER, SEE_APPS, EDIT_APPS]),
        ("app.admin", vec![MEMBER, SEE_APPS, EDIT_APPS, REVIEW, PUBLISH, REMOVE_PARTS, SUBSCRIBERS]),
        (
            "app.owner",
            vec![MEMBER, SEE_APPS, EDIT_APPS, REVIEW, PUBLISH, REMOVE_PARTS, REMOVE_APP, SUBSCRIBERS],
        ),
        ("wso2.creator", vec![MEMBER, SEE_APPS, creator, OWN, SUBSCRIBERS, PARTIES]),
        ("wso2.reviewer", vec![MEMBER, SEE_APPS, REVIEW]),
        ("wso2.publisher", vec![MEMBER, SEE_APPS, REVIEW, PUBLISH, LISTINGS, SUBSCRIBERS, PARTIES]),
    ]
}

/// Scope, and all an owner may do under it.
fn scopes() -> Vec<(&'static str, Vec<&'static str>)> {
    let all = |parts: &[&[&'static str]]| parts.concat();
    vec![
        (
            "media.asset_manage",
            vec![
                "mdm.global.asset.create",
                "mdm.global.asset.get",
                "mdm.global.asset.list",
                "mdm.global.asset.update",
                "mdm.global.asset.remove",
            ],
        ),
        ("media.asset_read", vec!["mdm.global.asset.get", "mdm.global.asset.list"]),
        (
            "media.asset_manage_by_vendor",
            vec![
                "mdm.global.asset.create",
                "mdm.global.asset.get",
                "mdm.global.asset.list",
                "mdm.global.asset.update",
                "mdm.global.asset.remove",
            ],
        ),
        ("media.asset_read_by_vendor", vec!["mdm.global.asset.get", "mdm.global.asset.list"]),
        (
            "sdk",
            vec![
                "mdm.global.asset.get",
                "mdm.global.asset.list",
                "mad.application.management.get",
                "mad.application.build.get",
                "mad.application.build.list",
                "mad.store.publishedApplication.list",
            ],
        ),
        (
            "appm:read",
            all(&[SEE_APPS, SEE_ORGANIZATION, SUBSCRIBERS, PARTIES, &["mad.store.management.get"]]),
        ),
        (
            "appm:create",
            vec![
                "mad.application.build.get",
                "mad.application.build.list",
                "mdm.global.asset.get",
                "mad.application.build.removeOwn",
                "mad.application.document.edit",
                "mad.policy.management.list",
                "base.people.group.list",
                "base.people.businessOwner.list",
                "mdm.global.asset.create",
                "mdm.global.asset.update",
                "mdm.global.asset.remove",
                "mad.application.management.create",
                "mad.application.management.remove",
                "mad.application.build.create",
                "mad.application.build.remove",
                "mad.application.lifecycle.submit",
            ],
        ),
        (
            "appm:update",
            vec![
                "mad.application.build.get",
                "mad.application.build.list",
                "mad.application.build.update",
                "mad.application.build.updateOwn",
                "mdm.global.asset.get",
                "mdm.global.asset.create",
                "mdm.global.asset.update",
                "mad.application.management.update",
                "mad.policy.management.list",
                "base.people.group.list",
                "base.people.businessOwner.list",
            ],
        ),
        (
            "appm:publish",
            all(&[
                &["mad.application.build.get", "mad.application.build.list"],
                &["mad.application.lifecycle.submit"],
                REVIEW,
                PUBLISH,
                LISTINGS,
            ]),
        ),
        (
            "appm:administration",
            vec![
                "base.organization.management.get",
                "base.organization.management.update",
                "base.organization.event.list",
                "base.policy.rule.list",
                "base.people.group.create",
                "base.people.group.list",
                "base.people.group.update",
                "base.people.group.remove",
                "base.people.organizationCollaborator.list",
                "mad.store.management.create",
                "mad.store.management.get",
                "mad.store.management.update",
                "mad.policy.management.list",
                "mad.policy.management.create",
                "mad.policy.management.update",
                "mad.policy.management.remove",
                "base.people.businessOwner.list",
                "base.people.businessOwner.create",
                "base.people.businessOwner.update",
                "base.people.businessOwner.remove",
            ],
        ),
        ("appm:subscribe", MEMBER.to_vec()),
    ]
}

#[tokio::test]
async fn each_role_allows_what_the_table_says() {
    let records = Records::new();
    let authorizer = authorizer(&records);
    let (home, app) = (Id::generate(), Id::generate());
    let mut checked = 0;
    for (at, (role, allowed)) in roles().into_iter().enumerate() {
        let allowed: BTreeSet<&str> = allowed.concat().into_iter().collect();
        assert!(allowed.iter().all(|known| permission::ALL.contains(known)), "{role}");
        let (wide, narrow) = (format!("wide{at}"), format!("narrow{at}"));
        records.grant(home, &format!("user:{wide}"), role, None).await;
        records.grant(home, &format!("user:{narrow}"), role, Some(app)).await;
        appdepot_core::authorize::Authorizer::changed(&authorizer, home).await;
        for permission in permission::ALL {
            let expected = (!allowed.contains(permission)).then_some(ErrorKind::Forbidden);
            for (name, target, expected) in [
                (&wide, Target::organization(home), expected),
                (&wide, Target::app(home, app), expected),
                (&narrow, Target::app(home, app), expected),
                (&narrow, Target::organization(home), Some(ErrorKind::Forbidden)),
                (&narrow, Target::app(home, Id::generate()), Some(ErrorKind::Forbidden)),
            ] {
                let found = refusal(&authorizer, &user(name), permission, target).await;
                assert_eq!(found, expected, "{role} {permission} {target:?}");
                checked += 1;
            }
        }
    }
    assert_eq!(checked, 12 * 5 * permission::ALL.len());
}

#[tokio::test]
async fn each_scope_allows_what_the_table_says() {
    let records = Records::new();
    let authorizer = authorizer(&records);
    let home = Id::generate();
    records.grant(home, "user:ada", "org.owner", None).await;
    let names: Vec<String> = scopes().iter().map(|(scope, _)| (*scope).to_owned()).collect();
    assert_eq!(authorizer.scopes(), names.into_iter().collect());
    for (scope, allowed) in scopes() {
        for permission in permission::ALL {
            let expected = (!allowed.contains(permission)).then_some(ErrorKind::Forbidden);
            let plain = narrowed("ada", &[scope]);
            let of_vendor = Actor { vendor: Some("v1".to_owned()), ..plain.clone() };
            let found = refusal(&authorizer, &of_vendor, permission, Target::organization(home)).await;
            assert_eq!(found, expected, "{scope} {permission}");
            let expected = if scope.ends_with("_by_vendor") { Some(ErrorKind::Forbidden) } else { expected };
            let found = refusal(&authorizer, &plain, permission, Target::organization(home)).await;
            assert_eq!(found, expected, "{scope} {permission} without a vendor");
        }
    }
}

#[tokio::test]
async fn no_role_but_the_organizations_own_and_no_scope_can_give_roles() {
    for (role, allowed) in roles() {
        let may = allowed.concat().contains(&permission::GRANT_CREATE);
        assert_eq!(may, matches!(role, "org.owner" | "org.admin"), "{role}");
    }
    for (scope, allowed) in scopes() {
        for giving in [permission::GRANT_CREATE, permission::GRANT_REMOVE, permission::ORGANIZATION_CREATE] {
            assert!(!allowed.contains(&giving), "{scope}");
        }
    }
}
