use serde::{Deserialize, Serialize};

use super::{Extra, Id, Kind, Organization, Timestamp};
use crate::authorize::Origin;
use crate::error::{Error, Result};

/// Something that happened. Committed with the change it tells of; never altered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Its place in the organization's history: 1, 2, 3, … without gaps, in commit order.
    pub sequence: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: NewEvent,
}

/// An event before it has its place in the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewEvent {
    /// In which organization.
    pub organization: Id<Organization>,
    /// When, by the clock of whoever wrote it. The sequence orders, not this.
    pub at: Timestamp,
    /// Who did it: a subject.
    pub actor: String,
    /// What was done: `asset.create`, `release.publish`, ….
    pub action: String,
    /// To which kind of record.
    pub kind: Kind,
    /// To which record.
    pub subject: Id<()>,
    /// The state before, for lifecycle steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The state after, for lifecycle steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// From where.
    #[serde(default)]
    pub origin: Origin,
    /// More, by name.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub detail: Extra,
}

/// Which events of one organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventFilter {
    /// The tenant.
    pub organization: Id<Organization>,
    /// Only events after this sequence number (before it when `newest_first`); 0 for no bound.
    pub after: u64,
    /// Only those of this record.
    pub subject: Option<Id<()>>,
    /// Only those of this action.
    pub action: Option<String>,
    /// Only those of this actor.
    pub actor: Option<String>,
    /// Descending.
    pub newest_first: bool,
    /// At most this many, 1 to 1000.
    pub limit: u32,
}

impl EventFilter {
    /// The organization's first 100 events.
    pub fn of(organization: Id<Organization>) -> Self {
        Self {
            organization,
            after: 0,
            subject: None,
            action: None,
            actor: None,
            newest_first: false,
            limit: 100,
        }
    }

    /// Only events of this record.
    #[must_use]
    pub fn about<K>(mut self, subject: Id<K>) -> Self {
        self.subject = Some(subject.cast());
        self
    }

    /// Checks the limit; every store calls it first.
    ///
    /// # Errors
    /// `Invalid` unless it is 1 to 1000.
    pub fn check(&self) -> Result<()> {
        if (1..=1_000).contains(&self.limit) { Ok(()) } else { Err(Error::invalid("limit", "1 to 1000")) }
    }

    /// Whether `event` is asked for. The definition that SQL stores must agree with.
    pub fn matches(&self, event: &Event) -> bool {
        let new = &event.event;
        let beyond = match (self.after, self.newest_first) {
            (0, _) => true,
            (after, false) => event.sequence > after,
            (after, true) => event.sequence < after,
        };
        beyond
            && new.organization == self.organization
            && self.subject.is_none_or(|subject| subject == new.subject)
            && self.action.as_ref().is_none_or(|action| *action == new.action)
            && self.actor.as_ref().is_none_or(|actor| *actor == new.actor)
    }
}
