//! Certificates: X.509 in DER or PEM, one or a chain of them, PKCS #7 bundles, certificate requests; of PKCS #12 key
//! stores only that they are such.
//!
//! Nothing is verified and nothing decrypted. Whether a certificate has expired is for callers to say, who know what
//! time it is. A private key is refused wherever in the file it stands, and never repeated in a message.
//!
//! Sources: RFC 5280, RFC 7468 (PEM), RFC 2986 (requests), RFC 5958 and RFC 8017 (keys), RFC 7292 (PKCS #12).

use std::fmt::Write as _;

use appdepot_core::inspect::{self, Package, Problem};
use async_trait::async_trait;
use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};

use crate::containers::Packing;
use crate::der::{self, Element, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE};
use crate::error::{Anomaly, Code};
use crate::reader::Reader;
use crate::registry::{Format, Input, Probe, Score};

/// More certificates than any store of trusted ones has.
const MOST_CERTIFICATES: usize = 1_024;
/// RFC 5280 allows 20 bytes.
const LONGEST_SERIAL: usize = 128;

const BOOLEAN: u8 = 0x01;
const BEGIN: &[u8] = b"-----BEGIN ";
const DASHES: &[u8] = b"-----";

const EXTENSIONS: [&str; 11] =
    ["cer", "crt", "cert", "der", "pem", "chain", "p7b", "p7c", "p12", "pfx", "csr"];

/// 1.2.840.113549.1.7: the kinds of PKCS #7 content.
const PKCS7: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07];
/// 2.5.29.19, basic constraints.
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];

/// The format of certificates and key stores.
#[derive(Debug, Clone, Copy, Default)]
pub struct Certificate;

#[async_trait]
impl Format for Certificate {
    fn name(&self) -> inspect::Format {
        inspect::Format::Certificate
    }

    fn packing(&self) -> Packing {
        Packing::Plain
    }

    fn extensions(&self) -> &'static [&'static str] {
        &EXTENSIONS
    }

    fn score(&self, probe: &Probe<'_>) -> Score {
        if probe.container.packing() != Packing::Plain {
            return Score::No;
        }
        if let Some((start, _)) = Block::next(probe.head, 0).filter(|(_, block)| block.label().is_some()) {
            let before = probe.head.get(..start).unwrap_or_default();
            let before = before.strip_prefix(b"\xef\xbb\xbf").unwrap_or(before);
            return if before.trim_ascii().is_empty() { Score::Certain } else { Score::Likely };
        }
        let named = || {
            let (_, extension) = probe.hint.file_name.as_deref()?.rsplit_once('.')?;
            EXTENSIONS.iter().find(|known| known.eq_ignore_ascii_case(extension))
        };
        match Shape::of(probe.head) {
            // provisioning profiles are signed data too, and surer of it
            Some(Shape::Pkcs7) => Score::Likely,
            Some(_) => Score::Certain,
            None if probe.head.first() == Some(&SEQUENCE) && named().is_some() => Score::Possible,
            None => Score::No,
        }
    }

    async fn read(&self, input: &mut Input<'_>) -> Result<Package, Problem> {
        let reader = &mut input.reader;
        let length = reader.length();
        if length > reader.limits().signature_bytes {
            return Err(Code::LimitInflate.problem("too large for a certificate"));
        }
        let data = reader.bytes(0, usize::try_from(length).unwrap_or(usize::MAX)).await?;
        check_blocks(reader, &data)?;
        let mut found = Found::default();
        if data.first() == Some(&SEQUENCE) {
            found.add_der(&data)?;
            let end = Element::read(&data).map_or(data.len(), |whole| whole.raw.len());
            if !data.get(end..).unwrap_or_default().trim_ascii().is_empty() {
                reader.note(Anomaly::TrailingData);
            }
            found.encoding = "der";
        } else {
            found.add_pem(reader, &data)?;
            found.encoding = "pem";
        }
        found.package(reader)
    }
}

fn broken(message: &str) -> Problem {
    Code::CertInvalid.problem(message)
}

fn secret() -> Problem {
    Code::SecretRefused.problem("a private key, which is not to be handed out")
}

/// Looks for private keys before anything is read, as a broken block before one must not hide it, and counts.
fn check_blocks(reader: &Reader<'_>, data: &[u8]) -> Result<(), Problem> {
    let (mut at, mut count) = (0, 0);
    while let Some((start, block)) = Block::next(data, at) {
        check_elements(reader, data.get(at..start).unwrap_or_default())?;
        match block.label() {
            Some(Label::Key) => return Err(secret()),
            Some(_) => count += 1,
            None => {}
        }
        at = block.end;
    }
    check_elements(reader, data.get(at..).unwrap_or_default())?;
    if count > MOST_CERTIFICATES {
        return Err(Code::LimitEntries.problem("more certificates than are read of one file"));
    }
    Ok(())
}

/// Looks for private keys among elements of DER, whatever stands between them.
fn check_elements(reader: &Reader<'_>, data: &[u8]) -> Result<(), Problem> {
    let mut rest = data;
    while let Some(at) = rest.iter().position(|byte| *byte == SEQUENCE) {
        reader.check_time()?;
        let element = rest.get(at..).unwrap_or_default();
        if Shape::of(element) == Some(Shape::Key) {
            return Err(secret());
        }
        let Some(whole) = Element::read(element) else { break };
        rest = element.get(whole.raw.len()..).unwrap_or_default();
    }
    Ok(())
}

/// What DER looks like from its first bytes, which need not be all of it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    Certificate,
    Request,
    Pkcs7,
    Pkcs12,
    Key,
}

impl Shape {
    fn of(data: &[u8]) -> Option<Self> {
        let (SEQUENCE, body) = begin(data)? else { return None };
        let (first, inside) = begin(body)?;
        match first {
            OBJECT_IDENTIFIER if inside.starts_with(PKCS7) => Some(Self::Pkcs7),
            INTEGER => {
                let (version, next) = (*inside.first()?, after(body)?);
                let (second, content) = begin(next)?;
                match (version, second) {
                    (3, SEQUENCE) if begin(content).is_some_and(|(tag, id)| is_pkcs7(tag, id)) => {
                        Some(Self::Pkcs12)
                    }
                    // PKCS #8, with the algorithm; PKCS #1 and DSA, with numbers
                    (0 | 1, SEQUENCE) if begin(content).is_some_and(|(tag, _)| tag == OBJECT_IDENTIFIER) => {
                        Some(Self::Key)
                    }
                    (0, INTEGER) => Some(Self::Key),
                    // an elliptic curve's key
                    (1, OCTET_STRING) => Some(Self::Key),
                    _ => None,
                }
            }
            SEQUENCE => match begin(inside)? {
                // an encrypted key: how, and the bytes
                (OBJECT_IDENTIFIER, _) => (begin(after(body)?)?.0 == OCTET_STRING).then_some(Self::Key),
                (0xa0, _) => Some(Self::Certificate),
                (INTEGER, _) => {
                    let (SEQUENCE, content) = begin(after(inside)?)? else { return None };
                    match begin(content)?.0 {
                        // the first version says nothing of itself, and the algorithm follows the serial number
                        OBJECT_IDENTIFIER => Some(Self::Certificate),
                        _ => Some(Self::Request),
                    }
                }
                _ => None,
            },
            _ => None,
        }
    }
}

fn is_pkcs7(tag: u8, id: &[u8]) -> bool {
    tag == OBJECT_IDENTIFIER && id.starts_with(PKCS7)
}

/// The identifier octet of an element and what is there of its content.
fn begin(data: &[u8]) -> Option<(u8, &[u8])> {
    let (tag, length, header) = der::read_header(data)?;
    let rest = data.get(header..)?;
    Some((tag, length.and_then(|length| rest.get(..length)).unwrap_or(rest)))
}

/// What follows an element of known length.
fn after(data: &[u8]) -> Option<&[u8]> {
    let (_, length, header) = der::read_header(data)?;
    data.get(header.checked_add(length?)?..)
}

/// A block of PEM: its label and what stands between its lines.
struct Block<'a> {
    text: &'a [u8],
    /// `None` when it has no end line.
    body: Option<&'a [u8]>,
    end: usize,
}

impl<'a> Block<'a> {
    /// The first block that begins at or after `from`, and where.
    fn next(data: &'a [u8], from: usize) -> Option<(usize, Self)> {
        let mut from = from;
        let (start, label, text) = loop {
            let start = from + find(data.get(from..)?, BEGIN)?;
            let label = start + BEGIN.len();
            let rest = data.get(label..)?;
            // a label is one short line
            let near = rest.get(..rest.len().min(64))?;
            if let Some(text) = find(near, DASHES).and_then(|end| near.get(..end)) {
                break (start, label, text);
            }
            from = label;
        };
        let inner = label + text.len() + DASHES.len();
        let rest = data.get(inner..)?;
        let (body, end) = match find(rest, DASHES) {
            // the next line of dashes ends this block or begins another one
            Some(at) if rest.get(at..).is_some_and(|rest| rest.starts_with(b"-----END ")) => {
                (rest.get(..at), inner + at + b"-----END ".len())
            }
            Some(at) => (None, inner + at),
            None => (None, data.len()),
        };
        Some((start, Self { text, body, end }))
    }

    fn label(&self) -> Option<Label> {
        Some(match self.text {
            b"CERTIFICATE" | b"X509 CERTIFICATE" => Label::Certificate,
            b"TRUSTED CERTIFICATE" => Label::Certificate,
            b"CERTIFICATE REQUEST" | b"NEW CERTIFICATE REQUEST" => Label::Request,
            b"PKCS7" | b"CMS" | b"PKCS #7 SIGNED DATA" => Label::Pkcs7,
            text if text.ends_with(b"PRIVATE KEY") || text == b"PGP PRIVATE KEY BLOCK" => Label::Key,
            _ => return None,
        })
    }

    /// The bytes the block spells.
    fn decode(&self) -> Result<Vec<u8>, Problem> {
        let body = self.body.ok_or_else(|| broken("a block without an end line"))?;
        let mut bytes = Vec::with_capacity(body.len() / 4 * 3);
        let (mut group, mut count, mut ended) = (0u32, 0u32, false);
        for line in body.split(|byte| *byte == b'\n') {
            // headers of the older form of PEM
            if line.contains(&b':') {
                continue;
            }
            for byte in line.iter().filter(|byte| !byte.is_ascii_whitespace()) {
                let value = match byte {
                    b'A'..=b'Z' => byte - b'A',
                    b'a'..=b'z' => byte - b'a' + 26,
                    b'0'..=b'9' => byte - b'0' + 52,
                    b'+' => 62,
                    b'/' => 63,
                    b'=' => {
                        ended = true;
                        continue;
                    }
                    _ => return Err(broken("a block that is not base64")),
                };
                if ended {
                    return Err(broken("a block that is not base64"));
                }
                group = group << 6 | u32::from(value);
                count += 1;
                if count == 4 {
                    let [_, spelled @ ..] = group.to_be_bytes();
                    bytes.extend(spelled);
                    (group, count) = (0, 0);
                }
            }
        }
        let [_, first, second, _] = (group << (6 * (4 - count)) & 0xff_ffff).to_be_bytes();
        match count {
            0 => {}
            2 => bytes.push(first),
            3 => bytes.extend([first, second]),
            _ => return Err(broken("a block that is not base64")),
        }
        Ok(bytes)
    }
}

#[derive(Debug, Clone, Copy)]
enum Label {
    Certificate,
    Request,
    Pkcs7,
    Key,
}

fn find(data: &[u8], word: &[u8]) -> Option<usize> {
    data.windows(word.len()).position(|window| window == word)
}

/// What a file holds.
#[derive(Debug, Default)]
struct Found {
    encoding: &'static str,
    kind: Option<&'static str>,
    certificates: Vec<Json>,
    request: Option<Json>,
    name: Option<String>,
    id: String,
}

impl Found {
    fn add_pem(&mut self, reader: &mut Reader<'_>, data: &[u8]) -> Result<(), Problem> {
        let mut at = 0;
        let mut any = false;
        while let Some((_, block)) = Block::next(data, at) {
            reader.check_time()?;
            at = block.end;
            let Some(label) = block.label() else { continue };
            any = true;
            let bytes = block.decode()?;
            check_elements(reader, &bytes)?;
            match label {
                Label::Certificate => self.add_certificate(&bytes)?,
                Label::Request | Label::Pkcs7 | Label::Key => self.add_der(&bytes)?,
            }
        }
        if any { Ok(()) } else { Err(broken("no block that is read")) }
    }

    fn add_der(&mut self, data: &[u8]) -> Result<(), Problem> {
        match Shape::of(data) {
            Some(Shape::Key) => Err(secret()),
            Some(Shape::Pkcs12) => {
                self.kind.get_or_insert("pkcs12");
                Ok(())
            }
            Some(Shape::Request) => self.add_request(data),
            Some(Shape::Pkcs7) => {
                let list = der::pkcs7_certificates(data).ok_or_else(|| unreadable(data))?;
                self.kind.get_or_insert("pkcs7");
                for one in list {
                    self.add_certificate(one)?;
                }
                Ok(())
            }
            Some(Shape::Certificate) | None => self.add_certificate(data),
        }
    }

    fn add_certificate(&mut self, data: &[u8]) -> Result<(), Problem> {
        if self.certificates.len() >= MOST_CERTIFICATES {
            return Err(Code::LimitEntries.problem("more certificates than are read of one file"));
        }
        if Shape::of(data) == Some(Shape::Key) {
            return Err(secret());
        }
        let one = der::Certificate::read(data).ok_or_else(|| unreadable(data))?;
        if one.serial.len() > 2 * LONGEST_SERIAL {
            return Err(broken("a serial number that is too long"));
        }
        let sha256 = hex(&Sha256::digest(one.raw));
        if self.certificates.is_empty() {
            self.id.clone_from(&sha256);
            self.name = Some(one.subject.common_name.clone().unwrap_or_else(|| one.subject.text.clone()));
        }
        self.certificates.push(json!({
            "subject": one.subject.text,
            "issuer": one.issuer.text,
            "serial": one.serial,
            "notBefore": one.not_before.to_string(),
            "notAfter": one.not_after.to_string(),
            "keyType": one.key_algorithm,
            "keyBits": one.key_bits,
            "sha256": sha256,
            "selfIssued": one.subject == one.issuer,
            "ca": is_authority(one.raw),
        }));
        self.kind.get_or_insert("x509");
        Ok(())
    }

    fn add_request(&mut self, data: &[u8]) -> Result<(), Problem> {
        let read = || {
            let mut fields = Element::read(data)?.children().expect_tag(SEQUENCE)?.children();
            fields.expect_tag(INTEGER)?;
            let subject = der::Name::read(&fields.expect_tag(SEQUENCE)?)?;
            let (kind, bits) = der::key(&fields.expect_tag(SEQUENCE)?)?;
            Some((subject, kind, bits))
        };
        let (subject, kind, bits) = read().ok_or_else(|| unreadable(data))?;
        self.request.get_or_insert(json!({ "subject": subject.text, "keyType": kind, "keyBits": bits }));
        self.name.get_or_insert(subject.common_name.unwrap_or(subject.text));
        self.kind.get_or_insert("request");
        Ok(())
    }

    fn package(self, reader: &mut Reader<'_>) -> Result<Package, Problem> {
        let kind = self.kind.ok_or_else(|| broken("nothing that is read"))?;
        let count = self.certificates.len();
        let mut details = match self.certificates.first().or(self.request.as_ref()) {
            Some(Json::Object(first)) => clean(reader, first),
            _ => Map::new(),
        };
        details.insert("kind".to_owned(), kind.into());
        details.insert("encoding".to_owned(), self.encoding.into());
        if count > 0 {
            details.insert("n".to_owned(), count.into());
        }
        if count > 1 {
            let list = self.certificates.iter().filter_map(Json::as_object);
            let list: Vec<Json> = list.map(|one| Json::Object(clean(reader, one))).collect();
            details.insert("certificates".to_owned(), list.into());
        }
        Ok(Package {
            id: self.id,
            name: self.name.map(|name| reader.label(&name)).filter(|name| !name.is_empty()),
            details,
            ..Package::default()
        })
    }
}

/// The same with every string fit for the result.
fn clean(reader: &mut Reader<'_>, values: &Map<String, Json>) -> Map<String, Json> {
    let clean = |(key, value): (&String, &Json)| {
        let value = value.as_str().map_or_else(|| value.clone(), |text| reader.text(text).into());
        (key.clone(), value)
    };
    values.iter().map(clean).collect()
}

/// Why DER cannot be read: too deep, or otherwise broken.
fn unreadable(data: &[u8]) -> Problem {
    let mut rest = data;
    let mut depth = 0;
    while let Some((tag, inside)) = begin(rest).filter(|(tag, _)| tag & 0x20 != 0) {
        let _ = tag;
        depth += 1;
        if depth > der::MAX_DEPTH {
            return Code::LimitDepth.problem("elements nested too deeply");
        }
        rest = inside;
    }
    broken("a certificate that cannot be read")
}

/// Whether a certificate says that it may issue others.
fn is_authority(certificate: &[u8]) -> bool {
    let find = || {
        let fields = Element::read(certificate)?.children().expect_tag(SEQUENCE)?.children();
        let list = fields.filter(|one| one.tag == 0xa3).find_map(|one| one.children().next())?;
        let constraints = list.children().find_map(|one| {
            let mut fields = one.children();
            let id = fields.expect_tag(OBJECT_IDENTIFIER)?;
            (id.content == BASIC_CONSTRAINTS).then(|| fields.find(|field| field.tag == OCTET_STRING))?
        })?;
        let first = Element::read(constraints.content)?.children().next()?;
        Some(first.tag == BOOLEAN && first.content == [0xff])
    };
    find().unwrap_or(false)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        // writing to a string cannot fail
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect_slice;

    fn code(data: &[u8]) -> String {
        inspect_slice(data).error.map(|problem| problem.code).unwrap_or_default()
    }

    #[test]
    fn private_keys_are_refused() {
        for label in [
            "PRIVATE KEY",
            "RSA PRIVATE KEY",
            "EC PRIVATE KEY",
            "ENCRYPTED PRIVATE KEY",
            "OPENSSH PRIVATE KEY",
        ] {
            let text = format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
            assert_eq!(code(text.as_bytes()), "E_SECRET_REFUSED", "{label}");
            let text = format!("-----BEGIN CERTIFICATE-----\nbroken\n{text}");
            assert_eq!(code(text.as_bytes()), "E_SECRET_REFUSED", "after another block: {label}");
            let found = inspect_slice(text.as_bytes());
            assert!(!format!("{found:?}").contains("AAAA"));
        }
        // PKCS #8, PKCS #1, SEC 1, encrypted PKCS #8
        for der in [
            &b"\x30\x0e\x02\x01\0\x30\x05\x06\x03\x2b\x65\x70\x04\x02\x04\0"[..],
            b"\x30\x06\x02\x01\0\x02\x01\x05",
            b"\x30\x06\x02\x01\x01\x04\x01\x05",
            b"\x30\x0a\x30\x05\x06\x03\x2b\x65\x70\x04\x01\0",
        ] {
            assert_eq!(code(der), "E_SECRET_REFUSED", "{der:?}");
            // behind a key store, with nothing or something between them, and between that and a block
            let store = b"\x30\x10\x02\x01\x03\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";
            assert_eq!(code(store), "");
            for between in [&b""[..], b"\r\n", b"\0\0", b"\x05\0", b"text", store] {
                let file = [store, between, der].concat();
                assert_eq!(code(&file), "E_SECRET_REFUSED", "{between:?} {der:?}");
                let file =
                    [&file[..], b"\n-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"].concat();
                assert_eq!(code(&file), "E_SECRET_REFUSED", "before a block: {between:?} {der:?}");
            }
            let block = b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
            assert_eq!(code(&[block, der].concat()), "E_SECRET_REFUSED", "behind a block: {der:?}");
        }
        // an element and a key in one block
        for label in ["CERTIFICATE", "PKCS7"] {
            let text =
                format!("-----BEGIN {label}-----\nMAMCAQUwDgIBADAFBgMrZXAEAgQA\n-----END {label}-----\n");
            assert_eq!(code(text.as_bytes()), "E_SECRET_REFUSED", "{label}");
        }
    }

    #[test]
    fn base64_of_every_length() {
        for (text, bytes) in [("TQ==", &b"M"[..]), ("TWE=", b"Ma"), ("TW\nFu", b"Man"), ("a: b\n\nTQ", b"M")]
        {
            let block = Block { text: b"", body: Some(text.as_bytes()), end: 0 };
            assert_eq!(block.decode().unwrap(), bytes, "{text}");
        }
        for text in ["T", "T!==", "TQ==TQ=="] {
            let block = Block { text: b"", body: Some(text.as_bytes()), end: 0 };
            assert!(block.decode().is_err(), "{text}");
        }
    }
}
