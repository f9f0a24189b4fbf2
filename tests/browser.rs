//! The store's pages in a real browser, over a depot with its real parts. Each journey of `browser/journeys.mjs` is a
//! test. Without Chromium, Node or the packages of `browser/package.json` they are shown as ignored, and fail where
//! backends are required (`APPDEPOT_REQUIRE_BACKENDS=1`).
//!
//! With `APPDEPOT_SCREENSHOTS` naming a folder, pictures of the pages are left there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use appdepot::authorize::Actor;
use appdepot::depot::{
    Depot, NewApp, NewAsset, NewFile, NewListing, NewPublication, NewRelease, NewUser, StoreChange,
};
use appdepot::domain::{
    App, Asset, Audience, Details, Id, LifecycleName, Organization, Publication, Security, Store, Stored,
    Timestamp, Visibility,
};
use appdepot::http::Service;
use appdepot::metadata::fixture::ipa::{IpaBuilder, ProfileBuilder};
use appdepot::metadata::fixture::msi::MsiBuilder;
use appdepot::metadata::formats::profile::ReleaseType;
use appdepot::metadata::{Limits, icon};
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use libtest_mimic::{Arguments, Trial};
use tokio::net::TcpListener;

mod support;

use support::{PASSWORD, program};

/// The journeys of `browser/journeys.mjs`.
const JOURNEYS: [&str; 10] = [
    "sign_in",
    "browse",
    "android",
    "iphone",
    "desktop",
    "keyboard",
    "hostile",
    "languages",
    "accessible",
    "password",
];
/// What the pages believe to be reached under. iOS wants `https`; the browser comes over loopback.
const PUBLIC_URL: &str = "https://store.example";

fn main() {
    let browser = browser();
    let trials = JOURNEYS.into_iter().map(|journey| {
        let browser = browser.clone();
        Trial::test(journey, move || {
            let (node, chromium) = browser.ok_or("Chromium, Node or `npm ci` in tests/browser is missing")?;
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            let output = runtime.block_on(async {
                let address = serve().await;
                let mut command = Command::new(node);
                command
                    .arg(support::folder("browser").join("run.mjs"))
                    .args([journey, &format!("http://{address}"), chromium.to_str().unwrap_or_default()])
                    .env("PASSWORD", PASSWORD);
                tokio::task::spawn_blocking(move || command.output()).await
            })??;
            if output.status.success() {
                return Ok(());
            }
            let text = [output.stdout, output.stderr].concat();
            Err(String::from_utf8_lossy(&text).into_owned().into())
        })
        .with_ignored_flag(!support::required() && !is_here())
    });
    let trials = trials.collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn is_here() -> bool {
    browser().is_some()
}

/// Node and Chromium.
fn browser() -> Option<(PathBuf, PathBuf)> {
    let packages = support::folder("browser/node_modules/playwright-core").is_dir();
    let chromium = program("chromium").or_else(|| program("chromium-browser"));
    Some((program("node")?, chromium?)).filter(|_| packages)
}

/// A store with something in it, on a port of its own.
async fn serve() -> SocketAddr {
    let (depot, callers) = support::depot();
    Shop::open(&depot).await;
    let service = Service::builder(depot, Arc::new(callers)).public_url(PUBLIC_URL).build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    support::serve(listener, service);
    address
}

struct Shop<'a> {
    depot: &'a Depot,
    acme: Id<Organization>,
    store: Stored<Store>,
}

impl Shop<'_> {
    async fn open(depot: &Depot) {
        let system = system();
        let acme = depot.create_organization(&system, "acme", "Acme Corp.").await.unwrap().id;
        let store = depot.create_store(&system, acme, "Acme Apps", Some("main")).await.unwrap();
        let change = StoreChange {
            contact: Some("apps@acme.example".to_owned()),
            brand: Some("7a1fa2".to_owned()),
            ..StoreChange::default()
        };
        let store = depot.update_store(&system, acme, store.id, None, change).await.unwrap();
        for name in ["ada", "bob"] {
            let new = NewUser {
                email: format!("{name}@acme.example"),
                username: Some(name.to_owned()),
                first_name: name[..1].to_uppercase() + &name[1..],
                ..NewUser::default()
            };
            support::person(depot, acme, new, "org.member").await;
        }
        let shop = Shop { depot, acme, store };
        let about =
            "Notes, photos and positions from the field, kept without a network and sent when there is one.";
        let notes = shop.app("Field Notes", about).await;
        shop.release(
            &notes,
            "field-notes.apk",
            fixture("field-notes.apk"),
            "First version for the field team.",
        )
        .await;
        let whats_new = "Reminders for open notes.\n\n- **Photos** keep their position\n- Search finds words \
                         in [attachments](https://example.com/help)\n- Starts twice as fast";
        shop.release(&notes, "field-notes.apk", fixture("field-notes-1.5.0.apk"), whats_new).await;
        let phone = ipa("org.appdepot.fixture", "Field Notes", "1.5.0", "2040-01-01T00:00:00Z");
        shop.release(&notes, "field-notes.ipa", phone, whats_new).await;

        let beta = NewPublication {
            store: Some(shop.store.id),
            slug: "beta".to_owned(),
            visibility: Visibility::Unlisted,
            audience: Audience::everyone(),
            publication: Publication {
                security: Security::Password,
                show_history: true,
                terms: Some("For tests only.\nTell nobody.".to_owned()),
                ..Publication::default()
            },
            password: Some("open sesame".to_owned()),
        };
        depot.create_publication(&system, acme, notes.id, beta).await.unwrap();

        let timesheet = shop.app("Timesheet", "Hours, breaks and projects.").await;
        let old = ipa("com.example.timesheet", "Timesheet", "3.1", "2021-05-06T00:00:00Z");
        shop.release(&timesheet, "timesheet.ipa", old, "").await;

        let console = shop.app("Plant Console", "Watches the machines of a plant.").await;
        let msi = MsiBuilder::new()
            .property("ProductCode", "{5EFCBB7B-95AC-4C21-B5A6-6F5B7D1F1F1F}")
            .property("ProductName", "Plant Console")
            .property("ProductVersion", "7.2.1")
            .property("Manufacturer", "Acme Corp.")
            .build();
        shop.release(&console, "console.msi", msi.into(), "Trends over a year.").await;

        let name = "\u{202e}<img src=x onerror=alert(1)> \"Evil\" & 'Co'";
        let evil = shop.app(name, "<script>document.title='owned'</script>\u{202e}abc").await;
        let bytes = fixture("field-notes-unsigned.apk");
        let text = "<script>document.title='owned'</script>\n\n[click](javascript:alert(1)) ![x](https://evil.example/x.png)";
        shop.release(&evil, "../../evil\".apk", bytes, text).await;
    }

    async fn app(&self, name: &str, description: &str) -> Stored<App> {
        let new = NewApp {
            name: name.to_owned(),
            description: description.to_owned(),
            lifecycle: LifecycleName::Direct,
            ..NewApp::default()
        };
        let app = self.depot.create_app(&system(), self.acme, new).await.unwrap();
        let listing = NewListing {
            store: self.store.id,
            app: app.id,
            slug: None,
            visibility: Visibility::Active,
            audience: Audience::everyone(),
        };
        self.depot.create_listing(&system(), self.acme, listing).await.unwrap();
        app
    }

    async fn release(&self, app: &Stored<App>, file_name: &str, bytes: Bytes, notes: &str) {
        let file = NewFile { file_name: file_name.to_owned(), ..NewFile::default() };
        let body = stream::iter([Ok(bytes)]).boxed();
        let asset = self.depot.upload(&system(), self.acme, NewAsset::default(), file, body).await.unwrap();
        let screenshots = vec![self.picture().await];
        let tags = vec!["notes".to_owned(), "field work".to_owned()];
        let details = Details { tags, screenshots, ..Details::default() };
        let new = NewRelease { notes: notes.to_owned(), details, ..NewRelease::of(asset.id) };
        self.depot.create_release(&system(), self.acme, app.id, new).await.unwrap();
    }

    async fn picture(&self) -> Id<Asset> {
        let icon =
            icon::extract_slice(&fixture("field-notes.apk"), &Limits::default(), 192).unwrap().unwrap();
        let file = NewFile { file_name: "screen.png".to_owned(), ..NewFile::default() };
        let body = stream::iter([Ok(Bytes::from(icon.png))]).boxed();
        self.depot.upload(&system(), self.acme, NewAsset::default(), file, body).await.unwrap().id
    }
}

fn system() -> Actor {
    Actor::system("test")
}

fn fixture(name: &str) -> Bytes {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)).unwrap().into()
}

fn ipa(id: &str, name: &str, version: &str, expires: &str) -> Bytes {
    let expires = Timestamp::parse(expires).unwrap();
    let profile = ProfileBuilder::new(id, ReleaseType::Enterprise).expires(expires).build();
    let icon = icon::extract_slice(&fixture("field-notes.apk"), &Limits::default(), 192).unwrap().unwrap();
    let ipa = IpaBuilder::new(id).display_name(name).version(version).minimum_os("15.0").icon(icon.png);
    ipa.profile(profile).build().into()
}
