//! Which parts of a package are read.

use std::ops::BitOr;

/// The parts of a package that are read; its identity always is.
///
/// Formats leave out what is not asked for where that saves work: what they give besides is not promised. What is
/// checked of a package is the same, apart from the files, and the pieces of a large resource table, that only a part
/// left out needs.
///
/// ```
/// use appdepot_metadata::{Extractor, Fields};
///
/// let listing = Extractor::default().fields(Fields::IDENTITY | Fields::SIGNERS);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fields(u8);

impl Fields {
    /// Who it is: identifier, versions, platforms, the label in the default language, the icon, permissions, the
    /// activity started first, architectures.
    pub const IDENTITY: Self = Self(0);
    /// The certificates it is signed with.
    pub const SIGNERS: Self = Self(1);
    /// Its label in other languages, and the languages it has.
    pub const TRANSLATIONS: Self = Self(1 << 1);
    /// Its icon for every density.
    pub const ICONS: Self = Self(1 << 2);
    /// Everything else that formats put among the details.
    pub const DETAILS: Self = Self(1 << 3);
    /// How the native libraries of an Android package are aligned. The head of each is read, up to 48 of them, which
    /// costs a read for each: [`Limits::remote`](crate::Limits::remote) does without.
    pub const LIBRARIES: Self = Self(1 << 4);
    /// All of it, the default.
    pub const ALL: Self = Self(u8::MAX);

    /// Whether all of `other` is among these.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These apart from `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl Default for Fields {
    fn default() -> Self {
        Self::ALL
    }
}

impl BitOr for Fields {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_join() {
        let both = Fields::SIGNERS | Fields::ICONS;
        assert!(both.contains(Fields::SIGNERS) && both.contains(Fields::IDENTITY));
        assert!(!both.contains(Fields::DETAILS) && Fields::default().contains(both));
        assert_eq!(both.without(Fields::ICONS | Fields::DETAILS), Fields::SIGNERS);
    }
}
