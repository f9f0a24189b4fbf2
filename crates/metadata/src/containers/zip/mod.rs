//! ZIP archives, read from the central directory (APPNOTE 6.3.10), checked in one pass.
//!
//! The pass looks for what lets two readers see two archives. Where the central directory still says clearly
//! who the package is, reading goes on and the reason to refuse is noted beside it; where it does not, opening
//! or [`unique`](Archive::unique) fails.

mod content;
mod directory;
mod end;
mod entry;
mod folders;
mod index;

use appdepot_core::inspect::Problem;
use bytes::Bytes;

use self::end::find_end;
use self::entry::name_at;
pub use self::entry::{Entries, Entry};
use self::folders::Folders;
use self::index::Index;
use crate::bytes::u32_at;
use crate::error::{Anomaly, Code};
use crate::reader::Reader;

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const SPANNED: u32 = 0x0807_4b50;

const LOCAL_LEN: usize = 30;
const END_LEN: usize = 22;
/// The end record plus the longest comment.
const SEARCH_LEN: u64 = END_LEN as u64 + 65_535;

const STORED: u16 = 0;
const DEFLATED: u16 = 8;

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
    /// The records by name, where the index has no room for them.
    sorted: Vec<usize>,
    duplicates: Vec<usize>,
    /// Where an entry stands that shares bytes with another.
    overlap: Option<u64>,
    misplaced: bool,
    /// How far the records go.
    read_to: usize,
    /// Where the first entry stands.
    first: u64,
    folders: Folders,
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
        let Some(archive) = Self::read_directory(reader, &end).await? else {
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

    /// The names of the central directory in order; quicker than [`entries`](Self::entries).
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        let mut at = 0;
        (0..self.count).map_while(move |_| {
            let (name, next) = name_at(&self.directory, at)?;
            at = next;
            Some(name)
        })
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether there may be such a folder at the top; `false` is certain and cheaper than a look at every entry.
    pub fn may_have_folder(&self, is_such: impl Fn(&[u8]) -> bool) -> bool {
        self.folders.any(&self.directory, is_such)
    }

    /// Where the central directory starts in the file, in bytes. A signing block stands right before it.
    pub fn directory_start(&self) -> u64 {
        self.start
    }

    /// The first entry with exactly this name.
    pub fn find(&self, name: &[u8]) -> Option<Entry<'_>> {
        if self.index.slots.is_empty() {
            let before = |at: &usize| name_at(&self.directory, *at).is_some_and(|(known, _)| known < name);
            let at = self.sorted.get(self.sorted.partition_point(before))?;
            let (entry, _) = Entry::parse(&self.directory, *at)?;
            return (entry.name == name).then_some(entry);
        }
        self.index.find(&self.directory, name)
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

    /// The checks at the start of the file: what stands before the first entry.
    async fn check_start(&self, reader: &mut Reader<'_>, magic: Option<u32>) -> Result<(), Problem> {
        if self.count == 0 {
            return Ok(());
        }
        let first = self.first.saturating_add(self.base);
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
