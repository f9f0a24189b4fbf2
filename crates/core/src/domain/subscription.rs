use serde::{Deserialize, Serialize};

use super::{App, Entity, Id, Kind, Release, Timestamp};
use crate::authorize::{Person, Subject};
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
    /// How to call them.
    #[serde(default)]
    pub person: Person,
    /// Since when.
    pub since: Timestamp,
}

impl Subscription {
    /// What people call the subscriber: the address of a person, the name of a key.
    pub fn name(&self) -> String {
        self.subject.shown(&self.person)
    }
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
