//! Publications: of a store, and the same for app tokens.

use std::collections::BTreeMap;

use appdepot_core::ErrorKind;
use appdepot_core::depot::{NewPublication, STORE_MARK};
use appdepot_core::domain::{App, Audience, Group, Id, Listing, Store, Stored};
use appdepot_core::query::{Field, Op, Query};
use axum::body::Body;
use axum::response::IntoResponse as _;
use serde_json::Value;

use super::super::fault::Fault;
use super::super::types::{
    Answer, PublicationBody, PublishedApp, Removed, Terms, filter, is_id, is_reference,
};
use super::super::words;
use super::{Answered, AppPart, Call, Wanted};
use crate::wire::json;

pub(super) async fn list(call: Call) -> Answered {
    let wanted = Wanted::read(&call.uri)?;
    let mut query =
        wanted.query::<Listing>(call.organization)?.filter(Field::parse("publication")?, Op::Exists);
    if let AppPart::Own(app) = &call.app {
        query = query.filter(Field::parse("app")?, Op::Eq(app.id.into()));
    } else {
        let store = call.store().await?.ok_or_else(Fault::not_found)?;
        query = query.filter(Field::parse("store")?, Op::Eq(store.id.into()));
    }
    if let Some(app) = wanted.first("application").filter(|app| is_id(app)) {
        query = query.filter(Field::parse("app")?, Op::Eq(app.to_lowercase().into()));
    }
    if let Some(slug) = wanted.first("slug") {
        query = query.filter(Field::parse("slug")?, Op::Eq(slug.to_lowercase().into()));
    }
    // The documents have a hyphen; clients do not.
    let either =
        |hyphened: &str, plain: &str| wanted.first(hyphened).or(wanted.first(plain)).map(str::to_owned);
    if let Some(word) = either("filter-type", "filterType") {
        let kind = words::filter(&word).ok_or_else(|| {
            Fault::validation(format!("filterType: must be one of {}", words::FILTERS.join(", ")))
        })?;
        query = query.filter(Field::parse("publication.selection.type")?, Op::Eq(kind.into()));
    }
    if let Some(value) = either("filter-value", "filterValue") {
        query = query.filter(Field::parse("publication.selection.value")?, Op::Eq(value.as_str().into()));
    }
    let found = call.backend.depot.listings(&call.actor, query).await?;
    let items = call.shown(&found.items).await?;
    Ok(Answer::of(wanted.listing(items, found.total.unwrap_or_default())).into_response())
}

pub(super) async fn create(call: Call, body: Body) -> Answered {
    let body: Value = json::read(&call.headers, body).await.map_err(Fault::wire)?;
    let body = PublicationBody::read(&body)?;
    let app = call.published(body.application.as_deref()).await?;
    let new = NewPublication { store: call.store().await?.map(|store| store.id), ..call.said(body).await? };
    let depot = &call.backend.depot;
    let made = depot.create_publication(&call.actor, call.organization, app.id, new).await?;
    call.answer(&made).await
}

pub(super) async fn get(call: Call) -> Answered {
    let found = call.publication().await?;
    call.answer(&found).await
}

pub(super) async fn replace(call: Call, body: Body) -> Answered {
    let found = call.publication().await?;
    let body: Value = json::read(&call.headers, body).await.map_err(Fault::wire)?;
    let new = call.said(PublicationBody::read(&body)?).await?;
    let depot = &call.backend.depot;
    let changed = depot.replace_publication(&call.actor, call.organization, found.id, new).await?;
    call.answer(&changed).await
}

pub(super) async fn remove(call: Call) -> Answered {
    let found = call.publication().await?;
    call.backend.depot.remove_listing(&call.actor, call.organization, found.id).await?;
    Ok(Answer::of(Removed { delete: "OK" }).into_response())
}

impl Call {
    /// The store that the path names: by id, slug, or `1` for the main one.
    async fn store(&self) -> Result<Option<Stored<Store>>, Fault> {
        let depot = &self.backend.depot;
        Ok(match self.store.as_str() {
            "" => None,
            "1" => Some(depot.main_store(&self.actor, self.organization).await?),
            store if is_reference(store) => Some(depot.store(&self.actor, self.organization, store).await?),
            _ => return Err(Fault::not_found()),
        })
    }

    /// The app that is to be published.
    async fn published(&self, application: Option<&str>) -> Result<Stored<App>, Fault> {
        match (&self.app, application) {
            (AppPart::Own(app), _) => Ok((**app).clone()),
            (AppPart::Named(_), Some(app)) if is_reference(app) => {
                Ok(self.backend.depot.app(&self.actor, self.organization, app).await?)
            }
            (AppPart::Named(_), Some(_)) => Err(Fault::not_found()),
            (AppPart::Named(_), None) => Err(Fault::validation("application: is required")),
        }
    }

    /// The publication that the path names, in the store or of the app that it names.
    async fn publication(&self) -> Result<Stored<Listing>, Fault> {
        let id = self.id()?;
        let found = self.backend.depot.publication(&self.actor, self.organization, id).await?;
        let here = match &self.app {
            AppPart::Own(app) => found.app == app.id,
            AppPart::Named(_) => self.store().await?.is_some_and(|store| store.id == found.store),
        };
        if here { Ok(found) } else { Err(Fault::not_found()) }
    }

    async fn said(&self, body: PublicationBody) -> Result<NewPublication, Fault> {
        Ok(NewPublication {
            store: None,
            slug: body.slug,
            visibility: body.visibility,
            audience: self.audience(body.groups).await?,
            publication: body.publication,
            password: body.password,
        })
    }

    /// The audience of groups that are called by name or id.
    async fn audience(&self, lists: Vec<Vec<String>>) -> Result<Audience, Fault> {
        let mut known = BTreeMap::new();
        for name in lists.iter().flatten().filter(|name| !is_id(name)) {
            let named = Query::of::<Group>(self.organization)
                .filter(Field::parse("name")?, Op::Eq(name.as_str().into()))
                .limit(1);
            let found = self.backend.depot.groups(&self.actor, named).await?.items.into_iter().next();
            let group = found.ok_or_else(|| Fault::validation(format!("groups: no group {name:?}")))?;
            known.insert(name.clone(), group.id);
        }
        let id = |name: &String| known.get(name).copied().or_else(|| Id::parse(name).ok());
        let lists: Option<Vec<Vec<Id<Group>>>> =
            lists.iter().map(|all| all.iter().map(id).collect()).collect();
        Ok(Audience::all_of(lists.ok_or_else(Fault::not_found)?))
    }

    async fn answer(&self, listing: &Stored<Listing>) -> Answered {
        let items = self.shown(std::slice::from_ref(listing)).await?;
        Ok(Answer::of(items.into_iter().next()).into_response())
    }

    /// Publications, with the names of their groups as far as the caller may know them.
    async fn shown(&self, listings: &[Stored<Listing>]) -> Result<Vec<PublishedApp>, Fault> {
        let ids = listings.iter().flat_map(|listing| listing.audience.lists()).flatten();
        let ids: Vec<_> = ids.map(Into::into).collect();
        let mut names = BTreeMap::new();
        if !ids.is_empty() {
            let query = Query::of::<Group>(self.organization)
                .filter(Field::Id, Op::In(ids))
                .limit(appdepot_core::query::PAGE_LIMIT);
            match self.backend.depot.groups(&self.actor, query).await {
                Ok(found) => {
                    names.extend(found.items.into_iter().map(|group| (group.id, group.name.clone())))
                }
                Err(error) if error.kind() == ErrorKind::Forbidden => {}
                Err(error) => return Err(error.into()),
            }
        }
        let name = |id: Id<Group>| names.get(&id).cloned().unwrap_or_else(|| id.to_string());
        let groups = |listing: &Listing| -> Vec<Vec<String>> {
            let lists = listing.audience.lists().into_iter();
            let names = |all: Vec<Id<Group>>| {
                let mut names: Vec<String> = all.into_iter().map(name).collect();
                names.sort();
                names
            };
            lists.map(names).collect()
        };
        let organization = self.organization.to_string();
        let main = match listings {
            [] => return Ok(Vec::new()),
            _ => self.backend.depot.entrance(&organization).await?.store.id,
        };
        let item = |listing: &Stored<Listing>| {
            let mut store = organization.clone();
            if listing.store != main {
                store += &format!("{STORE_MARK}{}", listing.store);
            }
            self.item(listing, groups(listing), &store)
        };
        Ok(listings.iter().map(item).collect())
    }

    /// A publication of the store at this address.
    fn item(&self, listing: &Stored<Listing>, groups: Vec<Vec<String>>, store: &str) -> PublishedApp {
        let publication = listing.publication.clone().unwrap_or_default();
        let base = &self.backend.public_url;
        PublishedApp {
            id: listing.id.to_string(),
            application: listing.app.to_string(),
            slug: listing.slug.clone(),
            security: words::security_word(publication.security),
            visibility: words::visibility_word(listing.visibility),
            filter: filter(&publication.selection),
            groups,
            terms: Terms::of(&publication),
            tags: publication.tags,
            show_history: publication.show_history,
            show_dev_info: publication.show_source,
            hide_attached_files: publication.hide_files,
            allowed_countries: publication.allowed_countries,
            blocked_countries: publication.blocked_countries,
            expiration_date: publication.expires_at.map(|time| time.to_string()),
            kept: publication.extra,
            distribution_url: format!("{base}/store/{store}/{}", listing.slug),
            created_at: listing.created_at.to_string(),
            updated_at: listing.updated_at.to_string(),
        }
    }
}
