//! Signed data of CMS, formerly PKCS #7 (RFC 5652).

use std::borrow::Cow;

use super::certificate::Identifiers;
use super::{
    CONSTRUCTED, Element, INTEGER, MAX_DEPTH, MAX_SIGNERS, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, SET,
};

const CONSTRUCTED_OCTET_STRING: u8 = OCTET_STRING | CONSTRUCTED;

/// 1.2.840.113549.1.7.2, CMS signed data.
pub(super) const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];

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
pub(super) fn join_octets(element: &Element<'_>, joined: &mut Vec<u8>) -> Option<()> {
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

#[cfg(test)]
mod tests {
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
}
