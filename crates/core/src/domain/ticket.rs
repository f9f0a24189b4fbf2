use serde::{Deserialize, Serialize};

use super::{Asset, Entity, Id, Kind, Listing, Release, Timestamp};
use crate::authorize::{Origin, Subject};
use crate::records::Claim;

/// Leave to fetch one release's files until a time. Its token is kept only as a digest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ticket {
    /// SHA-256 of the token, hexadecimal.
    pub digest: String,
    /// Which release.
    pub release: Id<Release>,
    /// Its package.
    pub asset: Id<Asset>,
    /// Made for an installation from a store: good only while the release is published or deprecated.
    pub install: bool,
    /// By which listing they were let in; good only while that one lets anybody in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listing: Option<Id<Listing>>,
    /// For whom it was made.
    pub subject: Subject,
    /// From where it was asked for.
    #[serde(default)]
    pub origin: Origin,
    /// When the first byte of the package went out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// Until when it is good. The first byte moves it, so that what was begun can be finished.
    pub expires_at: Timestamp,
}

impl Entity for Ticket {
    const KIND: Kind = Kind::Ticket;
    const NAME: &'static str = "ticket";

    fn claims(&self) -> Vec<Claim> {
        vec![Claim::new("digest", &self.digest)]
    }
}
