//! The store's pages over a depot in memory. What needs a package or a browser is in the root's `tests/browser.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod support;

use appdepot_core::authorize::Actor;
use appdepot_core::depot::StoreChange;
use support::World;

/// Every golden file of these pages.
const CASES: &[&str] = &["refused", "sign_in"];

#[tokio::test]
async fn golden() {
    support::golden::run_folder("storefront", CASES, async |_| {
        let world = World::new().await;
        let system = Actor::system("test");
        let store = world.depot.create_store(&system, world.acme, "Acme <Apps>", Some("main")).await.unwrap();
        let change = StoreChange {
            contact: Some("apps@acme.example".to_owned()),
            brand: Some("7A1FA2".to_owned()),
            ..StoreChange::default()
        };
        world.depot.update_store(&system, world.acme, store.id, None, change).await.unwrap();
        world.service()
    })
    .await;
}
