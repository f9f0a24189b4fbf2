//! Windows programs and libraries ([PE format]): the headers, the version resource, where the signature lies.
//!
//! [PE format]: https://learn.microsoft.com/windows/win32/debug/pe-format

use appdepot_core::inspect::Problem;
use bytes::Bytes;

use crate::bytes::{slice_at, u16_at, u32_at};
use crate::error::Code;
use crate::reader::Reader;

const SIGNATURE: &[u8] = b"PE\0\0";
/// The signature and the COFF header.
const COFF_LEN: usize = 24;
/// Of the optional header as much as is looked at, all directories included.
const OPTIONAL_LEN: usize = 240;
const SECTION_LEN: usize = 40;
/// What the system's loader takes.
const MOST_SECTIONS: u16 = 96;
/// Entries of one resource directory that are looked through.
const MOST_RESOURCES: usize = 4_096;
/// Bytes of a version resource.
const LONGEST_VERSION: u32 = 64 << 10;
const VERSION: u32 = 16;
/// The mark of an offset that leads to a directory, not to data.
const DIRECTORY: u32 = 1 << 31;

/// Where the headers start, if `head` starts as a program does.
fn headers_at(head: &[u8]) -> Option<u32> {
    head.starts_with(b"MZ").then(|| u32_at(head, 60))?
}

/// Whether these first bytes are those of a program, as far as they go.
pub(crate) fn is_program(head: &[u8]) -> bool {
    let at = headers_at(head).and_then(|at| usize::try_from(at).ok());
    at.and_then(|at| slice_at(head, at, SIGNATURE.len())) == Some(SIGNATURE)
}

/// Whether the headers of what starts as a program would lie beyond these first bytes, inside the file.
pub(crate) fn may_be_program(head: &[u8], length: u64) -> bool {
    headers_at(head).is_some_and(|at| {
        usize::try_from(at).is_ok_and(|at| at >= head.len().saturating_sub(SIGNATURE.len()))
            && u64::from(at) + COFF_LEN as u64 <= length
    })
}

/// The headers of a program.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) machine: u16,
    pub(crate) timestamp: u32,
    pub(crate) characteristics: u16,
    pub(crate) plus: bool,
    pub(crate) subsystem: u16,
    /// The oldest subsystem version it runs on.
    pub(crate) minimum: (u16, u16),
    /// Where the certificate table is in the file, and its length.
    pub(crate) certificates: (u32, u32),
    resources: (u32, u32),
    header_size: u32,
    sections: Vec<Section>,
}

#[derive(Debug)]
struct Section {
    address: u32,
    size: u32,
    offset: u32,
    raw_size: u32,
}

impl Image {
    /// Reads the headers.
    ///
    /// # Errors
    /// `E_TYPE_MISMATCH` when it is no program, `E_UNSUPPORTED` for a kind of header that is not read,
    /// `E_MANIFEST_INVALID` for more sections than can be, `E_TRUNCATED`, and errors of reading.
    pub(crate) async fn open(reader: &mut Reader<'_>) -> Result<Self, Problem> {
        let other = || Code::TypeMismatch.problem("not a program for Windows");
        let head = reader.head().await?;
        let at = u64::from(headers_at(&head).ok_or_else(other)?);
        let coff = reader.bytes_ahead(at, COFF_LEN, reader.limits().head_bytes).await?;
        if !coff.starts_with(SIGNATURE) {
            return Err(other());
        }
        let word = |at| u16_at(&coff, at).unwrap_or(0);
        let (machine, count, optional_len) = (word(4), word(6), word(20));
        if count > MOST_SECTIONS {
            return Err(Code::ManifestInvalid.problem("more sections than a program can have"));
        }
        // the smallest programs end inside their headers; what is not there is zero
        let at = at + COFF_LEN as u64;
        let optional = up_to(reader, at, OPTIONAL_LEN.min(optional_len.into())).await?;
        let half = |at| u16_at(&optional, at).unwrap_or(0);
        let long = |at| u32_at(&optional, at).unwrap_or(0);
        let plus = match half(0) {
            0x10b => false,
            0x20b => true,
            _ => return Err(Code::Unsupported.problem("a header that is neither PE32 nor PE32+")),
        };
        let directories = if plus { 112 } else { 96 };
        let directory = |index: usize| match index < usize::try_from(long(directories - 4)).unwrap_or(0) {
            true => (long(directories + index * 8), long(directories + index * 8 + 4)),
            false => (0, 0),
        };
        let mut image = Self {
            machine,
            timestamp: u32_at(&coff, 8).unwrap_or(0),
            characteristics: word(22),
            plus,
            subsystem: half(68),
            minimum: (half(48), half(50)),
            certificates: directory(4),
            resources: directory(2),
            header_size: long(60),
            sections: Vec::new(),
        };
        let table = up_to(reader, at + u64::from(optional_len), usize::from(count) * SECTION_LEN).await?;
        let section = |section: &[u8]| {
            Some(Section {
                address: u32_at(section, 12)?,
                size: u32_at(section, 8)?,
                offset: u32_at(section, 20)?,
                raw_size: u32_at(section, 16)?,
            })
        };
        image.sections = table.chunks_exact(SECTION_LEN).filter_map(section).collect();
        Ok(image)
    }

    /// The version resource; `None` when there is none that can be reached.
    ///
    /// The way there has three steps, whatever the directories say, so they cannot lead in circles.
    ///
    /// # Errors
    /// Those of reading.
    pub(crate) async fn version(&self, reader: &mut Reader<'_>) -> Result<Option<Bytes>, Problem> {
        let Some(root) = self.offset(self.resources.0).filter(|_| self.resources.1 > 0) else {
            return Ok(None);
        };
        let mut at = 0;
        for wanted in [Some(VERSION), None, None] {
            let Some(next) = self.entry(reader, root, at, wanted).await? else { return Ok(None) };
            at = next;
        }
        let place = root.checked_add(at.into()).filter(|_| at & DIRECTORY == 0);
        let Some(at) = place else { return Ok(None) };
        let data = up_to(reader, at, 8).await?;
        let (Some(address), Some(size)) = (u32_at(&data, 0), u32_at(&data, 4)) else { return Ok(None) };
        let Some(at) = self.offset(address) else { return Ok(None) };
        let len = usize::try_from(size.min(LONGEST_VERSION)).unwrap_or(0);
        up_to(reader, at, len).await.map(Some)
    }

    /// Where the entry with the `wanted` number leads, or the first entry, of the directory at `at` of the resources.
    async fn entry(
        &self,
        reader: &mut Reader<'_>,
        root: u64,
        at: u32,
        wanted: Option<u32>,
    ) -> Result<Option<u32>, Problem> {
        const HEADER: usize = 16;
        let Some(at) = root.checked_add(u64::from(at & !DIRECTORY)) else { return Ok(None) };
        let header = ahead(reader, at, HEADER).await?;
        let count = |at| usize::from(u16_at(&header, at).unwrap_or(0));
        let count = (count(12) + count(14)).min(MOST_RESOURCES);
        let Some(at) = at.checked_add(HEADER as u64) else { return Ok(None) };
        let entries = up_to(reader, at, count * 8).await?;
        let found = entries.chunks_exact(8).find(|entry| wanted.is_none() || u32_at(entry, 0) == wanted);
        Ok(found.and_then(|entry| u32_at(entry, 4)))
    }

    /// Where in the file an address of the loaded program lies.
    fn offset(&self, address: u32) -> Option<u64> {
        /// The loader takes offsets down to this.
        const ALIGNMENT: u32 = 0x200;
        let found = self.sections.iter().find_map(|section| {
            let inside = address.checked_sub(section.address)?;
            (inside < section.size.max(section.raw_size) && inside < section.raw_size)
                .then(|| u64::from(section.offset & !(ALIGNMENT - 1)) + u64::from(inside))
        });
        found.or_else(|| (address != 0 && address < self.header_size).then_some(address.into()))
    }
}

/// `len` bytes at `at`, or as many as the file has.
async fn up_to(reader: &mut Reader<'_>, at: u64, len: usize) -> Result<Bytes, Problem> {
    let there = usize::try_from(reader.length().saturating_sub(at)).unwrap_or(usize::MAX);
    match len.min(there) {
        0 => Ok(Bytes::new()),
        len => reader.bytes(at, len).await,
    }
}

/// As [`up_to`], with what follows at hand.
async fn ahead(reader: &mut Reader<'_>, at: u64, len: usize) -> Result<Bytes, Problem> {
    let there = usize::try_from(reader.length().saturating_sub(at)).unwrap_or(usize::MAX);
    match len.min(there) {
        0 => Ok(Bytes::new()),
        len => reader.bytes_ahead(at, len, reader.limits().window_bytes).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes() {
        let mut head = vec![0; 128];
        head[..2].copy_from_slice(b"MZ");
        head[60] = 64;
        assert!(!is_program(&head));
        head[64..68].copy_from_slice(SIGNATURE);
        assert!(is_program(&head));
        head[60..64].fill(0xff);
        assert!(!is_program(&head) && !may_be_program(&head, 1 << 20));
        head[60..64].copy_from_slice(&4096u32.to_le_bytes());
        assert!(may_be_program(&head, 1 << 20) && !may_be_program(&head, 4096));
        assert!(!is_program(b"MZ") && !may_be_program(b"MZ", 2));
    }
}
