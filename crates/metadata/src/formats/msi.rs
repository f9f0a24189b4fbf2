//! Windows Installer databases.
//!
//! A database is a compound file with a stream for each table. Tables hold numbers of strings, the strings stand in
//! `_StringData` one after the other, their lengths in `_StringPool`. Only the `Property` table is read, and of the
//! strings those it names; the summary is a property set ([MS-OLEPS]). Stream names pack two characters into one.

use appdepot_core::domain::Timestamp;
use appdepot_core::inspect::{self, Package, Platform, Problem};
use async_trait::async_trait;
use bytes::Bytes;
use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use serde_json::{Map, Value as Json};

use crate::bytes::{slice_at, u16_at, u32_at, u64_at};
use crate::containers::cfb::{Compound, Places, Stream};
use crate::containers::{Container, Packing};
use crate::der;
use crate::error::{Anomaly, Code};
use crate::reader::Reader;
use crate::registry::{Format, Input, Probe, Score};
use crate::signature::Signers;

const POOL: &str = "_StringPool";
const DATA: &str = "_StringData";
const PROPERTY: &str = "Property";
const SUMMARY: &str = "\u{5}SummaryInformation";
const SIGNATURE: &str = "\u{5}DigitalSignature";

/// Properties taken over into the details under the same names.
const PROPERTIES: [&str; 9] = [
    "ALLUSERS",
    "ARPHELPLINK",
    "ARPURLINFOABOUT",
    "Manufacturer",
    "ProductCode",
    "ProductLanguage",
    "ProductName",
    "ProductVersion",
    "UpgradeCode",
];

/// What the summary says, by the numbers of its properties.
const SUMMARIES: [(u32, &str); 15] = [
    (2, "Title"),
    (3, "Subject"),
    (4, "Author"),
    (5, "Keywords"),
    (6, "Comments"),
    (7, "Template"),
    (8, "Last author"),
    (9, "Revision number (UUID)"),
    (11, "Last printed"),
    (12, "Created"),
    (13, "Last saved"),
    (14, "Version"),
    (15, "Source"),
    (18, "Application"),
    (19, "Security"),
];

/// Reads `.msi` files.
#[derive(Debug, Clone, Copy, Default)]
pub struct Msi;

#[async_trait]
impl Format for Msi {
    fn name(&self) -> inspect::Format {
        inspect::Format::Msi
    }

    fn packing(&self) -> Packing {
        Packing::Compound
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["msi"]
    }

    fn score(&self, probe: &Probe<'_>) -> Score {
        // the same name twice is for reading to refuse
        match probe.container.compound().map(|compound| compound.find(&table(POOL))) {
            Some(Ok(Some(_)) | Err(_)) => Score::Certain,
            _ => Score::No,
        }
    }

    async fn read(&self, input: &mut Input<'_>) -> Result<Package, Problem> {
        let Input { reader, container, .. } = input;
        let Container::Compound(compound) = container else {
            return Err(Code::TypeMismatch.problem("not a compound file"));
        };
        let missing = |name: &str| Code::ManifestMissing.problem(format!("the database has no {name}"));
        let mut streams = [None; 3];
        for (slot, name) in streams.iter_mut().zip([POOL, DATA, PROPERTY]) {
            *slot = Some(compound.find(&table(name))?.ok_or_else(|| missing(name))?);
        }
        let [Some(pool), Some(data), Some(property)] = streams else { return Err(missing(PROPERTY)) };
        let mut details = Map::new();
        let strings = Strings::open(reader, compound, pool, data).await?;
        properties(reader, compound, property, &strings, &mut details).await?;
        if let Some(stream) = compound.find(&utf16(SUMMARY))? {
            let limit = reader.limits().signature_bytes;
            let data = compound.read(reader, stream, limit).await?;
            match summary(reader, &data) {
                Some(summary) => {
                    details.insert("suminfo".to_owned(), summary.into());
                }
                None => reader.refuse(invalid("the summary cannot be read")),
            }
        }
        let signature = compound.find(&utf16(SIGNATURE))?;
        details.insert("signed".to_owned(), signature.is_some().into());
        let mut signers = Signers::default();
        if let Some(stream) = signature {
            let data = compound.read(reader, stream, reader.limits().signature_bytes).await?;
            let found = der::pkcs7_signers(&data).unwrap_or_default();
            if found.is_empty() {
                reader.note(Anomaly::SignatureInvalid);
            }
            found.into_iter().for_each(|certificate| signers.add(certificate, "authenticode"));
        }
        let mut package = describe(reader, details)?;
        package.signers = signers.finish(reader);
        Ok(package)
    }
}

fn invalid(message: &str) -> Problem {
    Code::ManifestInvalid.problem(message)
}

fn utf16(name: &str) -> Vec<u8> {
    name.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// The name of a table's stream: a mark, then two characters of a set of 64 in each unit.
fn table(name: &str) -> Vec<u8> {
    const MARK: u16 = 0x4840;
    const PAIR: u16 = 0x3800;
    const SINGLE: u16 = 0x4800;
    let digit = |one: u8| match one {
        b'0'..=b'9' => u16::from(one - b'0'),
        b'A'..=b'Z' => u16::from(one - b'A') + 10,
        b'a'..=b'z' => u16::from(one - b'a') + 36,
        b'.' => 62,
        _ => 63,
    };
    let mut packed = Vec::with_capacity(name.len() + 3);
    packed.extend_from_slice(&MARK.to_le_bytes());
    for pair in name.as_bytes().chunks(2) {
        let unit = match pair {
            [one, other] => PAIR + digit(*one) + (digit(*other) << 6),
            _ => SINGLE + pair.first().map_or(0, |one| digit(*one)),
        };
        packed.extend_from_slice(&unit.to_le_bytes());
    }
    packed
}

/// The encoding of a code page; what is unknown is read as UTF-8, with a mark for what that is not.
fn encoding(code_page: u32) -> &'static Encoding {
    let label = match code_page {
        0 | 1252 | 28591 => return WINDOWS_1252,
        874 => "windows-874",
        932 => "shift_jis",
        936 => "gbk",
        949 => "euc-kr",
        950 => "big5",
        1250 => "windows-1250",
        1251 => "windows-1251",
        1253 => "windows-1253",
        1254 => "windows-1254",
        1255 => "windows-1255",
        1256 => "windows-1256",
        1257 => "windows-1257",
        1258 => "windows-1258",
        20866 => "koi8-r",
        54936 => "gb18030",
        _ => return UTF_8,
    };
    Encoding::for_label(label.as_bytes()).unwrap_or(UTF_8)
}

/// The strings of the database: where each one lies, not what it says.
struct Strings {
    encoding: &'static Encoding,
    /// Whether numbers of strings take three bytes rather than two.
    wide: bool,
    /// Where each string starts and how long it is, by its number less one.
    places: Vec<(u64, u32)>,
    data: Places,
    data_len: u64,
    /// How much is read at once.
    ahead: usize,
}

impl Strings {
    async fn open(
        reader: &mut Reader<'_>,
        compound: &mut Compound,
        pool: Stream,
        data: Stream,
    ) -> Result<Self, Problem> {
        if pool.size > reader.limits().manifest_bytes {
            return Err(Code::LimitEntries.problem("the database has more strings than are read"));
        }
        let bytes = compound.read(reader, pool, u64::MAX).await?;
        let (records, rest) = bytes.as_chunks::<4>();
        let (Some((head, records)), []) = (records.split_first(), rest) else {
            return Err(invalid("the list of string lengths is cut"));
        };
        let head = u32::from_le_bytes(*head);
        let mut places = Vec::with_capacity(records.len());
        let mut at = 0;
        let mut records = records.iter().map(|[a, b, c, d]| ([*a, *b], [*c, *d]));
        while let Some((len, uses)) = records.next() {
            let mut len = u32::from(u16::from_le_bytes(len));
            if len == 0 && uses != [0, 0] {
                // a length over 64 KiB stands in a record of its own
                let (low, high) = records.next().ok_or_else(|| invalid("a string without its length"))?;
                len = u32::from(u16::from_le_bytes(high)) << 16 | u32::from(u16::from_le_bytes(low));
            }
            places.push((at, len));
            at += u64::from(len);
            if places.len().is_multiple_of(16_384) {
                reader.check_time()?;
            }
        }
        let whole = data.size <= reader.limits().whole_bytes as u64;
        let ahead = if whole { reader.limits().whole_bytes } else { reader.limits().window_bytes };
        Ok(Self {
            encoding: encoding(head & 0x7fff_ffff),
            wide: head >> 31 == 1,
            places,
            data_len: data.size,
            data: compound.locate(reader, data, u64::MAX).await?,
            ahead,
        })
    }

    /// Where the string with this number lies; `None` for the empty one.
    ///
    /// # Errors
    /// `E_MANIFEST_INVALID` when there is no such string.
    fn place(&self, number: u32) -> Result<Option<(u64, u32)>, Problem> {
        let Some(index) = number.checked_sub(1) else { return Ok(None) };
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        match self.places.get(index) {
            Some((at, len)) if at + u64::from(*len) <= self.data_len => Ok(Some((*at, *len))),
            _ => Err(invalid("a row names a string that the database does not hold")),
        }
    }

    async fn bytes(&self, reader: &mut Reader<'_>, at: u64, len: u32) -> Result<Bytes, Problem> {
        // one more, so that the cut is noted
        let most = reader.limits().output_string_bytes + 1;
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(most);
        reader.charge_string(len)?;
        self.data.read(reader, at, len, self.ahead).await
    }
}

/// Reads the wanted rows of the `Property` table: all keys stand before all values.
async fn properties(
    reader: &mut Reader<'_>,
    compound: &mut Compound,
    stream: Stream,
    strings: &Strings,
    details: &mut Map<String, Json>,
) -> Result<(), Problem> {
    let width = if strings.wide { 3 } else { 2 };
    let rows = stream.size / (2 * width);
    if rows > reader.limits().entries as u64 {
        return Err(Code::LimitEntries.problem("the database has more properties than are read"));
    }
    if !stream.size.is_multiple_of(2 * width) {
        return Err(invalid("the table of properties is cut"));
    }
    let data = compound.read(reader, stream, u64::MAX).await?;
    let (keys, values) = data.split_at_checked(data.len() / 2).unwrap_or_default();
    let width = usize::from(strings.wide) + 2;
    for (index, (key, value)) in keys.chunks_exact(width).zip(values.chunks_exact(width)).enumerate() {
        if index.is_multiple_of(256) {
            reader.check_time()?;
        }
        let Some((at, len)) = strings.place(number(key))? else { continue };
        // most keys are of other lengths and need not be read
        if !PROPERTIES.iter().any(|name| u32::try_from(name.len()) == Ok(len)) {
            continue;
        }
        let key = strings.bytes(reader, at, len).await?;
        let Some(name) = PROPERTIES.iter().find(|name| name.as_bytes() == &key[..]) else { continue };
        let value = match strings.place(number(value))? {
            Some((at, len)) => strings.bytes(reader, at, len).await?,
            None => Bytes::new(),
        };
        let (value, _) = strings.encoding.decode_without_bom_handling(&value);
        let value = Json::from(reader.text(&value));
        if details.get(*name).is_some_and(|known| *known != value) {
            return Err(invalid("a property stands in the table twice"));
        }
        details.insert((*name).to_owned(), value);
    }
    Ok(())
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// The summary as far as it is known; `None` when it is no property set.
fn summary(reader: &mut Reader<'_>, data: &[u8]) -> Option<Map<String, Json>> {
    /// Properties of a set; the format knows twenty.
    const MOST: u32 = 256;
    let sections = u32_at(data, 24)?;
    if u16_at(data, 0)? != 0xfffe || !(1..=2).contains(&sections) {
        return None;
    }
    let section = data.get(usize::try_from(u32_at(data, 44)?).ok()?..)?;
    let count = u32_at(section, 4)?;
    if count > MOST {
        return None;
    }
    let mut found = Map::new();
    let property = |index: u32| {
        let at = 8 + usize::try_from(index).ok()? * 8;
        let value = section.get(usize::try_from(u32_at(section, at + 4)?).ok()?..)?;
        Some((u32_at(section, at)?, value))
    };
    let code_page = (0..count).filter_map(property).find(|(id, _)| *id == 1);
    let code_page = code_page.and_then(|(_, value)| u16_at(value, 4)).unwrap_or(0);
    let encoding = encoding(code_page.into());
    for (id, value) in (0..count).map(property).collect::<Option<Vec<_>>>()? {
        let Some((_, name)) = SUMMARIES.iter().find(|(known, _)| *known == id) else { continue };
        let value = match u16_at(value, 0)? {
            2 => Json::from(u16_at(value, 4)?.cast_signed()),
            3 => Json::from(u32_at(value, 4)?.cast_signed()),
            30 => {
                let len = usize::try_from(u32_at(value, 4)?).ok()?;
                let text = slice_at(value, 8, len)?;
                let (text, _) = encoding.decode_without_bom_handling(text);
                Json::from(reader.text(text.trim_end_matches('\0')))
            }
            64 => match file_time(u64_at(value, 4)?) {
                Some(time) => Json::from(time.to_string()),
                None => continue,
            },
            _ => continue,
        };
        found.entry(*name).or_insert(value);
    }
    Some(found)
}

/// A count of 100 ns since 1601; zero is no time.
fn file_time(ticks: u64) -> Option<Timestamp> {
    const TICKS_PER_MILLISECOND: u64 = 10_000;
    const TO_UNIX: i64 = 11_644_473_600_000;
    let milliseconds = i64::try_from(ticks / TICKS_PER_MILLISECOND).ok()?;
    (ticks > 0).then(|| Timestamp::from_millis(milliseconds - TO_UNIX))
}

fn describe(reader: &mut Reader<'_>, mut details: Map<String, Json>) -> Result<Package, Problem> {
    let text = |details: &Map<String, Json>, key: &str| {
        details.get(key).and_then(Json::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let id = text(&details, "ProductCode").ok_or_else(|| invalid("the database has no product code"))?;
    if id.len() > reader.limits().identifier_bytes {
        return Err(Code::LimitString.problem("the product code is too long"));
    }
    if !is_guid(&id) {
        reader.refuse(invalid("the product code is no GUID"));
    }
    let name = text(&details, "ProductName").map(|name| reader.label(&name));
    let template = details.get("suminfo").and_then(|summary| summary["Template"].as_str());
    let mut architectures = Vec::new();
    if let Some(template) = template.map(str::to_owned) {
        let (platforms, languages) = template.split_once(';').unwrap_or((&template, ""));
        let most = reader.limits().values;
        let list = |text: &str| -> Vec<String> {
            let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
            words.take(most).map(str::to_owned).collect()
        };
        let mut platforms = list(platforms);
        if platforms.is_empty() {
            // what the installer takes where none is given
            platforms.push("Intel".to_owned());
        }
        architectures = platforms.iter().map(|name| architecture(name)).collect();
        details.insert("platform".to_owned(), platforms.into());
        details.insert("languages".to_owned(), list(languages).into());
    }
    Ok(Package {
        id,
        name,
        version: text(&details, "ProductVersion"),
        platform: Some(Platform::Windows),
        architectures,
        details,
        ..Package::default()
    })
}

/// The word the other Windows formats use for a platform of the template.
fn architecture(platform: &str) -> String {
    match platform {
        "Intel" => "x86",
        "x64" | "AMD64" => "x64",
        "Intel64" => "ia64",
        "Arm64" => "arm64",
        "Arm" => "arm",
        other => other,
    }
    .to_owned()
}

/// `{8-4-4-4-12}` hexadecimal digits.
fn is_guid(text: &str) -> bool {
    let inside = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let is_group =
        |(part, len): (&str, usize)| part.len() == len && part.bytes().all(|digit| digit.is_ascii_hexdigit());
    inside.is_some_and(|inside| {
        inside.split('-').count() == 5 && inside.split('-').zip([8, 4, 4, 4, 12]).all(is_group)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tables() {
        let units: Vec<u8> = [0x4840u16, 0x3f3f, 0x4577, 0x446c, 0x3e6a, 0x44b2, 0x482f]
            .iter()
            .flat_map(|unit| unit.to_le_bytes())
            .collect();
        assert_eq!(table(POOL), units);
    }

    #[test]
    fn product_codes() {
        assert!(is_guid("{6F9B5694-F0F1-437C-919B-0D2DAF2D9DEA}"));
        for other in ["", "6F9B5694-F0F1-437C-919B-0D2DAF2D9DEA", "{6F9B5694-F0F1-437C-919B-0D2DAF2D9DEG}"] {
            assert!(!is_guid(other), "{other}");
        }
    }

    #[test]
    fn times() {
        assert_eq!(file_time(116_444_736_000_000_000).unwrap().to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(file_time(0), None);
    }
}
