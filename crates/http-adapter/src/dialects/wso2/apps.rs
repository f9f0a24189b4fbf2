//! Apps: list, make, read, change, remove, new versions, tags.

use std::collections::BTreeMap;

use appdepot_core::depot::ReleaseChange;
use appdepot_core::domain::{AppKind, Release, Stored};
use appdepot_core::query::{Field, Op, PAGE_LIMIT, Query};
use appdepot_core::{Error, ErrorKind, Result};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::fault::Fault;
use super::request::{Answer, Call, Links, done};
use super::types::{AppBody, AppSummary, AppView};
use super::{PUBLISHER, words};

/// How many pages of [`PAGE_LIMIT`] apps are looked through for tags, so that a list of them has a bounded price.
const TAGGED_PAGES: usize = 10;

/// A page of apps.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AppList<T> {
    #[serde(flatten)]
    links: Links,
    app_list: Vec<T>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    app_summary_list: Vec<AppSummary>,
}

/// Tags, as written and read.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TagList {
    tags: Vec<String>,
}

/// How often a tag was given.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TagCount {
    name: String,
    no_of_occurrences: u64,
}

pub(super) async fn list(call: Call) -> Answer {
    let kind = call.kind()?;
    let query = call.filter(call.releases(kind)?, kind, false).await?;
    call.listing(query, false, &format!("/apps/{}", words::type_of(kind))).await
}

impl Call {
    /// One page of apps, as summaries or in full; `path` is where the list is.
    pub(super) async fn listing(&self, query: Query, published: bool, path: &str) -> Answer {
        let full = match self.query("field-filter").map(str::to_ascii_lowercase).as_deref() {
            None | Some("basic") => false,
            Some("all") => true,
            Some(_) => return Err(Fault::bad_request("field-filter must be basic or all")),
        };
        let window = self.window()?;
        let page = self.found(window.of(query), published).await?;
        let links = self.links(&window, &page, path);
        if full {
            let apps = if published { BTreeMap::new() } else { self.apps_of(&page.items).await? };
            let app_list = page.items.iter().map(|one| AppView::new(one, apps.get(&one.app))).collect();
            return self.answer(&AppList { links, app_list, app_summary_list: Vec::new() }, None);
        }
        let app_list: Vec<_> = page.items.iter().map(AppSummary::new).collect();
        let app_summary_list = app_list.clone();
        self.answer(&AppList { links, app_list, app_summary_list }, None)
    }

    /// The conditions of the parameter `query`: `attribute:value` terms and bare names, all of which must hold,
    /// with commas between them.
    pub(super) async fn filter(&self, mut query: Query, kind: AppKind, published: bool) -> Result<Query> {
        let text = self.query("query").unwrap_or_default();
        for term in text.split(',').map(str::trim).filter(|term| !term.is_empty()) {
            let (key, value) = term.split_once(':').unwrap_or(("app_name", term));
            let value = value.trim();
            let field = match key.trim().to_ascii_lowercase().as_str() {
                "provider" => "provider",
                "app_name" | "name" => "name",
                "app_version" | "version" => "version",
                "business_owner_id" => "extra.wso2.businessOwnerId",
                "app_id" | "id" => {
                    let id = self.release_id(value, kind, published).await?;
                    query = query.filter(Field::Id, Op::In(id.into_iter().map(Into::into).collect()));
                    continue;
                }
                _ => {
                    let known = "provider, app_name, app_version, app_id and business_owner_id";
                    return Err(Error::invalid("query", format!("the attributes are {known}")));
                }
            };
            query = query.filter(Field::parse(field)?, Op::Contains(value.to_owned()));
        }
        Ok(query)
    }
}

pub(super) async fn create(call: Call) -> Answer {
    let kind = call.kind()?;
    let body: AppBody = call.read().await?;
    let (app, new) = call.new_app(kind, body).await?;
    let made = call.backend.depot.introduce(&call.actor, call.organization, app, new).await;
    let release = made.map_err(unknown_part)?;
    created(&call, &release).await
}

pub(super) async fn create_version(call: Call) -> Answer {
    let body: AppBody = call.read().await?;
    let source = call.release().await?;
    let new = body.into_version()?;
    let depot = &call.backend.depot;
    let release = depot.create_version(&call.actor, call.organization, source.id, new).await?;
    created(&call, &release).await
}

async fn created(call: &Call, release: &Stored<Release>) -> Answer {
    let (view, modified) = call.view(release).await?;
    let location = format!("{PUBLISHER}/apps/{}/id/{}", words::type_of(release.kind), release.id.to_uuid());
    call.changed(StatusCode::CREATED, &view, Some(modified), Some(&location))
}

pub(super) async fn get(call: Call) -> Answer {
    let release = call.release().await?;
    let (view, modified) = call.view(&release).await?;
    call.answer(&view, Some(modified))
}

pub(super) async fn update(call: Call) -> Answer {
    let body: AppBody = call.read().await?;
    let release = call.release().await?;
    let change = call.change(&release, body).await?;
    let next = call.apply(&release, change).await?;
    let (view, modified) = call.view(&next).await?;
    call.changed(StatusCode::OK, &view, Some(modified), None)
}

impl Call {
    /// Makes a change if the request's conditions hold.
    async fn apply(
        &self,
        release: &Stored<Release>,
        change: ReleaseChange,
    ) -> Result<Stored<Release>, Fault> {
        let (view, modified) = self.view(release).await?;
        // the change is made of what was read, so that it must not go over what others changed since
        let expected = self.may_change(&view, modified, release.revision)?.or(Some(release.revision));
        let depot = &self.backend.depot;
        let done = depot.update_release(&self.actor, self.organization, release.id, expected, change).await;
        done.map_err(unknown_part)
    }
}

pub(super) async fn remove(call: Call) -> Answer {
    let release = call.release().await?;
    let (view, modified) = call.view(&release).await?;
    let expected = call.may_change(&view, modified, release.revision)?;
    call.backend.depot.remove_release(&call.actor, call.organization, release.id, expected).await?;
    done()
}

pub(super) async fn tags(call: Call) -> Answer {
    let release = call.release().await?;
    call.answer(&TagList { tags: release.details.tags.clone() }, Some(release.updated_at))
}

/// Adds: what is there stays.
pub(super) async fn add_tags(call: Call) -> Answer {
    change_tags(call, |tags, given| {
        tags.retain(|tag| !given.contains(tag));
        tags.extend(given);
    })
    .await
}

pub(super) async fn remove_tags(call: Call) -> Answer {
    change_tags(call, |tags, given| tags.retain(|tag| !given.contains(tag))).await
}

async fn change_tags(call: Call, change: impl Fn(&mut Vec<String>, Vec<String>)) -> Answer {
    let body: TagList = call.read().await?;
    let release = call.release().await?;
    let view = TagList { tags: release.details.tags.clone() };
    let expected = call.may_change(&view, release.updated_at, release.revision)?;
    let mut details = release.details.clone();
    change(&mut details.tags, body.tags);
    let change = ReleaseChange { details: Some(details), ..ReleaseChange::default() };
    let depot = &call.backend.depot;
    // Tags are added to what was read, so nobody may come in between.
    let expected = expected.or(Some(release.revision));
    let next = depot.update_release(&call.actor, call.organization, release.id, expected, change).await?;
    let view = TagList { tags: next.details.tags.clone() };
    call.changed(StatusCode::OK, &view, Some(next.updated_at), None)
}

pub(super) async fn all_tags(call: Call) -> Answer {
    call.tags(false).await
}

impl Call {
    /// The tags of the newest apps that the caller sees, most used first.
    pub(super) async fn tags(&self, published: bool) -> Answer {
        let mut counts = BTreeMap::<String, u64>::new();
        let query = self.releases(self.kind()?)?.filter(Field::parse("details.tags")?, Op::Exists);
        let mut next = Some(query.limit(PAGE_LIMIT));
        for _ in 0..TAGGED_PAGES {
            let Some(query) = next.take() else { break };
            let page = self.found(query.clone(), published).await?;
            for release in &page.items {
                for tag in &release.details.tags {
                    *counts.entry(tag.clone()).or_default() += 1;
                }
            }
            next = page.next.map(|cursor| query.after(cursor));
        }
        if counts.is_empty() {
            return Err(Fault::not_found("tags"));
        }
        let mut all: Vec<_> =
            counts.into_iter().map(|(name, count)| TagCount { name, no_of_occurrences: count }).collect();
        all.sort_by(|a, b| b.no_of_occurrences.cmp(&a.no_of_occurrences).then_with(|| a.name.cmp(&b.name)));
        self.answer(&all, None)
    }
}

/// A part of an app that does not exist is the request's fault, not a missing app.
fn unknown_part(error: Error) -> Fault {
    match error.detail() {
        appdepot_core::error::Detail::Missing(what)
            if error.kind() == ErrorKind::NotFound
                && ["asset", "policy", "group", "business owner"].contains(what) =>
        {
            Fault::bad_request(format!("The app names a {what} that does not exist"))
        }
        _ => error.into(),
    }
}
