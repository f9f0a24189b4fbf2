//! The WSO2 dialect with the default policy: every state, every action, every role.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::collections::BTreeSet;
use std::sync::Arc;

use appdepot::authenticate::{AccessToken, Authenticator};
use appdepot::authorize::{Actor, Subject};
use appdepot::authz::{CasbinAuthorizer, Xacml};
use appdepot::depot::{NewApp, NewRelease};
use appdepot::domain::{Id, LifecycleName, Organization, Release, Role, Stored};
use appdepot::error::CredentialFault;
use appdepot::http::Service;
use appdepot::inspect::Platform;
use appdepot::lifecycle::{Lifecycle, State, Verb};
use appdepot::memory::MemoryRecords;
use appdepot::{Depot, Error, ErrorKind, Result};
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

const PUBLISHER: &str = "/api/appm/publisher/v1.1";

/// Who may send which actions, by hand.
const ROLES: [(&str, &str, &[Verb]); 5] = [
    ("mia", "org.member", &[]),
    ("cleo", "wso2.creator", &[Verb::Submit]),
    ("ravi", "wso2.reviewer", &[Verb::Approve, Verb::Reject]),
    (
        "pia",
        "wso2.publisher",
        &[
            Verb::Approve,
            Verb::Reject,
            Verb::Revert,
            Verb::Publish,
            Verb::Unpublish,
            Verb::Republish,
            Verb::Deprecate,
            Verb::Retire,
            Verb::Recycle,
        ],
    ),
    ("ada", "org.admin", &Verb::ALL),
];

#[tokio::test]
async fn every_action_is_taken_or_refused_as_table_and_roles_say() {
    let works = Works::new().await;
    let mut taken = 0;
    for (name, word, table) in [
        (LifecycleName::Web, "webapp", Lifecycle::web()),
        (LifecycleName::Mobile, "mobileapp", Lifecycle::mobile()),
    ] {
        for (who, role, may) in ROLES {
            for state in State::ALL {
                let mut release = works.release_in(name, state).await;
                for verb in Verb::ALL {
                    let (status, body) = works.act(who, word, &release, verb).await;
                    let what = format!("{word} {role} {} {}: {body}", state.as_str(), verb.as_str());
                    let to = table.step(state, verb);
                    let expected = match (may.contains(&verb), &to) {
                        (false, _) => 403,
                        (true, Err(_)) => 400,
                        (true, Ok(_)) => 202,
                    };
                    assert_eq!(status, expected, "{what}");
                    let after = works.depot.release(&works.system, works.acme, release.id).await.unwrap();
                    match to {
                        Ok(to) if status == 202 => {
                            assert_eq!(after.state, to, "{what}");
                            release = works.release_in(name, state).await;
                            taken += 1;
                        }
                        _ => assert_eq!(after, release, "{what}"),
                    }
                    if status == 400 {
                        let allowed: Vec<_> = table.allowed(state).into_iter().map(action).collect();
                        let listed = format!("[{}]", allowed.join(", "));
                        assert!(body["description"].as_str().unwrap().ends_with(&listed), "{what}");
                    }
                }
            }
        }
    }
    // Every edge, once per role that may take it: the admin all, the publisher all but submitting.
    let edges = Lifecycle::web().rules().len() + Lifecycle::mobile().rules().len();
    let submitting = 4;
    let reviewing = 4;
    assert_eq!(taken, edges + (edges - submitting) + submitting + reviewing);
}

/// What WSO2 calls roles are groups here.
const GROUP: &str = "http://wso2.org/claims/role";
const ROLE: &str = "urn:oasis:names:tc:xacml:2.0:subject:role";

/// The documented fragment, asking for a role of this name.
fn fragment(role: &str) -> String {
    format!(
        r#"<Condition><Apply FunctionId="urn:oasis:names:tc:xacml:1.0:function:any-of"><Function FunctionId="urn:oasis:names:tc:xacml:1.0:function:string-equal"/><AttributeValue DataType="http://www.w3.org/2001/XMLSchema#string">{role}</AttributeValue><AttributeDesignator Category="urn:oasis:names:tc:xacml:1.0:subject-category:access-subject" AttributeId="http://wso2.org/claims/role" DataType="http://www.w3.org/2001/XMLSchema#string" MustBePresent="true"/></Apply></Condition>"#
    )
}

#[tokio::test]
async fn whom_a_policy_does_not_permit_does_not_subscribe() {
    let deny = format!(r#"<Rule Effect="Deny" RuleId="r1">{}</Rule>"#, fragment("contractor"));
    // Who is in no group has no role either, which is undecided where there must be one.
    let except = fragment("contractor")
        .replace("MustBePresent=\"true\"", "MustBePresent=\"false\"")
        .replace("<Condition>", r#"<Rule Effect="Permit" RuleId="r1"><Condition><Apply FunctionId="urn:oasis:names:tc:xacml:1.0:function:not">"#)
        .replace("</Condition>", "</Apply></Condition></Rule>");
    // Mia is a contractor, Cleo is not.
    for (conditions, policy, mia, cleo) in [
        (Xacml::new(), fragment("contractor"), 200, 403),
        (Xacml::new(), except, 403, 200),
        (Xacml::new(), deny.clone(), 403, 403),
        (Xacml::new().only_deny_blocks(), deny, 403, 200),
        // Mia's role, which no group is, and her group, which is none of her roles.
        (Xacml::new(), fragment("org.member"), 403, 403),
        (Xacml::new(), fragment("org.member").replace(GROUP, ROLE), 200, 403),
        (Xacml::new(), fragment("contractor").replace(GROUP, ROLE), 403, 403),
    ] {
        let works = Works::with(conditions).await;
        let group = works.depot.create_group(&works.system, works.acme, "contractor", "").await.unwrap();
        let contractor = [Subject::user("mia").unwrap()];
        works.depot.change_members(&works.system, works.acme, group.id, &contractor, &[]).await.unwrap();
        let body = json!({"policyPartialName": "who", "policyPartial": policy});
        let administration = format!("{PUBLISHER}/administration/xacmlpolicies");
        let (status, made) = works.post("ada", &administration, &body).await;
        assert_eq!(status, 201, "{made}");
        let id = made["policyPartialId"].to_string();
        let app = json!({
            "name": "Portal", "version": "1.0", "displayName": "Portal", "context": "portal",
            "policyGroups": [{"policyGroupName": "Default", "throttlingTier": "Gold", "policyPartialMapping": [id]}],
        });
        let (status, app) = works.post("ada", &format!("{PUBLISHER}/apps/webapp"), &app).await;
        assert_eq!(status, 201, "{app}");
        let id = app["id"].as_str().unwrap();
        for verb in way_to(State::Published) {
            let action = action(*verb).replace(' ', "%20");
            let path = format!("{PUBLISHER}/apps/webapp/change-lifecycle?appId={id}&action={action}");
            assert_eq!(works.post("ada", &path, &json!({})).await.0, 202);
        }
        let path = format!("/api/appm/store/v1.1/apps/webapp/id/{id}/subscription");
        for (who, expected) in [("mia", mia), ("cleo", cleo)] {
            let (status, body) = works.post(who, &path, &json!({})).await;
            assert_eq!(status, expected, "{who} {policy}: {body}");
        }
    }
    let (status, body) = Works::new()
        .await
        .post(
            "ada",
            &format!("{PUBLISHER}/administration/xacmlpolicies/validate"),
            &json!({"policyPartial": "<Condition>\n<Apply FunctionId='x'/></Condition>"}),
        )
        .await;
    assert_eq!(status, 400);
    assert_eq!(body["description"], "not understood at character 13: the function x is not known");
}

/// As the wire has it, by hand.
fn action(verb: Verb) -> &'static str {
    match verb {
        Verb::Submit => "Submit for Review",
        Verb::Approve => "Approve",
        Verb::Reject => "Reject",
        Verb::Revert => "Revert",
        Verb::Publish => "Publish",
        Verb::Unpublish => "Unpublish",
        Verb::Republish => "Re-Publish",
        Verb::Deprecate => "Deprecate",
        Verb::Retire => "Retire",
        Verb::Recycle => "Recycle",
    }
}

/// The shortest way to a state, in both lifecycles.
fn way_to(state: State) -> &'static [Verb] {
    match state {
        State::Created => &[],
        State::InReview => &[Verb::Submit],
        State::Approved => &[Verb::Submit, Verb::Approve],
        State::Rejected => &[Verb::Submit, Verb::Reject],
        State::Published => &[Verb::Submit, Verb::Approve, Verb::Publish],
        State::Unpublished => &[Verb::Submit, Verb::Approve, Verb::Publish, Verb::Unpublish],
        State::Deprecated => &[Verb::Submit, Verb::Approve, Verb::Publish, Verb::Deprecate],
        State::Retired => &[Verb::Submit, Verb::Approve, Verb::Publish, Verb::Deprecate, Verb::Retire],
    }
}

/// An organization with somebody in each role.
struct Works {
    depot: Depot,
    service: Service,
    system: Actor,
    acme: Id<Organization>,
}

impl Works {
    async fn new() -> Self {
        Self::with(Xacml::new()).await
    }

    async fn with(conditions: Xacml) -> Self {
        let records = Arc::new(MemoryRecords::new());
        let system = Actor::system("test");
        let authorizer = CasbinAuthorizer::new(records.clone());
        let depot = Depot::builder()
            .records(records)
            .authorizer(Arc::new(authorizer))
            .conditions(Arc::new(conditions))
            .build();
        let acme = depot.create_organization(&system, "acme", "Acme Corp.").await.unwrap().id;
        for (who, role, _) in ROLES {
            let role = Role::parse(role).unwrap();
            depot.grant(&system, acme, Subject::user(who).unwrap(), role, None).await.unwrap();
        }
        let service = Service::builder(depot.clone(), Arc::new(Names(acme))).build();
        Self { depot, service, system, acme }
    }

    async fn release_in(&self, lifecycle: LifecycleName, state: State) -> Stored<Release> {
        let name = Id::<()>::generate().to_string();
        let app = NewApp { name, lifecycle, ..NewApp::default() };
        let new = NewRelease {
            platform: Some(Platform::Web),
            version: Some("1.0".to_owned()),
            ..NewRelease::default()
        };
        let mut release = self.depot.introduce(&self.system, self.acme, app, new).await.unwrap();
        for verb in way_to(state) {
            release = self.depot.step(&self.system, self.acme, release.id, *verb, "").await.unwrap();
        }
        release
    }

    async fn post(&self, who: &str, path: &str, body: &Value) -> (u16, Value) {
        let request = Request::post(path)
            .header("authorization", format!("Bearer {who}"))
            .header("content-type", "application/json");
        let response =
            self.service.clone().oneshot(request.body(Body::from(body.to_string())).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    async fn act(&self, who: &str, word: &str, release: &Stored<Release>, verb: Verb) -> (u16, Value) {
        let (id, action) = (release.id.to_uuid(), action(verb).replace(' ', "%20"));
        let path =
            format!("/api/appm/publisher/v1.1/apps/{word}/change-lifecycle?appId={id}&action={action}");
        let request = Request::post(path).header("authorization", format!("Bearer {who}"));
        let response = self.service.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }
}

/// Whoever says a name is that person.
#[derive(Debug)]
struct Names(Id<Organization>);

#[async_trait::async_trait]
impl Authenticator for Names {
    async fn authenticate(&self, token: &str) -> Result<Actor> {
        let subject = Subject::user(token).map_err(|_| Error::unauthenticated(CredentialFault::Bad))?;
        Ok(Actor { home: Some(self.0), ..Actor::new(subject) })
    }

    async fn grant(&self, _: &str, _: &str, _: Option<BTreeSet<String>>) -> Result<AccessToken> {
        Err(Error::new(ErrorKind::Unsupported, "no tokens here"))
    }
}
