//! Binaries, static contents and manifests.

use appdepot_core::depot::{AssetChange, NewAsset, NewFile};
use appdepot_core::domain::{Asset, AssetClass, Stored};
use appdepot_core::inspect::Platform;
use appdepot_core::{Error, ErrorKind, Result};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::fault::Fault;
use super::request::{Answer, Call, RawCall};
use super::{PUBLISHER, words};
use crate::wire::conditional::expects_something;
use crate::wire::manifest::Manifest;
use crate::wire::{Form, Part, deliver, detached};

/// The largest picture or document, in bytes: 10 MiB.
const CONTENT_LIMIT: u64 = 10 * 1024 * 1024;
/// The extensions of packages.
const BINARIES: [&str; 2] = ["apk", "ipa"];
/// The largest part that is not asked for, in bytes.
const SPARE_PART: usize = 64 * 1024;

#[derive(Serialize)]
struct Binary {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    package: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
}

#[derive(Serialize)]
struct StaticContent {
    id: String,
    path: String,
}

#[derive(Serialize)]
struct PList {
    #[serde(rename = "PListAssets")]
    items: Vec<PListInfo>,
}

/// The document names the two lists alike.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PListInfo {
    #[serde(rename = "PListAssets")]
    assets: Vec<PListAsset>,
    bundle_identifier: String,
    bundle_version: String,
    kind: &'static str,
    title: String,
}

#[derive(Serialize)]
struct PListAsset {
    kind: &'static str,
    url: String,
}

pub(super) async fn upload_binary(call: Call) -> Answer {
    let accept = |file: &appdepot_core::domain::File| {
        if !BINARIES.contains(&file.extension.as_str()) {
            return Err(Error::invalid("file", "only .apk and .ipa files are binaries"));
        }
        if let Some(problem) = &file.inspection.error {
            return Err(Error::invalid("file", format!("{}: {}", problem.code, problem.message)));
        }
        let fits = match file.inspection.package.as_ref().and_then(|package| package.platform) {
            Some(Platform::Android) => file.extension == "apk",
            Some(Platform::Ios) => file.extension == "ipa",
            _ => false,
        };
        if fits { Ok(AssetChange::default()) } else { Err(Error::invalid("file", "not what its name says")) }
    };
    let new = NewFile { accept: Some(Box::new(accept)), ..NewFile::default() };
    let (call, asset) = upload(call, new, |kind| kind.starts_with("application/")).await?;
    let package = asset.file().and_then(|file| file.inspection.package.clone());
    let version = package.as_ref().and_then(|one| one.version.clone().or_else(|| one.version_code.clone()));
    let view = Binary { path: name_of(&asset), package: package.map(|package| package.id), version };
    call.changed(StatusCode::OK, &view, Some(asset.updated_at), None)
}

pub(super) async fn upload_content(call: Call) -> Answer {
    call.query_kind()?;
    let new = NewFile { limit: Some(CONTENT_LIMIT), ..NewFile::default() };
    let fits = |kind: &str| kind.starts_with("image/") || kind.starts_with("application/");
    let (call, asset) = upload(call, new, fits).await?;
    let name = name_of(&asset);
    call.changed(
        StatusCode::OK,
        &StaticContent { id: name.clone(), path: name },
        Some(asset.updated_at),
        None,
    )
}

/// Takes in the part `file`; its media type has to be one that `fits`.
async fn upload(
    call: Call,
    mut new: NewFile,
    fits: fn(&str) -> bool,
) -> Result<(Call, Stored<Asset>), Fault> {
    if expects_something(&call.parts.headers) {
        return Err(Fault::precondition("There is no file yet that the request could expect"));
    }
    let received = detached(async move {
        let mut form = Form::new(&call.parts.headers, call.take_body())?;
        while let Some(part) = form.next().await? {
            match part {
                Part::File(file) if file.name == "file" => {
                    if !file.media_type.as_deref().is_none_or(fits) {
                        return Err(Error::invalid("file", "the media type of the file is not accepted"));
                    }
                    new.file_name.clone_from(&file.file_name);
                    new.media_type.clone_from(&file.media_type);
                    let stream = form.into_last(file, &["file"]);
                    let depot = &call.backend.depot;
                    let asset = NewAsset::default();
                    let asset = depot.upload(&call.actor, call.organization, asset, new, stream).await?;
                    return Ok((call, asset));
                }
                Part::Text { name, .. } if name == "file" => {
                    return Err(Error::invalid("file", "the part is no file"));
                }
                Part::File(mut other) => {
                    other.keep(SPARE_PART).await?;
                }
                Part::Text { .. } => {}
            }
        }
        Err(Error::invalid("file", "the part file is missing"))
    });
    received.await.map_err(Fault::body)
}

fn name_of(asset: &Stored<Asset>) -> String {
    words::file_name(asset.id, asset.file().map_or("", |file| file.extension.as_str()))
}

/// The file of this name, if it is one that `wanted` accepts.
async fn find(call: &Call, name: &str, wanted: fn(&Asset) -> bool) -> Result<Stored<Asset>, Fault> {
    let missing = || Fault::not_found(&format!("file '{name}'"));
    let (id, extension) = words::file_id(name).ok_or_else(missing)?;
    match call.backend.depot.asset(&call.actor, call.organization, &id.to_string()).await {
        Ok(asset) => {
            let same = asset.file().is_some_and(|file| file.extension == extension);
            if same && wanted(&asset) { Ok(asset) } else { Err(missing()) }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Err(missing()),
        Err(error) => Err(error.into()),
    }
}

/// Refuses a name that does not end in one of these extensions.
fn check_extension(name: &str, extensions: &[&str]) -> Result<()> {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    if extensions.contains(&extension) {
        return Ok(());
    }
    Err(Error::invalid("fileName", format!("fileName must end in .{}", extensions.join(" or ."))))
}

pub(super) async fn binary(RawCall(call): RawCall) -> Answer {
    check_extension(call.path("file"), &BINARIES)?;
    send(&call, |asset| asset.class == AssetClass::App).await
}

pub(super) async fn content(RawCall(call): RawCall) -> Answer {
    call.query_kind()?;
    send(&call, |asset| asset.class != AssetClass::App).await
}

async fn send(call: &Call, wanted: fn(&Asset) -> bool) -> Answer {
    let asset = find(call, call.path("file"), wanted).await?;
    let id = asset.id;
    let open = |range| call.backend.depot.open_asset(&call.actor, call.organization, id, range);
    sent(deliver(&call.parts.method, &call.parts.headers, Some(asset), open).await?)
}

/// A failed condition has a body here.
pub(super) fn sent(response: Response) -> Answer {
    if response.status() == StatusCode::PRECONDITION_FAILED {
        return Err(Fault::precondition("The file is not what the request expects"));
    }
    Ok(response)
}

/// The manifest of the iOS app with this binary, as JSON or as the property list that devices read.
pub(super) async fn manifest(RawCall(call): RawCall) -> Answer {
    let offered = ["application/json", "application/xml", "text/xml", "application/x-plist"];
    let chosen = call.accepts(&offered)?;
    let tenant = call.path("tenant");
    let depot = &call.backend.depot;
    let named = depot.organization(&call.actor, tenant).await;
    if named.map_or(true, |named| named.id != call.organization) {
        return Err(Fault::not_found(&format!("tenant '{tenant}'")));
    }
    let name = call.path("file");
    check_extension(name, &["ipa"])?;
    let asset = find(&call, name, |asset| {
        asset.file().is_some_and(|file| file.inspection.format == appdepot_core::inspect::Format::Ipa)
    })
    .await?;
    let missing = || Fault::not_found(&format!("app with the file '{name}'"));
    let release = depot.release(&call.actor, call.organization, asset.release.ok_or_else(missing)?).await?;
    let package = release.package.clone().ok_or_else(missing)?;
    let url = format!("{}{PUBLISHER}/apps/mobile/binaries/{}", call.backend.public_url, name_of(&asset));
    let manifest = Manifest {
        title: release.name.clone(),
        bundle_id: package.id,
        bundle_version: package.version,
        package: url,
        ..Manifest::default()
    };
    match offered.get(chosen) {
        Some(&"application/json") | None => {
            let assets = vec![PListAsset { kind: "software-package", url: manifest.package.clone() }];
            let info = PListInfo {
                assets,
                bundle_identifier: manifest.bundle_id.clone(),
                bundle_version: manifest.bundle_version.clone(),
                kind: "software",
                title: manifest.title.clone(),
            };
            call.answer(&PList { items: vec![info] }, Some(release.updated_at))
        }
        Some(kind) => call.answer_bytes(manifest.to_xml()?.into_bytes(), kind, Some(release.updated_at)),
    }
}
