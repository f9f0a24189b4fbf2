//! From a package to its icon.

use std::io::Cursor;

use appdepot_core::inspect::{Format, Hint, Inspector, Problem, Source};
use futures::FutureExt;

use super::{android, icns, ico, paint, raster};
use crate::bytes::slice_at;
use crate::containers::zip::Archive;
use crate::error::Code;
use crate::limits::Limits;
use crate::reader::Reader;
use crate::registry::{Extractor, Registry};
use crate::source::{FileSource, SliceSource};

/// The longest edge of a picture.
const LONGEST_EDGE: u32 = 4_096;
/// Pixels of a picture that must be held in memory: 2048 squared, 16 MiB.
const MOST_PIXELS: u32 = 1 << 22;
/// Bytes of a picture file.
const MOST_BYTES: u64 = 16 << 20;

/// The icon of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Icon {
    /// A PNG file.
    pub png: Vec<u8>,
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
    /// Where it stands in the package; empty when the file itself is a picture.
    pub path: String,
}

/// Pixels: red, green, blue, opacity, not multiplied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Picture {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) pixels: Vec<u8>,
}

/// The icon of a package, `None` when it has none. `size` is the edge of icons that must be drawn, from 16 to 512;
/// pictures come in the size they have.
///
/// # Errors
/// What is wrong with the package; `E_IMAGE_LIMIT` for pictures that are too large, `E_TYPE_MISMATCH` and
/// `E_TRUNCATED` for broken ones, `E_UNSUPPORTED` for kinds that are not read, `E_CYCLE`, and the limits.
///
/// ```
/// use appdepot_metadata::{Limits, SliceSource, icon};
/// # futures::executor::block_on(async {
/// let source = SliceSource(b"no package");
/// assert_eq!(icon::extract(&source, &Limits::default(), 192).await.unwrap(), None);
/// # });
/// ```
pub async fn extract(source: &dyn Source, limits: &Limits, size: u32) -> Result<Option<Icon>, Problem> {
    let size = size.clamp(16, 512);
    let mut reader = Reader::new(source, limits);
    if is_picture(&reader.head().await?) {
        let whole = usize::try_from(reader.length().min(MOST_BYTES + 1)).unwrap_or(0);
        if whole as u64 > MOST_BYTES {
            return Err(too_large());
        }
        let data = reader.bytes(0, whole).await?;
        return picture(&mut reader, &data, "").map(Some);
    }
    let found = Extractor::new(Registry::default(), limits.clone()).inspect(source, &Hint::default()).await;
    if let Some(problem) = found.error {
        return Err(problem);
    }
    let Some(package) = found.package else { return Ok(None) };
    let Some(path) = package.icon.clone() else { return Ok(None) };
    // what the inspection took does not count here
    let mut reader = Reader::new(source, limits);
    let Some(archive) = Archive::open(&mut reader).await? else { return Ok(None) };
    if found.format == Format::Apk {
        return android::icon(&mut reader, &archive, &package, size).await;
    }
    match file(&mut reader, &archive, &path).await? {
        Some(data) => picture(&mut reader, &data, &path).map(Some),
        None => Ok(None),
    }
}

/// The icon of a package as a square of `edge` pixels, from 16 to 512: whole, in its middle.
///
/// # Errors
/// As [`extract`].
///
/// ```
/// use appdepot_metadata::{Limits, SliceSource, icon};
/// # futures::executor::block_on(async {
/// let source = SliceSource(b"no package");
/// assert_eq!(icon::square(&source, &Limits::default(), 57).await.unwrap(), None);
/// # });
/// ```
pub async fn square(source: &dyn Source, limits: &Limits, edge: u32) -> Result<Option<Icon>, Problem> {
    let edge = edge.clamp(16, 512);
    let Some(icon) = extract(source, limits, edge).await? else { return Ok(None) };
    let reader = &mut Reader::new(source, limits);
    let picture = raster::pixels(reader, &icon.png)?;
    let Some(drawn) = paint::fitted(reader, &picture, edge)? else { return Ok(None) };
    let (png, width, height) = raster::write(&drawn)?;
    Ok(Some(Icon { png, width, height, path: icon.path }))
}

/// As [`extract`], of bytes in memory.
///
/// # Errors
/// As [`extract`].
///
/// ```
/// use appdepot_metadata::{Limits, icon};
///
/// let problem = icon::extract_slice(b"\x89PNG\r\n\x1a\n<html>", &Limits::default(), 192).unwrap_err();
/// assert_eq!(problem.code, "E_TYPE_MISMATCH");
/// ```
pub fn extract_slice(data: &[u8], limits: &Limits, size: u32) -> Result<Option<Icon>, Problem> {
    ready(&SliceSource(data), limits, size)
}

/// As [`extract`], of a file on disk.
///
/// # Errors
/// As [`extract`]; `E_UNAVAILABLE` when the file cannot be opened.
///
/// ```no_run
/// use appdepot_metadata::{Limits, icon};
///
/// if let Some(icon) = icon::extract_file("app.apk", &Limits::default(), 192)? {
///     println!("{} pixels wide, from {}", icon.width, icon.path);
/// }
/// # Ok::<(), appdepot_core::inspect::Problem>(())
/// ```
pub fn extract_file(
    path: impl AsRef<std::path::Path>,
    limits: &Limits,
    size: u32,
) -> Result<Option<Icon>, Problem> {
    let source = FileSource::open(path).map_err(|error| Code::Unavailable.problem(error.to_string()))?;
    ready(&source, limits, size)
}

/// Files and slices answer at once, so no runtime is needed.
fn ready(source: &dyn Source, limits: &Limits, size: u32) -> Result<Option<Icon>, Problem> {
    let waits = || Err(Code::Unavailable.problem("the source is not ready"));
    extract(source, limits, size).now_or_never().unwrap_or_else(waits)
}

/// The content of the one file with this name in the archive.
pub(super) async fn file(
    reader: &mut Reader<'_>,
    archive: &Archive,
    path: &str,
) -> Result<Option<bytes::Bytes>, Problem> {
    let Some(entry) = archive.unique(path.as_bytes())? else { return Ok(None) };
    archive.read(reader, &entry, MOST_BYTES).await.map(Some)
}

pub(super) fn is_picture(head: &[u8]) -> bool {
    [raster::MAGIC, ico::MAGIC, icns::MAGIC].iter().any(|magic| head.starts_with(magic)) || is_webp(head)
}

fn is_webp(data: &[u8]) -> bool {
    data.starts_with(b"RIFF") && data.get(8..12) == Some(b"WEBP")
}

/// A picture file as PNG, whatever kind it is by its first bytes.
pub(super) fn picture(reader: &mut Reader<'_>, data: &[u8], path: &str) -> Result<Icon, Problem> {
    let (png, width, height) = if data.starts_with(raster::MAGIC) {
        raster::clean(reader, data)?
    } else if data.starts_with(icns::MAGIC) {
        icns::largest(reader, data)?
    } else if data.starts_with(ico::MAGIC) {
        ico::largest(reader, data)?
    } else {
        raster::write(&pixels(reader, data)?)?
    };
    Ok(Icon { png, width, height, path: path.to_owned() })
}

/// The pixels of a PNG or WebP file.
pub(super) fn pixels(reader: &mut Reader<'_>, data: &[u8]) -> Result<Picture, Problem> {
    if data.starts_with(raster::MAGIC) {
        return raster::pixels(reader, data);
    }
    if !is_webp(data) {
        return Err(Code::Unsupported.problem("the icon is no picture of a kind that is read"));
    }
    // a decoder refuses a canvas that is too large without saying so
    if data.get(12..16) == Some(b"VP8X") {
        let edge = |at| match slice_at(data, at, 3) {
            Some(&[low, middle, high]) => Ok(u32::from_le_bytes([low, middle, high, 0]) + 1),
            _ => Err(broken()),
        };
        check_pixels(edge(24)?, edge(27)?)?;
    }
    let mut decoder = image_webp::WebPDecoder::new(Cursor::new(data)).map_err(|_| broken())?;
    let (width, height) = decoder.dimensions();
    check_pixels(width, height)?;
    decoder.set_memory_limit(MOST_PIXELS as usize * 4);
    let len = decoder.output_buffer_size().ok_or_else(broken)?;
    reader.charge_inflated(u64::from(width) * u64::from(height) * 4)?;
    let mut pixels = vec![0; len];
    decoder.read_image(&mut pixels).map_err(|_| broken())?;
    reader.check_time()?;
    if !decoder.has_alpha() {
        pixels = pixels.as_chunks::<3>().0.iter().flat_map(|[r, g, b]| [*r, *g, *b, 255]).collect();
    }
    Ok(Picture { width, height, pixels })
}

pub(super) fn check_size(width: u32, height: u32) -> Result<(u32, u32), Problem> {
    match (1..=LONGEST_EDGE).contains(&width) && (1..=LONGEST_EDGE).contains(&height) {
        true => Ok((width, height)),
        false if width == 0 || height == 0 => Err(broken()),
        false => Err(too_large()),
    }
}

pub(super) fn check_pixels(width: u32, height: u32) -> Result<(), Problem> {
    let (width, height) = check_size(width, height)?;
    if width * height > MOST_PIXELS { Err(too_large()) } else { Ok(()) }
}

fn too_large() -> Problem {
    Code::ImageLimit.problem("the picture is larger than an icon may be")
}

pub(super) fn broken() -> Problem {
    Code::TypeMismatch.problem("the icon is not the picture its first bytes promise")
}
