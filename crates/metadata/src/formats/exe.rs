//! Windows programs and libraries.
//!
//! What a program says about itself is its version resource: numbers, and texts with names of their own. Source:
//! Microsoft's reference of the PE format and of `VS_VERSIONINFO`.

use appdepot_core::inspect::{self, Hint, Package, Platform, Problem, Signer};
use async_trait::async_trait;
use serde_json::{Map, Value as Json};

use crate::bytes::{u16_at, u32_at};
use crate::containers::Packing;
use crate::containers::pe::{self, Image};
use crate::der;
use crate::error::{Anomaly, Code};
use crate::reader::Reader;
use crate::registry::{Format, Input, Probe, Score};
use crate::signature::Signers;

const IS_DLL: u16 = 0x2000;
/// Texts that name a program, the best first.
const NAMES: [&str; 4] = ["ProductName", "FileDescription", "OriginalFilename", "InternalName"];

/// Reads `.exe` and `.dll` files.
#[derive(Debug, Clone, Copy, Default)]
pub struct Exe;

#[async_trait]
impl Format for Exe {
    fn name(&self) -> inspect::Format {
        inspect::Format::Exe
    }

    fn packing(&self) -> Packing {
        Packing::Plain
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["exe", "dll", "scr", "ocx", "cpl"]
    }

    fn score(&self, probe: &Probe<'_>) -> Score {
        if pe::is_program(probe.head) {
            Score::Certain
        } else if pe::may_be_program(probe.head, probe.length) {
            Score::Possible
        } else {
            Score::No
        }
    }

    async fn read(&self, input: &mut Input<'_>) -> Result<Package, Problem> {
        let reader = &mut input.reader;
        let image = Image::open(reader).await?;
        let resource = image.version(reader).await?.unwrap_or_default();
        let version = Version::read(reader, &resource);
        let signers = signers(reader, &image).await?;
        Ok(describe(reader, &image, version, signers, input.hint))
    }
}

/// What a version resource says.
#[derive(Debug, Default)]
struct Version {
    /// The file's version in numbers.
    fixed: Option<String>,
    texts: Map<String, Json>,
}

/// One block of a version resource.
struct Block<'a> {
    key: String,
    /// What follows the key, children and padding included.
    content: &'a [u8],
    /// How much of that is the block's own value, in the unit the block likes.
    value_len: u16,
}

impl Version {
    fn read(reader: &mut Reader<'_>, data: &[u8]) -> Self {
        const MARK: u32 = 0xfeef_04bd;
        let mut version = Self::default();
        let Some(root) = Blocks(data).next().filter(|root| root.key == "VS_VERSION_INFO") else {
            return version;
        };
        let fixed = |at: usize| u16_at(root.content, at);
        if u32_at(root.content, 0) == Some(MARK)
            && let (Some(a), Some(b), Some(c), Some(d)) = (fixed(10), fixed(8), fixed(14), fixed(12))
        {
            version.fixed = Some(format!("{a}.{b}.{c}.{d}"));
        }
        let own = usize::from(root.value_len).next_multiple_of(4);
        let infos = Blocks(root.content.get(own..).unwrap_or_default());
        let tables = infos.filter(|info| info.key == "StringFileInfo").flat_map(|info| Blocks(info.content));
        // the first language is the one people are shown when none fits
        let texts = tables.take(1).flat_map(|table| Blocks(table.content));
        for text in texts.take(reader.limits().values) {
            let value = utf16(text.content);
            let (key, value) = (reader.text(&text.key), reader.text(&value));
            version.texts.entry(key).or_insert(value.into());
        }
        version
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.texts.get(key).and_then(Json::as_str).map(str::trim).filter(|text| !text.is_empty())
    }
}

/// Blocks one after the other, each at a multiple of four bytes.
struct Blocks<'a>(&'a [u8]);

impl<'a> Iterator for Blocks<'a> {
    type Item = Block<'a>;

    fn next(&mut self) -> Option<Block<'a>> {
        const HEADER: usize = 6;
        let len = usize::from(u16_at(self.0, 0)?);
        // a block without even a header would never end
        let block = self.0.get(..len.min(self.0.len())).filter(|block| block.len() >= HEADER)?;
        let value_len = u16_at(block, 2)?;
        let names = block.get(HEADER..)?;
        let units = names.as_chunks::<2>().0;
        let end = units.iter().position(|unit| *unit == [0, 0])?;
        let key = utf16(names.get(..end * 2)?);
        let start = (HEADER + end * 2 + 2).next_multiple_of(4);
        self.0 = self.0.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(Block { key, content: block.get(start..).unwrap_or_default(), value_len })
    }
}

/// The text up to its end mark; halves of pairs become U+FFFD.
fn utf16(data: &[u8]) -> String {
    let units = data.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit));
    char::decode_utf16(units.take_while(|unit| *unit != 0))
        .map(|one| one.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

/// The certificates of the table behind the program.
async fn signers(reader: &mut Reader<'_>, image: &Image) -> Result<Vec<Signer>, Problem> {
    const HEADER: usize = 8;
    const PKCS7: u16 = 2;
    /// Signatures looked at.
    const MOST: usize = 16;
    let (offset, size) = image.certificates;
    if size == 0 {
        return Ok(Vec::new());
    }
    let there = reader.length().saturating_sub(offset.into());
    let len = u64::from(size).min(there).min(reader.limits().signature_bytes);
    let len = usize::try_from(len).unwrap_or(0);
    let data = if len == 0 { bytes::Bytes::new() } else { reader.bytes(offset.into(), len).await? };
    let mut signers = Signers::default();
    let mut rest = &data[..];
    let mut any = false;
    for _ in 0..MOST {
        let Some(len) = u32_at(rest, 0).and_then(|len| usize::try_from(len).ok()) else { break };
        let Some(entry) = rest.get(HEADER..len) else { break };
        if u16_at(rest, 6) == Some(PKCS7) {
            // the entry may be padded, which DER is not
            for certificate in der::pkcs7_signers(entry).unwrap_or_default() {
                signers.add(certificate, "authenticode");
                any = true;
            }
        }
        rest = len.checked_next_multiple_of(8).and_then(|next| rest.get(next..)).unwrap_or_default();
    }
    if !any {
        reader.note(Anomaly::SignatureInvalid);
    }
    Ok(signers.finish(reader))
}

fn describe(
    reader: &mut Reader<'_>,
    image: &Image,
    version: Version,
    signers: Vec<Signer>,
    hint: &Hint,
) -> Package {
    let named = NAMES.iter().find_map(|key| version.text(key)).map(str::to_owned);
    // a program without a version resource has no name but that of its file
    let stem = || {
        let name = hint.file_name.as_deref()?.rsplit(['/', '\\']).next()?;
        Some(name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned())
    };
    let mut id = named.or_else(stem).unwrap_or_default();
    if id.len() > reader.limits().identifier_bytes {
        reader.refuse(Code::LimitString.problem("the product name is too long"));
        id = id.chars().take(64).collect();
    }
    let name = NAMES.iter().take(2).find_map(|key| version.text(key)).map(str::to_owned);
    let shown = version.text("ProductVersion").or_else(|| version.text("FileVersion")).map(str::to_owned);
    let mut details = Map::new();
    let mut put = |key: &str, value: Json| details.insert(key.to_owned(), value);
    put("isDll", (image.characteristics & IS_DLL != 0).into());
    put("machine", format!("{:#x}", image.machine).into());
    put("pe32plus", image.plus.into());
    put("signed", (image.certificates.1 > 0).into());
    put("subsystem", image.subsystem.into());
    put("timestamp", image.timestamp.into());
    if let Some(fixed) = &version.fixed {
        put("fixedFileVersion", fixed.as_str().into());
    }
    if !version.texts.is_empty() {
        put("version", version.texts.into());
    }
    Package {
        id: reader.text(&id),
        name: name.map(|name| reader.label(&name)),
        version: shown.or_else(|| version.fixed.clone()),
        version_code: version.fixed,
        platform: Some(Platform::Windows),
        architectures: architecture(image.machine).map(str::to_owned).into_iter().collect(),
        min_os: (image.minimum.0 > 0).then(|| format!("{}.{}", image.minimum.0, image.minimum.1)),
        signers,
        details,
        ..Package::default()
    }
}

const fn architecture(machine: u16) -> Option<&'static str> {
    match machine {
        0x014c => Some("x86"),
        0x8664 => Some("x64"),
        0x01c0 | 0x01c2 | 0x01c4 => Some("arm"),
        0xaa64 | 0xa641 | 0xa64e => Some("arm64"),
        0x0200 => Some("ia64"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_end() {
        assert!(Blocks(&[0; 64]).next().is_none());
        assert!(Blocks(&[0xff; 64]).next().is_none());
        assert!(Blocks(&[6, 0, 0, 0, 0, 0]).next().is_none());
        assert_eq!(utf16(&[b'a', 0, 0x00, 0xd8, 0, 0, b'b', 0]), "a\u{fffd}");
    }
}
