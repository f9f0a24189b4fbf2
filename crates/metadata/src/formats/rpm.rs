//! RPM packages.
//!
//! A lead, a header with signatures, a header with tags, the payload. A header is an index of tags over a store of
//! values; only the values that are wanted are read. Sources: the RPM v4 format description, rpmtag.h.

use appdepot_core::inspect::{self, Package, Platform, Problem};
use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Map, Value as Json};

use crate::bytes::{be16_at, be32_at, be64_at, slice_at};
use crate::containers::Packing;
use crate::error::Code;
use crate::reader::Reader;
use crate::registry::{Format, Input, Probe, Score};

const LEAD: usize = 96;
const MAGIC: &[u8] = &[0xed, 0xab, 0xee, 0xdb];
const HEADER: usize = 16;
const HEADER_MAGIC: &[u8] = &[0x8e, 0xad, 0xe8, 0x01];
const ENTRY: usize = 16;
/// What rpm itself allows of tags and of values.
const MOST_TAGS: u32 = 0xffff;
const MOST_BYTES: u32 = 0x0fff_ffff;

const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const EPOCH: u32 = 1003;
const SUMMARY: u32 = 1004;
const SIZE: u32 = 1009;
const OS: u32 = 1021;
const ARCH: u32 = 1022;
const SOURCE_RPM: u32 = 1044;
const LONG_SIZE: u32 = 5009;

/// Values taken over into the details as they are, under rpm's own names.
const VALUES: [(u32, &str); 20] = [
    (NAME, "NAME"),
    (VERSION, "VERSION"),
    (RELEASE, "RELEASE"),
    (EPOCH, "EPOCH"),
    (SUMMARY, "SUMMARY"),
    (1005, "DESCRIPTION"),
    (1006, "BUILDTIME"),
    (1007, "BUILDHOST"),
    (SIZE, "SIZE"),
    (1010, "DISTRIBUTION"),
    (1011, "VENDOR"),
    (1014, "LICENSE"),
    (1015, "PACKAGER"),
    (1016, "GROUP"),
    (1020, "URL"),
    (OS, "OS"),
    (ARCH, "ARCH"),
    (SOURCE_RPM, "SOURCERPM"),
    (1124, "PAYLOADFORMAT"),
    (1125, "PAYLOADCOMPRESSOR"),
];

/// Lists of which the length is told.
const COUNTS: [(u32, &str); 3] = [(1047, "providesCount"), (1049, "requiresCount"), (1054, "conflictsCount")];

/// Signatures by their tag in the signature header.
const SIGNATURES: [(u32, &str); 5] =
    [(267, "dsa"), (268, "rsa"), (278, "openpgp"), (1002, "pgp"), (1005, "gpg")];

/// The format of RPM packages.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rpm;

#[async_trait]
impl Format for Rpm {
    fn name(&self) -> inspect::Format {
        inspect::Format::Rpm
    }

    fn packing(&self) -> Packing {
        Packing::Plain
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["rpm"]
    }

    fn score(&self, probe: &Probe<'_>) -> Score {
        if probe.head.starts_with(MAGIC) { Score::Certain } else { Score::No }
    }

    async fn read(&self, input: &mut Input<'_>) -> Result<Package, Problem> {
        let reader = &mut input.reader;
        let lead = reader.bytes(0, LEAD).await?;
        if !matches!(lead.get(4), Some(3 | 4)) {
            return Err(Code::Unsupported.problem("a version of the package format that is not read"));
        }
        // 5: a header of signatures follows
        if be16_at(&lead, 78) != Some(5) {
            return Err(Code::Unsupported.problem("a kind of signature that is not read"));
        }
        let is_source = be16_at(&lead, 6) == Some(1);
        let signatures = Header::open(reader, LEAD as u64).await?;
        let header = Header::open(reader, signatures.end().next_multiple_of(8)).await?;
        if header.is_empty() {
            return Err(invalid("has no tags"));
        }
        let mut package = describe(reader, &header).await?;
        let details = &mut package.details;
        let found = SIGNATURES.iter().filter(|(tag, _)| signatures.find(*tag).is_some());
        let found: Vec<Json> = found.map(|(_, name)| (*name).into()).collect();
        details.insert("signed".to_owned(), (!found.is_empty()).into());
        details.insert("signatures".to_owned(), found.into());
        details.insert("sourcePackage".to_owned(), is_source.into());
        details.insert("payloadOffset".to_owned(), header.end().into());
        Ok(package)
    }
}

async fn describe(reader: &mut Reader<'_>, header: &Header) -> Result<Package, Problem> {
    for tag in [NAME, VERSION, RELEASE, EPOCH, ARCH] {
        if header.all(tag).nth(1).is_some() {
            return Err(invalid("has a tag of its identity twice"));
        }
    }
    let mut details = Map::new();
    for (tag, name) in VALUES {
        if let Some(text) = header.text(reader, tag).await? {
            let text = if tag == SUMMARY { reader.label(&text) } else { reader.text(&text) };
            details.insert(name.to_owned(), text.into());
        }
    }
    let size = match header.text(reader, LONG_SIZE).await? {
        Some(size) => Some(size.into()),
        None => details.get("SIZE").cloned(),
    };
    details.extend(size.map(|size| ("LONGSIZE".to_owned(), size)));
    for (tag, name) in COUNTS {
        let count = header.find(tag).map_or(0, |entry| entry.count);
        details.insert(name.to_owned(), count.into());
    }
    let text = |name: &str| details.get(name).and_then(Json::as_str).map(str::to_owned);
    let id = text("NAME").filter(|id| !id.is_empty()).ok_or_else(|| invalid("names no package"))?;
    if id.len() > reader.limits().identifier_bytes {
        return Err(Code::LimitString.problem("the package name is too long"));
    }
    if !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte)) {
        return Err(invalid("has a package name that is none"));
    }
    let version = text("VERSION");
    let release = text("RELEASE").map_or(String::new(), |release| format!("-{release}"));
    let epoch = text("EPOCH").map_or(String::new(), |epoch| format!("{epoch}:"));
    let is_linux = text("OS").is_none_or(|os| os.eq_ignore_ascii_case("linux"));
    Ok(Package {
        id,
        name: None,
        version_code: version.as_deref().map(|version| format!("{epoch}{version}{release}")),
        version,
        platform: is_linux.then_some(Platform::Linux),
        architectures: text("ARCH").into_iter().collect(),
        details,
        ..Package::default()
    })
}

/// One tag of an index.
#[derive(Debug, Clone, Copy)]
struct Entry {
    tag: u32,
    kind: u32,
    offset: u32,
    count: u32,
}

impl Entry {
    fn parse(data: &[u8]) -> Option<Self> {
        let field = |at| be32_at(data, at);
        Some(Self { tag: field(0)?, kind: field(4)?, offset: field(8)?, count: field(12)? })
    }

    /// Whether the values lie in a store of this length, as far as the index tells.
    fn fits(&self, store: u64) -> bool {
        let least = match self.kind {
            0 => 0,
            1 | 2 | 6 | 7 | 8 | 9 => 1,
            3 => 2,
            4 => 4,
            5 => 8,
            _ => return false,
        };
        let single = self.kind != 6 || self.count == 1;
        single && u64::from(self.offset) + least * u64::from(self.count) <= store
    }
}

/// An opened header.
struct Header {
    index: Bytes,
    /// Where the values start in the file.
    store: u64,
    /// The length of the values.
    length: u64,
}

impl Header {
    async fn open(reader: &mut Reader<'_>, at: u64) -> Result<Self, Problem> {
        let start = reader.bytes_ahead(at, HEADER, reader.limits().window_bytes).await?;
        if !start.starts_with(HEADER_MAGIC) {
            return Err(invalid("is none"));
        }
        let (count, length) = (be32_at(&start, 8).unwrap_or(0), be32_at(&start, 12).unwrap_or(0));
        // every tag has at least a byte of value
        if count > MOST_TAGS || length > MOST_BYTES || length < count {
            return Err(invalid("has more tags or values than there can be"));
        }
        let index = count as usize * ENTRY;
        let store = at + (HEADER + index) as u64;
        if store + u64::from(length) > reader.length() {
            return Err(Code::Truncated.problem("the header is not all there"));
        }
        // the values mostly come in the same read
        let ahead = index + (length as usize).min(reader.limits().whole_bytes);
        let index = reader.bytes_ahead(at + HEADER as u64, index, ahead).await?;
        let header = Self { index, store, length: length.into() };
        if header.entries().any(|entry| !entry.fits(header.length)) {
            return Err(invalid("has a tag whose values lie elsewhere"));
        }
        Ok(header)
    }

    fn end(&self) -> u64 {
        self.store + self.length
    }

    fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    fn entries(&self) -> impl Iterator<Item = Entry> {
        self.index.chunks_exact(ENTRY).filter_map(Entry::parse)
    }

    fn all(&self, tag: u32) -> impl Iterator<Item = Entry> {
        self.entries().filter(move |entry| entry.tag == tag)
    }

    fn find(&self, tag: u32) -> Option<Entry> {
        self.all(tag).next()
    }

    /// The first value of a tag as text.
    async fn text(&self, reader: &mut Reader<'_>, tag: u32) -> Result<Option<String>, Problem> {
        let Some(entry) = self.find(tag).filter(|entry| entry.count > 0) else { return Ok(None) };
        let offset = self.store + u64::from(entry.offset);
        let left = usize::try_from(self.length - u64::from(entry.offset)).unwrap_or(usize::MAX);
        let ahead = reader.limits().window_bytes.min(left);
        let width = match entry.kind {
            3 => 2,
            4 => 4,
            5 => 8,
            6 | 8 | 9 => return self.string(reader, offset, left).await.map(Some),
            _ => return Ok(None),
        };
        let data = reader.bytes_ahead(offset, width, ahead.max(width)).await?;
        let value = match entry.kind {
            3 => be16_at(&data, 0).map(u64::from),
            4 => be32_at(&data, 0).map(u64::from),
            _ => be64_at(&data, 0),
        };
        Ok(value.map(|value| value.to_string()))
    }

    /// The text up to the zero behind it, cut where the result would be.
    async fn string(&self, reader: &mut Reader<'_>, offset: u64, left: usize) -> Result<String, Problem> {
        let longest = reader.limits().output_string_bytes.saturating_add(1);
        let mut length = 256;
        loop {
            let asked = length.min(left);
            let data =
                reader.bytes_ahead(offset, asked, reader.limits().window_bytes.clamp(asked, left)).await?;
            let end = data.iter().position(|byte| *byte == 0);
            if let Some(end) = end.or((asked > longest).then_some(asked)) {
                let text = slice_at(&data, 0, end).unwrap_or_default();
                reader.charge_string(text.len())?;
                return Ok(String::from_utf8_lossy(text).into_owned());
            }
            if asked == left {
                return Err(invalid("has a text without an end"));
            }
            length = length.saturating_mul(8);
        }
    }
}

fn invalid(what: &str) -> Problem {
    Code::ManifestInvalid.problem(format!("the header {what}"))
}
