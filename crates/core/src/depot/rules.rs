//! An organization's own rules, and what all its rules come to.

use std::collections::BTreeSet;

use crate::authorize::{Actor, Difference, Explanation, PolicyChange, Subject, Target, permission};
use crate::domain::{Entity as _, Grant, Group, Id, Organization, Role, Rule, Stored, User};
use crate::error::{Error, ErrorKind, Result};
use crate::query::{Field, Op, Page, Query};
use crate::records::{Batch, Change};

use super::Depot;

impl Depot {
    /// The organization's own rules that `query` describes.
    ///
    /// # Errors
    /// See [`Depot`]; `Invalid` for a query out of bounds.
    pub async fn rules(&self, actor: &Actor, query: Query) -> Result<Page<Stored<Rule>>> {
        self.authorize(actor, permission::RULE_LIST, Target::organization(query.organization)).await?;
        self.list(&query).await
    }

    /// Writes one of the organization's own rules, in place of the one with the same holder and pattern. The next
    /// decision knows.
    ///
    /// # Errors
    /// `Invalid` for a rule that cannot be: about owners, a subject that is allowed, permissions that nothing asks
    /// for, a role that would include itself, too many of them; `Conflict` when nobody could remove the rule
    /// again; `Unsupported` when the authorizer knows no rules.
    pub async fn put_rule(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        rule: Rule,
    ) -> Result<Stored<Rule>> {
        self.authorize(actor, permission::RULE_PUT, Target::organization(organization)).await?;
        rule.check()?;
        let done = self.commit_made(|| async {
            self.check_rule(organization, &rule).await?;
            let mut batch = Batch::new();
            let stored = match self.find_rule(organization, &rule).await? {
                Some(found) if found.value == rule => return Ok((batch, found)),
                Some(found) => {
                    let next = found.changed(rule.clone(), self.now());
                    batch.update(&next)?;
                    next
                }
                None => {
                    let new = Stored::new(organization, rule.clone(), self.now());
                    batch.insert(&new)?;
                    new
                }
            };
            batch.events.push(self.event(actor, "rule.put", &stored));
            Ok((batch, stored))
        });
        let done = done.await;
        self.0.authorizer.changed(organization).await;
        done
    }

    /// Removes one of the organization's own rules. The next decision knows.
    ///
    /// # Errors
    /// `NotFound(rule)`.
    pub async fn remove_rule(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        rule: Id<Rule>,
    ) -> Result<()> {
        self.authorize(actor, permission::RULE_REMOVE, Target::organization(organization)).await?;
        let stored = self.load(organization, rule).await?;
        let mut batch = Batch::new();
        batch.delete(&stored);
        batch.events.push(self.event(actor, "rule.remove", &stored));
        let done = self.commit(batch).await;
        self.0.authorizer.changed(organization).await;
        done
    }

    /// Why `subject` may or may not do `permission` on `target`. Anybody may ask about themselves, and is answered
    /// for the credential they came with.
    ///
    /// # Errors
    /// `Unsupported` when the authorizer cannot tell.
    pub async fn explain(
        &self,
        actor: &Actor,
        subject: &Subject,
        permission: &str,
        target: &Target,
    ) -> Result<Explanation> {
        if *subject == actor.subject {
            self.check_standing(actor, target.organization).await?;
            return self.0.authorizer.explain(actor, permission, target).await;
        }
        self.authorize(actor, permission::GRANT_LIST, Target::organization(target.organization)).await?;
        self.0.authorizer.explain(&Actor::new(subject.clone()), permission, target).await
    }

    /// Everyone with a grant who may do `permission` on `target`.
    ///
    /// # Errors
    /// `Unsupported` when the authorizer cannot tell.
    pub async fn who_can(
        &self,
        actor: &Actor,
        permission: &str,
        target: &Target,
    ) -> Result<BTreeSet<Subject>> {
        self.authorize(actor, permission::GRANT_LIST, Target::organization(target.organization)).await?;
        self.0.authorizer.who_can(permission, target).await
    }

    /// What a change to grants, groups or rules would come to. Nothing is changed.
    ///
    /// # Errors
    /// `Invalid` for a rule that cannot be; `Unsupported` when the authorizer cannot tell.
    pub async fn what_if(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        change: &PolicyChange,
    ) -> Result<Difference> {
        self.authorize(actor, permission::GRANT_LIST, Target::organization(organization)).await?;
        if let PolicyChange::Put(rule) = change {
            rule.check()?;
        }
        self.0.authorizer.what_if(organization, change).await
    }

    /// Refuses a rule that cannot be, and one that nobody could remove again.
    async fn check_rule(&self, organization: Id<Organization>, rule: &Rule) -> Result<()> {
        let target = Target::organization(organization);
        let authorizer = &self.0.authorizer;
        let difference = authorizer.what_if(organization, &PolicyChange::Put(rule.clone())).await?;
        let mut able = authorizer.who_can(permission::RULE_REMOVE, &target).await?;
        let could = !able.is_empty();
        for right in difference.lost {
            if right.permission == permission::RULE_REMOVE && right.target == target {
                able.remove(&right.subject);
            }
        }
        if could && able.is_empty() {
            return Err(Error::new(ErrorKind::Conflict, "nobody could remove this rule again"));
        }
        Ok(())
    }

    async fn find_rule(&self, organization: Id<Organization>, rule: &Rule) -> Result<Option<Stored<Rule>>> {
        let claims = rule.claims();
        let claim = claims.first().ok_or_else(|| Error::internal("a rule without a claim"))?;
        self.find_claimed(organization, claim.space, &claim.value).await
    }

    /// Nobody makes more of others or themselves than they are: giving and taking a role takes everything that
    /// the role is about.
    pub(super) async fn check_rank(&self, actor: &Actor, role: &Role, target: Target) -> Result<()> {
        if actor.is_system() || self.0.authorizer.outranks(actor, role, &target).await? {
            return Ok(());
        }
        Err(Error::forbidden(permission::GRANT_CREATE))
    }

    /// Who is in a group has its roles, and is denied what the group is.
    pub(super) async fn check_group_rank(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        group: Id<Group>,
    ) -> Result<()> {
        let subject = Subject::group(group);
        self.check_subject_rank(actor, organization, &subject).await?;
        let of_group =
            Query::of::<Rule>(organization).filter(Field::parse("holder")?, Op::Eq(subject.as_str().into()));
        if !self.list_all::<Rule>(of_group).await?.is_empty() {
            self.authorize(actor, permission::RULE_PUT, Target::organization(organization)).await?;
        }
        Ok(())
    }

    /// A user may do what their own roles and those of their groups are about.
    pub(super) async fn check_user_rank(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        user: Id<User>,
    ) -> Result<()> {
        let subject = Subject::from(user);
        self.check_subject_rank(actor, organization, &subject).await?;
        let with = Query::of::<Group>(organization)
            .filter(Field::parse("members")?, Op::Eq(subject.as_str().into()));
        for group in self.list_all::<Group>(with).await? {
            self.check_subject_rank(actor, organization, &Subject::group(group.id)).await?;
        }
        Ok(())
    }

    /// Whether the actor may do what the roles given to this subject itself are about.
    async fn check_subject_rank(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        subject: &Subject,
    ) -> Result<()> {
        let given = Query::of::<Grant>(organization)
            .filter(Field::parse("subject")?, Op::Eq(subject.as_str().into()));
        for grant in self.list_all::<Grant>(given).await? {
            self.check_rank(actor, &grant.role, Target { organization, app: grant.app }).await?;
        }
        Ok(())
    }

    /// The grants that make owners: in the organization as a whole, and not by a group, which empties unnoticed.
    pub(super) async fn owners(&self, organization: Id<Organization>) -> Result<Vec<Stored<Grant>>> {
        let owners =
            Query::of::<Grant>(organization).filter(Field::parse("role")?, Op::Eq(Role::OWNER.into()));
        let mut owners = self.list_all::<Grant>(owners).await?;
        owners.retain(|grant| grant.app.is_none() && grant.subject.as_group().is_none());
        Ok(owners)
    }

    /// The grant that keeps the organization owned when `leaving` goes, as something the commit requires.
    pub(super) async fn other_owner(&self, leaving: &Stored<Grant>) -> Result<Option<Change>> {
        let organization = leaving.organization;
        let owners = self.owners(organization).await?;
        if !owners.iter().any(|grant| grant.id == leaving.id) {
            return Ok(None);
        }
        let other = owners.into_iter().find(|grant| grant.id != leaving.id);
        let other =
            other.ok_or_else(|| Error::new(ErrorKind::Conflict, "the last owner of the organization"))?;
        Ok(Some(Change::Require { organization, kind: Grant::KIND, id: other.id.cast() }))
    }
}
