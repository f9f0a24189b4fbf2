//! String pools, in documents and resource tables alike (AOSP `ResourceTypes.h`, `ResStringPool_header`).

use std::borrow::Cow;

use crate::bytes::{slice_at, u16_at, u32_at};

pub(super) const HEADER_LEN: usize = 28;
const UTF8: u32 = 1 << 8;

/// The header of a string pool; strings are decoded when asked for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pool {
    /// Where the offsets start, from the start of the chunk.
    pub(super) offsets: usize,
    /// Where the strings start, from the start of the chunk.
    pub(super) strings: usize,
    /// How many strings are declared.
    pub(super) count: u32,
    /// The length of the chunk in bytes.
    pub(super) len: usize,
    /// UTF-8 or UTF-16.
    pub(super) utf8: bool,
}

impl Pool {
    /// Reads the header at the start of `header`; `available` bytes of the chunk are there.
    pub(super) fn parse(header: &[u8], available: usize) -> Option<Self> {
        let header_len = usize::from(u16_at(header, 2)?);
        let len = u32_at(header, 4)? as usize;
        let pool = Self {
            offsets: header_len,
            strings: u32_at(header, 20)? as usize,
            count: u32_at(header, 8)?,
            len: len.min(available),
            utf8: u32_at(header, 16)? & UTF8 != 0,
        };
        (header_len >= HEADER_LEN && len >= header_len).then_some(pool)
    }

    /// Where the offset of string `index` stands, from the start of the chunk.
    pub(super) fn offset_at(&self, index: u32) -> Option<usize> {
        let at = self.offsets.checked_add((index as usize).checked_mul(4)?)?;
        (index < self.count && at.checked_add(4)? <= self.len).then_some(at)
    }

    /// Where the string with this offset stands, from the start of the chunk.
    pub(super) fn string_at(&self, offset: u32) -> Option<usize> {
        self.strings.checked_add(offset as usize).filter(|at| *at < self.len)
    }

    /// Where the text of an encoded string starts and how many bytes it has.
    pub(super) fn extent(&self, string: &[u8]) -> Option<(usize, usize)> {
        if self.utf8 {
            let (_, at) = length8(string, 0)?;
            let (len, at) = length8(string, at)?;
            return Some((at, len));
        }
        let first = usize::from(u16_at(string, 0)?);
        if first & 0x8000 == 0 {
            return Some((2, first * 2));
        }
        let len = (first & 0x7fff) << 16 | usize::from(u16_at(string, 2)?);
        Some((4, len.checked_mul(2)?))
    }

    /// Decodes the text of a string; what is no text becomes U+FFFD.
    pub(super) fn decode<'a>(&self, text: &'a [u8]) -> Cow<'a, str> {
        if self.utf8 {
            return match std::str::from_utf8(text) {
                Ok(text) => Cow::Borrowed(text),
                Err(_) => String::from_utf8_lossy(text),
            };
        }
        let (units, _) = text.as_chunks::<2>();
        // nearly all of it is ASCII, which needs no decoding
        if units.iter().fold(true, |ascii, [low, high]| ascii & (*low < 0x80) & (*high == 0))
            && let Ok(text) = String::from_utf8(units.iter().map(|[low, _]| *low).collect())
        {
            return Cow::Owned(text);
        }
        let mut out = String::with_capacity(units.len() + units.len() / 2);
        let units = units.iter().map(|unit| u16::from_le_bytes(*unit));
        out.extend(char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)));
        Cow::Owned(out)
    }

    /// The text of string `index` of the chunk, as it is encoded.
    pub(super) fn encoded<'a>(&self, chunk: &'a [u8], index: u32) -> Option<&'a [u8]> {
        let at = self.string_at(u32_at(chunk, self.offset_at(index)?)?)?;
        let string = chunk.get(at..self.len)?;
        let (start, len) = self.extent(string)?;
        slice_at(string, start, len)
    }

    /// String `index` of the chunk.
    pub(super) fn get<'a>(&self, chunk: &'a [u8], index: u32) -> Option<Cow<'a, str>> {
        self.encoded(chunk, index).map(|text| self.decode(text))
    }
}

fn length8(string: &[u8], at: usize) -> Option<(usize, usize)> {
    let first = usize::from(*string.get(at)?);
    if first & 0x80 == 0 {
        return Some((first, at + 1));
    }
    Some(((first & 0x7f) << 8 | usize::from(*string.get(at + 1)?), at + 2))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A pool chunk of these strings.
    pub(in super::super) fn pool_chunk(strings: &[&str], utf8: bool) -> Vec<u8> {
        let mut offsets = Vec::new();
        let mut data = Vec::new();
        for string in strings {
            offsets.extend((data.len() as u32).to_le_bytes());
            if utf8 {
                assert!(string.len() < 128);
                data.extend([string.chars().count() as u8, string.len() as u8]);
                data.extend(string.as_bytes());
                data.push(0);
            } else {
                let units: Vec<u16> = string.encode_utf16().collect();
                if units.len() > 0x7fff {
                    data.extend((0x8000 | (units.len() >> 16) as u16).to_le_bytes());
                }
                data.extend((units.len() as u16).to_le_bytes());
                data.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
                data.extend([0, 0]);
            }
        }
        data.resize(data.len().next_multiple_of(4), 0);
        let start = (HEADER_LEN + offsets.len()) as u32;
        let mut chunk = Vec::from([1, 0, HEADER_LEN as u8, 0]);
        let flags = if utf8 { UTF8 } else { 0 };
        for field in [start + data.len() as u32, strings.len() as u32, 0, flags, start, 0] {
            chunk.extend(field.to_le_bytes());
        }
        chunk.extend(offsets);
        chunk.extend(data);
        chunk
    }

    #[test]
    fn both_encodings_give_the_same_strings() {
        for utf8 in [true, false] {
            let chunk = pool_chunk(&["manifest", "", "größe \u{1f600}"], utf8);
            let pool = Pool::parse(&chunk, chunk.len()).unwrap();
            assert_eq!(pool.get(&chunk, 0).unwrap(), "manifest");
            assert_eq!(pool.get(&chunk, 1).unwrap(), "");
            assert_eq!(pool.get(&chunk, 2).unwrap(), "größe \u{1f600}");
            assert_eq!(pool.get(&chunk, 3), None);
        }
    }

    #[test]
    fn lengths_and_offsets_are_checked_against_the_chunk() {
        let mut chunk = pool_chunk(&["abc"], false);
        let pool = Pool::parse(&chunk, chunk.len()).unwrap();
        chunk[32] = 0xff;
        assert_eq!(pool.get(&chunk, 0), None);
        chunk[28..32].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(pool.get(&chunk, 0), None);
        assert!(Pool::parse(&chunk[..10], 10).is_none());
    }

    #[test]
    fn lone_surrogates_become_replacement_characters() {
        let pool = Pool { utf8: false, ..Pool::default() };
        assert_eq!(pool.decode(&[0x00, 0xd8, 0x41, 0x00]), "\u{fffd}A");
    }
}
