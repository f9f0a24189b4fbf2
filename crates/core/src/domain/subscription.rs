use serde::{Deserialize, Serialize};

use super::{App, Entity, Id, Kind, Release, Timestamp};
use crate::authorize::Subject;
use crate::records::Claim;

/// Somebody's wish to have a release, and their leave to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// Which release.
    pub release: Id<Release>,
    /// Of which app.
    pub app: Id<App>,
    /// Who.
    pub subject: Subject,
    /// Since when.
    pub since: Timestamp,
}

impl Entity for Subscription {
    const KIND: Kind = Kind::Subscription;
    const NAME: &'static str = "subscription";

    fn claims(&self) -> Vec<Claim> {
        vec![Claim::new("subscriber", format!("{}/{}", self.release, self.subject))]
    }
}

/// What one person thinks of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Of which release.
    pub release: Id<Release>,
    /// Who thinks so.
    pub subject: Subject,
    /// 1 to 5.
    pub stars: u8,
}

impl Entity for Review {
    const KIND: Kind = Kind::Review;
    const NAME: &'static str = "review";

    fn claims(&self) -> Vec<Claim> {
        vec![Claim::new("reviewer", format!("{}/{}", self.release, self.subject))]
    }
}
