//! The one pass over the central directory, and what it finds.

use appdepot_core::inspect::Problem;

use super::end::{End, read_end64};
use super::entry::{CENTRAL_LEN, EXTRA_ZIP64};
use super::folders::Folders;
use super::index::{Index, Inserted, Name};
use super::{Archive, CENTRAL, Entry, LOCAL, LOCAL_LEN};
use crate::bytes::u32_at;
use crate::error::{Anomaly, Code};
use crate::fields::Fields;
use crate::reader::Reader;

const DIGITAL_SIGNATURE: u32 = 0x0505_4b50;
const FLAG_UTF8: u16 = 1 << 11;
const EXTRA_UNICODE_PATH: u16 = 0x7075;
/// Bytes of a record with its name, mostly.
const RECORD: usize = 80;
/// Bytes that most signing blocks of Android packages have at most.
const SIGNING_BLOCK: u64 = 8 << 10;

impl Archive {
    /// Reads and checks the central directory; `None` when the end record leads to none.
    pub(super) async fn read_directory(reader: &mut Reader<'_>, end: &End) -> Result<Option<Self>, Problem> {
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
        // the block that signs a package stands right before the directory
        let before = if reader.wants(Fields::SIGNERS) { SIGNING_BLOCK } else { 0 };
        let mut directory = reader.bytes_behind(offset, len, before).await?;
        if gap > 0 && len > 0 {
            let declared_here = u32_at(&directory, 0) == Some(CENTRAL);
            let shifted = reader.bytes(offset + gap, len).await?;
            match (declared_here, u32_at(&shifted, 0) == Some(CENTRAL)) {
                (true, false) => {
                    reader.refuse(
                        Code::ZipStruct.problem("bytes stand between the directory and the end record"),
                    );
                }
                // Android goes by the offset, most others by what stands before the end record
                (true, true) => {
                    reader.refuse(Code::ZipAmbiguous.problem("two directories fit the end record"))
                }
                (false, _) => {
                    base = gap;
                    directory = shifted;
                }
            }
        }
        if len > 0 && u32_at(&directory, 0) != Some(CENTRAL) {
            return Ok(None);
        }
        let mut archive = Self {
            directory,
            start: offset + base,
            base,
            count: 0,
            index: Index::default(),
            sorted: Vec::new(),
            duplicates: Vec::new(),
            overlap: None,
            misplaced: false,
            read_to: 0,
            first: u64::MAX,
            folders: Folders::default(),
        };
        archive.walk(reader)?;
        archive.check_places(reader).await?;
        archive.check_counts(reader, declared);
        Ok(Some(archive))
    }

    /// The one pass over the central directory.
    fn walk(&mut self, reader: &mut Reader<'_>) -> Result<(), Problem> {
        let directory = self.directory.clone();
        self.index = Index::for_directory(directory.len(), reader.limits().entries);
        let mut at = 0;
        let mut last_end = 0;
        let mut in_order = true;
        let mut places = Vec::with_capacity((directory.len() / RECORD).min(reader.limits().entries));
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
            let end = entry.least_end();
            places.extend(end.map(|end| (entry.offset, end)));
            match end {
                Some(end) if end <= room => {
                    in_order &= entry.offset >= last_end;
                    if in_order && entry.offset > last_end && self.count > 1 {
                        check_gap(reader, self.base, last_end, entry.offset);
                    }
                    last_end = end;
                }
                _ => self.misplaced = true,
            }
            self.first = self.first.min(entry.offset);
            self.folders.add(&directory, at + CENTRAL_LEN, entry.name);
            let name = Name::of(entry.name);
            check_name(reader, &entry, &name);
            match self.index.insert(&directory, &name, at) {
                Inserted::New => {}
                Inserted::Twice => self.duplicates.push(at),
                Inserted::Full => self.index = Index::default(),
            }
            at = next;
        }
        self.read_to = at;
        if self.index.slots.is_empty() && self.count > 0 {
            self.sort_names();
        }
        if !in_order || self.misplaced {
            self.overlap = find_overlap(places);
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

    /// Does without the index: names made to collide must not make looking them up slow.
    fn sort_names(&mut self) {
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
        self.sorted = names.into_iter().map(|(_, at)| at).collect();
    }
}

/// Where an entry starts before another ends.
fn find_overlap(mut places: Vec<(u64, u64)>) -> Option<u64> {
    places.sort_unstable_by_key(|(start, _)| *start);
    places.windows(2).find_map(|pair| match pair {
        [(_, end), (start, _)] if start < end => Some(*start),
        _ => None,
    })
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

fn check_name(reader: &mut Reader<'_>, entry: &Entry<'_>, name: &Name<'_>) {
    if name.has_nul {
        reader.refuse(Code::Path.problem("an entry name holds a NUL"));
    }
    if !name.is_ascii && entry.flags & FLAG_UTF8 != 0 && std::str::from_utf8(entry.name).is_err() {
        reader.refuse(Code::Path.problem("an entry name is not the UTF-8 it claims to be"));
    }
    if entry.extra.len() > 4 {
        if let Some(path) = entry.extra_field(EXTRA_UNICODE_PATH).and_then(|field| field.get(5..))
            && path != entry.name
        {
            reader.note(Anomaly::UnicodePathExtra);
            if name.is_ascii {
                reader.refuse(Code::ZipAmbiguous.problem("an entry carries two names"));
            }
        }
        let wide = [entry.size, entry.compressed, entry.offset].iter().any(|value| *value >= 0xffff_ffff);
        if !wide && entry.extra_field(EXTRA_ZIP64).is_some_and(|field| field.len() >= 16) {
            reader.note(Anomaly::Zip64Unneeded);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures::executor::block_on;

    use super::*;
    use crate::Limits;
    use crate::fixture::zip::ZipBuilder;

    /// Names of eight bytes that all lead to one slot: the hash of [`Name`] taken back.
    fn colliding() -> impl Iterator<Item = [u8; 8]> {
        const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
        // each step doubles the bits that are right
        let inverse = (0..6).fold(MULTIPLIER, |inverse, _| {
            inverse.wrapping_mul(2_u64.wrapping_sub(MULTIPLIER.wrapping_mul(inverse)))
        });
        (0_u64..).map(move |half| ((half << 32 | half).wrapping_mul(inverse) ^ 8 << 5).to_le_bytes())
    }

    #[test]
    fn names_made_to_collide_are_found_by_halves() {
        let names: Vec<Vec<u8>> = colliding()
            .take(2_500)
            .map(Vec::from)
            .chain((0..40_000).map(|number| format!("res/{number}").into_bytes()))
            .collect();
        let twice = names.iter().chain([&names[30_000]]);
        let zip = twice.fold(ZipBuilder::new(), |zip, name| zip.stored(name.as_slice(), b""));
        let file = Bytes::from(zip.build());
        let limits = Limits { time: std::time::Duration::from_secs(600), ..Limits::default() };
        let mut reader = Reader::new(&file, &limits);
        let archive = block_on(Archive::open(&mut reader)).unwrap().unwrap();
        assert!(archive.index.slots.is_empty() && archive.sorted.len() == names.len() + 1);
        let entries: Vec<Entry<'_>> = archive.entries().collect();
        for (name, entry) in names.iter().zip(&entries) {
            assert_eq!(archive.find(name).as_ref(), Some(entry));
        }
        for name in [&b"res/"[..], b"", b"zzz", b"\xff\xff"] {
            assert!(archive.find(name).is_none());
        }
        assert!(archive.unique(b"res/0").is_ok());
        assert_eq!(archive.unique(&names[30_000]).unwrap_err().code, "E_ZIP_AMBIGUOUS");
    }
}
