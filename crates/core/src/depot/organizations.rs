//! Organizations, and which is a part of which.

use std::collections::BTreeMap;

use crate::authorize::{Actor, SubjectKind, Target, permission};
use crate::domain::{Grant, Id, Organization, Role, Stored, check_slug, check_text};
use crate::error::{Error, ErrorKind, Result};
use crate::records::Batch;

use super::Depot;

/// The most organizations above one.
const ABOVE: usize = 8;
/// Slugs that read as the service or whoever runs it wherever they stand in an address; who makes a part of their
/// organization must not look like that.
const RESERVED: [&str; 17] = [
    "admin",
    "administrator",
    "anonymous",
    "api",
    "box",
    "default",
    "docs",
    "health",
    "install",
    "media",
    "metrics",
    "oauth",
    "openapi",
    "root",
    "store",
    "system",
    "www",
];

impl Depot {
    /// Makes an organization that is a part of no other.
    ///
    /// # Errors
    /// `Invalid`, also for a slug that reads as the service itself, such as `admin`; `Conflict(Taken)` for a used slug.
    pub async fn create_organization(
        &self,
        actor: &Actor,
        slug: &str,
        name: &str,
    ) -> Result<Stored<Organization>> {
        self.authorize(actor, permission::ORGANIZATION_CREATE, Target::organization(Id::NIL)).await?;
        let stored = self.new_organization(slug, name, None)?;
        self.insert(actor, "organization.create", stored).await
    }

    /// Makes an organization that is a part of `parent`, and whoever makes it its owner. Its readers see what
    /// `parent` and those above it expose; rights in `parent` give none in it. Told of in the history of `parent`.
    ///
    /// # Errors
    /// As [`create_organization`](Self::create_organization); `Invalid` also for a ninth organization above it.
    pub async fn create_child_organization(
        &self,
        actor: &Actor,
        parent: Id<Organization>,
        slug: &str,
        name: &str,
    ) -> Result<Stored<Organization>> {
        self.authorize(actor, permission::ORGANIZATION_CREATE, Target::organization(parent)).await?;
        let parent = self.load::<Organization>(Id::NIL, parent).await?.id;
        if self.ancestors(parent).await?.len() >= ABOVE {
            return Err(Error::invalid("parent", format!("at most {ABOVE} organizations above one")));
        }
        let stored = self.new_organization(slug, name, Some(parent))?;
        let mut batch = Batch::new();
        batch.insert(&stored)?;
        batch.events.push(crate::domain::NewEvent {
            organization: parent,
            ..self.event(actor, "organization.create", &stored)
        });
        if matches!(actor.subject.kind(), SubjectKind::User | SubjectKind::Key) {
            let (subject, role) = (actor.subject.clone(), Role::parse(Role::OWNER)?);
            let grant = Stored::new(stored.id, Grant { subject, role, app: None }, self.now());
            batch.insert(&grant)?;
            batch.events.push(self.event(actor, "grant.create", &grant));
        }
        self.commit(batch).await?;
        self.0.authorizer.changed(stored.id).await;
        Ok(stored)
    }

    /// An organization in which the actor has some standing, by id or slug.
    ///
    /// # Errors
    /// `NotFound` for all others.
    pub async fn organization(&self, actor: &Actor, reference: &str) -> Result<Stored<Organization>> {
        let found: Stored<Organization> = self.resolve(Id::NIL, "slug", reference).await?;
        self.check_standing(actor, found.id).await?;
        Ok(found)
    }

    /// Having some standing is enough to know that an organization exists; what may be done in it is asked again.
    pub(super) async fn check_standing(&self, actor: &Actor, organization: Id<Organization>) -> Result<()> {
        let target = Target::organization(organization);
        match self.authorize(actor, permission::ORGANIZATION_GET, target).await {
            Err(error) if error.kind() != ErrorKind::Forbidden => Err(error),
            _ => Ok(()),
        }
    }

    /// What an organization is a part of, the nearest first.
    pub(super) async fn ancestors(&self, organization: Id<Organization>) -> Result<Vec<Id<Organization>>> {
        let (mut above, mut at) = (Vec::new(), organization);
        while above.len() < ABOVE {
            let found = self.find::<Organization>(Id::NIL, at).await?;
            let Some(parent) = found.and_then(|found| found.parent) else { break };
            above.push(parent);
            at = parent;
        }
        Ok(above)
    }

    fn new_organization(
        &self,
        slug: &str,
        name: &str,
        parent: Option<Id<Organization>>,
    ) -> Result<Stored<Organization>> {
        check_slug(slug)?;
        if RESERVED.contains(&slug) {
            return Err(Error::invalid("slug", "is reserved"));
        }
        check_text("name", name, 128)?;
        let organization =
            Organization { slug: slug.to_owned(), name: name.to_owned(), parent, numbers: BTreeMap::new() };
        Ok(Stored::new(Id::NIL, organization, self.now()))
    }
}
