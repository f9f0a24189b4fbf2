use serde::{Deserialize, Serialize};

use super::{AuthPolicy, Entity, Id, Kind, Timestamp, User};
use crate::authorize::Origin;
use crate::records::Claim;
use crate::secret::Digest;

/// A user who signed in, until they sign out, are silent for too long, or it ends. Its text is kept only as a digest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Of its secret.
    pub digest: Digest,
    /// Who signed in.
    pub user: Id<User>,
    /// The user's generation then.
    pub generation: u64,
    /// By which way they signed in to a store; `None` when it was to the organization itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Id<AuthPolicy>>,
    /// From where.
    #[serde(default)]
    pub origin: Origin,
    /// When it was last used, to the minute.
    pub used_at: Timestamp,
    /// When it ends, however much it is used.
    pub expires_at: Timestamp,
}

impl Session {
    /// What digests are unique in.
    pub const SPACE: &'static str = "digest";
}

impl Entity for Session {
    const KIND: Kind = Kind::Session;
    const NAME: &'static str = "session";

    fn claims(&self) -> Vec<Claim> {
        vec![Claim::new(Self::SPACE, self.digest.to_string())]
    }
}
