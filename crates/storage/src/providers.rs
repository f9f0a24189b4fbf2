//! Organizations' storage providers on OpenDAL.

#[cfg(feature = "fs")]
use std::path::PathBuf;
use std::sync::Arc;

use appdepot_core::blobs::BlobStore;
use appdepot_core::domain::{Id, Organization, StorageProvider, StorageService};
use appdepot_core::storage_factory::{Credentials, StorageFactory};
use appdepot_core::{Error, ErrorKind, Result};

use crate::OpendalBlobs;

/// Opens the storage providers that it is allowed to. A new one opens nothing.
///
/// # Examples
///
/// ```
/// use appdepot_storage::OpendalProviders;
/// let providers = OpendalProviders::new();
/// # #[cfg(feature = "fs")]
/// let providers = providers.directory("/srv/depot/providers");
/// # #[cfg(feature = "s3")]
/// let providers = providers.endpoint("https://s3.eu-west-1.amazonaws.com");
/// ```
#[derive(Debug, Clone, Default)]
pub struct OpendalProviders {
    #[cfg(feature = "fs")]
    root: Option<PathBuf>,
    #[cfg(feature = "s3")]
    endpoints: Vec<String>,
}

impl OpendalProviders {
    /// Opens nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows directories below `root`. A bucket is `root/ORGANIZATION/BUCKET`, so none is another organization's.
    ///
    /// # Behavior
    /// - Symbolic links in it are followed, so nobody may write there whom the host does not trust.
    #[cfg(feature = "fs")]
    #[must_use]
    pub fn directory(mut self, root: impl Into<PathBuf>) -> Self {
        self.root = Some(root.into());
        self
    }

    /// Allows S3 services at this address, spelled just so. May be called several times.
    #[cfg(feature = "s3")]
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoints.push(url.into());
        self
    }

    #[cfg(feature = "fs")]
    fn open_directory(&self, organization: Id<Organization>, bucket: &str) -> Result<OpendalBlobs> {
        let Some(root) = &self.root else { return Err(not_here(&StorageService::Directory)) };
        // The core allows no such bucket; a path is worth a second look.
        if bucket.is_empty() || bucket.starts_with('.') || bucket.contains(['/', '\\']) {
            return Err(Error::invalid("bucket", "not the name of a directory"));
        }
        let path = root.join(organization.to_string()).join(bucket);
        OpendalBlobs::directory(path, crate::Durability::Os)
    }

    #[cfg(feature = "s3")]
    fn open_s3(
        &self,
        endpoint: &str,
        provider: &StorageProvider,
        credentials: Option<&Credentials>,
    ) -> Result<OpendalBlobs> {
        if !self.endpoints.iter().any(|allowed| allowed == endpoint) {
            return Err(Error::invalid("endpoint", "not one of those that are allowed here"));
        }
        // OpenDAL takes a bucket's name out of a host name that starts with it, which would make it another host.
        if endpoint.contains(&format!("//{}.", provider.bucket)) {
            return Err(Error::invalid("bucket", "the endpoint starts with it"));
        }
        if provider.region.is_empty() {
            return Err(Error::invalid("region", "is required"));
        }
        let credentials = credentials.ok_or_else(|| Error::invalid("accessKeyId", "is required"))?;
        OpendalBlobs::s3(crate::S3Config {
            bucket: provider.bucket.clone(),
            endpoint: Some(endpoint.to_owned()),
            region: Some(provider.region.clone()),
            credentials: Some(credentials.clone()),
            ..Default::default()
        })
    }
}

impl StorageFactory for OpendalProviders {
    fn open(
        &self,
        organization: Id<Organization>,
        provider: &StorageProvider,
        credentials: Option<&Credentials>,
    ) -> Result<Arc<dyn BlobStore>> {
        let _ = (organization, credentials);
        let opened: OpendalBlobs = match &provider.service {
            #[cfg(feature = "fs")]
            StorageService::Directory => self.open_directory(organization, &provider.bucket)?,
            #[cfg(feature = "s3")]
            StorageService::S3 { endpoint } => self.open_s3(endpoint, provider, credentials)?,
            other => return Err(not_here(other)),
        };
        Ok(Arc::new(opened))
    }
}

fn not_here(service: &StorageService) -> Error {
    Error::new(ErrorKind::Unsupported, format!("no {} storage is opened here", service.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(bucket: &str, service: StorageService) -> StorageProvider {
        StorageProvider {
            name: "edge".to_owned(),
            region: "eu-west-1".to_owned(),
            bucket: bucket.to_owned(),
            service,
            credentials: None,
        }
    }

    #[test]
    fn nothing_is_opened_unless_it_is_allowed() {
        for service in [
            StorageService::Embedded,
            StorageService::Directory,
            StorageService::S3 { endpoint: "http://169.254.169.254".to_owned() },
        ] {
            let error =
                OpendalProviders::new().open(Id::generate(), &provider("edge", service.clone()), None);
            let kind = error.unwrap_err().kind();
            assert!(matches!(kind, ErrorKind::Unsupported | ErrorKind::Invalid), "{service:?}: {kind:?}");
        }
    }

    #[cfg(feature = "fs")]
    #[test]
    fn a_directory_is_the_organizations_own() {
        let folder = tempfile::tempdir().unwrap();
        let providers = OpendalProviders::new().directory(folder.path());
        let acme = Id::generate();
        providers.open(acme, &provider("edge", StorageService::Directory), None).unwrap();
        assert!(folder.path().join(acme.to_string()).join("edge").is_dir());
        for bucket in ["", "..", ".", "../edge", "/etc", "a/b", "a\\b"] {
            let provider = provider(bucket, StorageService::Directory);
            assert!(providers.open(acme, &provider, None).is_err(), "{bucket:?}");
        }
    }

    #[cfg(feature = "s3")]
    #[tokio::test]
    async fn a_service_is_one_of_those_allowed() {
        let providers = OpendalProviders::new().endpoint("https://s3.example.org");
        let key = Credentials { id: "AKIAEXAMPLE".to_owned(), secret: "s3cr3t".to_owned() };
        let at = |bucket: &str, endpoint: &str| {
            let provider = provider(bucket, StorageService::S3 { endpoint: endpoint.to_owned() });
            providers.open(Id::generate(), &provider, Some(&key))
        };
        let opened = at("edge", "https://s3.example.org").unwrap();
        assert!(!format!("{opened:?}").contains("s3cr3t"));
        for (bucket, endpoint) in [
            ("s3", "https://s3.example.org"),
            ("edge", "https://s3.example.org.evil.example"),
            ("edge", "https://s3.example.org@evil.example"),
            ("edge", "http://169.254.169.254"),
            ("edge", ""),
        ] {
            assert!(at(bucket, endpoint).is_err(), "{bucket} {endpoint}");
        }
    }
}
