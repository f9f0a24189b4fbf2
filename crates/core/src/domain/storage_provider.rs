use serde::{Deserialize, Serialize};

use super::{Entity, Kind};
use crate::records::Claim;
use crate::vault::Sealed;

/// A place outside the depot's own blobs where an organization keeps files that it may register without uploading
/// them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StorageProvider {
    /// What people call it; unique in the organization.
    pub name: String,
    /// Where it is.
    pub region: String,
    /// The bucket that clients must name.
    pub bucket: String,
    /// What is spoken there.
    #[serde(default)]
    pub service: StorageService,
    /// What it is opened with, sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Sealed>,
}

/// What a storage provider is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum StorageService {
    /// Whatever the embedder opened; no record says how.
    #[default]
    Embedded,
    /// A directory of the organization's own, below the one that the embedder allows.
    Directory,
    /// A service that speaks S3.
    S3 {
        /// Its address: one of those that the embedder allows.
        endpoint: String,
    },
}

impl StorageService {
    /// The word for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Directory => "directory",
            Self::S3 { .. } => "s3",
        }
    }
}

impl Entity for StorageProvider {
    const KIND: Kind = Kind::StorageProvider;
    const NAME: &'static str = "storage provider";

    fn claims(&self) -> Vec<Claim> {
        vec![Claim::new("name", &self.name)]
    }
}
