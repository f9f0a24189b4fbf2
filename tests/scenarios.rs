//! Users' journeys through the whole depot with its real parts (Casbin, the extractor, the fixture packages), on
//! every set of backends. A backend that this machine cannot run is shown as ignored, and fails where backends are
//! required (`APPDEPOT_REQUIRE_BACKENDS=1`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

use appdepot::authorize::{Actor, Subject};
use appdepot::authz::CasbinAuthorizer;
use appdepot::blobs::{BlobKey, BlobStore, ByteRange, ByteStream};
use appdepot::conformance::depot::Backends;
use appdepot::depot::{
    AssetChange, Depot, ForeignObject, ListingChange, NewApp, NewAsset, NewFile, NewListing, NewRelease,
};
use appdepot::domain::{
    App, Asset, Audience, Blob, EventFilter, Id, LifecycleName, Listing, Organization, Reference, Release,
    Role, StorageProvider, StorageService, Store, Stored, Timestamp, Visibility,
};
use appdepot::error::Detail;
use appdepot::lifecycle::{Lifecycle, State, Verb};
use appdepot::memory::{MemoryBlobs, MemoryRecords};
use appdepot::metadata::Extractor;
use appdepot::query::{Field, Op, Query, Sort};
use appdepot::records::RecordStore;
use appdepot::storage::testing::Postgres;
use appdepot::storage::{Durability, OpendalBlobs, PoolOptions, PostgresRecords, SqliteRecords};
use appdepot::{Error, ErrorKind};
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use libtest_mimic::{Arguments, Failed, Trial};
use tempfile::TempDir;

#[path = "scenarios/builds.rs"]
mod builds;
#[path = "scenarios/collaborators.rs"]
mod collaborators;
#[path = "scenarios/organizations.rs"]
mod organizations;
#[path = "scenarios/policies.rs"]
mod policies;
#[path = "scenarios/publications.rs"]
mod publications;
#[path = "scenarios/storage_providers.rs"]
mod storage_providers;

use builds::*;
use collaborators::*;
use organizations::*;
use policies::*;
use publications::*;
use storage_providers::*;

/// Fresh backends for one scenario, and what keeps them alive.
struct Ground {
    backends: Backends,
    _folder: Option<TempDir>,
}

type Scenario = fn(Ground) -> Pin<Box<dyn Future<Output = ()>>>;

macro_rules! scenarios {
    ($($name:ident)*) => { [$((stringify!($name), (|ground| Box::pin($name(ground))) as Scenario)),*] };
}

fn main() {
    let scenarios = scenarios! {
        the_fixture_package_lives_its_whole_life
        of_sixteen_clients_one_takes_the_step
        every_step_is_taken_or_refused_as_the_table_says
        the_offer_follows_what_is_published
        a_listing_made_while_publishing_offers_the_release
        a_removed_app_leaves_nothing_behind
        an_object_in_a_provider_is_verified
        a_storage_provider_is_made_used_and_removed
        what_opens_a_storage_provider_is_never_seen
        an_older_key_opens_until_everything_is_sealed_anew
        a_storage_provider_is_in_its_own_organization_only
        another_organization_does_not_exist
        a_ticket_ends
        a_store_page_is_cut_after_the_audience
        files_that_are_no_packages_are_kept_and_not_released
        the_same_version_is_released_once
        names_are_unique_and_slugs_are_numbered
        only_an_owner_makes_owners
        a_collaborator_has_one_role_and_an_owner_stays
        a_service_account_may_do_what_its_role_says_until_it_is_revoked
        a_build_becomes_a_release
        builds_of_one_version_stand_side_by_side
        a_build_that_is_no_package_says_why
        rights_on_the_app_are_enough_for_its_builds
        workers_share_the_builds
        what_waits_is_processed_after_a_restart
        a_publication_follows_its_branch
        a_publication_is_for_members_of_all_its_groups_until_it_ends
        a_password_is_kept_as_a_hash_and_asked_for_once
        a_publication_behind_a_password_is_nobodys_without_it
        a_public_publication_is_for_everyone_until_it_ends
        the_terms_of_a_publication_come_first
        a_publication_for_some_countries_is_for_no_others
        a_ticket_lasts_no_longer_than_its_publication
        a_store_lets_in_whom_one_of_its_policies_admits
        a_retention_does_what_was_seen_or_nothing
        what_is_exposed_is_seen_below_and_changed_by_nobody_there
        a_part_of_an_organization_is_made_by_its_owners
        a_policy_decides_as_things_are_now
        subscribers_stay_when_a_release_is_retired
        a_version_is_made_from_another_and_leaves_it_alone
        documents_go_with_their_release
    };
    let postgres = Arc::new(Postgres::start());
    let required = std::env::var("APPDEPOT_REQUIRE_BACKENDS").is_ok_and(|value| value == "1");
    let mut trials = Vec::new();
    for ground in ["memory", "sqlite+fs", "postgres+fs"] {
        let missing = ground == "postgres+fs" && postgres.is_none();
        let mut add = |name: &str, run: Box<dyn FnOnce(Ground) -> Result<(), Failed> + Send>| {
            let postgres = postgres.clone();
            let trial = Trial::test(format!("{ground}::{name}"), move || {
                if missing {
                    return Err("PostgreSQL is required here and its server binaries are missing".into());
                }
                runtime().block_on(async { run(prepare(ground, &postgres).await) })
            });
            trials.push(trial.with_ignored_flag(missing && !required));
        };
        for (name, scenario) in scenarios {
            add(
                name,
                Box::new(move |ground| {
                    tokio::task::block_in_place(|| {
                        tokio::runtime::Handle::current().block_on(scenario(ground))
                    });
                    Ok(())
                }),
            );
        }
        for case in appdepot::conformance::depot::cases() {
            add(
                case.name,
                Box::new(move |ground: Ground| {
                    let run = (case.run)(ground.backends.clone());
                    let outcome =
                        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(run));
                    outcome.map_err(|failure| failure.to_string().into())
                }),
            );
        }
    }
    // The server process must end with the tests, and exit() runs no destructors.
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    drop(Arc::into_inner(postgres));
    conclusion.exit();
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

async fn prepare(ground: &str, postgres: &Option<Postgres>) -> Ground {
    if ground == "memory" {
        let blobs = Arc::new(MemoryBlobs::new());
        let listed = blobs.clone();
        let keys = Arc::new(move || listed.keys());
        let backends = Backends { blobs, records: Arc::new(MemoryRecords::new()), keys };
        return Ground { backends, _folder: None };
    }
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("blobs");
    let records: Arc<dyn RecordStore> = match (ground, postgres) {
        ("postgres+fs", Some(server)) => {
            let url = server.database().await;
            Arc::new(PostgresRecords::connect(&url, PoolOptions::default()).await.unwrap())
        }
        _ => {
            Arc::new(SqliteRecords::open(folder.path().join("records.sqlite"), Durability::Os).await.unwrap())
        }
    };
    let blobs = Arc::new(OpendalBlobs::directory(&root, Durability::Os).unwrap());
    let keys = Arc::new(move || files(&root, &root));
    Ground { backends: Backends { blobs, records, keys }, _folder: Some(folder) }
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

/// A depot with an organization, its store, and people in it.
struct Stage {
    ground: Ground,
    depot: Depot,
    acme: Id<Organization>,
    store: Stored<Store>,
    clock: Arc<AtomicI64>,
}

impl Stage {
    async fn set(ground: Ground) -> Self {
        Self::with(ground, |builder| builder).await
    }

    async fn with(
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

    async fn hire(&self, name: &str, role: &str) -> Actor {
        let subject = Subject::user(name).unwrap();
        let role = Role::parse(role).unwrap();
        self.depot.grant(&system(), self.acme, subject.clone(), role, None).await.unwrap();
        Actor::new(subject)
    }

    async fn upload(&self, name: &str, bytes: Vec<u8>) -> Stored<Asset> {
        let file = NewFile { file_name: name.to_owned(), ..NewFile::default() };
        self.depot.upload(&system(), self.acme, NewAsset::default(), file, body(bytes)).await.unwrap()
    }

    async fn app(&self, name: &str, lifecycle: LifecycleName) -> Stored<App> {
        let new = NewApp { name: name.to_owned(), lifecycle, ..NewApp::default() };
        self.depot.create_app(&system(), self.acme, new).await.unwrap()
    }

    async fn release(&self, app: &Stored<App>, fixture: &str) -> Stored<Release> {
        let asset = self.upload(fixture, package(fixture)).await;
        let new = NewRelease::of(asset.id);
        self.depot.create_release(&system(), self.acme, app.id, new).await.unwrap()
    }

    async fn list(&self, app: &Stored<App>, audience: Audience) -> Stored<Listing> {
        let (store, app) = (self.store.id, app.id);
        let new = NewListing { store, app, slug: None, visibility: Visibility::Active, audience };
        self.depot.create_listing(&system(), self.acme, new).await.unwrap()
    }

    async fn go(&self, release: &Stored<Release>, verbs: &[Verb]) -> State {
        let mut state = release.state;
        for verb in verbs {
            state = self.depot.step(&system(), self.acme, release.id, *verb, "").await.unwrap().state;
        }
        state
    }

    /// The versions that the store offers to the actor.
    async fn offered(&self, actor: &Actor) -> Vec<String> {
        let page = self.depot.storefront(actor, &self.store, Query::of::<Listing>(self.acme)).await.unwrap();
        page.items
            .iter()
            .flat_map(|listing| listing.offers.iter().map(|offer| offer.version.clone()))
            .collect()
    }

    async fn assert_sound(&self) {
        let wrong = self.depot.check((self.ground.backends.keys)()).await.unwrap();
        assert_eq!(wrong, Vec::<String>::new());
    }
}

const TO_PUBLISHED: [Verb; 3] = [Verb::Submit, Verb::Approve, Verb::Publish];

fn system() -> Actor {
    Actor::system("scenario")
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn package(name: &str) -> Vec<u8> {
    std::fs::read(fixtures().join(name)).unwrap()
}

fn body(bytes: Vec<u8>) -> ByteStream {
    let chunks: Vec<_> = bytes.chunks(4_000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    stream::iter(chunks).boxed()
}

fn kind<T: std::fmt::Debug>(result: Result<T, Error>) -> ErrorKind {
    result.unwrap_err().kind()
}

async fn read(stream: ByteStream) -> Vec<u8> {
    stream.try_collect::<Vec<Bytes>>().await.unwrap().concat()
}

async fn the_fixture_package_lives_its_whole_life(ground: Ground) {
    let stage = Stage::set(ground).await;
    let creator = stage.hire("carol", "wso2.creator").await;
    let publisher = stage.hire("paul", "wso2.publisher").await;
    let (ada, bob) = (stage.hire("ada", "org.member").await, stage.hire("bob", "org.member").await);
    let expected: serde_json::Value =
        serde_json::from_slice(&std::fs::read(fixtures().join("expected.json")).unwrap()).unwrap();
    let expected = &expected["field-notes.apk"];

    let file = NewFile { file_name: "field-notes.apk".to_owned(), ..NewFile::default() };
    let bytes = package("field-notes.apk");
    let uploaded =
        stage.depot.upload(&creator, stage.acme, NewAsset::default(), file, body(bytes.clone())).await;
    let asset = uploaded.unwrap();
    let file = asset.file().unwrap();
    let found = file.inspection.package.as_ref().unwrap();
    assert_eq!(file.sha256, expected["sha256"]);
    assert_eq!(file.length, expected["size"].as_u64().unwrap());
    assert_eq!(found.id, expected["package"]);
    assert_eq!(found.name.as_deref().unwrap(), expected["label"]);
    assert_eq!(found.version.as_deref().unwrap(), expected["versionName"]);
    assert_eq!(found.version_code.clone().unwrap(), expected["versionCode"].to_string().trim_matches('"'));
    assert_eq!(found.details["localizedLabels"], expected["localizedLabels"]);
    assert_eq!(found.signers[0].sha256, expected["certs_sha256"][0]);
    assert_eq!(found.signers[0].schemes, ["v1", "v2", "v3"]);

    let new = NewApp { name: "Field Notes".to_owned(), ..NewApp::default() };
    let app = stage.depot.create_app(&creator, stage.acme, new).await.unwrap();
    let new = NewRelease { notes: "First.".to_owned(), ..NewRelease::of(asset.id) };
    let release = stage.depot.create_release(&creator, stage.acme, app.id, new).await.unwrap();
    assert_eq!(release.state, State::Created);
    let team = stage.depot.create_group(&system(), stage.acme, "Field team", "").await.unwrap();
    stage
        .depot
        .change_members(&system(), stage.acme, team.id, std::slice::from_ref(&ada.subject), &[])
        .await
        .unwrap();
    stage.list(&app, Audience::any_of([team.id])).await;
    assert!(stage.offered(&ada).await.is_empty(), "nothing is published yet");

    let step =
        async |actor: &Actor, verb| stage.depot.step(actor, stage.acme, release.id, verb, "fine").await;
    assert_eq!(kind(step(&creator, Verb::Publish).await), ErrorKind::Forbidden);
    assert!(matches!(
        step(&publisher, Verb::Publish).await.unwrap_err().detail(),
        Detail::Step { state: State::Created, allowed, .. } if *allowed == [Verb::Submit]
    ));
    step(&creator, Verb::Submit).await.unwrap();
    assert_eq!(kind(step(&creator, Verb::Approve).await), ErrorKind::Forbidden);
    step(&publisher, Verb::Approve).await.unwrap();
    assert_eq!(step(&publisher, Verb::Publish).await.unwrap().state, State::Published);

    assert_eq!(stage.offered(&ada).await, ["1.4.2"]);
    assert!(stage.offered(&bob).await.is_empty());
    assert_eq!(kind(stage.depot.ticket(&bob, stage.acme, release.id).await), ErrorKind::NotFound);
    let ticket = stage.depot.ticket(&ada, stage.acme, release.id).await.unwrap();
    let whole = stage.depot.open_ticket(&ticket.token, ByteRange::FULL).await.unwrap();
    assert_eq!(read(whole.stream).await, bytes);
    let part = stage.depot.open_ticket(&ticket.token, ByteRange::of(100, 50)).await.unwrap();
    assert_eq!(read(part.stream).await, bytes[100..150]);

    let events = stage.depot.events(&system(), &EventFilter::of(stage.acme).about(release.id)).await.unwrap();
    let told: Vec<(&str, &str)> =
        events.iter().map(|e| (e.event.action.as_str(), e.event.to.as_deref().unwrap_or_default())).collect();
    let expected = [
        ("release.create", "created"),
        ("release.submit", "in-review"),
        ("release.approve", "approved"),
        ("release.publish", "published"),
        ("release.install", ""),
        ("release.download", ""),
    ];
    assert_eq!(told, expected);
    assert_eq!(kind(stage.depot.events(&ada, &EventFilter::of(stage.acme)).await), ErrorKind::Forbidden);
    stage.assert_sound().await;
}

async fn of_sixteen_clients_one_takes_the_step(ground: Ground) {
    let stage = Stage::set(ground).await;
    let app = stage.app("Race", LifecycleName::Mobile).await;
    let release = stage.release(&app, "field-notes.apk").await;
    stage.list(&app, Audience::everyone()).await;
    for verb in TO_PUBLISHED {
        let clients = (0..16).map(|_| {
            let (depot, acme, id) = (stage.depot.clone(), stage.acme, release.id);
            tokio::spawn(async move { depot.step(&system(), acme, id, verb, "").await })
        });
        let outcomes: Vec<_> =
            futures::future::join_all(clients).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{verb:?}");
        for error in outcomes.into_iter().filter_map(Result::err) {
            assert!(matches!(error.detail(), Detail::Step { .. }), "{verb:?}: {error:?}");
        }
    }
    let events = stage.depot.events(&system(), &EventFilter::of(stage.acme).about(release.id)).await.unwrap();
    assert_eq!(events.len(), 4, "one event per step that was taken, and the creation");
}

async fn every_step_is_taken_or_refused_as_the_table_says(ground: Ground) {
    let stage = Stage::set(ground).await;
    for name in [LifecycleName::Web, LifecycleName::Mobile, LifecycleName::Direct] {
        let table = name.table();
        for (state, way) in ways(&table) {
            let app = stage.app("Table", name).await;
            let mut release = stage.release(&app, "field-notes.apk").await;
            assert_eq!(stage.go(&release, &way).await, state);
            for verb in Verb::ALL {
                let before = stage.depot.release(&system(), stage.acme, release.id).await.unwrap();
                let told = EventFilter::of(stage.acme).about(release.id);
                let events = stage.depot.events(&system(), &told).await.unwrap().len();
                match (
                    stage.depot.step(&system(), stage.acme, release.id, verb, "").await,
                    table.step(state, verb),
                ) {
                    (Ok(after), Ok(to)) => {
                        assert_eq!(after.state, to);
                        stage.depot.remove_release(&system(), stage.acme, release.id, None).await.unwrap();
                        release = stage.release(&app, "field-notes.apk").await;
                        stage.go(&release, &way).await;
                    }
                    (Err(error), Err(expected)) => {
                        assert_eq!(error.message(), expected.message());
                        let after = stage.depot.release(&system(), stage.acme, release.id).await.unwrap();
                        assert_eq!(after, before, "a refused step changes nothing");
                        assert_eq!(stage.depot.events(&system(), &told).await.unwrap().len(), events);
                    }
                    (got, expected) => {
                        panic!("{name:?} {state:?} {verb:?}: {got:?}, the table says {expected:?}")
                    }
                }
            }
        }
    }
}

/// Each state a lifecycle reaches, with the shortest way to it.
fn ways(table: &Lifecycle) -> Vec<(State, Vec<Verb>)> {
    let mut ways = vec![(table.initial(), Vec::new())];
    let mut at = 0;
    while at < ways.len() {
        let (state, way) = ways[at].clone();
        for (_, verb, to) in table.rules().iter().filter(|(from, ..)| *from == state) {
            if !ways.iter().any(|(known, _)| known == to) {
                ways.push((*to, way.iter().copied().chain([*verb]).collect()));
            }
        }
        at += 1;
    }
    ways
}

async fn the_offer_follows_what_is_published(ground: Ground) {
    let stage = Stage::set(ground).await;
    let ada = stage.hire("ada", "org.member").await;
    let app = stage.app("Notes", LifecycleName::Mobile).await;
    let listing = stage.list(&app, Audience::everyone()).await;
    let old = stage.release(&app, "field-notes.apk").await;
    let new = stage.release(&app, "field-notes-1.5.0.apk").await;
    stage.go(&old, &TO_PUBLISHED).await;
    assert_eq!(stage.offered(&ada).await, ["1.4.2"]);
    stage.clock.fetch_add(1_000, SeqCst);
    stage.go(&new, &TO_PUBLISHED).await;
    assert_eq!(stage.offered(&ada).await, ["1.5.0"]);
    stage.go(&new, &[Verb::Unpublish]).await;
    assert_eq!(stage.offered(&ada).await, ["1.4.2"], "the older one is still published");
    stage.clock.fetch_add(1_000, SeqCst);
    stage.go(&new, &[Verb::Republish]).await;
    assert_eq!(stage.offered(&ada).await, ["1.5.0"]);
    stage.depot.remove_release(&system(), stage.acme, new.id, None).await.unwrap();
    assert_eq!(stage.offered(&ada).await, ["1.4.2"]);
    let hide = ListingChange { visibility: Some(Visibility::Unlisted), ..ListingChange::default() };
    stage.depot.update_listing(&system(), stage.acme, listing.id, None, hide).await.unwrap();
    assert!(stage.offered(&ada).await.is_empty());
    assert!(stage.depot.ticket(&ada, stage.acme, old.id).await.is_ok(), "by its address it can be had");
    stage.go(&old, &[Verb::Deprecate]).await;
    assert_eq!(kind(stage.depot.ticket(&ada, stage.acme, old.id).await), ErrorKind::NotFound);
    stage.assert_sound().await;
}

async fn a_listing_made_while_publishing_offers_the_release(ground: Ground) {
    let stage = Stage::set(ground).await;
    let ada = stage.hire("ada", "org.member").await;
    for round in 0..8 {
        let app = stage.app("Race", LifecycleName::Mobile).await;
        let release = stage.release(&app, "field-notes.apk").await;
        stage.go(&release, &[Verb::Submit, Verb::Approve]).await;
        let (depot, acme) = (stage.depot.clone(), stage.acme);
        let publish =
            tokio::spawn(async move { depot.step(&system(), acme, release.id, Verb::Publish, "").await });
        let listing = stage.list(&app, Audience::everyone()).await;
        publish.await.unwrap().unwrap();
        assert_eq!(stage.offered(&ada).await.len(), 1, "round {round}");
        stage.depot.remove_listing(&system(), stage.acme, listing.id).await.unwrap();
    }
}

async fn a_removed_app_leaves_nothing_behind(ground: Ground) {
    let stage = Stage::set(ground).await;
    let app = stage.app("Gone", LifecycleName::Direct).await;
    let release = stage.release(&app, "field-notes.apk").await;
    stage.release(&app, "field-notes-1.5.0.apk").await;
    stage.list(&app, Audience::everyone()).await;
    let removed = stage.depot.remove_asset(&system(), stage.acme, release.asset.unwrap()).await;
    assert_eq!(kind(removed), ErrorKind::Conflict, "a release needs it");
    stage.depot.remove_app(&system(), stage.acme, app.id).await.unwrap();
    let all = |query: Query| query.counted().limit(1);
    let records = &stage.ground.backends.records;
    for query in [
        Query::of::<App>(stage.acme),
        Query::of::<Release>(stage.acme),
        Query::of::<Listing>(stage.acme),
        Query::of::<Asset>(stage.acme),
        Query::of::<Blob>(stage.acme),
    ] {
        let kind = query.kind;
        assert_eq!(records.list(&all(query)).await.unwrap().total, Some(0), "{kind:?}");
    }
    assert!((stage.ground.backends.keys)().is_empty());
}

async fn an_object_in_a_provider_is_verified(ground: Ground) {
    let objects = Arc::new(MemoryBlobs::new());
    let bytes = package("field-notes.apk");
    objects.put(&BlobKey::foreign("drop/app.apk").unwrap(), body(bytes.clone())).await.unwrap();
    let stage = Stage::set(ground).await;
    let provider = StorageProvider {
        name: "edge".to_owned(),
        region: "here".to_owned(),
        bucket: "acme-edge".to_owned(),
        service: StorageService::Embedded,
        credentials: None,
    };
    let provider = Stored::new(stage.acme, provider, Timestamp::now());
    let depot = Depot::builder()
        .blobs(stage.ground.backends.blobs.clone())
        .records(stage.ground.backends.records.clone())
        .inspector(Arc::new(Extractor::default()))
        .provider(provider.clone(), objects)
        .build();
    let sha256 = stage.upload("app.apk", bytes.clone()).await.file().unwrap().sha256.clone();
    let object = |change: &dyn Fn(&mut ForeignObject)| {
        let mut object = ForeignObject {
            provider: provider.id,
            bucket: "acme-edge".to_owned(),
            key: "drop/app.apk".to_owned(),
            length: bytes.len() as u64,
            checksum: sha256.clone(),
            file: NewFile { file_name: "app.apk".to_owned(), ..NewFile::default() },
        };
        change(&mut object);
        object
    };
    let register = async |object| depot.register(&system(), stage.acme, NewAsset::default(), object).await;
    let asset = register(object(&|_| {})).await.unwrap();
    assert_eq!(asset.file().unwrap().inspection.package.as_ref().unwrap().id, "org.appdepot.fixture");
    let opened = depot.open_asset(&system(), stage.acme, asset.id, ByteRange::FULL).await.unwrap();
    assert_eq!(read(opened.stream).await, bytes);
    type Lie = (fn(&mut ForeignObject), ErrorKind);
    let lies: [Lie; 7] = [
        (|o| o.provider = Id::generate(), ErrorKind::NotFound),
        (|o| o.bucket = "other".to_owned(), ErrorKind::Invalid),
        (|o| o.key = "drop/none.apk".to_owned(), ErrorKind::NotFound),
        (|o| o.key = "../drop/app.apk".to_owned(), ErrorKind::Invalid),
        (|o| o.length += 1, ErrorKind::Invalid),
        (|o| o.checksum = "0".repeat(64), ErrorKind::Invalid),
        (|o| o.checksum = "d41d8cd98f00b204e9800998ecf8427e".to_owned(), ErrorKind::Invalid),
    ];
    for (at, (lie, expected)) in lies.into_iter().enumerate() {
        assert_eq!(kind(register(object(&lie)).await), expected, "lie {at}");
    }
    let other = depot.create_organization(&system(), "other", "Other").await.unwrap().id;
    let foreign = depot.register(&system(), other, NewAsset::default(), object(&|_| {})).await;
    assert_eq!(kind(foreign), ErrorKind::NotFound, "another organization's provider");
    depot.remove_asset(&system(), stage.acme, asset.id).await.unwrap();
}

async fn another_organization_does_not_exist(ground: Ground) {
    let stage = Stage::set(ground).await;
    let app = stage.app("Secret", LifecycleName::Direct).await;
    let release = stage.release(&app, "field-notes.apk").await;
    stage.list(&app, Audience::everyone()).await;
    let evil = stage.depot.create_organization(&system(), "evil", "Evil").await.unwrap().id;
    let mallory = Actor::new(Subject::user("mallory").unwrap());
    let owner = Role::parse(Role::OWNER).unwrap();
    stage.depot.grant(&system(), evil, mallory.subject.clone(), owner, None).await.unwrap();
    let depot = &stage.depot;
    assert_eq!(kind(depot.organization(&mallory, "acme").await), ErrorKind::NotFound);
    assert_eq!(
        depot.organization(&mallory, "acme").await.unwrap_err().to_string(),
        depot.organization(&mallory, "nosuch").await.unwrap_err().to_string(),
    );
    // Their ids in my organization, and my rights in theirs: as if they were random.
    for organization in [evil, stage.acme] {
        let text = |result: Result<(), Error>| {
            let error = result.unwrap_err();
            (error.kind(), error.to_string())
        };
        let asset =
            async |id: Id<Asset>| depot.asset(&mallory, organization, &id.to_string()).await.map(|_| ());
        let open = async |id| depot.open_asset(&mallory, organization, id, ByteRange::FULL).await.map(|_| ());
        let app_of = async |id: Id<App>| depot.app(&mallory, organization, &id.to_string()).await.map(|_| ());
        let release_of = async |id| depot.release(&mallory, organization, id).await.map(|_| ());
        let step = async |id| depot.step(&mallory, organization, id, Verb::Unpublish, "").await.map(|_| ());
        let ticket = async |id| depot.ticket(&mallory, organization, id).await.map(|_| ());
        let none = Id::generate();
        assert_eq!(text(asset(release.asset.unwrap()).await), text(asset(none.cast()).await));
        assert_eq!(text(open(release.asset.unwrap()).await), text(open(none.cast()).await));
        assert_eq!(text(app_of(app.id).await), text(app_of(none.cast()).await));
        assert_eq!(text(release_of(release.id).await).0, text(release_of(none).await).0);
        assert_eq!(text(step(release.id).await).0, text(step(none).await).0);
        assert_eq!(text(ticket(release.id).await).0, text(ticket(none).await).0);
        assert_eq!(text(asset(release.asset.unwrap()).await).0, ErrorKind::NotFound);
    }
    assert_eq!(kind(depot.apps(&mallory, Query::of::<App>(stage.acme)).await), ErrorKind::NotFound);
    let listed = depot.assets(&mallory, Query::of::<Asset>(evil).counted()).await.unwrap();
    assert_eq!((listed.items.len(), listed.total), (0, Some(0)));
}

async fn a_ticket_ends(ground: Ground) {
    let stage = Stage::set(ground).await;
    let ada = stage.hire("ada", "org.member").await;
    let app = stage.app("Notes", LifecycleName::Direct).await;
    let release = stage.release(&app, "field-notes.apk").await;
    stage.list(&app, Audience::everyone()).await;
    let open = async |token: &str| stage.depot.open_ticket(token, ByteRange::of(0, 4)).await.map(|_| ());
    let ticket = stage.depot.ticket(&ada, stage.acme, release.id).await.unwrap();
    assert_eq!(stage.depot.ticketed(&ticket.token).await.unwrap().release.id, release.id);
    for bad in
        ["", "x", "-", &ticket.token[..40], &format!("{}0", ticket.token), &"a".repeat(100_000), "\0-\0"]
    {
        assert_eq!(kind(open(bad).await), ErrorKind::Unauthenticated);
    }
    assert!(!format!("{ticket:?}").contains(&ticket.token), "the token is not for logs");
    let minutes = |count: i64| stage.clock.fetch_add(count * 60 * 1_000, SeqCst);
    minutes(16);
    assert_eq!(kind(open(&ticket.token).await), ErrorKind::Unauthenticated, "expired");
    assert_eq!(stage.depot.sweep().await.unwrap().tickets, 1);

    let ticket = stage.depot.ticket(&ada, stage.acme, release.id).await.unwrap();
    minutes(14);
    open(&ticket.token).await.unwrap();
    minutes(59);
    assert_eq!(stage.depot.sweep().await.unwrap().tickets, 0);
    let part = stage.depot.open_ticket(&ticket.token, ByteRange::of(4, 4)).await.unwrap();
    assert_eq!(read(part.stream).await.len(), 4, "what was begun may be finished");
    minutes(2);
    assert_eq!(kind(open(&ticket.token).await), ErrorKind::Unauthenticated, "the grace is over");

    let bob = stage.hire("bob", "org.member").await;
    let ticket = stage.depot.ticket(&ada, stage.acme, release.id).await.unwrap();
    let revoke = async |actor| stage.depot.revoke_ticket(actor, stage.acme, ticket.ticket.id).await;
    assert_eq!(kind(revoke(&bob).await), ErrorKind::Forbidden, "another's");
    open(&ticket.token).await.unwrap();
    revoke(&ada).await.unwrap();
    assert_eq!(kind(open(&ticket.token).await), ErrorKind::Unauthenticated, "revoked");

    let ticket = stage.depot.ticket(&ada, stage.acme, release.id).await.unwrap();
    stage.go(&release, &[Verb::Unpublish]).await;
    assert_eq!(kind(open(&ticket.token).await), ErrorKind::Unauthenticated, "no longer published");
}

async fn a_store_page_is_cut_after_the_audience(ground: Ground) {
    let stage = Stage::set(ground).await;
    let ada = stage.hire("ada", "org.member").await;
    let others = stage.depot.create_group(&system(), stage.acme, "Others", "").await.unwrap();
    for n in 0..12 {
        let app = stage.app(&format!("App {n:02}"), LifecycleName::Direct).await;
        stage.release(&app, "field-notes.apk").await;
        let audience = if n % 3 == 0 { Audience::everyone() } else { Audience::any_of([others.id]) };
        stage.list(&app, audience).await;
    }
    let page = |query: Query| query.sort(Sort::ascending(Field::parse("name").unwrap())).limit(3).counted();
    let first =
        stage.depot.storefront(&ada, &stage.store, page(Query::of::<Listing>(stage.acme))).await.unwrap();
    let names: Vec<&str> = first.items.iter().map(|listing| listing.name.as_str()).collect();
    assert_eq!(names, ["App 00", "App 03", "App 06"], "a full page, though most are not for ada");
    assert_eq!(first.total, Some(4));
    let next = page(Query::of::<Listing>(stage.acme)).after(first.next.unwrap());
    let second = stage.depot.storefront(&ada, &stage.store, next).await.unwrap();
    assert_eq!(second.items.len(), 1);
    let joined = stage
        .depot
        .change_members(&system(), stage.acme, others.id, std::slice::from_ref(&ada.subject), &[])
        .await;
    joined.unwrap();
    assert_eq!(stage.offered(&ada).await.len(), 12);
}

async fn files_that_are_no_packages_are_kept_and_not_released(ground: Ground) {
    let stage = Stage::set(ground).await;
    let app = stage.app("Notes", LifecycleName::Mobile).await;
    let whole = package("field-notes.apk");
    let mut zip = appdepot::metadata::fixture::zip::ZipBuilder::new();
    zip = zip.stored("readme.txt", b"no app here".to_vec());
    for (name, bytes) in [
        ("cut.apk", whole[..whole.len() / 2].to_vec()),
        ("notes.zip", zip.build()),
        ("notes.txt", b"just text".to_vec()),
        ("pretend.apk", b"PK\x03\x04 not really".to_vec()),
    ] {
        let asset = stage.upload(name, bytes).await;
        assert!(asset.file().unwrap().inspection.package.is_none(), "{name}");
        let new = NewRelease::of(asset.id);
        let released = stage.depot.create_release(&system(), stage.acme, app.id, new).await;
        assert_eq!(kind(released), ErrorKind::Unsupported, "{name}");
        stage.depot.remove_asset(&system(), stage.acme, asset.id).await.unwrap();
    }
    assert!((stage.ground.backends.keys)().is_empty());
    stage.assert_sound().await;
}

async fn the_same_version_is_released_once(ground: Ground) {
    let stage = Stage::set(ground).await;
    let app = stage.app("Notes", LifecycleName::Mobile).await;
    let uploads = [
        stage.upload("a.apk", package("field-notes.apk")).await,
        stage.upload("b.apk", package("field-notes.apk")).await,
    ];
    let tries = uploads.iter().flat_map(|asset| [asset.id, asset.id]).map(|asset| {
        let (depot, acme, app) = (stage.depot.clone(), stage.acme, app.id);
        tokio::spawn(async move { depot.create_release(&system(), acme, app, NewRelease::of(asset)).await })
    });
    let outcomes: Vec<_> = futures::future::join_all(tries).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    assert!(outcomes.into_iter().filter_map(Result::err).all(|error| error.kind() == ErrorKind::Conflict));
    let app = stage.depot.app(&system(), stage.acme, &app.id.to_string()).await.unwrap();
    assert_eq!(app.releases, 1);
}

async fn names_are_unique_and_slugs_are_numbered(ground: Ground) {
    let stage = Stage::set(ground).await;
    let slugs: Vec<String> =
        futures::future::join_all((0..5).map(|_| stage.app("My App", LifecycleName::Mobile)))
            .await
            .iter()
            .map(|app| app.slug.clone())
            .collect();
    let distinct: std::collections::BTreeSet<&str> = slugs.iter().map(String::as_str).collect();
    assert_eq!(distinct, ["my-app", "my-app-2", "my-app-3", "my-app-4", "my-app-5"].into());
    let taken = NewApp { name: "X".to_owned(), slug: Some("my-app".to_owned()), ..NewApp::default() };
    assert!(stage.depot.create_app(&system(), stage.acme, taken).await.unwrap_err().is_taken("slug"));
    let named =
        Query::of::<App>(stage.acme).filter(Field::parse("name").unwrap(), Op::Eq("My App".into())).counted();
    assert_eq!(stage.depot.apps(&system(), named).await.unwrap().total, Some(5));
    let by_uuid = stage.depot.apps(&system(), Query::of::<App>(stage.acme)).await.unwrap().items[0].id;
    assert!(stage.depot.app(&system(), stage.acme, &by_uuid.to_uuid()).await.is_ok());
}

async fn only_an_owner_makes_owners(ground: Ground) {
    let stage = Stage::set(ground).await;
    let (owner, admin) = (stage.hire("olga", Role::OWNER).await, stage.hire("adam", "org.admin").await);
    let give = async |actor: &Actor, name: &str, role: &str| {
        let (subject, role) = (Subject::user(name).unwrap(), Role::parse(role).unwrap());
        stage.depot.grant(actor, stage.acme, subject, role, None).await.map(|_| ())
    };
    give(&admin, "eve", "org.editor").await.unwrap();
    assert_eq!(kind(give(&admin, "adam", Role::OWNER).await), ErrorKind::Forbidden);
    let role = Role::parse(Role::OWNER).unwrap();
    let take = stage.depot.revoke(&admin, stage.acme, owner.subject.clone(), role, None).await;
    assert_eq!(kind(take), ErrorKind::Forbidden);
    give(&owner, "adam", Role::OWNER).await.unwrap();
}
