//! Storage providers of the workspace.

use appdepot_core::{Error, ErrorKind};
use axum::body::Body;
use axum::response::IntoResponse as _;
use serde_json::Value;

use super::super::fault::Fault;
use super::super::types::{Answer, Removed, StorageProviderSaid, StorageProviderShown, Tested};
use super::{Answered, Call};
use crate::wire::json;

pub(super) async fn list(call: Call) -> Answered {
    let found = call.backend.depot.storage_providers(&call.actor, call.organization).await?;
    let items: Vec<_> = found.iter().map(StorageProviderShown::of).collect();
    Ok(Answer::of(items).into_response())
}

pub(super) async fn create(call: Call, body: Body) -> Answered {
    let new = call.storage_provider_said(body).await?.into_new()?;
    let made = call.backend.depot.create_storage_provider(&call.actor, call.organization, new).await?;
    Ok(Answer::of(StorageProviderShown::of(&made)).into_response())
}

pub(super) async fn get(call: Call) -> Answered {
    let id = call.id()?;
    let known = call.backend.depot.storage_providers(&call.actor, call.organization).await?;
    let found = known.iter().find(|provider| provider.id == id).ok_or_else(Fault::not_found)?;
    Ok(Answer::of(StorageProviderShown::of(found)).into_response())
}

pub(super) async fn update(call: Call, body: Body) -> Answered {
    let id = call.id()?;
    let change = call.storage_provider_said(body).await?.into_change();
    let depot = &call.backend.depot;
    let changed = depot.update_storage_provider(&call.actor, call.organization, id, None, change).await;
    Ok(Answer::of(StorageProviderShown::of(&changed.map_err(missing)?)).into_response())
}

pub(super) async fn test(call: Call) -> Answered {
    let id = call.id()?;
    let tested = call.backend.depot.test_storage_provider(&call.actor, call.organization, id).await;
    tested.map_err(missing)?;
    Ok(Answer::of(Tested { test: "OK" }).into_response())
}

pub(super) async fn remove(call: Call) -> Answered {
    let id = call.id()?;
    let removed = call.backend.depot.remove_storage_provider(&call.actor, call.organization, id).await;
    removed.map_err(missing)?;
    Ok(Answer::of(Removed { delete: "OK" }).into_response())
}

/// What the path names and is not there is any entity; the code of its own is for bodies that name it.
fn missing(error: Error) -> Fault {
    if error.kind() == ErrorKind::NotFound { Fault::not_found() } else { error.into() }
}

impl Call {
    async fn storage_provider_said(&self, body: Body) -> Result<StorageProviderSaid, Fault> {
        let body: Value = json::read(&self.headers, body).await.map_err(Fault::wire)?;
        StorageProviderSaid::read(&body)
    }
}
