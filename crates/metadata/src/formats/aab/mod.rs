//! Android App Bundles.
//!
//! A ZIP archive of modules. The manifest of the module `base` says who the app is; it and the resource table are
//! protocol buffers. Sources: `Resources.proto` and `Configuration.proto` of aapt2, `config.proto` of bundletool.

use std::collections::BTreeSet;

use appdepot_core::inspect::{self, Package, Platform, Problem};
use async_trait::async_trait;
use serde_json::{Map, Value as Json};

use super::apk::{implied_permissions, long_version, preferred, qualified};
use crate::containers::Packing;
use crate::containers::protobuf::{Fields, Value};
use crate::containers::zip::Archive;
use crate::error::{Anomaly, Code};
use crate::reader::Reader;
use crate::registry::{Format, Input, Probe, Score};
use crate::signature::{self, Signers};

mod manifest;
mod resources;

use self::manifest::Manifest;
use self::resources::Table;

const MANIFEST: &[u8] = b"base/manifest/AndroidManifest.xml";
const CONFIG: &[u8] = b"BundleConfig.pb";
/// The density that pictures without one are drawn for.
const UNMARKED: u16 = 160;

/// The format of Android App Bundles.
#[derive(Debug, Clone, Copy, Default)]
pub struct Aab;

#[async_trait]
impl Format for Aab {
    fn name(&self) -> inspect::Format {
        inspect::Format::Aab
    }

    fn packing(&self) -> Packing {
        Packing::Zip
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["aab"]
    }

    fn score(&self, probe: &Probe<'_>) -> Score {
        let Some(archive) = probe.container.zip() else { return Score::No };
        match (archive.find(MANIFEST), archive.find(CONFIG)) {
            (Some(_), _) => Score::Certain,
            (None, Some(_)) => Score::Likely,
            (None, None) => Score::No,
        }
    }

    async fn read(&self, input: &mut Input<'_>) -> Result<Package, Problem> {
        let Input { reader, container, .. } = input;
        let missing = || Code::ManifestMissing.problem("the bundle has no manifest of its base module");
        let archive = container.zip().ok_or_else(missing)?;
        let entry = archive.unique(MANIFEST)?.ok_or_else(missing)?;
        let data = archive.read(reader, &entry, reader.limits().manifest_bytes).await?;
        let manifest = Manifest::read(reader, &data)?;
        let table = Table::open(reader, archive, &manifest).await?;
        let content = Content::of(reader, archive)?;
        let mut package = describe(reader, archive, &manifest, &table)?;
        let names = |names: &BTreeSet<&[u8]>, reader: &mut Reader<'_>| -> Vec<String> {
            names.iter().map(|name| reader.text(&String::from_utf8_lossy(name))).collect()
        };
        package.details.insert("modules".to_owned(), names(&content.modules, reader).into());
        let version = bundletool(reader, archive).await?;
        package.details.insert("bundletoolVersion".to_owned(), version.map_or(Json::Null, Json::from));
        package.architectures = names(&content.architectures, reader);
        let mut signers = Signers::default();
        signature::apk::jar(reader, archive, &content.signatures, &mut signers).await?;
        package.signers = signers.finish(reader);
        Ok(package)
    }
}

/// What the names of the entries say.
#[derive(Default)]
struct Content<'a> {
    modules: BTreeSet<&'a [u8]>,
    architectures: BTreeSet<&'a [u8]>,
    signatures: Vec<&'a [u8]>,
}

impl<'a> Content<'a> {
    fn of(reader: &Reader<'_>, archive: &'a Archive) -> Result<Self, Problem> {
        /// Architectures listed; Android knows fewer than ten.
        const MOST: usize = 64;
        let most = reader.limits().values;
        let mut content = Self::default();
        for (index, entry) in archive.entries().enumerate() {
            if index.is_multiple_of(1_024) {
                reader.check_time()?;
            }
            if let Some(module) = entry.name.strip_suffix(b"/manifest/AndroidManifest.xml") {
                if !module.is_empty() && !module.contains(&b'/') && content.modules.len() < most {
                    content.modules.insert(module);
                }
            } else if let Some(rest) = entry.name.strip_prefix(b"base/lib/") {
                let mut parts = rest.splitn(2, |byte| *byte == b'/');
                if let (Some(name), Some(file)) = (parts.next(), parts.next())
                    && !name.is_empty()
                    && !file.is_empty()
                    && content.architectures.len() < MOST
                {
                    content.architectures.insert(name);
                }
            } else if signature::apk::is_jar_signature(entry.name) {
                content.signatures.push(entry.name);
            }
        }
        Ok(content)
    }
}

/// The version of bundletool that made the bundle. It says nothing about who the app is, so its absence is no error.
async fn bundletool(reader: &mut Reader<'_>, archive: &Archive) -> Result<Option<String>, Problem> {
    const LONGEST: u64 = 1 << 20;
    let Some(entry) = archive.find(CONFIG) else { return Ok(None) };
    let Ok(data) = archive.read(reader, &entry, LONGEST).await else {
        return reader.check_time().map(|()| None);
    };
    let tool = Fields::new(&data).last(1).ok().flatten().and_then(Value::bytes);
    // other tools than bundletool write it to the field before
    let field = |number| Fields::new(tool?).last(number).ok().flatten().and_then(Value::text);
    let version = field(2).or_else(|| field(1));
    Ok(version.map(|version| reader.text(version)))
}

fn describe(
    reader: &mut Reader<'_>,
    archive: &Archive,
    manifest: &Manifest,
    table: &Table,
) -> Result<Package, Problem> {
    let mut details = Map::new();
    let code = table.text(reader, &manifest.version_code)?;
    let major = table.text(reader, &manifest.version_code_major)?;
    let version = table.text(reader, &manifest.version_name)?;
    let min_sdk = table.text(reader, &manifest.min_sdk)?;
    let target_sdk = table.text(reader, &manifest.target_sdk)?;
    let (label, others) = table.localized(reader, &manifest.label)?;
    let icons = icons(reader, archive, manifest, table)?;
    let yes = |text: Option<String>| matches!(text.as_deref(), Some("true" | "1" | "-1"));
    let debuggable = yes(table.text(reader, &manifest.debuggable)?);
    let test_only = yes(table.text(reader, &manifest.test_only)?);
    let optional = |text: &Option<String>| text.clone().map_or(Json::Null, Json::String);
    let mut put = |name: &str, value: Json| details.insert(name.to_owned(), value);
    put("minSdkVersion", optional(&min_sdk));
    put("targetSdkVersion", optional(&target_sdk));
    let effective = target_sdk.clone().or_else(|| min_sdk.clone()).unwrap_or_else(|| "1".to_owned());
    let declares = |name: &str| manifest.permissions.iter().any(|one| one == name);
    put("impliedPermissions", implied_permissions(&effective, declares).into());
    put("effectiveTargetSdkVersion", effective.into());
    put("maxSdkVersion", optional(&table.text(reader, &manifest.max_sdk)?));
    put("compileSdkVersion", optional(&table.text(reader, &manifest.compile_sdk)?));
    put("split", manifest.split.as_deref().map_or(Json::Null, |split| reader.text(split).into()));
    if debuggable {
        reader.note(Anomaly::Debuggable);
    }
    put("debuggable", debuggable.into());
    put("testOnly", test_only.into());
    put("permissions", manifest.permissions.iter().map(|name| reader.text(name)).collect());
    put("permissionsSdk23", manifest.permissions_sdk23.iter().map(|name| reader.text(name)).collect());
    put("features", manifest.features.iter().map(|name| reader.text(name)).collect());
    let launchable: Vec<String> =
        manifest.launchable.iter().map(|name| reader.text(&qualified(&manifest.package, name))).collect();
    put("launchable", launchable.first().cloned().map_or(Json::Null, Json::String));
    put("launchableAll", launchable.into());
    let others = others.into_iter().map(|(tag, text)| (tag, Json::String(text)));
    put("localizedLabels", Json::Object(others.collect()));
    let by_density = icons.iter().map(|(density, path)| (density.to_string(), Json::from(path.as_str())));
    put("iconsByDensity", Json::Object(by_density.collect()));
    Ok(Package {
        id: manifest.package.clone(),
        name: label,
        version,
        version_code: number(code).map(|code| long_version(number(major).unwrap_or(0), code).to_string()),
        platform: Some(Platform::Android),
        min_os: min_sdk,
        icon: preferred(&icons),
        details,
        ..Package::default()
    })
}

/// A number in decimal or, as some builds spell it, hexadecimal digits.
fn number(text: Option<String>) -> Option<i32> {
    let text = text?;
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok().map(u32::cast_signed),
        None => text.parse().ok(),
    }
}

/// Icons by density that the archive really holds, with their paths in it.
fn icons(
    reader: &mut Reader<'_>,
    archive: &Archive,
    manifest: &Manifest,
    table: &Table,
) -> Result<Vec<(u16, String)>, Problem> {
    let mut icons: Vec<(u16, String)> = Vec::new();
    for declared in [&manifest.icon, &manifest.round_icon] {
        for (density, path) in table.files(reader, declared)? {
            let density = if density == 0 { UNMARKED } else { density };
            let path = format!("base/{path}");
            if archive.find(path.as_bytes()).is_none() {
                reader.note(Anomaly::IconMissing);
            } else if !icons.iter().any(|(known, _)| *known == density) {
                icons.push((density, reader.text(&path)));
            }
        }
        if !icons.is_empty() {
            break;
        }
    }
    icons.sort_unstable_by_key(|(density, _)| *density);
    Ok(icons)
}

fn text(value: Value<'_>) -> Result<&str, Problem> {
    value.text().ok_or_else(|| invalid("has a text that is none"))
}
fn invalid(what: &str) -> Problem {
    Code::ManifestInvalid.problem(format!("the manifest {what}"))
}
