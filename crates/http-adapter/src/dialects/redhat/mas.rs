//! The store as people use it: what it is, what is in it for them, and how they get it.

use std::sync::Arc;

use appdepot_core::Error;
use appdepot_core::blobs::ByteRange;
use appdepot_core::domain::{App, Id, Listing, Release};
use appdepot_core::inspect::Platform;
use appdepot_core::query::{Field, Query, Sort};
use askama::Template;
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::{MethodRouter, get};
use axum::{Json, Router};
use futures::FutureExt as _;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};

use super::call::{Call, Said, with_device};
use super::fault::Fault;
use super::items::{ICONS_LIMIT, auth_token, everything, install_url};
use super::types::{Installable, OK, One, PolicyName, Shelf, ShelfItem, Storefront};
use super::words::{self, Target};
use super::{ALIAS, PREFIX, State};
use crate::wire::{deliver, guard, install_link};

type Answered = Result<Response, Fault>;

pub(super) fn routes() -> Router<Arc<State>> {
    let mut router = Router::new().route(&format!("{PREFIX}/mam/appstore/getstoreitems"), shelf_route());
    for prefix in [PREFIX, ALIAS] {
        router = router
            .route(&format!("{prefix}/mas/appstore/read"), get(read).post(read))
            .route(&format!("{prefix}/mas/appstore/getstoreitems"), shelf_route())
            .route(&format!("{prefix}/mas/storeitem/install"), get(install).post(install))
            .route(&format!("{prefix}/mas/storeitem/downloadvers"), get(download).post(download));
    }
    router
}

fn shelf_route() -> MethodRouter<Arc<State>> {
    get(shelf).post(shelf)
}

async fn read(said: Said) -> Answered {
    let state = &said.state;
    let entrance = state.depot().entrance(&state.domain).await?;
    let policies = entrance
        .policies
        .iter()
        .map(|policy| PolicyName { name: policy.name.clone(), kind: words::policy_type(policy.method) });
    let one = Storefront {
        guid: words::guid(entrance.store.id),
        name: entrance.store.name.clone(),
        description: entrance.store.description.clone(),
        icon: state.store_icon(&entrance.store).await?,
        authpolicies: policies.collect(),
    };
    Ok(Json(One::new(one)).into_response())
}

async fn shelf(call: Call) -> Answered {
    let store = call.store().await?;
    let asked = call.fields.any(&["appstore"])?;
    if asked.is_some_and(|guid| words::id(&guid) != Some(store.id)) {
        return Err(Fault::guid());
    }
    let by_name = Query::of::<Listing>(call.organization.id).sort(Sort::ascending(Field::parse("name")?));
    let depot = call.state.depot();
    let found = everything(by_name, |query| depot.shelf(&call.actor, &store, query).boxed()).await?;
    let mut items = Vec::with_capacity(found.len());
    let mut budget = ICONS_LIMIT;
    for (listing, app) in found {
        let targets: Vec<Installable> = listing
            .offers
            .iter()
            .filter_map(|offer| Target::of(offer.platform, &offer.variant))
            .map(|target| Installable {
                kind: target.as_str(),
                url: install_url(&call.state, app.id, target),
            })
            .collect();
        if targets.is_empty() {
            continue;
        }
        items.push(ShelfItem {
            guid: words::guid(app.id),
            name: app.name.clone(),
            description: app.description.clone(),
            auth_token: auth_token(&app),
            icon: call.state.icon(&call.actor, &app, &mut budget).await?,
            binaries: targets.clone(),
            targets,
        });
    }
    Ok(Json(Shelf { status: OK, storeitems: items.clone(), list: items }).into_response())
}

async fn install(mut call: Call) -> Answered {
    call.actor.origin = with_device(call.actor.origin, call.fields.any(&["deviceId"])?);
    // One version of the binary, as addresses of 2017 had it.
    if let Some(version) = call.fields.any(&["binversGuid"])? {
        return hand_out(&call, words::id(&version).ok_or_else(Fault::guid)?, false).await;
    }
    let guid = call.fields.any(&["guid"])?.unwrap_or_default();
    let (app, target) = match words::binary(&guid) {
        Some(binary) => binary,
        None => (words::id(&guid).ok_or_else(Fault::guid)?, call.fields.target("type")?),
    };
    let release = offered(&call, app, target).await?;
    match target.platform() {
        Platform::Ios if !call.fields.flag("download")?.unwrap_or_default() => page(&call, release).await,
        _ => hand_out(&call, release, true).await,
    }
}

async fn download(mut call: Call) -> Answered {
    call.actor.origin = with_device(call.actor.origin, call.fields.any(&["deviceId"])?);
    let release = call.fields.id("guid")?;
    hand_out(&call, release, false).await
}

/// What an app offers now for one type.
async fn offered(call: &Call, app: Id<App>, target: Target) -> Result<Id<Release>, Fault> {
    let depot = call.state.depot();
    let offers = depot.current(&call.actor, call.organization.id, app).await?;
    let offer = offers.iter().find(|offer| Target::of(offer.platform, &offer.variant) == Some(target));
    offer.map(|offer| offer.release).ok_or_else(Fault::binary_type)
}

async fn hand_out(call: &Call, release: Id<Release>, install: bool) -> Answered {
    let (depot, organization) = (call.state.depot(), call.organization.id);
    let package = depot.package(&call.actor, organization, release).await?;
    let open = |range: ByteRange| depot.open_release(&call.actor, organization, release, install, range);
    Ok(deliver(&call.method, &call.headers, Some(package), open).await?)
}

/// The page from which iOS installs: neither it nor what it leads to needs a cookie.
async fn page(call: &Call, release: Id<Release>) -> Answered {
    let issued = call.state.depot().ticket(&call.actor, call.organization.id, release).await?;
    let app = call.state.depot().ticketed(&issued.token).await?.app;
    let manifest = format!("{}/install/{}/manifest.plist", call.state.backend.public_url, issued.token);
    let page = Page { title: &app.name, link: &install_link(&manifest) };
    let mut response = Html(page.render().map_err(Error::internal)?).into_response();
    let headers = response.headers_mut();
    guard(headers);
    // No sandbox: the page leads out of the browser.
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    Ok(response)
}

/// What iOS shows while it asks whether to install.
#[derive(Template)]
#[template(path = "ota.html")]
struct Page<'a> {
    title: &'a str,
    link: &'a str,
}
