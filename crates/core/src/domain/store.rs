use serde::{Deserialize, Serialize};

use super::{Asset, AuthPolicy, Entity, Id, Kind};
use crate::records::Claim;

/// A shop window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Store {
    /// What people call it.
    pub name: String,
    /// Its address in URLs; unique in the organization.
    pub slug: String,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// Where people find help: an e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// The colour of its pages: six lower-case hexadecimal digits, red first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    /// Its picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon: Option<Id<Asset>>,
    /// How people sign in to it; nobody can when there are none.
    #[serde(default)]
    pub policies: Vec<Id<AuthPolicy>>,
}

impl Entity for Store {
    const KIND: Kind = Kind::Store;
    const NAME: &'static str = "store";

    fn claims(&self) -> Vec<Claim> {
        vec![Claim::new("slug", &self.slug)]
    }
}
