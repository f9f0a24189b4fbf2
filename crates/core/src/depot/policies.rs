//! Policies: conditions on who may have the releases that name them.

use std::collections::BTreeSet;

use crate::authorize::{Actor, Subject, Target, permission};
use crate::conditions::Facts;
use crate::domain::{
    Grant, Group, Id, Organization, Policy, Release, Revision, Stored, check_optional_text, check_text,
};
use crate::error::{Error, ErrorKind, Result};
use crate::query::{Field, Op, Page, Query, Value};
use crate::records::Batch;

use super::Depot;

/// A new policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewPolicy {
    /// What people call it, 1 to 256 characters.
    pub name: String,
    /// The condition, at most 2048 characters.
    pub condition: String,
    /// Whether others may name it.
    pub shared: bool,
    /// Free text, at most 1000 characters.
    pub description: String,
}

/// What to change of a policy; `None` leaves as is. Its name never changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct PolicyChange {
    pub condition: Option<String>,
    pub shared: Option<bool>,
    pub description: Option<String>,
}

impl Depot {
    /// Writes a policy.
    ///
    /// # Errors
    /// `Invalid` for a condition that is not understood.
    pub async fn create_policy(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        new: NewPolicy,
    ) -> Result<Stored<Policy>> {
        self.authorize(actor, permission::POLICY_CREATE, Target::organization(organization)).await?;
        check_text("name", &new.name, 256)?;
        check_optional_text("description", &new.description, 1_000)?;
        self.check_condition(&new.condition)?;
        self.commit_made(|| async {
            let mut batch = Batch::new();
            let policy = Policy {
                number: self.take_number::<Policy>(&mut batch, organization).await?,
                name: new.name.clone(),
                condition: new.condition.clone(),
                shared: new.shared,
                description: new.description.clone(),
                author: actor.subject.clone(),
            };
            let stored = Stored::new(organization, policy, self.now());
            batch.insert(&stored)?;
            batch.events.push(self.event(actor, "policy.create", &stored));
            Ok((batch, stored))
        })
        .await
    }

    /// Whether a condition is understood.
    ///
    /// # Errors
    /// `Invalid`, saying what is not.
    pub async fn validate_policy(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        condition: &str,
    ) -> Result<()> {
        self.authorize(actor, permission::POLICY_CREATE, Target::organization(organization)).await?;
        self.check_condition(condition)
    }

    /// A policy, by its id in either spelling or by its number.
    ///
    /// # Errors
    /// See [`Depot`].
    pub async fn policy(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        reference: &str,
    ) -> Result<Stored<Policy>> {
        self.authorize(actor, permission::POLICY_LIST, Target::organization(organization)).await?;
        self.resolve(organization, "number", reference).await
    }

    /// The policies that `query` describes.
    ///
    /// # Errors
    /// See [`Depot`]; `Invalid` for a query out of bounds.
    pub async fn policies(&self, actor: &Actor, query: Query) -> Result<Page<Stored<Policy>>> {
        self.authorize(actor, permission::POLICY_LIST, Target::organization(query.organization)).await?;
        self.list(&query).await
    }

    /// Changes a policy; only its author may. With an `expected` revision, only if that is the stored one.
    ///
    /// # Errors
    /// `Forbidden` for others; `Conflict(Stale)`; `Invalid` for a condition that is not understood.
    pub async fn update_policy(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<Policy>,
        expected: Option<Revision>,
        change: PolicyChange,
    ) -> Result<Stored<Policy>> {
        let target = Target::organization(organization);
        self.authorize(actor, permission::POLICY_UPDATE, target).await?;
        let stored: Stored<Policy> = self.load(organization, id).await?;
        if stored.author != actor.subject && !actor.is_system() {
            return Err(Error::forbidden(permission::POLICY_UPDATE));
        }
        change.condition.as_deref().map_or(Ok(()), |condition| self.check_condition(condition))?;
        check_optional_text("description", change.description.as_deref().unwrap_or_default(), 1_000)?;
        self.update(actor, "policy.update", stored, expected, |policy: &mut Policy| {
            let PolicyChange { condition, shared, description } = change.clone();
            policy.condition = condition.unwrap_or_else(|| policy.condition.clone());
            policy.shared = shared.unwrap_or(policy.shared);
            policy.description = description.unwrap_or_else(|| policy.description.clone());
            Ok(())
        })
        .await
    }

    /// Removes a policy that no release names.
    ///
    /// # Errors
    /// `Conflict`, naming the first releases that name it; `Conflict(Stale)`.
    pub async fn remove_policy(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<Policy>,
        expected: Option<Revision>,
    ) -> Result<()> {
        /// How many releases the message names.
        const NAMED: u32 = 10;
        self.authorize(actor, permission::POLICY_REMOVE, Target::organization(organization)).await?;
        self.commit_made(|| async {
            let stored: Stored<Policy> = self.load(organization, id).await?;
            stored.check_revision(expected)?;
            let naming = Query::of::<Release>(organization)
                .filter(Field::parse("policies")?, Op::Eq(id.into()))
                .limit(NAMED);
            let page: Page<Stored<Release>> = self.list(&naming).await?;
            if !page.items.is_empty() {
                let names: Vec<_> = page
                    .items
                    .iter()
                    .map(|release| format!("{} {}", release.name, release.version))
                    .collect();
                let more = if page.next.is_some() { ", and more" } else { "" };
                let message = format!("the policy is in use by {}{more}", names.join(", "));
                return Err(Error::new(ErrorKind::Conflict, message));
            }
            let mut batch = Batch::new();
            batch.delete(&stored);
            batch.events.push(self.event(actor, "policy.remove", &stored));
            Ok((batch, ()))
        })
        .await
    }

    /// Adds to `batch` what keeps these policies from being removed at the same time: each is written.
    pub(super) async fn hold_policies(
        &self,
        batch: &mut Batch,
        organization: Id<Organization>,
        policies: &[Id<Policy>],
    ) -> Result<()> {
        /// The most policies of one release.
        const POLICIES: usize = 20;
        if policies.len() > POLICIES {
            return Err(Error::invalid("policies", format!("more than {POLICIES}")));
        }
        for (at, id) in policies.iter().enumerate() {
            if policies.iter().take(at).any(|other| other == id) {
                return Err(Error::invalid("policies", "the same one twice"));
            }
            let policy: Stored<Policy> = self.load(organization, *id).await?;
            batch.update(&Stored { revision: policy.revision + 1, ..policy })?;
        }
        Ok(())
    }

    fn check_condition(&self, condition: &str) -> Result<()> {
        check_text("policy", condition, 2_048)?;
        self.0.conditions.check(condition)
    }

    /// Whether every policy of a release permits the actor to have it, as things are now.
    pub(super) async fn check_policies(&self, actor: &Actor, release: &Stored<Release>) -> Result<()> {
        if release.policies.is_empty() || actor.is_system() {
            return Ok(());
        }
        let facts = self.facts(actor, release).await?;
        for id in &release.policies {
            let policy: Stored<Policy> = self.load(release.organization, *id).await?;
            if !self.0.conditions.permits(&policy.condition, &facts) {
                return Err(Error::new(ErrorKind::Forbidden, "a policy does not permit it"));
            }
        }
        Ok(())
    }

    /// What the policies of a release may ask of the actor.
    async fn facts(&self, actor: &Actor, release: &Stored<Release>) -> Result<Facts> {
        let organization = release.organization;
        let mut ids: BTreeSet<_> = self.groups_of(organization, &actor.subject).await?.into_iter().collect();
        ids.extend(&actor.groups);
        let mut groups = BTreeSet::new();
        let mut holders = vec![Value::from(actor.subject.as_str())];
        for id in ids {
            // A credential may still say a group that is gone.
            if let Some(group) = self.find::<Group>(organization, id).await? {
                groups.insert(group.value.name);
                holders.push(Value::from(Subject::group(id).as_str()));
            }
        }
        let held = Query::of::<Grant>(organization).filter(Field::parse("subject")?, Op::In(holders));
        let grants = self.list_all::<Grant>(held).await?.into_iter();
        let here = grants.filter(|grant| grant.app.is_none_or(|app| app == release.app));
        let roles = here.map(|grant| grant.role.as_str().to_owned()).collect();
        let (subject, person, at) = (actor.subject.clone(), actor.person.clone(), self.now());
        Ok(Facts { subject, person, groups, roles, at })
    }
}
