//! `ar` archives, as Debian packages are: 60-byte text headers, one after the other.

use appdepot_core::inspect::Problem;

use crate::error::{Anomaly, Code};
use crate::reader::Reader;

/// The first bytes of an archive.
pub(crate) const MAGIC: &[u8] = b"!<arch>\n";
const HEADER: usize = 60;

/// One file of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) offset: u64,
    pub(crate) size: u64,
}

/// The members in order, `most` at most.
///
/// # Errors
/// `E_ZIP_STRUCT` for headers that are none, `E_TRUNCATED`, `E_LIMIT_ENTRIES`, and errors of reading.
pub(crate) async fn members(reader: &mut Reader<'_>, most: usize) -> Result<Vec<Member>, Problem> {
    let mut members = Vec::new();
    let mut at = MAGIC.len() as u64;
    while at < reader.length() {
        reader.check_time()?;
        if reader.length() - at < HEADER as u64 && !members.is_empty() {
            reader.note(Anomaly::TrailingData);
            break;
        }
        if members.len() >= most {
            return Err(Code::LimitEntries.problem("the archive has more members than are read"));
        }
        let header = reader.bytes_ahead(at, HEADER, reader.limits().window_bytes).await?;
        let (name, size) = parse(&header).ok_or_else(|| {
            Code::ZipStruct.problem(format!("the header of member {} is none", members.len() + 1))
        })?;
        let offset = at + HEADER as u64;
        let end = offset.checked_add(size).filter(|end| *end <= reader.length());
        let end = end.ok_or_else(|| Code::Truncated.problem(format!("{name} is longer than the file")))?;
        members.push(Member { name, offset, size });
        at = end + size % 2;
    }
    Ok(members)
}

fn parse(header: &[u8]) -> Option<(String, u64)> {
    let name = String::from_utf8_lossy(header.get(..16)?).trim_end_matches(' ').to_owned();
    let size = std::str::from_utf8(header.get(48..58)?).ok()?.trim_end_matches(' ');
    let is_number = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_digit());
    let ends = header.get(58..60)? == b"`\n";
    let size = size.parse().ok().filter(|_| is_number && ends)?;
    // GNU ar ends names with a slash
    Some((name.strip_suffix('/').unwrap_or(&name).to_owned(), size))
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;

    use super::*;
    use crate::{Limits, SliceSource};

    fn header(name: &str, size: &str) -> String {
        format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 100_644)
    }

    fn read(text: &str, most: usize) -> Result<Vec<(String, u64)>, String> {
        let (limits, source) = (Limits::default(), SliceSource(text.as_bytes()));
        let found = block_on(members(&mut Reader::new(&source, &limits), most));
        found
            .map(|all| all.into_iter().map(|one| (one.name, one.size)).collect())
            .map_err(|problem| problem.code)
    }

    #[test]
    fn members_are_padded_to_even_lengths() {
        let text = format!("!<arch>\n{}abc\n{}xy", header("a", "3"), header("b/", "2"));
        assert_eq!(read(&text, 2).unwrap(), [("a".to_owned(), 3), ("b".to_owned(), 2)]);
        assert_eq!(read(&text, 1).unwrap_err(), "E_LIMIT_ENTRIES");
    }

    #[test]
    fn sizes_are_numbers_within_the_file() {
        for (size, code) in [
            ("-1", "E_ZIP_STRUCT"),
            ("+1", "E_ZIP_STRUCT"),
            ("0x1", "E_ZIP_STRUCT"),
            ("", "E_ZIP_STRUCT"),
            ("9999999999", "E_TRUNCATED"),
        ] {
            assert_eq!(read(&format!("!<arch>\n{}a", header("a", size)), 9).unwrap_err(), code, "{size}");
        }
    }
}
