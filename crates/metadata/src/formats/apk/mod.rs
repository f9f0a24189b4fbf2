//! Android packages.

mod arsc;
mod axml;
mod config;
#[cfg(feature = "icon")]
pub(crate) mod drawable;
mod libraries;
mod manifest;
mod pool;
mod resolve;

use std::borrow::Cow;
use std::cmp::Reverse;

use appdepot_core::inspect::{self, Package, Platform, Problem};
use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Map, Value as Json};

use self::arsc::{Place, Table};
use self::config::Locale;
use self::manifest::{Declared, Manifest};
pub(super) use self::manifest::{id, implied_permissions, is_package_name};
use self::resolve::Resources;
use crate::containers::Packing;
use crate::containers::zip::Archive;
use crate::error::{Anomaly, Code};
use crate::fields::Fields;
use crate::reader::Reader;
use crate::registry::{Format, Input, Probe, Score};
use crate::signature::{self, Signers};

const MANIFEST: &[u8] = b"AndroidManifest.xml";
const RESOURCES: &[u8] = b"resources.arsc";
/// The density of a resource that scales (`DENSITY_ANY`).
const SCALABLE: u16 = 0xfffe;
/// A resource table of no more bytes costs less to read whole than in pieces.
const LITTLE: usize = 32 << 10;
/// The density that pictures without one are drawn for.
const UNMARKED: u16 = 160;

/// Reads `.apk` files: manifest, the labels and icons it refers to, native architectures and certificates.
#[derive(Debug, Clone, Copy, Default)]
pub struct Apk;

#[async_trait]
impl Format for Apk {
    fn name(&self) -> inspect::Format {
        inspect::Format::Apk
    }

    fn packing(&self) -> Packing {
        Packing::Zip
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["apk"]
    }

    fn score(&self, probe: &Probe<'_>) -> Score {
        match probe.container.zip().and_then(|archive| archive.find(MANIFEST)) {
            Some(_) => Score::Certain,
            None => Score::No,
        }
    }

    async fn read(&self, input: &mut Input<'_>) -> Result<Package, Problem> {
        let missing = || Code::ManifestMissing.problem("the archive has no AndroidManifest.xml");
        let archive = input.container.zip().ok_or_else(missing)?;
        let reader = &mut input.reader;
        let data = read_manifest(reader, archive).await?.ok_or_else(missing)?;
        let manifest = Manifest::read(reader, &data).map_err(|problem| unknown_method(archive, problem))?;
        if manifest.tampered {
            reader.note(Anomaly::ManifestTampered);
        }
        if manifest.truncated {
            reader.note(Anomaly::ManifestTruncated);
        }
        let wants_signers = reader.wants(Fields::SIGNERS);
        let content = Content::of(archive, wants_signers);
        let mut resources = open_resources(reader, archive, &manifest).await?;
        let mut package = describe(reader, archive, &manifest, &mut resources).await?;
        package.architectures =
            content.architectures.iter().map(|name| reader.text(&String::from_utf8_lossy(name))).collect();
        if reader.wants(Fields::LIBRARIES) {
            let libraries = libraries::libraries(reader, archive).await?;
            package.details.insert("nativeLibraries".to_owned(), libraries);
        }
        if !wants_signers {
            return Ok(package);
        }
        let mut signers = Signers::default();
        signature::apk::block(reader, archive, &mut signers).await?;
        signature::apk::jar(reader, archive, &content.signatures, &mut signers).await?;
        if signers.only("v1") {
            reader.note(Anomaly::V1SignatureOnly);
        }
        package.signers = signers.finish(reader);
        Ok(package)
    }
}

async fn read_manifest(reader: &mut Reader<'_>, archive: &Archive) -> Result<Option<Bytes>, Problem> {
    let Some(entry) = archive.unique(MANIFEST)? else { return Ok(None) };
    archive.read(reader, &entry, reader.limits().manifest_bytes).await.map(Some)
}

/// A manifest packed by a method Android does not know and that is not really stored is unsupported, not broken.
fn unknown_method(archive: &Archive, problem: Problem) -> Problem {
    match archive.find(MANIFEST) {
        Some(entry) if entry.has_unknown_method() => {
            Code::Unsupported.problem("the manifest is packed by a method no package may use")
        }
        _ => problem,
    }
}

/// What the names of the entries say.
#[derive(Debug, Default)]
struct Content<'a> {
    architectures: Vec<&'a [u8]>,
    signatures: Vec<&'a [u8]>,
}

impl<'a> Content<'a> {
    fn of(archive: &'a Archive, wants_signers: bool) -> Self {
        /// Architectures listed; Android knows fewer than ten.
        const MOST: usize = 64;
        let mut content = Self::default();
        let holds =
            |folder: &[u8]| folder == b"lib" || wants_signers && folder.eq_ignore_ascii_case(b"META-INF");
        if !archive.may_have_folder(holds) {
            return content;
        }
        for name in archive.names() {
            match name {
                [b'l', b'i', b'b', b'/', rest @ ..] => {
                    let mut parts = rest.splitn(2, |byte| *byte == b'/');
                    if let (Some(architecture), Some(file)) = (parts.next(), parts.next())
                        && !architecture.is_empty()
                        && !file.is_empty()
                        && content.architectures.len() < MOST
                        && !content.architectures.contains(&architecture)
                    {
                        content.architectures.push(architecture);
                    }
                }
                [b'M' | b'm', ..] if wants_signers && signature::apk::is_jar_signature(name) => {
                    content.signatures.push(name);
                }
                _ => {}
            }
        }
        content.architectures.sort_unstable();
        content
    }
}

/// Opens the resource table if the manifest refers to it. A broken one costs labels and icons, not the package.
async fn open_resources(
    reader: &mut Reader<'_>,
    archive: &Archive,
    manifest: &Manifest<'_>,
) -> Result<Resources, Problem> {
    let declared = [
        &manifest.version_code,
        &manifest.version_code_major,
        &manifest.version_name,
        &manifest.compile_sdk,
        &manifest.target_sandbox,
        &manifest.min_sdk,
        &manifest.target_sdk,
        &manifest.max_sdk,
        &manifest.label,
        &manifest.icon,
        &manifest.round_icon,
        &manifest.debuggable,
        &manifest.test_only,
    ];
    if !declared.iter().any(|value| matches!(value, Some(Declared::Reference(_)))) {
        return Ok(Resources::default());
    }
    let table = match try_open_resources(reader, archive).await {
        Ok(table) => table,
        Err(problem) if Code::Unavailable.is(&problem) || Code::LimitTime.is(&problem) => {
            return Err(problem);
        }
        Err(problem) => {
            reader.note(Anomaly::ResourcesInvalid);
            reader.refuse(problem);
            None
        }
    };
    Ok(Resources { table })
}

/// A resource table is read whole up to the limit where every language is asked for: their values are all over it.
async fn try_open_resources(reader: &mut Reader<'_>, archive: &Archive) -> Result<Option<Table>, Problem> {
    let Some(entry) = archive.unique(RESOURCES)? else { return Ok(None) };
    let place = if entry.is_stored() {
        let whole = match reader.wants(Fields::TRANSLATIONS) {
            true => reader.limits().whole_bytes,
            false => reader.limits().window_bytes.max(LITTLE).min(reader.limits().whole_bytes),
        } as u64;
        let ahead = if entry.size <= whole { entry.size } else { reader.limits().window_bytes as u64 };
        let (offset, len) = archive.locate(reader, &entry, ahead).await?;
        match usize::try_from(len) {
            Ok(len) if len as u64 <= whole => Place::Memory(reader.bytes(offset, len).await?),
            _ => Place::File(offset, len),
        }
    } else {
        Place::Memory(archive.read(reader, &entry, reader.limits().resources_bytes).await?)
    };
    Table::open(reader, place).await.map(Some)
}

async fn describe(
    reader: &mut Reader<'_>,
    archive: &Archive,
    manifest: &Manifest<'_>,
    resources: &mut Resources,
) -> Result<Package, Problem> {
    let version_code = resources.number(reader, &manifest.version_code).await?;
    let version_major = resources.number(reader, &manifest.version_code_major).await?;
    let version = resources.text(reader, &manifest.version_name).await?;
    let min_sdk = resources.text(reader, &manifest.min_sdk).await?;
    let target_sdk = resources.text(reader, &manifest.target_sdk).await?;
    let label = resources.localized(reader, &manifest.label).await?;
    let icons = icons(reader, archive, manifest, resources).await?;
    let mut details = Map::new();
    let mut put = |name: &str, value: Json| details.insert(name.to_owned(), value);
    put("minSdkVersion", optional(&min_sdk));
    put("targetSdkVersion", optional(&target_sdk));
    put("permissions", list(reader, &manifest.permissions));
    let launchable = manifest.launchable.first().map(|name| qualified(&manifest.package, name));
    put("launchable", launchable.map_or(Json::Null, |name| reader.text(&name).into()));
    if reader.wants(Fields::DETAILS) {
        // what the system takes where none is declared
        let effective = target_sdk.as_deref().or(min_sdk.as_deref()).unwrap_or("1");
        put("effectiveTargetSdkVersion", effective.into());
        let declares = |name: &str| manifest.permissions.iter().any(|one| one == name);
        put("impliedPermissions", implied_permissions(effective, declares).into());
        let max_sdk = resources.text(reader, &manifest.max_sdk).await?;
        put("maxSdkVersion", optional(&max_sdk));
        let sandbox = resources.number(reader, &manifest.target_sandbox).await?;
        put("targetSandboxVersion", sandbox.unwrap_or(1).into());
        put("compileSdkVersion", optional(&resources.text(reader, &manifest.compile_sdk).await?));
        put("split", manifest.split.as_deref().map_or(Json::Null, |split| reader.text(split).into()));
        let debuggable = resources.boolean(reader, &manifest.debuggable).await?;
        if debuggable {
            reader.note(Anomaly::Debuggable);
        }
        put("debuggable", debuggable.into());
        put("testOnly", resources.boolean(reader, &manifest.test_only).await?.into());
        put("permissionsSdk23", list(reader, &manifest.permissions_sdk23));
        put("features", list(reader, &manifest.features));
        let launchable: Vec<Cow<'_, str>> =
            manifest.launchable.iter().map(|name| qualified(&manifest.package, name)).collect();
        put("launchableAll", list(reader, &launchable));
    }
    if reader.wants(Fields::TRANSLATIONS) {
        let mut locales: Vec<String> = match &resources.table {
            Some(table) => table.locales().iter().map(Locale::tag).collect(),
            None => vec![Locale::default().tag()],
        };
        locales.sort_unstable();
        put("locales", locales.into());
        let others = label.others.into_iter().map(|(tag, text)| (tag, Json::String(text)));
        put("localizedLabels", Json::Object(others.collect()));
    }
    if reader.wants(Fields::ICONS) {
        let by_density = icons.iter().map(|(density, path)| (density.to_string(), path.clone().into()));
        put("iconsByDensity", Json::Object(by_density.collect()));
    }
    Ok(Package {
        id: manifest.package.clone().into_owned(),
        name: label.default,
        version,
        version_code: version_code.map(|code| long_version(version_major.unwrap_or(0), code).to_string()),
        platform: Some(Platform::Android),
        architectures: Vec::new(),
        min_os: min_sdk,
        signers: Vec::new(),
        icon: preferred(&icons),
        details,
    })
}

fn optional(text: &Option<String>) -> Json {
    text.clone().map_or(Json::Null, Json::String)
}

/// The version Android compares: both halves of `versionCode` and `versionCodeMajor`. Without a major half it is
/// the signed number the manifest has.
pub(super) fn long_version(major: i32, code: i32) -> i64 {
    if major == 0 {
        return code.into();
    }
    i64::from(major) << 32 | i64::from(code.cast_unsigned())
}

/// Icons by density that the archive really holds; without [`Fields::ICONS`] no more than to know the preferred.
async fn icons(
    reader: &mut Reader<'_>,
    archive: &Archive,
    manifest: &Manifest<'_>,
    resources: &mut Resources,
) -> Result<Vec<(u16, String)>, Problem> {
    let all = reader.wants(Fields::ICONS);
    let mut icons: Vec<(u16, String)> = Vec::new();
    for declared in [&manifest.icon, &manifest.round_icon] {
        let files = match declared {
            Some(Declared::Reference(resource)) => resources.files(reader, *resource).await?,
            Some(Declared::Text(path)) => {
                add_icon(reader, archive, &mut icons, UNMARKED, path);
                Vec::new()
            }
            _ => Vec::new(),
        };
        let mut files: Vec<_> = files
            .into_iter()
            .map(|(density, value)| (if density == 0 { UNMARKED } else { density }, value))
            .collect();
        if !all {
            files.sort_by_key(|(density, _)| Reverse(rank(*density)));
        }
        for (density, value) in files {
            let Some(path) = resources.value_text(reader, value).await? else { continue };
            if add_icon(reader, archive, &mut icons, density, &path) && !all && !is_xml(&path) {
                break;
            }
        }
        if !icons.is_empty() {
            break;
        }
    }
    icons.sort_unstable_by_key(|(density, _)| *density);
    Ok(icons)
}

/// Adds an icon unless the archive does not hold it.
fn add_icon(
    reader: &mut Reader<'_>,
    archive: &Archive,
    icons: &mut Vec<(u16, String)>,
    density: u16,
    path: &str,
) -> bool {
    if archive.find(path.as_bytes()).is_none() {
        reader.note(Anomaly::IconMissing);
        return false;
    }
    let is_new = !icons.iter().any(|(known, _)| *known == density);
    if is_new {
        icons.push((density, reader.text(path)));
    }
    is_new
}

fn is_xml(path: &str) -> bool {
    path.ends_with(".xml")
}

/// Densities in order of preference; what scales comes last.
fn rank(density: u16) -> u16 {
    if density >= SCALABLE { 0 } else { density }
}

/// The picture with the highest density; a drawing in XML only where there is no picture.
pub(super) fn preferred(icons: &[(u16, String)]) -> Option<String> {
    let best = icons.iter().max_by_key(|(density, path)| (!is_xml(path), rank(*density)));
    best.map(|(_, path)| path.clone())
}

/// A class name with its package, as the manifest's short forms mean it.
pub(super) fn qualified<'a>(package: &str, name: &'a str) -> Cow<'a, str> {
    if name.starts_with('.') {
        Cow::Owned(format!("{package}{name}"))
    } else if name.contains('.') {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(format!("{package}.{name}"))
    }
}

fn list(reader: &mut Reader<'_>, names: &[Cow<'_, str>]) -> Json {
    names.iter().map(|name| Json::String(reader.text(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_codes_join_both_halves() {
        assert_eq!(long_version(0, 42), 42);
        assert_eq!(long_version(0, -1), -1);
        assert_eq!(long_version(1, 2), (1 << 32) + 2);
        assert_eq!(long_version(1, -1), (1 << 32) + 0xffff_ffff);
    }

    #[test]
    fn short_class_names_get_the_package() {
        assert_eq!(qualified("a.b", ".C"), "a.b.C");
        assert_eq!(qualified("a.b", "C"), "a.b.C");
        assert_eq!(qualified("a.b", "x.C"), "x.C");
    }

    #[test]
    fn the_densest_picture_is_preferred() {
        let icon = |density, path: &str| (density, path.to_owned());
        assert_eq!(
            preferred(&[icon(160, "a.png"), icon(480, "b.png"), icon(SCALABLE, "c.xml")]).unwrap(),
            "b.png"
        );
        assert_eq!(preferred(&[icon(SCALABLE, "c.xml")]).unwrap(), "c.xml");
        assert_eq!(preferred(&[]), None);
    }
}
