use serde::{Deserialize, Serialize};

use super::{Asset, Entity, Id, Kind, Release};
use crate::records::Claim;

/// A text, a file or an address that goes with a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// With which release.
    pub release: Id<Release>,
    /// What people call it; unique among the release's documents.
    pub name: String,
    /// What it is about.
    pub topic: Topic,
    /// What [`Topic::Other`] is.
    #[serde(default)]
    pub other_topic: String,
    /// Free text.
    #[serde(default)]
    pub summary: String,
    /// What it says.
    pub body: DocumentBody,
}

/// What a document is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Topic {
    HowTo,
    Samples,
    PublicForum,
    SupportForum,
    MessageFormat,
    Definition,
    Other,
}

/// What a document says, or where that is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum DocumentBody {
    /// A text kept here; `None` until it is written.
    Inline {
        /// The text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// An address elsewhere. Never fetched by the server.
    Url {
        /// An `http` or `https` URL.
        url: String,
    },
    /// A file of ours; `None` until it is uploaded. It goes with the document.
    File {
        /// Which.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asset: Option<Id<Asset>>,
        /// What it is called.
        #[serde(default)]
        name: String,
    },
}

impl Document {
    /// Its file, if it has one.
    pub fn asset(&self) -> Option<Id<Asset>> {
        match &self.body {
            DocumentBody::File { asset, .. } => *asset,
            DocumentBody::Inline { .. } | DocumentBody::Url { .. } => None,
        }
    }
}

impl Entity for Document {
    const KIND: Kind = Kind::Document;
    const NAME: &'static str = "document";

    fn claims(&self) -> Vec<Claim> {
        vec![Claim::new("name", format!("{}/{}", self.release, self.name))]
    }
}
