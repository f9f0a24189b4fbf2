//! PNG pictures, and the variant of them that Apple's tools put into apps.
//!
//! In that variant a chunk `CgBI` stands first, the pixels are deflated without the zlib frame, their bytes are in the
//! order blue, green, red, and colours are multiplied with their opacity. No browser shows such a file.

use std::io::Write;

use appdepot_core::inspect::Problem;
use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc, Decompress, FlushDecompress, Status};

use crate::bytes::paeth;
use crate::error::Code;
use crate::limits::Limits;

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// More pixels than any icon has.
const MOST_PIXELS: u64 = 4096 * 4096;
const MOST_CHUNKS: usize = 16_384;

/// A plain PNG of an icon: one in Apple's variant is written anew, a plain one is given back without what stands behind
/// its end.
///
/// The size is judged from the header before anything is inflated, and no more is inflated than the picture has. Of a
/// rewritten picture only the pixels are kept, no text, profile or animation.
///
/// # Errors
/// `E_TYPE_MISMATCH` when it is no PNG, `E_IMAGE_LIMIT`, `E_LIMIT_INFLATE` and `E_LIMIT_ENTRIES` when it is too large,
/// `E_TRUNCATED` and `E_MANIFEST_INVALID` when it is broken, `E_UNSUPPORTED` for pixels Apple's tools do not write.
///
/// ```
/// use appdepot_metadata::{Limits, icon};
///
/// let problem = icon::plain_png(b"GIF89a", &Limits::default()).err();
/// assert_eq!(problem.map(|problem| problem.code).as_deref(), Some("E_TYPE_MISMATCH"));
/// ```
pub fn plain_png(data: &[u8], limits: &Limits) -> Result<Vec<u8>, Problem> {
    let parts = Parts::read(data)?;
    let header = Header::read(parts.header)?;
    if header.pixels() > MOST_PIXELS {
        return Err(Code::ImageLimit.problem("more pixels than an icon has"));
    }
    if !parts.is_apples {
        return Ok(parts.whole.to_vec());
    }
    let depth_is_known = header.depth == 8 || !matches!(header.colours, 2 | 6);
    if header.colours == 3 || !depth_is_known {
        return Err(Code::Unsupported.problem("an icon of colours that are not converted"));
    }
    let length = header.passes().map(|pass| pass.bytes(&header)).sum::<u64>();
    if length > limits.inflated_bytes {
        return Err(Code::LimitInflate.problem("the icon inflates to more than is read"));
    }
    let length =
        usize::try_from(length).map_err(|_| Code::ImageLimit.problem("more pixels than an icon has"))?;
    let mut pixels = inflate(&parts.data, length)?;
    let mut rest = pixels.as_mut_slice();
    for pass in header.passes() {
        let bytes = usize::try_from(pass.bytes(&header)).unwrap_or(usize::MAX);
        let (rows, after) = rest.split_at_mut_checked(bytes).ok_or_else(broken)?;
        convert(rows, pass.row(&header), &header)?;
        rest = after;
    }
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let packed = encoder.write_all(&pixels).and_then(|()| encoder.finish()).map_err(|_| broken())?;
    let mut out = SIGNATURE.to_vec();
    chunk(&mut out, b"IHDR", parts.header);
    chunk(&mut out, b"IDAT", &packed);
    chunk(&mut out, b"IEND", &[]);
    Ok(out)
}

fn broken() -> Problem {
    Code::ManifestInvalid.problem("a broken PNG")
}

fn chunk(out: &mut Vec<u8>, name: &[u8; 4], content: &[u8]) {
    let mut checksum = Crc::new();
    checksum.update(name);
    checksum.update(content);
    // what is written here is far below four gigabytes
    out.extend(u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend(name);
    out.extend(content);
    out.extend(checksum.sum().to_be_bytes());
}

/// The chunks that make the picture.
struct Parts<'a> {
    header: &'a [u8; 13],
    is_apples: bool,
    data: Vec<&'a [u8]>,
    /// Up to the end of the picture.
    whole: &'a [u8],
}

impl<'a> Parts<'a> {
    fn read(data: &'a [u8]) -> Result<Self, Problem> {
        let mut rest = data
            .strip_prefix(SIGNATURE)
            .ok_or_else(|| Code::TypeMismatch.problem("an icon that is not a PNG"))?;
        let mut header = None;
        let mut is_apples = false;
        let mut found = Vec::new();
        for _ in 0..MOST_CHUNKS {
            let cut = || Code::Truncated.problem("the icon ends before its picture does");
            let (length, after) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
            let (name, after) = after.split_first_chunk::<4>().ok_or_else(cut)?;
            let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| cut())?;
            let (content, after) = after.split_at_checked(length).ok_or_else(cut)?;
            let (_, after) = after.split_first_chunk::<4>().ok_or_else(cut)?;
            rest = after;
            match name {
                b"CgBI" if header.is_none() => is_apples = true,
                b"IHDR" if header.is_none() => header = Some(content.first_chunk().ok_or_else(broken)?),
                _ if header.is_none() => return Err(broken()),
                b"IDAT" => found.push(content),
                b"IEND" => {
                    let whole = data.get(..data.len() - rest.len()).unwrap_or(data);
                    let header = header.ok_or_else(broken)?;
                    return Ok(Self { header, is_apples, data: found, whole });
                }
                _ => {}
            }
        }
        Err(Code::LimitEntries.problem("an icon in too many pieces"))
    }
}

#[derive(Debug, Clone, Copy)]
struct Header {
    width: u32,
    height: u32,
    depth: u8,
    colours: u8,
    interlaced: bool,
}

impl Header {
    fn read(data: &[u8; 13]) -> Result<Self, Problem> {
        let [w0, w1, w2, w3, h0, h1, h2, h3, depth, colours, 0, 0, interlaced @ 0..=1] = *data else {
            return Err(broken());
        };
        let header = Self {
            width: u32::from_be_bytes([w0, w1, w2, w3]),
            height: u32::from_be_bytes([h0, h1, h2, h3]),
            depth,
            colours,
            interlaced: interlaced == 1,
        };
        let known =
            matches!((colours, depth), (0, 1 | 2 | 4 | 8 | 16) | (3, 1 | 2 | 4 | 8) | (2 | 4 | 6, 8 | 16));
        if !known || header.width == 0 || header.height == 0 {
            return Err(broken());
        }
        Ok(header)
    }

    fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    fn bits(&self) -> u64 {
        let samples = match self.colours {
            2 => 3,
            4 => 2,
            6 => 4,
            _ => 1,
        };
        samples * u64::from(self.depth)
    }

    /// The pictures the pixels are stored as: one, or seven that interlace.
    fn passes(&self) -> impl Iterator<Item = Pass> {
        const ADAM7: [(u32, u32, u32, u32); 7] = [
            (0, 0, 8, 8),
            (4, 0, 8, 8),
            (0, 4, 4, 8),
            (2, 0, 4, 4),
            (0, 2, 2, 4),
            (1, 0, 2, 2),
            (0, 1, 1, 2),
        ];
        const WHOLE: [(u32, u32, u32, u32); 1] = [(0, 0, 1, 1)];
        let grid: &[_] = if self.interlaced { &ADAM7 } else { &WHOLE };
        let header = *self;
        grid.iter()
            .map(move |(x, y, across, down)| Pass {
                width: header.width.saturating_sub(*x).div_ceil(*across),
                height: header.height.saturating_sub(*y).div_ceil(*down),
            })
            .filter(|pass| pass.width > 0 && pass.height > 0)
    }
}

struct Pass {
    width: u32,
    height: u32,
}

impl Pass {
    /// Bytes of a row without its filter.
    fn row(&self, header: &Header) -> usize {
        usize::try_from((u64::from(self.width) * header.bits()).div_ceil(8)).unwrap_or(usize::MAX)
    }

    fn bytes(&self, header: &Header) -> u64 {
        (self.row(header) as u64 + 1) * u64::from(self.height)
    }
}

/// The pixels, as many bytes as the header says and no more.
fn inflate(parts: &[&[u8]], length: usize) -> Result<Vec<u8>, Problem> {
    const STEP: usize = 256 << 10;
    let mut stream = Decompress::new(false);
    let mut out = Vec::new();
    for part in parts {
        let mut rest = *part;
        while !rest.is_empty() && out.len() < length {
            out.reserve_exact(STEP.min(length - out.len()));
            let before = (stream.total_in(), out.len());
            let status = stream.decompress_vec(rest, &mut out, FlushDecompress::None);
            let used = usize::try_from(stream.total_in() - before.0).unwrap_or(usize::MAX);
            rest = rest.get(used..).unwrap_or_default();
            match status {
                Ok(Status::StreamEnd) => rest = &[],
                Ok(_) if used > 0 || out.len() > before.1 => {}
                _ => return Err(broken()),
            }
        }
    }
    out.truncate(length);
    if out.len() < length {
        return Err(Code::Truncated.problem("the icon has fewer pixels than it says"));
    }
    Ok(out)
}

/// Takes back the filters of rows, puts colours into their usual order and form, and filters anew.
fn convert(rows: &mut [u8], row: usize, header: &Header) -> Result<(), Problem> {
    let step = usize::try_from(header.bits().div_ceil(8)).unwrap_or(1);
    let mut above = vec![0u8; row];
    let mut plain = vec![0u8; row];
    // the row above as it is written
    let mut written = vec![0u8; row];
    for line in rows.chunks_exact_mut(row.saturating_add(1)) {
        let (filter, line) = line.split_first_mut().ok_or_else(broken)?;
        if *filter > 4 {
            return Err(broken());
        }
        plain.copy_from_slice(line);
        for at in 0..row {
            let (left, up, corner) = around(&plain, &above, at, step);
            let guess = match *filter {
                1 => left,
                2 => up,
                3 => u8::midpoint(left, up),
                4 => paeth(left, up, corner),
                _ => 0,
            };
            if let Some(byte) = plain.get_mut(at) {
                *byte = byte.wrapping_add(guess);
            }
        }
        above.copy_from_slice(&plain);
        match header.colours {
            2 => plain.as_chunks_mut::<3>().0.iter_mut().for_each(|[blue, _, red]| std::mem::swap(blue, red)),
            6 => plain.as_chunks_mut::<4>().0.iter_mut().for_each(|pixel| *pixel = straight(*pixel)),
            _ => {}
        }
        // one filter for all rows; icons pack well with it
        *filter = 4;
        for (at, byte) in line.iter_mut().enumerate() {
            let (left, up, corner) = around(&plain, &written, at, step);
            let value = plain.get(at).copied().unwrap_or(0);
            *byte = value.wrapping_sub(paeth(left, up, corner));
        }
        written.copy_from_slice(&plain);
    }
    Ok(())
}

/// The bytes to the left, above, and above to the left.
fn around(line: &[u8], above: &[u8], at: usize, step: usize) -> (u8, u8, u8) {
    let of = |row: &[u8], at: Option<usize>| at.and_then(|at| row.get(at)).copied().unwrap_or(0);
    let left = at.checked_sub(step);
    (of(line, left), of(above, Some(at)), of(above, left))
}

/// Blue, green and red multiplied with the opacity, as red, green and blue that are not.
fn straight([blue, green, red, alpha]: [u8; 4]) -> [u8; 4] {
    let whole = |colour: u8| match alpha {
        0 => 0,
        255 => colour,
        _ => {
            let alpha = u32::from(alpha);
            let value = (u32::from(colour) * 255 + alpha / 2) / alpha;
            u8::try_from(value).unwrap_or(255)
        }
    };
    [whole(red), whole(green), whole(blue), alpha]
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::{DeflateEncoder, ZlibDecoder};
    use proptest::prelude::*;

    use super::*;

    fn png(apples: bool, width: u32, height: u32, interlaced: u8, rows: &[u8]) -> Vec<u8> {
        let mut out = SIGNATURE.to_vec();
        if apples {
            chunk(&mut out, b"CgBI", &[0x50, 0, 0x20, 2]);
        }
        let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 6, 0, 0, interlaced]].concat();
        chunk(&mut out, b"IHDR", &header);
        let mut packed = Vec::new();
        DeflateEncoder::new(rows, Compression::default()).read_to_end(&mut packed).unwrap();
        let (first, second) = packed.split_at(packed.len() / 2);
        chunk(&mut out, b"IDAT", first);
        chunk(&mut out, b"IDAT", second);
        chunk(&mut out, b"IEND", &[]);
        out
    }

    fn code(data: &[u8]) -> String {
        plain_png(data, &Limits::default()).unwrap_err().code
    }

    #[test]
    fn apples_variant_becomes_plain() {
        // two rows of two pixels: half red, blue; the second row as differences from the one above
        let rows = [1, 0, 0, 0x80, 0x80, 0xff, 0, 0x80, 0x7f, 2, 0, 0, 0, 0, 0, 0, 0, 0];
        let plain = plain_png(&png(true, 2, 2, 0, &rows), &Limits::default()).unwrap();
        let parts = Parts::read(&plain).unwrap();
        assert!(!parts.is_apples);
        let mut pixels = Vec::new();
        ZlibDecoder::new(&*parts.data.concat()).read_to_end(&mut pixels).unwrap();
        let row = [0xff, 0, 0, 0x80];
        assert_eq!(pixels[..5], [4, row[0], row[1], row[2], row[3]]);
        // every row the same: nothing is left of the second
        assert_eq!(pixels[9..], [4, 0, 0, 0, 0, 0, 0, 0, 0]);
        // what is plain already stays as it is, without what follows it
        assert_eq!(plain_png(&[&plain[..], b"PK"].concat(), &Limits::default()).unwrap(), plain);
    }

    #[test]
    fn interlaced_pictures_have_passes() {
        // 3 by 3: passes of 1x1, 1x1 (second column of pixels), 2x1, 1x2 and 3x1, as far as they are not empty
        let header = Header { width: 3, height: 3, depth: 8, colours: 6, interlaced: true };
        let sizes: Vec<_> = header.passes().map(|pass| (pass.width, pass.height)).collect();
        assert_eq!(sizes, [(1, 1), (1, 1), (2, 1), (1, 2), (3, 1)]);
        let bytes: u64 = header.passes().map(|pass| pass.bytes(&header)).sum();
        assert_eq!(bytes, 9 * 4 + 6);
        assert!(plain_png(&png(true, 3, 3, 1, &[0; 42]), &Limits::default()).is_ok());
    }

    #[test]
    fn what_is_refused() {
        assert_eq!(code(b""), "E_TYPE_MISMATCH");
        assert_eq!(code(&png(true, 30_000, 30_000, 0, &[])), "E_IMAGE_LIMIT");
        assert_eq!(code(&png(true, 0, 1, 0, &[])), "E_MANIFEST_INVALID");
        assert_eq!(code(&png(true, 2, 2, 0, &[0; 17])), "E_TRUNCATED");
        assert_eq!(code(&png(true, 1, 1, 0, &[5, 0, 0, 0, 0])), "E_MANIFEST_INVALID");
        let strict = Limits { inflated_bytes: 4, ..Limits::default() };
        let problem = plain_png(&png(true, 1, 1, 0, &[0; 5]), &strict).unwrap_err();
        assert_eq!(problem.code, "E_LIMIT_INFLATE");
        // a picture that holds more than it says
        assert!(plain_png(&png(true, 1, 1, 0, &vec![0; 1 << 20]), &Limits::default()).unwrap().len() < 100);
    }

    proptest! {
        #[test]
        fn total(rows in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..300, to in any::<u8>()) {
            let mut data = png(true, 3, 3, 0, &rows);
            if let Some(byte) = data.get_mut(at) {
                *byte = to;
            }
            let _ = plain_png(&data, &Limits::default());
        }
    }
}
