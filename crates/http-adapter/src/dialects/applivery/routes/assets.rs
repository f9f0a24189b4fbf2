//! MDM assets: files of the organization.

use appdepot_core::authorize::{Actor, Person};
use appdepot_core::blobs::ByteRange;
use appdepot_core::depot::{AssetChange, ForeignObject, NewAsset, NewFile};
use appdepot_core::domain::{
    Asset, Content, File, Id, Location, Organization, StorageProvider, Stored, slugify,
};
use appdepot_core::inspect::{Format, Package};
use appdepot_core::query::{Field, Op};
use appdepot_core::{Error, ErrorKind, Result};
use axum::body::Body;
use axum::response::IntoResponse as _;
use bytes::Bytes;
use futures::TryStreamExt as _;
use serde_json::Value;

use super::super::fault::Fault;
use super::super::types::{
    Answer, AssetView, Config, ConfigApk, ConfigMsi, DeclaredApk, Details, EdgeAsset, INTEGER_LIMIT,
    MdmAsset, Provider, Removed, UploadedBy,
};
use super::super::words::{self, Extension};
use super::upload::{Texts, Upload};
use super::{Answered, Call, Wanted, known_providers};
use crate::call::Backend;
use crate::wire::{self, json};

pub(super) async fn add_edge(call: Call, body: Body) -> Answered {
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
    let organization = call.organization;
    let stored =
        call.backend.depot.register(&call.actor, organization, new, object).await.map_err(refused)?;
    answer_asset(&call.backend, &call.actor, call.organization, &stored).await
}

pub(super) async fn add(call: Call, body: Body) -> Answered {
    let Call { backend, actor, organization, headers, .. } = call;
    let largest = backend.depot.limits().upload_bytes;
    let Upload { file_name, media_type, stream, said } =
        Upload::<Details>::read(&headers, body, largest, &["file"]).await?;
    let extension = words::extension(&file_name).ok_or_else(Fault::extension)?;
    let late = said.clone();
    let file = NewFile {
        file_name,
        media_type,
        limit: None,
        accept: Some(Box::new(move |file| {
            check(extension, None, file)?;
            Ok(late.take().into_change())
        })),
    };
    // Runs to its end also when the client goes away, so that it can clean up after itself.
    let work = {
        let (depot, actor) = (backend.depot.clone(), actor.clone());
        async move { depot.upload(&actor, organization, NewAsset::default(), file, stream).await }
    };
    let stored = wire::detached(work).await.map_err(|error| said.fault(error, refused))?;
    answer_asset(&backend, &actor, organization, &stored).await
}

pub(super) async fn list(call: Call) -> Answered {
    let wanted = Wanted::read(&call.uri)?;
    let mut query = wanted.query::<Asset>(call.organization)?.filter(Field::parse("app")?, Op::Missing);
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
    let expand: Vec<&str> = wanted.all("expandTo").collect();
    if expand.iter().any(|word| !["ancestors", "children"].contains(word)) {
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
    let depot = &call.backend.depot;
    let found = match expand.contains(&"ancestors") {
        true => depot.assets_with_inherited(&call.actor, query).await?,
        false => depot.assets(&call.actor, query).await?,
    };
    let providers = call.providers().await?;
    let shown = |stored| asset(&call.backend, call.organization, &providers, stored);
    let items = found.items.iter().map(shown).collect();
    Ok(Answer::of(wanted.listing(items, found.total.unwrap_or_default())).into_response())
}

pub(super) async fn get(call: Call) -> Answered {
    let stored = call.asset().await?;
    answer_asset(&call.backend, &call.actor, call.organization, &stored).await
}

pub(super) async fn update(call: Call, body: Body) -> Answered {
    let id = call.id()?;
    let body: Value = json::read(&call.headers, body).await.map_err(Fault::wire)?;
    let change = Details::read(&body)?.into_change();
    let (depot, organization) = (&call.backend.depot, call.organization);
    let stored = depot.update_asset(&call.actor, organization, id, None, change).await?;
    answer_asset(&call.backend, &call.actor, call.organization, &stored).await
}

pub(super) async fn remove(call: Call) -> Answered {
    let id = call.id()?;
    call.backend.depot.remove_asset(&call.actor, call.organization, id).await?;
    Ok(Answer::of(Removed { delete: "OK" }).into_response())
}

pub(super) async fn download(call: Call) -> Answered {
    let stored = call.asset().await?;
    let (id, organization) = (stored.id, call.organization);
    let depot = &call.backend.depot;
    let open = |range| depot.open_asset(&call.actor, organization, id, range);
    Ok(wire::deliver(&call.method, &call.headers, Some(stored), open).await?)
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

/// Where an asset is fetched, and what it says where that is a short text.
pub(super) async fn view(call: Call) -> Answered {
    /// The longest text that is shown, in bytes.
    const TEXT_LIMIT: u64 = 256 * 1024;
    let stored = call.asset().await?;
    let url = match &stored.content {
        Content::Link { url } => url.clone(),
        Content::File(_) => address(&call.backend, call.organization, stored.id),
    };
    let is_text = matches!(words::class_word(stored.class), "script" | "other");
    let short = stored.file().is_some_and(|file| is_text && file.length <= TEXT_LIMIT);
    let mut content = None;
    if short {
        let depot = &call.backend.depot;
        let opened = depot.open_asset(&call.actor, call.organization, stored.id, ByteRange::FULL).await?;
        let bytes: Vec<Bytes> = opened.stream.try_collect().await?;
        content = String::from_utf8(bytes.concat()).ok();
    }
    Ok(Answer::of(AssetView { content, url }).into_response())
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

async fn answer_asset(
    backend: &Backend,
    actor: &Actor,
    organization: Id<Organization>,
    stored: &Stored<Asset>,
) -> Answered {
    let providers = match stored.file().map(|file| &file.location) {
        Some(Location::Provider { .. }) => known_providers(backend, actor, organization).await?,
        _ => Vec::new(),
    };
    Ok(Answer::of(asset(backend, organization, &providers, stored)).into_response())
}

/// An asset as `organization` sees it. Where the storage of one above it keeps things is not told.
fn asset(
    backend: &Backend,
    organization: Id<Organization>,
    providers: &[Stored<StorageProvider>],
    stored: &Stored<Asset>,
) -> MdmAsset {
    let file = stored.file();
    let own = stored.organization == organization;
    let shown_as = match (file.map(|file| &file.location), &stored.content) {
        (Some(Location::Provider { key, .. }), _) if own => key.clone(),
        (_, Content::Link { url }) => url.clone(),
        _ => address(backend, organization, stored.id),
    };
    let storage_provider = match file.map(|file| &file.location) {
        Some(Location::Provider { provider, .. }) => provider_of_file(*provider, providers),
        _ => provider_of_file(Id::NIL, providers),
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
        uploaded_by_info: uploaded_by(&stored.uploaded_by, stored.organization),
        file: shown_as,
        size: file.map_or(0, |file| file.length),
        original_extension: file.map(|file| file.extension.clone()).unwrap_or_default(),
        storage_provider,
        config,
        version: stored.revision,
        updated_at: stored.updated_at.to_string(),
        created_at: stored.created_at.to_string(),
        segment_id: stored.segment,
        expose_to_children: stored.expose_to_children,
    }
}

/// Where the bytes of an asset are fetched.
pub(super) fn address(backend: &Backend, organization: Id<Organization>, id: Id<Asset>) -> String {
    format!("{}/v1/organizations/{organization}/mdm/assets/{id}/file", backend.public_url)
}

/// Keys and home-made authenticators may have no address; the field is required, so they get one that leads
/// nowhere (RFC 2606).
pub(super) fn uploaded_by(person: &Person, organization: Id<Organization>) -> UploadedBy {
    let email = match (person.email.as_str(), person.first_name.as_str()) {
        ("", "") => format!("unknown@{organization}.invalid"),
        ("", name) => format!("{}@{organization}.invalid", slugify(name)),
        (email, _) => email.to_owned(),
    };
    UploadedBy { email, first_name: person.first_name.clone(), last_name: person.last_name.clone() }
}

/// What is said of the storage provider of a file.
pub(super) fn provider_of_file(id: Id<StorageProvider>, known: &[Stored<StorageProvider>]) -> Provider {
    Provider { config: None, provider: None, ..shown(id, known) }
}

/// What is said of a storage provider; [`Id::NIL`] stands for the depot's own blobs.
pub(super) fn shown(id: Id<StorageProvider>, known: &[Stored<StorageProvider>]) -> Provider {
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

pub(super) fn config_apk(package: &Package) -> ConfigApk {
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

impl Texts for Details {
    fn set(&mut self, name: &str, value: &str) -> Result<(), Fault> {
        Self::set(self, name, value)
    }
}

impl Call {
    async fn asset(&self) -> Result<Stored<Asset>, Fault> {
        let id = self.id::<Asset>()?.to_string();
        Ok(self.backend.depot.asset(&self.actor, self.organization, &id).await?)
    }
}
