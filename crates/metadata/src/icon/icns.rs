//! macOS icons: members of a type each, by now mostly PNG files, formerly run-length coded planes with a mask.

use appdepot_core::inspect::Problem;

use super::package::{Picture, broken};
use super::raster;
use crate::bytes::{be32_at, slice_at};
use crate::error::Code;
use crate::reader::Reader;

/// What every icon file starts with.
pub(super) const MAGIC: &[u8] = b"icns";
/// Members looked at.
const MOST: usize = 256;
/// The largest edge worth handing on.
const WANTED: u32 = 512;
/// Planes, the mask that goes with them, and their edge, the largest first.
const PLANES: [(&[u8], &[u8], u32); 4] =
    [(b"it32", b"t8mk", 128), (b"ih32", b"h8mk", 48), (b"il32", b"l8mk", 32), (b"is32", b"s8mk", 16)];

/// The largest picture of at most 512 pixels as PNG, else the smallest.
pub(super) fn largest(reader: &mut Reader<'_>, data: &[u8]) -> Result<(Vec<u8>, u32, u32), Problem> {
    let mut members: Vec<(&[u8], &[u8])> = Vec::new();
    let mut at = 8;
    while let (Some(kind), Some(len)) = (slice_at(data, at, 4), be32_at(data, at + 4))
        && members.len() < MOST
    {
        let len = len as usize;
        let Some(content) = len.checked_sub(8).and_then(|len| slice_at(data, at + 8, len)) else { break };
        members.push((kind, content));
        at += len;
    }
    let pictures = members.iter().filter(|(_, content)| content.starts_with(raster::MAGIC));
    let mut sized: Vec<(u32, &[u8])> =
        pictures.filter_map(|(_, content)| Some((raster::size(content).ok()?.0, *content))).collect();
    sized.sort_by_key(|(edge, _)| if *edge <= WANTED { WANTED - edge } else { *edge });
    if let Some((_, best)) = sized.first() {
        return raster::clean(reader, best);
    }
    let find = |wanted: &[u8]| members.iter().find(|(kind, _)| *kind == wanted).map(|(_, content)| *content);
    for (planes, mask, edge) in PLANES {
        if let Some(packed) = find(planes) {
            return raster::write(&unpack(packed, find(mask), edge)?);
        }
    }
    match members.is_empty() {
        true => Err(broken()),
        false => Err(Code::Unsupported.problem("the icon holds no picture of a kind that is read")),
    }
}

/// Red, green and blue one behind the other, each run-length coded.
fn unpack(packed: &[u8], mask: Option<&[u8]>, edge: u32) -> Result<Picture, Problem> {
    let len = edge as usize * edge as usize;
    // the largest has four bytes of nothing in front
    let mut rest = if edge == 128 { packed.get(4..).ok_or_else(broken)? } else { packed };
    let mut planes = Vec::with_capacity(len * 3);
    while planes.len() < len * 3 {
        let (first, behind) = rest.split_first().ok_or_else(broken)?;
        if *first < 0x80 {
            let (run, behind) = behind.split_at_checked(usize::from(*first) + 1).ok_or_else(broken)?;
            planes.extend_from_slice(run);
            rest = behind;
        } else {
            let (value, behind) = behind.split_first().ok_or_else(broken)?;
            planes.resize(planes.len() + usize::from(*first) - 125, *value);
            rest = behind;
        }
    }
    let plane = |number: usize, at: usize| planes.get(number * len + at).copied().unwrap_or(0);
    let alpha = |at: usize| mask.and_then(|mask| mask.get(at)).copied().unwrap_or(255);
    let pixels = (0..len).flat_map(|at| [plane(0, at), plane(1, at), plane(2, at), alpha(at)]).collect();
    Ok(Picture { width: edge, height: edge, pixels })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_unpacked() {
        // 256 pixels a plane: 130 + 126 of one value
        let plane = |value| [0xff, value, 0xfb, value];
        let packed = [plane(1), plane(2), plane(3)].concat();
        let picture = unpack(&packed, None, 16).unwrap();
        assert_eq!(picture.pixels, [1, 2, 3, 255].repeat(256));
        assert!(unpack(&packed[..6], None, 16).is_err());
    }
}
