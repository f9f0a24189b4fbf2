//! The closed words for what is wrong with a file and what is odd about it.

use std::fmt;

use appdepot_core::inspect::Problem;

/// Why a file is refused, or why nothing was read from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// The file ends before its own structure does.
    Truncated,
    /// The content is not what the name or the first bytes say.
    TypeMismatch,
    /// The archive's records contradict the file or each other.
    ZipStruct,
    /// Two readers could see two different packages.
    ZipAmbiguous,
    /// The content is encrypted.
    Encrypted,
    /// A feature no package of this kind may use.
    Unsupported,
    /// An entry name or link that must not be followed.
    Path,
    /// The file that says who the package is does not exist.
    ManifestMissing,
    /// The file that says who the package is cannot be read.
    ManifestInvalid,
    /// An XML document type definition with content.
    XmlDtd,
    /// A structure that contains itself.
    Cycle,
    /// More entries than [`Limits`](crate::Limits) allows.
    LimitEntries,
    /// More inflated bytes than allowed.
    LimitInflate,
    /// Deeper nesting than allowed.
    LimitDepth,
    /// Longer strings than allowed.
    LimitString,
    /// More time than allowed.
    LimitTime,
    /// A picture larger than allowed.
    ImageLimit,
    /// A certificate that cannot be read.
    CertInvalid,
    /// A private key where a public file was expected.
    SecretRefused,
    /// The bytes could not be had; says nothing about the file.
    Unavailable,
}

impl Code {
    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Truncated => "E_TRUNCATED",
            Self::TypeMismatch => "E_TYPE_MISMATCH",
            Self::ZipStruct => "E_ZIP_STRUCT",
            Self::ZipAmbiguous => "E_ZIP_AMBIGUOUS",
            Self::Encrypted => "E_ENCRYPTED",
            Self::Unsupported => "E_UNSUPPORTED",
            Self::Path => "E_PATH",
            Self::ManifestMissing => "E_MANIFEST_MISSING",
            Self::ManifestInvalid => "E_MANIFEST_INVALID",
            Self::XmlDtd => "E_XML_DTD",
            Self::Cycle => "E_CYCLE",
            Self::LimitEntries => "E_LIMIT_ENTRIES",
            Self::LimitInflate => "E_LIMIT_INFLATE",
            Self::LimitDepth => "E_LIMIT_DEPTH",
            Self::LimitString => "E_LIMIT_STRING",
            Self::LimitTime => "E_LIMIT_TIME",
            Self::ImageLimit => "E_IMAGE_LIMIT",
            Self::CertInvalid => "E_CERT_INVALID",
            Self::SecretRefused => "E_SECRET_REFUSED",
            Self::Unavailable => "E_UNAVAILABLE",
        }
    }

    /// This code with a message: lower case, no full stop.
    pub fn problem(self, message: impl Into<String>) -> Problem {
        Problem { code: self.as_str().to_owned(), message: message.into() }
    }

    /// Whether `problem` carries this code.
    pub fn is(self, problem: &Problem) -> bool {
        problem.code == self.as_str()
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! anomalies {
    ($($(#[doc = $doc:literal])+ $variant:ident => $word:literal,)+) => {
        /// What a careful reviewer should see, though the package could be read.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Anomaly {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Anomaly {
            /// Every anomaly there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word used in JSON.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }
    };
}

anomalies! {
    /// A string holds characters that reorder the text around them.
    BidiControl => "bidi-control",
    /// The checksum of an entry that was read is wrong.
    ChecksumMismatch => "checksum-mismatch",
    /// A string holds control characters; NUL was removed.
    ControlCharacter => "control-character",
    /// The manifest says that a debugger may attach, which no app given to people should.
    Debuggable => "debuggable",
    /// Two entries carry one name.
    DuplicateEntry => "duplicate-entry",
    /// A signing block holds two signatures of one scheme; the first was read, as Android does.
    DuplicateSignature => "duplicate-signature",
    /// The archive comment holds what looks like another end record.
    EndRecordInComment => "end-record-in-comment",
    /// An entry is marked as encrypted and is not.
    EncryptedBit => "encrypted-bit",
    /// An icon is named that the archive does not hold.
    IconMissing => "icon-missing",
    /// The local header of an entry that was read contradicts the central directory, which was believed.
    LocalHeaderMismatch => "local-header-mismatch",
    /// The manifest ends early; what stood before the end was used.
    ManifestTruncated => "manifest-truncated",
    /// The manifest carries structure lies that Android's reader overlooks.
    ManifestTampered => "manifest-tampered",
    /// Entries share bytes.
    OverlappingEntries => "overlapping-entries",
    /// Bytes stand before the archive.
    PrefixData => "prefix-data",
    /// The resource table is broken; labels and icons may be missing.
    ResourcesInvalid => "resources-invalid",
    /// The content fits several formats.
    SeveralFormats => "several-formats",
    /// A signature block is present and cannot be read.
    SignatureInvalid => "signature-invalid",
    /// The real size of an entry that was read is not the declared one.
    SizeMismatch => "size-mismatch",
    /// A string was cut to its limit.
    StringTruncated => "string-truncated",
    /// Bytes stand after the archive.
    TrailingData => "trailing-data",
    /// A second name in an entry's extra field differs from its name.
    UnicodePathExtra => "unicode-path-extra",
    /// A local entry stands in the file that the central directory does not list.
    UnlistedEntry => "unlisted-entry",
    /// A reference in the manifest leads nowhere.
    UnresolvedReference => "unresolved-reference",
    /// An entry names an unknown compression method and was read as stored, as Android does.
    UnknownMethod => "unknown-method",
    /// The only signature is the old JAR one, which does not cover the whole file.
    V1SignatureOnly => "v1-signature-only",
    /// A zip64 extra field stands where the sizes do not call for one.
    Zip64Unneeded => "zip64-unneeded",
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anomaly_words_are_sorted_kebab_case_and_unique() {
        let words: Vec<&str> = Anomaly::ALL.iter().map(|anomaly| anomaly.as_str()).collect();
        for word in &words {
            assert!(word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{word}");
        }
        let unique: std::collections::BTreeSet<_> = words.iter().collect();
        assert_eq!(unique.len(), words.len());
    }
}
