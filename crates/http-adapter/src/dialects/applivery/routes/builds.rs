//! Builds of an app: of the Workspace API, and the same for app tokens.

use std::collections::BTreeMap;
use std::sync::Arc;

use appdepot_core::ErrorKind;
use appdepot_core::depot::{Enclosed, Enclosure, NewAsset, NewFile};
use appdepot_core::domain::{App, Asset, Build, Id, Organization, Stored, Timestamp};
use appdepot_core::inspect::{Package, Platform};
use appdepot_core::query::{Field, Op, PAGE_LIMIT, Query};
use axum::body::Body;
use axum::response::IntoResponse as _;
use futures::{FutureExt as _, TryFutureExt as _};
use serde_json::{Map, Value, json};

use super::super::fault::Fault;
use super::super::types::{
    Answer, ApplicationInfo, AttachedFile, Attachment, BuildForm, BuildItem, Deployer, DownloadToken, Removed,
};
use super::super::words;
use super::upload::{Keep, Said, Texts, Upload};
use super::{Answered, Call, Wanted, assets, json_object};
use crate::call::Backend;
use crate::wire::{self, FilePart};

/// What the file of a build is called in a form; the second where no document names it.
const FILE: [&str; 2] = ["build", "file"];
/// The picture to show where the package has none.
const ICON: &str = "packageIcon";
/// The same app for a simulator; kept among the build's files.
const SIMULATOR_BUILD: &str = "simulatorBuild";

pub(super) async fn upload(call: Call, body: Body) -> Answered {
    let app = call.app().await?;
    let said = Said::<BuildForm>::default();
    let sent = send(&call, app.id, body, said.clone()).await;
    // After a fault in the form: the depot itself takes back what it was told of.
    if sent.is_err() {
        call.backend.depot.withdraw(said.take().enclosures()).await;
    }
    answer(&call, &app, sent?).await
}

async fn send(call: &Call, app: Id<App>, body: Body, said: Said<BuildForm>) -> Result<Stored<Build>, Fault> {
    let (depot, actor, organization) = (&call.backend.depot, &call.actor, call.organization);
    let keep: Keep = {
        let (depot, actor) = (depot.clone(), actor.clone());
        Arc::new(move |part: FilePart| {
            let (depot, actor) = (depot.clone(), actor.clone());
            let what = if part.name == ICON { Enclosed::Icon } else { Enclosed::File };
            let FilePart { file_name, media_type, stream, .. } = part;
            let file = NewFile { file_name, media_type, ..NewFile::default() };
            let kept = async move { depot.enclose(&actor, organization, app, what, file, stream).await };
            kept.map_err(|error| match error.kind() {
                ErrorKind::Unsupported => Fault::validation(format!("{ICON}: not a picture")),
                _ => error.into(),
            })
            .boxed()
        })
    };
    let largest = depot.limits().upload_bytes;
    let upload = Upload::keeping(&call.headers, body, largest, &FILE, said, Some(keep)).await?;
    let Upload { file_name, media_type, stream, said } = upload;
    if !words::is_build(&file_name) {
        return Err(Fault::extension());
    }
    let file = NewFile { file_name, media_type, ..NewFile::default() };
    // Runs to its end also when the client goes away, so that it can clean up after itself.
    let work = {
        let (depot, actor, said) = (depot.clone(), actor.clone(), said.clone());
        async move {
            let heard = said.clone();
            let describe = Box::new(move |_: &_| Ok(heard.take().0));
            let made = depot.create_build(&actor, organization, app, file, stream, describe).await;
            if made.is_err() {
                depot.withdraw(said.take().enclosures()).await;
            }
            made
        }
    };
    wire::detached(work).await.map_err(|error| said.fault(error, Fault::from))
}

pub(super) async fn list(call: Call) -> Answered {
    let app = call.app().await?;
    let wanted = Wanted::read(&call.uri)?;
    let mut query =
        wanted.query::<Build>(call.organization)?.filter(Field::parse("app")?, Op::Eq(app.id.into()));
    if let Some(version) = wanted.first("versionName") {
        query = query.filter(Field::parse("version")?, Op::Eq(version.into()));
    }
    if let Some(word) = wanted.first("status") {
        let status = words::status(word).ok_or_else(|| {
            Fault::validation(format!("status: must be one of {}", words::STATUSES.join(", ")))
        })?;
        query = query.filter(Field::parse("status")?, Op::Eq(status.as_str().into()));
    }
    if let Some(word) = wanted.first("os") {
        let platform = words::platform(word).ok_or_else(|| {
            Fault::validation(format!("os: must be one of {}", words::PLATFORMS.join(", ")))
        })?;
        query = query.filter(Field::parse("platform")?, Op::Eq(platform.as_str().into()));
    }
    let found = call.backend.depot.builds(&call.actor, query).await?;
    let items = shown(&call, &app, &found.items).await?;
    Ok(Answer::of(wanted.listing(items, found.total.unwrap_or_default())).into_response())
}

pub(super) async fn get(call: Call) -> Answered {
    let (app, build) = call.build().await?;
    answer(&call, &app, build).await
}

pub(super) async fn remove(call: Call) -> Answered {
    let (_, build) = call.build().await?;
    call.backend.depot.remove_build(&call.actor, call.organization, build.id).await?;
    Ok(Answer::of(Removed { delete: "OK" }).into_response())
}

impl Texts for BuildForm {
    fn set(&mut self, name: &str, value: &str) -> Result<(), Fault> {
        Self::set(self, name, value)
    }

    fn wants(&self, name: &str) -> Result<bool, Fault> {
        match name {
            ICON if self.0.icon.is_none() => Ok(true),
            SIMULATOR_BUILD if self.0.files.is_empty() => Ok(true),
            ICON | SIMULATOR_BUILD => Err(Fault::validation(format!("{name}: must be given once"))),
            _ => Ok(false),
        }
    }

    fn enclose(&mut self, name: &str, file: Enclosure) {
        match name {
            ICON => self.0.icon = Some(file),
            _ => self.0.files.push(file),
        }
    }
}

/// The texts beside an attached file: none counts.
#[derive(Default)]
struct Nothing;

impl Texts for Nothing {
    fn set(&mut self, _: &str, _: &str) -> Result<(), Fault> {
        Ok(())
    }
}

pub(super) async fn attach(call: Call, body: Body) -> Answered {
    let (app, build) = call.build().await?;
    let largest = call.backend.depot.limits().upload_bytes;
    let upload = Upload::<Nothing>::read(&call.headers, body, largest, &["file"]).await?;
    let Upload { file_name, media_type, stream, said } = upload;
    let file = NewFile { file_name, media_type, ..NewFile::default() };
    let work = {
        let (depot, actor, organization) =
            (call.backend.depot.clone(), call.actor.clone(), call.organization);
        async move { depot.attach_file(&actor, organization, build.id, NewAsset::default(), file, stream).await }
    };
    let (build, _) = wire::detached(work).await.map_err(|error| said.fault(error, Fault::from))?;
    answer(&call, &app, build).await
}

pub(super) async fn download_token(call: Call) -> Answered {
    let (_, build) = call.build().await?;
    let wanted = Wanted::read(&call.uri)?;
    let word = wanted.first("type").unwrap_or("auto");
    let kinds = ["auto", "file", "aab"];
    if !kinds.contains(&word) {
        return Err(Fault::validation(format!("type: must be one of {}", kinds.join(", "))));
    }
    if word == "aab" {
        let asset =
            call.backend.depot.asset(&call.actor, call.organization, &build.asset.to_string()).await?;
        if asset.file().is_none_or(|file| file.extension != "aab") {
            return Err(Fault::not_found());
        }
    }
    let issued = call.backend.depot.ticket(&call.actor, call.organization, Build::release(build.id)).await?;
    // An Apple device is sent to the manifest, which leads it to the package under the same token.
    let manifest = word == "auto" && build.platform == Some(Platform::Ios);
    let token =
        if manifest { format!("{}{}", issued.token, super::download::MANIFEST) } else { issued.token };
    let expires_at = issued.ticket.expires_at.to_string();
    Ok(Answer::of(DownloadToken { token, expires_at }).into_response())
}

async fn answer(call: &Call, app: &Stored<App>, build: Stored<Build>) -> Answered {
    let items = shown(call, app, std::slice::from_ref(&build)).await?;
    Ok(Answer::of(items.into_iter().next()).into_response())
}

/// Builds with their files, which are looked up all at once.
async fn shown(call: &Call, app: &Stored<App>, builds: &[Stored<Build>]) -> Result<Vec<BuildItem>, Fault> {
    let ids: Vec<Id<Asset>> = builds
        .iter()
        .flat_map(|build| [build.asset].into_iter().chain(build.files.iter().copied()))
        .collect();
    let mut files = BTreeMap::new();
    for ids in ids.chunks(PAGE_LIMIT as usize) {
        let query = Query::of::<Asset>(call.organization)
            .filter(Field::Id, Op::In(ids.iter().map(|id| (*id).into()).collect()))
            .limit(PAGE_LIMIT);
        let found = call.backend.depot.assets(&call.actor, query).await?;
        files.extend(found.items.into_iter().map(|asset| (asset.id, asset)));
    }
    Ok(builds.iter().map(|build| item(&call.backend, app, build, &files)).collect())
}

fn item(
    backend: &Backend,
    app: &Stored<App>,
    build: &Stored<Build>,
    files: &BTreeMap<Id<Asset>, Stored<Asset>>,
) -> BuildItem {
    let file = files.get(&build.asset).and_then(|asset| asset.file());
    let declared = build.notes.package_id.as_ref().map(|id| Package {
        id: id.clone(),
        version: build.version.clone(),
        ..Package::default()
    });
    let package = file.and_then(|file| file.inspection.package.as_ref()).or(declared.as_ref());
    let icon = build.icon.map(|icon| assets::address(backend, build.organization, icon));
    let platform = build.platform.map(words::platform_word);
    let mut info = build.notes.deployer.info.clone();
    let git = &build.notes.git;
    for (name, text) in
        [("branch", &git.branch), ("tag", &git.tag), ("commit", &git.commit), ("commitMessage", &git.message)]
    {
        if let Some(text) = text {
            info.insert(name.to_owned(), text.as_str().into());
        }
    }
    let attached = build.files.iter().filter_map(|id| files.get(id));
    BuildItem {
        id: build.id.to_string(),
        status: words::status_word(build.status),
        tags: build.notes.tags.clone(),
        application: app.id.to_string(),
        application_info: ApplicationInfo {
            id: app.id.to_string(),
            name: app.name.clone(),
            slug: app.slug.clone(),
        },
        version_name: build.version.clone(),
        version_code: build.version_code.clone(),
        changelog: build.notes.changelog.clone(),
        icon_file: icon.clone(),
        info: package.map_or_else(|| json!({}), |package| packed(package, icon)),
        size: file.map_or(0, |file| file.length),
        queued_time: seconds(Some(build.created_at), build.started_at),
        process_time: seconds(build.started_at, build.finished_at),
        error: build.problem.as_ref().map(|problem| problem.message.clone()),
        error_code: build.problem.as_ref().map(|problem| problem.code.clone()),
        os: platform,
        build_platform: platform,
        deployer: Deployer { name: build.notes.deployer.name.clone(), info },
        uploaded_by: assets::uploaded_by(&build.uploaded_by, build.organization),
        original_extension: file.map(|file| file.extension.clone()).unwrap_or_default(),
        storage_provider: assets::provider_of_file(Id::NIL, &[]),
        files: attached.map(|asset| attachment(backend, build.organization, asset)).collect(),
        metadata: build.notes.extra.clone(),
        default_scripts: app.configuration.get("defaultScripts").cloned().unwrap_or_else(|| json!({})),
        updated_at: build.updated_at.to_string(),
        created_at: build.created_at.to_string(),
    }
}

fn attachment(backend: &Backend, organization: Id<Organization>, asset: &Stored<Asset>) -> Attachment {
    let file = asset.file();
    let address = assets::address(backend, organization, asset.id);
    Attachment {
        id: asset.id.to_string(),
        kind: words::class_word(asset.class),
        description: asset.description.clone(),
        file: AttachedFile {
            original_name: file.map(|file| file.file_name.clone()).unwrap_or_default(),
            mimetype: file.map(|file| file.media_type.clone()).unwrap_or_default(),
            size: file.map_or(0, |file| file.length),
            key: asset.id.to_string(),
            location: address,
            checksum: file.map(|file| file.sha256.clone()).unwrap_or_default(),
            storage_provider_id: Id::<Asset>::NIL.to_string(),
            updated_at: asset.updated_at.to_string(),
            created_at: asset.created_at.to_string(),
        },
    }
}

/// What is in the package, by the names of its platform.
fn packed(package: &Package, icon: Option<String>) -> Value {
    let details = |wanted: &dyn Fn(&str) -> bool| {
        let found = package.details.iter().filter(|(name, _)| wanted(name));
        found.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<String, Value>>()
    };
    let mut info = Map::new();
    match package.platform {
        Some(Platform::Android) => {
            let apk = assets::config_apk(package);
            let android = json_object([
                ("packageName", Some(apk.package_name)),
                ("versionName", Some(apk.version_name)),
                ("versionCode", Some(apk.version_code)),
                ("minSDKVersion", apk.min_sdk),
                ("targetSdkVersion", apk.target_sdk),
                ("icon", icon.clone()),
            ]);
            info.insert("android".to_owned(), Value::Object(android));
        }
        Some(Platform::Ios | Platform::Macos) => {
            let profile = ["TeamIdentifier", "TeamName", "ProvisionsAllDevices", "ProvisionedDevices"];
            let plist = details(&|name| name.starts_with("CFBundle") || name == "MinimumOSVersion");
            let provision = details(&|name| profile.contains(&name));
            info.insert("ios".to_owned(), json!({ "plist": plist, "mobileprovision": provision }));
        }
        _ => {
            let package = json_object([
                ("packageName", Some(package.id.clone())),
                ("name", package.name.clone()),
                ("versionName", package.version.clone()),
            ]);
            info.insert("package".to_owned(), Value::Object(package));
        }
    }
    if let Some(icon) = icon {
        info.insert("icon".to_owned(), icon.into());
    }
    Value::Object(info)
}

/// The seconds between two instants, to the millisecond.
fn seconds(from: Option<Timestamp>, to: Option<Timestamp>) -> Option<f64> {
    let millis = to?.millis().saturating_sub(from?.millis());
    i32::try_from(millis).ok().map(|millis| f64::from(millis) / 1_000.0)
}

impl Call {
    /// The build that the path names, and its app.
    async fn build(&self) -> Result<(Stored<App>, Stored<Build>), Fault> {
        let app = self.app().await?;
        let id = self.id()?;
        let build = self.backend.depot.build(&self.actor, self.organization, id).await?;
        if build.app != app.id {
            return Err(Fault::not_found());
        }
        Ok((app, build))
    }
}
