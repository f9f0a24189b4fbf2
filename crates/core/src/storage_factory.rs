//! The factory port: storage providers become blob stores.

use std::fmt;
use std::sync::Arc;

use crate::blobs::BlobStore;
use crate::domain::{Id, Organization, StorageProvider, check_text};
use crate::error::{Error, Result};

/// Opens storage providers.
pub trait StorageFactory: fmt::Debug + Send + Sync + 'static {
    /// The objects of a provider that is `organization`'s.
    ///
    /// # Behavior
    /// - Asks nobody: a service that does not answer is found out when an object is asked for.
    /// - Opens only what the embedder allows, whatever the provider says: an address of its list, and no directory
    ///   but one of this organization alone. The credentials are these or none, never the host's.
    ///
    /// # Errors
    /// `Invalid` for what is not allowed or not complete; `Unsupported` for a service it does not know.
    fn open(
        &self,
        organization: Id<Organization>,
        provider: &StorageProvider,
        credentials: Option<&Credentials>,
    ) -> Result<Arc<dyn BlobStore>>;
}

/// What a service knows a client by.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The public part: an access key's id. 1 to 256 visible ASCII characters.
    pub id: String,
    /// The secret part, with the same bounds.
    pub secret: String,
}

impl Credentials {
    pub(crate) fn check(&self) -> Result<()> {
        for (field, text) in [("accessKeyId", &self.id), ("secretAccessKey", &self.secret)] {
            check_text(field, text, 256)?;
            if !text.bytes().all(|c| c.is_ascii_graphic()) {
                return Err(Error::invalid(field, "only visible ASCII characters"));
            }
        }
        Ok(())
    }

    /// One text of both; neither part has a line break.
    pub(crate) fn to_text(&self) -> String {
        format!("{}\n{}", self.id, self.secret)
    }

    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let (id, secret) = text.split_once('\n')?;
        Some(Self { id: id.to_owned(), secret: secret.to_owned() })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}
