//! JAR signatures (v1) by the rules Android has for them: every entry outside `META-INF/` has to be in the manifest
//! and signed by the same signers; `META-INF/` itself is not covered.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use flate2::{FlushDecompress, Status};

use crate::containers::zip::{Archive, Entry};
use crate::der::{Element, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, SET, object_identifier};
use crate::reader::Reader;

use super::crypto::{Hash, Hasher, Key, Method, certificate_key, may_sign};
use super::{Fail, Reason};

const FOLDER: &[u8] = b"META-INF/";
const MANIFEST: &[u8] = b"META-INF/MANIFEST.MF";
/// Signers of one package; Android allows as many.
const MOST_SIGNERS: usize = 10;
/// Attributes of a manifest: eight for each entry an archive may have.
const MOST_ATTRIBUTES: usize = 1 << 19;
/// Bytes read and inflated at a time.
const STEP: u64 = 256 << 10;
/// From this platform on, the strongest digest counts rather than the first one listed.
const STRONGEST_DIGEST: u32 = 18;
const SIGNED_ATTRIBUTES: u32 = 19;
/// From this platform on, any signer of a block may be the good one.
const ANY_SIGNER: u32 = 24;

const SIGNED_DATA: &str = "1.2.840.113549.1.7.2";
const CONTENT_TYPE: &str = "1.2.840.113549.1.9.3";
const MESSAGE_DIGEST: &str = "1.2.840.113549.1.9.4";

/// Whether the archive has anything to do with JAR signatures: a signature block that Android would look at.
pub(super) fn is_signed(archive: &Archive) -> bool {
    archive.entries().any(|entry| block_stem(entry.name).is_some())
}

/// The name of a signature block without its extension.
fn block_stem(name: &[u8]) -> Option<&[u8]> {
    let file = name.strip_prefix(FOLDER).filter(|file| !file.contains(&b'/'))?;
    [".RSA", ".DSA", ".EC"].iter().find(|end| file.ends_with(end.as_bytes()))?;
    let dot = name.iter().rposition(|byte| *byte == b'.')?;
    name.get(..dot)
}

/// Checks everything; gives the certificate of each signer.
///
/// `first` is the oldest platform that counts, `schemes` the numbers of the other schemes the file is signed by.
pub(super) async fn verify(
    reader: &mut Reader<'_>,
    archive: &Archive,
    first: u32,
    schemes: &[u32],
) -> Result<Vec<Vec<u8>>, Fail> {
    let manifest = read(reader, archive, MANIFEST, reader.limits().manifest_bytes).await?;
    let manifest = manifest.ok_or(Reason::NoJarManifest)?;
    let sections = Sections::parse(&manifest)?;
    for name in sections.by_name.keys() {
        if archive.find(name).is_none() {
            return Err(Reason::EntryMissing.into());
        }
    }
    let mut signers = Vec::new();
    let blocks: Vec<&[u8]> =
        archive.entries().filter_map(|entry| block_stem(entry.name).map(|_| entry.name)).collect();
    if blocks.len() > MOST_SIGNERS {
        return Err(Reason::TooManySigners.into());
    }
    for name in blocks {
        let block = read(reader, archive, name, reader.limits().signature_bytes).await?;
        let file = [block_stem(name).unwrap_or_default(), b".SF"].concat();
        let file = read(reader, archive, &file, reader.limits().manifest_bytes).await?;
        let (block, file) = (block.ok_or(Reason::Malformed)?, file.ok_or(Reason::SignatureFileMissing)?);
        let certificate = check_block(&block, &file, first)?;
        reader.check_time()?;
        let named = check_file(&file, &manifest, &sections, first, schemes)?;
        reader.check_time()?;
        signers.push((certificate, named));
    }
    if signers.is_empty() {
        return Err(Reason::NoSigners.into());
    }
    let mut everywhere: Option<Vec<usize>> = None;
    for entry in archive.entries() {
        if entry.name.starts_with(FOLDER) || entry.is_directory() {
            continue;
        }
        let section = sections.by_name.get(entry.name).ok_or(Reason::EntryUnlisted)?;
        let digests = expected(section, "-Digest", first);
        if digests.is_empty() {
            return Err(Reason::EntryUnlisted.into());
        }
        let named = |(index, (_, names)): (usize, &(Vec<u8>, HashSet<Vec<u8>>))| {
            names.contains(entry.name).then_some(index)
        };
        let by: Vec<usize> = signers.iter().enumerate().filter_map(named).collect();
        if by.is_empty() || everywhere.as_ref().is_some_and(|all| *all != by) {
            return Err(Reason::EntryUnsigned.into());
        }
        everywhere = Some(by);
        let hashers = digests.iter().map(|(hash, _)| hash.start()).collect();
        let found = digest_entry(reader, archive, &entry, hashers).await?;
        if !found.iter().eq(digests.iter().map(|(_, digest)| digest)) {
            return Err(Reason::EntryDigest.into());
        }
    }
    let by = everywhere.ok_or(Reason::NothingSigned)?;
    let signed = signers.into_iter().enumerate().filter(|(index, _)| by.contains(index));
    Ok(signed.map(|(_, (certificate, _))| certificate).collect())
}

/// The content of the only entry of a name.
async fn read(
    reader: &mut Reader<'_>,
    archive: &Archive,
    name: &[u8],
    cap: u64,
) -> Result<Option<bytes::Bytes>, Fail> {
    match archive.unique(name)? {
        Some(entry) => Ok(Some(archive.read(reader, &entry, cap).await?)),
        None => Ok(None),
    }
}

/// The digests of an entry's content, streamed.
async fn digest_entry(
    reader: &mut Reader<'_>,
    archive: &Archive,
    entry: &Entry<'_>,
    mut hashers: Vec<Hasher>,
) -> Result<Vec<Vec<u8>>, Fail> {
    if entry.has_unknown_method() {
        let content = archive.read(reader, entry, reader.limits().compressed_bytes).await?;
        hashers.iter_mut().for_each(|hasher| hasher.update(&content));
        return Ok(hashers.into_iter().map(Hasher::finish).collect());
    }
    let (mut at, len) = archive.locate(reader, entry, entry.compressed.min(STEP)).await?;
    let end = at.checked_add(len).ok_or(Reason::Archive)?;
    let mut size = 0_u64;
    if entry.is_stored() {
        while at < end {
            let step = STEP.min(end - at);
            let chunk = reader.bytes(at, usize::try_from(step).unwrap_or(0)).await?;
            hashers.iter_mut().for_each(|hasher| hasher.update(&chunk));
            at += step;
        }
        size = len;
    } else {
        let mut inflater = reader.inflater();
        let mut output = vec![0; usize::try_from(entry.size.clamp(1, STEP)).unwrap_or(1)];
        let mut status = Status::Ok;
        while at < end && status != Status::StreamEnd {
            let step = STEP.min(end - at);
            let chunk = reader.bytes(at, usize::try_from(step).unwrap_or(0)).await?;
            at += step;
            let mut rest: &[u8] = &chunk;
            loop {
                let (read, written) = (inflater.total_in(), inflater.total_out());
                status = inflater
                    .decompress(rest, &mut output, FlushDecompress::None)
                    .map_err(|_| Reason::EntryDigest)?;
                let read = usize::try_from(inflater.total_in() - read).unwrap_or(usize::MAX);
                let written = inflater.total_out() - written;
                rest = rest.get(read..).unwrap_or_default();
                size += written;
                reader.charge_inflated(written)?;
                if size > entry.size {
                    return Err(Reason::EntryDigest.into());
                }
                let written = output.get(..usize::try_from(written).unwrap_or(0)).unwrap_or_default();
                hashers.iter_mut().for_each(|hasher| hasher.update(written));
                // no progress with room to write: more input is needed
                if status == Status::StreamEnd
                    || written.len() < output.len() && (rest.is_empty() || read == 0)
                {
                    break;
                }
            }
        }
        reader.keep_inflater(inflater);
        if status != Status::StreamEnd {
            return Err(Reason::EntryDigest.into());
        }
    }
    if size != entry.size {
        return Err(Reason::EntryDigest.into());
    }
    Ok(hashers.into_iter().map(Hasher::finish).collect())
}

/// A manifest or signature file.
#[derive(Debug)]
struct Sections<'a> {
    main: Section<'a>,
    by_name: HashMap<Vec<u8>, Section<'a>>,
}

/// Attributes and where they stand.
#[derive(Debug, Default)]
struct Section<'a> {
    place: Range<usize>,
    attributes: Vec<Cow<'a, [u8]>>,
}

impl<'a> Section<'a> {
    /// The value of the first attribute of a name, of whatever case.
    fn get(&self, name: &str) -> Option<&[u8]> {
        self.attributes.iter().find_map(|attribute| {
            let (head, rest) = attribute.split_at_checked(name.len())?;
            head.eq_ignore_ascii_case(name.as_bytes()).then(|| rest.strip_prefix(b": "))?
        })
    }

    fn bytes(&self, file: &'a [u8]) -> &'a [u8] {
        file.get(self.place.clone()).unwrap_or_default()
    }
}

impl<'a> Sections<'a> {
    fn parse(data: &'a [u8]) -> Result<Self, Reason> {
        let mut lines = Lines::new(data);
        let main = lines.section().ok_or(Reason::Malformed)?;
        let mut by_name = HashMap::new();
        while let Some(section) = lines.section() {
            let name = section.get("Name").ok_or(Reason::Malformed)?.to_vec();
            if by_name.insert(name, section).is_some() {
                return Err(Reason::Malformed);
            }
        }
        // more attributes than are read: the last section may lack some
        if lines.attributes_left == 0 {
            return Err(Reason::Malformed);
        }
        Ok(Self { main, by_name })
    }
}

/// Lines that end in CR, LF or both; one that starts with a space continues the one before.
struct Lines<'a> {
    data: &'a [u8],
    at: usize,
    attributes_left: usize,
}

impl<'a> Lines<'a> {
    fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, attributes_left: MOST_ATTRIBUTES }
    }

    fn line(&mut self) -> Option<&'a [u8]> {
        let rest = self.data.get(self.at..).filter(|rest| !rest.is_empty())?;
        let len = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(rest.len());
        let end = match rest.get(len..) {
            Some([b'\r', b'\n', ..]) => 2,
            Some([_, ..]) => 1,
            _ => 0,
        };
        self.at += len + end;
        rest.get(..len)
    }

    fn section(&mut self) -> Option<Section<'a>> {
        let mut section = Section::default();
        loop {
            let start = self.at;
            let Some(line) = self.line() else { break };
            match (line, section.attributes.last_mut()) {
                ([], None) => {}
                ([], Some(_)) => break,
                ([b' ', more @ ..], Some(last)) => last.to_mut().extend_from_slice(more),
                (_, last) => {
                    self.attributes_left = self.attributes_left.checked_sub(1)?;
                    if last.is_none() {
                        section.place.start = start;
                    }
                    section.attributes.push(Cow::Borrowed(line));
                }
            }
        }
        section.place.end = self.at;
        (!section.attributes.is_empty()).then_some(section)
    }
}

/// The digests a section gives that platforms from `first` on go by; all of them have to hold.
fn expected(section: &Section<'_>, suffix: &str, first: u32) -> Vec<(Hash, Vec<u8>)> {
    let mut digests = Vec::new();
    let digest = |name: &str| section.get(&format!("{name}{suffix}")).and_then(base64);
    if first < STRONGEST_DIGEST {
        // older platforms take the first of a list
        let list = section.get("Digest-Algorithms").unwrap_or(b"SHA SHA1");
        let list = String::from_utf8_lossy(list);
        let found = list.split_ascii_whitespace().find_map(|name| {
            let (hash, since) = match name.to_ascii_uppercase().as_str() {
                "MD5" => (Hash::Md5, 0),
                "SHA" | "SHA1" | "SHA-1" => (Hash::Sha1, 0),
                "SHA-256" => (Hash::Sha256, 0),
                "SHA-384" => (Hash::Sha384, 9),
                "SHA-512" => (Hash::Sha512, 9),
                _ => return None,
            };
            let digest = digest(name)?;
            (since <= first).then_some((hash, digest))
        });
        match found {
            Some(found) => digests.push(found),
            None => return digests,
        }
    }
    const STRONGEST_FIRST: [(&str, Hash); 4] = [
        ("SHA-512", Hash::Sha512),
        ("SHA-384", Hash::Sha384),
        ("SHA-256", Hash::Sha256),
        ("SHA1", Hash::Sha1),
    ];
    let strongest = STRONGEST_FIRST.iter().find_map(|(name, hash)| {
        // a digest that is there and cannot be read must not give way to a weaker one
        section.get(&format!("{name}{suffix}")).map(|value| (*hash, base64(value).unwrap_or_default()))
    });
    digests.extend(strongest);
    digests.dedup();
    digests
}

/// RFC 4648 section 4, with padding.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.trim_ascii();
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let digits = text.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    if text.len() - digits > 2 {
        return None;
    }
    let mut bits = 0_u32;
    let mut count = 0;
    for byte in text.get(..digits)? {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}

/// Checks a signature file against the manifest; gives the names of the entries it covers.
fn check_file(
    file: &[u8],
    manifest: &[u8],
    sections: &Sections<'_>,
    first: u32,
    schemes: &[u32],
) -> Result<HashSet<Vec<u8>>, Reason> {
    let own = Sections::parse(file)?;
    if own.main.get("Signature-Version").is_none() {
        return Err(Reason::Malformed);
    }
    // the other schemes the signer used too: without them somebody has taken them away
    let named =
        String::from_utf8_lossy(own.main.get("X-Android-APK-Signed").unwrap_or_default()).into_owned();
    let stripped = |id: &str| id.trim().parse().is_ok_and(|id| matches!(id, 2 | 3) && !schemes.contains(&id));
    if named.split(',').any(stripped) {
        return Err(Reason::Stripped);
    }
    let by_signtool =
        own.main.get("Created-By").is_some_and(|by| by.windows(8).any(|part| part == b"signtool"));
    let holds = |digests: &[(Hash, Vec<u8>)], data: &[u8]| {
        digests.iter().all(|(hash, digest)| hash.of(data) == *digest)
    };

    let whole = expected(&own.main, if by_signtool { "-Digest" } else { "-Digest-Manifest" }, first);
    if whole.is_empty() || !holds(&whole, manifest) {
        let main = expected(&own.main, "-Digest-Manifest-Main-Attributes", first);
        if !holds(&main, sections.main.bytes(manifest)) {
            return Err(Reason::ManifestDigest);
        }
        for (name, section) in &own.by_name {
            let theirs = sections.by_name.get(name).ok_or(Reason::ManifestDigest)?;
            let mut bytes = theirs.bytes(manifest);
            if by_signtool && bytes.ends_with(b"\n\n") {
                bytes = bytes.get(..bytes.len() - 1).unwrap_or_default();
            }
            let digests = expected(section, "-Digest", first);
            if digests.is_empty() || !holds(&digests, bytes) {
                return Err(Reason::ManifestDigest);
            }
        }
    }
    Ok(own.by_name.into_keys().collect())
}

/// Checks a PKCS #7 signature block over `file`; gives the certificate that made it.
fn check_block(block: &[u8], file: &[u8], first: u32) -> Result<Vec<u8>, Reason> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_strict() {
        assert_eq!(base64(b"aGVsbG8=").unwrap(), b"hello");
        assert_eq!(base64(b"").unwrap(), b"");
        for bad in ["a", "====", "aGVsbG8", "aGVs bG8", "aG=sbG8="] {
            assert!(base64(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn sections_have_places_and_continued_lines() {
        let file =
            b"Manifest-Version: 1.0\r\nX: a\r\n b\r\n\r\n\r\nName: one\nSHA1-Digest: AAAA\n\nName: two";
        let sections = Sections::parse(file).unwrap();
        assert_eq!(sections.main.get("x").unwrap(), b"ab");
        assert_eq!(sections.main.bytes(file), &file[..35]);
        assert_eq!(sections.by_name[&b"one"[..]].bytes(file), b"Name: one\nSHA1-Digest: AAAA\n\n");
        assert_eq!(sections.by_name[&b"two"[..]].bytes(file), b"Name: two");
        assert!(Sections::parse(b"A: b\n\nName: x\n\nName: x\n").is_err());
        assert!(Sections::parse(b"A: b\n\nB: x\n").is_err());
        assert!(Sections::parse(b"").is_err());
        assert!(Sections::parse(&b"A: b\n".repeat(MOST_ATTRIBUTES - 1)).is_ok());
        assert!(Sections::parse(&b"A: b\n".repeat(MOST_ATTRIBUTES)).is_err());
    }

    #[test]
    fn old_platforms_take_the_first_digest_and_new_ones_the_strongest() {
        let section = |text: &'static [u8]| Lines::new(text).section().unwrap();
        let both = section(b"Name: a\nSHA1-Digest: AAAA\nSHA-256-Digest: BBBB\n");
        assert_eq!(expected(&both, "-Digest", 18), [(Hash::Sha256, vec![4, 16, 65])]);
        assert_eq!(expected(&both, "-Digest", 17).len(), 2);
        let new = section(b"Name: a\nSHA-256-Digest: BBBB\n");
        assert_eq!(expected(&new, "-Digest", 17), []);
        let broken = section(b"Name: a\nSHA1-Digest: AAAA\nSHA-256-Digest: ?\n");
        assert_eq!(expected(&broken, "-Digest", 18), [(Hash::Sha256, vec![])]);
    }

    #[test]
    fn blocks_have_names() {
        assert_eq!(block_stem(b"META-INF/A.B.RSA").unwrap(), b"META-INF/A.B");
        assert!(block_stem(b"META-INF/x/A.RSA").is_none());
        assert!(block_stem(b"meta-inf/A.RSA").is_none());
        assert!(block_stem(b"META-INF/A.SF").is_none());
    }
}
