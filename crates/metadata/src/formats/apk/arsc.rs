//! Resource tables, read where needed (AOSP `ResourceTypes.h`, `ResTable_*`).
//!
//! A table that is stored in the archive is read by ranges: the chunk headers once, then the entry and the
//! string of each value asked for. A small or deflated one is held in memory.

use std::cmp::Reverse;

use appdepot_core::inspect::Problem;
use bytes::Bytes;

use super::axml::Value;
use super::pool::{HEADER_LEN as POOL_HEADER_LEN, Pool};
use crate::bytes::{slice_at, u16_at, u32_at};
use crate::error::Code;
use crate::reader::Reader;

const CHUNK_POOL: u16 = 0x0001;
const CHUNK_TABLE: u16 = 0x0002;
const CHUNK_PACKAGE: u16 = 0x0200;
const CHUNK_TYPE: u16 = 0x0201;
const CHUNK_HEADER_LEN: u64 = 8;
const TYPE_SPARSE: u8 = 1;
const TYPE_OFFSET16: u8 = 2;
const ENTRY_COMPLEX: u16 = 1;
const ENTRY_COMPACT: u16 = 8;
/// A type chunk's fields and a configuration as far as it is read.
const TYPE_HEADER_LEN: usize = 20 + 48;

/// Where the bytes of a table are.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// Inflated, or small enough to have been read whole.
    Memory(Bytes),
    /// Stored in the file at this offset, with this many bytes.
    File(u64, u64),
}

/// A resource table: its string pool and where its type chunks stand.
#[derive(Debug)]
pub(super) struct Table {
    place: Place,
    pool: Pool,
    pool_at: u64,
    types: Vec<Type>,
    /// Whether its structure contradicts itself; what could be understood is there.
    pub(super) broken: bool,
    /// Entries that may still be looked at.
    patience: usize,
}

/// The values of one type in one configuration.
#[derive(Debug, Clone, Copy)]
struct Type {
    package: u8,
    id: u8,
    flags: u8,
    header: u16,
    entry_count: u32,
    entries_start: u32,
    at: u64,
    len: u32,
    config: Config,
}

/// The configuration a value is for, as far as it matters here (`ResTable_config`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Config {
    pub(super) locale: Locale,
    /// Dots per inch; 0 any, 0xfffe scalable, 0xffff as it is.
    pub(super) density: u16,
    /// The oldest platform it is for.
    pub(super) sdk: u16,
    /// Whether it is for some devices only, apart from the above.
    pub(super) special: bool,
}

/// A language, script, region and variant, packed as in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub(super) struct Locale {
    language: [u8; 2],
    region: [u8; 2],
    script: [u8; 4],
    variant: [u8; 8],
}

impl Locale {
    /// Whether it is no locale in particular.
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The language without script, region and variant.
    pub(super) fn language(&self) -> Self {
        Self { language: self.language, ..Self::default() }
    }

    /// The BCP 47 spelling, `--_--` for the default.
    pub(super) fn tag(&self) -> String {
        if self.is_default() {
            return "--_--".to_owned();
        }
        let mut tag = unpack(self.language, b'a');
        let script: String =
            self.script.iter().take_while(|byte| **byte != 0).map(|byte| char::from(*byte)).collect();
        let variant: String =
            self.variant.iter().take_while(|byte| **byte != 0).map(|byte| char::from(*byte)).collect();
        for part in [script, unpack(self.region, b'0'), variant] {
            if !part.is_empty() {
                tag.push('-');
                tag.push_str(&part);
            }
        }
        tag
    }
}

/// Two letters, or three packed into 15 bits.
fn unpack([high, low]: [u8; 2], base: u8) -> String {
    if high & 0x80 == 0 {
        return [high, low].iter().take_while(|byte| **byte != 0).map(|byte| char::from(*byte)).collect();
    }
    let first = low & 0x1f;
    let second = (low & 0xe0) >> 5 | (high & 0x03) << 3;
    let third = (high & 0x7c) >> 2;
    [first, second, third].iter().map(|letter| char::from(base.wrapping_add(*letter))).collect()
}

impl Config {
    /// How well values for this configuration suit a locale on a device without further qualities: that locale,
    /// else its language, else the default, else any; the greatest fits best.
    pub(super) fn fit(&self, locale: Locale) -> impl Ord + use<> {
        let language = self.locale == locale.language();
        (self.locale == locale, language, self.locale.is_default(), !self.special, Reverse(self.sdk))
    }

    /// Reads the configuration at the start of `bytes`, whose first field is its length.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let len = (u32_at(bytes, 0)? as usize).min(bytes.len());
        let bytes = bytes.get(..len)?;
        let pair =
            |at| slice_at(bytes, at, 2).and_then(|bytes| bytes.first_chunk().copied()).unwrap_or_default();
        let nonzero =
            |at, len| slice_at(bytes, at, len).is_some_and(|bytes| bytes.iter().any(|byte| *byte != 0));
        Some(Self {
            locale: Locale {
                language: pair(8),
                region: pair(10),
                script: slice_at(bytes, 36, 4)
                    .and_then(|bytes| bytes.first_chunk().copied())
                    .unwrap_or_default(),
                variant: slice_at(bytes, 40, 8)
                    .and_then(|bytes| bytes.first_chunk().copied())
                    .unwrap_or_default(),
            },
            density: u16_at(bytes, 14).unwrap_or(0),
            sdk: u16_at(bytes, 24).unwrap_or(0),
            special: nonzero(4, 4) || nonzero(12, 2) || nonzero(16, 8) || nonzero(28, 8),
        })
    }
}

/// A value found, and for which configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) config: Config,
    pub(super) value: Value,
}

impl Table {
    /// Opens a table: reads its header, its pool's header and the headers of its chunks.
    ///
    /// # Errors
    /// `E_MANIFEST_INVALID` when it is no table; errors of reading.
    pub(super) async fn open(reader: &mut Reader<'_>, place: Place) -> Result<Self, Problem> {
        /// Entries looked at in one table at most; a launcher label in every locale takes hundreds.
        const PATIENCE: usize = 200_000;
        let mut table = Self {
            place,
            pool: Pool::default(),
            pool_at: 0,
            types: Vec::new(),
            broken: false,
            patience: PATIENCE,
        };
        let header = table.walk(reader, 0, CHUNK_HEADER_LEN as usize).await?;
        if u16_at(header, 0) != Some(CHUNK_TABLE) {
            return Err(broken());
        }
        let mut at = u64::from(u16_at(header, 2).unwrap_or(0)).max(CHUNK_HEADER_LEN);
        let end = table.len();
        let mut chunks = 0;
        while at + CHUNK_HEADER_LEN <= end {
            chunks += 1;
            if chunks > reader.limits().chunks {
                return Err(Code::LimitEntries.problem("the resource table has more chunks than are read"));
            }
            let header = table.walk(reader, at, POOL_HEADER_LEN.min((end - at) as usize)).await?;
            let kind = u16_at(header, 0).unwrap_or(0);
            let header_len = u64::from(u16_at(header, 2).unwrap_or(0));
            let len = u64::from(u32_at(header, 4).unwrap_or(0));
            if len < CHUNK_HEADER_LEN || len < header_len {
                table.broken = true;
                return Ok(table);
            }
            if kind == CHUNK_POOL && table.pool.len == 0 {
                let available = usize::try_from((end - at).min(len)).unwrap_or(usize::MAX);
                table.pool = Pool::parse(header, available).ok_or_else(broken)?;
                let most = table.pool.len.saturating_sub(table.pool.offsets) / 4;
                table.broken |= table.pool.count as usize > most;
                table.pool_at = at;
            } else if kind == CHUNK_PACKAGE {
                let package = u32_at(header, 8).unwrap_or(0);
                table
                    .index_package(reader, package, at + header_len, (at + len).min(end), &mut chunks)
                    .await?;
            }
            at += len;
        }
        Ok(table)
    }

    async fn index_package(
        &mut self,
        reader: &mut Reader<'_>,
        package: u32,
        mut at: u64,
        end: u64,
        chunks: &mut usize,
    ) -> Result<(), Problem> {
        while at + CHUNK_HEADER_LEN <= end {
            *chunks += 1;
            if *chunks > reader.limits().chunks {
                return Err(Code::LimitEntries.problem("the resource table has more chunks than are read"));
            }
            if chunks.is_multiple_of(256) {
                reader.check_time()?;
            }
            let wanted = TYPE_HEADER_LEN.min((end - at) as usize);
            let header = self.walk(reader, at, wanted).await?;
            let kind = u16_at(header, 0).unwrap_or(0);
            let header_len = u16_at(header, 2).unwrap_or(0);
            let len = u32_at(header, 4).unwrap_or(0);
            if u64::from(len) < CHUNK_HEADER_LEN || len < u32::from(header_len) {
                self.broken = true;
                return Ok(());
            }
            if kind == CHUNK_TYPE
                && let (Some(id), Some(flags), Some(entry_count), Some(entries_start)) =
                    (header.get(8), header.get(9), u32_at(header, 12), u32_at(header, 16))
                && let Some(config) = header.get(20..).and_then(Config::parse)
            {
                self.types.push(Type {
                    package: package as u8,
                    id: *id,
                    flags: *flags,
                    header: header_len,
                    entry_count,
                    entries_start,
                    at,
                    len,
                    config,
                });
            }
            at += u64::from(len);
        }
        Ok(())
    }

    /// The values of a resource in every configuration, in the order of the table. Bags have none.
    ///
    /// # Errors
    /// Errors of reading; what is broken in the table is left out.
    pub(super) async fn values(
        &mut self,
        reader: &mut Reader<'_>,
        resource: u32,
    ) -> Result<Vec<Found>, Problem> {
        let [package, kind, high, low] = resource.to_be_bytes();
        let entry = u32::from(u16::from_be_bytes([high, low]));
        let mut found = Vec::new();
        let mut position = 0;
        while let Some(next) = self.types.get(position).copied() {
            position += 1;
            if next.package != package || next.id != kind || found.len() >= reader.limits().values {
                continue;
            }
            let value = self.try_value(reader, &next, entry).await?;
            if let Some(value) = value {
                found.push(Found { config: next.config, value });
            }
        }
        Ok(found)
    }

    /// The value of a resource for one locale; see [`Config::fit`].
    ///
    /// # Errors
    /// As [`values`](Self::values).
    pub(super) async fn best(
        &mut self,
        reader: &mut Reader<'_>,
        resource: u32,
        locale: Locale,
    ) -> Result<Option<Value>, Problem> {
        let [package, kind, high, low] = resource.to_be_bytes();
        let entry = u32::from(u16::from_be_bytes([high, low]));
        let fits = |one: &&Type| one.package == package && one.id == kind;
        let mut types: Vec<Type> =
            self.types.iter().filter(fits).take(reader.limits().values).copied().collect();
        types.sort_by_cached_key(|one| Reverse(one.config.fit(locale)));
        for one in types {
            if let Some(value) = self.try_value(reader, &one, entry).await? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// One value, counted.
    async fn try_value(
        &mut self,
        reader: &mut Reader<'_>,
        types: &Type,
        entry: u32,
    ) -> Result<Option<Value>, Problem> {
        let left = self.patience.checked_sub(1);
        self.patience = left
            .ok_or_else(|| Code::LimitEntries.problem("the resource table has more values than are read"))?;
        if self.patience.is_multiple_of(256) {
            reader.check_time()?;
        }
        match self.value(reader, types, entry).await {
            Err(problem) if Code::Truncated.is(&problem) => Ok(None),
            other => other,
        }
    }

    async fn value(
        &self,
        reader: &mut Reader<'_>,
        types: &Type,
        entry: u32,
    ) -> Result<Option<Value>, Problem> {
        let offsets = u64::from(types.header);
        let inside = |at: u64, len: u64| (at + len <= u64::from(types.len)).then_some(types.at + at);
        let offset = if types.flags & TYPE_SPARSE != 0 {
            let len = u64::from(types.entry_count) * 4;
            let Some(at) = inside(offsets, len) else { return Ok(None) };
            let table = self.view(reader, at, len as usize).await?;
            let (pairs, _) = table.as_chunks::<4>();
            let key = |pair: &[u8; 4]| u32::from(u16::from_le_bytes([pair[0], pair[1]]));
            match pairs.binary_search_by_key(&entry, key).ok().and_then(|at| pairs.get(at)) {
                Some(pair) => u64::from(u16::from_le_bytes([pair[2], pair[3]])) * 4,
                None => return Ok(None),
            }
        } else if entry >= types.entry_count {
            return Ok(None);
        } else if types.flags & TYPE_OFFSET16 != 0 {
            let Some(at) = inside(offsets + u64::from(entry) * 2, 2) else { return Ok(None) };
            match u16_at(self.view(reader, at, 2).await?, 0) {
                Some(offset) if offset != u16::MAX => u64::from(offset) * 4,
                _ => return Ok(None),
            }
        } else {
            let Some(at) = inside(offsets + u64::from(entry) * 4, 4) else { return Ok(None) };
            match u32_at(self.view(reader, at, 4).await?, 0) {
                Some(offset) if offset != u32::MAX => u64::from(offset),
                _ => return Ok(None),
            }
        };
        let at = u64::from(types.entries_start) + offset;
        let Some(place) = inside(at, 8) else { return Ok(None) };
        let entry = self.view(reader, place, 8).await?;
        let flags = u16_at(entry, 2).unwrap_or(0);
        if flags & ENTRY_COMPACT != 0 {
            return Ok(u32_at(entry, 4).map(|data| Value { kind: (flags >> 8) as u8, data }));
        }
        if flags & ENTRY_COMPLEX != 0 {
            return Ok(None);
        }
        let size = u64::from(u16_at(entry, 0).unwrap_or(0)).max(8);
        let Some(place) = inside(at + size, 8) else { return Ok(None) };
        Ok(Value::parse(self.view(reader, place, 8).await?, 0))
    }

    /// The string with this index, `None` where the table does not have it.
    ///
    /// # Errors
    /// `E_LIMIT_STRING`; errors of reading.
    pub(super) async fn string(
        &self,
        reader: &mut Reader<'_>,
        index: u32,
    ) -> Result<Option<String>, Problem> {
        match self.try_string(reader, index).await {
            Err(problem) if Code::Truncated.is(&problem) => Ok(None),
            other => other,
        }
    }

    async fn try_string(&self, reader: &mut Reader<'_>, index: u32) -> Result<Option<String>, Problem> {
        /// Both lengths in front of a string, and most strings with them.
        const GUESS: usize = 64;
        let Some(at) = self.pool.offset_at(index) else { return Ok(None) };
        let offset = self.view(reader, self.pool_at + at as u64, 4).await?;
        let Some(at) = u32_at(offset, 0).and_then(|offset| self.pool.string_at(offset)) else {
            return Ok(None);
        };
        let rest = self.pool.len - at;
        let start = self.view(reader, self.pool_at + at as u64, GUESS.min(rest)).await?;
        let Some((text, len)) = self.pool.extent(start) else { return Ok(None) };
        if text.checked_add(len).is_none_or(|end| end > rest) {
            return Ok(None);
        }
        reader.charge_string(len)?;
        let string = self.view(reader, self.pool_at + (at + text) as u64, len).await?;
        Ok(Some(self.pool.decode(string).into_owned()))
    }

    /// The locales that any value of the table is for, sorted by their packed form.
    pub(super) fn locales(&self) -> Vec<Locale> {
        let mut locales: Vec<Locale> = Vec::new();
        for one in &self.types {
            if locales.last() != Some(&one.config.locale) {
                locales.push(one.config.locale);
            }
        }
        locales.sort_unstable();
        locales.dedup();
        locales
    }

    fn len(&self) -> u64 {
        match &self.place {
            Place::Memory(data) => data.len() as u64,
            Place::File(_, len) => *len,
        }
    }

    /// `len` bytes at `at`.
    async fn view<'v>(
        &'v self,
        reader: &'v mut Reader<'_>,
        at: u64,
        len: usize,
    ) -> Result<&'v [u8], Problem> {
        match &self.place {
            Place::Memory(data) => held(data, at, len),
            Place::File(start, whole) => {
                let rest = whole.checked_sub(at).filter(|rest| len as u64 <= *rest).ok_or_else(early)?;
                let ahead = usize::try_from(rest).unwrap_or(usize::MAX).min(reader.limits().window_bytes);
                reader.view(start + at, len, ahead).await
            }
        }
    }

    /// As [`view`](Self::view), for headers that come one after the other.
    async fn walk<'v>(
        &'v self,
        reader: &'v mut Reader<'_>,
        at: u64,
        len: usize,
    ) -> Result<&'v [u8], Problem> {
        match &self.place {
            Place::Memory(data) => held(data, at, len),
            Place::File(start, whole) => {
                whole.checked_sub(at).filter(|rest| len as u64 <= *rest).ok_or_else(early)?;
                reader.walk(start + at, len, start + whole).await
            }
        }
    }
}

fn held(data: &[u8], at: u64, len: usize) -> Result<&[u8], Problem> {
    usize::try_from(at).ok().and_then(|at| slice_at(data, at, len)).ok_or_else(early)
}

fn early() -> Problem {
    Code::Truncated.problem("the resource table ends early")
}

fn broken() -> Problem {
    Code::ManifestInvalid.problem("the resource table is broken")
}
