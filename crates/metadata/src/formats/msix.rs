//! MSIX and AppX packages, and bundles of them.
//!
//! Both are ZIP archives: `AppxManifest.xml` says who a package is, `AppxMetadata/AppxBundleManifest.xml` who a
//! bundle is. Source: Microsoft's package manifest and bundle manifest schema references.

use std::collections::BTreeSet;

use appdepot_core::inspect::{self, Package, Platform, Problem};
use async_trait::async_trait;
use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256};

use crate::containers::Packing;
use crate::containers::zip::Archive;
use crate::der;
use crate::error::{Anomaly, Code};
use crate::reader::Reader;
use crate::registry::{Format, Input, Probe, Score};
use crate::signature::Signers;
use crate::xml::{self, Element, Event, Xml};

const PACKAGE: &str = "AppxManifest.xml";
const BUNDLE: &str = "AppxMetadata/AppxBundleManifest.xml";
const SIGNATURE: &[u8] = b"AppxSignature.p7x";
/// What stands before the PKCS#7 data in the signature file.
const SIGNATURE_MAGIC: &[u8] = b"PKCX";
/// How a label says that it is to be looked up in the package's resources.
const RESOURCE: &str = "ms-resource:";

/// What an `Identity` may say, in the details under the same names.
const IDENTITY: [&str; 5] = ["Name", "Publisher", "Version", "ProcessorArchitecture", "ResourceId"];
/// Children of `Properties`, in the details under the same names.
const PROPERTIES: [&str; 6] =
    ["DisplayName", "PublisherDisplayName", "Description", "Logo", "Framework", "ResourcePackage"];
/// Device families whose minimum version stands for the package's, before any other.
const FAMILIES: [&str; 2] = ["Windows.Desktop", "Windows.Universal"];

/// Device families taken from the packages of a bundle.
const MOST_FAMILIES: usize = 64;

/// Reads `.msix` and `.appx` packages and bundles.
#[derive(Debug, Clone, Copy, Default)]
pub struct Msix;

#[async_trait]
impl Format for Msix {
    fn name(&self) -> inspect::Format {
        inspect::Format::Msix
    }

    fn packing(&self) -> Packing {
        Packing::Zip
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["msix", "appx", "msixbundle", "appxbundle"]
    }

    fn score(&self, probe: &Probe<'_>) -> Score {
        let Some(archive) = probe.container.zip() else { return Score::No };
        match archive.find(PACKAGE.as_bytes()).or_else(|| archive.find(BUNDLE.as_bytes())) {
            Some(_) => Score::Certain,
            None => Score::No,
        }
    }

    async fn read(&self, input: &mut Input<'_>) -> Result<Package, Problem> {
        let Input { reader, container, .. } = input;
        let missing = || Code::ManifestMissing.problem("the archive has no manifest");
        let archive = container.zip().ok_or_else(missing)?;
        let (path, entry) = match (archive.unique(PACKAGE.as_bytes())?, archive.unique(BUNDLE.as_bytes())?) {
            (Some(entry), None) => (PACKAGE, entry),
            (None, Some(entry)) => (BUNDLE, entry),
            (None, None) => return Err(missing()),
            (Some(_), Some(_)) => {
                return Err(Code::ZipAmbiguous.problem("the archive is a package and a bundle at once"));
            }
        };
        let data = archive.read(reader, &entry, reader.limits().manifest_bytes).await?;
        let manifest = Manifest::read(reader, &xml::decode(&data)?)?;
        let mut package = describe(reader, manifest, path == BUNDLE)?;
        package.icon = icon(reader, archive, &package.details);
        package.details.insert("bundle".to_owned(), (path == BUNDLE).into());
        package.details.insert("manifest".to_owned(), path.into());
        let signature = archive.unique(SIGNATURE)?;
        package.details.insert("signed".to_owned(), signature.is_some().into());
        if let Some(entry) = signature {
            match archive.read(reader, &entry, reader.limits().signature_bytes).await {
                Ok(data) => package.signers = signers(reader, &data),
                Err(problem) => reader.refuse(problem),
            }
        }
        Ok(package)
    }
}

/// What is taken from a manifest.
#[derive(Debug, Default)]
struct Manifest {
    root: String,
    identity: Option<Map<String, Json>>,
    properties: Map<String, Json>,
    families: Vec<Json>,
    /// Packages of a bundle.
    packages: Vec<Json>,
    /// Architectures of the applications in a bundle.
    architectures: BTreeSet<String>,
    capabilities: Vec<Json>,
    applications: Vec<Json>,
    os_minimum: Option<String>,
}

impl Manifest {
    fn read(reader: &mut Reader<'_>, text: &str) -> Result<Self, Problem> {
        let mut xml = Xml::new(text);
        let mut manifest = Self::default();
        let mut section = String::new();
        while let Some(event) = xml.next(reader)? {
            let Event::Start(element) = event else { continue };
            let depth = xml.depth();
            match depth {
                1 => element.name().clone_into(&mut manifest.root),
                2 => element.name().clone_into(&mut section),
                _ => {}
            }
            match (depth, section.as_str(), element.name()) {
                (2, _, "Identity") => manifest.identity(reader, &element)?,
                (3, "Properties", name) if PROPERTIES.contains(&name) => {
                    let name = name.to_owned();
                    let text = xml.text(reader, reader.limits().output_string_bytes)?;
                    if !manifest.properties.contains_key(&name) {
                        let text = reader.text(&text);
                        manifest.properties.insert(name, text.into());
                    }
                }
                (3, "Prerequisites", "OSMinVersion") => {
                    let text = xml.text(reader, reader.limits().identifier_bytes)?;
                    manifest.os_minimum.get_or_insert(reader.text(&text));
                }
                (3, "Dependencies", "TargetDeviceFamily") => {
                    let family = attributes(reader, &element, &["Name", "MinVersion", "MaxVersionTested"])?;
                    push(reader, &mut manifest.families, family);
                }
                // in bundles each package says it; most say the same
                (5, "Packages", "TargetDeviceFamily") if manifest.families.len() < MOST_FAMILIES => {
                    let family = attributes(reader, &element, &["Name", "MinVersion", "MaxVersionTested"])?;
                    if !manifest.families.iter().any(|known| known.as_object() == Some(&family)) {
                        manifest.families.push(family.into());
                    }
                }
                (3, "Packages", "Package") => manifest.bundled(reader, &element)?,
                (3, "Capabilities", _) => {
                    if let Some(name) = element.attribute("Name")? {
                        let name = reader.text(&name);
                        push(reader, &mut manifest.capabilities, name);
                    }
                }
                (3, "Applications", "Application") => {
                    let one = attributes(reader, &element, &["Id", "Executable", "EntryPoint"])?;
                    push(reader, &mut manifest.applications, one);
                }
                _ => {}
            }
        }
        Ok(manifest)
    }

    fn identity(&mut self, reader: &mut Reader<'_>, element: &Element<'_>) -> Result<(), Problem> {
        if self.identity.is_some() {
            return Err(Code::ManifestInvalid.problem("the manifest holds two identities"));
        }
        self.identity = Some(attributes(reader, element, &IDENTITY)?);
        Ok(())
    }

    fn bundled(&mut self, reader: &mut Reader<'_>, element: &Element<'_>) -> Result<(), Problem> {
        let names = ["Type", "Version", "Architecture", "ResourceId", "FileName"];
        let package = attributes(reader, element, &names)?;
        let is = |key: &str, value: &str| package.get(key).and_then(Json::as_str) == Some(value);
        if is("Type", "application") && self.architectures.len() < reader.limits().values {
            // what the schema takes where none is given
            let architecture = package.get("Architecture").and_then(Json::as_str).unwrap_or("neutral");
            self.architectures.insert(architecture.to_owned());
        }
        push(reader, &mut self.packages, package);
        Ok(())
    }
}

fn push(reader: &Reader<'_>, list: &mut Vec<Json>, value: impl Into<Json>) {
    if list.len() < reader.limits().values {
        list.push(value.into());
    }
}

fn attributes(
    reader: &mut Reader<'_>,
    element: &Element<'_>,
    names: &[&str],
) -> Result<Map<String, Json>, Problem> {
    let mut found = Map::new();
    for name in names {
        if let Some(value) = element.attribute(name)? {
            found.insert((*name).to_owned(), reader.text(&value).into());
        }
    }
    Ok(found)
}

fn describe(reader: &mut Reader<'_>, manifest: Manifest, bundle: bool) -> Result<Package, Problem> {
    let invalid = |message: &str| Code::ManifestInvalid.problem(message);
    if manifest.root != if bundle { "Bundle" } else { "Package" } {
        return Err(invalid("the manifest is of another kind of document"));
    }
    let mut details = manifest.identity.ok_or_else(|| invalid("the manifest holds no identity"))?;
    let text = |details: &Map<String, Json>, key: &str| {
        details.get(key).and_then(Json::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let id = text(&details, "Name").ok_or_else(|| invalid("the identity holds no name"))?;
    if id.len() > reader.limits().identifier_bytes {
        return Err(Code::LimitString.problem("the package name is too long"));
    }
    if !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte)) {
        reader.refuse(invalid("the package name holds characters it may not"));
    }
    let version = text(&details, "Version");
    if !version.iter().all(|version| version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')) {
        reader.refuse(invalid("the version holds characters it may not"));
    }
    if let Some(publisher) = text(&details, "Publisher") {
        let family = format!("{id}_{}", publisher_id(&publisher));
        details.insert("PackageFamilyName".to_owned(), family.into());
    }
    details.extend(manifest.properties);
    let name = text(&details, "DisplayName").filter(|name| !name.starts_with(RESOURCE));
    let minimum = FAMILIES
        .iter()
        .find_map(|name| manifest.families.iter().find(|family| family["Name"] == *name))
        .or_else(|| manifest.families.first())
        .and_then(|family| family["MinVersion"].as_str().map(str::to_owned))
        .or_else(|| manifest.os_minimum.clone());
    let architecture = text(&details, "ProcessorArchitecture");
    let mut put = |key: &str, value: Vec<Json>| {
        if !value.is_empty() {
            details.insert(key.to_owned(), value.into());
        }
    };
    put("TargetDeviceFamily", manifest.families);
    put("packages", manifest.packages);
    put("capabilities", manifest.capabilities);
    put("applications", manifest.applications);
    if let Some(minimum) = manifest.os_minimum {
        details.insert("OSMinVersion".to_owned(), minimum.into());
    }
    Ok(Package {
        id,
        name: name.map(|name| reader.label(&name)),
        version,
        platform: Some(Platform::Windows),
        architectures: manifest.architectures.into_iter().chain(architecture).collect(),
        min_os: minimum,
        details,
        ..Package::default()
    })
}

/// The publisher's part of a package family name: the first 64 bits of the SHA-256 of the name in UTF-16, in a base
/// 32 without `i`, `l`, `o`, `u`.
fn publisher_id(publisher: &str) -> String {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let name: Vec<u8> = publisher.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let bits = Sha256::digest(name).first_chunk().map_or(0, |chunk| u64::from_be_bytes(*chunk));
    // thirteen digits hold 65 bits; the last one is zero
    let bits = u128::from(bits) << 1;
    (0..13)
        .rev()
        .filter_map(|place| DIGITS.get(usize::try_from(bits >> (place * 5) & 31).ok()?).copied())
        .map(char::from)
        .collect()
}

fn signers(reader: &mut Reader<'_>, data: &[u8]) -> Vec<inspect::Signer> {
    let found = data.strip_prefix(SIGNATURE_MAGIC).and_then(der::pkcs7_signers).unwrap_or_default();
    if found.is_empty() {
        reader.note(Anomaly::SignatureInvalid);
    }
    let mut signers = Signers::default();
    for certificate in found {
        signers.add(certificate, "appx");
    }
    signers.finish(reader)
}

/// The logo the manifest names, or of the files made for several scales the largest: `Logo.scale-200.png` is for
/// `Logo.png`.
fn icon(reader: &mut Reader<'_>, archive: &Archive, details: &Map<String, Json>) -> Option<String> {
    let logo = details.get("Logo").and_then(Json::as_str).filter(|logo| !logo.starts_with(RESOURCE))?;
    let logo = logo.replace('\\', "/").to_ascii_lowercase();
    let (stem, ending) = logo.rsplit_once('.')?;
    let mut best: Option<(u32, &str)> = None;
    for entry in archive.entries() {
        let Some(path) = entry.path() else { continue };
        let scale = scale(path, stem, ending);
        if let Some(scale) = scale.filter(|scale| best.is_none_or(|(known, _)| known < *scale)) {
            best = Some((scale, path));
        }
    }
    if best.is_none() {
        reader.note(Anomaly::IconMissing);
    }
    best.map(|(_, path)| reader.text(path))
}

/// The scale that `path` is the picture `stem.ending` for, in percent.
fn scale(path: &str, stem: &str, ending: &str) -> Option<u32> {
    let head = path.get(..stem.len())?;
    let middle = path.get(stem.len()..path.len().checked_sub(ending.len() + 1)?)?;
    let tail = path.get(stem.len() + middle.len()..)?;
    if !head.eq_ignore_ascii_case(stem) || !tail.get(1..)?.eq_ignore_ascii_case(ending) {
        return None;
    }
    match middle {
        "" => Some(100),
        _ => middle.strip_prefix(".scale-")?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_family_of_a_publisher() {
        let name = "CN=Microsoft Corporation, O=Microsoft Corporation, L=Redmond, S=Washington, C=US";
        assert_eq!(publisher_id(name), "8wekyb3d8bbwe");
    }

    #[test]
    fn logos_for_scales() {
        assert_eq!(scale("Assets/Logo.png", "assets/logo", "png"), Some(100));
        assert_eq!(scale("Assets/Logo.scale-200.png", "assets/logo", "png"), Some(200));
        for other in
            ["Assets/Logo.contrast-black_scale-200.png", "Assets/Logo2.png", "Logo.png", "Assets/Logo"]
        {
            assert_eq!(scale(other, "assets/logo", "png"), None, "{other}");
        }
    }
}
