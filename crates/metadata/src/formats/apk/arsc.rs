//! Resource tables, read where needed (AOSP `ResourceTypes.h`, `ResTable_*`).
//!
//! A large table that is stored in the archive is read by ranges: of the chunk headers as many as lead to the values
//! asked for, then the entry and the string of each. A small or deflated one is held in memory.

use std::cmp::Reverse;

use appdepot_core::inspect::Problem;
use bytes::Bytes;

use super::axml::Value;
use super::config::{Config, Locale};
use super::pool::{HEADER_LEN as POOL_HEADER_LEN, Pool};
use crate::bytes::{slice_at, u16_at, u32_at};
use crate::error::{Anomaly, Code};
use crate::fields::Fields;
use crate::reader::Reader;

const CHUNK_POOL: u16 = 0x0001;
const CHUNK_TABLE: u16 = 0x0002;
const CHUNK_PACKAGE: u16 = 0x0200;
const CHUNK_TYPE: u16 = 0x0201;
const CHUNK_HEADER_LEN: u64 = 8;
const TYPE_SPARSE: u8 = 1;
const TYPE_OFFSET16: u8 = 2;
/// The keys of a sparse type's entries have 16 bits. All of them are read to look one up.
const MOST_SPARSE: u32 = 1 << 16;
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
    packages: Vec<Package>,
    types: Vec<Type>,
    /// Chunks met.
    chunks: usize,
    /// Entries that may still be looked at.
    patience: usize,
}

/// What is left of a package's chunks.
#[derive(Debug, Clone, Copy)]
struct Package {
    id: u8,
    at: u64,
    end: u64,
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

/// A value found, and for which configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) config: Config,
    pub(super) value: Value,
}

impl Table {
    /// Opens a table: reads its header, its pool's header and, unless a large table is asked for few values, the
    /// headers of all chunks. A table that contradicts itself is noted as a reason to refuse the file; what could be
    /// understood is there.
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
            packages: Vec::new(),
            types: Vec::new(),
            chunks: 0,
            patience: PATIENCE,
        };
        let header = table.view(reader, 0, CHUNK_HEADER_LEN as usize, More::Next).await?;
        if u16_at(header, 0) != Some(CHUNK_TABLE) {
            return Err(broken());
        }
        let mut at = u64::from(u16_at(header, 2).unwrap_or(0)).max(CHUNK_HEADER_LEN);
        let end = table.len();
        while at + CHUNK_HEADER_LEN <= end {
            table.count_chunk(reader)?;
            // the names of its resources come first in a package, before anything that is looked for
            let header =
                table.view(reader, at, POOL_HEADER_LEN.min((end - at) as usize), More::Ahead(3)).await?;
            let kind = u16_at(header, 0).unwrap_or(0);
            let header_len = u64::from(u16_at(header, 2).unwrap_or(0));
            let len = u64::from(u32_at(header, 4).unwrap_or(0));
            if len < CHUNK_HEADER_LEN || len < header_len {
                contradicts(reader);
                break;
            }
            if kind == CHUNK_POOL && table.pool.len == 0 {
                let available = usize::try_from((end - at).min(len)).unwrap_or(usize::MAX);
                table.pool = Pool::parse(header, available).ok_or_else(broken)?;
                let most = table.pool.len.saturating_sub(table.pool.offsets) / 4;
                if table.pool.count as usize > most {
                    contradicts(reader);
                }
                table.pool_at = at;
            } else if kind == CHUNK_PACKAGE {
                let id = u32_at(header, 8).unwrap_or(0) as u8;
                table.packages.push(Package { id, at: at + header_len, end: (at + len).min(end) });
            }
            at += len;
        }
        if matches!(table.place, Place::Memory(_)) || reader.wants(Fields::TRANSLATIONS) {
            while table.read_on(reader, None).await? {}
        }
        Ok(table)
    }

    /// Reads the next chunk of a package, of any without `id`; says whether there was one.
    async fn read_on(&mut self, reader: &mut Reader<'_>, id: Option<u8>) -> Result<bool, Problem> {
        let is_left =
            |one: &Package| id.is_none_or(|id| id == one.id) && one.at + CHUNK_HEADER_LEN <= one.end;
        let Some(place) = self.packages.iter().position(is_left) else { return Ok(false) };
        let Some(Package { id: package, at, end }) = self.packages.get(place).copied() else {
            return Ok(false);
        };
        self.count_chunk(reader)?;
        let header = self.view(reader, at, TYPE_HEADER_LEN.min((end - at) as usize), More::Next).await?;
        let kind = u16_at(header, 0).unwrap_or(0);
        let header_len = u16_at(header, 2).unwrap_or(0);
        let len = u32_at(header, 4).unwrap_or(0);
        let is_whole = u64::from(len) >= CHUNK_HEADER_LEN && len >= u32::from(header_len);
        if is_whole
            && kind == CHUNK_TYPE
            && let (Some(id), Some(flags), Some(entry_count), Some(entries_start)) =
                (header.get(8), header.get(9), u32_at(header, 12), u32_at(header, 16))
            && let Some(config) = header.get(20..).and_then(Config::parse)
        {
            let (id, flags) = (*id, *flags);
            let header = header_len;
            self.types.push(Type { package, id, flags, header, entry_count, entries_start, at, len, config });
        }
        if !is_whole {
            contradicts(reader);
        }
        if let Some(package) = self.packages.get_mut(place) {
            package.at = if is_whole { at + u64::from(len) } else { end };
        }
        Ok(true)
    }

    fn count_chunk(&mut self, reader: &Reader<'_>) -> Result<(), Problem> {
        self.chunks += 1;
        if self.chunks > reader.limits().chunks {
            return Err(Code::LimitEntries.problem("the resource table has more chunks than are read"));
        }
        if self.chunks.is_multiple_of(256) {
            reader.check_time()?;
        }
        Ok(())
    }

    /// The next chunk of a resource's type from `position` on, which moves behind it. Chunks of one type stand
    /// together; what comes behind those of another is not looked for.
    async fn next_of(
        &mut self,
        reader: &mut Reader<'_>,
        resource: u32,
        position: &mut usize,
    ) -> Result<Option<Type>, Problem> {
        let [package, id, ..] = resource.to_be_bytes();
        let met = *position > 0;
        loop {
            while let Some(one) = self.types.get(*position) {
                *position += 1;
                match (one.package, one.id) == (package, id) {
                    true => return Ok(Some(*one)),
                    false if met => return Ok(None),
                    false => {}
                }
            }
            if !self.read_on(reader, Some(package)).await? {
                return Ok(None);
            }
        }
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
        let mut found = Vec::new();
        let mut position = 0;
        while found.len() < reader.limits().values
            && let Some(next) = self.next_of(reader, resource, &mut position).await?
        {
            if let Some(value) = self.try_value(reader, &next, resource).await? {
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
        let mut others: Vec<Type> = Vec::new();
        let mut position = 0;
        while others.len() < reader.limits().values
            && let Some(next) = self.next_of(reader, resource, &mut position).await?
        {
            if !next.config.is_best(locale) {
                others.push(next);
            } else if let Some(value) = self.try_value(reader, &next, resource).await? {
                return Ok(Some(value));
            }
        }
        others.sort_by_cached_key(|one| Reverse(one.config.fit(locale)));
        for one in others {
            if let Some(value) = self.try_value(reader, &one, resource).await? {
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
        resource: u32,
    ) -> Result<Option<Value>, Problem> {
        let left = self.patience.checked_sub(1);
        self.patience = left
            .ok_or_else(|| Code::LimitEntries.problem("the resource table has more values than are read"))?;
        if self.patience.is_multiple_of(256) {
            reader.check_time()?;
        }
        match self.value(reader, types, resource & 0xffff).await {
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
            if types.entry_count > MOST_SPARSE {
                contradicts(reader);
                return Ok(None);
            }
            let len = u64::from(types.entry_count) * 4;
            let Some(at) = inside(offsets, len) else { return Ok(None) };
            let table = self.view(reader, at, len as usize, WINDOW).await?;
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
            match u16_at(self.view(reader, at, 2, WINDOW).await?, 0) {
                Some(offset) if offset != u16::MAX => u64::from(offset) * 4,
                _ => return Ok(None),
            }
        } else {
            let Some(at) = inside(offsets + u64::from(entry) * 4, 4) else { return Ok(None) };
            match u32_at(self.view(reader, at, 4, WINDOW).await?, 0) {
                Some(offset) if offset != u32::MAX => u64::from(offset),
                _ => return Ok(None),
            }
        };
        let at = u64::from(types.entries_start) + offset;
        let Some(place) = inside(at, 8) else { return Ok(None) };
        let entry = self.view(reader, place, 8, WINDOW).await?;
        let flags = u16_at(entry, 2).unwrap_or(0);
        if flags & ENTRY_COMPACT != 0 {
            return Ok(u32_at(entry, 4).map(|data| Value { kind: (flags >> 8) as u8, data }));
        }
        if flags & ENTRY_COMPLEX != 0 {
            return Ok(None);
        }
        let size = u64::from(u16_at(entry, 0).unwrap_or(0)).max(8);
        let Some(place) = inside(at + size, 8) else { return Ok(None) };
        Ok(Value::parse(self.view(reader, place, 8, WINDOW).await?, 0))
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
        let offset = self.view(reader, self.pool_at + at as u64, 4, More::Near).await?;
        let Some(at) = u32_at(offset, 0).and_then(|offset| self.pool.string_at(offset)) else {
            return Ok(None);
        };
        let rest = self.pool.len - at;
        let start = self.view(reader, self.pool_at + at as u64, GUESS.min(rest), More::Near).await?;
        let Some((text, len)) = self.pool.extent(start) else { return Ok(None) };
        if text.checked_add(len).is_none_or(|end| end > rest) {
            return Ok(None);
        }
        reader.charge_string(len)?;
        let string = self.view(reader, self.pool_at + (at + text) as u64, len, WINDOW).await?;
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

    /// `len` bytes at `at`; of a table in the file, some more with them.
    async fn view<'v>(
        &'v self,
        reader: &'v mut Reader<'_>,
        at: u64,
        len: usize,
        more: More,
    ) -> Result<&'v [u8], Problem> {
        match &self.place {
            Place::Memory(data) => held(data, at, len),
            Place::File(start, whole) => {
                let rest = whole.checked_sub(at).filter(|rest| len as u64 <= *rest).ok_or_else(early)?;
                let (at, end) = (start + at, start + whole);
                match more {
                    More::Ahead(factor) => {
                        let ahead = (reader.limits().window_bytes as u64).saturating_mul(factor) / 2;
                        reader.view(at, len, usize::try_from(rest.min(ahead)).unwrap_or(len)).await
                    }
                    More::Near => reader.view_near(at, len, end).await,
                    More::Next => reader.walk(at, len, end).await,
                }
            }
        }
    }
}

/// A window, and what is in it comes with what is asked for.
const WINDOW: More = More::Ahead(2);

/// What is read together with what is asked for.
#[derive(Debug, Clone, Copy)]
enum More {
    /// What follows, in halves of a window.
    Ahead(u64),
    /// What stands before and behind: other things asked for often do.
    Near,
    /// The headers that come one after the other.
    Next,
}

fn held(data: &[u8], at: u64, len: usize) -> Result<&[u8], Problem> {
    usize::try_from(at).ok().and_then(|at| slice_at(data, at, len)).ok_or_else(early)
}

fn early() -> Problem {
    Code::Truncated.problem("the resource table ends early")
}

fn contradicts(reader: &mut Reader<'_>) {
    reader.note(Anomaly::ResourcesInvalid);
    reader.refuse(Code::ManifestInvalid.problem("the resource table contradicts itself"));
}

fn broken() -> Problem {
    Code::ManifestInvalid.problem("the resource table is broken")
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;

    use super::*;
    use crate::Limits;

    fn chunk(kind: u16, header: u16, len: usize, rest: &[u8]) -> Vec<u8> {
        [&kind.to_le_bytes()[..], &header.to_le_bytes(), &(len as u32).to_le_bytes(), rest].concat()
    }

    #[test]
    fn sparse_types_have_no_more_entries_than_keys() {
        let of = |entries: u32| {
            let config = [&64_u32.to_le_bytes()[..], &[0; 60]].concat();
            let counts = [entries, 84 + entries * 4].map(u32::to_le_bytes).concat();
            let fields = [&[1, TYPE_SPARSE, 0, 0][..], &counts, &config].concat();
            // the last pair: the entry 5 and its place; then the entry, a number
            let last = (entries as usize - 1) * 4;
            let pairs =
                [&vec![0; last][..], &[5, 0, 0, 0], &[8, 0, 0, 0, 0, 0, 0, 0], &[8, 0, 0, 0x10, 7, 0, 0, 0]];
            let values = [fields, pairs.concat()].concat();
            let values = chunk(CHUNK_TYPE, 84, 8 + values.len(), &values);
            let package = [&0x7f_u32.to_le_bytes()[..], &values].concat();
            let package = chunk(CHUNK_PACKAGE, 12, 8 + package.len(), &package);
            chunk(CHUNK_TABLE, 12, 12 + package.len(), &[&1_u32.to_le_bytes()[..], &package].concat())
        };
        for (entries, read) in [(1, true), (65_536, true), (65_537, false), (400_000, false)] {
            let file = Bytes::from(of(entries));
            let limits = Limits { fields: Fields::IDENTITY, ..Limits::default() };
            let mut reader = Reader::new(&file, &limits);
            let found = block_on(async {
                let place = Place::File(0, file.len() as u64);
                let mut table = Table::open(&mut reader, place).await.unwrap();
                table.values(&mut reader, 0x7f01_0005).await.unwrap()
            });
            assert_eq!(found.iter().map(|one| one.value.data).eq([7]), read, "{entries}");
            assert_eq!(reader.refusal().is_none(), read, "{entries}");
            assert!(reader.bytes_read() < 300 << 10, "{entries}: {}", reader.bytes_read());
        }
    }
}
