//! Workspaces.

use std::sync::Arc;

use appdepot_core::domain::{Organization, Stored};
use axum::extract::Request;
use axum::response::IntoResponse as _;

use super::super::fault::Fault;
use super::super::types::{Answer, Workspace};
use super::{Answered, Call, Wanted};
use crate::call::Backend;

/// The one that the credential was made for: others are found by their names.
pub(super) async fn list(backend: Arc<Backend>, request: Request) -> Answered {
    let (parts, _) = request.into_parts();
    let actor = backend.actor(&parts).await?;
    let wanted = Wanted::read(&parts.uri)?;
    let home = actor.home.ok_or_else(Fault::not_found)?;
    let home = backend.depot.organization(&actor, &home.to_string()).await?;
    let items = if wanted.page == 1 { vec![shown(&home)] } else { Vec::new() };
    Ok(Answer::of(wanted.listing(items, 1)).into_response())
}

pub(super) async fn get(call: Call) -> Answered {
    let found = call.backend.depot.organization(&call.actor, &call.organization.to_string()).await?;
    Ok(Answer::of(shown(&found)).into_response())
}

fn shown(stored: &Stored<Organization>) -> Workspace {
    Workspace {
        id: stored.id.to_string(),
        slug: stored.slug.clone(),
        name: stored.name.clone(),
        created_at: stored.created_at.to_string(),
        updated_at: stored.updated_at.to_string(),
    }
}
