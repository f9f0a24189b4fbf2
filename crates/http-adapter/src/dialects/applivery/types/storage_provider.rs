//! Storage providers on the wire.

use appdepot_core::depot::{NewStorageProvider, StorageProviderChange};
use appdepot_core::domain::{StorageProvider, StorageService, Stored};
use appdepot_core::storage_factory::Credentials;
use serde::Serialize;
use serde_json::Value;

use super::super::fault::Fault;
use super::{Fields, SHORT_LIMIT, TEXT_LIMIT, Wrong};

/// What stands for a secret; sent back, it leaves the secret as it is.
const MASK: &str = "********";
/// The values of `provider` that are made by clients.
const SERVICES: [&str; 2] = ["s3", "directory"];

/// A storage provider of an answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StorageProviderShown {
    id: String,
    organization: String,
    name: String,
    provider: &'static str,
    region: String,
    config: StorageConfig,
    created_at: String,
    updated_at: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StorageConfig {
    bucket: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key_id: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_access_key: Option<&'static str>,
}

impl StorageProviderShown {
    pub(crate) fn of(stored: &Stored<StorageProvider>) -> Self {
        let masked = stored.credentials.as_ref().map(|_| MASK);
        let endpoint = match &stored.service {
            StorageService::S3 { endpoint } => Some(endpoint.clone()),
            _ => None,
        };
        Self {
            id: stored.id.to_string(),
            organization: stored.organization.to_string(),
            name: stored.name.clone(),
            provider: stored.service.as_str(),
            region: stored.region.clone(),
            config: StorageConfig {
                bucket: stored.bucket.clone(),
                endpoint,
                access_key_id: masked,
                secret_access_key: masked,
            },
            created_at: stored.created_at.to_string(),
            updated_at: stored.updated_at.to_string(),
        }
    }
}

/// What is said of a storage provider.
pub(crate) struct StorageProviderSaid(StorageProviderChange);

impl StorageProviderSaid {
    pub(crate) fn read(body: &Value) -> Result<Self, Fault> {
        let mut wrong = Wrong::default();
        let root = Fields::root(body)?;
        let name = root.text(&mut wrong, "name", SHORT_LIMIT);
        let region = root.text(&mut wrong, "region", SHORT_LIMIT);
        let provider = root.text(&mut wrong, "provider", SHORT_LIMIT);
        let config = root.object(&mut wrong, "config", "config.");
        let mut text = |name| config.as_ref().and_then(|config| config.text(&mut wrong, name, TEXT_LIMIT));
        let (bucket, endpoint) = (text("bucket"), text("endpoint"));
        let said = |text: &String| text != MASK;
        let id = text("accessKeyId").filter(said);
        let secret = text("secretAccessKey").filter(said);
        let service = match (provider.as_deref(), endpoint) {
            (Some("s3") | None, Some(endpoint)) => Some(StorageService::S3 { endpoint }),
            (Some("directory"), None) => Some(StorageService::Directory),
            (None, None) => None,
            (Some("s3"), None) => {
                wrong.add("config.endpoint", "is required");
                None
            }
            (Some("directory"), Some(_)) => {
                wrong.add("config.endpoint", "a directory has none");
                None
            }
            (Some(_), _) => {
                wrong.one_of("provider", &SERVICES);
                None
            }
        };
        let credentials = match (id, secret) {
            (Some(id), Some(secret)) => Some(Credentials { id, secret }),
            (None, None) => None,
            _ => {
                wrong.add("config.accessKeyId", "goes together with config.secretAccessKey");
                None
            }
        };
        wrong.into_result(Self(StorageProviderChange { name, region, bucket, service, credentials }))
    }

    /// For a new one, in which more has to be said.
    pub(crate) fn into_new(self) -> Result<NewStorageProvider, Fault> {
        let StorageProviderChange { name, region, bucket, service, credentials } = self.0;
        let mut wrong = Wrong::default();
        for (field, missing) in
            [("name", name.is_none()), ("provider", service.is_none()), ("config.bucket", bucket.is_none())]
        {
            if missing {
                wrong.add(field, "is required");
            }
        }
        wrong.into_result(NewStorageProvider {
            name: name.unwrap_or_default(),
            region: region.unwrap_or_default(),
            bucket: bucket.unwrap_or_default(),
            service: service.unwrap_or_default(),
            credentials,
        })
    }

    pub(crate) fn into_change(self) -> StorageProviderChange {
        self.0
    }
}
