//! That nothing leaves without a session or a ticket, whatever is asked and however.

use std::collections::BTreeSet;
use std::sync::Arc;

use appdepot_core::authenticate::{Authenticator, Passwords, Verdict};
use appdepot_core::authorize::{Actor, Authorizer, Scope, Subject, Target};
use appdepot_core::depot::{NewApp, NewAsset, NewFile, NewListing, NewPublication, NewRelease};
use appdepot_core::domain::{
    Audience, Details, Id, LifecycleName, Organization, Publication, Security, Visibility,
};
use appdepot_core::error::CredentialFault;
use appdepot_core::inspect::{Format, Hint, Inspection, Inspector, Package, Platform, Source};
use appdepot_core::{Depot, Error, Result};
use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use http::header::{CONTENT_TYPE, COOKIE, LOCATION, RETRY_AFTER};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::{router, table};
use crate::call::Backend;

/// What only those see who may.
const SECRET: &str = "zanzibar";
/// The publication that asks for a password.
const SEALED: &str = "sealed";
/// Pages that are for everyone.
const OPEN: [&str; 2] = ["/store/{organization}/-/sign-in", "/store/-/{file}"];

/// Ada is at home, others are nobody.
#[derive(Debug)]
struct Ada;

fn ada() -> Result<Subject> {
    Subject::user("ada")
}

#[async_trait::async_trait]
impl Authorizer for Ada {
    async fn authorize(&self, actor: &Actor, permission: &str, _: &Target) -> Result<()> {
        match actor.subject == ada()? {
            true if permission.starts_with("mad.store.") => Ok(()),
            true => Err(Error::forbidden(permission.to_owned())),
            false => Err(Error::not_found("organization")),
        }
    }

    async fn scope(&self, actor: &Actor, permission: &str, organization: Id<Organization>) -> Result<Scope> {
        self.authorize(actor, permission, &Target::organization(organization)).await.map(|()| Scope::All)
    }
}

#[async_trait::async_trait]
impl Authenticator for Ada {
    async fn authenticate(&self, token: &str) -> Result<Actor> {
        if token == "ada" {
            return Ok(Actor::new(ada()?));
        }
        Err(Error::unauthenticated(CredentialFault::Bad))
    }
}

/// Keeps passwords as they are.
#[async_trait::async_trait]
impl Passwords for Ada {
    async fn hash(&self, password: &str) -> Result<String> {
        Ok(password.to_owned())
    }

    async fn verify(&self, password: &str, kept: Option<&str>) -> Result<Verdict> {
        Ok(if kept == Some(password) { Verdict::Right } else { Verdict::Wrong })
    }
}

/// Takes everything for one package but what is sent as a picture.
#[async_trait::async_trait]
impl Inspector for Ada {
    async fn inspect(&self, _: &dyn Source, hint: &Hint) -> Inspection {
        if hint.media_type.is_some() {
            return Inspection { format: Format::Image, ..Inspection::unknown() };
        }
        let package = Package {
            id: SECRET.to_owned(),
            version: Some("1.0".to_owned()),
            platform: Some(Platform::Android),
            ..Package::default()
        };
        Inspection { format: Format::Apk, package: Some(package), ..Inspection::unknown() }
    }
}

/// Two stores with one app, which is listed in the first and there behind a password as well, and published in the
/// other for everyone.
struct World {
    backend: Arc<Backend>,
    release: String,
    /// A screenshot of it.
    picture: String,
}

async fn world() -> World {
    made(true).await
}

/// `open`: whether the app is published in the other store.
async fn made(open: bool) -> World {
    let system = Actor::system("test");
    let depot =
        Depot::builder().authorizer(Arc::new(Ada)).inspector(Arc::new(Ada)).passwords(Arc::new(Ada)).build();
    let acme = depot.create_organization(&system, "acme", "Acme").await.unwrap().id;
    let store = depot.create_store(&system, acme, "Apps", None).await.unwrap();
    let new = NewApp { name: SECRET.to_owned(), lifecycle: LifecycleName::Direct, ..NewApp::default() };
    let app = depot.create_app(&system, acme, new).await.unwrap();
    let listing = NewListing {
        store: store.id,
        app: app.id,
        slug: Some("notes".to_owned()),
        visibility: Visibility::Active,
        audience: Audience::everyone(),
    };
    depot.create_listing(&system, acme, listing).await.unwrap();
    let sealed = NewPublication {
        store: Some(store.id),
        slug: SEALED.to_owned(),
        visibility: Visibility::Active,
        audience: Audience::everyone(),
        publication: Publication {
            security: Security::Password,
            terms: Some("be kind".to_owned()),
            ..Publication::default()
        },
        password: Some("open sesame".to_owned()),
    };
    depot.create_publication(&system, acme, app.id, sealed).await.unwrap();
    let other = depot.create_store(&system, acme, "Field", Some("field")).await.unwrap();
    let publication = NewPublication {
        store: Some(other.id),
        slug: "open".to_owned(),
        visibility: Visibility::Active,
        audience: Audience::everyone(),
        publication: Publication { security: Security::Public, ..Publication::default() },
        password: None,
    };
    if open {
        depot.create_publication(&system, acme, app.id, publication).await.unwrap();
    }
    let send = async |media_type: Option<&str>| {
        let body = Box::pin(stream::iter([Ok(Bytes::from(SECRET))]));
        let file = NewFile { media_type: media_type.map(str::to_owned), ..NewFile::default() };
        depot.upload(&system, acme, NewAsset::default(), file, body).await.unwrap().id
    };
    let picture = send(Some("image/png")).await;
    let details = Details { screenshots: vec![picture], ..Details::default() };
    let new = NewRelease { details, ..NewRelease::of(send(None).await) };
    let release = depot.create_release(&system, acme, app.id, new).await.unwrap();
    let public_url = "https://depot.example".to_owned();
    World {
        backend: Arc::new(Backend { depot, authenticator: Arc::new(Ada), public_url }),
        release: release.id.to_string(),
        picture: picture.to_string(),
    }
}

async fn ask(
    backend: &Arc<Backend>,
    method: &str,
    path: &str,
    cookie: &str,
    form: String,
) -> (StatusCode, String, String) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(COOKIE, cookie)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    let request = request.body(Body::from(form)).unwrap();
    let (parts, body) = router(Arc::clone(backend)).oneshot(request).await.unwrap().into_parts();
    let location = parts.headers.get(LOCATION).map(|value| value.to_str().unwrap().to_owned());
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status, location.unwrap_or_default(), String::from_utf8_lossy(&body).into_owned())
}

fn filled(path: &str, token: &str, picture: &str) -> String {
    let holes = [
        ("{organization}", "acme"),
        ("{app}", "notes"),
        ("{token}", token),
        ("{id}", picture),
        ("{edge}", "57"),
        ("{file}", "x.css"),
    ];
    let path = holes.into_iter().fold(path.to_owned(), |path, (hole, value)| path.replace(hole, value));
    assert!(!path.contains('{'), "{path}");
    path
}

#[tokio::test]
async fn nothing_leaves_without_a_session_or_a_ticket() {
    let World { backend, release, picture } = world().await;
    let actor = Actor::new(ada().unwrap());
    let acme = backend.depot.organization(&Actor::system("test"), "acme").await.unwrap().id;
    let issued = backend.depot.ticket(&actor, acme, Id::parse(&release).unwrap()).await.unwrap();
    let changed = format!("{}0", issued.token);
    let form = format!("release={release}&name=ada&password=ada");

    let mut seen = BTreeSet::new();
    for (path, _) in table() {
        for method in ["GET", "HEAD", "POST", "PUT", "OPTIONS"] {
            for cookie in ["", "appdepot_session=eve", "appdepot_session=", "session=ada", "appdepot_pass=x"]
            {
                for token in ["x", changed.as_str()] {
                    for app in ["notes", SEALED] {
                        let asked = filled(path, token, &picture).replace("/notes", &format!("/{app}"));
                        let (status, location, body) =
                            ask(&backend, method, &asked, cookie, form.clone()).await;
                        assert!(!body.contains(SECRET), "{method} {asked}");
                        assert!(!location.contains("/install/"), "{method} {asked}");
                        let asks = app == SEALED && (body.is_empty() || body.contains("/unlock\""));
                        let open = asks || OPEN.contains(&path);
                        assert!(!status.is_success() || open, "{method} {asked}: {status}");
                        assert!(!status.is_server_error(), "{method} {asked}: {status}");
                    }
                }
            }
        }
        let (with_both, ..) = ask(
            &backend,
            "GET",
            &filled(path, &issued.token, &picture),
            "appdepot_session=ada",
            String::new(),
        )
        .await;
        if with_both.is_success() {
            seen.insert(path);
        }
    }
    // The same questions are answered to those who may.
    let expected = [
        "/install/{token}",
        "/install/{token}/icon",
        "/install/{token}/package",
        "/store/{organization}",
        "/store/{organization}/-/sign-in",
        "/store/{organization}/{app}",
        "/store/{organization}/{app}/icon",
        "/store/{organization}/{app}/screenshot/{id}",
    ];
    assert_eq!(seen, BTreeSet::from(expected));
    let install = filled("/store/{organization}/{app}/install", "", "");
    let (status, location, _) = ask(&backend, "POST", &install, "appdepot_session=ada", form).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let (_, _, package) = ask(&backend, "GET", &location, "", String::new()).await;
    assert_eq!(package, SECRET);
}

#[tokio::test]
async fn a_password_opens_its_publication_and_nothing_else() {
    // What everyone may have elsewhere takes no agreeing.
    let World { backend, release, .. } = made(false).await;
    let page = format!("/store/acme/{SEALED}");
    let install = format!("{page}/install");
    let (status, _, body) = ask(&backend, "GET", &page, "", String::new()).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.contains(&format!("action=\"{page}/unlock\"")), "{body}");
    let (status, ..) =
        ask(&backend, "POST", &format!("{page}/unlock"), "", "password=sesame".to_owned()).await;
    assert_eq!(status, StatusCode::FORBIDDEN);

    let issued = backend.depot.unlock("acme", SEALED, "open sesame", Default::default()).await.unwrap();
    let pass = format!("appdepot_pass={}", issued.token);
    let (status, _, body) = ask(&backend, "GET", &page, &pass, String::new()).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.contains(SECRET) && body.contains("be kind"), "{body}");
    for other in ["/store/acme", "/store/acme/notes"] {
        let (status, location, _) = ask(&backend, "GET", other, &pass, String::new()).await;
        assert!(status.is_redirection() && location.contains("/-/sign-in"), "{other}: {status}");
    }
    let form = format!("release={release}");
    let (status, ..) = ask(&backend, "POST", &install, &pass, form.clone()).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "the terms were not agreed to");
    let (status, location, _) = ask(&backend, "POST", &install, &pass, format!("{form}&agree=yes")).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let (_, _, package) = ask(&backend, "GET", &location, "", String::new()).await;
    assert_eq!(package, SECRET);
}

#[tokio::test]
async fn every_store_of_an_organization_has_pages() {
    let World { backend, picture, .. } = world().await;
    for (path, shown) in [
        ("/store/acme~field/open".to_owned(), true),
        (format!("/store/acme~field/open/screenshot/{picture}"), true),
        // Each store has its own addresses.
        ("/store/acme/open".to_owned(), false),
        ("/store/acme~apps/open".to_owned(), false),
        ("/store/acme~field/notes".to_owned(), false),
        ("/store/acme~/open".to_owned(), false),
        ("/store/~field/open".to_owned(), false),
        ("/store/acme~nothing/open".to_owned(), false),
        (format!("/store/acme~field/open/screenshot/{}", Id::<()>::generate()), false),
    ] {
        let (status, _, body) = ask(&backend, "GET", &path, "", String::new()).await;
        assert_eq!((status.is_success(), body.contains(SECRET)), (shown, shown), "{path}: {status}");
    }
    let (status, location, _) = ask(&backend, "GET", "/store/acme~field", "", String::new()).await;
    assert_eq!(
        (status, location.as_str()),
        (StatusCode::SEE_OTHER, "/store/acme%7Efield/-/sign-in?to=%2Fstore%2Facme%7Efield")
    );
    let (status, _, body) =
        ask(&backend, "GET", "/store/acme~field", "appdepot_session=ada", String::new()).await;
    assert!(status.is_success() && body.contains("Field"), "{status} {body}");
}

#[tokio::test]
async fn too_many_passwords_say_when_to_come_back() {
    let World { backend, .. } = world().await;
    let guess = async || {
        let request = Request::post(format!("/store/acme/{SEALED}/unlock"))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = request.body(Body::from("password=guess")).unwrap();
        router(Arc::clone(&backend)).oneshot(request).await.unwrap()
    };
    let limit = backend.depot.limits().sign_ins_per_account;
    for _ in 0..limit {
        assert_eq!(guess().await.status(), StatusCode::FORBIDDEN);
    }
    let refused = guess().await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let seconds: u64 = refused.headers()[RETRY_AFTER].to_str().unwrap().parse().unwrap();
    let window = backend.depot.limits().sign_in_window.as_secs();
    assert!(seconds > window / 2 && seconds <= window, "{seconds}");
}
