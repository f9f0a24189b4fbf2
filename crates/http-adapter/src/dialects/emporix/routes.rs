//! The operations: read the wire, call the depot, write the wire.

use std::sync::Arc;

use appdepot_core::authorize::Actor;
use appdepot_core::blobs::ByteStream;
use appdepot_core::depot::{AssetChange, NewAsset, NewFile};
use appdepot_core::domain::{Access, Asset, Content, Id, Organization, Stored};
use appdepot_core::query::{PAGE_LIMIT, Query};
use appdepot_core::{Error, ErrorKind, Result};
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::StreamExt as _;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, LOCATION, RANGE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::Switches;
use super::encoded::encoded;
use super::fault::Fault;
use super::types::{AssetBody, AssetType, AssetView, Created, id_of, public_url};
use super::{token, words};
use crate::call::Backend;
use crate::wire::form::pairs;
use crate::wire::json::{self, media_type};
use crate::wire::multipart::{PART_LIMIT, TEXT_LIMIT};
use crate::wire::page::{positive, skipped};
use crate::wire::{FilePart, Form, Part, deliver, detached};

/// The largest file, in bytes: 10 MiB.
pub(super) const FILE_LIMIT: u64 = 10 * 1024 * 1024;
/// The longest form, in bytes: the file, and what else may be in a form.
const REQUEST_LIMIT: u64 = FILE_LIMIT + (PART_LIMIT as u64) * (TEXT_LIMIT as u64);
/// How many assets a page holds unless the client says otherwise.
const PAGE_SIZE: u64 = 60;
/// The parts of a form.
const PARTS: &[&str] = &["file", "body"];

/// What this dialect works with.
#[derive(Clone)]
pub(super) struct Emporix {
    pub(super) backend: Arc<Backend>,
    pub(super) switches: Switches,
}

type Answer = Result<Response, Fault>;
type Located<T> = std::result::Result<Path<T>, PathRejection>;

pub(super) fn router(state: Emporix) -> Router {
    Router::new()
        .route("/media/{tenant}/assets", get(list).post(create))
        .route("/media/{tenant}/assets/{id}", get(read).put(replace).delete(remove))
        .route("/media/{tenant}/assets/{id}/download", get(download))
        .route("/media/{tenant}/public/{id}", get(public))
        .route("/oauth/token", post(token::token))
        .fallback(async || Fault::unknown_path())
        .method_not_allowed_fallback(async || Fault::unknown_method())
        .with_state(state)
}

/// A request whose caller and tenant are known.
struct Call {
    backend: Arc<Backend>,
    switches: Switches,
    actor: Actor,
    organization: Id<Organization>,
    /// The address of the tenant.
    base: String,
    parts: Parts,
}

impl Emporix {
    async fn enter(self, tenant: &str, request: Request) -> Result<(Call, Body), Fault> {
        let (parts, body) = request.into_parts();
        let actor = self.backend.actor(&parts).await?;
        if !words::is_tenant(tenant) {
            return Err(Fault::bad_request(
                "tenant: must match ^[a-z][a-z0-9]+$ and have 3 to 16 characters",
            ));
        }
        if parts.headers.get_all("emporix-tenant").iter().any(|named| named.as_bytes() != tenant.as_bytes()) {
            return Err(Fault::bad_request("the tenant in the header is not the tenant in the path"));
        }
        let organization = self.backend.depot.organization(&actor, tenant).await?.id;
        let base = format!("{}/media/{tenant}", self.backend.public_url);
        Ok((Call { backend: self.backend, switches: self.switches, actor, organization, base, parts }, body))
    }
}

impl Call {
    async fn asset(&self, id: &str) -> Result<Stored<Asset>> {
        let asset = self.backend.depot.asset(&self.actor, self.organization, id).await?;
        // a tenant has its own assets only, in lists too
        if asset.organization != self.organization {
            return Err(Error::not_found("asset"));
        }
        Ok(asset)
    }
}

async fn list(State(state): State<Emporix>, path: Located<String>, request: Request) -> Answer {
    let Path(tenant) = path.map_err(|_| Fault::unknown_path())?;
    let (call, _) = state.enter(&tenant, request).await?;
    let all = pairs(call.parts.uri.query().unwrap_or_default())?;
    let given = |name: &str| all.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
    let page = positive("pageNumber", given("pageNumber"), 1)?;
    let size = positive("pageSize", given("pageSize"), PAGE_SIZE)?.min(PAGE_LIMIT.into());
    let mut query = Query::of::<Asset>(call.organization).skip(skipped(page, size));
    query.limit = u32::try_from(size).unwrap_or(PAGE_LIMIT);
    query.clauses = words::filter(given("q").unwrap_or_default(), call.switches.regex_ignores_case)?;
    if call.switches.field_parameters {
        for (name, value) in &all {
            query.clauses.extend(words::parameter(name, value)?.unwrap_or_default());
        }
    }
    query.sort = words::sort(given("sort").unwrap_or_default());
    query.count = call.parts.headers.get("x-total-count").is_some_and(|value| value.as_bytes() == b"true");
    let page = call.backend.depot.assets(&call.actor, query).await?;
    let views: Vec<_> = page.items.iter().map(|asset| AssetView::new(asset, &call.base)).collect();
    let mut response = private(Json(views));
    if let Some(total) = page.total {
        response.headers_mut().insert("x-total-count", HeaderValue::from(total));
    }
    Ok(response)
}

async fn read(State(state): State<Emporix>, path: Located<(String, String)>, request: Request) -> Answer {
    let Path((tenant, id)) = path.map_err(|_| Fault::unknown_path())?;
    let (call, _) = state.enter(&tenant, request).await?;
    let asset = call.asset(&id).await?;
    Ok(private(Json(AssetView::new(&asset, &call.base))))
}

async fn create(State(state): State<Emporix>, path: Located<String>, request: Request) -> Answer {
    let Path(tenant) = path.map_err(|_| Fault::unknown_path())?;
    let (call, body) = state.enter(&tenant, request).await?;
    let asset = match media_type(&call.parts.headers).as_deref() {
        Some("multipart/form-data") => {
            not_too_long(&call.parts.headers)?;
            detached(create_blob(call, body)).await?
        }
        _ => create_link(call, body).await?,
    };
    Ok((StatusCode::CREATED, private(Json(Created { id: id_of(&asset) }))).into_response())
}

async fn create_blob(call: Call, body: Body) -> Result<Stored<Asset>> {
    let received = receive(&call.parts.headers, body).await?;
    let (mut body, file) = (received.body, received.file);
    let new = new_asset(&mut body, AssetType::Blob)?;
    let file = file.ok_or_else(no_file)?;
    let details = body.details.unwrap_or_default();
    let new_file = NewFile {
        file_name: details.filename.unwrap_or(file.file_name),
        media_type: details.mime_type.or(file.media_type),
        limit: Some(FILE_LIMIT),
        ..NewFile::default()
    };
    call.backend.depot.upload(&call.actor, call.organization, new, new_file, file.stream).await
}

async fn create_link(call: Call, body: Body) -> Result<Stored<Asset>> {
    let mut body: AssetBody = json::read(&call.parts.headers, body).await?;
    let new = new_asset(&mut body, AssetType::Link)?;
    let url = body.url.ok_or_else(|| Error::invalid("url", "is required"))?;
    call.backend.depot.link(&call.actor, call.organization, new, &url).await
}

fn new_asset(body: &mut AssetBody, kind: AssetType) -> Result<NewAsset> {
    same_type(body, kind, false)?;
    let access: Access = body.access.ok_or_else(|| Error::invalid("access", "is required"))?.into();
    check_words(body, access)?;
    let references = body.ref_ids.take().unwrap_or_default().into_iter().map(Into::into).collect();
    let extra = body.extra(Default::default(), false);
    Ok(NewAsset { alias: body.id.take(), access, references, extra, ..NewAsset::default() })
}

async fn replace(State(state): State<Emporix>, path: Located<(String, String)>, request: Request) -> Answer {
    let Path((tenant, id)) = path.map_err(|_| Fault::unknown_path())?;
    let (call, body) = state.enter(&tenant, request).await?;
    let stored = call.asset(&id).await?;
    let form = media_type(&call.parts.headers).as_deref() == Some("multipart/form-data");
    match (&stored.content, form) {
        (Content::File(_), true) => {
            not_too_long(&call.parts.headers)?;
            detached(replace_blob(call, stored, body)).await?;
        }
        (Content::File(_), false) if !call.switches.json_put_on_blob => {
            return Err(Fault::bad_request("an asset of type BLOB is updated with multipart/form-data"));
        }
        (Content::Link { .. }, true) => {
            return Err(Fault::bad_request("an asset of type LINK is updated with application/json"));
        }
        (_, false) => replace_record(call, stored, body).await?,
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn replace_blob(call: Call, stored: Stored<Asset>, body: Body) -> Result<()> {
    let received = receive(&call.parts.headers, body).await?;
    let mut body = received.body;
    let version = version(&body, &stored, call.switches)?;
    let change = change(&mut body, &stored, call.switches)?;
    let file = received.file.ok_or_else(no_file)?;
    let kept = stored.file();
    let new_file = NewFile {
        // What is said about a file stays unless something else is said, also with other bytes.
        file_name: change.file_name.clone().or(kept.map(|kept| kept.file_name.clone())).unwrap_or_default(),
        media_type: change.media_type.clone().or(kept.map(|kept| kept.media_type.clone())),
        limit: Some(FILE_LIMIT),
        ..NewFile::default()
    };
    let depot = &call.backend.depot;
    depot
        .replace_file(&call.actor, call.organization, stored.id, version, change, new_file, file.stream)
        .await
        .map(|_| ())
}

async fn replace_record(call: Call, stored: Stored<Asset>, body: Body) -> Result<()> {
    let mut body: AssetBody = json::read(&call.parts.headers, body).await?;
    let version = version(&body, &stored, call.switches)?;
    let change = change(&mut body, &stored, call.switches)?;
    let link = matches!(stored.content, Content::Link { .. });
    if link && body.url.is_none() && !call.switches.merge_put {
        return Err(Error::invalid("url", "is required"));
    }
    // A file's address is ours; clients send it back as they read it.
    let change = AssetChange { url: body.url.filter(|_| link), ..change };
    call.backend
        .depot
        .update_asset(&call.actor, call.organization, stored.id, version, change)
        .await
        .map(|_| ())
}

/// The version that the client read, after checking what cannot change.
fn version(body: &AssetBody, stored: &Asset, switches: Switches) -> Result<Option<u64>> {
    same_type(body, AssetType::of(&stored.content), switches.merge_put)?;
    match body.access.map(Access::from) {
        Some(access) if access != stored.access => return Err(Error::invalid("access", "cannot be changed")),
        None if !switches.merge_put => return Err(Error::invalid("access", "is required")),
        _ => {}
    }
    match body.metadata.as_ref().and_then(|metadata| metadata.version) {
        Some(0) => Err(Error::invalid("metadata.version", "must be at least 1")),
        None if !switches.merge_put => Err(Error::invalid("metadata.version", "is required")),
        version => Ok(version),
    }
}

fn change(body: &mut AssetBody, stored: &Asset, switches: Switches) -> Result<AssetChange> {
    check_words(body, stored.access)?;
    let references: Option<Vec<_>> = body.ref_ids.take().map(|all| all.into_iter().map(Into::into).collect());
    let details = body.details.take().unwrap_or_default();
    Ok(AssetChange {
        references: references.or_else(|| (!switches.merge_put).then(Vec::new)),
        extra: Some(body.extra(stored.extra.clone(), switches.merge_put)),
        file_name: details.filename,
        media_type: details.mime_type,
        ..AssetChange::default()
    })
}

/// What the document says about words that go together.
fn check_words(body: &AssetBody, access: Access) -> Result<()> {
    let predefined = |kind: &str| words::is_predefined(kind);
    if access == Access::Private && body.ref_ids.iter().flatten().any(|reference| predefined(&reference.kind))
    {
        return Err(Error::invalid("refIds", "a PRIVATE asset cannot refer to a predefined type"));
    }
    let schemas = body.metadata.as_ref().and_then(|metadata| metadata.mixins.as_ref());
    let lonely = |name: &&String| {
        !schemas.is_some_and(|schemas| schemas.get(*name).is_some_and(|url| url.is_string()))
    };
    match body.mixins.iter().flat_map(|mixins| mixins.keys()).find(lonely) {
        Some(_) => Err(Error::invalid("metadata.mixins", "a schema URL is required for every mixin")),
        None => Ok(()),
    }
}

fn same_type(body: &AssetBody, kind: AssetType, optional: bool) -> Result<()> {
    match body.kind {
        Some(sent) if sent == kind => Ok(()),
        Some(_) => Err(Error::invalid(
            "type",
            match kind {
                AssetType::Blob => "must be BLOB, as the request is a form or the asset is one",
                AssetType::Link => "must be LINK, as the request is no form or the asset is one",
            },
        )),
        None if optional => Ok(()),
        None => Err(Error::invalid("type", "is required")),
    }
}

async fn remove(State(state): State<Emporix>, path: Located<(String, String)>, request: Request) -> Answer {
    let Path((tenant, id)) = path.map_err(|_| Fault::unknown_path())?;
    let (call, _) = state.enter(&tenant, request).await?;
    let id = match call.asset(&id).await {
        Ok(asset) => asset.id,
        // Nothing has this id, but whether the caller may remove anything is still to be asked.
        Err(error) if error.kind() == ErrorKind::NotFound => Id::NIL,
        Err(error) => return Err(error.into()),
    };
    match call.backend.depot.remove_asset(&call.actor, call.organization, id).await {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

async fn download(State(state): State<Emporix>, path: Located<(String, String)>, request: Request) -> Answer {
    let Path((tenant, id)) = path.map_err(|_| Fault::unknown_path())?;
    let (call, _) = state.enter(&tenant, request).await?;
    let asset = call.asset(&id).await?;
    match (&asset.content, asset.access) {
        (Content::Link { url }, _) => redirect(url),
        (Content::File(_), Access::Public) => redirect(&public_url(&call.base, &id_of(&asset))),
        (Content::File(_), Access::Private) => {
            let id = asset.id;
            let open = |range| call.backend.depot.open_asset(&call.actor, call.organization, id, range);
            let mut headers = call.parts.headers.clone();
            if call.switches.base64_download {
                headers.remove(RANGE);
            }
            let response = deliver(&call.parts.method, &headers, Some(asset), open).await?;
            Ok(if call.switches.base64_download { encoded(response) } else { response })
        }
    }
}

async fn public(State(state): State<Emporix>, path: Located<(String, String)>, request: Request) -> Answer {
    let Path((tenant, id)) = path.map_err(|_| Fault::unknown_path())?;
    let open = |range| state.backend.depot.open_public(&tenant, &id, range);
    Ok(deliver(request.method(), request.headers(), None, open).await?)
}

/// 301, as documented; asked for again each time, because what is public can be withdrawn.
fn redirect(url: &str) -> Answer {
    let mut text = String::with_capacity(url.len());
    for c in url.chars() {
        if c.is_ascii_graphic() {
            text.push(c);
        } else {
            let mut bytes = [0; 4];
            text.extend(c.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")));
        }
    }
    let location = HeaderValue::try_from(text).map_err(Error::internal)?;
    let mut response = private(StatusCode::MOVED_PERMANENTLY);
    crate::wire::deliver::guard(response.headers_mut());
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

/// An answer that caches must not keep.
pub(super) fn private(answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    response
}

/// A form as received: its JSON, and its file.
struct Received {
    body: AssetBody,
    file: Option<ReceivedFile>,
}

struct ReceivedFile {
    file_name: String,
    media_type: Option<String>,
    stream: ByteStream,
}

/// Reads a form whose parts are `body` and `file`, in either order. When the file comes first it is kept, which
/// its size permits; when it comes last it streams.
async fn receive(headers: &HeaderMap, body: Body) -> Result<Received> {
    let mut form = Form::new(headers, body)?;
    let (mut body, mut file) = (None, None);
    let twice = |name: &'static str| Error::invalid(name, "the part comes twice");
    while let Some(part) = form.next().await? {
        match part {
            Part::Text { name, value } if name == "body" => {
                if body.replace(json::parse(value.as_bytes())?).is_some() {
                    return Err(twice("body"));
                }
            }
            Part::Text { name, .. } if name == "file" => {
                return Err(Error::invalid("file", "the part has no file name"));
            }
            Part::Text { .. } => {}
            Part::File(mut part) if part.name == "file" => {
                if file.is_some() {
                    return Err(twice("file"));
                }
                if let Some(body) = body {
                    let (file_name, media_type) = (part.file_name.clone(), part.media_type.clone());
                    let stream = form.into_last(part, PARTS);
                    return Ok(Received { body, file: Some(ReceivedFile { file_name, media_type, stream }) });
                }
                let bytes = keep(&mut part, FILE_LIMIT).await?;
                let stream = futures::stream::iter([Ok(bytes)]).boxed();
                file = Some(ReceivedFile { file_name: part.file_name, media_type: part.media_type, stream });
            }
            // Some clients send the JSON as a file, and it is no less the body for that.
            Part::File(mut part) if part.name == "body" => {
                let text = keep(&mut part, TEXT_LIMIT as u64).await?;
                if body.replace(json::parse(&text)?).is_some() {
                    return Err(twice("body"));
                }
            }
            Part::File(mut part) => {
                keep(&mut part, TEXT_LIMIT as u64).await?;
            }
        }
    }
    let body = body.ok_or_else(|| Error::invalid("body", "the part is missing"))?;
    Ok(Received { body, file })
}

async fn keep(part: &mut FilePart, limit: u64) -> Result<bytes::Bytes> {
    part.keep(usize::try_from(limit).unwrap_or(usize::MAX)).await
}

fn no_file() -> Error {
    Error::invalid("file", "the part is missing")
}

/// Refuses a form by its announced length, before any of it is read.
fn not_too_long(headers: &HeaderMap) -> Result<(), Fault> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > REQUEST_LIMIT) {
        return Err(Fault::file_too_large());
    }
    Ok(())
}
