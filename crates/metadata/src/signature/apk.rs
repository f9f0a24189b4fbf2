//! Android signatures: JAR signatures (v1) and the signing block (v2, v3, v3.1).
//!
//! <https://source.android.com/docs/security/features/apksigning>

use appdepot_core::inspect::Problem;
use bytes::Bytes;

use super::Signers;
use crate::bytes::{Cursor, slice_at, u64_at};
use crate::containers::zip::Archive;
use crate::der;
use crate::error::{Anomaly, Code};
use crate::reader::Reader;

const MAGIC: &[u8; 16] = b"APK Sig Block 42";
/// The second length and the magic at the end of a block.
const FOOTER_LEN: u64 = 24;
pub(crate) const BLOCK_V2: u32 = 0x7109_871a;
pub(crate) const BLOCK_V3: u32 = 0xf053_68c0;
pub(crate) const BLOCK_V31: u32 = 0x1b93_ad61;
/// The proof of rotation among the attributes of a v3 signer.
pub(crate) const ATTRIBUTE_ROTATION: u32 = 0x3ba0_6f8c;
/// Signers and certificates looked at per block; Android allows ten signers.
const MOST: usize = 64;

/// The signing block before the central directory.
#[derive(Debug)]
pub(crate) struct Block {
    /// Where it starts in the file.
    #[cfg_attr(not(feature = "verify"), expect(dead_code, reason = "only a verifier asks"))]
    pub(crate) start: u64,
    pairs: Bytes,
}

impl Block {
    /// Its pairs in order.
    pub(crate) fn pairs(&self) -> Pairs<'_> {
        Pairs(Cursor(&self.pairs))
    }
}

/// What stands where a signing block would.
#[derive(Debug)]
pub(crate) enum Found {
    /// Something else.
    Nothing,
    /// A block whose lengths contradict each other or pass the limit.
    Broken,
    /// A block.
    Block(Block),
}

/// Pairs of a number and bytes; ends after the first that cannot be read, which is `None`.
#[derive(Debug, Clone)]
pub(crate) struct Pairs<'a>(Cursor<'a>);

impl<'a> Iterator for Pairs<'a> {
    type Item = Option<(u32, &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let pair = self.pair();
        if pair.is_none() {
            self.0 = Cursor(&[]);
        }
        Some(pair)
    }
}

impl<'a> Pairs<'a> {
    fn pair(&mut self) -> Option<(u32, &'a [u8])> {
        let len = usize::try_from(self.0.u64()?).ok()?;
        let mut pair = Cursor(self.0.take(len)?);
        Some((pair.u32()?, pair.0))
    }
}

/// The block that ends where the central directory starts.
///
/// # Errors
/// Errors of reading.
pub(crate) async fn find(reader: &mut Reader<'_>, end: u64) -> Result<Found, Problem> {
    let Some(footer_at) = end.checked_sub(FOOTER_LEN) else { return Ok(Found::Nothing) };
    let footer = reader.bytes(footer_at, FOOTER_LEN as usize).await?;
    if footer.get(8..) != Some(MAGIC.as_slice()) {
        return Ok(Found::Nothing);
    }
    let size = u64_at(&footer, 0).unwrap_or(0);
    let pairs = size
        .checked_sub(FOOTER_LEN)
        .filter(|len| *len <= reader.limits().signature_bytes)
        .and_then(|len| Some((footer_at.checked_sub(len)?.checked_sub(8)?, usize::try_from(len).ok()?)));
    let Some((start, len)) = pairs else { return Ok(Found::Broken) };
    let block = reader.bytes(start, 8 + len).await?;
    if u64_at(&block, 0) != Some(size) {
        return Ok(Found::Broken);
    }
    Ok(Found::Block(Block { start, pairs: block.slice(8..) }))
}

/// Adds the certificates of the signing block before the central directory. Says whether there is a block.
///
/// # Errors
/// Errors of reading; a block that cannot be understood is noted.
pub(crate) async fn block(
    reader: &mut Reader<'_>,
    archive: &Archive,
    signers: &mut Signers,
) -> Result<bool, Problem> {
    let read = match find(reader, archive.directory_start()).await? {
        Found::Nothing => return Ok(false),
        Found::Broken => None,
        Found::Block(block) => read_pairs(block.pairs(), signers),
    };
    match read {
        Some(true) => {}
        Some(false) => reader.note(Anomaly::DuplicateSignature),
        None => reader.note(Anomaly::SignatureInvalid),
    }
    Ok(true)
}

/// Reads the first pair of each scheme, as Android does; says whether there was only one of each.
fn read_pairs(pairs: Pairs<'_>, signers: &mut Signers) -> Option<bool> {
    let mut seen = Vec::with_capacity(3);
    let mut once = true;
    for pair in pairs {
        let (id, value) = pair?;
        let scheme = match id {
            BLOCK_V2 => "v2",
            BLOCK_V3 => "v3",
            BLOCK_V31 => "v3.1",
            _ => continue,
        };
        if seen.contains(&scheme) {
            once = false;
            continue;
        }
        seen.push(scheme);
        read_signers(value, scheme, signers)?;
    }
    Some(once)
}

/// Every signer's first certificate; the rest of a chain signs nothing here.
fn read_signers(value: &[u8], scheme: &'static str, signers: &mut Signers) -> Option<()> {
    let mut list = Cursor(Cursor(value).prefixed()?);
    for _ in 0..MOST {
        if list.is_empty() {
            break;
        }
        let mut signed = Cursor(Cursor(list.prefixed()?).prefixed()?);
        let _digests = signed.prefixed()?;
        let mut certificates = Cursor(signed.prefixed()?);
        if !certificates.is_empty() {
            signers.add(certificates.prefixed()?, scheme);
        }
        if scheme != "v2" {
            read_lineage(&mut signed, signers)?;
        }
    }
    Some(())
}

/// The history of a key among what a v3 signer says behind its certificates.
fn read_lineage(signed: &mut Cursor<'_>, signers: &mut Signers) -> Option<()> {
    let _platforms = (signed.u32()?, signed.u32()?);
    let mut attributes = Cursor(signed.prefixed()?);
    while !attributes.is_empty() {
        let mut attribute = Cursor(attributes.prefixed()?);
        if attribute.u32()? != ATTRIBUTE_ROTATION {
            continue;
        }
        let _version = attribute.u32()?;
        let mut lineage = Vec::new();
        while !attribute.is_empty() && lineage.len() < MOST {
            let mut node = Cursor(attribute.prefixed()?);
            lineage.push(Cursor(node.prefixed()?).prefixed()?.to_vec());
        }
        signers.add_lineage(lineage);
    }
    Some(())
}

/// Adds the certificates that signed the JAR manifest.
///
/// # Errors
/// Errors of reading; a signature file that cannot be understood is noted.
pub(crate) async fn jar(
    reader: &mut Reader<'_>,
    archive: &Archive,
    names: &[&[u8]],
    signers: &mut Signers,
) -> Result<(), Problem> {
    for name in names.iter().take(MOST) {
        let Some(entry) = archive.find(name) else { continue };
        let data = match archive.read(reader, &entry, reader.limits().signature_bytes).await {
            Ok(data) => data,
            Err(problem) if Code::Unavailable.is(&problem) || Code::LimitTime.is(&problem) => {
                return Err(problem);
            }
            Err(_) => {
                reader.note(Anomaly::SignatureInvalid);
                continue;
            }
        };
        let mut certificates = der::pkcs7_signers(&data).unwrap_or_default();
        if certificates.is_empty() {
            // some signers spell the issuer in other string types than the certificate does
            certificates = der::pkcs7_certificates(&data).filter(|all| all.len() == 1).unwrap_or_default();
        }
        if certificates.is_empty() {
            reader.note(Anomaly::SignatureInvalid);
        }
        for certificate in certificates.iter().take(MOST) {
            signers.add(certificate, "v1");
        }
    }
    Ok(())
}

/// Whether an entry is a JAR signature: `META-INF/*.RSA`, `.DSA` or `.EC` with its `.SF` beside it.
pub(crate) fn is_jar_signature(name: &[u8]) -> bool {
    let Some(file) = slice_at(name, 0, 9).filter(|start| start.eq_ignore_ascii_case(b"META-INF/")) else {
        return false;
    };
    let rest = name.get(file.len()..).unwrap_or_default();
    let ends = |suffix: &[u8]| {
        rest.len() > suffix.len()
            && rest.get(rest.len() - suffix.len()..).is_some_and(|end| end.eq_ignore_ascii_case(suffix))
    };
    !rest.contains(&b'/') && (ends(b".RSA") || ends(b".DSA") || ends(b".EC"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::source::SliceSource;

    fn prefixed(data: &[u8]) -> Vec<u8> {
        [&(data.len() as u32).to_le_bytes(), data].concat()
    }

    #[test]
    fn the_first_certificate_of_each_signer_counts() {
        let certificates = [prefixed(b"leaf"), prefixed(b"root")].concat();
        let node = |name: &[u8]| prefixed(&prefixed(&[prefixed(name), vec![0; 4]].concat()));
        let rotation = [&ATTRIBUTE_ROTATION.to_le_bytes()[..], &[1, 0, 0, 0], &node(b"once"), &node(b"leaf")];
        let attributes = [prefixed(b"else"), prefixed(&rotation.concat())].concat();
        let signed =
            [prefixed(b"digests"), prefixed(&certificates), vec![0; 8], prefixed(&attributes)].concat();
        let signer = [prefixed(&signed), prefixed(b"signatures"), prefixed(b"key")].concat();
        let value = prefixed(&prefixed(&signer));
        let mut pairs = (value.len() as u64 + 4).to_le_bytes().to_vec();
        pairs.extend(BLOCK_V3.to_le_bytes());
        pairs.extend(value);
        let mut signers = Signers::default();
        let read = |pairs: &[u8], signers: &mut Signers| read_pairs(Pairs(Cursor(pairs)), signers);
        assert_eq!(read(&pairs, &mut signers), Some(true));
        assert_eq!(read(&pairs.repeat(2), &mut Signers::default()), Some(false));
        assert!(signers.only("v3"));
        let limits = Limits::default();
        let found = signers.finish(&mut Reader::new(&SliceSource(b""), &limits));
        let prints = [b"once".as_slice(), b"leaf"].map(super::super::fingerprint);
        assert_eq!((&found[0].sha256, &found[0].lineage[..]), (&prints[1], &prints[..]));
        for cut in 1..pairs.len() {
            assert_eq!(read(&pairs[..cut], &mut Signers::default()), None);
        }
    }

    #[test]
    fn signature_files_stand_directly_in_meta_inf() {
        for name in ["META-INF/CERT.RSA", "META-INF/a.ec", "meta-inf/X.DSA"] {
            assert!(is_jar_signature(name.as_bytes()), "{name}");
        }
        for name in ["META-INF/.RSA", "META-INF/../../CERT.RSA", "x/META-INF/CERT.RSA", "META-INF/CERT.SF"] {
            assert!(!is_jar_signature(name.as_bytes()), "{name}");
        }
    }
}
