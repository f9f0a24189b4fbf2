//! Secrets that must be read again, such as the keys of somebody else's service: sealed before they are kept.
//!
//! XChaCha20-Poly1305 under a key that only the embedder has. What is sealed is bound to the record it is kept in,
//! so it opens nowhere else.
//!
//! To change the key, give the depot a new one [that also opens](SealingKey::or_older) what the one before sealed, and
//! call [`Depot::reseal`](crate::Depot::reseal); from then on the one before is not needed any more.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The bytes of a nonce. So many that random ones never meet.
const NONCE: usize = 24;

/// The key that secrets are sealed with, and older ones that still open.
#[derive(Clone)]
pub struct SealingKey {
    newest: XChaCha20Poly1305,
    older: Vec<XChaCha20Poly1305>,
}

/// A sealed secret, in Base64: a nonce, the secret and its tag. Tells nothing but the secret's length.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed(String);

impl SealingKey {
    /// The length of a key, in bytes.
    pub const LENGTH: usize = 32;

    /// A key made of bytes that somebody keeps.
    pub fn new(bytes: &[u8; Self::LENGTH]) -> Self {
        Self { newest: XChaCha20Poly1305::new(bytes.into()), older: Vec::new() }
    }

    /// The same, which also opens what `older` opens. It seals nothing with that.
    #[must_use]
    pub fn or_older(mut self, older: Self) -> Self {
        self.older.push(older.newest);
        self.older.extend(older.older);
        self
    }

    /// Random bytes to make a key of.
    ///
    /// # Errors
    /// `Internal` without a source of randomness.
    pub fn generate() -> Result<[u8; Self::LENGTH]> {
        let mut bytes = [0; Self::LENGTH];
        getrandom::fill(&mut bytes).map_err(Error::internal)?;
        Ok(bytes)
    }

    pub(crate) fn seal(&self, secret: &str, context: &str) -> Result<Sealed> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(Error::internal)?;
        let payload = Payload { msg: secret.as_bytes(), aad: context.as_bytes() };
        let sealed = self.newest.encrypt(&nonce.into(), payload).map_err(Error::internal)?;
        Ok(Sealed(STANDARD.encode([&nonce[..], &sealed].concat())))
    }

    /// The secret, if it was sealed with one of these keys in this context.
    pub(crate) fn open(&self, sealed: &Sealed, context: &str) -> Result<String> {
        open(&self.newest, sealed, context).or_else(|error| {
            let mut older = self.older.iter();
            older.find_map(|key| open(key, sealed, context).ok()).ok_or(error)
        })
    }

    /// Whether it takes an older key to open this.
    pub(crate) fn is_outdated(&self, sealed: &Sealed, context: &str) -> bool {
        open(&self.newest, sealed, context).is_err()
    }
}

fn open(key: &XChaCha20Poly1305, sealed: &Sealed, context: &str) -> Result<String> {
    let bytes = STANDARD.decode(&sealed.0).map_err(Error::internal)?;
    let (nonce, sealed) =
        bytes.split_first_chunk::<NONCE>().ok_or_else(|| Error::internal("a sealed secret is cut off"))?;
    let payload = Payload { msg: sealed, aad: context.as_bytes() };
    let secret = key.decrypt(nonce.into(), payload);
    String::from_utf8(secret.map_err(|_| Error::internal("a secret was sealed with another key"))?)
        .map_err(|_| Error::internal("a sealed secret is no text"))
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey")
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_key_opens_and_seals_no_more() {
        let key = || SealingKey::new(&SealingKey::generate().unwrap());
        let (first, second, third) = (key(), key(), key());
        let sealed = first.seal("s3cr3t", "acme/1").unwrap();
        let rotated = third.clone().or_older(second.clone().or_older(first.clone()));
        assert_eq!(rotated.open(&sealed, "acme/1").unwrap(), "s3cr3t");
        assert!(rotated.open(&sealed, "rival/1").is_err());
        assert!(rotated.is_outdated(&sealed, "acme/1"));
        let again = rotated.seal("s3cr3t", "acme/1").unwrap();
        assert!(!rotated.is_outdated(&again, "acme/1"));
        assert_eq!(third.open(&again, "acme/1").unwrap(), "s3cr3t");
        assert!(first.open(&again, "acme/1").is_err() && second.open(&again, "acme/1").is_err());
    }

    #[test]
    fn a_secret_opens_with_its_key_in_its_place() {
        let bytes = SealingKey::generate().unwrap();
        let key = SealingKey::new(&bytes);
        let sealed = key.seal("s3cr3t-of-acme", "acme/1").unwrap();
        assert_eq!(SealingKey::new(&bytes).open(&sealed, "acme/1").unwrap(), "s3cr3t-of-acme");
        assert_ne!(key.seal("s3cr3t-of-acme", "acme/1").unwrap(), sealed);
        assert!(key.open(&sealed, "rival/1").is_err());
        assert!(SealingKey::new(&SealingKey::generate().unwrap()).open(&sealed, "acme/1").is_err());
        assert!(key.open(&Sealed("AAAA".to_owned()), "acme/1").is_err());
        let mut flipped = STANDARD.decode(&sealed.0).unwrap();
        *flipped.last_mut().unwrap() ^= 1;
        assert!(key.open(&Sealed(STANDARD.encode(flipped)), "acme/1").is_err());
        let shown = format!("{key:?} {sealed:?} {}", serde_json::to_string(&sealed).unwrap());
        assert!(!shown.contains("s3cr3t"));
    }
}
