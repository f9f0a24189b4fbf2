//! The Red Hat dialect over a depot in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod support;

use std::sync::Arc;

use appdepot_core::authenticate::{Authenticator, Chain};
use appdepot_core::authorize::{Actor, Authorizer, Scope, Subject, Target};
use appdepot_core::depot::Sessions;
use appdepot_core::domain::{Asset, Id, Organization, Role};
use appdepot_core::inspect::{Format, Hint, Inspection, Inspector, Package, Platform, Source};
use appdepot_core::memory::{MemoryBlobs, MemoryRecords};
use appdepot_core::query::Query;
use appdepot_core::{Depot, Error, Result};
use appdepot_http::Service;
use axum::body::Body;
use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// Every golden file of this dialect: one or more per section of the document, and what its client needs beside it.
const CASES: &[&str] = &[
    "2_01_read_app_store",
    "2_02_update_app_store",
    "2_03_add_store_item",
    "2_04_remove_store_item",
    "2_05_upload_app_store_icon",
    "2_06_list_store_items",
    "2_07_add_auth_policy",
    "2_08_remove_auth_policy",
    "2_09_list_auth_policies",
    "2_10_create_store_item",
    "2_11_read_store_item",
    "2_12_update_store_item",
    "2_13_delete_store_item",
    "2_14_list_store_items",
    "2_15_icon_of_package",
    "2_15_upload_binary",
    "2_15_upload_versions",
    "2_16_add_item_policy",
    "2_17_remove_item_policy",
    "2_18_get_binary_config",
    "2_19_set_binary_config",
    "2_20_add_item_groups",
    "2_21_remove_item_groups",
    "2_22_audit_log",
    "2_23_read_store_as_anyone",
    "2_24_get_store_items",
    "2_25_install_on_ios",
    "2_25_install_store_item",
    "failures",
    "groups_and_users",
    "policies",
    "sign_in",
    "store_session",
];

#[tokio::test]
async fn golden() {
    support::golden::run_folder("redhat", CASES, async |_| Town::new().await.service()).await;
}

/// The sections of the document's chapter 2, from 2.1 on, by their operations.
const SECTIONS: [&str; 25] = [
    "admin/appstore/read",
    "admin/appstore/update",
    "admin/appstore/additem",
    "admin/appstore/removeitem",
    "admin/appstore/uploadbinary",
    "admin/appstore/liststoreitems",
    "admin/appstore/addpolicy",
    "admin/appstore/removepolicy",
    "admin/appstore/listpolicies",
    "admin/storeitem/create",
    "admin/storeitem/read",
    "admin/storeitem/update",
    "admin/storeitem/delete",
    "admin/storeitem/list",
    "admin/storeitem/uploadbinary",
    "admin/storeitem/addpolicy",
    "admin/storeitem/removepolicy",
    "admin/storeitem/getbinaryconfig",
    "admin/storeitem/setbinaryconfig",
    "admin/storeitem/addgroups",
    "admin/storeitem/removegroups",
    "admin/auditlog/listlogs",
    "mas/appstore/read",
    "mam/appstore/getstoreitems",
    "mas/storeitem/install",
];

/// Errors have status 200 as well, so that it is the answer's own status that counts.
#[test]
fn every_section_has_a_golden_file_that_shows_its_operation_succeed() {
    for (at, operation) in SECTIONS.into_iter().enumerate() {
        let section = format!("2_{:02}_", at + 1);
        let of_section = CASES.iter().filter(|case| case.starts_with(&section));
        let mut exchanges = of_section.flat_map(|case| support::golden::shown("redhat", case));
        let succeeds = |(_, path, status, answer): (String, String, u16, String)| {
            path.ends_with(operation)
                && status == 200
                && (answer.contains("\"status\": \"ok\"") || answer.starts_with("toy apk"))
        };
        let good = exchanges.any(succeeds);
        assert!(good, "{section}{operation}");
    }
    let sections = CASES.iter().filter(|case| case.starts_with("2_")).map(|case| &case[..4]);
    assert_eq!(sections.collect::<std::collections::BTreeSet<_>>().len(), SECTIONS.len());
}

/// Whatever is wrong with a form, before or after its file, neither bytes nor records stay.
#[tokio::test]
async fn a_refused_upload_leaves_nothing() {
    let town = Town::new().await;
    let item = town.send("admin/storeitem/create", &json!({ "name": "Notes" })).await;
    let guid = item["guid"].as_str().unwrap().to_owned();
    let part =
        |head: &str, body: &str| format!("--X\r\nContent-Disposition: form-data; {head}\r\n\r\n{body}\r\n");
    let file = part("name=\"file\"; filename=\"notes.apk\"", "toy apk com.example.notes 1 1 with-icon");
    let text = |name: &str, value: &str| part(&format!("name=\"{name}\""), value);
    let (kind, of, end) = (text("type", "android"), text("guid", &guid), "--X--\r\n");
    for form in [
        format!("{file}{kind}{}{end}", text("guid", "aaaaaaaaaaaaaaaaaaaaaaaa")),
        format!("{file}{}{of}{end}", text("type", "ios")),
        format!("{file}{}{of}{end}", text("type", "icon")),
        format!("{file}{of}{end}"),
        format!("{file}{kind}{end}"),
        format!("{file}{file}{kind}{of}{end}"),
        format!("{file}{kind}{of}"),
        format!("{kind}{of}{end}"),
        format!("{}{kind}{of}{end}", part("name=\"file\"; filename=\"a\"", "")),
    ] {
        let answer = town.form(&form).await;
        assert_eq!(answer["status"], "error", "{form}\n{answer}");
        assert_eq!(town.left().await, (0, 0), "{form}");
    }
    // A package and its icon; then five of each, whatever comes.
    for _ in 0..7 {
        let answer = town.form(&format!("{file}{kind}{of}{end}")).await;
        assert_eq!(answer["status"], "ok", "{answer}");
    }
    assert_eq!(town.left().await, (10, 10));
    town.send("admin/storeitem/delete", &json!({ "guid": guid })).await;
    assert_eq!(town.left().await, (0, 0));
}

/// What can emit something of the store to strangers is what the document leaves open.
#[tokio::test]
async fn nothing_but_the_entrance_is_open() {
    let town = Town::new().await;
    for path in [
        "admin/appstore/read",
        "admin/storeitem/list",
        "admin/storeitem/uploadbinary",
        "admin/appstore/uploadbinary",
        "admin/auditlog/listlogs",
        "admin/authpolicy/list",
        "admin/storeitemgroup/list",
        "admin/user/list",
        "mas/appstore/getstoreitems",
        "mam/appstore/getstoreitems",
        "mas/storeitem/install",
        "mas/storeitem/downloadvers",
        "ide/acme/user/read",
        "ide/acme/api/list",
    ] {
        for credential in ["", "nonsense", "ads_0123456789abcdef01234567.secret"] {
            let request = Request::post(format!("/box/srv/1.1/{path}"))
                .header("cookie", format!("feedhenry={credential};"))
                .body(Body::from("{}"))
                .unwrap();
            let status = town.service().oneshot(request).await.unwrap().status();
            assert_eq!(status, 401, "{path} with {credential:?}");
        }
    }
}

/// The organizations `acme` and `rival`, and an inspector that reads toys: `toy apk ID VERSION CODE`, `toy ipa …`,
/// `toy png …`.
///
/// Credentials: `ada` may everything in `acme`, `rita` in `rival`; users with accounts may use the store; `expired`,
/// `limited`, `unavailable` and `broken` fail in the way they say.
struct Town {
    depot: Depot,
    blobs: Arc<MemoryBlobs>,
    acme: Id<Organization>,
}

impl Town {
    async fn new() -> Self {
        let (records, blobs) = (Arc::new(MemoryRecords::new()), Arc::new(MemoryBlobs::new()));
        let system = Actor::system("test");
        let first = Depot::builder().records(records.clone()).build();
        let acme = first.create_organization(&system, "acme", "Acme Corp.").await.unwrap().id;
        let rival = first.create_organization(&system, "rival", "Rival Ltd.").await.unwrap().id;
        let depot = Depot::builder()
            .records(records)
            .blobs(blobs.clone())
            .authorizer(Arc::new(Rules { acme, rival }))
            .inspector(Arc::new(Toys))
            .passwords(Arc::new(support::Plain))
            .build();
        Self { depot, blobs, acme }
    }

    fn service(&self) -> Service {
        let callers =
            Chain::new().with(Arc::new(Sessions::new(self.depot.clone()))).with(Arc::new(Tokens(self.acme)));
        Service::builder(self.depot.clone(), Arc::new(callers))
            .public_url(support::PUBLIC_URL)
            .domain("acme")
            .build()
    }

    async fn send(&self, operation: &str, body: &Value) -> Value {
        self.ask(operation, "application/json", body.to_string()).await
    }

    async fn form(&self, form: &str) -> Value {
        self.ask("admin/storeitem/uploadbinary", "multipart/form-data; boundary=X", form.to_owned()).await
    }

    async fn ask(&self, operation: &str, kind: &str, body: String) -> Value {
        let request = Request::post(format!("/box/srv/1.1/{operation}"))
            .header("cookie", "feedhenry=ada;")
            .header("content-type", kind)
            .body(Body::from(body))
            .unwrap();
        let response = self.service().oneshot(request).await.unwrap();
        serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
    }

    /// How many assets and blobs there are.
    async fn left(&self) -> (usize, usize) {
        let assets = self.depot.assets(&Actor::system("test"), Query::of::<Asset>(self.acme)).await.unwrap();
        (assets.items.len(), self.blobs.keys().len())
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
        let home = match actor.subject.as_str() {
            "user:rita" => self.rival,
            _ => self.acme,
        };
        let uses = ["mad.store.management.get", "mad.store.publishedApplication.install"];
        match actor.subject.as_str() {
            _ if target.organization != home => Err(Error::not_found("organization")),
            "user:ada" | "user:rita" => Ok(()),
            _ if uses.contains(&permission) => Ok(()),
            _ => Err(Error::forbidden(permission.to_owned())),
        }
    }

    async fn scope(&self, actor: &Actor, permission: &str, organization: Id<Organization>) -> Result<Scope> {
        self.authorize(actor, permission, &Target::organization(organization)).await.map(|()| Scope::All)
    }

    async fn outranks(&self, actor: &Actor, _: &Role, _: &Target) -> Result<bool> {
        Ok(actor.subject.as_str() == "user:ada")
    }
}

/// Names stand for people.
#[derive(Debug)]
struct Tokens(Id<Organization>);

#[async_trait::async_trait]
impl Authenticator for Tokens {
    async fn authenticate(&self, token: &str) -> Result<Actor> {
        match token {
            "ada" => Ok(Actor { home: Some(self.0), ..Actor::new(Subject::user(token)?) }),
            // Whose credential names no organization, and who has no standing in the one that is meant then.
            "rita" => Ok(Actor::new(Subject::user(token)?)),
            _ => Err(support::refusal(token)),
        }
    }
}

#[derive(Debug)]
struct Toys;

#[async_trait::async_trait]
impl Inspector for Toys {
    async fn inspect(&self, source: &dyn Source, _: &Hint) -> Inspection {
        let text = support::text(source).await;
        let words: Vec<&str> = text.split_whitespace().collect();
        let (format, platform) = match words.get(..2) {
            Some(["toy", "apk"]) => (Format::Apk, Platform::Android),
            Some(["toy", "ipa"]) => (Format::Ipa, Platform::Ios),
            Some(["toy", "png"]) => return Inspection { format: Format::Image, ..Inspection::unknown() },
            _ => return Inspection::unknown(),
        };
        let package = Package {
            id: words[2].to_owned(),
            version: Some(words[3].to_owned()),
            version_code: Some(words[4].to_owned()),
            platform: Some(platform),
            ..Package::default()
        };
        Inspection { format, package: Some(package), ..Inspection::unknown() }
    }

    async fn icon(&self, source: &dyn Source, _: Option<u32>) -> Option<Bytes> {
        support::text(source).await.ends_with("with-icon").then(|| Bytes::from("toy png from the package"))
    }
}
