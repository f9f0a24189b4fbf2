//! Applications.

use appdepot_core::Result;
use appdepot_core::depot::NewApp;
use appdepot_core::domain::{App, Extra, Grant, Id, LifecycleName, StorageProvider, Stored};
use axum::body::Body;
use axum::response::IntoResponse as _;
use serde_json::{Value, json};

use super::super::fault::Fault;
use super::super::types::{Answer, Application, Configuration, NewApplication, Removed, Security, is_id};
use super::super::words;
use super::{Answered, Call, Wanted, assets};
use crate::wire;

pub(super) async fn create(call: Call, body: Body) -> Answered {
    let body: Value = wire::json::read(&call.headers, body).await.map_err(Fault::wire)?;
    let new = NewApplication::read(&body)?;
    let organization = call.organization;
    let mut configuration = Extra::new();
    if let Some(provider) = new.storage_provider {
        let known = call.providers().await?;
        let id = Some(provider.as_str()).filter(|id| is_id(id)).and_then(|id| Id::parse(id).ok());
        let id = id.filter(|id| *id == Id::NIL || known.iter().any(|provider| provider.id == *id));
        let id: Id<StorageProvider> = id.ok_or_else(Fault::storage_provider)?;
        configuration.insert("storageProvider".to_owned(), json!(id));
    }
    if let Some(language) = new.language {
        configuration.insert("notificationLanguage".to_owned(), language.into());
    }
    if !new.scripts.is_empty() {
        configuration.insert("defaultScripts".to_owned(), Value::Object(new.scripts));
    }
    let new = NewApp {
        name: new.name,
        slug: None,
        description: String::new(),
        lifecycle: LifecycleName::Direct,
        configuration,
        extra: new.metadata,
        ..NewApp::default()
    };
    let stored = call.backend.depot.create_app(&call.actor, organization, new).await?;
    answer_app(&call, &stored).await
}

pub(super) async fn list(call: Call) -> Answered {
    let wanted = Wanted::read(&call.uri)?;
    let query = wanted.query::<App>(call.organization)?;
    let found = call.backend.depot.apps(&call.actor, query).await?;
    let (providers, grants) = call.surroundings().await?;
    let items = found.items.iter().map(|stored| application(stored, &providers, &grants)).collect();
    Ok(Answer::of(wanted.listing(items, found.total.unwrap_or_default())).into_response())
}

pub(super) async fn get(call: Call) -> Answered {
    let stored = call.app().await?;
    answer_app(&call, &stored).await
}

pub(super) async fn remove(call: Call) -> Answered {
    let id = call.app().await?.id;
    call.backend.depot.remove_app(&call.actor, call.organization, id).await?;
    Ok(Answer::of(Removed { delete: "OK" }).into_response())
}

async fn answer_app(call: &Call, stored: &Stored<App>) -> Answered {
    let (providers, grants) = call.surroundings().await?;
    Ok(Answer::of(application(stored, &providers, &grants)).into_response())
}

fn application(stored: &Stored<App>, providers: &[StorageProvider], grants: &[Grant]) -> Application {
    let configured = |name| stored.configuration.get(name).and_then(Value::as_str);
    let provider = configured("storageProvider").and_then(|id| Id::parse(id).ok()).unwrap_or(Id::NIL);
    // Made by a person with an id of the documented form, or left out.
    let creator = stored.owner.split_once(':').map(|(_, name)| name).filter(|name| is_id(name));
    Application {
        id: stored.id.to_string(),
        name: stored.name.clone(),
        slug: stored.slug.clone(),
        description: stored.description.clone(),
        organization: stored.organization.to_string(),
        oss: stored.platforms.iter().map(|platform| platform.as_str()).collect(),
        security: Security { role: role(stored.id, grants).to_owned() },
        configuration: Configuration {
            storage_provider: assets::shown(provider, providers),
            notification_language: configured("notificationLanguage").map(str::to_owned),
        },
        last_build_processed_date: stored.released_at.map(|time| time.to_string()),
        metadata: stored.extra.clone(),
        default_scripts: stored.configuration.get("defaultScripts").cloned().unwrap_or_else(|| json!({})),
        created_by: creator.map(str::to_owned),
        created_at: stored.created_at.to_string(),
        updated_at: stored.updated_at.to_string(),
    }
}

/// The strongest documented role that the actor has on the app.
fn role(app: Id<App>, grants: &[Grant]) -> &'static str {
    let has = |role: &str| {
        grants.iter().any(|grant| grant.role.as_str() == role && grant.app.is_none_or(|only| only == app))
    };
    words::ROLES.into_iter().find(|role| has(role)).unwrap_or("unknown")
}

impl Call {
    /// The storage providers that an app may name, and the roles that the actor has.
    async fn surroundings(&self) -> Result<(Vec<StorageProvider>, Vec<Grant>)> {
        let grants = self.backend.depot.own_roles(&self.actor, self.organization).await?;
        Ok((self.providers().await?, grants))
    }
}
