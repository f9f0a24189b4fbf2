//! 96-bit, time-ordered identifiers with a hexadecimal and a UUID spelling.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Timestamp;
use crate::error::{Error, Result};

/// The identity of a `K`: 48 bits of milliseconds since 1970 and 48 random bits, so ids sort by age.
///
/// Two spellings, without a mapping table:
/// - 24 lower-case hexadecimal digits (`Display`, serde);
/// - a version-8 UUID (RFC 9562 §5.8), see [`Id::to_uuid`].
///
/// ```
/// use appdepot_core::domain::{App, Id};
/// let id: Id<App> = Id::generate();
/// assert_eq!(id.to_string().len(), 24);
/// assert_eq!(Id::parse(&id.to_uuid()).unwrap(), id);
/// ```
pub struct Id<K>([u8; 12], PhantomData<fn() -> K>);

/// Constant bits in the 26 spare bits of the UUID spelling; a UUID without them is not one of ours.
const UUID_MARK_A: u16 = 0x0ad;
const UUID_MARK_B: u16 = 0x1de0;

impl<K> Id<K> {
    /// The all-zero id. As an organization it is the root, which holds the organizations themselves.
    pub const NIL: Self = Self([0; 12], PhantomData);

    /// A new id: later ones sort after earlier ones of the same process, within a millisecond too.
    pub fn generate() -> Self {
        /// What the steps between ids of one millisecond have at random.
        const STEP: u128 = 0xff_ffff;
        static LAST: Mutex<u128> = Mutex::new(0);
        let millis = u128::from(Timestamp::now().millis().max(0).cast_unsigned());
        let mut random = [0; 6];
        // Without a source of entropy ids are still distinct within the process. They are not secrets.
        let _ = getrandom::fill(&mut random);
        let random = random.iter().fold(0, |number, byte| number << 8 | u128::from(*byte));
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        let is_later = millis > *last >> 48;
        *last = if is_later { millis << 48 | random } else { *last + 1 + (random & STEP) };
        let [_, _, _, _, bytes @ ..] = last.to_be_bytes();
        Self::from_bytes(bytes)
    }

    /// The id made of these bytes.
    pub const fn from_bytes(bytes: [u8; 12]) -> Self {
        Self(bytes, PhantomData)
    }

    /// The 12 bytes.
    pub const fn to_bytes(self) -> [u8; 12] {
        self.0
    }

    /// The same bits as the id of another kind; for stores, which keep ids of all kinds alike.
    pub const fn cast<L>(self) -> Id<L> {
        Id(self.0, PhantomData)
    }

    /// The version-8 UUID spelling: 96 bits of id, the rest constant.
    pub fn to_uuid(self) -> String {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = self.0;
        let third = 0x8000 | UUID_MARK_A;
        let fourth = 0x8000 | UUID_MARK_B;
        format!(
            "{a:02x}{b:02x}{c:02x}{d:02x}-{e:02x}{f:02x}-{third:04x}-{fourth:04x}-{g:02x}{h:02x}{i:02x}{j:02x}{k:02x}{l:02x}"
        )
    }

    /// Reads either spelling, in any letter case.
    ///
    /// # Errors
    /// `Invalid` for anything else, including a UUID that is not the spelling of an id.
    pub fn parse(text: &str) -> Result<Self> {
        let fail = || Error::invalid("id", "neither 24 hexadecimal digits nor a UUID of this server");
        let hex = match text.len() {
            24 => text.to_owned(),
            36 => {
                let mut parts = text.split('-');
                let mut next = |len: usize| parts.next().filter(|part| part.len() == len);
                let (Some(a), Some(b), Some(c), Some(d), Some(e)) =
                    (next(8), next(4), next(4), next(4), next(12))
                else {
                    return Err(fail());
                };
                let mark = |part: &str| u16::from_str_radix(part, 16).ok();
                if mark(c) != Some(0x8000 | UUID_MARK_A) || mark(d) != Some(0x8000 | UUID_MARK_B) {
                    return Err(fail());
                }
                format!("{a}{b}{e}")
            }
            _ => return Err(fail()),
        };
        let mut bytes = [0u8; 12];
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let digit = |at: usize| pair.get(at).and_then(|c| char::from(*c).to_digit(16));
            let (Some(high), Some(low)) = (digit(0), digit(1)) else { return Err(fail()) };
            *byte = u8::try_from(high << 4 | low).map_err(|_| fail())?;
        }
        Ok(Self::from_bytes(bytes))
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}
impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}
impl<K> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
impl<K> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl<K> FromStr for Id<K> {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}
impl<K> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de, K> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn both_spellings_lead_back(bytes in any::<[u8; 12]>()) {
            let id: Id<()> = Id::from_bytes(bytes);
            prop_assert_eq!(Id::parse(&id.to_string()).unwrap(), id);
            prop_assert_eq!(Id::parse(&id.to_uuid()).unwrap(), id);
            prop_assert_eq!(Id::parse(&id.to_uuid().to_uppercase()).unwrap(), id);
        }

        #[test]
        fn parsing_is_total(text in ".{0,40}") {
            let _ = Id::<()>::parse(&text);
        }
    }

    #[test]
    fn foreign_uuids_are_refused() {
        assert!(Id::<()>::parse("7d444840-9dc0-11d1-b245-5ffdce74fad2").is_err());
        assert!(Id::<()>::parse("").is_err());
    }

    #[test]
    fn ids_grow() {
        let made = || (0..10_000).map(|_| Id::<()>::generate()).collect::<Vec<_>>();
        let all: Vec<Vec<Id<()>>> = std::thread::scope(|scope| {
            let threads = [0; 4].map(|_| scope.spawn(made));
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(all.iter().all(|ids| ids.is_sorted_by(|a, b| a < b)));
        let distinct: std::collections::BTreeSet<_> = all.iter().flatten().collect();
        assert_eq!(distinct.len(), 40_000);
    }
}
