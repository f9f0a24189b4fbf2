//! The documented shapes.

use appdepot_core::domain::{Access, Asset, Content, Extra, Reference, Stored};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// `type` of an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum AssetType {
    Blob,
    Link,
}

/// `access` of an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum AccessWord {
    Public,
    Private,
}

/// What clients send about an asset. Which members are needed differs by operation; members that only the server
/// sets are passed over, because clients send back what they read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AssetBody {
    pub(super) id: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: Option<AssetType>,
    pub(super) access: Option<AccessWord>,
    pub(super) url: Option<String>,
    pub(super) ref_ids: Option<Vec<RefId>>,
    pub(super) details: Option<DetailsBody>,
    pub(super) mixins: Option<Map<String, Value>>,
    pub(super) metadata: Option<MetadataBody>,
}

/// `details` of a request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DetailsBody {
    pub(super) filename: Option<String>,
    pub(super) mime_type: Option<String>,
}

/// `metadata` of a request.
#[derive(Debug, Default, Deserialize)]
pub(super) struct MetadataBody {
    pub(super) version: Option<u64>,
    pub(super) mixins: Option<Map<String, Value>>,
}

/// What an asset belongs to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RefId {
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
}

/// An asset as clients see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AssetView {
    id: String,
    #[serde(rename = "type")]
    kind: AssetType,
    access: AccessWord,
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    vendor_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<DetailsView>,
    ref_ids: Vec<RefId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mixins: Option<Value>,
    metadata: MetadataView,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DetailsView {
    filename: String,
    mime_type: String,
    bytes: u64,
    etag: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MetadataView {
    created_at: String,
    modified_at: String,
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    mixins: Option<Value>,
}

/// The answer to a creation.
#[derive(Debug, Serialize)]
pub(super) struct Created {
    pub(super) id: String,
}

/// The answer to a request for a token.
#[derive(Serialize)]
pub(super) struct TokenView {
    pub(super) access_token: String,
    pub(super) token_type: &'static str,
    pub(super) expires_in: u64,
    pub(super) session_idle_time: u64,
    pub(super) refresh_token: &'static str,
    pub(super) refresh_token_expires_in: u64,
    pub(super) scope: String,
}

/// Under which attribute of an asset its `mixins` are kept.
pub(super) const MIXINS: &str = "mixins";
/// Under which attribute of an asset its `metadata.mixins`, the schemas of its mixins, are kept.
pub(super) const MIXIN_SCHEMAS: &str = "mixinSchemas";

/// The id that clients know an asset by.
pub(super) fn id_of(asset: &Stored<Asset>) -> String {
    asset.alias.clone().unwrap_or_else(|| asset.id.to_string())
}

impl AssetType {
    /// The type of what is kept.
    pub(super) fn of(content: &Content) -> Self {
        match content {
            Content::File(_) => Self::Blob,
            Content::Link { .. } => Self::Link,
        }
    }
}

impl From<AccessWord> for Access {
    fn from(word: AccessWord) -> Self {
        match word {
            AccessWord::Public => Self::Public,
            AccessWord::Private => Self::Private,
        }
    }
}

impl From<Access> for AccessWord {
    fn from(access: Access) -> Self {
        match access {
            Access::Public => Self::Public,
            Access::Private => Self::Private,
        }
    }
}

impl From<RefId> for Reference {
    fn from(reference: RefId) -> Self {
        Self { kind: reference.kind, id: reference.id }
    }
}

impl AssetBody {
    /// The mixins with their schemas, put over `kept`. With `merge`, what the body leaves out stays.
    pub(super) fn extra(&mut self, mut kept: Extra, merge: bool) -> Extra {
        let schemas = self.metadata.as_mut().and_then(|metadata| metadata.mixins.take());
        for (name, sent) in [(MIXINS, self.mixins.take()), (MIXIN_SCHEMAS, schemas)] {
            match sent {
                Some(sent) if !sent.is_empty() => {
                    kept.insert(name.to_owned(), Value::Object(sent));
                }
                None if merge => {}
                _ => {
                    kept.remove(name);
                }
            }
        }
        kept
    }
}

impl AssetView {
    /// `asset`, with addresses below `base`, which is the tenant's.
    pub(super) fn new(asset: &Stored<Asset>, base: &str) -> Self {
        let id = id_of(asset);
        let (url, details) = match &asset.content {
            Content::Link { url } => (url.clone(), None),
            Content::File(file) => {
                let url = match asset.access {
                    Access::Public => public_url(base, &id),
                    Access::Private => format!("{base}/assets/{id}/download"),
                };
                let details = DetailsView {
                    filename: file.file_name.clone(),
                    mime_type: file.media_type.clone(),
                    bytes: file.length,
                    etag: file.sha256.clone(),
                };
                (url, Some(details))
            }
        };
        let ref_ids = asset
            .references
            .iter()
            .map(|reference| RefId { id: reference.id.clone(), kind: reference.kind.clone() })
            .collect();
        Self {
            id,
            kind: AssetType::of(&asset.content),
            access: asset.access.into(),
            url,
            vendor_id: asset.vendor.clone(),
            details,
            ref_ids,
            mixins: asset.extra.get(MIXINS).cloned(),
            metadata: MetadataView {
                created_at: asset.created_at.to_string(),
                modified_at: asset.updated_at.to_string(),
                version: asset.revision,
                mixins: asset.extra.get(MIXIN_SCHEMAS).cloned(),
            },
        }
    }
}

/// Where anyone can fetch a public file.
pub(super) fn public_url(base: &str, id: &str) -> String {
    format!("{base}/public/{id}")
}
