//! What checking the signatures of a package gives.

use std::fmt;

use appdepot_core::domain::Timestamp;
use serde::{Deserialize, Serialize};

/// A way of signing a package, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Scheme {
    /// JAR signature: entries, not the file.
    #[serde(rename = "v1")]
    V1,
    /// APK Signature Scheme v2: the whole file.
    #[serde(rename = "v2")]
    V2,
    /// APK Signature Scheme v3: with key rotation.
    #[serde(rename = "v3")]
    V3,
    /// APK Signature Scheme v3.1: rotation for newer platforms only.
    #[serde(rename = "v3.1")]
    V31,
}

impl Scheme {
    /// The word used in JSON, and for certificates found by an inspection.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
            Self::V3 => "v3",
            Self::V31 => "v3.1",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident => $word:literal,)+) => {
        /// Why a signature is not good.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[doc = $doc])+ #[serde(rename = $word)] $variant,)+
        }

        impl Reason {
            /// Every reason there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word used in JSON.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }
    };
}

reasons! {
    /// An algorithm that a platform the package is meant for does not know.
    Algorithm => "algorithm",
    /// The signed list of algorithms is not the list of signatures.
    AlgorithmMismatch => "algorithm-mismatch",
    /// The archive is broken or can be read in two ways.
    Archive => "archive",
    /// The content is not what was signed.
    ContentDigest => "content-digest",
    /// Two signatures of one scheme.
    Duplicate => "duplicate",
    /// An entry is not what was signed.
    EntryDigest => "entry-digest",
    /// The JAR manifest lists an entry that is not there.
    EntryMissing => "entry-missing",
    /// An entry is not in the JAR manifest.
    EntryUnlisted => "entry-unlisted",
    /// An entry is not signed, or not by those who signed the others.
    EntryUnsigned => "entry-unsigned",
    /// A key that cannot be read, is not supported or may not sign.
    Key => "key",
    /// The certificate holds another key than the one the signature was made with.
    KeyMismatch => "key-mismatch",
    /// The history of a rotated key is not proven or contradicts itself.
    Lineage => "lineage",
    /// Structures that cannot be read.
    Malformed => "malformed",
    /// The JAR manifest is not what was signed.
    ManifestDigest => "manifest-digest",
    /// No certificate.
    NoCertificate => "no-certificate",
    /// No JAR manifest, though a platform the package is meant for needs one.
    NoJarManifest => "no-jar-manifest",
    /// It is no Android package that can be read.
    NoPackage => "no-package",
    /// A signer without a signature.
    NoSignature => "no-signature",
    /// A signature without a signer.
    NoSigners => "no-signers",
    /// A signature over nothing.
    NothingSigned => "nothing-signed",
    /// The signers do not stand for every platform once.
    Platforms => "platforms",
    /// The signature was not made with the key.
    Signature => "signature",
    /// A JAR signature block without its signature file.
    SignatureFileMissing => "signature-file-missing",
    /// Two schemes name signers that have nothing to do with each other.
    SignersDiffer => "signers-differ",
    /// A signature says that there is another one, and there is none: somebody took it away.
    Stripped => "stripped",
    /// Packages for this platform or sandbox need a signature over the whole file.
    TargetNeedsV2 => "target-needs-v2",
    /// More signers than Android allows.
    TooManySigners => "too-many-signers",
    /// None of the algorithms is known.
    UnknownAlgorithm => "unknown-algorithm",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether the signatures of a package hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Verdict {
    /// They do, on every platform the package is meant for.
    Verified {
        /// The strongest scheme, which the newest platform goes by.
        scheme: Scheme,
    },
    /// There is none.
    Unsigned,
    /// One does not, or one is missing.
    Invalid {
        /// The scheme at fault, if it is one.
        scheme: Option<Scheme>,
        /// Why.
        reason: Reason,
    },
    /// It cannot be told.
    Unsupported {
        /// Why.
        reason: Reason,
    },
}

impl Verdict {
    /// Whether the signatures hold.
    pub const fn is_verified(&self) -> bool {
        matches!(self, Self::Verified { .. })
    }
}

/// What the holder of an earlier key of a history may still do (a set of bits).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Capabilities(pub u32);

impl Capabilities {
    /// An app of the earlier key can be updated, and keeps its data.
    pub const fn installed_data(self) -> bool {
        self.0 & 1 != 0
    }

    /// It can share a user id with an app of the earlier key.
    pub const fn shared_user_id(self) -> bool {
        self.0 & 2 != 0
    }

    /// An app of the earlier key gets its signature permissions.
    pub const fn permission(self) -> bool {
        self.0 & 4 != 0
    }

    /// It can be replaced by an app of the earlier key.
    pub const fn rollback(self) -> bool {
        self.0 & 8 != 0
    }

    /// Authenticators treat an app of the earlier key as its own.
    pub const fn authentication(self) -> bool {
        self.0 & 16 != 0
    }
}

/// A certificate in the history of a rotated key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ancestor {
    /// SHA-256 of the DER certificate, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Whom it names.
    pub subject: Option<String>,
    /// What its holder may still do.
    pub capabilities: Capabilities,
}

/// A certificate whose signature over this package was checked and is good.
///
/// Validity is shown, not enforced: Android installs packages whose certificate has expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedSigner {
    /// SHA-256 of the DER certificate, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Whom it names; `None` where the certificate is no proper DER.
    pub subject: Option<String>,
    /// Valid from.
    pub not_before: Option<Timestamp>,
    /// Valid until.
    pub not_after: Option<Timestamp>,
    /// How it signed.
    pub scheme: Scheme,
    /// The first and the last platform (API level) it stands for.
    pub platforms: (u32, u32),
    /// The history of its key, oldest first and itself last, each proven by the one before; empty without rotation.
    pub lineage: Vec<Ancestor>,
}

/// What checking the signatures of a package gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// Whether they hold.
    pub verdict: Verdict,
    /// The signers by the strongest scheme, v3.1 before v3; empty unless verified.
    pub signers: Vec<VerifiedSigner>,
    /// The schemes that were checked and hold, weakest first; empty unless verified. Schemes that no platform the
    /// package is meant for goes by are not checked.
    pub schemes: Vec<Scheme>,
}

impl Verification {
    pub(super) fn without_signers(verdict: Verdict) -> Self {
        Self { verdict, signers: Vec::new(), schemes: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_sorted_kebab_case_and_unique() {
        let words: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert!(words.is_sorted());
        for pair in words.windows(2) {
            assert_ne!(pair[0], pair[1]);
        }
        assert!(
            words
                .iter()
                .flat_map(|word| word.chars())
                .all(|c| c.is_ascii_lowercase() || c == '-' || c == '2')
        );
    }
}
