//! Zipped macOS applications.
//!
//! A ZIP archive with one bundle, `<name>.app/`, whose `Contents/Info.plist` says who the app is. Source: Apple's
//! Information Property List reference.

use appdepot_core::inspect::{self, Package, Platform, Problem};
use async_trait::async_trait;

use super::ipa;
use crate::containers::Packing;
use crate::containers::zip::Archive;
use crate::error::{Anomaly, Code};
use crate::plist::{self, Encoding};
use crate::registry::{Format, Input, Probe, Score};

const INFO: &[u8] = b"Contents/Info.plist";

/// Keys that decide which app and which version of it this is; each must have one value.
const IDENTITY: [&str; 3] = ["CFBundleIdentifier", "CFBundleShortVersionString", "CFBundleVersion"];

/// Single values taken over into the details as they are.
const VALUES: [&str; 13] = [
    "CFBundleDisplayName",
    "CFBundleExecutable",
    "CFBundleIconFile",
    "CFBundleIdentifier",
    "CFBundleName",
    "CFBundlePackageType",
    "CFBundleShortVersionString",
    "CFBundleVersion",
    "DTSDKName",
    "DTXcode",
    "LSApplicationCategoryType",
    "LSMinimumSystemVersion",
    "NSHumanReadableCopyright",
];

/// The format of zipped macOS applications.
#[derive(Debug, Clone, Copy, Default)]
pub struct App;

#[async_trait]
impl Format for App {
    fn name(&self) -> inspect::Format {
        inspect::Format::App
    }

    fn packing(&self) -> Packing {
        Packing::Zip
    }

    fn extensions(&self) -> &'static [&'static str] {
        // they end in .zip, as much else does
        &[]
    }

    fn score(&self, probe: &Probe<'_>) -> Score {
        let Some(archive) = probe.container.zip() else { return Score::No };
        if !archive.may_have_folder(|folder| folder.ends_with(b".app")) {
            return Score::No;
        }
        let is_info = |name| bundle(name).is_some_and(|(_, inside)| inside == INFO);
        if archive.names().any(is_info) { Score::Certain } else { Score::No }
    }

    async fn read(&self, input: &mut Input<'_>) -> Result<Package, Problem> {
        let Input { reader, container, .. } = input;
        let archive = container.zip().ok_or_else(|| Code::TypeMismatch.problem("not an archive"))?;
        let name = only_bundle(archive)?;
        let path = |inside: &[u8]| [name, b"/", inside].concat();
        let entry = archive
            .unique(&path(INFO))?
            .ok_or_else(|| Code::ManifestMissing.problem("the app bundle holds no Info.plist"))?;
        let data = archive.read(reader, &entry, reader.limits().manifest_bytes).await?;
        let value = plist::read(&data)?;
        reader.check_time()?;
        let info = value
            .as_dictionary()
            .ok_or_else(|| Code::ManifestInvalid.problem("Info.plist is not a dictionary"))?;
        if let Some(key) = IDENTITY.into_iter().find(|key| info.is_ambiguous(key)) {
            let problem = format!("Info.plist holds {key} twice with different values");
            return Err(Code::ManifestInvalid.problem(problem));
        }
        let text = |key: &str| ipa::text(info, key).filter(|value| !value.is_empty());
        let id = text("CFBundleIdentifier")
            .ok_or_else(|| Code::ManifestInvalid.problem("Info.plist holds no bundle identifier"))?;
        if id.len() > reader.limits().identifier_bytes {
            return Err(Code::LimitString.problem("the bundle identifier is too long"));
        }
        if !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)) {
            reader.refuse(Code::ManifestInvalid.problem("the bundle identifier holds characters it may not"));
        }
        // the Finder shows the name of the folder where the list has none
        let folder = name.strip_suffix(b".app").map(|name| String::from_utf8_lossy(name).into_owned());
        let label = text("CFBundleDisplayName").or_else(|| text("CFBundleName")).or(folder);
        let mut package = Package {
            id: reader.text(&id),
            name: label.map(|label| reader.label(&label)),
            version: text("CFBundleShortVersionString").map(|value| reader.text(&value)),
            version_code: text("CFBundleVersion").map(|value| reader.text(&value)),
            platform: Some(Platform::Macos),
            min_os: text("LSMinimumSystemVersion").map(|value| reader.text(&value)),
            ..Package::default()
        };
        for key in VALUES {
            if let Some(value) = text(key) {
                package.details.insert(key.to_owned(), reader.text(&value).into());
            }
        }
        if let Some(icon) = text("CFBundleIconFile") {
            let ending = if icon.contains('.') { "" } else { ".icns" };
            let icon = path(format!("Contents/Resources/{icon}{ending}").as_bytes());
            match archive.find(&icon).and_then(|entry| entry.path()) {
                Some(icon) => package.icon = Some(reader.text(icon)),
                None => reader.note(Anomaly::IconMissing),
            }
        }
        let details = &mut package.details;
        details.insert("infoPath".to_owned(), reader.text(&String::from_utf8_lossy(entry.name)).into());
        details.insert("plistFormat".to_owned(), Encoding::of(&data).as_str().into());
        let signed = archive.find(&path(b"Contents/_CodeSignature/CodeResources")).is_some();
        details.insert("signed".to_owned(), signed.into());
        if let Some(executable) = text("CFBundleExecutable") {
            let executable = path(format!("Contents/MacOS/{executable}").as_bytes());
            package.architectures = ipa::architectures(reader, archive, &executable).await?;
        }
        Ok(package)
    }
}

/// The bundle at the top of the archive an entry lies in, and its path inside it.
fn bundle(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let (folder, rest) = name.split_at_checked(name.iter().position(|byte| *byte == b'/')?)?;
    (folder.ends_with(b".app") && folder != b".app").then_some((folder, rest.strip_prefix(b"/")?))
}

/// # Errors
/// `E_MANIFEST_MISSING` when there is none, `E_ZIP_AMBIGUOUS` when there are two.
fn only_bundle(archive: &Archive) -> Result<&[u8], Problem> {
    let mut found: Option<&[u8]> = None;
    for (name, _) in archive.names().filter_map(bundle) {
        if found.is_some_and(|found| found != name) {
            return Err(Code::ZipAmbiguous.problem("the archive holds more than one app bundle"));
        }
        found = Some(name);
    }
    found.ok_or_else(|| Code::ManifestMissing.problem("the archive holds no app bundle"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundles_stand_at_the_top() {
        assert_eq!(bundle(b"A b.app/Contents/Info.plist"), Some((&b"A b.app"[..], INFO)));
        for other in ["A.app", ".app/x", "x/A.app/y", "__MACOSX/A.app/y", "A.App/y"] {
            assert_eq!(bundle(other.as_bytes()), None, "{other}");
        }
    }
}
