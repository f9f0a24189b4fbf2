//! Small containers by hand, where no fixture builder makes them.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;

/// Deflated, with the frame of zlib.
pub(crate) fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).and_then(|()| encoder.finish()).expect("writing to memory")
}

/// A xar archive of this table of contents and this heap.
pub(crate) fn archive(table: &[u8], heap: &[u8]) -> Vec<u8> {
    let packed = zlib(table);
    let mut out = b"xar!\0\x1c\0\x01".to_vec();
    out.extend((packed.len() as u64).to_be_bytes());
    out.extend((table.len() as u64).to_be_bytes());
    out.extend([0, 0, 0, 0]);
    [out.as_slice(), &packed, heap].concat()
}

/// An ar archive.
pub(crate) fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = b"!<arch>\n".to_vec();
    for (name, data) in members {
        out.extend(format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, data.len()).bytes());
        out.extend(*data);
        out.resize(out.len().next_multiple_of(2), b'\n');
    }
    out
}

pub(crate) fn tar_entry(path: &str, kind: u8, content: &[u8]) -> Vec<u8> {
    let mut header = vec![0; 512];
    header[..path.len()].copy_from_slice(path.as_bytes());
    header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
    header[148..156].fill(b' ');
    header[156] = kind;
    header[257..263].copy_from_slice(b"ustar\0");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header.extend(content);
    header.resize(header.len().next_multiple_of(512), 0);
    header
}

pub(crate) fn gzip(data: &[u8]) -> Vec<u8> {
    let framed = zlib(data);
    let mut crc = flate2::Crc::new();
    crc.update(data);
    let mut out = b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec();
    out.extend(&framed[2..framed.len() - 4]);
    out.extend(crc.sum().to_le_bytes());
    out.extend((data.len() as u32).to_le_bytes());
    out
}

pub(crate) fn rpm_header(fields: &[(u32, u32, &[u8])]) -> Vec<u8> {
    let (mut index, mut store) = (Vec::new(), Vec::new());
    for (tag, kind, value) in fields {
        // whole numbers stand at their own multiples
        let align = match kind {
            4 => 4,
            5 => 8,
            _ => 1usize,
        };
        store.resize(store.len().next_multiple_of(align), 0);
        let count = if *kind == 7 { value.len() as u32 } else { 1 };
        for word in [*tag, *kind, store.len() as u32, count] {
            index.extend(word.to_be_bytes());
        }
        store.extend(*value);
    }
    let mut out = b"\x8e\xad\xe8\x01\0\0\0\0".to_vec();
    out.extend((fields.len() as u32).to_be_bytes());
    out.extend((store.len() as u32).to_be_bytes());
    [out, index, store].concat()
}

/// A document of these objects, numbered from 1, with a table and this trailer.
pub(crate) fn document(objects: &[&[u8]], trailer: &str) -> Vec<u8> {
    let mut out = b"%PDF-1.7\n".to_vec();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (index, object) in objects.iter().enumerate() {
        table += &format!("{:010} 00000 n \n", out.len());
        out.extend([format!("{} 0 obj\n", index + 1).as_bytes(), object, b"\nendobj\n"].concat());
    }
    let at = out.len();
    let size = objects.len() + 1;
    out.extend(format!("{table}trailer\n<</Size {size} {trailer}>>\nstartxref\n{at}\n%%EOF").bytes());
    out
}

pub(crate) fn stream(number: u8, entries: &str, data: &[u8]) -> Vec<u8> {
    let packed = zlib(data);
    let head = format!("{number} 0 obj\n<<{entries}/Filter/FlateDecode/Length {}>>\nstream\n", packed.len());
    [head.as_bytes(), &packed, b"\nendstream\nendobj\n"].concat()
}

pub(crate) fn base64(data: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in data.chunks(3) {
        let bits = group.iter().chain([&0, &0]).take(3).fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        for place in 0..4 {
            let letter = char::from(LETTERS[(bits >> (18 - 6 * place)) as usize & 63]);
            out.push(if place <= group.len() { letter } else { '=' });
        }
    }
    out
}

/// A value in binary XML.
#[derive(Clone, Copy)]
pub(crate) enum Is {
    Text(&'static str),
    Float(f32),
    Dips(u32),
    Int(u32),
    Color(u32),
}

/// An element: name, attributes, elements inside.
pub(crate) struct E<'a>(pub(crate) &'static str, pub(crate) &'a [(&'static str, Is)], pub(crate) &'a [E<'a>]);

/// Binary XML whose attributes have names and no numbers.
pub(crate) fn compiled(root: &E<'_>) -> Vec<u8> {
    let mut strings = Vec::new();
    let nodes = nodes(root, &mut strings);
    let (mut offsets, mut data) = (Vec::new(), Vec::new());
    for text in &strings {
        offsets.extend((data.len() as u32).to_le_bytes());
        data.extend([text.len() as u8, text.len() as u8]);
        data.extend([text.as_bytes(), b"\0"].concat());
    }
    data.resize(data.len().next_multiple_of(4), 0);
    let pool = longs(&[strings.len() as u32, 0, 256, 28 + offsets.len() as u32, 0]);
    chunk(3, 8, &[chunk(1, 28, &[pool, offsets, data].concat()), nodes].concat())
}

fn nodes(E(name, attributes, inside): &E<'_>, strings: &mut Vec<&'static str>) -> Vec<u8> {
    let mut index = |text| {
        let at = strings.iter().position(|known| *known == text);
        at.unwrap_or_else(|| {
            strings.push(text);
            strings.len() - 1
        }) as u32
    };
    let place = longs(&[1, u32::MAX, u32::MAX, index(name)]);
    let mut start = place.clone();
    start.extend([20, 0, 20, 0, attributes.len() as u8, 0, 0, 0, 0, 0, 0, 0]);
    for (name, value) in *attributes {
        let (kind, data) = match *value {
            Is::Text(text) => (3, index(text)),
            Is::Float(number) => (4, number.to_bits()),
            Is::Dips(dips) => (5, dips << 8 | 1),
            Is::Int(number) => (0x10, number),
            Is::Color(argb) => (0x1c, argb),
        };
        start.extend(longs(&[u32::MAX, index(name), u32::MAX, kind << 24 | 8, data]));
    }
    let inside = inside.iter().map(|element| nodes(element, strings)).collect::<Vec<_>>().concat();
    [chunk(0x0102, 16, &start), inside, chunk(0x0103, 16, &place)].concat()
}

pub(crate) fn chunk(kind: u16, header: u16, rest: &[u8]) -> Vec<u8> {
    let len = 8 + rest.len() as u32;
    [&kind.to_le_bytes()[..], &header.to_le_bytes(), &len.to_le_bytes(), rest].concat()
}

pub(crate) fn longs(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}
