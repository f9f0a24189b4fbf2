//! How much work one file may cause.

use std::time::Duration;

use crate::fields::Fields;

/// Bounds on one inspection, and how it reads.
///
/// Every bound is enforced while working, never by trusting a declared size. Passing one ends the inspection
/// with the matching `E_LIMIT_…` code.
///
/// ```
/// use appdepot_metadata::Limits;
///
/// let strict = Limits { entries: 1_000, ..Limits::default() };
/// assert_eq!(strict.manifest_bytes, 8 * 1024 * 1024);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Entries of an archive. Default 65,535.
    pub entries: usize,
    /// Bytes of an archive's central directory. Default 32 MiB.
    pub directory_bytes: u64,
    /// Inflated bytes of a manifest or any other single metadata file. Default 8 MiB.
    pub manifest_bytes: u64,
    /// Inflated bytes of a compressed resource table. Default 16 MiB.
    pub resources_bytes: u64,
    /// Bytes of a signature block or signature file. Default 2 MiB.
    pub signature_bytes: u64,
    /// Inflated bytes of the whole inspection. Default 64 MiB.
    pub inflated_bytes: u64,
    /// Compressed bytes read for one entry, fewer where less than that may come out of it. Default 16 MiB.
    pub compressed_bytes: u64,
    /// Decoded string bytes of the whole inspection. Default 16 MiB.
    pub string_bytes: usize,
    /// Bytes of one string in the result; longer ones are cut at a character. Default 64 KiB.
    pub output_string_bytes: usize,
    /// Bytes of an identifier such as a package name. Default 1,024.
    pub identifier_bytes: usize,
    /// Values in one list of the result. Default 4,096.
    pub values: usize,
    /// Nesting of elements, values and objects. Default 64.
    pub depth: usize,
    /// References followed from one resource. Default 20.
    pub hops: usize,
    /// Chunks of a resource table. Default 65,536.
    pub chunks: usize,
    /// Wall time of one inspection. Default 2 s; checked inside loops.
    pub time: Duration,
    /// Bytes of the first read, from the start of the file. Default 4 KiB, [`remote`](Self::remote) 16 KiB.
    pub head_bytes: usize,
    /// Bytes of the read that looks for an archive's directory, from the end of the file.
    /// Default 16 KiB, [`remote`](Self::remote) 64 KiB.
    pub tail_bytes: usize,
    /// Bytes read at least in one go where a chunk's length is not known. Default 512,
    /// [`remote`](Self::remote) 64 KiB.
    pub window_bytes: usize,
    /// Bytes up to which a resource table is read whole rather than where needed, if
    /// [`Fields::TRANSLATIONS`] are asked for: those are all over it. Default 512 KiB.
    pub whole_bytes: usize,
    /// The parts that are read at all. Default all, [`remote`](Self::remote) all but [`Fields::LIBRARIES`].
    pub fields: Fields,
}

impl Limits {
    /// The defaults for a source where each read is a request: fewer and larger reads, and all but
    /// [`Fields::LIBRARIES`], which stand all over a package.
    pub fn remote() -> Self {
        Self {
            head_bytes: 16 << 10,
            tail_bytes: 64 << 10,
            window_bytes: 64 << 10,
            fields: Fields::ALL.without(Fields::LIBRARIES),
            ..Self::default()
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 65_535,
            directory_bytes: 32 << 20,
            manifest_bytes: 8 << 20,
            resources_bytes: 16 << 20,
            signature_bytes: 2 << 20,
            inflated_bytes: 64 << 20,
            compressed_bytes: 16 << 20,
            string_bytes: 16 << 20,
            output_string_bytes: 64 << 10,
            identifier_bytes: 1_024,
            values: 4_096,
            depth: 64,
            hops: 20,
            chunks: 65_536,
            time: Duration::from_secs(2),
            head_bytes: 4 << 10,
            tail_bytes: 16 << 10,
            window_bytes: 512,
            whole_bytes: 512 << 10,
            fields: Fields::ALL,
        }
    }
}
