//! Single compressed streams, unpacked up to a cap.

use std::io::Read;

use appdepot_core::inspect::Problem;
use flate2::{Crc, Decompress, FlushDecompress, Status};
use lzma_rust2::XzReader;
use ruzstd::decoding::StreamingDecoder;
use ruzstd::decoding::errors::FrameDecoderError;

use crate::bytes::{u16_at, u32_at};
use crate::error::Code;
use crate::reader::Reader;

/// Streams that may stand one after the other in one file; tools that pack in pieces make a few.
const MOST_STREAMS: usize = 64;
/// The largest xz dictionary; `xz -9` asks for 64 MiB.
const XZ_KIB: u32 = (65 << 10) + 512;
/// The largest zstd window; `zstd -19` asks for 8 MiB.
const ZSTD_WINDOW: u64 = 8 << 20;

/// How a stream is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packed {
    Stored,
    Gzip,
    Zlib,
    Xz,
    Zstd,
}

/// How unpacking ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Where the stream does.
    Whole,
    /// At the cap; what came before it is there.
    Cap,
    /// At bytes that cannot be unpacked, or a wrong checksum.
    Broken,
}

/// Unpacks `data` up to `cap` bytes.
///
/// # Errors
/// `E_LIMIT_INFLATE` when the whole inspection unpacks too much or a dictionary is too large, `E_UNSUPPORTED` for
/// more streams in a row than anybody writes, `E_LIMIT_TIME`.
pub(crate) fn unpack(
    reader: &mut Reader<'_>,
    packed: Packed,
    data: &[u8],
    cap: u64,
) -> Result<(Vec<u8>, End), Problem> {
    let cap = usize::try_from(cap).unwrap_or(usize::MAX);
    let mut out = Vec::new();
    let end = match packed {
        Packed::Stored => {
            let kept = data.get(..data.len().min(cap)).unwrap_or_default();
            reader.charge_inflated(kept.len() as u64)?;
            out.extend_from_slice(kept);
            if kept.len() < data.len() { End::Cap } else { End::Whole }
        }
        Packed::Zlib => inflate(reader, &mut Decompress::new(true), data, &mut out, cap)?.1,
        Packed::Gzip => gzip(reader, data, &mut out, cap)?,
        Packed::Xz => {
            // one stream: padding and further ones would only make readers differ
            let mut stream = XzReader::new_mem_limit(data, false, XZ_KIB);
            drain(reader, &mut stream, &mut out, cap)?
        }
        Packed::Zstd => zstd(reader, data, &mut out, cap)?,
    };
    out.truncate(cap);
    Ok((out, end))
}

/// Inflates one stream behind what `out` holds; returns the bytes it took.
fn inflate(
    reader: &mut Reader<'_>,
    stream: &mut Decompress,
    data: &[u8],
    out: &mut Vec<u8>,
    cap: usize,
) -> Result<(usize, End), Problem> {
    const STEP: usize = 64 << 10;
    loop {
        if out.len() > cap {
            return Ok((0, End::Cap));
        }
        if out.len() == out.capacity() {
            out.reserve(out.len().clamp(4 << 10, STEP));
        }
        let consumed = usize::try_from(stream.total_in()).unwrap_or(usize::MAX);
        let before = out.len();
        let input = data.get(consumed..).unwrap_or_default();
        let status = stream.decompress_vec(input, out, FlushDecompress::None);
        reader.charge_inflated((out.len() - before) as u64)?;
        let now = usize::try_from(stream.total_in()).unwrap_or(usize::MAX);
        match status {
            Ok(Status::StreamEnd) if out.len() > cap => return Ok((now, End::Cap)),
            Ok(Status::StreamEnd) => return Ok((now, End::Whole)),
            Ok(_) if now > consumed || out.len() > before || out.len() == out.capacity() => {}
            _ => return Ok((now, End::Broken)),
        }
    }
}

/// gzip, RFC 1952; several members count as one content.
fn gzip(reader: &mut Reader<'_>, data: &[u8], out: &mut Vec<u8>, cap: usize) -> Result<End, Problem> {
    let mut rest = data;
    for _ in 0..MOST_STREAMS {
        let Some(body) = gzip_header(rest).and_then(|at| rest.get(at..)) else { return Ok(End::Broken) };
        let start = out.len();
        let mut stream = reader.inflater();
        let result = inflate(reader, &mut stream, body, out, cap);
        reader.keep_inflater(stream);
        let (taken, end) = result?;
        if end != End::Whole {
            return Ok(end);
        }
        let content = out.get(start..).unwrap_or_default();
        let mut crc = Crc::new();
        crc.update(content);
        let length = content.len() as u64 & 0xffff_ffff;
        if u32_at(body, taken) != Some(crc.sum()) || u32_at(body, taken + 4).map(u64::from) != Some(length) {
            return Ok(End::Broken);
        }
        rest = body.get(taken + 8..).unwrap_or_default();
        // padding with zeros is what tapes and block devices leave
        if rest.iter().all(|byte| *byte == 0) {
            return Ok(End::Whole);
        }
    }
    Err(Code::Unsupported.problem("more compressed streams in a row than are read"))
}

/// The length of a gzip member's header.
fn gzip_header(data: &[u8]) -> Option<usize> {
    const FIXED: usize = 10;
    let head: &[u8; FIXED] = data.first_chunk()?;
    let flags = match head {
        [0x1f, 0x8b, 8, flags, ..] => *flags,
        _ => return None,
    };
    let mut at = FIXED;
    if flags & 4 != 0 {
        at += 2 + usize::from(u16_at(data, at)?);
    }
    for _ in 0..(flags >> 3 & 1) + (flags >> 4 & 1) {
        at += data.get(at..)?.iter().position(|byte| *byte == 0)? + 1;
    }
    Some(at + if flags & 2 == 0 { 0 } else { 2 })
}

fn zstd(reader: &mut Reader<'_>, data: &[u8], out: &mut Vec<u8>, cap: usize) -> Result<End, Problem> {
    let mut rest = data;
    for _ in 0..MOST_STREAMS {
        let mut stream = match StreamingDecoder::new_with_max_window_size(&mut rest, ZSTD_WINDOW) {
            Ok(stream) => stream,
            Err(FrameDecoderError::WindowSizeTooBig { .. }) => return Err(dictionary()),
            Err(_) => return Ok(End::Broken),
        };
        let end = drain(reader, &mut stream, out, cap)?;
        if end != End::Whole {
            return Ok(end);
        }
        if rest.is_empty() {
            return Ok(End::Whole);
        }
    }
    Err(Code::Unsupported.problem("more compressed streams in a row than are read"))
}

fn drain(
    reader: &mut Reader<'_>,
    from: &mut impl Read,
    out: &mut Vec<u8>,
    cap: usize,
) -> Result<End, Problem> {
    let mut piece = vec![0; 32 << 10];
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(End::Whole),
            Ok(count) => {
                reader.charge_inflated(count as u64)?;
                out.extend_from_slice(piece.get(..count).unwrap_or_default());
                if out.len() > cap {
                    return Ok(End::Cap);
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::OutOfMemory => return Err(dictionary()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => reader.check_time()?,
            Err(_) => return Ok(End::Broken),
        }
    }
}

fn dictionary() -> Problem {
    Code::LimitInflate.problem("a stream that asks for more memory than it is given")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::{Limits, SliceSource};

    fn run(packed: Packed, data: &[u8], cap: u64) -> Result<(Vec<u8>, End), String> {
        let (limits, source) = (Limits::default(), SliceSource(b""));
        unpack(&mut Reader::new(&source, &limits), packed, data, cap).map_err(|problem| problem.code)
    }

    fn gzipped(data: &[u8]) -> Vec<u8> {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(data).unwrap();
        packed.finish().unwrap()
    }

    #[test]
    fn members_follow_each_other_within_the_cap() {
        let mut twice = gzipped(b"ab");
        twice.extend(gzipped(b"cd"));
        assert_eq!(run(Packed::Gzip, &twice, 10).unwrap(), (b"abcd".to_vec(), End::Whole));
        assert_eq!(run(Packed::Gzip, &twice, 3).unwrap(), (b"abc".to_vec(), End::Cap));
        twice.extend([0; 9]);
        assert_eq!(run(Packed::Gzip, &twice, 4).unwrap().1, End::Whole);
        assert_eq!(run(Packed::Gzip, &gzipped(b"").repeat(1_000), 4).unwrap_err(), "E_UNSUPPORTED");
        let large = gzipped(&vec![7; 1 << 20]);
        assert_eq!(run(Packed::Gzip, &large, 1 << 20).unwrap().0.len(), 1 << 20);
        assert_eq!(run(Packed::Gzip, &large, (1 << 20) - 1).unwrap().1, End::Cap);
    }

    #[test]
    fn broken_streams_are_told() {
        let mut wrong = gzipped(b"abcd");
        let last = wrong.len() - 6;
        wrong[last] ^= 1;
        assert_eq!(run(Packed::Gzip, &wrong, 10).unwrap().1, End::Broken);
        for packed in [Packed::Gzip, Packed::Zlib, Packed::Xz, Packed::Zstd] {
            assert_eq!(run(packed, b"no such thing", 10).unwrap().1, End::Broken, "{packed:?}");
            assert_eq!(run(packed, b"", 10).unwrap().0, b"", "{packed:?}");
        }
        assert_eq!(run(Packed::Stored, b"abc", 2).unwrap(), (b"ab".to_vec(), End::Cap));
    }
}
