//! Signature blocks: the PKCS #7 signed data over a signature file (RFC 5652).

use std::collections::HashSet;

use super::super::Reason;
use super::super::crypto::{Hash, Key, Method, certificate_key, may_sign};
use super::MOST_SIGNERS;
use crate::der::{Element, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, SET, object_identifier};

const SIGNED_ATTRIBUTES: u32 = 19;
/// From this platform on, any signer of a block may be the good one.
const ANY_SIGNER: u32 = 24;

const SIGNED_DATA: &str = "1.2.840.113549.1.7.2";
const CONTENT_TYPE: &str = "1.2.840.113549.1.9.3";
const MESSAGE_DIGEST: &str = "1.2.840.113549.1.9.4";

/// Checks a PKCS #7 signature block over `file`; gives the certificate that made it.
pub(super) fn check(block: &[u8], file: &[u8], first: u32) -> Result<Vec<u8>, Reason> {
    let signed = signed_data(block).ok_or(Reason::Malformed)?;
    if signed.signers.is_empty() {
        return Err(Reason::NoSigners);
    }
    if signed.signers.len() > MOST_SIGNERS {
        return Err(Reason::TooManySigners);
    }
    // before that platform only the first one is looked at
    let most = if first < ANY_SIGNER { 1 } else { MOST_SIGNERS };
    for signer in signed.signers.iter().take(most) {
        if let Some(certificate) = check_signer(signer, &signed, file, first)? {
            return Ok(certificate.to_vec());
        }
    }
    Err(Reason::Signature)
}

/// CMS signed data as far as it is needed to check it.
struct SignedData<'a> {
    content_type: &'a [u8],
    certificates: Vec<&'a [u8]>,
    signers: Vec<Element<'a>>,
}

fn signed_data(data: &[u8]) -> Option<SignedData<'_>> {
    let mut info = Element::read(data)?.children();
    let kind = info.expect_tag(OBJECT_IDENTIFIER)?;
    if object_identifier(kind.content)? != SIGNED_DATA {
        return None;
    }
    let mut fields = info.expect_tag(0xa0)?.children().expect_tag(SEQUENCE)?.children();
    fields.expect_tag(INTEGER)?;
    fields.expect_tag(SET)?;
    let content_type = fields.expect_tag(SEQUENCE)?.children().expect_tag(OBJECT_IDENTIFIER)?.content;
    let certificates = fields.expect_tag(0xa0).map(|set| set.children().map(|one| one.raw).collect());
    fields.expect_tag(0xa1);
    let mut list = fields.expect_tag(SET)?.children();
    let signers = list.by_ref().take(crate::der::MAX_SIGNERS).collect();
    if !list.rest().is_empty() {
        return None;
    }
    Some(SignedData { content_type, certificates: certificates.unwrap_or_default(), signers })
}

/// The certificate if the signature is good, `None` if it is not, an error if it is not acceptable at all.
fn check_signer<'a>(
    signer: &Element<'a>,
    signed: &SignedData<'a>,
    file: &[u8],
    first: u32,
) -> Result<Option<&'a [u8]>, Reason> {
    let parsed = SignerInfo::read(signer).ok_or(Reason::Malformed)?;
    let (hash, method, since) = algorithm(&parsed).ok_or(Reason::UnknownAlgorithm)?;
    if since > first {
        return Err(Reason::Algorithm);
    }
    let certificate = parsed.certificate(&signed.certificates).ok_or(Reason::NoCertificate)?;
    if !may_sign(certificate) {
        return Err(Reason::Key);
    }
    let key = certificate_key(certificate).and_then(Key::read).ok_or(Reason::Key)?;
    let good = match &parsed.attributes {
        None => key.verify(method, hash, file, parsed.signature),
        Some(_) if first < SIGNED_ATTRIBUTES => return Err(Reason::Algorithm),
        Some(attributes) => {
            let read = Attributes::read(attributes).ok_or(Reason::Malformed)?;
            if read.content_type.ok_or(Reason::Malformed)? != signed.content_type {
                return Ok(None);
            }
            let digest = read.digest.ok_or(Reason::Malformed)?;
            // what is signed is the set as such, not as a field of the signer
            let mut set = attributes.raw.to_vec();
            if let Some(tag) = set.first_mut() {
                *tag = SET;
            }
            hash.of(file) == digest && key.verify(method, hash, &set, parsed.signature)
        }
    };
    Ok(good.then_some(certificate))
}

/// RFC 5652 section 5.3.
struct SignerInfo<'a> {
    issuer: &'a [u8],
    serial: &'a [u8],
    digest_algorithm: &'a [u8],
    attributes: Option<Element<'a>>,
    signature_algorithm: &'a [u8],
    signature: &'a [u8],
}

impl<'a> SignerInfo<'a> {
    fn read(signer: &Element<'a>) -> Option<Self> {
        let mut fields = signer.children();
        fields.expect_tag(INTEGER)?;
        let mut id = fields.expect_tag(SEQUENCE)?.children();
        let (issuer, serial) = (id.expect_tag(SEQUENCE)?.raw, id.expect_tag(INTEGER)?.content);
        let digest_algorithm = fields.expect_tag(SEQUENCE)?.children().expect_tag(OBJECT_IDENTIFIER)?.content;
        let attributes = fields.expect_tag(0xa0);
        let signature_algorithm =
            fields.expect_tag(SEQUENCE)?.children().expect_tag(OBJECT_IDENTIFIER)?.content;
        let signature = fields.expect_tag(OCTET_STRING)?.content;
        Some(Self { issuer, serial, digest_algorithm, attributes, signature_algorithm, signature })
    }

    /// The certificate of this issuer and number. Where the issuer is spelt in another way, the number alone counts if
    /// it names one: it is the signature that says whose it is.
    fn certificate(&self, certificates: &[&'a [u8]]) -> Option<&'a [u8]> {
        let of_number: Vec<(&[u8], &[u8])> = certificates
            .iter()
            .filter_map(|raw| {
                let mut fields = Element::read(raw)?.children().expect_tag(SEQUENCE)?.children();
                fields.expect_tag(0xa0);
                let serial = fields.expect_tag(INTEGER)?.content;
                fields.expect_tag(SEQUENCE)?;
                (serial == self.serial).then_some((*raw, fields.expect_tag(SEQUENCE)?.raw))
            })
            .collect();
        match of_number.as_slice() {
            [(only, _)] => Some(only),
            several => several.iter().find(|(_, issuer)| *issuer == self.issuer).map(|(raw, _)| *raw),
        }
    }
}

/// The signed attributes that matter.
#[derive(Default)]
struct Attributes<'a> {
    content_type: Option<&'a [u8]>,
    digest: Option<&'a [u8]>,
}

impl<'a> Attributes<'a> {
    /// `None` when they cannot be read or one is there twice.
    fn read(set: &Element<'a>) -> Option<Self> {
        let mut seen = HashSet::new();
        let mut read = Self::default();
        let mut list = set.children();
        for attribute in list.by_ref() {
            let mut fields = attribute.children();
            let kind = fields.expect_tag(OBJECT_IDENTIFIER)?.content;
            if !seen.insert(kind) {
                return None;
            }
            let mut values = fields.expect_tag(SET)?.children();
            let place = match object_identifier(kind)?.as_str() {
                CONTENT_TYPE => (&mut read.content_type, OBJECT_IDENTIFIER),
                MESSAGE_DIGEST => (&mut read.digest, OCTET_STRING),
                _ => continue,
            };
            *place.0 = Some(values.expect_tag(place.1)?.content);
            if !values.rest().is_empty() {
                return None;
            }
        }
        list.rest().is_empty().then_some(read)
    }
}

/// The algorithms of a signer, and the first platform that knows them together and whose successors all do.
fn algorithm(signer: &SignerInfo<'_>) -> Option<(Hash, Method, u32)> {
    let hash = match object_identifier(signer.digest_algorithm)?.as_str() {
        "1.2.840.113549.2.5" => Hash::Md5,
        "1.3.14.3.2.26" => Hash::Sha1,
        "2.16.840.1.101.3.4.2.4" => Hash::Sha224,
        "2.16.840.1.101.3.4.2.1" => Hash::Sha256,
        "2.16.840.1.101.3.4.2.2" => Hash::Sha384,
        "2.16.840.1.101.3.4.2.3" => Hash::Sha512,
        _ => return None,
    };
    let (method, with) = match object_identifier(signer.signature_algorithm)?.as_str() {
        "1.2.840.113549.1.1.1" => (Method::RsaPkcs1, None),
        "1.2.840.113549.1.1.4" => (Method::RsaPkcs1, Some(Hash::Md5)),
        "1.2.840.113549.1.1.5" => (Method::RsaPkcs1, Some(Hash::Sha1)),
        "1.2.840.113549.1.1.14" => (Method::RsaPkcs1, Some(Hash::Sha224)),
        "1.2.840.113549.1.1.11" => (Method::RsaPkcs1, Some(Hash::Sha256)),
        "1.2.840.113549.1.1.12" => (Method::RsaPkcs1, Some(Hash::Sha384)),
        "1.2.840.113549.1.1.13" => (Method::RsaPkcs1, Some(Hash::Sha512)),
        "1.2.840.10040.4.1" => (Method::Dsa, None),
        "1.2.840.10040.4.3" => (Method::Dsa, Some(Hash::Sha1)),
        "2.16.840.1.101.3.4.3.1" => (Method::Dsa, Some(Hash::Sha224)),
        "2.16.840.1.101.3.4.3.2" => (Method::Dsa, Some(Hash::Sha256)),
        "1.2.840.10045.2.1" => (Method::Ecdsa, None),
        "1.2.840.10045.4.1" => (Method::Ecdsa, Some(Hash::Sha1)),
        "1.2.840.10045.4.3.1" => (Method::Ecdsa, Some(Hash::Sha224)),
        "1.2.840.10045.4.3.2" => (Method::Ecdsa, Some(Hash::Sha256)),
        "1.2.840.10045.4.3.3" => (Method::Ecdsa, Some(Hash::Sha384)),
        "1.2.840.10045.4.3.4" => (Method::Ecdsa, Some(Hash::Sha512)),
        _ => return None,
    };
    if with.is_some_and(|with| with != hash) {
        return None;
    }
    let named = with.is_some();
    let since = match (method, hash) {
        (Method::RsaPkcs1, Hash::Md5) => [0, 21],
        (Method::RsaPkcs1, Hash::Sha1) => [0, 0],
        (Method::RsaPkcs1, Hash::Sha224) => [21, 21],
        (Method::RsaPkcs1, Hash::Sha256) => [18, 18],
        (Method::RsaPkcs1, Hash::Sha384 | Hash::Sha512) => [18, 21],
        (Method::Dsa, Hash::Sha1) => [0, 9],
        (Method::Dsa, Hash::Sha224 | Hash::Sha256) => [22, 21],
        (Method::Ecdsa, Hash::Sha1) => [18, 18],
        (Method::Ecdsa, Hash::Sha224) => [21, 21],
        (Method::Ecdsa, Hash::Sha256 | Hash::Sha384 | Hash::Sha512) => [18, 21],
        _ => return None,
    };
    let [plain, combined] = since;
    Some((hash, method, if named { combined } else { plain }))
}
