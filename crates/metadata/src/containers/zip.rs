//! ZIP archives, read from the central directory (APPNOTE 6.3.10), checked in one pass.
//!
//! The pass looks for what lets two readers see two archives. Where the central directory still says clearly
//! who the package is, reading goes on and the reason to refuse is noted beside it; where it does not, opening
//! or [`unique`](Archive::unique) fails.

use appdepot_core::inspect::Problem;
use bytes::Bytes;
use flate2::{Crc, Decompress, FlushDecompress, Status};

use crate::bytes::{slice_at, u16_at, u32_at, u64_at};
use crate::error::{Anomaly, Code};
use crate::reader::Reader;

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const END64: u32 = 0x0606_4b50;
const END64_LOCATOR: u32 = 0x0706_4b50;
const SPANNED: u32 = 0x0807_4b50;
const DIGITAL_SIGNATURE: u32 = 0x0505_4b50;

const LOCAL_LEN: usize = 30;
const CENTRAL_LEN: usize = 46;
const END_LEN: usize = 22;
const END64_LEN: usize = 56;
const LOCATOR_LEN: usize = 20;
/// The end record plus the longest comment.
const SEARCH_LEN: u64 = END_LEN as u64 + 65_535;

const STORED: u16 = 0;
const DEFLATED: u16 = 8;
const FLAG_ENCRYPTED: u16 = 1;
const FLAG_DESCRIPTOR: u16 = 1 << 3;
const FLAG_STRONG_ENCRYPTION: u16 = 1 << 6;
const FLAG_UTF8: u16 = 1 << 11;
const FLAG_MASKED_HEADERS: u16 = 1 << 13;
const EXTRA_ZIP64: u16 = 0x0001;
const EXTRA_UNICODE_PATH: u16 = 0x7075;
/// Room for the extra field of a local header, so that header and data mostly come in one read.
const EXTRA_ROOM: usize = 64;

/// An opened archive: its central directory and a name index.
#[derive(Debug, Clone)]
pub struct Archive {
    directory: Bytes,
    /// Where the central directory starts in the file; entries end before it.
    start: u64,
    /// Bytes before the archive, added to every offset.
    base: u64,
    count: usize,
    index: Index,
    duplicates: Vec<usize>,
    /// Where an entry stands that shares bytes with another.
    overlap: Option<u64>,
    misplaced: bool,
    /// How far the records go.
    read_to: usize,
}

/// One record of the central directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The name as stored.
    pub name: &'a [u8],
    /// The compression method: 0 stored, 8 deflated.
    pub method: u16,
    /// The general purpose bits.
    pub flags: u16,
    /// The CRC-32 of the content.
    pub crc32: u32,
    /// The declared compressed length in bytes.
    pub compressed: u64,
    /// The declared length in bytes.
    pub size: u64,
    /// Where the local header stands, from the start of the archive.
    pub offset: u64,
    /// The Unix file mode, zero where none is given.
    pub mode: u16,
    extra: &'a [u8],
}

impl<'a> Entry<'a> {
    /// The name, if it is UTF-8.
    pub fn path(&self) -> Option<&'a str> {
        std::str::from_utf8(self.name).ok()
    }

    /// Whether the name ends in a slash.
    pub fn is_directory(&self) -> bool {
        self.name.last() == Some(&b'/')
    }

    /// Whether it is a symbolic link.
    pub fn is_link(&self) -> bool {
        self.mode & 0o170_000 == 0o120_000
    }

    /// Whether the content stands in the file as it is.
    pub fn is_stored(&self) -> bool {
        self.method == STORED
    }

    /// Whether the method is neither stored nor deflated.
    pub fn has_unknown_method(&self) -> bool {
        self.method != STORED && self.method != DEFLATED
    }

    /// The record at `at` of a central directory, and where the next one starts.
    fn parse(directory: &'a [u8], at: usize) -> Option<(Self, usize)> {
        let h: &[u8; CENTRAL_LEN] = directory.get(at..)?.first_chunk()?;
        if u32::from_le_bytes([h[0], h[1], h[2], h[3]]) != CENTRAL {
            return None;
        }
        let name_len = usize::from(u16::from_le_bytes([h[28], h[29]]));
        let extra_len = usize::from(u16::from_le_bytes([h[30], h[31]]));
        let comment_len = usize::from(u16::from_le_bytes([h[32], h[33]]));
        let name = slice_at(directory, at + CENTRAL_LEN, name_len)?;
        let extra = slice_at(directory, at + CENTRAL_LEN + name_len, extra_len)?;
        let next = at + CENTRAL_LEN + name_len + extra_len + comment_len;
        if next > directory.len() {
            return None;
        }
        let made_by_unix = h[5] == 3;
        let mut entry = Self {
            name,
            method: u16::from_le_bytes([h[10], h[11]]),
            flags: u16::from_le_bytes([h[8], h[9]]),
            crc32: u32::from_le_bytes([h[16], h[17], h[18], h[19]]),
            compressed: u32::from_le_bytes([h[20], h[21], h[22], h[23]]).into(),
            size: u32::from_le_bytes([h[24], h[25], h[26], h[27]]).into(),
            offset: u32::from_le_bytes([h[42], h[43], h[44], h[45]]).into(),
            mode: if made_by_unix { u16::from_le_bytes([h[40], h[41]]) } else { 0 },
            extra,
        };
        entry.widen();
        Some((entry, next))
    }

    /// Takes 64-bit values from the extra field where the 32-bit ones point there.
    fn widen(&mut self) {
        const POINTS: u64 = 0xffff_ffff;
        if self.size != POINTS && self.compressed != POINTS && self.offset != POINTS {
            return;
        }
        let Some(extra) = self.extra_field(EXTRA_ZIP64) else { return };
        let mut at = 0;
        for value in [&mut self.size, &mut self.compressed, &mut self.offset] {
            if *value == POINTS {
                let Some(wide) = u64_at(extra, at) else { return };
                *value = wide;
                at += 8;
            }
        }
    }

    fn extra_field(&self, id: u16) -> Option<&'a [u8]> {
        let mut at = 0;
        // alignment padding leaves rests that are no fields; they end the search
        while let (Some(found), Some(len)) = (u16_at(self.extra, at), u16_at(self.extra, at + 2)) {
            let len = usize::from(len);
            let field = slice_at(self.extra, at + 4, len)?;
            if found == id {
                return Some(field);
            }
            at += 4 + len;
        }
        None
    }

    /// Where the entry ends at the earliest, from the start of the archive.
    fn least_end(&self) -> Option<u64> {
        self.offset.checked_add((LOCAL_LEN + self.name.len()) as u64)?.checked_add(self.compressed)
    }
}

/// The records of a central directory in order.
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    directory: &'a [u8],
    at: usize,
    left: usize,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (entry, next) = Entry::parse(self.directory, self.at)?;
        self.at = next;
        Some(entry)
    }
}

impl Archive {
    /// Opens the archive a file is, or `None` when it is none: neither its start nor its end says so.
    ///
    /// # Errors
    /// `E_TRUNCATED` when it starts as an archive and has no end record, `E_ZIP_STRUCT` when the records lead
    /// nowhere, `E_UNSUPPORTED` for several disks, `E_LIMIT_ENTRIES`, and errors of reading.
    pub async fn open(reader: &mut Reader<'_>) -> Result<Option<Self>, Problem> {
        let head = reader.head().await?;
        let magic = u32_at(&head, 0);
        let starts = matches!(magic, Some(LOCAL | END | SPANNED));
        let Some(end) = find_end(reader, starts).await? else {
            return match starts {
                false => Ok(None),
                true if magic == Some(LOCAL) && reader.length() <= SEARCH_LEN => {
                    Err(Code::Truncated.problem("the archive has no end record"))
                }
                true => Err(Code::ZipStruct.problem("the archive has no end record")),
            };
        };
        let Some(archive) = read_directory(reader, &end).await? else {
            // bytes that look like an end record in a file that does not start as an archive
            return if starts {
                Err(Code::ZipStruct.problem("the end record does not lead to a directory"))
            } else {
                Ok(None)
            };
        };
        archive.check_start(reader, magic).await?;
        Ok(Some(archive))
    }

    /// The records of the central directory in order.
    pub fn entries(&self) -> Entries<'_> {
        Entries { directory: &self.directory, at: 0, left: self.count }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Where the central directory starts in the file, in bytes. A signing block stands right before it.
    pub fn directory_start(&self) -> u64 {
        self.start
    }

    /// The first entry with exactly this name.
    pub fn find(&self, name: &[u8]) -> Option<Entry<'_>> {
        if self.index.slots.is_empty() {
            return self.entries().find(|entry| entry.name == name);
        }
        self.index.find(&self.directory, name).map(|(_, entry)| entry)
    }

    /// The only entry with exactly this name.
    ///
    /// # Errors
    /// `E_ZIP_AMBIGUOUS` when there are two.
    pub fn unique(&self, name: &[u8]) -> Result<Option<Entry<'_>>, Problem> {
        let twice =
            |at: &usize| Entry::parse(&self.directory, *at).is_some_and(|(entry, _)| entry.name == name);
        if self.duplicates.iter().any(twice) {
            let name = String::from_utf8_lossy(name).into_owned();
            return Err(Code::ZipAmbiguous.problem(format!("two entries are named {name}")));
        }
        Ok(self.find(name))
    }

    /// The content of `entry`, of at most `cap` bytes.
    ///
    /// A wrong checksum or size does not stop the reading; it is noted as a reason to refuse the file.
    ///
    /// # Errors
    /// `E_LIMIT_INFLATE` past `cap`; `E_PATH` for a link; `E_ENCRYPTED`; `E_ZIP_STRUCT` when its bytes are not
    /// where the directory says; `E_ZIP_AMBIGUOUS` when the local header makes other bytes of it.
    pub async fn read(&self, reader: &mut Reader<'_>, entry: &Entry<'_>, cap: u64) -> Result<Bytes, Problem> {
        let wanted = entry.compressed.min(reader.limits().compressed_bytes);
        let (offset, len) = self.locate(reader, entry, wanted).await?;
        if len > cap && entry.is_stored() || len > reader.limits().compressed_bytes {
            return Err(too_large(entry));
        }
        let len = usize::try_from(len).map_err(|_| too_large(entry))?;
        let data = reader.bytes(offset, len).await?;
        if entry.has_unknown_method() {
            return self.read_unknown(reader, entry, offset, &data, cap).await;
        }
        let (content, whole) =
            if entry.is_stored() { (data, true) } else { inflate(reader, entry, &data, cap)? };
        if content.len() as u64 != entry.size || !whole {
            reader.note(Anomaly::SizeMismatch);
            reader.refuse(named(Code::ZipStruct, entry, "has another length than declared"));
        }
        if checksum(&content) != entry.crc32 {
            reader.note(Anomaly::ChecksumMismatch);
            reader.refuse(named(Code::ZipStruct, entry, "has another checksum than declared"));
        }
        Ok(content)
    }

    /// The content of an entry whose method is neither stored nor deflated. Android reads it as stored, signing
    /// tools as deflated; what fits the declared size and checksum is deflated, all else stored.
    async fn read_unknown(
        &self,
        reader: &mut Reader<'_>,
        entry: &Entry<'_>,
        offset: u64,
        data: &[u8],
        cap: u64,
    ) -> Result<Bytes, Problem> {
        reader.note(Anomaly::UnknownMethod);
        if let Ok((content, true)) = inflate(reader, entry, data, cap.min(entry.size))
            && content.len() as u64 == entry.size
            && checksum(&content) == entry.crc32
        {
            return Ok(content);
        }
        if offset.checked_add(entry.size).is_none_or(|end| end > self.start) {
            return Err(named(Code::Unsupported, entry, "is packed by a method no package may use"));
        }
        if entry.size > cap {
            return Err(too_large(entry));
        }
        reader.bytes(offset, usize::try_from(entry.size).map_err(|_| too_large(entry))?).await
    }

    /// Where the bytes of `entry` stand in the file and how many, compressed as they are. Reads the local header
    /// and, in the same read, up to `ahead` bytes of content.
    ///
    /// # Errors
    /// As [`read`](Self::read), apart from the limits.
    pub async fn locate(
        &self,
        reader: &mut Reader<'_>,
        entry: &Entry<'_>,
        ahead: u64,
    ) -> Result<(u64, u64), Problem> {
        if entry.is_link() {
            return Err(named(Code::Path, entry, "is a link"));
        }
        let outside = || named(Code::ZipStruct, entry, "does not lie where the directory says");
        let at = entry.offset.checked_add(self.base).ok_or_else(outside)?;
        let fixed = LOCAL_LEN + entry.name.len();
        if at.checked_add(fixed as u64).is_none_or(|end| end > self.start) {
            return Err(outside());
        }
        let room = usize::try_from(ahead).unwrap_or(usize::MAX).saturating_add(fixed + EXTRA_ROOM);
        let local = reader.bytes_ahead(at, fixed, room).await?;
        let field = |at| u16_at(&local, at).unwrap_or(0);
        if u32_at(&local, 0) != Some(LOCAL) {
            return Err(outside());
        }
        self.check_local(reader, entry, &local)?;
        let len = entry.compressed;
        let skip = (LOCAL_LEN + usize::from(field(26)) + usize::from(field(28))) as u64;
        let offset = at.checked_add(skip).ok_or_else(outside)?;
        if offset.checked_add(len).is_none_or(|end| end > self.start) {
            return Err(outside());
        }
        Ok((offset, len))
    }

    fn check_local(&self, reader: &mut Reader<'_>, entry: &Entry<'_>, local: &[u8]) -> Result<(), Problem> {
        let field = |at| u16_at(local, at).unwrap_or(0);
        let flags = field(6);
        if (entry.flags | flags) & (FLAG_STRONG_ENCRYPTION | FLAG_MASKED_HEADERS) != 0 {
            return Err(named(Code::Encrypted, entry, "is encrypted"));
        }
        if (entry.flags | flags) & FLAG_ENCRYPTED != 0 {
            reader.note(Anomaly::EncryptedBit);
        }
        let method = field(8);
        if entry.method == STORED && method == DEFLATED {
            return Err(named(
                Code::ZipAmbiguous,
                entry,
                "is stored by one header and deflated by the other",
            ));
        }
        let sizes = (u32_at(local, 18).unwrap_or(0), u32_at(local, 22).unwrap_or(0));
        let declared = (entry.compressed.min(0xffff_ffff) as u32, entry.size.min(0xffff_ffff) as u32);
        let descriptor = (entry.flags | flags) & FLAG_DESCRIPTOR != 0 && sizes == (0, 0);
        if method != entry.method || (sizes != declared && !descriptor && sizes.0 != u32::MAX) {
            reader.note(Anomaly::LocalHeaderMismatch);
        }
        if usize::from(field(26)) != entry.name.len()
            || slice_at(local, LOCAL_LEN, entry.name.len()) != Some(entry.name)
        {
            reader.note(Anomaly::LocalHeaderMismatch);
            reader.refuse(named(Code::ZipAmbiguous, entry, "has another name in its local header"));
        }
        Ok(())
    }

    /// The checks at the start of the file: what stands before the first entry.
    async fn check_start(&self, reader: &mut Reader<'_>, magic: Option<u32>) -> Result<(), Problem> {
        let Some(first) = self.entries().map(|entry| entry.offset).min() else { return Ok(()) };
        let first = first.saturating_add(self.base);
        if magic != Some(LOCAL) {
            if first > 0 {
                reader.note(Anomaly::PrefixData);
            }
            reader.refuse(Code::TypeMismatch.problem("the file does not start as an archive"));
            return Ok(());
        }
        if first == 0 {
            return Ok(());
        }
        let before = match first.checked_sub(END_LEN as u64) {
            Some(at) if first <= reader.length() => Some(reader.bytes(at, 4).await?),
            _ => None,
        };
        if self.base > 0 || before.is_some_and(|bytes| u32_at(&bytes, 0) == Some(END)) {
            reader.note(Anomaly::PrefixData);
            reader.refuse(Code::ZipAmbiguous.problem("one archive follows another"));
        } else if reader.at_hand(26, 2).is_none_or(|name| name != [0, 0]) {
            // padding entries without a name are what packagers write to keep offsets
            reader.note(Anomaly::UnlistedEntry);
        }
        Ok(())
    }
}

/// The end record chosen, and what is odd about it.
struct End {
    at: u64,
    record: [u8; END_LEN],
}

impl End {
    fn u16(&self, at: usize) -> u16 {
        u16_at(&self.record, at).unwrap_or(0)
    }

    fn u32(&self, at: usize) -> u32 {
        u32_at(&self.record, at).unwrap_or(0)
    }

    fn after(&self) -> u64 {
        self.at + END_LEN as u64 + u64::from(self.u16(20))
    }

    fn directory(&self) -> (u64, u64) {
        (self.u32(16).into(), self.u32(12).into())
    }

    fn is_plausible(&self) -> bool {
        let (offset, len) = self.directory();
        self.points_to_64() || offset + len <= self.at
    }

    fn is_adjacent(&self) -> bool {
        let (offset, len) = self.directory();
        offset + len == self.at
    }

    fn points_to_64(&self) -> bool {
        let (offset, len) = self.directory();
        offset == 0xffff_ffff || len == 0xffff_ffff || self.u16(10) == 0xffff
    }
}

/// Finds the end record. The last one whose comment ends with the file wins; failing that, the last one that
/// leads to a directory.
async fn find_end(reader: &mut Reader<'_>, starts: bool) -> Result<Option<End>, Problem> {
    let length = reader.length();
    if length < END_LEN as u64 {
        return Ok(None);
    }
    let (mut start, mut window) = reader.tail().await?;
    let fast = end_at(&window, start, window.len().saturating_sub(END_LEN));
    if let Some(end) = fast.filter(|end| end.after() == length && end.is_adjacent()) {
        return Ok(Some(end));
    }
    if let found @ Some(_) = search(reader, start, &window, starts) {
        return Ok(found);
    }
    // a comment longer than the window; only a file that starts as an archive is worth a second read
    let from = length.saturating_sub(SEARCH_LEN);
    if !starts || from >= start {
        return Ok(None);
    }
    window = reader.bytes(from, usize::try_from(length - from).unwrap_or(0)).await?;
    start = from;
    Ok(search(reader, start, &window, starts))
}

fn search(reader: &mut Reader<'_>, start: u64, window: &[u8], starts: bool) -> Option<End> {
    let length = reader.length();
    let mut exact: Option<End> = None;
    let mut loose: Option<End> = None;
    let mut skipped = false;
    for at in (0..=window.len().checked_sub(END_LEN)?).rev() {
        let Some(end) = end_at(window, start, at) else { continue };
        if end.after() == length && end.is_plausible() {
            match &exact {
                None if end.is_adjacent() => {
                    exact = Some(end);
                    break;
                }
                None => exact = Some(end),
                Some(_) if end.is_adjacent() => {
                    reader.note(Anomaly::EndRecordInComment);
                    reader.refuse(Code::ZipAmbiguous.problem("two end records fit the file"));
                    return Some(end);
                }
                Some(_) => {}
            }
        } else {
            skipped = true;
            // in what starts as an archive an end record that leads nowhere is a lie, not chance
            let lies = starts && end.after() == length && !loose.as_ref().is_some_and(End::is_plausible);
            if lies || loose.is_none() && end.is_plausible() {
                loose = Some(end);
            }
        }
    }
    if exact.is_some() {
        if skipped {
            reader.note(Anomaly::EndRecordInComment);
        }
        return exact;
    }
    let end = loose?;
    if end.after() < length {
        reader.note(Anomaly::TrailingData);
        reader.refuse(Code::ZipAmbiguous.problem("bytes follow the archive"));
    } else {
        reader.refuse(Code::ZipStruct.problem("the archive comment is longer than the file"));
    }
    Some(end)
}

fn end_at(window: &[u8], start: u64, at: usize) -> Option<End> {
    let record: &[u8; END_LEN] = window.get(at..)?.first_chunk()?;
    (record.first_chunk() == Some(&END.to_le_bytes())).then(|| End { at: start + at as u64, record: *record })
}

/// Reads and checks the central directory; `None` when the end record leads to none.
async fn read_directory(reader: &mut Reader<'_>, end: &End) -> Result<Option<Archive>, Problem> {
    if end.u16(4) != 0 && end.u16(4) != 0xffff
        || end.u16(6) != 0 && end.u16(6) != 0xffff
        || end.u16(8) != end.u16(10)
    {
        return Err(Code::Unsupported.problem("the archive spans several disks"));
    }
    let mut declared = u64::from(end.u16(10));
    let (mut offset, mut len) = end.directory();
    let mut anchor = end.at;
    if let Some(wide) = read_end64(reader, end).await? {
        anchor = wide.at;
        if end.u16(10) == 0xffff {
            declared = wide.count;
        }
        if offset == 0xffff_ffff {
            offset = wide.offset;
        }
        if len == 0xffff_ffff {
            len = wide.len;
        }
        if (declared, len, offset) != (wide.count, wide.len, wide.offset) {
            reader.note(Anomaly::Zip64Unneeded);
            reader.refuse(Code::ZipAmbiguous.problem("the two end records disagree"));
        }
    }
    let nowhere = || Code::ZipStruct.problem("the central directory lies outside the file");
    let gap = offset.checked_add(len).and_then(|after| anchor.checked_sub(after)).ok_or_else(nowhere)?;
    if len > reader.limits().directory_bytes {
        return Err(Code::LimitEntries.problem("the central directory is longer than is read"));
    }
    let len = usize::try_from(len).map_err(|_| nowhere())?;
    let mut base = 0;
    let mut directory = reader.bytes(offset, len).await?;
    if gap > 0 && len > 0 {
        let declared_here = u32_at(&directory, 0) == Some(CENTRAL);
        let shifted = reader.bytes(offset + gap, len).await?;
        match (declared_here, u32_at(&shifted, 0) == Some(CENTRAL)) {
            (true, false) => {
                reader
                    .refuse(Code::ZipStruct.problem("bytes stand between the directory and the end record"));
            }
            // Android goes by the offset, most others by what stands before the end record
            (true, true) => reader.refuse(Code::ZipAmbiguous.problem("two directories fit the end record")),
            (false, _) => {
                base = gap;
                directory = shifted;
            }
        }
    }
    if len > 0 && u32_at(&directory, 0) != Some(CENTRAL) {
        return Ok(None);
    }
    let mut archive = Archive {
        directory,
        start: offset + base,
        base,
        count: 0,
        index: Index::default(),
        duplicates: Vec::new(),
        overlap: None,
        misplaced: false,
        read_to: 0,
    };
    archive.walk(reader)?;
    archive.check_places(reader).await?;
    archive.check_counts(reader, declared);
    Ok(Some(archive))
}

struct End64 {
    at: u64,
    count: u64,
    len: u64,
    offset: u64,
}

async fn read_end64(reader: &mut Reader<'_>, end: &End) -> Result<Option<End64>, Problem> {
    let Some(at) = end.at.checked_sub(LOCATOR_LEN as u64) else { return Ok(None) };
    let locator = reader.bytes(at, LOCATOR_LEN).await?;
    if u32_at(&locator, 0) != Some(END64_LOCATOR) {
        return Ok(None);
    }
    let wrong = || Code::ZipStruct.problem("the zip64 locator leads nowhere");
    let record_at = u64_at(&locator, 8).ok_or_else(wrong)?;
    if record_at.checked_add(END64_LEN as u64).is_none_or(|after| after > at) {
        return Err(wrong());
    }
    let record = reader.bytes(record_at, END64_LEN).await?;
    let size = u64_at(&record, 4).ok_or_else(wrong)?;
    let ends = record_at.checked_add(12).and_then(|start| start.checked_add(size));
    if u32_at(&record, 0) != Some(END64) || ends != Some(at) {
        return Err(wrong());
    }
    if u32_at(&record, 16) != Some(0) || u32_at(&record, 20) != Some(0) {
        return Err(Code::Unsupported.problem("the archive spans several disks"));
    }
    let field = |at| u64_at(&record, at).ok_or_else(wrong);
    Ok(Some(End64 { at: record_at, count: field(32)?, len: field(40)?, offset: field(48)? }))
}

impl Archive {
    /// The one pass over the central directory.
    fn walk(&mut self, reader: &mut Reader<'_>) -> Result<(), Problem> {
        let directory = self.directory.clone();
        self.index = Index::for_directory(directory.len(), reader.limits().entries);
        let mut at = 0;
        let mut last_end = 0;
        let mut in_order = true;
        let room = self.start - self.base;
        while at < directory.len() {
            let Some((entry, next)) = Entry::parse(&directory, at) else { break };
            self.count += 1;
            if self.count > reader.limits().entries {
                return Err(Code::LimitEntries.problem("the archive has more entries than are read"));
            }
            if self.count.is_multiple_of(1_024) {
                reader.check_time()?;
            }
            match entry.least_end() {
                Some(end) if end <= room => {
                    in_order &= entry.offset >= last_end;
                    if in_order && entry.offset > last_end && self.count > 1 {
                        check_gap(reader, self.base, last_end, entry.offset);
                    }
                    last_end = end;
                }
                _ => self.misplaced = true,
            }
            check_name(reader, &entry);
            match self.index.insert(&directory, entry.name, at) {
                Inserted::New => {}
                Inserted::Twice => self.duplicates.push(at),
                Inserted::Full => self.index = Index::default(),
            }
            at = next;
        }
        self.read_to = at;
        if self.index.slots.is_empty() && self.count > 0 {
            self.find_duplicates_sorted();
        }
        if !in_order || self.misplaced {
            self.overlap = self.find_overlap();
        }
        Ok(())
    }

    async fn check_places(&self, reader: &mut Reader<'_>) -> Result<(), Problem> {
        if let Some(at) = self.overlap {
            let at = at.saturating_add(self.base);
            let is_entry = at < self.start && u32_at(&reader.bytes(at, 4).await?, 0) == Some(LOCAL);
            reader.note(Anomaly::OverlappingEntries);
            reader.refuse(match is_entry {
                true => Code::ZipAmbiguous.problem("entries share bytes"),
                false => Code::ZipStruct.problem("an entry does not start where the directory says"),
            });
        }
        if self.misplaced {
            reader.refuse(Code::ZipStruct.problem("an entry does not lie where the directory says"));
        }
        Ok(())
    }

    fn check_counts(&self, reader: &mut Reader<'_>, declared: u64) {
        if !self.duplicates.is_empty() {
            reader.note(Anomaly::DuplicateEntry);
            reader.refuse(Code::ZipAmbiguous.problem("two entries carry one name"));
        }
        let rest_is_signature = u32_at(&self.directory, self.read_to) == Some(DIGITAL_SIGNATURE);
        if self.read_to < self.directory.len() && !rest_is_signature {
            reader.refuse(Code::ZipStruct.problem("the central directory holds something that is no record"));
        } else if declared != self.count as u64 {
            reader.refuse(
                Code::ZipStruct.problem("the archive declares another number of entries than it has"),
            );
        }
    }

    fn find_overlap(&self) -> Option<u64> {
        let mut ranges: Vec<(u64, u64)> =
            self.entries().filter_map(|entry| Some((entry.offset, entry.least_end()?))).collect();
        ranges.sort_unstable();
        ranges.windows(2).find_map(|pair| match pair {
            [(_, end), (start, _)] if start < end => Some(*start),
            _ => None,
        })
    }

    fn find_duplicates_sorted(&mut self) {
        let mut names = Vec::with_capacity(self.count);
        let mut at = 0;
        while let Some((entry, next)) = Entry::parse(&self.directory, at) {
            names.push((entry.name, at));
            at = next;
        }
        names.sort_unstable();
        self.duplicates = names
            .windows(2)
            .filter_map(|pair| match pair {
                [(a, _), (b, at)] if a == b => Some(*at),
                _ => None,
            })
            .collect();
    }
}

/// Notes a local entry between two listed ones, where the bytes are at hand.
fn check_gap(reader: &mut Reader<'_>, base: u64, from: u64, to: u64) {
    // the extra field and the descriptor of the entry before stand here; only a whole header counts
    if to - from < LOCAL_LEN as u64 || to - from > 1 << 16 {
        return;
    }
    let Ok(len) = usize::try_from(to - from) else { return };
    let Some(gap) = reader.at_hand(base + from, len) else { return };
    let unlisted = gap
        .windows(LOCAL_LEN)
        .any(|bytes| bytes.first_chunk() == Some(&LOCAL.to_le_bytes()) && bytes.get(26..28) != Some(&[0, 0]));
    if unlisted {
        reader.note(Anomaly::UnlistedEntry);
    }
}

fn check_name(reader: &mut Reader<'_>, entry: &Entry<'_>) {
    if entry.name.contains(&0) {
        reader.refuse(Code::Path.problem("an entry name holds a NUL"));
    }
    if !entry.name.is_ascii() && entry.flags & FLAG_UTF8 != 0 && std::str::from_utf8(entry.name).is_err() {
        reader.refuse(Code::Path.problem("an entry name is not the UTF-8 it claims to be"));
    }
    if entry.extra.len() > 4 {
        if let Some(path) = entry.extra_field(EXTRA_UNICODE_PATH).and_then(|field| field.get(5..))
            && path != entry.name
        {
            reader.note(Anomaly::UnicodePathExtra);
            if entry.name.is_ascii() {
                reader.refuse(Code::ZipAmbiguous.problem("an entry carries two names"));
            }
        }
        let wide = [entry.size, entry.compressed, entry.offset].iter().any(|value| *value >= 0xffff_ffff);
        if !wide && entry.extra_field(EXTRA_ZIP64).is_some_and(|field| field.len() >= 16) {
            reader.note(Anomaly::Zip64Unneeded);
        }
    }
}

/// Names to positions in the central directory: open addressing, positions plus one, zero is free.
#[derive(Debug, Clone, Default)]
struct Index {
    slots: Vec<u32>,
    /// Probes left before the names must have been chosen to collide.
    patience: usize,
}

enum Inserted {
    New,
    Twice,
    Full,
}

impl Index {
    fn for_directory(len: usize, entries: usize) -> Self {
        let most = (len / CENTRAL_LEN).min(entries);
        // records are some 80 bytes with their names; half-filled at that
        let size = (len / 40).min(most.saturating_mul(2)).max(8).next_power_of_two();
        Self { slots: vec![0; size], patience: size.saturating_mul(16).max(1_024) }
    }

    fn insert(&mut self, directory: &[u8], name: &[u8], at: usize) -> Inserted {
        let Ok(value) = u32::try_from(at + 1) else { return Inserted::Full };
        let mask = self.slots.len().wrapping_sub(1);
        let mut slot = hash(name) as usize;
        loop {
            let Some(left) = self.patience.checked_sub(1) else { return Inserted::Full };
            self.patience = left;
            let Some(place) = self.slots.get_mut(slot & mask) else { return Inserted::Full };
            if *place == 0 {
                *place = value;
                return Inserted::New;
            }
            if name_at(directory, *place) == Some(name) {
                return Inserted::Twice;
            }
            slot = slot.wrapping_add(1);
        }
    }

    fn find<'a>(&self, directory: &'a [u8], name: &[u8]) -> Option<(usize, Entry<'a>)> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut slot = hash(name) as usize;
        for _ in 0..self.slots.len() {
            let place = *self.slots.get(slot & mask)?;
            if place == 0 {
                return None;
            }
            if name_at(directory, place) == Some(name) {
                let at = place as usize - 1;
                return Entry::parse(directory, at).map(|(entry, _)| (at, entry));
            }
            slot = slot.wrapping_add(1);
        }
        None
    }
}

fn name_at(directory: &[u8], place: u32) -> Option<&[u8]> {
    let at = (place as usize).checked_sub(1)?;
    slice_at(directory, at + CENTRAL_LEN, u16_at(directory, at + 28)?.into())
}

fn hash(name: &[u8]) -> u64 {
    const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut state = name.len() as u64;
    let (words, rest) = name.as_chunks::<8>();
    for word in words {
        state = (state.rotate_left(5) ^ u64::from_le_bytes(*word)).wrapping_mul(MULTIPLIER);
    }
    for byte in rest {
        state = (state.rotate_left(5) ^ u64::from(*byte)).wrapping_mul(MULTIPLIER);
    }
    state ^ (state >> 32)
}

fn checksum(data: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(data);
    crc.sum()
}

/// Inflates `data` up to `cap` bytes; says whether the stream ended where it should.
fn inflate(
    reader: &mut Reader<'_>,
    entry: &Entry<'_>,
    data: &[u8],
    cap: u64,
) -> Result<(Bytes, bool), Problem> {
    let mut stream = reader.inflater();
    let result = inflate_with(&mut stream, reader, entry, data, cap);
    reader.keep_inflater(stream);
    result
}

fn inflate_with(
    stream: &mut Decompress,
    reader: &mut Reader<'_>,
    entry: &Entry<'_>,
    data: &[u8],
    cap: u64,
) -> Result<(Bytes, bool), Problem> {
    const FIRST: u64 = 64 << 10;
    let cap = usize::try_from(cap).unwrap_or(usize::MAX);
    // the declared size only chooses the first step
    let mut out = Vec::with_capacity(entry.size.clamp(256, FIRST) as usize + 1);
    loop {
        let consumed = usize::try_from(stream.total_in()).unwrap_or(usize::MAX);
        let before = out.len();
        let input = data.get(consumed..).unwrap_or_default();
        let status = stream.decompress_vec(input, &mut out, FlushDecompress::Finish);
        let grown = out.len() - before;
        reader.charge_inflated(grown as u64)?;
        if out.len() > cap {
            return Err(too_large(entry));
        }
        match status {
            Ok(Status::StreamEnd) => return Ok((Bytes::from(out), true)),
            Ok(_) if out.len() == out.capacity() => {
                let more = out.capacity().min((cap - out.len()).saturating_add(1));
                out.reserve_exact(more);
            }
            Ok(_) if grown > 0 || usize::try_from(stream.total_in()).unwrap_or(usize::MAX) > consumed => {}
            // input ends or is broken: what came out is used, the caller notes the difference
            _ if !out.is_empty() => return Ok((Bytes::from(out), false)),
            _ => return Err(named(Code::ZipStruct, entry, "cannot be inflated")),
        }
    }
}

fn too_large(entry: &Entry<'_>) -> Problem {
    named(Code::LimitInflate, entry, "is larger than is read of such a file")
}

fn named(code: Code, entry: &Entry<'_>, what: &str) -> Problem {
    const SHOWN: usize = 120;
    let name: String = String::from_utf8_lossy(entry.name.get(..SHOWN).unwrap_or(entry.name))
        .chars()
        .flat_map(char::escape_debug)
        .collect();
    code.problem(format!("{name} {what}"))
}
