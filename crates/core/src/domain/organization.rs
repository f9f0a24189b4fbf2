use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Entity, Id, Kind};
use crate::records::Claim;

/// A tenant. Kept under the root organization ([`Id::NIL`]); everything else is kept under a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Organization {
    /// Its address in URLs; unique over all organizations.
    pub slug: String,
    /// What people call it.
    pub name: String,
    /// The organization it is a part of. Given when it is made and never changed, so there are no circles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Id<Organization>>,
    /// The number given out last, by the name of the kind of record that has numbers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub numbers: BTreeMap<String, u64>,
}

impl Entity for Organization {
    const KIND: Kind = Kind::Organization;
    const NAME: &'static str = "organization";

    fn claims(&self) -> Vec<Claim> {
        vec![Claim::new("slug", &self.slug)]
    }
}
