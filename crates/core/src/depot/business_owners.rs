//! Business owners: who answers for apps.

use crate::authorize::{Actor, Target, permission};
use crate::domain::{
    BusinessOwner, Id, Organization, OwnerProperty, Release, Revision, Stored, check_optional_text,
    check_text, check_url,
};
use crate::error::{Error, ErrorKind, Result};
use crate::query::{Field, Op, Page, Query};
use crate::records::Batch;

use super::Depot;

/// What is said of a business owner.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewBusinessOwner {
    /// What people call it, 1 to 200 characters.
    pub name: String,
    /// E-mail address, at most 200 characters.
    pub email: String,
    /// Free text, at most 1000 characters.
    pub description: String,
    /// Its page: an `http` or `https` URL, or nothing.
    pub site: String,
    /// What else is said: at most 50 properties.
    pub properties: Vec<OwnerProperty>,
}

impl Depot {
    /// Adds a business owner.
    ///
    /// # Errors
    /// `Invalid`; `Conflict(Taken)` when there is one with this name and address.
    pub async fn create_business_owner(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        new: NewBusinessOwner,
    ) -> Result<Stored<BusinessOwner>> {
        self.authorize(actor, permission::OWNER_CREATE, Target::organization(organization)).await?;
        new.check()?;
        self.commit_made(|| async {
            let mut batch = Batch::new();
            let mut owner = BusinessOwner::default();
            new.apply(&mut owner);
            owner.number = self.take_number::<BusinessOwner>(&mut batch, organization).await?;
            let stored = Stored::new(organization, owner, self.now());
            batch.insert(&stored)?;
            batch.events.push(self.event(actor, "owner.create", &stored));
            Ok((batch, stored))
        })
        .await
    }

    /// A business owner, by id in either spelling or by number.
    ///
    /// # Errors
    /// See [`Depot`].
    pub async fn business_owner(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        reference: &str,
    ) -> Result<Stored<BusinessOwner>> {
        self.authorize(actor, permission::OWNER_LIST, Target::organization(organization)).await?;
        self.resolve(organization, "number", reference).await
    }

    /// The business owners that `query` describes.
    ///
    /// # Errors
    /// See [`Depot`]; `Invalid` for a query out of bounds.
    pub async fn business_owners(&self, actor: &Actor, query: Query) -> Result<Page<Stored<BusinessOwner>>> {
        self.authorize(actor, permission::OWNER_LIST, Target::organization(query.organization)).await?;
        self.list(&query).await
    }

    /// Says something else of a business owner. With an `expected` revision, only if that is the stored one.
    ///
    /// # Errors
    /// `Conflict(Stale)`, `Conflict(Taken)`; `Invalid`.
    pub async fn update_business_owner(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<BusinessOwner>,
        expected: Option<Revision>,
        new: NewBusinessOwner,
    ) -> Result<Stored<BusinessOwner>> {
        self.authorize(actor, permission::OWNER_UPDATE, Target::organization(organization)).await?;
        new.check()?;
        let stored = self.load(organization, id).await?;
        self.update(actor, "owner.update", stored, expected, |owner| {
            new.apply(owner);
            Ok(())
        })
        .await
    }

    /// Removes a business owner of no release.
    ///
    /// # Errors
    /// `Conflict` while a release has it; `Conflict(Stale)`.
    pub async fn remove_business_owner(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<BusinessOwner>,
        expected: Option<Revision>,
    ) -> Result<()> {
        self.authorize(actor, permission::OWNER_REMOVE, Target::organization(organization)).await?;
        let stored: Stored<BusinessOwner> = self.load(organization, id).await?;
        stored.check_revision(expected)?;
        let having = Query::of::<Release>(organization)
            .filter(Field::parse("details.owner")?, Op::Eq(id.into()))
            .limit(1);
        if let Some(release) = self.list::<Release>(&having).await?.items.first() {
            let message = format!("the business owner is in use by {} {}", release.name, release.version);
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        let mut batch = Batch::new();
        batch.delete(&stored);
        batch.events.push(self.event(actor, "owner.remove", &stored));
        self.commit(batch).await
    }
}

impl NewBusinessOwner {
    fn check(&self) -> Result<()> {
        check_text("name", &self.name, 200)?;
        check_optional_text("email", &self.email, 200)?;
        check_optional_text("description", &self.description, 1_000)?;
        if !self.site.is_empty() {
            check_url("site", &self.site)?;
        }
        if self.properties.len() > 50 {
            return Err(Error::invalid("properties", "more than 50"));
        }
        self.properties.iter().try_for_each(|property| {
            check_text("properties.key", &property.key, 128)?;
            check_optional_text("properties.value", &property.value, 1_000)
        })
    }

    fn apply(&self, owner: &mut BusinessOwner) {
        let Self { name, email, description, site, properties } = self.clone();
        *owner = BusinessOwner { number: owner.number, name, email, description, site, properties };
    }
}
