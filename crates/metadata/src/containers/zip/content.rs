//! The bytes of an entry.

use appdepot_core::inspect::Problem;
use bytes::Bytes;
use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::{Archive, DEFLATED, Entry, LOCAL, LOCAL_LEN, STORED};
use crate::bytes::{slice_at, u16_at, u32_at};
use crate::error::{Anomaly, Code};
use crate::reader::Reader;

const FLAG_ENCRYPTED: u16 = 1;
const FLAG_DESCRIPTOR: u16 = 1 << 3;
const FLAG_STRONG_ENCRYPTION: u16 = 1 << 6;
const FLAG_MASKED_HEADERS: u16 = 1 << 13;
/// Room for the extra field of a local header, so that header and data mostly come in one read.
const EXTRA_ROOM: usize = 64;

impl Archive {
    /// The content of `entry`, of at most `cap` bytes.
    ///
    /// A wrong checksum or size does not stop the reading; it is noted as a reason to refuse the file.
    ///
    /// # Errors
    /// `E_LIMIT_INFLATE` past `cap`, and where more is packed than `cap` bytes could take; `E_PATH` for a link;
    /// `E_ENCRYPTED`; `E_ZIP_STRUCT` when its bytes are not where the directory says; `E_ZIP_AMBIGUOUS` when the
    /// local header makes other bytes of it.
    pub async fn read(&self, reader: &mut Reader<'_>, entry: &Entry<'_>, cap: u64) -> Result<Bytes, Problem> {
        let most = if entry.is_stored() { cap } else { most_deflated(cap) };
        let most = most.min(reader.limits().compressed_bytes);
        let ahead = if entry.compressed > most { 0 } else { entry.compressed };
        let (offset, len) = self.locate(reader, entry, ahead).await?;
        if len > most {
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

    /// The first bytes of `entry`, at most `most`, inflated from no more packed ones, and where the packed ones stand
    /// in the file. Neither size nor checksum is looked at.
    ///
    /// # Errors
    /// As [`locate`](Self::locate), and the limits.
    pub(crate) async fn head(
        &self,
        reader: &mut Reader<'_>,
        entry: &Entry<'_>,
        most: usize,
    ) -> Result<(u64, Bytes), Problem> {
        let (offset, len) = self.locate(reader, entry, most as u64).await?;
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(most);
        let data = reader.bytes(offset, len).await?;
        if entry.is_stored() {
            return Ok((offset, data));
        }
        let mut head = vec![0; most];
        let mut stream = reader.inflater();
        // a stream that breaks gives what came before
        let _ = stream.decompress(&data, &mut head, FlushDecompress::None);
        let inflated = stream.total_out();
        reader.keep_inflater(stream);
        reader.charge_inflated(inflated)?;
        head.truncate(usize::try_from(inflated).unwrap_or(0));
        Ok((offset, Bytes::from(head)))
    }

    /// Where the bytes of `entry` stand in the file and how many, compressed as they are. Reads the local header
    /// and, in the same read, `ahead` bytes of content.
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
        let room = room.max(reader.limits().window_bytes);
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
}

/// More than `size` bytes take when they are deflated: what cannot be packed stands as it is in blocks with five bytes
/// in front or, by careless packers, in codes of nine bits.
fn most_deflated(size: u64) -> u64 {
    size.saturating_add(size / 8).saturating_add(64 << 10)
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
    /// No deflated byte stands for more.
    const MOST: usize = 1_032;
    /// Room behind the last byte, without which the decompressor goes by single steps there.
    const ROOM: usize = 320;
    let cap = usize::try_from(cap).unwrap_or(usize::MAX);
    // the declared size only chooses the first step
    let declared = usize::try_from(entry.size).unwrap_or(usize::MAX);
    let first = declared.min(cap).min(data.len().saturating_mul(MOST));
    let mut out = Vec::with_capacity(first.saturating_add(ROOM));
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

#[cfg(test)]
mod tests {
    use futures::executor::block_on;

    use super::*;
    use crate::Limits;
    use crate::fixture::zip::{self, ZipBuilder};

    /// What cannot be packed.
    fn noise(len: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        std::iter::repeat_with(next).take(len).collect()
    }

    /// What reading the only entry gives, and the bytes read for it.
    fn read(entry: zip::Entry, cap: u64) -> (Result<Bytes, String>, u64) {
        let file = Bytes::from(ZipBuilder::new().entry(entry).build());
        let limits = Limits::default();
        let mut reader = Reader::new(&file, &limits);
        block_on(async {
            let archive = Archive::open(&mut reader).await.unwrap().unwrap();
            let before = reader.bytes_read();
            let entry = archive.find(b"a").unwrap();
            let content = archive.read(&mut reader, &entry, cap).await.map_err(|problem| problem.code);
            (content, reader.bytes_read() - before)
        })
    }

    #[test]
    fn no_more_is_read_than_could_be_handed_out() {
        let data = noise(2 << 20);
        for entry in [zip::Entry::deflated("a", data.as_slice()), zip::Entry::stored("a", data.as_slice())] {
            assert_eq!(read(entry.clone(), 2 << 20).0.unwrap(), data);
            assert_eq!(read(entry.clone(), (2 << 20) - 1).0.unwrap_err(), "E_LIMIT_INFLATE");
            let (refused, bytes) = read(entry, 1 << 20);
            assert_eq!(refused.unwrap_err(), "E_LIMIT_INFLATE");
            assert!(bytes < 1 << 10, "{bytes}");
        }
        // a method that is neither
        let mut unknown = zip::Entry::deflated("a", data.as_slice());
        (unknown.local.method, unknown.central.method) = (Some(99), Some(99));
        let (refused, bytes) = read(unknown, 1 << 20);
        assert_eq!(refused.unwrap_err(), "E_LIMIT_INFLATE");
        assert!(bytes < 1 << 10, "{bytes}");
    }
}
