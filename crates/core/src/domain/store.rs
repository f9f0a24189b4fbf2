use serde::{Deserialize, Serialize};

use super::{Entity, Kind};
use crate::records::Claim;

/// A shop window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Store {
    /// What people call it.
    pub name: String,
    /// Its address in URLs; unique in the organization.
    pub slug: String,
}

impl Entity for Store {
    const KIND: Kind = Kind::Store;
    const NAME: &'static str = "store";

    fn claims(&self) -> Vec<Claim> {
        vec![Claim::new("slug", &self.slug)]
    }
}
