//! Binary XML, walked without building a tree (AOSP `ResourceTypes.h`, `ResXMLTree_*`).

use std::borrow::Cow;

use appdepot_core::inspect::Problem;

use super::pool::Pool;
use crate::bytes::{slice_at, u16_at, u32_at};
use crate::error::Code;

const CHUNK_XML: u16 = 0x0003;
const CHUNK_POOL: u16 = 0x0001;
const CHUNK_START: u16 = 0x0102;
const CHUNK_END: u16 = 0x0103;
const CHUNK_RESOURCE_MAP: u16 = 0x0180;
const CHUNK_HEADER_LEN: usize = 8;
const NODE_HEADER_LEN: usize = 16;
const ATTRIBUTE_LEN: usize = 20;

/// A pull reader over a document.
#[derive(Debug)]
pub(super) struct Document<'a> {
    data: &'a [u8],
    at: usize,
    pool_chunk: &'a [u8],
    pool: Option<Pool>,
    resources: &'a [u8],
    depth: usize,
    roots: usize,
    max_depth: usize,
    /// Structure lies were met that Android overlooks.
    pub(super) tampered: bool,
    /// The document ends inside a chunk.
    pub(super) truncated: bool,
}

/// What comes next in a document.
#[derive(Debug)]
pub(super) enum Event<'a> {
    /// An element opens.
    Start(Element<'a>),
    /// An element closes.
    End,
}

/// An open element.
#[derive(Debug, Clone, Copy)]
pub(super) struct Element<'a> {
    /// The index of its name among the document's strings.
    pub(super) name: u32,
    attributes: &'a [u8],
    stride: usize,
}

/// An attribute of an element.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attribute {
    /// The index of its name.
    pub(super) name: u32,
    /// The index of its value as text, [`u32::MAX`] if there is none.
    pub(super) raw: u32,
    /// Its value.
    pub(super) value: Value,
}

/// A typed value (`Res_value`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) kind: u8,
    pub(super) data: u32,
}

impl Value {
    pub(super) const REFERENCE: u8 = 0x01;
    pub(super) const STRING: u8 = 0x03;
    pub(super) const FLOAT: u8 = 0x04;
    pub(super) const DYNAMIC_REFERENCE: u8 = 0x07;
    const FIRST_INT: u8 = 0x10;
    const LAST_INT: u8 = 0x1f;

    /// The eight bytes of a value at `at`.
    pub(super) fn parse(data: &[u8], at: usize) -> Option<Self> {
        Some(Self { kind: *data.get(at.checked_add(3)?)?, data: u32_at(data, at + 4)? })
    }

    /// The resource it stands for.
    pub(super) fn reference(self) -> Option<u32> {
        (matches!(self.kind, Self::REFERENCE | Self::DYNAMIC_REFERENCE) && self.data != 0)
            .then_some(self.data)
    }

    /// The number it is.
    pub(super) fn integer(self) -> Option<i32> {
        (Self::FIRST_INT..=Self::LAST_INT).contains(&self.kind).then_some(self.data.cast_signed())
    }
}

impl<'a> Document<'a> {
    /// Starts reading `data`.
    pub(super) fn new(data: &'a [u8], max_depth: usize) -> Result<Self, Problem> {
        let header = usize::from(u16_at(data, 2).unwrap_or(0));
        if header < CHUNK_HEADER_LEN || header > data.len() {
            return Err(invalid("is no binary XML"));
        }
        let declared = u32_at(data, 4).unwrap_or(0) as usize;
        Ok(Self {
            data,
            at: header,
            pool_chunk: &[],
            pool: None,
            resources: &[],
            depth: 0,
            roots: 0,
            max_depth,
            // Android reads on whatever the first type says; the entry bounds the document, not its own size
            tampered: u16_at(data, 0) != Some(CHUNK_XML)
                || header != CHUNK_HEADER_LEN
                || declared > data.len(),
            truncated: false,
        })
    }

    /// What comes next, `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Event<'a>>, Problem> {
        loop {
            if self.data.len() - self.at < CHUNK_HEADER_LEN {
                self.truncated |= self.depth > 0;
                return Ok(None);
            }
            let kind = u16_at(self.data, self.at).unwrap_or(0);
            let header = usize::from(u16_at(self.data, self.at + 2).unwrap_or(0));
            let size = u32_at(self.data, self.at + 4).unwrap_or(0) as usize;
            // after the root everything is ignored, garbage included
            if self.depth == 0 && self.roots > 0 && kind != CHUNK_START {
                if size < CHUNK_HEADER_LEN || size < header || size > self.data.len() - self.at {
                    self.tampered = true;
                    return Ok(None);
                }
                if kind == CHUNK_END {
                    return Err(invalid("closes an element that is not open"));
                }
                self.at += size;
                continue;
            }
            if size < CHUNK_HEADER_LEN || header < CHUNK_HEADER_LEN || size < header {
                return Err(invalid("holds a chunk shorter than its own header"));
            }
            let Some(chunk) = slice_at(self.data, self.at, size) else {
                if self.roots == 0 {
                    return Err(invalid("holds a chunk longer than itself"));
                }
                self.truncated = true;
                return Ok(None);
            };
            self.at += size;
            match kind {
                CHUNK_POOL if self.pool.is_none() => self.open_pool(chunk)?,
                CHUNK_RESOURCE_MAP => self.resources = chunk.get(header..).unwrap_or_default(),
                CHUNK_START => return self.start(chunk, header).map(Event::Start).map(Some),
                CHUNK_END => {
                    self.depth = self
                        .depth
                        .checked_sub(1)
                        .ok_or_else(|| invalid("closes an element that is not open"))?;
                    return Ok(Some(Event::End));
                }
                // namespaces and text carry nothing needed; 0x0100..=0x017f are node kinds
                0x0100..=0x017f => {}
                _ => self.tampered = true,
            }
        }
    }

    /// The string with this index.
    pub(super) fn string(&self, index: u32) -> Result<Cow<'a, str>, Problem> {
        self.pool.and_then(|pool| pool.get(self.pool_chunk, index)).ok_or_else(missing)
    }

    /// The string with this index where it may be a name that is looked for; `None` when it is too long for one, so
    /// that nobody makes a reader decode a long text for every attribute.
    pub(super) fn name(&self, index: u32) -> Result<Option<Cow<'a, str>>, Problem> {
        /// In bytes; twice as many as any of them has in UTF-16.
        const LONGEST: usize = 128;
        let pool = self.pool.unwrap_or_default();
        let text = pool.encoded(self.pool_chunk, index).ok_or_else(missing)?;
        Ok((text.len() <= LONGEST).then(|| pool.decode(text)))
    }

    /// The resource id of an attribute's name, zero where it has none.
    pub(super) fn resource(&self, attribute: &Attribute) -> u32 {
        u32_at(self.resources, (attribute.name as usize).saturating_mul(4)).unwrap_or(0)
    }

    fn open_pool(&mut self, chunk: &'a [u8]) -> Result<(), Problem> {
        let pool = Pool::parse(chunk, chunk.len()).ok_or_else(|| invalid("has a broken string pool"))?;
        let offsets_end = (pool.count as usize).checked_mul(4).and_then(|len| len.checked_add(pool.offsets));
        if offsets_end.is_none_or(|end| end > chunk.len()) {
            return Err(invalid("declares more strings than its pool holds"));
        }
        if pool.count > 0 && pool.strings >= chunk.len() {
            return Err(invalid("has strings outside its pool"));
        }
        self.pool = Some(pool);
        self.pool_chunk = chunk;
        Ok(())
    }

    fn start(&mut self, chunk: &'a [u8], header: usize) -> Result<Element<'a>, Problem> {
        if self.depth == 0 {
            self.roots += 1;
            if self.roots > 1 {
                return Err(invalid("has two roots"));
            }
        }
        self.depth += 1;
        if self.depth > self.max_depth {
            return Err(Code::LimitDepth.problem("the manifest nests deeper than is read"));
        }
        let broken = || invalid("holds a broken element");
        let fields = chunk.get(header.max(NODE_HEADER_LEN)..).ok_or_else(broken)?;
        let name = u32_at(fields, 4).ok_or_else(broken)?;
        let start = usize::from(u16_at(fields, 8).ok_or_else(broken)?);
        let stride = usize::from(u16_at(fields, 10).ok_or_else(broken)?);
        let count = usize::from(u16_at(fields, 12).ok_or_else(broken)?);
        if name >= self.pool.map_or(0, |pool| pool.count) {
            return Err(missing());
        }
        if count == 0 {
            return Ok(Element { name, attributes: &[], stride: ATTRIBUTE_LEN });
        }
        if stride < ATTRIBUTE_LEN {
            return Err(invalid("has attributes shorter than one"));
        }
        let attributes = slice_at(fields, start, count * stride)
            .ok_or_else(|| invalid("declares more attributes than an element holds"))?;
        Ok(Element { name, attributes, stride })
    }
}

impl Element<'_> {
    /// Its attributes in order.
    pub(super) fn attributes(&self) -> impl Iterator<Item = Attribute> {
        self.attributes.chunks_exact(self.stride).filter_map(|bytes| {
            Some(Attribute {
                name: u32_at(bytes, 4)?,
                raw: u32_at(bytes, 8)?,
                value: Value::parse(bytes, 12)?,
            })
        })
    }
}

fn missing() -> Problem {
    invalid("points to a string it does not have")
}

/// A problem of the manifest: `the manifest …`.
pub(super) fn invalid(what: &str) -> Problem {
    Code::ManifestInvalid.problem(format!("the manifest {what}"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::pool::tests::pool_chunk;
    use super::*;

    fn chunk(kind: u16, header: u16, rest: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::from(kind.to_le_bytes());
        bytes.extend(header.to_le_bytes());
        bytes.extend((8 + rest.len() as u32).to_le_bytes());
        bytes.extend(rest);
        bytes
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    pub(in super::super) fn element(name: u32, attributes: &[(u32, u8, u32)]) -> Vec<u8> {
        let mut rest = words(&[1, u32::MAX, u32::MAX, name]);
        rest.extend([20, 0, 20, 0]);
        rest.extend((attributes.len() as u16).to_le_bytes());
        rest.extend([0; 6]);
        for (name, kind, data) in attributes {
            let raw = if *kind == Value::STRING { *data } else { u32::MAX };
            rest.extend(words(&[u32::MAX, *name, raw]));
            rest.extend([8, 0, 0, *kind]);
            rest.extend(data.to_le_bytes());
        }
        chunk(CHUNK_START, 16, &rest)
    }

    pub(in super::super) fn document(strings: &[&str], nodes: &[Vec<u8>]) -> Vec<u8> {
        let short = strings.iter().all(|string| string.len() < 128);
        let mut body = pool_chunk(strings, short);
        body.extend(nodes.concat());
        chunk(CHUNK_XML, 8, &body)
    }

    pub(in super::super) fn end() -> Vec<u8> {
        chunk(CHUNK_END, 16, &words(&[1, u32::MAX, u32::MAX, 0]))
    }

    #[test]
    fn elements_and_attributes_come_in_order() {
        let data = document(
            &["manifest", "package", "com.example"],
            &[element(0, &[(1, Value::STRING, 2)]), element(0, &[]), end(), end()],
        );
        let mut document = Document::new(&data, 64).unwrap();
        let Some(Event::Start(root)) = document.next().unwrap() else { panic!("no start") };
        assert_eq!(document.string(root.name).unwrap(), "manifest");
        let attribute = root.attributes().next().unwrap();
        assert_eq!(document.string(attribute.name).unwrap(), "package");
        assert_eq!(document.string(attribute.value.data).unwrap(), "com.example");
        assert_eq!(document.resource(&attribute), 0);
        assert!(matches!(document.next(), Ok(Some(Event::Start(_)))));
        assert!(matches!(document.next(), Ok(Some(Event::End))));
        assert!(matches!(document.next(), Ok(Some(Event::End))));
        assert!(matches!(document.next(), Ok(None)));
        assert!(!document.tampered && !document.truncated);
    }

    #[test]
    fn long_texts_are_no_names() {
        let long = "a".repeat(100_000);
        let data = document(&["manifest", &long], &[element(0, &[(1, Value::STRING, 1)]), end()]);
        let mut document = Document::new(&data, 64).unwrap();
        let Some(Event::Start(root)) = document.next().unwrap() else { panic!("no start") };
        let attribute = root.attributes().next().unwrap();
        assert_eq!(document.name(attribute.name), Ok(None));
        assert_eq!(document.name(root.name).unwrap().as_deref(), Some("manifest"));
        assert_eq!(document.string(attribute.value.data).unwrap(), long);
        assert!(document.name(2).is_err());
    }

    fn run(data: &[u8]) -> Result<bool, Problem> {
        let mut document = Document::new(data, 64)?;
        while document.next()?.is_some() {}
        Ok(document.tampered)
    }

    #[test]
    fn unknown_chunks_and_trailing_bytes_are_overlooked_and_noted() {
        let unknown = chunk(0x0999, 8, &[0; 4]);
        let strings = ["a"];
        assert_eq!(run(&document(&strings, &[unknown, element(0, &[]), end()])), Ok(true));
        let mut data = document(&strings, &[element(0, &[]), end()]);
        data.extend([0xff; 9]);
        assert_eq!(run(&data), Ok(true));
        data[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(run(&data), Ok(true));
    }

    #[test]
    fn lies_end_at_once() {
        let strings = ["a"];
        let code = |nodes: &[Vec<u8>]| run(&document(&strings, nodes)).unwrap_err().code;
        let mut zero = chunk(0x0999, 8, &[]);
        zero[4] = 0;
        assert_eq!(code(&[zero]), "E_MANIFEST_INVALID");
        assert_eq!(code(&[end()]), "E_MANIFEST_INVALID");
        assert_eq!(code(&[element(9, &[])]), "E_MANIFEST_INVALID");
        assert_eq!(code(&vec![element(0, &[]); 65]), "E_LIMIT_DEPTH");
        let root = || [element(0, &[]), end()];
        assert_eq!(code(&[root(), root()].concat()), "E_MANIFEST_INVALID");
        let mut many = element(0, &[(0, 3, 0)]);
        many[28] = 0xff;
        assert_eq!(code(&[many.clone()]), "E_MANIFEST_INVALID");
        many[28] = 1;
        many[26] = 0;
        assert_eq!(code(&[many]), "E_MANIFEST_INVALID");
        assert_eq!(run(b"<manifest/>").unwrap_err().code, "E_MANIFEST_INVALID");
        assert_eq!(run(b"").unwrap_err().code, "E_MANIFEST_INVALID");
    }
}
