//! XML property lists.

use std::borrow::Cow;

use appdepot_core::domain::Timestamp;
use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, Event};

use super::{Budget, Dictionary, Error, MAX_DEPTH, Value, integer};

/// What Apple's tools have written after `<!DOCTYPE plist`.
const DOCUMENT_TYPES: [&str; 4] = [
    "",
    r#"PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd""#,
    r#"PUBLIC "-//Apple Computer//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd""#,
    r#"SYSTEM "file://localhost/System/Library/DTDs/PropertyList.dtd""#,
];

pub(super) fn read(data: &[u8]) -> Result<Value, Error> {
    let text = decode(data)?;
    let mut reader = Reader::from_str(&text);
    let config = reader.config_mut();
    config.expand_empty_elements = true;
    config.check_end_names = true;
    let mut builder = Builder {
        budget: Budget::new(),
        open: Vec::new(),
        scalar: None,
        root: None,
        wrapped: false,
        inside: false,
    };
    loop {
        match reader.read_event().map_err(syntax)? {
            Event::Start(tag) => builder.start(tag.name().as_ref())?,
            Event::End(tag) => builder.end(tag.name().as_ref())?,
            Event::Text(text) => builder.text(&text.xml10_content())?,
            Event::CData(text) => builder.text(&text.xml10_content())?,
            Event::GeneralRef(reference) => builder.reference(&reference)?,
            Event::DocType(text) => builder.document_type(&text)?,
            Event::Eof => return builder.finish(),
            Event::Empty(_) | Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
        }
    }
}

/// UTF-8, or UTF-16 with a byte order mark.
fn decode(data: &[u8]) -> Result<Cow<'_, str>, Error> {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, odd) = bytes.as_chunks::<2>();
        if !odd.is_empty() {
            return Err(Error::Truncated);
        }
        let decoded: Result<String, _> = char::decode_utf16(pairs.iter().map(|pair| unit(*pair))).collect();
        decoded.map(Cow::Owned).map_err(|_| Error::Invalid("text that is not UTF-16"))
    };
    if let Some(rest) = data.strip_prefix(&[0xff, 0xfe]) {
        return utf16(rest, u16::from_le_bytes);
    }
    if let Some(rest) = data.strip_prefix(&[0xfe, 0xff]) {
        return utf16(rest, u16::from_be_bytes);
    }
    let rest = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data);
    match std::str::from_utf8(rest) {
        Ok(text) => Ok(Cow::Borrowed(text)),
        Err(error) if error.error_len().is_none() => Err(Error::Truncated),
        Err(_) => Err(Error::Invalid("text that is not UTF-8")),
    }
}

fn syntax(error: quick_xml::Error) -> Error {
    match error {
        // All of these are ends that are missing.
        quick_xml::Error::Syntax(_) => Error::Truncated,
        _ => Error::Invalid("XML is not well formed"),
    }
}

enum Open {
    Array(Vec<Value>),
    Dictionary(Dictionary, Option<String>),
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Key,
    String,
    Integer,
    Real,
    Date,
    Data,
    True,
    False,
}

/// A stack instead of recursion; values nest no deeper than [`MAX_DEPTH`], so dropping them is safe too.
struct Builder {
    budget: Budget,
    open: Vec<Open>,
    /// The element with text that is being read.
    scalar: Option<(Kind, String)>,
    root: Option<Value>,
    /// `<plist>` was met.
    wrapped: bool,
    /// `</plist>` is still to come.
    inside: bool,
}

impl Builder {
    fn start(&mut self, name: &str) -> Result<(), Error> {
        self.budget.object()?;
        if self.scalar.is_some() {
            return Err(Error::Invalid("element inside a value"));
        }
        let kind = match name {
            "plist" if !self.wrapped && self.open.is_empty() && self.root.is_none() => {
                self.wrapped = true;
                self.inside = true;
                return Ok(());
            }
            "array" => return self.container(Open::Array(Vec::new())),
            "dict" => return self.container(Open::Dictionary(Dictionary::new(), None)),
            "key" => Kind::Key,
            "string" => Kind::String,
            "integer" => Kind::Integer,
            "real" => Kind::Real,
            "date" => Kind::Date,
            "data" => Kind::Data,
            "true" => Kind::True,
            "false" => Kind::False,
            _ => return Err(Error::Invalid("unknown element")),
        };
        self.scalar = Some((kind, String::new()));
        Ok(())
    }

    fn container(&mut self, container: Open) -> Result<(), Error> {
        if self.open.len() >= MAX_DEPTH {
            return Err(Error::Depth);
        }
        self.open.push(container);
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), Error> {
        if let Some((kind, text)) = self.scalar.take() {
            let value = match kind {
                Kind::Key => return self.key(text),
                Kind::String => Value::String(text),
                Kind::Integer => integer(parse_integer(text.trim())?)?,
                Kind::Real => Value::Real(text.trim().parse().map_err(|_| Error::Invalid("bad real"))?),
                Kind::Date => {
                    Value::Date(Timestamp::parse(text.trim()).map_err(|_| Error::Invalid("bad date"))?)
                }
                Kind::Data => Value::Data(base64(&text)?),
                Kind::True => Value::Boolean(true),
                Kind::False => Value::Boolean(false),
            };
            return self.value(value);
        }
        match (name, self.open.pop()) {
            ("array", Some(Open::Array(values))) => self.value(Value::Array(values)),
            ("dict", Some(Open::Dictionary(entries, None))) => self.value(Value::Dictionary(entries)),
            ("dict", Some(Open::Dictionary(_, Some(_)))) => Err(Error::Invalid("key without a value")),
            ("plist", None) => {
                self.inside = false;
                Ok(())
            }
            // The reader checks that names match.
            _ => Err(Error::Invalid("XML is not well formed")),
        }
    }

    fn key(&mut self, text: String) -> Result<(), Error> {
        match self.open.last_mut() {
            Some(Open::Dictionary(_, key)) if key.is_none() => {
                *key = Some(text);
                Ok(())
            }
            _ => Err(Error::Invalid("key out of place")),
        }
    }

    fn value(&mut self, value: Value) -> Result<(), Error> {
        match self.open.last_mut() {
            Some(Open::Array(values)) => values.push(value),
            Some(Open::Dictionary(entries, key)) => {
                entries.push(key.take().ok_or(Error::Invalid("value without a key"))?, value);
            }
            None if self.root.is_none() => self.root = Some(value),
            None => return Err(Error::Invalid("more than one value")),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Error> {
        match &mut self.scalar {
            Some((Kind::True | Kind::False, _)) | None if text.trim().is_empty() => Ok(()),
            Some((Kind::True | Kind::False, _)) | None => Err(Error::Invalid("text out of place")),
            Some((_, content)) => {
                self.budget.bytes(text.len())?;
                content.push_str(text);
                Ok(())
            }
        }
    }

    fn reference(&mut self, reference: &BytesRef<'_>) -> Result<(), Error> {
        match reference.resolve_char_ref() {
            Ok(Some(one)) => self.text(one.encode_utf8(&mut [0; 4])),
            Ok(None) => self.text(resolve_xml_entity(reference).ok_or(Error::DocumentType)?),
            Err(_) => Err(Error::Invalid("bad character reference")),
        }
    }

    /// Nothing is ever fetched or expanded; a declaration that would need it is refused.
    fn document_type(&self, text: &str) -> Result<(), Error> {
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ").replace('\'', "\"");
        let known = words.strip_prefix("plist").is_some_and(|rest| {
            DOCUMENT_TYPES.contains(&rest.trim_start().replace("https://", "http://").as_str())
        });
        if known && !self.wrapped && self.open.is_empty() && self.root.is_none() && self.scalar.is_none() {
            Ok(())
        } else {
            Err(Error::DocumentType)
        }
    }

    fn finish(self) -> Result<Value, Error> {
        if self.scalar.is_some() || !self.open.is_empty() || self.inside {
            return Err(Error::Truncated);
        }
        self.root.ok_or(Error::Invalid("no value"))
    }
}

/// Decimal, or hexadecimal after `0x`; Foundation reads both.
fn parse_integer(text: &str) -> Result<i128, Error> {
    const BAD: Error = Error::Invalid("bad integer");
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(rest) => (16, rest),
        None => (10, digits),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(BAD);
    }
    let value = i128::from_str_radix(digits, radix).map_err(|_| BAD)?;
    Ok(if negative { -value } else { value })
}

/// RFC 4648 base 64 with white space anywhere and the padding optional.
pub(crate) fn base64(text: &str) -> Result<Vec<u8>, Error> {
    const BAD: Error = Error::Invalid("bad base 64");
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0u32, 0u8);
    let mut padding = 0usize;
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' if padding < 2 => {
                padding += 1;
                continue;
            }
            _ => return Err(BAD),
        };
        if padding > 0 {
            return Err(BAD);
        }
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push(u8::try_from(bits >> held & 0xff).map_err(|_| BAD)?);
        }
    }
    // Bits that do not fill a byte are dropped, as Foundation does; real profiles are cut like that.
    Ok(out)
}
