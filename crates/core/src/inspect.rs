//! What is in a file: positional sources, the inspector port, and the one result over all formats.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::domain::Timestamp;
use crate::error::Result;

/// A file that can be read at any position: a slice, a local file, a blob behind ranged requests.
///
/// # Behavior
/// - `read_at` fills `buffer` from `offset` and returns how many bytes it wrote; fewer than asked only at the
///   end of the file, zero at or past the end.
/// - A source does not change while it is read.
#[async_trait]
pub trait Source: Send + Sync {
    /// The length in bytes.
    fn length(&self) -> u64;

    /// Reads up to `buffer.len()` bytes at `offset`.
    ///
    /// # Errors
    /// `Unavailable` when the bytes cannot be had.
    async fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize>;
}

#[async_trait]
impl Source for [u8] {
    fn length(&self) -> u64 {
        self.len() as u64
    }

    async fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        Ok(copy_at(self, offset, buffer))
    }
}

#[async_trait]
impl Source for Bytes {
    fn length(&self) -> u64 {
        self.len() as u64
    }

    async fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        Ok(copy_at(self, offset, buffer))
    }
}

/// Copies what of `data` lies at `offset` into `buffer` and returns the count.
pub fn copy_at(data: &[u8], offset: u64, buffer: &mut [u8]) -> usize {
    let rest = usize::try_from(offset).ok().and_then(|at| data.get(at..)).unwrap_or_default();
    let count = rest.len().min(buffer.len());
    if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
        to.copy_from_slice(from);
    }
    count
}

/// Reads metadata out of a file.
///
/// # Behavior
/// - Total: for every source it returns an inspection, within its own bounds of time, memory and reads. What is
///   wrong with the file is data ([`Inspection::error`]), never an `Err`.
/// - Same bytes and hint, same result.
#[async_trait]
pub trait Inspector: fmt::Debug + Send + Sync + 'static {
    /// Reads `source`.
    async fn inspect(&self, source: &dyn Source, hint: &Hint) -> Inspection;

    /// The icon of the package (or the picture that the file itself is) as a PNG picture, where there is one and
    /// this inspector reads icons: in the size it has, or as a square of `edge` pixels, 16 to 512.
    async fn icon(&self, source: &dyn Source, edge: Option<u32>) -> Option<Bytes> {
        let _ = (source, edge);
        None
    }
}

/// What the uploader says the file is; breaks ties only, never decides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hint {
    /// The file name, or at least its extension.
    pub file_name: Option<String>,
    /// The declared media type.
    pub media_type: Option<String>,
}

impl Hint {
    /// A hint from a file name.
    pub fn file_name(name: impl Into<String>) -> Self {
        Self { file_name: Some(name.into()), media_type: None }
    }
}

/// What was learnt from a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Inspection {
    /// What the file is, from its content.
    pub format: Format,
    /// Why no package could be read, or what is wrong with it; closed codes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
    /// What a careful reviewer should see.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub anomalies: Vec<String>,
    /// The package's identity, where one was understood.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<Package>,
    /// Positional reads made.
    pub reads: u32,
    /// Bytes read.
    pub bytes_read: u64,
}

impl Inspection {
    /// Nothing is known: no inspector is installed, or the content matches no format.
    pub fn unknown() -> Self {
        Self::default()
    }
}

impl Default for Inspection {
    fn default() -> Self {
        Self {
            format: Format::Unknown,
            error: None,
            anomalies: Vec::new(),
            package: None,
            reads: 0,
            bytes_read: 0,
        }
    }
}

/// What a file is. The words of the `inspect` example's `--json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Format {
    /// Android package.
    Apk,
    /// Android App Bundle.
    Aab,
    /// A set of split APKs: `.apks`, `.xapk`, `.apkm`.
    Bundle,
    /// iOS app archive.
    Ipa,
    /// A zipped macOS application.
    App,
    /// macOS installer package.
    Pkg,
    /// macOS disk image.
    Dmg,
    /// Windows Installer database.
    Msi,
    /// MSIX or AppX package or bundle.
    Msix,
    /// PE executable.
    Exe,
    /// Debian package.
    Deb,
    /// RPM package.
    Rpm,
    /// EPUB book.
    Epub,
    /// PDF document.
    Pdf,
    /// PNG, JPEG, GIF or WebP picture.
    Image,
    /// Text with an interpreter line.
    Script,
    /// X.509 certificate or key store.
    Certificate,
    /// Apple provisioning profile.
    Profile,
    /// A format from outside this project; its details say which.
    Other,
    /// None of these.
    #[default]
    Unknown,
}

impl Format {
    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Apk => "apk",
            Self::Aab => "aab",
            Self::Bundle => "bundle",
            Self::Ipa => "ipa",
            Self::App => "app",
            Self::Pkg => "pkg",
            Self::Dmg => "dmg",
            Self::Msi => "msi",
            Self::Msix => "msix",
            Self::Exe => "exe",
            Self::Deb => "deb",
            Self::Rpm => "rpm",
            Self::Epub => "epub",
            Self::Pdf => "pdf",
            Self::Image => "image",
            Self::Script => "script",
            Self::Certificate => "certificate",
            Self::Profile => "profile",
            Self::Other => "other",
            Self::Unknown => "unknown",
        }
    }
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A closed code such as `E_TRUNCATED`.
    pub code: String,
    /// What was found, lower case, no full stop.
    pub message: String,
}

/// The identity of a package, the same over all formats.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Package {
    /// Package name, bundle identifier, product code.
    pub id: String,
    /// What people call it, in the package's default language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The version people see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The version machines compare, as the package spells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_code: Option<String>,
    /// Where it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Machine architectures of its native code, the platform's own words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub architectures: Vec<String>,
    /// The oldest system it runs on, the platform's own spelling (an Android API level, `14.0`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_os: Option<String>,
    /// Who signed it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signers: Vec<Signer>,
    /// The archive path of its icon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
    /// Everything else, with the format's own field names.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub details: Map<String, Value>,
}

/// The system a package is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Platform {
    Android,
    Ios,
    Macos,
    Windows,
    Linux,
    Web,
}

impl Platform {
    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Android => "android",
            Self::Ios => "ios",
            Self::Macos => "macos",
            Self::Windows => "windows",
            Self::Linux => "linux",
            Self::Web => "web",
        }
    }
}

/// One signing certificate as found; finding it says nothing about the signature being good.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Signer {
    /// SHA-256 of the DER certificate, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Whom the certificate names, as RFC 4514 writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Valid from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// Valid until.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
    /// Where it was found: `v1`, `v2`, `v3`, `authenticode`, ….
    pub schemes: Vec<String>,
    /// The certificates its key is said to come from, oldest first and this one last, by SHA-256: the history that
    /// Android's v3 keeps of a key that was replaced. Empty where there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lineage: Vec<String>,
}

/// The inspector that knows no format; every file is `unknown`.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoInspector;

#[async_trait]
impl Inspector for NoInspector {
    async fn inspect(&self, _: &dyn Source, _: &Hint) -> Inspection {
        Inspection::unknown()
    }
}
