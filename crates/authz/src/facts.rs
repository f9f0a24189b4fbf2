//! What is written about who may do what in one organization.

use std::collections::BTreeSet;

use appdepot_core::authorize::{PolicyChange, Subject};
use appdepot_core::domain::{
    Entity, Grant, Group, Holder, Id, Kind, Organization, Revision, Rule, Stored, Timestamp,
};
use appdepot_core::query::{Field, Op, PAGE_LIMIT, Query, Sort};
use appdepot_core::records::{Key, Record, RecordStore};
use appdepot_core::{Error, Result};

/// The most pages of one organization's records that are read, [`PAGE_LIMIT`] records each.
const PAGES_LIMIT: usize = 1_000;
/// How many groups are read at once.
const GROUPS_AT_ONCE: usize = 50;

/// The records of one organization that decide.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) organization: Id<Organization>,
    /// What was current before the first was read; so what it counts is all there, and maybe more.
    pub(crate) version: Revision,
    pub(crate) grants: Vec<Stored<Grant>>,
    pub(crate) rules: Vec<Stored<Rule>>,
    /// Those that a grant or rule names, at least.
    pub(crate) groups: Vec<Stored<Group>>,
}

impl Facts {
    /// Reads all of them, and the group `also`.
    pub(crate) async fn read(
        records: &dyn RecordStore,
        organization: Id<Organization>,
        version: Revision,
        also: Option<Id<Group>>,
    ) -> Result<Self> {
        let grants = all::<Grant>(records, Query::of::<Grant>(organization)).await?;
        let rules = all::<Rule>(records, Query::of::<Rule>(organization)).await?;
        let mut facts = Self { organization, version, grants, rules, groups: Vec::new() };
        let named: Vec<Id<Group>> = facts.named_groups().into_iter().chain(also).collect();
        for some in named.chunks(GROUPS_AT_ONCE) {
            let ids = some.iter().map(|id| (*id).into()).collect();
            let query = Query::of::<Group>(organization).filter(Field::Id, Op::In(ids));
            facts.groups.extend(all(records, query).await?);
        }
        Ok(facts)
    }

    /// Who belongs to a subject: the members of a group, or itself.
    pub(crate) fn members<'a>(&'a self, subject: &'a Subject) -> Box<dyn Iterator<Item = &'a Subject> + 'a> {
        match subject.as_group() {
            None => Box::new(std::iter::once(subject)),
            Some(id) => Box::new(
                self.groups.iter().filter(move |group| group.id == id).flat_map(|group| &group.members),
            ),
        }
    }

    /// The same after `change`. What is not there is not removed, what is there is not added again.
    pub(crate) fn after(&self, change: &PolicyChange) -> Self {
        let mut next = self.clone();
        match change {
            PolicyChange::Grant(grant) => {
                if !next.grants.iter().any(|stored| stored.value == *grant) {
                    next.grants.push(Stored::new(self.organization, grant.clone(), Timestamp::now()));
                }
            }
            PolicyChange::Revoke(grant) => next.grants.retain(|stored| stored.value != *grant),
            PolicyChange::Put(rule) => {
                next.rules.retain(|stored| stored.claims() != rule.claims());
                next.rules.push(Stored::new(self.organization, rule.clone(), Timestamp::now()));
            }
            PolicyChange::Remove(rule) => next.rules.retain(|stored| stored.claims() != rule.claims()),
            PolicyChange::Members { group, add, remove } => {
                for stored in next.groups.iter_mut().filter(|stored| stored.id == *group) {
                    stored.value.change_members(add, remove);
                }
            }
        }
        next
    }

    /// The groups that grants or rules name.
    fn named_groups(&self) -> BTreeSet<Id<Group>> {
        let granted = self.grants.iter().map(|grant| &grant.subject);
        let denied = self.rules.iter().filter_map(|rule| match &rule.value {
            Rule::Permission { holder: Holder::Subject(subject), .. } => Some(subject),
            _ => None,
        });
        granted.chain(denied).filter_map(Subject::as_group).collect()
    }
}

/// How often the organization's policy was changed.
pub(crate) async fn version(records: &dyn RecordStore, organization: Id<Organization>) -> Result<Revision> {
    let key = Key::Id { organization, kind: Kind::PolicyVersion, id: Id::NIL };
    let found = records.get(&key).await.map_err(Error::unavailable)?;
    match found {
        None => Ok(0),
        Some(record) if record.key() == key => Ok(record.revision),
        Some(_) => Err(not_asked_for()),
    }
}

/// All records that `query` describes, by id.
pub(crate) async fn all<T: Entity>(records: &dyn RecordStore, query: Query) -> Result<Vec<Stored<T>>> {
    let organization = query.organization;
    let first = query.sort(Sort::ascending(Field::Id)).limit(PAGE_LIMIT);
    let mut query = first.clone();
    let mut all = Vec::new();
    for _ in 0..PAGES_LIMIT {
        let page = records.list(&query).await.map_err(Error::unavailable)?;
        for record in page.items {
            all.push(read_checked(record, organization)?);
        }
        match page.next {
            None => return Ok(all),
            Some(next) => query = first.clone().after(next),
        }
    }
    Err(Error::internal("more records than can be decided upon"))
}

/// A store that answers with another organization's record must not decide anything here. One record that cannot
/// be read fails the whole reading: it may be the one that denies.
fn read_checked<T: Entity>(record: Record, organization: Id<Organization>) -> Result<Stored<T>> {
    if record.organization != organization || record.kind != T::KIND {
        return Err(not_asked_for());
    }
    Stored::from_record(record)
}

fn not_asked_for() -> Error {
    Error::internal("the record store answered with a record that was not asked for")
}
