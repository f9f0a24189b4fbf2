//! Windows icons: a list of pictures, each a PNG file or a bitmap without its file header.

use appdepot_core::inspect::Problem;

use super::package::{Picture, broken, check_pixels, check_size};
use super::raster;
use crate::bytes::{slice_at, u16_at, u32_at};
use crate::reader::Reader;

/// What every icon file starts with.
pub(super) const MAGIC: &[u8] = &[0, 0, 1, 0];
/// Pictures looked at.
const MOST: usize = 64;

/// The largest picture of an icon file as PNG.
pub(super) fn largest(reader: &mut Reader<'_>, data: &[u8]) -> Result<(Vec<u8>, u32, u32), Problem> {
    let count = usize::from(u16_at(data, 4).ok_or_else(broken)?).min(MOST);
    let entry = |index: usize| {
        let entry = slice_at(data, 6 + index * 16, 16)?;
        let edge = entry.first().map(|edge| if *edge == 0 { 256 } else { u16::from(*edge) })?;
        let (len, at) = (u32_at(entry, 8)? as usize, u32_at(entry, 12)? as usize);
        // an entry inside the list would be the list read as a picture
        let content = slice_at(data, at, len).filter(|_| at >= 6 + count * 16)?;
        Some((edge, u16_at(entry, 6)?, content))
    };
    let (.., best) =
        (0..count).filter_map(entry).max_by_key(|(edge, bits, _)| (*edge, *bits)).ok_or_else(broken)?;
    if best.starts_with(raster::MAGIC) { raster::clean(reader, best) } else { raster::write(&bitmap(best)?) }
}

/// A bitmap of an icon: rows from the bottom, twice as high as the picture, the lower half a mask.
fn bitmap(data: &[u8]) -> Result<Picture, Problem> {
    let field = |at| u32_at(data, at).ok_or_else(broken);
    let header = field(0)? as usize;
    let (width, height) = check_size(field(4)?, field(8)? / 2)?;
    check_pixels(width, height)?;
    let bits = usize::from(u16_at(data, 14).ok_or_else(broken)?);
    if header < 40 || field(16)? != 0 || !matches!(bits, 1 | 4 | 8 | 24 | 32) {
        return Err(broken());
    }
    let colors = match (bits, field(32)? as usize) {
        (24 | 32, _) => 0,
        (_, 0) => 1 << bits,
        (_, some) => some.min(1 << bits),
    };
    let palette = slice_at(data, header, colors * 4).ok_or_else(broken)?.as_chunks::<4>().0;
    let row_len = |bits: usize| (width as usize * bits).div_ceil(32) * 4;
    let rows = header + colors * 4;
    let masks = rows + row_len(bits) * height as usize;
    let mut pixels = Vec::with_capacity(width as usize * height as usize * 4);
    for y in (0..height as usize).rev() {
        let row = slice_at(data, rows + row_len(bits) * y, row_len(bits)).ok_or_else(broken)?;
        // many writers leave the mask out
        let mask = slice_at(data, masks + row_len(1) * y, row_len(1)).unwrap_or_default();
        for x in 0..width as usize {
            let bit = |row: &[u8]| row.get(x / 8).is_some_and(|byte| byte >> (7 - x % 8) & 1 == 1);
            let byte = |at: usize| row.get(at).copied().unwrap_or(0);
            let [blue, green, red, alpha] = match bits {
                32 => [byte(x * 4), byte(x * 4 + 1), byte(x * 4 + 2), byte(x * 4 + 3)],
                24 => [byte(x * 3), byte(x * 3 + 1), byte(x * 3 + 2), 255],
                _ => {
                    let index = match bits {
                        8 => byte(x).into(),
                        4 => usize::from(byte(x / 2) >> (4 - x % 2 * 4) & 0xf),
                        _ => usize::from(bit(row)),
                    };
                    let [blue, green, red, _] = palette.get(index).copied().unwrap_or_default();
                    [blue, green, red, 255]
                }
            };
            let hidden = bits != 32 && bit(mask);
            pixels.extend([red, green, blue, if hidden { 0 } else { alpha }]);
        }
    }
    // 32 bits whose fourth is unused everywhere: the mask alone says what is seen
    if bits == 32 && pixels.as_chunks::<4>().0.iter().all(|[.., alpha]| *alpha == 0) {
        for (at, pixel) in pixels.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            let (x, y) = (at % width as usize, height as usize - 1 - at / width as usize);
            let mask = data.get(masks + row_len(1) * y + x / 8).copied().unwrap_or(0);
            pixel[3] = if mask >> (7 - x % 8) & 1 == 1 { 0 } else { 255 };
        }
    }
    Ok(Picture { width, height, pixels })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn palettes_masks_and_rows_from_below() {
        let mut data = Vec::new();
        for word in [40_u32, 2, 4, 1 | 4 << 16, 0, 0, 0, 0, 2, 0, 0x00ff_0000, 0x0000_ff00] {
            data.extend(word.to_le_bytes());
        }
        // lower row: red, green; upper row: green, red; the mask hides the lower right
        data.extend([0x01, 0, 0, 0, 0x10, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0]);
        let picture = bitmap(&data).unwrap();
        assert_eq!((picture.width, picture.height), (2, 2));
        let (red, green) = ([255, 0, 0, 255], [0, 255, 0, 255]);
        assert_eq!(picture.pixels, [green, red, red, [0, 255, 0, 0]].concat());
        assert!(bitmap(&data[..50]).is_err());
    }
}
