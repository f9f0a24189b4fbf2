//! What other tenants share.

use super::Condition;
use crate::domain::{Id, Organization};
use crate::records::Record;

/// Records of other organizations that a query finds as well. Made by the core alone: whoever writes a query cannot
/// reach for what is not theirs.
#[derive(Debug, Clone)]
pub struct Shared {
    organizations: Vec<Id<Organization>>,
    condition: Condition,
}

impl Shared {
    /// The records of `organizations` for which `condition` holds.
    pub(crate) fn new(organizations: Vec<Id<Organization>>, condition: Condition) -> Self {
        Self { organizations, condition }
    }

    /// Whose.
    pub fn organizations(&self) -> &[Id<Organization>] {
        &self.organizations
    }

    /// Which of theirs.
    pub fn condition(&self) -> &Condition {
        &self.condition
    }

    /// Whether `record` is one of these.
    pub fn matches(&self, record: &Record) -> bool {
        self.organizations.contains(&record.organization) && self.condition.matches(record)
    }
}
