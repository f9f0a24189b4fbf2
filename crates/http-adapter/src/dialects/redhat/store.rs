//! The app store itself: what it is called, what is in it, how people sign in to it.

use std::sync::Arc;

use appdepot_core::Result;
use appdepot_core::depot::{AppChange, StoreChange};
use appdepot_core::domain::{App, Listing, Store, Stored};
use appdepot_core::query::{Field, Op, Query};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::FutureExt as _;

use super::call::Call;
use super::fault::Fault;
use super::items::{everything, items, one, visible};
use super::types::{AppStore, Done, Listed, One};
use super::{PREFIX, State, words};

type Answered = Result<Response, Fault>;

pub(super) fn routes() -> Router<Arc<State>> {
    let at = |operation: &str| format!("{PREFIX}/admin/appstore/{operation}");
    Router::new()
        .route(&at("read"), get(read).post(read))
        .route(&at("update"), post(update))
        .route(&at("additem"), post(async |call: Call| show(call, true).await))
        .route(&at("removeitem"), post(async |call: Call| show(call, false).await))
        .route(&at("liststoreitems"), get(list).post(list))
        .route(&at("addpolicy"), post(async |call: Call| change_policies(call, true).await))
        .route(&at("removepolicy"), post(async |call: Call| change_policies(call, false).await))
        .route(&at("listpolicies"), get(list_policies).post(list_policies))
}

async fn read(call: Call) -> Answered {
    let store = call.store().await?;
    answer(&call, store).await
}

async fn update(call: Call) -> Answered {
    let store = call.store().await?;
    let fields = &call.fields;
    // The document and its client call the items by different names.
    let items = match fields.ids::<App>("storeitems")? {
        Some(items) => Some(items),
        None => fields.ids("items")?,
    };
    let change = StoreChange {
        name: fields.any(&["name"])?,
        description: fields.text("description")?,
        policies: fields.ids("authpolicies")?.map(appdepot_core::depot::SetChange::to).unwrap_or_default(),
        apps: items,
        ..StoreChange::default()
    };
    let depot = call.state.depot();
    let store = depot.update_store(&call.actor, call.organization.id, store.id, None, change).await?;
    answer(&call, store).await
}

async fn show(call: Call, shown: bool) -> Answered {
    let store = call.store().await?;
    let id = call.fields.id("guid")?;
    let change = AppChange { listing: Some((store.id, visible(shown))), ..AppChange::default() };
    call.state.depot().update_app(&call.actor, call.organization.id, id, None, change).await?;
    Ok(Json(Done::new()).into_response())
}

async fn list(call: Call) -> Answered {
    let store = call.store().await?;
    let ids = shown(&call, &store).await?.into_iter().map(|listing| listing.app.into()).collect();
    let listed = Query::of::<App>(call.organization.id).filter(Field::Id, Op::In(ids));
    let apps = everything(listed, |query| call.state.depot().apps(&call.actor, query).boxed()).await?;
    Ok(Json(Listed::new(items(&call, &store, apps).await?)).into_response())
}

async fn change_policies(call: Call, add: bool) -> Answered {
    let store = call.store().await?;
    let change = StoreChange { policies: one(call.fields.id("guid")?, add), ..StoreChange::default() };
    call.state.depot().update_store(&call.actor, call.organization.id, store.id, None, change).await?;
    Ok(Json(Done::new()).into_response())
}

async fn list_policies(call: Call) -> Answered {
    let store = call.store().await?;
    Ok(Json(Listed::new(store.policies.iter().map(|id| words::guid(*id)).collect())).into_response())
}

pub(super) async fn answer(call: &Call, store: Stored<Store>) -> Answered {
    let listed = shown(call, &store).await?;
    let one = AppStore {
        guid: words::guid(store.id),
        name: store.name.clone(),
        description: store.description.clone(),
        icon: call.state.store_icon(&store).await?,
        storeitems: listed.iter().map(|listing| words::guid(listing.app)).collect(),
        authpolicies: store.policies.iter().map(|id| words::guid(*id)).collect(),
    };
    Ok(Json(One::new(one)).into_response())
}

/// What is shown in the store, whatever its audience.
async fn shown(call: &Call, store: &Stored<Store>) -> Result<Vec<Stored<Listing>>> {
    let query = Query::of::<Listing>(call.organization.id)
        .filter(Field::parse("store")?, Op::Eq(store.id.into()))
        .filter(Field::parse("publication")?, Op::Missing)
        .filter(Field::parse("visibility")?, Op::Eq("active".into()))
        .sort(appdepot_core::query::Sort::ascending(Field::parse("name")?));
    everything(query, |query| call.state.depot().listings(&call.actor, query).boxed()).await
}
