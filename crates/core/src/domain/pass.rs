use serde::{Deserialize, Serialize};

use super::{Entity, Id, Kind, Listing, Timestamp};
use crate::records::Claim;
use crate::secret::Digest;

/// That somebody gave the password of a publication. Its text is kept only as a digest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pass {
    /// Of its secret.
    pub digest: Digest,
    /// Of which publication.
    pub listing: Id<Listing>,
    /// Of what the password that was given is checked against: another password ends it.
    pub password: Digest,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

impl Pass {
    /// What digests are unique in.
    pub const SPACE: &'static str = "digest";
}

impl Entity for Pass {
    const KIND: Kind = Kind::Pass;
    const NAME: &'static str = "pass";

    fn claims(&self) -> Vec<Claim> {
        vec![Claim::new(Self::SPACE, self.digest.to_string())]
    }
}
