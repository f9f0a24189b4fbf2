//! The operations: each reads the wire, makes a call or two of the depot, and writes the wire.

mod apps;
mod assets;
mod builds;
mod collaborators;
mod download;
mod organizations;
mod publications;
mod retention;
mod sessions;
mod storage_providers;
mod tokens;
mod upload;

use std::sync::Arc;

use appdepot_core::authorize::Actor;
use appdepot_core::domain::{App, Entity, Id, Organization, StorageProvider, Stored};
use appdepot_core::query::{Field, Op, Query, Sort};
use appdepot_core::{ErrorKind, Result};
use axum::Router;
use axum::extract::{FromRequestParts, MatchedPath, RawPathParams, Request, State};
use axum::response::Response;
use axum::routing::{delete, get, post, put};
use http::request::Parts;
use http::{HeaderMap, Method, Uri};
use serde_json::{Map, Value};

use super::fault::Fault;
use super::types::{Listing, is_id, is_reference};
use super::words;
use crate::call::Backend;
use crate::wire::{form, page};

/// How many items a page has when the client does not say.
const PAGE_SIZE: u64 = 20;
/// The most items of a page; larger wishes get this.
const PAGE_SIZE_LIMIT: u64 = appdepot_core::query::PAGE_LIMIT as u64;

/// Where app tokens call. They say for which app, so the path does not.
const INTEGRATIONS: &str = "/v1/integrations";
/// Where an app asks about itself while it runs, with a token of its own.
const SDK: [&str; 2] = ["/v1/app", "/v1/build/{id}/downloadToken"];

type Answered = Result<Response, Fault>;

/// The operations. `domain` is the slug of the organization whose people a login lets in that names none.
pub(crate) fn router(backend: Arc<Backend>, domain: &str) -> Router {
    let domain: Arc<str> = domain.into();
    let login = async move |State(backend): State<Arc<Backend>>, request: Request| {
        sessions::login(backend, domain, request).await
    };
    let refresh = async |State(backend): State<Arc<Backend>>, request: Request| {
        sessions::refresh(backend, request).await
    };
    let workspaces = async |State(backend): State<Arc<Backend>>, request: Request| {
        organizations::list(backend, request).await
    };
    // Apps and what belongs to them, under a workspace; app tokens name their app themselves.
    let builds = Router::new()
        .route("/builds", get(builds::list).post(builds::upload))
        .route("/builds/{id}", get(builds::get).delete(builds::remove))
        .route("/builds/{id}/files", post(builds::attach))
        .route("/builds/{id}/downloadToken", get(builds::download_token));
    let publications = Router::new()
        .route("/", get(publications::list).post(publications::create))
        .route("/{id}", get(publications::get).put(publications::replace).delete(publications::remove));
    // The documents have it with a slash at the end.
    let people = get(collaborators::list).post(collaborators::create);
    let workspace = Router::new()
        .route("/", get(organizations::get))
        .route("/mdm/assets", get(assets::list).post(assets::add))
        .route("/mdm/assets/edge/asset", post(assets::add_edge))
        .route("/mdm/assets/{id}", get(assets::get).put(assets::update).delete(assets::remove))
        .route("/mdm/assets/{id}/file", get(assets::download))
        .route("/mdm/assets/{id}/view", get(assets::view))
        .route("/apps", get(apps::list).post(apps::create))
        .route("/apps/{app}", get(apps::get).put(apps::update).delete(apps::remove))
        .route("/apps/{app}/retention", get(retention::plan))
        .route("/apps/{app}/retention/{id}", post(retention::apply))
        .route("/apps/{app}/tokens", get(tokens::list).post(tokens::create))
        .route("/apps/{app}/tokens/{id}", delete(tokens::remove))
        .route("/storageProviders", get(storage_providers::list).post(storage_providers::create))
        .route(
            "/storageProviders/{id}",
            get(storage_providers::get).put(storage_providers::update).delete(storage_providers::remove),
        )
        .route("/storageProviders/{id}/test", post(storage_providers::test))
        .route("/collaborators", people.clone())
        .route("/collaborators/", people)
        .route("/collaborators/groups", get(collaborators::groups))
        .route(
            "/collaborators/{id}",
            get(collaborators::get).put(collaborators::update).delete(collaborators::remove),
        )
        .route("/serviceAccounts", get(collaborators::list_accounts).post(collaborators::create_account))
        .route(
            "/serviceAccounts/{id}",
            put(collaborators::update_account).delete(collaborators::remove_account),
        )
        .nest("/apps/{app}", builds.clone())
        .nest("/stores/{store}/pubApps", publications.clone());
    Router::new()
        .route("/v1/auth/login", post(login))
        .route("/v1/auth/refresh", post(refresh))
        .route("/v1/organizations", get(workspaces))
        .nest("/v1/organizations/{organization}", workspace)
        .nest(INTEGRATIONS, builds.nest("/distributions", publications))
        .route(SDK[0], get(apps::get))
        .route(SDK[1], get(builds::download_token))
        .route("/v1/download/{token}", get(download::follow))
        .route("/v1/download/{token}/manifest.plist", get(download::manifest))
        .route("/v1/download/{token}/{file}", get(download::fetch))
        .fallback(async || Fault::not_found())
        .method_not_allowed_fallback(async || Fault::method())
        .with_state(backend)
}

/// What every operation needs: who calls, in which organization, on what.
struct Call {
    backend: Arc<Backend>,
    actor: Actor,
    organization: Id<Organization>,
    app: AppPart,
    /// The store that the path names, or nothing.
    store: String,
    /// The id at the end of the path, or nothing.
    reference: String,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

/// The app that a call is about.
enum AppPart {
    /// As the path names it, or nothing.
    Named(String),
    /// The one that the token is for.
    Own(Box<Stored<App>>),
}

/// A variable part of the path, or nothing. The path around a nested service may have variable parts of the same
/// name; ours come last.
async fn part(parts: &mut Parts, name: &str) -> Result<Option<String>, Fault> {
    let path = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| Fault::not_found())?;
    Ok(path.iter().filter(|(found, _)| *found == name).last().map(|(_, value)| value.to_owned()))
}

impl FromRequestParts<Arc<Backend>> for Call {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, backend: &Arc<Backend>) -> Result<Self, Fault> {
        let actor = backend.actor(parts).await?;
        let reference = part(parts, "id").await?.unwrap_or_default();
        let store = part(parts, "store").await?.unwrap_or_default();
        let of_token = |path: &MatchedPath| {
            path.as_str().contains(INTEGRATIONS) || SDK.iter().any(|end| path.as_str().ends_with(end))
        };
        let (organization, app) = if parts.extensions.get::<MatchedPath>().is_some_and(of_token) {
            let app = backend.depot.own_app(&actor).await?;
            (app.organization, AppPart::Own(Box::new(app)))
        } else {
            let organization = part(parts, "organization").await?.unwrap_or_default();
            if !is_reference(&organization) {
                return Err(Fault::not_found());
            }
            let organization = backend.depot.organization(&actor, &organization).await?;
            (organization.id, AppPart::Named(part(parts, "app").await?.unwrap_or_default()))
        };
        let (method, uri, headers) = (parts.method.clone(), parts.uri.clone(), parts.headers.clone());
        let backend = Arc::clone(backend);
        Ok(Self { backend, actor, organization, app, store, reference, method, uri, headers })
    }
}

impl Call {
    /// The id at the end of the path.
    fn id<T>(&self) -> Result<Id<T>, Fault> {
        let id = Some(self.reference.as_str()).filter(|text| is_id(text)).and_then(|id| Id::parse(id).ok());
        id.ok_or_else(Fault::not_found)
    }

    async fn app(&self) -> Result<Stored<App>, Fault> {
        match &self.app {
            AppPart::Own(app) => Ok((**app).clone()),
            AppPart::Named(reference) if is_reference(reference) => {
                Ok(self.backend.depot.app(&self.actor, self.organization, reference).await?)
            }
            AppPart::Named(_) => Err(Fault::not_found()),
        }
    }

    /// The storage providers that the actor may know of.
    async fn providers(&self) -> Result<Vec<Stored<StorageProvider>>> {
        known_providers(&self.backend, &self.actor, self.organization).await
    }
}

/// The storage providers that the actor may know of: none, without an error, where they may not.
async fn known_providers(
    backend: &Backend,
    actor: &Actor,
    organization: Id<Organization>,
) -> Result<Vec<Stored<StorageProvider>>> {
    match backend.depot.storage_providers(actor, organization).await {
        Err(error) if error.kind() == ErrorKind::Forbidden => Ok(Vec::new()),
        other => other,
    }
}

/// A JSON object of the members that are known.
fn json_object<const N: usize>(members: [(&str, Option<String>); N]) -> Map<String, Value> {
    let known = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
    known.collect()
}

/// What a listing's query string asks for.
struct Wanted {
    pairs: Vec<(String, String)>,
    page: u64,
    limit: u64,
}

impl Wanted {
    fn read(uri: &Uri) -> Result<Self, Fault> {
        let mut wanted =
            Self { pairs: form::pairs(uri.query().unwrap_or_default())?, page: 1, limit: PAGE_SIZE };
        wanted.page = page::positive("page", wanted.first("page"), 1)?;
        wanted.limit = page::positive("limit", wanted.first("limit"), PAGE_SIZE)?.min(PAGE_SIZE_LIMIT);
        Ok(wanted)
    }

    /// The non-empty values of a parameter that is repeated or separated by commas.
    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let given = self.pairs.iter().filter(move |(found, _)| found == name);
        given.flat_map(|(_, value)| value.split(',')).filter(|value| !value.is_empty())
    }

    fn first(&self, name: &str) -> Option<&str> {
        let found = self.pairs.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Page, order and the filter that all listings have.
    fn query<T: Entity>(&self, organization: Id<Organization>) -> Result<Query, Fault> {
        let limit = u32::try_from(self.limit).unwrap_or(1);
        let mut query =
            Query::of::<T>(organization).skip(page::skipped(self.page, self.limit)).limit(limit).counted();
        if let Some(sort) = self.first("sort") {
            let (field, direction) = sort.split_once(':').unwrap_or((sort, "asc"));
            let descending = match direction {
                "asc" => false,
                "desc" => true,
                _ => return Err(Fault::validation("sort: must be field:asc or field:desc")),
            };
            let field = words::sort_field(field)
                .ok_or_else(|| Fault::validation("sort: no field of that name to sort by"))?;
            query = query.sort(Sort { field, descending });
        }
        if let Some(name) = self.first("name") {
            if name.chars().count() > 256 {
                return Err(Fault::validation("name: longer than 256 characters"));
            }
            query = query.filter(Field::parse("name")?, Op::Contains(name.to_owned()));
        }
        Ok(query)
    }

    fn listing<T>(&self, items: Vec<T>, total: u64) -> Listing<T> {
        let (page, limit) = (self.page, self.limit);
        let pages = total.div_ceil(limit).max(1);
        Listing {
            items,
            total_docs: total,
            limit: u32::try_from(limit).unwrap_or(u32::MAX),
            has_prev_page: page > 1,
            has_next_page: page < pages,
            page,
            total_pages: pages,
            prev_page: (page > 1).then(|| page - 1),
            next_page: (page < pages).then(|| page.saturating_add(1)),
        }
    }
}
