//! One signer of APK Signature Scheme v2, v3 or v3.1, and the history of a rotated key.

use crate::bytes::Cursor;
use crate::signature::apk::ATTRIBUTE_ROTATION;

use super::content::Kind;
use super::crypto::{Hash, Key, Method, certificate_key};
use super::{Capabilities, Reason, Scheme};

/// Signers of one package; Android allows as many.
const MOST_SIGNERS: usize = 10;
/// Signatures of one signer: more than there are algorithms, and few enough to check.
const MOST_SIGNATURES: usize = 32;
/// Certificates in a history.
const MOST_ROTATIONS: usize = 64;
/// Signatures checked in one file. With the longest keys one takes milliseconds.
const MOST_CHECKS: u32 = 128;

const STRIPPING_PROTECTION: u32 = 0xbeef_f00d;
const ROTATION_MIN_SDK: u32 = 0x559f_8b02;
const ROTATION_ON_DEV_RELEASE: u32 = 0xc2a6_b3ba;
const LINEAGE_VERSION: u32 = 1;

/// A signature algorithm of the schemes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Algorithm {
    method: Method,
    hash: Hash,
    content: Kind,
}

impl Algorithm {
    fn of(id: u32) -> Option<Self> {
        let (method, hash, content) = match id {
            0x0101 => (Method::RsaPss, Hash::Sha256, Kind::Chunks(Hash::Sha256)),
            0x0102 => (Method::RsaPss, Hash::Sha512, Kind::Chunks(Hash::Sha512)),
            0x0103 => (Method::RsaPkcs1, Hash::Sha256, Kind::Chunks(Hash::Sha256)),
            0x0104 => (Method::RsaPkcs1, Hash::Sha512, Kind::Chunks(Hash::Sha512)),
            0x0201 => (Method::Ecdsa, Hash::Sha256, Kind::Chunks(Hash::Sha256)),
            0x0202 => (Method::Ecdsa, Hash::Sha512, Kind::Chunks(Hash::Sha512)),
            0x0301 => (Method::Dsa, Hash::Sha256, Kind::Chunks(Hash::Sha256)),
            0x0421 => (Method::RsaPkcs1, Hash::Sha256, Kind::Verity),
            0x0423 => (Method::Ecdsa, Hash::Sha256, Kind::Verity),
            0x0425 => (Method::Dsa, Hash::Sha256, Kind::Verity),
            _ => return None,
        };
        Some(Self { method, hash, content })
    }
}

/// How many more signatures of a file may be checked.
#[derive(Debug)]
pub(super) struct Budget(u32);

impl Default for Budget {
    fn default() -> Self {
        Self(MOST_CHECKS)
    }
}

impl Budget {
    fn spend(&mut self) -> Result<(), Reason> {
        self.0 = self.0.checked_sub(1).ok_or(Reason::TooManySigners)?;
        Ok(())
    }
}

/// A signer whose signatures are good. What it says about the content is still to be compared.
#[derive(Debug)]
pub(super) struct Signer {
    /// The DER of its own certificate.
    pub(super) certificate: Vec<u8>,
    /// Digests of the content, by algorithms that are known.
    pub(super) digests: Vec<(Kind, Vec<u8>)>,
    /// First and last platform it stands for; all of them in v2.
    pub(super) platforms: (u32, u32),
    /// The number of another scheme this one says is there.
    pub(super) also: Option<u32>,
    /// The platform from which v3.1 holds, if there is a v3.1.
    pub(super) rotation_min_sdk: Option<u32>,
    /// Whether v3.1 is meant for previews of the platform before.
    pub(super) on_dev_release: bool,
    /// The certificates before this one, oldest first, and this one; empty without rotation.
    pub(super) lineage: Vec<Node>,
}

/// One certificate of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) certificate: Vec<u8>,
    pub(super) capabilities: Capabilities,
}

/// The bytes behind the next length, or why not.
fn prefixed<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], Reason> {
    cursor.prefixed().ok_or(Reason::Malformed)
}

fn number(cursor: &mut Cursor<'_>) -> Result<u32, Reason> {
    cursor.u32().ok_or(Reason::Malformed)
}

/// Reads the value of a scheme's pair and checks every signature in it.
pub(super) fn signers(value: &[u8], scheme: Scheme, budget: &mut Budget) -> Result<Vec<Signer>, Reason> {
    let mut outer = Cursor(value);
    let mut list = Cursor(prefixed(&mut outer)?);
    let mut signers = Vec::new();
    while !list.is_empty() {
        if signers.len() == MOST_SIGNERS {
            return Err(Reason::TooManySigners);
        }
        signers.push(signer(prefixed(&mut list)?, scheme, budget)?);
    }
    if signers.is_empty() {
        return Err(Reason::NoSigners);
    }
    Ok(signers)
}

fn signer(data: &[u8], scheme: Scheme, budget: &mut Budget) -> Result<Signer, Reason> {
    let has_platforms = scheme != Scheme::V2;
    let mut fields = Cursor(data);
    let signed = prefixed(&mut fields)?;
    let outer_platforms =
        if has_platforms { (number(&mut fields)?, number(&mut fields)?) } else { (0, u32::MAX) };
    let signatures = records(prefixed(&mut fields)?)?;
    let info = prefixed(&mut fields)?;
    check_signatures(&signatures, info, signed, budget)?;

    // from here on the bytes are the signer's own
    let mut fields = Cursor(signed);
    let digests = records(prefixed(&mut fields)?)?;
    let same = digests.iter().map(|(id, _)| *id).eq(signatures.iter().map(|(id, _)| *id));
    if !same {
        return Err(Reason::AlgorithmMismatch);
    }
    let mut certificates = Cursor(prefixed(&mut fields)?);
    let certificate = certificates.prefixed().ok_or(Reason::NoCertificate)?;
    if !same_key(certificate, info) {
        return Err(Reason::KeyMismatch);
    }
    let platforms =
        if has_platforms { (number(&mut fields)?, number(&mut fields)?) } else { outer_platforms };
    if platforms != outer_platforms || platforms.0 > platforms.1 {
        return Err(Reason::Platforms);
    }
    let digests =
        digests.into_iter().filter_map(|(id, digest)| Some((Algorithm::of(id)?.content, digest.to_vec())));
    let mut signer = Signer {
        certificate: certificate.to_vec(),
        digests: digests.collect(),
        platforms,
        also: None,
        rotation_min_sdk: None,
        on_dev_release: false,
        lineage: Vec::new(),
    };
    // signers of old wrote nothing after the certificates
    if !fields.is_empty() {
        let mut attributes = Cursor(prefixed(&mut fields)?);
        while !attributes.is_empty() {
            attribute(&mut signer, prefixed(&mut attributes)?, scheme, budget)?;
        }
    }
    Ok(signer)
}

fn attribute(signer: &mut Signer, data: &[u8], scheme: Scheme, budget: &mut Budget) -> Result<(), Reason> {
    let mut attribute = Cursor(data);
    match (number(&mut attribute)?, scheme) {
        (STRIPPING_PROTECTION, Scheme::V2) => signer.also = Some(number(&mut attribute)?),
        (ATTRIBUTE_ROTATION, Scheme::V3 | Scheme::V31) => {
            signer.lineage = lineage(attribute.0, budget)?;
            let last = signer.lineage.last().map(|node| node.certificate.as_slice());
            if last.is_some_and(|last| last != signer.certificate) {
                return Err(Reason::Lineage);
            }
        }
        (ROTATION_MIN_SDK, Scheme::V3) => signer.rotation_min_sdk = Some(number(&mut attribute)?),
        (ROTATION_ON_DEV_RELEASE, Scheme::V31) => signer.on_dev_release = true,
        // others may come; they are signed and say nothing that is needed here
        _ => {}
    }
    Ok(())
}

/// A list of algorithm numbers with bytes.
fn records(data: &[u8]) -> Result<Vec<(u32, &[u8])>, Reason> {
    let mut list = Cursor(data);
    let mut records = Vec::new();
    while !list.is_empty() {
        if records.len() == MOST_SIGNATURES {
            return Err(Reason::Malformed);
        }
        let mut record = Cursor(prefixed(&mut list)?);
        records.push((number(&mut record)?, prefixed(&mut record)?));
    }
    Ok(records)
}

/// Every signature by a known algorithm has to hold: which one a platform picks then makes no difference.
fn check_signatures(
    signatures: &[(u32, &[u8])],
    info: &[u8],
    signed: &[u8],
    budget: &mut Budget,
) -> Result<(), Reason> {
    if signatures.is_empty() {
        return Err(Reason::NoSignature);
    }
    let known = || signatures.iter().filter_map(|(id, bytes)| Some((Algorithm::of(*id)?, *bytes)));
    if known().next().is_none() {
        return Err(Reason::UnknownAlgorithm);
    }
    let key = Key::read(info).ok_or(Reason::Key)?;
    // one signature per algorithm: a repeated one costs a check and adds nothing
    let mut checked: Vec<Algorithm> = Vec::new();
    for (algorithm, signature) in known() {
        if checked.contains(&algorithm) {
            return Err(Reason::Malformed);
        }
        checked.push(algorithm);
        budget.spend()?;
        if !key.verify(algorithm.method, algorithm.hash, signed, signature) {
            return Err(Reason::Signature);
        }
    }
    Ok(())
}

/// Whether a certificate holds this key, if not to the bit then in meaning: some certificates are not quite DER.
fn same_key(certificate: &[u8], info: &[u8]) -> bool {
    certificate_key(certificate).is_some_and(|theirs| {
        theirs == info || Key::read(theirs).is_some_and(|theirs| Key::read(info) == Some(theirs))
    })
}

/// A proof of rotation: each certificate is signed by the one before.
fn lineage(data: &[u8], budget: &mut Budget) -> Result<Vec<Node>, Reason> {
    let mut list = Cursor(data);
    if number(&mut list)? != LINEAGE_VERSION {
        return Err(Reason::Lineage);
    }
    let mut nodes: Vec<Node> = Vec::new();
    let mut last_algorithm = 0;
    while !list.is_empty() {
        if nodes.len() == MOST_ROTATIONS {
            return Err(Reason::Lineage);
        }
        let mut node = Cursor(prefixed(&mut list)?);
        let signed = prefixed(&mut node)?;
        let capabilities = Capabilities(number(&mut node)?);
        let algorithm = number(&mut node)?;
        let signature = prefixed(&mut node)?;
        let mut fields = Cursor(signed);
        let certificate = prefixed(&mut fields)?;
        let signed_by = number(&mut fields)?;
        if let Some(parent) = nodes.last() {
            budget.spend()?;
            let with = Algorithm::of(last_algorithm).filter(|_| signed_by == last_algorithm);
            let key = certificate_key(&parent.certificate).and_then(Key::read);
            let holds = with
                .zip(key)
                .is_some_and(|(with, key)| key.verify(with.method, with.hash, signed, signature));
            if !holds || nodes.iter().any(|node| node.certificate == certificate) {
                return Err(Reason::Lineage);
            }
        }
        nodes.push(Node { certificate: certificate.to_vec(), capabilities });
        last_algorithm = algorithm;
    }
    Ok(nodes)
}

/// Checks that signers together stand for every platform from `first` to `last`, once each, and that their histories
/// are one history.
pub(super) fn check_platforms<'a>(
    signers: impl Iterator<Item = &'a Signer>,
    first: u32,
    last: u32,
) -> Result<(), Reason> {
    let mut signers: Vec<&Signer> = signers.collect();
    signers.sort_unstable_by_key(|signer| signer.platforms);
    let mut next = None;
    for signer in &signers {
        let (from, to) = signer.platforms;
        let follows = match next {
            None => from <= first,
            Some(next) => next == Some(from),
        };
        if !follows {
            return Err(Reason::Platforms);
        }
        next = Some(to.checked_add(1));
    }
    match next {
        Some(Some(next)) if next <= last => return Err(Reason::Platforms),
        Some(_) => {}
        None => return Err(Reason::NoSigners),
    }
    check_one_history(&signers)
}

/// Every history has to be the start of the longest.
pub(super) fn check_one_history(signers: &[&Signer]) -> Result<(), Reason> {
    let longest = signers.iter().map(|signer| &signer.lineage).max_by_key(|lineage| lineage.len());
    let ours = |node: &Node| node.certificate.clone();
    let longest: Vec<Vec<u8>> = longest.into_iter().flatten().map(ours).collect();
    let fits = |signer: &&Signer| {
        let lineage: Vec<Vec<u8>> = signer.lineage.iter().map(ours).collect();
        longest.starts_with(&lineage)
    };
    if signers.iter().all(fits) { Ok(()) } else { Err(Reason::Lineage) }
}
