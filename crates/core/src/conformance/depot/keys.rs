//! Keys with a role, with a fault at every call.

use super::*;
use crate::domain::{Grant, Role};

pub(super) async fn a_key_of_an_app_has_its_role_or_is_not_there(backends: Backends) -> Outcome {
    let flow = async |depot: &Depot, world: &World, _| {
        let app = world.app("Notes").await?;
        depot.create_app_key(&system(), world.organization, app.id, "CI", None).await
    };
    at_every_call(&backends, false, flow, async |world, outcome, case| {
        let (depot, organization) = (world.depot(), world.organization);
        let keys = depot.keys(&system(), organization, None).await?;
        let grants = depot.grants(&system(), Query::of::<Grant>(organization)).await?.items;
        let events = depot.events(&system(), &EventFilter::of(organization)).await?;
        let told =
            events.iter().filter(|event| ["key.create", "grant.create"].contains(&&*event.event.action));
        same(&format!("told of; {case}"), &told.count(), &(keys.len() + grants.len()))?;
        match (outcome, keys.as_slice(), grants.as_slice()) {
            (Err(_), [], []) => Ok(()),
            (_, [key], [grant]) => {
                same(case, &(&grant.subject, grant.app), &(&key.subject()?, key.app))?;
                same(case, &grant.role, &Role::parse(Role::APP_EDITOR)?)
            }
            found => Err(Failure(format!("{case}: {found:?}"))),
        }
    })
    .await
}
