//! Where scenarios play: a depot with its real parts on fresh backends, and people in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering::SeqCst;

use appdepot::authorize::{Actor, Subject};
use appdepot::authz::CasbinAuthorizer;
use appdepot::blobs::{BlobKey, ByteStream};
use appdepot::conformance::depot::Backends;
use appdepot::depot::{Depot, NewApp, NewAsset, NewFile, NewListing, NewRelease};
use appdepot::domain::{
    App, Asset, Audience, Id, LifecycleName, Listing, Organization, Release, Role, Store, Stored, Timestamp,
    Visibility,
};
use appdepot::lifecycle::{State, Verb};
use appdepot::memory::MemoryBlobs;
use appdepot::metadata::Extractor;
use appdepot::query::Query;
use appdepot::storage::{Durability, OpendalBlobs};
use appdepot::{Error, ErrorKind};
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tempfile::TempDir;

use crate::support::backends::Database;

/// Fresh backends for one scenario, and what keeps them alive.
pub(crate) struct Ground {
    pub(crate) backends: Backends,
    database: Database,
    _folder: TempDir,
}

impl Ground {
    /// Bytes are in memory where records are, and in files elsewhere.
    pub(crate) async fn new(database: Database) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let records = database.records().await;
        let backends = match database {
            Database::Memory(_) => {
                let blobs = Arc::new(MemoryBlobs::new());
                let listed = blobs.clone();
                Backends { blobs, records, keys: Arc::new(move || listed.keys()) }
            }
            _ => {
                let root = folder.path().to_owned();
                let blobs = Arc::new(OpendalBlobs::directory(&root, Durability::Os).unwrap());
                Backends { blobs, records, keys: Arc::new(move || files(&root, &root)) }
            }
        };
        Self { backends, database, _folder: folder }
    }

    /// Its records, opened anew from their file or server, as after a restart.
    pub(crate) async fn reopened(&self) -> Arc<dyn appdepot::records::RecordStore> {
        self.database.records().await
    }
}

/// A depot with an organization, its store, and people in it.
pub(crate) struct Stage {
    pub(crate) ground: Ground,
    pub(crate) depot: Depot,
    pub(crate) acme: Id<Organization>,
    pub(crate) store: Stored<Store>,
    pub(crate) clock: Arc<AtomicI64>,
}

impl Stage {
    pub(crate) async fn set(ground: Ground) -> Self {
        Self::with(ground, |builder| builder).await
    }

    pub(crate) async fn with(
        ground: Ground,
        more: impl FnOnce(appdepot::depot::DepotBuilder) -> appdepot::depot::DepotBuilder,
    ) -> Self {
        let clock = Arc::new(AtomicI64::new(Timestamp::now().millis()));
        let time = clock.clone();
        let builder = Depot::builder()
            .blobs(ground.backends.blobs.clone())
            .records(ground.backends.records.clone())
            .authorizer(Arc::new(CasbinAuthorizer::new(ground.backends.records.clone())))
            .inspector(Arc::new(Extractor::default()))
            .clock(move || Timestamp::from_millis(time.load(SeqCst)));
        let depot = more(builder).build();
        let acme = depot.create_organization(&system(), "acme", "Acme").await.unwrap().id;
        let store = depot.create_store(&system(), acme, "Main", Some("main")).await.unwrap();
        Self { ground, depot, acme, store, clock }
    }

    pub(crate) async fn hire(&self, name: &str, role: &str) -> Actor {
        let subject = Subject::user(name).unwrap();
        let role = Role::parse(role).unwrap();
        self.depot.grant(&system(), self.acme, subject.clone(), role, None).await.unwrap();
        Actor::new(subject)
    }

    pub(crate) async fn upload(&self, name: &str, bytes: Vec<u8>) -> Stored<Asset> {
        let file = NewFile { file_name: name.to_owned(), ..NewFile::default() };
        self.depot.upload(&system(), self.acme, NewAsset::default(), file, body(bytes)).await.unwrap()
    }

    pub(crate) async fn app(&self, name: &str, lifecycle: LifecycleName) -> Stored<App> {
        let new = NewApp { name: name.to_owned(), lifecycle, ..NewApp::default() };
        self.depot.create_app(&system(), self.acme, new).await.unwrap()
    }

    pub(crate) async fn release(&self, app: &Stored<App>, fixture: &str) -> Stored<Release> {
        let asset = self.upload(fixture, package(fixture)).await;
        let new = NewRelease::of(asset.id);
        self.depot.create_release(&system(), self.acme, app.id, new).await.unwrap()
    }

    pub(crate) async fn list(&self, app: &Stored<App>, audience: Audience) -> Stored<Listing> {
        let (store, app) = (self.store.id, app.id);
        let new = NewListing { store, app, slug: None, visibility: Visibility::Active, audience };
        self.depot.create_listing(&system(), self.acme, new).await.unwrap()
    }

    pub(crate) async fn go(&self, release: &Stored<Release>, verbs: &[Verb]) -> State {
        let mut state = release.state;
        for verb in verbs {
            state = self.depot.step(&system(), self.acme, release.id, *verb, "").await.unwrap().state;
        }
        state
    }

    /// The versions that the store offers to the actor.
    pub(crate) async fn offered(&self, actor: &Actor) -> Vec<String> {
        let page = self.depot.storefront(actor, &self.store, Query::of::<Listing>(self.acme)).await.unwrap();
        page.items
            .iter()
            .flat_map(|listing| listing.offers.iter().map(|offer| offer.version.clone()))
            .collect()
    }

    pub(crate) async fn assert_sound(&self) {
        let wrong = self.depot.check((self.ground.backends.keys)()).await.unwrap();
        assert_eq!(wrong, Vec::<String>::new());
    }
}

pub(crate) const TO_PUBLISHED: [Verb; 3] = [Verb::Submit, Verb::Approve, Verb::Publish];

pub(crate) fn system() -> Actor {
    Actor::system("scenario")
}

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

pub(crate) fn package(name: &str) -> Vec<u8> {
    std::fs::read(fixtures().join(name)).unwrap()
}

pub(crate) fn body(bytes: Vec<u8>) -> ByteStream {
    let chunks: Vec<_> = bytes.chunks(4_000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    stream::iter(chunks).boxed()
}

pub(crate) fn kind<T: std::fmt::Debug>(result: Result<T, Error>) -> ErrorKind {
    result.unwrap_err().kind()
}

pub(crate) async fn read(stream: ByteStream) -> Vec<u8> {
    stream.try_collect::<Vec<Bytes>>().await.unwrap().concat()
}

/// The keys of all files below a directory.
fn files(root: &Path, folder: &Path) -> Vec<BlobKey> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(root, &path));
        } else {
            found.push(BlobKey::foreign(path.strip_prefix(root).unwrap().to_str().unwrap()).unwrap());
        }
    }
    found
}
