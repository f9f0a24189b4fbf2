//! iOS app archives.
//!
//! An IPA is a ZIP archive with one bundle, `Payload/<name>.app/`, whose `Info.plist` says who the app is. Source:
//! Apple's Information Property List reference and Technical Note TN3125.

use std::collections::BTreeSet;

use appdepot_core::inspect::{self, Package, Platform, Problem};
use async_trait::async_trait;
use serde_json::{Map, Value as Json};

use crate::containers::Packing;
use crate::containers::zip::{Archive, Entry};
use crate::error::{Anomaly, Code};
use crate::formats::profile::Profile;
use crate::plist::{self, Dictionary, Encoding, Value};
use crate::reader::Reader;
use crate::registry::{Format, Input, Probe, Score};

/// Keys that decide which app and which version of it this is; each must have one value.
const IDENTITY: [&str; 3] = ["CFBundleIdentifier", "CFBundleShortVersionString", "CFBundleVersion"];

/// Single values taken over into the details as they are.
const VALUES: [&str; 11] = [
    "CFBundleDisplayName",
    "CFBundleExecutable",
    "CFBundleIdentifier",
    "CFBundleName",
    "CFBundlePackageType",
    "CFBundleShortVersionString",
    "CFBundleVersion",
    "DTPlatformName",
    "DTSDKName",
    "DTXcode",
    "MinimumOSVersion",
];

/// Lists taken over into the details as they are.
const LISTS: [&str; 4] =
    ["CFBundleSupportedPlatforms", "UIBackgroundModes", "UIDeviceFamily", "UIRequiredDeviceCapabilities"];

/// The format of IPA files.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ipa;

#[async_trait]
impl Format for Ipa {
    fn name(&self) -> inspect::Format {
        inspect::Format::Ipa
    }

    fn packing(&self) -> Packing {
        Packing::Zip
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["ipa"]
    }

    fn score(&self, probe: &Probe<'_>) -> Score {
        let Some(archive) = probe.container.zip() else { return Score::No };
        if !archive.may_have_folder(|folder| folder == b"Payload") {
            return Score::No;
        }
        let rank = |entry: Entry<'_>| match in_bundle(entry.name) {
            Some((_, b"Info.plist")) => Score::Certain,
            Some(_) => Score::Likely,
            None if entry.name.starts_with(b"Payload/") => Score::Possible,
            None => Score::No,
        };
        archive.entries().map(rank).max().unwrap_or(Score::No)
    }

    async fn read(&self, input: &mut Input<'_>) -> Result<Package, Problem> {
        let Input { reader, container, .. } = input;
        let archive = container.zip().ok_or_else(|| Code::TypeMismatch.problem("not an archive"))?;
        let bundle = Bundle::find(archive)?;
        let info_path = bundle.path("Info.plist");
        let entry = archive
            .unique(&info_path)?
            .ok_or_else(|| Code::ManifestMissing.problem("the app bundle holds no Info.plist"))?;
        let data = archive.read(reader, &entry, reader.limits().manifest_bytes).await?;
        let value = plist::read(&data)?;
        reader.check_time()?;
        let info = value
            .as_dictionary()
            .ok_or_else(|| Code::ManifestInvalid.problem("Info.plist is not a dictionary"))?;
        let mut package = describe(reader, info)?;
        package.details.insert("infoPath".to_owned(), lossy(reader, &info_path));
        package.details.insert("plistFormat".to_owned(), Encoding::of(&data).as_str().into());
        package.icon = icons(reader, &bundle, info, &mut package.details);
        bundle.inventory(reader, &mut package.details);
        if let Some(profile) = profile(reader, archive, &bundle).await? {
            package.details.insert("provisioning".to_owned(), profile.into());
        }
        if let Some(executable) = text(info, "CFBundleExecutable") {
            package.architectures = architectures(reader, archive, &bundle.path(&executable)).await?;
        }
        Ok(package)
    }
}

/// The one app of the archive.
struct Bundle<'a> {
    archive: &'a Archive,
    /// The name of its folder, `.app` included.
    name: &'a [u8],
}

impl<'a> Bundle<'a> {
    /// # Errors
    /// `E_MANIFEST_MISSING` when there is none; `E_ZIP_AMBIGUOUS` when there are two, of which an installer takes
    /// whichever it meets first.
    fn find(archive: &'a Archive) -> Result<Self, Problem> {
        let mut found: Option<&[u8]> = None;
        for (name, _) in archive.names().filter_map(in_bundle) {
            if found.is_some_and(|found| found != name) {
                return Err(Code::ZipAmbiguous.problem("the archive holds more than one app bundle"));
            }
            found = Some(name);
        }
        let name = found.ok_or_else(|| Code::ManifestMissing.problem("the archive holds no app bundle"))?;
        Ok(Self { archive, name })
    }

    fn path(&self, inside: &str) -> Vec<u8> {
        [b"Payload/", self.name, b"/", inside.as_bytes()].concat()
    }

    /// The entries of the bundle with their paths inside it.
    fn entries(&self) -> impl Iterator<Item = (Entry<'a>, &'a [u8])> {
        self.archive.entries().filter_map(|entry| Some((entry, in_bundle(entry.name)?.1)))
    }

    /// What else is in the bundle.
    fn inventory(&self, reader: &mut Reader<'_>, details: &mut Map<String, Json>) {
        let (mut frameworks, mut plugins) = (BTreeSet::new(), BTreeSet::new());
        let mut assets = false;
        for (_, inside) in self.entries() {
            assets |= inside == b"Assets.car";
            if let Some(name) = folder(inside, b"Frameworks/", b".framework") {
                frameworks.insert(name);
            } else if let Some(name) = folder(inside, b"PlugIns/", b".appex") {
                plugins.insert(name);
            }
        }
        let most = reader.limits().values;
        let mut names =
            |set: BTreeSet<&[u8]>| set.into_iter().take(most).map(|one| lossy(reader, one)).collect();
        details.insert("frameworks".to_owned(), names(frameworks));
        details.insert("plugins".to_owned(), names(plugins));
        details.insert("assetsCar".to_owned(), assets.into());
    }
}

/// The app folder an entry lies in, and its path inside it; `None` for entries elsewhere.
fn in_bundle(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = name.strip_prefix(b"Payload/")?;
    let end = rest.iter().position(|byte| *byte == b'/')?;
    let (app, inside) = rest.split_at_checked(end)?;
    (app.ends_with(b".app") && app != b".app").then_some((app, inside.strip_prefix(b"/")?))
}

/// The name of the folder with this ending that stands in `parent`.
fn folder<'a>(path: &'a [u8], parent: &[u8], ending: &[u8]) -> Option<&'a [u8]> {
    let rest = path.strip_prefix(parent)?;
    let name = rest.get(..rest.iter().position(|byte| *byte == b'/')?)?;
    name.ends_with(ending).then_some(name)
}

fn lossy(reader: &mut Reader<'_>, name: &[u8]) -> Json {
    reader.text(&String::from_utf8_lossy(name)).into()
}

/// The package as `Info.plist` tells it.
fn describe(reader: &mut Reader<'_>, info: &Dictionary) -> Result<Package, Problem> {
    if let Some(key) = IDENTITY.into_iter().find(|key| info.is_ambiguous(key)) {
        return Err(
            Code::ManifestInvalid.problem(format!("Info.plist holds {key} twice with different values"))
        );
    }
    let id = text(info, "CFBundleIdentifier")
        .filter(|id| !id.is_empty())
        .ok_or_else(|| Code::ManifestInvalid.problem("Info.plist holds no bundle identifier"))?;
    if id.len() > reader.limits().identifier_bytes {
        return Err(Code::LimitString.problem("the bundle identifier is too long"));
    }
    if !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)) {
        reader.refuse(Code::ManifestInvalid.problem("the bundle identifier holds characters it may not"));
    }
    let name = ["CFBundleDisplayName", "CFBundleName"]
        .into_iter()
        .find_map(|key| text(info, key).filter(|name| !name.is_empty()));
    let mut package = Package {
        id: reader.text(&id),
        name: name.map(|name| reader.label(&name)),
        platform: Some(Platform::Ios),
        ..Package::default()
    };
    let mut value = |key: &str| text(info, key).map(|value| reader.text(&value));
    package.version = value("CFBundleShortVersionString");
    package.version_code = value("CFBundleVersion");
    package.min_os = value("MinimumOSVersion");
    let details = &mut package.details;
    for key in VALUES {
        if let Some(value) = info.get(key).and_then(|value| plist::single(reader, value)) {
            details.insert(key.to_owned(), value);
        }
    }
    for key in LISTS {
        if let Some(values) = info.get(key).and_then(Value::as_array) {
            details.insert(key.to_owned(), list(reader, values.iter()));
        }
    }
    if let Some(name) = &package.name {
        details.insert("displayName".to_owned(), name.as_str().into());
    }
    let types = info.get("CFBundleURLTypes").and_then(Value::as_array).unwrap_or_default();
    let schemes = types.iter().filter_map(|one| one.as_dictionary()?.get("CFBundleURLSchemes")?.as_array());
    details.insert("urlSchemes".to_owned(), list(reader, schemes.flatten()));
    Ok(package)
}

/// A single value as text; numbers occur where people edit the file by hand.
pub(super) fn text(info: &Dictionary, key: &str) -> Option<String> {
    match info.get(key)? {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Real(number) => Some(number.to_string()),
        _ => None,
    }
}

fn list<'a>(reader: &mut Reader<'_>, values: impl Iterator<Item = &'a Value>) -> Json {
    let most = reader.limits().values;
    values.take(most).filter_map(|value| plist::single(reader, value)).collect()
}

/// Notes the icons in the details and returns the path of the largest.
fn icons(
    reader: &mut Reader<'_>,
    bundle: &Bundle<'_>,
    info: &Dictionary,
    details: &mut Map<String, Json>,
) -> Option<String> {
    let mut names: Vec<&str> = Vec::new();
    for key in ["CFBundleIcons", "CFBundleIcons~ipad"] {
        let primary = info.get(key).and_then(|icons| icons.as_dictionary()?.get("CFBundlePrimaryIcon"));
        if let Some(primary) = primary.and_then(Value::as_dictionary) {
            names.extend(file_names(primary));
        }
    }
    names.extend(file_names(info));
    names.extend(info.get("CFBundleIconFile").and_then(Value::as_str));
    names.truncate(reader.limits().values);
    let wanted: BTreeSet<&str> = names.iter().map(|name| stem(name).0).collect();
    let mut found: Vec<(Entry<'_>, u64)> = Vec::new();
    if !wanted.is_empty() {
        for (entry, inside) in bundle.entries() {
            let Ok(inside) = std::str::from_utf8(inside) else { continue };
            let (stem, scale) = stem(inside);
            if inside.ends_with(".png") && wanted.contains(stem) {
                found.push((entry, points(stem).saturating_mul(scale)));
            }
        }
    }
    if found.is_empty() && !names.is_empty() && bundle.archive.find(&bundle.path("Assets.car")).is_none() {
        reader.note(Anomaly::IconMissing);
    }
    // Of equals the last by name: it is there whatever the order of the entries.
    let best = found.iter().max_by_key(|(entry, pixels)| (*pixels, entry.size, entry.name));
    let best = best.and_then(|(entry, _)| entry.path()).map(str::to_owned);
    found.sort_unstable_by_key(|(entry, _)| entry.name);
    let files = found.iter().map(|(entry, _)| Json::from_iter([("path", lossy(reader, entry.name))]));
    details.insert("iconFiles".to_owned(), files.collect());
    let names = names.into_iter().map(|name| reader.text(name).into()).collect::<Vec<Json>>();
    details.insert("iconNames".to_owned(), names.into());
    best
}

fn file_names(dictionary: &Dictionary) -> impl Iterator<Item = &str> {
    let files = dictionary.get("CFBundleIconFiles").and_then(Value::as_array).unwrap_or_default();
    files.iter().filter_map(Value::as_str).filter(|name| !name.is_empty())
}

/// An icon's name without ending, device and scale, and the scale: `AppIcon60x60@2x~ipad.png` is `AppIcon60x60`, 2.
fn stem(name: &str) -> (&str, u64) {
    let name = name.strip_suffix(".png").unwrap_or(name);
    let name = name.strip_suffix("~ipad").or_else(|| name.strip_suffix("~iphone")).unwrap_or(name);
    match name.rsplit_once('@') {
        Some((stem, "2x")) => (stem, 2),
        Some((stem, "3x")) => (stem, 3),
        _ => (name, 1),
    }
}

/// The edge an icon's name tells, in tenths of a point; 0 when it tells none. The number behind an `x` counts, as
/// prefixes that end in a digit are common: `AppIcon-160x60`.
fn points(stem: &str) -> u64 {
    let start = stem.rfind(|one: char| !one.is_ascii_digit() && one != '.').map_or(0, |at| at + 1);
    let number = stem.get(start..).unwrap_or_default();
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let tenths = fraction.get(..1).and_then(|digit| digit.parse().ok()).unwrap_or(0);
    whole.parse::<u64>().unwrap_or(0).saturating_mul(10).saturating_add(tenths)
}

/// The details of the embedded profile. One that cannot be read leaves the app's identity as it is.
async fn profile(
    reader: &mut Reader<'_>,
    archive: &Archive,
    bundle: &Bundle<'_>,
) -> Result<Option<Map<String, Json>>, Problem> {
    let Some(entry) = archive.unique(&bundle.path("embedded.mobileprovision"))? else { return Ok(None) };
    let data = match archive.read(reader, &entry, reader.limits().signature_bytes).await {
        Ok(data) => data,
        Err(problem) => {
            reader.refuse(problem);
            return Ok(None);
        }
    };
    match Profile::read(&data) {
        Ok(profile) => profile.describe(reader).map(Some),
        Err(_) => {
            reader.note(Anomaly::SignatureInvalid);
            Ok(None)
        }
    }
}

/// The first bytes of an executable that are read: its header and, if it holds several, the list of them.
const EXECUTABLE_HEAD: usize = 1024;

/// The architectures an executable has code for, by its Mach-O or universal header. Empty when it is not there or
/// has no such header.
pub(super) async fn architectures(
    reader: &mut Reader<'_>,
    archive: &Archive,
    path: &[u8],
) -> Result<Vec<String>, Problem> {
    let Some(entry) = archive.find(path) else { return Ok(Vec::new()) };
    let Ok((_, head)) = archive.head(reader, &entry, EXECUTABLE_HEAD).await else {
        // The executable says nothing about who the app is, so what is wrong with it does not matter here.
        return reader.check_time().map(|()| Vec::new());
    };
    Ok(mach_o(&head))
}

/// Source: Apple's `mach-o/fat.h`, `mach-o/loader.h` and `mach/machine.h`.
fn mach_o(head: &[u8]) -> Vec<String> {
    let word = |at: usize| head.get(at..)?.first_chunk::<4>().copied();
    let found = match word(0) {
        // Universal: big-endian count, then 20 bytes for each.
        Some([0xca, 0xfe, 0xba, 0xbe]) => {
            let count = word(4).map_or(0, u32::from_be_bytes).min(16) as usize;
            let kind = |index: usize| {
                let at = 8 + index * 20;
                architecture(u32::from_be_bytes(word(at)?), u32::from_be_bytes(word(at + 4)?))
            };
            (0..count).filter_map(kind).collect()
        }
        // 32 and 64 bits, little-endian.
        Some([0xce | 0xcf, 0xfa, 0xed, 0xfe]) => {
            let kind = |(one, other)| architecture(u32::from_le_bytes(one), u32::from_le_bytes(other));
            word(4).zip(word(8)).and_then(kind).into_iter().collect()
        }
        _ => Vec::new(),
    };
    found.into_iter().map(str::to_owned).collect()
}

const fn architecture(kind: u32, variant: u32) -> Option<&'static str> {
    // The high byte of the variant holds capabilities.
    match (kind, variant & 0x00ff_ffff) {
        (0x0100_000c, 2) => Some("arm64e"),
        (0x0100_000c, _) => Some("arm64"),
        (12, 6) => Some("armv6"),
        (12, 9) => Some("armv7"),
        (12, 11) => Some("armv7s"),
        (12, 12) => Some("armv7k"),
        (12, _) => Some("arm"),
        (7, _) => Some("i386"),
        (0x0100_0007, _) => Some("x86_64"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundles_stand_right_below_the_payload() {
        assert_eq!(in_bundle(b"Payload/A b.app/Info.plist"), Some((&b"A b.app"[..], &b"Info.plist"[..])));
        assert_eq!(in_bundle(b"Payload/A.app/"), Some((&b"A.app"[..], &b""[..])));
        for other in ["Payload/A.app", "Payload/.app/x", "Payload/x/A.app/y", "payload/A.app/x", "A.app/x"] {
            assert_eq!(in_bundle(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn icon_names() {
        assert_eq!(stem("AppIcon60x60@2x~ipad.png"), ("AppIcon60x60", 2));
        assert_eq!(stem("Icon"), ("Icon", 1));
        assert_eq!(points("AppIcon-160x60"), 600);
        assert_eq!(points("AppIcon83.5x83.5"), 835);
        assert_eq!(points("Icon-72"), 720);
        assert_eq!(points("Icon"), 0);
    }

    #[test]
    fn architectures_of_headers() {
        let mut fat = vec![0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 2];
        for kind in [[0, 0, 0, 12, 0, 0, 0, 9], [1, 0, 0, 12, 0, 0, 0, 0]] {
            fat.extend_from_slice(&kind);
            fat.extend_from_slice(&[0; 12]);
        }
        assert_eq!(mach_o(&fat), ["armv7", "arm64"]);
        assert_eq!(mach_o(&[0xcf, 0xfa, 0xed, 0xfe, 12, 0, 0, 1, 2, 0, 0, 0x80]), ["arm64e"]);
        assert!(mach_o(&[0xca, 0xfe, 0xba, 0xbe, 0xff, 0xff, 0xff, 0xff]).is_empty());
        assert!(mach_o(b"#!/bin/sh").is_empty());
    }
}
