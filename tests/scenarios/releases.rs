//! Packages that become releases, and the steps that these take.

use appdepot::ErrorKind;
use appdepot::authorize::{Actor, Subject};
use appdepot::blobs::ByteRange;
use appdepot::depot::{NewApp, NewAsset, NewFile, NewRelease, ReleaseChange};
use appdepot::domain::{Audience, Details, EventFilter, LifecycleName, Role};
use appdepot::error::Detail;
use appdepot::lifecycle::{Lifecycle, State, Verb};

use super::stage::*;

pub(crate) async fn the_fixture_package_lives_its_whole_life(ground: Ground) {
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
    // what is reviewed is what was handed in
    let other = stage.upload("b.apk", package("field-notes-1.5.0.apk")).await;
    let swap = async || {
        let change = ReleaseChange { asset: Some(other.id), ..ReleaseChange::default() };
        kind(stage.depot.update_release(&system(), stage.acme, release.id, None, change).await)
    };
    assert_eq!(swap().await, ErrorKind::Conflict);
    step(&publisher, Verb::Approve).await.unwrap();
    assert_eq!(swap().await, ErrorKind::Conflict);
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

pub(crate) async fn of_sixteen_clients_one_takes_the_step(ground: Ground) {
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

pub(crate) async fn every_step_is_taken_or_refused_as_the_table_says(ground: Ground) {
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

pub(crate) async fn files_that_are_no_packages_are_kept_and_not_released(ground: Ground) {
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

pub(crate) async fn the_same_version_is_released_once(ground: Ground) {
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

pub(crate) async fn what_a_release_names_is_its_authors_to_name(ground: Ground) {
    let stage = Stage::set(ground).await;
    let (depot, acme) = (&stage.depot, stage.acme);
    let app = stage.app("Notes", LifecycleName::Mobile).await;
    let release = stage.release(&app, "field-notes.apk").await;
    let private = stage.upload("private.apk", package("field-notes-1.5.0.apk")).await.id;
    let ed = Actor::new(Subject::user("ed").unwrap());
    let editor = Role::parse("app.editor").unwrap();
    depot.grant(&system(), acme, ed.subject.clone(), editor, Some(app.id)).await.unwrap();

    let made = depot.create_release(&ed, acme, app.id, NewRelease::of(private)).await;
    assert_eq!(kind(made), ErrorKind::Forbidden);
    let with_icon = Details { icon: Some(private), ..release.details.clone() };
    let as_package = ReleaseChange { asset: Some(private), ..ReleaseChange::default() };
    let as_icon = ReleaseChange { details: Some(with_icon.clone()), ..ReleaseChange::default() };
    let update = async |actor: &Actor, change: &ReleaseChange| {
        depot.update_release(actor, acme, release.id, None, change.clone()).await
    };
    for change in [&as_package, &as_icon] {
        assert_eq!(kind(update(&ed, change).await), ErrorKind::Forbidden);
    }
    // what somebody else named stays
    update(&system(), &as_icon).await.unwrap();
    let title = Details { title: "Notes".to_owned(), ..with_icon };
    let titled = ReleaseChange { details: Some(title), ..ReleaseChange::default() };
    assert_eq!(update(&ed, &titled).await.unwrap().details.icon, Some(private));
}
