#![doc = include_str!("../README.md")]

mod blobs;
mod providers;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod records;
#[cfg(all(feature = "testing", unix))]
pub mod testing;

pub use blobs::OpendalBlobs;
#[cfg(feature = "s3")]
pub use blobs::S3Config;
pub use providers::OpendalProviders;
#[cfg(feature = "sqlite")]
pub use records::SqliteRecords;
#[cfg(feature = "postgres")]
pub use records::{PoolOptions, PostgresRecords};

/// What has happened to the bytes when a write is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Flushed to the device: file contents, the directory entries that lead to them, and the database's log.
    /// What was acknowledged survives a power loss.
    #[default]
    Full,
    /// Handed to the operating system, which flushes when it sees fit: what was acknowledged survives a killed
    /// process. A power loss may take the last seconds' directory entries and commits, each commit as a whole; a
    /// record whose blob went missing that way is possible.
    Os,
}
