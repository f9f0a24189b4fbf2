//! Stores and what they show, with a fault at every call.

use super::*;
use crate::depot::StoreChange;
use crate::domain::Listing;
use crate::query::{Field, Op, Sort};

pub(super) async fn a_store_shows_all_that_was_asked_for_or_what_it_showed(backends: Backends) -> Outcome {
    let flow = async |depot: &Depot, world: &World, _| {
        let store = world.depot().main_store(&system(), world.organization).await?;
        let ids = [world.app("One").await?.id, world.app("Two").await?.id, world.app("Three").await?.id];
        let [one, two, three] = ids;
        let first = StoreChange { apps: Some(vec![one]), ..StoreChange::default() };
        world.depot().update_store(&system(), world.organization, store.id, None, first).await?;
        let apps = Some(vec![two, three, two]);
        let change = StoreChange { name: Some("Acme".to_owned()), apps, ..StoreChange::default() };
        depot.update_store(&system(), world.organization, store.id, None, change).await?;
        Ok(())
    };
    at_every_call(&backends, false, flow, async |world, outcome, case| {
        let shown = Query::of::<Listing>(world.organization)
            .filter(Field::parse("visibility")?, Op::Eq("active".into()))
            .sort(Sort::ascending(Field::parse("name")?));
        let shown = world.depot().listings(&system(), shown).await?.items;
        let names: Vec<_> = shown.iter().map(|listing| listing.name.as_str()).collect();
        let store = world.depot().main_store(&system(), world.organization).await?;
        let found = (store.name.as_str(), names.as_slice());
        let after = found == ("Acme", &["Three", "Two"]);
        let before = found == ("App Store", &["One"]);
        holds(&format!("{case}: {found:?}"), after || (before && outcome.is_err()))
    })
    .await
}
