//! The records of a central directory.

use super::{CENTRAL, DEFLATED, LOCAL_LEN, STORED};
use crate::bytes::{slice_at, u16_at, u64_at};

pub(super) const CENTRAL_LEN: usize = 46;
pub(super) const EXTRA_ZIP64: u16 = 0x0001;

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
    pub(super) extra: &'a [u8],
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
    #[inline]
    pub(super) fn parse(directory: &'a [u8], at: usize) -> Option<(Self, usize)> {
        let h: &[u8; CENTRAL_LEN] = directory.get(at..)?.first_chunk()?;
        if u32::from_le_bytes([h[0], h[1], h[2], h[3]]) != CENTRAL {
            return None;
        }
        let [name_len, extra_len, comment_len] = lengths(h);
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

    pub(super) fn extra_field(&self, id: u16) -> Option<&'a [u8]> {
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
    pub(super) fn least_end(&self) -> Option<u64> {
        self.offset.checked_add((LOCAL_LEN + self.name.len()) as u64)?.checked_add(self.compressed)
    }
}

/// The lengths of what follows a record: name, extra field, comment.
fn lengths(h: &[u8; CENTRAL_LEN]) -> [usize; 3] {
    [[h[28], h[29]], [h[30], h[31]], [h[32], h[33]]].map(|len| usize::from(u16::from_le_bytes(len)))
}

/// The name of the record at `at` of a central directory, and where the next record starts.
pub(super) fn name_at(directory: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let lengths = lengths(directory.get(at..)?.first_chunk()?);
    let name = slice_at(directory, at + CENTRAL_LEN, lengths[0])?;
    Some((name, at + CENTRAL_LEN + lengths.iter().sum::<usize>()))
}

/// The records of a central directory in order.
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    pub(super) directory: &'a [u8],
    pub(super) at: usize,
    pub(super) left: usize,
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
