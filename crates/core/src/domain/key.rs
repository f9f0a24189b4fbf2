use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{App, Entity, Id, Kind, Organization, Timestamp, User};
use crate::authorize::{Person, Subject};
use crate::error::Result;
use crate::records::Claim;
use crate::secret::Digest;

/// An API key. Kept under the root organization, as it is found before its organization is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// Its public id: the part of its text before the dot, and the OAuth client id.
    pub key: String,
    /// Of its secret.
    pub digest: Digest,
    /// Whose it is.
    pub organization: Id<Organization>,
    /// The user it stands for. A key without one stands for itself, and may do what grants to it say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Id<User>>,
    /// The only app it is good for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<Id<App>>,
    /// The only vendor it is good for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// What people call it.
    pub name: String,
    /// The scopes it is narrowed to; `None` for all its subject's rights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<BTreeSet<String>>,
    /// How to call whoever uses it, when it stands for itself.
    #[serde(default)]
    pub person: Person,
    /// Until when it is good; `None` for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
}

impl ApiKey {
    /// What its public id is unique in.
    pub const SPACE: &'static str = "key";

    /// Whom it stands for: its owner, else itself.
    ///
    /// # Errors
    /// `Invalid` for a public id that cannot name a subject.
    pub fn subject(&self) -> Result<Subject> {
        self.owner.map_or_else(|| Subject::key(&self.key), |owner| Ok(owner.into()))
    }
}

impl Entity for ApiKey {
    const KIND: Kind = Kind::Key;
    const NAME: &'static str = "key";

    fn claims(&self) -> Vec<Claim> {
        vec![Claim::new(Self::SPACE, &self.key)]
    }
}
