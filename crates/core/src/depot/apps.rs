//! Apps: products, apart from their releases.

use std::collections::BTreeSet;

use crate::authorize::{Actor, Target, permission};
use crate::domain::{
    ApiKey, App, Build, Extra, Id, LifecycleName, Listing, Organization, Release, Retention, Revision, Role,
    Store, Stored, check_optional_text, check_slug, check_text, slugify,
};
use crate::error::{Error, ErrorKind, Result};
use crate::query::{Field, Op, Page, Query};
use crate::records::Batch;

use super::releases::Unless;
use super::{ATTEMPTS, CreatedKey, Depot, ListingChange, NewKey, check_extra, on_app, retry};

/// A new app.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewApp {
    /// What people call it, 1 to 128 characters.
    pub name: String,
    /// Its address in URLs; made of the name, and of a number where that is taken, when absent.
    pub slug: Option<String>,
    /// Free text, at most 1000 characters.
    pub description: String,
    /// How its releases live.
    pub lifecycle: LifecycleName,
    /// Whether no other app of its kind that asks the same may have its name.
    pub exclusive_name: bool,
    /// Where a web app is found below the gateway: `/` and 1 to 127 letters, digits, `.`, `_`, `-` or `/`; unique.
    pub context: Option<String>,
    /// How long its builds are kept.
    pub retention: Retention,
    /// Settings under a dialect's own names, at most 64 KiB of JSON.
    pub configuration: Extra,
    /// Attributes to keep, at most 64 KiB of JSON.
    pub extra: Extra,
    /// How it is listed in a store, where it is put at once; see [`Depot::list_apps`].
    pub listing: Option<(Id<Store>, ListingChange)>,
}

/// What to change of an app; `None` leaves as is.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(missing_docs)]
pub struct AppChange {
    pub name: Option<String>,
    pub slug: Option<String>,
    pub description: Option<String>,
    pub configuration: Option<Extra>,
    /// Members of the configuration to set; null removes one.
    pub configure: Extra,
    pub retention: Option<Retention>,
    pub extra: Option<Extra>,
    /// How it is listed in a store; see [`Depot::list_apps`].
    pub listing: Option<(Id<Store>, ListingChange)>,
}

impl Depot {
    /// Makes an app.
    ///
    /// # Errors
    /// `Invalid` for bad attributes; `Conflict(Taken)` for a slug that was asked for and is in use.
    pub async fn create_app(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        new: NewApp,
    ) -> Result<Stored<App>> {
        /// How many numbered slugs are tried before giving up.
        const NUMBERED: u32 = 1_000;
        self.authorize(actor, permission::APP_CREATE, Target::organization(organization)).await?;
        let numbered = new.slug.is_none();
        self.check_free::<App>(organization, "slug", new.slug.as_deref()).await?;
        let listing = new.listing.clone();
        let mut app = new.into_app(actor)?;
        let base = app.slug.clone();
        for number in 2.. {
            let stored = Stored::new(organization, app.clone(), self.now());
            let mut batch = Batch::new();
            batch.insert(&stored)?;
            batch.events.push(self.event(actor, "app.create", &stored));
            self.relist(actor, &mut batch, &stored, listing.as_ref()).await?;
            match self.commit(batch).await.map(|()| stored) {
                Err(error) if error.is_taken("slug") && numbered && number <= NUMBERED => {
                    app.slug = format!("{base}-{number}");
                }
                other => return other,
            }
        }
        Err(Error::taken("slug"))
    }

    /// An app, by its id in either spelling or by its slug.
    ///
    /// # Errors
    /// See [`Depot`].
    pub async fn app(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        reference: &str,
    ) -> Result<Stored<App>> {
        match self.resolve(organization, "slug", reference).await {
            Ok(app) => {
                self.authorize(actor, permission::APP_GET, on_app(&app)).await?;
                Ok(app)
            }
            // Whether it exists is told only to those who may list the organization's apps.
            Err(error) => {
                self.authorize(actor, permission::APP_GET, Target::organization(organization)).await?;
                Err(error)
            }
        }
    }

    /// Makes a key that may do on this app what its editors may, and nothing elsewhere. `scopes` narrow it further.
    ///
    /// # Errors
    /// As [`Depot::create_key`] and [`Depot::grant`]; no key is left then.
    pub async fn create_app_key(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        app: Id<App>,
        name: &str,
        scopes: Option<BTreeSet<String>>,
    ) -> Result<CreatedKey> {
        let new = NewKey { app: Some(app), scopes, ..NewKey::new(organization, name) };
        self.create_key_with(actor, new, Role::parse(Role::APP_EDITOR)?).await
    }

    /// The app that the actor's key is for: one that is good for an app only names it by being presented.
    ///
    /// # Errors
    /// `Forbidden` for any other credential.
    pub async fn own_app(&self, actor: &Actor) -> Result<Stored<App>> {
        let forbidden = || Error::forbidden(permission::APP_GET);
        let (Some(app), Some(key)) = (actor.app, actor.subject.as_str().strip_prefix("key:")) else {
            return Err(forbidden());
        };
        let key: Option<Stored<ApiKey>> = self.find_claimed(Id::NIL, ApiKey::SPACE, key).await?;
        let organization = key.ok_or_else(forbidden)?.value.organization;
        self.app(actor, organization, &app.to_string()).await
    }

    /// The apps that `query` describes and the actor may see.
    ///
    /// # Errors
    /// See [`Depot`]; `Invalid` for a query out of bounds.
    pub async fn apps(&self, actor: &Actor, query: Query) -> Result<Page<Stored<App>>> {
        let query = self.scoped(actor, permission::APP_LIST, query, Field::Id).await?;
        self.list(&query).await
    }

    /// Changes an app. With an `expected` revision, only if that is the stored one.
    ///
    /// # Errors
    /// `Conflict(Stale)`, `Conflict(Taken)`; `Invalid` for bad attributes.
    pub async fn update_app(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<App>,
        expected: Option<Revision>,
        change: AppChange,
    ) -> Result<Stored<App>> {
        if !change.is_listing_only() {
            self.authorize(actor, permission::APP_UPDATE, Target::app(organization, id)).await?;
        }
        self.commit_made(|| async {
            let stored: Stored<App> = self.load(organization, id).await?;
            stored.check_revision(expected)?;
            let mut app = stored.value.clone();
            change.apply(&mut app)?;
            let next = stored.changed(app, self.now());
            if next.slug != stored.slug {
                self.check_free::<App>(organization, "slug", Some(&next.slug)).await?;
            }
            let mut batch = Batch::new();
            // Written even when only a listing changes: that orders listings against lifecycle steps of the app.
            batch.update(&next)?;
            if next.name != stored.name {
                self.rename(&mut batch, &next).await?;
            }
            self.relist(actor, &mut batch, &next, change.listing.as_ref()).await?;
            if !change.is_listing_only() {
                batch.events.push(self.event(actor, "app.update", &next));
            }
            Ok((batch, next))
        })
        .await
    }

    /// Whether a web app of the organization is found at `context`.
    ///
    /// # Errors
    /// See [`Depot`].
    pub async fn context_in_use(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        context: &str,
    ) -> Result<bool> {
        self.authorize(actor, permission::APP_CREATE, Target::organization(organization)).await?;
        Ok(self.find_claimed::<App>(organization, "context", context).await?.is_some())
    }

    /// Releases carry the name of their app, so that a page of them is one query.
    async fn rename(&self, batch: &mut Batch, app: &Stored<App>) -> Result<()> {
        let of_app =
            Query::of::<Release>(app.organization).filter(Field::parse("app")?, Op::Eq(app.id.into()));
        for release in self.list_all::<Release>(of_app).await? {
            let next = Release { name: app.name.clone(), ..release.value.clone() };
            batch.update(&release.changed(next, self.now()))?;
        }
        Ok(())
    }

    /// Removes an app with its releases, their packages and its listings. Interrupted, it can be called again.
    ///
    /// # Errors
    /// See [`Depot`].
    pub async fn remove_app(&self, actor: &Actor, organization: Id<Organization>, id: Id<App>) -> Result<()> {
        self.authorize(actor, permission::APP_REMOVE, Target::app(organization, id)).await?;
        for attempt in 1..=ATTEMPTS {
            match self.try_remove_app(actor, organization, id).await {
                Ok(false) => {}
                Err(error) if retry(&error, attempt) => {}
                done => return done.map(drop),
            }
        }
        Err(Error::stale(None))
    }

    /// Removes an app that has no releases any more. One that has is rid of them, and is there for another try.
    async fn try_remove_app(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<App>,
    ) -> Result<bool> {
        // A release or listing that comes in from here on is written down in the app's record, whose revision then
        // differs. A build that comes in is dropped when it is to be processed.
        let app: Stored<App> = self.load(organization, id).await?;
        let of_app =
            |query: Query| -> Result<Query> { Ok(query.filter(Field::parse("app")?, Op::Eq(id.into()))) };
        for listing in self.list_all::<Listing>(of_app(Query::of::<Listing>(organization))?).await? {
            let mut batch = Batch::new();
            self.delete_listing(actor, &mut batch, &listing).await?;
            self.commit(batch).await?;
        }
        let releases = self.list_all::<Release>(of_app(Query::of::<Release>(organization))?).await?;
        let builds = self.list_all::<Build>(of_app(Query::of::<Build>(organization))?).await?;
        let ids = releases.iter().map(|release| release.id);
        let ids: BTreeSet<_> = ids.chain(builds.iter().map(|build| Build::release(build.id))).collect();
        if !ids.is_empty() {
            for release in ids {
                match self.drop_release(actor, organization, id, release, Unless::Changed(None)).await {
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    done => done?,
                }
            }
            return Ok(false);
        }
        let mut batch = Batch::new();
        batch.delete(&app);
        batch.events.push(self.event(actor, "app.remove", &app));
        let icon = self.drop_picture(&mut batch, organization, app.own_icon).await?;
        self.commit(batch).await?;
        if let Some(icon) = icon {
            self.erase(&icon).await;
        }
        Ok(true)
    }
}

impl NewApp {
    /// The app, with the slug that was asked for or that its name gives.
    pub(super) fn into_app(self, actor: &Actor) -> Result<App> {
        check_text("name", &self.name, 128)?;
        check_optional_text("description", &self.description, 1_000)?;
        check_extra("configuration", &self.configuration)?;
        check_extra("metadata", &self.extra)?;
        if let Some(slug) = &self.slug {
            check_slug(slug)?;
        }
        self.context.as_deref().map_or(Ok(()), check_context)?;
        let slug = self.slug.unwrap_or_else(|| slugify(&self.name));
        Ok(App {
            name: self.name,
            slug,
            description: self.description,
            owner: actor.subject.to_string(),
            created_by: actor.person.clone(),
            lifecycle: self.lifecycle,
            exclusive_name: self.exclusive_name,
            context: self.context,
            default_release: None,
            releases: 0,
            own_icon: None,
            numbers: std::collections::BTreeMap::new(),
            builds: 0,
            icon: None,
            retention: self.retention,
            platforms: Vec::new(),
            released_at: None,
            configuration: self.configuration,
            extra: self.extra,
        })
    }
}

fn check_context(context: &str) -> Result<()> {
    let inner = |c: u8| c.is_ascii_alphanumeric() || b"._-/".contains(&c);
    let rest = context.strip_prefix('/').filter(|rest| (1..=127).contains(&rest.len()));
    let good = rest.is_some_and(|rest| {
        rest.bytes().all(inner) && rest.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
    });
    if good {
        return Ok(());
    }
    Err(Error::invalid("context", "'/' and 1 to 127 letters, digits, '.', '_', '-' or single '/'"))
}

impl AppChange {
    /// Whether it leaves the app itself alone.
    fn is_listing_only(&self) -> bool {
        let rest = Self { listing: None, ..self.clone() };
        self.listing.is_some() && rest == Self::default()
    }

    fn apply(&self, app: &mut App) -> Result<()> {
        if let Some(name) = &self.name {
            check_text("name", name, 128)?;
            app.name.clone_from(name);
        }
        if let Some(slug) = &self.slug {
            check_slug(slug)?;
            app.slug.clone_from(slug);
        }
        if let Some(description) = &self.description {
            check_optional_text("description", description, 1_000)?;
            app.description.clone_from(description);
        }
        if let Some(configuration) = &self.configuration {
            app.configuration.clone_from(configuration);
        }
        for (name, value) in &self.configure {
            if value.is_null() {
                app.configuration.remove(name);
            } else {
                app.configuration.insert(name.clone(), value.clone());
            }
        }
        if let Some(retention) = self.retention {
            app.retention = retention;
        }
        check_extra("configuration", &app.configuration)?;
        if let Some(extra) = &self.extra {
            check_extra("metadata", extra)?;
            app.extra.clone_from(extra);
        }
        Ok(())
    }
}
