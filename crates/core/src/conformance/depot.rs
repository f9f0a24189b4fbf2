//! The transaction rule, tried on real backends: every backend call fails once, before its effect, after it, by a
//! crash, and as a commit that a store repeats. Whatever happens, every blob has a record, every ready record has
//! its blob, what was acknowledged is there, and after a sweep nothing else is.

mod builds;
mod documents;
mod intake;
mod keys;
mod stores;

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use self::builds::{
    a_build_is_processed_once_whatever_breaks, a_build_that_is_never_finished_is_given_up,
    a_removed_build_leaves_nothing, an_attached_file_is_there_or_not,
    what_comes_with_a_build_is_its_own_or_gone,
};
use self::documents::{
    a_document_is_written_whole_or_not_at_all, a_document_that_has_no_file_any_more_leaves_none,
    a_removed_document_takes_its_file_with_it, the_content_of_a_document_is_the_old_one_or_the_new_one,
};
use self::intake::a_file_with_a_use_is_used_or_gone;
use self::keys::a_key_of_an_app_has_its_role_or_is_not_there;
use self::stores::a_store_shows_all_that_was_asked_for_or_what_it_showed;
use super::faulty::{Fault, Faulty, Plan};
use super::{Failure, Outcome, cases, holds, refused, same};
use crate::authorize::{Actor, Person};
use crate::blobs::{BlobKey, BlobStore, ByteRange, ByteStream};
use crate::depot::{Accept, AssetChange, Depot, NewApp, NewAsset, NewBuild, NewFile};
use crate::domain::{
    Access, App, Asset, AssetClass, Blob, BlobState, Build, Content, Entity, EventFilter, Extra, File, Id,
    LifecycleName, Location, Organization, Stored, Timestamp,
};
use crate::inspect::{Format, Hint, Inspection, Inspector, Package, Platform, Source};
use crate::query::Query;
use crate::records::{Batch, Change, Key, RecordStore};
use crate::{Error, ErrorKind, Result};

/// Backends to try a depot on. Fresh ones for every case.
#[derive(Clone)]
pub struct Backends {
    /// Bytes.
    pub blobs: Arc<dyn BlobStore>,
    /// Records.
    pub records: Arc<dyn RecordStore>,
    /// All keys that are in `blobs`; a store cannot tell through its port.
    pub keys: Arc<dyn Fn() -> Vec<BlobKey> + Send + Sync>,
}

cases! { Backends:
    an_upload_is_whole_or_nothing
    a_replacement_is_the_old_file_or_the_new_one
    a_removal_is_done_or_not_begun
    a_body_that_breaks_leaves_nothing
    refused_uploads_leave_nothing
    a_sweep_during_an_upload_leaves_no_orphan
    a_repeated_commit_is_a_success
    of_two_uploads_under_one_alias_one_remains
    a_build_is_processed_once_whatever_breaks
    what_comes_with_a_build_is_its_own_or_gone
    a_removed_build_leaves_nothing
    a_file_with_a_use_is_used_or_gone
    a_store_shows_all_that_was_asked_for_or_what_it_showed
    an_attached_file_is_there_or_not
    a_build_that_is_never_finished_is_given_up
    bytes_before_their_record_are_found_out
    a_ready_record_before_its_bytes_is_found_out
    removing_bytes_before_dooming_their_record_is_found_out
    removing_the_record_before_the_bytes_is_found_out
    a_document_is_written_whole_or_not_at_all
    the_content_of_a_document_is_the_old_one_or_the_new_one
    a_document_that_has_no_file_any_more_leaves_none
    a_removed_document_takes_its_file_with_it
    a_key_of_an_app_has_its_role_or_is_not_there
}

/// One organization on backends that survive, and depots over them that may not.
struct World {
    backends: Backends,
    organization: Id<Organization>,
    clock: Arc<AtomicI64>,
}

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Longer than a worker may hold a build, and shorter than an upload may take.
const LEASE: Duration = Duration::from_secs(3600);

/// What a file is called that is a package.
const PACKAGE: &str = "notes.apk";

/// Knows no format but by name, and finds an icon in every file.
#[derive(Debug)]
struct Icons;

#[async_trait]
impl Inspector for Icons {
    async fn inspect(&self, _: &dyn Source, hint: &Hint) -> Inspection {
        if hint.file_name.as_deref() != Some(PACKAGE) {
            return Inspection::unknown();
        }
        let package = Package {
            id: "com.example.notes".to_owned(),
            version: Some("1.0".to_owned()),
            platform: Some(Platform::Android),
            ..Package::default()
        };
        Inspection { format: Format::Apk, package: Some(package), ..Inspection::unknown() }
    }

    async fn icon(&self, _: &dyn Source, _: Option<u32>) -> Option<Bytes> {
        Some(Bytes::from_static(b"picture"))
    }
}

impl World {
    async fn new(backends: &Backends) -> Result<Self> {
        let clock = Arc::new(AtomicI64::new(Timestamp::now().millis()));
        let mut world = Self { backends: backends.clone(), organization: Id::NIL, clock };
        let slug = format!("org-{}", Id::<()>::generate());
        world.organization = world.depot().create_organization(&system(), &slug, "Acme").await?.id;
        Ok(world)
    }

    fn depot(&self) -> Depot {
        self.faulty(&Plan::harmless())
    }

    fn faulty(&self, plan: &Plan) -> Depot {
        let clock = self.clock.clone();
        Depot::builder()
            .blobs(Arc::new(Faulty::new(self.backends.blobs.clone(), plan.clone())))
            .records(Arc::new(Faulty::new(self.backends.records.clone(), plan.clone())))
            .inspector(Arc::new(Icons))
            .clock(move || Timestamp::from_millis(clock.load(SeqCst)))
            .build()
    }

    /// What blobs and records disagree on.
    async fn wrong(&self) -> Result<Vec<String>> {
        self.depot().check((self.backends.keys)()).await
    }

    /// As after a restart, a day later.
    async fn sweep(&self) -> Result<()> {
        self.pass(DAY);
        self.depot().sweep().await.map(|_| ())
    }

    fn pass(&self, time: Duration) {
        self.clock.fetch_add(i64::try_from(time.as_millis()).unwrap_or_default(), SeqCst);
    }

    async fn assets(&self) -> Result<Vec<Stored<Asset>>> {
        Ok(self.depot().assets(&system(), Query::of::<Asset>(self.organization)).await?.items)
    }

    /// Blob records, of which there is one per asset when nothing is left to do.
    async fn blobs(&self) -> Result<usize> {
        Ok(self.backends.records.list(&Query::of::<Blob>(self.organization)).await?.items.len())
    }

    async fn bytes(&self, asset: &Stored<Asset>) -> Result<Vec<u8>> {
        let opened = self.depot().open_asset(&system(), self.organization, asset.id, ByteRange::FULL).await?;
        Ok(opened.stream.try_collect::<Vec<Bytes>>().await?.concat())
    }

    /// Removes everything, so that the next world's check need not read it.
    async fn clear(&self) -> Result<()> {
        let (depot, system) = (self.depot(), system());
        for app in depot.apps(&system, Query::of::<App>(self.organization)).await?.items {
            depot.remove_app(&system, self.organization, app.id).await?;
        }
        for asset in self.assets().await? {
            depot.remove_asset(&system, self.organization, asset.id).await?;
        }
        Ok(())
    }

    async fn upload(&self, depot: &Depot, text: &'static str) -> Result<Stored<Asset>> {
        depot.upload(&system(), self.organization, NewAsset::default(), NewFile::default(), body(text)).await
    }

    /// An app whose releases are published at once.
    async fn app(&self, name: &str) -> Result<Stored<App>> {
        let lifecycle = LifecycleName::Direct;
        let app = NewApp { name: name.to_owned(), lifecycle, ..NewApp::default() };
        self.depot().create_app(&system(), self.organization, app).await
    }

    /// A build of an app of its own, of which the uploader says what the file does not.
    async fn build(&self, depot: &Depot) -> Result<Stored<Build>> {
        let app = self.app("Notes").await?;
        let (version, platform) = (Some("1.0".to_owned()), Some(Platform::Linux));
        let new = NewBuild { version, platform, ..NewBuild::default() };
        let file = NewFile::default();
        let describe = Box::new(move |_: &File| Ok(new));
        depot.create_build(&system(), self.organization, app.id, file, body("package"), describe).await
    }

    async fn builds(&self) -> Result<Vec<Stored<Build>>> {
        Ok(self.depot().builds(&system(), Query::of::<Build>(self.organization)).await?.items)
    }

    /// Nothing at all of this organization's is there.
    async fn is_empty(&self) -> Outcome {
        same("assets", &self.assets().await?.len(), &0)?;
        same("blob records", &self.blobs().await?, &0)?;
        same("disagreements", &self.wrong().await?, &Vec::new())
    }
}

fn system() -> Actor {
    Actor::system("conformance")
}

fn body(text: &'static str) -> ByteStream {
    stream::iter(text.as_bytes().chunks(3).map(|chunk| Ok(Bytes::from_static(chunk)))).boxed()
}

/// Runs `flow` with a fault at each of its calls in turn; `look` at the world after it, and after a sweep.
async fn at_every_call<T: Debug>(
    backends: &Backends,
    uploaded_before: bool,
    flow: impl AsyncFn(&Depot, &World, Option<Stored<Asset>>) -> Result<T>,
    look: impl AsyncFn(&World, &Result<T>, &str) -> Outcome,
) -> Outcome {
    for fault in Fault::ALL {
        for hit in 1.. {
            let world = World::new(backends).await?;
            let before =
                if uploaded_before { Some(world.upload(&world.depot(), "old").await?) } else { None };
            let plan = Plan::new(hit, fault);
            let outcome = flow(&world.faulty(&plan), &world, before).await;
            let case = format!("{plan:?}, outcome {outcome:?}");
            if plan.calls() < hit {
                holds(&format!("no fault, and yet: {case}"), outcome.is_ok())?;
                holds("too few calls were counted", hit > 3)?;
                break;
            }
            same(&case, &world.wrong().await?, &Vec::new())?;
            look(&world, &outcome, &case).await?;
            world.sweep().await?;
            same(&format!("after the sweep; {case}"), &world.wrong().await?, &Vec::new())?;
            look(&world, &outcome, &case).await?;
            same(&format!("left over; {case}"), &world.blobs().await?, &world.assets().await?.len())?;
            world.clear().await?;
        }
    }
    Ok(())
}

async fn an_upload_is_whole_or_nothing(backends: Backends) -> Outcome {
    let flow = async |depot: &Depot, world: &World, _| world.upload(depot, "hello world").await;
    at_every_call(&backends, false, flow, async |world, outcome, case| {
        let assets = world.assets().await?;
        if let Ok(stored) = outcome {
            same(case, &assets.iter().map(|asset| asset.id).collect(), &vec![stored.id])?;
        }
        for asset in assets {
            same(case, &world.bytes(&asset).await?, &b"hello world".to_vec())?;
        }
        Ok(())
    })
    .await
}

async fn a_replacement_is_the_old_file_or_the_new_one(backends: Backends) -> Outcome {
    let flow = async |depot: &Depot, world: &World, old: Option<Stored<Asset>>| {
        let id = old.ok_or_else(|| Error::not_found("asset"))?.id;
        let change = AssetChange::default();
        depot
            .replace_file(&system(), world.organization, id, Some(1), change, NewFile::default(), body("new"))
            .await
    };
    at_every_call(&backends, true, flow, async |world, outcome, case| {
        let [asset] = &world.assets().await?[..] else {
            return Err(Failure(format!("{case}: not one asset")));
        };
        let bytes = world.bytes(asset).await?;
        holds(&format!("{case}: {bytes:?}"), bytes == b"new" || (outcome.is_err() && bytes == b"old"))
    })
    .await
}

async fn a_removal_is_done_or_not_begun(backends: Backends) -> Outcome {
    let flow = async |depot: &Depot, world: &World, old: Option<Stored<Asset>>| {
        let id = old.ok_or_else(|| Error::not_found("asset"))?.id;
        depot.remove_asset(&system(), world.organization, id).await
    };
    at_every_call(&backends, true, flow, async |world, outcome, case| {
        for asset in world.assets().await? {
            let whole = world.bytes(&asset).await? == b"old";
            holds(&format!("{case}: {asset:?}"), outcome.is_err() && whole)?;
        }
        Ok(())
    })
    .await
}

async fn a_body_that_breaks_leaves_nothing(backends: Backends) -> Outcome {
    let world = World::new(&backends).await?;
    let broken = stream::iter([
        Ok(Bytes::from_static(b"some")),
        Err(Error::new(ErrorKind::Invalid, "the client went away")),
    ]);
    let (new, file) = (NewAsset::default(), NewFile::default());
    let sent = world.depot().upload(&system(), world.organization, new, file, broken.boxed()).await;
    refused("a broken body", sent, ErrorKind::Invalid)?;
    world.is_empty().await
}

async fn refused_uploads_leave_nothing(backends: Backends) -> Outcome {
    let world = World::new(&backends).await?;
    let depot = world.depot();
    let send = async |new: NewAsset, file: NewFile, text| {
        depot.upload(&system(), world.organization, new, file, body(text)).await
    };
    refused("empty", send(NewAsset::default(), NewFile::default(), "").await, ErrorKind::Invalid)?;
    let small = NewFile { limit: Some(4), ..NewFile::default() };
    refused("too large", send(NewAsset::default(), small, "hello").await, ErrorKind::TooLarge)?;
    let refuse: Accept = Box::new(|_| Err(Error::new(ErrorKind::Unsupported, "not this one")));
    let picky = NewFile { accept: Some(refuse), ..NewFile::default() };
    refused("not accepted", send(NewAsset::default(), picky, "hello").await, ErrorKind::Unsupported)?;
    let named = NewAsset { alias: Some("../x".to_owned()), ..NewAsset::default() };
    refused("a path as alias", send(named, NewFile::default(), "hello").await, ErrorKind::Invalid)?;
    world.is_empty().await
}

/// The first trap: the uploader must notice that a sweep took its pending record.
async fn a_sweep_during_an_upload_leaves_no_orphan(backends: Backends) -> Outcome {
    let world = World::new(&backends).await?;
    let (sweeper, clock) = (world.depot(), world.clock.clone());
    // The body takes a day, and a sweep runs in the middle of it.
    let slow = stream::once(async move {
        clock.fetch_add(i64::try_from(DAY.as_millis()).unwrap_or_default(), SeqCst);
        sweeper.sweep().await?;
        Ok(Bytes::from_static(b"late"))
    });
    let (new, file) = (NewAsset::default(), NewFile::default());
    let sent = world.depot().upload(&system(), world.organization, new, file, slow.boxed()).await;
    holds("a swept upload is no success", sent.is_err())?;
    world.is_empty().await
}

/// The second trap: a store that repeats a commit and meets its own success must not lose the file.
async fn a_repeated_commit_is_a_success(backends: Backends) -> Outcome {
    for hit in 1..=10 {
        let world = World::new(&backends).await?;
        let stored = world.upload(&world.faulty(&Plan::new(hit, Fault::Repeat)), "kept").await?;
        same("bytes", &world.bytes(&stored).await?, &b"kept".to_vec())?;
    }
    Ok(())
}

async fn of_two_uploads_under_one_alias_one_remains(backends: Backends) -> Outcome {
    let world = World::new(&backends).await?;
    let (depot, organization) = (world.depot(), world.organization);
    let named = NewAsset { alias: Some("logo".to_owned()), ..NewAsset::default() };
    let (other, first) = (depot.clone(), named.clone());
    // The other upload comes first while this one's bytes are on their way.
    let overtaken = stream::once(async move {
        other.upload(&system(), organization, first, NewFile::default(), body("first")).await?;
        Ok(Bytes::from_static(b"second"))
    });
    let sent = depot.upload(&system(), organization, named, NewFile::default(), overtaken.boxed()).await;
    refused("the second", sent, ErrorKind::Conflict)?;
    let kept = world.assets().await?;
    same("assets", &kept.len(), &1)?;
    for first in kept {
        let named = NewAsset { alias: Some(first.id.to_string()), ..NewAsset::default() };
        let sent = depot.upload(&system(), organization, named, NewFile::default(), body("third")).await;
        refused("under the id of the first", sent, ErrorKind::Conflict)?;
    }
    same("blob records, without a sweep", &world.blobs().await?, &1)?;
    same("disagreements", &world.wrong().await?, &Vec::new())
}

// Negative controls: each half of the rule reversed, cut at its worst point, is found out by the check that the
// cases above rely on.

async fn bytes_before_their_record_are_found_out(backends: Backends) -> Outcome {
    let world = World::new(&backends).await?;
    backends.blobs.put(&BlobKey::of(Id::generate()), body("orphan")).await?;
    // A crash here, before the record is written.
    same("found", &world.wrong().await?.len(), &1)?;
    world.sweep().await?;
    same("found after a sweep, which cannot see it", &world.wrong().await?.len(), &1)
}

async fn a_ready_record_before_its_bytes_is_found_out(backends: Backends) -> Outcome {
    let world = World::new(&backends).await?;
    let now = Timestamp::now();
    let id = Id::generate();
    let ready = Stored::new(world.organization, Blob { state: BlobState::Ready, asset: id }, now);
    let asset = Stored { id, ..Stored::new(world.organization, any_asset(ready.id), now) };
    let batch = Batch::new();
    let changes =
        vec![Change::Insert(ready.to_record(batch.id)?), Change::Insert(asset.to_record(batch.id)?)];
    backends.records.commit(Batch { changes, ..batch }).await?;
    // A crash here, before the bytes are there.
    same("found", &world.wrong().await?.len(), &1)
}

async fn removing_bytes_before_dooming_their_record_is_found_out(backends: Backends) -> Outcome {
    let world = World::new(&backends).await?;
    let stored = world.upload(&world.depot(), "old").await?;
    let blob = stored.blob().ok_or_else(|| Failure("no blob".to_owned()))?;
    backends.blobs.delete(&BlobKey::of(blob)).await?;
    // A crash here, before the record is doomed.
    same("found", &world.wrong().await?.len(), &1)
}

async fn removing_the_record_before_the_bytes_is_found_out(backends: Backends) -> Outcome {
    let world = World::new(&backends).await?;
    let stored = world.upload(&world.depot(), "old").await?;
    let blob: Id<()> = stored.blob().ok_or_else(|| Failure("no blob".to_owned()))?.cast();
    let key = Key::Id { organization: world.organization, kind: Blob::KIND, id: blob };
    let record = backends.records.get(&key).await?.ok_or_else(|| Failure("no record".to_owned()))?;
    let delete = |kind, id, revision| Change::Delete { organization: world.organization, kind, id, revision };
    let asset = delete(Asset::KIND, stored.id.cast(), stored.revision);
    let changes = vec![asset, delete(Blob::KIND, blob, record.revision)];
    backends.records.commit(Batch { changes, ..Batch::new() }).await?;
    // A crash here, before the bytes are deleted.
    same("found", &world.wrong().await?.len(), &1)
}

fn any_asset(blob: Id<Blob>) -> Asset {
    let file = File {
        location: Location::Blob(blob),
        length: 3,
        sha256: "0".repeat(64),
        file_name: "x".to_owned(),
        extension: String::new(),
        media_type: "application/octet-stream".to_owned(),
        inspection: Inspection::unknown(),
    };
    Asset {
        name: "x".to_owned(),
        description: String::new(),
        alias: None,
        access: Access::Private,
        content: Content::File(Box::new(file)),
        class: AssetClass::Other,
        references: Vec::new(),
        segment: 0,
        expose_to_children: false,
        extra: Extra::new(),
        vendor: None,
        uploaded_by: Person::default(),
        app: None,
        release: None,
    }
}
