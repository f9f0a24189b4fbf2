//! What certificates say about themselves (RFC 5280), and names as text (RFC 4514).

use std::fmt::Write as _;

use appdepot_core::domain::Timestamp;

use super::{
    BIT_STRING, Element, Elements, INTEGER, OBJECT_IDENTIFIER, SEQUENCE, hex_number, object_identifier,
    string, time,
};

/// 2.5.4.3, common name.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// What names a certificate in a signature.
pub(super) struct Identifiers<'a> {
    pub(super) issuer: &'a [u8],
    pub(super) serial: &'a [u8],
}

impl<'a> Identifiers<'a> {
    pub(super) fn read(certificate: &'a [u8]) -> Option<Self> {
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
    use super::*;

    #[test]
    fn names_are_escaped() {
        let mut out = String::new();
        push_escaped(&mut out, " #a,b\\ ");
        assert_eq!(out, "\\ #a\\,b\\\\\\ ");
    }
}
