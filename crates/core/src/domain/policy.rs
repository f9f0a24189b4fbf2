use serde::{Deserialize, Serialize};

use super::{Entity, Kind};
use crate::authorize::Subject;
use crate::records::Claim;

/// A condition on who may have the releases that name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// A number for those who cannot use the id; unique in the organization, and never given out again.
    pub number: u64,
    /// What people call it; never changes.
    pub name: String,
    /// The condition, in the language that the depot's evaluator understands.
    pub condition: String,
    /// Whether others may name it.
    pub shared: bool,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// Who wrote it, and may change it.
    pub author: Subject,
}

impl Entity for Policy {
    const KIND: Kind = Kind::Policy;
    const NAME: &'static str = "policy";

    fn claims(&self) -> Vec<Claim> {
        vec![Claim::new("number", self.number.to_string())]
    }
}
