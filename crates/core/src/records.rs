//! The record port: JSON documents with revisions and unique claims, and the events that tell their history.

use std::collections::BTreeSet;
use std::fmt;

use async_trait::async_trait;
use serde_json::Value as Json;

use crate::domain::{
    Event, EventFilter, Id, Kind, NewEvent, Organization, PolicyVersion, Revision, Stored, Timestamp,
};
use crate::error::Result;
use crate::query::{Page, Query};

/// Keeps records and events.
///
/// A store may refuse as `Invalid` what not every database can keep: a text with a NUL character, a claim or a
/// declared text of more than 2,000 bytes, a revision beyond 2^63. The depot makes none of these.
#[async_trait]
pub trait RecordStore: fmt::Debug + Send + Sync + 'static {
    /// The record under `key`, or `None`.
    ///
    /// # Behavior
    /// - Reads what was last committed, also by this caller.
    /// - A record of another organization is `None`.
    async fn get(&self, key: &Key) -> Result<Option<Record>>;

    /// The records that `query` describes.
    ///
    /// # Behavior
    /// - Agrees with [`Query::matches`] and [`Query::compare`].
    /// - `total` counts all matches, only when asked for.
    /// - `next` is present when there may be more; following it visits every record that was there throughout
    ///   exactly once.
    /// - `Invalid` for a query that fails [`Query::check`] or a cursor that is not one of this query's.
    async fn list(&self, query: &Query) -> Result<Page<Record>>;

    /// Makes all changes of `batch`, and appends its events, or does nothing.
    ///
    /// # Behavior
    /// - `Conflict(Stale)` when an expectation does not hold, `Conflict(Taken)` when a claim belongs to another
    ///   record; nothing has happened then.
    /// - Claims of a record replace those it had; a deleted record gives its claims up.
    /// - Events get the organization's next sequence numbers, without gaps, in commit order.
    /// - After any other error the outcome is unknown; a caller finds out by reading back
    ///   ([`Record::batch`]).
    async fn commit(&self, batch: Batch) -> Result<()>;

    /// Events of one organization.
    ///
    /// # Behavior
    /// - By sequence, ascending unless `newest_first`.
    /// - `Invalid` for a filter that fails [`EventFilter::check`].
    async fn events(&self, filter: &EventFilter) -> Result<Vec<Event>>;
}

/// How a record is addressed. Always within one organization.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// By identity.
    Id {
        /// Its tenant.
        organization: Id<Organization>,
        /// Its kind.
        kind: Kind,
        /// Its id.
        id: Id<()>,
    },
    /// By a unique claim.
    Claim {
        /// Its tenant.
        organization: Id<Organization>,
        /// Its kind.
        kind: Kind,
        /// What is unique.
        claim: Claim,
    },
}

/// A unique key of a record, such as its slug. Unique per organization, kind and space.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Claim {
    /// What is unique: `slug`, `alias`, ….
    pub space: &'static str,
    /// The value.
    pub value: String,
}

impl Claim {
    /// A claim on `value` in `space`.
    pub fn new(space: &'static str, value: impl Into<String>) -> Self {
        Self { space, value: value.into() }
    }
}

/// A record as stores keep it.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// What it is.
    pub kind: Kind,
    /// Its tenant.
    pub organization: Id<Organization>,
    /// Its identity.
    pub id: Id<()>,
    /// How often it was written.
    pub revision: Revision,
    /// When it was first written.
    pub created_at: Timestamp,
    /// When it was last written.
    pub updated_at: Timestamp,
    /// The batch that wrote this revision; tells a caller whether its own commit took effect.
    pub batch: Id<Batch>,
    /// The version of the JSON form.
    pub schema: u16,
    /// The entity's JSON form.
    pub body: Json,
    /// Its unique keys. Written with the record; a store need not return them.
    pub claims: Vec<Claim>,
}

/// What is committed together.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The batch's own identity.
    pub id: Id<Batch>,
    /// Changes, each to another record.
    pub changes: Vec<Change>,
    /// Events to append.
    pub events: Vec<NewEvent>,
}

/// One change to one record.
#[derive(Debug, Clone)]
pub enum Change {
    /// Writes a new record; there must be none.
    Insert(Record),
    /// Replaces the record, whose stored revision must be one less than this one's.
    Update(Record),
    /// Removes the record, whose stored revision must be this one.
    Delete {
        /// Its tenant.
        organization: Id<Organization>,
        /// Its kind.
        kind: Kind,
        /// Its id.
        id: Id<()>,
        /// Its stored revision.
        revision: Revision,
    },
    /// Writes the record, whatever its stored revision is: one more than that, or the first. Never conflicts, so
    /// that many writers can count up one version without trying again. The record's own revision is not looked
    /// at, and it has no claims.
    Bump(Record),
    /// Changes nothing, and fails the batch unless the record exists when it is committed.
    Require {
        /// Its tenant.
        organization: Id<Organization>,
        /// Its kind.
        kind: Kind,
        /// Its id.
        id: Id<()>,
    },
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self { id: Id::generate(), changes: Vec::new(), events: Vec::new() }
    }

    /// The batch, counting up the [`PolicyVersion`] of each organization whose grants, groups or rules it changes.
    /// The depot does this with each of its batches; whoever writes such records past it has to as well, or other
    /// processes will not see the change.
    ///
    /// # Errors
    /// None that a caller could cause.
    pub fn with_policy_versions(mut self, now: Timestamp) -> Result<Self> {
        let touched: BTreeSet<_> = self.changes.iter().filter_map(Change::policy).collect();
        for organization in touched {
            let version = Stored { id: Id::NIL, ..Stored::new(organization, PolicyVersion {}, now) };
            self.changes.push(Change::Bump(version.to_record(self.id)?));
        }
        Ok(self)
    }
}

impl Change {
    /// The organization whose policy this changes.
    fn policy(&self) -> Option<Id<Organization>> {
        let (organization, kind) = match self {
            Self::Insert(record) | Self::Update(record) => (record.organization, record.kind),
            Self::Delete { organization, kind, .. } => (*organization, *kind),
            Self::Bump(_) | Self::Require { .. } => return None,
        };
        matches!(kind, Kind::Grant | Kind::Group | Kind::Rule).then_some(organization)
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

impl Record {
    /// The key by identity.
    pub fn key(&self) -> Key {
        Key::Id { organization: self.organization, kind: self.kind, id: self.id }
    }
}
