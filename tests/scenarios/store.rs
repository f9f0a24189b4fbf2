//! What a store offers, to whom, and the tickets to fetch it with.

use std::sync::atomic::Ordering::SeqCst;

use appdepot::ErrorKind;
use appdepot::blobs::ByteRange;
use appdepot::depot::ListingChange;
use appdepot::domain::{Audience, LifecycleName, Listing, Visibility};
use appdepot::lifecycle::Verb;
use appdepot::query::{Field, Query, Sort};

use super::stage::*;

pub(crate) async fn the_offer_follows_what_is_published(ground: Ground) {
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

pub(crate) async fn a_listing_made_while_publishing_offers_the_release(ground: Ground) {
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

pub(crate) async fn a_ticket_ends(ground: Ground) {
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

pub(crate) async fn a_store_page_is_cut_after_the_audience(ground: Ground) {
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
