//! Stores, what is listed in them, and for whom.

use crate::authorize::{Actor, Subject, Target, permission};
use crate::domain::{
    App, Audience, Group, Id, Listing, Organization, Revision, Store, Stored, Visibility, check_slug,
    check_text, slugify,
};
use crate::error::{Error, Result};
use crate::query::{Field, Op, Page, Query, Value};
use crate::records::Batch;

use super::{Depot, on_app, retry};

/// An app that comes into a store.
#[derive(Debug, Clone, PartialEq)]
pub struct NewListing {
    /// Which store.
    pub store: Id<Store>,
    /// Which app.
    pub app: Id<App>,
    /// Its address in the store's URLs; the app's slug when absent.
    pub slug: Option<String>,
    /// Whether it is shown.
    pub visibility: Visibility,
    /// For whom.
    pub audience: Audience,
}

/// What to change of a listing; `None` leaves as is.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(missing_docs)]
pub struct ListingChange {
    pub slug: Option<String>,
    pub visibility: Option<Visibility>,
    pub audience: Option<Audience>,
}

impl Depot {
    /// Opens a store.
    ///
    /// # Errors
    /// `Invalid`; `Conflict(Taken)` for a used slug.
    pub async fn create_store(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        name: &str,
        slug: Option<&str>,
    ) -> Result<Stored<Store>> {
        self.authorize(actor, permission::STORE_CREATE, Target::organization(organization)).await?;
        check_text("name", name, 128)?;
        let slug = slug.map_or_else(|| slugify(name), str::to_owned);
        check_slug(&slug)?;
        let store = Store { name: name.to_owned(), slug };
        self.insert(actor, "store.create", Stored::new(organization, store, self.now())).await
    }

    /// A store, by id or slug.
    ///
    /// # Errors
    /// See [`Depot`].
    pub async fn store(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        reference: &str,
    ) -> Result<Stored<Store>> {
        self.authorize(actor, permission::STORE_GET, Target::organization(organization)).await?;
        self.resolve(organization, "slug", reference).await
    }

    /// Puts an app into a store.
    ///
    /// # Errors
    /// `NotFound` for the store, the app or a group of the audience; `Conflict(Taken)` when the app or the slug is
    /// in the store already.
    pub async fn create_listing(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        new: NewListing,
    ) -> Result<Stored<Listing>> {
        for attempt in 1.. {
            let app: Stored<App> = self.load(organization, new.app).await?;
            self.authorize(actor, permission::LISTING_CREATE, on_app(&app)).await?;
            let store: Stored<Store> = self.load(organization, new.store).await?;
            self.check_audience(organization, &new.audience).await?;
            let slug = new.slug.clone().unwrap_or_else(|| app.slug.clone());
            check_slug(&slug)?;
            let listing = Listing {
                store: store.id,
                app: app.id,
                name: app.name.clone(),
                slug,
                visibility: new.visibility,
                audience: new.audience.clone(),
                offers: self.offers(organization, app.id, None).await?,
            };
            let stored = Stored::new(organization, listing, self.now());
            let mut batch = Batch::new();
            batch.insert(&stored)?;
            // Orders this against lifecycle steps of the app, which write the app too.
            batch.update(&app.changed(app.value.clone(), self.now()))?;
            batch.events.push(self.event(actor, "listing.create", &stored));
            match self.commit(batch).await {
                Ok(()) => return Ok(stored),
                Err(error) if retry(&error, attempt) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::stale(None))
    }

    /// Changes a listing. With an `expected` revision, only if that is the stored one.
    ///
    /// # Errors
    /// `Conflict(Stale)`, `Conflict(Taken)`; `NotFound(group)`.
    pub async fn update_listing(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<Listing>,
        expected: Option<Revision>,
        change: ListingChange,
    ) -> Result<Stored<Listing>> {
        let stored: Stored<Listing> = self.load(organization, id).await?;
        self.authorize(actor, permission::LISTING_UPDATE, Target::app(organization, stored.app)).await?;
        if let Some(audience) = &change.audience {
            self.check_audience(organization, audience).await?;
        }
        self.update(actor, "listing.update", stored, expected, |listing| {
            if let Some(slug) = &change.slug {
                check_slug(slug)?;
                listing.slug.clone_from(slug);
            }
            if let Some(visibility) = change.visibility {
                listing.visibility = visibility;
            }
            if let Some(audience) = &change.audience {
                listing.audience = audience.clone();
            }
            Ok(())
        })
        .await
    }

    /// Takes an app out of a store.
    ///
    /// # Errors
    /// See [`Depot`].
    pub async fn remove_listing(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<Listing>,
    ) -> Result<()> {
        let stored: Stored<Listing> = self.load(organization, id).await?;
        self.authorize(actor, permission::LISTING_REMOVE, Target::app(organization, stored.app)).await?;
        let mut batch = Batch::new();
        batch.delete(&stored);
        batch.events.push(self.event(actor, "listing.remove", &stored));
        self.commit(batch).await
    }

    /// The listings that `query` describes, whatever their audience: for those who run the store.
    ///
    /// # Errors
    /// See [`Depot`]; `Invalid` for a query out of bounds.
    pub async fn listings(&self, actor: &Actor, query: Query) -> Result<Page<Stored<Listing>>> {
        let query = self.scoped(actor, permission::LISTING_LIST, query, Field::parse("app")?).await?;
        self.list(&query).await
    }

    /// What the actor finds in a store: shown, with something to install, and for an audience that includes them.
    /// One query; pages are never filtered after they were cut.
    ///
    /// # Errors
    /// See [`Depot`]; `Invalid` for a query out of bounds.
    pub async fn storefront(
        &self,
        actor: &Actor,
        store: &Stored<Store>,
        query: Query,
    ) -> Result<Page<Stored<Listing>>> {
        let app = Field::parse("app")?;
        let query = self.scoped(actor, permission::STORE_INSTALL, query, app).await?;
        let query = self
            .for_audience(actor, query)
            .await?
            .filter(Field::parse("store")?, Op::Eq(store.id.into()))
            .filter(Field::parse("visibility")?, Op::Eq("active".into()))
            .filter(Field::parse("offers")?, Op::Exists);
        self.list(&query).await
    }

    /// Narrows a query for listings to those whose audience includes the actor.
    pub(super) async fn for_audience(&self, actor: &Actor, query: Query) -> Result<Query> {
        let mut groups = vec![Value::from(Audience::EVERYONE)];
        groups.extend(self.groups_of(query.organization, &actor.subject).await?.into_iter().map(Value::from));
        Ok(query.filter(Field::parse("audience.groups")?, Op::In(groups)))
    }

    async fn groups_of(&self, organization: Id<Organization>, subject: &Subject) -> Result<Vec<Id<Group>>> {
        let with = Query::of::<Group>(organization)
            .filter(Field::parse("members")?, Op::Eq(subject.as_str().into()));
        Ok(self.list_all::<Group>(with).await?.into_iter().map(|group| group.id).collect())
    }

    async fn check_audience(&self, organization: Id<Organization>, audience: &Audience) -> Result<()> {
        /// The most groups one listing may name.
        const GROUPS: usize = 100;
        if audience.groups.len() > GROUPS {
            return Err(Error::invalid("audience", format!("more than {GROUPS} groups")));
        }
        for group in audience.groups.iter().filter(|group| *group != Audience::EVERYONE) {
            let id = Id::parse(group).map_err(|_| Error::not_found("group"))?;
            self.load::<Group>(organization, id).await?;
        }
        Ok(())
    }
}
