//! XML pulled event by event, within bounds.
//!
//! Names are compared without their prefix, nothing is fetched, no entity is defined: only the five predefined ones
//! and character references are resolved. A document type with an internal subset is refused; one that merely names
//! an outside definition, as older books do, is passed over.

use std::borrow::Cow;

use appdepot_core::inspect::Problem;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, BytesStart, Event as Raw};
use quick_xml::{Reader as Tokens, XmlVersion};

use crate::error::Code;
use crate::reader::Reader;

/// Attributes of one element; the search for duplicates is quadratic.
const MOST_ATTRIBUTES: usize = 256;
/// Bytes of one attribute's value.
const LONGEST_VALUE: usize = 64 << 10;
/// Elements of a document.
const MOST_ELEMENTS: u32 = 1 << 20;
/// How many events pass between looks at the clock.
const EVENTS_PER_LOOK: u32 = 256;

/// The text of a document: UTF-8, UTF-16 with a byte order mark, or Latin-1 that declares itself.
///
/// # Errors
/// `E_UNSUPPORTED` for another declared encoding, `E_MANIFEST_INVALID` for bytes that are not what they should be.
pub(crate) fn decode(data: &[u8]) -> Result<Cow<'_, str>, Problem> {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, odd) = bytes.as_chunks::<2>();
        let text: Result<String, _> = char::decode_utf16(pairs.iter().map(|pair| unit(*pair))).collect();
        match text {
            Ok(text) if odd.is_empty() => Ok(Cow::Owned(text)),
            _ => Err(Code::ManifestInvalid.problem("text that is not UTF-16")),
        }
    };
    if let Some(rest) = data.strip_prefix(&[0xff, 0xfe]) {
        return utf16(rest, u16::from_le_bytes);
    }
    if let Some(rest) = data.strip_prefix(&[0xfe, 0xff]) {
        return utf16(rest, u16::from_be_bytes);
    }
    let rest = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data);
    match declared(rest) {
        None | Some(Encoding::Utf8) => std::str::from_utf8(rest)
            .map(Cow::Borrowed)
            .map_err(|_| Code::ManifestInvalid.problem("text that is not UTF-8")),
        Some(Encoding::Latin1) => Ok(rest.iter().map(|byte| char::from(*byte)).collect()),
        Some(Encoding::Other) => Err(Code::Unsupported.problem("text in an encoding that is not read")),
    }
}

enum Encoding {
    Utf8,
    Latin1,
    Other,
}

/// What the declaration says, if there is one.
fn declared(data: &[u8]) -> Option<Encoding> {
    const LONGEST: usize = 256;
    let head = data.strip_prefix(b"<?xml")?;
    let head = head.get(..head.len().min(LONGEST))?;
    let end = head.windows(2).position(|pair| pair == b"?>")?;
    let head = std::str::from_utf8(head.get(..end)?).ok()?;
    let (_, value) = head.split_once("encoding")?;
    let value = value.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let value = value.get(1..)?.split(quote).next()?;
    let is = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(value));
    Some(if is(&["utf-8", "utf8", "us-ascii", "ascii"]) {
        Encoding::Utf8
    } else if is(&["iso-8859-1", "latin1", "latin-1"]) {
        Encoding::Latin1
    } else {
        Encoding::Other
    })
}

/// What comes next in a document.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// An element begins; an empty one ends right after.
    Start(Element<'a>),
    /// The innermost open element ends.
    End,
    /// A piece of text; pieces of one text come one after the other.
    Text(Cow<'a, str>),
}

/// The start of an element; its attributes have been counted and differ in name.
#[derive(Debug)]
pub(crate) struct Element<'a>(BytesStart<'a>);

impl Element<'_> {
    /// The name without its prefix.
    pub(crate) fn name(&self) -> &str {
        self.0.local_name().into_inner()
    }

    /// The value of the attribute that is spelled so, prefix included.
    ///
    /// # Errors
    /// `E_MANIFEST_INVALID` when it refers to what is not defined.
    pub(crate) fn attribute(&self, name: &str) -> Result<Option<String>, Problem> {
        for attribute in self.0.attributes().with_checks(false) {
            let attribute = attribute.map_err(|_| malformed())?;
            if attribute.key.0 == name {
                let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|_| malformed())?;
                return if value.chars().all(is_character) {
                    Ok(Some(value.into_owned()))
                } else {
                    Err(malformed())
                };
            }
        }
        Ok(None)
    }

    fn check(&self) -> Result<(), Problem> {
        let mut count = 0;
        for attribute in self.0.attributes().with_checks(true) {
            let attribute = attribute.map_err(|_| malformed())?;
            count += 1;
            if count > MOST_ATTRIBUTES {
                return Err(Code::LimitEntries.problem("an element with more attributes than are read"));
            }
            if attribute.value.len() > LONGEST_VALUE {
                return Err(Code::LimitString.problem("an attribute longer than is read"));
            }
        }
        Ok(())
    }
}

/// A forward reader over the [decoded](decode) text of a document.
pub(crate) struct Xml<'a> {
    tokens: Tokens<&'a [u8]>,
    depth: usize,
    elements: u32,
    events: u32,
    rooted: bool,
}

impl<'a> Xml<'a> {
    /// A reader at the start of `text`.
    pub(crate) fn new(text: &'a str) -> Self {
        let mut tokens = Tokens::from_str(text);
        let config = tokens.config_mut();
        config.expand_empty_elements = true;
        config.check_end_names = true;
        Self { tokens, depth: 0, elements: 0, events: 0, rooted: false }
    }

    /// How many elements are open: 1 after the start of the root.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// What comes next; `None` at the end of a whole document.
    ///
    /// # Errors
    /// `E_XML_DTD`, `E_MANIFEST_INVALID` for what is not well formed, `E_LIMIT_DEPTH`, `E_LIMIT_ENTRIES`,
    /// `E_LIMIT_STRING`, `E_LIMIT_TIME`.
    pub(crate) fn next(&mut self, reader: &Reader<'_>) -> Result<Option<Event<'a>>, Problem> {
        loop {
            self.events = self.events.wrapping_add(1);
            if self.events.is_multiple_of(EVENTS_PER_LOOK) {
                reader.check_time()?;
            }
            match self.tokens.read_event().map_err(|_| malformed())? {
                Raw::Start(tag) => return self.start(reader, Element(tag)).map(Some),
                Raw::End(_) => {
                    self.depth = self.depth.checked_sub(1).ok_or_else(malformed)?;
                    return Ok(Some(Event::End));
                }
                Raw::Text(text) => {
                    let text = text.xml10_content();
                    if self.depth > 0 {
                        return Ok(Some(Event::Text(text)));
                    }
                    if !text.trim().is_empty() {
                        return Err(malformed());
                    }
                }
                Raw::CData(text) if self.depth > 0 => return Ok(Some(Event::Text(text.xml10_content()))),
                Raw::GeneralRef(reference) if self.depth > 0 => {
                    return resolve(&reference).map(|text| Some(Event::Text(text)));
                }
                Raw::CData(_) | Raw::GeneralRef(_) | Raw::Empty(_) => return Err(malformed()),
                Raw::DocType(text) => {
                    if self.rooted || text.contains('[') {
                        return Err(Code::XmlDtd.problem("a document type definition in the document"));
                    }
                }
                Raw::Comment(_) | Raw::PI(_) | Raw::Decl(_) => {}
                Raw::Eof if self.rooted && self.depth == 0 => return Ok(None),
                Raw::Eof => return Err(malformed()),
            }
        }
    }

    /// The text up to the end of the element that was just begun, elements inside passed over, white space around
    /// it taken off; cut to `limit` bytes.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub(crate) fn text(&mut self, reader: &Reader<'_>, limit: usize) -> Result<String, Problem> {
        let inside = self.depth;
        let mut content = String::new();
        while let Some(event) = self.next(reader)? {
            match event {
                Event::Text(text) if self.depth == inside => {
                    let mut end = limit.saturating_sub(content.len()).min(text.len());
                    while !text.is_char_boundary(end) {
                        end -= 1;
                    }
                    content.push_str(text.get(..end).unwrap_or_default());
                }
                Event::End if self.depth < inside => break,
                _ => {}
            }
        }
        Ok(content.trim().to_owned())
    }

    fn start(&mut self, reader: &Reader<'_>, element: Element<'a>) -> Result<Event<'a>, Problem> {
        if self.depth == 0 && self.rooted {
            return Err(malformed());
        }
        self.rooted = true;
        self.depth += 1;
        self.elements += 1;
        if self.depth > reader.limits().depth {
            return Err(Code::LimitDepth.problem("elements nest deeper than is read"));
        }
        if self.elements > MOST_ELEMENTS {
            return Err(Code::LimitEntries.problem("more elements than are read"));
        }
        element.check()?;
        Ok(Event::Start(element))
    }
}

fn resolve(reference: &BytesRef<'_>) -> Result<Cow<'static, str>, Problem> {
    match reference.resolve_char_ref() {
        Ok(Some(one)) if is_character(one) => Ok(Cow::Owned(one.to_string())),
        Ok(None) => resolve_xml_entity(reference).map(Cow::Borrowed).ok_or_else(malformed),
        _ => Err(malformed()),
    }
}

/// What XML 1.0 calls a character.
fn is_character(one: char) -> bool {
    !matches!(one, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

fn malformed() -> Problem {
    Code::ManifestInvalid.problem("XML that is not well formed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, SliceSource};

    /// Names of elements, `/` for ends, quoted text; or the code of the problem.
    fn events(text: &str) -> Result<String, String> {
        let (limits, source) = (Limits::default(), SliceSource(b""));
        let reader = Reader::new(&source, &limits);
        let mut xml = Xml::new(text);
        let mut seen = String::new();
        while let Some(event) = xml.next(&reader).map_err(|problem| problem.code)? {
            match event {
                Event::Start(element) => {
                    let id = element.attribute("id").map_err(|problem| problem.code)?;
                    seen.push_str(&format!("{}{} ", element.name(), id.unwrap_or_default()));
                }
                Event::End => seen.push_str("/ "),
                Event::Text(text) => seen.push_str(&format!("{text:?} ")),
            }
        }
        Ok(seen)
    }

    #[test]
    fn events_in_order() {
        let text = "<?xml version='1.0'?>\n<a:b xmlns:a='u'><c id='1&amp;&#65;'/>x&lt;<![CDATA[&y]]></a:b>\n";
        assert_eq!(events(text).unwrap(), "b c1&A / \"x\" \"<\" \"&y\" / ");
        assert_eq!(events("<!DOCTYPE a SYSTEM 'x'><a/>").unwrap(), "a / ");
    }

    #[test]
    fn what_is_refused() {
        for (text, code) in [
            ("<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>", "E_XML_DTD"),
            ("<a><!DOCTYPE a></a>", "E_XML_DTD"),
            ("<a>&e;</a>", "E_MANIFEST_INVALID"),
            ("<a>&#0;</a>", "E_MANIFEST_INVALID"),
            ("<a>&#xd800;</a>", "E_MANIFEST_INVALID"),
            ("<a id='&e;'/>", "E_MANIFEST_INVALID"),
            ("<a id='&#1;'/>", "E_MANIFEST_INVALID"),
            ("<a id='1' id='2'/>", "E_MANIFEST_INVALID"),
            ("<a><b></a>", "E_MANIFEST_INVALID"),
            ("<a>", "E_MANIFEST_INVALID"),
            ("<a/><b/>", "E_MANIFEST_INVALID"),
            ("</a>", "E_MANIFEST_INVALID"),
            ("text", "E_MANIFEST_INVALID"),
            ("", "E_MANIFEST_INVALID"),
        ] {
            assert_eq!(events(text).unwrap_err(), code, "{text}");
        }
        assert_eq!(events(&"<a>".repeat(100_000)).unwrap_err(), "E_LIMIT_DEPTH");
        let many: String = (0..10_000).map(|n| format!(" a{n}=''")).collect();
        assert_eq!(events(&format!("<a{many}/>")).unwrap_err(), "E_LIMIT_ENTRIES");
        let long = "x".repeat(LONGEST_VALUE + 1);
        assert_eq!(events(&format!("<a b='{long}'/>")).unwrap_err(), "E_LIMIT_STRING");
    }

    #[test]
    fn text_of_an_element() {
        let (limits, source) = (Limits::default(), SliceSource(b""));
        let reader = Reader::new(&source, &limits);
        let mut xml = Xml::new("<a><b> x&amp;<i>no</i>\u{e9}y </b><c/></a>");
        xml.next(&reader).unwrap();
        xml.next(&reader).unwrap();
        assert_eq!(xml.text(&reader, 5).unwrap(), "x&é");
        assert!(matches!(xml.next(&reader).unwrap(), Some(Event::Start(element)) if element.name() == "c"));
        assert_eq!(xml.depth(), 2);
    }

    #[test]
    fn encodings() {
        let utf16: Vec<u8> = "\u{feff}<é/>".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(decode(&utf16).unwrap(), "<é/>");
        assert_eq!(decode(b"\xef\xbb\xbf<a/>").unwrap(), "<a/>");
        let latin = b"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe9</a>";
        assert!(decode(latin).unwrap().contains('é'));
        let refused = |data: &[u8]| decode(data).unwrap_err().code;
        assert_eq!(refused(b"<?xml version='1.0' encoding='utf-7'?><a/>"), "E_UNSUPPORTED");
        assert_eq!(refused(b"<a>\xe9</a>"), "E_MANIFEST_INVALID");
        assert_eq!(refused(b"\xff\xfe<"), "E_MANIFEST_INVALID");
    }
}
