use serde::{Deserialize, Serialize};

use super::{Entity, Kind};
use crate::records::Claim;

/// A person or department that answers for apps.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BusinessOwner {
    /// A number for those who cannot use the id; unique in the organization, and never given out again.
    pub number: u64,
    /// What people call it; unique together with the address.
    pub name: String,
    /// E-mail address.
    pub email: String,
    /// Free text.
    pub description: String,
    /// Its page.
    pub site: String,
    /// What else is said of it.
    pub properties: Vec<OwnerProperty>,
}

/// Something said of a business owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerProperty {
    /// What.
    pub key: String,
    /// How it is.
    pub value: String,
    /// Whether people are shown it.
    pub visible: bool,
}

impl Entity for BusinessOwner {
    const KIND: Kind = Kind::BusinessOwner;
    const NAME: &'static str = "business owner";

    fn claims(&self) -> Vec<Claim> {
        vec![
            Claim::new("number", self.number.to_string()),
            Claim::new("name", format!("{}\n{}", self.name, self.email)),
        ]
    }
}
