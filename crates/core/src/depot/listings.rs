//! What is listed in stores.

use std::collections::BTreeMap;

use crate::authorize::{Actor, Target, permission};
use crate::domain::{
    App, Audience, AuthPolicy, Group, Id, Listing, Organization, Password, Revision, Selection, Store,
    Stored, Visibility, check_slug,
};
use crate::error::{Error, Result};
use crate::query::{Field, Op, Page, Query};
use crate::records::Batch;

use super::stores::check_count;
use super::{Depot, SetChange, on_app};

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
    /// Whether everyone who may use the store is in the audience.
    pub everyone: Option<bool>,
    /// The groups of the audience; they count when not everyone is in it.
    pub groups: SetChange<Id<Group>>,
    pub policies: SetChange<Id<AuthPolicy>>,
}

impl Depot {
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
        self.commit_made(|| async {
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
                policies: Vec::new(),
                publication: None,
                offers: self.offers(organization, app.id, None, &Selection::Last).await?,
            };
            let stored = Stored::new(organization, listing, self.now());
            let mut batch = Batch::new();
            batch.insert(&stored)?;
            // Orders this against lifecycle steps of the app, which write the app too.
            batch.update(&app.changed(app.value.clone(), self.now()))?;
            batch.events.push(self.event(actor, "listing.create", &stored));
            Ok((batch, stored))
        })
        .await
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
        self.check_listing(organization, &change).await?;
        self.update(actor, "listing.update", stored, expected, |listing| change.apply(listing)).await
    }

    /// Changes how apps are listed in a store, all or none of them. What is not in the store yet is put there first:
    /// for everyone, and not shown.
    ///
    /// # Errors
    /// As [`Depot::update_app`]; `NotFound` for the store, an app, a group or an auth policy; `Invalid` for more than
    /// 1,000 apps.
    pub async fn list_apps(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        store: Id<Store>,
        changes: BTreeMap<Id<App>, ListingChange>,
    ) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        self.commit_made(|| async {
            let mut batch = Batch::new();
            self.relist_each(actor, &mut batch, organization, store, &changes).await?;
            Ok((batch, ()))
        })
        .await
    }

    /// Adds to `batch` how apps are listed in a store from now on.
    pub(super) async fn relist_each(
        &self,
        actor: &Actor,
        batch: &mut Batch,
        organization: Id<Organization>,
        store: Id<Store>,
        changes: &BTreeMap<Id<App>, ListingChange>,
    ) -> Result<()> {
        /// The most apps whose listings change in one commit.
        const MOST: usize = 1_000;
        if changes.len() > MOST {
            return Err(Error::invalid("apps", format!("the listings of more than {MOST} would change")));
        }
        for (app, change) in changes {
            let app: Stored<App> = self.load(organization, *app).await?;
            let next = app.changed(app.value.clone(), self.now());
            // Orders this against lifecycle steps of the app, which write the app too.
            batch.update(&next)?;
            self.relist(actor, batch, &next, Some(&(store, change.clone()))).await?;
        }
        Ok(())
    }

    /// Adds to `batch` what becomes of an app's listings: they carry its name, and one of them may change or be made.
    pub(super) async fn relist(
        &self,
        actor: &Actor,
        batch: &mut Batch,
        app: &Stored<App>,
        change: Option<&(Id<Store>, ListingChange)>,
    ) -> Result<()> {
        let organization = app.organization;
        let of_app = Query::of::<Listing>(organization).filter(Field::parse("app")?, Op::Eq(app.id.into()));
        let mut wanted = change;
        for stored in self.list_all::<Listing>(of_app).await? {
            let mut next = Listing { name: app.name.clone(), ..stored.value.clone() };
            if let Some((_, change)) =
                wanted.take_if(|(store, _)| *store == stored.store && stored.publication.is_none())
            {
                self.authorize(actor, permission::LISTING_UPDATE, on_app(app)).await?;
                self.check_listing(organization, change).await?;
                change.apply(&mut next)?;
                batch.events.push(self.event(actor, "listing.update", &stored));
            }
            if next != stored.value {
                batch.update(&stored.changed(next, self.now()))?;
            }
        }
        if let Some((store, change)) = wanted {
            self.authorize(actor, permission::LISTING_CREATE, on_app(app)).await?;
            self.check_listing(organization, change).await?;
            let mut listing = Listing {
                store: self.load::<Store>(organization, *store).await?.id,
                app: app.id,
                name: app.name.clone(),
                slug: app.slug.clone(),
                visibility: Visibility::Inactive,
                audience: Audience::everyone(),
                policies: Vec::new(),
                publication: None,
                offers: self.offers(organization, app.id, None, &Selection::Last).await?,
            };
            change.apply(&mut listing)?;
            let stored = Stored::new(organization, listing, self.now());
            batch.insert(&stored)?;
            batch.events.push(self.event(actor, "listing.create", &stored));
        }
        Ok(())
    }

    async fn check_listing(&self, organization: Id<Organization>, change: &ListingChange) -> Result<()> {
        if let Some(audience) = &change.audience {
            self.check_audience(organization, audience).await?;
        }
        self.check_audience(organization, &Audience::any_of(change.groups.added().copied())).await?;
        self.check_auth_policies(organization, &change.policies).await
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
        self.delete_listing(actor, &mut batch, &stored).await?;
        self.commit(batch).await
    }

    /// Adds to `batch` that a listing goes with its password.
    pub(super) async fn delete_listing(
        &self,
        actor: &Actor,
        batch: &mut Batch,
        listing: &Stored<Listing>,
    ) -> Result<()> {
        batch.delete(listing);
        if let Some(password) = self.find::<Password>(listing.organization, listing.id.cast()).await? {
            batch.delete(&password);
        }
        batch.events.push(self.event(actor, "listing.remove", listing));
        Ok(())
    }

    /// The listings that `query` describes, whatever their audience: for those who run the store.
    ///
    /// # Errors
    /// See [`Depot`]; `Invalid` for a query out of bounds.
    pub async fn listings(&self, actor: &Actor, query: Query) -> Result<Page<Stored<Listing>>> {
        let query = self.scoped(actor, permission::LISTING_LIST, query, Field::parse("app")?).await?;
        self.list(&query).await
    }
}

impl ListingChange {
    fn apply(&self, listing: &mut Listing) -> Result<()> {
        if let Some(slug) = &self.slug {
            check_slug(slug)?;
            listing.slug.clone_from(slug);
        }
        if let Some(visibility) = self.visibility {
            listing.visibility = visibility;
        }
        if let Some(audience) = &self.audience {
            listing.audience = audience.clone();
        }
        let everyone = self.everyone.unwrap_or_else(|| listing.audience.has_everyone());
        let groups = &mut listing.audience.groups;
        let spelled = |groups: &Vec<Id<Group>>| groups.iter().map(Id::to_string).collect::<Vec<_>>();
        let change = SetChange {
            replace: self.groups.replace.as_ref().map(spelled),
            add: spelled(&self.groups.add),
            remove: spelled(&self.groups.remove),
        };
        change.apply(groups);
        groups.retain(|group| group != Audience::EVERYONE);
        if everyone {
            groups.insert(0, Audience::EVERYONE.to_owned());
        }
        self.policies.apply(&mut listing.policies);
        check_count("audience", listing.audience.groups.len())?;
        check_count("policies", listing.policies.len())
    }
}
