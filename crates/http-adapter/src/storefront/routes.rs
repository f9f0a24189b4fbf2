//! The pages of a store, and what they are made of.

use appdepot_core::authorize::Actor;
use appdepot_core::depot::Showing;
use appdepot_core::domain::{Id, Listing, Store, Stored};
use appdepot_core::inspect::Platform;
use appdepot_core::query::{Field, Op, Query, Sort};
use appdepot_core::{Error, ErrorKind, Result};
use axum::body::Body;
use axum::extract::{Path, RawQuery};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::Route;
use super::app::{self, Look};
use super::fault::Fault;
use super::language::Language;
use super::session::{same_site, sign_in_first};
use super::style::{Color, MARK, SHEET, SHEET_NAME};
use super::view::{Choice, Entry, StorePage, home};
use super::visit::{Visit, show};
use super::{device, icon, install, password};
use crate::wire::deliver;
use crate::wire::form::{FORM_LIMIT, pairs};
use crate::wire::json::{collect, media_type};
use crate::wire::page::{positive, skipped};
use crate::wire::text::visible;

/// Apps on a page.
const PAGE_SIZE: u32 = 24;
/// The longest search, in characters.
const WORDS_LIMIT: usize = 128;
/// The platforms that can be chosen.
const PLATFORMS: [Platform; 5] =
    [Platform::Android, Platform::Ios, Platform::Macos, Platform::Windows, Platform::Linux];

pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/store/-/{file}", get(file)),
        ("/store/{organization}", get(store)),
        ("/store/{organization}/{app}", get(app_page)),
        ("/store/{organization}/{app}/icon", get(picture)),
        ("/store/{organization}/{app}/screenshot/{id}", get(screenshot)),
        ("/store/{organization}/{app}/install", post(install)),
    ]
}

/// The parameters of a request.
pub(super) struct Given(Vec<(String, String)>);

impl Given {
    pub(super) fn read(text: &str) -> Result<Self> {
        pairs(text).map(Self)
    }

    /// Those of a form that was sent.
    pub(super) async fn form(headers: &HeaderMap, body: Body) -> Result<Self> {
        if media_type(headers).as_deref() != Some("application/x-www-form-urlencoded") {
            return Err(Error::new(ErrorKind::Unsupported, "the content type is not that of a form"));
        }
        let body = collect(headers, body, FORM_LIMIT).await?;
        let text = std::str::from_utf8(&body)
            .map_err(|_| Error::new(ErrorKind::Invalid, "the form is not UTF-8 text"))?;
        Self::read(text)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

async fn store(
    visit: Visit,
    Path(organization): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Fault> {
    // Whom an organization does not know gets the same answer as where there is none.
    let store = match visit.backend.depot.store_at(&visit.actor, &organization).await {
        Ok(store) => store,
        Err(error) => return sign_in_first(&visit, &organization, error),
    };
    let fault = Fault::inside(&store, &organization);
    list(&visit, &organization, &store, query.as_deref().unwrap_or_default()).await.map_err(fault)
}

async fn list(visit: &Visit, organization: &str, store: &Stored<Store>, query: &str) -> Result<Response> {
    let given = Given::read(query)?;
    let words: String = given.text("q").unwrap_or_default().trim().chars().take(WORDS_LIMIT).collect();
    let number = positive("page", given.text("page"), 1)?;
    let platform = match given.text("platform") {
        None | Some("") => visit.device.platform.filter(|_| visit.device.is_mobile()),
        Some(text) => PLATFORMS.into_iter().find(|platform| platform.as_str() == text),
    };
    let mut query = Query::of::<Listing>(store.organization)
        .sort(Sort::ascending(Field::parse("name")?))
        .skip(skipped(number, PAGE_SIZE.into()))
        .limit(PAGE_SIZE)
        .counted();
    if !words.is_empty() {
        query = query.filter(Field::parse("name")?, Op::Contains(words.clone()));
    }
    if let Some(platform) = platform {
        query = query.filter(Field::parse("offers.platform")?, Op::Eq(platform.as_str().into()));
    }
    let found = visit.backend.depot.storefront(&visit.actor, store, query).await?;
    let seen = skipped(number, PAGE_SIZE.into()).saturating_add(u64::from(PAGE_SIZE));
    let turned = |page: u64| {
        let words = utf8_percent_encode(&words, NON_ALPHANUMERIC);
        format!("?q={words}&platform={}&page={page}", platform.map_or("all", Platform::as_str))
    };
    let (language, t) = (visit.language, visit.language.texts());
    let home = home(visit.base(), organization);
    let page = StorePage {
        page: visit.page("", store, organization),
        t,
        platforms: choices(language, visit.device.platform, platform),
        apps: found.items.iter().map(|listing| Entry::of(listing, language, &home, platform)).collect(),
        narrowed: !words.is_empty() || platform.is_some(),
        previous: (number > 1).then(|| turned(number - 1)),
        next: found.total.filter(|total| *total > seen).map(|_| turned(number.saturating_add(1))),
        words: visible(&words),
    };
    show(StatusCode::OK, language, &page)
}

/// The devices to choose from, the visitor's own named so.
fn choices(language: Language, own: Option<Platform>, chosen: Option<Platform>) -> Vec<Choice> {
    let t = language.texts();
    let all = Choice { value: "all", label: t.all_devices.to_owned(), chosen: chosen.is_none() };
    let named = PLATFORMS.into_iter().map(|platform| Choice {
        value: platform.as_str(),
        label: match device::name(platform) {
            name if own == Some(platform) => format!("{name} ({})", t.your_device),
            name => name.to_owned(),
        },
        chosen: chosen == Some(platform),
    });
    [all].into_iter().chain(named).collect()
}

async fn app_page(
    visit: Visit,
    Path((organization, reference)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, Fault> {
    let (store, showing) = match showing(&visit, &organization, &reference).await? {
        Ok(found) => found,
        Err(instead) => return Ok(instead),
    };
    let shown = async {
        let given = Given::read(query.as_deref().unwrap_or_default())?;
        let path = format!("{}/{}", home("", &organization), showing.listing.slug);
        let asked = given.text("platform");
        let look = Look {
            language: visit.language,
            device: &visit.device,
            platform: PLATFORMS.into_iter().find(|platform| Some(platform.as_str()) == asked),
            address: format!("{}{path}", visit.backend.public_url),
            path: format!("{}{path}", visit.base()),
            home: home(visit.base(), &organization),
        };
        let page = visit.page(&showing.app.name, &store, &organization);
        show(StatusCode::OK, visit.language, &app::page(&showing, page, &look))
    };
    shown.await.map_err(Fault::inside(&store, &organization))
}

async fn picture(
    visit: Visit,
    Path((organization, reference)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let store = visit.backend.depot.entrance(&organization).await?.store;
    let png = visit.backend.depot.store_icon(&visit.actor, &store, &reference, icon::PAGE_EDGE).await?;
    Ok(icon::answer(png, &reference)?)
}

async fn screenshot(
    visit: Visit,
    method: Method,
    Path((organization, reference, id)): Path<(String, String, String)>,
) -> Result<Response, Fault> {
    let depot = &visit.backend.depot;
    let store = depot.entrance(&organization).await?.store;
    let id = Id::parse(&id).map_err(|_| Error::not_found("screenshot"))?;
    let open = |range| depot.open_screenshot(&visit.actor, &store, &reference, id, range);
    Ok(deliver(&method, &visit.headers, None, open).await?)
}

/// Makes a ticket and leads to what it opens.
async fn install(
    visit: Visit,
    Path((organization, reference)): Path<(String, String)>,
    body: Body,
) -> Result<Response, Fault> {
    same_site(&visit)?;
    let (store, showing) = match showing(&visit, &organization, &reference).await? {
        Ok(found) => found,
        Err(instead) => return Ok(instead),
    };
    let made = async {
        let given = Given::form(&visit.headers, body).await?;
        let asked = given.text("release").unwrap_or_default();
        let version = showing.versions.iter().find(|version| version.release.id.to_string() == asked);
        let release = &version.ok_or_else(|| Error::not_found("release"))?.release;
        let agreed = (given.text(app::AGREE) == Some("yes")).then_some(showing.listing.id);
        let actor = Actor { agreed, ..visit.actor.clone() };
        let issued = visit.backend.depot.ticket(&actor, store.organization, release.id).await?;
        let opened = install::path(visit.base(), &issued.token, release.platform);
        Ok(Redirect::to(&opened).into_response())
    };
    made.await.map_err(Fault::inside(&store, &organization))
}

/// What a store shows of an app; else the page that comes before it, which asks for a password or to sign in.
async fn showing(
    visit: &Visit,
    organization: &str,
    reference: &str,
) -> Result<Result<(Stored<Store>, Showing), Response>, Fault> {
    let depot = &visit.backend.depot;
    // Whom an organization does not know gets the same answer as where there is none.
    let store = match depot.entrance(organization).await {
        Ok(entrance) => entrance.store,
        Err(error) => return sign_in_first(visit, organization, error).map(Err),
    };
    match depot.showing(&visit.actor, &store, reference).await {
        Ok(showing) => Ok(Ok((store, showing))),
        Err(error) if password::is_asked(&error) => {
            Ok(Err(password::page(visit, &store, organization, reference, None)?))
        }
        Err(error) if error.kind() == ErrorKind::Unauthenticated || !visit.is_anonymous() => {
            Err(Fault::inside(&store, organization)(error))
        }
        Err(error) => sign_in_first(visit, organization, error).map(Err),
    }
}

async fn file(Path(name): Path<String>) -> Result<Response, Fault> {
    let (media_type, content) = match name.as_str() {
        "mark.svg" => ("image/svg+xml", MARK.to_owned()),
        name if name == SHEET_NAME.as_str() => ("text/css; charset=utf-8", SHEET.to_owned()),
        name => {
            let color = name.strip_prefix("brand-").and_then(|name| name.strip_suffix(".css"));
            let color = color.and_then(Color::parse).ok_or_else(|| Error::not_found("file"))?;
            ("text/css; charset=utf-8", color.sheet())
        }
    };
    let mut response = content.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}
