//! A bounded, zero-copy walker over DER (and the indefinite lengths of BER), with the little of PKCS #7 and X.509
//! that package metadata needs.
//!
//! Nothing here verifies a signature. Every function is total: bytes that are not what they should be give `None`
//! or an iterator that ends early, in time linear in the input for each of at most [`MAX_DEPTH`] levels.
//!
//! Sources: ITU-T X.690 (encoding), RFC 5652 (CMS), RFC 5280 (certificates), RFC 4514 (names as text).

use std::fmt::Write as _;

use appdepot_core::domain::Timestamp;

mod certificate;
mod pkcs7;

pub(crate) use self::certificate::key;
pub use self::certificate::{Certificate, Name};
pub use self::pkcs7::{pkcs7_certificates, pkcs7_content, pkcs7_signers};

/// The deepest nesting that is followed, in elements.
pub const MAX_DEPTH: u8 = 64;

/// The most signers of one signature that are looked at: each is sought among all certificates.
pub const MAX_SIGNERS: usize = 64;

/// Identifier octet of INTEGER.
pub const INTEGER: u8 = 0x02;
/// Identifier octet of BIT STRING.
pub const BIT_STRING: u8 = 0x03;
/// Identifier octet of a primitive OCTET STRING.
pub const OCTET_STRING: u8 = 0x04;
/// Identifier octet of OBJECT IDENTIFIER.
pub const OBJECT_IDENTIFIER: u8 = 0x06;
/// Identifier octet of SEQUENCE.
pub const SEQUENCE: u8 = 0x30;
/// Identifier octet of SET.
pub const SET: u8 = 0x31;

/// Set in the identifier octet when the content is made of elements.
const CONSTRUCTED: u8 = 0x20;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// One encoded value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element<'a> {
    /// The identifier octet: class, the constructed bit and the tag number. For tag numbers above 30 the number's
    /// own octets are only in [`raw`](Self::raw).
    pub tag: u8,
    /// The content octets, without an end-of-contents mark.
    pub content: &'a [u8],
    /// The whole encoding, header included.
    pub raw: &'a [u8],
    depth: u8,
}

impl<'a> Element<'a> {
    /// The first element of `data`; bytes after it are ignored.
    ///
    /// # Examples
    /// ```
    /// use appdepot_metadata::der::{Element, INTEGER, SEQUENCE};
    ///
    /// let list = Element::read(&[0x30, 0x03, 0x02, 0x01, 0x2a]).ok_or("not DER")?;
    /// assert_eq!(list.tag, SEQUENCE);
    /// let number = list.children().expect_tag(INTEGER).ok_or("not a number")?;
    /// assert_eq!(number.content, [42]);
    /// # Ok::<(), &str>(())
    /// ```
    pub fn read(data: &'a [u8]) -> Option<Self> {
        read_element(data, 0).map(|(element, _)| element)
    }

    /// Whether the content is made of elements.
    pub const fn is_constructed(&self) -> bool {
        self.tag & CONSTRUCTED != 0
    }

    /// The elements inside. Empty for a primitive element and below [`MAX_DEPTH`].
    pub fn children(&self) -> Elements<'a> {
        let open = self.is_constructed() && self.depth < MAX_DEPTH;
        Elements { rest: if open { self.content } else { &[] }, depth: self.depth.saturating_add(1) }
    }
}

/// The elements of a piece of DER, in order; ends at the first that cannot be read.
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    rest: &'a [u8],
    depth: u8,
}

impl<'a> Elements<'a> {
    /// The elements of `data`, which is a plain run of them.
    pub const fn new(data: &'a [u8]) -> Self {
        Self { rest: data, depth: 0 }
    }

    /// What has not been read. Not empty after the last element means that it cannot be read.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next element if it has this identifier octet; otherwise `None`, and nothing is consumed.
    pub fn expect_tag(&mut self, tag: u8) -> Option<Element<'a>> {
        if self.rest.first() == Some(&tag) { self.next() } else { None }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let (element, rest) = read_element(self.rest, self.depth)?;
        self.rest = rest;
        Some(element)
    }
}

/// Tag, content length (`None`: indefinite) and header length.
pub(crate) fn read_header(data: &[u8]) -> Option<(u8, Option<usize>, usize)> {
    let tag = *data.first()?;
    let mut at = 1;
    if tag & 0x1f == 0x1f {
        // A tag number of more than four octets has no use in any format read here.
        let more = data.get(at..)?.iter().take(4).position(|byte| byte & 0x80 == 0)?;
        at += more + 1;
    }
    let first = *data.get(at)?;
    at += 1;
    if first == 0x80 {
        return Some((tag, None, at));
    }
    if first < 0x80 {
        return Some((tag, Some(usize::from(first)), at));
    }
    let count = usize::from(first & 0x7f);
    if count > size_of::<u64>() {
        return None;
    }
    let length = data.get(at..at + count)?.iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
    Some((tag, Some(usize::try_from(length).ok()?), at + count))
}

fn read_element(data: &[u8], depth: u8) -> Option<(Element<'_>, &[u8])> {
    let (tag, length, header) = read_header(data)?;
    let (content, end) = match length {
        Some(length) => {
            let end = header.checked_add(length)?;
            (data.get(header..end)?, end)
        }
        None if tag & CONSTRUCTED != 0 => {
            let length = indefinite_length(data.get(header..)?)?;
            (data.get(header..header + length)?, header + length + 2)
        }
        None => return None,
    };
    Some((Element { tag, content, raw: data.get(..end)?, depth }, data.get(end..)?))
}

/// Where the end-of-contents mark of an indefinite content lies. A counter instead of recursion: only nested
/// indefinite elements have to be followed, definite ones are stepped over.
fn indefinite_length(data: &[u8]) -> Option<usize> {
    let mut open = 1u8;
    let mut at = 0usize;
    loop {
        let (tag, length, header) = read_header(data.get(at..)?)?;
        match length {
            Some(0) if tag == 0 => {
                open -= 1;
                if open == 0 {
                    return Some(at);
                }
                at += header;
            }
            Some(length) => at = at.checked_add(header)?.checked_add(length)?,
            None if open < MAX_DEPTH => {
                open += 1;
                at += header;
            }
            None => return None,
        }
    }
}

/// The text of any of the ASN.1 string types found in names; `None` for other types.
fn string(element: &Element<'_>) -> Option<String> {
    let content = element.content;
    match element.tag {
        0x0c => Some(String::from_utf8_lossy(content).into_owned()),
        // Numeric, Printable, IA5, Visible and, as everyone reads it, Teletex: Latin-1.
        0x12..=0x16 | 0x1a => Some(content.iter().map(|byte| char::from(*byte)).collect()),
        0x1c => Some(
            content
                .chunks_exact(4)
                .map(|four| four.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
                .map(|code| char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect(),
        ),
        0x1e => {
            let units = content
                .chunks_exact(2)
                .map(|two| two.iter().fold(0, |sum, byte| sum << 8 | u16::from(*byte)));
            Some(char::decode_utf16(units).map(|one| one.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
        }
        _ => None,
    }
}

/// The dotted form of the content of an OBJECT IDENTIFIER; `None` when it is empty, cut off or has an arc of more
/// than 64 bits.
pub fn object_identifier(content: &[u8]) -> Option<String> {
    let mut out = String::new();
    let mut arc = 0u64;
    let mut complete = false;
    for byte in content {
        arc = arc.checked_mul(128)? | u64::from(byte & 0x7f);
        complete = byte & 0x80 == 0;
        if complete {
            if out.is_empty() {
                let first = (arc / 40).min(2);
                let _ = write!(out, "{first}.{}", arc - first * 40);
            } else {
                let _ = write!(out, ".{arc}");
            }
            arc = 0;
        }
    }
    complete.then_some(out)
}

/// A signed big-endian number in hexadecimal.
fn hex_number(content: &[u8]) -> Option<String> {
    let negative = content.first()? & 0x80 != 0;
    let mut magnitude = content.to_vec();
    if negative {
        // Two's complement: invert, then add one from the right.
        let mut carry = true;
        for byte in magnitude.iter_mut().rev() {
            let (sum, over) = (!*byte).overflowing_add(u8::from(carry));
            *byte = sum;
            carry = over;
        }
    }
    let mut text = String::with_capacity(magnitude.len() * 2 + 1);
    for byte in &magnitude {
        let _ = write!(text, "{byte:02x}");
    }
    let digits = text.trim_start_matches('0');
    Some(format!("{}{}", if negative { "-" } else { "" }, if digits.is_empty() { "0" } else { digits }))
}

/// UTCTime or GeneralizedTime, with or without seconds, fraction and offset.
fn time(element: &Element<'_>) -> Option<Timestamp> {
    let text = std::str::from_utf8(element.content).ok()?;
    let (year, rest) = match element.tag {
        UTC_TIME => {
            let year: i32 = digits(text.get(..2)?)?;
            // RFC 5280 section 4.1.2.5.1.
            (if year < 50 { 2000 + year } else { 1900 + year }, text.get(2..)?)
        }
        GENERALIZED_TIME => (digits(text.get(..4)?)?, text.get(4..)?),
        _ => return None,
    };
    let field = |at: usize| digits::<u8>(rest.get(at..at + 2)?);
    let (month, day, hour, minute) = (field(0)?, field(2)?, field(4)?, field(6)?);
    let mut tail = rest.get(8..)?;
    let mut second = 0;
    if tail.starts_with(|one: char| one.is_ascii_digit()) {
        second = digits::<u8>(tail.get(..2)?)?;
        tail = tail.get(2..)?;
    }
    if let Some(fraction) = tail.strip_prefix(['.', ',']) {
        tail = fraction.trim_start_matches(|one: char| one.is_ascii_digit());
    }
    let offset = match tail.as_bytes().first() {
        None | Some(b'Z') if tail.len() <= 1 => 0,
        Some(sign @ (b'+' | b'-')) if tail.len() == 5 => {
            let minutes = digits::<i64>(tail.get(1..3)?)? * 60 + digits::<i64>(tail.get(3..5)?)?;
            if *sign == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };
    let date = time::Date::from_calendar_date(year, time::Month::try_from(month).ok()?, day).ok()?;
    let moment = date.with_hms(hour, minute, second).ok()?.assume_utc().unix_timestamp();
    Some(Timestamp::from_millis((moment - offset * 60) * 1000))
}

/// A number of digits only: `parse` alone would take a sign.
fn digits<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn depth_is_bounded() {
        let mut definite = Vec::new();
        for _ in 0..40_000u32 {
            let length = (definite.len() as u32).to_be_bytes();
            let mut outer = vec![0x24, 0x84];
            outer.extend_from_slice(&length);
            if definite.len() > 4096 {
                break;
            }
            outer.append(&mut definite);
            definite = outer;
        }
        let mut joined = Vec::new();
        assert!(pkcs7::join_octets(&Element::read(&definite).unwrap(), &mut joined).is_none());
        assert!(Element::read(&[0x30, 0x80].repeat(100_000)).is_none());
    }

    #[test]
    fn numbers_and_identifiers_as_text() {
        assert_eq!(hex_number(&[0x00, 0xff]).unwrap(), "ff");
        assert_eq!(hex_number(&[0xff]).unwrap(), "-1");
        assert_eq!(hex_number(&[0x80, 0x00]).unwrap(), "-8000");
        assert_eq!(hex_number(&[0]).unwrap(), "0");
        assert_eq!(object_identifier(pkcs7::SIGNED_DATA).unwrap(), "1.2.840.113549.1.7.2");
        assert_eq!(object_identifier(&[0x88, 0x37, 0x03]).unwrap(), "2.999.3");
        assert!(object_identifier(&[0x80]).is_none());
    }

    #[test]
    fn times() {
        let read = |tag, text: &'static str| {
            time(&Element { tag, content: text.as_bytes(), raw: &[], depth: 0 }).map(|time| time.to_string())
        };
        assert_eq!(read(UTC_TIME, "170811142359Z").unwrap(), "2017-08-11T14:23:59.000Z");
        assert_eq!(read(UTC_TIME, "5001010000Z").unwrap(), "1950-01-01T00:00:00.000Z");
        assert_eq!(read(GENERALIZED_TIME, "40960101000000.5Z").unwrap(), "4096-01-01T00:00:00.000Z");
        assert_eq!(read(GENERALIZED_TIME, "20200101010000+0100").unwrap(), "2020-01-01T00:00:00.000Z");
        assert!(read(UTC_TIME, "17+811142359Z").is_none());
        assert!(read(UTC_TIME, "171311142359Z").is_none());
    }

    proptest! {
        #[test]
        fn total_on_any_bytes(data in proptest::collection::vec(any::<u8>(), 0..600)) {
            pkcs7_content(&data);
            pkcs7_signers(&data);
            Certificate::read(&data);
            let mut open = vec![Elements::new(&data)];
            while let Some(elements) = open.pop() {
                open.extend(elements.map(|one| one.children()).filter(|one| !one.rest().is_empty()));
            }
        }

        #[test]
        fn total_on_nearly_der(data in proptest::collection::vec(
            prop_oneof![Just(0x30u8), Just(0x80), Just(0xa0), Just(0x24), Just(0), Just(0x02), Just(0x06), 0u8..12],
            0..300,
        )) {
            pkcs7_content(&data);
            Certificate::read(&data);
        }
    }
}
