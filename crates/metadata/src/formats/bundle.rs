//! Sets of split APKs: `.apks` of bundletool and of SAI, `.xapk`, `.apkm`.
//!
//! A ZIP archive of APKs. One is the base and says who the app is; the others add code for an architecture, pictures
//! for a density, a language. The base is read where it stands when it is stored, which it mostly is.

use appdepot_core::inspect::{self, Package, Problem};
use async_trait::async_trait;
use serde_json::Value as Json;

use super::apk::Apk;
use crate::containers::zip::{Archive, Entry};
use crate::containers::{Container, Packing};
use crate::error::Code;
use crate::reader::{Part, Reader};
use crate::registry::{Format, Input, Probe, Score};

/// The base by the name the tools give it, the surest first.
const BASES: [&[u8]; 4] =
    [b"base.apk", b"splits/base-master.apk", b"universal.apk", b"standalones/universal.apk"];
/// Files that say what the archive is, with the tool that writes them.
const MARKERS: [(&[u8], &str); 3] =
    [(b"toc.pb", "bundletool"), (b"info.json", "apkm"), (b"manifest.json", "xapk")];
/// Architectures as split APKs spell them, and as Android does.
const ARCHITECTURES: [(&str, &str); 7] = [
    ("arm64_v8a", "arm64-v8a"),
    ("armeabi", "armeabi"),
    ("armeabi_v7a", "armeabi-v7a"),
    ("mips", "mips"),
    ("riscv64", "riscv64"),
    ("x86", "x86"),
    ("x86_64", "x86_64"),
];

/// The format of sets of split APKs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bundle;

#[async_trait]
impl Format for Bundle {
    fn name(&self) -> inspect::Format {
        inspect::Format::Bundle
    }

    fn packing(&self) -> Packing {
        Packing::Zip
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["apks", "xapk", "apkm"]
    }

    fn score(&self, probe: &Probe<'_>) -> Score {
        let Some(archive) = probe.container.zip() else { return Score::No };
        // an app may carry others with it
        if archive.find(b"AndroidManifest.xml").is_some() {
            return Score::No;
        }
        let marked = MARKERS.iter().any(|(name, _)| archive.find(name).is_some());
        let based = BASES.iter().any(|name| archive.find(name).is_some());
        match archive.entries().any(|entry| is_part(entry.name)) {
            true if marked || based => Score::Certain,
            true => Score::Likely,
            false => Score::No,
        }
    }

    async fn read(&self, input: &mut Input<'_>) -> Result<Package, Problem> {
        let Input { reader, container, hint } = input;
        let missing = || Code::ManifestMissing.problem("the archive holds no base APK");
        let archive = container.zip().ok_or_else(missing)?;
        let base = find_base(reader, archive).await?.ok_or_else(missing)?;
        let base = archive.unique(base.name)?.ok_or_else(missing)?;
        let (part, in_memory) = open(reader, archive, &base).await?;
        let mut nested = Input { reader: reader.nested(&part), container: Container::Plain, hint };
        let read = read_apk(&mut nested).await;
        let refusal = reader.absorb(nested.reader, in_memory);
        let mut package = match (read, refusal) {
            (Err(_), Some(doubt)) if Code::ZipAmbiguous.is(&doubt) => return Err(doubt),
            (read, refusal) => {
                if let Some(problem) = refusal {
                    reader.refuse(problem);
                }
                read?
            }
        };
        let mut splits = Vec::new();
        for entry in archive.entries().filter(|entry| is_part(entry.name) && entry.name != base.name) {
            if splits.len() >= reader.limits().values {
                break;
            }
            if let Some(architecture) = architecture(entry.name)
                && !package.architectures.iter().any(|known| known == architecture)
            {
                package.architectures.push(architecture.to_owned());
            }
            splits.push(reader.text(&String::from_utf8_lossy(entry.name)));
        }
        package.architectures.sort_unstable();
        splits.sort_unstable();
        let kind = MARKERS.iter().find(|(name, _)| archive.find(name).is_some());
        let details = &mut package.details;
        details.insert("layout".to_owned(), kind.map_or("plain", |(_, kind)| kind).into());
        details.insert("base".to_owned(), reader.text(&String::from_utf8_lossy(base.name)).into());
        details.insert("splits".to_owned(), splits.into());
        Ok(package)
    }
}

/// Whether an entry is an APK where sets have them: at the top, or in the folders of bundletool.
fn is_part(name: &[u8]) -> bool {
    let name = [&b"splits/"[..], b"standalones/", b"apks/"]
        .iter()
        .find_map(|folder| name.strip_prefix(*folder))
        .unwrap_or(name);
    name.len() > 4 && name.ends_with(b".apk") && !name.contains(&b'/')
}

/// Whether the name says that the APK is not the base.
fn is_split(name: &[u8]) -> bool {
    let file = name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    file.starts_with(b"split_") || file.starts_with(b"config.") || file.starts_with(b"base-")
}

/// The architecture a split is for: `split_config.arm64_v8a.apk`, `config.x86.apk`, `base-armeabi_v7a.apk`.
fn architecture(name: &[u8]) -> Option<&'static str> {
    let name = std::str::from_utf8(name).ok()?.strip_suffix(".apk")?;
    let word = name.rsplit(['.', '-', '/']).next()?;
    ARCHITECTURES.iter().find(|(split, _)| *split == word).map(|(_, name)| *name)
}

async fn find_base<'a>(reader: &mut Reader<'_>, archive: &'a Archive) -> Result<Option<Entry<'a>>, Problem> {
    if let Some(base) = BASES.iter().find_map(|name| archive.find(name)) {
        return Ok(Some(base));
    }
    if let Some(entry) = archive.find(b"manifest.json") {
        const LONGEST: u64 = 1 << 20;
        // without it the largest one is as good
        if let Ok(data) = archive.read(reader, &entry, LONGEST).await
            && let Some(base) = listed(&data).and_then(|name| archive.find(name.as_bytes()))
            && is_part(base.name)
        {
            return Ok(Some(base));
        }
        reader.check_time()?;
    }
    let parts = archive.entries().filter(|entry| is_part(entry.name));
    // of equals the first by name, whatever the order of the entries
    Ok(parts.max_by_key(|entry| (!is_split(entry.name), entry.size, std::cmp::Reverse(entry.name))))
}

/// The base that an XAPK's list names.
fn listed(data: &[u8]) -> Option<String> {
    let list: Json = serde_json::from_slice(data).ok()?;
    let parts = list.get("split_apks")?.as_array()?;
    let base = parts.iter().find(|part| part.get("id").and_then(Json::as_str) == Some("base"))?;
    base.get("file")?.as_str().map(str::to_owned)
}

/// The bytes of the base, and whether they had to be unpacked to memory.
async fn open<'s>(
    reader: &mut Reader<'s>,
    archive: &Archive,
    entry: &Entry<'_>,
) -> Result<(Part<'s>, bool), Problem> {
    if entry.is_stored() {
        let (offset, length) = archive.locate(reader, entry, 0).await?;
        return Ok((reader.window(offset, length), false));
    }
    // half, so that its manifest and resources can be inflated too
    let cap = reader.limits().inflated_bytes / 2;
    Ok((Part::Memory(archive.read(reader, entry, cap).await?), true))
}

async fn read_apk(input: &mut Input<'_>) -> Result<Package, Problem> {
    input.container = Container::open(&mut input.reader).await?;
    Apk.read(input).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_splits() {
        for part in ["base.apk", "splits/base-master.apk", "a b.apk", "standalones/x.apk"] {
            assert!(is_part(part.as_bytes()), "{part}");
        }
        for other in [".apk", "assets/x.apk", "base.apk.sig", "splits/a/b.apk"] {
            assert!(!is_part(other.as_bytes()), "{other}");
        }
        assert!(is_split(b"splits/base-de.apk") && is_split(b"config.de.apk") && !is_split(b"com.x.apk"));
        assert_eq!(architecture(b"split_config.arm64_v8a.apk"), Some("arm64-v8a"));
        assert_eq!(architecture(b"splits/base-x86_64.apk"), Some("x86_64"));
        assert_eq!(architecture(b"config.xxhdpi.apk"), None);
        assert_eq!(listed(br#"{"split_apks":[{"file":"a.apk","id":"base"}]}"#).unwrap(), "a.apk");
    }
}
