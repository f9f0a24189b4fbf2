//! Apps: products, apart from their releases.

use std::collections::BTreeSet;

use crate::authorize::{Actor, Target, permission};
use crate::domain::{
    App, Build, Extra, Id, LifecycleName, Listing, Organization, Release, Revision, Stored,
    check_optional_text, check_slug, check_text, slugify,
};
use crate::error::Result;
use crate::query::{Field, Op, Page, Query};
use crate::records::Batch;

use super::{Depot, check_extra, on_app, retry};

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
    /// Settings under a dialect's own names, at most 64 KiB of JSON.
    pub configuration: Extra,
    /// Attributes to keep, at most 64 KiB of JSON.
    pub extra: Extra,
}

/// What to change of an app; `None` leaves as is.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(missing_docs)]
pub struct AppChange {
    pub name: Option<String>,
    pub slug: Option<String>,
    pub description: Option<String>,
    pub configuration: Option<Extra>,
    pub extra: Option<Extra>,
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
        check_text("name", &new.name, 128)?;
        check_optional_text("description", &new.description, 1_000)?;
        check_extra("configuration", &new.configuration)?;
        check_extra("metadata", &new.extra)?;
        if let Some(slug) = &new.slug {
            check_slug(slug)?;
        }
        let base = new.slug.clone().unwrap_or_else(|| slugify(&new.name));
        let mut app = App {
            name: new.name,
            slug: base.clone(),
            description: new.description,
            owner: actor.subject.to_string(),
            created_by: actor.person.clone(),
            lifecycle: new.lifecycle,
            releases: 0,
            builds: 0,
            icon: None,
            platforms: Vec::new(),
            released_at: None,
            configuration: new.configuration,
            extra: new.extra,
        };
        for number in 2.. {
            let stored = Stored::new(organization, app.clone(), self.now());
            match self.insert(actor, "app.create", stored).await {
                Err(error) if error.is_taken("slug") && new.slug.is_none() && number <= NUMBERED => {
                    app.slug = format!("{base}-{number}");
                }
                other => return other,
            }
        }
        Err(crate::Error::taken("slug"))
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
        self.authorize(actor, permission::APP_UPDATE, Target::app(organization, id)).await?;
        let stored = self.load(organization, id).await?;
        self.update(actor, "app.update", stored, expected, |app| change.apply(app)).await
    }

    /// Removes an app with its releases, their packages and its listings. Interrupted, it can be called again.
    ///
    /// # Errors
    /// See [`Depot`].
    pub async fn remove_app(&self, actor: &Actor, organization: Id<Organization>, id: Id<App>) -> Result<()> {
        self.authorize(actor, permission::APP_REMOVE, Target::app(organization, id)).await?;
        for attempt in 1.. {
            let of_app =
                |query: Query| -> Result<Query> { Ok(query.filter(Field::parse("app")?, Op::Eq(id.into()))) };
            for listing in self.list_all::<Listing>(of_app(Query::of::<Listing>(organization))?).await? {
                let mut batch = Batch::new();
                batch.delete(&listing);
                batch.events.push(self.event(actor, "listing.remove", &listing));
                self.commit(batch).await?;
            }
            let releases = self.list_all::<Release>(of_app(Query::of::<Release>(organization))?).await?;
            let builds = self.list_all::<Build>(of_app(Query::of::<Build>(organization))?).await?;
            let ids = releases.iter().map(|release| release.id);
            let ids: BTreeSet<_> = ids.chain(builds.iter().map(|build| Build::release(build.id))).collect();
            for release in ids {
                self.drop_release(actor, organization, id, release).await?;
            }
            let app: Stored<App> = self.load(organization, id).await?;
            // A release that came in meanwhile was counted in the app's record, whose revision then differs. A build
            // that came in meanwhile is dropped when it is to be processed.
            if app.releases == 0 {
                let mut batch = Batch::new();
                batch.delete(&app);
                batch.events.push(self.event(actor, "app.remove", &app));
                match self.commit(batch).await {
                    Err(error) if retry(&error, attempt) => continue,
                    other => return other,
                }
            }
            if attempt > 16 {
                break;
            }
        }
        Err(crate::Error::stale(None))
    }
}

impl AppChange {
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
            check_extra("configuration", configuration)?;
            app.configuration.clone_from(configuration);
        }
        if let Some(extra) = &self.extra {
            check_extra("metadata", extra)?;
            app.extra.clone_from(extra);
        }
        Ok(())
    }
}
