//! The operations: each reads the wire, makes a call or two of the depot, and writes the wire.

use std::sync::{Arc, Mutex, PoisonError};

use appdepot_core::authorize::Actor;
use appdepot_core::blobs::ByteStream;
use appdepot_core::depot::{AssetChange, ForeignObject, NewApp, NewAsset, NewFile};
use appdepot_core::domain::{
    App, Asset, Entity, Extra, File, Grant, Id, LifecycleName, Location, Organization, StorageProvider,
    Stored,
};
use appdepot_core::inspect::{Format, Package};
use appdepot_core::query::{Field, Op, Query, Sort};
use appdepot_core::{Error, ErrorKind, Result};
use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures::{StreamExt as _, stream};
use http::request::Parts;
use http::{HeaderMap, Method, Uri};
use serde_json::{Value, json};

use super::fault::Fault;
use super::types::{
    Answer, Application, Config, ConfigApk, ConfigMsi, Configuration, DeclaredApk, Details, EdgeAsset,
    INTEGER_LIMIT, Listing, MdmAsset, NewApplication, Provider, Removed, Security, UploadedBy, is_id,
    is_reference,
};
use super::words::{self, Extension};
use crate::call::Backend;
use crate::wire::{self, FilePart, Form, Part, form, json, page};

/// How many items a page has when the client does not say.
const PAGE_SIZE: u64 = 20;
/// The most items of a page; larger wishes get this.
const PAGE_SIZE_LIMIT: u64 = appdepot_core::query::PAGE_LIMIT as u64;

/// What a form may have beside its file, in bytes.
const FORM_ALLOWANCE: u64 = 1 << 20;

type Answered = Result<Response, Fault>;

pub(crate) fn router(backend: Arc<Backend>) -> Router {
    Router::new()
        .route("/v1/organizations/{organization}/mdm/assets", get(list_assets).post(add_asset))
        .route("/v1/organizations/{organization}/mdm/assets/edge/asset", post(add_edge_asset))
        .route(
            "/v1/organizations/{organization}/mdm/assets/{id}",
            get(get_asset).put(update_asset).delete(remove_asset),
        )
        .route("/v1/organizations/{organization}/mdm/assets/{id}/file", get(download))
        .route("/v1/organizations/{organization}/apps", get(list_apps).post(create_app))
        .route("/v1/organizations/{organization}/apps/{id}", get(get_app).delete(remove_app))
        .fallback(async || Fault::not_found())
        .method_not_allowed_fallback(async || Fault::method())
        .with_state(backend)
}

/// What every operation needs: who calls, in which organization, on what.
struct Call {
    backend: Arc<Backend>,
    actor: Actor,
    organization: Stored<Organization>,
    /// The last variable part of the path, or nothing.
    reference: String,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl FromRequestParts<Arc<Backend>> for Call {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, backend: &Arc<Backend>) -> Result<Self, Fault> {
        let actor = backend.actor(parts).await?;
        let path = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| Fault::not_found())?;
        // The path around a nested service may have variable parts of the same name; ours come last.
        let part =
            |name| path.iter().filter(|(found, _)| *found == name).last().map_or("", |(_, value)| value);
        let (organization, reference) = (part("organization"), part("id").to_owned());
        if !is_reference(organization) {
            return Err(Fault::not_found());
        }
        let organization = backend.depot.organization(&actor, organization).await?;
        let (method, uri, headers) = (parts.method.clone(), parts.uri.clone(), parts.headers.clone());
        Ok(Self { backend: Arc::clone(backend), actor, organization, reference, method, uri, headers })
    }
}

async fn add_edge_asset(call: Call, body: Body) -> Answered {
    let body: Value = json::read(&call.headers, body).await.map_err(Fault::wire)?;
    let EdgeAsset { file, details } = EdgeAsset::read(&body)?;
    let extension = words::extension(&file.original_name).ok_or_else(Fault::extension)?;
    let provider = Id::parse(&file.storage_provider).map_err(|_| Fault::storage_provider())?;
    let (new, declared) = described(details);
    let object = ForeignObject {
        provider,
        bucket: file.bucket,
        key: file.key,
        length: file.size,
        checksum: file.checksum,
        file: NewFile {
            file_name: file.original_name,
            media_type: Some(file.media_type),
            limit: None,
            accept: Some(Box::new(move |file| {
                check(extension, declared.as_ref(), file)?;
                Ok(AssetChange::default())
            })),
        },
    };
    let organization = call.organization.id;
    let stored =
        call.backend.depot.register(&call.actor, organization, new, object).await.map_err(refused)?;
    answer_asset(&call.backend, &call.actor, &stored).await
}

async fn add_asset(call: Call, body: Body) -> Answered {
    let Call { backend, actor, organization, headers, .. } = call;
    let largest = backend.depot.limits().upload_bytes;
    if http_body::Body::size_hint(&body).lower() > largest.saturating_add(FORM_ALLOWANCE) {
        return Err(Error::too_large(largest).into());
    }
    let mut form = Form::new(&headers, body).map_err(Fault::wire)?;
    let mut details = Details::default();
    let file = loop {
        match form.next().await? {
            None => return Err(Fault::no_file()),
            Some(Part::Text { name, value }) => details.set(&name, &value)?,
            Some(Part::File(file)) if file.name == "file" => break file,
            Some(Part::File(_)) => {}
        }
    };
    if file.file_name.is_empty() {
        return Err(Fault::no_file());
    }
    let extension = words::extension(&file.file_name).ok_or_else(Fault::extension)?;
    let (new, declared) = described(details);
    let late = Arc::new(Mutex::new(Late::default()));
    let after = Arc::clone(&late);
    let new_file = NewFile {
        file_name: file.file_name.clone(),
        media_type: file.media_type.clone(),
        limit: None,
        accept: Some(Box::new(move |file| {
            check(extension, declared.as_ref(), file)?;
            Ok(std::mem::take(&mut lock(&after).details).into_change())
        })),
    };
    let stream = then_rest(file, form, Arc::clone(&late));
    // Runs to its end also when the client goes away, so that it can clean up after itself.
    let work = {
        let (depot, actor) = (backend.depot.clone(), actor.clone());
        async move { depot.upload(&actor, organization.id, new, new_file, stream).await }
    };
    match wire::detached(work).await {
        Ok(stored) => answer_asset(&backend, &actor, &stored).await,
        Err(error) => Err(lock(&late).fault.take().unwrap_or_else(|| refused(error))),
    }
}

async fn list_assets(call: Call) -> Answered {
    let wanted = Wanted::read(&call.uri)?;
    let mut query = wanted.query::<Asset>(&call.organization)?;
    let wrong = |name: &str, words: &[&str]| {
        Fault::validation(format!("{name}: must be one of {}", words.join(", ")))
    };
    let mut classes = Vec::new();
    for word in wanted.all("type") {
        let known = ["app", "book", "image", "script", "other", "certificate"];
        let class = words::class(word).ok_or_else(|| wrong("type", &known))?;
        classes.push(words::class_word(class).into());
    }
    let mut extensions: Vec<&str> = Vec::new();
    for word in wanted.all("subType") {
        if !words::SUB_TYPES.contains(&word) {
            return Err(wrong("subType", &words::SUB_TYPES));
        }
        let of_it = words::EXTENSIONS.iter().filter(|extension| extension.sub_type == Some(word));
        extensions.extend(of_it.map(|extension| extension.name));
    }
    let mut exact = Vec::new();
    for word in wanted.all("ext") {
        let known = words::EXTENSIONS.iter().find(|extension| extension.name == word);
        let names: Vec<&str> = words::EXTENSIONS.iter().map(|extension| extension.name).collect();
        exact.push(known.ok_or_else(|| wrong("ext", &names))?.name);
    }
    let expand = wanted.all("expandTo").find(|word| !["ancestors", "children"].contains(word));
    if expand.is_some() {
        return Err(wrong("expandTo", &["ancestors", "children"]));
    }
    if !classes.is_empty() {
        query = query.filter(Field::parse("class")?, Op::In(classes));
    }
    for names in [extensions, exact] {
        if !names.is_empty() {
            let values = names.into_iter().map(Into::into).collect();
            query = query.filter(Field::parse("content.extension")?, Op::In(values));
        }
    }
    if let Some(segment) = wanted.first("segmentId") {
        let number = segment.parse().ok().filter(|number: &u64| *number <= INTEGER_LIMIT);
        let number = number.ok_or_else(|| {
            Fault::validation(format!("segmentId: must be an integer from 0 to {INTEGER_LIMIT}"))
        })?;
        #[allow(clippy::cast_precision_loss)] // below 2^53
        let op = Op::Eq(appdepot_core::query::Value::Number(number as f64));
        query = query.filter(Field::parse("segment")?, op);
    }
    let found = call.backend.depot.assets(&call.actor, query).await?;
    let providers = call.backend.depot.providers(&call.actor, call.organization.id).await?;
    let items = found.items.iter().map(|stored| asset(&call.backend, &providers, stored)).collect();
    Ok(Answer::of(wanted.listing(items, found.total.unwrap_or_default())).into_response())
}

async fn get_asset(call: Call) -> Answered {
    let stored = call.asset().await?;
    answer_asset(&call.backend, &call.actor, &stored).await
}

async fn update_asset(call: Call, body: Body) -> Answered {
    let id = call.asset_id()?;
    let body: Value = json::read(&call.headers, body).await.map_err(Fault::wire)?;
    let change = Details::read(&body)?.into_change();
    let (depot, organization) = (&call.backend.depot, call.organization.id);
    let stored = depot.update_asset(&call.actor, organization, id, None, change).await?;
    answer_asset(&call.backend, &call.actor, &stored).await
}

async fn remove_asset(call: Call) -> Answered {
    let id = call.asset_id()?;
    call.backend.depot.remove_asset(&call.actor, call.organization.id, id).await?;
    Ok(Answer::of(Removed { delete: "OK" }).into_response())
}

async fn download(call: Call) -> Answered {
    let stored = call.asset().await?;
    let (id, organization) = (stored.id, call.organization.id);
    let depot = &call.backend.depot;
    let open = |range| depot.open_asset(&call.actor, organization, id, range);
    Ok(wire::deliver(&call.method, &call.headers, Some(stored), open).await?)
}

async fn create_app(call: Call, body: Body) -> Answered {
    let body: Value = json::read(&call.headers, body).await.map_err(Fault::wire)?;
    let new = NewApplication::read(&body)?;
    let organization = call.organization.id;
    let mut configuration = Extra::new();
    if let Some(provider) = new.storage_provider {
        let known = call.backend.depot.providers(&call.actor, organization).await?;
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

async fn list_apps(call: Call) -> Answered {
    let wanted = Wanted::read(&call.uri)?;
    let query = wanted.query::<App>(&call.organization)?;
    let found = call.backend.depot.apps(&call.actor, query).await?;
    let (providers, grants) = call.surroundings().await?;
    let items = found.items.iter().map(|stored| application(stored, &providers, &grants)).collect();
    Ok(Answer::of(wanted.listing(items, found.total.unwrap_or_default())).into_response())
}

async fn get_app(call: Call) -> Answered {
    let stored = call.app().await?;
    answer_app(&call, &stored).await
}

async fn remove_app(call: Call) -> Answered {
    let id = call.app().await?.id;
    call.backend.depot.remove_app(&call.actor, call.organization.id, id).await?;
    Ok(Answer::of(Removed { delete: "OK" }).into_response())
}

impl Call {
    fn asset_id(&self) -> Result<Id<Asset>, Fault> {
        let id = Some(self.reference.as_str()).filter(|text| is_id(text)).and_then(|id| Id::parse(id).ok());
        id.ok_or_else(Fault::not_found)
    }

    async fn asset(&self) -> Result<Stored<Asset>, Fault> {
        let id = self.asset_id()?.to_string();
        Ok(self.backend.depot.asset(&self.actor, self.organization.id, &id).await?)
    }

    async fn app(&self) -> Result<Stored<App>, Fault> {
        if !is_reference(&self.reference) {
            return Err(Fault::not_found());
        }
        Ok(self.backend.depot.app(&self.actor, self.organization.id, &self.reference).await?)
    }

    /// The storage providers that an app may name, and the roles that the actor has.
    async fn surroundings(&self) -> Result<(Vec<StorageProvider>, Vec<Grant>)> {
        let organization = self.organization.id;
        let providers = self.backend.depot.providers(&self.actor, organization).await?;
        let grants = self.backend.depot.own_roles(&self.actor, organization).await?;
        Ok((providers, grants))
    }
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
    fn query<T: Entity>(&self, organization: &Stored<Organization>) -> Result<Query, Fault> {
        let limit = u32::try_from(self.limit).unwrap_or(1);
        let mut query =
            Query::of::<T>(organization.id).skip(page::skipped(self.page, self.limit)).limit(limit).counted();
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

impl Details {
    fn into_change(self) -> AssetChange {
        AssetChange {
            name: self.name,
            description: self.description,
            segment: self.segment,
            expose_to_children: self.expose,
            ..AssetChange::default()
        }
    }
}

/// The parts of a form that come after its file.
#[derive(Default)]
struct Late {
    details: Details,
    /// What is wrong with them; the upload failed because of it.
    fault: Option<Fault>,
}

/// The bytes of the file. Before the stream ends, the rest of the form is read and checked, so that a form that
/// is wrong after its file leaves nothing behind.
fn then_rest(file: FilePart, form: Form, late: Arc<Mutex<Late>>) -> ByteStream {
    let rest = stream::once(async move {
        let read = read_rest(form, &late).await;
        read.map_err(|fault| {
            lock(&late).fault = Some(fault);
            Error::new(ErrorKind::Invalid, "the form is not as documented")
        })
    });
    file.stream.chain(rest.filter_map(async |read| read.err().map(Err))).boxed()
}

async fn read_rest(mut form: Form, late: &Mutex<Late>) -> Result<(), Fault> {
    while let Some(part) = form.next().await? {
        match part {
            Part::Text { name, value } => lock(late).details.set(&name, &value)?,
            Part::File(file) if file.name == "file" => {
                return Err(Fault::validation("file: must be given once"));
            }
            Part::File(_) => {}
        }
    }
    Ok(())
}

/// What goes to the depot, and what the client says of the package.
fn described(details: Details) -> (NewAsset, Option<DeclaredApk>) {
    let new = NewAsset {
        name: details.name.unwrap_or_default(),
        description: details.description.unwrap_or_default(),
        segment: details.segment.unwrap_or_default(),
        expose_to_children: details.expose.unwrap_or_default(),
        ..NewAsset::default()
    };
    (new, details.apk)
}

/// Whether the content is what the extension and the client say.
fn check(extension: Extension, declared: Option<&DeclaredApk>, file: &File) -> Result<()> {
    if let Some(why) = extension.contradiction(&file.inspection) {
        return Err(Error::new(ErrorKind::Unsupported, why));
    }
    let Some(declared) = declared else { return Ok(()) };
    if extension.name != "apk" {
        return Err(Error::invalid("config.apk", "only for an .apk file"));
    }
    let Some(package) = &file.inspection.package else { return Ok(()) };
    let differs = |field: &'static str, found: &str| {
        Err(Error::invalid(field, format!("the package says {:.200}", found.escape_debug().to_string())))
    };
    let apk = config_apk(package);
    let pairs = [
        ("config.apk.versionCode", Some(&declared.version_code), Some(&apk.version_code)),
        ("config.apk.versionName", Some(&declared.version_name), Some(&apk.version_name)),
        ("config.apk.packageName", Some(&declared.package_name), Some(&apk.package_name)),
        ("config.apk.minSdkVersion", declared.min_sdk.as_ref(), apk.min_sdk.as_ref()),
        ("config.apk.targetSdkVersion", declared.target_sdk.as_ref(), apk.target_sdk.as_ref()),
    ];
    for (field, said, found) in pairs {
        if let (Some(said), Some(found)) = (said, found)
            && said != found
        {
            return differs(field, found);
        }
    }
    let localized = package.details.get("localizedLabels").and_then(Value::as_object);
    let names = || localized.into_iter().flat_map(|labels| labels.values()).filter_map(Value::as_str);
    match (&declared.product_name, &apk.product_name) {
        (Some(said), Some(found)) if said != found && !names().any(|name| name == said) => {
            differs("config.apk.productName", found)
        }
        _ => Ok(()),
    }
}

fn refused(error: Error) -> Fault {
    match error.kind() {
        ErrorKind::Unsupported => Fault::content(error.message()),
        _ => error.into(),
    }
}

async fn answer_asset(backend: &Backend, actor: &Actor, stored: &Stored<Asset>) -> Answered {
    let providers = match stored.file().map(|file| &file.location) {
        Some(Location::Provider { .. }) => backend.depot.providers(actor, stored.organization).await?,
        _ => Vec::new(),
    };
    Ok(Answer::of(asset(backend, &providers, stored)).into_response())
}

async fn answer_app(call: &Call, stored: &Stored<App>) -> Answered {
    let (providers, grants) = call.surroundings().await?;
    Ok(Answer::of(application(stored, &providers, &grants)).into_response())
}

fn asset(backend: &Backend, providers: &[StorageProvider], stored: &Stored<Asset>) -> MdmAsset {
    let file = stored.file();
    let address = match (file.map(|file| &file.location), &stored.content) {
        (Some(Location::Provider { key, .. }), _) => key.clone(),
        (_, appdepot_core::domain::Content::Link { url }) => url.clone(),
        _ => {
            let (base, organization, id) = (&backend.public_url, stored.organization, stored.id);
            format!("{base}/v1/organizations/{organization}/mdm/assets/{id}/file")
        }
    };
    let storage_provider = match file.map(|file| &file.location) {
        Some(Location::Provider { provider, .. }) => shown(*provider, providers),
        _ => shown(Id::NIL, providers),
    };
    let package = |format| {
        let found = file.map(|file| &file.inspection).filter(|found| found.format == format);
        found.and_then(|found| found.package.as_ref())
    };
    let config =
        Config { msi: package(Format::Msi).map(config_msi), apk: package(Format::Apk).map(config_apk) };
    MdmAsset {
        id: stored.id.to_string(),
        organization: stored.organization.to_string(),
        class: words::class_word(stored.class),
        name: stored.name.clone(),
        description: stored.description.clone(),
        uploaded_by_info: uploaded_by(stored),
        file: address,
        size: file.map_or(0, |file| file.length),
        original_extension: file.map(|file| file.extension.clone()).unwrap_or_default(),
        storage_provider: Provider { config: None, provider: None, ..storage_provider },
        config,
        version: stored.revision,
        updated_at: stored.updated_at.to_string(),
        created_at: stored.created_at.to_string(),
        segment_id: stored.segment,
        expose_to_children: stored.expose_to_children,
    }
}

/// Keys and home-made authenticators may have no address; the field is required, so they get one that leads
/// nowhere (RFC 2606).
fn uploaded_by(stored: &Stored<Asset>) -> UploadedBy {
    let person = &stored.uploaded_by;
    let email = match (person.email.as_str(), person.first_name.as_str()) {
        ("", "") => format!("unknown@{}.invalid", stored.organization),
        ("", name) => format!("{}@{}.invalid", appdepot_core::domain::slugify(name), stored.organization),
        (email, _) => email.to_owned(),
    };
    UploadedBy { email, first_name: person.first_name.clone(), last_name: person.last_name.clone() }
}

/// What is said of a storage provider; [`Id::NIL`] stands for the depot's own blobs.
fn shown(id: Id<StorageProvider>, known: &[StorageProvider]) -> Provider {
    let found = known.iter().find(|provider| provider.id == id);
    let own = id == Id::NIL;
    let text = |of: fn(&StorageProvider) -> &String, default: &str| {
        found.map_or_else(|| if own { default.to_owned() } else { String::new() }, |found| of(found).clone())
    };
    Provider {
        id: id.to_string(),
        name: text(|found| &found.name, "default"),
        region: text(|found| &found.region, "local"),
        config: Some(text(|found| &found.bucket, "")),
        provider: Some(if own { "depot" } else { "external" }),
    }
}

fn config_msi(package: &Package) -> ConfigMsi {
    ConfigMsi {
        product_code: package.id.clone(),
        product_version: package.version.clone(),
        product_name: package.name.clone(),
        manufacturer: package.details.get("Manufacturer").and_then(Value::as_str).map(str::to_owned),
    }
}

fn config_apk(package: &Package) -> ConfigApk {
    let detail = |name| match package.details.get(name) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    ConfigApk {
        version_code: package.version_code.clone().unwrap_or_default(),
        version_name: package.version.clone().unwrap_or_default(),
        package_name: package.id.clone(),
        min_sdk: package.min_os.clone().or_else(|| detail("minSdkVersion")),
        target_sdk: detail("targetSdkVersion"),
        product_name: package.name.clone(),
    }
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
            storage_provider: shown(provider, providers),
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

/// What the lock guards is replaced in one step, so it is whole even after a panic.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
