//! Digests, public keys and signatures: what stands between DER and the libraries that calculate.
//!
//! Only public operations: nothing here knows a secret, so timing tells nobody anything.

use md5::Md5;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use rsa::traits::SignatureScheme;
use rsa::{BoxedUint, Pkcs1v15Sign, Pss, RsaPublicKey};
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use crate::der::{BIT_STRING, Element, INTEGER, OBJECT_IDENTIFIER, SEQUENCE};

/// The longest RSA modulus in bits; what Android's own test files go up to.
const RSA_MOST_BITS: usize = 16_384;
/// The shortest; below, keys were broken last century.
const RSA_LEAST_BITS: usize = 512;
/// The longest DSA modulus in bytes.
const DSA_MOST_BYTES: usize = 384;

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const DSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x01];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const CURVE_P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const CURVE_P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const CURVE_P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];

/// A digest algorithm, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hash {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// A digest in the making.
#[derive(Debug, Clone)]
pub(super) enum Hasher {
    Md5(Md5),
    Sha1(Sha1),
    Sha224(Sha224),
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
}

impl Hash {
    /// A new digest.
    pub(super) fn start(self) -> Hasher {
        match self {
            Self::Md5 => Hasher::Md5(Md5::new()),
            Self::Sha1 => Hasher::Sha1(Sha1::new()),
            Self::Sha224 => Hasher::Sha224(Sha224::new()),
            Self::Sha256 => Hasher::Sha256(Sha256::new()),
            Self::Sha384 => Hasher::Sha384(Sha384::new()),
            Self::Sha512 => Hasher::Sha512(Sha512::new()),
        }
    }

    /// The digest of `data`.
    pub(super) fn of(self, data: &[u8]) -> Vec<u8> {
        let mut hasher = self.start();
        hasher.update(data);
        hasher.finish()
    }
}

impl Hasher {
    pub(super) fn update(&mut self, data: &[u8]) {
        match self {
            Self::Md5(hasher) => hasher.update(data),
            Self::Sha1(hasher) => hasher.update(data),
            Self::Sha224(hasher) => hasher.update(data),
            Self::Sha256(hasher) => hasher.update(data),
            Self::Sha384(hasher) => hasher.update(data),
            Self::Sha512(hasher) => hasher.update(data),
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        match self {
            Self::Md5(hasher) => hasher.finalize().to_vec(),
            Self::Sha1(hasher) => hasher.finalize().to_vec(),
            Self::Sha224(hasher) => hasher.finalize().to_vec(),
            Self::Sha256(hasher) => hasher.finalize().to_vec(),
            Self::Sha384(hasher) => hasher.finalize().to_vec(),
            Self::Sha512(hasher) => hasher.finalize().to_vec(),
        }
    }
}

/// A kind of key and, for RSA, how the digest is padded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    RsaPkcs1,
    RsaPss,
    Dsa,
    Ecdsa,
}

/// A public key.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Key {
    Rsa(Box<RsaPublicKey>),
    Dsa(Box<dsa::VerifyingKey>),
    P256(Box<p256::ecdsa::VerifyingKey>),
    P384(Box<p384::ecdsa::VerifyingKey>),
    P521(Box<p521::ecdsa::VerifyingKey>),
}

impl Key {
    /// The key of a `SubjectPublicKeyInfo` (RFC 5280 section 4.1.2.7); `None` for what is not supported or not sound.
    pub(super) fn read(info: &[u8]) -> Option<Self> {
        let mut fields = Element::read(info).filter(|info| info.tag == SEQUENCE)?.children();
        let mut algorithm = fields.expect_tag(SEQUENCE)?.children();
        let kind = algorithm.expect_tag(OBJECT_IDENTIFIER)?.content;
        let (unused, bits) = fields.expect_tag(BIT_STRING)?.content.split_first()?;
        if *unused != 0 {
            return None;
        }
        match kind {
            RSA => read_rsa(bits),
            DSA => read_dsa(&algorithm.expect_tag(SEQUENCE)?, bits),
            EC => match algorithm.expect_tag(OBJECT_IDENTIFIER)?.content {
                CURVE_P256 => {
                    p256::ecdsa::VerifyingKey::from_sec1_bytes(bits).ok().map(|key| Self::P256(Box::new(key)))
                }
                CURVE_P384 => {
                    p384::ecdsa::VerifyingKey::from_sec1_bytes(bits).ok().map(|key| Self::P384(Box::new(key)))
                }
                CURVE_P521 => {
                    p521::ecdsa::VerifyingKey::from_sec1_bytes(bits).ok().map(|key| Self::P521(Box::new(key)))
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether `signature` over `message` was made with this key's secret.
    pub(super) fn verify(&self, method: Method, hash: Hash, message: &[u8], signature: &[u8]) -> bool {
        let digest = hash.of(message);
        match (self, method) {
            (Self::Rsa(key), Method::RsaPkcs1) => {
                let padding = match hash {
                    Hash::Md5 => Pkcs1v15Sign::new::<Md5>(),
                    Hash::Sha1 => Pkcs1v15Sign::new::<Sha1>(),
                    Hash::Sha224 => Pkcs1v15Sign::new::<Sha224>(),
                    Hash::Sha256 => Pkcs1v15Sign::new::<Sha256>(),
                    Hash::Sha384 => Pkcs1v15Sign::new::<Sha384>(),
                    Hash::Sha512 => Pkcs1v15Sign::new::<Sha512>(),
                };
                padding.verify(key, &digest, signature).is_ok()
            }
            (Self::Rsa(key), Method::RsaPss) => match hash {
                Hash::Sha256 => Pss::<Sha256>::new_with_salt(32).verify(key, &digest, signature).is_ok(),
                Hash::Sha512 => Pss::<Sha512>::new_with_salt(64).verify(key, &digest, signature).is_ok(),
                _ => false,
            },
            (Self::Dsa(key), Method::Dsa) => read_dsa_signature(key, signature)
                .is_some_and(|signature| key.verify_prehash(&digest, &signature).is_ok()),
            (Self::P256(key), Method::Ecdsa) => p256::ecdsa::Signature::from_der(signature)
                .is_ok_and(|signature| key.verify_prehash(&digest, &signature).is_ok()),
            (Self::P384(key), Method::Ecdsa) => p384::ecdsa::Signature::from_der(signature)
                .is_ok_and(|signature| key.verify_prehash(&digest, &signature).is_ok()),
            (Self::P521(key), Method::Ecdsa) => p521::ecdsa::Signature::from_der(signature)
                .is_ok_and(|signature| key.verify_prehash(&digest, &signature).is_ok()),
            _ => false,
        }
    }
}

/// The octets of a positive INTEGER without leading zeros.
fn positive(element: &Element<'_>) -> Option<Vec<u8>> {
    if element.content.first()? & 0x80 != 0 {
        return None;
    }
    let zeros = element.content.iter().take_while(|byte| **byte == 0).count();
    element.content.get(zeros..).filter(|octets| !octets.is_empty()).map(<[u8]>::to_vec)
}

/// A number with room for `len` octets.
fn number(octets: &[u8], len: usize) -> Option<BoxedUint> {
    BoxedUint::from_be_slice(octets, u32::try_from(len.checked_mul(8)?).ok()?).ok()
}

fn read_rsa(bits: &[u8]) -> Option<Key> {
    let mut numbers = Element::read(bits).filter(|key| key.tag == SEQUENCE)?.children();
    let modulus = positive(&numbers.expect_tag(INTEGER)?)?;
    let exponent = positive(&numbers.expect_tag(INTEGER)?)?;
    // the library bounds both; these keep it from being asked to look at more than it will take
    if modulus.len() > RSA_MOST_BITS / 8 || exponent.len() > 5 {
        return None;
    }
    let modulus = number(&modulus, modulus.len())?;
    let exponent = number(&exponent, 8)?;
    RsaPublicKey::new_with_size_limits(modulus, exponent, RSA_LEAST_BITS..=RSA_MOST_BITS)
        .ok()
        .map(|key| Key::Rsa(Box::new(key)))
}

fn read_dsa(parameters: &Element<'_>, bits: &[u8]) -> Option<Key> {
    let mut numbers = parameters.children();
    let mut next = || numbers.expect_tag(INTEGER).and_then(|number| positive(&number));
    let (p, q, g) = (next()?, next()?, next()?);
    let y = positive(&Element::read(bits).filter(|key| key.tag == INTEGER)?)?;
    if p.len() > DSA_MOST_BYTES || q.len() > p.len() || p.last()? & 1 == 0 || q.last()? & 1 == 0 {
        return None;
    }
    // the library wants numbers below the modulus in as many limbs as it has
    let wide = |octets: &[u8]| number(octets, p.len());
    let (modulus, base, y) = (wide(&p)?, wide(&g)?, wide(&y)?);
    if base >= modulus || y >= modulus {
        return None;
    }
    let order = number(&q, q.len())?;
    let components = dsa::Components::from_components(modulus, order, base).ok()?;
    dsa::VerifyingKey::from_components(components, y).ok().map(|key| Key::Dsa(Box::new(key)))
}

fn read_dsa_signature(key: &dsa::VerifyingKey, signature: &[u8]) -> Option<dsa::Signature> {
    let outer = Element::read(signature)
        .filter(|outer| outer.tag == SEQUENCE && outer.raw.len() == signature.len())?;
    let mut numbers = outer.children();
    let (r, s) = (positive(&numbers.expect_tag(INTEGER)?)?, positive(&numbers.expect_tag(INTEGER)?)?);
    if !numbers.rest().is_empty() {
        return None;
    }
    let len = usize::try_from(key.components().q().bits_precision() / 8).ok()?;
    dsa::Signature::from_components(number(&r, len)?, number(&s, len)?)
}

/// The `SubjectPublicKeyInfo` of a certificate, whole.
pub(super) fn certificate_key(certificate: &[u8]) -> Option<&[u8]> {
    certificate_fields(certificate)?.expect_tag(SEQUENCE).map(|info| info.raw)
}

/// The fields of a certificate from its key on.
fn certificate_fields(certificate: &[u8]) -> Option<crate::der::Elements<'_>> {
    let outer = Element::read(certificate).filter(|outer| outer.tag == SEQUENCE)?;
    let mut fields = outer.children().expect_tag(SEQUENCE)?.children();
    fields.expect_tag(0xa0);
    fields.expect_tag(INTEGER)?;
    for _algorithm_issuer_validity_subject in 0..4 {
        fields.expect_tag(SEQUENCE)?;
    }
    Some(fields)
}

/// Whether a certificate may sign content: it says nothing about key usage, or says so.
pub(super) fn may_sign(certificate: &[u8]) -> bool {
    /// 2.5.29.15
    const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
    let usage = || {
        let mut fields = certificate_fields(certificate)?;
        let extensions = fields.find(|field| field.tag == 0xa3)?.children().expect_tag(SEQUENCE)?;
        let mut usage = extensions.children().find_map(|extension| {
            let mut fields = extension.children();
            (fields.expect_tag(OBJECT_IDENTIFIER)?.content == KEY_USAGE).then_some(fields)
        })?;
        let value = usage.find(|field| field.tag == crate::der::OCTET_STRING)?;
        Element::read(value.content)?.content.get(1).copied()
    };
    // digitalSignature and nonRepudiation are the two highest bits
    usage().is_none_or(|bits| bits & 0xc0 != 0)
}
