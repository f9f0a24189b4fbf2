//! Storage providers: made, tested, used by edge registration, and removed; and how their credentials are kept.

use std::sync::Arc;

use appdepot::ErrorKind;
use appdepot::blobs::{BlobKey, BlobStore, ByteRange};
use appdepot::depot::{
    Depot, ForeignObject, NewApp, NewAsset, NewFile, NewStorageProvider, StorageProviderChange,
};
use appdepot::domain::{
    Entity as _, EventFilter, Id, Organization, StorageProvider, StorageService, Stored, Timestamp,
};
use appdepot::error::Detail;
use appdepot::memory::MemoryBlobs;
use appdepot::metadata::Extractor;
use appdepot::records::Key;
use appdepot::storage::OpendalProviders;
use appdepot::storage_factory::Credentials;
use appdepot::vault::SealingKey;
use tempfile::TempDir;

use super::stage::*;

const SECRET: &str = "wJalrXUtnFEMI-K7MDENG-bPxRfiCYEXAMPLEKEY";

/// A depot that opens directories below a folder.
async fn stage(ground: Ground) -> (Stage, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let providers = Arc::new(OpendalProviders::new().directory(folder.path()));
    let key = SealingKey::new(&SealingKey::generate().unwrap());
    (Stage::with(ground, |builder| builder.storage(providers, key)).await, folder)
}

fn edge() -> NewStorageProvider {
    NewStorageProvider {
        name: "Edge".to_owned(),
        region: "eu-west-1".to_owned(),
        bucket: "drop".to_owned(),
        service: StorageService::Directory,
        credentials: Some(Credentials { id: "AKIAEXAMPLE".to_owned(), secret: SECRET.to_owned() }),
    }
}

/// What an edge runner says of a package that it put into the bucket of `organization`.
fn put(folder: &TempDir, organization: Id<Organization>, id: Id<StorageProvider>) -> ForeignObject {
    let bytes = package("field-notes.apk");
    let path = folder.path().join(organization.to_string()).join("drop/app.apk");
    std::fs::write(path, &bytes).unwrap();
    ForeignObject {
        provider: id,
        bucket: "drop".to_owned(),
        key: "app.apk".to_owned(),
        length: bytes.len() as u64,
        checksum: sha256(&bytes),
        file: NewFile { file_name: "app.apk".to_owned(), ..NewFile::default() },
    }
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) async fn a_storage_provider_is_made_used_and_removed(ground: Ground) {
    let (stage, folder) = stage(ground).await;
    let (depot, acme) = (&stage.depot, stage.acme);
    let admin = stage.hire("adam", "org.admin").await;
    let editor = stage.hire("edith", "org.editor").await;
    let refused = depot.create_storage_provider(&editor, acme, edge()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Forbidden);
    let made = depot.create_storage_provider(&admin, acme, edge()).await.unwrap();
    let again = depot.create_storage_provider(&admin, acme, edge()).await.unwrap_err();
    assert!(again.is_taken("name"), "{again:?}");
    depot.test_storage_provider(&admin, acme, made.id).await.unwrap();

    let object = || put(&folder, acme, made.id);
    let asset = depot.register(&editor, acme, NewAsset::default(), object()).await.unwrap();
    let opened = depot.open_asset(&editor, acme, asset.id, ByteRange::FULL).await.unwrap();
    assert_eq!(read(opened.stream).await, package("field-notes.apk"));

    // One that holds assets stays, and stays where it is.
    let used = depot.remove_storage_provider(&admin, acme, made.id).await.unwrap_err();
    assert_eq!(
        (used.kind(), used.to_string().contains("by 1 assets")),
        (ErrorKind::Conflict, true),
        "{used}"
    );
    let moved = StorageProviderChange { bucket: Some("other".to_owned()), ..Default::default() };
    let moved = depot.update_storage_provider(&admin, acme, made.id, None, moved).await.unwrap_err();
    assert_eq!(moved.kind(), ErrorKind::Conflict);
    let named = StorageProviderChange { name: Some("Runner".to_owned()), ..Default::default() };
    let named = depot.update_storage_provider(&admin, acme, made.id, None, named).await.unwrap();
    assert_eq!((named.name.as_str(), &named.credentials), ("Runner", &made.credentials));
    assert!(named.revision > made.revision);
    let late = StorageProviderChange { name: Some("Late".to_owned()), ..Default::default() };
    let late = depot.update_storage_provider(&admin, acme, made.id, Some(made.revision), late).await;
    assert!(matches!(late.unwrap_err().detail(), Detail::Stale { .. }));

    depot.remove_asset(&admin, acme, asset.id).await.unwrap();
    // So does one that an app names.
    let name = [("storageProvider".to_owned(), made.id.to_string().into())];
    let new =
        NewApp { name: "Notes".to_owned(), configuration: name.into_iter().collect(), ..NewApp::default() };
    let app = depot.create_app(&admin, acme, new).await.unwrap();
    let named = depot.remove_storage_provider(&admin, acme, made.id).await.unwrap_err();
    assert_eq!(
        (named.kind(), named.to_string().contains("by 1 apps")),
        (ErrorKind::Conflict, true),
        "{named}"
    );
    depot.remove_app(&admin, acme, app.id).await.unwrap();
    depot.remove_storage_provider(&admin, acme, made.id).await.unwrap();
    assert!(depot.storage_providers(&editor, acme).await.unwrap().is_empty());
    assert!(folder.path().join(acme.to_string()).join("drop/app.apk").exists(), "objects are not ours");
    let gone = depot.register(&editor, acme, NewAsset::default(), object()).await.unwrap_err();
    assert!(matches!(gone.detail(), Detail::Missing("storage provider")), "{gone:?}");
    let filter = EventFilter::of(acme).about(made.id);
    let events = depot.events(&admin, &filter).await.unwrap();
    let mut actions: Vec<_> = events.iter().map(|event| event.event.action.as_str()).collect();
    actions.sort_unstable();
    assert_eq!(actions, ["storageProvider.create", "storageProvider.remove", "storageProvider.update"]);
}

pub(crate) async fn what_opens_a_storage_provider_is_never_seen(ground: Ground) {
    let (stage, _folder) = stage(ground).await;
    let made = stage.depot.create_storage_provider(&system(), stage.acme, edge()).await.unwrap();
    let key = Key::Id { organization: stage.acme, kind: StorageProvider::KIND, id: made.id.cast() };
    let record = stage.ground.backends.records.get(&key).await.unwrap().unwrap();
    let listed = stage.depot.storage_providers(&system(), stage.acme).await.unwrap();
    let events = stage.depot.events(&system(), &EventFilter::of(stage.acme)).await.unwrap();
    let seen =
        format!("{made:?} {listed:?} {record:?} {} {events:?} {:?} {:?}", record.body, edge(), stage.depot);
    assert!(record.body["credentials"].is_string(), "{record:?}");
    assert!(!seen.contains(SECRET) && !seen.contains("AKIAEXAMPLE"), "{seen}");

    // Moved into another record, or met by another key, they open nothing.
    let other = NewStorageProvider { name: "Other".to_owned(), bucket: "other".to_owned(), ..edge() };
    let other = stage.depot.create_storage_provider(&system(), stage.acme, other).await.unwrap();
    let stolen = StorageProvider { credentials: made.credentials.clone(), ..other.value.clone() };
    let stolen = other.changed(stolen, Timestamp::now());
    let batch = Id::generate();
    let mut change = appdepot::records::Batch::new();
    change.changes.push(appdepot::records::Change::Update(stolen.to_record(batch).unwrap()));
    stage.ground.backends.records.commit(change).await.unwrap();
    let refused = stage.depot.test_storage_provider(&system(), stage.acme, other.id).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Internal);
    let folder = tempfile::tempdir().unwrap();
    let rekeyed = Depot::builder()
        .records(stage.ground.backends.records.clone())
        .storage(
            Arc::new(OpendalProviders::new().directory(folder.path())),
            SealingKey::new(&SealingKey::generate().unwrap()),
        )
        .build();
    let refused = rekeyed.test_storage_provider(&system(), stage.acme, made.id).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Internal);
    assert!(!format!("{refused:?}").contains(SECRET));
    assert_eq!(kind(rekeyed.reseal().await), ErrorKind::Internal);
}

pub(crate) async fn an_older_key_opens_until_everything_is_sealed_anew(ground: Ground) {
    let stage = Stage::set(ground).await;
    let folder = tempfile::tempdir().unwrap();
    let depot = |key: &SealingKey| {
        let providers = Arc::new(OpendalProviders::new().directory(folder.path()));
        let builder = Depot::builder().records(stage.ground.backends.records.clone());
        builder.storage(providers, key.clone()).build()
    };
    let [first, second] = [(); 2].map(|()| SealingKey::new(&SealingKey::generate().unwrap()));
    let made = depot(&first).create_storage_provider(&system(), stage.acme, edge()).await.unwrap();
    let opens = async |key: &SealingKey| {
        depot(key).test_storage_provider(&system(), stage.acme, made.id).await.map_err(|error| error.kind())
    };
    let both = second.clone().or_older(first.clone());
    assert_eq!(opens(&both).await, Ok(()));
    assert_eq!(opens(&second).await, Err(ErrorKind::Internal));
    assert_eq!(depot(&both).reseal().await.unwrap(), 1);
    assert_eq!(depot(&both).reseal().await.unwrap(), 0);
    assert_eq!(opens(&second).await, Ok(()));
    assert_eq!(opens(&first).await, Err(ErrorKind::Internal));
}

pub(crate) async fn a_storage_provider_is_in_its_own_organization_only(ground: Ground) {
    let (stage, folder) = stage(ground).await;
    let depot = &stage.depot;
    let rival = depot.create_organization(&system(), "rival", "Rival").await.unwrap().id;
    let ours = depot.create_storage_provider(&system(), stage.acme, edge()).await.unwrap();
    let theirs = depot.create_storage_provider(&system(), rival, edge()).await.unwrap();
    let object = || put(&folder, stage.acme, ours.id);

    // The same bucket in another organization is another directory, and another's provider is none.
    let stolen = ForeignObject { provider: theirs.id, ..object() };
    let found = depot.register(&system(), rival, NewAsset::default(), stolen).await.unwrap_err();
    assert!(matches!(found.detail(), Detail::Missing("object")), "{found:?}");
    let found = depot.register(&system(), rival, NewAsset::default(), object()).await.unwrap_err();
    assert!(matches!(found.detail(), Detail::Missing("storage provider")), "{found:?}");
    let change = StorageProviderChange::default();
    for refused in [
        depot.test_storage_provider(&system(), rival, ours.id).await.unwrap_err(),
        depot.remove_storage_provider(&system(), rival, ours.id).await.unwrap_err(),
        depot.update_storage_provider(&system(), rival, ours.id, None, change).await.unwrap_err(),
    ] {
        assert_eq!(refused.kind(), ErrorKind::NotFound);
    }
    for bucket in ["../..", "/etc", "a", "..", "UPPER", "a..b", "a--b", "-ab", "a/b"] {
        let new = NewStorageProvider { name: "Bad".to_owned(), bucket: bucket.to_owned(), ..edge() };
        let refused = depot.create_storage_provider(&system(), rival, new).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid, "{bucket}");
    }
    let region = NewStorageProvider { name: "Bad".to_owned(), region: "x.evil/#".to_owned(), ..edge() };
    let refused = depot.create_storage_provider(&system(), rival, region).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    let service = StorageService::S3 { endpoint: "http://169.254.169.254".to_owned() };
    let remote = NewStorageProvider { name: "Bad".to_owned(), service, ..edge() };
    let refused = depot.create_storage_provider(&system(), rival, remote).await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::Invalid | ErrorKind::Unsupported), "{refused:?}");
}

pub(crate) async fn an_object_in_a_provider_is_verified(ground: Ground) {
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
