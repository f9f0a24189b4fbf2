//! Releases and their lifecycle.
//!
//! The app's record is written with every release that comes, goes or changes state, so that its revision orders
//! whatever concerns one app: counts and offers never disagree with the releases.

use crate::authorize::{Actor, permission};
use crate::domain::{
    App, Asset, Build, Content, Entity as _, Id, Listing, Offer, Organization, Release, Stored,
    check_optional_text, check_text,
};
use crate::error::{Error, ErrorKind, Result};
use crate::lifecycle::{Lifecycle, State, Verb};
use crate::query::{Field, Op, Page, Query};
use crate::records::Batch;

use super::{Depot, on_app, retry};

/// A new release: a package that was uploaded, and what its package does not say itself.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRelease {
    /// The package.
    pub asset: Id<Asset>,
    /// What changed, at most 10,000 characters.
    pub notes: String,
}

impl Depot {
    /// Adds a release to an app. Version and platform are the package's own.
    ///
    /// # Errors
    /// `NotFound(asset)`; `Unsupported` when no package was understood in it; `Conflict` when the asset is another
    /// release's package; `Conflict(Taken)` when the app has this version already.
    pub async fn create_release(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        app: Id<App>,
        new: NewRelease,
    ) -> Result<Stored<Release>> {
        let mut app: Stored<App> = self.load(organization, app).await?;
        self.authorize(actor, permission::RELEASE_CREATE, on_app(&app)).await?;
        check_optional_text("notes", &new.notes, 10_000)?;
        for attempt in 1.. {
            let asset: Stored<Asset> = self.load(organization, new.asset).await?;
            let release = self.release_of(&app, &asset, new.notes.clone())?;
            let stored = Stored::new(organization, release, self.now());
            let mut batch = Batch::new();
            batch.insert(&stored)?;
            let mut used = asset.value.clone();
            used.release = Some(stored.id);
            batch.update(&asset.changed(used, self.now()))?;
            let mut counted = app.value.clone();
            self.announce(actor, &mut batch, &mut counted, &stored).await?;
            batch.update(&app.changed(counted, self.now()))?;
            match self.commit(batch).await {
                Ok(()) => return Ok(stored),
                Err(error) if retry(&error, attempt) => app = self.load(organization, app.id).await?,
                Err(error) => return Err(error),
            }
        }
        Err(Error::stale(None))
    }

    /// Adds to `batch` what a new release brings with it, and counts it in its `app`.
    pub(super) async fn announce(
        &self,
        actor: &Actor,
        batch: &mut Batch,
        app: &mut App,
        release: &Stored<Release>,
    ) -> Result<()> {
        app.releases += 1;
        app.released_at = Some(self.now());
        if !app.platforms.contains(&release.platform) {
            app.platforms.push(release.platform);
        }
        if release.state == State::Published {
            self.refresh_offers(batch, release).await?;
        }
        let mut event = self.event(actor, "release.create", release);
        event.to = Some(release.state.as_str().to_owned());
        batch.events.push(event);
        Ok(())
    }

    fn release_of(&self, app: &Stored<App>, asset: &Stored<Asset>, notes: String) -> Result<Release> {
        if asset.release.is_some() {
            return Err(Error::new(ErrorKind::Conflict, "the asset is another release's package"));
        }
        let Content::File(file) = &asset.content else {
            return Err(Error::new(ErrorKind::Unsupported, "a link is no package"));
        };
        let unsupported = || Error::new(ErrorKind::Unsupported, "no package was understood in the file");
        // A package beside a problem says what the file claims to be, not that it may be trusted.
        if let Some(problem) = &file.inspection.error {
            return Err(Error::new(ErrorKind::Unsupported, format!("{}: {}", problem.code, problem.message)));
        }
        let package = file.inspection.package.as_ref().ok_or_else(unsupported)?;
        let platform = package.platform.ok_or_else(unsupported)?;
        let version = package.version.clone().or_else(|| package.version_code.clone()).unwrap_or_default();
        check_text("version", &version, 256)?;
        let state = self.lifecycle(app).initial();
        Ok(Release {
            app: app.id,
            asset: asset.id,
            version,
            version_code: package.version_code.clone(),
            platform,
            state,
            notes,
            length: file.length,
            built: false,
            published_at: (state == State::Published).then(|| self.now()),
        })
    }

    /// A release.
    ///
    /// # Errors
    /// See [`Depot`].
    pub async fn release(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<Release>,
    ) -> Result<Stored<Release>> {
        let (release, app) = self.release_and_app(organization, id).await?;
        self.authorize(actor, permission::RELEASE_GET, on_app(&app)).await?;
        Ok(release)
    }

    /// The releases that `query` describes and the actor may see.
    ///
    /// # Errors
    /// See [`Depot`]; `Invalid` for a query out of bounds.
    pub async fn releases(&self, actor: &Actor, query: Query) -> Result<Page<Stored<Release>>> {
        let query = self.scoped(actor, permission::RELEASE_LIST, query, Field::parse("app")?).await?;
        self.list(&query).await
    }

    /// The lifecycle that an app's releases follow.
    pub fn lifecycle(&self, app: &App) -> Lifecycle {
        app.lifecycle.table()
    }

    /// Takes a release one step along its lifecycle. Of several callers who ask for the same step, one succeeds.
    ///
    /// # Errors
    /// `Conflict(Step)`, with what is possible instead; nothing has changed then.
    pub async fn step(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<Release>,
        verb: Verb,
        comment: &str,
    ) -> Result<Stored<Release>> {
        check_optional_text("comment", comment, 1_000)?;
        for attempt in 1.. {
            let (release, app) = self.release_and_app(organization, id).await?;
            self.authorize(actor, verb.permission(), on_app(&app)).await?;
            let to = self.lifecycle(&app).step(release.state, verb)?;
            let published_at = if to == State::Published { Some(self.now()) } else { release.published_at };
            let next =
                release.changed(Release { state: to, published_at, ..release.value.clone() }, self.now());
            let mut batch = Batch::new();
            batch.update(&next)?;
            batch.update(&app.changed(app.value.clone(), self.now()))?;
            self.refresh_offers(&mut batch, &next).await?;
            let mut event = self.event(actor, &format!("release.{}", verb.as_str()), &next);
            event.from = Some(release.state.as_str().to_owned());
            event.to = Some(to.as_str().to_owned());
            if !comment.is_empty() {
                event.detail.insert("comment".to_owned(), comment.into());
            }
            batch.events.push(event);
            match self.commit(batch).await {
                Ok(()) => return Ok(next),
                // Someone else came first: look again, and ask the table again.
                Err(error) if retry(&error, attempt) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::stale(None))
    }

    /// Removes a release with its package.
    ///
    /// # Errors
    /// See [`Depot`].
    pub async fn remove_release(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        id: Id<Release>,
    ) -> Result<()> {
        let (release, app) = self.release_and_app(organization, id).await?;
        self.authorize(actor, permission::RELEASE_REMOVE, on_app(&app)).await?;
        self.drop_release(actor, organization, app.id, release.id).await
    }

    /// Removes what goes by this id: the release, the build it was made of, and their files.
    pub(super) async fn drop_release(
        &self,
        actor: &Actor,
        organization: Id<Organization>,
        app: Id<App>,
        id: Id<Release>,
    ) -> Result<()> {
        let missing = || Error::not_found(Release::NAME);
        for attempt in 1.. {
            let release: Option<Stored<Release>> = self.find(organization, id).await?;
            let build: Option<Stored<Build>> = self.find(organization, id.cast()).await?;
            // What was there a moment ago and is gone was removed by someone else.
            if release.is_none() && build.is_none() {
                return if attempt == 1 { Err(missing()) } else { Ok(()) };
            }
            let mut batch = Batch::new();
            let app: Option<Stored<App>> = self.find(organization, app).await?;
            let mut counted = app.as_ref().map(|app| app.value.clone());
            if let Some(release) = &release {
                batch.delete(release);
                batch.events.push(self.event(actor, "release.remove", release));
                let retired = Release { state: State::Retired, ..release.value.clone() };
                let gone = Stored { value: retired, ..release.clone() };
                self.refresh_offers(&mut batch, &gone).await?;
                if let Some(counted) = &mut counted {
                    counted.releases = counted.releases.saturating_sub(1);
                }
            }
            if let Some(build) = &build {
                self.drop_build(actor, &mut batch, counted.as_mut(), build).await?;
            }
            if let (Some(app), Some(counted)) = (app, counted) {
                batch.update(&app.changed(counted, self.now()))?;
            }
            let mut blobs = Vec::new();
            let belonging =
                Query::of::<Asset>(organization).filter(Field::parse("release")?, Op::Eq(id.into()));
            for asset in self.list_all::<Asset>(belonging).await? {
                batch.delete(&asset);
                if let Some(blob) = self.doomed(&asset).await? {
                    batch.update(&blob)?;
                    blobs.push(blob);
                }
            }
            match self.commit(batch).await {
                Ok(()) => {
                    for blob in blobs {
                        self.erase(&blob).await;
                    }
                    return Ok(());
                }
                Err(error) if retry(&error, attempt) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::stale(None))
    }

    pub(super) async fn release_and_app(
        &self,
        organization: Id<Organization>,
        id: Id<Release>,
    ) -> Result<(Stored<Release>, Stored<App>)> {
        let release: Stored<Release> = self.load(organization, id).await?;
        let app = self.load(organization, release.app).await?;
        Ok((release, app))
    }

    /// Adds to `batch` what the listings of the app must offer once `changed` is as given.
    async fn refresh_offers(&self, batch: &mut Batch, changed: &Stored<Release>) -> Result<()> {
        let organization = changed.organization;
        let of_app =
            Query::of::<Listing>(organization).filter(Field::parse("app")?, Op::Eq(changed.app.into()));
        let listings = self.list_all::<Listing>(of_app).await?;
        if listings.is_empty() {
            return Ok(());
        }
        let offers = self.offers(organization, changed.app, Some(changed)).await?;
        for listing in listings.into_iter().filter(|listing| listing.offers != offers) {
            let next = Listing { offers: offers.clone(), ..listing.value.clone() };
            batch.update(&listing.changed(next, self.now()))?;
        }
        Ok(())
    }

    /// What an app offers: per platform the release that was published last. `changed` stands for its stored
    /// self.
    pub(super) async fn offers(
        &self,
        organization: Id<Organization>,
        app: Id<App>,
        changed: Option<&Stored<Release>>,
    ) -> Result<Vec<Offer>> {
        let published = Query::of::<Release>(organization)
            .filter(Field::parse("app")?, Op::Eq(app.into()))
            .filter(Field::parse("state")?, Op::Eq(State::Published.as_str().into()));
        let mut releases: Vec<Stored<Release>> = self.list_all(published).await?;
        if let Some(changed) = changed {
            releases.retain(|release| release.id != changed.id);
            if changed.state == State::Published {
                releases.push(changed.clone());
            }
        }
        releases.sort_by_key(|release| (release.platform, release.published_at, release.id));
        let mut offers: Vec<Offer> = Vec::new();
        for release in releases {
            offers.retain(|offer| offer.platform != release.platform);
            offers.push(Offer {
                platform: release.platform,
                release: release.id,
                asset: release.asset,
                version: release.version.clone(),
                length: release.length,
                since: release.published_at.unwrap_or(release.created_at),
            });
        }
        Ok(offers)
    }
}
