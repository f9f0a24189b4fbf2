//! Applications.

use std::collections::BTreeMap;

use appdepot_core::Result;
use appdepot_core::depot::{AppChange, NewApp};
use appdepot_core::domain::{
    App, Extra, Grant, Id, LifecycleName, Release, Retention, StorageProvider, Stored,
};
use appdepot_core::inspect::Platform;
use appdepot_core::query::{Field, Op, Query, Sort};
use axum::body::Body;
use axum::response::IntoResponse as _;
use serde_json::{Value, json};

use super::super::fault::Fault;
use super::super::types::{
    Answer, Application, ApplicationBody, Configuration, Counts, Removed, RetentionInForce, Security, is_id,
    settings,
};
use super::super::words;
use super::{Answered, Call, Wanted, assets};
use crate::wire::json as body;

pub(super) async fn create(call: Call, request: Body) -> Answered {
    let request: Value = body::read(&call.headers, request).await.map_err(Fault::wire)?;
    let said = ApplicationBody::create(&request)?;
    let provider = call.storage_provider(said.storage_provider.as_deref()).await?;
    let retention = retention(Retention::default(), said.retention);
    let mut configuration = said.settings;
    configuration.extend(provider);
    let new = NewApp {
        name: said.name.unwrap_or_default(),
        slug: said.slug,
        description: said.description.unwrap_or_default(),
        lifecycle: LifecycleName::Direct,
        configuration,
        retention,
        extra: said.metadata.unwrap_or_default(),
        ..NewApp::default()
    };
    let stored = call.backend.depot.create_app(&call.actor, call.organization, new).await?;
    answer(&call, &stored).await
}

pub(super) async fn list(call: Call) -> Answered {
    let wanted = Wanted::read(&call.uri)?;
    let mut query = wanted.query::<App>(call.organization)?;
    if let Some(slug) = wanted.first("slug") {
        query = query.filter(Field::parse("slug")?, Op::Eq(slug.into()));
    }
    if let Some(word) = wanted.first("os") {
        let platform = words::platform(word).ok_or_else(|| {
            Fault::validation(format!("os: must be one of {}", words::PLATFORMS.join(", ")))
        })?;
        query = query.filter(Field::parse("platforms")?, Op::Eq(platform.as_str().into()));
    }
    let found = call.backend.depot.apps(&call.actor, query).await?;
    let (providers, grants) = call.surroundings().await?;
    let items = found.items.iter().map(|stored| application(&call, stored, &providers, &grants)).collect();
    Ok(Answer::of(wanted.listing(items, found.total.unwrap_or_default())).into_response())
}

pub(super) async fn get(call: Call) -> Answered {
    let stored = call.app().await?;
    answer(&call, &stored).await
}

pub(super) async fn update(call: Call, request: Body) -> Answered {
    let stored = call.app().await?;
    let request: Value = body::read(&call.headers, request).await.map_err(Fault::wire)?;
    let said = ApplicationBody::change(&request)?;
    let provider = call.storage_provider(said.storage_provider.as_deref()).await?;
    let mut configure = said.settings;
    configure.extend(provider);
    let change = AppChange {
        name: said.name,
        slug: said.slug,
        description: said.description,
        configure,
        // not what was read, where nothing is said of it: others may have changed it since
        retention: (said.retention != (None, None)).then(|| retention(stored.retention, said.retention)),
        extra: said.metadata,
        ..AppChange::default()
    };
    let (depot, organization) = (&call.backend.depot, call.organization);
    let changed = depot.update_app(&call.actor, organization, stored.id, None, change).await?;
    answer(&call, &changed).await
}

pub(super) async fn remove(call: Call) -> Answered {
    let id = call.app().await?.id;
    call.backend.depot.remove_app(&call.actor, call.organization, id).await?;
    Ok(Answer::of(Removed { delete: "OK" }).into_response())
}

/// One app, with what is asked for only when it is looked at alone: the last release of each system.
async fn answer(call: &Call, stored: &Stored<App>) -> Answered {
    let (providers, grants) = call.surroundings().await?;
    let mut shown = application(call, stored, &providers, &grants);
    let mut last = BTreeMap::new();
    for platform in [Platform::Ios, Platform::Android] {
        if !stored.platforms.contains(&platform) {
            continue;
        }
        let newest = Query::of::<Release>(call.organization)
            .filter(Field::parse("app")?, Op::Eq(stored.id.into()))
            .filter(Field::parse("platform")?, Op::Eq(platform.as_str().into()))
            .sort(Sort::descending(Field::CreatedAt))
            .limit(1);
        let found = call.backend.depot.releases(&call.actor, newest).await?.items.into_iter().next();
        last.extend(found.map(|release| (platform, release)));
    }
    for (platform, release) in last {
        let system =
            shown.sdk.as_object_mut().map(|sdk| sdk.entry(platform.as_str()).or_insert_with(|| json!({})));
        if let Some(system) = system.and_then(Value::as_object_mut) {
            system.insert("lastBuildId".to_owned(), release.id.to_string().into());
            system.insert("lastBuildVersion".to_owned(), release.version.clone().into());
        }
    }
    Ok(Answer::of(shown).into_response())
}

fn application(
    call: &Call,
    stored: &Stored<App>,
    providers: &[Stored<StorageProvider>],
    grants: &[Grant],
) -> Application {
    let configured = |name| stored.configuration.get(name).and_then(Value::as_str);
    let provider = configured("storageProvider").and_then(|id| Id::parse(id).ok()).unwrap_or(Id::NIL);
    // Made by a person with an id of the documented form, or left out.
    let creator = stored.owner.split_once(':').map(|(_, name)| name).filter(|name| is_id(name));
    let picture = stored.own_icon.or(stored.icon);
    let in_force = RetentionInForce::of(&stored.retention);
    let systems = || stored.platforms.iter().map(|platform| words::platform_word(*platform)).collect();
    Application {
        id: stored.id.to_string(),
        name: stored.name.clone(),
        slug: stored.slug.clone(),
        description: stored.description.clone(),
        organization: stored.organization.to_string(),
        sdk: settings(&stored.configuration, "sdk"),
        notifications: settings(&stored.configuration, "notifications"),
        oss: systems(),
        build_platforms: systems(),
        security: Security { role: role(stored.id, grants).to_owned() },
        configuration: Configuration {
            storage_provider: assets::shown(provider, providers),
            emm_jwt_signature: configured("emmJwtSignature").map(str::to_owned),
            notification_language: configured("notificationLanguage").map(str::to_owned),
            build_retention_days: in_force.max_billing_build_retention_days,
            builds_retained_per_publication: in_force.builds_retained_per_publication,
        },
        retention_applied: in_force,
        last_build_processed_date: stored.released_at.map(|time| time.to_string()),
        picture: picture.map(|icon| assets::address(&call.backend, stored.organization, icon)),
        picture_source: picture.map(|_| if stored.own_icon.is_some() { "manual" } else { "build" }),
        counts: Counts { total_builds: stored.builds },
        metadata: stored.extra.clone(),
        default_scripts: settings(&stored.configuration, "defaultScripts"),
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

fn retention(
    stored: Retention,
    (days, per_publication): (Option<Option<u32>>, Option<Option<u32>>),
) -> Retention {
    Retention {
        days: days.unwrap_or(stored.days),
        per_publication: per_publication.unwrap_or(stored.per_publication),
    }
}

impl Call {
    /// The setting that names a storage provider. An empty text and `__DEFAULT__` name the organization's own.
    async fn storage_provider(&self, given: Option<&str>) -> Result<Extra, Fault> {
        let id = match given {
            None => return Ok(Extra::new()),
            Some("" | "__DEFAULT__") => Id::NIL,
            Some(text) => {
                let known = self.providers().await?;
                let id = Some(text).filter(|id| is_id(id)).and_then(|id| Id::parse(id).ok());
                let id = id.filter(|id| *id == Id::NIL || known.iter().any(|provider| provider.id == *id));
                id.ok_or_else(Fault::storage_provider)?
            }
        };
        Ok(Extra::from_iter([("storageProvider".to_owned(), json!(id))]))
    }

    /// The storage providers that an app may name, and the roles that the actor has.
    async fn surroundings(&self) -> Result<(Vec<Stored<StorageProvider>>, Vec<Grant>)> {
        let grants = self.backend.depot.own_roles(&self.actor, self.organization).await?;
        Ok((self.providers().await?, grants))
    }
}
