//! Store items: an app, and how it is listed in the store.

use std::collections::BTreeMap;
use std::sync::Arc;

use appdepot_core::Result;
use appdepot_core::depot::{AppChange, ListingChange, NewApp, SetChange};
use appdepot_core::domain::{
    App, Extra, Group, Id, LifecycleName, Listing, Release, Store, Stored, Visibility,
};
use appdepot_core::lifecycle::State as ReleaseState;
use appdepot_core::query::{Field, Op, Page, Query, Sort};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::Value;

use super::call::Call;
use super::fault::Fault;
use super::fields::Fields;
use super::types::{Binary, BinaryConfig, Both, Done, Item, Listed, One, Version};
use super::words::{self, Target};
use super::{PREFIX, State, address};

/// Where an app keeps what this dialect calls its `authToken`.
const AUTH_TOKEN: &str = "authToken";
/// How many older versions of a binary are shown, and kept.
pub(super) const OLDER: usize = 4;
/// The most bytes of icons in one answer; what comes after is shown without.
pub(super) const ICONS_LIMIT: usize = 32 << 20;
/// How many apps are looked up with one query.
const AT_ONCE: usize = 500;

type Answered = Result<Response, Fault>;

pub(super) fn routes() -> Router<Arc<State>> {
    let at = |operation: &str| format!("{PREFIX}/admin/storeitem/{operation}");
    Router::new()
        .route(&at("create"), post(create))
        .route(&at("read"), get(read).post(read))
        .route(&at("update"), post(update))
        .route(&at("delete"), post(delete))
        .route(&at("list"), get(list).post(list))
        .route(&at("addpolicy"), post(async |call: Call| change_policies(call, true).await))
        .route(&at("removepolicy"), post(async |call: Call| change_policies(call, false).await))
        .route(&at("listpolicies"), get(list_policies).post(list_policies))
        .route(&at("addgroups"), post(async |call: Call| change_groups(call, true).await))
        .route(&at("removegroups"), post(async |call: Call| change_groups(call, false).await))
        .route(&at("grouprestrict"), post(restrict))
        .route(&at("getbinaryconfig"), get(binary_config).post(binary_config))
        .route(&at("setbinaryconfig"), post(set_binary_config))
}

async fn create(call: Call) -> Answered {
    let store = call.store().await?;
    let fields = &call.fields;
    let new = NewApp {
        name: fields.required("name")?,
        description: fields.text("description")?.unwrap_or_default(),
        lifecycle: LifecycleName::Direct,
        configuration: configured(fields)?,
        listing: Some((store.id, listing(fields)?)),
        ..NewApp::default()
    };
    let app = call.state.depot().create_app(&call.actor, call.organization.id, new).await?;
    answer(&call, &store, app).await
}

async fn read(call: Call) -> Answered {
    let store = call.store().await?;
    let app = call.app("guid").await?;
    Ok(Json(One::new(shown(&call, &store, app).await?)).into_response())
}

async fn update(call: Call) -> Answered {
    let store = call.store().await?;
    let fields = &call.fields;
    let change = AppChange {
        name: fields.any(&["name"])?,
        description: fields.text("description")?,
        configure: configured(fields)?,
        listing: Some((store.id, listing(fields)?)),
        ..AppChange::default()
    };
    change_app(&call, &store, change).await
}

async fn delete(call: Call) -> Answered {
    let id = call.fields.id("guid")?;
    call.state.depot().remove_app(&call.actor, call.organization.id, id).await?;
    Ok(Json(Done::new()).into_response())
}

async fn list(call: Call) -> Answered {
    let store = call.store().await?;
    let by_name = Query::of::<App>(call.organization.id).sort(Sort::ascending(Field::parse("name")?));
    let apps = everything(by_name, |query| call.state.depot().apps(&call.actor, query).boxed()).await?;
    Ok(Json(Listed::new(items(&call, &store, apps).await?)).into_response())
}

async fn change_policies(call: Call, add: bool) -> Answered {
    let store = call.store().await?;
    let policies = one(call.fields.id("authguid")?, add);
    change_listing(&call, &store, ListingChange { policies, ..ListingChange::default() }).await
}

async fn list_policies(call: Call) -> Answered {
    let store = call.store().await?;
    let app = call.app("guid").await?;
    let listing = listings(&call, &store, &[app.id]).await?.remove(&app.id);
    let policies = listing.map(|listing| listing.value.policies).unwrap_or_default();
    Ok(Json(Listed::new(policies.into_iter().map(words::guid).collect())).into_response())
}

async fn change_groups(call: Call, add: bool) -> Answered {
    let store = call.store().await?;
    let ids = call.fields.ids::<Group>("groups")?.unwrap_or_default();
    let groups = if add {
        SetChange { add: ids, ..SetChange::default() }
    } else {
        SetChange { remove: ids, ..SetChange::default() }
    };
    change_listing(&call, &store, ListingChange { groups, ..ListingChange::default() }).await
}

async fn restrict(call: Call) -> Answered {
    let store = call.store().await?;
    let everyone = call.fields.flag("restrictToGroups")?.map(|restricted| !restricted);
    change_listing(&call, &store, ListingChange { everyone, ..ListingChange::default() }).await
}

async fn binary_config(call: Call) -> Answered {
    let target = call.fields.target("type")?;
    let app = call.app("guid").await?;
    answer_config(&call, &app, target).await
}

async fn set_binary_config(call: Call) -> Answered {
    let target = call.fields.target("type")?;
    let config = call.fields.object("config")?.unwrap_or_default();
    let configure = Extra::from_iter([(config_key(target), Value::Object(config))]);
    let change = AppChange { configure, ..AppChange::default() };
    let id = call.fields.id("guid")?;
    let app = call.state.depot().update_app(&call.actor, call.organization.id, id, None, change).await?;
    answer_config(&call, &app, target).await
}

async fn answer_config(call: &Call, app: &Stored<App>, target: Target) -> Answered {
    let mut releases = releases(call, &[app.id]).await?.remove(&app.id).unwrap_or_default();
    releases.retain(|release| Target::of(release.platform, &release.variant) == Some(target));
    let config = config(app, target, releases.first());
    let one = BinaryConfig { guid: words::guid(app.id), kind: target.as_str(), config };
    Ok(Json(One::new(one)).into_response())
}

/// Changes how an item is listed, and answers the item.
pub(super) async fn change_listing(call: &Call, store: &Stored<Store>, change: ListingChange) -> Answered {
    change_app(call, store, AppChange { listing: Some((store.id, change)), ..AppChange::default() }).await
}

async fn change_app(call: &Call, store: &Stored<Store>, change: AppChange) -> Answered {
    let id = call.fields.id("guid")?;
    let app = call.state.depot().update_app(&call.actor, call.organization.id, id, None, change).await?;
    answer(call, store, app).await
}

/// An item as most operations answer it.
pub(super) async fn answer(call: &Call, store: &Stored<Store>, app: Stored<App>) -> Answered {
    Ok(Json(Both::new(shown(call, store, app).await?)).into_response())
}

async fn shown(call: &Call, store: &Stored<Store>, app: Stored<App>) -> Result<Item, Fault> {
    items(call, store, vec![app]).await?.pop().ok_or_else(Fault::guid)
}

/// What is said of these apps.
pub(super) async fn items(call: &Call, store: &Stored<Store>, apps: Vec<Stored<App>>) -> Result<Vec<Item>> {
    let mut items = Vec::with_capacity(apps.len());
    let mut budget = ICONS_LIMIT;
    for some in apps.chunks(AT_ONCE) {
        let ids: Vec<Id<App>> = some.iter().map(|app| app.id).collect();
        let mut listings = listings(call, store, &ids).await?;
        let mut releases = releases(call, &ids).await?;
        for app in some {
            let listing = listings.remove(&app.id).map(|listing| listing.value);
            let releases = releases.remove(&app.id).unwrap_or_default();
            let icon = call.state.icon(&call.actor, app, &mut budget).await?;
            items.push(item(&call.state, app, listing.as_ref(), &releases, icon));
        }
    }
    Ok(items)
}

fn item(
    state: &State,
    app: &Stored<App>,
    listing: Option<&Listing>,
    releases: &[Stored<Release>],
    icon: String,
) -> Item {
    let mut binaries = Vec::new();
    for target in Target::ALL {
        let of_target =
            |release: &&Stored<Release>| Target::of(release.platform, &release.variant) == Some(target);
        let mut versions = releases.iter().filter(of_target);
        let Some(current) = versions.next() else { continue };
        let guid = words::binary_guid(app.id, target);
        binaries.push(Binary {
            kind: target.as_str(),
            config: config(app, target, Some(current)),
            store_item_binary_version: current.number,
            sys_modified: words::date(published(current)),
            url: install_url(state, app.id, target),
            versions: versions
                .take(OLDER)
                .map(|version| Version {
                    config: own_config(target, Some(version)),
                    destination_code: target.as_str(),
                    store_item_binary_guid: guid.clone(),
                    store_item_binary_modified: words::date(published(version)),
                    store_item_binary_version: version.number,
                    url: address(
                        state,
                        &format!("mas/storeitem/downloadvers?guid={}", words::guid(version.id)),
                    ),
                })
                .collect(),
        });
    }
    Item {
        guid: words::guid(app.id),
        name: app.name.clone(),
        description: app.description.clone(),
        auth_token: auth_token(app),
        icon,
        binaries,
        auth_policies: listing
            .iter()
            .flat_map(|listing| &listing.policies)
            .map(|id| words::guid(*id))
            .collect(),
        restrict_to_groups: listing.is_some_and(|listing| !listing.audience.has_everyone()),
        groups: listing.iter().flat_map(|listing| listing.audience.any()).map(words::guid).collect(),
    }
}

/// Where a binary is installed from.
pub(super) fn install_url(state: &State, app: Id<App>, target: Target) -> String {
    address(state, &format!("mas/storeitem/install?guid={}", words::binary_guid(app, target)))
}

pub(super) fn auth_token(app: &App) -> String {
    let text = app.configuration.get(AUTH_TOKEN).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

/// How each of these apps is listed in the store, where it is.
async fn listings(
    call: &Call,
    store: &Stored<Store>,
    apps: &[Id<App>],
) -> Result<BTreeMap<Id<App>, Stored<Listing>>> {
    let query = Query::of::<Listing>(call.organization.id)
        .filter(Field::parse("store")?, Op::Eq(store.id.into()))
        .filter(Field::parse("publication")?, Op::Missing)
        .filter(Field::parse("app")?, Op::In(apps.iter().map(|id| (*id).into()).collect()));
    let depot = call.state.depot();
    let found = everything(query, |query| depot.listings(&call.actor, query).boxed()).await?;
    Ok(found.into_iter().map(|listing| (listing.app, listing)).collect())
}

/// What of each of these apps can be installed, the newest first.
async fn releases(call: &Call, apps: &[Id<App>]) -> Result<BTreeMap<Id<App>, Vec<Stored<Release>>>> {
    let query = Query::of::<Release>(call.organization.id)
        .filter(Field::parse("app")?, Op::In(apps.iter().map(|id| (*id).into()).collect()))
        .filter(Field::parse("state")?, Op::Eq(ReleaseState::Published.as_str().into()));
    let depot = call.state.depot();
    let mut of_app: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for release in everything(query, |query| depot.releases(&call.actor, query).boxed()).await? {
        of_app.entry(release.app).or_default().push(release);
    }
    for releases in of_app.values_mut() {
        releases.sort_by_key(|release| std::cmp::Reverse((published(release), release.id)));
    }
    Ok(of_app)
}

fn published(release: &Stored<Release>) -> appdepot_core::domain::Timestamp {
    release.published_at.unwrap_or(release.created_at)
}

/// What a binary's own package says, and over that what was set for its type.
fn config(app: &App, target: Target, current: Option<&Stored<Release>>) -> Extra {
    let mut config = own_config(target, current);
    if let Some(Value::Object(set)) = app.configuration.get(&config_key(target)) {
        config.extend(set.clone());
    }
    config
}

fn own_config(target: Target, release: Option<&Stored<Release>>) -> Extra {
    let bundle = release.and_then(|release| release.package.as_ref()).map(|package| package.id.clone());
    match (target, bundle) {
        (Target::Android, _) | (_, None) => Extra::new(),
        (_, Some(bundle)) => Extra::from_iter([("bundle_id".to_owned(), bundle.into())]),
    }
}

/// Where an app keeps the configuration of one of its binaries.
fn config_key(target: Target) -> String {
    format!("binaryConfig.{}", target.as_str())
}

/// What an app keeps for this dialect alone.
fn configured(fields: &Fields) -> Result<Extra> {
    let token = fields.text(AUTH_TOKEN)?;
    Ok(token.map(|token| (AUTH_TOKEN.to_owned(), token.into())).into_iter().collect())
}

/// What a request says of how an item is listed.
fn listing(fields: &Fields) -> Result<ListingChange, Fault> {
    let set = |ids: Option<Vec<_>>| ids.map(SetChange::to).unwrap_or_default();
    Ok(ListingChange {
        everyone: fields.flag("restrictToGroups")?.map(|restricted| !restricted),
        groups: set(fields.ids("groups")?),
        policies: fields.ids("authpolicies")?.map(SetChange::to).unwrap_or_default(),
        ..ListingChange::default()
    })
}

/// A change by one member.
pub(super) fn one<T>(member: T, add: bool) -> SetChange<T> {
    if add {
        SetChange { add: vec![member], ..SetChange::default() }
    } else {
        SetChange { remove: vec![member], ..SetChange::default() }
    }
}

/// Shown in the store, or not.
pub(super) fn visible(shown: bool) -> ListingChange {
    let visibility = if shown { Visibility::Active } else { Visibility::Inactive };
    ListingChange { visibility: Some(visibility), ..ListingChange::default() }
}

/// All pages of a query: the document knows no paging.
pub(super) async fn everything<'a, T>(
    query: Query,
    list: impl Fn(Query) -> BoxFuture<'a, Result<Page<T>>>,
) -> Result<Vec<T>> {
    let query = query.limit(appdepot_core::query::PAGE_LIMIT);
    let mut all = Vec::new();
    let mut next = Some(query.clone());
    while let Some(asked) = next.take() {
        let page = list(asked).await?;
        all.extend(page.items);
        next = page.next.map(|cursor| query.clone().after(cursor));
    }
    Ok(all)
}
