//! Stores, and what people find in them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::authorize::{Actor, Subject, Target, permission};
use crate::domain::{
    App, Audience, AuthPolicy, Group, Id, Listing, Offer, Organization, Revision, Security, Selection, Store,
    Stored, Visibility, check_optional_text, check_slug, check_text, slugify,
};
use crate::error::{Error, ErrorKind, Result};
use crate::query::{Condition, Field, Op, Page, Query, Sort, Value};
use crate::records::Batch;

use super::{Depot, ListingChange, SetChange, on_app};

/// What to change of a store; `None` leaves as is.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(missing_docs)]
pub struct StoreChange {
    pub name: Option<String>,
    pub description: Option<String>,
    /// An e-mail address; empty for none.
    pub contact: Option<String>,
    /// Six hexadecimal digits; empty for none.
    pub brand: Option<String>,
    pub policies: SetChange<Id<AuthPolicy>>,
    /// The apps that are shown in it, and no others.
    pub apps: Option<Vec<Id<App>>>,
}

/// What stands between an organization and one of its stores in the address of a store. No slug has it, and nothing
/// escapes it in a URL (RFC 3986 §2.3).
pub const STORE_MARK: char = '~';

/// The way into a store.
#[derive(Debug, Clone)]
pub struct Entrance {
    /// Which store.
    pub store: Stored<Store>,
    /// How to sign in to it.
    pub policies: Vec<Stored<AuthPolicy>>,
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
        let store = Store {
            name: name.to_owned(),
            slug,
            description: String::new(),
            contact: None,
            brand: None,
            icon: None,
            policies: Vec::new(),
        };
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

    /// The store of an organization that has one: its first. Opened by whoever asks first, if they may.
    ///
    /// # Errors
    /// `NotFound(store)` when there is none and the actor may not open one.
    pub async fn main_store(&self, actor: &Actor, organization: Id<Organization>) -> Result<Stored<Store>> {
        /// What a store is called before anyone says.
        const NAME: &str = "App Store";
        self.authorize(actor, permission::STORE_GET, Target::organization(organization)).await?;
        if let Some(found) = self.first_store(organization).await? {
            return Ok(found);
        }
        match self.create_store(actor, organization, NAME, None).await {
            Err(error) if error.is_taken("slug") => {
                self.first_store(organization).await?.ok_or_else(|| Error::not_found("store"))
            }
            Err(error) if error.kind() == ErrorKind::Forbidden => Err(Error::not_found("store")),
            made => made,
        }
    }

    /// What everyone may know of a store: what it is called, and how to sign in.
    ///
    /// `address` is an organization's id or slug, for its [`Depot::main_store`]; or that, [`STORE_MARK`] and the id
    /// or slug of one of its stores.
    ///
    /// # Errors
    /// `NotFound`, for an unknown organization too.
    pub async fn entrance(&self, address: &str) -> Result<Entrance> {
        let missing = |error: Error| match error.kind() {
            ErrorKind::NotFound => Error::not_found("store"),
            _ => error,
        };
        let (organization, store) = parts(address);
        let organization: Stored<Organization> =
            self.resolve(Id::NIL, "slug", organization).await.map_err(missing)?;
        let store = match store {
            Some(store) => self.resolve(organization.id, "slug", store).await.map_err(missing)?,
            None => self.first_store(organization.id).await?.ok_or_else(|| Error::not_found("store"))?,
        };
        let mut policies = Vec::new();
        for id in &store.policies {
            policies.extend(self.find(organization.id, *id).await?);
        }
        Ok(Entrance { store, policies })
    }

    /// The store at an address, as [`Depot::entrance`] reads it, for those who may see it.
    ///
    /// # Errors
    /// See [`Depot`].
    pub async fn store_at(&self, actor: &Actor, address: &str) -> Result<Stored<Store>> {
        let (organization, store) = parts(address);
        let organization = self.organization(actor, organization).await?.id;
        match store {
            Some(store) => self.store(actor, organization, store).await,
            None => self.main_store(actor, organization).await,
        }
    }

    pub(super) async fn first_store(&self, organization: Id<Organization>) -> Result<Option<Stored<Store>>> {
        let oldest = Query::of::<Store>(organization).sort(Sort::ascending(Field::Id)).limit(1);
        Ok(self.list(&oldest).await?.items.into_iter().next())
    }

    /// Changes a store and what it shows, in one commit. With an `expected` revision, only if that is the stored one.
    ///
    /// # Errors
    /// `Conflict(Stale)`; `NotFound` for an auth policy or an app; `Invalid` for bad attributes, and when the listings
    /// of more than 1,000 apps would change.
    pub async fn update_store(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<Store>,
        expected: Option<Revision>,
        change: StoreChange,
    ) -> Result<Stored<Store>> {
        self.authorize(actor, permission::STORE_UPDATE, Target::organization(organization)).await?;
        self.check_auth_policies(organization, &change.policies).await?;
        self.commit_made(|| async {
            let stored: Stored<Store> = self.load(organization, id).await?;
            stored.check_revision(expected)?;
            let mut store = stored.value.clone();
            change.apply(&mut store)?;
            let next = stored.changed(store, self.now());
            let mut batch = Batch::new();
            batch.update(&next)?;
            batch.events.push(self.event(actor, "store.update", &next));
            if let Some(apps) = &change.apps {
                let changes = self.show_only(&next, apps).await?;
                self.relist_each(actor, &mut batch, organization, id, &changes).await?;
            }
            Ok((batch, next))
        })
        .await
    }

    /// What has to change for a store to show these apps and no others.
    async fn show_only(
        &self,
        store: &Stored<Store>,
        apps: &[Id<App>],
    ) -> Result<BTreeMap<Id<App>, ListingChange>> {
        let shown = Query::of::<Listing>(store.organization)
            .filter(Field::parse("store")?, Op::Eq(store.id.into()))
            .filter(Field::parse("publication")?, Op::Missing)
            .filter(Field::parse("visibility")?, Op::Eq("active".into()));
        let shown: BTreeSet<Id<App>> =
            self.list_all::<Listing>(shown).await?.iter().map(|one| one.app).collect();
        let wanted: BTreeSet<Id<App>> = apps.iter().copied().collect();
        let to = |visibility| ListingChange { visibility: Some(visibility), ..ListingChange::default() };
        let hide = shown.difference(&wanted).map(|app| (*app, to(Visibility::Inactive)));
        let show = wanted.difference(&shown).map(|app| (*app, to(Visibility::Active)));
        Ok(hide.chain(show).collect())
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
            .for_visitor(actor, query)
            .await?
            .filter(Field::parse("store")?, Op::Eq(store.id.into()))
            .filter(Field::parse("visibility")?, Op::Eq("active".into()))
            .filter(Field::parse("offers")?, Op::Exists);
        self.list(&self.unexpired(query)?).await
    }

    /// What the actor finds in a store, as [`Depot::storefront`] does, with the apps.
    ///
    /// # Errors
    /// As [`Depot::storefront`].
    pub async fn shelf(
        &self,
        actor: &Actor,
        store: &Stored<Store>,
        query: Query,
    ) -> Result<Page<(Stored<Listing>, Stored<App>)>> {
        let query = query.filter(Field::parse("publication")?, Op::Missing);
        let found = self.storefront(actor, store, query).await?;
        let ids = found.items.iter().map(|listing| listing.app.into()).collect();
        let apps = Query::of::<App>(store.organization).filter(Field::Id, Op::In(ids));
        let apps = self.list_all::<App>(apps).await?;
        let mut apps: BTreeMap<_, _> = apps.into_iter().map(|app| (app.id, app)).collect();
        // An app that was removed just now is not found any more.
        let with_app = |listing: Stored<Listing>| apps.remove(&listing.app).map(|app| (listing, app));
        let items = found.items.into_iter().filter_map(with_app).collect();
        Ok(Page { items, total: found.total, next: found.next })
    }

    /// What an app offers now, for those who may see its releases and for those who find it in a store.
    ///
    /// # Errors
    /// `NotFound(app)` for everyone else.
    pub async fn current(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        app: Id<App>,
    ) -> Result<Vec<Offer>> {
        let app: Stored<App> = self.load(organization, app).await?;
        match self.authorize(actor, permission::RELEASE_GET, on_app(&app)).await {
            Err(error) if error.kind() == ErrorKind::Forbidden => {
                self.authorize(actor, permission::STORE_INSTALL, on_app(&app)).await?;
                self.check_listed(actor, &app).await?;
            }
            other => other?,
        }
        self.offers(organization, app.id, None, &Selection::Last).await
    }

    /// Narrows a query for listings or releases to those whose audience includes the actor.
    pub(super) async fn for_audience(&self, actor: &Actor, query: Query) -> Result<Query> {
        let mut groups = vec![Value::from(Audience::EVERYONE)];
        let mut own = self.groups_of(query.organization, &actor.subject).await?;
        own.extend(&actor.groups);
        groups.extend(own.iter().copied().map(Value::from));
        // Of the combinations that listings ask for, those that the actor is in; there are few beside the possible.
        let combined = Query::of::<Listing>(query.organization)
            .filter(Field::parse("audience.groups")?, Op::Contains(Audience::AND.to_string()));
        for listing in self.list_all::<Listing>(combined).await? {
            let lists = listing.audience.lists().into_iter();
            let fits = lists.filter(|all| all.len() > 1 && all.iter().all(|group| own.contains(group)));
            groups.extend(Audience::all_of(fits).groups.into_iter().map(Value::from));
        }
        Ok(query.filter(Field::parse("audience.groups")?, Op::In(groups)))
    }

    /// Leaves out publications that are over.
    pub(super) fn unexpired(&self, query: Query) -> Result<Query> {
        let until = Field::parse("publication.expiresAt")?;
        let later = Op::Range(Bound::Excluded(Value::Time(self.now())), Bound::Unbounded);
        Ok(query.any_of([
            Condition { field: until.clone(), op: Op::Missing },
            Condition { field: until, op: later },
        ]))
    }

    /// Narrows a query for listings to those that are for the actor, signed in as they are and from where they are,
    /// as far as a query tells: from which countries a publication is kept, it cannot. What asks for a password is not
    /// among them: see [`Depot::unlock`].
    pub(super) async fn for_visitor(&self, actor: &Actor, query: Query) -> Result<Query> {
        let policies = Field::parse("policies")?;
        let own = actor.policy.map(|policy| Condition::new(policies.clone(), Op::Eq(policy.into())));
        let any = Condition::new(policies, Op::Missing);
        let security = Field::parse("publication.security")?;
        let shown = [Security::Public, Security::Logged].map(|security| security.as_str().into());
        let allowed = Field::parse("publication.allowedCountries")?;
        let anywhere = Condition::new(allowed.clone(), Op::Missing);
        let here = actor.origin.country.as_deref().map(|code| Condition::new(allowed, Op::Eq(code.into())));
        let query = self.for_audience(actor, query).await?;
        let query = query
            .any_of(std::iter::once(any).chain(own))
            .any_of(std::iter::once(anywhere).chain(here))
            .any_of([
                Condition::new(security.clone(), Op::Missing),
                Condition::new(security, Op::In(shown.into())),
            ]);
        Ok(match actor.origin.country {
            Some(_) => query,
            None => query.filter(Field::parse("publication.blockedCountries")?, Op::Missing),
        })
    }

    pub(super) async fn groups_of(
        &self,
        organization: Id<Organization>,
        subject: &Subject,
    ) -> Result<Vec<Id<Group>>> {
        let with = Query::of::<Group>(organization)
            .filter(Field::parse("members")?, Op::Eq(subject.as_str().into()));
        Ok(self.list_all::<Group>(with).await?.into_iter().map(|group| group.id).collect())
    }

    pub(super) async fn check_audience(
        &self,
        organization: Id<Organization>,
        audience: &Audience,
    ) -> Result<()> {
        check_count("audience", audience.groups.len())?;
        for group in audience.groups.iter().filter(|group| *group != Audience::EVERYONE) {
            for id in group.split(Audience::AND) {
                let id = Id::parse(id).map_err(|_| Error::not_found("group"))?;
                self.load::<Group>(organization, id).await?;
            }
        }
        Ok(())
    }
}

impl StoreChange {
    fn apply(&self, store: &mut Store) -> Result<()> {
        if let Some(name) = &self.name {
            check_text("name", name, 128)?;
            store.name.clone_from(name);
        }
        if let Some(description) = &self.description {
            check_optional_text("description", description, 1_000)?;
            store.description.clone_from(description);
        }
        if let Some(contact) = &self.contact {
            check_contact(contact)?;
            store.contact = Some(contact.clone()).filter(|contact| !contact.is_empty());
        }
        if let Some(brand) = &self.brand {
            check_brand(brand)?;
            store.brand = Some(brand.to_ascii_lowercase()).filter(|brand| !brand.is_empty());
        }
        self.policies.apply(&mut store.policies);
        check_count("policies", store.policies.len())
    }
}

/// The organization and the store of an address.
fn parts(address: &str) -> (&str, Option<&str>) {
    address
        .split_once(STORE_MARK)
        .map_or((address, None), |(organization, store)| (organization, Some(store)))
}

/// Bounds the groups or auth policies that one store or listing names.
pub(super) fn check_count(field: &'static str, count: usize) -> Result<()> {
    /// The most of them.
    const MOST: usize = 100;
    if count > MOST { Err(Error::invalid(field, format!("more than {MOST}"))) } else { Ok(()) }
}

fn check_contact(text: &str) -> Result<()> {
    let plain = |c: u8| c.is_ascii_alphanumeric() || b"@._+-".contains(&c);
    let good =
        text.len() <= 254 && text.bytes().all(plain) && text.bytes().filter(|c| *c == b'@').count() == 1;
    if text.is_empty() || good { Ok(()) } else { Err(Error::invalid("contact", "no plain e-mail address")) }
}

fn check_brand(text: &str) -> Result<()> {
    let good = text.len() == 6 && text.bytes().all(|c| c.is_ascii_hexdigit());
    if text.is_empty() || good { Ok(()) } else { Err(Error::invalid("brand", "six hexadecimal digits")) }
}
