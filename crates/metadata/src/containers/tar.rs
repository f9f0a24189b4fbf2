//! tar archives in memory: ustar, GNU long names, PAX names and sizes.
//!
//! Where readers part ways the archive is refused: sparse files, links with content, global PAX names and sizes. A
//! PAX size stands over the one in the header everywhere, also in finding the next entry.

use appdepot_core::inspect::Problem;

use crate::bytes::slice_at;
use crate::error::Code;
use crate::reader::Reader;

const BLOCK: usize = 512;
/// Headers that describe one entry before its own: a global one, a local one, a long name, a long link.
const MOST_BEFORE: usize = 4;

/// One file, folder or link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    /// The path as stored.
    pub(crate) path: Vec<u8>,
    /// The type flag.
    pub(crate) kind: u8,
    pub(crate) content: &'a [u8],
}

impl Entry<'_> {
    /// Whether it is an ordinary file.
    pub(crate) fn is_file(&self) -> bool {
        matches!(self.kind, b'0' | 0 | b'7')
    }

    /// The path without what stands for the folder it is unpacked to.
    pub(crate) fn path(&self) -> &[u8] {
        let mut path = self.path.as_slice();
        while let Some(rest) = path.strip_prefix(b"./").or_else(|| path.strip_prefix(b"/")) {
            path = rest;
        }
        path
    }

    /// Whether the path leaves the folder it is unpacked to.
    pub(crate) fn climbs(&self) -> bool {
        self.path.split(|byte| *byte == b'/').any(|part| part == b"..")
    }
}

/// A forward reader over the entries.
#[derive(Debug)]
pub(crate) struct Entries<'a> {
    data: &'a [u8],
    at: usize,
    count: usize,
}

impl<'a> Entries<'a> {
    /// A reader at the start of `data`.
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, count: 0 }
    }

    /// The next entry; `None` at the end mark or the end of the data.
    ///
    /// # Errors
    /// `E_TRUNCATED`, `E_ZIP_STRUCT`, `E_UNSUPPORTED`, `E_LIMIT_ENTRIES`, `E_LIMIT_TIME`.
    pub(crate) fn next(&mut self, reader: &Reader<'_>) -> Result<Option<Entry<'a>>, Problem> {
        let (mut path, mut size) = (None, None);
        for _ in 0..=MOST_BEFORE {
            reader.check_time()?;
            if self.at >= self.data.len() {
                return Ok(None);
            }
            let header = slice_at(self.data, self.at, BLOCK).ok_or_else(truncated)?;
            if header.iter().all(|byte| *byte == 0) {
                return Ok(None);
            }
            self.count += 1;
            if self.count > reader.limits().entries {
                return Err(Code::LimitEntries.problem("the archive has more entries than are read"));
            }
            let header = Header::parse(header).ok_or_else(|| broken("a header that is none"))?;
            let declared = match header.kind {
                // the headers before an entry have their own size
                b'x' | b'g' | b'L' | b'K' => header.size,
                _ => size.unwrap_or(header.size),
            };
            let start = self.at + BLOCK;
            let length = usize::try_from(declared).map_err(|_| truncated())?;
            let content = slice_at(self.data, start, length).ok_or_else(truncated)?;
            self.at = start + length.next_multiple_of(BLOCK);
            match header.kind {
                b'L' => path = Some(until_nul(content).to_vec()),
                b'K' => {}
                b'x' | b'g' => {
                    let found = Extended::parse(content)?;
                    if header.kind == b'g' && (found.path.is_some() || found.size.is_some()) {
                        return Err(
                            Code::Unsupported.problem("a name or size for all entries of the archive")
                        );
                    }
                    path = found.path.or(path);
                    size = found.size.or(size);
                }
                b'1'..=b'6' if length > 0 => return Err(broken("a link or folder with content")),
                b'0' | 0 | b'7' | b'1'..=b'6' => {
                    let path = path.unwrap_or(header.path);
                    return Ok(Some(Entry { path, kind: header.kind, content }));
                }
                _ => return Err(Code::Unsupported.problem("an archive entry of a kind that is not read")),
            }
        }
        Err(broken("headers that describe no entry"))
    }
}

struct Header {
    path: Vec<u8>,
    kind: u8,
    size: u64,
}

impl Header {
    fn parse(header: &[u8]) -> Option<Self> {
        let sum = |range: &[u8]| range.iter().map(|byte| u64::from(*byte)).sum::<u64>();
        let blanks = 8 * u64::from(b' ');
        let expected = sum(header.get(..148)?) + blanks + sum(header.get(156..)?);
        if number(header.get(148..156)?)? != expected {
            return None;
        }
        let mut path = until_nul(header.get(..100)?).to_vec();
        let prefix = until_nul(header.get(345..500)?);
        if header.get(257..263)? == b"ustar\0" && !prefix.is_empty() {
            path = [prefix, b"/", &path].concat();
        }
        Some(Self { path, kind: *header.get(156)?, size: number(header.get(124..136)?)? })
    }
}

/// A number in octal digits or, with the highest bit set, in base 256.
fn number(field: &[u8]) -> Option<u64> {
    let (first, rest) = field.split_first()?;
    if first & 0x80 != 0 {
        let start = u64::from(first & 0x7f);
        return rest
            .iter()
            .try_fold(start, |value, byte| value.checked_mul(256).map(|value| value | u64::from(*byte)));
    }
    let text = std::str::from_utf8(field).ok()?;
    let text = text.trim_matches([' ', '\0']);
    if text.is_empty() {
        return Some(0);
    }
    u64::from_str_radix(text, 8).ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The records of a PAX header that matter.
#[derive(Default)]
struct Extended {
    path: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Extended {
    fn parse(mut data: &[u8]) -> Result<Self, Problem> {
        let malformed = || broken("an extended header that is none");
        let mut found = Self::default();
        while !data.is_empty() {
            let blank = data
                .iter()
                .take(20)
                .position(|byte| *byte == b' ')
                .filter(|at| *at > 0)
                .ok_or_else(malformed)?;
            let digits = data.get(..blank).filter(|digits| digits.iter().all(u8::is_ascii_digit));
            let length: usize = digits
                .and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok())
                .filter(|length| *length > blank + 1)
                .ok_or_else(malformed)?;
            let (record, rest) = data.split_at_checked(length).ok_or_else(malformed)?;
            data = rest;
            let record = record.get(blank + 1..).and_then(|record| record.strip_suffix(b"\n"));
            let record = record.ok_or_else(malformed)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(malformed)?;
            let (key, value) = (record.get(..equals).unwrap_or_default(), record.get(equals + 1..));
            let value = value.unwrap_or_default();
            match key {
                b"path" => found.path = Some(value.to_vec()),
                b"size" => {
                    let text = std::str::from_utf8(value).ok().filter(|text| !text.starts_with('+'));
                    found.size = Some(text.and_then(|text| text.parse().ok()).ok_or_else(malformed)?);
                }
                _ if key.starts_with(b"GNU.sparse.") => {
                    return Err(Code::Unsupported.problem("an archive entry with holes"));
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

fn until_nul(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn truncated() -> Problem {
    Code::Truncated.problem("the tar archive ends inside an entry")
}

fn broken(what: &str) -> Problem {
    Code::ZipStruct.problem(format!("the tar archive has {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, SliceSource};

    fn entry(path: &str, kind: u8, content: &[u8]) -> Vec<u8> {
        let mut header = vec![0; BLOCK];
        header[..path.len()].copy_from_slice(path.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        header[156] = kind;
        header[257..263].copy_from_slice(b"ustar\0");
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
        header.extend_from_slice(content);
        header.resize(header.len().next_multiple_of(BLOCK), 0);
        header
    }

    fn read(data: &[u8]) -> Result<Vec<(String, usize)>, String> {
        let (limits, source) = (Limits::default(), SliceSource(b""));
        let reader = Reader::new(&source, &limits);
        let mut entries = Entries::new(data);
        let mut found = Vec::new();
        while let Some(entry) = entries.next(&reader).map_err(|problem| problem.code)? {
            found.push((String::from_utf8_lossy(entry.path()).into_owned(), entry.content.len()));
        }
        Ok(found)
    }

    #[test]
    fn long_names_and_extended_ones() {
        let data = [
            entry("././@LongLink", b'L', b"./long/name\0"),
            entry("short", b'0', b"abc"),
            entry("x", b'x', "15 path=./y\u{e9}z\n".as_bytes()),
            entry("short", b'0', b""),
            vec![0; 2 * BLOCK],
            b"rest".to_vec(),
        ]
        .concat();
        assert_eq!(read(&data).unwrap(), [("long/name".to_owned(), 3), ("yéz".to_owned(), 0)]);
    }

    #[test]
    fn an_extended_size_moves_the_next_entry() {
        let inner = entry("control", b'0', b"");
        let data =
            [entry("x", b'x', b"12 size=512\n"), entry("pad", b'0', b""), inner, entry("last", b'0', b"")];
        assert_eq!(read(&data.concat()).unwrap(), [("pad".to_owned(), 512), ("last".to_owned(), 0)]);
    }

    #[test]
    fn what_readers_differ_about_is_refused() {
        assert_eq!(read(&entry("a", b'S', b"")).unwrap_err(), "E_UNSUPPORTED");
        assert_eq!(read(&entry("a", b'2', b"content")).unwrap_err(), "E_ZIP_STRUCT");
        assert_eq!(read(&entry("a", b'L', b"x").repeat(9)).unwrap_err(), "E_ZIP_STRUCT");
        assert_eq!(read(&entry("a", b'g', b"10 path=a\n")).unwrap_err(), "E_UNSUPPORTED");
        assert_eq!(read(&entry("a", b'0', b"abc")[..513]).unwrap_err(), "E_TRUNCATED");
        let mut lying = entry("a", b'0', b"");
        lying[0] = b'b';
        assert_eq!(read(&lying).unwrap_err(), "E_ZIP_STRUCT");
    }

    #[test]
    fn numbers() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b"\x80\0\0\x01\0"), Some(256));
        assert_eq!(number(&[0xff; 12]), None);
        assert_eq!(number(b"9"), None);
        assert_eq!(number(b"+7"), None);
    }
}
