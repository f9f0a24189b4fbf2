//! Pictures: PNG, JPEG, GIF and WebP.
//!
//! Nothing is decoded. A few header bytes say how large a picture is; one too large to be decoded by others is refused
//! with its size told. Sources: PNG third edition, JPEG ITU-T T.81, GIF 89a, RFC 9649.

use appdepot_core::inspect::{self, Package, Problem};
use async_trait::async_trait;
use serde_json::{Map, Value as Json};

use crate::containers::Packing;
use crate::error::Code;
use crate::reader::Reader;
use crate::registry::{Format, Input, Probe, Score};

/// More pixels than any icon or screenshot has, and few enough to decode.
const MOST_PIXELS: u64 = 4096 * 4096;
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Segments before the one that tells a JPEG's size; each may take a read.
const MOST_SEGMENTS: usize = 256;
/// Chunks of a PNG looked at while they are at hand.
const MOST_CHUNKS: usize = 256;

/// The format of pictures.
#[derive(Debug, Clone, Copy, Default)]
pub struct Image;

#[async_trait]
impl Format for Image {
    fn name(&self) -> inspect::Format {
        inspect::Format::Image
    }

    fn packing(&self) -> Packing {
        Packing::Plain
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["png", "jpg", "jpeg", "gif", "webp"]
    }

    fn score(&self, probe: &Probe<'_>) -> Score {
        if Kind::of(probe.head).is_some() { Score::Certain } else { Score::No }
    }

    async fn read(&self, input: &mut Input<'_>) -> Result<Package, Problem> {
        let reader = &mut input.reader;
        let head = reader.head().await?;
        let kind = Kind::of(&head).ok_or_else(|| Code::TypeMismatch.problem("not a picture"))?;
        let (width, height, mut details) = match kind {
            Kind::Png => png(reader, &head)?,
            Kind::Gif => gif(&head)?,
            Kind::Webp => webp(&head)?,
            Kind::Jpeg => jpeg(reader).await?,
        };
        if width == 0 || height == 0 {
            return Err(Code::ManifestInvalid.problem("a picture without pixels"));
        }
        if u64::from(width) * u64::from(height) > MOST_PIXELS {
            reader.refuse(Code::ImageLimit.problem(format!("a picture of {width} by {height} pixels")));
        }
        if input.container.packing() != Packing::Plain {
            reader.refuse(Code::TypeMismatch.problem("a picture with an archive behind it"));
        }
        details.insert("type".to_owned(), kind.as_str().into());
        details.insert("width".to_owned(), width.into());
        details.insert("height".to_owned(), height.into());
        Ok(Package { details, ..Package::default() })
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Png,
    Jpeg,
    Gif,
    Webp,
}

impl Kind {
    fn of(head: &[u8]) -> Option<Self> {
        match head {
            // a file may end inside its first word
            _ if head.starts_with(PNG) || (head.len() >= 4 && PNG.starts_with(head)) => Some(Self::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', b'V', b'P', b'8', ..] => {
                Some(Self::Webp)
            }
            _ => None,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpeg",
            Self::Gif => "gif",
            Self::Webp => "webp",
        }
    }
}

type Found = (u32, u32, Map<String, Json>);

fn big(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_be_bytes)
}

fn cut() -> Problem {
    Code::Truncated.problem("the picture ends before its header does")
}

fn png(reader: &mut Reader<'_>, head: &[u8]) -> Result<Found, Problem> {
    let mut at = PNG.len();
    let mut header = None;
    let (mut cgbi, mut animated) = (false, false);
    for _ in 0..MOST_CHUNKS {
        let (Some(length), Some(name)) = (big(head, at), head.get(at + 4..at + 8)) else { break };
        let end = at as u64 + 12 + u64::from(length);
        if !name.iter().all(u8::is_ascii_alphabetic) {
            return Err(Code::ManifestInvalid.problem("a chunk of a PNG without a name"));
        }
        if end > reader.length() {
            reader.refuse(Code::Truncated.problem("the picture ends inside a chunk"));
        }
        match name {
            b"CgBI" if header.is_none() => cgbi = true,
            b"IHDR" if header.is_none() && length == 13 => {
                header = Some(head.get(at + 8..).and_then(|rest| rest.first_chunk::<13>()).ok_or_else(cut)?);
            }
            _ if header.is_none() => break,
            b"acTL" => animated = true,
            // what stands behind the pixels says nothing about them
            b"IDAT" | b"IEND" => break,
            _ => {}
        }
        let Ok(next) = usize::try_from(end) else { break };
        at = next;
    }
    let Some([w0, w1, w2, w3, h0, h1, h2, h3, depth, colours, _, _, interlaced]) = header else {
        return Err(
            if head.len() < PNG.len() + 25 && head.len() as u64 == reader.length() && at == PNG.len() {
                cut_or_broken(head)
            } else {
                Code::ManifestInvalid.problem("a PNG without a header")
            },
        );
    };
    let colours = match colours {
        0 => "gray",
        2 => "rgb",
        3 => "palette",
        4 => "gray-alpha",
        6 => "rgba",
        _ => return Err(Code::ManifestInvalid.problem("a PNG of no known colours")),
    };
    let details = [
        ("bitDepth", Json::from(*depth)),
        ("colors", colours.into()),
        ("interlaced", (*interlaced != 0).into()),
        ("animated", animated.into()),
        ("cgbi", cgbi.into()),
    ];
    let details = details.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    Ok((u32::from_be_bytes([*w0, *w1, *w2, *w3]), u32::from_be_bytes([*h0, *h1, *h2, *h3]), details))
}

/// Of a file too short for the header: cut, when what there is begins as one.
fn cut_or_broken(head: &[u8]) -> Problem {
    const BEGIN: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    let shared = head.iter().zip(BEGIN).take_while(|(a, b)| a == b).count();
    if shared == head.len().min(BEGIN.len()) {
        cut()
    } else {
        Code::ManifestInvalid.problem("a PNG without a header")
    }
}

fn gif(head: &[u8]) -> Result<Found, Problem> {
    let Some([w0, w1, h0, h1, flags]) = head.get(6..).and_then(|rest| rest.first_chunk()) else {
        return Err(cut());
    };
    let holds = |word: &[u8]| head.windows(word.len()).any(|window| window == word);
    let mut details = Map::new();
    details.insert("bitDepth".to_owned(), ((flags >> 4 & 7) + 1).into());
    details.insert("colors".to_owned(), "palette".into());
    // the extension every animation has that runs more than once; it stands before the first picture
    details.insert("animated".to_owned(), (holds(b"NETSCAPE2.0") || holds(b"ANIMEXTS1.0")).into());
    Ok((u16::from_le_bytes([*w0, *w1]).into(), u16::from_le_bytes([*h0, *h1]).into(), details))
}

fn webp(head: &[u8]) -> Result<Found, Problem> {
    let data = head.get(20..).unwrap_or_default();
    let mut details = Map::new();
    let mut note = |animated: bool, alpha: bool, lossless: Option<bool>| {
        details.insert("animated".to_owned(), animated.into());
        details.insert("alpha".to_owned(), alpha.into());
        if let Some(lossless) = lossless {
            details.insert("lossless".to_owned(), lossless.into());
        }
    };
    let (width, height) = match (head.get(12..16), data) {
        (Some(b"VP8 "), [_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..]) => {
            note(false, false, Some(false));
            let size = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
            (size(*w0, *w1), size(*h0, *h1))
        }
        (Some(b"VP8L"), [0x2f, a, b, c, d, ..]) => {
            let bits = u32::from_le_bytes([*a, *b, *c, *d]);
            note(false, bits >> 28 & 1 == 1, Some(true));
            ((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1)
        }
        (Some(b"VP8X"), [flags, _, _, _, w0, w1, w2, h0, h1, h2, ..]) => {
            note(flags & 0x02 != 0, flags & 0x10 != 0, None);
            (u32::from_le_bytes([*w0, *w1, *w2, 0]) + 1, u32::from_le_bytes([*h0, *h1, *h2, 0]) + 1)
        }
        (_, data) if data.len() < 10 => return Err(cut()),
        _ => return Err(Code::ManifestInvalid.problem("a WebP without a header")),
    };
    Ok((width, height, details))
}

/// The size stands behind a number of segments, of which previews and colour profiles can be long.
async fn jpeg(reader: &mut Reader<'_>) -> Result<Found, Problem> {
    let mut at = 2u64;
    for _ in 0..MOST_SEGMENTS {
        reader.check_time()?;
        let left = reader.length().saturating_sub(at);
        if left < 4 {
            return Err(cut());
        }
        let ahead = reader.limits().window_bytes;
        let segment = reader.bytes_ahead(at, usize::try_from(left.min(10)).unwrap_or(0), ahead).await?;
        match *segment {
            // filling before a mark
            [0xff, 0xff, ..] => at += 1,
            [0xff, 0x01 | 0xd0..=0xd7, ..] => at += 2,
            // starts of a frame, all but those for tables
            [
                0xff,
                0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf,
                _,
                _,
                depth,
                h0,
                h1,
                w0,
                w1,
                parts,
            ] => {
                let mut details = Map::new();
                details.insert("bitDepth".to_owned(), depth.into());
                let colours = match parts {
                    1 => "gray",
                    3 => "color",
                    4 => "cmyk",
                    _ => return Err(Code::ManifestInvalid.problem("a JPEG of no known colours")),
                };
                details.insert("colors".to_owned(), colours.into());
                let progressive = matches!(*segment, [_, 0xc2 | 0xc6 | 0xca | 0xce, ..]);
                details.insert("progressive".to_owned(), progressive.into());
                let (width, height) = (u16::from_be_bytes([w0, w1]), u16::from_be_bytes([h0, h1]));
                return Ok((width.into(), height.into(), details));
            }
            [0xff, 0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf, ..] => return Err(cut()),
            // the pixels, or the end, without a frame
            [0xff, 0xd9 | 0xda, ..] => break,
            [0xff, 0x02..=0xff, high, low, ..] => {
                at += 2 + u64::from(u16::from_be_bytes([high, low])).max(2);
            }
            _ => break,
        }
    }
    Err(Code::ManifestInvalid.problem("a JPEG without a header"))
}

#[cfg(test)]
mod tests {
    use crate::inspect_slice;

    fn size(data: &[u8]) -> (Option<u64>, Option<u64>, String) {
        let found = inspect_slice(data);
        let details = found.package.unwrap_or_default().details;
        let number = |key: &str| details.get(key).and_then(serde_json::Value::as_u64);
        (number("width"), number("height"), found.error.map(|problem| problem.code).unwrap_or_default())
    }

    #[test]
    fn headers() {
        let jpeg = b"\xff\xd8\xff\xe0\0\x04ab\xff\xff\xc2\0\x0b\x08\0\x02\0\x03\x01\x01\x11\0\xff\xd9";
        assert_eq!(size(jpeg), (Some(3), Some(2), String::new()));
        assert_eq!(size(b"GIF89a\x05\0\x06\0\x91\0\0"), (Some(5), Some(6), String::new()));
        let lossy = b"RIFF\x20\0\0\0WEBPVP8 \x10\0\0\0\0\0\0\x9d\x01\x2a\x07\0\x08\0";
        assert_eq!(size(lossy), (Some(7), Some(8), String::new()));
        let lossless = b"RIFF\x20\0\0\0WEBPVP8L\x10\0\0\0\x2f\x09\x80\x02\0\0\0\0\0\0";
        assert_eq!(size(lossless), (Some(10), Some(11), String::new()));
        let extended = b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0\x0b\0\0\x0c\0\0";
        assert_eq!(size(extended), (Some(12), Some(13), String::new()));
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x02\x08\x06\0\0\0\0\0\0\0";
        assert_eq!(size(png), (Some(1), Some(2), String::new()));
        assert_eq!(size(&png[..20]), (None, None, "E_TRUNCATED".to_owned()));
        assert_eq!(size(&jpeg[..12]), (None, None, "E_TRUNCATED".to_owned()));
    }
}
