//! Groups, grants, and the history of it all.

use crate::authorize::{Actor, Subject, SubjectKind, Target, permission};
use crate::domain::{
    App, Event, EventFilter, Grant, Group, Id, Listing, Organization, Revision, Role, Stored,
    check_optional_text, check_text,
};
use crate::error::{Error, Result};
use crate::query::{Field, Op, Page, Query};
use crate::records::Batch;

use super::Depot;

/// What to change of a group; `None` leaves as is.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(missing_docs)]
pub struct GroupChange {
    pub name: Option<String>,
    pub description: Option<String>,
}

impl Depot {
    /// Makes a group.
    ///
    /// # Errors
    /// `Invalid`; `Conflict(Taken)` for a used name.
    pub async fn create_group(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        name: &str,
        description: &str,
    ) -> Result<Stored<Group>> {
        self.authorize(actor, permission::GROUP_CREATE, Target::organization(organization)).await?;
        check_text("name", name, 128)?;
        check_optional_text("description", description, 1_000)?;
        let group = Group { name: name.to_owned(), description: description.to_owned(), members: Vec::new() };
        self.insert(actor, "group.create", Stored::new(organization, group, self.now())).await
    }

    /// The groups that `query` describes.
    ///
    /// # Errors
    /// See [`Depot`]; `Invalid` for a query out of bounds.
    pub async fn groups(&self, actor: &Actor, query: Query) -> Result<Page<Stored<Group>>> {
        self.authorize(actor, permission::GROUP_LIST, Target::organization(query.organization)).await?;
        self.list(&query).await
    }

    /// A group, by its id in either spelling or by its name.
    ///
    /// # Errors
    /// See [`Depot`].
    pub async fn group(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        reference: &str,
    ) -> Result<Stored<Group>> {
        self.authorize(actor, permission::GROUP_LIST, Target::organization(organization)).await?;
        self.resolve(organization, "name", reference).await
    }

    /// Changes what a group is called. With an `expected` revision, only if that is the stored one.
    ///
    /// # Errors
    /// `Invalid`; `Conflict(Stale)`; `Conflict(Taken)` for a used name.
    pub async fn update_group(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<Group>,
        expected: Option<Revision>,
        change: GroupChange,
    ) -> Result<Stored<Group>> {
        self.authorize(actor, permission::GROUP_UPDATE, Target::organization(organization)).await?;
        let stored = self.load(organization, id).await?;
        self.update(actor, "group.update", stored, expected, |group: &mut Group| {
            if let Some(name) = &change.name {
                check_text("name", name, 128)?;
                group.name.clone_from(name);
            }
            if let Some(description) = &change.description {
                check_optional_text("description", description, 1_000)?;
                group.description.clone_from(description);
            }
            Ok(())
        })
        .await
    }

    /// Removes a group, first from every audience. An audience that was of this group alone is nobody then. Where it
    /// has roles, this takes them.
    ///
    /// # Errors
    /// `Forbidden` as for [`grant`](Self::grant).
    pub async fn remove_group(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<Group>,
    ) -> Result<()> {
        self.authorize(actor, permission::GROUP_REMOVE, Target::organization(organization)).await?;
        self.load::<Group>(organization, id).await?;
        self.check_group_rank(actor, organization, id).await?;
        let named =
            Query::of::<Listing>(organization).filter(Field::parse("audience.groups")?, Op::Eq(id.into()));
        for listing in self.list_all::<Listing>(named).await? {
            self.update(actor, "listing.update", listing, None, |listing: &mut Listing| {
                listing.audience.groups.retain(|group| *group != id.to_string());
                Ok(())
            })
            .await?;
        }
        let holder = Op::Eq(Subject::group(id).as_str().into());
        let done = self.commit_made(|| async {
            let stored: Stored<Group> = self.load(organization, id).await?;
            let mut batch = Batch::new();
            batch.delete(&stored);
            batch.events.push(self.event(actor, "group.remove", &stored));
            // credentials that name the group go on naming it
            let held = Query::of::<Grant>(organization).filter(Field::parse("subject")?, holder.clone());
            for grant in self.list_all::<Grant>(held).await? {
                batch.delete(&grant);
                batch.events.push(self.event(actor, "grant.remove", &grant));
            }
            Ok((batch, ()))
        });
        let done = done.await;
        self.0.authorizer.changed(organization).await;
        done
    }

    /// Adds and removes members of a group. Where it has roles, this gives and takes them.
    ///
    /// # Errors
    /// `Invalid` for more than 10,000 members, and members that are groups; `Forbidden` as for
    /// [`grant`](Self::grant).
    pub async fn change_members(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        group: Id<Group>,
        add: &[Subject],
        remove: &[Subject],
    ) -> Result<Stored<Group>> {
        /// The most members of one group.
        const MEMBERS: usize = 10_000;
        self.authorize(actor, permission::GROUP_UPDATE, Target::organization(organization)).await?;
        let stored = self.load(organization, group).await?;
        self.check_group_rank(actor, organization, group).await?;
        if add.iter().any(|subject| !matches!(subject.kind(), SubjectKind::User | SubjectKind::Key)) {
            return Err(Error::invalid("members", "only users and keys"));
        }
        let changed = self.update(actor, "group.members", stored, None, |group: &mut Group| {
            group.change_members(add, remove);
            if group.members.len() > MEMBERS {
                return Err(Error::invalid("members", format!("more than {MEMBERS}")));
            }
            Ok(())
        });
        let changed = changed.await;
        self.0.authorizer.changed(organization).await;
        changed
    }

    /// Gives a role to a subject, in the organization or on one app. Giving it twice is one grant. Nobody gives a
    /// role that can do more than they can; so only an owner makes owners.
    ///
    /// # Errors
    /// `NotFound` for an app or group; `Forbidden` for a role beyond the actor's own.
    pub async fn grant(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        subject: Subject,
        role: Role,
        app: Option<Id<App>>,
    ) -> Result<Stored<Grant>> {
        let grant = Grant { subject, role, app };
        self.check_grant(actor, organization, &grant).await?;
        let made =
            self.insert(actor, "grant.create", Stored::new(organization, grant.clone(), self.now())).await;
        self.0.authorizer.changed(organization).await;
        match made {
            Err(error) if error.is_taken("grant") => self.find_grant(organization, &grant).await,
            other => other,
        }
    }

    /// Takes a role away. The next decision knows. Only an owner unmakes owners, and nobody the last one.
    ///
    /// # Errors
    /// `NotFound(grant)`; `Forbidden` for a role beyond the actor's own; `Conflict` for the last owner. An owner by
    /// a group does not count: groups empty unnoticed.
    pub async fn revoke(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        subject: Subject,
        role: Role,
        app: Option<Id<App>>,
    ) -> Result<()> {
        self.authorize(actor, permission::GRANT_REMOVE, Target::organization(organization)).await?;
        self.check_rank(actor, &role, Target { organization, app }).await?;
        let grant = Grant { subject, role, app };
        let done = self.commit_made(|| async {
            let stored = self.find_grant(organization, &grant).await?;
            let mut batch = Batch::new();
            batch.delete(&stored);
            // Two owners who remove each other need each other; one of them is late and looks again.
            batch.changes.extend(self.other_owner(&stored).await?);
            batch.events.push(self.event(actor, "grant.remove", &stored));
            Ok((batch, ()))
        });
        let done = done.await;
        self.0.authorizer.changed(organization).await;
        done
    }

    /// Who has which role.
    ///
    /// # Errors
    /// See [`Depot`]; `Invalid` for a query out of bounds.
    pub async fn grants(&self, actor: &Actor, query: Query) -> Result<Page<Stored<Grant>>> {
        self.authorize(actor, permission::GRANT_LIST, Target::organization(query.organization)).await?;
        self.list(&query).await
    }

    /// The actor's own roles.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn own_roles(&self, actor: &Actor, organization: Id<Organization>) -> Result<Vec<Grant>> {
        let own = Query::of::<Grant>(organization)
            .filter(Field::parse("subject")?, Op::Eq(actor.subject.as_str().into()));
        Ok(self.list_all::<Grant>(own).await?.into_iter().map(|stored| stored.value).collect())
    }

    /// What happened in an organization.
    ///
    /// # Errors
    /// See [`Depot`]; `Invalid` for a limit that is not 1 to 1000.
    pub async fn events(&self, actor: &Actor, filter: &EventFilter) -> Result<Vec<Event>> {
        self.authorize(actor, permission::EVENT_LIST, Target::organization(filter.organization)).await?;
        self.0.records.events(filter).await
    }

    /// Whether the actor may give this.
    pub(super) async fn check_grant(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        grant: &Grant,
    ) -> Result<()> {
        self.authorize(actor, permission::GRANT_CREATE, Target::organization(organization)).await?;
        self.check_rank(actor, &grant.role, Target { organization, app: grant.app }).await?;
        if let Some(app) = grant.app {
            self.load::<App>(organization, app).await?;
        }
        if let Some(group) = grant.subject.as_group() {
            self.load::<Group>(organization, group).await?;
        }
        Ok(())
    }

    async fn find_grant(&self, organization: Id<Organization>, grant: &Grant) -> Result<Stored<Grant>> {
        use crate::domain::Entity as _;
        let claims = grant.claims();
        let claim = claims.first().ok_or_else(|| Error::internal("a grant without a claim"))?;
        self.find_claimed(organization, claim.space, &claim.value)
            .await?
            .ok_or_else(|| Error::not_found("grant"))
    }
}
