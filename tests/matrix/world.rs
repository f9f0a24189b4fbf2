//! Two organizations that have one of everything, behind the whole service.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use appdepot::Depot;
use appdepot::authenticate::{Authenticator, Chain};
use appdepot::authorize::{Actor, Authorizer, Origin, Subject};
use appdepot::authz::{Argon2Passwords, CasbinAuthorizer, Keys, Xacml};
use appdepot::depot::{Limits, NewKey, NewUser, Sessions};
use appdepot::domain::{EventFilter, Id, Organization, Role};
use appdepot::http::Service;
use appdepot::memory::{MemoryBlobs, MemoryRecords};
use appdepot::metadata::{Extractor, fixture::ipa::IpaBuilder};
use appdepot::storage::OpendalProviders;
use appdepot::vault::SealingKey;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use sha2::Digest as _;
use tempfile::TempDir;
use tower::ServiceExt as _;

use super::table::{Class, Row, Values, multipart};

/// The slugs of the two, and of one that is missing; equally long, so that answers can be compared.
const SLUGS: [&str; 3] = ["acmeco", "rivals", "nobody"];
const PUBLISHER: &str = "/api/appm/publisher/v1.1";
const STORE: &str = "/api/appm/store/v1.1";

pub(crate) struct World {
    pub(crate) service: Service,
    pub(crate) depot: Depot,
    pub(crate) authorizer: Arc<dyn Authorizer>,
    pub(crate) blobs: Arc<MemoryBlobs>,
    pub(crate) chain: Chain,
    pub(crate) acme: Place,
    pub(crate) rival: Place,
    /// Names of nothing.
    pub(crate) missing: Values,
    folder: TempDir,
}

/// An organization, what is in it, and who.
#[derive(Default)]
pub(crate) struct Place {
    pub(crate) id: Option<Id<Organization>>,
    pub(crate) values: Values,
    /// A session.
    pub(crate) owner: String,
    /// Keys.
    pub(crate) viewer: String,
    pub(crate) bare: String,
    /// The owner's, for reading assets only.
    pub(crate) narrowed: String,
    pub(crate) app_token: String,
}

/// An answer, without what differs from one to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let records = Arc::new(MemoryRecords::new());
        let authorizer: Arc<dyn Authorizer> = Arc::new(CasbinAuthorizer::new(records.clone()));
        let blobs = Arc::new(MemoryBlobs::new());
        let depot = Depot::builder()
            .records(records.clone())
            .blobs(blobs.clone())
            .authorizer(authorizer.clone())
            .passwords(Arc::new(Argon2Passwords::with_parameters(64, 1, 1).unwrap()))
            .conditions(Arc::new(Xacml::new()))
            .inspector(Arc::new(Extractor::default()))
            .storage(
                Arc::new(OpendalProviders::new().directory(folder.path())),
                SealingKey::new(&SealingKey::generate().unwrap()),
            )
            // The same account is asked for many times.
            .limits(Limits { sign_ins_per_account: u32::MAX, ..Limits::default() })
            .build();
        let chain =
            Chain::new().with(Arc::new(Sessions::new(depot.clone()))).with(Arc::new(Keys::new(records)));
        let service = Service::builder(depot.clone(), Arc::new(chain.clone())).domain(SLUGS[0]).build();
        let (acme, rival) = (Place::default(), Place::default());
        let missing = Values::new();
        let mut world = Self { service, depot, authorizer, blobs, chain, acme, rival, missing, folder };
        world.acme = world.settle(0).await;
        world.rival = world.settle(1).await;
        world.missing = world.rival.values.iter().map(|(name, value)| (*name, nothing_like(value))).collect();
        world
    }

    /// Asks what a row asks, with these values.
    pub(crate) async fn ask(&self, row: &Row, method: &str, token: &str, values: &Values) -> Answer {
        let target = row.target(values);
        let mut request = Request::builder().method(method).uri(&target).header("accept-language", "en");
        // The pages of the store read a cookie.
        if row.template.starts_with("/store/") {
            request = request.header("cookie", format!("appdepot_session={token}"));
        } else if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = row.body(values).map(|(kind, body)| {
            request = std::mem::take(&mut request).header("content-type", kind);
            body
        });
        let request = request.body(Body::from(body.unwrap_or_default())).unwrap();
        let (parts, body) = self.service.clone().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let headers = parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        Answer {
            status: parts.status.as_u16(),
            headers: headers.collect(),
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    /// Whether this credential has what a row asks for.
    pub(crate) async fn may(&self, class: Class, token: &str) -> bool {
        let Ok(actor) = self.chain.authenticate(token).await else { return class == Class::Public };
        let acme = self.acme.id.unwrap();
        let at_home = actor.home == Some(acme);
        match class {
            Class::Public => true,
            Class::Bytes | Class::AppToken => false,
            Class::User => at_home && actor.subject.as_user().is_some() && actor.scopes.is_none(),
            Class::Standing => self.depot.organization(&actor, SLUGS[0]).await.is_ok(),
            Class::Permission(permission) => {
                let target = appdepot::authorize::Target::organization(acme);
                self.authorizer.authorize(&actor, permission, &target).await.is_ok()
            }
        }
    }

    pub(crate) async fn actor(&self, token: &str) -> Actor {
        self.chain.authenticate(token).await.unwrap()
    }

    /// How much has happened in an organization.
    pub(crate) async fn happened(&self, place: &Place) -> u64 {
        let last = EventFilter { limit: 1, ..EventFilter::of(place.id.unwrap()) };
        let events = self.depot.events(&Actor::system("test"), &last).await.unwrap();
        events.first().map_or(0, |event| event.sequence)
    }

    /// Founds an organization and fills it, as far as possible as its owner would.
    async fn settle(&self, number: usize) -> Place {
        let (system, slug) = (Actor::system("test"), SLUGS[number]);
        let acme = self.depot.create_organization(&system, slug, "Some Corp.").await.unwrap().id;
        let mut place = Place { id: Some(acme), ..Place::default() };
        let role = |name: &str| Role::parse(name).unwrap();
        let give = async |subject: Subject, name: &str| {
            self.depot.grant(&system, acme, subject, role(name), None).await.unwrap();
        };
        let email = format!("olga@{slug}.example");
        let olga = NewUser { email: email.clone(), ..NewUser::default() };
        let olga = self.depot.create_user(&system, acme, olga).await.unwrap().id;
        give(olga.into(), Role::OWNER).await;
        let password = format!("correct-horse-{slug}");
        self.depot.set_password(&system, acme, olga, &password).await.unwrap();
        let signed_in = self.depot.sign_in(acme, &email, &password, Origin::default(), None).await.unwrap();
        let key = async |new: NewKey| self.depot.create_key(&signed_in.signed_in.actor(), new).await.unwrap();
        place.bare = key(NewKey::new(acme, "bare")).await.text;
        let viewer = key(NewKey::new(acme, "viewer")).await;
        give(viewer.subject, "org.viewer").await;
        place.viewer = viewer.text;
        let scopes = Some(["media.asset_read".to_owned()].into());
        place.narrowed =
            key(NewKey { owner: Some(olga), scopes, ..NewKey::new(acme, "narrowed") }).await.text;
        let client = key(NewKey { owner: Some(olga), ..NewKey::new(acme, "client") }).await.text;
        let (client, secret) = client.split_once('.').unwrap();
        place.owner = signed_in.token;
        place.values.extend([
            ("organization", slug.to_owned()),
            ("email", email),
            ("password", password),
            ("client", client.to_owned()),
            ("secret", secret.to_owned()),
        ]);
        self.stock(number, &mut place).await;
        place
    }

    /// As the owner: a body is JSON, or the parts of a form.
    async fn send(&self, place: &Place, path: &str, body: impl Into<Sent>) -> Value {
        let request = Request::post(path).header("authorization", format!("Bearer {}", place.owner));
        let request = match body.into() {
            Sent::Json(body) => {
                request.header("content-type", "application/json").body(Body::from(body.to_string()))
            }
            Sent::Form(parts) => request
                .header("content-type", "multipart/form-data; boundary=X")
                .body(Body::from(multipart(&parts))),
        };
        let response = self.service.clone().oneshot(request.unwrap()).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        assert!(status.is_success() && body["status"] != "error", "{path}: {status} {body}");
        body
    }

    async fn remove(&self, place: &Place, path: &str) {
        let request = Request::delete(path).header("authorization", format!("Bearer {}", place.owner));
        let response = self.service.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert!(response.status().is_success(), "{path}");
    }

    async fn stock(&self, number: usize, place: &mut Place) {
        let slug = SLUGS[number];
        let mut values = std::mem::take(&mut place.values);
        let mut put = |name: &'static str, value: &Value| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            assert_ne!(text, "null", "{name}");
            values.insert(name, text.clone());
            text
        };
        put("type", &json!("webapp"));
        put("stat", &json!("getSubscriptionsPerApp"));
        put("tag", &json!("intranet"));
        put("edge", &json!("57"));
        put("package_name", &json!("package.apk"));
        put("sheet", &json!("mark.svg"));

        // Applivery.
        let at = |path: &str| format!("/v1/organizations/{slug}/{path}");
        let app = self.send(place, &at("apps"), json!({ "name": format!("{slug} notes") })).await;
        let app = put("app", &app["data"]["id"]);
        let build = self.send(place, &at(&format!("apps/{app}/builds")), "build=new.apk").await;
        put("build", &build["data"]["id"]);
        while self.depot.process_build().await.unwrap().is_some() {}
        let token =
            self.send(place, &at(&format!("apps/{app}/tokens")), json!({ "description": "CI" })).await;
        put("key", &token["data"]["id"]);
        place.app_token = token["data"]["bearer"].as_str().unwrap().to_owned();
        let grace = format!("grace@{slug}.example");
        let grace = json!({ "email": grace, "role": "viewer", "password": "correct horse battery" });
        put("person", &self.send(place, &at("collaborators"), grace).await["data"]["id"]);
        let account = json!({ "name": "Train", "role": "viewer" });
        put("account", &self.send(place, &at("serviceAccounts"), account).await["data"]["id"]);
        let asset = self.send(place, &at("mdm/assets"), "file=new.apk").await;
        put("asset", &asset["data"]["id"]);
        let provider = json!({ "name": "Edge", "provider": "directory", "config": { "bucket": "drop" } });
        let provider = self.send(place, &at("storageProviders"), provider).await;
        put("provider", &provider["data"]["id"]);
        let drop = self.folder.path().join(place.id.unwrap().to_string()).join("drop");
        std::fs::create_dir_all(&drop).unwrap();
        std::fs::write(drop.join("app.apk"), package("new.apk")).unwrap();
        put("size", &json!(package("new.apk").len()));
        let checksum = sha2::Sha256::digest(package("new.apk"));
        put("checksum", &json!(checksum.iter().map(|byte| format!("{byte:02x}")).collect::<String>()));
        let (system, acme) = (Actor::system("test"), place.id.unwrap());
        let plan = self.depot.retention_plan(&system, acme, Id::parse(&app).unwrap()).await.unwrap();
        put("plan", &json!(plan.id));
        for (name, security) in [("publication", "public"), ("sealed", "password")] {
            let new = json!({
                "application": app, "slug": format!("{slug}-{security}"), "security": security,
                "password": "open sesame", "visibility": "active", "filter": { "type": "last" },
            });
            let made = self.send(place, &at("stores/1/pubApps"), new).await;
            match name {
                "sealed" => put("sealed", &made["data"]["slug"]),
                _ => put("publication", &made["data"]["id"]),
            };
        }

        // Emporix.
        let assets = format!("/media/{slug}/assets");
        let link = json!({ "type": "LINK", "access": "PUBLIC", "url": "https://example.com/" });
        put("link", &self.send(place, &assets, link).await["id"]);
        let blob = r#"body={"type":"BLOB","access":"PUBLIC"} file=notes.txt"#;
        put("public", &self.send(place, &assets, blob).await["id"]);

        // Red Hat.
        let at = |operation: &str| format!("/box/srv/1.1/admin/{operation}");
        put("window", &self.send(place, &at("appstore/read"), json!({})).await["guid"]);
        let item = json!({ "name": format!("{slug} field") });
        let item = put("item", &self.send(place, &at("storeitem/create"), item).await["guid"]);
        for _ in 0..2 {
            let form = format!("file=new.apk type=android guid={item}");
            self.send(place, &at("storeitem/uploadbinary"), form.as_str()).await;
        }
        let form = format!("file=icon.png type=icon guid={item}");
        self.send(place, &at("storeitem/uploadbinary"), form.as_str()).await;
        let shown = self.send(place, &at("storeitem/read"), json!({ "guid": item })).await;
        let older = shown["binaries"][0]["versions"][0]["url"].as_str().unwrap();
        put("version", &json!(older.split_once("guid=").unwrap().1));
        self.send(place, &at("appstore/additem"), json!({ "guid": item })).await;
        let policy = json!({ "policyId": "Staff", "policyType": "FEEDHENRY" });
        let policy = put("policy", &self.send(place, &at("authpolicy/create"), policy).await["guid"]);
        self.send(place, &at("appstore/addpolicy"), json!({ "guid": policy })).await;
        let unused = json!({ "policyId": "Spare", "policyType": "LDAP" });
        put("unused_policy", &self.send(place, &at("authpolicy/create"), unused).await["guid"]);
        let group =
            self.send(place, &at("storeitemgroup/create"), json!({ "name": format!("{slug} team") })).await;
        put("group", &group["guid"]);
        put("team", &group["name"]);
        let mia = json!({ "username": format!("mia@{slug}.example"), "password": "correct horse battery" });
        put("user", &self.send(place, &at("user/create"), mia).await["guid"]);

        // WSO2.
        let at = |path: &str| format!("{PUBLISHER}/{path}");
        // Numbers count up from 1 in every organization; these are not the same in both.
        for n in 0..2 - number {
            if n > 0 {
                for path in ["administration/xacmlpolicies/1", "administration/businessowner/1"] {
                    self.remove(place, &at(path)).await;
                }
            }
            let rule = json!({ "policyPartialName": "all", "policyPartial": "<Rule Effect='Permit' RuleId='r'/>", "isSharedPartial": true });
            let made = self.send(place, &at("administration/xacmlpolicies"), rule).await;
            put("partial", &made["policyPartialId"]);
            let owner = json!({ "name": format!("Carl {n}"), "email": format!("carl{n}@example.com") });
            put("owner", &self.send(place, &at("administration/businessowner"), owner).await["id"]);
        }
        let picture = self.send(place, &at("apps/static-contents?appType=webapp"), "file=icon.png").await;
        let picture = put("picture", &picture["id"]);
        let web = json!({
            "name": format!("{slug} web"), "version": "1.0", "displayName": "Portal", "context": "portal",
            "tags": ["intranet"], "thumbnailUrl": picture,
        });
        let web = put("web", &self.send(place, &at("apps/webapp"), web).await["id"]);
        let document = json!({ "name": "How to", "type": "HOWTO", "sourceType": "INLINE" });
        let path = at(&format!("apps/webapp/id/{web}/docs"));
        let document = put("document", &self.send(place, &path, document).await["documentId"]);
        self.send(place, &format!("{path}/{document}/content"), "inlineContent=first").await;
        let publish = async |kind: &str, id: &str| {
            for action in ["Submit%20for%20Review", "Approve", "Publish"] {
                let query = format!("apps/{kind}/change-lifecycle?appId={id}&action={action}");
                self.send(place, &at(&query), json!({})).await;
            }
            let path = format!("{STORE}/apps/{kind}/id/{id}/subscription");
            self.send(place, &path, json!({})).await;
        };
        publish("webapp", &web).await;
        let mut mobile = String::new();
        for (platform, file) in [("android", "new.apk"), ("ios", "new.ipa")] {
            let binary = self.send(place, &at("apps/mobile/binaries"), format!("file={file}").as_str()).await;
            let (id, token, kept) = match platform {
                "ios" => ("ios", "ios_once", "ios_binary"),
                _ => ("mobile", "once", "binary"),
            };
            put(kept, &binary["path"]);
            let app = json!({
                "name": format!("{slug} {platform}"), "version": "1.0.0", "displayName": "Notes",
                "description": "notes", "category": "Business", "platform": platform,
                "marketType": "enterprise", "banner": picture, "thumbnailUrl": picture,
                "screenshots": [picture], "appmeta": binary,
            });
            let app = put(id, &self.send(place, &at("apps/mobileapp"), app).await["id"]);
            publish("mobileapp", &app).await;
            if platform == "android" {
                mobile.clone_from(&app);
            }
            let path = format!("{STORE}/apps/mobile/id/{app}/download");
            let link = self.send(place, &path, json!({})).await;
            put(token, &json!(link["appUrl"].as_str().unwrap().rsplit('/').next()));
        }

        // The store's pages, and sessions.
        let shown = Id::parse(&mobile).unwrap();
        let shown = self.depot.release(&system, acme, shown).await.unwrap();
        let new = json!({
            "application": shown.app, "slug": format!("{slug}-shown"), "security": "public",
            "visibility": "active", "filter": { "type": "last" },
        });
        let path = format!("/v1/organizations/{slug}/stores/1/pubApps");
        put("shown", &self.send(place, &path, new).await["data"]["slug"]);
        put("screenshot", &json!(picture.split('.').next()));
        let owner = self.chain.authenticate(&place.owner).await.unwrap();
        let listings = appdepot::query::Query::of::<appdepot::domain::Listing>(acme);
        let listings = self.depot.listings(&system, listings).await.unwrap().items;
        let listed = listings.iter().find(|one| one.publication.is_none() && !one.offers.is_empty()).unwrap();
        put("listing", &json!(listed.slug));
        put("store", &json!(listed.store.to_string()));
        let offered = listed.offers[0].release;
        put("offered", &json!(offered.to_string()));
        let ticket = self.depot.ticket(&owner, acme, offered).await.unwrap();
        put("ticket", &json!(ticket.token));
        let ios = Id::parse(&values["ios"]).unwrap();
        let ticket = self.depot.ticket(&owner, acme, ios).await.unwrap();
        values.insert("ios_ticket", ticket.token);
        let (email, password) = (&values["email"], &values["password"]);
        let again = self.depot.sign_in(acme, email, password, Origin::default(), None).await.unwrap();
        values.insert("session", again.token);
        place.values = values;
    }
}

/// What a request sends.
enum Sent {
    Json(Value),
    Form(String),
}

impl From<Value> for Sent {
    fn from(body: Value) -> Self {
        Self::Json(body)
    }
}

impl From<&str> for Sent {
    fn from(parts: &str) -> Self {
        Self::Form(parts.to_owned())
    }
}

/// Something of the same form that names nothing.
fn nothing_like(value: &str) -> String {
    let id = Id::<()>::generate();
    let (head, extension) =
        value.split_once('.').map_or((value, String::new()), |(head, tail)| (head, format!(".{tail}")));
    let is = |length: usize, range: std::ops::RangeInclusive<char>| {
        head.len() == length
            && head.chars().all(|c| range.contains(&c) || (*range.start() == '0' && c.is_ascii_digit()))
    };
    if is(24, '0'..='f') {
        return format!("{id}{extension}");
    }
    if is(24, 'a'..='p') {
        return id
            .to_string()
            .chars()
            .map(|c| (b'a' + u8::try_from(c.to_digit(16).unwrap()).unwrap()) as char)
            .collect();
    }
    if Id::<()>::parse(value).is_ok() {
        return id.to_uuid();
    }
    if value.parse::<u64>().is_ok_and(|number| number < 10) {
        return "9".to_owned();
    }
    if value.contains(SLUGS[1]) {
        return value.replace(SLUGS[1], SLUGS[2]);
    }
    // A secret, a digest, or a word that means something: the same backwards.
    value.chars().rev().collect()
}

/// A file of this name.
pub(crate) fn package(name: &str) -> Vec<u8> {
    static IPA: LazyLock<Vec<u8>> =
        LazyLock::new(|| IpaBuilder::new("com.example.pocket").version("2.0").build());
    match name.rsplit_once('.').unwrap().1 {
        "apk" => include_bytes!("../../fixtures/field-notes.apk").to_vec(),
        "ipa" => IPA.clone(),
        "png" => PNG.to_vec(),
        _ => b"some text\n".to_vec(),
    }
}

/// One grey pixel.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0:~\x9bU\0\0\0\nIDATx\xdac`\0\0\0\x02\0\x01\xe5'\xde\xfc\0\0\0\0IEND\xaeB`\x82";
