//! The WSO2 dialect over a depot in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[path = "wso2/documented.rs"]
mod documented;
mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use appdepot_core::authenticate::{AccessToken, Authenticator};
use appdepot_core::authorize::{Actor, Authorizer, Scope, Subject, Target};
use appdepot_core::conditions::{Conditions, Facts};
use appdepot_core::domain::{Id, Organization};
use appdepot_core::inspect::{Format, Hint, Inspection, Inspector, Package, Platform, Problem, Source};
use appdepot_core::{Depot, Error, ErrorKind, Result};
use appdepot_http::{Service, wso2};
use axum::body::Body;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// Every golden file of this dialect.
const CASES: &[&str] = &[
    "administration",
    "apps",
    "apps_refused",
    "binaries",
    "business_owners",
    "conditions",
    "conditions_of_parts",
    "documents",
    "failures",
    "forbidden",
    "invalid",
    "lifecycle",
    "policies",
    "store",
    "store_documents",
    "store_links",
    "store_refused",
    "store_subscriptions",
    "unconditional",
    "unknown",
    "versions",
    "web_apps",
];

const PUBLISHER: &str = "/api/appm/publisher/v1.1";

#[tokio::test]
async fn golden() {
    support::golden::run_folder("wso2", CASES, async |case| {
        let mut switches = wso2::Switches::default();
        switches.require_conditions = case == "unconditional";
        Plant::new().await.service_with(switches)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_clients_who_change_what_they_read_one_succeeds() {
    let plant = Plant::new().await;
    let app = plant.web_app("Notes", "1.0").await;
    let path = format!("{PUBLISHER}/apps/webapp/id/{app}");
    let read = send(&plant.service(), "ada", "GET", &path, &[], None).await;
    let tag = read.headers["etag"].to_str().unwrap().to_owned();
    let writers = (0..16).map(|n| {
        let (service, path, tag) = (plant.service(), path.clone(), tag.clone());
        tokio::spawn(async move {
            let body = json!({"name": "Notes", "version": "1.0", "displayName": format!("Notes {n}")});
            send(&service, "ada", "PUT", &path, &[("if-match", &tag)], Some(&body)).await.status
        })
    });
    let statuses = futures::future::join_all(writers).await;
    let statuses: Vec<StatusCode> = statuses.into_iter().map(|status| status.unwrap()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == StatusCode::OK).count(), 1, "{statuses:?}");
    let failed = statuses.iter().filter(|status| **status == StatusCode::PRECONDITION_FAILED).count();
    assert_eq!(failed, 15, "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_clients_who_send_one_action_one_succeeds() {
    let plant = Plant::new().await;
    let app = plant.web_app("Notes", "1.0").await;
    for action in ["Submit%20for%20Review", "Approve", "Publish", "Unpublish", "Recycle"] {
        let clients = (0..16).map(|_| {
            let service = plant.service();
            let path = format!("{PUBLISHER}/apps/webapp/change-lifecycle?appId={app}&action={action}");
            tokio::spawn(async move { send(&service, "ada", "POST", &path, &[], None).await.status })
        });
        let statuses = futures::future::join_all(clients).await;
        let accepted = statuses.iter().filter(|status| *status.as_ref().unwrap() == StatusCode::ACCEPTED);
        assert_eq!(accepted.count(), 1, "{action}: {statuses:?}");
        let refused = statuses.iter().filter(|status| *status.as_ref().unwrap() == StatusCode::BAD_REQUEST);
        assert_eq!(refused.count(), 15, "{action}: {statuses:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_policies_that_are_made_at_once_have_sixteen_numbers() {
    let plant = Plant::new().await;
    let makers = (0..16).map(|n| {
        let service = plant.service();
        let body = json!({"policyPartialName": format!("p{n}"), "policyPartial": "<Condition/>"});
        let path = format!("{PUBLISHER}/administration/xacmlpolicies");
        tokio::spawn(async move { send(&service, "ada", "POST", &path, &[], Some(&body)).await })
    });
    let made = futures::future::join_all(makers).await.into_iter().map(|made| made.unwrap());
    let mut numbers: Vec<u64> =
        made.map(|made| made.json()["policyPartialId"].as_u64().expect("made")).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=16).collect::<Vec<_>>());
}

#[tokio::test]
async fn ids_of_three_parts_may_have_hyphens_and_must_be_clear() {
    let plant = Plant::new().await;
    let service = plant.service();
    let plain = plant.web_app("field-notes", "1.0-beta").await;
    let by_name = format!("{PUBLISHER}/apps/webapp/id/ada@example.com-field-notes-1.0-beta");
    assert_eq!(send(&service, "ada", "GET", &by_name, &[], None).await.json()["id"], plain.as_str());
    plant.web_app("field-notes-1.0", "beta").await;
    let ambiguous = send(&service, "ada", "GET", &by_name, &[], None).await;
    assert_eq!(ambiguous.status, StatusCode::BAD_REQUEST, "{ambiguous:?}");
    let none = send(&service, "ada", "GET", &format!("{by_name}-2"), &[], None).await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
    let other = format!("{PUBLISHER}/apps/mobileapp/id/{plain}");
    assert_eq!(send(&service, "ada", "GET", &other, &[], None).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn pages_follow_each_other() {
    let plant = Plant::new().await;
    for n in 0..7 {
        plant.web_app(&format!("App {n}"), "1").await;
    }
    let mut path = "/apps/webapp?limit=3".to_owned();
    let mut names = Vec::new();
    while !path.is_empty() {
        let page =
            send(&plant.service(), "ada", "GET", &format!("{PUBLISHER}{path}"), &[], None).await.json();
        let apps = page["appList"].as_array().unwrap();
        assert_eq!(page["count"], apps.len());
        names.extend(apps.iter().map(|app| app["name"].as_str().unwrap().to_owned()));
        path = page["next"].as_str().unwrap().to_owned();
    }
    assert_eq!(names, (0..7).rev().map(|n| format!("App {n}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn another_tenants_app_is_as_unknown_as_any() {
    let plant = Plant::new().await;
    let app = plant.web_app("Notes", "1.0").await;
    let unknown = Id::<()>::generate().to_uuid();
    for (method, rest) in
        [("GET", ""), ("DELETE", ""), ("GET", "/lifecycle"), ("GET", "/docs"), ("GET", "/tags")]
    {
        let ask = async |id: &str| {
            let path = format!("{PUBLISHER}/apps/webapp/id/{id}{rest}");
            let answer = send(&plant.service(), "rita", method, &path, &[], None).await;
            (answer.status, String::from_utf8(answer.body).unwrap().replace(id, "ID"))
        };
        let theirs = ask(&app).await;
        assert_eq!(theirs.0, StatusCode::NOT_FOUND, "{method} {rest}");
        assert_eq!(theirs, ask(&unknown).await, "{method} {rest}");
    }
}

#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

async fn send(
    service: &Service,
    token: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> Answer {
    let mut request =
        Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = match body {
        Some(body) => {
            request = request.header("content-type", "application/json");
            Body::from(body.to_string())
        }
        None => Body::empty(),
    };
    let response = service.clone().oneshot(request.body(body).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    Answer { status: parts.status, headers: parts.headers, body }
}

/// A depot with the organizations `acme` and `rival`, and an inspector that reads `toy apk …` and `toy ipa …`.
///
/// Bearer tokens: `ada` may everything in `acme`, `rita` everything in `rival`; `sam` may use the store of `acme`,
/// `vera` may look there, `nina` may nothing; `stan` has no standing in `acme`, and `nobody` has no organization; `expired`, `unavailable` and `broken` fail in the way they
/// say.
struct Plant {
    depot: Depot,
    acme: Id<Organization>,
    rival: Id<Organization>,
}

impl Plant {
    async fn new() -> Self {
        let records = Arc::new(appdepot_core::memory::MemoryRecords::new());
        let system = Actor::system("test");
        let first = Depot::builder().records(records.clone()).build();
        let acme = first.create_organization(&system, "acme", "Acme Corp.").await.unwrap().id;
        let rival = first.create_organization(&system, "rival", "Rival Ltd.").await.unwrap().id;
        for group in ["Sales", "Staff"] {
            first.create_group(&system, acme, group, "").await.unwrap();
        }
        let rules = Rules { acme, rival };
        let depot = Depot::builder()
            .records(records)
            .authorizer(Arc::new(rules))
            .conditions(Arc::new(Elements))
            .inspector(Arc::new(Toys))
            .build();
        Self { depot, acme, rival }
    }

    fn service(&self) -> Service {
        self.service_with(wso2::Switches::default())
    }

    fn service_with(&self, switches: wso2::Switches) -> Service {
        let tokens = Arc::new(Tokens { acme: self.acme, rival: self.rival });
        Service::builder(self.depot.clone(), tokens).public_url(support::PUBLIC_URL).wso2(switches).build()
    }

    async fn web_app(&self, name: &str, version: &str) -> String {
        let context = name.replace(' ', "-");
        let body = json!({"name": name, "version": version, "displayName": name, "context": context});
        let path = format!("{PUBLISHER}/apps/webapp");
        let made = send(&self.service(), "ada", "POST", &path, &[], Some(&body)).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        made.json()["id"].as_str().unwrap().to_owned()
    }
}

#[derive(Debug)]
struct Rules {
    acme: Id<Organization>,
    rival: Id<Organization>,
}

#[async_trait::async_trait]
impl Authorizer for Rules {
    async fn authorize(&self, actor: &Actor, permission: &str, target: &Target) -> Result<()> {
        let outside = ["user:rita", "user:stan"].contains(&actor.subject.as_str());
        let home = if outside { self.rival } else { self.acme };
        let look = permission.ends_with(".get") || permission.ends_with(".list");
        match actor.subject.as_str() {
            _ if target.organization != home => Err(Error::not_found("organization")),
            "user:ada" | "user:rita" => Ok(()),
            "user:vera" if look => Ok(()),
            "user:sam" if permission == "mad.store.publishedApplication.install" => Ok(()),
            _ => Err(Error::forbidden(permission.to_owned())),
        }
    }

    async fn scope(&self, actor: &Actor, permission: &str, organization: Id<Organization>) -> Result<Scope> {
        self.authorize(actor, permission, &Target::organization(organization)).await.map(|()| Scope::All)
    }
}

#[derive(Debug)]
struct Tokens {
    acme: Id<Organization>,
    rival: Id<Organization>,
}

#[async_trait::async_trait]
impl Authenticator for Tokens {
    async fn authenticate(&self, token: &str) -> Result<Actor> {
        let home = match token {
            "ada" | "nina" | "sam" | "stan" | "vera" => Some(self.acme),
            "rita" => Some(self.rival),
            "nobody" => None,
            _ => return Err(support::refusal(token)),
        };
        let mut actor = Actor { home, ..Actor::new(Subject::user(token)?) };
        actor.person.email = format!("{token}@example.com");
        Ok(actor)
    }

    async fn grant(&self, _: &str, _: &str, _: Option<BTreeSet<String>>) -> Result<AccessToken> {
        Err(Error::new(ErrorKind::Unsupported, "no tokens here"))
    }
}

/// Takes for a condition what begins like an element, and permits whom it names.
#[derive(Debug)]
struct Elements;

impl Conditions for Elements {
    fn check(&self, condition: &str) -> Result<()> {
        if condition.starts_with('<') {
            return Ok(());
        }
        Err(Error::invalid("policy", "not understood at character 1: no element"))
    }

    fn permits(&self, condition: &str, facts: &Facts) -> bool {
        condition.contains(facts.subject.as_str())
    }
}

/// Reads packages of four words: `toy apk com.example.notes 1.4.2`.
#[derive(Debug)]
struct Toys;

#[async_trait::async_trait]
impl Inspector for Toys {
    async fn inspect(&self, source: &dyn Source, _: &Hint) -> Inspection {
        let text = support::text(source).await;
        let words: Vec<&str> = text.split(' ').collect();
        let (format, platform) = match words[..] {
            ["toy", "apk", ..] => (Format::Apk, Platform::Android),
            ["toy", "ipa", ..] => (Format::Ipa, Platform::Ios),
            _ => return Inspection::unknown(),
        };
        let [_, _, id, version] = words[..] else {
            let problem = Problem { code: "E_TRUNCATED".to_owned(), message: "cut off".to_owned() };
            return Inspection { format, error: Some(problem), ..Inspection::unknown() };
        };
        let package = Package {
            id: id.to_owned(),
            version: Some(version.to_owned()),
            version_code: Some("42".to_owned()),
            platform: Some(platform),
            ..Package::default()
        };
        Inspection { format, package: Some(package), ..Inspection::unknown() }
    }
}
