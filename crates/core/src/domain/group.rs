use serde::{Deserialize, Serialize};

use super::{Entity, Kind};
use crate::authorize::Subject;
use crate::records::Claim;

/// A named set of users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// What people call it; unique in the organization.
    pub name: String,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// Who is in it.
    #[serde(default)]
    pub members: Vec<Subject>,
}

impl Group {
    /// Adds and removes members; who is named in both goes.
    pub fn change_members(&mut self, add: &[Subject], remove: &[Subject]) {
        self.members.retain(|member| !remove.contains(member));
        for subject in add.iter().filter(|subject| !remove.contains(subject)) {
            if !self.members.contains(subject) {
                self.members.push(subject.clone());
            }
        }
    }
}

impl Entity for Group {
    const KIND: Kind = Kind::Group;
    const NAME: &'static str = "group";

    fn claims(&self) -> Vec<Claim> {
        vec![Claim::new("name", &self.name)]
    }
}
