//! Who works in an organization: people and service accounts, each with a role there.

use std::collections::BTreeMap;

use crate::authorize::{Actor, Subject, Target, permission};
use crate::domain::{ApiKey, Grant, Id, Organization, Role, Stored, User};
use crate::error::Result;
use crate::query::{Field, Op, Page, Query};
use crate::records::Batch;

use super::Depot;
use super::keys::{CreatedKey, NewKey};

/// Somebody, and the roles they have in the organization as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Collaborator<T> {
    /// A user, or the key of a service account.
    pub who: Stored<T>,
    /// Their own roles, not those of their groups.
    pub roles: Vec<Role>,
}

impl Depot {
    /// The users that `query` describes, with their roles; with `role`, those who have it.
    ///
    /// # Errors
    /// See [`Depot`]; `Invalid` for a query out of bounds.
    pub async fn collaborators(
        &self,
        actor: &Actor,
        query: Query,
        role: Option<&Role>,
    ) -> Result<Page<Collaborator<User>>> {
        let organization = query.organization;
        self.authorize(actor, permission::GRANT_LIST, Target::organization(organization)).await?;
        let query = match role {
            Some(role) => {
                let having = Op::Eq(role.as_str().into());
                let grants = self.organization_grants(organization, Field::parse("role")?, having).await?;
                let ids = grants.iter().filter_map(|grant| grant.subject.as_user());
                query.filter(Field::Id, Op::In(ids.map(Into::into).collect()))
            }
            None => query,
        };
        let page = self.users(actor, query).await?;
        let subjects = page.items.iter().map(|user| Subject::from(user.id)).collect();
        let mut roles = self.roles_of(organization, subjects).await?;
        let with_roles = |who: Stored<User>| {
            let roles = roles.remove(&who.id.into()).unwrap_or_default();
            Collaborator { who, roles }
        };
        Ok(Page {
            items: page.items.into_iter().map(with_roles).collect(),
            total: page.total,
            next: page.next,
        })
    }

    /// The service accounts of an organization that were not revoked, oldest first.
    ///
    /// # Errors
    /// See [`Depot`].
    pub async fn service_accounts(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
    ) -> Result<Vec<Collaborator<ApiKey>>> {
        self.authorize(actor, permission::GRANT_LIST, Target::organization(organization)).await?;
        let mut keys = self.keys(actor, organization, None).await?;
        keys.retain(|key| key.owner.is_none() && key.app.is_none() && key.revoked_at.is_none());
        let subjects = keys.iter().map(|key| key.subject()).collect::<Result<Vec<_>>>()?;
        let mut roles = self.roles_of(organization, subjects.clone()).await?;
        let accounts = keys.into_iter().zip(subjects);
        Ok(accounts
            .map(|(who, subject)| Collaborator { who, roles: roles.remove(&subject).unwrap_or_default() })
            .collect())
    }

    /// A key that stands for itself and has a role in the organization: both, or nothing. With a vendor, it is good
    /// for that one's assets only.
    ///
    /// # Errors
    /// As [`Depot::create_key`] and [`Depot::grant`].
    pub async fn create_service_account(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        name: &str,
        role: Role,
        vendor: Option<String>,
    ) -> Result<CreatedKey> {
        self.create_key_with(actor, NewKey { vendor, ..NewKey::new(organization, name) }, role).await
    }

    /// Gives a subject this role in the organization in place of those that it has there and that are named alike, up
    /// to the first dot: an `org.…` role replaces the `org.…` roles.
    ///
    /// # Errors
    /// `Forbidden` for a role beyond the actor's own, taken or given; `Conflict` for the last owner.
    pub async fn change_role(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        subject: &Subject,
        role: &Role,
    ) -> Result<()> {
        let everywhere = Target::organization(organization);
        self.authorize(actor, permission::GRANT_CREATE, everywhere).await?;
        self.authorize(actor, permission::GRANT_REMOVE, everywhere).await?;
        self.check_rank(actor, role, everywhere).await?;
        let done = self.commit_made(|| async {
            let its = Op::Eq(subject.as_str().into());
            let held = self.organization_grants(organization, Field::parse("subject")?, its).await?;
            let mut batch = Batch::new();
            for grant in
                held.iter().filter(|grant| grant.role != *role && family(&grant.role) == family(role))
            {
                self.check_rank(actor, &grant.role, everywhere).await?;
                batch.delete(grant);
                batch.changes.extend(self.other_owner(grant).await?);
                batch.events.push(self.event(actor, "grant.remove", grant));
            }
            if !held.iter().any(|grant| grant.role == *role) {
                let grant = Grant { subject: subject.clone(), role: role.clone(), app: None };
                let grant = Stored::new(organization, grant, self.now());
                batch.insert(&grant)?;
                batch.events.push(self.event(actor, "grant.create", &grant));
            }
            Ok((batch, ()))
        });
        let done = done.await;
        self.0.authorizer.changed(organization).await;
        done
    }

    /// The roles of these subjects in the organization as a whole.
    async fn roles_of(
        &self,
        organization: Id<Organization>,
        subjects: Vec<Subject>,
    ) -> Result<BTreeMap<Subject, Vec<Role>>> {
        let theirs = Op::In(subjects.iter().map(|subject| subject.as_str().into()).collect());
        let mut roles: BTreeMap<Subject, Vec<Role>> = BTreeMap::new();
        for grant in self.organization_grants(organization, Field::parse("subject")?, theirs).await? {
            roles.entry(grant.value.subject).or_default().push(grant.value.role);
        }
        Ok(roles)
    }

    /// Grants that are not for one app only.
    async fn organization_grants(
        &self,
        organization: Id<Organization>,
        field: Field,
        op: Op,
    ) -> Result<Vec<Stored<Grant>>> {
        let everywhere =
            Query::of::<Grant>(organization).filter(field, op).filter(Field::parse("app")?, Op::Missing);
        self.list_all(everywhere).await
    }
}

fn family(role: &Role) -> &str {
    role.as_str().split_once('.').map_or(role.as_str(), |(family, _)| family)
}
