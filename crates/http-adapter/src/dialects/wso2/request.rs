//! A request whose caller and tenant are known, and the answers it may get.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use appdepot_core::authorize::Actor;
use appdepot_core::domain::{App, AppKind, Id, Organization, Release, Revision, Stored, Timestamp};
use appdepot_core::query::{Field, Op, PAGE_LIMIT, Page, Query, Value};
use appdepot_core::{Error, ErrorKind, Result};
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts as _, RawPathParams, Request};
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Switches;
use super::fault::Fault;
use super::types::AppView;
use super::words;
use crate::call::Backend;
use crate::wire::conditional::{Validators, Verdict, is_conditional};
use crate::wire::{accept, form, json};

/// The most releases one id of the form `provider-name-version` is compared with.
const HYPHENS: usize = 24;

/// What this dialect works with.
#[derive(Clone)]
pub(super) struct Wso2 {
    pub(super) backend: Arc<Backend>,
    pub(super) switches: Switches,
}

/// What a handler comes to.
pub(super) type Answer = Result<Response, Fault>;

/// A request that is answered with JSON.
pub(super) struct Call {
    pub(super) backend: Arc<Backend>,
    pub(super) switches: Switches,
    pub(super) actor: Actor,
    pub(super) organization: Id<Organization>,
    pub(super) parts: Parts,
    /// In a lock only because a body cannot be shared, and everything else of a call is.
    body: Mutex<Body>,
    path: BTreeMap<String, String>,
    query: Vec<(String, String)>,
}

/// A request that is answered with something else than JSON.
pub(super) struct RawCall(pub(super) Call);

impl FromRequest<Wso2> for RawCall {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &Wso2) -> Result<Self, Fault> {
        let (mut parts, body) = request.into_parts();
        let actor = state.backend.actor(&parts).await?;
        let organization = actor
            .home
            .ok_or_else(|| Error::new(ErrorKind::Forbidden, "the credential belongs to no organization"))?;
        let path =
            RawPathParams::from_request_parts(&mut parts, &()).await.map_err(|_| Fault::not_found("path"))?;
        let path = path.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let query = form::pairs(parts.uri.query().unwrap_or_default())?;
        let (backend, switches) = (Arc::clone(&state.backend), state.switches);
        let body = Mutex::new(body);
        Ok(Self(Call { backend, switches, actor, organization, parts, body, path, query }))
    }
}

impl FromRequest<Wso2> for Call {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &Wso2) -> Result<Self, Fault> {
        let RawCall(call) = RawCall::from_request(request, state).await?;
        call.accepts(&["application/json"])?;
        Ok(call)
    }
}

/// Which part of a list is asked for.
#[derive(Debug, Clone)]
pub(super) struct Window {
    offset: u64,
    limit: u32,
    /// Where the page before ended, when its link was followed: then no page costs more than another.
    after: Option<String>,
}

impl Window {
    /// This part of what `query` finds.
    pub(super) fn of(&self, query: Query) -> Query {
        let query = query.limit(self.limit);
        match &self.after {
            Some(cursor) => query.after(cursor),
            None => query.skip(self.offset),
        }
    }
}

/// A list as every operation answers it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Links {
    pub(super) previous: String,
    pub(super) next: String,
    pub(super) count: usize,
}

impl Call {
    /// A part of the path.
    pub(super) fn path(&self, name: &str) -> &str {
        self.path.get(name).map_or("", String::as_str)
    }

    /// A parameter, unless it is absent or empty.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    pub(super) fn kind(&self) -> Result<AppKind> {
        words::app_kind(self.path("type"))
    }

    /// The app type in the query, which some operations require there.
    pub(super) fn query_kind(&self) -> Result<AppKind> {
        words::app_kind(self.query("appType").ok_or_else(|| Error::invalid("appType", "is required"))?)
    }

    /// Which of these media types the client likes best.
    pub(super) fn accepts(&self, offered: &[&str]) -> Result<usize, Fault> {
        let chosen = accept::choose(&self.parts.headers, offered);
        chosen.ok_or_else(|| {
            let what = offered.join(", ");
            Fault::new(StatusCode::NOT_ACCEPTABLE, format!("The answer can be had as {what}"))
        })
    }

    /// The JSON body.
    pub(super) async fn read<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        json::read(&self.parts.headers, self.take_body()).await.map_err(Fault::body)
    }

    /// Refuses a body that is no JSON, where it is not read any further.
    pub(super) fn expects_json(&self) -> Result<(), Fault> {
        let body = self.body.lock().unwrap_or_else(PoisonError::into_inner);
        match http_body::Body::size_hint(&*body).exact() {
            Some(0) => Ok(()),
            _ => json::check_type(&self.parts.headers).map_err(Fault::body),
        }
    }

    /// The body, once.
    pub(super) fn take_body(&self) -> Body {
        std::mem::take(&mut *self.body.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The app, by its id or by `provider-name-version`; of the type that the path says.
    pub(super) async fn release(&self) -> Result<Stored<Release>, Fault> {
        self.release_named(self.path("id"), self.kind()?).await
    }

    pub(super) async fn release_named(&self, text: &str, kind: AppKind) -> Result<Stored<Release>, Fault> {
        let missing = || Fault::not_found(&format!("{} with Id '{text}'", words::type_of(kind)));
        let id = self.release_id(text, kind, false).await?.ok_or_else(missing)?;
        match self.backend.depot.release(&self.actor, self.organization, id).await {
            Ok(release) if release.kind == kind => Ok(release),
            Ok(_) => Err(missing()),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(missing()),
            Err(error) => Err(error.into()),
        }
    }

    /// The id that a text stands for. In a triple each hyphen may be one of the two that separate, so all readings
    /// are looked for; more than one app is no answer.
    pub(super) async fn release_id(
        &self,
        text: &str,
        kind: AppKind,
        published: bool,
    ) -> Result<Option<Id<Release>>> {
        if let Ok(id) = Id::parse(text) {
            return Ok(Some(id));
        }
        let at: Vec<usize> = text.match_indices('-').map(|(at, _)| at).collect();
        if at.len() < 2 || at.len() > HYPHENS {
            return Ok(None);
        }
        let mut names: Vec<Value> = Vec::new();
        let mut versions: Vec<Value> = Vec::new();
        for (n, first) in at.iter().enumerate() {
            for second in at.iter().skip(n + 1) {
                names.push(text.get(first + 1..*second).unwrap_or_default().into());
                versions.push(text.get(second + 1..).unwrap_or_default().into());
            }
        }
        let query = self
            .releases(kind)?
            .filter(Field::parse("name")?, Op::In(names))
            .filter(Field::parse("version")?, Op::In(versions))
            .limit(PAGE_LIMIT);
        let page = self.found(query, published).await?;
        let joined = |release: &&Stored<Release>| {
            format!("{}-{}-{}", release.provider, release.name, release.version) == text
        };
        let mut found = page.items.iter().filter(joined).map(|release| release.id);
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => {
                Err(Error::invalid("appId", "more than one app is called so; use its UUID"))
            }
            (found, _) => Ok(found),
        }
    }

    /// All releases of one type, newest first.
    pub(super) fn releases(&self, kind: AppKind) -> Result<Query> {
        Ok(Query::of::<Release>(self.organization)
            .filter(Field::parse("kind")?, Op::Eq(kind.as_str().into())))
    }

    /// The apps that `query` finds: of those that are published, or of all that the caller may look at.
    pub(super) async fn found(&self, query: Query, published: bool) -> Result<Page<Stored<Release>>> {
        let depot = &self.backend.depot;
        match published {
            true => depot.published(&self.actor, query).await,
            false => depot.releases(&self.actor, query).await,
        }
    }

    /// The apps of these releases.
    pub(super) async fn apps_of(
        &self,
        releases: &[Stored<Release>],
    ) -> Result<BTreeMap<Id<App>, Stored<App>>> {
        let ids: Vec<Value> = releases.iter().map(|release| release.app.into()).collect();
        let query = Query::of::<App>(self.organization).filter(Field::Id, Op::In(ids)).limit(PAGE_LIMIT);
        match self.backend.depot.apps(&self.actor, query).await {
            Ok(page) => Ok(page.items.into_iter().map(|app| (app.id, app)).collect()),
            // A token may be good for releases only.
            Err(error) if error.kind() == ErrorKind::Forbidden => Ok(BTreeMap::new()),
            Err(error) => Err(error),
        }
    }

    /// The app as clients see it, and when that last changed.
    pub(super) async fn view(&self, release: &Stored<Release>) -> Result<(AppView, Timestamp)> {
        let apps = self.apps_of(std::slice::from_ref(release)).await?;
        let app = apps.get(&release.app);
        let modified = app.map_or(release.updated_at, |app| app.updated_at.max(release.updated_at));
        Ok((AppView::new(release, app), modified))
    }

    pub(super) fn window(&self) -> Result<Window> {
        let number = |name: &'static str, default: u64| match self.query(name) {
            None => Ok(default),
            Some(text) => text.parse::<u64>().map_err(|_| Error::invalid(name, "must be a whole number")),
        };
        let limit = number("limit", 25)?;
        if limit == 0 {
            return Err(Error::invalid("limit", "must be at least 1"));
        }
        let limit = u32::try_from(limit).unwrap_or(PAGE_LIMIT).min(PAGE_LIMIT);
        let offset = number("offset", 0)?.min(i64::MAX.unsigned_abs());
        Ok(Window { offset, limit, after: self.query("after").map(str::to_owned) })
    }

    /// Where the pages before and after this one are.
    pub(super) fn links<T>(&self, window: &Window, page: &Page<T>, path: &str) -> Links {
        let Window { offset, limit, .. } = *window;
        let link = |offset: u64, after: Option<&str>| {
            let mut link = format!("{path}?limit={limit}&offset={offset}");
            let kept = ["query", "field-filter"].map(|name| (name, self.query(name)));
            for (name, value) in kept.into_iter().chain([("after", after)]) {
                if let Some(value) = value {
                    link.push_str(&format!("&{name}={}", encode(value)));
                }
            }
            link
        };
        let next = page.next.as_deref().map(|next| link(offset.saturating_add(limit.into()), Some(next)));
        let previous = (offset > 0).then(|| link(offset.saturating_sub(limit.into()), None));
        Links {
            previous: previous.unwrap_or_default(),
            next: next.unwrap_or_default(),
            count: page.items.len(),
        }
    }

    /// 200 with this representation, or what the request's conditions make of it.
    pub(super) fn answer<T: Serialize>(&self, view: &T, modified: Option<Timestamp>) -> Answer {
        let bytes = serde_json::to_vec(view).map_err(Error::internal)?;
        self.answer_bytes(bytes, "application/json", modified)
    }

    /// The same with a representation of another type.
    pub(super) fn answer_bytes(
        &self,
        bytes: Vec<u8>,
        kind: &'static str,
        modified: Option<Timestamp>,
    ) -> Answer {
        let validators = Validators::of_bytes(&bytes, modified);
        match validators.judge(&self.parts.method, &self.parts.headers) {
            Verdict::Go => respond(StatusCode::OK, bytes, kind, &validators),
            Verdict::NotModified => respond(StatusCode::NOT_MODIFIED, Vec::new(), kind, &validators),
            Verdict::Failed => Err(Fault::precondition("The resource is not what the request expects")),
        }
    }

    /// The representation after a change, which no condition of the request is about any more.
    pub(super) fn changed<T: Serialize>(
        &self,
        status: StatusCode,
        view: &T,
        modified: Option<Timestamp>,
        location: Option<&str>,
    ) -> Answer {
        let bytes = serde_json::to_vec(view).map_err(Error::internal)?;
        let validators = Validators::of_bytes(&bytes, modified);
        let mut response = respond(status, bytes, "application/json", &validators)?;
        if let Some(location) = location {
            let location = format!("{}{location}", self.backend.public_url);
            let location = HeaderValue::try_from(location).map_err(Error::internal)?;
            response.headers_mut().insert(LOCATION, location);
        }
        Ok(response)
    }

    /// Whether a change may be made to a resource that looks like this now. Answers the revision that the depot
    /// then has to find, so that nobody comes in between.
    pub(super) fn may_change<T: Serialize>(
        &self,
        view: &T,
        modified: Timestamp,
        revision: Revision,
    ) -> Result<Option<Revision>, Fault> {
        if !is_conditional(&self.parts.headers) {
            if self.switches.require_conditions {
                let why = "The request must be conditional but no condition has been specified";
                return Err(Fault::new(StatusCode::FORBIDDEN, why));
            }
            return Ok(None);
        }
        let bytes = serde_json::to_vec(view).map_err(Error::internal)?;
        match Validators::of_bytes(&bytes, Some(modified)).judge(&self.parts.method, &self.parts.headers) {
            Verdict::Go => Ok(Some(revision)),
            _ => Err(Fault::precondition("The resource is not what the request expects")),
        }
    }
}

/// 200 without a body.
pub(super) fn done() -> Answer {
    Ok(Response::new(Body::empty()))
}

fn respond(status: StatusCode, bytes: Vec<u8>, kind: &'static str, validators: &Validators) -> Answer {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if status != StatusCode::NOT_MODIFIED {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    validators.stamp(headers)?;
    Ok(response)
}

/// The text as a value in a query string.
pub(super) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
