//! The texts of credentials: made, read, and reduced to digests.
//!
//! A text made here has 190 random bits and six characters that tell a mistyped one, and a scanner's false alarm,
//! without asking a store. Its prefix says what it is: `adk_` an API key, `ads_` a session, `adp_` a pass, `adt_` an access
//! token.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::domain::{Id, Organization};
use crate::error::{Error, Result};

/// What the ids of keys made here start with.
pub const KEY_PREFIX: &str = "adk_";
/// What sessions start with.
pub const SESSION_PREFIX: &str = "ads_";
/// What passes start with.
pub const PASS_PREFIX: &str = "adp_";
/// What access tokens start with.
const TOKEN_PREFIX: &str = "adt_";
/// The random characters of a secret: 32 of 62, that is 190 bits.
const RANDOM_LENGTH: usize = 32;
/// The characters that anyone can work out.
const CHECK_LENGTH: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The longest id of a key, in bytes.
const ID_LIMIT: usize = 64;
/// The shortest and the longest secret that an operator may choose, in bytes.
const SECRET_LENGTHS: std::ops::RangeInclusive<usize> = 16..=256;

/// A new `ID.SECRET`: a key, a session, or a pass.
pub struct Text {
    id: String,
    secret: String,
}

/// The two parts of an `ID.SECRET`.
#[derive(Clone, Copy)]
pub struct Parts<'a> {
    /// The public part.
    pub id: &'a str,
    secret: &'a str,
}

/// The text of an access token.
pub struct TokenText;

/// SHA-256 of a secret. Random secrets need no salt and no slow hash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl Text {
    /// A new text: the prefix, an id, a dot and a secret.
    ///
    /// # Errors
    /// `Internal` without a source of randomness.
    pub fn generate<K>(prefix: &str, id: Id<K>) -> Result<Self> {
        let id = format!("{prefix}{id}");
        let secret = checked(&id, random()?);
        Ok(Self { id, secret })
    }

    /// The two parts.
    pub fn parts(&self) -> Parts<'_> {
        Parts { id: &self.id, secret: &self.secret }
    }

    /// The whole text.
    pub fn into_text(self) -> String {
        format!("{}.{}", self.id, self.secret)
    }
}

impl<'a> Parts<'a> {
    /// The parts of a text that can be a key or a session.
    pub fn read(text: &'a str) -> Option<Self> {
        let (id, secret) = text.split_once('.')?;
        Self::of(id, secret)
    }

    /// The same, given apart.
    pub fn of(id: &'a str, secret: &'a str) -> Option<Self> {
        let good = (1..=ID_LIMIT).contains(&id.len())
            && SECRET_LENGTHS.contains(&secret.len())
            && id.bytes().chain(secret.bytes()).all(|c| c.is_ascii_alphanumeric() || c == b'_' || c == b'-')
            && (!is_own(id) || is_checked(id, secret));
        good.then_some(Self { id, secret })
    }

    /// The parts of a text that somebody else made up.
    ///
    /// # Errors
    /// `Invalid` unless it is `ID.SECRET`: an id of 1 to 64 characters of `A-Z a-z 0-9 _ -` that does not start like
    /// one made here, and a secret of 16 to 256 of them.
    pub fn foreign(text: &'a str) -> Result<Self> {
        let own = |id: &str| is_own(id) || id.starts_with(TOKEN_PREFIX);
        Self::read(text).filter(|parts| !own(parts.id)).ok_or_else(|| {
            Error::invalid(
                "key",
                "not ID.SECRET with an id of 1 to 64 and a secret of 16 to 256 of A-Z a-z 0-9 _ -",
            )
        })
    }

    /// The organization and the digest of a session or pass, by what it starts with.
    pub fn issued(prefix: &str, text: &'a str) -> Option<(Id<Organization>, Digest)> {
        let parts = Self::read(text)?;
        let organization = Id::parse(parts.id.strip_prefix(prefix)?).ok()?;
        Some((organization, parts.digest()))
    }

    /// The digest of the secret part.
    pub fn digest(&self) -> Digest {
        Digest::of(self.secret)
    }
}

impl TokenText {
    /// A new access token.
    ///
    /// # Errors
    /// `Internal` without a source of randomness.
    pub fn generate() -> Result<String> {
        Ok(format!("{TOKEN_PREFIX}{}", checked(TOKEN_PREFIX, random()?)))
    }

    /// The digest of a text that can be a token.
    pub fn read(text: &str) -> Option<Digest> {
        let secret = text.strip_prefix(TOKEN_PREFIX)?;
        is_checked(TOKEN_PREFIX, secret).then(|| Digest::of(text))
    }
}

impl Digest {
    /// The digest of nothing that can be presented.
    pub const NONE: Self = Self([0; 32]);

    /// The digest of a text.
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// Whether both are the same, in a time that does not tell how much of them is.
    pub fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest")
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.bytes().all(|c| c.is_ascii_hexdigit()) {
            return Err(de::Error::custom("not a SHA-256 digest"));
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let pair = str::from_utf8(pair).map_err(de::Error::custom)?;
            *byte = u8::from_str_radix(pair, 16).map_err(de::Error::custom)?;
        }
        Ok(Self(bytes))
    }
}

fn is_own(id: &str) -> bool {
    [KEY_PREFIX, SESSION_PREFIX, PASS_PREFIX].iter().any(|prefix| id.starts_with(prefix))
}

/// 32 random letters and digits: 190 bits.
///
/// # Errors
/// `Internal` without a source of randomness.
pub fn random() -> Result<String> {
    let mut text = String::with_capacity(RANDOM_LENGTH + CHECK_LENGTH);
    while text.len() < RANDOM_LENGTH {
        let mut bytes = [0u8; RANDOM_LENGTH];
        getrandom::fill(&mut bytes).map_err(Error::internal)?;
        // Of 64 values two are thrown away, so that all characters are equally likely.
        let characters = bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte & 63)));
        text.extend(characters.take(RANDOM_LENGTH - text.len()).map(|&c| char::from(c)));
    }
    Ok(text)
}

fn checked(id: &str, mut random: String) -> String {
    random.push_str(&check(id, &random));
    random
}

fn is_checked(id: &str, secret: &str) -> bool {
    let parts = secret.split_at_checked(RANDOM_LENGTH);
    parts.is_some_and(|(random, found)| {
        random.bytes().all(|c| c.is_ascii_alphanumeric()) && found == check(id, random)
    })
}

/// No secret and no proof: anyone can work it out.
fn check(id: &str, random: &str) -> String {
    let mut text = Digest::of(&format!("{id}.{random}")).to_string();
    text.truncate(CHECK_LENGTH);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn made_texts_can_be_read() {
        for _ in 0..200 {
            let id: Id<()> = Id::generate();
            let text = Text::generate(KEY_PREFIX, id).unwrap().into_text();
            assert_eq!(text.len(), 28 + 1 + 38);
            let parts = Parts::read(&text).unwrap();
            assert_eq!(parts.id, format!("adk_{id}"));
            assert!(Parts::foreign(&text).is_err());
            let token = TokenText::generate().unwrap();
            assert_eq!(token.len(), 4 + 38);
            assert_eq!(TokenText::read(&token), Some(Digest::of(&token)));
        }
    }

    #[test]
    fn a_mistyped_text_is_told_without_a_store() {
        let text = Text::generate(KEY_PREFIX, Id::<()>::generate()).unwrap().into_text();
        let token = TokenText::generate().unwrap();
        for at in 4..text.len() {
            let mut other = text.clone().into_bytes();
            other[at] = if other[at] == b'a' { b'b' } else { b'a' };
            let other = String::from_utf8(other).unwrap();
            assert!(Parts::read(&other).is_none(), "{at}");
        }
        for at in 0..token.len() {
            let mut other = token.clone().into_bytes();
            other[at] = if other[at] == b'a' { b'b' } else { b'a' };
            assert!(TokenText::read(&String::from_utf8(other).unwrap()).is_none(), "{at}");
        }
    }

    #[test]
    fn all_characters_occur_and_nothing_repeats() {
        let all: String = (0..200).map(|_| random().unwrap()).collect();
        assert_eq!(all.len(), 200 * RANDOM_LENGTH);
        assert!(ALPHABET.iter().all(|&c| all.contains(char::from(c))));
        let distinct: std::collections::BTreeSet<&[u8]> = all.as_bytes().chunks(RANDOM_LENGTH).collect();
        assert_eq!(distinct.len(), 200);
    }

    #[test]
    fn digests_survive_their_json_form() {
        let digest = Digest::of("x");
        let json = serde_json::to_value(digest).unwrap();
        assert_eq!(json, "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881");
        assert!(serde_json::from_value::<Digest>(json).unwrap().is(&digest));
        for bad in ["", "2d", &"g".repeat(64), &"é".repeat(32), &"+1".repeat(32)] {
            assert!(serde_json::from_value::<Digest>(bad.into()).is_err(), "{bad}");
        }
        assert_eq!(format!("{digest:?}"), "Digest");
    }

    proptest! {
        #[test]
        fn reading_is_total(text in "(adk_|ads_|adt_)?[ -~é\u{0}]{0,80}\\.?[ -~é\u{0}]{0,80}") {
            let _ = (Parts::read(&text), Parts::foreign(&text), TokenText::read(&text));
        }
    }
}
