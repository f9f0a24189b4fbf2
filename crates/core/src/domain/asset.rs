use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{App, Entity, Id, Kind, Release, StorageProvider};
use crate::authorize::Person;
use crate::inspect::Inspection;
use crate::records::Claim;

/// One stored file, or a link, and what was learnt from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asset {
    /// What people call it.
    pub name: String,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// An id that the client chose; unique among the organization's assets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Who may fetch the bytes.
    pub access: Access,
    /// The file or link.
    pub content: Content,
    /// What sort of thing it is.
    pub class: AssetClass,
    /// What it belongs to, in the words of other systems.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
    /// The part of the organization it belongs to; 0 is all of it.
    #[serde(default)]
    pub segment: u64,
    /// Whether child organizations see it.
    #[serde(default)]
    pub expose_to_children: bool,
    /// Attributes that clients keep here; never interpreted.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Extra,
    /// The vendor within the organization that it belongs to: whoever added it worked for that one only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// Who added it.
    pub uploaded_by: Person,
    /// The app it was sent for: rights on that app are enough then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<Id<App>>,
    /// The release (or the build that is to become it) this is the package, the icon or an attached file of. Such an
    /// asset goes when its release goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Id<Release>>,
}

/// Attributes by name.
pub type Extra = Map<String, Value>;

/// Who may fetch an asset's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Anyone with the address.
    Public,
    /// Whoever may see the asset.
    Private,
}

/// The bytes, or where they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Content {
    /// A file of ours or in the organization's storage provider.
    File(Box<File>),
    /// An address elsewhere. Never fetched by the server.
    Link {
        /// An `http` or `https` URL.
        url: String,
    },
}

/// A file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct File {
    /// Where its bytes are.
    pub location: Location,
    /// Length in bytes.
    pub length: u64,
    /// SHA-256 of the bytes, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// The name it came with; only for showing.
    pub file_name: String,
    /// The lower-case extension of that name, without the dot; may be empty.
    pub extension: String,
    /// The media type it came with or that its extension stands for.
    pub media_type: String,
    /// What was learnt from its content.
    pub inspection: Inspection,
}

/// Where a file's bytes are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Location {
    /// In the depot's own blob store.
    Blob(Id<Blob>),
    /// In a storage provider of the organization; not ours to delete.
    Provider {
        /// Which.
        provider: Id<StorageProvider>,
        /// Under which key.
        key: String,
    },
}

/// What sort of thing an asset is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum AssetClass {
    App,
    Book,
    Image,
    Script,
    Other,
    Certificate,
}

/// What an asset belongs to in another system.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reference {
    /// The other thing's type, in its system's words.
    #[serde(rename = "type")]
    pub kind: String,
    /// The other thing's id.
    pub id: String,
}

impl Entity for Asset {
    const KIND: Kind = Kind::Asset;
    const NAME: &'static str = "asset";

    fn claims(&self) -> Vec<Claim> {
        self.alias.iter().map(|alias| Claim::new("alias", alias)).collect()
    }
}

impl Asset {
    /// The file, unless this is a link.
    pub fn file(&self) -> Option<&File> {
        match &self.content {
            Content::File(file) => Some(file),
            Content::Link { .. } => None,
        }
    }

    /// The blob of ours that holds the bytes, if one does.
    pub fn blob(&self) -> Option<Id<Blob>> {
        match self.file().map(|file| &file.location) {
            Some(Location::Blob(blob)) => Some(*blob),
            _ => None,
        }
    }
}

/// The life of one blob of ours. No blob lies in the store without one of these, whatever crashes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Blob {
    /// Where it stands.
    pub state: BlobState,
    /// The asset it is for.
    pub asset: Id<Asset>,
}

/// Where a blob stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BlobState {
    /// Announced; its bytes may be there in part. Swept when older than the upload deadline.
    Pending,
    /// Its bytes are there and an asset points at it.
    Ready,
    /// No asset points at it any more; its bytes are to go.
    Doomed,
}

impl BlobState {
    /// The stable word, as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Ready => "ready",
            Self::Doomed => "doomed",
        }
    }
}

impl Entity for Blob {
    const KIND: Kind = Kind::Blob;
    const NAME: &'static str = "blob";
}
