//! App tokens: API keys that are good for one app.

use appdepot_core::domain::{ApiKey, Stored};
use axum::body::Body;
use axum::response::IntoResponse as _;
use serde_json::Value;

use super::super::fault::Fault;
use super::super::types::{Answer, AppToken, NewAppToken, Removed};
use super::{Answered, Call};
use crate::wire::json;

pub(super) async fn create(call: Call, body: Body) -> Answered {
    let app = call.app().await?;
    let body: Value = json::read(&call.headers, body).await.map_err(Fault::wire)?;
    let new = NewAppToken::read(&body)?;
    let depot = &call.backend.depot;
    let made =
        depot.create_app_key(&call.actor, call.organization, app.id, &new.description, new.scopes).await?;
    Ok(Answer::of(token(&made.key, Some(made.text))).into_response())
}

pub(super) async fn list(call: Call) -> Answered {
    let tokens = call.tokens().await?;
    let items: Vec<AppToken> = tokens.iter().map(|key| token(key, None)).collect();
    Ok(Answer::of(items).into_response())
}

pub(super) async fn remove(call: Call) -> Answered {
    let tokens = call.tokens().await?;
    let found =
        tokens.iter().find(|key| key.id.to_string() == call.reference).ok_or_else(Fault::not_found)?;
    call.backend.depot.revoke_key(&call.actor, call.organization, &found.key).await?;
    Ok(Answer::of(Removed { delete: "OK" }).into_response())
}

fn token(key: &Stored<ApiKey>, bearer: Option<String>) -> AppToken {
    AppToken {
        id: key.id.to_string(),
        organization: key.value.organization.to_string(),
        application: key.app.map(|app| app.to_string()).unwrap_or_default(),
        description: key.name.clone(),
        scopes: key.scopes.iter().flatten().cloned().collect(),
        bearer,
        created_at: key.created_at.to_string(),
        updated_at: key.updated_at.to_string(),
    }
}

impl Call {
    /// The tokens of the app that are good.
    async fn tokens(&self) -> Result<Vec<Stored<ApiKey>>, Fault> {
        let app = self.app().await?;
        let mut keys = self.backend.depot.keys(&self.actor, self.organization, None).await?;
        keys.retain(|key| key.app == Some(app.id) && key.revoked_at.is_none());
        Ok(keys)
    }
}
