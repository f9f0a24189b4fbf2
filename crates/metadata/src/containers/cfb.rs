//! Compound files ([MS-CFB]): a file system of sectors in which Windows Installer keeps its tables.
//!
//! Only what is asked for is read: the header, the directory, and of the allocation table the sectors that a wanted
//! stream's chain passes through. A chain is never longer than its stream needs, and never meets itself.

use std::collections::BTreeMap;

use appdepot_core::inspect::Problem;
use bytes::{Bytes, BytesMut};

use crate::bytes::{slice_at, u16_at, u32_at, u64_at};
use crate::error::Code;
use crate::reader::Reader;

/// The first bytes of every compound file.
pub const MAGIC: [u8; 8] = [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];

const HEADER_LEN: usize = 512;
const ENTRY_LEN: usize = 128;
/// Allocation table sectors that the header lists itself.
const HEADER_DIFAT: usize = 109;
const MINI_SHIFT: u16 = 6;
/// Streams shorter than this live in the mini stream.
const CUTOFF: u32 = 4096;
/// Larger numbers are no sectors but say why there is none.
const LAST_SECTOR: u32 = 0xffff_fffa;
const END_OF_CHAIN: u32 = 0xffff_fffe;
const NONE: u32 = 0xffff_ffff;
const STORAGE: u8 = 1;
const STREAM: u8 = 2;
const ROOT: u8 = 5;

/// An opened compound file: its directory, and where the allocation table lies.
#[derive(Debug)]
pub struct Compound {
    /// 9 or 12.
    shift: u16,
    /// Whole or partial sectors that the file has room for.
    sectors: u32,
    /// Where the sectors of the allocation table lie.
    difat: Vec<u32>,
    /// Those read so far, by their place in the table.
    table: BTreeMap<usize, Bytes>,
    mini_start: u32,
    mini_sectors: u32,
    directory: Bytes,
    /// The directory entries of the streams right below the root.
    streams: Vec<usize>,
    mini: Option<Mini>,
}

/// A stream of the root storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    start: u32,
    /// The length in bytes; never more than the file's.
    pub size: u64,
}

/// Where the mini stream lies, and its allocation table.
#[derive(Debug)]
struct Mini {
    table: Bytes,
    places: Vec<Place>,
    size: u64,
}

/// Consecutive bytes of a stream, by where they are in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    offset: u64,
    len: u64,
}

/// Consecutive sectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Run {
    first: u32,
    count: u32,
}

fn invalid(message: &str) -> Problem {
    Code::ManifestInvalid.problem(message)
}

fn cycle() -> Problem {
    Code::Cycle.problem("a chain of sectors meets itself")
}

/// Whether a file that starts so is a compound file, or the start of one.
pub fn is_compound(head: &[u8]) -> bool {
    const ENOUGH: usize = 4;
    head.starts_with(&MAGIC) || head.len() >= ENOUGH && MAGIC.starts_with(head)
}

impl Compound {
    /// Opens the compound file whose header has been [recognized](is_compound).
    ///
    /// # Errors
    /// `E_MANIFEST_INVALID` for a header or directory that cannot be, `E_CYCLE`, `E_TRUNCATED`,
    /// `E_LIMIT_ENTRIES` for a directory longer than is read, and errors of reading.
    pub async fn open(reader: &mut Reader<'_>) -> Result<Self, Problem> {
        let head = reader.bytes(0, HEADER_LEN).await?;
        let wrong = || invalid("the header of the compound file contradicts itself");
        let word = |at| u16_at(&head, at).unwrap_or(0);
        let long = |at| u32_at(&head, at).unwrap_or(NONE);
        let (order, shift, mini_shift) = (word(28), word(30), word(32));
        if order != 0xfffe || !matches!(shift, 9 | 12) || mini_shift != MINI_SHIFT || long(56) != CUTOFF {
            return Err(wrong());
        }
        // the header takes up a sector of its own, whatever their size
        let body = reader.length().saturating_sub(1 << shift);
        let sectors = u32::try_from(body.div_ceil(1 << shift)).unwrap_or(LAST_SECTOR).min(LAST_SECTOR);
        if sectors == 0 {
            return Err(Code::Truncated.problem("the compound file ends after its header"));
        }
        let (count, directory_start) = (long(44), long(48));
        let (difat_start, difat_sectors) = (long(68), long(72));
        if count == 0 || count > sectors {
            return Err(wrong());
        }
        if difat_sectors > sectors {
            // so many can only be had by meeting some of them twice
            return Err(cycle());
        }
        let mut compound = Self {
            shift,
            sectors,
            difat: Vec::new(),
            table: BTreeMap::new(),
            mini_start: long(60),
            mini_sectors: long(64),
            directory: Bytes::new(),
            streams: Vec::new(),
            mini: None,
        };
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        compound.difat = (0..count.min(HEADER_DIFAT)).map(|index| long(76 + index * 4)).collect();
        compound.read_difat(reader, count, difat_start, difat_sectors).await?;
        if compound.mini_sectors > sectors {
            return Err(wrong());
        }
        let most = (reader.limits().entries as u64).saturating_mul(ENTRY_LEN as u64);
        let runs = compound.chain(reader, directory_start, None).await?;
        let places = compound.places(&runs, u64::MAX);
        if places.iter().map(|place| place.len).sum::<u64>() > most {
            return Err(Code::LimitEntries.problem("the directory is longer than is read"));
        }
        compound.directory = gather(reader, &places).await?;
        compound.walk(reader)?;
        let per_sector = (1usize << shift) / 4;
        compound.check_chains(compound.table.len() * per_sector, false, |sector| {
            let data = compound.table.get(&(sector / per_sector))?;
            u32_at(data, sector % per_sector * 4)
        })?;
        Ok(compound)
    }

    /// The stream right below the root with this name, which is in UTF-16 and little-endian.
    ///
    /// # Errors
    /// `E_ZIP_AMBIGUOUS` when there are two.
    pub fn find(&self, name: &[u8]) -> Result<Option<Stream>, Problem> {
        let mut named = self.streams.iter().filter_map(|at| {
            let entry = slice_at(&self.directory, *at, ENTRY_LEN)?;
            (entry_name(entry)? == name).then_some(entry)
        });
        let Some(entry) = named.next() else { return Ok(None) };
        if named.next().is_some() {
            return Err(Code::ZipAmbiguous.problem("two streams carry one name"));
        }
        let start = u32_at(entry, 116).unwrap_or(NONE);
        Ok(Some(Stream { start, size: self.size(entry) }))
    }

    /// The first `limit` bytes of a stream, or all of a shorter one.
    ///
    /// # Errors
    /// `E_CYCLE`, `E_MANIFEST_INVALID` when its chain is shorter than it or leaves the file, `E_TRUNCATED`, and
    /// errors of reading.
    pub async fn read(
        &mut self,
        reader: &mut Reader<'_>,
        stream: Stream,
        limit: u64,
    ) -> Result<Bytes, Problem> {
        let places = self.locate(reader, stream, limit).await?;
        gather(reader, &places.0).await
    }

    /// Where the first `limit` bytes of a stream are.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(crate) async fn locate(
        &mut self,
        reader: &mut Reader<'_>,
        stream: Stream,
        limit: u64,
    ) -> Result<Places, Problem> {
        if stream.size > reader.length() {
            return Err(invalid("a stream is longer than the file"));
        }
        let len = stream.size.min(limit);
        if len == 0 {
            return Ok(Places(Vec::new()));
        }
        if stream.size >= CUTOFF.into() {
            let need = sectors_for(len, self.shift);
            let runs = self.chain(reader, stream.start, Some(need)).await?;
            return Ok(Places(self.places(&runs, len)));
        }
        if self.mini.is_none() {
            self.mini = Some(self.open_mini(reader).await?);
        }
        let mini = self.mini.as_ref().ok_or_else(cycle)?;
        let need = sectors_for(len, MINI_SHIFT);
        let most = u32::try_from(sectors_for(mini.size, MINI_SHIFT)).unwrap_or(LAST_SECTOR);
        let mut chain = Chain::new(Some(need), most);
        let mut next = stream.start;
        while chain.step(reader, next)? {
            let at = usize::try_from(next).unwrap_or(usize::MAX).saturating_mul(4);
            next = u32_at(&mini.table, at).ok_or_else(|| invalid("a mini stream leaves its table"))?;
        }
        let mut places = Vec::new();
        let mut left = len;
        for run in chain.finish()? {
            let len = (u64::from(run.count) << MINI_SHIFT).min(left);
            left -= len;
            cut(&mini.places, u64::from(run.first) << MINI_SHIFT, len, &mut places)?;
        }
        Ok(Places(places))
    }

    /// The allocation table sectors that the header has no room for.
    async fn read_difat(
        &mut self,
        reader: &mut Reader<'_>,
        count: usize,
        start: u32,
        sectors: u32,
    ) -> Result<(), Problem> {
        let mut next = start;
        let per_sector = (1usize << self.shift) / 4 - 1;
        let mut chain = Chain::new(Some(sectors.into()), self.sectors);
        while self.difat.len() < count {
            if !chain.step(reader, next)? {
                return Err(invalid("the list of allocation table sectors is too short"));
            }
            let offset = self.offset(next);
            let sector = reader.bytes(offset, 1 << self.shift).await?;
            let room = per_sector.min(count - self.difat.len());
            self.difat.extend((0..room).filter_map(|index| u32_at(&sector, index * 4)));
            next = u32_at(&sector, per_sector * 4).unwrap_or(NONE);
        }
        chain.check()
    }

    /// What follows `sector` in its chain.
    async fn follow(&mut self, reader: &mut Reader<'_>, sector: u32) -> Result<u32, Problem> {
        let sector = usize::try_from(sector).unwrap_or(usize::MAX);
        let per_sector = (1usize << self.shift) / 4;
        let (index, inside) = (sector / per_sector, sector % per_sector * 4);
        let missing = || invalid("a sector that the allocation table does not hold");
        if !self.table.contains_key(&index) {
            let at = *self.difat.get(index).ok_or_else(missing)?;
            if at >= self.sectors {
                return Err(invalid("the allocation table lies outside the file"));
            }
            // what follows is mostly the directory and the small streams
            let len = 1 << self.shift;
            let data = reader.bytes_ahead(self.offset(at), len, reader.limits().whole_bytes).await?;
            // a copy, or each sector would keep all of what was read with it
            self.table.insert(index, Bytes::copy_from_slice(&data));
        }
        self.table.get(&index).and_then(|data| u32_at(data, inside)).ok_or_else(missing)
    }

    /// The chain that starts at `start`: as far as `need` sectors, or to its end.
    async fn chain(
        &mut self,
        reader: &mut Reader<'_>,
        start: u32,
        need: Option<u64>,
    ) -> Result<Vec<Run>, Problem> {
        let mut chain = Chain::new(need, self.sectors);
        let mut next = start;
        while chain.step(reader, next)? {
            next = self.follow(reader, next).await?;
        }
        chain.finish()
    }

    async fn open_mini(&mut self, reader: &mut Reader<'_>) -> Result<Mini, Problem> {
        let root = self.directory.slice(..ENTRY_LEN.min(self.directory.len()));
        let (start, size) = (u32_at(&root, 116).unwrap_or(NONE), self.size(&root));
        if size > reader.length() {
            return Err(invalid("the mini stream is longer than the file"));
        }
        let need = sectors_for(size, self.shift);
        let runs = self.chain(reader, start, Some(need)).await?;
        let places = self.places(&runs, size);
        let need = u64::from(self.mini_sectors).min(sectors_for(size.div_ceil(16), self.shift));
        let runs = self.chain(reader, self.mini_start, Some(need)).await?;
        let table = self.places(&runs, u64::MAX);
        if table.iter().map(|place| place.len).sum::<u64>() > reader.limits().directory_bytes {
            return Err(Code::LimitEntries.problem("the mini stream's table is longer than is read"));
        }
        let table = gather(reader, &table).await?;
        self.check_chains(table.len() / 4, true, |sector| u32_at(&table, sector.checked_mul(4)?))?;
        Ok(Mini { table, places, size })
    }

    /// That the chains of no streams meet, or one of them itself, as far as what has been read of the table tells.
    /// Chains that are apart have no more links than the table has entries.
    fn check_chains(
        &self,
        mut entries: usize,
        mini: bool,
        next: impl Fn(usize) -> Option<u32>,
    ) -> Result<(), Problem> {
        for entry in self.streams.iter().filter_map(|at| slice_at(&self.directory, *at, ENTRY_LEN)) {
            let size = self.size(entry);
            if size == 0 || (size < CUTOFF.into()) != mini {
                continue;
            }
            let mut sector = u32_at(entry, 116).unwrap_or(NONE);
            while sector < LAST_SECTOR {
                let Some(following) = usize::try_from(sector).ok().and_then(&next) else { break };
                entries = entries.checked_sub(1).ok_or_else(cycle)?;
                sector = following;
            }
        }
        Ok(())
    }

    /// Lists the streams below the root, following the tree they hang in.
    fn walk(&mut self, reader: &Reader<'_>) -> Result<(), Problem> {
        let wrong = || invalid("the directory holds an entry that cannot be");
        let count = self.directory.len() / ENTRY_LEN;
        let root = slice_at(&self.directory, 0, ENTRY_LEN).ok_or_else(wrong)?;
        if root.get(66) != Some(&ROOT) {
            return Err(wrong());
        }
        let mut seen = vec![false; count];
        let mut open = vec![u32_at(root, 76).unwrap_or(NONE)];
        if let Some(seen) = seen.first_mut() {
            *seen = true;
        }
        while let Some(id) = open.pop() {
            if id == NONE {
                continue;
            }
            let index = usize::try_from(id).unwrap_or(usize::MAX);
            let seen = seen.get_mut(index).ok_or_else(wrong)?;
            if std::mem::replace(seen, true) {
                return Err(Code::Cycle.problem("the directory tree meets itself"));
            }
            if index.is_multiple_of(1_024) {
                reader.check_time()?;
            }
            let entry = slice_at(&self.directory, index * ENTRY_LEN, ENTRY_LEN).ok_or_else(wrong)?;
            entry_name(entry).ok_or_else(wrong)?;
            match entry.get(66) {
                // rubbish in the upper half is overlooked; a length that none can have is no rubbish
                Some(&STREAM) if entry.get(127).is_some_and(|byte| byte >> 7 == 1) => return Err(wrong()),
                Some(&STREAM) if self.size(entry) > reader.length() => {
                    return Err(invalid("a stream is longer than the file"));
                }
                Some(&STREAM) => self.streams.push(index * ENTRY_LEN),
                Some(&STORAGE) => {}
                _ => return Err(wrong()),
            }
            open.extend([u32_at(entry, 68).unwrap_or(NONE), u32_at(entry, 72).unwrap_or(NONE)]);
        }
        Ok(())
    }

    /// The size in a directory entry. Writers of small sectors leave rubbish in its upper half.
    fn size(&self, entry: &[u8]) -> u64 {
        let size = u64_at(entry, 120).unwrap_or(0);
        if self.shift == 9 { size & 0xffff_ffff } else { size }
    }

    fn offset(&self, sector: u32) -> u64 {
        (u64::from(sector) + 1) << self.shift
    }

    /// The first `len` bytes of what lies in `runs`.
    fn places(&self, runs: &[Run], len: u64) -> Vec<Place> {
        let mut left = len;
        let mut places = Vec::with_capacity(runs.len());
        for run in runs {
            let len = (u64::from(run.count) << self.shift).min(left);
            left -= len;
            places.push(Place { offset: self.offset(run.first), len });
        }
        places
    }
}

/// Where the parts of a stream are in the file.
#[derive(Debug)]
pub(crate) struct Places(Vec<Place>);

impl Places {
    /// `len` bytes of the stream, reading up to `ahead` bytes at once where they lie together.
    ///
    /// # Errors
    /// `E_MANIFEST_INVALID` when the stream is shorter, and errors of reading.
    pub(crate) async fn read(
        &self,
        reader: &mut Reader<'_>,
        offset: u64,
        len: usize,
        ahead: usize,
    ) -> Result<Bytes, Problem> {
        let mut places = Vec::new();
        cut(&self.0, offset, len as u64, &mut places)?;
        match places.as_slice() {
            [place] => reader.bytes_ahead(place.offset, len, ahead).await,
            _ => gather(reader, &places).await,
        }
    }
}

/// The name of a directory entry without its end, or `None` where its length cannot be.
fn entry_name(entry: &[u8]) -> Option<&[u8]> {
    let len = usize::from(u16_at(entry, 64)?);
    if len.is_multiple_of(2) && (2..=64).contains(&len) { entry.get(..len - 2) } else { None }
}

fn sectors_for(len: u64, shift: u16) -> u64 {
    len.div_ceil(1 << shift)
}

/// Adds where `len` bytes at `offset` of a stream lie, given where the whole stream does.
fn cut(places: &[Place], offset: u64, len: u64, found: &mut Vec<Place>) -> Result<(), Problem> {
    let (mut skip, mut left) = (offset, len);
    for place in places {
        if left == 0 {
            break;
        }
        if skip >= place.len {
            skip -= place.len;
            continue;
        }
        let len = (place.len - skip).min(left);
        let part = Place { offset: place.offset + skip, len };
        match found.last_mut() {
            Some(last) if last.offset + last.len == part.offset => last.len += part.len,
            _ => found.push(part),
        }
        skip = 0;
        left -= len;
    }
    if left == 0 { Ok(()) } else { Err(invalid("a stream leaves the stream it lies in")) }
}

/// The bytes at `places`. They lie in the file, so their number is bounded by it.
async fn gather(reader: &mut Reader<'_>, places: &[Place]) -> Result<Bytes, Problem> {
    let too_long = || Code::LimitInflate.problem("a stream longer than is read");
    let len = |place: &Place| usize::try_from(place.len).map_err(|_| too_long());
    if let [place] = places {
        let ahead = len(place)?.max(reader.limits().window_bytes);
        return reader.bytes_ahead(place.offset, len(place)?, ahead).await;
    }
    let mut data = BytesMut::new();
    for place in places {
        let ahead = len(place)?.max(reader.limits().window_bytes);
        data.extend_from_slice(&reader.bytes_ahead(place.offset, len(place)?, ahead).await?);
    }
    Ok(data.freeze())
}

/// A chain being walked.
struct Chain {
    runs: Vec<Run>,
    count: u64,
    need: Option<u64>,
    sectors: u32,
}

impl Chain {
    fn new(need: Option<u64>, sectors: u32) -> Self {
        Self { runs: Vec::new(), count: 0, need, sectors }
    }

    /// Takes `sector` into the chain; `false` when that was not necessary any more.
    fn step(&mut self, reader: &Reader<'_>, sector: u32) -> Result<bool, Problem> {
        const STEPS_PER_LOOK: u64 = 4_096;
        if self.need.is_some_and(|need| self.count >= need) {
            return Ok(false);
        }
        if sector == END_OF_CHAIN && self.need.is_none() {
            return Ok(false);
        }
        if self.count >= self.sectors.into() {
            return Err(cycle());
        }
        if sector >= self.sectors {
            return Err(invalid("a chain of sectors leaves the file or ends early"));
        }
        self.count += 1;
        if self.count.is_multiple_of(STEPS_PER_LOOK) {
            reader.check_time()?;
        }
        match self.runs.last_mut() {
            Some(last) if last.first.checked_add(last.count) == Some(sector) => last.count += 1,
            _ => self.runs.push(Run { first: sector, count: 1 }),
        }
        Ok(true)
    }

    /// That no sector is in the chain twice.
    fn check(&self) -> Result<(), Problem> {
        if self.runs.len() < 2 {
            return Ok(());
        }
        let mut sorted = self.runs.clone();
        sorted.sort_unstable();
        let mut end = 0;
        for run in sorted {
            if u64::from(run.first) < end {
                return Err(cycle());
            }
            end = u64::from(run.first) + u64::from(run.count);
        }
        Ok(())
    }

    fn finish(self) -> Result<Vec<Run>, Problem> {
        self.check()?;
        Ok(self.runs)
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;

    use super::*;
    use crate::Limits;
    use crate::fixture::msi::MsiBuilder;

    #[test]
    fn parts_of_a_stream() {
        let places = [Place { offset: 100, len: 10 }, Place { offset: 200, len: 10 }];
        let mut found = Vec::new();
        cut(&places, 8, 4, &mut found).unwrap();
        assert_eq!(found, [Place { offset: 108, len: 2 }, Place { offset: 200, len: 2 }]);
        assert_eq!(cut(&places, 15, 6, &mut Vec::new()).unwrap_err().code, "E_MANIFEST_INVALID");
    }

    #[test]
    fn what_was_read_ahead_is_not_kept() {
        // eight sectors of the allocation table
        let file = Bytes::from(MsiBuilder::new().stream("large", vec![7; 512 << 10]).build());
        let name: Vec<u8> = "large".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let limits = Limits::default();
        let mut reader = Reader::new(&file, &limits);
        block_on(async {
            let mut compound = Compound::open(&mut reader).await.unwrap();
            let stream = compound.find(&name).unwrap().unwrap();
            compound.read(&mut reader, stream, u64::MAX).await.unwrap();
            assert!(compound.table.len() > 8 && compound.table.values().all(Bytes::is_unique));
        });
    }
}
