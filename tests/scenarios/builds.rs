//! Builds: from an upload to a release that every dialect sees.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use appdepot::authorize::{Actor, Subject};
use appdepot::blobs::ByteRange;
use appdepot::depot::{Depot, NewAsset, NewBuild, NewFile};
use appdepot::domain::{
    App, Asset, Audience, Build, BuildNotes, BuildStatus, Git, Id, LifecycleName, Release, Role, Stored,
    Timestamp,
};
use appdepot::error::Detail;
use appdepot::lifecycle::State;
use appdepot::metadata::Extractor;
use appdepot::query::{Field, Op, Query};
use appdepot::{Error, ErrorKind};

use super::stage::*;

impl Stage {
    async fn send(
        &self,
        actor: &Actor,
        app: &Stored<App>,
        fixture: &str,
        bytes: Vec<u8>,
    ) -> Result<Stored<Build>, Error> {
        let file = NewFile { file_name: fixture.to_owned(), ..NewFile::default() };
        let git = Git { branch: Some("main".to_owned()), ..Git::default() };
        let notes = BuildNotes { changelog: "Faster.".to_owned(), git, ..BuildNotes::default() };
        let describe = Box::new(move |_: &_| Ok(NewBuild { notes, ..NewBuild::default() }));
        self.depot.create_build(actor, self.acme, app.id, file, body(bytes), describe).await
    }

    async fn sent(&self, app: &Stored<App>, fixture: &str) -> Stored<Build> {
        self.send(&system(), app, fixture, package(fixture)).await.unwrap()
    }

    async fn processed(&self) -> Vec<Stored<Build>> {
        let mut done = Vec::new();
        while let Some(build) = self.depot.process_build().await.unwrap() {
            done.push(build);
        }
        done
    }
}

pub(crate) async fn a_build_becomes_a_release(ground: Ground) {
    let stage =
        Stage::with(ground, |builder| builder.inspector(Arc::new(Extractor::default().icons(192)))).await;
    let ada = stage.hire("ada", "org.member").await;
    let app = stage.app("Notes", LifecycleName::Direct).await;
    stage.list(&app, Audience::everyone()).await;
    let sent = stage.sent(&app, "field-notes.apk").await;
    assert_eq!((sent.status, sent.version.as_deref()), (BuildStatus::Pending, None));
    assert!(stage.offered(&ada).await.is_empty());
    let early = stage.depot.ticket(&system(), stage.acme, Build::release(sent.id)).await.unwrap_err();
    assert_eq!(*early.detail(), Detail::Unprocessed);
    let file = NewFile { file_name: "symbols.txt".to_owned(), ..NewFile::default() };
    let (who, new) = (system(), NewAsset::default());
    let early = stage.depot.attach_file(&who, stage.acme, sent.id, new, file, body(vec![1])).await;
    assert_eq!(*early.unwrap_err().detail(), Detail::Unprocessed);

    let [build] = &stage.processed().await[..] else { panic!("one build") };
    assert_eq!((build.id, build.status), (sent.id, BuildStatus::Processed));
    assert_eq!((build.version.as_deref(), build.version_code.as_deref()), (Some("1.4.2"), Some("42")));
    let release = stage.depot.release(&system(), stage.acme, Build::release(build.id)).await.unwrap();
    assert_eq!((release.state, release.notes.as_str()), (State::Published, "Faster."));
    assert_eq!(stage.offered(&ada).await, ["1.4.2"]);
    let asset = stage.depot.asset(&system(), stage.acme, &build.asset.to_string()).await.unwrap();
    assert_eq!(asset.file().unwrap().inspection.package.as_ref().unwrap().id, "org.appdepot.fixture");
    let shown = stage.depot.app(&system(), stage.acme, "notes").await.unwrap();
    assert_eq!((shown.releases, shown.builds, shown.icon), (1, 1, build.icon));
    let icon =
        stage.depot.open_asset(&system(), stage.acme, build.icon.unwrap(), ByteRange::FULL).await.unwrap();
    assert!(read(icon.stream).await.starts_with(b"\x89PNG"));

    let file = NewFile { file_name: "symbols.txt".to_owned(), ..NewFile::default() };
    let (build, attached) = stage
        .depot
        .attach_file(&system(), stage.acme, build.id, NewAsset::default(), file, body(b"symbols".to_vec()))
        .await
        .unwrap();
    assert_eq!(build.files, [attached.id]);
    stage.assert_sound().await;
    stage.depot.remove_release(&system(), stage.acme, release.id, None).await.unwrap();
    assert_eq!(kind(stage.depot.build(&system(), stage.acme, build.id).await), ErrorKind::NotFound);
    let shown = stage.depot.app(&system(), stage.acme, "notes").await.unwrap();
    assert_eq!((shown.releases, shown.builds, shown.icon), (0, 0, None));
    assert!((stage.ground.backends.keys)().is_empty());
}

pub(crate) async fn builds_of_one_version_stand_side_by_side(ground: Ground) {
    let stage = Stage::set(ground).await;
    let app = stage.app("Notes", LifecycleName::Direct).await;
    stage.release(&app, "field-notes.apk").await;
    for _ in 0..2 {
        stage.sent(&app, "field-notes.apk").await;
    }
    assert_eq!(stage.processed().await.len(), 2);
    let all = stage.depot.releases(&system(), Query::of::<Release>(stage.acme)).await.unwrap();
    let versions: Vec<&str> = all.items.iter().map(|release| release.version.as_str()).collect();
    assert_eq!(versions, ["1.4.2"; 3]);
    let main =
        Query::of::<Build>(stage.acme).filter(Field::parse("git.branch").unwrap(), Op::Eq("main".into()));
    assert_eq!(stage.depot.builds(&system(), main).await.unwrap().items.len(), 2);
    stage.depot.remove_app(&system(), stage.acme, app.id).await.unwrap();
    assert!((stage.ground.backends.keys)().is_empty());
}

pub(crate) async fn a_build_that_is_no_package_says_why(ground: Ground) {
    let stage = Stage::set(ground).await;
    let app = stage.app("Notes", LifecycleName::Direct).await;
    let whole = package("field-notes.apk");
    for (name, bytes, code) in [
        ("cut.apk", whole[..whole.len() / 2].to_vec(), "E_TRUNCATED"),
        ("notes.txt", b"just text".to_vec(), "E_UNSUPPORTED"),
    ] {
        let sent = stage.send(&system(), &app, name, bytes).await.unwrap();
        let [build] = &stage.processed().await[..] else { panic!("one build") };
        assert_eq!((build.id, build.status), (sent.id, BuildStatus::Error), "{name}");
        assert_eq!(build.problem.as_ref().unwrap().code, code, "{name}");
        stage.depot.remove_build(&system(), stage.acme, sent.id).await.unwrap();
    }
    let empty = stage.send(&system(), &app, "a.apk", Vec::new()).await;
    assert_eq!(kind(empty), ErrorKind::Invalid);
    let app = stage.depot.app(&system(), stage.acme, "notes").await.unwrap();
    assert_eq!((app.releases, app.builds), (0, 0));
    assert!((stage.ground.backends.keys)().is_empty());
}

pub(crate) async fn rights_on_the_app_are_enough_for_its_builds(ground: Ground) {
    let stage = Stage::set(ground).await;
    let (mine, other) =
        (stage.app("Mine", LifecycleName::Direct).await, stage.app("Other", LifecycleName::Direct).await);
    let ed = Actor::new(Subject::user("ed").unwrap());
    let editor = Role::parse("app.editor").unwrap();
    stage.depot.grant(&system(), stage.acme, ed.subject.clone(), editor, Some(mine.id)).await.unwrap();
    let bytes = || package("field-notes.apk");
    let build = stage.send(&ed, &mine, "a.apk", bytes()).await.unwrap();
    assert_eq!(kind(stage.send(&ed, &other, "a.apk", bytes()).await), ErrorKind::Forbidden);
    let theirs = stage.sent(&other, "field-notes.apk").await;
    stage.processed().await;
    assert!(stage.depot.asset(&ed, stage.acme, &build.asset.to_string()).await.is_ok());
    assert_eq!(
        kind(stage.depot.asset(&ed, stage.acme, &theirs.asset.to_string()).await),
        ErrorKind::Forbidden
    );
    let seen = stage.depot.assets(&ed, Query::of::<Asset>(stage.acme).counted()).await.unwrap();
    assert_eq!((seen.total, seen.items[0].id), (Some(1), build.asset));
    let seen = stage.depot.builds(&ed, Query::of::<Build>(stage.acme).counted()).await.unwrap();
    assert_eq!((seen.total, seen.items[0].id), (Some(1), build.id));
    let member = stage.hire("mo", "org.member").await;
    assert_eq!(kind(stage.depot.assets(&member, Query::of::<Asset>(stage.acme)).await), ErrorKind::Forbidden);
    assert_eq!(kind(stage.depot.remove_build(&ed, stage.acme, build.id).await), ErrorKind::Forbidden);
}

pub(crate) async fn workers_share_the_builds(ground: Ground) {
    let stage = Stage::set(ground).await;
    let app = stage.app("Notes", LifecycleName::Direct).await;
    for _ in 0..6 {
        stage.sent(&app, "field-notes.apk").await;
    }
    let workers = (0..4).map(|_| {
        let depot = stage.depot.clone();
        tokio::spawn(async move {
            let mut done = Vec::new();
            // A worker that finds all it looked at taken by others has nothing to do for now.
            while let Some(build) = depot.process_build().await.unwrap() {
                done.push(build.id);
            }
            done
        })
    });
    let mut done: Vec<Id<Build>> =
        futures::future::join_all(workers).await.into_iter().flat_map(Result::unwrap).collect();
    done.extend(stage.processed().await.iter().map(|build| build.id));
    let distinct: std::collections::BTreeSet<_> = done.iter().collect();
    assert_eq!((done.len(), distinct.len()), (6, 6), "each once");
    let app = stage.depot.app(&system(), stage.acme, "notes").await.unwrap();
    assert_eq!((app.releases, app.builds), (6, 6));
}

/// An inspector that tells that it began and never comes to an end: the process is stopped while it reads.
#[derive(Debug)]
struct Endless(Arc<tokio::sync::Notify>);

#[async_trait::async_trait]
impl appdepot::inspect::Inspector for Endless {
    async fn inspect(
        &self,
        _: &dyn appdepot::inspect::Source,
        _: &appdepot::inspect::Hint,
    ) -> appdepot::inspect::Inspection {
        self.0.notify_one();
        std::future::pending().await
    }
}

pub(crate) async fn what_waits_is_processed_after_a_restart(ground: Ground) {
    let stage = Stage::set(ground).await;
    let app = stage.app("Notes", LifecycleName::Direct).await;
    let sent = [stage.sent(&app, "field-notes.apk").await, stage.sent(&app, "field-notes.apk").await];
    let (time, began) = (stage.clock.clone(), Arc::new(tokio::sync::Notify::new()));
    let stopped = Depot::builder()
        .blobs(stage.ground.backends.blobs.clone())
        .records(stage.ground.backends.records.clone())
        .inspector(Arc::new(Endless(began.clone())))
        .clock(move || Timestamp::from_millis(time.load(SeqCst)))
        .build();
    tokio::select! {
        _ = stopped.process_build() => panic!("it was reading"),
        () = began.notified() => {}
    }
    let first = stage.depot.build(&system(), stage.acme, sent[0].id).await.unwrap();
    assert_eq!(first.status, BuildStatus::InProgress);
    drop(stopped);
    // Another process starts on what is on disk: what nobody held is read now, the rest when its lease is over.
    let time = stage.clock.clone();
    let started = Depot::builder()
        .blobs(stage.ground.backends.blobs.clone())
        .records(stage.ground.reopened().await)
        .inspector(Arc::new(Extractor::default()))
        .clock(move || Timestamp::from_millis(time.load(SeqCst)))
        .build();
    assert_eq!(started.process_build().await.unwrap().map(|build| build.id), Some(sent[1].id));
    assert!(started.process_build().await.unwrap().is_none());
    stage.clock.fetch_add(3 * 60 * 1_000, SeqCst);
    assert_eq!(started.process_build().await.unwrap().map(|build| build.id), Some(sent[0].id));
    for build in sent {
        let build = stage.depot.build(&system(), stage.acme, build.id).await.unwrap();
        assert_eq!(build.status, BuildStatus::Processed);
    }
    assert!(started.process_build().await.unwrap().is_none());
    stage.assert_sound().await;
}
