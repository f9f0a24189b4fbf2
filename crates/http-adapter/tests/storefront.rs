//! The store's pages over a depot in memory. What needs a package or a browser is in the root's `tests/browser.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

use appdepot_core::authorize::Actor;
use appdepot_core::blobs::ByteStream;
use appdepot_core::depot::{
    NewApp, NewAsset, NewAuthPolicy, NewFile, NewListing, NewPublication, NewRelease, SetChange, StoreChange,
};
use appdepot_core::domain::{
    App, Asset, Audience, AuthMethod, Details, Extra, Id, LifecycleName, Publication, Security, Store,
    Stored, Timestamp, Visibility,
};
use appdepot_core::inspect::{Format, Hint, Inspection, Inspector, Package, Platform, Signer, Source};
use bytes::Bytes;
use futures::stream;
use serde_json::{Value, json};
use support::World;

/// Every golden file of these pages.
const CASES: &[&str] = &[
    "app_page",
    "empty_store",
    "hostile_texts",
    "install_page",
    "publications",
    "refused",
    "sign_in",
    "sign_in_elsewhere",
    "store_page",
];

#[tokio::test]
async fn golden() {
    support::golden::run_folder("storefront", CASES, async |case| {
        let shop = Shop::new().await;
        match case {
            "empty_store" | "refused" | "sign_in" => {}
            "sign_in_elsewhere" => shop.ways_in().await,
            "hostile_texts" => shop.hostile().await,
            "publications" => shop.publications().await,
            _ => shop.open().await,
        }
        shop.world.service()
    })
    .await;
}

/// A store whose clock stands still but between two releases.
struct Shop {
    world: World,
    store: Stored<Store>,
    clock: Arc<AtomicI64>,
}

impl Shop {
    async fn new() -> Self {
        let start = Timestamp::parse("2026-03-09T12:00:00Z").unwrap();
        let clock = Arc::new(AtomicI64::new(start.millis()));
        let now = Arc::clone(&clock);
        let world = World::with(|builder| {
            builder
                .inspector(Arc::new(Toys))
                .passwords(Arc::new(support::Plain))
                .clock(move || Timestamp::from_millis(now.load(SeqCst)))
        });
        let world = world.await;
        let store =
            world.depot.create_store(&system(), world.acme, "Acme <Apps>", Some("main")).await.unwrap();
        let change = StoreChange {
            contact: Some("apps@acme.example".to_owned()),
            brand: Some("7A1FA2".to_owned()),
            ..StoreChange::default()
        };
        let store = world.depot.update_store(&system(), world.acme, store.id, None, change).await.unwrap();
        Self { world, store, clock }
    }

    /// An app for Android and iOS with two versions, and one whose profile has ended.
    async fn open(&self) {
        let notes = self.app("Field Notes", "Notes from the field,\nkept without a network.").await;
        self.list(&notes).await;
        let picture = self.upload("screen.png", "png").await;
        let details = Details {
            category: "Business".to_owned(),
            tags: vec!["notes".to_owned(), "field".to_owned()],
            screenshots: vec![picture],
            ..Details::default()
        };
        self.release(&notes, "apk 1.4.2 android.permission.CAMERA", "First **version**", &details).await;
        let more = "apk 1.5.0 android.permission.CAMERA android.permission.INTERNET";
        self.release(&notes, more, "- Reminders\n- [Help](https://example.com/help)", &details).await;
        self.release(&notes, "ipa 1.5.0 2040-01-01T00:00:00Z", "The same for iOS", &Details::default()).await;
        let old = self.app("Timesheet", "").await;
        self.list(&old).await;
        self.release(&old, "ipa 3.1 2021-05-06T00:00:00Z", "", &Details::default()).await;
    }

    /// One app for everyone, behind a password, and until yesterday.
    async fn publications(&self) {
        let notes = self.app("Field Notes", "").await;
        let details = Details::default();
        self.release(&notes, "apk 1.4.2", "First version", &details).await;
        let day_before = Timestamp::from_millis(self.clock.load(SeqCst) - 24 * 3600 * 1000);
        for (slug, security, expires_at) in [
            ("open", Security::Public, None),
            ("sealed", Security::Password, None),
            ("over", Security::Public, Some(day_before)),
            ("staff", Security::Logged, None),
        ] {
            let new = NewPublication {
                store: Some(self.store.id),
                slug: slug.to_owned(),
                visibility: Visibility::Active,
                audience: Audience::everyone(),
                publication: Publication {
                    security,
                    terms: Some("For tests only.\nTell <nobody>.".to_owned()),
                    tags: vec!["beta".to_owned()],
                    expires_at,
                    ..Publication::default()
                },
                password: Some("open sesame".to_owned()),
            };
            self.world.depot.create_publication(&system(), self.world.acme, notes.id, new).await.unwrap();
        }
    }

    /// Texts of somebody who means no good, wherever a text can be said.
    async fn hostile(&self) {
        let evil = "<img src=x onerror=alert(1)>\u{202e}\u{2066}\"'&";
        let app = self.app(evil, &format!("{evil}\n</bdi></p><script>alert(2)</script>")).await;
        self.list(&app).await;
        let details =
            Details { category: evil.to_owned(), tags: vec![evil.to_owned()], ..Details::default() };
        let notes = "<script>alert(3)</script> [x](javascript:alert(4)) ![y](https://evil.example/y.png)";
        let package = "apk <b>\u{202e}1.0</b> <i>permission</i>\u{2066}";
        self.release(&app, package, notes, &details).await;
    }

    /// Two ways in, one of which leads elsewhere.
    async fn ways_in(&self) {
        let mut policies = Vec::new();
        for (name, method) in [("Staff", AuthMethod::Password), ("Directory <x>", AuthMethod::Ldap)] {
            let new = NewAuthPolicy {
                name: name.to_owned(),
                method,
                configuration: Extra::new(),
                check_exists: false,
                check_approved: false,
                users: Vec::new(),
            };
            let made = self.world.depot.create_auth_policy(&system(), self.world.acme, new).await.unwrap();
            policies.push(made.id);
        }
        let (all, elsewhere) = (policies.clone(), policies.split_off(1));
        let (depot, acme) = (&self.world.depot, self.world.acme);
        let other = depot.create_store(&system(), acme, "Other", Some("other")).await.unwrap().id;
        for (store, policies) in [(self.store.id, all), (other, elsewhere)] {
            let change = StoreChange { policies: SetChange::to(policies), ..StoreChange::default() };
            depot.update_store(&system(), acme, store, None, change).await.unwrap();
        }
    }

    async fn app(&self, name: &str, description: &str) -> Stored<App> {
        let new = NewApp {
            name: name.to_owned(),
            description: description.to_owned(),
            lifecycle: LifecycleName::Direct,
            ..NewApp::default()
        };
        self.world.depot.create_app(&system(), self.world.acme, new).await.unwrap()
    }

    async fn list(&self, app: &Stored<App>) {
        let listing = NewListing {
            store: self.store.id,
            app: app.id,
            slug: None,
            visibility: Visibility::Active,
            audience: Audience::everyone(),
        };
        self.world.depot.create_listing(&system(), self.world.acme, listing).await.unwrap();
    }

    async fn release(&self, app: &Stored<App>, package: &str, notes: &str, details: &Details) {
        self.clock.fetch_add(24 * 3600 * 1000, SeqCst);
        let asset = self.upload("package", package).await;
        let new = NewRelease { notes: notes.to_owned(), details: details.clone(), ..NewRelease::of(asset) };
        self.world.depot.create_release(&system(), self.world.acme, app.id, new).await.unwrap();
    }

    async fn upload(&self, name: &str, text: &str) -> Id<Asset> {
        let body: ByteStream = Box::pin(stream::iter([Ok(Bytes::from(text.to_owned()))]));
        let file = NewFile { file_name: name.to_owned(), ..NewFile::default() };
        let (depot, acme) = (&self.world.depot, self.world.acme);
        depot.upload(&system(), acme, NewAsset::default(), file, body).await.unwrap().id
    }
}

fn system() -> Actor {
    Actor::system("test")
}

/// Reads `png`, `apk VERSION PERMISSION…` and `ipa VERSION END-OF-PROFILE`.
#[derive(Debug)]
struct Toys;

#[async_trait::async_trait]
impl Inspector for Toys {
    async fn inspect(&self, source: &dyn Source, _: &Hint) -> Inspection {
        let text = support::text(source).await;
        let words: Vec<&str> = text.split(' ').collect();
        let (format, platform, details) = match words[0] {
            "png" => return Inspection { format: Format::Image, ..Inspection::unknown() },
            "apk" => (Format::Apk, Platform::Android, json!({ "permissions": words[2..] })),
            _ => (Format::Ipa, Platform::Ios, json!({ "provisioning": { "ExpirationDate": words[2] } })),
        };
        let Value::Object(details) = details else { unreachable!() };
        let schemes = || vec!["v2".to_owned()];
        let signer =
            |digit: &str| Signer { sha256: digit.repeat(64), schemes: schemes(), ..Signer::default() };
        let mut signers = vec![signer("5")];
        // the old certificate named beside a new one
        signers.extend((words[..2] == ["apk", "1.5.0"]).then(|| signer("6")));
        let package = Package {
            id: "com.example.notes".to_owned(),
            version: Some(words[1].to_owned()),
            platform: Some(platform),
            min_os: Some(if platform == Platform::Ios { "15.0" } else { "24" }.to_owned()),
            signers,
            details,
            ..Package::default()
        };
        Inspection { format, package: Some(package), ..Inspection::unknown() }
    }
}
