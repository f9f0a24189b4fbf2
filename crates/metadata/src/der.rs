//! A bounded, zero-copy walker over DER (and the indefinite lengths of BER), with the little of PKCS #7 and X.509
//! that package metadata needs.
//!
//! Nothing here verifies a signature. Every function is total: bytes that are not what they should be give `None`
//! or an iterator that ends early, in time linear in the input for each of at most [`MAX_DEPTH`] levels.
//!
//! Sources: ITU-T X.690 (encoding), RFC 5652 (CMS), RFC 5280 (certificates), RFC 4514 (names as text).

use std::borrow::Cow;
use std::fmt::Write as _;

use appdepot_core::domain::Timestamp;

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
const CONSTRUCTED_OCTET_STRING: u8 = OCTET_STRING | CONSTRUCTED;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// 1.2.840.113549.1.7.2, CMS signed data.
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
/// 2.5.4.3, common name.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

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

/// The parts of CMS signed data this module reads.
struct SignedData<'a> {
    content: Option<Element<'a>>,
    certificates: Vec<&'a [u8]>,
    signers: Vec<Element<'a>>,
}

/// RFC 5652 section 5.1.
fn signed_data(data: &[u8]) -> Option<SignedData<'_>> {
    let mut info = Element::read(data)?.children();
    if info.expect_tag(OBJECT_IDENTIFIER)?.content != SIGNED_DATA {
        return None;
    }
    let mut fields = info.expect_tag(0xa0)?.children().expect_tag(SEQUENCE)?.children();
    fields.expect_tag(INTEGER)?;
    fields.expect_tag(SET)?;
    let mut encapsulated = fields.expect_tag(SEQUENCE)?.children();
    encapsulated.expect_tag(OBJECT_IDENTIFIER)?;
    let content = encapsulated.expect_tag(0xa0).and_then(|explicit| explicit.children().next());
    let certificates = match fields.expect_tag(0xa0) {
        // Attribute certificates and other choices are context-tagged.
        Some(set) => set.children().filter(|one| one.tag == SEQUENCE).map(|one| one.raw).collect(),
        None => Vec::new(),
    };
    fields.expect_tag(0xa1);
    let signers =
        fields.expect_tag(SET).map(|set| set.children().take(MAX_SIGNERS).collect()).unwrap_or_default();
    Some(SignedData { content, certificates, signers })
}

/// The DER of each certificate carried by CMS signed data, in the order of the file; `None` when `data` is not signed
/// data.
pub fn pkcs7_certificates(data: &[u8]) -> Option<Vec<&[u8]>> {
    signed_data(data).map(|signed| signed.certificates)
}

/// The DER of the certificate of each signer of CMS signed data, for signers named by issuer and serial number whose
/// certificate is carried along. That a signature is good is not checked.
pub fn pkcs7_signers(data: &[u8]) -> Option<Vec<&[u8]>> {
    let signed = signed_data(data)?;
    let known: Vec<(&[u8], Identifiers<'_>)> =
        signed.certificates.iter().filter_map(|raw| Some((*raw, Identifiers::read(raw)?))).collect();
    let certificate_of = |signer: &Element<'_>| {
        let mut fields = signer.children();
        fields.expect_tag(INTEGER)?;
        let mut id = fields.expect_tag(SEQUENCE)?.children();
        let (issuer, serial) = (id.expect_tag(SEQUENCE)?, id.expect_tag(INTEGER)?);
        known
            .iter()
            .find(|(_, one)| one.issuer == issuer.raw && one.serial == serial.content)
            .map(|(raw, _)| *raw)
    };
    Some(signed.signers.iter().filter_map(certificate_of).collect())
}

/// The content that CMS signed data wraps, its chunks joined where it came in chunks; `None` when `data` is not
/// signed data or wraps nothing.
pub fn pkcs7_content(data: &[u8]) -> Option<Cow<'_, [u8]>> {
    let content = signed_data(data)?.content?;
    if content.tag == OCTET_STRING {
        return Some(Cow::Borrowed(content.content));
    }
    let mut joined = Vec::new();
    join_octets(&content, &mut joined)?;
    Some(Cow::Owned(joined))
}

/// Recursion is bounded by [`MAX_DEPTH`], the output by the input.
fn join_octets(element: &Element<'_>, joined: &mut Vec<u8>) -> Option<()> {
    match element.tag {
        OCTET_STRING => joined.extend_from_slice(element.content),
        CONSTRUCTED_OCTET_STRING if element.depth < MAX_DEPTH => {
            let mut children = element.children();
            for child in &mut children {
                join_octets(&child, joined)?;
            }
            if !children.rest().is_empty() {
                return None;
            }
        }
        _ => return None,
    }
    Some(())
}

/// What names a certificate in a signature.
struct Identifiers<'a> {
    issuer: &'a [u8],
    serial: &'a [u8],
}

impl<'a> Identifiers<'a> {
    fn read(certificate: &'a [u8]) -> Option<Self> {
        let mut fields = certificate_fields(certificate)?;
        let serial = fields.expect_tag(INTEGER)?.content;
        fields.expect_tag(SEQUENCE)?;
        Some(Self { issuer: fields.expect_tag(SEQUENCE)?.raw, serial })
    }
}

/// The fields of the part that is signed, after the optional version.
fn certificate_fields(certificate: &[u8]) -> Option<Elements<'_>> {
    let outer = Element::read(certificate).filter(|one| one.tag == SEQUENCE)?;
    let mut fields = outer.children().expect_tag(SEQUENCE)?.children();
    fields.expect_tag(0xa0);
    Some(fields)
}

/// What an X.509 certificate says about itself. Reading it verifies nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate<'a> {
    /// The whole DER, as it is hashed for a fingerprint.
    pub raw: &'a [u8],
    /// The serial number, hexadecimal without leading zeros, `-` first when negative.
    pub serial: String,
    /// Who issued it.
    pub issuer: Name,
    /// Whom it names.
    pub subject: Name,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
    /// `RSA`, `EC`, `Ed25519`, …, or the dotted object identifier of an algorithm without a name here.
    pub key_algorithm: String,
    /// The size of an RSA modulus or the field of a named curve, in bits.
    pub key_bits: Option<u32>,
}

impl<'a> Certificate<'a> {
    /// Reads one DER certificate; bytes after it are ignored and not part of [`raw`](Self::raw).
    ///
    /// # Examples
    /// ```
    /// use appdepot_metadata::der::Certificate;
    ///
    /// assert!(Certificate::read(b"-----BEGIN CERTIFICATE-----").is_none());
    /// ```
    pub fn read(data: &'a [u8]) -> Option<Self> {
        let raw = Element::read(data)?.raw;
        let mut fields = certificate_fields(data)?;
        let serial = hex_number(fields.expect_tag(INTEGER)?.content)?;
        fields.expect_tag(SEQUENCE)?;
        let issuer = Name::read(&fields.expect_tag(SEQUENCE)?)?;
        let mut validity = fields.expect_tag(SEQUENCE)?.children();
        let not_before = time(&validity.next()?)?;
        let not_after = time(&validity.next()?)?;
        let subject = Name::read(&fields.expect_tag(SEQUENCE)?)?;
        let (key_algorithm, key_bits) = key(&fields.expect_tag(SEQUENCE)?)?;
        Some(Self { raw, serial, issuer, subject, not_before, not_after, key_algorithm, key_bits })
    }
}

/// A distinguished name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Name {
    /// The last common name in it.
    pub common_name: Option<String>,
    /// The whole name as RFC 4514 writes it, most specific part first.
    pub text: String,
}

impl Name {
    pub(crate) fn read(name: &Element<'_>) -> Option<Self> {
        let mut common_name = None;
        let mut parts = Vec::new();
        for relative in name.children() {
            let mut part = String::new();
            for attribute in relative.children() {
                let mut fields = attribute.children();
                let kind = fields.expect_tag(OBJECT_IDENTIFIER)?.content;
                let value = fields.next()?;
                let text = string(&value);
                if !part.is_empty() {
                    part.push('+');
                }
                match short_name(kind) {
                    Some(name) => part.push_str(name),
                    None => part.push_str(&object_identifier(kind)?),
                }
                part.push('=');
                match &text {
                    Some(text) => push_escaped(&mut part, text),
                    None => push_hex(&mut part, value.raw),
                }
                if kind == COMMON_NAME && text.is_some() {
                    common_name = text;
                }
            }
            parts.push(part);
        }
        parts.reverse();
        Some(Self { common_name, text: parts.join(",") })
    }
}

/// The attribute types RFC 4514 section 3 gives a short name.
fn short_name(kind: &[u8]) -> Option<&'static str> {
    Some(match kind {
        COMMON_NAME => "CN",
        [0x55, 0x04, 0x06] => "C",
        [0x55, 0x04, 0x07] => "L",
        [0x55, 0x04, 0x08] => "ST",
        [0x55, 0x04, 0x09] => "STREET",
        [0x55, 0x04, 0x0a] => "O",
        [0x55, 0x04, 0x0b] => "OU",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01] => "UID",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19] => "DC",
        _ => return None,
    })
}

/// RFC 4514 section 2.4.
fn push_escaped(out: &mut String, text: &str) {
    let last = text.chars().count().saturating_sub(1);
    for (index, one) in text.chars().enumerate() {
        match one {
            '\0' => out.push_str("\\00"),
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => {
                out.push('\\');
                out.push(one);
            }
            ' ' if index == 0 || index == last => out.push_str("\\ "),
            '#' if index == 0 => out.push_str("\\#"),
            _ => out.push(one),
        }
    }
}

fn push_hex(out: &mut String, bytes: &[u8]) {
    out.push('#');
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
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

/// The name and size of a subject public key.
pub(crate) fn key(info: &Element<'_>) -> Option<(String, Option<u32>)> {
    let mut fields = info.children();
    let mut algorithm = fields.expect_tag(SEQUENCE)?.children();
    let kind = object_identifier(algorithm.expect_tag(OBJECT_IDENTIFIER)?.content)?;
    let rsa_bits = || {
        let bits = fields.expect_tag(BIT_STRING)?.content.get(1..)?;
        let modulus = Element::read(bits)?.children().expect_tag(INTEGER)?.content;
        let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
        let top = modulus.get(zeros)?.leading_zeros();
        u32::try_from((modulus.len() - zeros) * 8).ok()?.checked_sub(top)
    };
    let (name, bits) = match kind.as_str() {
        "1.2.840.113549.1.1.1" => ("RSA", { rsa_bits }()),
        "1.2.840.113549.1.1.10" => ("RSASSA-PSS", { rsa_bits }()),
        "1.2.840.10040.4.1" => ("DSA", None),
        "1.2.840.10045.2.1" => {
            let curve =
                algorithm.expect_tag(OBJECT_IDENTIFIER).and_then(|one| object_identifier(one.content));
            let bits = match curve.as_deref() {
                Some("1.2.840.10045.3.1.7" | "1.3.132.0.10") => Some(256),
                Some("1.3.132.0.34") => Some(384),
                Some("1.3.132.0.35") => Some(521),
                _ => None,
            };
            ("EC", bits)
        }
        "1.3.101.112" => ("Ed25519", Some(256)),
        "1.3.101.113" => ("Ed448", Some(456)),
        _ => return Some((kind, None)),
    };
    Some((name.to_owned(), bits))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn indefinite_and_chunked_content_is_joined() {
        let mut data = vec![0x30, 0x80, 0x06, 0x09];
        data.extend_from_slice(SIGNED_DATA);
        data.extend_from_slice(&[0xa0, 0x80, 0x30, 0x80, 0x02, 0x01, 0x01, 0x31, 0x00, 0x30, 0x80]);
        data.extend_from_slice(&[0x06, 0x01, 0x2a, 0xa0, 0x80, 0x24, 0x80, 0x04, 0x02, b'a', b'b']);
        data.extend_from_slice(&[0x24, 0x03, 0x04, 0x01, b'c', 0, 0, 0, 0, 0, 0]);
        data.extend_from_slice(&[0xa0, 0x04, 0x30, 0x02, 0x05, 0x00, 0x31, 0x00, 0, 0, 0, 0, 0, 0]);
        assert_eq!(pkcs7_content(&data).as_deref(), Some(&b"abc"[..]));
        assert_eq!(pkcs7_certificates(&data).unwrap(), [&[0x30, 0x02, 0x05, 0x00][..]]);
        for end in 0..data.len() {
            pkcs7_content(&data[..end]);
        }
    }

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
        assert!(join_octets(&Element::read(&definite).unwrap(), &mut joined).is_none());
        assert!(Element::read(&[0x30, 0x80].repeat(100_000)).is_none());
    }

    #[test]
    fn numbers_and_identifiers_as_text() {
        assert_eq!(hex_number(&[0x00, 0xff]).unwrap(), "ff");
        assert_eq!(hex_number(&[0xff]).unwrap(), "-1");
        assert_eq!(hex_number(&[0x80, 0x00]).unwrap(), "-8000");
        assert_eq!(hex_number(&[0]).unwrap(), "0");
        assert_eq!(object_identifier(SIGNED_DATA).unwrap(), "1.2.840.113549.1.7.2");
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

    #[test]
    fn names_are_escaped() {
        let mut out = String::new();
        push_escaped(&mut out, " #a,b\\ ");
        assert_eq!(out, "\\ #a\\,b\\\\\\ ");
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
