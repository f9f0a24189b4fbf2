//! Abuse of tenants and rights: 26 cases, and where each is tested. Those that no other test shows are here.

use std::path::Path;

use appdepot::authorize::{Actor, Subject};
use appdepot::blobs::ByteRange;
use appdepot::depot::{NewAsset, NewFile};
use appdepot::domain::{Asset, Role};
use appdepot::error::ErrorKind;
use appdepot::query::Query;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::table::rows;
use super::world::{Place, World};

/// Functions by file.
type Tests = &'static [(&'static str, &'static [&'static str])];

/// The number of a case, what is tried, and the tests that show what comes of it, by file.
const CASES: [(&str, &str, Tests); 26] = [
    (
        "C1",
        "an id of another organization, on every route",
        &[(MATRIX, &[FOREIGN, "who_may_not_is_given_nothing"])],
    ),
    ("C2", "one's own organization in the path, another's things in the body", &[(MATRIX, &[FOREIGN])]),
    (
        "C3",
        "registering an object that lies with another organization, or is another one",
        &[
            (
                "tests/scenarios/storage_providers.rs",
                &[
                    "an_object_in_a_provider_is_verified",
                    "a_storage_provider_is_in_its_own_organization_only",
                ],
            ),
            ("tests/server/refusals.rs", &["what_is_refused_leaves_nothing_behind"]),
        ],
    ),
    (
        "C4",
        "members that only the depot sets",
        &[(HERE, &["what_only_the_depot_sets_is_not_taken_from_clients"])],
    ),
    (
        "C5",
        "a slug that reads like something else",
        &[(HERE, &["no_organization_is_called_like_something_else"])],
    ),
    (
        "C6",
        "an id of three parts that reads in two ways",
        &[("crates/http-adapter/tests/wso2.rs", &["ids_of_three_parts_may_have_hyphens_and_must_be_clear"])],
    ),
    (
        "C7",
        "names that are those of a role or a kind of subject",
        &[
            (
                TRAPS,
                &["a_subject_named_like_a_role_has_no_rights", "a_role_of_one_domain_is_none_in_another"],
            ),
            ("crates/core/src/authorize.rs", &["a_subject_cannot_pose_as_another_kind"]),
        ],
    ),
    (
        "C8",
        "a grant that was removed",
        &[
            (TRAPS, &["a_role_revoked_is_denied_next_time", "there_are_no_wildcard_domains"]),
            (
                "tests/policy.rs",
                &[
                    "a_change_is_seen_here_at_once_and_elsewhere_within_the_lease",
                    "no_decision_is_stale_in_a_short_race",
                    "a_group_gives_its_members_its_roles",
                ],
            ),
        ],
    ),
    (
        "C9",
        "roles in a loop, or very deep",
        &[
            (TRAPS, &["deep_role_chains_hold_and_loops_are_refused"]),
            ("tests/policy.rs", &["bad_rules_are_refused"]),
        ],
    ),
    (
        "C10",
        "rules with commas, lines or expressions",
        &[(
            TRAPS,
            &[
                "names_with_commas_or_lines_are_refused",
                "no_pattern_is_an_expression",
                "the_model_cannot_be_changed_by_a_policy",
            ],
        )],
    ),
    (
        "C11",
        "a failure while deciding, an empty policy, an unknown permission",
        &[
            (TRAPS, &["nothing_at_all_is_not_allowed_to_anyone"]),
            ("crates/authz/tests/decisions.rs", &["a_store_that_fails_denies_and_recovers"]),
            (
                "crates/authz/tests/decisions.rs",
                &["another_process_is_believed_within_the_lease_and_not_longer"],
            ),
        ],
    ),
    (
        "C12",
        "tokens: of another tenant, too narrow, over, forged, enormous",
        &[
            (HERE, &["a_token_for_another_tenant_is_good_at_home_only"]),
            (
                "crates/authz/tests/keys/tokens.rs",
                &["a_token_is_narrowed_to_what_was_asked_for", "tokens_and_keys_expire"],
            ),
            (
                "crates/authz/tests/jwt/main.rs",
                &["forged_tokens_are_refused", "claims_are_checked_with_a_leeway"],
            ),
            ("tests/identity/keys.rs", &["what_is_no_credential_is_refused"]),
        ],
    ),
    (
        "C13",
        "a credential that ends, also while bytes come in",
        &[
            (HERE, &["who_loses_the_right_during_an_upload_leaves_nothing"]),
            ("tests/identity/sessions.rs", &["shutting_a_user_out_ends_everything_at_once"]),
            ("crates/authz/tests/keys/tokens.rs", &["a_revoked_key_takes_its_tokens_along_at_once"]),
        ],
    ),
    (
        "C14",
        "a session made up, kept, or used after its end",
        &[(
            "tests/identity/sessions.rs",
            &["signing_in_makes_a_new_session_each_time", "sessions_end_in_time_and_on_demand"],
        )],
    ),
    (
        "C15",
        "a session of one store in another",
        &[
            (MATRIX, &[FOREIGN]),
            ("tests/scenarios/publications.rs", &["a_store_lets_in_whom_one_of_its_policies_admits"]),
        ],
    ),
    (
        "C16",
        "what everyone sees of a store",
        &[(HERE, &["strangers_see_what_a_store_is_called_and_how_to_sign_in"])],
    ),
    (
        "C17",
        "secrets in answers",
        &[
            ("tests/server/secrets.rs", &["secrets_are_seen_only_where_they_are_issued"]),
            ("tests/scenarios/storage_providers.rs", &["what_opens_a_storage_provider_is_never_seen"]),
        ],
    ),
    (
        "C18",
        "an item that is for a group",
        &[
            (HERE, &["an_item_for_a_group_is_not_there_for_others"]),
            ("tests/scenarios/store.rs", &["a_store_page_is_cut_after_the_audience"]),
        ],
    ),
    (
        "C19",
        "a part of an organization, and what those above expose",
        &[(
            "tests/scenarios/organizations.rs",
            &["what_is_exposed_is_seen_below_and_changed_by_nobody_there"],
        )],
    ),
    (
        "C20",
        "lists, counts and pages",
        &[
            ("tests/scenarios/store.rs", &["a_store_page_is_cut_after_the_audience"]),
            ("tests/scenarios/organizations.rs", &["another_organization_does_not_exist"]),
            ("crates/authz/tests/decisions.rs", &["a_deny_on_one_app_takes_it_out_of_the_listing_scope"]),
        ],
    ),
    (
        "C21",
        "a name that another organization uses",
        &[
            (HERE, &["the_names_of_others_are_free"]),
            ("tests/identity/users.rs", &["names_to_sign_in_with_are_unique_whatever_their_case"]),
        ],
    ),
    ("C22", "bytes that another organization has", &[(HERE, &["the_same_bytes_are_kept_for_each"])]),
    ("C23", "what a cache kept", &[(HERE, &["what_was_kept_is_asked_for_again"])]),
    (
        "C24",
        "a step of the lifecycle without its right",
        &[("tests/wso2.rs", &["every_action_is_taken_or_refused_as_table_and_roles_say"])],
    ),
    (
        "C25",
        "a policy that apps name, or that is none",
        &[
            ("tests/wso2.rs", &["whom_a_policy_does_not_permit_does_not_subscribe"]),
            ("tests/scenarios/policies.rs", &["a_policy_decides_as_things_are_now"]),
            ("crates/authz/src/xacml/tests.rs", &["what_is_not_understood_is_refused_where_it_stands"]),
        ],
    ),
    ("C26", "the audit log of another organization", &[(MATRIX, &[FOREIGN])]),
];

/// What is put in wrongly, and the tests that show it is denied or refused, by file.
const BAD_INPUT: [(&str, Tests); 6] = [
    (
        "an unknown permission",
        &[
            ("crates/core/src/conformance/authorize.rs", &["an_unknown_permission_is_denied"]),
            ("crates/authz/tests/decisions.rs", &["refusals_name_the_permission_and_nothing_large"]),
            ("tests/policy.rs", &["bad_rules_are_refused"]),
        ],
    ),
    (
        "an empty policy",
        &[
            (TRAPS, &["nothing_at_all_is_not_allowed_to_anyone"]),
            ("crates/authz/src/policy.rs", &["a_policy_without_rows_is_refused"]),
        ],
    ),
    (
        "a loop of roles",
        &[
            (TRAPS, &["deep_role_chains_hold_and_loops_are_refused"]),
            ("tests/policy.rs", &["bad_rules_are_refused"]),
            ("crates/authz/tests/decisions.rs", &["a_loop_that_was_written_past_the_depot_gives_nothing"]),
        ],
    ),
    (
        "a rule with commas, or the characters of an expression",
        &[
            (TRAPS, &["names_with_commas_or_lines_are_refused", "no_pattern_is_an_expression"]),
            ("crates/authz/src/policy.rs", &["rows_with_other_characters_are_refused"]),
            ("crates/authz/tests/decisions.rs", &["a_record_that_cannot_be_read_denies_everyone"]),
        ],
    ),
    (
        "a token of a megabyte",
        &[
            (HERE, &["a_token_for_another_tenant_is_good_at_home_only"]),
            ("crates/authz/tests/keys/main.rs", &["nothing_but_the_exact_text_is_good"]),
            ("crates/authz/tests/jwt/main.rs", &["forged_tokens_are_refused"]),
            ("tests/identity/keys.rs", &["what_is_no_credential_is_refused"]),
        ],
    ),
    ("a scope of another tenant", &[(HERE, &["a_token_for_another_tenant_is_good_at_home_only"])]),
];

const HERE: &str = "tests/matrix/cases.rs";
const MATRIX: &str = "tests/matrix/main.rs";
const TRAPS: &str = "crates/authz/tests/traps.rs";
const FOREIGN: &str = "what_is_anothers_is_as_if_it_were_not_there";

#[test]
fn every_case_has_a_test() {
    for (number, (name, what, tests)) in CASES.iter().enumerate() {
        assert_eq!(*name, format!("C{}", number + 1), "{what}");
        are_there(name, tests);
    }
    for (what, tests) in BAD_INPUT {
        are_there(what, tests);
    }
}

fn are_there(case: &str, tests: Tests) {
    assert!(!tests.is_empty(), "{case}");
    for (file, functions) in tests {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        for function in *functions {
            assert!(text.contains(&format!("fn {function}(")), "{case}: {file} has no {function}");
        }
    }
}

impl World {
    async fn request(&self, token: &str, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json");
        let request = request.body(Body::from(body.to_string())).unwrap();
        let response = self.service.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    /// An operation of the Red Hat dialect.
    async fn told(&self, token: &str, operation: &str, body: Value) -> Value {
        self.request(token, "POST", &format!("/box/srv/1.1/{operation}"), body).await.1
    }
}

fn upload(place: &Place) -> (NewAsset, NewFile) {
    let file_name = format!("{}.txt", place.values["organization"]);
    (NewAsset::default(), NewFile { file_name, ..NewFile::default() })
}

#[tokio::test]
async fn what_only_the_depot_sets_is_not_taken_from_clients() {
    let world = World::new().await;
    let (acme, rival) = (&world.acme, &world.rival);
    let at = "/v1/organizations/acmeco/apps";
    let claimed = json!({
        "name": "Mine", "id": rival.values["app"], "organization": rival.values["organization"],
        "createdBy": rival.values["person"], "security": { "role": "app.owner" }, "createdAt": "2001-01-01T00:00:00Z",
    });
    let (status, made) = world.request(&acme.owner, "POST", at, claimed.clone()).await;
    let made = made["data"].clone();
    assert_eq!(status, StatusCode::OK, "{made}");
    assert_ne!(made["id"], claimed["id"]);
    assert_eq!(made["organization"], acme.id.unwrap().to_string());
    assert_eq!(made["security"]["role"], "org.owner");
    assert_ne!(made["createdBy"], claimed["createdBy"]);
    let (status, changed) =
        world.request(&acme.owner, "PUT", &format!("{at}/{}", made["id"].as_str().unwrap()), claimed).await;
    assert_eq!(status, StatusCode::OK, "{changed}");
    for kept in ["id", "organization", "createdBy", "createdAt", "security"] {
        assert_eq!(changed["data"][kept], made[kept], "{kept}");
    }
    let link = format!("/media/acmeco/assets/{}", acme.values["link"]);
    for (member, value) in [("type", "BLOB"), ("access", "PRIVATE")] {
        let mut body = json!({
            "type": "LINK", "access": "PUBLIC", "url": "https://example.com/", "metadata": { "version": 1 },
        });
        body[member] = value.into();
        assert_eq!(
            world.request(&acme.owner, "PUT", &link, body).await.0,
            StatusCode::BAD_REQUEST,
            "{member}"
        );
    }
}

#[tokio::test]
async fn no_organization_is_called_like_something_else() {
    let world = World::new().await;
    let system = Actor::system("test");
    let id = world.rival.id.unwrap();
    for slug in [
        &id.to_string(),
        &id.to_uuid(),
        "admin",
        "DEFAULT",
        "default",
        "*",
        "..",
        "-",
        "a:b",
        "acme\\co",
        "Acmeco",
        "ACMECO",
        "acme/co",
        "acme co",
        "acmé",
        "",
    ] {
        let refused = world.depot.create_organization(&system, slug, "Another").await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid, "{slug:?}");
    }
    // Nor as what the service serves, a part of another organization neither.
    let owner = Actor::new(Subject::user("olga").unwrap());
    let (acme, role) = (world.acme.id.unwrap(), Role::parse(Role::OWNER).unwrap());
    world.depot.grant(&system, acme, owner.subject.clone(), role, None).await.unwrap();
    let routes = rows();
    let served = routes.iter().filter_map(|row| row.template.split('/').nth(1));
    for slug in served.chain(["health", "metrics", "admin"]).filter(|first| !first.is_empty()) {
        for refused in [
            world.depot.create_organization(&system, slug, "Another").await,
            world.depot.create_child_organization(&owner, acme, slug, "Another").await,
        ] {
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid, "{slug:?}");
        }
    }
    world.depot.create_child_organization(&owner, acme, "admins", "Admins").await.unwrap();
    let taken = world.depot.create_organization(&system, "acmeco", "Another").await.unwrap_err();
    assert!(taken.is_taken("slug"));
}

#[tokio::test]
async fn a_token_for_another_tenant_is_good_at_home_only() {
    let world = World::new().await;
    let values = &world.acme.values;
    let grant = async |scope: &str| {
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&scope={scope}",
            values["client"], values["secret"]
        );
        let request =
            Request::post("/oauth/token").header("content-type", "application/x-www-form-urlencoded");
        let response = world.service.clone().oneshot(request.body(Body::from(form)).unwrap()).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice::<Value>(&body).unwrap()
    };
    let token = grant("tenant%3Drivals+media.asset_read").await;
    let token = token["access_token"].as_str().unwrap();
    let statuses = async |method: &str, token: &str| {
        let body = json!({ "type": "LINK", "access": "PUBLIC", "url": "https://example.com/" });
        let mut found = Vec::new();
        for tenant in ["acmeco", "rivals", "nobody"] {
            found.push(
                world
                    .request(token, method, &format!("/media/{tenant}/assets"), body.clone())
                    .await
                    .0
                    .as_u16(),
            );
        }
        found
    };
    assert_eq!(statuses("GET", token).await, [200, 404, 404]);
    assert_eq!(statuses("POST", token).await, [403, 404, 404], "it is for reading");
    assert_eq!(grant("no.such_scope").await["error"], "invalid_scope");
    let enormous = "x".repeat(1_000_000);
    assert_eq!(statuses("GET", &enormous).await, [401, 401, 401]);
}

#[tokio::test]
async fn who_loses_the_right_during_an_upload_leaves_nothing() {
    let world = World::new().await;
    let (system, acme) = (Actor::system("test"), world.acme.id.unwrap());
    let editor = Subject::user("ed").unwrap();
    let role = Role::parse("org.editor").unwrap();
    world.depot.grant(&system, acme, editor.clone(), role.clone(), None).await.unwrap();
    let count = async || {
        let all = Query::of::<Asset>(acme).counted();
        world.depot.assets(&system, all).await.unwrap().total
    };
    let before = count().await;
    let (depot, subject) = (world.depot.clone(), editor.clone());
    let body = stream::once(async { Ok(Bytes::from("the first bytes")) }).chain(stream::once(async move {
        depot.revoke(&Actor::system("test"), acme, subject, role, None).await.unwrap();
        Ok(Bytes::from("and the last"))
    }));
    let (new, file) = upload(&world.acme);
    let refused = world.depot.upload(&Actor::new(editor), acme, new, file, body.boxed()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotFound, "no role is left: {refused}");
    assert_eq!(count().await, before);
    assert_eq!(world.depot.check(world.blobs.keys()).await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn strangers_see_what_a_store_is_called_and_how_to_sign_in() {
    let world = World::new().await;
    let shown = world.told("", "mas/appstore/read", json!({})).await;
    let members = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(members(&shown), ["authpolicies", "description", "guid", "icon", "name", "status"]);
    assert_eq!(members(&shown["authpolicies"][0]), ["name", "type"]);
}

#[tokio::test]
async fn an_item_for_a_group_is_not_there_for_others() {
    let world = World::new().await;
    let acme = &world.acme;
    let mia = {
        let (id, password) = (acme.id.unwrap(), "correct horse battery");
        let origin = appdepot::authorize::Origin::default();
        world.depot.sign_in(id, "mia@acmeco.example", password, origin, None).await.unwrap().token
    };
    let (item, group) = (&acme.values["item"], &acme.values["group"]);
    let all = async || {
        let install = json!({ "guid": item, "type": "android" });
        let listed = world.told(&mia, "mas/appstore/getstoreitems", json!({})).await;
        let older = json!({ "guid": acme.values["version"] });
        // Bytes are no JSON, refusals are.
        [
            listed["list"].as_array().unwrap().iter().any(|one| one["guid"] == item.as_str()),
            world.told(&mia, "mas/storeitem/install", install).await == Value::Null,
            world.told(&mia, "mas/storeitem/downloadvers", older).await == Value::Null,
        ]
    };
    assert_eq!(all().await, [true; 3]);
    let restricted = json!({ "guid": item, "restrictToGroups": true, "groups": [group] });
    assert_eq!(world.told(&acme.owner, "admin/storeitem/update", restricted).await["status"], "ok");
    assert_eq!(all().await, [false; 3]);
    let refused = world.told(&mia, "mas/storeitem/install", json!({ "guid": item, "type": "android" })).await;
    assert_eq!(refused["message"], "invalid_guid");
    let joined = json!({ "guid": group, "users": ["mia@acmeco.example"] });
    assert_eq!(world.told(&acme.owner, "admin/storeitemgroup/addusers", joined).await["status"], "ok");
    assert_eq!(all().await, [true; 3]);
}

#[tokio::test]
async fn the_names_of_others_are_free() {
    let world = World::new().await;
    let made = async |place: &Place, name: &str| {
        let path = format!("/v1/organizations/{}/apps", place.values["organization"]);
        world.request(&place.owner, "POST", &path, json!({ "name": name, "slug": name })).await
    };
    assert_eq!(made(&world.acme, "same").await.0, StatusCode::OK);
    let (status, other) = made(&world.rival, "same").await;
    assert_eq!((status, &other["data"]["slug"]), (StatusCode::OK, &json!("same")), "{other}");
    assert_eq!(made(&world.rival, "same").await.0, StatusCode::CONFLICT);
}

#[tokio::test]
async fn the_same_bytes_are_kept_for_each() {
    let world = World::new().await;
    let system = Actor::system("test");
    let blobs = world.blobs.keys().len();
    let mut made = Vec::new();
    for place in [&world.acme, &world.rival] {
        let body = stream::iter([Ok(Bytes::from("the same"))]).boxed();
        let (new, file) = upload(place);
        made.push(world.depot.upload(&system, place.id.unwrap(), new, file, body).await.unwrap());
    }
    assert_eq!(world.blobs.keys().len(), blobs + 2);
    world.depot.remove_asset(&system, world.acme.id.unwrap(), made[0].id).await.unwrap();
    let (rival, id) = (world.rival.id.unwrap(), made[1].id);
    assert!(world.depot.open_asset(&system, rival, id, ByteRange::FULL).await.is_ok());
}

#[tokio::test]
async fn what_was_kept_is_asked_for_again() {
    let world = World::new().await;
    let acme = &world.acme;
    let path = format!("/media/acmeco/assets/{}/download", acme.values["asset"]);
    let fetch = async |tag: &str| {
        let request = Request::get(&path)
            .header(header::AUTHORIZATION, format!("Bearer {}", acme.viewer))
            .header(header::IF_NONE_MATCH, tag);
        world.service.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    };
    let first = fetch("\"none\"").await;
    assert_eq!(first.status(), StatusCode::OK);
    assert_eq!(first.headers()[header::CACHE_CONTROL], "private, no-store");
    let tag = first.headers()[header::ETAG].to_str().unwrap().to_owned();
    assert_eq!(fetch(&tag).await.status(), StatusCode::NOT_MODIFIED);
    let viewer = world.actor(&acme.viewer).await.subject;
    let (system, role) = (Actor::system("test"), Role::parse("org.viewer").unwrap());
    world.depot.revoke(&system, acme.id.unwrap(), viewer, role, None).await.unwrap();
    assert_eq!(fetch(&tag).await.status(), StatusCode::NOT_FOUND);
}
