//! Which devices a value of a resource table is for (AOSP `ResourceTypes.h`, `ResTable_config`).

use std::cmp::Reverse;

use crate::bytes::{slice_at, u16_at, u32_at};

/// The configuration a value is for, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Config {
    pub(super) locale: Locale,
    /// Dots per inch; 0 any, 0xfffe scalable, 0xffff as it is.
    pub(super) density: u16,
    /// The oldest platform it is for.
    pub(super) sdk: u16,
    /// Whether it is for some devices only, apart from the above.
    pub(super) special: bool,
}

/// A language, script, region and variant, packed as in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub(super) struct Locale {
    language: [u8; 2],
    region: [u8; 2],
    script: [u8; 4],
    variant: [u8; 8],
}

impl Locale {
    /// Whether it is no locale in particular.
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The language without script, region and variant.
    pub(super) fn language(&self) -> Self {
        Self { language: self.language, ..Self::default() }
    }

    /// The BCP 47 spelling, `--_--` for the default.
    pub(super) fn tag(&self) -> String {
        if self.is_default() {
            return "--_--".to_owned();
        }
        let mut tag = unpack(self.language, b'a');
        let script: String =
            self.script.iter().take_while(|byte| **byte != 0).map(|byte| char::from(*byte)).collect();
        let variant: String =
            self.variant.iter().take_while(|byte| **byte != 0).map(|byte| char::from(*byte)).collect();
        for part in [script, unpack(self.region, b'0'), variant] {
            if !part.is_empty() {
                tag.push('-');
                tag.push_str(&part);
            }
        }
        tag
    }
}

/// Two letters, or three packed into 15 bits.
fn unpack([high, low]: [u8; 2], base: u8) -> String {
    if high & 0x80 == 0 {
        return [high, low].iter().take_while(|byte| **byte != 0).map(|byte| char::from(*byte)).collect();
    }
    let first = low & 0x1f;
    let second = (low & 0xe0) >> 5 | (high & 0x03) << 3;
    let third = (high & 0x7c) >> 2;
    [first, second, third].iter().map(|letter| char::from(base.wrapping_add(*letter))).collect()
}

impl Config {
    /// How well values for this configuration suit a locale on a device without further qualities: that locale,
    /// else its language, else the default, else any; the greatest fits best.
    pub(super) fn fit(&self, locale: Locale) -> impl Ord + use<> {
        let language = self.locale == locale.language();
        (self.locale == locale, language, self.locale.is_default(), !self.special, Reverse(self.sdk))
    }

    /// Whether no other configuration suits the locale better.
    pub(super) fn is_best(&self, locale: Locale) -> bool {
        self.locale == locale && !self.special && self.sdk == 0
    }

    /// Reads the configuration at the start of `bytes`, whose first field is its length.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let len = (u32_at(bytes, 0)? as usize).min(bytes.len());
        let bytes = bytes.get(..len)?;
        let pair =
            |at| slice_at(bytes, at, 2).and_then(|bytes| bytes.first_chunk().copied()).unwrap_or_default();
        let nonzero =
            |at, len| slice_at(bytes, at, len).is_some_and(|bytes| bytes.iter().any(|byte| *byte != 0));
        Some(Self {
            locale: Locale {
                language: pair(8),
                region: pair(10),
                script: slice_at(bytes, 36, 4)
                    .and_then(|bytes| bytes.first_chunk().copied())
                    .unwrap_or_default(),
                variant: slice_at(bytes, 40, 8)
                    .and_then(|bytes| bytes.first_chunk().copied())
                    .unwrap_or_default(),
            },
            density: u16_at(bytes, 14).unwrap_or(0),
            sdk: u16_at(bytes, 24).unwrap_or(0),
            special: nonzero(4, 4) || nonzero(12, 2) || nonzero(16, 8) || nonzero(28, 8),
        })
    }
}
