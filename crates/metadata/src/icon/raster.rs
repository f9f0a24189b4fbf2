//! PNG files: checked, cleaned, read, written.

use std::io::Cursor;

use appdepot_core::inspect::Problem;
use png::{BitDepth, ColorType, Decoder, Limits, Transformations};

use super::package::{Picture, broken, check_pixels, check_size};
use super::png::plain_png;
use crate::bytes::{be32_at, slice_at};
use crate::error::Code;
use crate::reader::Reader;

/// What every PNG file starts with.
pub(super) const MAGIC: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Chunks handed on: the picture and what its colours mean. Texts, profiles, times and further frames are not.
const KEPT: [&[u8]; 9] = [b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"gAMA", b"cHRM", b"sRGB", b"sBIT"];
/// Memory a decoder may take.
const MEMORY: usize = 32 << 20;

/// What the header says.
#[derive(Debug, Clone, Copy)]
struct Header {
    width: u32,
    height: u32,
    bits: u64,
    channels: u64,
}

impl Header {
    /// Bytes of the picture as it is compressed.
    fn bytes(self) -> u64 {
        // interlacing adds at most a filter byte to each of some seven times as many rows
        let row = (u64::from(self.width) * self.bits * self.channels).div_ceil(8);
        (row + 8) * u64::from(self.height)
    }
}

/// A PNG file whose structure is whole, of known chunks only.
struct Sound {
    data: Vec<u8>,
    header: Header,
}

fn is_apples(data: &[u8]) -> bool {
    data.get(12..16) == Some(b"CgBI")
}

/// The width and height of a PNG file, checked against the limits.
pub(super) fn size(data: &[u8]) -> Result<(u32, u32), Problem> {
    let at = if is_apples(data) { 8 + 12 + 4 } else { 8 };
    if slice_at(data, at + 4, 4) != Some(b"IHDR") {
        return Err(broken());
    }
    match (be32_at(data, at + 8), be32_at(data, at + 12)) {
        (Some(width), Some(height)) => check_size(width, height),
        _ => Err(broken()),
    }
}

/// A PNG file fit to be shown: checked row by row, and without what is not picture. An ordinary one keeps its bytes.
pub(super) fn clean(reader: &mut Reader<'_>, data: &[u8]) -> Result<(Vec<u8>, u32, u32), Problem> {
    let sound = Sound::read(reader, data)?;
    let Header { width, height, .. } = sound.header;
    let mut decoder = open(&sound, Transformations::IDENTITY)?;
    let mut rows = 0_u32;
    while decoder.next_row().map_err(|_| broken())?.is_some() {
        rows += 1;
        if rows.is_multiple_of(64) {
            reader.check_time()?;
        }
    }
    drop(decoder);
    Ok((sound.data, width, height))
}

/// The pixels of a PNG file.
pub(super) fn pixels(reader: &mut Reader<'_>, data: &[u8]) -> Result<Picture, Problem> {
    let sound = Sound::read(reader, data)?;
    decode(reader, &sound)
}

/// A PNG file of these pixels, its width and height.
pub(super) fn write(picture: &Picture) -> Result<(Vec<u8>, u32, u32), Problem> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, picture.width, picture.height);
    encoder.set_color(ColorType::Rgba);
    encoder.set_depth(BitDepth::Eight);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&picture.pixels));
    written.map_err(|_| broken())?;
    Ok((out, picture.width, picture.height))
}

impl Sound {
    fn read(reader: &mut Reader<'_>, data: &[u8]) -> Result<Self, Problem> {
        let cut = || Code::Truncated.problem("the picture ends early");
        let (width, height) = size(data)?;
        let plain;
        let data = if is_apples(data) {
            plain = plain_png(data, reader.limits())?;
            &plain
        } else {
            data
        };
        let mut sound = Self { data: MAGIC.to_vec(), header: Header { width, height, bits: 0, channels: 0 } };
        let (mut at, mut whole) = (MAGIC.len(), false);
        while !whole {
            let len = be32_at(data, at).ok_or_else(cut)? as usize;
            let chunk = len.checked_add(12).and_then(|len| slice_at(data, at, len)).ok_or_else(cut)?;
            let kind = slice_at(chunk, 4, 4).unwrap_or_default();
            let content = slice_at(chunk, 8, len).unwrap_or_default();
            at += chunk.len();
            match kind {
                b"IHDR" => sound.header(content)?,
                b"IEND" => whole = true,
                _ => {}
            }
            if KEPT.contains(&kind) {
                sound.data.extend_from_slice(chunk);
            }
        }
        reader.charge_inflated(sound.header.bytes())?;
        Ok(sound)
    }

    fn header(&mut self, content: &[u8]) -> Result<(), Problem> {
        let &[_, _, _, _, _, _, _, _, bits, color, _, _, _] = content else { return Err(broken()) };
        let channels = match color {
            0 | 3 => 1,
            4 => 2,
            2 => 3,
            6 => 4,
            _ => return Err(broken()),
        };
        if self.header.channels != 0 || !matches!(bits, 1 | 2 | 4 | 8 | 16) {
            return Err(broken());
        }
        self.header.bits = bits.into();
        self.header.channels = channels;
        Ok(())
    }
}

fn open(sound: &Sound, transformations: Transformations) -> Result<png::Reader<Cursor<&[u8]>>, Problem> {
    let mut decoder = Decoder::new_with_limits(Cursor::new(sound.data.as_slice()), Limits { bytes: MEMORY });
    decoder.set_transformations(transformations);
    decoder.read_info().map_err(|_| broken())
}

fn decode(reader: &mut Reader<'_>, sound: &Sound) -> Result<Picture, Problem> {
    let Header { width, height, .. } = sound.header;
    check_pixels(width, height)?;
    // as compressed it has been counted
    let held = u64::from(width) * u64::from(height) * 4;
    reader.charge_inflated(held.saturating_sub(sound.header.bytes()))?;
    let mut decoder = open(sound, Transformations::normalize_to_color8() | Transformations::ALPHA)?;
    let len = decoder.output_buffer_size().filter(|len| *len <= MEMORY).ok_or_else(broken)?;
    let mut data = vec![0; len];
    decoder.next_frame(&mut data).map_err(|_| broken())?;
    reader.check_time()?;
    let pixels = match decoder.output_color_type().0 {
        ColorType::Rgba => data,
        ColorType::GrayscaleAlpha => {
            data.as_chunks::<2>().0.iter().flat_map(|[gray, alpha]| [*gray, *gray, *gray, *alpha]).collect()
        }
        _ => return Err(broken()),
    };
    Ok(Picture { width, height, pixels })
}
