//! Apps: what they are called, and what goes with them.

use appdepot::ErrorKind;
use appdepot::depot::{NewApp, NewListing, NewRelease};
use appdepot::domain::{App, Asset, Audience, Blob, LifecycleName, Listing, Release, Visibility};
use appdepot::query::{Field, Op, Query};

use super::stage::*;

pub(crate) async fn names_are_unique_and_slugs_are_numbered(ground: Ground) {
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

pub(crate) async fn a_removed_app_leaves_nothing_behind(ground: Ground) {
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

pub(crate) async fn what_comes_while_an_app_goes_is_not_left_alone(ground: Ground) {
    let stage = Stage::set(ground).await;
    for round in 0..10 {
        let app = stage.app("Going", LifecycleName::Direct).await;
        stage.release(&app, "field-notes.apk").await;
        let package = stage.upload("b.apk", package("field-notes-1.5.0.apk")).await;
        let (depot, acme, store) = (stage.depot.clone(), stage.acme, stage.store.id);
        let listed = tokio::spawn(async move {
            let (visibility, audience) = (Visibility::Active, Audience::everyone());
            let listing = NewListing { store, app: app.id, slug: None, visibility, audience };
            depot.create_listing(&system(), acme, listing).await.map(drop)
        });
        let depot = stage.depot.clone();
        let released = tokio::spawn(async move {
            depot.create_release(&system(), acme, app.id, NewRelease::of(package.id)).await.map(drop)
        });
        let removed = stage.depot.remove_app(&system(), acme, app.id).await;
        for outcome in [listed.await.unwrap(), released.await.unwrap()] {
            assert!(outcome.is_ok() || kind(outcome) == ErrorKind::NotFound, "{round}");
        }
        removed.unwrap();
        let records = &stage.ground.backends.records;
        for query in [Query::of::<App>(acme), Query::of::<Release>(acme), Query::of::<Listing>(acme)] {
            let kind = query.kind;
            assert_eq!(records.list(&query.counted()).await.unwrap().total, Some(0), "{kind:?} {round}");
        }
        if let Ok(left) = stage.depot.asset(&system(), acme, &package.id.to_string()).await {
            stage.depot.remove_asset(&system(), acme, left.id).await.unwrap();
        }
    }
    stage.assert_sound().await;
}
