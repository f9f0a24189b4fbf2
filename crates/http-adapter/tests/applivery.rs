//! The Applivery dialect over a depot in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use appdepot_core::authenticate::{AccessToken, Authenticator, Passwords, Verdict};
use appdepot_core::authorize::{Actor, Authorizer, Person, Scope, Subject, Target};
use appdepot_core::blobs::{BlobKey, BlobStore, ByteRange, ByteStream};
use appdepot_core::domain::{
    ApiKey, Asset, Entity as _, Id, Organization, Role, StorageProvider, StorageService, Stored, Timestamp,
};
use appdepot_core::error::{CredentialFault, Detail};
use appdepot_core::inspect::{Format, Hint, Inspection, Inspector, Package, Platform, Problem, Source};
use appdepot_core::memory::{MemoryBlobs, MemoryRecords};
use appdepot_core::query::Query;
use appdepot_core::records::{Claim, Key, RecordStore as _};
use appdepot_core::storage_factory::{Credentials, StorageFactory};
use appdepot_core::vault::SealingKey;
use appdepot_core::{Depot, Error, ErrorKind, Result};
use appdepot_http::Service;
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// Every golden file of this dialect.
const CASES: &[&str] = &[
    "app",
    "app_documented",
    "app_list",
    "app_refused",
    "app_token",
    "app_update",
    "build",
    "build_enclosures",
    "build_refused",
    "build_variants",
    "collaborators",
    "edge",
    "edge_documented",
    "edge_refused",
    "failures",
    "inherited",
    "list",
    "list_refused",
    "not_found",
    "publication",
    "publication_refused",
    "publication_token",
    "sdk",
    "service_accounts",
    "session",
    "storage_provider",
    "storage_provider_refused",
    "unauthenticated",
    "update_and_delete",
    "upload",
    "upload_refused",
    "view",
];

#[tokio::test]
async fn golden() {
    support::golden::run_folder("applivery", CASES, async |_| {
        let town = Town::new().await;
        Worked { depot: town.depot.clone(), service: town.service() }
    })
    .await;
}

#[tokio::test]
async fn a_form_that_is_wrong_anywhere_leaves_nothing() {
    let town = Town::new().await;
    let part =
        |head: &str, body: &str| format!("--X\r\nContent-Disposition: form-data; {head}\r\n\r\n{body}\r\n");
    let file = part("name=\"file\"; filename=\"notes.apk\"", TOY);
    let text = |name: &str, value: &str| part(&format!("name=\"{name}\""), value);
    let (good, end) = (text("name", "Notes"), "--X--\r\n");
    let wrong = text("exposeToChildren", "perhaps");
    let endless = text("x", &"x".repeat(70_000));
    let cut = &file[..file.len() - 5];
    let mut many = String::new();
    for _ in 0..80 {
        many += &good;
    }
    for (form, status) in [
        (format!("{good}{file}{wrong}{end}"), 400),
        (format!("{wrong}{file}{end}"), 400),
        (format!("{file}{file}{end}"), 400),
        (format!("{file}{endless}{end}"), 413),
        (format!("{file}{many}{end}"), 413),
        (format!("{good}{cut}"), 400),
        (format!("{good}{file}"), 400),
        (format!("{}{end}", part("name=\"file\"; filename=\"a.apk\"", "PK no toy")), 400),
        (format!("{}{end}", part("name=\"file\"; filename=\"a.apk\"", "toy apk\r\nbroken yes")), 400),
        (format!("{}{end}", part("name=\"file\"; filename=\"a.png\"", TOY)), 400),
        (format!("{}{end}", part("name=\"file\"; filename=\"a.apk\"", "")), 400),
    ] {
        let answer = town.send("POST", ASSETS, Some("multipart/form-data; boundary=X"), form.clone()).await;
        assert_eq!(answer.status, status, "{form:.300}\n{answer:?}");
        assert_eq!(town.left().await, (0, 0), "{form:.300}");
    }
    let form = format!("{file}{good}{end}");
    let answer = town.send("POST", ASSETS, Some("multipart/form-data; boundary=X"), form).await;
    assert_eq!((answer.status, answer.json()["data"]["name"].as_str()), (StatusCode::OK, Some("Notes")));
    assert_eq!(town.left().await, (1, 1));
}

#[tokio::test]
async fn a_client_that_disconnects_leaves_nothing() {
    let town = Town::new().await;
    let head = "--X\r\nContent-Disposition: form-data; name=\"file\"; filename=\"notes.apk\"\r\n\r\ntoy";
    let (lost, gone) = futures::channel::oneshot::channel::<()>();
    let parts = stream::once(async move { Ok(Bytes::from(head)) }).chain(stream::once(async move {
        let _ = gone.await;
        Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
    }));
    let request = Request::post(ASSETS)
        .header("authorization", "Bearer ada")
        .header("content-type", "multipart/form-data; boundary=X")
        .body(Body::from_stream(parts))
        .unwrap();
    let mut answering = tokio::spawn(town.service().oneshot(request));
    assert!(tokio::time::timeout(std::time::Duration::from_millis(50), &mut answering).await.is_err());
    // As a server does: first the handler goes, then its body ends.
    answering.abort();
    let _ = answering.await;
    drop(lost);
    for _ in 0..100 {
        if town.left().await == (0, 0) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("left behind: {:?}", town.left().await);
}

#[tokio::test]
async fn an_announced_length_that_is_too_large_is_refused_unread() {
    let town = Town::new().await;
    let unread = stream::poll_fn(|_| -> std::task::Poll<Option<std::io::Result<Bytes>>> {
        panic!("the body was read")
    });
    let unread = Announced(Body::from_stream(unread), 1 << 40);
    let request = Request::post(ASSETS)
        .header("authorization", "Bearer ada")
        .header("content-type", "multipart/form-data; boundary=X")
        .body(unread)
        .unwrap();
    assert_eq!(town.service().oneshot(request).await.unwrap().status(), 413);
}

#[tokio::test]
async fn the_service_can_be_nested_below_variable_parts() {
    let town = Town::new().await;
    let app = Router::new()
        .route("/hello", get(async || "hello"))
        .nest("/tenants/{id}/{organization}/depot", town.service().router());
    for (path, status) in [
        ("/hello", 200),
        ("/tenants/7/x/depot/health/ready", 200),
        ("/tenants/7/x/depot/v1/organizations/acme/mdm/assets", 200),
        ("/tenants/7/x/depot/v1/organizations/acme/mdm//assets", 200),
        ("/tenants/7/x/depot/v1/organizations/acme/apps/01a201c6000000000000abcd", 404),
        ("/tenants/7/x/depot/nothing", 404),
    ] {
        let request = Request::get(path).header("authorization", "Bearer ada").body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), status, "{path}");
    }
}

#[tokio::test]
async fn no_token_sees_another_organization() {
    let town = Town::new().await;
    let made =
        town.send("POST", APPS, Some("application/json"), json!({ "name": "Notes" }).to_string()).await;
    let id = made.json()["data"]["id"].as_str().unwrap().to_owned();
    let mut bodies = BTreeSet::new();
    for path in [
        format!("/v1/organizations/rival/apps/{id}"),
        format!("/v1/organizations/{}/apps/{id}", town.rival),
        "/v1/organizations/nobody/apps".to_owned(),
        format!("{APPS}/01a201c6000000000000abcd"),
        format!("{ASSETS}/{id}"),
    ] {
        let answer = town.send("GET", &path, None, String::new()).await;
        assert_eq!(answer.status, 404, "{path}");
        bodies.insert(answer.body);
    }
    assert_eq!(bodies.len(), 1, "no answer tells more than another");
}

#[test]
fn answers_are_sent_from_any_thread() {
    fn check<T: Send + Sync + Clone + 'static>() {}
    check::<Service>();
}

const ASSETS: &str = "/v1/organizations/acme/mdm/assets";
const APPS: &str = "/v1/organizations/acme/apps";

#[tokio::test]
async fn a_build_whose_form_is_wrong_leaves_none_of_its_files() {
    let town = Town::new().await;
    town.send("POST", APPS, Some("application/json"), json!({ "name": "Notes" }).to_string()).await;
    let part =
        |head: &str, body: &str| format!("--X\r\nContent-Disposition: form-data; {head}\r\n\r\n{body}\r\n");
    let file = |name: &str, body: &str| part(&format!("name=\"{name}\"; filename=\"{name}.zip\""), body);
    let (build, icon) = (file("build", "no package"), file("packageIcon", "toy picture"));
    let simulator = file("simulatorBuild", "for a simulator");
    let wrong = part("name=\"buildPlatform\"", "toaster");
    let large = file("packageIcon", &format!("toy picture{}", "x".repeat(600 * 1024)));
    let path = format!("{APPS}/notes/builds");
    let send = async |form: &str| {
        let form = format!("{form}--X--\r\n");
        town.send("POST", &path, Some("multipart/form-data; boundary=X"), form).await
    };
    for (form, status) in [
        (format!("{icon}{simulator}{build}{wrong}"), 400),
        (format!("{build}{icon}{simulator}{wrong}"), 400),
        (format!("{icon}{simulator}"), 400),
        (format!("{icon}{build}{icon}"), 400),
        (format!("{simulator}{build}{simulator}"), 400),
        (format!("{build}{}", file("packageIcon", "no picture")), 400),
        (format!("{icon}{build}{}", file("simulatorBuild", "")), 400),
        (format!("{large}{build}"), 413),
    ] {
        let answer = send(&form).await;
        assert_eq!(answer.status, status, "{form:.300}\n{answer:?}");
        assert_eq!(town.left().await, (0, 0), "{form:.300}");
    }
    assert_eq!(send(&format!("{simulator}{build}{icon}")).await.status, 200);
    assert_eq!(town.left().await, (3, 3));
}

/// The object that lies in the storage provider.
const TOY: &str = "toy apk\r\nid com.example.notes\r\nname Notes\r\nversion 1.4.2\r\nversionCode 42\r\nminOs 21\r\ntarget 33";

/// A depot with the organizations `acme`, its part `acme-north`, and `rival`, a storage provider of `acme`, and an
/// inspector that reads [`TOY`].
///
/// Bearer tokens: `ada` may everything in `acme`, `vera` may look there, `nora` may everything in `acme-north`; `expired`, `limited`, `unavailable`,
/// `broken` and `panic` fail in the way they say.
struct Town {
    depot: Depot,
    records: Arc<MemoryRecords>,
    blobs: Arc<MemoryBlobs>,
    acme: Id<Organization>,
    rival: Id<Organization>,
}

#[derive(Debug)]
struct Answer {
    status: StatusCode,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Town {
    async fn new() -> Self {
        let (records, blobs) = (Arc::new(MemoryRecords::new()), Arc::new(MemoryBlobs::new()));
        let system = Actor::system("test");
        let first = Depot::builder().records(records.clone()).build();
        let acme = first.create_organization(&system, "acme", "Acme Corp.").await.unwrap().id;
        let rival = first.create_organization(&system, "rival", "Rival Ltd.").await.unwrap().id;
        let north =
            first.create_child_organization(&system, acme, "acme-north", "Acme North").await.unwrap().id;
        let admin = Role::parse("org.admin").unwrap();
        first.grant(&system, acme, Subject::user("ada").unwrap(), admin, None).await.unwrap();
        for group in ["Beta", "Staff"] {
            first.create_group(&system, acme, group, "").await.unwrap();
        }
        let objects = MemoryBlobs::new();
        for (key, text) in [("team/notes.apk", TOY), ("team/other.apk", "no package at all")] {
            let body = stream::iter([Ok(Bytes::from(text))]).boxed();
            objects.put(&BlobKey::foreign(key).unwrap(), body).await.unwrap();
        }
        let provider = StorageProvider {
            name: "AWS S3 Production Bucket".to_owned(),
            region: "eu-west-1".to_owned(),
            bucket: "production-app-storage".to_owned(),
            service: StorageService::Embedded,
            credentials: None,
        };
        let id = Id::parse("507f1f77bcf86cd799439012").unwrap();
        let provider = Stored { id, ..Stored::new(acme, provider, Timestamp::now()) };
        let depot = Depot::builder()
            .records(records.clone())
            .blobs(blobs.clone())
            .authorizer(Arc::new(Rules { acme, north }))
            .inspector(Arc::new(Toys))
            .passwords(Arc::new(Backwards))
            .provider(provider, Arc::new(objects))
            .storage(Arc::new(Places), SealingKey::new(&[7; SealingKey::LENGTH]))
            .build();
        Self { depot, records, blobs, acme, rival }
    }

    fn service(&self) -> Service {
        Service::builder(self.depot.clone(), Arc::new(Tokens(self.records.clone())))
            .public_url(support::PUBLIC_URL)
            .domain("acme")
            .build()
    }

    async fn send(&self, method: &str, path: &str, kind: Option<&str>, body: String) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("authorization", "Bearer ada");
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let response = self.service().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let status = response.status();
        Answer { status, body: response.into_body().collect().await.unwrap().to_bytes() }
    }

    /// How many assets and blobs there are.
    async fn left(&self) -> (usize, usize) {
        let assets = self.depot.assets(&Actor::system("test"), Query::of::<Asset>(self.acme)).await.unwrap();
        (assets.items.len(), self.blobs.keys().len())
    }
}

/// A service whose builds were read before it is asked again.
#[derive(Clone)]
struct Worked {
    depot: Depot,
    service: Service,
}

impl tower::Service<Request<Body>> for Worked {
    type Response = http::Response<Body>;
    type Error = std::convert::Infallible;
    type Future = futures::future::BoxFuture<'static, std::result::Result<Self::Response, Self::Error>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::result::Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Self { depot, service } = self.clone();
        Box::pin(async move {
            while depot.process_build().await.unwrap().is_some() {}
            service.oneshot(request).await
        })
    }
}

/// Who may what in these organizations; there are no others.
#[derive(Debug)]
struct Rules {
    acme: Id<Organization>,
    north: Id<Organization>,
}

#[async_trait::async_trait]
impl Authorizer for Rules {
    async fn authorize(&self, actor: &Actor, permission: &str, target: &Target) -> Result<()> {
        let look = permission.ends_with(".get") || permission.ends_with(".list");
        match actor.subject.as_str() {
            "user:nora" if target.organization == self.north => Ok(()),
            who if who == "user:nora" || target.organization != self.acme => {
                Err(Error::not_found("organization"))
            }
            "user:ada" => Ok(()),
            "user:vera" if look => Ok(()),
            // An app token.
            key if key.starts_with("key:") && target.app.is_some() => Ok(()),
            _ => Err(Error::forbidden(permission.to_owned())),
        }
    }

    async fn outranks(&self, actor: &Actor, _: &Role, _: &Target) -> Result<bool> {
        Ok(actor.subject.as_str() == "user:ada")
    }

    async fn scope(&self, actor: &Actor, permission: &str, organization: Id<Organization>) -> Result<Scope> {
        let target = Target { organization, app: actor.app };
        self.authorize(actor, permission, &target).await.map(|()| Scope::All)
    }
}

/// Names stand for people; what has a dot is an app token, which is looked up without a look at its secret.
#[derive(Debug)]
struct Tokens(Arc<MemoryRecords>);

#[async_trait::async_trait]
impl Authenticator for Tokens {
    async fn authenticate(&self, token: &str) -> Result<Actor> {
        match token {
            "ada" | "vera" | "nora" => {
                let email = format!("{token}@example.com");
                let person = Person { email, first_name: "Ada".to_owned(), last_name: "Byron".to_owned() };
                Ok(Actor { person, ..Actor::new(Subject::user(token)?) })
            }
            "limited" => Err(Error::new(ErrorKind::Limited, "more than 20 apps")
                .with_detail(Detail::Limit { limit: 20, unit: "apps" })),
            "hasty" => Err(Error::limited(Duration::from_secs(30))),
            "panic" => panic!("the authenticator has a defect"),
            key if key.contains('.') => {
                let claim = Claim::new(ApiKey::SPACE, key.split('.').next().unwrap());
                let key = Key::Claim { organization: Id::NIL, kind: ApiKey::KIND, claim };
                let bad = || Error::unauthenticated(CredentialFault::Bad);
                let key = self.0.get(&key).await?.ok_or_else(bad)?;
                let key = Stored::<ApiKey>::from_record(key)?;
                if key.revoked_at.is_some() {
                    return Err(bad());
                }
                Ok(Actor { app: key.app, person: key.person.clone(), ..Actor::new(key.subject()?) })
            }
            _ => Err(support::refusal(token)),
        }
    }

    async fn grant(&self, _: &str, _: &str, _: Option<BTreeSet<String>>) -> Result<AccessToken> {
        Err(Error::new(ErrorKind::Unsupported, "no tokens here"))
    }
}

/// Reads packages that are lines of text: the first says `toy apk`, the others a name and a value. What begins with
/// `toy picture` is one.
#[derive(Debug)]
struct Toys;

#[async_trait::async_trait]
impl Inspector for Toys {
    async fn inspect(&self, source: &dyn Source, _: &Hint) -> Inspection {
        let mut bytes = vec![0; usize::try_from(source.length()).unwrap()];
        let read = source.read_at(0, &mut bytes).await.unwrap();
        let text = String::from_utf8_lossy(&bytes[..read]).into_owned();
        let found = Inspection { reads: 1, bytes_read: read as u64, ..Inspection::unknown() };
        if text.starts_with("toy picture") {
            return Inspection { format: Format::Image, ..found };
        }
        let Some(lines) = text.strip_prefix("toy apk") else { return found };
        let value = |name: &str| {
            let mut pairs = lines.lines().filter_map(|line| line.split_once(' '));
            pairs.find(|(found, _)| *found == name).map(|(_, value)| value.to_owned())
        };
        if value("broken").is_some() {
            let problem = Problem { code: "E_TRUNCATED".to_owned(), message: "cut off".to_owned() };
            return Inspection { format: Format::Apk, error: Some(problem), ..found };
        }
        let package = Package {
            id: value("id").unwrap_or_default(),
            name: value("name"),
            version: value("version"),
            version_code: value("versionCode"),
            platform: Some(if value("ios").is_some() { Platform::Ios } else { Platform::Android }),
            min_os: value("minOs"),
            details: value("target")
                .map(|sdk| ("targetSdkVersion".to_owned(), sdk.into()))
                .into_iter()
                .collect(),
            ..Package::default()
        };
        Inspection { format: Format::Apk, package: Some(package), ..found }
    }
}

/// Knows one service, which holds nothing, and another one that never answers.
#[derive(Debug)]
struct Places;

impl StorageFactory for Places {
    fn open(
        &self,
        _: Id<Organization>,
        provider: &StorageProvider,
        credentials: Option<&Credentials>,
    ) -> Result<Arc<dyn BlobStore>> {
        let StorageService::S3 { endpoint } = &provider.service else {
            return Err(Error::new(ErrorKind::Unsupported, "no such storage here"));
        };
        credentials.ok_or_else(|| Error::invalid("accessKeyId", "is required"))?;
        match endpoint.as_str() {
            "https://s3.example.org" => Ok(Arc::new(MemoryBlobs::new())),
            "https://gone.example.org" => Ok(Arc::new(Gone)),
            _ => Err(Error::invalid("endpoint", "not one of those that are allowed here")),
        }
    }
}

#[derive(Debug)]
struct Gone;

#[async_trait::async_trait]
impl BlobStore for Gone {
    async fn put(&self, _: &BlobKey, _: ByteStream) -> Result<u64> {
        Err(Error::unavailable("gone"))
    }

    async fn get(&self, _: &BlobKey, _: ByteRange) -> Result<ByteStream> {
        Err(Error::unavailable("gone"))
    }

    async fn stat(&self, _: &BlobKey) -> Result<Option<u64>> {
        Err(Error::unavailable("gone"))
    }

    async fn delete(&self, _: &BlobKey) -> Result<()> {
        Err(Error::unavailable("gone"))
    }
}

/// Keeps passwords backwards.
#[derive(Debug)]
struct Backwards;

#[async_trait::async_trait]
impl Passwords for Backwards {
    async fn hash(&self, password: &str) -> Result<String> {
        Ok(password.chars().rev().collect())
    }

    async fn verify(&self, password: &str, kept: Option<&str>) -> Result<Verdict> {
        let right = kept == Some(self.hash(password).await?.as_str());
        Ok(if right { Verdict::Right } else { Verdict::Wrong })
    }
}

/// A body that says how long it will be.
struct Announced(Body, u64);

impl http_body::Body for Announced {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        std::pin::Pin::new(&mut self.0).poll_frame(context)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.1)
    }
}
